//! Before/after queries, compared as multisets on the server.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::preserve::outcome::{LineDifference, PairOutcome, Vouching};
use crate::preserve::reads::Reads;
use crate::preserve::tables::Tables;
use crate::project::preserve_file::PreservePair;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::expr::Expr;
use crate::sql::quote::{hash, identifier};
use crate::sql::statement;
use crate::sql::syntax::read_select;

/// How many differing rows a report shows for each side.
const SHOWN_ROWS: usize = 5;

/// How many characters of a row are kept to be shown.
const LONGEST_LINE: usize = 100_000;

/// What could not be done where a query of the comparison fails.
const ATTEMPT: &str = "compare preserve rows";

/// What is kept of the rows that the `before` query of a pair gave.
pub(crate) struct Kept {
    /// Their number, and the sums of two hashes of them.
    pub sums: Vec<TextRow>,
    /// Whether they stand in a temporary table as well, until the transaction ends.
    has_lines: bool,
    /// The names of its columns, where the rows are not kept.
    names: Vec<String>,
    /// Whether the pair has differed when the file was applied before.
    has_differed: bool,
}

/// What comparing pairs gives.
pub(crate) enum Compared {
    Outcomes(Vec<PairOutcome>),
    /// These differ, and the rows of before that would show it were not kept.
    Unkept(BTreeSet<usize>),
}

/// Runs the `before` queries. Their rows are kept if there are few, and those of the pairs that `differed`
/// when the file was applied before.
pub(crate) fn run_before(
    session: &mut Session,
    pairs: &[PreservePair],
    are_few: bool,
    differed: &BTreeSet<usize>,
) -> Result<Vec<Kept>> {
    let mut all = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        refuse_several(pair)?;
        let has_differed = differed.contains(&index);
        let has_lines = are_few || has_differed;
        let sums = sums_of_side(session, pair, "before", &[])?;
        let names = match has_lines {
            true => {
                keep_lines(session, pair, "before", &lines(pair.before(), &[]), index)?;
                Vec::new()
            }
            false => names_of_query(session, pair.before())?,
        };
        all.push(Kept { sums, has_lines, names, has_differed });
    }
    Ok(all)
}

/// Runs the `after` queries and compares each with what was `kept_before`; `limits` is what each cannot
/// vouch for.
pub(crate) fn compare_after(
    session: &mut Session,
    pairs: &[PreservePair],
    kept_before: &[Kept],
    limits: &[Vouching],
) -> Result<Compared> {
    let (mut outcomes, mut unkept) = (Vec::new(), BTreeSet::new());
    for (index, (pair, limits)) in pairs.iter().zip(limits).enumerate() {
        let was = &kept_before[index];
        let [before, after] = ["before", "after"].map(|side| kept(side, index));
        let mut outcome = PairOutcome {
            name: pair.name().to_owned(),
            place: pair.place(),
            rows: 0,
            is_empty: false,
            covers: pair.covers().to_vec(),
            unread: limits.unread.clone(),
            keyless: limits.keyless.clone(),
            partly: limits.partly.clone(),
            noted: limits.noted.clone(),
            by_place: Vec::new(),
            lost: LineDifference::default(),
            appeared: LineDifference::default(),
        };
        outcome.rows = rows_of(&was.sums)?;
        let sums = sums_of_side(session, pair, "after", &[])?;
        let has_rows = outcome.rows > 0 || rows_of(&sums)? > 0;
        let counts = only_counts(pair.before()) && only_counts(pair.after());
        // What `after` takes from nowhere, or from what goes with the session, is not kept.
        let is_lasting = pair.covers().is_empty()
            || Reads::of(session, pair.after(), |failed| broken(pair, "after", failed))?
                .is_lasting();
        outcome.is_empty = !has_rows || counts || !is_lasting;
        // Whatever the order of rows, equal sums of two hashes are equal rows, and need not be kept.
        if sums != was.sums && !was.has_lines {
            match same_by_place(session, pair, was)? {
                Some(by_place) => outcome.by_place = by_place,
                None => {
                    unkept.insert(index);
                }
            }
        } else if sums != was.sums {
            keep_lines(session, pair, "after", &lines(pair.after(), &[]), index)?;
            outcome.by_place = rename_by_place(session, pair, index)?;
            outcome.lost = difference(session, &before, &after)?;
            outcome.appeared = difference(session, &after, &before)?;
        } else if was.has_differed {
            return Err(unsteady(pair));
        }
        outcomes.push(outcome);
    }
    Ok(if unkept.is_empty() { Compared::Outcomes(outcomes) } else { Compared::Unkept(unkept) })
}

