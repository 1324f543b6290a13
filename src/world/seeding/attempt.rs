//! Several inserts in one round trip, each under a savepoint of its own, and what became of each.

use serde::Deserialize;
use serde_json::json;

use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::open::Session;
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
    Refused(Box<Refusal>),
}

/// What could not be done where a statement of ours fails.
pub(crate) const SEED: &str = "seed the world";

const FUNCTIONS: &str = include_str!("attempt.sql");

/// Makes the functions by which the server tries on its own, and lets nothing wait for the end of the
/// transaction: a row that breaks what waits would be noticed at another one.
pub(crate) fn prepare(session: &mut Session) -> Result<()> {
    let sql = format!("{FUNCTIONS}; set constraints all immediate");
    session.as_owner(&sql).map_err(failing("prepare the server for seeding"))
}

/// Takes them away again.
pub(crate) fn clear(session: &mut Session) -> Result<()> {
    let sql = "drop function pg_temp.leakproof_try; drop function pg_temp.leakproof_castable";
    session.as_owner(sql).map_err(failing(SEED))
}

/// Tries all of them, each whatever became of the others.
pub(crate) fn try_all(session: &mut Session, attempts: &[Attempt]) -> Result<Vec<Outcome>> {
    run(session, attempts, false)
}

/// Tries them until one stores a row.
pub(crate) fn try_until(session: &mut Session, attempts: &[Attempt]) -> Result<Vec<Outcome>> {
    run(session, attempts, true)
}

fn run(session: &mut Session, attempts: &[Attempt], is_one_enough: bool) -> Result<Vec<Outcome>> {
    if attempts.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<_> = attempts
        .iter()
        .map(|one| json!({ "b": one.before, "s": one.statement, "a": one.after }))
        .collect();
    let list = literal(&json!(list).to_string());
    let sql = format!("select pg_temp.leakproof_try({list}, {is_one_enough})");
    let rows = session.rows_as_owner(&sql).map_err(failing(SEED))?;
    let discretion = session.discretion();
    let outcome = |text: String| {
        let outcome = serde_json::from_str(&text)
            .map_err(|cause| Error::new("the server's answer has a wrong form").cause(cause))?;
        Ok(match outcome {
            Outcome::Refused(said) => {
                Outcome::Refused(Box::new(discretion.of_refusal(*said, &sql)))
            }
            other => other,
        })
    };
    rows.into_iter().flatten().flatten().map(outcome).collect()
}

/// Which values each type takes, by their places.
pub(crate) fn castable(
    session: &mut Session,
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
    let rows = session.rows_as_owner(&sql).map_err(failing(SEED))?;
    let places = |text: String| {
        let inside = text.trim_matches(['{', '}']).to_owned();
        inside.split(',').filter_map(|place| place.parse::<usize>().ok()).map(|p| p - 1).collect()
    };
    Ok(rows.into_iter().flatten().map(|text| text.map_or(Vec::new(), places)).collect())
}

/// What is in the way whatever values are tried, such as a function that is not there: what was said last,
/// if it is that.
pub(crate) fn no_value_mends(said: &[Option<Box<Refusal>>]) -> Option<String> {
    let last = said.last().and_then(Option::as_ref);
    last.filter(|refusal| refusal.is_of_code()).map(|refusal| refusal.reason_with_place())
}

/// Why no row is there: what was said last.
pub(crate) fn what_refused(said: &[Option<Box<Refusal>>]) -> String {
    let last = said.iter().flatten().next_back();
    last.map_or("a trigger swallowed the row".into(), |refusal| refusal.reason_with_place())
}
