//! Large fixtures, thinned out for as long as people try what they can reach: everything is tried on each
//! kind of row that policies tell apart, and not on a million of the same.
//!
//! What is left holds together: each row has the rows that it refers to. It happens in the transaction of
//! the world, which is never committed.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::error::Result;
use crate::preserve::tables::{Table, Tables, query_numbers};
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::sql::quote::{hash, identifier};
use crate::sql::statement::has_name;

/// Tables with no more rows than this stay as they are.
const MOST_ROWS: u64 = 1_000;

/// A table with fewer bytes has fewer rows, or hardly more.
const FEW_BYTES: u64 = 64 << 10;

/// How many rows are kept of those that policies do not tell apart.
const OF_A_KIND: usize = 50;

/// How often the rows that kept ones refer to are looked for; a cycle may be longer.
const MOST_ROUNDS: usize = 20;

const ATTEMPT: &str = "choose rows to try";

/// Thins out large tables. Gives a sentence for each.
///
/// # Errors
/// A lost connection. Where a table refuses, all stays as it is.
pub(crate) fn thin_out(session: &mut Session, catalog: &Catalog) -> Result<Vec<String>> {
    let mut tables = Tables::read(session)?;
    tables.count_larger(session, FEW_BYTES)?;
    let is_large = |table: &&Table| table.rows > MOST_ROWS && !table.is_view();
    let large: Vec<&Table> = tables.by_oid.values().filter(is_large).collect();
    if large.is_empty() {
        return Ok(Vec::new());
    }
    let thinning = Thinning { catalog, tables: &tables, large };
    match session.tolerate_and_keep(|session| thinning.keep(session))? {
        Ok(()) => thinning.told(session),
        Err(refusal) => Ok(vec![format!(
            "all rows of large tables are tried, since they could not be thinned out: {}",
            refusal.reason()
        )]),
    }
}

struct Thinning<'a> {
    catalog: &'a Catalog,
    tables: &'a Tables,
    large: Vec<&'a Table>,
}