fn unsteady(pair: &PreservePair) -> Error {
    let fact = format!("`{}` differs one time and not the next", pair.place());
    Error::new(fact)
        .cause("the file was applied twice to the same rows, and only at first the pair saw others")
        .help("leave out what depends on the clock or on chance, in the pair or in the file")
}

fn kept(side: &str, index: usize) -> String {
    format!("pg_temp.leakproof_{side}_{index}")
}

/// How many rows such sums are of.
pub(crate) fn rows_of(sums: &[TextRow]) -> Result<u64> {
    first_number(sums)
}

/// What [`Kept::sums`] would be, were the `before` query asked now.
pub(crate) fn sums_before(
    session: &mut Session,
    pair: &PreservePair,
) -> Result<Vec<TextRow>, Failed> {
    session.as_auditor(&sums_of(pair.before(), &[]))
}

/// Keeps two hashes of each row, and the row itself unless it is huge. `row_to_json` keeps a `json`
/// column letter by letter, and gives every type a text that equals.
fn keep_lines(
    session: &mut Session,
    pair: &PreservePair,
    side: &str,
    lines: &str,
    index: usize,
) -> Result<()> {
    let sql = format!(
        "create temporary table {} (a, b, line) on commit drop as \
         select {}, {}, case when pg_catalog.octet_length(l.line) > {LONGEST_LINE} \
         then pg_catalog.left(l.line, {LONGEST_LINE}) else l.line end from {}",
        kept(side, index),
        hash("l.line", "0"),
        hash("l.line", "1"),
        lines
    );
    session.as_owner(&sql).map_err(|failed| broken(pair, side, failed))
}

/// Where only the names of columns differ, has the columns of after take those of before, each that in its
/// place. Gives the names of both.
fn rename_by_place(
    session: &mut Session,
    pair: &PreservePair,
    index: usize,
) -> Result<Vec<[String; 2]>> {
    let [before, after] = [kept("before", index), kept("after", index)];
    let was = names_of(session, &before)?;
    let is = names_of(session, &after)?;
    if was == is || was.len() != is.len() {
        return Ok(Vec::new());
    }
    let forget = format!("drop table {after}");
    session.as_owner(&forget).map_err(failing(ATTEMPT))?;
    keep_lines(session, pair, "after", &lines(pair.after(), &was), index)?;
    Ok(differing(was, is))
}

/// The names of the columns of kept rows, as far as a row shows them.
fn names_of(session: &mut Session, kept: &str) -> Result<Vec<String>> {
    let query = format!(
        "select pg_catalog.json_object_keys(l.line::json) from (select line from {kept} \
         where pg_catalog.octet_length(line) < {LONGEST_LINE} limit 1) as l"
    );
    session.texts_as_auditor(&query).map_err(failing(ATTEMPT))
}

/// What [`Kept::sums`] is of one side. A query that writes is refused, and what it did is taken back: it would
/// change what it is to show.
fn sums_of_side(
    session: &mut Session,
    pair: &PreservePair,
    side: &str,
    names: &[String],
) -> Result<Vec<TextRow>> {
    let query = if side == "before" { pair.before() } else { pair.after() };
    session.undone(|session| {
        session.say("set local transaction_read_only = on");
        session.as_auditor(&sums_of(query, names)).map_err(|failed| broken(pair, side, failed))
    })
}

