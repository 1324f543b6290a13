//! What statements gave: rows of text, and JSON made of them by the server.

use postgres::SimpleQueryMessage;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A row of text values; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// What came of one statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// The names of its columns; none where it is not one that gives rows.
    pub columns: Option<Vec<String>>,
    pub rows: Vec<TextRow>,
    /// How many rows it reached.
    pub reached: u64,
}

/// What came of each statement.
pub(crate) fn read_outcomes(messages: Vec<SimpleQueryMessage>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut current = Outcome::default();
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let names = columns.iter().map(|column| column.name().to_owned());
                current.columns = Some(names.collect());
            }
            SimpleQueryMessage::Row(row) => {
                let values = (0..row.len()).map(|at| row.get(at).map(str::to_owned));
                current.rows.push(values.collect());
            }
            SimpleQueryMessage::CommandComplete(reached) => {
                outcomes.push(Outcome { reached, ..std::mem::take(&mut current) });
            }
            _ => {}
        }
    }
    outcomes
}

/// Reads rows that are the text of one record each, as the server writes it: `(a,"b c",)`, where what is
/// empty without quotes is NULL.
pub(crate) fn read_records(rows: Vec<TextRow>) -> Vec<TextRow> {
    rows.into_iter().flatten().flatten().map(|text| read_record(&text)).collect()
}

fn read_record(text: &str) -> TextRow {
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let mut fields = Vec::new();
    let (mut field, mut is_quoted, mut was_quoted) = (String::new(), false, false);
    let mut letters = inside.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => field.extend(letters.next()),
            // Twice is one, inside.
            '"' if is_quoted && letters.peek() == Some(&'"') => field.extend(letters.next()),
            '"' => (is_quoted, was_quoted) = (!is_quoted, true),
            ',' if !is_quoted => {
                let value = std::mem::take(&mut field);
                fields.push((was_quoted || !value.is_empty()).then_some(value));
                was_quoted = false;
            }
            _ => field.push(letter),
        }
    }
    fields.push((was_quoted || !field.is_empty()).then_some(field));
    fields
}

/// A query that gives each row of another one, of which a condition over `q` holds, as JSON.
pub(crate) fn as_json(query: &str, condition: &str) -> String {
    let query = query.trim_end();
    format!("select row_to_json(q)::text from (\n{query}\n) q where {condition}")
}

/// Reads each text of [`as_json`] as a `T`.
pub(crate) fn read_json<T: DeserializeOwned>(
    texts: impl IntoIterator<Item = String>,
) -> Result<Vec<T>> {
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|cause| {
            Error::new("the server's catalog has an unexpected form")
                .cause(cause)
                .help("please report this with the server's version")
        })
    };
    texts.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_apart() {
        let read = |text: &str| {
            read_record(text)
                .into_iter()
                .map(|field| field.unwrap_or("null".into()))
                .collect::<Vec<_>>()
        };
        for (text, fields) in [
            ("(a)", &["a"][..]),
            ("()", &["null"]),
            ("(\"\")", &[""]),
            ("(a,,\"\",b)", &["a", "null", "", "b"]),
            (
                r#"("a,b","(c)","say ""x""","back\\slash")"#,
                &["a,b", "(c)", "say \"x\"", "back\\slash"],
            ),
            ("(\"two\nlines\", x )", &["two\nlines", " x "]),
        ] {
            assert_eq!(read(text), fields, "{text}");
        }
    }
}
