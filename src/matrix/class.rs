//! Whose row it is, in the eyes of who asks.

use serde::{Deserialize, Serialize};

/// Whose row it is, seen by an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum RowClass {
    /// The actor's own.
    Own,
    /// Of the same tenant, but another user's or nobody's in particular.
    Tenant,
    /// Of another tenant, or of another user where there are no tenants.
    Other,
    /// Of nobody: the relation has no owners.
    Shared,
    /// The relation has owners, and this row's owner is NULL.
    Null,
    /// Nothing has settled whose the rows of the relation are.
    Unknown,
    /// Not a row but the relation as a whole (truncate).
    Whole,
}

pub(crate) const CLASS_NAMES: [(RowClass, &str); 7] = [
    (RowClass::Own, "own"),
    (RowClass::Tenant, "tenant"),
    (RowClass::Other, "other"),
    (RowClass::Shared, "shared"),
    (RowClass::Null, "null"),
    (RowClass::Unknown, "unknown"),
    (RowClass::Whole, "all"),
];

/// The word for a class in reports.
pub(crate) fn class_name(class: RowClass) -> &'static str {
    CLASS_NAMES.iter().find(|(known, _)| *known == class).map_or("all", |(_, name)| name)
}

pub(crate) fn class_of(name: &str) -> Option<RowClass> {
    CLASS_NAMES.iter().find(|(_, known)| *known == name).map(|(class, _)| *class)
}

/// By its word in reports.
impl TryFrom<String> for RowClass {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        class_of(&name).ok_or_else(|| {
            let known: Vec<&str> = CLASS_NAMES.iter().map(|(_, name)| *name).collect();
            format!("there is no class of rows `{name}`; the known ones are {}", known.join(", "))
        })
    }
}
