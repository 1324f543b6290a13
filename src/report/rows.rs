//! Rows as people see them: cut where they are long, and side by side where they differ.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::preserve::outcome::LineDifference;

/// How many characters of a row are shown to people; the JSON report is cut alike.
const LONGEST: usize = 400;

/// A row, cut where it is long.
pub(crate) fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}

/// The first differing rows: where a lost and an appeared row have fields in common they are shown
/// together, with the names of the fields that differ.
pub(crate) fn side_by_side(lost: &LineDifference, appeared: &LineDifference) -> Vec<String> {
    let mut shown = Vec::new();
    let mut others: Vec<&String> = appeared.first.iter().collect();
    for line in &lost.first {
        let alike = |other: &&&String| common_fields(line, other).len();
        let matching = others.iter().rev().filter(|other| alike(other) > 0).max_by_key(alike);
        let Some(other) = matching else {
            shown.push(format!("lost: {}", shortened(line)));
            continue;
        };
        let other = *other;
        others.retain(|known| *known != other);
        shown.push(format!("lost: {}", shortened_beside(line, other)));
        shown.push(format!("appeared: {}", shortened_beside(other, line)));
        shown.push(format!("they differ in: {}", differing_fields(line, other).join(", ")));
    }
    shown.extend(others.iter().map(|line| format!("appeared: {}", shortened(line))));
    for (what, side) in [("lost", lost), ("appeared", appeared)] {
        let rest = side.count as usize - side.first.len();
        shown.extend((rest > 0).then(|| format!("{what}: and {rest} more rows")));
    }
    shown
}

/// The fields of a row, each with its value letter by letter; none if the row was cut.
fn fields(line: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(line).unwrap_or_default()
}

fn common_fields(these: &str, those: &str) -> Vec<String> {
    let those = fields(those);
    let is_common = |(name, value): &(String, Box<RawValue>)| {
        those.get(name).is_some_and(|other| other.get() == value.get())
    };
    fields(these).into_iter().filter(is_common).map(|(name, _)| name).collect()
}

fn differing_fields(these: &str, those: &str) -> Vec<String> {
    let common = common_fields(these, those);
    let names: BTreeSet<String> =
        fields(these).into_keys().chain(fields(those).into_keys()).collect();
    names.into_iter().filter(|name| !common.contains(name)).collect()
}

/// As [`shortened`], with its beginning and what is around the first character that `other` has not.
fn shortened_beside(line: &str, other: &str) -> String {
    const AROUND: usize = LONGEST / 4;
    let is_same = |(one, two): &(char, char)| one == two;
    let start = line.chars().zip(other.chars()).take_while(is_same).count();
    if start <= LONGEST - AROUND || line.chars().nth(LONGEST).is_none() {
        return shortened(line);
    }
    let beginning: String = line.chars().take(AROUND).collect();
    let middle: String = line.chars().skip(start - AROUND).take(LONGEST - AROUND).collect();
    format!("{beginning} ... {middle}... ({} bytes)", line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u64, first: &[&str]) -> LineDifference {
        LineDifference { count, first: first.iter().map(|line| (*line).to_owned()).collect() }
    }

    #[test]
    fn rows_that_belong_together_are_shown_together() {
        let (lost_1, lost_2) = (r#"{"id":1,"a":"x"}"#, r#"{"id":2,"a":"y"}"#);
        let (came_1, came_3) = (r#"{"id":1,"a":"z"}"#, r#"{"id":3,"b":0}"#);
        for (lost, appeared, expected) in [
            (rows(0, &[]), rows(0, &[]), vec![]),
            (rows(1, &[lost_1]), rows(0, &[]), vec![format!("lost: {lost_1}")]),
            (
                rows(2, &[lost_1, lost_2]),
                rows(2, &[came_1, came_3]),
                vec![
                    format!("lost: {lost_1}"),
                    format!("appeared: {came_1}"),
                    "they differ in: a".into(),
                    format!("lost: {lost_2}"),
                    format!("appeared: {came_3}"),
                ],
            ),
            (
                rows(7, &[lost_1]),
                rows(3, &[]),
                vec![
                    format!("lost: {lost_1}"),
                    "lost: and 6 more rows".into(),
                    "appeared: and 3 more rows".into(),
                ],
            ),
            // Not an object: it was cut where it is kept.
            (
                rows(1, &["{\"id\":1,"]),
                rows(1, &["{\"id\":1,"]),
                vec!["lost: {\"id\":1,".into(), "appeared: {\"id\":1,".into()],
            ),
        ] {
            assert_eq!(side_by_side(&lost, &appeared), expected);
        }
    }

    #[test]
    fn a_long_row_is_cut_and_shown_where_it_differs() {
        let long = "é".repeat(401);
        assert_eq!(shortened(&long), format!("{}... (802 bytes)", "é".repeat(400)));
        assert_eq!(shortened(&long[2..]), "é".repeat(400));
        let same = "x".repeat(1000);
        let (one, two) = (format!("{same}1{same}"), format!("{same}2{same}"));
        let around = format!("{}1{}", "x".repeat(100), "x".repeat(199));
        let expected = format!("{} ... {around}... (2001 bytes)", "x".repeat(100));
        assert_eq!(shortened_beside(&one, &two), expected);
        assert_eq!(shortened_beside("short", &two), "short");
    }
}
