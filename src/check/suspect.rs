//! Which statement of a file may be why a step of ours fails that comes after it. Pure.
//!
//! What a file sets for the database, takes away from everybody, or hangs on an event of it meets us too. Which
//! of them it was is a guess from words, and said to be one.

use crate::error::Error;
use crate::names::Place;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::sql::statement::{line_of, split};

/// SQLSTATEs, and what a statement that leads to them may have in it.
const SUSPECTS: &[(&[&str], &[&str])] = &[
    (&["25006"], &["read_only"]),
    (&["57014"], &["statement_timeout", "transaction_timeout"]),
    (&["55P03"], &["lock_timeout"]),
    // Who may log in, and how many at a time.
    (
        &["28000", "28P01", "42501", "53300", "55000"],
        &["on database", "connection limit", "alter database", "nologin", "pg_catalog"],
    ),
];

/// The same error, with the last statement of the files that may be its cause.
pub(crate) fn suspecting(project: &Project, error: Error) -> Error {
    let Some(refusal) = error.refusal() else { return error };
    let is_of = |states: &[&str]| states.contains(&refusal.sqlstate.as_str());
    let words = SUSPECTS.iter().find(|(states, _)| is_of(states)).map_or(&[][..], |one| one.1);
    let context = refusal.context.as_deref().unwrap_or_default();
    let has_word = |statement: &str| words.iter().any(|word| statement.contains(word));
    let has_fired =
        |statement: &str| event_function(statement).is_some_and(|f| context.contains(f));
    let mut files = project.migrations().iter().rev();
    let suspect = files.find_map(|file| last(file, |it| has_word(it) || has_fired(it)));
    match suspect {
        Some(place) => error.help(format!(
            "perhaps because of {place}; see whether that is meant to hold for the whole database"
        )),
        None => error,
    }
}

/// The function of an event trigger, without its schema, of the statement that makes one.
fn event_function(statement: &str) -> Option<&str> {
    let (_, trigger) = statement.split_once("event trigger")?;
    let (_, call) = trigger.split_once("execute ")?;
    let name = call.split_whitespace().nth(1)?.split('(').next()?;
    name.rsplit('.').next().filter(|name| !name.is_empty())
}

/// The last statement of a file of which something is so, read in lower case.
fn last(file: &SqlFile, is_it: impl Fn(&str) -> bool) -> Option<Place> {
    let statements = split(file.raw());
    let suspect = statements.iter().rev().find(|one| is_it(&one.text.to_lowercase()))?;
    Some(Place::new(file.path(), line_of(file.raw(), suspect.first_word)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_of_an_event_trigger() {
        let made = "create event trigger t on ddl_command_start execute function public.no_ddl()";
        assert_eq!(event_function(made), Some("no_ddl"));
        assert_eq!(event_function("drop event trigger t"), None);
        assert_eq!(event_function("create trigger t execute function f()"), None);
    }
}
