//! What is other on a target than the files make it. Pure.

use serde::{Deserialize, Serialize};

use crate::names::QualifiedName;

/// Something that a target has otherwise than the files make it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What sort of thing it is about.
    pub kind: Kind,
    /// The thing, as reports show it.
    pub subject: String,
    /// The relation, routine or type that it belongs to, so that a file which touches that can be told.
    pub relation: Option<QualifiedName>,
    /// What is there and what the files say, in a sentence.
    pub what: String,
    /// What makes it as the files say, run on the target; none where no statement can without harm.
    pub statement: Option<String>,
}

/// What sort of thing a difference is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A role that the files count on.
    Role,
    /// A schema.
    Schema,
    /// An extension, and where it is.
    Extension,
    /// An enum, a domain, a composite type or a range.
    Type,
    /// A sequence that is no identity column's.
    Sequence,
    /// A table.
    Table,
    /// Whether policies hold on a table, and for its owner.
    #[serde(rename = "row level security")]
    RowSecurity,
    /// A column of a table.
    Column,
    /// A constraint of a table or a domain.
    Constraint,
    /// An index.
    Index,
    /// Extended statistics.
    Statistics,
    /// A view.
    View,
    /// A materialized view.
    #[serde(rename = "materialized view")]
    MaterializedView,
    /// A rule.
    Rule,
    /// A function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A trigger.
    Trigger,
    /// An event trigger.
    #[serde(rename = "event trigger")]
    EventTrigger,
    /// A policy.
    Policy,
    /// A publication.
    Publication,
    /// A table in a publication.
    #[serde(rename = "published table")]
    PublishedTable,
    /// Who owns something.
    Owner,
    /// What is said of something.
    Comment,
    /// Who may do what with something, by default as well.
    Privileges,
    /// Who may do what with what is yet to be made.
    #[serde(rename = "default privileges")]
    DefaultPrivileges,
}
