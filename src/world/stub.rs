//! A file to fill in: an insert for every row that could not be seeded, and why it could not.

use std::fmt::Write;

use super::World;
use crate::catalog::{Column, Oid};
use crate::statement::identifier;

impl World {
    /// A line for each table among `wanted` that lacks rows: of whom, and why.
    pub(crate) fn seeding_notes(&self, wanted: &[Oid]) -> Vec<String> {
        let lacking = self.refused.iter().filter(|(oid, _)| wanted.contains(oid));
        let mut notes: Vec<String> = lacking
            .filter_map(|(oid, refused)| {
                let owners: Vec<String> =
                    refused.iter().map(|(branch, _)| branch.label()).collect();
                let (_, reason) = refused.first()?;
                let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
                let title = self.catalog.relation(*oid)?.title();
                Some(format!("{title} has no row for {}: {reason}", owners.join(", ")))
            })
            .collect();
        notes.sort();
        notes
    }

    /// The text of a `seed.sql` for the tables among `wanted` that lack rows; none if none does.
    pub(crate) fn seed_stub(&self, wanted: &[Oid]) -> Option<String> {
        let mut stub = String::from(
            "-- Rows that leakproof could not make by itself. Replace each <...> by a value, and make\n\
             -- one row for each owner that is named.\n",
        );
        let lacking = self.refused.iter().filter(|(oid, _)| wanted.contains(oid));
        let mut is_empty = true;
        for (oid, refused) in lacking {
            let Some(relation) = self.catalog.relation(*oid) else { continue };
            is_empty = false;
            // Writing to a string does not fail.
            let _ = writeln!(stub, "\n-- {}", relation.title());
            let mut told: Vec<&str> = Vec::new();
            for (_, reason) in refused {
                if !told.contains(&reason.as_str()) {
                    told.push(reason);
                    let owners = refused.iter().filter(|(_, other)| other == reason);
                    let owners: Vec<String> = owners.map(|(branch, _)| branch.label()).collect();
                    let reason = reason.replace('\n', "\n--  ");
                    let _ = writeln!(stub, "-- no row for {}:\n--     {reason}", owners.join(", "));
                }
            }
            let is_written = |column: &&Column| !column.is_generated && column.identity != "a";
            let columns: Vec<&Column> = relation.columns.iter().filter(is_written).collect();
            let names: Vec<String> =
                columns.iter().map(|column| identifier(&column.name)).collect();
            let values: Vec<String> = columns
                .iter()
                .map(|column| match (column.has_default, column.not_null) {
                    (true, _) => "default".into(),
                    (false, true) => format!("<{}>", column.type_name),
                    (false, false) => "null".into(),
                })
                .collect();
            let _ = writeln!(
                stub,
                "insert into {} ({})\nvalues ({});",
                relation.sql_name(),
                names.join(", "),
                values.join(", ")
            );
        }
        (!is_empty).then_some(stub)
    }
}
