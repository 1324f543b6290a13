//! What a pair can vouch for: what its `before` query reads, and whether it shows a change of that.
//!
//! What it reads is known from the catalog, by a view made of it. Whether it shows a change is tried: a
//! value of another row is put in the place of one, or a row is taken away, and the query is asked again.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::Result;
use crate::preserve::outcome::Vouching;
use crate::preserve::pairs::{broken, kept_sums, rows_of, sums_before};
use crate::preserve::tables::{ATTEMPT, Column, Table, Tables, query};
use crate::project::preserve_file::PreservePair;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::session::outcome::TextRow;
use crate::sql::quote::{identifier, literal};

/// Larger tables, and pairs with more rows, are not tried; what is read is known of them, too.
const MOST_ROWS: u64 = 10_000;

/// How many rows are changed before it counts as shown that a pair does not see that.
const TRIED_ROWS: usize = 3;

/// What each pair cannot vouch for; `tables` is what is there before the migration.
pub(crate) fn limits(
    session: &mut Session,
    pairs: &[PreservePair],
    tables: &Tables,
) -> Result<Vec<Vouching>> {
    let mut all = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        let mut vouching = Vouching::default();
        if !pair.covers().is_empty() {
            let reads = Reads::of(session, pair)?;
            let sums = kept_sums(session, index)?;
            let tried = Tried { pair, sums: &sums, is_small: rows_of(&sums)? <= MOST_ROWS };
            for name in pair.covers() {
                let Some(table) = tables.table_of(name) else { continue };
                tried.look(session, (name, table), &reads, &mut vouching)?;
            }
        }
        all.push(vouching);
    }
    Ok(all)
}

/// What a query reads.
struct Reads {
    /// The columns of each relation; 0 for whole rows.
    columns: BTreeMap<i64, BTreeSet<i32>>,
    /// Whether it calls a function that may read whatever it likes.
    is_open: bool,
}

#[derive(Deserialize)]
struct Read {
    relation: i64,
    number: i32,
    is_open: bool,
}

impl Reads {
    fn of(session: &mut Session, pair: &PreservePair) -> Result<Self> {
        let query = pair.before();
        // Columns of one name are no matter then.
        let make = format!(
            "create temporary view leakproof_reads as select 1 as one from (\n{query}\n) as q"
        );
        session.as_owner(&make).map_err(|failed| broken(pair, "before", failed))?;
        let read: Vec<Read> = session.values(include_str!("reads.sql"))?;
        // A view would keep the migration from changing what it reads.
        session.as_owner("drop view pg_temp.leakproof_reads").map_err(failing(ATTEMPT))?;
        let is_open = read.iter().any(|one| one.is_open);
        let mut columns: BTreeMap<i64, BTreeSet<i32>> = BTreeMap::new();
        for Read { relation, number, .. } in read {
            columns.entry(relation).or_default().insert(number);
        }
        Ok(Self { columns, is_open })
    }

    fn has(&self, table: &Table) -> bool {
        self.is_open || self.columns_of(table).next().is_some()
    }

    fn has_column(&self, table: &Table, column: &Column) -> bool {
        let is_read = |read: &BTreeSet<i32>| read.contains(&0) || read.contains(&column.number);
        // A partition may have other numbers.
        let is_root = |oid: &i64| *oid == table.oid;
        let mut roots = self.columns.iter().filter(|(oid, _)| is_root(oid));
        self.is_open
            || roots.any(|(_, read)| is_read(read))
            || table
                .leaves
                .iter()
                .any(|leaf| leaf.oid != table.oid && self.columns.contains_key(&leaf.oid))
    }

    fn columns_of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a BTreeSet<i32>> {
        let oids = table.leaves.iter().map(|leaf| leaf.oid).chain([table.oid]);
        oids.filter_map(|oid| self.columns.get(&oid))
    }
}

/// A pair that is asked once more while something it covers is another.
struct Tried<'a> {
    pair: &'a PreservePair,
    /// Of its rows as they are.
    sums: &'a [TextRow],
    is_small: bool,
}

/// How many changes a pair shows, and how many it does not.
#[derive(Default)]
struct Shown {
    yes: usize,
    no: usize,
}

impl Shown {
    fn add(&mut self, is_shown: Option<bool>) {
        match is_shown {
            Some(true) => self.yes += 1,
            Some(false) => self.no += 1,
            // What cannot be tried says nothing.
            None => {}
        }
    }

    fn is_nothing(&self) -> bool {
        self.yes == 0 && self.no > 0
    }
}

