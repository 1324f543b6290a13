//! What the rows of each table add up to, for comparing one run of a file with another one of which
//! nothing stays: only sums of hashes come to us, and of what differs the first rows.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::names::QualifiedName;
use crate::preserve::contents::text;
use crate::preserve::repeated::{DifferenceKind, Example};
use crate::preserve::steady::pin_formats;
use crate::preserve::tables::{Column, Table, Tables, object_sql, odd_answer, query, read_number};
use crate::session::open::Session;
use crate::sql::quote::{hash, literal};

/// The rows of a table with more of them are told apart by so many hashes only.
const MOST_BUCKETS: u64 = 1 << 16;
/// Rows that a report names.
const SHOWN: usize = 2;
/// So many rows are looked at for one to be named.
const MOST_LOOKED_AT: usize = 500;
/// So many letters of a value are shown.
const MOST_LETTERS: usize = 200;

/// All tables with rows, by their names: their oids are other ones in another run.
pub(crate) type Prints = BTreeMap<QualifiedName, Print>;

/// What the rows of a table add up to, in whatever order they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Print {
    pub rows: u64,
    /// The columns of the key; none where no key tells the rows apart.
    key: Vec<String>,
    /// Of what tells the rows apart: the key, or the whole row.
    identity: String,
    /// Of all but the key.
    rest: String,
    columns: BTreeMap<String, ColumnPrint>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct ColumnPrint {
    /// Of its values.
    values: String,
    /// Of its values, each with what tells its row apart.
    placed: String,
}

/// What is another one in each run, though nothing is otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Chance {
    columns: BTreeMap<QualifiedName, BTreeSet<String>>,
    /// Tables of which that is so of the rows themselves.
    tables: BTreeSet<QualifiedName>,
}

/// In what a table differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableDifference {
    pub table: QualifiedName,
    pub kind: DifferenceKind,
    pub columns: Vec<String>,
}

impl Chance {
    /// What differs between two runs that are alike.
    pub(crate) fn between(one: &Prints, other: &Prints) -> Self {
        let mut chance = Self::default();
        for table in one.keys().chain(other.keys()) {
            match (one.get(table), other.get(table)) {
                (Some(one), Some(other)) if one.rows == other.rows => {
                    let columns = one.unlike(other);
                    if !columns.is_empty() {
                        chance.columns.insert(table.clone(), columns);
                    }
                }
                _ => drop(chance.tables.insert(table.clone())),
            }
        }
        chance
    }

    /// Adds tables of which the rows differ, though they were compared without columns of chance.
    pub(crate) fn add_tables(&mut self, differences: Vec<TableDifference>) {
        self.tables.extend(differences.into_iter().map(|one| one.table));
    }

    pub(crate) fn is_of(&self, table: &QualifiedName) -> bool {
        self.tables.contains(table)
    }

    /// `public.t`, `public.t.a`
    pub(crate) fn names(&self) -> Vec<String> {
        let columns = self.columns.iter().filter(|(table, _)| !self.is_of(table));
        let columns = columns
            .flat_map(|(table, columns)| columns.iter().map(move |name| format!("{table}.{name}")));
        self.tables.iter().map(QualifiedName::to_string).chain(columns).collect()
    }

    fn has(&self, table: &QualifiedName, column: &str) -> bool {
        self.columns.get(table).is_some_and(|columns| columns.contains(column))
    }
}

impl Print {
    /// The columns that hold other values, or hold them in other rows.
    fn unlike(&self, other: &Self) -> BTreeSet<String> {
        let differ = |of: fn(&ColumnPrint) -> &String| -> BTreeSet<String> {
            let names = self.columns.iter().filter(|(name, print)| {
                other.columns.get(*name).is_none_or(|other| of(other) != of(print))
            });
            names.map(|(name, _)| name.clone()).collect()
        };
        let values = differ(|print| &print.values);
        match self.key.is_empty() || self.key.iter().any(|name| values.contains(name)) {
            true => values,
            false => differ(|print| &print.placed),
        }
    }

