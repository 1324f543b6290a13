//! The key and the hashes of each row of the small tables, kept in a temporary table for as long as
//! the migration's transaction: they tell which row lost what.

use crate::error::{Error, Result};
use crate::preserve::census::{ATTEMPT, Census, TableCensus, hash, query};
use crate::session::failed::failing;
use crate::session::open::Session;

/// Of a table with more rows only sums are taken.
const MOST_ROWS: u64 = 100_000;

/// How many rows a report names for each loss.
const SHOWN_ROWS: usize = 3;

const FINGERPRINTS: &str = "pg_temp.leakproof_fingerprints";

/// Which rows of a table are not what they were.
pub(crate) struct RowDifference {
    pub missing: Differing,
    /// For each column of before, in order; none for one that is not there any more.
    pub changed: Vec<Differing>,
}

#[derive(Default)]
pub(crate) struct Differing {
    pub count: u64,
    /// The keys of the first.
    pub first: Vec<String>,
}

/// Whether the rows of a table are few enough to be kept one by one.
pub(crate) fn are_kept(table: &TableCensus) -> bool {
    (1..=MOST_ROWS).contains(&table.rows)
}

/// Keeps the rows of all small tables.
pub(crate) fn keep(session: &mut Session, census: &Census) -> Result<()> {
    let small = census.tables.iter().filter(|(_, table)| are_kept(table));
    let selects: Vec<String> = small
        .map(|(oid, table)| {
            let hashes: Vec<String> =
                table.columns.values().map(|column| hash(&column.text(), "0")).collect();
            format!(
                "select {oid}::bigint, {}, array[{}]::bigint[] from only {} as t",
                table.key_expression(&table.key_names()),
                hashes.join(", "),
                table.sql_name()
            )
        })
        .collect();
    if selects.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "create temporary table leakproof_fingerprints (relation, key, hashes) on commit drop as\n{}",
        selects.join("\nunion all\n")
    );
    session.as_owner(&sql).map_err(failing(ATTEMPT))
}

/// Compares the kept rows of `before` with those of `now`, by key. `texts` gives an expression for
/// the text form of each column of before, none for one that is gone; `stamps` one for whether a
/// trigger has set it anew, which is no change.
pub(crate) fn compare(
    session: &mut Session,
    before: &TableCensus,
    now: &TableCensus,
    texts: &[Option<String>],
    stamps: &[String],
) -> Result<RowDifference> {
    let hashes: Vec<String> = texts
        .iter()
        .map(|text| text.as_ref().map_or("null".to_owned(), |text| hash(text, "0")))
        .collect();
    let is_missing = "n.key is null";
    // Where there was no value, none is lost.
    let is_changed = (1..=texts.len()).map(|at| {
        format!(
            "n.key is not null and p.hashes[{at}] is not null \
             and n.hashes[{at}] is distinct from p.hashes[{at}] and n.stamps[{at}] is not true"
        )
    });
    let conditions: Vec<String> =
        std::iter::once(is_missing.to_owned()).chain(is_changed).collect();
    let columns: Vec<String> = conditions
        .iter()
        .map(|condition| {
            format!(
                "pg_catalog.count(*) filter (where {condition}), \
                 pg_catalog.array_to_json((pg_catalog.array_agg(p.key order by p.key) \
                 filter (where {condition}))[:{SHOWN_ROWS}])"
            )
        })
        .collect();
    let sql = format!(
        "select {} from {FINGERPRINTS} p left join \
         (select {} as key, array[{}]::bigint[] as hashes, array[{}]::boolean[] as stamps \
         from only {} as t) n on n.key = p.key \
         where p.relation = {}",
        columns.join(", "),
        now.key_expression(&before.key_names()),
        hashes.join(", "),
        stamps.join(", "),
        now.sql_name(),
        before.oid
    );
    let row = query(session, &sql)?.into_iter().next().unwrap_or_default();
    let mut found: Vec<Differing> = row.chunks(2).map(read).collect::<Result<_>>()?;
    let gone = texts.iter().map(Option::is_none);
    for (changed, is_gone) in found.iter_mut().skip(1).zip(gone) {
        if is_gone {
            *changed = Differing::default();
        }
    }
    if found.is_empty() {
        return Err(Error::new("the census got no answer"));
    }
    let missing = found.remove(0);
    Ok(RowDifference { missing, changed: found })
}

/// The names of the times that a trigger on update sets, as far as its function or its arguments have
/// them. The attnums of a table that was built anew are those of before, and its own are others.
pub(crate) fn stamped_columns(session: &mut Session, table: &TableCensus) -> Result<Vec<String>> {
    let sql = format!(
        "select a.attname from pg_catalog.pg_attribute a where a.attrelid = {} \
         and a.atttypid in ('timestamp'::regtype, 'timestamptz'::regtype) and not a.attisdropped \
         and exists (select from pg_catalog.pg_trigger g \
         join pg_catalog.pg_proc f on f.oid = g.tgfoid \
         where g.tgrelid = a.attrelid and not g.tgisinternal and g.tgtype & 18 = 18 \
         and (position(a.attname::text in f.prosrc) > 0 \
         or position(a.attname::text in pg_catalog.encode(g.tgargs, 'escape')) > 0))",
        table.oid
    );
    Ok(query(session, &sql)?.into_iter().flatten().flatten().collect())
}

/// How many of the kept rows, each as a whole, are not there any more: for tables without a key.
pub(crate) fn count_missing(
    session: &mut Session,
    before: &TableCensus,
    now: &TableCensus,
) -> Result<u64> {
    let sql = format!(
        "select pg_catalog.count(*) from (select p.key from {FINGERPRINTS} p where p.relation = {} \
         except all select {} from only {} as t) as missing",
        before.oid,
        now.key_expression(&before.key_names()),
        now.sql_name()
    );
    let rows = query(session, &sql)?;
    let count = rows.first().and_then(|row| row.first()?.as_deref()?.parse().ok());
    count.ok_or_else(|| Error::new("the census got no answer"))
}

fn read(pair: &[Option<String>]) -> Result<Differing> {
    let odd = || Error::new("the census got an unexpected answer").help("please report this");
    let [Some(count), first] = pair else { return Err(odd()) };
    let first = first.as_deref().map(serde_json::from_str).transpose().map_err(|_| odd())?;
    Ok(Differing { count: count.parse().map_err(|_| odd())?, first: first.unwrap_or_default() })
}
