//! What a probe showed.

use serde::Serialize;

/// What a probe showed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It went through.
    Allowed {
        /// How many rows it reached.
        rows: usize,
        /// How many rows of that class there are.
        of: usize,
        /// The SQLSTATE of a constraint that stopped it after access control had let it pass.
        #[serde(skip_serializing_if = "Option::is_none")]
        stopped_by: Option<String>,
    },
    /// It ran and reached no row.
    Hidden,
    /// The role lacks the privilege.
    NoGrant,
    /// A WITH CHECK, or the foreign key that ties a row to its owner, refused it.
    Refused,
    /// It raised an error of another kind.
    Broken {
        /// Its SQLSTATE.
        sqlstate: String,
    },
    /// It could not be tried.
    Untested {
        /// Why.
        reason: String,
    },
}

impl Verdict {
    /// Whether access control let it pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }

    /// Whether it let all rows pass.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self, Self::Allowed { rows, of, .. } if rows == of)
    }

    /// Among several attempts at one cell the most telling counts: what went through, then what
    /// is unknown, then the denials.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Allowed { .. } => 5,
            Self::Broken { .. } => 4,
            Self::Untested { .. } => 3,
            Self::Refused => 2,
            Self::Hidden => 1,
            Self::NoGrant => 0,
        }
    }

    /// The words in reports.
    pub fn sentence(&self) -> String {
        match self {
            Self::Allowed { stopped_by: Some(state), .. } => {
                format!("allowed, stopped only by a constraint ({state})")
            }
            Self::Allowed { rows, of, .. } => format!("allowed {rows} of {of}"),
            Self::Hidden => "hidden".into(),
            Self::NoGrant => "not granted".into(),
            Self::Refused => "refused".into(),
            Self::Broken { sqlstate } => format!("broken ({sqlstate})"),
            Self::Untested { reason } => format!("untested ({reason})"),
        }
    }
}

/// What shows that a verdict is so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The very statement.
    pub statement: String,
    /// The first row it reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
}
