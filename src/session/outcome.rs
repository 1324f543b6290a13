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

/// A query that gives each row of another one, of which a condition over `q` holds, as JSON.
pub(crate) fn as_json(query: &str, condition: &str) -> String {
    let query = query.trim_end();
    format!("select row_to_json(q)::text from (\n{query}\n) q where {condition}")
}

/// Reads each row of [`as_json`] as a `T`.
pub(crate) fn read_json<T: DeserializeOwned>(rows: Vec<TextRow>) -> Result<Vec<T>> {
    rows.into_iter()
        .flatten()
        .map(|text| {
            serde_json::from_str(text.as_deref().unwrap_or("null")).map_err(|cause| {
                Error::new("the server's catalog has an unexpected form")
                    .cause(cause)
                    .help("please report this with the server's version")
            })
        })
        .collect()
}
