//! Columns of times that a trigger sets to now, whatever an update says: found by trying, not by what the
//! trigger's text has in it.

use crate::error::Result;
use crate::preserve::around::Triggers;
use crate::preserve::calls::sequences;
use crate::preserve::retype::is_time;
use crate::preserve::rows::Pair;
use crate::preserve::tables::{ATTEMPT, Column};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::identifier;

/// An expression for whether a time is of this transaction, if a trigger of its table that was there before
/// sets the column to one; none if not. `triggers` are those of before.
///
/// # Errors
/// A lost connection. A touch that is refused has shown nothing.
pub(crate) fn find_stamp(
    session: &mut Session,
    pair: &Pair<'_>,
    column: &Column,
    triggers: &Triggers,
) -> Result<Option<String>> {
    let Some(now) = pair.columns.get(&column.number).filter(|now| is_time(&now.base)) else {
        return Ok(None);
    };
    let stamp = is_of_now(now);
    let others = pair.now.columns.iter().filter(|other| other.is_written && other.name != now.name);
    let others = others.map(|other| format!(", {0} = t.{0}", identifier(&other.name)));
    let table = pair.now.rows_sql();
    // A day on which nothing of this has happened.
    let touch = format!(
        "update {table} set {} = '2000-01-01'::{}{} where t.ctid = \
         (select t.ctid from {table} order by t.ctid limit 1) returning {stamp}",
        identifier(&now.name),
        now.base,
        others.collect::<String>()
    );
    let put_sequences_back = sequences(session)?;
    let new = new_triggers(session, pair, triggers)?;
    let touched = session.tolerate(|session| {
        if let Some(off) = new {
            session.as_owner(&off).map_err(failing("touch a row"))?;
        }
        session.rows_as_owner(&touch).map_err(failing("touch a row"))
    })?;
    session.as_owner(&put_sequences_back).map_err(failing(ATTEMPT))?;
    let is_stamped = touched.is_ok_and(|rows| rows == [[Some("t".to_owned())]]);
    Ok(is_stamped.then_some(stamp))
}

/// A statement that disables the triggers of a table that came with the file.
fn new_triggers(
    session: &mut Session,
    pair: &Pair<'_>,
    known: &Triggers,
) -> Result<Option<String>> {
    // A table that was built anew has none of before.
    if pair.was.oid != pair.now.oid {
        return Ok(None);
    }
    let query = format!(
        "select t.tgname::text from pg_catalog.pg_trigger t \
         where t.tgrelid = {} and not t.tgisinternal order by t.tgname",
        pair.now.oid
    );
    let names = session.texts_as_auditor(&query).map_err(failing(ATTEMPT))?;
    let new = names.into_iter().filter(|name| !known.contains(&(pair.now.oid, name.clone())));
    let off: Vec<String> =
        new.map(|name| format!("disable trigger {}", identifier(&name))).collect();
    let table = pair.now.sql_name();
    Ok((!off.is_empty()).then(|| format!("alter table {table} {}", off.join(", "))))
}

/// An expression for whether a time of the row `t` lies between the beginning of the transaction and now.
/// Without a zone it may be that of any zone.
fn is_of_now(column: &Column) -> String {
    let value = column.value();
    match column.base.as_str() {
        "date" => format!(
            "{value} between pg_catalog.transaction_timestamp()::date - 1 \
             and pg_catalog.clock_timestamp()::date + 1"
        ),
        "timestamp with time zone" => format!(
            "{value} between pg_catalog.transaction_timestamp() - '1 s'::interval \
             and pg_catalog.clock_timestamp() + '1 s'::interval"
        ),
        _ => {
            let seconds = |time: &str| format!("pg_catalog.date_part('epoch', {time})");
            let since = format!(
                "({} - {})",
                seconds(&value),
                seconds("pg_catalog.transaction_timestamp()")
            );
            let so_far = format!(
                "({} - {})",
                seconds("pg_catalog.clock_timestamp()"),
                seconds("pg_catalog.transaction_timestamp()")
            );
            // All zones are some quarters of an hour away, and none more than 14 hours.
            format!(
                "(pg_catalog.abs({since}) < 51000 \
                 and {since} + 1 - 900 * pg_catalog.floor(({since} + 1) / 900) <= {so_far} + 2)"
            )
        }
    }
}
