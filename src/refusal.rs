//! Why a server said no, as the fields that it names. Pure: made from a server's error in
//! `session::failed`, and shown in words, but never read back from them.

use serde::Deserialize;

use crate::names::QualifiedName;

/// The code of a statement that was cancelled, by a limit of the server's or of ours.
pub(crate) const QUERY_CANCELED: &str = "57014";

/// A server's error, field by field. What it does not name is `None`.
///
/// Source: "Error and Notice Message Fields" in PostgreSQL's description of its protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refusal {
    /// The code of five characters, such as `42501`.
    pub sqlstate: String,
    /// `ERROR` or `FATAL`, in whatever language the server speaks.
    pub severity: String,
    /// The sentence, in the server's language.
    pub message: String,
    /// More of it.
    pub detail: Option<String>,
    /// What the server suggests.
    pub hint: Option<String>,
    /// In which functions it happened, a line each, from the inside out.
    pub context: Option<String>,
    /// The schema of the table, type or constraint.
    pub schema: Option<String>,
    /// The table that the error is about.
    pub table: Option<String>,
    /// The column that the error is about.
    pub column: Option<String>,
    /// The data type that the error is about.
    pub datatype: Option<String>,
    /// The constraint, or the unique index that stands for one.
    pub constraint: Option<String>,
    /// The function of the server's source that raised it: tells apart what shares a SQLSTATE.
    pub routine: Option<String>,
    /// Where in the statement it was seen, in characters, counted from 1.
    pub position: Option<usize>,
    /// What the message is in full, where that may not be told.
    #[serde(skip)]
    pub(crate) hidden: Option<Box<str>>,
}

impl Refusal {
    /// Whether there is no partition for the row.
    pub(crate) fn is_of_routing(&self) -> bool {
        self.sqlstate == "23514" && self.constraint.is_none()
    }

    /// The message with its SQLSTATE, then detail and hint on lines of their own.
    pub fn reason(&self) -> String {
        self.told("")
    }

    /// The constraint, where the message leaves it out.
    fn unsaid_constraint(&self) -> String {
        match &self.constraint {
            Some(name) if !self.message.contains(name) => format!(", constraint \"{name}\""),
            _ => String::new(),
        }
    }

    /// Whether it is of what runs, and not of the values: a function or table that is missing, a privilege
    /// that is, a feature that is.
    pub(crate) fn is_of_code(&self) -> bool {
        ["42", "0A", "3F", "XX"].iter().any(|class| self.sqlstate.starts_with(class))
    }

    /// As [`Self::reason`], with the constraint's name where the message leaves it out, and the server's line on
    /// the function in which it happened.
    pub(crate) fn reason_with_place(&self) -> String {
        let context = self.context.as_deref().unwrap_or_default();
        // The outermost are ours.
        let is_it = |line: &&str| line.contains("function ") && !line.contains("leakproof");
        let place = context.lines().find(is_it);
        let place = place.map_or(String::new(), |place| format!(", in {place}"));
        self.told(&format!("{}{place}", self.unsaid_constraint()))
    }

    /// The message with its SQLSTATE, in one line.
    pub(crate) fn brief(&self) -> String {
        format!("{} (SQLSTATE {})", self.message, self.sqlstate)
    }

    fn told(&self, more: &str) -> String {
        let mut text = format!("{}{more}", self.brief());
        for more in [&self.detail, &self.hint].into_iter().flatten() {
            text.push_str("\n    ");
            text.push_str(more);
        }
        text
    }

    /// The table that it is about.
    pub fn relation(&self) -> Option<QualifiedName> {
        Some(QualifiedName::new(self.schema.clone()?, self.table.clone()?))
    }

    /// Whether it is about that table.
    pub(crate) fn is_about(&self, schema: &str, table: &str) -> bool {
        (self.schema.as_deref(), self.table.as_deref()) == (Some(schema), Some(table))
    }

    /// Where in the statement the server saw the error, in bytes; 0 if it does not say.
    pub(crate) fn offset_in(&self, statement: &str) -> usize {
        let character = self.position.unwrap_or_default().saturating_sub(1);
        statement.char_indices().nth(character).map_or(0, |(byte, _)| byte)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn null_in_items() -> Refusal {
        Refusal {
            sqlstate: "23502".into(),
            message: "null value".into(),
            detail: Some("in (1)".into()),
            hint: Some("give one".into()),
            schema: Some("a.b".into()),
            table: Some("items".into()),
            position: Some(3),
            ..Refusal::default()
        }
    }

    #[test]
    fn words_for_people() {
        let reason = null_in_items().reason();
        assert_eq!(reason, "null value (SQLSTATE 23502)\n    in (1)\n    give one");
        let of = |message: &str| Refusal {
            message: message.into(),
            constraint: Some("one_each".into()),
            ..Refusal::default()
        };
        let named = "twice (SQLSTATE ), constraint \"one_each\"";
        assert_eq!(of("twice").reason_with_place(), named);
        let known = "\"one_each\" says no (SQLSTATE )";
        assert_eq!(of("\"one_each\" says no").reason_with_place(), known);
    }

    #[test]
    fn a_table_is_named_with_its_schema() {
        let relation = |refusal: &Refusal| refusal.relation().map(|name| name.to_string());
        assert_eq!(relation(&null_in_items()).as_deref(), Some("\"a.b\".items"));
        assert_eq!(relation(&Refusal { schema: None, ..null_in_items() }), None);
    }

    #[test]
    fn places_are_counted_in_characters() {
        assert_eq!(null_in_items().offset_in("éé select"), 4);
        assert_eq!(null_in_items().offset_in("é"), 0);
        assert_eq!(Refusal::default().offset_in("select"), 0);
    }

    #[test]
    fn what_the_server_leaves_out_is_none() {
        let json = r#"{"sqlstate": "23505", "message": "twice", "detail": null, "table": "t"}"#;
        let refusal: Refusal = serde_json::from_str(json).expect("a refusal");
        assert_eq!((refusal.detail, refusal.table), (None, Some("t".into())));
    }
}
