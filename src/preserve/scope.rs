//! Which tables are counted. In a scratch database all are. In somebody's, those are whose rows a file may
//! change: they are locked first, so that what others do is neither taken for the file's doing nor hides it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;
use crate::names::QualifiedName;
use crate::preserve::foreseen::Foreseen;
use crate::preserve::reach::{Reach, read_tables};
use crate::preserve::tables::{Table, Tables};
use crate::project::preserve_file::PreservePair;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::literal;
use crate::sql::rewrites::{Words, names_in_rewriting};
use crate::sql::statement::words;

/// What could not be done where a table is not to be had.
const LOCK: &str = "lock the tables whose rows are counted";

/// What is counted.
pub(crate) enum Scope {
    /// Every table: nobody else is there.
    All,
    /// Some tables of a database that others use.
    Some(Chosen),
}

/// The tables whose rows a file may change.
#[derive(Default)]
pub(crate) struct Chosen {
    /// Those that are locked and counted.
    counted: BTreeSet<i64>,
    /// Those that are not.
    left_out: BTreeMap<i64, LeftOut>,
}

/// A table that is not counted.
pub(crate) struct LeftOut {
    /// Why not.
    pub why: String,
    /// How many rows the server takes it to have, where it is too large.
    pub rows: Option<u64>,
}

/// A relation that is there.
#[derive(Deserialize)]
struct Known {
    oid: i64,
}

/// What who is connected may do with a table.
#[derive(Deserialize)]
struct Access {
    oid: i64,
    is_readable: bool,
    is_bound: bool,
    is_lockable: bool,
    rows: u64,
}

/// Locks the tables whose rows a file may change, as far as they are not larger in all than `most_bytes`: those that
/// it names where it does more than add, those that pairs name, those in `keep`, and those that are foreseen.
///
/// Gives the tables, too, unless it has waited for a lock since it has read them.
///
/// A lock is taken at once in the mode that the file will need: one that is raised later meets those who have read
/// and want to write.
pub(crate) fn lock(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    (keep, reach, foreseen): (&BTreeSet<i64>, Option<&Reach>, &Foreseen),
    most_bytes: u64,
) -> Result<(Scope, Option<Tables>)> {
    let tables = read_tables(session, reach)?;
    let chosen = choose(session, &tables, (file, pairs), keep, most_bytes)?;
    let is_locked = |table: &&Table| !table.is_view() && chosen.counted.contains(&table.oid);
    let locked: Vec<&Table> = tables.by_oid.values().filter(is_locked).collect();
    if locked.is_empty() {
        return Ok((Scope::Some(chosen), Some(tables)));
    }
    session.execute(&lock_sql(&locked, &Words::of(file), foreseen)).map_err(failing(LOCK))?;
    Ok((Scope::Some(chosen), None))
}

/// The object identifiers of those of these relations that are there.
pub(crate) fn oids_of(
    session: &mut Session,
    names: &BTreeSet<QualifiedName>,
) -> Result<BTreeSet<i64>> {
    if names.is_empty() {
        return Ok(BTreeSet::new());
    }
    let pairs: Vec<String> = names
        .iter()
        .map(|name| format!("({}, {})", literal(name.schema()), literal(name.name())))
        .collect();
    let query = format!(
        "select c.oid::bigint as oid from pg_catalog.pg_class c
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace
         where (n.nspname::text, c.relname::text) in ({})",
        pairs.join(", ")
    );
    let rows: Vec<Known> = session.values(&query)?;
    Ok(rows.into_iter().map(|row| row.oid).collect())
}

/// A sentence for each table whose rows a file may change, and that would not be counted.
pub(crate) fn left_out(
    session: &mut Session,
    tables: &Tables,
    file: (&str, &[PreservePair]),
    most_bytes: u64,
) -> Result<Vec<String>> {
    let chosen = choose(session, tables, file, &BTreeSet::new(), most_bytes)?;
    let told = chosen.left_out.iter().filter_map(|(oid, LeftOut { why, .. })| {
        let title = tables.by_oid.get(oid)?.title();
        Some(format!("rows of {title} would not be counted: {why}"))
    });
    Ok(told.collect())
}

