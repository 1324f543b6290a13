//! Keys of the owners of the world. Pure; the same name gives the same key on every machine.

use uuid::Uuid;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation};
use crate::error::{Error, Result};
use crate::tenancy::root::Root;

/// The namespace of all ids that the world makes.
pub(crate) const NAMESPACE: Uuid = Uuid::from_u128(0x6c65_616b_7072_5f6f_8f6f_776f_726c_6421);

/// The key of an owner (`tenant` `A`, `user` `alice`), in the type of the root's column.
///
/// # Errors
/// A key type that no value can be made for.
pub(crate) fn owner_key(catalog: &Catalog, root: &Root, what: &str, name: &str) -> Result<String> {
    if root.is_nowhere() {
        let id = Uuid::new_v5(&NAMESPACE, format!("{what}/{name}").as_bytes());
        return Ok(id.to_string());
    }
    let column = root.key(catalog);
    column.and_then(|column| key_value(column, &format!("{what}/{name}"))).ok_or_else(|| {
        Error::new(format!("cannot make a {what} for the world"))
            .cause(format!("the type of its key `{}` is not known", root.column))
            .help("a key of type uuid, text, integer or bigint can be filled")
    })
}

/// A value for a key column, unique to `seed`.
pub(crate) fn key_value(column: &Column, seed: &str) -> Option<String> {
    let id = Uuid::new_v5(&NAMESPACE, seed.as_bytes());
    match column.base_type.as_str() {
        "uuid" => Some(id.to_string()),
        // Within int4, and far from where sequences begin.
        "int4" | "int8" | "numeric" => {
            Some((1_000_000_000 + id.as_u128() % 1_000_000_000).to_string())
        }
        "text" | "varchar" | "bpchar" | "citext" => {
            let text = format!("{seed} {}", &id.to_string()[..8]);
            Some(match column.length {
                // What is left of it would be the same for all.
                Some(length) if length < text.len() => fit(id.simple().to_string(), Some(length)),
                _ => text,
            })
        }
        _ => None,
    }
}

/// The mark of an owner, recognised wherever it surfaces.
pub(crate) fn token(owner: &str) -> String {
    format!("~{owner}~")
}

/// All values that a column may have, where its type or a check lists them.
pub(crate) fn listed_values(relation: &Relation, column: &Column) -> Vec<String> {
    let of_checks = relation.checks.iter().filter(|check| check.columns == [column.name.clone()]);
    match &column.labels {
        Some(labels) => labels.clone(),
        None => of_checks.flat_map(|check| strings(&check.definition)).collect(),
    }
}

/// The string literals of a definition.
pub(crate) fn strings(definition: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = definition;
    while let Some(start) = rest.find('\'') {
        let body = &rest[start + 1..];
        let mut end = 0;
        // A doubled quote is one inside.
        loop {
            let Some(next) = body[end..].find('\'') else { return found };
            end += next;
            if !body[end + 1..].starts_with('\'') {
                break;
            }
            end += 2;
        }
        found.push(body[..end].replace("''", "'"));
        rest = &body[end + 1..];
    }
    found
}

pub(crate) fn fit(text: String, length: Option<usize>) -> String {
    match length {
        Some(length) => text.chars().take(length).collect(),
        None => text,
    }
}
