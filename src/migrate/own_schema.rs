//! The schema that holds our history: one that no API exposes, and in which nothing of the project's
//! may be, since nobody looks there.

use crate::error::{Error, Result};
use crate::names::QualifiedName;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::sql::statement;

/// Its name.
pub(crate) const SCHEMA: &str = "leakproof";

/// What of it is ours.
const OURS: &str = "'refinery_schema_history', 'marks', 'mark'";

const HELP: &str = "leakproof keeps its history of migrations in the schema `leakproof`; give the \
                    project's schema another name";

/// The way out where a statement fails that names the schema.
pub(crate) fn help_for(statement: &str) -> Option<&'static str> {
    let words: Vec<String> = statement::words(statement).collect();
    let names_it = words.iter().enumerate().any(|(at, word)| {
        let is_before = |other: &str| at > 0 && words[at - 1] == other;
        word == SCHEMA
            && (is_before("schema")
                || is_before("exists")
                || words.get(at + 1).is_some_and(|next| next == "."))
    });
    names_it.then_some(HELP)
}

/// Refuses what else files have put into it.
///
/// # Errors
/// The first relation or routine that is not ours.
pub(crate) fn refuse_others(connection: &mut Connection) -> Result<()> {
    let query = format!(
        "select o.name from pg_catalog.pg_namespace n, lateral (
            select c.relname from pg_catalog.pg_class c
            where c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
            union all
            select p.proname from pg_catalog.pg_proc p where p.pronamespace = n.oid
         ) as o (name)
         where n.nspname = '{SCHEMA}' and o.name not in ({OURS}) order by 1 limit 1"
    );
    let others = connection.rows(&query).map_err(failing("look at the schema of the history"))?;
    match others.into_iter().flatten().flatten().next() {
        Some(other) => {
            let name = QualifiedName::new(SCHEMA, other);
            Err(Error::new(format!("the migrations make `{name}`"))
                .cause("what is in that schema is not checked")
                .help(HELP))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::help_for;

    #[test]
    fn statements_that_name_the_schema() {
        for (sql, names_it) in [
            ("create schema leakproof", true),
            ("create schema if not exists leakproof", true),
            ("create table leakproof.items (id int)", true),
            ("grant usage on schema leakproof to anon", true),
            ("create function f() returns int leakproof language sql as 'select 1'", false),
            ("select 'leakproof.items'", false),
        ] {
            assert_eq!(help_for(sql).is_some(), names_it, "{sql}");
        }
    }
}
