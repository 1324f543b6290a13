//! By what a row is recognised: its key where it is, and in another table its texts and what it says of
//! somebody. Pure.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Shorter texts are found everywhere.
const SHORTEST: usize = 8;

/// How deep a text that is itself JSON is taken apart.
const DEEPEST: usize = 3;

/// A row as somebody sees it.
pub(crate) struct SeenRow<'a> {
    pub relation: i64,
    /// Its key, where it is known which one it is.
    pub key: Option<&'a str>,
    /// The row, written as JSON.
    pub json: &'a str,
}

impl SeenRow<'_> {
    /// Gives `seen` the id of each token of the row, with a text for people. `owners` are the ids of the
    /// keys of users and tenants.
    pub fn each_token(&self, owners: &HashSet<u64>, seen: &mut dyn FnMut(u64, &str)) {
        if let Some(key) = self.key {
            let row = format!("the row {key}");
            seen(token_id(&format!("{} {row}", self.relation)), &row);
        }
        each_value_token(self.json, &mut |text| seen(token_id(text), text));
        self.each_said_of_owner(owners, seen);
    }

    /// What short values, days and numbers tell, together with whose they are and how they are named.
    fn each_said_of_owner(&self, owners: &HashSet<u64>, seen: &mut dyn FnMut(u64, &str)) {
        let Ok(row) = serde_json::from_str::<serde_json::Map<_, _>>(self.json) else { return };
        let values: Vec<(&String, String)> = row
            .iter()
            .filter_map(|(name, value)| match value {
                serde_json::Value::String(text) => Some((name, text.clone())),
                serde_json::Value::Number(number) => Some((name, number.to_string())),
                _ => None,
            })
            .collect();
        let is_owner = |(_, value): &&(&String, String)| owners.contains(&token_id(value));
        for (_, owner) in values.iter().filter(is_owner) {
            let said = values.iter().filter(|one| !is_owner(one) && is_said(&one.1));
            for (name, value) in said {
                let text = format!("{name} = {value}");
                seen(token_id(&format!("{owner} {text}")), &text);
            }
        }
    }
}

/// Whether a value tells anything: a moment says only when a row was written.
fn is_said(value: &str) -> bool {
    let is_moment = is_time(value) && value.len() > "2024-01-01".len();
    !value.is_empty() && !is_moment
}

/// Gives `seen` each text in a row, written as JSON, that could tell it from others: the strings in
/// it at any depth, but for names of fields, short ones and times.
///
/// Reads letter by letter instead of parsing: a document may be as deep as it likes.
pub(crate) fn each_value_token(row: &str, seen: &mut dyn FnMut(&str)) {
    walk(row, 0, seen);
}

/// The same for the same text, in one process.
pub(crate) fn token_id(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

fn walk(json: &str, depth: usize, seen: &mut dyn FnMut(&str)) {
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let Some(length) = string_length(&rest[start..]) else { return };
        let (raw, after) = rest[start..].split_at(length);
        rest = after;
        if rest.trim_start().starts_with(':') {
            continue;
        }
        let inner = &raw[1..raw.len() - 1];
        let decoded = inner.contains('\\').then(|| serde_json::from_str::<String>(raw));
        // A lone surrogate is no text, but the same letters mark it.
        let text = match &decoded {
            Some(Ok(text)) => text,
            _ => inner,
        };
        let is_json = text.starts_with(['[', '{']);
        if is_json && depth < DEEPEST {
            walk(text, depth + 1, seen);
        } else if text.chars().nth(SHORTEST - 1).is_some() && !is_time(text) {
            seen(text);
        }
    }
}

/// How many bytes a string literal at the start of `json` has, quotes included.
fn string_length(json: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in json.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// `2024-01-01...`, as many rows may have it.
fn is_time(text: &str) -> bool {
    let form = text.bytes().take(10).map(|byte| if byte.is_ascii_digit() { b'9' } else { byte });
    form.eq(*b"9999-99-99")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(row: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        each_value_token(row, &mut |token| tokens.push(token.to_owned()));
        tokens
    }

    #[test]
    fn texts_at_any_depth() {
        assert_eq!(tokens(r#"{"some_field": "some value", "n": 123456789}"#), ["some value"]);
        assert_eq!(tokens(r#"{"a": [{"b" : "in a list"}, "short", []]}"#), ["in a list"]);
        assert_eq!(tokens(r#"{"a": "a \"quoted\" w\u00f6rd\\"}"#), ["a \"quoted\" wörd\\"]);
        assert_eq!(tokens(r#"{"a": "[{\"b\": \"as a text\"}]"}"#), ["as a text"]);
        assert_eq!(tokens(r#"{"a": "2024-01-01T10:00:00+00:00"}"#), [""; 0]);
        assert_eq!(tokens(r#"{"a": "lone \ud800 surrogate"}"#), ["lone \\ud800 surrogate"]);
        assert_eq!(tokens(r#"{"a": "unclosed"#), [""; 0]);
        let deep = format!("{}\"at the bottom\"{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(tokens(&deep), ["at the bottom"]);
    }
}
