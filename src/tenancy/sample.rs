//! Catalogs without a server, for tests.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::catalog::routine::Routines;
use crate::catalog::sample;
use crate::names::Oid;

/// A table of `public`, all of whose columns are of type uuid; the first is its key.
#[derive(Clone, Copy, Default)]
pub(crate) struct Table<'t> {
    pub name: &'t str,
    pub columns: &'t [&'t str],
    /// What its policies ask of rows.
    pub policies: &'t [&'t str],
    /// Columns that refer to the key of another one, by its place.
    pub references: &'t [(&'t str, usize)],
}

/// The name of a function, what it takes, its language and text.
pub(crate) type Function<'f> = (&'f str, &'f [&'f str], &'f str, &'f str);

/// Tables, whose oids are their places counted from 1, and functions.
pub(crate) fn catalog_of(tables: &[Table<'_>], functions: &[Function<'_>]) -> Catalog {
    let routines = functions.iter().enumerate().map(|(at, function)| {
        serde_json::from_value(function_row(at, function)).expect("a function")
    });
    let routines = Routines::new(routines.collect(), vec!["public".into()]);
    let relations = tables.iter().enumerate().map(|(at, table)| relation(at, table, tables));
    Catalog::of(relations.collect(), routines)
}

fn function_row(at: usize, (name, arguments, language, text): &Function<'_>) -> Value {
    let (schema, name) = name.split_once('.').expect("a schema");
    // One of them stands behind operators, too.
    let operators: &[&str] = if name == "owns" { &["public.@#", "public.="] } else { &[] };
    json!({
        "oid": 1000 + at, "schema": schema, "name": name, "language": language,
        "is_definer": false, "volatility": "s", "config": [], "arguments": arguments,
        "operators": operators,
        "defaults": 0, "default_values": null, "is_variadic": false, "text": text, "definition": null,
    })
}

fn oid(at: usize) -> Oid {
    Oid::try_from(at).expect("a small number") + 1
}

fn relation(at: usize, table: &Table<'_>, all: &[Table<'_>]) -> Relation {
    let columns: Vec<Value> = table.columns.iter().map(|name| column(name)).collect();
    let row = json!({ "oid": oid(at), "name": table.name });
    let mut relation = sample::relation(row, &columns);
    relation.keys = table.columns.iter().take(1).map(|key| vec![(*key).to_owned()]).collect();
    relation.foreign_keys = table
        .references
        .iter()
        .map(|(column, target)| ForeignKey {
            columns: vec![(*column).to_owned()],
            target: oid(*target),
            target_columns: vec![all[*target].columns[0].to_owned()],
        })
        .collect();
    for (number, using) in table.policies.iter().enumerate() {
        let policy = json!({
            "oid": 2000 + number, "relation": oid(at), "table": table.name, "name": format!("p{number}"),
            "command": "all", "is_permissive": true, "roles": ["public"], "using": using,
            "check": null,
        });
        relation.policies.push(Arc::new(serde_json::from_value(policy).expect("a policy")));
    }
    relation
}

fn column(name: &str) -> Value {
    json!({
        "name": name, "type_name": "uuid", "base_type": "uuid", "category": "U", "not_null": true,
    })
}
