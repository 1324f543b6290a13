//! Quoting: names and values as a person would write them.

pub(crate) use postgres_protocol::escape::{escape_identifier, escape_literal};

/// `"schema"."name"`, quoted only where it must be.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// An identifier as a person would write it: quoted only where it must be.
pub(crate) fn identifier(name: &str) -> String {
    let plain = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !name.as_bytes()[0].is_ascii_digit()
        && !RESERVED.contains(&name);
    if plain { name.to_owned() } else { escape_identifier(name) }
}

/// A name in a file as the server folds it.
pub(crate) fn fold(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}

/// A string literal as a person would write it.
pub(crate) fn literal(value: &str) -> String {
    escape_literal(value).trim_start().to_owned()
}

/// An expression for the 64-bit hash of a text; byte by byte, whatever collation it has.
pub(crate) fn hash(text: &str, seed: &str) -> String {
    format!("pg_catalog.hashtextextended(({text}) collate \"C\", {seed})")
}

/// A text with values in its places, such as `@role@`. What is in a value is no place.
pub(crate) fn fill(text: &str, values: &[(&str, String)]) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        match values.iter().find(|(place, _)| from.starts_with(place)) {
            Some((place, value)) => {
                filled.push_str(value);
                rest = &from[place.len()..];
            }
            None => {
                filled.push('@');
                rest = &from[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// Key words that PostgreSQL does not take as a column or table name unless quoted (appendix C).
pub(crate) const RESERVED: &[&str] = &[
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
];

/// The condition that a column holds a value, or NULL.
pub(crate) fn equals(name: &str, value: Option<&str>) -> String {
    match value {
        Some(value) => format!("{} = {}", identifier(name), literal(value)),
        None => format!("{} is null", identifier(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_no_place() {
        let values = [("@a@", "'@b@'".to_owned()), ("@b@", "'x@'".to_owned())];
        assert_eq!(fill("@a@ @ @b@@c@ @b", &values), "'@b@' @ 'x@'@c@ @b");
    }
}
