//! The tables of a database as the catalog has them, and what a transaction has done to their files and
//! rows: by catalog identity (table oid, attnum), which renames keep.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::names::QualifiedName;
use crate::preserve::draft::TableBefore;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::{TextRow, as_json, read_json};
use crate::sql::quote::{identifier, literal, qualified};

/// What could not be done where a query of the census fails.
pub(crate) const ATTEMPT: &str = "take the census";

/// A table with all of its partitions, or a materialized view, which has no columns here.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Table {
    pub oid: i64,
    schema: String,
    name: String,
    kind: String,
    pub is_unlogged: bool,
    pub is_populated: bool,
    /// Of an extension's table: which of its rows are the project's.
    condition: Option<String>,
    /// The attnums of the columns that name a row; none where no columns do.
    pub key: Vec<i32>,
    /// Where its rows are: itself, or its partitions.
    pub leaves: Vec<Leaf>,
    pub columns: Vec<Column>,
    /// How many rows it has, where that was counted.
    #[serde(default)]
    pub rows: u64,
}

/// What holds rows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Leaf {
    pub oid: i64,
    /// The number of its file, another one when all of it is rewritten.
    pub file: i64,
    pub bytes: u64,
    /// The same with the values that are stored apart for their length.
    pub bytes_with_long: u64,
    /// How many rows this transaction has changed or deleted, counted from some number on.
    pub written: u64,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Column {
    /// Its attnum.
    pub number: i32,
    pub name: String,
    #[serde(rename = "type")]
    pub type_name: String,
    /// The type without a domain and without a length.
    pub base: String,
    pub base_oid: i64,
    /// Whether an update may give it a value.
    pub is_written: bool,
    pub is_generated: bool,
    pub equality: Equality,
}

/// How two values of a type are told to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Equality {
    /// By the type's own operator.
    Own,
    /// Byte by byte, whatever collation they have.
    Bytes,
    /// By their text forms: types that files make, which they can drop, and those whose operator calls
    /// different values equal.
    Text,
    /// By their text forms, or as documents.
    Json,
}

/// All tables, by oid.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tables {
    pub by_oid: BTreeMap<i64, Table>,
    /// The labels of enums by their own oids, with the type's.
    pub labels: BTreeMap<i64, Label>,
    /// Whether the server counts what a transaction writes.
    pub are_counted: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Label {
    pub of: i64,
    pub type_name: String,
    pub label: String,
}

impl Tables {
    pub(crate) fn read(session: &mut Session) -> Result<Self> {
        Self::read_query(session, "leakproof_tables", ("true", ""), "")
    }

    /// As [`Self::read`], some tables only.
    pub(crate) fn read_those(session: &mut Session, oids: &BTreeSet<i64>) -> Result<Self> {
        if oids.is_empty() {
            return Ok(Self { are_counted: true, ..Self::default() });
        }
        let oids: Vec<String> = oids.iter().map(i64::to_string).collect();
        let values = format!("('{{{}}}')", oids.join(", "));
        let those = ("c.oid = any($1)", "(oid[])");
        Self::read_query(session, "leakproof_those_tables", those, &values)
    }

    /// The tables of a condition over `c`, with the types and values of its parameters.
    fn read_query(
        session: &mut Session,
        name: &str,
        (condition, types): (&str, &str),
        values: &str,
    ) -> Result<Self> {
        let query = include_str!("tables.sql").replace(":those", condition);
        let read = session.prepared_then(
            name,
            &as_json(&query, "true"),
            (types, values),
            "select pg_catalog.current_setting('track_counts') = 'on' as counts, e.oid::bigint, \
             e.enumtypid::bigint, pg_catalog.format_type(e.enumtypid, null), e.enumlabel \
             from (select) as one left join pg_catalog.pg_enum e on true",
        );
        let mut outcomes = read.map_err(failing(ATTEMPT))?.into_iter().map(|outcome| outcome.rows);
        let mut rows = || outcomes.next().unwrap_or_default();
        let tables: Vec<Table> = read_json(rows().into_iter().flatten().flatten())?;
        let mut read = Self { are_counted: true, ..Self::default() };
        read.by_oid = tables.into_iter().map(|table| (table.oid, table)).collect();
        for row in rows() {
            let [counts, oid, of, type_name, label] =
                <[Option<String>; 5]>::try_from(row).map_err(|_| odd_answer())?;
            read.are_counted = counts.as_deref() == Some("t");
            let Some((oid, of)) = oid.zip(of) else { continue };
            let (oid, of) = (read_number(&oid)?, read_number(&of)?);
            let (type_name, label) = type_name.zip(label).ok_or_else(odd_answer)?;
            read.labels.insert(oid, Label { of, type_name, label });
        }
        Ok(read)
    }

    /// Reads once more how much was written to the tables up to now.
    pub(crate) fn read_leaves(&mut self, session: &mut Session) -> Result<()> {
        let mut now = Self::read(session)?;
        for (oid, table) in &mut self.by_oid {
            if let Some(now) = now.by_oid.remove(oid) {
                table.leaves = now.leaves;
            }
        }
        Ok(())
    }

    /// Counts the rows of the tables that have room for some.
    pub(crate) fn count(&mut self, session: &mut Session) -> Result<()> {
        self.count_larger(session, 0)
    }

