//! What came of loading rows that were dumped elsewhere: how many there are, and what of them was left
//! out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::project::files::SqlFile;
use crate::words::counted;

/// What came of one file.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    /// Rows by the table, as the file names it, that is not there.
    pub missing: BTreeMap<String, u64>,
    /// Rows by the table into which who runs the migrations may not write.
    pub refused: BTreeMap<String, u64>,
    /// Columns that a table lacks, by table.
    pub columns: BTreeMap<String, BTreeSet<String>>,
    /// Columns that a table computes, by table.
    pub computed: BTreeMap<String, BTreeSet<String>>,
    /// Rows by the table that has such a key already.
    pub known: BTreeMap<String, u64>,
    /// Sequences and materialized views that are not there.
    pub objects: BTreeSet<String>,
    /// How many large objects.
    pub large_objects: usize,
    /// Statements that bring no rows, by their first words.
    pub statements: BTreeMap<String, usize>,
    /// Columns whose next number was behind their rows.
    pub renumbered: Vec<String>,
}

impl LeftOut {
    /// A sentence for what was loaded, and for each kind of what was not.
    pub(crate) fn notes(&self, file: &SqlFile, loaded: &BTreeMap<String, u64>) -> Vec<String> {
        let path = format!("`{}`", file.path().display());
        let version = file.version();
        let rows: u64 = loaded.values().sum();
        let tables = loaded.values().filter(|rows| **rows > 0).count();
        let mut notes = vec![format!(
            "{} of {} loaded from {path}; no trigger has run on them, and their foreign keys hold",
            counted_rows(rows),
            counted(tables, "table")
        )];
        let mut add = |sentence: &str, what: Vec<String>| {
            if !what.is_empty() {
                notes.push(format!("{sentence}: {}", what.join(", ")));
            }
        };
        add(
            &format!("left out of {path}, since there is no such table at version {version}"),
            with_rows(&self.missing),
        );
        add(
            &format!("left out of {path}, since who runs the migrations may not write there"),
            with_rows(&self.refused),
        );
        add(
            &format!("left out of {path}, since the table has no such column here"),
            with_columns(&self.columns),
        );
        add(&format!("computed anew, and not as in {path}"), with_columns(&self.computed));
        add(
            &format!("rows of {path} with a key that is there already were left out"),
            with_rows(&self.known),
        );
        add(
            &format!(
                "left out of {path}, since there is no such sequence or view at version {version}"
            ),
            self.objects.iter().cloned().collect(),
        );
        if self.large_objects > 0 {
            add(&format!("left out of {path}"), vec!["large objects".into()]);
        }
        let statements = self.statements.iter().map(|(what, times)| format!("{what} ({times})"));
        add(&format!("left out of {path}, of which only rows are taken"), statements.collect());
        add(
            &format!(
                "go on after the largest number of {path}, which does not say what comes next"
            ),
            self.renumbered.clone(),
        );
        notes
    }
}

fn counted_rows(rows: u64) -> String {
    counted(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}

fn with_rows(tables: &BTreeMap<String, u64>) -> Vec<String> {
    let some = tables.iter().filter(|(_, rows)| **rows > 0);
    some.map(|(table, rows)| format!("{table} ({})", counted_rows(*rows))).collect()
}

fn with_columns(tables: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let columns = |columns: &BTreeSet<String>| columns.iter().cloned().collect::<Vec<_>>();
    tables.iter().map(|(table, all)| format!("{table} ({})", columns(all).join(", "))).collect()
}
