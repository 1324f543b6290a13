//! Pairs that vouch for what a migration does to rows, drafted from what its statements say: the expression
//! by which a value comes of those of before, or the query by which rows do. Pure.

use crate::names::QualifiedName;
use crate::preserve::loss::{Loss, LossKind};
use crate::project::preserve_file::UNFINISHED;
use crate::sql::planned::{Change, Named, Planned};
use crate::sql::quote::identifier;
use crate::sql::statement::has_name;

/// A table as it was before a migration.
pub(crate) struct TableBefore {
    pub name: QualifiedName,
    /// The columns that name a row; none where no columns do.
    pub key: Vec<String>,
    pub columns: Vec<String>,
}

/// A pair for something that is gone or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Draft {
    /// `schema.table` or `schema.table.column`.
    pub covers: String,
    pub name: String,
    pub before: String,
    pub after: String,
    /// The lines of the statements that it was made from; none where it has to be completed.
    pub lines: Vec<usize>,
}

impl Draft {
    /// The pair as a `preserve/` file has it.
    pub(crate) fn text(&self) -> String {
        let Self { covers, name, before, after, lines } = self;
        let unfinished = match lines.as_slice() {
            [] => {
                "-- The file does not say it in a statement of its own: ask for the values where they are now.\n"
            }
            _ => "",
        };
        format!(
            "-- preserve: {name}\n-- covers: {covers}\n-- before\n{before};\n-- after\n{unfinished}{after};\n"
        )
    }
}

/// The pairs for what a migration loses, as far as a pair can vouch for that; `tables` are those of before.
pub(crate) fn drafts(losses: &[Loss], planned: &[Planned], tables: &[TableBefore]) -> Vec<Draft> {
    losses.iter().flat_map(|loss| Drafting { loss, losses, planned, tables }.drafts()).collect()
}

struct Drafting<'a> {
    loss: &'a Loss,
    /// That and the others of the file.
    losses: &'a [Loss],
    planned: &'a [Planned],
    tables: &'a [TableBefore],
}

/// A `delete` of one table by a condition.
struct Deleted<'a> {
    line: usize,
    alias: Option<&'a str>,
    condition: &'a str,
}