    /// As [`Self::count`], of tables with more than so many bytes.
    pub(crate) fn count_larger(&mut self, session: &mut Session, bytes: u64) -> Result<()> {
        self.count_those(session, |table| table.bytes() > bytes)
    }

    /// As [`Self::count`], of some tables.
    pub(crate) fn count_those(
        &mut self,
        session: &mut Session,
        is_counted: impl Fn(&Table) -> bool,
    ) -> Result<()> {
        let filled = self.by_oid.values().filter(|table| table.has_room() && is_counted(table));
        let counts: Vec<String> = filled.map(Table::count_query).collect();
        if counts.is_empty() {
            return Ok(());
        }
        for row in query(session, &counts.join(" union all "))? {
            let [Some(oid), Some(rows)] = row.as_slice() else { return Err(odd_answer()) };
            let (oid, rows) = (read_number::<i64>(oid)?, read_number(rows)?);
            if let Some(table) = self.by_oid.get_mut(&oid) {
                table.rows = rows;
            }
        }
        Ok(())
    }

    /// What drafts of pairs need to know of them.
    pub(crate) fn before(&self) -> Vec<TableBefore> {
        let names = |columns: Vec<&Column>| columns.iter().map(|one| one.name.clone()).collect();
        let tables = self.by_oid.values().map(|table| TableBefore {
            name: table.name(),
            key: names(table.key_columns()),
            columns: names(table.columns.iter().collect()),
        });
        tables.collect()
    }

    /// Whether there is a table, or a column of one, of such a name: `schema.table.column`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.table_of(name).is_some()
    }

    /// The table of such a name.
    pub(crate) fn table_of(&self, name: &str) -> Option<&Table> {
        self.by_oid.values().find(|table| {
            let title = table.title();
            let is_column = |column: &Column| name == format!("{title}.{}", column.name);
            name == title || table.columns.iter().any(is_column)
        })
    }

    pub(crate) fn named(&self, name: &QualifiedName) -> Option<&Table> {
        self.by_oid.values().find(|table| table.name() == *name)
    }
}

impl Table {
    pub(crate) fn name(&self) -> QualifiedName {
        QualifiedName::new(&self.schema, &self.name)
    }

    /// `schema.table`, as reports show it.
    pub(crate) fn title(&self) -> String {
        self.name().to_string()
    }

    /// The bare name, as files write it where it needs no quotes.
    pub(crate) fn word(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_view(&self) -> bool {
        self.kind == "m"
    }

    /// `"schema"."table"`, as statements need it.
    pub(crate) fn sql_name(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// Whether there is room for a row; in most tables of a platform there is none.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes() > 0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.bytes).sum()
    }

    pub(crate) fn bytes_with_long(&self) -> u64 {
        self.leaves.iter().map(|leaf| leaf.bytes_with_long).sum()
    }

    pub(crate) fn column(&self, number: i32) -> Option<&Column> {
        self.columns.iter().find(|column| column.number == number)
    }

    pub(crate) fn key_columns(&self) -> Vec<&Column> {
        self.key.iter().filter_map(|number| self.column(*number)).collect()
    }

    /// The rows that count, as `t`.
    pub(crate) fn rows_sql(&self) -> String {
        let only = if self.kind == "r" { "only " } else { "" };
        let name = self.sql_name();
        match &self.condition {
            // As extensions write it, it begins with its key word.
            Some(condition) => format!("(select t.* from only {name} as t {condition}) as t"),
            None => format!("{only}{name} as t"),
        }
    }

    fn count_query(&self) -> String {
        format!("select {}::bigint, pg_catalog.count(*) from {}", self.oid, self.rows_sql())
    }
}

impl Column {
    /// An expression for the value of the row `t`, in a type that no file can change or drop.
    pub(crate) fn kept(&self) -> String {
        let value = self.value();
        match self.equality {
            Equality::Text => format!("{value}::text"),
            _ if self.type_name.starts_with(&self.base) => value,
            // Of a domain.
            _ => format!("{value}::{}", self.base),
        }
    }

    /// An expression for the value of the row `t`.
    pub(crate) fn value(&self) -> String {
        format!("t.{}", identifier(&self.name))
    }
}

pub(crate) fn query(session: &mut Session, sql: &str) -> Result<Vec<TextRow>> {
    session.as_auditor(sql).map_err(failing(ATTEMPT))
}

/// The numbers of the one row that a query gives.
pub(crate) fn query_numbers(session: &mut Session, sql: &str) -> Result<Vec<u64>> {
    let rows = query(session, sql)?;
    let row = rows.first().ok_or_else(odd_answer)?;
    row.iter().map(|number| read_number(number.as_deref().unwrap_or("0"))).collect()
}

pub(crate) fn read_number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| odd_answer())
}

pub(crate) fn odd_answer() -> Error {
    Error::new("the census got an unexpected answer").help("please report this")
}

/// An expression for a JSON object of texts, as text.
pub(crate) fn object_sql(names: &[&str], values: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| literal(name)).collect();
    format!(
        "(pg_catalog.json_object(array[{}]::text[], array[{}]::text[])::text collate \"C\")",
        names.join(", "),
        values.join(", ")
    )
}