impl Thinning<'_> {
    fn keep(&self, session: &mut Session) -> Result<()> {
        for table in &self.large {
            session.as_owner(&self.sample_sql(table)).map_err(failing(ATTEMPT))?;
        }
        for round in 0.. {
            let mut added = 0;
            for (child, key) in self.references() {
                let parent = &self.tables.by_oid[&key.target];
                let count = format!("select pg_catalog.count(*) from {}", kept(parent));
                let before = query_numbers(session, &count)?;
                let sql = self.referred_sql(child, key, parent);
                session.as_owner(&sql).map_err(failing(ATTEMPT))?;
                added += query_numbers(session, &count)?[0] - before[0];
            }
            if added == 0 || round == MOST_ROUNDS {
                break;
            }
        }
        let emptied = self.emptied();
        let (mut put_aside, mut put_back) = (Vec::new(), Vec::new());
        for table in &emptied {
            let columns: Vec<String> = table
                .columns
                .iter()
                .filter(|column| !column.is_generated)
                .map(|column| identifier(&column.name))
                .collect();
            let (aside, columns) =
                (format!("pg_temp.leakproof_aside_{}", table.oid), columns.join(", "));
            let condition = match self.is_large(table) {
                true => format!(
                    " where (t.tableoid, t.ctid) in (select k.part, k.place from {} as k)",
                    kept(table)
                ),
                false => String::new(),
            };
            put_aside.push(format!(
                "create temporary table {aside} on commit drop as select {columns} from {}{condition}",
                table.rows_sql()
            ));
            put_back.push(format!(
                "insert into {} ({columns}) overriding system value select {columns} from {aside}",
                table.sql_name()
            ));
        }
        let names: Vec<String> = emptied.iter().map(|table| table.sql_name()).collect();
        let replace = format!("truncate {}; {}", names.join(", "), put_back.join("; "));
        let sql = format!("{}; {}", put_aside.join("; "), unhindered(&replace));
        session.as_owner(&sql).map_err(failing(ATTEMPT))
    }

    /// The places of some rows of each kind.
    fn sample_sql(&self, table: &Table) -> String {
        let kinds = match self.catalog.relation(table.oid) {
            Some(relation) => self.kinds(relation),
            None => Vec::new(),
        };
        let kind = match kinds.as_slice() {
            [] => "''".to_owned(),
            some => format!("pg_catalog.concat_ws('|', {})", some.join(", ")),
        };
        let key: Vec<String> = match table.key_columns().as_slice() {
            [] => vec!["t::text".into()],
            some => some.iter().map(|column| format!("{}::text", column.value())).collect(),
        };
        format!(
            "create temporary table {} on commit drop as select part, place from (\
             select part, place, hash, pg_catalog.row_number() over (partition by kind order by hash) as n \
             from (select t.tableoid as part, t.ctid as place, {kind} as kind, \
             {} as hash from {}) as hashed\
             ) as numbered where n <= {OF_A_KIND} order by n, hash limit {MOST_ROWS}",
            kept(table),
            hash(&format!("pg_catalog.concat_ws('|', {})", key.join(", ")), "0"),
            table.rows_sql()
        )
    }

    /// Expressions for what policies and views may tell rows of a table apart by, beside whose they are.
    fn kinds(&self, relation: &Relation) -> Vec<String> {
        let is_named = |name: &str| {
            let relations = || self.catalog.relations();
            relations().flat_map(|one| &one.policies).any(|policy| {
                policy.using.iter().chain(&policy.check).any(|condition| condition.names(name))
            }) || relations()
                .filter_map(|one| one.definition.as_ref())
                .any(|view| has_name(&view.definition.text, name))
                || self.catalog.routines.name_somewhere(name)
        };
        let mut kinds = Vec::new();
        for column in &relation.columns {
            let value = format!("t.{}", identifier(&column.name));
            if relation.names_row(&column.name) || relation.refers(&column.name) {
                if !column.not_null {
                    kinds.push(format!("({value} is null)::text"));
                }
            } else if column.category == 'B' || column.labels.is_some() || is_named(&column.name) {
                kinds.push(format!("coalesce(pg_catalog.left({value}::text, 40), '')"));
            }
        }
        kinds
    }

    /// The references to large tables, of every table.
    fn references(&self) -> Vec<(&Table, &ForeignKey)> {
        let mut references = Vec::new();
        for table in self.tables.by_oid.values() {
            let Some(relation) = self.catalog.relation(table.oid) else { continue };
            let to_large =
                |key: &&ForeignKey| self.large.iter().any(|table| table.oid == key.target);
            references
                .extend(relation.foreign_keys.iter().filter(to_large).map(|key| (table, key)));
        }
        references
    }

    /// Keeps the rows as well that kept ones refer to.
    fn referred_sql(&self, child: &Table, key: &ForeignKey, parent: &Table) -> String {
        let same = key.columns.iter().zip(&key.target_columns);
        // What is named by convention may be of another type.
        let same: Vec<String> = same
            .map(|(from, to)| format!("c.{}::text = t.{}::text", identifier(from), identifier(to)))
            .collect();
        let rows = match self.is_large(child) {
            true => format!(
                "(select t.* from {} where (t.tableoid, t.ctid) in (select part, place from {})) as c",
                child.rows_sql(),
                kept(child)
            ),
            false => format!("{} as c", child.sql_name()),
        };
        format!(
            "insert into {kept} select distinct t.tableoid, t.ctid from {} join {rows} on {} \
             where (t.tableoid, t.ctid) not in (select part, place from {kept})",
            parent.rows_sql(),
            same.join(" and "),
            kept = kept(parent)
        )
    }

    /// The tables that have to be emptied for a moment: the large ones, and those that refer to them.
    fn emptied(&self) -> Vec<&Table> {
        let mut oids: BTreeSet<i64> = self.large.iter().map(|table| table.oid).collect();
        loop {
            let known = oids.len();
            for (oid, table) in &self.tables.by_oid {
                let Some(relation) = self.catalog.relation(table.oid) else { continue };
                if relation.foreign_keys.iter().any(|key| oids.contains(&key.target)) {
                    oids.insert(*oid);
                }
            }
            if oids.len() == known {
                break;
            }
        }
        self.tables.by_oid.values().filter(|table| oids.contains(&table.oid)).collect()
    }

    fn is_large(&self, table: &Table) -> bool {
        self.large.iter().any(|large| large.oid == table.oid)
    }

    fn told(&self, session: &mut Session) -> Result<Vec<String>> {
        let mut left = BTreeMap::new();
        for table in &self.large {
            let count = format!("select pg_catalog.count(*) from {}", table.rows_sql());
            left.insert(table.oid, query_numbers(session, &count)?[0]);
        }
        let told = self.large.iter().map(|table| {
            format!(
                "{} of the {} rows of {} are tried, some of each kind that policies tell apart",
                left[&table.oid],
                table.rows,
                table.title()
            )
        });
        Ok(told.collect())
    }
}

fn kept(table: &Table) -> String {
    format!("pg_temp.leakproof_keep_{}", table.oid)
}
