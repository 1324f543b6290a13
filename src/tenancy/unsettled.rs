//! Relations of which nothing has settled whose their rows are: neither the config, nor keys, nor policies.
//! What could be somebody's is never taken for everybody's in silence. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::names::{Oid, QualifiedName};
use crate::platform::schemas::owns_schema;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::root::Root;
use crate::words::words_of;

/// Why rows could be somebody's, though nothing says whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// The policies that relate the rows to who is asking, by name.
    pub policies: Vec<String>,
    /// The columns that could hold the key of a user or of a tenant, or of a row that is somebody's.
    pub columns: Vec<String>,
    /// The relation that the rows belong to or are read from, of which it is not settled either.
    pub through: Option<QualifiedName>,
    /// Whose rows a view shows past their policies, without what would tell them apart.
    pub shows: Vec<QualifiedName>,
}

impl Unsettled {
    /// Whether policies may ask whose the rows are.
    pub(crate) fn asks(&self) -> bool {
        !self.policies.is_empty() || self.through.is_some()
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Words in the name of a column that holds a user or a tenant, where its type does not say that it is a key.
const OWNERS: [&str; 26] = [
    "account",
    "agency",
    "assignee",
    "author",
    "client",
    "company",
    "creator",
    "customer",
    "employee",
    "holder",
    "member",
    "org",
    "organisation",
    "organization",
    "owner",
    "patient",
    "people",
    "person",
    "profile",
    "recipient",
    "sender",
    "student",
    "team",
    "tenant",
    "user",
    "workspace",
];

/// Those that say it alone; an `author` may be a name.
const WHO: [&str; 13] = [
    "account",
    "customer",
    "email",
    "mail",
    "member",
    "org",
    "organisation",
    "organization",
    "owner",
    "participant",
    "tenant",
    "user",
    "workspace",
];

/// How a name ends that is one of a key.
const KEYS: [&str; 7] = ["id", "key", "uid", "uuid", "by", "ref", "slug"];

/// All that are not settled, where owners have their keys in `roots`.
pub(super) fn unsettled(
    catalog: &Catalog,
    roots: &[&Root],
    questions: &Questions,
    is_settled: impl Fn(&Relation) -> bool,
    is_owned: impl Fn(&Relation) -> bool,
) -> BTreeMap<Oid, Unsettled> {
    // That of most where no table holds them.
    let keys = roots.iter().map(|root| root.key(catalog).map_or("uuid", |key| &key.base_type));
    let types: Vec<&str> = keys.collect();
    let is_open = |relation: &&Relation| !owns_schema(&relation.schema) && !is_settled(relation);
    let open: Vec<&Relation> = catalog.relations().filter(is_open).collect();
    let mut found: BTreeMap<Oid, Unsettled> = BTreeMap::new();
    for relation in open.iter().filter(|relation| relation.is_table()) {
        let could_hold = |column: &&Column| {
            could_hold_owner(relation, column, &types)
                || could_lead_on(catalog, relation, column, &is_owned)
        };
        let unsettled = Unsettled {
            policies: questions.about_rows(relation.oid).to_vec(),
            columns: relation.columns.iter().filter(could_hold).map(|c| c.name.clone()).collect(),
            ..Unsettled::default()
        };
        if !unsettled.is_nothing() {
            found.insert(relation.oid, unsettled);
        }
    }
    // Whoever is not known owns what refers to his rows, and is shown by views, too.
    loop {
        let next =
            open.iter().filter(|relation| !found.contains_key(&relation.oid)).find_map(|one| {
                let targets =
                    one.foreign_keys.iter().map(|key| key.target).chain(one.reads.iter().copied());
                let through = targets
                    .filter(|oid| found.contains_key(oid))
                    .find_map(|oid| catalog.relation(oid))?;
                Some((one.oid, through.qualified_name()))
            });
        let Some((oid, through)) = next else { return found };
        found.insert(oid, Unsettled { through: Some(through), ..Unsettled::default() });
    }
}

/// Whether a column that refers to nothing could hold the key of a user or tenant: by its type, where that is one
/// of keys only, or else by its type and name.
fn could_hold_owner(relation: &Relation, column: &Column, types: &[&str]) -> bool {
    let leads_on = relation.refers(&column.name) || relation.is_key(&column.name);
    let is_made = column.is_generated || !column.identity.is_empty() || column.draws_its_default();
    if leads_on || is_made {
        return false;
    }
    if column.asks_who() {
        return true;
    }
    let element = column.base_type.trim_start_matches('_');
    match element {
        "uuid" => types.contains(&"uuid"),
        _ => {
            (types.contains(&element) || column.category == 'S') && is_named_as_owner(&column.name)
        }
    }
}

/// Whether a column that refers to nothing could lead to a row that is somebody's: by the name of a table that has
/// such rows, or by another column that says of which table the row is.
fn could_lead_on(
    catalog: &Catalog,
    relation: &Relation,
    column: &Column,
    is_owned: impl Fn(&Relation) -> bool,
) -> bool {
    let id = column.name.strip_suffix("_id");
    let stem = id.unwrap_or(&column.name);
    if relation.refers(&column.name) || relation.is_key(&column.name) || column.is_generated {
        return false;
    }
    let says_of_which = |end: &str| {
        let name = format!("{stem}_{end}");
        relation.column(&name).is_some_and(|other| other.category == 'S' || other.labels.is_some())
    };
    if id.is_some() && ["type", "kind", "table"].into_iter().any(says_of_which) {
        return true;
    }
    let plurals = [stem.to_owned(), format!("{stem}s"), format!("{stem}es")];
    let of_ies = stem.strip_suffix('y').map(|stem| format!("{stem}ies"));
    let is_named = |table: &&Relation| {
        let name = table.name.to_lowercase();
        plurals.contains(&name) || of_ies.as_ref() == Some(&name)
    };
    let fits = |table: &Relation| {
        let key = table.key().and_then(|key| match key {
            [one] => table.column(one),
            _ => None,
        });
        key.is_some_and(|key| key.base_type == column.base_type)
    };
    let mut tables = catalog.relations().filter(|table| table.is_table()).filter(is_named);
    tables.any(|table| fits(table) && is_owned(table))
}

/// `customer_id`, `createdBy`, `email`; not `author`, which may be a name.
fn is_named_as_owner(name: &str) -> bool {
    let words = words_of(name);
    let [first @ .., last] = words.as_slice() else { return false };
    if first.is_empty() {
        return WHO.contains(&last.as_str());
    }
    let is_owner = |word: &String| OWNERS.contains(&word.trim_end_matches('s'));
    last == "by" || last == "email" || (KEYS.contains(&last.as_str()) && first.iter().any(is_owner))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::routine::Routines;
    use crate::catalog::sample;

    #[test]
    fn a_column_could_lead_to_what_is_somebodys() {
        let column = |name: &str, base_type: &str, category: &str| json!({ "name": name, "base_type": base_type, "category": category });
        let keyed = |(at, name): (usize, &str)| {
            let row = json!({ "oid": at + 1, "name": name });
            let mut id = column("id", "int8", "N");
            id["not_null"] = json!(true);
            let mut table = sample::relation(row, &[id]);
            table.keys = vec![vec!["id".to_owned()]];
            table
        };
        let entity = || column("entity_id", "text", "S");
        for (columns, expected) in [
            (vec![column("doc_id", "int8", "N")], true),
            (vec![column("category_id", "int8", "N")], true),
            (vec![column("doc_id", "uuid", "U")], false),
            (vec![column("price_id", "int8", "N")], false),
            (vec![column("doc", "int8", "N")], true),
            (vec![column("docs_read", "int8", "N")], false),
            (vec![entity(), column("entity_type", "text", "S")], true),
            (vec![entity(), column("entity_type", "int4", "N")], false),
            (vec![entity()], false),
        ] {
            let log = sample::relation(json!({ "oid": 9, "name": "log" }), &columns);
            let tables = ["docs", "categories", "prices"].into_iter().enumerate().map(keyed);
            let tables = tables.chain([log.clone()]).collect();
            let catalog = Catalog::of(tables, Routines::new(Vec::new(), Vec::new()));
            let is_owned = |table: &Relation| table.name != "prices";
            let leads = could_lead_on(&catalog, &log, &log.columns[0], is_owned);
            assert_eq!(leads, expected, "{columns:?}");
        }
    }

    #[test]
    fn a_name_says_that_it_holds_an_owner() {
        for (name, is_one) in [
            ("customer_id", true),
            ("customerId", true),
            ("created_by", true),
            ("org_uuid", true),
            ("members_ids", false),
            ("customer", true),
            ("customer_email", true),
            ("email", true),
            ("email_sent", false),
            ("author", false),
            ("order_id", false),
            ("by", false),
            ("id", false),
            ("stripe_price_id", false),
        ] {
            assert_eq!(is_named_as_owner(name), is_one, "{name}");
        }
    }
}
