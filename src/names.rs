//! Names of what is in a database, and places in files. Pure: an object is its oid or its
//! [`QualifiedName`], never a text that is split at a dot.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::sql::quote::qualified;
use crate::words::printable;

/// An object id as PostgreSQL gives it; stable within one database.
pub(crate) type Oid = i64;

/// The name of a relation, routine or type, with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QualifiedName {
    schema: String,
    name: String,
}

impl QualifiedName {
    /// Both parts as the catalog has them, unquoted.
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        Self { schema: schema.into(), name: name.into() }
    }

    /// The schema, unquoted.
    pub fn schema(&self) -> &str {
        &self.schema
    }

    /// The name in its schema, unquoted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// As a statement needs it: each part quoted where it must be.
    pub fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

/// `schema.name`, as reports show it and people write it in `leakproof.toml`. A part that has a dot
/// in it, or begins with a quote or blank, is quoted, so that no two objects look alike; what would end a
/// line is escaped.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in [&self.schema, &self.name].into_iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            let part = printable(part).replace('\n', "\\n").replace('\t', "\\t");
            match part.contains('.') || part.starts_with(['"', ' ']) {
                true => write!(f, "{dot}\"{}\"", part.replace('"', "\"\""))?,
                false => write!(f, "{dot}{part}")?,
            }
        }
        Ok(())
    }
}

impl Serialize for QualifiedName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    file: PathBuf,
    line: usize,
}

impl Place {
    /// A line of a file, counted from 1.
    pub fn new(file: impl Into<PathBuf>, line: usize) -> Self {
        Self { file: file.into(), line }
    }

    /// The file, as it is shown.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The line, counted from 1.
    pub fn line(&self) -> usize {
        self.line
    }
}

/// `migrations/V1__chats.sql:12`
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_objects_look_alike() {
        let shown = |schema: &str, name: &str| QualifiedName::new(schema, name).to_string();
        assert_eq!(shown("public", "chats"), "public.chats");
        assert_eq!(shown("public", "Chat Log"), "public.Chat Log");
        assert_eq!(shown("a.b", "c"), "\"a.b\".c");
        assert_eq!(shown("a", "b.c"), "a.\"b.c\"");
        assert_eq!(shown("a", "b\"c"), "a.b\"c");
        assert_eq!(shown("a", "\"b"), "a.\"\"\"b\"");
    }

    #[test]
    fn statements_quote_what_must_be() {
        assert_eq!(QualifiedName::new("public", "chats").sql(), "public.chats");
        assert_eq!(QualifiedName::new("a.b", "Order").sql(), "\"a.b\".\"Order\"");
    }

    #[test]
    fn a_place_is_a_file_and_a_line() {
        assert_eq!(Place::new("sql/V1__a.sql", 3).to_string(), "sql/V1__a.sql:3");
    }
}
