//! The rows of before, kept beside a migration as a copy that goes with its transaction, and compared
//! with those of after on the server: no row comes to us, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::tables::{
    ATTEMPT, Column, Equality, Label, Table, Tables, object_sql, query, query_numbers,
};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{hash, literal};

/// How many rows a report names for each loss.
pub(crate) const SHOWN_ROWS: usize = 3;

/// Keeps the rows of these tables until the transaction ends.
pub(crate) fn keep(session: &mut Session, tables: &[&Table]) -> Result<()> {
    let copies: Vec<String> = tables
        .iter()
        .map(|table| {
            let columns: Vec<String> = table
                .columns
                .iter()
                .map(|column| format!("{} as {}", column.kept(), kept_name(column.number)))
                .collect();
            format!(
                "create temporary table {} on commit drop as select {} from {}",
                kept_rows(table.oid),
                columns.join(", "),
                table.rows_sql()
            )
        })
        .collect();
    if copies.is_empty() {
        return Ok(());
    }
    session.as_owner(&copies.join(";\n")).map_err(failing(ATTEMPT))
}

/// Refuses to compare where a file has thrown the copies away.
///
/// # Errors
/// If it has.
pub(crate) fn refuse_missing(session: &mut Session, kept: &BTreeSet<i64>) -> Result<()> {
    let names = kept.iter().map(|oid| literal(&kept_rows(*oid)));
    let names: Vec<String> = names.collect();
    let sql = format!(
        "select 1 from pg_catalog.unnest(array[{}]::text[]) as kept (name) \
         where pg_catalog.to_regclass(name) is null limit 1",
        names.join(", ")
    );
    match query(session, &sql)?.is_empty() {
        true => Ok(()),
        false => Err(Error::new("what a file does to rows cannot be seen")
            .cause(
                "it throws away temporary tables, and with them the copies of the rows of before",
            )
            .help("leave `discard` out of the file")),
    }
}

/// Of a table that is gone: these columns as lost, as far as they had values.
pub(crate) fn columns_gone(
    session: &mut Session,
    table: &Table,
    columns: &[&Column],
    kept_tables: &BTreeSet<i64>,
) -> Result<Vec<Loss>> {
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let counts: Vec<String> =
        columns.iter().map(|column| format!("pg_catalog.count({})", kept(column))).collect();
    let values = match kept_tables.contains(&table.oid) {
        true => {
            let from = kept_rows(table.oid);
            query_numbers(session, &format!("select {} from {from} as b", counts.join(", ")))?
        }
        // Who knows how many of its rows had one.
        false => vec![table.rows; columns.len()],
    };
    let filled = columns.iter().zip(values).filter(|(_, values)| *values > 0);
    let losses = filled.map(|(column, before)| {
        let column = Some(column.name.clone());
        Loss { column, before, ..Loss::new(LossKind::ColumnDropped, table.name()) }
    });
    Ok(losses.collect())
}

fn kept_rows(oid: i64) -> String {
    format!("pg_temp.leakproof_rows_{oid}")
}

fn kept_name(number: i32) -> String {
    format!("a{number}")
}

/// An expression for what was kept of a column, of the row `b`.
pub(crate) fn kept(column: &Column) -> String {
    format!("b.{}", kept_name(column.number))
}

/// A table before and after: what came of it, and which of its columns is which.
pub(crate) struct Pair<'a> {
    pub was: &'a Table,
    pub now: &'a Table,
    /// Tables that were partitions of it, and are no more.
    pub detached: Vec<&'a Table>,
    /// The columns of after by the attnums of before.
    pub columns: BTreeMap<i32, &'a Column>,
    /// Expressions for the values of before in columns of the key that have another type.
    pub key_readings: BTreeMap<i32, String>,
    /// Labels of enums that have another name now: by type, what was for what is.
    renamed: BTreeMap<i64, Vec<(&'a str, &'a str)>>,
}