    /// In what it differs from another of the same table.
    fn compare(&self, other: &Self) -> Option<(DifferenceKind, Vec<String>)> {
        let names = |print: &Self| -> BTreeSet<String> { print.columns.keys().cloned().collect() };
        let (was, is) = (names(self), names(other));
        if was != is {
            let columns = was.symmetric_difference(&is).cloned().collect();
            return Some((DifferenceKind::Columns, columns));
        }
        if self == other {
            return None;
        }
        let unlike: Vec<String> = self.unlike(other).into_iter().collect();
        let is_same = |name: &String| self.columns[name].values == other.columns[name].values;
        if self.identity == other.identity && !self.key.is_empty() {
            let is_moved = self.rest == other.rest && unlike.iter().all(is_same);
            return Some(match is_moved {
                true => (DifferenceKind::Numbers, self.key.clone()),
                false => (DifferenceKind::Values, unlike),
            });
        }
        Some(match unlike.iter().all(is_same) && self.rows == other.rows {
            true => (DifferenceKind::Places, Vec::new()),
            false => (DifferenceKind::Rows, if self.rows == other.rows { unlike } else { vec![] }),
        })
    }
}

/// What differs between two runs, but for tables of chance.
pub(crate) fn compare(usual: &Prints, other: &Prints, chance: &Chance) -> Vec<TableDifference> {
    let tables: BTreeSet<&QualifiedName> = usual.keys().chain(other.keys()).collect();
    let differences = tables.into_iter().filter(|table| !chance.is_of(table)).filter_map(|table| {
        let (kind, columns) = match (usual.get(table), other.get(table)) {
            (Some(usual), Some(other)) => usual.compare(other)?,
            // Tables without room for a row are not looked at.
            (Some(one), None) | (None, Some(one)) if one.rows > 0 => {
                (DifferenceKind::Rows, Vec::new())
            }
            _ => return None,
        };
        Some(TableDifference { table: table.clone(), kind, columns })
    });
    differences.collect()
}

/// Adds up the rows of all tables, without columns of chance.
pub(crate) fn read_prints(session: &mut Session, chance: &Chance) -> Result<Prints> {
    pin_formats(session);
    let tables = Tables::read(session)?;
    let filled: Vec<&Table> =
        tables.by_oid.values().filter(|table| table.has_room() && !table.is_view()).collect();
    let queries: Vec<String> = filled.iter().map(|table| sums_query(table, chance)).collect();
    if queries.is_empty() {
        return Ok(Prints::new());
    }
    let mut prints = Prints::new();
    for row in query(session, &queries.join("\nunion all\n"))? {
        let [Some(oid), Some(rows), Some(identity), Some(rest), Some(sums)] = row.as_slice() else {
            return Err(odd_answer());
        };
        let table = &tables.by_oid[&read_number::<i64>(oid)?];
        let parts = Parts::of(table, chance);
        let sums: Vec<&str> = sums.split(' ').collect();
        let columns = parts.all.iter().zip(sums.chunks_exact(2)).map(|(column, sums)| {
            let print = ColumnPrint { values: sums[0].to_owned(), placed: sums[1].to_owned() };
            (column.name.clone(), print)
        });
        let print = Print {
            rows: read_number(rows)?,
            key: parts.key_names(),
            identity: identity.clone(),
            rest: rest.clone(),
            columns: columns.collect(),
        };
        prints.insert(table.name(), print);
    }
    Ok(prints)
}

/// The columns of a table that are not of chance, and those of them that tell rows apart.
struct Parts<'a> {
    all: Vec<&'a Column>,
    key: Vec<&'a Column>,
}

impl<'a> Parts<'a> {
    fn of(table: &'a Table, chance: &Chance) -> Self {
        let name = table.name();
        let is_steady = |column: &&Column| !chance.has(&name, &column.name);
        let mut all: Vec<&Column> = table.columns.iter().filter(is_steady).collect();
        all.sort_by_key(|column| &column.name);
        let key = table.key_columns();
        let key = if key.iter().all(is_steady) { key } else { Vec::new() };
        Self { all, key }
    }

    fn key_names(&self) -> Vec<String> {
        self.key.iter().map(|column| column.name.clone()).collect()
    }

