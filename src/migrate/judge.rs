//! refinery as the judge of what is pending: asked with the history as a value, before anything runs.
//! Pure.

use refinery_core::traits::sync::{Query, Transaction};
use refinery_core::{Error as RefineryError, Migrate, Migration, Runner};

use crate::error::{Error, Result};

/// The versions of `files` that are pending where these were applied.
///
/// # Errors
/// One that was applied is missing or is another now, or one that was not comes before one that was.
pub(crate) fn pending(
    files: &[Migration],
    applied: Vec<Migration>,
) -> Result<Vec<i64>, RefineryError> {
    let mut history = Memory { applied, told: Vec::new() };
    let report = Runner::new(files).run(&mut history)?;
    Ok(report.applied_migrations().iter().map(Migration::version).collect())
}

/// The statement by which refinery writes a file down as applied now.
///
/// # Errors
/// None that is known: refinery has nothing to refuse in an empty history.
pub(crate) fn record_sql(file: Migration, table: &str) -> Result<String> {
    let mut history = Memory::default();
    let mut runner = Runner::new(&[file]);
    runner.set_migration_table_name(table);
    runner
        .run(&mut history)
        .map_err(|cause| Error::new("refinery cannot write a file down").cause(cause))?;
    // The table, the file's own text, then the row.
    history.told.pop().ok_or_else(|| Error::new("refinery writes nothing down"))
}

/// The statement that makes refinery's table, where there is none.
pub(crate) fn table_sql(table: &str) -> String {
    Memory::assert_migrations_table_query(table)
}

/// A history in memory, and what refinery would have a database do.
#[derive(Default)]
struct Memory {
    applied: Vec<Migration>,
    told: Vec<String>,
}

impl Transaction for Memory {
    type Error = Error;

    fn execute<'a, T: Iterator<Item = &'a str>>(&mut self, queries: T) -> Result<usize> {
        self.told.extend(queries.map(str::to_owned));
        Ok(1)
    }
}

impl Query<Vec<Migration>> for Memory {
    fn query(&mut self, _: &str) -> Result<Vec<Migration>> {
        Ok(self.applied.clone())
    }
}

impl Migrate for Memory {}
