//! Values to try in a column, the likelier ones first: what its checks name, and what is common.
//!
//! Pure. A pool is as long for one row as for another, and the value at one place is made in the
//! same way, so that a place that did for one row is tried first for the next.

pub(crate) mod draft;
pub(crate) mod document;
pub(crate) mod scalar;
pub(crate) mod composite;

use crate::catalog::relation::{Column, Relation};
use crate::sql::statement::has_name;
use crate::tenancy::keys::fit;
use crate::world::seeding::pool::draft::{Draft, For};

/// The values to try, without NULL.
pub(crate) fn pool(relation: &Relation, column: &Column, row: For<'_>) -> Vec<String> {
    let definitions = definitions(relation, column);
    let mut draft = Draft { column, row, definitions: &definitions, values: Vec::new() };
    fill(&mut draft);
    draft.values.into_iter().map(|value| fit(value, column.length)).collect()
}

/// What says something about the values of a column.
fn definitions<'a>(relation: &'a Relation, column: &Column) -> Vec<&'a str> {
    let checks = relation.checks.iter().filter(|check| check.columns.contains(&column.name));
    let bounds = relation.bounds.as_deref().filter(|bounds| has_name(bounds, &column.name));
    let checks = checks.map(|check| check.definition.as_str());
    checks.chain(bounds).chain(relation.trigger_source.as_deref()).collect()
}

fn fill(draft: &mut Draft<'_>) {
    let column = draft.column;
    if let Some(labels) = &column.labels {
        draft.values.extend(labels.iter().cloned());
        return;
    }
    let base = column.base_type.as_str();
    let is_integer = matches!(base, "int2" | "int4" | "int8" | "oid");
    match (base, column.category) {
        ("json" | "jsonb", _) => draft.documents(),
        ("uuid", _) => draft.ids(),
        ("bytea", _) => draft.bytes(),
        ("inet" | "cidr", _) => draft.addresses(),
        ("bit" | "varbit", _) => draft.bits(),
        ("time" | "timetz", _) => draft.times(),
        (_, 'S') => draft.texts(),
        (_, 'N') => draft.numbers(is_integer),
        (_, 'B') => draft.values.extend(["false".into(), "true".into()]),
        (_, 'D') => draft.dates(),
        (_, 'T') => draft.intervals(),
        (_, 'R') => draft.ranges(),
        (_, 'A') => draft.arrays(),
        _ => draft.others(),
    }
}

