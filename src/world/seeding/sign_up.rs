//! What somebody says at sign-up: the metadata that triggers on the users ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::tenancy::Tenancy;
use crate::tenancy::standing::ordinary_of;
use crate::world::seeding::values::column_value;

/// The column that holds it, on Supabase.
pub(in crate::world) const METADATA: &str = "raw_user_meta_data";

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
        .filter_map(|(key, asked)| Some((key, Value::String(value(catalog, &asked, name)?))))
        .collect();
    values.extend(forged.cloned().unwrap_or_default());
    (!values.is_empty()).then(|| Value::Object(values).to_string())
}

/// What somebody says at sign-up who would be more than others: what policies tell people apart by, where a
/// trigger may take it for that, and the key of a tenant where it may name one.
pub(crate) fn forged(
    catalog: &Catalog,
    tenancy: &Tenancy,
    tenant: Option<&str>,
) -> Map<String, Value> {
    let users = catalog.relation(tenancy.users.relation);
    let source = users.and_then(|users| users.trigger_source.as_deref());
    let keys = source.map(keys_asked).unwrap_or_default();
    let value = |Asked { column, is_uuid }: &Asked| {
        let has_column = column_of(catalog, column).is_some();
        let names_tenant = names_tenant(catalog, tenancy, column) || (!has_column && *is_uuid);
        match tenant.filter(|_| names_tenant) {
            Some(tenant) => Some(tenant),
            // A key may have another name than the column into which it goes.
            None => special_value(tenancy, |name| !has_column || name == column),
        }
    };
    let forged = keys.into_iter().filter_map(|(key, asked)| {
        let value = value(&asked)?.to_owned();
        Some((key, Value::String(value)))
    });
    forged.collect()
}

/// What policies ask for in such a column, or who runs a tenant has there.
fn special_value(tenancy: &Tenancy, is_it: impl Fn(&str) -> bool) -> Option<&str> {
    let of_standing = tenancy.standing.iter().filter(|one| is_it(&one.column));
    let mut special = of_standing.flat_map(|one| &one.special);
    let highest = tenancy.members.iter().flat_map(|members| &members.highest);
    let mut highest = highest.filter(|(column, _)| is_it(column)).map(|(_, value)| value);
    special.next().or_else(|| highest.next()).map(String::as_str)
}

/// Whether a column of that name, in whichever table, refers to the tenants.
fn names_tenant(catalog: &Catalog, tenancy: &Tenancy, column: &str) -> bool {
    let root = tenancy.tenant.as_ref().map(|root| root.relation);
    let mut keys = catalog.relations().flat_map(|relation| &relation.foreign_keys);
    keys.any(|key| key.columns == [column] && Some(key.target) == root)
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    /// The column that a table may have for it.
    column: String,
    /// Whether it is taken for a `uuid`.
    is_uuid: bool,
}

/// What a text takes from the metadata, by its key.
fn keys_asked(source: &str) -> BTreeMap<String, Asked> {
    let parts = source.split(METADATA).skip(1);
    let keys = parts.filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix("->")?.trim_start_matches('>').trim_start();
        let (key, rest) = rest.strip_prefix('\'')?.split_once('\'')?;
        let rest = rest.trim_start_matches(|letter: char| letter == ')' || letter.is_whitespace());
        Some((
            key.to_owned(),
            Asked { column: snake_case(key), is_uuid: rest.starts_with("::uuid") },
        ))
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

/// The first column of that name in a table of the project.
fn column_of<'c>(catalog: &'c Catalog, column: &str) -> Option<(&'c Relation, &'c Column)> {
    let mut tables = catalog.relations().filter(|relation| relation.is_table());
    tables.find_map(|relation| {
        let holds = relation.column(column)?;
        (relation.schema != "auth").then_some((relation, holds))
    })
}

/// What a column of that name takes from an ordinary person; a name where there is no such column. What is
/// the key of another row is left out.
fn value(catalog: &Catalog, asked: &Asked, name: &str) -> Option<String> {
    let Some((relation, holds)) = column_of(catalog, &asked.column) else {
        return (!asked.is_uuid).then(|| name.to_owned());
    };
    if relation.refers(&holds.name) {
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
            (new.raw_user_meta_data ->> 'team')::uuid, new.raw_user_meta_data)";
        let keys = keys_asked(source).into_iter();
        let keys: Vec<(String, String, bool)> =
            keys.map(|(key, asked)| (key, asked.column, asked.is_uuid)).collect();
        let expected = [
            ("fullName", "full_name", false),
            ("plan", "plan", false),
            ("role", "role", false),
            ("team", "team", true),
        ];
        let expected =
            expected.map(|(key, column, is_uuid)| (key.to_owned(), column.to_owned(), is_uuid));
        assert_eq!(keys, expected);
    }
}
