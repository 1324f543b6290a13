//! Rows of a table without a key that is there before and after: compared whole, each as often as it was.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::preserve::rows::Pair;
use crate::preserve::tables::{ATTEMPT, Column, odd_answer, query, query_numbers, read_number};
use crate::session::failed::failing;
use crate::session::open::Session;

const GONE: &str = "pg_temp.leakproof_gone";
const NEW: &str = "pg_temp.leakproof_new";

/// Rows with more different sets of columns without a value are not told apart from changed ones.
const MOST_PATTERNS: usize = 64;

/// What became of the rows of before.
#[derive(Debug, Default)]
pub(crate) struct Unmatched {
    /// How many are not there, whatever was filled in where they had no value.
    pub rows: u64,
    /// The columns of which each alone explains that.
    pub columns: Vec<i32>,
}

impl Pair<'_> {
    /// Compares all columns but `without`. `readings` are expressions for the values of before in columns
    /// of another type.
    pub(crate) fn compare_whole(
        &self,
        session: &mut Session,
        without: &BTreeSet<i32>,
        readings: &BTreeMap<i32, String>,
    ) -> Result<Unmatched> {
        let columns: Vec<&Column> = self
            .was
            .columns
            .iter()
            .filter(|column| !without.contains(&column.number))
            .filter(|column| self.columns.contains_key(&column.number))
            .collect();
        if columns.is_empty() {
            return Ok(Unmatched::default());
        }
        self.keep_unmatched(session, &columns, readings)?;
        let found = self.unmatched(session, &columns);
        let forget = format!("drop table {GONE}; drop table {NEW}");
        session.as_owner(&forget).map_err(failing(ATTEMPT))?;
        found
    }

    /// Keeps the rows that are gone, and those that are new, each with how often.
    fn keep_unmatched(
        &self,
        session: &mut Session,
        columns: &[&Column],
        readings: &BTreeMap<i32, String>,
    ) -> Result<()> {
        let texts = columns.iter().filter_map(|column| self.texts_of(column, readings));
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (at, (was, is)) in texts.enumerate() {
            before.push(format!("({was}) collate \"C\" as c{at}"));
            after.push(format!("({is}) collate \"C\" as c{at}"));
        }
        let before = format!("select {} from {}", before.join(", "), self.kept_sql());
        let after = format!("select {} from {}", after.join(", "), self.rows_sql());
        let names = names(0..columns.len());
        let lacking = |table: &str, these: &str, those: &str| {
            format!(
                "create temporary table {table} on commit drop as \
                 select {names}, pg_catalog.count(*) as times from ({these} except all {those}) as d \
                 group by {names}"
            )
        };
        let sql = format!("{}; {}", lacking(GONE, &before, &after), lacking(NEW, &after, &before));
        session.as_owner(&sql).map_err(failing(ATTEMPT))
    }

    fn unmatched(&self, session: &mut Session, columns: &[&Column]) -> Result<Unmatched> {
        let nulls: Vec<String> = (0..columns.len())
            .map(|at| format!("case when c{at} is null then '1' else '0' end"))
            .collect();
        let patterns = query(
            session,
            &format!(
                "select {}, pg_catalog.sum(times) from {GONE} group by 1 order by 1",
                nulls.join(" || ")
            ),
        )?;
        let mut unmatched = Unmatched::default();
        for (at, row) in patterns.iter().enumerate() {
            let [Some(pattern), Some(rows)] = row.as_slice() else { return Err(odd_answer()) };
            unmatched.rows += match pattern.contains('1') && at < MOST_PATTERNS {
                true => without_filled(session, pattern)?,
                false => read_number(rows)?,
            };
        }
        if unmatched.rows > 0 && self.was.rows == self.rows() {
            for (at, column) in columns.iter().enumerate() {
                let others: Vec<usize> = (0..columns.len()).filter(|other| *other != at).collect();
                if lacking(session, "true", &others)? == 0 {
                    unmatched.columns.push(column.number);
                }
            }
        }
        Ok(unmatched)
    }

    fn texts_of(
        &self,
        column: &Column,
        readings: &BTreeMap<i32, String>,
    ) -> Option<(String, String)> {
        let (was, is) = self.texts(column)?;
        Some(match readings.get(&column.number) {
            Some(reading) => (was, format!("({reading})::text")),
            None => (was, is),
        })
    }
}

/// How many of the rows that are gone, and had no value where `pattern` has a 1, are not there with one
/// either.
fn without_filled(session: &mut Session, pattern: &str) -> Result<u64> {
    let letters = pattern.chars().enumerate();
    let filled: Vec<usize> =
        letters.filter(|(_, letter)| *letter == '0').map(|(at, _)| at).collect();
    let is_such: Vec<String> = pattern
        .chars()
        .enumerate()
        .map(|(at, letter)| format!("c{at} is {}null", if letter == '0' { "not " } else { "" }))
        .collect();
    lacking(session, &is_such.join(" and "), &filled)
}

/// How many of the rows that are gone, of a condition, are not among the new ones by some columns.
fn lacking(session: &mut Session, condition: &str, columns: &[usize]) -> Result<u64> {
    let listed: String = columns.iter().map(|at| format!("c{at}, ")).collect();
    let group = match columns {
        [] => String::new(),
        some => format!(" group by {}", names(some.iter().copied())),
    };
    let sql = format!(
        "select coalesce(pg_catalog.sum(greatest(gone - new, 0)), 0) from \
         (select pg_catalog.sum(gone) as gone, pg_catalog.sum(new) as new from \
         (select {listed}times as gone, 0 as new from {GONE} where {condition} union all \
         select {listed}0, times from {NEW}) as both_sides{group}) as counted"
    );
    Ok(query_numbers(session, &sql)?.first().copied().unwrap_or_default())
}

fn names(columns: impl Iterator<Item = usize>) -> String {
    columns.map(|at| format!("c{at}")).collect::<Vec<_>>().join(", ")
}
