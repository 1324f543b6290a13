//! Columns of another type: whether every value survived, and how that was seen.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::preserve::rows::{Pair, kept, same_sql};
use crate::preserve::tables::{Column, Equality, query};
use crate::session::open::Session;
use crate::sql::quote::literal;
use crate::sql::zones::StatedZones;

/// How the values of a retyped column are read as what they were.
pub(crate) struct Reading {
    /// An expression over the row `t` that gives the value of before.
    pub back: String,
    /// An expression over the kept row `b` and the row `t` for whether nothing is lost, and nothing added.
    pub is_same: String,
    /// The time zone in which it does.
    pub zone: Option<String>,
}

/// Whether a column has another type than before.
pub(crate) fn is_retyped(column: &Column, now: &Column) -> bool {
    column.type_name != now.type_name
}

/// Finds a reading under which a column of another type has every value of before; none if there is
/// none, or if that cannot be told.
///
/// # Errors
/// A lost connection. That a cast fails is no error: it is not the reading.
pub(crate) fn find_reading(
    session: &mut Session,
    pair: &Pair<'_>,
    column: &Column,
    zones: &StatedZones,
) -> Result<Option<Reading>> {
    let Some(now) = pair.columns.get(&column.number) else { return Ok(None) };
    for reading in readings(column, now, zones) {
        let is_named = pair.has_key() && !pair.was.key.contains(&column.number);
        let holds = match is_named {
            true => pair.holds_everywhere(session, column, &reading.is_same)?,
            false => holds_as_a_whole(session, pair, column, &reading)?,
        };
        if holds {
            return Ok(Some(reading));
        }
    }
    Ok(None)
}

fn readings(column: &Column, now: &Column, zones: &StatedZones) -> Vec<Reading> {
    let (before, after) = (kept(column), now.value());
    let (from, to) = (column.type_name.as_str(), now.type_name.as_str());
    // How many zeros a number ends with is no part of its value.
    let is_back = |back: &str| match column.equality {
        Equality::Own => same_sql(back, &before),
        _ => same_sql(&format!("{back}::text"), &format!("{before}::text")),
    };
    if has_zone(from) != has_zone(to) && [from, to].into_iter().all(is_time) {
        let reading = |zone: &str| {
            let back = format!("({after} at time zone {})::{from}", literal(zone));
            Reading { is_same: is_back(&back), back, zone: Some(zone.to_owned()) }
        };
        return zones.of(&column.name, &now.name).into_iter().map(reading).collect();
    }
    if column.base == "json" && now.base == "jsonb" {
        // A key that is there twice is there once then.
        let is_same = format!(
            "{before}::jsonb = {after} and {} = {}",
            key_count(&format!("{before}::text")),
            key_count(&format!("{after}::text"))
        );
        return vec![Reading { back: format!("{after}::json"), is_same, zone: None }];
    }
    let back = format!("{after}::{from}");
    // What comes of the old value is the new one: else something was added to it.
    let is_same = format!("{} and {before}::{to}::text = {after}::text", is_back(&back));
    let mut readings = vec![Reading { back: back.clone(), is_same, zone: None }];
    let others = other_readings(column, now).into_iter();
    readings.extend(others.map(|(back, is_same)| Reading { back, is_same, zone: None }));
    readings
}

/// What the values of before are in types that have every value and another text for some: each an
/// expression for the value of before, and one for whether nothing is lost.
fn other_readings(column: &Column, now: &Column) -> Vec<(String, String)> {
    let (before, after) = (kept(column), now.value());
    let (from, to) = (column.type_name.as_str(), now.type_name.as_str());
    let cast = || (format!("{after}::{from}"), format!("{before}::{to} = {after}"));
    match (column.base.as_str(), now.base.as_str()) {
        ("text" | "character varying", "uuid" | "inet" | "cidr" | "macaddr" | "macaddr8") => {
            vec![cast()]
        }
        ("text" | "character varying", "jsonb") | ("json[]", "jsonb[]") => {
            let (back, is_same) = cast();
            let count = |value: &str| key_count(&format!("{value}::text"));
            vec![(back, format!("{is_same} and {} = {}", count(&before), count(&after)))]
        }
        // It was kept as a text.
        (hstore, "jsonb") if hstore.ends_with("hstore") => {
            let back = format!("pg_catalog.jsonb_each_text({after})::text");
            vec![(back, format!("{before}::{from}::jsonb = {after}"))]
        }
        ("text" | "character varying", "text[]" | "character varying[]") => SEPARATORS
            .iter()
            .map(|separator| {
                let back = format!("pg_catalog.array_to_string({after}, {})", literal(separator));
                (back.clone(), format!("{back} = {before}"))
            })
            .collect(),
        (
            "integer" | "bigint" | "numeric" | "double precision",
            "timestamp with time zone" | "timestamp without time zone",
        ) => [1, 1000, 1_000_000]
            .iter()
            .map(|units| {
                let back = format!("(extract(epoch from {after}) * {units})");
                (back.clone(), format!("{back} = {before}::numeric"))
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// What lists in one text are divided by.
const SEPARATORS: [&str; 7] = [",", ", ", ";", "; ", "|", " ", "\n"];

/// An expression for how many keys the objects of a document have, from its text.
fn key_count(text: &str) -> String {
    let without_strings =
        format!("pg_catalog.regexp_replace({text}, {}, '', 'g')", literal(r#""([^"\\]|\\.)*""#));
    format!(
        "pg_catalog.length({without_strings}) \
         - pg_catalog.length(pg_catalog.replace({without_strings}, ':', ''))"
    )
}

/// Whether it is a type of instants or days, so that a zone tells what it means.
pub(crate) fn is_time(type_name: &str) -> bool {
    type_name.starts_with("timestamp") || type_name == "date"
}

pub(crate) fn has_zone(type_name: &str) -> bool {
    type_name.contains("with time zone")
}

/// The same of rows that no key names: the column as a whole has the values of before.
fn holds_as_a_whole(
    session: &mut Session,
    pair: &Pair<'_>,
    column: &Column,
    reading: &Reading,
) -> Result<bool> {
    let values = |value: &str, rows: &str| {
        format!("select ({value})::text collate \"C\" as v from {rows} where {value} is not null")
    };
    let sql = format!(
        "select 1 from ({} except all {}) as lacking limit 1",
        values(&kept(column), &pair.kept_sql()),
        values(&reading.back, &pair.rows_sql())
    );
    Ok(session.tolerate(|session| query(session, &sql))?.is_ok_and(|rows| rows.is_empty()))
}

/// What each column of another type is read as, by its attnum of before.
pub(crate) type Readings = BTreeMap<i32, Reading>;