/// What differs, for each column of before in order.
pub(crate) struct Differences {
    /// How many rows of before have no row of their key.
    pub missing: u64,
    pub columns: Vec<ColumnDifference>,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ColumnDifference {
    /// How many values there were, and how many there are in the same rows.
    pub before: u64,
    pub after: u64,
    /// In how many rows there was a value and is none or another.
    pub changed: u64,
}

/// Whether two values are equal, by the server's own operator: a file may make one that fits better.
pub(crate) fn same_sql(one: &str, other: &str) -> String {
    format!("{one} operator(pg_catalog.=) {other}")
}

impl<'a> Pair<'a> {
    /// Pairs the columns: by attnum, and where a column was dropped and made again, or the table was,
    /// by name.
    pub(crate) fn new(
        was: &'a Table,
        now: &'a Table,
        before: &'a Tables,
        after: &'a Tables,
    ) -> Self {
        let is_same = was.oid == now.oid;
        let mut columns = BTreeMap::new();
        for column in &was.columns {
            let kept = now.column(column.number).filter(|_| is_same);
            let namesake = || {
                now.columns.iter().find(|other| {
                    other.name == column.name && !(is_same && was.column(other.number).is_some())
                })
            };
            if let Some(now) = kept.or_else(namesake) {
                columns.insert(column.number, now);
            }
        }
        let leaves = was.leaves.iter().filter(|leaf| leaf.oid != was.oid);
        let detached = leaves.filter_map(|leaf| after.by_oid.get(&leaf.oid)).collect();
        let (key_readings, renamed) = (BTreeMap::new(), renamed_labels(before, after));
        Self { was, now, detached, columns, key_readings, renamed }
    }

    /// The rows of after, as `t`.
    pub(crate) fn rows_sql(&self) -> String {
        if self.detached.is_empty() {
            return self.now.rows_sql();
        }
        let columns: Vec<String> = self.columns.values().map(|column| column.value()).collect();
        let parts = std::iter::once(self.now).chain(self.detached.iter().copied());
        let parts: Vec<String> = parts
            .map(|table| format!("select {} from {}", columns.join(", "), table.rows_sql()))
            .collect();
        format!("({}) as t", parts.join(" union all "))
    }

    /// How many rows there are of after.
    pub(crate) fn rows(&self) -> u64 {
        self.now.rows + self.detached.iter().map(|table| table.rows).sum::<u64>()
    }

    /// The rows of before, as `b`.
    pub(crate) fn kept_sql(&self) -> String {
        format!("{} as b", kept_rows(self.was.oid))
    }

    /// Whether all columns of the key are there.
    pub(crate) fn has_key(&self) -> bool {
        !self.was.key.is_empty() && self.was.key.iter().all(|n| self.columns.contains_key(n))
    }

    /// Each row of before as `b` beside that of after with the same key as `t`, or none.
    fn joined(&self) -> String {
        let keys = self.was.key_columns().into_iter().filter_map(|was| {
            let now = self.columns.get(&was.number)?;
            Some(match self.key_readings.get(&was.number) {
                Some(back) => same_sql(&format!("{}::text", kept(was)), &format!("({back})::text")),
                None => {
                    let [was, now] = self.comparable(was, now);
                    same_sql(&was, &now)
                }
            })
        });
        let keys: Vec<String> = keys.collect();
        format!("{} left join {} on {}", self.kept_sql(), self.rows_sql(), keys.join(" and "))
    }

    /// Expressions for a value of before and of after that are equal where the value is the same.
    fn comparable(&self, column: &Column, now: &Column) -> [String; 2] {
        let (was, is) = (kept(column), now.value());
        let equality = match column.base == now.base {
            true => now.equality,
            false => Equality::Text,
        };
        match equality {
            Equality::Own => [was, is],
            // Of `json` nothing but blanks and the order of keys may go; it keeps keys that are there twice.
            Equality::Bytes | Equality::Json => {
                [was, is].map(|value| format!("{value}::text collate \"C\""))
            }
            Equality::Text => {
                [format!("{was}::text collate \"C\""), format!("{} collate \"C\"", self.text(now))]
            }
        }
    }

