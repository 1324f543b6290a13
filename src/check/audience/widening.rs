//! Who sees more than before a migration, as values. Pure.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::migrate::applied::MigrationName;
use crate::names::QualifiedName;

/// Somebody of the data sees values that others saw and he did not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Widening {
    /// After which migration.
    #[serde(serialize_with = "as_text")]
    pub migration: MigrationName,
    /// Where the values are seen now.
    pub relation: QualifiedName,
    /// Who sees them.
    pub reader: String,
    /// How many values.
    pub values: usize,
    /// The first of them, in the order of the relation's rows.
    pub example: String,
    /// Who saw that one before.
    pub audience: Vec<String>,
    /// The statement.
    pub statement: String,
}

/// What came of following.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Followed {
    /// How many users of the data were asked.
    pub users: usize,
    /// How many there are.
    pub of: usize,
    /// How many values somebody saw and were followed.
    pub values: usize,
    /// What is seen by more people than before, in the order of the versions.
    pub widenings: Vec<Widening>,
    /// The relations of which only so many rows were followed.
    pub partly: BTreeSet<String>,
    /// What could not be read, and why.
    pub unread: Vec<String>,
}

fn as_text<S: Serializer>(value: &impl fmt::Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