    /// What tells the rows apart.
    fn identity(&self) -> Vec<&'a Column> {
        if self.key.is_empty() { self.all.clone() } else { self.key.clone() }
    }

    fn rest(&self) -> Vec<&'a Column> {
        let is_rest = |column: &&&Column| !self.key.iter().any(|key| key.name == column.name);
        self.all.iter().filter(is_rest).copied().collect()
    }

    fn named(&self, names: &[String]) -> Vec<&'a Column> {
        self.all.iter().filter(|column| names.contains(&column.name)).copied().collect()
    }
}

/// An expression for the hash of some columns of the row `t`.
fn hash_of(columns: &[&Column], seed: &str) -> String {
    let texts: Vec<String> = columns.iter().map(|column| text(column)).collect();
    let all = format!(
        "pg_catalog.array_to_string(array[{}]::text[], {}, {})",
        texts.join(", "),
        literal("\u{1}"),
        literal("\u{2}")
    );
    hash(&all, seed)
}

/// `select oid, rows, identity, rest, sums`, two sums for each column in the order of their names.
fn sums_query(table: &Table, chance: &Chance) -> String {
    let parts = Parts::of(table, chance);
    let values: String =
        parts.all.iter().enumerate().map(|(at, c)| format!("{} as c{at}, ", text(c))).collect();
    let sum = |of: &str| format!("coalesce(pg_catalog.sum(({of})::numeric), 0)");
    let sums: Vec<String> = (0..parts.all.len())
        .flat_map(|at| ["0", "v.identity"].map(|seed| sum(&hash(&format!("v.c{at}"), seed))))
        .collect();
    // `offset 0` keeps the server from making each text anew for each sum.
    format!(
        "select {}::bigint, pg_catalog.count(*), {}, {}, \
         pg_catalog.array_to_string(array[{}]::text[], ' ') \
         from {}, lateral (select {values}{} as identity, {} as rest offset 0) as v",
        table.oid,
        sum("v.identity"),
        sum("v.rest"),
        sums.join(", "),
        table.rows_sql(),
        hash_of(&parts.identity(), "0"),
        hash_of(&parts.rest(), "0"),
    )
}

/// How the rows of a table that differ are found in two runs.
pub(crate) struct Search {
    pub difference: TableDifference,
    /// How many rows there are as usual.
    pub of: u64,
    chance: Chance,
}

/// The hashes of rows, and of what they hold.
pub(crate) type Buckets = BTreeMap<i64, String>;

/// Rows by what tells them apart, with what they hold.
pub(crate) type Rows = BTreeSet<(String, String)>;

impl Search {
    pub(crate) fn new(difference: TableDifference, usual: &Prints, chance: &Chance) -> Self {
        let of = usual.get(&difference.table).map_or(0, |print| print.rows);
        Self { difference, of, chance: chance.clone() }
    }

