//! Count and order-independent checksum of every column, and what a later census lacks.

use std::collections::BTreeMap;

use postgres::Client;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::session;
use crate::statement::{identifier, qualified};

/// A table's columns by attnum, their rows counted and summed.
pub(super) struct Census {
    tables: BTreeMap<i64, TableCensus>,
    /// Our own transaction, or the next one if we have no number yet: older rows were here before.
    horizon: String,
}

struct TableCensus {
    name: String,
    schema: String,
    table: String,
    rows: u64,
    columns: BTreeMap<i32, ColumnCensus>,
}

#[derive(Clone)]
struct ColumnCensus {
    name: String,
    /// How many rows have a value.
    values: u64,
    /// The sum of the 64-bit hashes of the values' text forms, in decimal.
    checksum: String,
}

/// What kind of loss the census saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossKind {
    /// A table that had rows is gone.
    TableDropped,
    /// A table has fewer rows than before.
    RowsLost,
    /// A column that had values is gone.
    ColumnDropped,
    /// A column's values are not what they were.
    ColumnRewritten,
}

/// Something that was there before a migration and is not there, or not the same, after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Loss {
    /// What happened.
    pub kind: LossKind,
    /// `schema.table`, as named before the migration.
    pub table: String,
    /// The column, as named before, unless the whole table is meant.
    pub column: Option<String>,
    /// Rows, or values, before and after.
    pub before: u64,
    /// The same after; 0 for what is gone.
    pub after: u64,
}

impl Loss {
    /// Whether `name` (`schema.table` or `schema.table.column`) covers this loss.
    pub(super) fn is_in(&self, name: &str) -> bool {
        match &self.column {
            Some(column) => name == self.table || name == format!("{}.{column}", self.table),
            None => name == self.table,
        }
    }

    /// One sentence.
    pub fn sentence(&self) -> String {
        let Self { table, before, after, .. } = self;
        let column = self.column.as_deref().unwrap_or_default();
        match self.kind {
            LossKind::TableDropped => format!("{table} is gone; it had {before} rows"),
            LossKind::RowsLost => format!("{table} had {before} rows and has {after}"),
            LossKind::ColumnDropped => {
                format!("{table}.{column} is gone; it had {before} values")
            }
            LossKind::ColumnRewritten => {
                format!(
                    "{table}.{column} holds other values than before ({before} then, {after} now)"
                )
            }
        }
    }
}

#[derive(Deserialize)]
struct ColumnRow {
    table_oid: i64,
    schema: String,
    table: String,
    attnum: i32,
    column: String,
}

impl Census {
    /// Counts and sums every column of every table: one query, one pass over each table.
    pub(super) fn take(client: &mut Client) -> Result<Self> {
        let mut tables = BTreeMap::new();
        for row in session::values::<ColumnRow>(client, include_str!("columns.sql"))? {
            let table = tables.entry(row.table_oid).or_insert_with(|| TableCensus {
                name: format!("{}.{}", row.schema, row.table),
                schema: row.schema,
                table: row.table,
                rows: 0,
                columns: BTreeMap::new(),
            });
            let column = ColumnCensus { name: row.column, values: 0, checksum: String::new() };
            table.columns.insert(row.attnum, column);
        }
        let horizon = "select coalesce(pg_catalog.pg_current_xact_id_if_assigned()::text, \
             pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text)";
        let horizon = query(client, horizon)?.into_iter().flatten().flatten().next();
        let mut census = Self { tables, horizon: horizon.unwrap_or_default() };
        census.count(client)?;
        Ok(census)
    }

    fn count(&mut self, client: &mut Client) -> Result<()> {
        let selects: Vec<String> =
            self.tables.iter().map(|(oid, table)| table.sums(*oid, "true")).collect();
        if selects.is_empty() {
            return Ok(());
        }
        for row in query(client, &selects.join("\nunion all\n"))? {
            let (oid, rows, sums) = read_sums(&row)?;
            let Some(table) = self.tables.get_mut(&oid) else { continue };
            table.rows = rows;
            table.columns.values_mut().zip(sums).for_each(|(column, (values, checksum))| {
                column.values = values;
                column.checksum = checksum;
            });
        }
        Ok(())
    }

    /// Tables with rows, their rows, their columns with values.
    pub(super) fn size(&self) -> (usize, u64, usize) {
        let filled = || self.tables.values().filter(|table| table.rows > 0);
        let columns = filled().flat_map(|table| table.columns.values());
        (
            filled().count(),
            filled().map(|table| table.rows).sum(),
            columns.filter(|column| column.values > 0).count(),
        )
    }

