//! A schema and a role for each tenant: what is in the schema is of whoever has the role. Pure.
//!
//! Only names tell which role is whose, since a grant too many is the very leak.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::Catalog;
use crate::names::Oid;

/// Whose schema a relation is in.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub schema: String,
    /// The role of the tenant.
    pub role: String,
}

/// The relations in two or more schemas with the same tables, for each of which just one of these roles is named as
/// it is: `tenant_acme` for `acme`.
pub(super) fn homes(catalog: &Catalog, roles: &BTreeSet<&str>) -> BTreeMap<Oid, Home> {
    let mut tables: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for table in catalog.relations().filter(|relation| relation.is_table()) {
        tables.entry(&table.schema).or_default().insert(&table.name);
    }
    let role_of = |schema: &str| {
        let mut named = roles.iter().filter(|role| is_named_after(role, schema));
        named.next().filter(|_| named.next().is_none()).map(|role| (*role).to_owned())
    };
    let named: Vec<(&str, String, &BTreeSet<&str>)> = tables
        .iter()
        .filter_map(|(schema, tables)| Some((*schema, role_of(schema)?, tables)))
        .collect();
    let is_one = |(schema, role, tables): &&(&str, String, &BTreeSet<&str>)| {
        named.iter().any(|other| other.0 != *schema && other.1 != *role && other.2 == *tables)
    };
    let mut homes = BTreeMap::new();
    for (schema, role, _) in named.iter().filter(is_one) {
        let home = || Home { schema: (*schema).to_owned(), role: role.clone() };
        let inside = catalog.relations().filter(|relation| relation.schema == **schema);
        homes.extend(inside.map(|relation| (relation.oid, home())));
    }
    homes
}

/// Whether the words of a role's name end with, or begin with, those of a schema's, or are these.
fn is_named_after(role: &str, schema: &str) -> bool {
    let words = |name: &str| -> Vec<String> {
        let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let (role, schema) = (words(role), words(schema));
    !schema.is_empty() && (role.ends_with(&schema) || role.starts_with(&schema))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_named_after_a_schema() {
        for (role, schema, is_it) in [
            ("tenant_acme", "acme", true),
            ("acme_app", "acme", true),
            ("acme", "acme", true),
            ("tenant_acme_eu", "acme", false),
            ("acmes", "acme", false),
            ("app", "acme", false),
        ] {
            assert_eq!(is_named_after(role, schema), is_it, "{role} {schema}");
        }
    }
}