    /// An expression for the text of a value of after, by which it went before.
    fn text(&self, now: &Column) -> String {
        let text = format!("{}::text", now.value());
        let Some(renamed) = self.renamed.get(&now.base_oid) else { return text };
        let labels: String = renamed
            .iter()
            .map(|(was, is)| format!(" when {} then {}", literal(is), literal(was)))
            .collect();
        format!("(case {text}{labels} else {text} end)")
    }

    /// An expression for whether there was a value and is none or another. `is_same` says when a column
    /// of another type, or one that a trigger sets, holds what it held.
    fn is_changed(&self, column: &Column, is_same: Option<&String>) -> String {
        let Some(now) = self.columns.get(&column.number) else { return "false".into() };
        let value = kept(column);
        let [before, after] = self.comparable(column, now);
        let differs = format!("({}) is not true", same_sql(&before, &after));
        match is_same {
            Some(is_same) => {
                format!("{value} is not null and ({is_same}) is not true and {differs}")
            }
            None => format!("{value} is not null and {differs}"),
        }
    }

    /// Compares row by row, each with that of its key. None where a key is there several times now.
    pub(crate) fn compare(
        &self,
        session: &mut Session,
        same: &BTreeMap<i32, String>,
    ) -> Result<Option<Differences>> {
        let Some(is_missing) = self.is_missing() else { return Ok(None) };
        let mut differences = Differences { missing: 0, columns: Vec::new() };
        // A query gives no more than 1,664 values.
        for columns in self.was.columns.chunks(500) {
            let part = self.compare_columns(session, (columns, &is_missing), same)?;
            let Some(part) = part else { return Ok(None) };
            differences.missing = part.missing;
            differences.columns.extend(part.columns);
        }
        Ok(Some(differences))
    }

    fn compare_columns(
        &self,
        session: &mut Session,
        (columns, is_missing): (&[Column], &str),
        same: &BTreeMap<i32, String>,
    ) -> Result<Option<Differences>> {
        let mut counts = vec![
            "pg_catalog.count(*)".into(),
            format!("pg_catalog.count(*) filter (where {is_missing})"),
        ];
        for column in columns {
            let changed = self.is_changed(column, same.get(&column.number));
            let after = self.columns.get(&column.number).map(|now| now.value());
            counts.push(format!("pg_catalog.count({})", kept(column)));
            counts.push(format!("pg_catalog.count({})", after.unwrap_or("null".into())));
            counts
                .push(format!("pg_catalog.count(*) filter (where not {is_missing} and {changed})"));
        }
        let sql = format!("select {} from {}", counts.join(", "), self.joined());
        let numbers = query_numbers(session, &sql)?;
        if numbers[0] != self.was.rows {
            return Ok(None);
        }
        let columns = numbers[2..].chunks_exact(3).map(|numbers| ColumnDifference {
            before: numbers[0],
            after: numbers[1],
            changed: numbers[2],
        });
        Ok(Some(Differences { missing: numbers[1], columns: columns.collect() }))
    }

    fn is_missing(&self) -> Option<String> {
        let first = self.was.key_columns().into_iter().next()?;
        Some(format!("{} is null", self.columns.get(&first.number)?.value()))
    }

    /// The keys of the first rows that have no row of their key any more.
    pub(crate) fn first_missing(&self, session: &mut Session) -> Result<Vec<String>> {
        let is_missing = self.is_missing().unwrap_or("true".into());
        self.first_keys(session, &is_missing)
    }

    /// The keys of the first rows in which a column changed.
    pub(crate) fn first_changed(
        &self,
        session: &mut Session,
        column: &Column,
        same: &BTreeMap<i32, String>,
    ) -> Result<Vec<String>> {
        let is_missing = self.is_missing().unwrap_or("true".into());
        let changed = self.is_changed(column, same.get(&column.number));
        self.first_keys(session, &format!("not {is_missing} and {changed}"))
    }

    fn first_keys(&self, session: &mut Session, condition: &str) -> Result<Vec<String>> {
        let columns = self.was.key_columns();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<String> =
            columns.iter().map(|column| format!("{}::text", kept(column))).collect();
        let key = object_sql(&names, &values);
        let sql = format!(
            "select {key} from {} where {condition} order by 1 limit {SHOWN_ROWS}",
            self.joined()
        );
        Ok(query(session, &sql)?.into_iter().flatten().flatten().collect())
    }

