//! An index that is built while others write: what is there of it before, and whether that is what is wanted.
//! The server leaves an invalid one behind where it does not finish, which answers no query and slows down writes.

use crate::error::{Error, Result};
use crate::project::outside::NewIndex;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::sql::quote::{fill, identifier, literal};

/// What is there of an index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// One that was not finished, by its name with its schema.
    Invalid(String),
    /// A whole one, by its definition.
    Valid(String),
}

/// Looks for an index.
///
/// # Errors
/// One of that name on another table.
pub(crate) fn find(connection: &mut Connection, index: &NewIndex) -> Result<Found> {
    let values = [("@name@", literal(&index.name)), ("@table@", literal(&index.table))];
    let query = fill(include_str!("index.sql"), &values);
    let rows = connection.rows(&query).map_err(failing("look for an index"))?;
    let Some(row) = rows.into_iter().next() else { return Ok(Found::Nothing) };
    let [Some(name), is_valid, is_ours, is_built, Some(definition)] = row.as_slice() else {
        return Ok(Found::Nothing);
    };
    let is = |value: &Option<String>| value.as_deref() == Some("true");
    if !is(is_ours) {
        return Err(Error::new(format!("an index {name} is there already"))
            .cause("it is that of another table")
            .help("give the new one another name"));
    }
    if !is(is_valid) && is(is_built) {
        return Err(Error::new(format!("somebody else is building {name}"))
            .cause("it is not valid, and the server says that somebody is at work on it")
            .help("wait until that is done, and push again"));
    }
    Ok(match is(is_valid) {
        true => Found::Valid(definition.clone()),
        false => Found::Invalid(name.clone()),
    })
}

/// Whether a statement would make an index that is there: the server makes the same on an empty table, and says
/// how it would write it.
///
/// # Errors
/// Another definition, or one that cannot be compared.
pub(crate) fn expect_same(
    connection: &mut Connection,
    settings: &[String],
    (index, definition): (&NewIndex, &str),
) -> Result<()> {
    let NewIndex { name, table, is_unique, rest } = index;
    let differs = |cause: String| {
        Error::new(format!("an index `{name}` on {table} is there already")).cause(cause).help(
            "drop it first in a file of its own (`drop index concurrently`), or give the new one another name",
        )
    };
    let unique = if *is_unique { "unique " } else { "" };
    let own = identifier(name);
    let made = connection.uncommitted(|session| {
        settings.iter().for_each(|setting| session.say(setting.as_str()));
        let query = format!(
            "select relname from pg_catalog.pg_class where oid = pg_catalog.to_regclass({})",
            literal(table)
        );
        let relation = session.texts_as_auditor(&query).map_err(failing("look for a table"))?;
        let copy = format!("pg_temp.{}", identifier(&relation.concat()));
        let make = format!("create temporary table {copy} (like {table})");
        session.run(&make).map_err(failing("make an empty table like it"))?;
        let build = format!("create {unique}index {own} on {copy}{rest}");
        session.execute_one(&build).map_err(failing("make the index on an empty table"))?;
        let query = format!(
            "select pg_catalog.pg_get_indexdef({}::regclass)",
            literal(&format!("pg_temp.{own}"))
        );
        session.texts_as_auditor(&query).map_err(failing("read a definition"))
    });
    let made = match made {
        Ok(made) => made.concat(),
        Err(error) if error.refusal().is_none() => return Err(error),
        Err(error) => {
            let why = error.in_brief();
            return Err(differs(format!("whether it is the same is not known: {why}")));
        }
    };
    match essence(&made) == essence(definition) {
        true => Ok(()),
        false => Err(differs(format!("it is another one: {definition}"))),
    }
}

/// A definition without the names of the index and its table.
fn essence(definition: &str) -> (bool, &str) {
    let of_what = definition.split_once(" USING ").map_or(definition, |(_, rest)| rest);
    (definition.starts_with("CREATE UNIQUE "), of_what)
}
