//! What came of trying the new files on rows, of a round trip, and of a look at another commit, as values.
//! Pure.

use std::fmt;
use std::path::PathBuf;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::check::audience::widening::Widening;
use crate::error::Error;
use crate::matrix::compare::Change;
use crate::matrix::yardstick::YardstickChange;
use crate::migrate::applied::Applied;
use crate::names::QualifiedName;

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

/// What a branch has changed since another commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinceBase {
    /// How the other commit is called.
    pub base: String,
    /// Cells of the accepted matrix.
    pub access: Vec<Change>,
    /// What the accepted matrix is measured against.
    pub yardstick: Vec<YardstickChange>,
    /// Keys and waivers of `leakproof.toml`.
    pub config: Vec<YardstickChange>,
    /// Files, with what became of them.
    pub files: Vec<String>,
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
    pub by_any_row_of: Option<QualifiedName>,
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
#[derive(Debug, Clone)]
pub struct Difference {
    /// The step.
    pub step: Leg,
    /// One line each: `gone: ...`, `new: ...`, `was: ...`, `is: ...`, or why it fails.
    pub lines: Vec<String>,
    /// Whether a statement failed, so that there is nothing to compare.
    pub has_failed: bool,
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Difference", 4)?;
        fields.serialize_field("on", &self.step.on())?;
        fields.serialize_field("when", &self.step.to_string())?;
        fields.serialize_field("lines", &self.lines)?;
        fields.serialize_field("has_failed", &self.has_failed)?;
        fields.end()
    }
}

/// A step of a round trip.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Leg {
    /// Back over one version.
    Back {
        /// The version that was taken back.
        from: i64,
        /// Its rollback file.
        file: PathBuf,
    },
    /// From where the trip turned to the last version.
    ThereAgain {
        /// The last version.
        to: i64,
    },
}

impl Leg {
    /// The rollback file, or the version that was reached again.
    fn on(&self) -> String {
        match self {
            Self::Back { file, .. } => file.display().to_string(),
            Self::ThereAgain { to } => format!("V{to}"),
        }
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Back { from, .. } => write!(f, "the way back from V{from}"),
            Self::ThereAgain { .. } => f.write_str("the way there again"),
        }
    }
}