impl Drafting<'_> {
    fn drafts(&self) -> Vec<Draft> {
        let Some(table) = self.tables.iter().find(|table| table.name == self.loss.table) else {
            return Vec::new();
        };
        use LossKind as Kind;
        let made = match (self.loss.kind, &self.loss.column) {
            // A definition is mended in the file itself.
            (
                Kind::DefinitionLost
                | Kind::TakenAlong
                | Kind::TriggersDisabled
                | Kind::SequenceBehind
                | Kind::Unlogged
                | Kind::ViewEmptied,
                _,
            ) => return Vec::new(),
            (Kind::RowsLost, None) => self.of_deleted(table).into_iter().collect(),
            (_, None) => self.of_copies(table),
            (Kind::ColumnDropped, Some(column)) => {
                let mut made = self.of_readers(table, column);
                made.extend(self.of_copies(table));
                made
            }
            (_, Some(column)) => self.of_rewritten(table, column).into_iter().collect(),
        };
        if made.is_empty() { vec![self.unfinished(table)] } else { made }
    }

    /// The rows that a `delete` leaves, as far as other pairs do not speak of their columns.
    fn of_deleted(&self, table: &TableBefore) -> Option<Draft> {
        let Deleted { line, alias, condition } = self.deleted(table)?;
        let is_other = |column: &&String| {
            let of_column = |loss: &Loss| loss.column.as_ref() == Some(*column);
            !self.losses.iter().any(|loss| loss.table == table.name && of_column(loss))
        };
        let columns: Vec<String> = table.columns.iter().filter(is_other).cloned().collect();
        let (columns, from) = (list(&columns), from(table, alias));
        Some(Draft {
            covers: self.loss.place(),
            name: format!("{} keeps the rows that are not deleted", table.name),
            before: format!("select {columns}\nfrom {from}\nwhere ({condition}) is not true"),
            after: format!("select {columns}\nfrom {}", sql(table)),
            lines: vec![line],
        })
    }

    /// What one `delete` takes away, if it is the only one of its table and says so by itself.
    fn deleted(&self, table: &TableBefore) -> Option<Deleted<'_>> {
        let deletes = self.planned.iter().filter_map(|one| match &one.change {
            Change::Delete { table: name, alias, is_joined, condition } if is(table, name) => {
                Some((one.line, alias, is_joined, condition))
            }
            _ => None,
        });
        match deletes.collect::<Vec<_>>()[..] {
            [(line, alias, false, Some(condition))] => {
                Some(Deleted { line, alias: alias.as_deref(), condition })
            }
            _ => None,
        }
    }

    /// The rows of before that are there after, for expressions with that alias.
    fn kept_rows(&self, table: &TableBefore, alias: Option<&str>) -> String {
        let from = from(table, alias);
        let is_alike = |deleted: &Deleted<'_>| {
            deleted.alias == alias || deleted.alias.is_none() && !deleted.condition.contains('.')
        };
        match self.deleted(table).filter(is_alike) {
            Some(Deleted { condition, .. }) => format!("{from}\nwhere ({condition}) is not true"),
            None => from,
        }
    }

    /// What an `update` or a new type makes of a column.
    fn of_rewritten(&self, table: &TableBefore, column: &str) -> Option<Draft> {
        let mut values = Vec::new();
        for Planned { line, change } in self.planned {
            match change {
                Change::Update { table: name, alias, is_joined, sets, condition }
                    if is(table, name) && sets.iter().any(|(set, _)| set == column) =>
                {
                    let value = sets.iter().find(|(set, _)| set == column)?.1.as_ref()?;
                    if *is_joined {
                        return None;
                    }
                    let value = match condition {
                        None => value.clone(),
                        Some(condition) => format!(
                            "case when {condition} then {value} else {} end",
                            identifier(column)
                        ),
                    };
                    values.push((*line, value, alias.clone()));
                }
                Change::Retype { table: name, column: retyped, type_name, using }
                    if is(table, name) && retyped == column =>
                {
                    let value = match using {
                        Some(using) if using.ends_with(&format!("::{type_name}")) => using.clone(),
                        Some(using) => format!("({using})::{type_name}"),
                        None => format!("{}::{type_name}", identifier(column)),
                    };
                    values.push((*line, value, None));
                }
                _ => {}
            }
        }
        // One that goes on with what another has made is not an expression over what was.
        let [(line, value, alias)] = &values[..] else { return None };
        let key = self.key_beside(table, column);
        Some(Draft {
            covers: self.loss.place(),
            name: format!("{} is what was planned", self.loss.place()),
            before: format!(
                "select {}{value} as {}\nfrom {}",
                key,
                identifier(column),
                self.kept_rows(table, alias.as_deref())
            ),
            after: format!("select {}{}\nfrom {}", key, identifier(column), sql(table)),
            lines: vec![*line],
        })
    }

    /// The columns that an `update` of the same table fills from one that is gone.
    fn of_readers(&self, table: &TableBefore, column: &str) -> Vec<Draft> {
        let mut made = Vec::new();
        for Planned { line, change } in self.planned {
            let Change::Update { table: name, alias, is_joined: false, sets, condition } = change
            else {
                continue;
            };
            let readers: Vec<(&str, &str)> = sets
                .iter()
                .filter_map(|(set, value)| Some((set.as_str(), value.as_deref()?)))
                .filter(|(set, value)| *set != column && has_name(value, column))
                .collect();
            if !is(table, name) || readers.is_empty() {
                continue;
            }
            let value = |value: &str| match condition {
                None => value.to_owned(),
                Some(condition) => format!("case when {condition} then {value} end"),
            };
            let before: Vec<String> = readers
                .iter()
                .map(|(set, expr)| format!("{} as {}", value(expr), identifier(set)))
                .collect();
            let after: Vec<String> = readers.iter().map(|(set, _)| identifier(set)).collect();
            let key = self.key_beside(table, column);
            made.push(Draft {
                covers: self.loss.place(),
                name: format!("what {} held is in {}", self.loss.place(), after.join(", ")),
                before: format!(
                    "select {key}{}\nfrom {}",
                    before.join(", "),
                    self.kept_rows(table, alias.as_deref())
                ),
                after: format!("select {key}{}\nfrom {}", after.join(", "), sql(table)),
                lines: vec![*line],
            });
        }
        made
    }

    /// The tables to which rows were copied.
    fn of_copies(&self, table: &TableBefore) -> Vec<Draft> {
        let mut made = Vec::new();
        for Planned { line, change } in self.planned {
            let Change::Copy { into, columns, query, may_skip: false } = change else { continue };
            let reads_column = self
                .loss
                .column
                .as_ref()
                .is_none_or(|column| has_name(query, column) || query.contains('*'));
            if !has_name(query, table.name.name()) || !reads_column {
                continue;
            }
            let target = self.name_after(into).sql();
            let columns = if columns.is_empty() { "*".to_owned() } else { list(columns) };
            let was_there = self.tables.iter().any(|table| is(table, into));
            let before = match was_there {
                true => format!("select {columns}\nfrom {}\nunion all\n({query})", into.sql()),
                false => query.clone(),
            };
            made.push(Draft {
                covers: self.loss.place(),
                name: format!("what {} held is in {target}", self.loss.place()),
                before,
                after: format!("select {columns}\nfrom {target}"),
                lines: vec![*line],
            });
        }
        made
    }

    /// What a table that is made in the file is called in the end.
    fn name_after(&self, into: &Named) -> Named {
        let mut named = into.clone();
        for one in self.planned {
            if let Change::Rename { table, to } = &one.change
                && *table == named
            {
                named.name.clone_from(to);
            }
        }
        named
    }

    /// A pair that fails until somebody says where the values are.
    fn unfinished(&self, table: &TableBefore) -> Draft {
        let columns = match &self.loss.column {
            Some(column) => format!("{}{}", self.key_beside(table, column), identifier(column)),
            None => list(&table.columns),
        };
        Draft {
            covers: self.loss.place(),
            name: format!("what {} held is kept", self.loss.place()),
            before: format!("select {columns}\nfrom {}", sql(table)),
            after: format!("select {columns}\nfrom {UNFINISHED}"),
            lines: Vec::new(),
        }
    }

    /// The key with a comma behind it, without a column.
    fn key_beside(&self, table: &TableBefore, column: &str) -> String {
        let key: Vec<String> = table.key.iter().filter(|name| *name != column).cloned().collect();
        if key.is_empty() { String::new() } else { format!("{}, ", list(&key)) }
    }
}

/// Whether a name in a file is that of the table.
fn is(table: &TableBefore, named: &Named) -> bool {
    let (schema, name) = (table.name.schema(), table.name.name());
    named.name == name && named.schema.as_ref().is_none_or(|known| known == schema)
}

fn sql(table: &TableBefore) -> String {
    table.name.sql()
}

fn from(table: &TableBefore, alias: Option<&str>) -> String {
    match alias {
        Some(alias) => format!("{} as {}", sql(table), identifier(alias)),
        None => sql(table),
    }
}

fn list(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
    names.join(", ")
}
