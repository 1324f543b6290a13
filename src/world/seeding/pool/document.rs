//! Documents that a text asks for: one that is a document itself, as in `meta @> '{"a": 1}'`, and one
//! that is a path, as in `meta @? '$.acl[*] ? (@ == "all")'`. Pure.

use serde_json::{Value, json};

/// The documents that a constant asks for; none where it is something else.
pub(crate) fn documents_of(text: &str) -> Vec<Value> {
    match serde_json::from_str(text) {
        Ok(document @ (Value::Object(_) | Value::Array(_))) => vec![document],
        _ => path(text).into_iter().collect(),
    }
}

/// `{"a": {"b": value}}` for the keys `a` and `b`.
pub(crate) fn nested(keys: &[String], value: Value) -> Value {
    keys.iter().rev().fold(value, |inside, key| json!({ key: inside }))
}

/// A step of a path.
enum Step {
    Key(String),
    Element,
}

/// The least document in which a path finds something.
fn path(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.strip_prefix("strict").or(text.strip_prefix("lax")).unwrap_or(text).trim();
    let rest = text.strip_prefix('$')?;
    let (steps, filter) = match rest.split_once('?') {
        Some((steps, filter)) => (steps, Some(filter)),
        None => (rest, None),
    };
    let inside = match filter {
        Some(filter) => {
            let filter = filter.trim().trim_start_matches('(').trim_start();
            compared(filter.strip_prefix('@')?)?
        }
        None => return compared(steps),
    };
    Some(built(&read(steps)?, inside))
}

/// What `.key == "value"` asks for: a comparison, or a path that has only to be there.
fn compared(text: &str) -> Option<Value> {
    let operator = ["==", ">=", "<=", "like_regex", "starts with", ">", "<"];
    let found = operator.iter().find_map(|operator| text.split_once(operator));
    let Some((steps, value)) = found else { return Some(built(&read(text)?, json!(true))) };
    let (operator, value) = (text[steps.len()..].chars().next(), value.trim());
    let end = match value.strip_prefix('"') {
        Some(inside) => inside.find('"')? + 2,
        None => value.find([' ', ')', '&', '|']).unwrap_or(value.len()),
    };
    let value: Value = serde_json::from_str(&value[..end]).ok()?;
    let value = match (operator, value.as_i64()) {
        (Some('>'), Some(number)) => json!(number.saturating_add(1)),
        (Some('<'), Some(number)) => json!(number.saturating_sub(1)),
        _ => value,
    };
    Some(built(&read(steps)?, value))
}

fn built(steps: &[Step], value: Value) -> Value {
    steps.iter().rev().fold(value, |inside, step| match step {
        Step::Key(key) => json!({ key: inside }),
        Step::Element => json!([inside]),
    })
}

fn read(text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = text.trim().trim_start_matches(['(', '@']);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            rest = after.split_once(']')?.1;
            steps.push(Step::Element);
        } else if let Some(after) = rest.strip_prefix(".\"") {
            let (key, after) = after.split_once('"')?;
            steps.push(Step::Key(key.into()));
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[', ' ', ')']).unwrap_or(after.len());
            steps.push(Step::Key(after[..end].into()));
            rest = &after[end..];
        }
        rest = rest.trim_start();
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_a_text_asks_for() {
        for (text, expected) in [
            (r#"{"acl": ["all"]}"#, vec![json!({ "acl": ["all"] })]),
            (r#"["all"]"#, vec![json!(["all"])]),
            (r#"$.acl[*] ? (@ == "all")"#, vec![json!({ "acl": ["all"] })]),
            (r#"$.acl[*]?(@."role" == "x" )"#, vec![json!({ "acl": [{ "role": "x" }] })]),
            ("$.size > 3", vec![json!({ "size": 4 })]),
            ("strict $.\"a b\".c", vec![json!({ "a b": { "c": true } })]),
            ("all", vec![]),
            ("3", vec![]),
            ("$.unfinished[", vec![]),
        ] {
            assert_eq!(documents_of(text), expected, "{text}");
        }
        let keys = ["a".to_owned(), "b".to_owned()];
        assert_eq!(nested(&keys, json!(1)), json!({ "a": { "b": 1 } }));
    }
}
