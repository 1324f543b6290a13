//! What a pair can vouch for: what its `before` query reads, and whether it shows a change of that.
//!
//! What it reads is known from the catalog, by a view made of it. Whether it shows a change is tried: a
//! value of another row is put in the place of one, or a row is taken away, and the query is asked again.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::preserve::outcome::Vouching;
use crate::preserve::pairs::{Kept, broken, rows_of, sums_before};
use crate::preserve::reads::Reads;
use crate::preserve::tables::{ATTEMPT, Column, Table, Tables, query};
use crate::project::preserve_file::PreservePair;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::session::outcome::TextRow;
use crate::sql::quote::{identifier, literal};

/// Larger tables, and pairs with more rows, are not tried; what is read is known of them, too.
pub(crate) const MOST_ROWS: u64 = 10_000;

/// How many rows are changed before it counts as shown that a pair does not see that.
const TRIED_ROWS: usize = 6;

/// Among how many rows another value is looked for.
const OTHER_ROWS: usize = 200;

/// What each pair cannot vouch for; `tables` is what is there before the migration, `changed` what it is known
/// to do to it.
pub(crate) fn limits(
    session: &mut Session,
    pairs: &[PreservePair],
    kept: &[Kept],
    tables: &Tables,
    changed: &[Changed],
) -> Result<Vec<Vouching>> {
    let (mut all, mut partly) = (Vec::new(), Partly::new());
    for (pair, Kept { sums, .. }) in pairs.iter().zip(kept) {
        let mut vouching = Vouching::default();
        if !pair.covers().is_empty() {
            let reads = Reads::of(session, pair.before(), |failed| broken(pair, "before", failed))?;
            let tried = Tried { pair, sums, is_small: rows_of(sums)? <= MOST_ROWS };
            for name in pair.covers() {
                let Some(table) = tables.table_of(name) else { continue };
                let missed = tried.look(session, (name, table), &reads, &mut vouching)?;
                if let Some(missed) = missed {
                    partly.entry(name).or_default().push((all.len(), missed));
                }
            }
            for one in changed.iter().filter(|one| pair.covers().iter().any(|name| one.is_in(name)))
            {
                tried.look_at(session, one, (tables, &reads), &mut vouching)?;
            }
        }
        all.push(vouching);
    }
    for (name, of_pairs) in partly {
        note_partly(name, &of_pairs, pairs, &mut all);
    }
    Ok(all)
}

/// What each pair that covers a name, by its place, misses of the rows that were tried.
type Partly<'p> = BTreeMap<&'p String, Vec<(usize, Shown)>>;

/// Where all pairs together miss a row of what they cover, each of them says so.
fn note_partly(
    name: &str,
    of_pairs: &[(usize, Shown)],
    pairs: &[PreservePair],
    all: &mut [Vouching],
) {
    let mut missed = of_pairs.iter().map(|(_, shown)| shown.no.clone());
    let first = missed.next().unwrap_or_default();
    if missed.fold(first, |both, one| &both & &one).is_empty() {
        return;
    }
    for (at, shown) in of_pairs {
        let (pair, of) = (pairs[*at].place(), shown.yes + shown.no.len());
        all[*at].noted.push(format!(
            "`{pair}` covers {name} and shows a part of it only: of {of} rows in which it was changed \
             it missed {}",
            shown.no.len()
        ));
        all[*at].partly.push(name.to_owned());
    }
}

/// Rows that a migration changes or takes away, known from when it was applied before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// `schema.table`.
    pub table: String,
    /// `schema.table.column`, or the table where rows are gone.
    pub place: String,
    /// The keys of some of them, as JSON objects.
    pub rows: Vec<String>,
}

impl Changed {
    fn is_in(&self, name: &str) -> bool {
        name == self.table || name == self.place
    }
}

/// A pair that is asked once more while something it covers is another.
struct Tried<'a> {
    pair: &'a PreservePair,
    /// Of its rows as they are.
    sums: &'a [TextRow],
    is_small: bool,
}

/// How many changes a pair shows, and in which rows it does not.
#[derive(Default)]
struct Shown {
    yes: usize,
    no: BTreeSet<String>,
}

impl Shown {
    /// Of what is not even read.
    fn nothing() -> Self {
        Self { yes: 0, no: BTreeSet::from(["all".to_owned()]) }
    }

    fn add(&mut self, row: String, is_shown: Option<bool>) {
        match is_shown {
            Some(true) => self.yes += 1,
            Some(false) => {
                self.no.insert(row);
            }
            // What cannot be tried says nothing.
            None => {}
        }
    }

    fn is_nothing(&self) -> bool {
        self.yes == 0 && !self.no.is_empty()
    }
}

