//! What the census can find, in words.

use serde::Serialize;

use crate::names::QualifiedName;

/// What kind of loss the census saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// A table that had rows is gone.
    TableDropped,
    /// A table that had rows has none.
    TableEmptied,
    /// Rows that a table had are not there.
    RowsLost,
    /// Rows hold other values; which columns cannot be told.
    RowsRewritten,
    /// A column that had values is gone.
    ColumnDropped,
    /// A column that had values has none.
    ColumnEmptied,
    /// The longest text of a column is shorter than it was.
    ColumnTruncated,
    /// A column has another type, and its values did not survive that.
    ColumnRetyped,
    /// Times without a zone became times with one, or the reverse, and the file does not say in
    /// which zone: another server may read them otherwise.
    ZoneUnstated,
    /// A column's values are not what they were.
    ColumnRewritten,
    /// The values are the same as before, but in other rows.
    ValuesMoved,
    /// A table was built anew under its name, and lacks what guarded or described its rows.
    DefinitionLost,
    /// A table lacks what went with something else that was dropped by CASCADE.
    TakenAlong,
    /// Triggers that fired are disabled.
    TriggersDisabled,
    /// A column's next number is one that it has already; or a sequence begins with one it gave away.
    SequenceBehind,
    /// A table is unlogged now: the server empties it after a crash.
    Unlogged,
    /// A materialized view that had rows has none until it is refreshed.
    ViewEmptied,
}

/// Something that was there before a migration and is not there, or not the same, after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loss {
    /// What happened.
    pub kind: LossKind,
    /// The table, as named before the migration.
    pub table: QualifiedName,
    /// The column, as named before, unless the whole table is meant.
    pub column: Option<String>,
    /// Rows, values, or for a truncated column the most bytes, before.
    pub before: u64,
    /// The same after; 0 for what is gone, and of rewritten values how many.
    pub after: u64,
    /// The column's type before and after, where it changed.
    pub types: Option<[String; 2]>,
    /// The first rows that it happened to, as JSON objects of their keys, where that is known.
    pub rows: Vec<String>,
    /// The name of what came with the file and is like what is gone, which may have been renamed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub came: Option<String>,
    /// What a table lacks that was built anew, as the server writes it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
}

impl Loss {
    /// One of a table, of which nothing else is known.
    pub(crate) fn new(kind: LossKind, table: QualifiedName) -> Self {
        let (column, before, after, types) = (None, 0, 0, None);
        let (rows, came, lacks) = (Vec::new(), None, Vec::new());
        Self { kind, table, column, before, after, types, rows, came, lacks }
    }

    /// Whether `name` (`schema.table` or `schema.table.column`) covers this loss.
    pub(crate) fn is_in(&self, name: &str) -> bool {
        name == self.table.to_string() || (self.column.is_some() && name == self.place())
    }

    /// `schema.table` or `schema.table.column`, as named before the migration.
    pub fn place(&self) -> String {
        match &self.column {
            Some(column) => format!("{}.{column}", self.table),
            None => self.table.to_string(),
        }
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        let Self { before, after, .. } = self;
        let place = self.place();
        let [from, to] = self.types.as_ref().map_or(["", ""], |[from, to]| [from, to]);
        match self.kind {
            LossKind::TableDropped => format!("{place} is gone; it had {before} rows"),
            LossKind::TableEmptied => format!("{place} is empty; it had {before} rows"),
            LossKind::RowsLost => format!("{place} lost {} of its {before} rows", before - after),
            LossKind::RowsRewritten => format!(
                "{} of the {before} rows of {place} hold other values than before",
                before - after
            ),
            LossKind::ColumnDropped => format!("{place} is gone; it had {before} values"),
            LossKind::ColumnEmptied => format!("{place} is empty; it had {before} values"),
            LossKind::ColumnTruncated => {
                format!("{place} was cut: its longest text had {before} bytes, now {after}")
            }
            LossKind::ColumnRetyped => {
                format!("{place} holds other values as {to} than it held as {from}")
            }
            LossKind::ZoneUnstated => format!(
                "{place} was {from} and is {to}, and the file does not state in which time zone"
            ),
            LossKind::ColumnRewritten => {
                format!("{place} holds other values than before ({after} of {before})")
            }
            LossKind::ValuesMoved => {
                format!("{place} holds the values of before, but in other rows")
            }
            LossKind::DefinitionLost => {
                format!("{place} was built anew and lacks {}", self.lacks.join("; "))
            }
            LossKind::TakenAlong => format!(
                "{place} lost {}, which went with something that the file drops by CASCADE",
                self.lacks.join("; ")
            ),
            LossKind::TriggersDisabled => {
                format!("{place} has triggers that do not fire any more: {}", self.lacks.join(", "))
            }
            LossKind::SequenceBehind if self.column.is_none() => {
                format!("the next number of {place} is {after}, and it gave away {before} already")
            }
            LossKind::SequenceBehind => format!(
                "the next number for {place} is {after}, and the column has {before} already"
            ),
            LossKind::Unlogged => format!("{place} is unlogged now; a crash would empty it"),
            LossKind::ViewEmptied => {
                format!("{place} holds no rows until it is refreshed; it held {before}")
            }
        }
    }
}
