//! What came of applying a file once more on the same rows, as a value. Pure.

use serde::Serialize;

use crate::names::QualifiedName;
use crate::preserve::circumstance::Circumstance;

/// What came of applying a file again on the same rows, and taking it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Repeated {
    /// Under which other circumstances it was, each with its value.
    pub tried: Vec<Other>,
    /// What holds other values each time, though nothing was otherwise: tables, and columns of them. It
    /// comes of the clock or of chance.
    pub by_chance: Vec<String>,
    /// What differs under other circumstances.
    pub differences: Vec<Difference>,
    /// What could not be tried, and why.
    pub untried: Vec<String>,
}

/// Another circumstance than usual.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Other {
    /// What is otherwise.
    pub circumstance: Circumstance,
    /// The value of the setting; none for the order of rows.
    pub value: Option<String>,
}

/// What a file does otherwise under another circumstance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// The circumstances: one, or several that only together make it.
    pub under: Vec<Other>,
    /// The line of the statement that does it, where only one can.
    pub line: Option<usize>,
    /// What is otherwise.
    pub what: What,
}

/// What is otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The file fails.
    Fails {
        /// What fails, and what the server says.
        error: String,
        /// The code of the server's error.
        sqlstate: Option<String>,
    },
    /// A table holds something else.
    Table {
        /// The table, as it is named after the file.
        table: QualifiedName,
        /// In which way.
        kind: DifferenceKind,
        /// The columns, where those can be told.
        columns: Vec<String>,
        /// How many rows differ.
        rows: u64,
        /// Whether it may be more, since the table is large.
        is_at_least: bool,
        /// How many there are.
        of: u64,
        /// The first of them.
        examples: Vec<Example>,
    },
}

/// In which way a table holds something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DifferenceKind {
    /// Rows of the same keys hold other values.
    Values,
    /// There are other rows.
    Rows,
    /// Each column holds the same values, but in other rows.
    Places,
    /// The same rows have other numbers for a key.
    Numbers,
    /// It has other columns, or is not there.
    Columns,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Example {
    /// What tells it from others.
    pub row: String,
    /// Its values as usual; none where it is not there.
    pub usual: Option<String>,
    /// Its values under the other circumstance.
    pub other: Option<String>,
}
