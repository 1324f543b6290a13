//! What came of trying the new files on rows, and of a round trip, as values. Pure.

use serde::Serialize;

use crate::check::audience::widening::Widening;
use crate::error::Error;
use crate::migrate::applied::Applied;

/// What the new files did to generated rows.
#[derive(Debug, Default)]
pub struct Rehearsal {
    /// The versions that met rows, and what they did to them.
    pub applied: Vec<Applied>,
    /// How many rows there were in the end.
    pub rows: usize,
    /// Files that cannot be applied where there are rows.
    pub failed: Vec<Failure>,
    /// Where no rows could be generated, what could not be read, and why.
    pub notes: Vec<String>,
    /// Who sees more after a file than before.
    pub widenings: Vec<Widening>,
}

/// A file that fails on generated rows.
#[derive(Debug)]
pub struct Failure {
    /// The number before the name.
    pub version: i64,
    /// The words after the version.
    pub name: String,
    /// What the server says.
    pub error: Error,
    /// The table of which any row makes it fail: it gets a column that may not be NULL and has no
    /// default.
    pub by_any_row_of: Option<String>,
}

/// What came of a round trip.
#[derive(Debug, Clone, Default, Serialize)]
pub struct RoundTrip {
    /// The versions that were taken back, the latest first.
    pub back: Vec<i64>,
    /// Where the trip turned round: at a version without a way back, or else at the first.
    pub turned_at: i64,
    /// Whether it was not the first.
    pub is_cut_short: bool,
    /// The versions after which rows could not be compared, since fixtures came later.
    pub without_data: Vec<i64>,
    /// What was not as before.
    pub differences: Vec<Difference>,
    /// What the migrations did to the data on the second way there.
    #[serde(skip)]
    pub again: Vec<Applied>,
}

/// What one step left otherwise than it was.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    /// The rollback file, or the version that was reached again.
    pub on: String,
    /// `the way back from V4`.
    pub when: String,
    /// One line each: `gone: ...`, `new: ...`, `was: ...`, `is: ...`, or why it fails.
    pub lines: Vec<String>,
    /// Whether a statement failed, so that there is nothing to compare.
    pub has_failed: bool,
}
