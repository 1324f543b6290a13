//! Several inserts in one round trip, each under a savepoint of its own, and what became of each.

use postgres::Client;
use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::session;
use crate::sql::quote::literal;

/// A statement to try, and what is said before and after it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attempt {
    pub before: String,
    /// It gives one value of JSON, or nothing.
    pub statement: String,
    pub after: String,
}

/// What became of one.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Outcome {
    /// What it gave.
    Stored(Vec<Option<String>>),
    /// It gave nothing.
    Swallowed,
    Refused(Refusal),
}

/// The database's own reason.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Refusal {
    pub sqlstate: String,
    pub message: String,
    pub detail: String,
    pub hint: String,
    pub schema: String,
    pub table: String,
    pub column: String,
    pub constraint: String,
}

impl Refusal {
    /// As [`session::reason`] tells it, and the constraint's name where the message leaves it out.
    pub(crate) fn reason(&self) -> String {
        let mut text = format!("{} (SQLSTATE {})", self.message, self.sqlstate);
        if !self.constraint.is_empty() && !text.contains(&self.constraint) {
            text.push_str(&format!(", constraint \"{}\"", self.constraint));
        }
        for more in [&self.detail, &self.hint].into_iter().filter(|more| !more.is_empty()) {
            text.push_str("\n    ");
            text.push_str(more);
        }
        text
    }
}

const FUNCTIONS: &str = include_str!("attempt.sql");

/// Makes the functions by which the server tries on its own, and lets nothing wait for the end of the
/// transaction: a row that breaks what waits would be noticed at another one.
pub(crate) fn prepare(client: &mut Client) -> Result<()> {
    let sql = format!("{FUNCTIONS}; set constraints all immediate");
    session::rows(client, &sql).map(drop).map_err(|cause| {
        Error::new("could not prepare the server for seeding").cause(session::reason(&cause))
    })
}

/// Takes them away again.
pub(crate) fn clear(client: &mut Client) -> Result<()> {
    let sql = "drop function pg_temp.leakproof_try; drop function pg_temp.leakproof_castable";
    session::rows(client, sql).map(drop).map_err(|cause| lost(&cause))
}

/// Tries all of them, each whatever became of the others.
pub(crate) fn try_all(client: &mut Client, attempts: &[Attempt]) -> Result<Vec<Outcome>> {
    run(client, attempts, false)
}

/// Tries them until one stores a row.
pub(crate) fn try_until(client: &mut Client, attempts: &[Attempt]) -> Result<Vec<Outcome>> {
    run(client, attempts, true)
}

fn run(client: &mut Client, attempts: &[Attempt], is_one_enough: bool) -> Result<Vec<Outcome>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<_> = attempts
        .iter()
        .map(|one| json!({ "b": one.before, "s": one.statement, "a": one.after }))
        .collect();
    let list = literal(&json!(list).to_string());
    let sql = format!("select pg_temp.leakproof_try({list}, {is_one_enough})");
    let rows = session::rows(client, &sql).map_err(|cause| lost(&cause))?;
    let outcomes = rows.into_iter().flatten().flatten();
    outcomes
        .map(|text| {
            serde_json::from_str(&text)
                .map_err(|cause| Error::new("the server's answer has a wrong form").cause(cause))
        })
        .collect()
}

/// Which values each type takes, by their places.
pub(crate) fn castable(
    client: &mut Client,
    columns: &[(&str, &[String])],
) -> Result<Vec<Vec<usize>>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let calls: Vec<String> = columns
        .iter()
        .map(|(type_name, values)| {
            let values: Vec<String> = values.iter().map(|value| literal(value)).collect();
            format!(
                "select pg_temp.leakproof_castable({}, array[{}]::text[])",
                literal(type_name),
                values.join(", ")
            )
        })
        .collect();
    let sql = calls.join(" union all ");
    let rows = session::rows(client, &sql).map_err(|cause| lost(&cause))?;
    let places = |text: String| {
        let inside = text.trim_matches(['{', '}']).to_owned();
        inside.split(',').filter_map(|place| place.parse::<usize>().ok()).map(|p| p - 1).collect()
    };
    Ok(rows.into_iter().flatten().map(|text| text.map_or(Vec::new(), places)).collect())
}

pub(crate) fn lost(cause: &postgres::Error) -> Error {
    session::internal("seed the world", cause)
}
