//! What came of applying one migration, as a value. Pure.

use crate::preserve::outcome::Preservation;

/// One migration that was applied, and what it did to the data.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The number before the name.
    pub version: i64,
    /// The words after the version.
    pub name: String,
    /// How many statements the file has.
    pub statements: usize,
    /// What the census and the preserve queries saw.
    pub preservation: Preservation,
    /// Where it was not run as it would be on its own server.
    pub deviations: Deviations,
}

/// Where a file was not run letter by letter as it would be on its own server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Extensions that the server lacks and that were made of stubs.
    pub stubbed: Vec<String>,
    /// Extensions whose version the server lacks, with that version.
    pub other_versions: Vec<String>,
    /// Statements that the owner was not allowed, by file and line.
    pub elevated: Vec<String>,
}
