//! What a project's owner may do on a hosted server although they are no superuser there. Pure.
//!
//! There an extension of the server allows it. Here such a statement is tried once more as a
//! superuser, and no other is: what else is refused is refused in production, too.

use crate::sql::statement;

/// Whether a statement is on the list, by its first words.
pub(crate) fn is_granted_when_hosted(sql: &str) -> bool {
    let words: Vec<String> = statement::words(sql).take(7).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["create" | "alter" | "drop", what @ ..] if is_administered(what) => true,
        ["comment", "on", what @ ..] => is_administered(what),
        // That of all roles is the whole server's.
        ["alter", "role" | "user", "all", ..] => false,
        ["alter", "role" | "user", _, "set" | "reset", ..]
        | ["alter", "role" | "user", _, "in", "database", _, "set" | "reset"] => true,
        _ => false,
    }
}

fn is_administered(what: &[&str]) -> bool {
    matches!(
        what,
        ["extension" | "publication", ..]
            | ["event", "trigger", ..]
            | ["foreign", "data", "wrapper", ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_closed() {
        for sql in [
            "create publication p for all tables",
            "/* x */ ALTER PUBLICATION p add table t",
            "drop event trigger e",
            "create event trigger e on ddl_command_end execute function f()",
            "comment on event trigger e is 'x'",
            "comment on extension e is 'x'",
            "drop extension e",
            "create foreign data wrapper w handler h",
            "alter role authenticator set pgrst.db_schemas = 'public'",
            "alter user \"Some One\" reset all",
            "alter role a in database d set x = 1",
        ] {
            assert!(is_granted_when_hosted(sql), "{sql}");
        }
        for sql in [
            "alter role postgres superuser",
            "alter role all set x = 1",
            "alter role a in database d",
            "create role a superuser",
            "create function f() returns int leakproof language sql as 'select 1'",
            "do $$ begin create publication p; end $$",
            "copy t to program 'id'",
            "create trigger event after insert on t execute function f()",
            "create \"publication\" p",
            "select 'create publication p'",
            "create subscription s connection '' publication p",
            "comment on table publication is 'x'",
            "create server s foreign data wrapper w",
            "alter system set x = 1",
            "",
        ] {
            assert!(!is_granted_when_hosted(sql), "{sql}");
        }
    }
}
