//! What came of applying one migration, as a value. Pure.

use std::fmt;

use serde::Serialize;

use crate::preserve::outcome::Preservation;
use crate::preserve::repeated::Repeated;

/// A migration by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct MigrationName {
    /// The number before the name.
    pub version: i64,
    /// The words after the version.
    pub name: String,
}

/// `V4 move_messages`
impl fmt::Display for MigrationName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V{} {}", self.version, self.name)
    }
}

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
    /// What came of applying it again on the same rows, where that was asked for and there were some.
    pub repeated: Option<Repeated>,
}

impl Applied {
    /// Its name.
    pub(crate) fn migration(&self) -> MigrationName {
        MigrationName { version: self.version, name: self.name.clone() }
    }
}

/// Where a file was not run letter by letter as it would be on its own server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deviations {
    /// Extensions that the server lacks and that were made of stubs.
    pub stubbed: Vec<String>,
    /// Extensions whose version the server lacks, with that version.
    pub other_versions: Vec<String>,
    /// The kinds of statements that a hosted server lets its owner run who is no superuser, one a use.
    pub elevated: Vec<&'static str>,
}