    /// Whether a condition over `b` and `t` holds for each row with a value in a column; no if it raises.
    pub(crate) fn holds_everywhere(
        &self,
        session: &mut Session,
        column: &Column,
        condition: &str,
    ) -> Result<bool> {
        let Some(is_missing) = self.is_missing() else { return Ok(false) };
        let sql = format!(
            "select 1 from {} where {} is not null and not {is_missing} \
             and ({condition}) is not true limit 1",
            self.joined(),
            kept(column)
        );
        Ok(session.tolerate(|session| query(session, &sql))?.is_ok_and(|rows| rows.is_empty()))
    }

    /// The bytes of the longest text that there was, and that there is.
    pub(crate) fn longest(&self, session: &mut Session, column: &Column) -> Result<[u64; 2]> {
        let Some(now) = self.columns.get(&column.number) else { return Ok([0, 0]) };
        let longest = |value: String, rows: String| {
            format!(
                "(select coalesce(pg_catalog.max(pg_catalog.octet_length({value}::text)), 0) from {rows})"
            )
        };
        let [before, after] = [(kept(column), self.kept_sql()), (now.value(), self.rows_sql())];
        let sql = format!("select {}, {}", longest(before.0, before.1), longest(after.0, after.1));
        let numbers = query_numbers(session, &sql)?;
        Ok([numbers[0], numbers[1]])
    }

    /// Whether a column holds the values of before, each as often, be it in other rows.
    pub(crate) fn has_all_values(&self, session: &mut Session, column: &Column) -> Result<bool> {
        let Some(now) = self.columns.get(&column.number) else { return Ok(false) };
        let sum = |value: String, rows: String| {
            let hash = hash(&value, "0");
            format!("(select coalesce(pg_catalog.sum({hash}::numeric), 0) from {rows})")
        };
        let [before, after] = [
            sum(format!("{}::text", kept(column)), self.kept_sql()),
            sum(self.text(now), self.rows_sql()),
        ];
        let rows = query(session, &format!("select {before} = {after}"))?;
        Ok(self.was.rows == self.rows() && rows == [[Some("t".to_owned())]])
    }

    /// How many values each column had, and has.
    pub(crate) fn count_values(
        &self,
        session: &mut Session,
    ) -> Result<BTreeMap<i32, ColumnDifference>> {
        let columns = &self.was.columns;
        let before: Vec<String> =
            columns.iter().map(|column| format!("pg_catalog.count({})", kept(column))).collect();
        let after = columns.iter().map(|column| {
            let now = self.columns.get(&column.number).map(|now| now.value());
            format!("pg_catalog.count({})", now.unwrap_or("null".into()))
        });
        let after: Vec<String> = after.collect();
        let before = format!("select {} from {}", before.join(", "), self.kept_sql());
        let after = format!("select {} from {}", after.join(", "), self.rows_sql());
        let (before, after) = (query_numbers(session, &before)?, query_numbers(session, &after)?);
        let counted = columns.iter().zip(before.into_iter().zip(after));
        let differences = counted.map(|(column, (before, after))| {
            (column.number, ColumnDifference { before, after, changed: 0 })
        });
        Ok(differences.collect())
    }

    /// Expressions for the text of a column's value before and after.
    pub(crate) fn texts(&self, column: &Column) -> Option<(String, String)> {
        let now = self.columns.get(&column.number)?;
        Some((format!("{}::text", kept(column)), self.text(now)))
    }
}

fn renamed_labels<'a>(
    before: &'a Tables,
    after: &'a Tables,
) -> BTreeMap<i64, Vec<(&'a str, &'a str)>> {
    let mut renamed: BTreeMap<i64, Vec<(&str, &str)>> = BTreeMap::new();
    for (oid, Label { of, label: was, .. }) in &before.labels {
        let now = after.labels.get(oid).map(|now| now.label.as_str());
        if let Some(is) = now.filter(|is| is != was) {
            renamed.entry(*of).or_default().push((was, is));
        }
    }
    renamed
}
