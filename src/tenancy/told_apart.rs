//! By what policies tell people, rows and requests apart. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::names::Oid;
use crate::tenancy::asked::Told;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::meaning::Meaning;
use crate::tenancy::readings::{readings_of_asker, readings_of_row};

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

    /// What the columns of rows that are read are compared with, each once.
    pub(crate) fn told_of_read_rows(&self) -> Vec<(Oid, String, Told)> {
        let mut all: Vec<(Oid, String, Told)> = Vec::new();
        for told in self.0.values().flat_map(|asked| &asked.told) {
            let Meaning::Read { relation, column, .. } = &told.what else { continue };
            let is_it = |(oid, name, other): &(Oid, String, Told)| {
                (oid, name, &other.operator, &other.constant)
                    == (relation, column, &told.operator, &told.constant)
            };
            if !all.iter().any(is_it) {
                all.push((*relation, column.clone(), told.clone()));
            }
        }
        all.sort_by_key(|told| format!("{told:?}"));
        all
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