    /// What tells rows apart, and what is compared of them.
    fn sides<'a>(&self, parts: &Parts<'a>) -> [Vec<&'a Column>; 2] {
        match self.difference.kind {
            DifferenceKind::Values => [parts.identity(), parts.named(&self.difference.columns)],
            DifferenceKind::Numbers => [parts.rest(), parts.key.clone()],
            _ => [parts.all.clone(), Vec::new()],
        }
    }

    /// Whether rows share hashes, so that more may differ than are counted.
    pub(crate) fn is_estimated(&self) -> bool {
        self.of > MOST_BUCKETS
    }

    fn bucket(&self, identity: &[&Column]) -> String {
        let whole = hash_of(identity, "0");
        match self.is_estimated() {
            true => format!("({whole} & {})", MOST_BUCKETS - 1),
            false => whole,
        }
    }

    /// The hashes of all rows.
    pub(crate) fn buckets(&self, session: &mut Session) -> Result<Buckets> {
        pin_formats(session);
        let tables = Tables::read(session)?;
        let Some(table) = tables.named(&self.difference.table) else { return Ok(Buckets::new()) };
        let [identity, compared] = self.sides(&Parts::of(table, &self.chance));
        let both: Vec<&Column> = identity.iter().chain(&compared).copied().collect();
        let sql = format!(
            "select {}, pg_catalog.sum({}::numeric) from {} group by 1",
            self.bucket(&identity),
            hash_of(&both, "1"),
            table.rows_sql()
        );
        let mut buckets = Buckets::new();
        for row in query(session, &sql)? {
            let [Some(bucket), Some(sum)] = row.as_slice() else { return Err(odd_answer()) };
            buckets.insert(read_number(bucket)?, sum.clone());
        }
        Ok(buckets)
    }

    /// The first rows of some hashes.
    pub(crate) fn rows(&self, session: &mut Session, buckets: &[i64]) -> Result<Rows> {
        pin_formats(session);
        let tables = Tables::read(session)?;
        let Some(table) = tables.named(&self.difference.table) else { return Ok(Rows::new()) };
        let [identity, compared] = self.sides(&Parts::of(table, &self.chance));
        let object = |columns: &[&Column]| {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            let values: Vec<String> = columns
                .iter()
                .map(|column| format!("pg_catalog.left({}, {MOST_LETTERS})", text(column)))
                .collect();
            object_sql(&names, &values)
        };
        let held = match compared.as_slice() {
            [] => "''".to_owned(),
            [one] => format!("coalesce(pg_catalog.left({}, {MOST_LETTERS}), 'NULL')", text(one)),
            several => object(several),
        };
        let wanted: Vec<String> = buckets.iter().map(i64::to_string).collect();
        let sql = format!(
            "select {}, {held} from {} where {} = any('{{{}}}'::bigint[]) \
             order by 1, 2 limit {MOST_LOOKED_AT}",
            object(&identity),
            table.rows_sql(),
            self.bucket(&identity),
            wanted.join(", ")
        );
        let rows = query(session, &sql)?;
        let row = |row: Vec<Option<String>>| match row.as_slice() {
            [Some(row), Some(held)] => Ok((row.clone(), held.clone())),
            _ => Err(odd_answer()),
        };
        rows.into_iter().map(row).collect()
    }

    /// Whether rows are told apart by other columns than those that are compared.
    fn compares_values(&self) -> bool {
        matches!(self.difference.kind, DifferenceKind::Values | DifferenceKind::Numbers)
    }

    /// The rows that differ, of those of the same hashes.
    pub(crate) fn examples(&self, usual: &Rows, other: &Rows) -> Vec<Example> {
        let was: BTreeMap<&str, &str> = lacking(usual, other);
        let is: BTreeMap<&str, &str> = lacking(other, usual);
        let names: BTreeSet<&str> = was.keys().chain(is.keys()).copied().collect();
        let held = |rows: &BTreeMap<&str, &str>, name: &str| rows.get(name).map(|&v| v.to_owned());
        let examples = names.into_iter().map(|name| Example {
            row: name.to_owned(),
            usual: held(&was, name),
            other: held(&is, name),
        });
        let (both, one): (Vec<Example>, Vec<Example>) =
            examples.partition(|one| one.usual.is_some() && one.other.is_some());
        if self.compares_values() && !both.is_empty() {
            return both.into_iter().take(SHOWN).collect();
        }
        // One of each side says more than two of one.
        let (was, is): (Vec<Example>, Vec<Example>) =
            one.into_iter().partition(|one| one.usual.is_some());
        was.into_iter().take(1).chain(is.into_iter().take(1)).collect()
    }
}

/// The rows that another run has not, by what tells them apart.
fn lacking<'a>(these: &'a Rows, those: &'a Rows) -> BTreeMap<&'a str, &'a str> {
    let lacking = these.difference(those);
    lacking.map(|(row, held)| (row.as_str(), held.as_str())).collect()
}

/// The rows of two runs that differ.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Differing {
    /// How many there are, or hashes of them.
    pub count: u64,
    /// The first hashes, those first under which both runs have a row.
    pub first: Vec<i64>,
}

