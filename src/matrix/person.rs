//! Who asks, as far as the judges of a matrix need it.

use serde::{Serialize, Serializer};

use crate::names::QualifiedName;

/// Who bypasses row security on Supabase.
pub(crate) const SERVICE_ROLE: &str = "service_role";

/// Who asks, as far as the judges of a matrix need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    /// The actor's name in the matrix.
    pub name: String,
    /// The database role, and those whose policies apply to it, too.
    pub roles: Vec<String>,
    /// Whether row security is bypassed on purpose.
    pub is_service: bool,
    /// Whether a membership has ended, and the token still carries its claims.
    pub has_left: bool,
    /// Whether it has what only the project gives, such as a role beyond that of ordinary people.
    pub is_special: bool,
    /// Whether it knows what opens a row, such as the token of a shared link.
    pub is_bearer: bool,
    /// Whether it forges what a client may forge.
    pub is_forger: bool,
    /// Whether nobody has said that the tables that list it list some people only.
    pub is_guessed: bool,
    /// The tables that list it, and not everybody: by that it is special.
    pub rosters: Vec<QualifiedName>,
    /// How somebody else can become it, where that was tried and works.
    pub promotion: Option<Promotion>,
}

/// How somebody makes themselves somebody who is more than they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promotion {
    /// Who they are before.
    pub by: String,
    /// The very statement.
    pub statement: String,
}

/// Somebody who asked, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The actor's name.
    pub name: String,
    /// Of whose cells only those are written that differ from this one's; none for who stands alone.
    pub reference: Option<String>,
}

impl Asked {
    /// Somebody who is like nobody else.
    #[cfg(test)]
    pub(crate) fn alone(name: &str) -> Self {
        Self { name: name.to_owned(), reference: None }
    }
}

impl Serialize for Asked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

/// Whom somebody is like but for what makes them another, by their names; none where it is nobody.
pub(crate) fn reference_of(name: &str) -> Option<&str> {
    match name {
        "amir" | "bob" | "both" => Some("alice"),
        "removed" => Some("outsider"),
        name => ordinary_of(name),
    }
}

/// Who is the same without what they forge, or what only some are given.
pub(crate) fn ordinary_of(name: &str) -> Option<&str> {
    match name {
        "guest" | "mallory" => Some("outsider"),
        _ => name.split_once(':').map(|(ordinary, _)| ordinary),
    }
}
