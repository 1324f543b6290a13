//! Values for seeded rows: typed, deterministic, and marked with their owner where there is room.
//!
//! Pure. The same name gives the same value on every machine: ids are uuid v5, times are constant.

use serde_json::json;
use uuid::Uuid;

use crate::catalog::Catalog;
use crate::catalog::policy::Deciding;
use crate::catalog::relation::{Column, Relation};
use crate::sql::constants::Constants;
use crate::tenancy::keys::{NAMESPACE, fit, token};

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
        // A migration that cuts off a time of day or a fraction has something to cut.
        "timestamp" | "timestamptz" => "2024-01-01 02:03:04.567891+00".into(),
        "float4" | "float8" => "1.5".into(),
        "numeric" if has_fraction(column) => "1.5".into(),
        "tsvector" => "leakproof".into(),
        "xml" => "<leakproof/>".into(),
        "money" => "1".into(),
        "macaddr8" => "00:00:5e:00:53:01:00:01".into(),
        "tsquery" => "leakproof".into(),
        "jsonpath" => "$".into(),
        "pg_lsn" => "0/0".into(),
        "bit" => "0".repeat(size(column)),
        "varbit" => "0".into(),
        "vector" | "halfvec" => format!("[{}]", vec!["1"; size(column)].join(",")),
        "point" => "(0,0)".into(),
        "line" => "{1,0,0}".into(),
        "lseg" | "box" => "((0,0),(1,1))".into(),
        "path" | "polygon" => "((0,0),(1,1),(1,0))".into(),
        "circle" => "<(0,0),1>".into(),
        name if name.ends_with("multirange") => "{}".into(),
        _ => match column.category {
            'B' => "false".into(),
            'N' => "1".into(),
            'S' => fit(format!("leakproof {seed}"), column.length),
            'A' => "{}".into(),
            'R' => "empty".into(),
            'T' => "1 day".into(),
            'E' => column.labels.as_ref()?.first()?.clone(),
            // A row of NULLs.
            'C' => format!("({})", ",".repeat(column.parts.saturating_sub(1))),
            'Z' => "x".into(),
            _ => return None,
        },
    };
    Some(value)
}

/// Whether a number of `numeric` or `numeric(10,2)` may have digits behind the point.
fn has_fraction(column: &Column) -> bool {
    let limits = column.type_name.split_once('(').map(|(_, limits)| limits);
    limits.is_none_or(|limits| limits.contains(',') && !limits.ends_with(",0)"))
}

/// The number in `bit(3)` or `vector(3)`; 1 where there is none.
pub(crate) fn size(column: &Column) -> usize {
    let digits: String = column.type_name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(1)
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

/// The values of a column that policies, checks or its type tell apart, in a stable order; none
/// where one value is as good as another.
pub(crate) fn telling_values(
    catalog: &Catalog,
    relation: &Relation,
    column: &Column,
) -> Vec<String> {
    if column.is_generated || !column.identity.is_empty() || is_reference(relation, &column.name) {
        return Vec::new();
    }
    if let Some(labels) = &column.labels {
        return labels.clone();
    }
    let checks = relation.checks.iter().filter(|check| check.columns == [column.name.as_str()]);
    let checks = checks.map(|check| Constants::of_text(&check.definition));
    let about: Vec<Constants> =
        checks.chain(constants_about(catalog, relation, &column.name)).collect();
    let texts = || about.iter().flat_map(|constants| constants.texts.iter().cloned());
    let is_date = matches!(column.base_type.as_str(), "date" | "timestamp" | "timestamptz");
    let mut telling: Vec<String> = match column.category {
        'B' => vec!["false".into(), "true".into()],
        'S' => texts().collect(),
        'N' => about.iter().flat_map(|constants| &constants.numbers).flat_map(near).collect(),
        'A' if matches!(column.base_type.as_str(), "_text" | "_varchar") => {
            let elements = texts().map(|value| json!(value).to_string());
            elements.map(|element| format!("{{{element}}}")).collect()
        }
        // Long ago and far ahead.
        'D' if is_date && !about.is_empty() => {
            vec!["2001-01-01".into(), "2099-01-01".into()]
        }
        'U' if matches!(column.base_type.as_str(), "json" | "jsonb") => {
            about.iter().flat_map(|constants| documents(&constants.texts)).collect()
        }
        _ => Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    telling.retain(|value| !value.is_empty() && seen.insert(value.clone()));
    telling
}

/// The constants in what policies and views ask of a column, and in the routines that these call, each
/// definition by itself.
fn constants_about(catalog: &Catalog, relation: &Relation, column: &str) -> Vec<Constants> {
    let name = relation.qualified_name();
    let policies = relation.policies.iter().flat_map(|policy| policy.parts_about(column));
    let views = relation.shown_by.iter().flat_map(|view| view.parts_about(&name, column));
    policies.chain(views).flat_map(|part| constants_of(catalog, part)).collect()
}

fn constants_of(catalog: &Catalog, part: Deciding<'_>) -> Vec<Constants> {
    match part {
        Deciding::Text(text) => vec![Constants::of_text(text)],
        Deciding::Tree(tree) => {
            let called = catalog.routines.reached([tree]).into_iter();
            // What the platform's own look for in a token is no value of a column.
            let called = called.filter(|routine| routine.name.schema() != "auth");
            let called = called.map(|routine| routine.constants().clone());
            std::iter::once(Constants::of_expr(tree)).chain(called).collect()
        }
    }
}

/// Whether the column names another row, or this one.
fn is_reference(relation: &Relation, column: &str) -> bool {
    let holds = |columns: &[String]| columns.iter().any(|name| name == column);
    relation.foreign_keys.iter().any(|foreign_key| holds(&foreign_key.columns))
        || relation.key().is_some_and(holds)
}

/// Documents in which a key that a definition names has the value that it names next, or is true.
fn documents(named: &[String]) -> Vec<String> {
    let valued = named.windows(2).map(|pair| json!({ &pair[0]: pair[1] }).to_string());
    let flags = named.iter().map(|name| json!({ name: true }).to_string());
    valued.chain(flags).collect()
}

/// A number, and those beside it.
fn near(number: &i64) -> [String; 3] {
    [*number, number.saturating_add(1), number.saturating_sub(1)].map(|near| near.to_string())
}
