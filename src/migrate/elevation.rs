//! What a project's owner may do on a hosted server although they are no superuser there. Pure.
//!
//! There an extension of the server allows it. Here such a statement is taken apart once it was refused,
//! and a function of ours is called in its place: one a kind, which takes names and never SQL. What
//! cannot be taken apart, or is not on the list, stays refused, as in production.

use crate::platform::call::{array, call, flag, one_name, or_null, read_drop, unquoted, words};
use crate::sql::quote::literal;

/// A call in place of a statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elevation {
    /// What was elevated, in words: `event triggers`.
    pub kind: &'static str,
    pub call: String,
}

/// The call that does on a throwaway what a statement may do on a hosted server; none for what is not
/// on the list.
pub(crate) fn elevation_of(statement: &str) -> Option<Elevation> {
    let words = words(statement);
    let lead: Vec<&str> = words.iter().take(4).map(String::as_str).collect();
    let (kind, call) = match lead.as_slice() {
        ["create", "event", "trigger", _] => ("event triggers", create_event_trigger(&words[3..])?),
        ["alter", "event", "trigger", name] => {
            ("event triggers", switch_event_trigger(name, &words[4..])?)
        }
        ["drop", "event", "trigger", _] => {
            ("event triggers", drop_one("event trigger", &words[3..])?)
        }
        ["create", "publication", ..] => ("publications", create_publication(&words[2..])?),
        ["drop", "publication", ..] => ("publications", drop_one("publication", &words[2..])?),
        ["create", "foreign", "data", "wrapper"] => {
            ("foreign data wrappers", create_wrapper(&words[4..])?)
        }
        ["drop", "foreign", "data", "wrapper"] => {
            ("foreign data wrappers", drop_one("foreign data wrapper", &words[4..])?)
        }
        ["alter", "table" | "view" | "sequence", ..] => ("owners", set_owner(&words[2..])?),
        ["alter", "materialized", "view", _] => ("owners", set_owner(&words[3..])?),
        ["comment", "on", ..] => ("comments", comment(&words[2..])?),
        // That of all roles is the whole server's.
        ["alter", "role" | "user", "all", _] => return None,
        ["alter", "role" | "user", role, _] => match set_for_role(role, &words[3..]) {
            Some(call) => ("settings of roles", call),
            None => ("roles", alter_role(role, &words[3..])?),
        },
        ["create", "role" | "user" | "group", name, ..] => {
            ("roles", create_role(name, &words[3..])?)
        }
        ["drop", "role" | "user" | "group", ..] => {
            let drop = read_drop(&words[2..]).filter(|drop| !drop.is_cascading)?;
            let [name] = <[String; 1]>::try_from(drop.names).ok()?;
            ("roles", call("drop_role", [literal(&name), flag(drop.is_lenient)]))
        }
        ["set", ..] => ("`session_replication_role`", set_replication_role(&words[1..])?),
        _ => return None,
    };
    Some(Elevation { kind, call })
}

/// `name on event [when tag in ('a', 'b')] execute function f()`
fn create_event_trigger(words: &[String]) -> Option<String> {
    let [name, on, event, rest @ ..] = words else { return None };
    let execute = rest.iter().position(|word| word == "execute")?;
    let (when, routine) = rest.split_at(execute);
    let tags = match when {
        [] => "null::text[]".to_owned(),
        [when, tag, is_in, open, tags @ .., close]
            if [when, tag, is_in, open, close] == ["when", "tag", "in", "(", ")"] =>
        {
            list_of(tags)?
        }
        _ => return None,
    };
    let [_, kind, routine @ .., open, close] = routine else { return None };
    let is_call = ["function", "procedure"].contains(&kind.as_str()) && [open, close] == ["(", ")"];
    (on == "on" && is_call && !routine.is_empty()).then(|| {
        let routine = format!("{}::regprocedure", literal(&format!("{}()", routine.concat())));
        call(
            "create_event_trigger",
            [literal(&unquoted(name)), literal(&unquoted(event)), tags, routine],
        )
    })
}

fn switch_event_trigger(name: &str, words: &[String]) -> Option<String> {
    let is_on = match words {
        [state] if state == "enable" => true,
        [state] if state == "disable" => false,
        _ => return None,
    };
    Some(call("switch_event_trigger", [literal(&unquoted(name)), flag(is_on)]))
}

fn drop_one(kind: &str, words: &[String]) -> Option<String> {
    read_drop(words).filter(|drop| drop.names.len() == 1).map(|drop| drop.call(kind))
}

