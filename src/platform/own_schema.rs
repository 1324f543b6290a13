//! The schema that holds what is ours: one that no API exposes, and in which nothing of the project's
//! can be, since it belongs to a superuser.

use crate::platform::extensions;
use crate::server::runs::ROLE_MARK;
use crate::sql::quote::{fill, identifier, literal};
use crate::sql::statement;

/// Its name.
const SCHEMA: &str = "leakproof";

/// What the comment on a role of a migration says beside the mark.
const OF_MIGRATIONS: &str = "; a migration's";

/// Who may do with every row what its owner may, and is no superuser.
const STEWARD: &str = "leakproof_steward";

const SHARED: &str = include_str!("shared.sql");

const HELP: &str = "leakproof keeps its history of migrations in the schema `leakproof`; give the \
                    project's schema another name";

/// Who is who in a scratch database.
pub(crate) struct Roles<'a> {
    /// Who runs the files.
    pub owner: &'a str,
    /// Who connects in production.
    pub login: &'a str,
    /// The superuser whom extensions belong to; none for whoever is connected.
    pub admin: Option<&'a str>,
    /// Whether stubs of extensions may be needed.
    pub has_stubs: bool,
}

/// The statements that make it, with the table of the history that `history` makes. As a superuser, when
/// the roles are there and nothing of the project is.
pub(crate) fn sql(roles: &Roles<'_>, history: &str) -> String {
    let admin = roles.admin.map_or("current_user".to_owned(), identifier);
    let parts = [
        &create_role(STEWARD, "nologin bypassrls"),
        include_str!("own_schema.sql"),
        include_str!("elevation.sql"),
        &extensions::stubs_sql(roles.has_stubs),
        &shared_sql(),
        include_str!("close.sql"),
    ];
    let values = [
        ("@history@", history.to_owned()),
        ("@owner@", identifier(roles.owner)),
        ("@login@", identifier(roles.login)),
        ("@admin@", admin),
        ("@is_hosted@", roles.admin.is_some().to_string()),
    ];
    let values: Vec<_> = values.into_iter().chain(marks()).collect();
    fill(&parts.concat(), &values)
}

/// What the comments on our roles say.
fn marks() -> [(&'static str, String); 2] {
    [("@mark@", literal(ROLE_MARK)), ("@migrations@", literal(OF_MIGRATIONS))]
}

/// The query for what belongs to the whole server and a file in the database `here` could change: what it
/// is, and a digest. As a superuser, in any database.
pub(crate) fn shared_query(here: &str) -> String {
    let here = [("@here@", literal(here))];
    let values: Vec<_> = here.into_iter().chain(marks()).collect();
    fill(SHARED, &values)
}

/// The function by which a file's own session looks at it.
fn shared_sql() -> String {
    let query = SHARED.replace("@here@", "pg_catalog.current_database()");
    format!(
        "create function leakproof.shared() returns table (what text, digest text)
         language sql volatile security definer set search_path = pg_catalog, pg_temp as $shared$
         {query}
         $shared$;
         revoke execute on function leakproof.shared() from public;
         grant execute on function leakproof.shared() to @owner@;\n"
    )
}

/// The statement that makes a role of ours, where it is missing.
pub(crate) fn create_role(name: &str, options: &str) -> String {
    create_marked_role(name, options, ROLE_MARK)
}

/// The same for a role that the files may make as well, or count on.
pub(crate) fn create_role_of_files(name: &str, options: &str) -> String {
    create_marked_role(name, options, &mark_of_migrations())
}

fn create_marked_role(name: &str, options: &str, mark: &str) -> String {
    let role = identifier(name);
    let create = literal(&format!("create role {role} {options}"));
    let mark = literal(&format!("comment on role {role} is {}", literal(mark)));
    format!(
        "do $leakproof$ begin
            if not exists (select from pg_catalog.pg_roles where rolname = {}) then
                execute {create}; execute {mark};
            end if;
        exception
            -- Another run on this server was faster; its role is as good as ours.
            when duplicate_object or unique_violation then null;
        end $leakproof$;\n",
        literal(name)
    )
}

/// The comment on a role of a migration.
pub(crate) fn mark_of_migrations() -> String {
    format!("{ROLE_MARK}{OF_MIGRATIONS}")
}

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
