//! Loads generated rows into legacy tables: bytes into a staging table, and from there row by row,
//! so that the server refuses rows by themselves. What it refuses was never legacy data; each is
//! counted by its SQLSTATE.

use std::collections::BTreeMap;
use std::io::Write;

use postgres::{Client, SimpleQueryMessage};

/// Values as an application would send them; `None` is NULL.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which of the tables it is for.
    pub table: usize,
    pub values: Vec<Option<Vec<u8>>>,
}

/// A legacy table, and its columns with their types, without lengths: a cast to `varchar(20)` would
/// cut, where an assignment refuses.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    pub name: &'static str,
    pub columns: &'static [(&'static str, &'static str)],
}

/// Rows that the server refused, by SQLSTATE.
pub type Refused = BTreeMap<String, usize>;

/// Why a server may refuse a row of ours. Anything else is an error of these tests.
const MAY_REFUSE: &[(&str, &str)] = &[
    ("22001", "a text longer than its column"),
    ("22003", "a number beyond the range of its type"),
    ("22007", "a text that is no time"),
    ("22008", "a time beyond the range of its type"),
    ("22021", "bytes that are no UTF-8"),
    ("22P02", "a text that is no JSON, or no uuid"),
    ("22P05", "a NUL in JSON"),
    ("23502", "NULL in a column that has none"),
    ("23503", "a reference to nothing"),
    ("23505", "an id that is taken"),
    ("23514", "an id that no index could hold beside another"),
    ("54000", "more than an index or a value holds"),
    ("54001", "deeper than the server's stack"),
];

/// Loads the rows in their order; gives those that were refused.
pub fn load(client: &mut Client, tables: &[Table], rows: &[Row]) -> Refused {
    let mut refused = Refused::new();
    for (at, table) in tables.iter().enumerate() {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.table == at).collect();
        stage(client, table, &rows);
        client.batch_execute(&insert_each(table)).expect("each row is inserted or refused");
        for row in
            read_rows(client, "select sqlstate, count(*)::text from hostile_refused group by 1")
        {
            let [Some(state), Some(count)] = row.as_slice() else { panic!("no SQLSTATE") };
            let is_known = MAY_REFUSE.iter().any(|(known, _)| known == state);
            assert!(is_known, "{} refused {count} rows with {state}", table.name);
            *refused.entry(state.clone()).or_default() += count.parse::<usize>().expect("a count");
        }
        client.batch_execute("drop table hostile_rows, hostile_refused").expect("dropped");
    }
    refused
}

fn stage(client: &mut Client, table: &Table, rows: &[&Row]) {
    let columns: Vec<String> = (0..table.columns.len()).map(|at| format!("c{at} bytea")).collect();
    let make = format!(
        "create temporary table hostile_rows (n integer primary key, {});
         create temporary table hostile_refused (n integer, sqlstate text)",
        columns.join(", ")
    );
    client.batch_execute(&make).expect("a staging table");
    let mut copy = client.copy_in("copy hostile_rows from stdin binary").expect("a copy");
    let mut send = |bytes: &[u8]| copy.write_all(bytes).expect("sent");
    send(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
    for (n, row) in rows.iter().enumerate() {
        let fields = i16::try_from(row.values.len() + 1).expect("few columns");
        send(&fields.to_be_bytes());
        send(&4_i32.to_be_bytes());
        send(&i32::try_from(n).expect("not that many rows").to_be_bytes());
        for value in &row.values {
            let length = value.as_ref().map_or(-1, |value| value.len() as i32);
            send(&length.to_be_bytes());
            send(value.as_deref().unwrap_or_default());
        }
    }
    send(&(-1_i16).to_be_bytes());
    copy.finish().expect("copied");
}

/// Each row under a savepoint of its own, and inserted by a function some calls down: a document that
/// leaves less than that of the server's stack can be read, but hardly be put together again in any
/// function, be it the old application's.
fn insert_each(table: &Table) -> String {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = table
        .columns
        .iter()
        .enumerate()
        .map(|(at, (_, kind))| format!("convert_from(r.c{at}, 'UTF8')::{kind}"))
        .collect();
    format!(
        "create function pg_temp.insert_row(place integer, calls integer) returns void
         language plpgsql
         as $$
         begin
             if calls > 0 then
                 perform pg_temp.insert_row(place, calls - 1);
                 return;
             end if;
             insert into {} ({}) select {} from hostile_rows r where r.n = place;
         end
         $$;
         do $do$
         begin
             for place in 0..(select count(*) - 1 from hostile_rows) loop
                 begin
                     perform pg_temp.insert_row(place, 6);
                 exception when others then
                     insert into hostile_refused values (place, sqlstate);
                 end;
             end loop;
         end
         $do$;
         drop function pg_temp.insert_row(integer, integer);
         analyze {}",
        table.name,
        columns.join(", "),
        values.join(", "),
        table.name,
    )
}

/// A row of text values; `None` is NULL.
pub type TextRow = Vec<Option<String>>;

/// All rows of one query.
pub type Rows = Vec<TextRow>;

/// The rows of a query as text, with times in UTC.
pub fn read_rows(client: &mut Client, query: &str) -> Rows {
    client.batch_execute("set timezone = 'UTC'; set datestyle = 'ISO, YMD'").expect("a time zone");
    let answer = client.simple_query(query).unwrap_or_else(|error| panic!("{query}: {error:?}"));
    let rows = answer.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        }
        _ => None,
    });
    rows.collect()
}