impl Tried<'_> {
    /// Gives what it misses of what it vouches for.
    fn look(
        &self,
        session: &mut Session,
        (name, table): (&String, &Table),
        reads: &Reads,
        vouching: &mut Vouching,
    ) -> Result<Option<Shown>> {
        let place = |column: &Column| format!("{}.{}", table.title(), column.name);
        let column = table.columns.iter().find(|column| place(column) == *name);
        let shown = match column {
            Some(column) => self.shows_column(session, (table, column), reads, false)?,
            // It does not even read its rows.
            None if !reads.has(table) => Shown::nothing(),
            None => self.shows_rows(session, table, reads)?,
        };
        if shown.is_nothing() {
            vouching.unread.push(name.clone());
            return Ok(None);
        }
        let has_key = table.key_columns().iter().all(|key| reads.has_column(table, key));
        if !has_key {
            vouching.keyless.push(table.title());
        }
        if column.is_none() {
            for column in &table.columns {
                if self.shows_column(session, (table, column), reads, true)?.is_nothing() {
                    vouching.unread.push(place(column));
                }
            }
        }
        Ok(Some(shown))
    }

    /// Whether it shows the very rows that the migration changes or takes away.
    fn look_at(
        &self,
        session: &mut Session,
        changed: &Changed,
        (tables, reads): (&Tables, &Reads),
        vouching: &mut Vouching,
    ) -> Result<()> {
        let Some(table) = tables.table_of(&changed.table) else { return Ok(()) };
        if !self.is_small || table.rows > MOST_ROWS {
            return Ok(());
        }
        let mut shown = Shown::default();
        for row in changed.rows.iter().filter_map(|key| condition_of(table, key)) {
            let is_shown = self.shows_row(session, table, reads, &row)?;
            shown.add(row, is_shown);
        }
        match (changed.place == changed.table, shown.is_nothing()) {
            (true, true) => vouching.noted.push(format!(
                "rows of {} are gone that `{}` does not show",
                changed.table,
                self.pair.place()
            )),
            (false, true) => vouching.unread.push(changed.place.clone()),
            _ => {}
        }
        Ok(())
    }

    /// Of some rows, how many it shows.
    fn shows_rows(&self, session: &mut Session, table: &Table, reads: &Reads) -> Result<Shown> {
        let mut shown = Shown::default();
        for row in self.some_rows(session, table, "true")? {
            let is_shown = self.shows_row(session, table, reads, &row)?;
            shown.add(row, is_shown);
        }
        Ok(shown)
    }

    /// Whether it shows that a row is missing or another one; none where neither can be tried. One that is
    /// somewhere else, too, is shown when it is changed.
    fn shows_row(
        &self,
        session: &mut Session,
        table: &Table,
        reads: &Reads,
        row: &str,
    ) -> Result<Option<bool>> {
        let delete = format!("delete from {} where {row}", table.rows_sql());
        let mut is_shown = self.is_shown(session, &delete)?;
        for column in table.columns.iter().filter(|column| reads.has_column(table, column)) {
            if is_shown == Some(true) {
                break;
            }
            is_shown = self.shows_value(session, table, column, row)?.or(is_shown);
        }
        Ok(is_shown)
    }

    /// Of values of a column that are changed, one at a time, how many it shows to be others; or whether it
    /// shows one.
    fn shows_column(
        &self,
        session: &mut Session,
        (table, column): (&Table, &Column),
        reads: &Reads,
        is_one_enough: bool,
    ) -> Result<Shown> {
        if !reads.has_column(table, column) {
            return Ok(Shown::nothing());
        }
        let mut shown = Shown::default();
        for row in self.some_rows(session, table, &format!("{} is not null", column.value()))? {
            let is_shown = self.shows_value(session, table, column, &row)?;
            shown.add(row, is_shown);
            if is_one_enough && shown.yes > 0 {
                break;
            }
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
        let update = |other: &str| {
            let name = identifier(&column.name);
            format!("update {} set {name} = {other} where {row}", table.rows_sql())
        };
        let mut is_shown = None;
        for other in other_values(table, column) {
            is_shown = self.is_shown(session, &update(&other))?.or(is_shown);
            if is_shown == Some(true) {
                break;
            }
        }
        // Who sees the first letter only has not seen the text, nor who sees the day the time.
        if is_shown == Some(true)
            && let Some(near) = near_value(column)
        {
            return Ok(self.is_shown(session, &update(&near))?.or(is_shown));
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

/// A condition for the row of a key, which is a JSON object of texts.
fn condition_of(table: &Table, key: &str) -> Option<String> {
    let key: serde_json::Map<String, serde_json::Value> = serde_json::from_str(key).ok()?;
    let mut conditions = Vec::new();
    for column in table.key_columns() {
        let value = key.get(&column.name)?.as_str()?;
        conditions.push(format!("{}::text = {}", column.value(), literal(value)));
    }
    (!conditions.is_empty()).then(|| conditions.join(" and "))
}

/// Expressions for other values than that of the row `t`: another row's, which meets what is asked of them,
/// and made ones.
fn other_values(table: &Table, column: &Column) -> Vec<String> {
    let (value, name) = (column.value(), identifier(&column.name));
    let another = format!(
        "(select o.{name} from (\
         select t.{name} from {} order by t.tableoid, t.ctid limit {OTHER_ROWS}) as o \
         where o.{name}::text <> {value}::text order by o.{name}::text collate \"C\" limit 1)",
        table.rows_sql()
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

/// An expression for a value that differs as little as matters: in its last letter, digit or second.
fn near_value(column: &Column) -> Option<String> {
    let value = column.value();
    let near = match column.base.as_str() {
        "text" | "character varying" => format!(
            "pg_catalog.left(pg_catalog.rtrim({value}), -1) || \
             case pg_catalog.right(pg_catalog.rtrim({value}), 1) when 'x' then 'y' else 'x' end"
        ),
        "smallint" | "integer" | "bigint" => format!("{value} + 1"),
        "numeric" => format!("{value} + ('1e-' || pg_catalog.scale({value}))::numeric"),
        "timestamp without time zone" | "timestamp with time zone" => {
            format!("{value} + '1 second'::interval")
        }
        _ => return None,
    };
    column.is_written.then_some(near)
}
