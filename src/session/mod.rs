//! One connection, spoken to in plain text: statements in, rows of text out.
//!
//! The simple protocol is used on purpose: what runs is what a report can show, letter by letter,
//! and several statements cost one round trip. Values are quoted by `statement::literal`.

use std::io::Write;

use postgres::error::{DbError, ErrorPosition};
use postgres::{Client, SimpleQueryMessage};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// What holds in every transaction in which we look or seed, whatever the server is set to.
pub(crate) const STEADY: &str = "set local timezone = 'UTC'; set local client_min_messages = error";

/// A row of text values; `None` is NULL.
pub(crate) type TextRow = Vec<Option<String>>;

/// The rows of a statement, and how many it reached.
pub(crate) type Outcome = (Vec<TextRow>, u64);

/// Runs statements and gives the rows of all of them, in order.
pub(crate) fn rows(client: &mut Client, sql: &str) -> Result<Vec<TextRow>, postgres::Error> {
    Ok(run(client, sql)?.into_iter().flat_map(|(rows, _)| rows).collect())
}

/// Runs statements and gives what came of each.
pub(crate) fn run(client: &mut Client, sql: &str) -> Result<Vec<Outcome>, postgres::Error> {
    let mut outcomes = Vec::new();
    let mut rows = Vec::new();
    for message in client.simple_query(sql)? {
        match message {
            SimpleQueryMessage::Row(row) => {
                rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
            }
            SimpleQueryMessage::CommandComplete(reached) => {
                outcomes.push((std::mem::take(&mut rows), reached));
            }
            _ => {}
        }
    }
    Ok(outcomes)
}

/// Sends the rows that stand in a file after a `copy ... from stdin`, as psql does.
pub(crate) fn copy_in(
    client: &mut Client,
    statement: &str,
    rows: &str,
) -> Result<(), postgres::Error> {
    let mut writer = client.copy_in(statement)?;
    // A write that fails is told of by the end.
    let _ = writer.write_all(rows.as_bytes());
    writer.finish().map(drop)
}

/// Runs one of our own queries and reads each row, turned into JSON by the server, as a `T`.
pub(crate) fn values<T: DeserializeOwned>(client: &mut Client, query: &str) -> Result<Vec<T>> {
    values_where(client, query, "true")
}

/// As [`values`], those of a condition over `q`.
pub(crate) fn values_where<T: DeserializeOwned>(
    client: &mut Client,
    query: &str,
    condition: &str,
) -> Result<Vec<T>> {
    let found = rows(client, &as_json(query, condition))
        .map_err(|cause| internal("read the catalog", &cause))?;
    read_json(found)
}

/// Runs a query of ours that takes longer to plan than to answer, after the statements of `ahead`. It is
/// prepared at its first use in a session, and again where a migration has thrown that away.
pub(crate) fn prepared_rows(
    client: &mut Client,
    name: &str,
    query: &str,
    ahead: &str,
) -> Result<Vec<TextRow>, postgres::Error> {
    let is_there = format!(
        "{ahead}; select exists (select from pg_catalog.pg_prepared_statements where name = '{name}')"
    );
    let answers = run(client, &is_there)?;
    let answer = answers.last().and_then(|(rows, _)| rows.first()?.first()?.as_deref());
    if answer != Some("t") {
        client.batch_execute(&format!("prepare {name} as {query}"))?;
    }
    rows(client, &format!("execute {name}"))
}

/// A query that gives each row of another one as JSON.
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

/// A statement of ours failed that no input should make fail.
pub(crate) fn internal(attempt: &str, cause: &postgres::Error) -> Error {
    let error = Error::new(format!("could not {attempt}")).cause(reason(cause));
    if cause.is_closed() || cause.as_db_error().is_none() {
        error.help("the connection to the server was lost; run again, or see the server's log")
    } else {
        error
    }
}

/// `relation "x" does not exist (SQLSTATE 42P01)`, or what the connection says.
pub(crate) fn reason(error: &postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => {
            let mut text = format!("{} (SQLSTATE {})", error.message(), error.code().code());
            for more in [error.detail(), error.hint()].into_iter().flatten() {
                text.push_str("\n    ");
                text.push_str(more);
            }
            text
        }
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                let more = cause.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                source = cause.source();
            }
            text
        }
    }
}

/// Where in the statement the server saw the error, in bytes; 0 if it does not say.
pub(crate) fn position(error: Option<&DbError>, statement: &str) -> usize {
    match error.and_then(DbError::position) {
        Some(ErrorPosition::Original(character)) => statement
            .char_indices()
            .nth((*character as usize).saturating_sub(1))
            .map_or(0, |(byte, _)| byte),
        _ => 0,
    }
}
