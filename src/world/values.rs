//! Values for seeded rows: typed, deterministic, and marked with their owner where there is room.
//!
//! Pure. The same name gives the same value on every machine: ids are uuid v5, times are constant.

use uuid::Uuid;

use crate::catalog::{Catalog, Column};
use crate::error::{Error, Result};
use crate::tenancy::Root;

/// The namespace of all ids that the world makes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6c65_616b_7072_5f6f_8f6f_776f_726c_6421);

/// The key of an owner (`tenant` `A`, `user` `alice`), in the type of the root's column.
///
/// # Errors
/// A key type that no value can be made for.
pub(crate) fn owner_key(catalog: &Catalog, root: &Root, what: &str, name: &str) -> Result<String> {
    let column = catalog.relation(root.relation).and_then(|table| table.column(&root.column));
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
            Some(fit(text, column.length))
        }
        _ => None,
    }
}

/// The mark of an owner, recognised wherever it surfaces.
pub(crate) fn token(owner: &str) -> String {
    format!("~{owner}~")
}

/// A value for an ordinary column, with the owner's token where the type has room for it.
///
/// `None` where no value of the type is known, or where the default is as good.
pub(crate) fn column_value(column: &Column, owner: &str, seed: &str) -> Option<String> {
    let mark = token(owner);
    if let Some(labels) = &column.labels {
        return labels.first().cloned();
    }
    match column.base_type.as_str() {
        "text" | "varchar" | "bpchar" | "citext" | "name" => {
            Some(fit(format!("{mark} {} {seed}", column.name), column.length))
        }
        "json" | "jsonb" => Some(format!("{{\"leakproof\": \"{mark}\"}}")),
        "_text" | "_varchar" => Some(format!("{{\"{mark}\"}}")),
        _ if column.has_default => None,
        _ => plain_value(column, seed),
    }
}

/// A value for a column that must have one, without a mark.
pub(crate) fn plain_value(column: &Column, seed: &str) -> Option<String> {
    let value = match column.base_type.as_str() {
        "uuid" => Uuid::new_v5(&NAMESPACE, seed.as_bytes()).to_string(),
        "bytea" => "\\x6c65616b".into(),
        "inet" | "cidr" => "192.0.2.1".into(),
        "macaddr" => "00:00:5e:00:53:01".into(),
        "json" | "jsonb" => "{}".into(),
        "date" => "2024-01-01".into(),
        "time" | "timetz" => "12:00:00+00".into(),
        "timestamp" | "timestamptz" => "2024-01-01 00:00:00+00".into(),
        "tsvector" => "leakproof".into(),
        "xml" => "<leakproof/>".into(),
        "money" => "1".into(),
        _ => match column.category {
            'B' => "false".into(),
            'N' => "1".into(),
            'S' => fit(format!("leakproof {seed}"), column.length),
            'A' => "{}".into(),
            'R' => "empty".into(),
            'T' => "1 day".into(),
            'E' => column.labels.as_ref()?.first()?.clone(),
            _ => return None,
        },
    };
    Some(value)
}

/// A value other than those the world holds, for updates.
pub(crate) fn changed_value(column: &Column) -> Option<String> {
    if let Some(labels) = &column.labels {
        return labels.last().cloned();
    }
    let value = match column.base_type.as_str() {
        "json" | "jsonb" => "{\"leakproof\": \"changed\"}".into(),
        "_text" | "_varchar" => "{changed}".into(),
        "date" | "timestamp" | "timestamptz" => "2001-01-01".into(),
        _ => match column.category {
            'B' => "true".into(),
            'N' => "7".into(),
            'S' => fit("changed by leakproof".into(), column.length),
            _ => return None,
        },
    };
    Some(value)
}

/// The string and number literals of a check, as candidates for the columns it holds.
pub(crate) fn literals(definition: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |value: String| {
        if !value.is_empty() && !found.contains(&value) {
            found.push(value);
        }
    };
    let mut rest = definition;
    while let Some(start) = rest.find('\'') {
        let body = &rest[start + 1..];
        let Some(end) = body.find('\'') else { break };
        add(body[..end].to_owned());
        rest = &body[end + 1..];
    }
    for word in definition.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')) {
        if let Ok(number) = word.parse::<i64>() {
            [number, number + 1, number - 1].into_iter().for_each(|near| add(near.to_string()));
        }
    }
    found
}

fn fit(text: String, length: Option<usize>) -> String {
    match length {
        Some(length) => text.chars().take(length).collect(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_a_check() {
        let check = "CHECK (((role)::text = ANY ((ARRAY['user'::character varying, \
                     'system'::character varying])::text[])))";
        assert_eq!(literals(check), ["user", "system"]);
        assert_eq!(literals("CHECK ((n >= 3))"), ["3", "4", "2"]);
    }
}