fn choose(
    session: &mut Session,
    tables: &Tables,
    (file, pairs): (&str, &[PreservePair]),
    keep: &BTreeSet<i64>,
    most_bytes: u64,
) -> Result<Chosen> {
    let mut names = names_in_rewriting(file);
    for pair in pairs {
        names.extend(words(pair.before()).map(|word| word.trim_matches('"').to_owned()));
    }
    let is_named =
        |table: &&Table| keep.contains(&table.oid) || names.contains(&table.word().to_lowercase());
    let mut named: Vec<&Table> = tables.by_oid.values().filter(is_named).collect();
    named.sort_by_key(|table| (table.bytes(), table.oid));
    let mut chosen = Chosen::default();
    if named.is_empty() {
        return Ok(chosen);
    }
    let access = read_access(session, &named)?;
    let may_copy = may_make_copies(session)?;
    let mut bytes = 0_u64;
    for table in named {
        let Some(access) = access.get(&table.oid) else { continue };
        let why = access.why_not().or_else(|| {
            (!may_copy).then(|| "who is connected may not make temporary tables".to_owned())
        });
        let left_out = match why {
            Some(why) => LeftOut { why, rows: None },
            None if bytes.saturating_add(table.bytes()) > most_bytes => LeftOut {
                why: format!(
                    "it has {}, and no more than {} are counted of a file",
                    megabytes(table.bytes()),
                    megabytes(most_bytes)
                ),
                rows: Some(access.rows.max(1)),
            },
            None => {
                bytes += table.bytes();
                chosen.counted.insert(table.oid);
                continue;
            }
        };
        chosen.left_out.insert(table.oid, left_out);
    }
    Ok(chosen)
}

/// One statement for each mode, the stronger one first.
fn lock_sql(tables: &[&Table], words: &Words, foreseen: &Foreseen) -> String {
    let (strong, weak): (Vec<&Table>, Vec<&Table>) = tables.iter().copied().partition(|table| {
        words.may_alter(table.word()) || foreseen.exclusive.contains(&table.name())
    });
    let modes = [(strong, "access exclusive"), (weak, "share row exclusive")];
    let sql = modes.into_iter().filter(|(tables, _)| !tables.is_empty()).map(|(tables, mode)| {
        let names: Vec<String> = tables.into_iter().map(Table::sql_name).collect();
        format!("lock table {} in {mode} mode", names.join(", "))
    });
    sql.collect::<Vec<_>>().join("; ")
}

fn read_access(session: &mut Session, tables: &[&Table]) -> Result<BTreeMap<i64, Access>> {
    let oids: Vec<String> = tables.iter().map(|table| table.oid.to_string()).collect();
    let query = format!(
        "select c.oid::bigint as oid,
            pg_catalog.has_schema_privilege(c.relnamespace, 'usage')
                and pg_catalog.has_table_privilege(c.oid, 'select') as is_readable,
            pg_catalog.row_security_active(c.oid) as is_bound,
            c.relkind = 'm' or pg_catalog.has_table_privilege(c.oid, 'update, delete, truncate')
                as is_lockable,
            greatest(c.reltuples, 0)::bigint as rows
         from pg_catalog.pg_class c where c.oid = any('{{{}}}'::oid[])",
        oids.join(", ")
    );
    let all: Vec<Access> = session.values(&query)?;
    Ok(all.into_iter().map(|access| (access.oid, access)).collect())
}

fn may_make_copies(session: &mut Session) -> Result<bool> {
    let query =
        "select pg_catalog.has_database_privilege(pg_catalog.current_database(), 'temporary')";
    let rows = session.rows(query).map_err(failing(LOCK))?;
    Ok(rows == [[Some("t".to_owned())]])
}

impl Access {
    fn why_not(&self) -> Option<String> {
        let why = if !self.is_readable {
            "who is connected may not read it"
        } else if self.is_bound {
            "policies bind who is connected, so that not all rows are seen"
        } else if !self.is_lockable {
            "who is connected may not lock it"
        } else {
            return None;
        };
        Some(why.to_owned())
    }
}

impl Scope {
    /// Whether the rows of a table are counted.
    pub(crate) fn has(&self, oid: i64) -> bool {
        match self {
            Self::All => true,
            Self::Some(chosen) => chosen.counted.contains(&oid),
        }
    }

    /// Whether a table that was written to has to be counted, and was not: then nothing is known of its rows.
    pub(crate) fn lacks(&self, table: &Table) -> bool {
        match self {
            Self::All => table.rows > 0,
            Self::Some(chosen) => {
                !chosen.counted.contains(&table.oid) && !chosen.left_out.contains_key(&table.oid)
            }
        }
    }

    /// The tables that are not counted, though the file may change their rows.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (i64, &LeftOut)> {
        let chosen = match self {
            Self::All => None,
            Self::Some(chosen) => Some(chosen),
        };
        let all = chosen.into_iter().flat_map(|chosen| &chosen.left_out);
        all.map(|(oid, left_out)| (*oid, left_out))
    }

    /// Whether there is nothing that is counted.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Some(chosen) if chosen.counted.is_empty())
    }

    /// Whether it is a scratch database, in which whatever helps may be tried.
    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1 << 20))
}
