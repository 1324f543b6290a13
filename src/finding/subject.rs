//! What a finding is about.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::names::{Place, QualifiedName};

/// What a finding is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A table or view.
    Relation(QualifiedName),
    /// A column of a table.
    Column {
        /// The table.
        relation: QualifiedName,
        /// The column's name, unquoted.
        column: String,
    },
    /// A preserve pair, by where it stands.
    Pair(Place),
    /// A recorded call, by where it stands.
    Call(Place),
    /// A rollback file.
    Rollback(PathBuf),
    /// The version of a migration.
    Version(i64),
    /// What a waiver says that it is on.
    Waived(String),
}

/// As reports name it, and waivers under `on`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relation(relation) => relation.fmt(f),
            Self::Column { relation, column } => write!(f, "{relation}.{column}"),
            Self::Pair(place) | Self::Call(place) => place.fmt(f),
            Self::Rollback(path) => path.display().fmt(f),
            Self::Version(version) => write!(f, "V{version}"),
            Self::Waived(on) => f.write_str(on),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_named_as_waivers_name_them() {
        let relation = || QualifiedName::new("public", "chats");
        let place = || Place::new("preserve/V4__move.sql", 3);
        let column = Subject::Column { relation: relation(), column: "title".into() };
        for (subject, expected) in [
            (Subject::Relation(relation()), "public.chats"),
            (column, "public.chats.title"),
            (Subject::Pair(place()), "preserve/V4__move.sql:3"),
            (Subject::Call(place()), "preserve/V4__move.sql:3"),
            (Subject::Rollback("rollback/V4__move.sql".into()), "rollback/V4__move.sql"),
            (Subject::Version(4), "V4"),
            (Subject::Waived("public.*".into()), "public.*"),
        ] {
            assert_eq!(subject.to_string(), expected);
        }
    }
}