/// Which rows of two runs differ, by the hashes of all.
pub(crate) fn differing(usual: &Buckets, other: &Buckets) -> Differing {
    let unlike = |one: &Buckets, other: &Buckets| -> Vec<i64> {
        let unlike = one.iter().filter(|(bucket, sum)| other.get(*bucket) != Some(*sum));
        unlike.map(|(bucket, _)| *bucket).collect()
    };
    let (was, is) = (unlike(usual, other), unlike(other, usual));
    let both = was.iter().filter(|bucket| other.contains_key(*bucket)).take(SHOWN);
    let gone = was.iter().filter(|bucket| !other.contains_key(*bucket)).take(SHOWN);
    let new = is.iter().filter(|bucket| !usual.contains_key(*bucket)).take(SHOWN);
    let first = both.chain(gone).chain(new).copied().collect();
    Differing { count: was.len().max(is.len()).try_into().unwrap_or(u64::MAX), first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(i64, &str)]) -> Buckets {
        of.iter().map(|(bucket, sum)| (*bucket, (*sum).to_owned())).collect()
    }

    #[test]
    fn rows_that_differ_are_counted_and_those_of_both_come_first() {
        let usual = buckets(&[(1, "a"), (2, "b"), (3, "c"), (4, "d")]);
        let other = buckets(&[(1, "a"), (3, "x"), (4, "d"), (5, "e"), (6, "f")]);
        assert_eq!(differing(&usual, &other), Differing { count: 3, first: vec![3, 2, 5, 6] });
        assert_eq!(differing(&usual, &usual), Differing::default());
    }

    fn print(key: &[&str], identity: &str, rest: &str, columns: &[[&str; 3]]) -> Print {
        let of = |[_, values, placed]: &[&str; 3]| ColumnPrint {
            values: (*values).to_owned(),
            placed: (*placed).to_owned(),
        };
        Print {
            rows: 2,
            key: key.iter().map(|name| (*name).to_owned()).collect(),
            identity: identity.into(),
            rest: rest.into(),
            columns: columns.iter().map(|one| (one[0].to_owned(), of(one))).collect(),
        }
    }

    #[test]
    fn a_difference_is_told_by_what_is_the_same() {
        let usual = print(&["id"], "1", "1", &[["a", "1", "1"], ["id", "1", "1"]]);
        let said = |other: &Print| {
            usual.compare(other).map(|(kind, columns)| format!("{kind:?} {}", columns.join(" ")))
        };
        assert_eq!(said(&usual), None);
        for (other, expected) in [
            (print(&["id"], "1", "2", &[["a", "2", "2"], ["id", "1", "1"]]), "Values a"),
            (print(&["id"], "1", "2", &[["a", "1", "2"], ["id", "1", "1"]]), "Values a"),
            (print(&["id"], "1", "1", &[["a", "1", "2"], ["id", "1", "1"]]), "Numbers id"),
            (print(&["id"], "2", "1", &[["a", "1", "2"], ["id", "2", "2"]]), "Rows id"),
            (print(&["id"], "1", "1", &[["b", "1", "1"], ["id", "1", "1"]]), "Columns a b"),
        ] {
            assert_eq!(said(&other).as_deref(), Some(expected));
        }
        let whole = |identity, values| print(&[], identity, identity, &[["a", values, identity]]);
        let places = whole("1", "1").compare(&whole("2", "1"));
        assert_eq!(places, Some((DifferenceKind::Places, Vec::new())));
        let rows = whole("1", "1").compare(&whole("2", "2"));
        assert_eq!(rows, Some((DifferenceKind::Rows, vec!["a".into()])));
    }

    #[test]
    fn what_differs_without_a_cause_is_chance() {
        let table = || QualifiedName::new("public", "t");
        let prints = |print| Prints::from([(table(), print)]);
        let one = prints(print(&["id"], "1", "1", &[["a", "1", "1"], ["id", "1", "1"]]));
        let clock = prints(print(&["id"], "1", "2", &[["a", "2", "2"], ["id", "1", "1"]]));
        assert_eq!(Chance::between(&one, &clock).names(), ["public.t.a"]);
        // All else is placed by a key that is another one.
        let key = prints(print(&["id"], "2", "1", &[["a", "1", "2"], ["id", "2", "2"]]));
        assert_eq!(Chance::between(&one, &key).names(), ["public.t.id"]);
        assert_eq!(Chance::between(&one, &Prints::new()).names(), ["public.t"]);
        assert_eq!(Chance::between(&one, &one), Chance::default());
    }
}
