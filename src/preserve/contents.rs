//! What a database holds, by names, in counts and sums that do not depend on the order of rows: for
//! comparing one database with another, or with itself at another time.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::preserve::steady::pin_formats;
use crate::preserve::tables::{Column, Table, Tables, odd_answer, query, read_number};
use crate::session::open::Session;
use crate::sql::quote::{hash, identifier, literal};

/// A line for each table with rows and for each column with values.
pub(crate) fn contents(session: &mut Session) -> Result<BTreeMap<String, String>> {
    session.undone(|session| {
        pin_formats(session);
        let tables = Tables::read(session)?;
        let filled: Vec<&Table> =
            tables.by_oid.values().filter(|table| table.has_room() && !table.is_view()).collect();
        let queries: Vec<String> = filled.iter().map(|table| sums_query(table)).collect();
        let mut contents = BTreeMap::new();
        if queries.is_empty() {
            return Ok(contents);
        }
        for row in query(session, &queries.join("\nunion all\n"))? {
            let [Some(oid), Some(rows), Some(sums)] = row.as_slice() else {
                return Err(odd_answer());
            };
            let table = &tables.by_oid[&read_number::<i64>(oid)?];
            if read_number::<u64>(rows)? == 0 {
                continue;
            }
            contents.insert(table.title(), format!("{rows} rows"));
            for (column, sums) in by_name(table).into_iter().zip(sums.split('\n')) {
                if !sums.is_empty() {
                    contents.insert(format!("{}.{}", table.title(), column.name), sums.to_owned());
                }
            }
        }
        Ok(contents)
    })
}

/// A column that was dropped can come back only as the last.
fn by_name(table: &Table) -> Vec<&Column> {
    let mut columns: Vec<&Column> = table.columns.iter().collect();
    columns.sort_by_key(|column| &column.name);
    columns
}

/// An expression over the row `t` for the value as text. How many zeros a number ends with is no part
/// of its value.
pub(crate) fn text(column: &Column) -> String {
    match column.base.as_str() {
        "numeric" => format!("pg_catalog.trim_scale(t.{})::text", identifier(&column.name)),
        _ => format!("{}::text", column.value()),
    }
}

/// `select oid, rows, sums`, a line of sums for each column in the order of their names.
fn sums_query(table: &Table) -> String {
    let columns = by_name(table);
    let mut key = table.key_columns();
    key.sort_by_key(|column| &column.name);
    if key.is_empty() {
        key.clone_from(&columns);
    }
    let key: Vec<String> = key.into_iter().map(text).collect();
    let values: String = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{} as c{at}, ", text(column)))
        .collect();
    let sum = |at: usize, seed: &str| {
        format!("pg_catalog.sum({}::numeric)", hash(&format!("v.c{at}"), seed))
    };
    let lines: Vec<String> = (0..columns.len())
        .map(|at| {
            format!(
                "case when pg_catalog.count(v.c{at}) > 0 then pg_catalog.concat(\
                 pg_catalog.count(v.c{at}), ' values, checksums ', {}, ' and ', {}) else '' end",
                sum(at, "0"),
                sum(at, "v.seed")
            )
        })
        .collect();
    let key = format!(
        "pg_catalog.array_to_string(array[{}]::text[], {}, {})",
        key.join(", "),
        literal("\u{1}"),
        literal("\u{2}")
    );
    // `offset 0` keeps the server from making each text anew for each sum.
    format!(
        "select {}::bigint, pg_catalog.count(*), \
         pg_catalog.array_to_string(array[{}]::text[], pg_catalog.chr(10)) \
         from {}, lateral (select {values}{} as seed offset 0) as v",
        table.oid,
        lines.join(", "),
        table.rows_sql(),
        hash(&key, "0")
    )
}
