//! What of somebody's database a file can reach: the tables that it names, and those that its transaction has
//! locked. Whatever changes a table, its rows or what hangs on it holds a lock on it until the transaction ends, be
//! it done by a trigger, a function or a cascade. So of all others nothing has to be read.

use std::collections::BTreeSet;

use crate::error::Result;
use crate::preserve::tables::{ATTEMPT, Tables, odd_answer, read_number};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::quote::literal;
use crate::sql::rewrites::Words;

/// The tables of a database, and which of them are known before a file runs.
pub(crate) struct Reach {
    /// All that are there, by oid.
    there: BTreeSet<i64>,
    /// Those that are read.
    known: BTreeSet<i64>,
    /// Whether there are sequences.
    pub has_sequences: bool,
}

/// What a transaction has locked as who changes something.
pub(crate) struct Touched {
    /// Whether there are sequences now.
    pub has_sequences: bool,
    /// Tables, be they new; of partitions the whole.
    pub tables: BTreeSet<i64>,
    /// Whether it has written to the catalog itself.
    pub writes_catalog: bool,
}

impl Reach {
    /// Whether what a file of these words does can be told by what it reaches: not where it takes along what hangs on
    /// others, or puts one table in the place of another.
    pub(crate) fn is_enough_for(words: &Words) -> bool {
        !words.has("cascade") && !words.may_rebuild()
    }

    /// The tables that words name, and some more. What the transaction has made by now is ours.
    pub(crate) fn read(session: &mut Session, words: &Words, more: &BTreeSet<i64>) -> Result<Self> {
        let names: Vec<String> = words.names().into_iter().map(literal).collect();
        let query = format!(
            "select pg_catalog.array_to_string(pg_catalog.array_agg(c.oid), ' '),
                pg_catalog.array_to_string(pg_catalog.array_agg(
                    coalesce(pg_catalog.pg_partition_root(c.oid)::oid, c.oid)
                ) filter (where pg_catalog.lower(c.relname) = any(array[{}]::text[])), ' '),
                {HAS_SEQUENCES}
             from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'm') and c.oid >= {FIRST_OF_OTHERS}
                and not exists (
                    select from pg_catalog.pg_locks l
                    where l.pid = pg_catalog.pg_backend_pid() and l.relation = c.oid
                        and l.mode = 'AccessExclusiveLock'
                )",
            names.join(", ")
        );
        let rows = session.rows(&query).map_err(failing(ATTEMPT))?;
        let [there, named, Some(has_sequences)] = only_row(&rows)? else {
            return Err(odd_answer());
        };
        let there = numbers(there.as_deref())?;
        let mut known = numbers(named.as_deref())?;
        known.extend(more);
        Ok(Self { there, known, has_sequences: has_sequences == "t" })
    }

    /// Whether no table is read before the file runs.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a table was there before the file.
    pub(crate) fn was_there(&self, oid: i64) -> bool {
        self.there.contains(&oid)
    }

    /// Of some tables those that were there, and of which nothing was read.
    pub(crate) fn unknown(&self, tables: &BTreeSet<i64>) -> BTreeSet<i64> {
        tables.intersection(&self.there).filter(|oid| !self.known.contains(oid)).copied().collect()
    }
}

/// The tables that can be reached; all of them where that is not known.
pub(crate) fn read_tables(session: &mut Session, reach: Option<&Reach>) -> Result<Tables> {
    match reach {
        Some(reach) => Tables::read_those(session, &reach.known),
        None => Tables::read(session),
    }
}

/// What the transaction has locked. Who only adds rows leaves those alone that are there.
pub(crate) fn touched(session: &mut Session) -> Result<Touched> {
    let query = format!(
        "select pg_catalog.array_to_string(pg_catalog.array_agg(
                distinct coalesce(pg_catalog.pg_partition_root(l.relation)::oid, l.relation)
            ) filter (where l.relation >= {FIRST_OF_OTHERS}), ' '),
            coalesce(pg_catalog.bool_or(
                l.mode = 'RowExclusiveLock' and l.relation = any('{{{CATALOG}}}'::oid[])
            ), false),
            {HAS_SEQUENCES}
         from pg_catalog.pg_locks l
         where l.locktype = 'relation' and l.pid = pg_catalog.pg_backend_pid()
            and l.mode not in ('AccessShareLock', 'RowShareLock')
            and (
                l.mode <> 'RowExclusiveLock' or l.relation < {FIRST_OF_OTHERS}
                or pg_catalog.current_setting('track_counts') <> 'on'
                or pg_catalog.pg_stat_get_xact_tuples_updated(l.relation)
                    + pg_catalog.pg_stat_get_xact_tuples_deleted(l.relation) > 0
            )"
    );
    let rows = session.rows(&query).map_err(failing(ATTEMPT))?;
    let [tables, Some(writes_catalog), Some(has_sequences)] = only_row(&rows)? else {
        return Err(odd_answer());
    };
    let is = |answer: &str| answer == "t";
    let (has_sequences, writes_catalog) = (is(has_sequences), is(writes_catalog));
    Ok(Touched { has_sequences, tables: numbers(tables.as_deref())?, writes_catalog })
}

/// `pg_attribute`, `pg_class`, `pg_sequence`, `pg_index`, `pg_inherits` and `pg_trigger`, by the oids that they have
/// on every server: their names would be looked up for each file. Other statements let go of them at once.
const CATALOG: &str = "1249, 1259, 2224, 2610, 2611, 2620";

/// Whether there are sequences that are not ours.
const HAS_SEQUENCES: &str = "exists (
    select from pg_catalog.pg_sequence q join pg_catalog.pg_class s on s.oid = q.seqrelid
    where s.relnamespace is distinct from pg_catalog.to_regnamespace('leakproof')
)";

/// The first oid that is not of the server itself.
const FIRST_OF_OTHERS: u32 = 16_384;

fn only_row(rows: &[TextRow]) -> Result<&[Option<String>]> {
    rows.first().map(Vec::as_slice).ok_or_else(odd_answer)
}

fn numbers(text: Option<&str>) -> Result<BTreeSet<i64>> {
    text.unwrap_or_default().split_whitespace().map(read_number).collect()
}
