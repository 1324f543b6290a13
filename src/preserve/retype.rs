//! Columns of another type: whether every value survived, and how that was seen.

use crate::error::Result;
use crate::preserve::census::{Sums, TableCensus, query, read_sums};
use crate::preserve::fingerprints;
use crate::session::open::Session;
use crate::sql::quote::{identifier, literal};

/// How the values of a retyped column are read as what they were.
pub(crate) struct Reading {
    /// An expression over the row `t` that gives the text form of before.
    pub text: String,
    /// The time zone in which it does.
    pub zone: Option<String>,
}

/// Finds a reading under which a column of another type has every value of before; none if there is
/// none, or if that cannot be told.
///
/// # Errors
/// A lost connection. That a cast fails is no error: it is not the reading.
pub(crate) fn find_reading(
    session: &mut Session,
    before: &TableCensus,
    now: &TableCensus,
    attnum: i32,
    zones: &[String],
) -> Result<Option<Reading>> {
    let (Some(was), Some(is)) = (before.columns.get(&attnum), now.columns.get(&attnum)) else {
        return Ok(None);
    };
    for reading in readings(&is.name, &was.type_name, &is.type_name, zones) {
        let forth = match &reading.zone {
            Some(_) => None,
            // What comes of the old value is the new one: else something was added to it.
            None => Some(format!(
                "(t.{0}::{1})::{2}::text is distinct from t.{0}::text",
                identifier(&is.name),
                was.type_name,
                is.type_name
            )),
        };
        if holds(session, before, now, attnum, &reading.text, forth)? {
            return Ok(Some(reading));
        }
    }
    Ok(None)
}

fn readings(column: &str, was: &str, is: &str, zones: &[String]) -> Vec<Reading> {
    let column = identifier(column);
    if has_zone(was) != has_zone(is) && [was, is].into_iter().all(is_time) {
        let reading = |zone: &String| Reading {
            text: format!("(t.{column} at time zone {})::{was}::text", literal(zone)),
            zone: Some(zone.clone()),
        };
        return zones.iter().map(reading).collect();
    }
    vec![Reading { text: format!("t.{column}::{was}::text"), zone: None }]
}

/// Whether it is a type of instants or days, so that a zone tells what it means.
pub(crate) fn is_time(type_name: &str) -> bool {
    type_name.starts_with("timestamp") || type_name == "date"
}

pub(crate) fn has_zone(type_name: &str) -> bool {
    type_name.contains("with time zone")
}

fn holds(
    session: &mut Session,
    before: &TableCensus,
    now: &TableCensus,
    attnum: i32,
    text: &str,
    added: Option<String>,
) -> Result<bool> {
    let Some(at) = before.columns.keys().position(|known| *known == attnum) else {
        return Ok(false);
    };
    let outcome = session.tolerate(|session| {
        if let Some(added) = added {
            let sql = format!("select 1 from only {} as t where {added} limit 1", now.sql_name());
            if !query(session, &sql)?.is_empty() {
                return Ok(false);
            }
        }
        if before.rows == now.rows {
            let sums = sums_of(session, now, text)?;
            let was = &before.columns[&attnum].sums;
            return Ok(sums.is_some_and(|sums| {
                sums.plain == was.plain && (sums.placed == was.placed || !now.has_key_of(before))
            }));
        }
        if !fingerprints::are_kept(before) || !before.is_keyed {
            return Ok(false);
        }
        let mut texts = vec![None; before.columns.len()];
        texts[at] = Some(text.to_owned());
        let difference = fingerprints::compare(
            session,
            before,
            now,
            &texts,
            &vec!["false".into(); texts.len()],
        )?;
        Ok(difference.missing.count < before.rows && difference.changed[at].count == 0)
    })?;
    Ok(outcome.unwrap_or(false))
}

fn sums_of(session: &mut Session, table: &TableCensus, text: &str) -> Result<Option<Sums>> {
    let rows = query(session, &table.sums_query_of(table.oid, &[text.to_owned()], "true"))?;
    let sums = rows.first().map(read_sums).transpose()?;
    Ok(sums.and_then(|(_, _, sums)| sums.into_iter().next()))
}
