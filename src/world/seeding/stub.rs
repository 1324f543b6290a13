//! A file to fill in: an insert for every row that could not be seeded, and why it could not.

use std::fmt::Write;

use crate::catalog::relation::Relation;
use crate::names::Oid;
use crate::project::files::ROWS_OF_WORLD;
use crate::sql::quote::identifier;
use crate::world::seeding::seed::{Variant, insert_statement, value_sql};
use crate::world::value::{Branch, World};

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

    /// The text of a `seed.sql` for the tables among `wanted` that lack rows: a row for each owner that
    /// has none, with all that is known of it; none if none lacks any.
    pub(crate) fn seed_stub(&self, wanted: &[Oid]) -> Option<String> {
        let mut stub = format!(
            "{ROWS_OF_WORLD}\n\
             -- Rows that leakproof could not make by itself. Replace each <...>, and values that the\n\
             -- database refused for the reason above them. Owners are as the world has them.\n\
             -- Save it as seed.sql beside leakproof.toml.\n",
        );
        let known = stub.len();
        for (oid, refused) in self.refused.iter().filter(|(oid, _)| wanted.contains(oid)) {
            let Some(relation) = self.catalog.relation(*oid) else { continue };
            // Writing to a string does not fail.
            let _ = writeln!(stub, "\n-- {}", commented(&relation.title()));
            let mut reasons: Vec<&str> = Vec::new();
            for (_, reason) in refused {
                if !reasons.contains(&reason.as_str()) {
                    reasons.push(reason);
                }
            }
            for reason in reasons {
                let of_reason = || refused.iter().filter(|(_, other)| other == reason);
                let owners: Vec<String> = of_reason().map(|(branch, _)| branch.label()).collect();
                let (owners, told) = (commented(&owners.join(", ")), commented(reason));
                let _ = writeln!(stub, "-- no row for {owners}:\n--     {told}");
                for (branch, _) in of_reason() {
                    let _ = writeln!(stub, "{};", self.row_to_fill_in(relation, branch));
                }
            }
        }
        (stub.len() > known).then_some(stub)
    }

    /// An insert with the values that were tried, or with what is known of them.
    fn row_to_fill_in(&self, relation: &Relation, branch: &Branch) -> String {
        if let Ok(values) = self.values(relation, branch, Variant::Full) {
            return insert_statement(relation, &values);
        }
        let known = self.known_values(relation, branch);
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for column in relation.columns.iter().filter(|c| !c.is_generated && c.identity != "a") {
            let value = match known.get(&column.name) {
                Some(value) => value_sql(value.as_deref()),
                None if column.not_null && !column.has_default => format!("<{}>", column.type_name),
                None => continue,
            };
            names.push(identifier(&column.name));
            values.push(value);
        }
        format!(
            "insert into {} ({}) values ({})",
            relation.sql_name(),
            names.join(", "),
            values.join(", ")
        )
    }
}

/// A text of several lines within a comment.
fn commented(text: &str) -> String {
    text.replace("\r\n", "\n").replace(['\n', '\r'], "\n--  ")
}