/// Whether a value leaves no room for others where none may overlap it.
pub(crate) fn is_broad(value: &str) -> bool {
    let is_open = value.contains(",)") || value.contains("(,");
    is_open
        || ["infinity", "2001-", "2099-", "1980-"].iter().any(|far| value.contains(far))
        || ["[0,100)", "[1,10)", "now"].contains(&value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::relation::Check;
    use crate::catalog::sample;

    fn column(base_type: &str, category: char) -> Column {
        Column {
            name: "value".into(),
            type_name: base_type.into(),
            base_type: base_type.into(),
            category,
            length: None,
            not_null: true,
            has_default: false,
            default: None,
            is_generated: false,
            generation: None,
            identity: String::new(),
            parts: 2,
            labels: None,
            element_labels: None,
        }
    }

    /// A table of which the column `value` has a check, or none.
    fn table(check: &str) -> Relation {
        let mut table = sample::relation(json!({}), &[]);
        let check = Check {
            name: "value_check".into(),
            columns: vec!["value".into()],
            definition: check.into(),
            expression: None,
        };
        table.checks.extend((!check.definition.is_empty()).then_some(check));
        table
    }

    fn values(check: &str, column: &Column, seed: &str) -> Vec<String> {
        pool(&table(check), column, For { owner: "alice of A", seed })
    }

    #[test]
    fn what_a_check_names_comes_first() {
        for (base_type, category, check, first) in [
            (
                "text",
                'S',
                "CHECK ((value = ANY (ARRAY['open'::text, 'shut'::text])))",
                ["open", "shut"],
            ),
            ("text", 'S', "CHECK ((value = 'it''s'::text))", ["it's", ""]),
            ("int4", 'N', "CHECK ((value >= 18))", ["18", "19"]),
            ("int4", 'N', "", ["1", "0"]),
            ("numeric", 'N', "CHECK ((value > 0.75))", ["0.75", "0.76"]),
            ("bool", 'B', "", ["false", "true"]),
            ("date", 'D', "CHECK ((value > '2030-06-01'::date))", ["2030-06-01", "2030-06-15"]),
            ("date", 'D', "", ["2024-01-01", "2024-01-02"]),
            ("time", 'D', "", ["09:00", "12:00"]),
            ("interval", 'T', "CHECK ((value < '02:00:00'::interval))", ["02:00:00", "1 day"]),
            ("int4range", 'R', "", ["[1,2)", "[1,10)"]),
            ("int4multirange", 'R', "", ["{[1,2)}", "{[1,10)}"]),
            ("uuid", 'U', "", ["00000000-0000-0000-0000-000000000000", ""]),
            ("bytea", 'U', "CHECK ((octet_length(value) = 2))", ["\\x6c6c", "\\x6c6c6c"]),
            ("inet", 'I', "", ["192.0.2.1", "192.0.2.0/24"]),
            ("_text", 'A', "CHECK ((value <@ ARRAY['a'::text]))", ["{}", "{\"a\"}"]),
        ] {
            let values = values(check, &column(base_type, category), "row 1");
            for (value, expected) in values.iter().zip(first).filter(|(_, one)| !one.is_empty()) {
                assert_eq!(value, expected, "{base_type} {check}: {:?}", &values[..4]);
            }
        }
    }

    #[test]
    fn a_pool_has_what_fits_a_pattern_or_a_length() {
        for (base_type, category, check, fits) in [
            (
                "text",
                'S',
                "CHECK ((value ~ '^[a-z]{3}-[0-9]+$'::text))",
                (|value: &str| {
                    let is_lower = |part: &str| part.chars().all(|c| c.is_ascii_lowercase());
                    let is_digits = |part: &str| part.chars().all(|c| c.is_ascii_digit());
                    value.split_once('-').is_some_and(|(letters, digits)| {
                        letters.len() == 3
                            && is_lower(letters)
                            && !digits.is_empty()
                            && is_digits(digits)
                    })
                }) as fn(&str) -> bool,
            ),
            ("text", 'S', "CHECK ((char_length(value) = 36))", |value| value.len() == 36),
            ("text", 'S', "CHECK ((value ~~ 'sk_%'::text))", |v| {
                v.starts_with("sk_") && v.len() > 3
            }),
            ("text", 'S', "", |value| value.contains('@')),
            ("text", 'S', "", |value| value.starts_with("https://")),
            ("int4", 'N', "CHECK ((value > 5))", |value| value == "6"),
            ("numeric", 'N', "", |value| value == "-0.5"),
            ("date", 'D', "", |value| value == "infinity"),
            ("jsonb", 'U', "CHECK ((value ? 'plan'::text))", |value| value.contains("\"plan\"")),
            ("jsonb", 'U', "", |value| value == "[]"),
            ("_int4", 'A', "CHECK ((cardinality(value) = 4))", |v| v.matches(',').count() == 3),
            ("point", 'G', "", |value| value == "(0,0)"),
        ] {
            let values = values(check, &column(base_type, category), "row 1");
            assert!(values.iter().any(|value| fits(value)), "{base_type} {check}: {values:?}");
        }
    }

    #[test]
    fn labels_of_an_enum_are_all_there_is() {
        let labels = Some(vec!["low".into(), "high".into()]);
        let column = Column { labels, ..column("priority", 'E') };
        assert_eq!(values("CHECK ((value <> 'low'))", &column, "row 1"), ["low", "high"]);
    }

    /// Otherwise a place that did for one row would say nothing of the next.
    #[test]
    fn a_pool_is_as_long_for_one_row_as_for_another() {
        for (base_type, category) in [
            ("text", 'S'),
            ("int4", 'N'),
            ("numeric", 'N'),
            ("date", 'D'),
            ("time", 'D'),
            ("interval", 'T'),
            ("int4range", 'R'),
            ("uuid", 'U'),
            ("bytea", 'U'),
            ("inet", 'I'),
            ("varbit", 'V'),
            ("jsonb", 'U'),
            ("_text", 'A'),
            ("hstore", 'U'),
        ] {
            let column = column(base_type, category);
            let check = "CHECK ((value <> ANY (ARRAY['^a+$'::text, 'b%'::text, '7'::text])))";
            let [one, same, other] =
                ["row 1", "row 1", "row 2"].map(|row| values(check, &column, row));
            assert_eq!(one, same, "{base_type}");
            assert_eq!(one.len(), other.len(), "{base_type}");
            assert_ne!(one, other, "{base_type}: rows must be told apart");
        }
    }

    #[test]
    fn no_value_is_longer_than_the_column() {
        let column = Column { length: Some(5), ..column("varchar", 'S') };
        let values = values("CHECK ((value <> 'much too long'::text))", &column, "row 1");
        assert!(values.iter().all(|value| value.chars().count() <= 5), "{values:?}");
    }

    #[test]
    fn broad_values_leave_no_room() {
        for (value, expected) in [
            ("[1,)", true),
            ("(,)", true),
            ("{[1,)}", true),
            ("infinity", true),
            ("2099-01-01", true),
            ("[0,100)", true),
            ("now", true),
            ("[1,2)", false),
            ("[2024-01-01,2024-01-02)", false),
            ("2024-01-01", false),
        ] {
            assert_eq!(is_broad(value), expected, "{value}");
        }
    }
}
