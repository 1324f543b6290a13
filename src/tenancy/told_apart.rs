//! By what policies tell people, rows and requests apart. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::names::Oid;
use crate::tenancy::asked::{Asked, Told, asked_by_view};
use crate::tenancy::by_policy::Questions;
use crate::tenancy::meaning::{Asker, Meaning};
use crate::tenancy::readings::{readings_of_asker, readings_of_row};

/// A comparison of a row that policies read with a constant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ToldOfRow {
    pub relation: Oid,
    pub column: String,
    /// Such as `=` or `~~`.
    pub operator: String,
    pub constant: String,
}

impl Questions {
    /// The claims and settings by which policies tell some who ask from others, each once.
    pub(crate) fn told_of_requests(&self) -> Vec<Told> {
        let mut all: Vec<Told> = Vec::new();
        for told in self.0.values().flat_map(|asked| &asked.told) {
            let is_of_request = matches!(told.what, Meaning::Claim(_) | Meaning::Setting(..));
            if is_of_request && !all.contains(told) {
                all.push(told.clone());
            }
        }
        all.sort_by_key(|told| format!("{told:?}"));
        all
    }

    /// The columns by whose values policies tell people apart, and those values: of the rows that policies
    /// choose by who is asking, such as that of a role, and not by the row that they judge.
    pub(crate) fn standing(&self, catalog: &Catalog) -> BTreeMap<(Oid, String), BTreeSet<String>> {
        let mut standing: BTreeMap<(Oid, String), BTreeSet<String>> = BTreeMap::new();
        for asked in self.0.values() {
            let chosen = readings_of_asker(asked);
            let of_row = readings_of_row(catalog, asked);
            for Told { what, constant, .. } in &asked.told {
                match what {
                    Meaning::Read { reading, relation, column }
                        if chosen.contains(reading) && !of_row.contains(reading) =>
                    {
                        let values = standing.entry((*relation, column.clone())).or_default();
                        values.insert(constant.clone());
                    }
                    _ => {}
                }
            }
        }
        standing
    }

    /// What the columns of rows that are read are compared with.
    pub(crate) fn told_of_read_rows(&self) -> BTreeSet<ToldOfRow> {
        let told = self.0.values().flat_map(|asked| &asked.told);
        let of_rows = told.filter_map(|Told { what, operator, constant }| match what {
            Meaning::Read { relation, column, .. } => Some(ToldOfRow {
                relation: *relation,
                column: column.clone(),
                operator: operator.clone(),
                constant: constant.clone(),
            }),
            _ => None,
        });
        of_rows.collect()
    }

    /// The columns that must be equal to a column of another row, where neither is a key or a reference: rows of two
    /// owners may well have the same there.
    pub(crate) fn compared_with_columns(
        &self,
        catalog: &Catalog,
        asker: &Asker,
    ) -> BTreeSet<(Oid, String)> {
        let column = |own: Oid, meaning: &Meaning| match meaning {
            Meaning::Own(column) => Some((own, column.clone())),
            Meaning::Read { relation, column, .. } => Some((*relation, column.clone())),
            _ => None,
        };
        // One that is a key, or refers, only together with an owner's is told apart by that alone.
        let is_free = |(relation, column): &(Oid, String)| {
            catalog.relation(*relation).is_some_and(|read| !read.names_row(column))
        };
        let views = catalog.relations().filter(|relation| relation.is_view());
        let of_views: Vec<(Oid, Asked)> =
            views.map(|view| (view.oid, asked_by_view(catalog, asker, view))).collect();
        let of_views = of_views.iter().map(|(oid, asked)| (oid, asked));
        let pairs = self.0.iter().chain(of_views).flat_map(|(own, asked)| {
            asked
                .equal
                .iter()
                .filter_map(|(left, right)| Some([column(*own, left)?, column(*own, right)?]))
        });
        pairs.filter(|pair| pair.iter().all(is_free)).flatten().collect()
    }

    /// The columns, also of rows that are read, that must be equal to a place in a setting.
    pub(crate) fn compared_with_settings(&self) -> Vec<(Oid, String, String, Vec<String>)> {
        let mut found = Vec::new();
        for (own, asked) in &self.0 {
            for (left, right) in &asked.equal {
                for (column, setting) in [(left, right), (right, left)] {
                    let Meaning::Setting(name, place) = setting else { continue };
                    let (relation, column) = match column {
                        Meaning::Own(column) => (*own, column),
                        Meaning::Read { relation, column, .. } => (*relation, column),
                        _ => continue,
                    };
                    if name.contains('.') {
                        found.push((relation, column.clone(), name.clone(), place.clone()));
                    }
                }
            }
        }
        found
    }
}