/// `name for all tables | for tables in schema a, b [with (publish = 'x')]`
fn create_publication(words: &[String]) -> Option<String> {
    let [name, r#for, rest @ ..] = words else { return None };
    let with = rest.iter().position(|word| word == "with").unwrap_or(rest.len());
    let (what, with) = rest.split_at(with);
    let published = match with {
        [] => None,
        [_, open, publish, equals, value, close]
            if [open, publish, equals, close] == ["(", "publish", "=", ")"] =>
        {
            Some(unquoted(value))
        }
        _ => return None,
    };
    let schemas = match what {
        [all, tables] if [all, tables] == ["all", "tables"] => "null::text[]".to_owned(),
        [tables, is_in, schema, names @ ..]
            if [tables, is_in, schema] == ["tables", "in", "schema"] =>
        {
            list_of(names)?
        }
        _ => return None,
    };
    let arguments = [literal(&unquoted(name)), schemas, or_null(published.as_deref())];
    (r#for == "for").then(|| call("create_publication", arguments))
}

/// `name [handler f] [validator g]`
fn create_wrapper(words: &[String]) -> Option<String> {
    let (name, rest) = words.split_first()?;
    let (mut handler, mut validator) = (Vec::new(), Vec::new());
    let mut part = None;
    for word in rest {
        match (word.as_str(), part.as_mut()) {
            ("handler", _) => part = Some(&mut handler),
            ("validator", _) => part = Some(&mut validator),
            (_, Some(part)) => part.push(word.as_str()),
            (_, None) => return None,
        }
    }
    let routine = |name: Vec<&str>| match name.is_empty() {
        true => "null::regproc".to_owned(),
        false => format!("{}::regproc", literal(&name.concat())),
    };
    let arguments = [literal(&unquoted(name)), routine(handler), routine(validator)];
    Some(call("create_foreign_data_wrapper", arguments))
}

/// `[only] schema.name owner to role`
fn set_owner(words: &[String]) -> Option<String> {
    let words = if words.first().is_some_and(|word| word == "only") { &words[1..] } else { words };
    let [name @ .., owner, to, role] = words else { return None };
    let is_it = [owner, to] == ["owner", "to"] && !name.is_empty() && !name.contains(&"if".into());
    is_it.then(|| {
        let relation = format!("{}::regclass", literal(&name.concat()));
        call("set_owner", [relation, format!("{}::regrole", literal(role))])
    })
}

/// `extension name is 'x'`
fn comment(words: &[String]) -> Option<String> {
    let is = words.iter().rposition(|word| word == "is")?;
    let (kind, name) = words[..is].split_at(is.checked_sub(1)?);
    let said = match &words[is + 1..] {
        [said] if said == "null" => None,
        [said] if said.starts_with(['\'', '$']) => Some(unquoted(said)),
        _ => return None,
    };
    let name = one_name(name)?;
    let kind = kind.join(" ");
    ["extension", "event trigger", "publication", "foreign data wrapper"]
        .contains(&kind.as_str())
        .then(|| call("comment_on", [literal(&kind), literal(&name), or_null(said.as_deref())]))
}

/// `[in database d] set name = value | set name to value | reset name | reset all`
fn set_for_role(role: &str, words: &[String]) -> Option<String> {
    let words = match words {
        [is_in, database, _, rest @ ..] if [is_in, database] == ["in", "database"] => rest,
        rest => rest,
    };
    let (name, values) = match words {
        [reset, name] if reset == "reset" && name == "all" => (None, None),
        [reset, name @ ..] if reset == "reset" => (Some(name.concat()), None),
        [set, rest @ ..] if set == "set" => {
            let at = rest.iter().position(|word| word == "to" || word == "=")?;
            let (name, values) = rest.split_at(at);
            (Some(name.concat()), Some(list_of(&values[1..])?))
        }
        _ => return None,
    };
    // It is a default that takes the setting away.
    let values = values.filter(|values| values != "array['default']");
    let values = values.unwrap_or_else(|| "null::text[]".into());
    let role = format!("{}::regrole", literal(role));
    Some(call("set_for_role", [role, or_null(name.as_deref()), values]))
}

/// Whether a role inherits, and what it is a member of. Nobody logs in as one.
#[derive(Default)]
struct RoleOptions {
    inherits: Option<bool>,
    groups: Option<String>,
}

/// `[with] [login] [inherit] [password 'x'] [in role a, b] ...`; none where it asks for more.
fn role_options(words: &[String]) -> Option<RoleOptions> {
    let mut options = RoleOptions::default();
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        rest = match (word.as_str(), after) {
            (
                "with" | "login" | "nologin" | "encrypted" | "nosuperuser" | "nocreatedb"
                | "nocreaterole" | "noreplication" | "nobypassrls",
                after,
            ) => after,
            ("inherit", after) => {
                options.inherits = Some(true);
                after
            }
            ("noinherit", after) => {
                options.inherits = Some(false);
                after
            }
            ("password", [_, after @ ..]) => after,
            ("valid", [until, _, after @ ..]) if until == "until" => after,
            ("connection", [limit, _, after @ ..]) if limit == "limit" => after,
            ("in", [kind, names @ ..]) if kind == "role" || kind == "group" => {
                options.groups = Some(list_of(names)?);
                &[]
            }
            _ => return None,
        };
    }
    Some(options)
}

fn create_role(name: &str, words: &[String]) -> Option<String> {
    let options = role_options(words)?;
    let groups = options.groups.unwrap_or_else(|| "array[]::text[]".into());
    let inherits = flag(options.inherits.unwrap_or(true));
    Some(call("create_role", [literal(&unquoted(name)), inherits, groups]))
}

fn alter_role(name: &str, words: &[String]) -> Option<String> {
    let options = role_options(words).filter(|options| options.groups.is_none())?;
    let inherits = options.inherits.map_or("null".into(), flag);
    Some(call("alter_role", [literal(&unquoted(name)), inherits]))
}

/// `[local | session] session_replication_role = replica`
fn set_replication_role(words: &[String]) -> Option<String> {
    let words = match words.first()?.as_str() {
        "local" | "session" => &words[1..],
        _ => words,
    };
    let [name, is, value] = words else { return None };
    let value = unquoted(value);
    let is_it = name == "session_replication_role"
        && (is == "=" || is == "to")
        && ["origin", "replica", "local", "default"].contains(&value.as_str());
    let value = if value == "default" { "origin" } else { &value };
    is_it.then(|| call("set_replication_role", [literal(value)]))
}

/// Names or strings between commas, as an array.
fn list_of(words: &[String]) -> Option<String> {
    let names: Option<Vec<String>> = words.split(|word| word == ",").map(one_name).collect();
    names.map(|names| array(&names))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_closed() {
        for (sql, told) in [
            ("create publication p for all tables", "create_publication('p', null::text[], null)"),
            (
                "CREATE PUBLICATION p FOR TABLES IN SCHEMA a, \"B\" WITH (publish = 'insert')",
                "create_publication('p', array['a', 'B'], 'insert')",
            ),
            (
                "drop publication if exists p",
                "drop_objects('publication', array['p'], true, false)",
            ),
            (
                "/* x */ create event trigger e on ddl_command_end execute function a.\"F\"()",
                "create_event_trigger('e', 'ddl_command_end', null::text[], \
                 'a.\"F\"()'::regprocedure)",
            ),
            (
                "create event trigger e on sql_drop when TAG in ('DROP TABLE') execute procedure f()",
                "create_event_trigger('e', 'sql_drop', array['DROP TABLE'], 'f()'::regprocedure)",
            ),
            (
                "alter table only a.\"T\" owner to \"App\"",
                "set_owner('a.\"T\"'::regclass, '\"App\"'::regrole)",
            ),
            ("alter event trigger e disable", "switch_event_trigger('e', false)"),
            (
                "drop event trigger e cascade",
                "drop_objects('event trigger', array['e'], false, true)",
            ),
            ("comment on event trigger e is 'It''s'", "comment_on('event trigger', 'e', 'It''s')"),
            (
                "comment on extension \"uuid-ossp\" is null",
                "comment_on('extension', 'uuid-ossp', null)",
            ),
            (
                "create foreign data wrapper w handler a.h validator v",
                "create_foreign_data_wrapper('w', 'a.h'::regproc, 'v'::regproc)",
            ),
            (
                "alter role authenticator set pgrst.db_schemas = 'public, api'",
                "set_for_role('authenticator'::regrole, 'pgrst.db_schemas', array['public, api'])",
            ),
            (
                "alter user \"Some One\" set search_path to a, public",
                "set_for_role('\"Some One\"'::regrole, 'search_path', array['a', 'public'])",
            ),
            ("alter role a reset all", "set_for_role('a'::regrole, null, null::text[])"),
            (
                "alter role a in database d set x to default",
                "set_for_role('a'::regrole, 'x', null::text[])",
            ),
            ("set local session_replication_role = 'replica'", "set_replication_role('replica')"),
            (
                "create user \"A b\" with login password 'x' noinherit in role c, d",
                "create_role('A b', false, array['c', 'd'])",
            ),
            ("create role a", "create_role('a', true, array[]::text[])"),
            ("alter role a with nologin", "alter_role('a', null)"),
            ("drop role if exists a", "drop_role('a', true)"),
        ] {
            let call = elevation_of(sql).map(|elevation| elevation.call);
            assert_eq!(call, Some(format!("select leakproof.{told}")), "{sql}");
        }
        for sql in [
            "alter role postgres superuser",
            "alter role all set x = 1",
            "alter role a in database d",
            "alter role a rename to b",
            "create role a superuser",
            "create role a bypassrls",
            "alter table a add owner int, rename to b",
            "alter event trigger e enable always",
            "alter event trigger e enable replica",
            "alter event trigger e owner to anon",
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
            "set role postgres",
            "set session_replication_role = replica, x = 1",
            "",
        ] {
            assert_eq!(elevation_of(sql), None, "{sql}");
        }
    }
}
