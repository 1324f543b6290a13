//! Relations of which nothing has settled whose their rows are: neither the config, nor keys, nor policies.
//! What could be somebody's is never taken for everybody's in silence. Pure.

use std::collections::BTreeMap;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::names::{Oid, QualifiedName};
use crate::platform::schemas::owns_schema;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::root::Root;

/// Why rows could be somebody's, though nothing says whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unsettled {
    /// The policies that relate the rows to who is asking, by name.
    pub policies: Vec<String>,
    /// The columns that could hold the key of a user or of a tenant.
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
const WHO: [&str; 7] = ["account", "customer", "email", "member", "owner", "tenant", "user"];

/// How a name ends that is one of a key.
const KEYS: [&str; 6] = ["id", "key", "uid", "uuid", "by", "ref"];

/// All that are not settled, where owners have their keys in `roots`.
pub(super) fn unsettled(
    catalog: &Catalog,
    roots: &[&Root],
    questions: &Questions,
    is_settled: impl Fn(&Relation) -> bool,
) -> BTreeMap<Oid, Unsettled> {
    // That of most where no table holds them.
    let keys = roots.iter().map(|root| root.key(catalog).map_or("uuid", |key| &key.base_type));
    let types: Vec<&str> = keys.collect();
    let is_open = |relation: &&Relation| !owns_schema(&relation.schema) && !is_settled(relation);
    let open: Vec<&Relation> = catalog.relations().filter(is_open).collect();
    let mut found: BTreeMap<Oid, Unsettled> = BTreeMap::new();
    for relation in open.iter().filter(|relation| relation.is_table()) {
        let could_hold = |column: &&Column| could_hold_owner(relation, column, &types);
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

/// `customer_id`, `createdBy`, `email`; not `author`, which may be a name.
fn is_named_as_owner(name: &str) -> bool {
    let mut words: Vec<String> = vec![String::new()];
    let mut before = '_';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("one").extend(c.to_lowercase());
        }
        before = c;
    }
    let [first @ .., last] = words.as_slice() else { return false };
    if first.is_empty() {
        return WHO.contains(&last.as_str());
    }
    let is_owner = |word: &String| OWNERS.contains(&word.trim_end_matches('s'));
    last == "by" || last == "email" || (KEYS.contains(&last.as_str()) && first.iter().any(is_owner))
}

#[cfg(test)]
mod tests {
    use super::*;

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