impl Tried<'_> {
    fn look(
        &self,
        session: &mut Session,
        (name, table): (&String, &Table),
        reads: &Reads,
        vouching: &mut Vouching,
    ) -> Result<()> {
        let place = |column: &Column| format!("{}.{}", table.title(), column.name);
        let column = table.columns.iter().find(|column| place(column) == *name);
        let shown = match column {
            Some(column) => self.shows_column(session, table, column, reads)?,
            // It does not even read its rows.
            None if !reads.has(table) => Shown { yes: 0, no: 1 },
            None => self.shows_rows(session, table, reads)?,
        };
        if shown.is_nothing() {
            vouching.unread.push(name.clone());
            return Ok(());
        }
        if shown.no > 0 {
            let (pair, of) = (self.pair.place(), shown.yes + shown.no);
            let done =
                if column.is_some() { "values that were changed" } else { "rows taken away" };
            vouching.noted.push(format!(
                "`{pair}` covers {name} and shows a part of it only: of {of} {done} it missed {}",
                shown.no
            ));
        }
        if column.is_none() {
            for column in &table.columns {
                if self.shows_column(session, table, column, reads)?.is_nothing() {
                    vouching.unread.push(place(column));
                }
            }
        }
        Ok(())
    }

    /// Of rows that are taken away or changed, one at a time, how many it shows to be missing or others. One
    /// that is somewhere else, too, is shown when it is changed.
    fn shows_rows(&self, session: &mut Session, table: &Table, reads: &Reads) -> Result<Shown> {
        let mut shown = Shown::default();
        for row in self.some_rows(session, table, "true")? {
            let delete = format!("delete from {} where {row}", table.rows_sql());
            let mut is_shown = self.is_shown(session, &delete)?;
            let read = table.columns.iter().filter(|column| reads.has_column(table, column));
            for column in read {
                if is_shown == Some(true) {
                    break;
                }
                is_shown = self.shows_value(session, table, column, &row)?.or(is_shown);
            }
            shown.add(is_shown);
        }
        Ok(shown)
    }

    /// Of values of a column that are changed, one at a time, how many it shows to be others.
    fn shows_column(
        &self,
        session: &mut Session,
        table: &Table,
        column: &Column,
        reads: &Reads,
    ) -> Result<Shown> {
        if !reads.has_column(table, column) {
            return Ok(Shown { yes: 0, no: 1 });
        }
        let mut shown = Shown::default();
        for row in self.some_rows(session, table, &format!("{} is not null", column.value()))? {
            shown.add(self.shows_value(session, table, column, &row)?);
        }
        Ok(shown)
    }

    /// Whether it shows another value in a row; none where that cannot be tried.
    fn shows_value(
        &self,
        session: &mut Session,
        table: &Table,
        column: &Column,
        row: &str,
    ) -> Result<Option<bool>> {
        let mut is_shown = None;
        for other in other_values(table, column) {
            let update = format!(
                "update {} set {} = {other} where {row}",
                table.rows_sql(),
                identifier(&column.name)
            );
            is_shown = self.is_shown(session, &update)?.or(is_shown);
            if is_shown == Some(true) {
                break;
            }
        }
        Ok(is_shown)
    }

    /// Conditions that name a row each, the same on every machine.
    fn some_rows(
        &self,
        session: &mut Session,
        table: &Table,
        condition: &str,
    ) -> Result<Vec<String>> {
        if !self.is_small || table.rows > MOST_ROWS || table.is_view() {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select t.tableoid::text, t.ctid::text from {} where {condition} \
             order by pg_catalog.md5(t::text), t.ctid limit {TRIED_ROWS}",
            table.rows_sql()
        );
        let rows = query(session, &sql)?;
        let named = rows.into_iter().filter_map(|row| match row.as_slice() {
            [Some(part), Some(place)] => {
                Some(format!("t.tableoid = {} and t.ctid = {}", literal(part), literal(place)))
            }
            _ => None,
        });
        Ok(named.collect())
    }

    /// Whether the pair shows something else once a change is made, which is taken back; none where the
    /// server refuses the change.
    fn is_shown(&self, session: &mut Session, change: &str) -> Result<Option<bool>> {
        session.undone(|session| {
            let changed = session.kept_unless_refused(&unhindered(change));
            if changed.map_err(failing(ATTEMPT))?.is_err() {
                return Ok(None);
            }
            let asked = session
                .tolerate(|session| sums_before(session, self.pair).map_err(failing(ATTEMPT)))?;
            // One that fails has read it.
            Ok(Some(asked.map_or(true, |sums| sums != self.sums)))
        })
    }
}

/// Expressions for other values than that of the row `t`: another row's, which meets what is asked of them,
/// and made ones.
fn other_values(table: &Table, column: &Column) -> Vec<String> {
    let (value, name) = (column.value(), identifier(&column.name));
    let another = format!(
        "(select o.{name} from {} as o where o.{name}::text <> {value}::text \
         order by o.{name}::text collate \"C\" limit 1)",
        table.sql_name()
    );
    let made = match column.base.as_str() {
        "text" | "character varying" | "bpchar" => Some(format!(
            "pg_catalog.translate({value}, 'abcdefghijklmnopqrstuvwxyz0123456789', \
             'bcdefghijklmnopqrstuvwxyza1234567890')"
        )),
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => {
            Some(format!("{value} + 1"))
        }
        "date" | "timestamp without time zone" | "timestamp with time zone" => {
            Some(format!("{value} + '400 days'::interval"))
        }
        "boolean" => Some(format!("not {value}")),
        "uuid" => Some(format!("pg_catalog.md5({value}::text)::uuid")),
        "json" | "jsonb" => Some("'[\"leakproof\"]'".to_owned()),
        _ => None,
    };
    std::iter::once(another).chain(made).filter(|_| column.is_written).collect()
}