    /// What `after` lacks of this one, sorted.
    pub(super) fn losses(&self, client: &mut Client, after: &Self) -> Result<Vec<Loss>> {
        let mut losses = Vec::new();
        for (oid, table) in self.tables.iter().filter(|(_, table)| table.rows > 0) {
            match after.tables.get(oid) {
                None => losses.push(table.loss(LossKind::TableDropped, None, table.rows, 0)),
                Some(now) if now.rows < table.rows => {
                    losses.push(table.loss(LossKind::RowsLost, None, table.rows, now.rows));
                }
                // Rows were added. Those of before must be untouched: sum only them.
                Some(now) if now.rows > table.rows => {
                    let old = now.restricted(client, *oid, &self.horizon)?;
                    table.compare_columns(&old, &mut losses);
                }
                Some(now) => table.compare_columns(now, &mut losses),
            }
        }
        losses.sort();
        Ok(losses)
    }
}

impl TableCensus {
    /// `select oid, rows, [values], [checksums]` of the rows for which `condition` holds.
    fn sums(&self, oid: i64, condition: &str) -> String {
        let column = |form: fn(&str) -> String| -> String {
            let each: Vec<String> =
                self.columns.values().map(|column| form(&identifier(&column.name))).collect();
            each.join(", ")
        };
        format!(
            "select {oid}::bigint, pg_catalog.count(*), \
             pg_catalog.array_to_string(array[{}]::bigint[], ','), \
             pg_catalog.array_to_string(array[{}]::numeric[], ',') from only {} as t where {condition}",
            column(|name| format!("pg_catalog.count(t.{name})")),
            column(|name| format!(
                "coalesce(pg_catalog.sum(\
                 pg_catalog.hashtextextended(t.{name}::text, 0)::numeric), 0)"
            )),
            qualified(&self.schema, &self.table),
        )
    }

    /// The same table, with only the row versions that are older than `horizon`.
    fn restricted(&self, client: &mut Client, oid: i64, horizon: &str) -> Result<Self> {
        let condition = format!(
            "pg_catalog.age(t.xmin) > pg_catalog.age(({horizon}::bigint % 4294967296)::text::xid)"
        );
        let answer = query(client, &self.sums(oid, &condition))?;
        let row = answer.first().ok_or_else(|| Error::new("the census got no answer"))?;
        let (_, rows, sums) = read_sums(row)?;
        let columns =
            self.columns.iter().zip(sums).map(|((attnum, column), (values, checksum))| {
                (*attnum, ColumnCensus { name: column.name.clone(), values, checksum })
            });
        Ok(Self {
            name: self.name.clone(),
            schema: self.schema.clone(),
            table: self.table.clone(),
            rows,
            columns: columns.collect(),
        })
    }

    fn compare_columns(&self, now: &Self, losses: &mut Vec<Loss>) {
        for (attnum, column) in self.columns.iter().filter(|(_, column)| column.values > 0) {
            match now.columns.get(attnum) {
                None => {
                    losses.push(self.loss(LossKind::ColumnDropped, Some(column), column.values, 0))
                }
                Some(same) if same.checksum == column.checksum => {}
                Some(other) => losses.push(self.loss(
                    LossKind::ColumnRewritten,
                    Some(column),
                    column.values,
                    other.values,
                )),
            }
        }
    }

    fn loss(&self, kind: LossKind, column: Option<&ColumnCensus>, before: u64, after: u64) -> Loss {
        let column = column.map(|column| column.name.clone());
        Loss { kind, table: self.name.clone(), column, before, after }
    }
}

fn query(client: &mut Client, sql: &str) -> Result<Vec<session::TextRow>> {
    session::rows(client, sql).map_err(|cause| session::internal("take the census", &cause))
}

/// The values of a column and their checksum.
type Sum = (u64, String);

/// The table oid, its rows, and the sum of each column.
fn read_sums(row: &session::TextRow) -> Result<(i64, u64, Vec<Sum>)> {
    let odd = || Error::new("the census got an unexpected answer").help("please report this");
    let [Some(oid), Some(rows), Some(values), Some(sums)] = row.as_slice() else {
        return Err(odd());
    };
    let sums = values
        .split(',')
        .zip(sums.split(','))
        .filter(|(values, _)| !values.is_empty())
        .map(|(values, sum)| Ok((values.parse().map_err(|_| odd())?, sum.to_owned())))
        .collect::<Result<_>>()?;
    Ok((oid.parse().map_err(|_| odd())?, rows.parse().map_err(|_| odd())?, sums))
}
