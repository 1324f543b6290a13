//! What a query reads, by what the catalog says of a view that is made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::preserve::tables::{ATTEMPT, Column, Table};
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;

/// What a query reads.
pub(crate) struct Reads {
    /// The columns of each relation; 0 for whole rows.
    columns: BTreeMap<i64, BTreeSet<i32>>,
    /// Whether it calls a function that may read whatever it likes.
    is_open: bool,
    /// Whether it reads something that goes with the session.
    is_passing: bool,
}

#[derive(Deserialize)]
struct Read {
    relation: i64,
    number: i32,
    is_open: bool,
    is_passing: bool,
}

impl Reads {
    /// What a query reads, as the database is now; `broken` is what to say where it cannot be asked.
    pub(crate) fn of(
        session: &mut Session,
        query: &str,
        broken: impl FnOnce(Failed) -> Error,
    ) -> Result<Self> {
        // Columns of one name are no matter then.
        let make = format!(
            "create temporary view leakproof_reads as select 1 as one from (\n{query}\n) as q"
        );
        session.as_owner(&make).map_err(broken)?;
        let read: Vec<Read> = session.values(include_str!("reads.sql"))?;
        // A view would keep the migration from changing what it reads.
        session.as_owner("drop view pg_temp.leakproof_reads").map_err(failing(ATTEMPT))?;
        let is_open = read.iter().any(|one| one.is_open);
        let is_passing = read.iter().any(|one| one.is_passing);
        let mut columns: BTreeMap<i64, BTreeSet<i32>> = BTreeMap::new();
        for Read { relation, number, .. } in read {
            columns.entry(relation).or_default().insert(number);
        }
        Ok(Self { columns, is_open, is_passing })
    }

    /// Whether all that it reads stays, and it reads something.
    pub(crate) fn is_lasting(&self) -> bool {
        !self.is_passing && (self.is_open || !self.columns.is_empty())
    }

    pub(crate) fn has(&self, table: &Table) -> bool {
        self.is_open || self.columns_of(table).next().is_some()
    }

    pub(crate) fn has_column(&self, table: &Table, column: &Column) -> bool {
        let is_read = |read: &BTreeSet<i32>| read.contains(&0) || read.contains(&column.number);
        // A partition may have other numbers.
        let reads_part = |oid: i64| oid != table.oid && self.columns.contains_key(&oid);
        self.is_open
            || self.columns.get(&table.oid).is_some_and(is_read)
            || table.leaves.iter().any(|leaf| reads_part(leaf.oid))
    }

    fn columns_of<'a>(&'a self, table: &'a Table) -> impl Iterator<Item = &'a BTreeSet<i32>> {
        let oids = table.leaves.iter().map(|leaf| leaf.oid).chain([table.oid]);
        oids.filter_map(|oid| self.columns.get(&oid))
    }
}
