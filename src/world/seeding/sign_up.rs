//! What somebody says at sign-up: the metadata that triggers on the users ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::tenancy::Tenancy;
use crate::tenancy::standing::ordinary_of;
use crate::world::seeding::values::column_value;

/// The column that holds it, on Supabase.
const METADATA: &str = "raw_user_meta_data";

/// The metadata with which a user signs up, as JSON; none where no trigger asks for any. `forged` is what
/// somebody says who would be more than others.
pub(crate) fn metadata(
    catalog: &Catalog,
    users: &Relation,
    name: &str,
    forged: Option<&Map<String, Value>>,
) -> Option<String> {
    let keys = keys_asked(users.trigger_source.as_deref()?);
    let mut values: Map<String, Value> = keys
        .into_iter()
        .filter_map(|(key, column)| Some((key, Value::String(value(catalog, column, name)?))))
        .collect();
    values.extend(forged.cloned().unwrap_or_default());
    (!values.is_empty()).then(|| Value::Object(values).to_string())
}

/// What somebody says at sign-up who would be more than others: for each key that is taken for a column by
/// which policies tell people apart what they ask for, for one that names a tenant the key of one.
pub(crate) fn forged(
    catalog: &Catalog,
    tenancy: &Tenancy,
    tenant: Option<&str>,
) -> Map<String, Value> {
    let users = catalog.relation(tenancy.users.relation);
    let source = users.and_then(|users| users.trigger_source.as_deref());
    let keys = source.map(keys_asked).unwrap_or_default();
    let values = keys.into_iter().filter_map(|(key, column)| {
        let value = special_value(catalog, tenancy, &column)
            .or_else(|| tenant.filter(|_| names_tenant(catalog, tenancy, &column)))?;
        Some((key, Value::String(value.to_owned())))
    });
    values.collect()
}

/// What policies ask for in a column of that name, or who runs a tenant has there.
fn special_value<'t>(catalog: &Catalog, tenancy: &'t Tenancy, column: &str) -> Option<&'t str> {
    let of_standing = tenancy.standing.iter().filter(|one| one.column == column);
    let special = of_standing.filter(|one| catalog.relation(one.relation).is_some());
    let special = special.flat_map(|one| &one.special).next();
    let highest = tenancy.members.as_ref().and_then(|members| members.highest.get(column));
    special.or(highest).map(String::as_str)
}

/// Whether a column of that name, in whichever table, refers to the tenants.
fn names_tenant(catalog: &Catalog, tenancy: &Tenancy, column: &str) -> bool {
    let root = tenancy.tenant.as_ref().map(|root| root.relation);
    let mut keys = catalog.relations().flat_map(|relation| &relation.foreign_keys);
    keys.any(|key| key.columns == [column] && Some(key.target) == root)
}

/// The keys that a text takes from the metadata, each with the column that a table may have for it.
fn keys_asked(source: &str) -> BTreeMap<String, String> {
    let parts = source.split(METADATA).skip(1);
    let keys = parts.filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix("->")?.trim_start_matches('>').trim_start();
        let (key, _) = rest.strip_prefix('\'')?.split_once('\'')?;
        Some((key.to_owned(), snake_case(key)))
    });
    keys.collect()
}

/// `fullName` as `full_name`.
fn snake_case(key: &str) -> String {
    let mut name = String::new();
    for letter in key.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// What a column of that name takes from an ordinary person; a name where there is no such column. What is
/// the key of another row is left out.
fn value(catalog: &Catalog, column: String, name: &str) -> Option<String> {
    let found = catalog.relations().filter(|relation| relation.is_table()).find_map(|relation| {
        let holds = relation.column(&column)?;
        (relation.schema != "auth").then_some((relation, holds))
    });
    let Some((relation, holds)) = found else { return Some(name.to_owned()) };
    let is_reference = |column: &Column| {
        relation.foreign_keys.iter().any(|key| key.columns.contains(&column.name))
    };
    if is_reference(holds) {
        return None;
    }
    ordinary_of(relation, holds).or_else(|| match holds.category {
        'S' => Some(name.to_owned()),
        _ => column_value(holds, name, &format!("sign-up {name}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_wherever_they_are_taken() {
        let source = "insert into p values (new.raw_user_meta_data->>'role',
            coalesce(new.raw_user_meta_data ->> 'fullName', ''), new.raw_user_meta_data -> 'plan',
            new.raw_user_meta_data)";
        let keys: Vec<(String, String)> = keys_asked(source).into_iter().collect();
        let expected = [("fullName", "full_name"), ("plan", "plan"), ("role", "role")];
        assert_eq!(keys, expected.map(|(key, column)| (key.to_owned(), column.to_owned())));
    }
}
