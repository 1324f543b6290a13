//! Before/after queries, compared as multisets on the server.

use crate::error::{Error, Result};
use crate::preserve::outcome::{LineDifference, PairOutcome};
use crate::project::preserve_file::PreservePair;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::statement;

/// How many differing rows a report shows for each side.
const SHOWN_ROWS: usize = 5;

/// How many characters of a row are kept to be shown.
const LONGEST_LINE: usize = 100_000;

/// What could not be done where a query of the comparison fails.
const ATTEMPT: &str = "compare preserve rows";

/// Runs the `before` queries; their rows stay in temporary tables until the transaction ends.
pub(crate) fn run_before(session: &mut Session, pairs: &[PreservePair]) -> Result<()> {
    for (index, pair) in pairs.iter().enumerate() {
        keep_lines(session, pair, "before", pair.before(), index)?;
    }
    Ok(())
}

/// Runs the `after` queries and compares each with what was kept.
pub(crate) fn compare_after(
    session: &mut Session,
    pairs: &[PreservePair],
) -> Result<Vec<PairOutcome>> {
    let mut outcomes = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let [before, after] = ["before", "after"].map(|side| kept(side, index));
        let mut outcome = PairOutcome {
            name: pair.name().to_owned(),
            place: pair.place(),
            rows: 0,
            lost: LineDifference::default(),
            appeared: LineDifference::default(),
        };
        let kept_sums = session.as_auditor(&sums_of(&before)).map_err(failing(ATTEMPT))?;
        outcome.rows = first_number(&kept_sums)?;
        // Whatever the order of rows, equal sums of two hashes are equal rows, and need not be kept.
        if sums_after(session, pair)? != kept_sums {
            keep_lines(session, pair, "after", pair.after(), index)?;
            outcome.lost = difference(session, &before, &after)?;
            outcome.appeared = difference(session, &after, &before)?;
        }
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn kept(side: &str, index: usize) -> String {
    format!("pg_temp.leakproof_{side}_{index}")
}

fn sums_of(table: &str) -> String {
    format!(
        "select pg_catalog.count(*), pg_catalog.sum(a::numeric), pg_catalog.sum(b::numeric) from {table}"
    )
}

/// Keeps two hashes of each row, and the row itself unless it is huge. `row_to_json` keeps a `json`
/// column letter by letter, and gives every type a text that equals.
fn keep_lines(
    session: &mut Session,
    pair: &PreservePair,
    side: &str,
    query: &str,
    index: usize,
) -> Result<()> {
    refuse_several(pair, side, query)?;
    let sql = format!(
        "create temporary table {} (a, b, line) on commit drop as \
         select {}, {}, case when pg_catalog.octet_length(l.line) > {LONGEST_LINE} \
         then pg_catalog.left(l.line, {LONGEST_LINE}) else l.line end from {}",
        kept(side, index),
        hash(0),
        hash(1),
        lines(query)
    );
    session.as_owner(&sql).map_err(|failed| broken(pair, side, failed))
}

/// The sums of [`sums_of`] of the rows of the `after` query, which nobody keeps.
fn sums_after(session: &mut Session, pair: &PreservePair) -> Result<Vec<TextRow>> {
    let (side, query) = ("after", pair.after());
    refuse_several(pair, side, query)?;
    let sql = format!(
        "select pg_catalog.count(*), pg_catalog.sum({}::numeric), pg_catalog.sum({}::numeric) \
         from {}",
        hash(0),
        hash(1),
        lines(query)
    );
    session.as_auditor(&sql).map_err(|failed| broken(pair, side, failed))
}

/// The rows of a query, each as the text of its JSON.
fn lines(query: &str) -> String {
    // `offset 0` keeps the server from making each text anew wherever it is named.
    format!(
        "(select pg_catalog.row_to_json(q)::text as line from (\n{query}\n) as q offset 0) as l"
    )
}

fn hash(seed: u8) -> String {
    format!("pg_catalog.hashtextextended(l.line collate \"C\", {seed})")
}

const HELP: &str = "`before` sees the database as it is before the migration, `after` after it";

fn fact(pair: &PreservePair, side: &str) -> String {
    format!("the `{side}` query of `{}` failed", pair.place())
}

fn broken(pair: &PreservePair, side: &str, failed: Failed) -> Error {
    failed.error(fact(pair, side)).help(HELP)
}

fn refuse_several(pair: &PreservePair, side: &str, query: &str) -> Result<()> {
    match statement::split(query).len() {
        1 => Ok(()),
        _ => Err(Error::new(fact(pair, side)).cause("it is not exactly one statement").help(HELP)),
    }
}

/// The rows of `these` that `those` lacks, each as often as it lacks them.
fn difference(session: &mut Session, these: &str, those: &str) -> Result<LineDifference> {
    let rows = session
        .as_auditor(&format!(
            "with d as (select a, b from {these} except all select a, b from {those}),
             counted as (select a, b, pg_catalog.count(*) as times from d group by a, b),
             known as (select distinct on (a, b) a, b, line from {these})
             select (select pg_catalog.count(*) from d), known.line
             from counted join known using (a, b), pg_catalog.generate_series(1, times)
             order by known.line collate \"C\" limit {SHOWN_ROWS}"
        ))
        .map_err(failing(ATTEMPT))?;
    if rows.is_empty() {
        return Ok(LineDifference::default());
    }
    let first = rows.iter().filter_map(|row| row.get(1).cloned().flatten()).collect();
    Ok(LineDifference { count: first_number(&rows)?, first })
}

fn first_number(rows: &[TextRow]) -> Result<u64> {
    rows.first()
        .and_then(|row| row.first().cloned().flatten())
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::new("a count of preserve rows came back empty"))
}