/// The names of the columns of both sides, where these are all that differs.
fn same_by_place(
    session: &mut Session,
    pair: &PreservePair,
    was: &Kept,
) -> Result<Option<Vec<[String; 2]>>> {
    let is = names_of_query(session, pair.after())?;
    if was.names.is_empty() || was.names == is || was.names.len() != is.len() {
        return Ok(None);
    }
    let sums = sums_of_side(session, pair, "after", &was.names)?;
    Ok((sums == was.sums).then(|| differing(was.names.clone(), is)))
}

/// The names of the columns of a query; none where two have the same.
fn names_of_query(session: &mut Session, query: &str) -> Result<Vec<String>> {
    let make = format!(
        "create temporary table leakproof_names as select * from (\n{query}\n) as q with no data"
    );
    let names = session.tolerate(|session| {
        session.as_owner(&make).map_err(failing(ATTEMPT))?;
        let query = "select attname::text from pg_catalog.pg_attribute where attnum > 0 \
             and attrelid = pg_catalog.to_regclass('pg_temp.leakproof_names') order by attnum";
        session.texts_as_auditor(query).map_err(failing(ATTEMPT))
    })?;
    Ok(names.unwrap_or_default())
}

/// The names before and after in each place where they are not the same.
fn differing(was: Vec<String>, is: Vec<String>) -> Vec<[String; 2]> {
    let both = was.into_iter().zip(is).map(|(was, is)| [was, is]);
    both.filter(|[was, is]| was != is).collect()
}

fn sums_of(query: &str, names: &[String]) -> String {
    format!(
        "select pg_catalog.count(*), pg_catalog.sum({}::numeric), pg_catalog.sum({}::numeric) \
         from {}",
        hash("l.line", "0"),
        hash("l.line", "1"),
        lines(query, names)
    )
}

/// The rows of a query, each as the text of its JSON, with the columns under these names if there are any.
fn lines(query: &str, names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| identifier(name)).collect();
    let names = match names.as_slice() {
        [] => String::new(),
        some => format!(" ({})", some.join(", ")),
    };
    // `offset 0` keeps the server from making each text anew wherever it is named.
    format!(
        "(select pg_catalog.row_to_json(q)::text as line from (\n{query}\n) as q{names} offset 0) \
         as l"
    )
}

const HELP: &str = "`before` sees the database as it is before the migration, `after` after it";

fn fact(pair: &PreservePair, side: &str) -> String {
    format!("the `{side}` query of `{}` failed", pair.place())
}

pub(crate) fn broken(pair: &PreservePair, side: &str, failed: Failed) -> Error {
    failed.error(fact(pair, side)).help(HELP)
}

fn refuse_several(pair: &PreservePair) -> Result<()> {
    for (side, query) in [("before", pair.before()), ("after", pair.after())] {
        if statement::split(query).len() != 1 {
            let error = Error::new(fact(pair, side)).cause("it is not exactly one statement");
            return Err(error.help(HELP));
        }
    }
    Ok(())
}

/// Refuses names that a pair covers and nothing has; `tables` is what was there before.
///
/// # Errors
/// The first of them.
pub(crate) fn refuse_unknown_names(pairs: &[PreservePair], tables: &Tables) -> Result<()> {
    for pair in pairs {
        if let Some(name) = pair.covers().iter().find(|name| !tables.has(name)) {
            let fact = format!("`{}` covers `{name}`, which nothing has", pair.place());
            return Err(Error::new(fact)
                .cause("there is no such table or column before the migration")
                .help("name `schema.table` or `schema.table.column`, as they are before it"));
        }
    }
    Ok(())
}

/// Whether a query only counts or sums, so that its one row says nothing of any other.
fn only_counts(query: &str) -> bool {
    let is_sum = |expr: &Expr| match expr {
        Expr::Call(call) => AGGREGATES.contains(&call.name.last()),
        _ => false,
    };
    read_select(query).is_ok_and(|select| {
        !select.targets.is_empty()
            && !statement::words(query).any(|word| word == "group" || word == "union")
            && select.targets.iter().all(|target| is_sum(&target.value))
    })
}

const AGGREGATES: [&str; 6] = ["count", "sum", "min", "max", "avg", "bool_and"];

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
