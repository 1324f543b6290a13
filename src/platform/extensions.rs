//! Extensions that the server does not have, as stubs in SQL: what a migration makes with them is
//! there and can be called, and does nothing outside the database.
//!
//! A stub is made by the statement that would create the extension, in its transaction, on a server
//! of any kind: nothing is written into the server's own folders. One topic per file beside this one.

use crate::platform::call::{call, flag, or_null, read_drop, unquoted, words};
use crate::session::failed::Failed;
use crate::session::open::Session;
use crate::sql::quote::literal;
use crate::sql::statement;

const CREATE_STUB: &str = include_str!("stub.sql");

struct Stub {
    name: &'static str,
    version: &'static str,
    /// The schema it always lives in.
    schema: Option<&'static str>,
    /// The extension it needs.
    requires: Option<&'static str>,
    sql: &'static str,
}

const fn stub(name: &'static str, version: &'static str, sql: &'static str) -> Stub {
    Stub { name, version, schema: None, requires: None, sql }
}

const fn stub_in(
    schema: &'static str,
    name: &'static str,
    version: &'static str,
    sql: &'static str,
) -> Stub {
    Stub { name, version, schema: Some(schema), requires: None, sql }
}

/// All that can be stubbed. Those without SQL only advise or measure.
const STUBS: &[Stub] = &[
    stub("adminpack", "2.1", ""),
    stub("dblink", "1.2", include_str!("extensions/dblink.sql")),
    stub("file_fdw", "1.0", include_str!("extensions/file_fdw.sql")),
    stub("http", "1.6", include_str!("extensions/http.sql")),
    stub("hypopg", "1.4.1", ""),
    stub("index_advisor", "0.2.0", ""),
    stub("pg_cron", "1.6.4", include_str!("extensions/pg_cron.sql")),
    stub_in("graphql", "pg_graphql", "1.5.11", include_str!("extensions/pg_graphql.sql")),
    stub("pg_hashids", "1.3", include_str!("extensions/pg_hashids.sql")),
    stub("pg_jsonschema", "0.3.3", include_str!("extensions/pg_jsonschema.sql")),
    stub("pg_net", "0.14.0", include_str!("extensions/pg_net.sql")),
    stub("pg_prewarm", "1.2", ""),
    stub("pg_repack", "1.5.2", ""),
    stub("pg_stat_monitor", "2.1", ""),
    stub_in("pgtle", "pg_tle", "1.4.0", include_str!("extensions/pg_tle.sql")),
    stub("pgaudit", "1.7", ""),
    Stub {
        requires: Some("pgcrypto"),
        ..stub("pgjwt", "0.2.0", include_str!("extensions/pgjwt.sql"))
    },
    stub_in("pgmq", "pgmq", "1.4.4", include_str!("extensions/pgmq.sql")),
    stub_in("pgsodium", "pgsodium", "3.1.8", include_str!("extensions/pgsodium.sql")),
    stub("plpgsql_check", "2.7", ""),
    stub("postgres_fdw", "1.1", include_str!("extensions/postgres_fdw.sql")),
    stub("supabase-dbdev", "0.0.5", include_str!("extensions/supabase-dbdev.sql")),
    stub_in("vault", "supabase_vault", "0.3.1", include_str!("extensions/supabase_vault.sql")),
    stub("timescaledb", "2.16.1", include_str!("extensions/timescaledb.sql")),
    stub("vector", "0.8.0", ""),
    stub("wrappers", "0.5.0", include_str!("extensions/wrappers.sql")),
];

/// `vector` has three types that are alike.
fn vector_sql() -> String {
    let of_type = |sql: &str, names: &[&str]| -> String {
        names.iter().map(|name| sql.replace("@type@", name)).collect()
    };
    let all = ["vector", "halfvec", "sparsevec"];
    [
        include_str!("extensions/vector/methods.sql").to_owned(),
        of_type(include_str!("extensions/vector/type.sql"), &all),
        include_str!("extensions/vector/casts.sql").to_owned(),
        of_type(include_str!("extensions/vector/distances.sql"), &all),
        of_type(include_str!("extensions/vector/arithmetic.sql"), &all[..2]),
    ]
    .concat()
}

/// The names of all stubs.
fn known() -> String {
    STUBS.iter().map(|stub| stub.name).collect::<Vec<_>>().join(", ")
}

/// Whether it creates an extension.
pub(crate) fn is_creation(statement: &str) -> bool {
    statement::words(statement).take(2).eq(["create", "extension"])
}

/// What to do instead when an extension is neither on the server nor among the stubs.
pub(crate) fn help_for_unknown() -> String {
    format!(
        "install it on the server, or use one that has it (`--server docker` with an image of \
         yours); stubbed where the server lacks them are {}",
        known()
    )
}

/// The statements that write all stubs down in a scratch database, and make what creates one there.
pub(crate) fn stubs_sql(has_stubs: bool) -> String {
    if !has_stubs {
        return CREATE_STUB.into();
    }
    let rows = STUBS.iter().map(|stub| {
        let sql = if stub.name == "vector" { vector_sql() } else { stub.sql.to_owned() };
        let [name, version, sql] = [stub.name, stub.version, &sql].map(literal);
        let [place, required] = [stub.schema, stub.requires].map(or_null);
        format!("({name}, {version}, {place}, {required}, {sql})")
    });
    let rows = rows.collect::<Vec<_>>().join(",\n");
    format!("insert into leakproof.stubs values\n{rows};\n{CREATE_STUB}")
}

/// The statements that make the extensions which Supabase has from the start, so far as the server
/// lacks them.
pub(crate) fn preinstalled() -> String {
    let one = |name: &str| {
        let name = literal(name);
        format!(
            "select leakproof.create_stub({name}, null) where not exists (
                select from pg_catalog.pg_available_extensions where name = {name}
            );\n"
        )
    };
    ["supabase_vault", "pg_graphql"].map(one).concat()
}

/// A `create extension`, taken apart.
#[derive(Debug, Clone, PartialEq)]
struct Creation {
    name: String,
    if_not_exists: bool,
    schema: Option<String>,
    version: Option<String>,
    cascade: bool,
}

/// What is done about extensions in place of a statement of a migration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Instead {
    /// A call of what may make extensions.
    Call(String),
    /// The extension of that name is made of a stub by this call.
    Stub(String, String),
    /// Another version than the one asked for is made by this call.
    OtherVersion(String, String),
    /// Another statement, as the owner of the migrations.
    AsOwner(String),
    /// There is nothing to do.
    Nothing,
}

/// What to run instead of a statement; `None` for the statement as it is.
///
/// # Errors
/// A lost connection, or a transaction that has failed.
pub(crate) fn instead_of(
    session: &mut Session,
    statement: &str,
) -> Result<Option<Instead>, Failed> {
    let words = words(statement);
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match (word(0), word(1)) {
        ("create", "extension") => creation_of(session, statement),
        ("alter", "extension") if word(3) == "update" => {
            let name = unquoted(word(2));
            // Of a stub there is one version.
            if is_installed(session, &name)? && !is_available(session, &name)? {
                return Ok(Some(Instead::Nothing));
            }
            let version = words.get(5).map(|version| unquoted(version));
            let arguments = [literal(&name), or_null(version.as_deref())];
            Ok(Some(Instead::Call(call("update_extension", arguments))))
        }
        ("alter", "extension") if (word(3), word(4)) == ("set", "schema") => {
            let names = [word(2), word(5)].map(|name| literal(&unquoted(name)));
            Ok(Some(Instead::Call(call("move_extension", names))))
        }
        ("drop", "extension") => {
            Ok(read_drop(&words[2..]).map(|drop| Instead::Call(drop.call("extension"))))
        }
        ("create", "index") | ("create", "unique") => {
            let Some(plain) = without_index_options(statement) else { return Ok(None) };
            let is_stubbed = !is_available(session, "vector")?;
            Ok(is_stubbed.then_some(Instead::AsOwner(plain)))
        }
        _ => Ok(None),
    }
}

fn creation_of(session: &mut Session, statement: &str) -> Result<Option<Instead>, Failed> {
    // What cannot be read is the server's to refuse.
    let Some(creation) = read_creation(statement) else { return Ok(None) };
    let name = &creation.name;
    if is_installed(session, name)? {
        return Ok(creation.if_not_exists.then_some(Instead::Nothing));
    }
    if !is_available(session, name)? {
        let is_known = STUBS.iter().any(|stub| stub.name == name);
        if is_known || is_registered(session, name)? {
            let place = match &creation.schema {
                Some(schema) => literal(schema),
                None => "pg_catalog.current_schema()".into(),
            };
            let call = call("create_stub", [literal(name), place]);
            return Ok(Some(Instead::Stub(name.clone(), call)));
        }
        return Ok(Some(Instead::Call(creation.call())));
    }
    let Some(version) = &creation.version else { return Ok(Some(Instead::Call(creation.call()))) };
    let has_version = format!(
        "select 1 from pg_catalog.pg_available_extension_versions where name = {} and version = {}",
        literal(name),
        literal(version)
    );
    if !session.rows(&has_version)?.is_empty() {
        return Ok(Some(Instead::Call(creation.call())));
    }
    let other = Creation { version: None, ..creation.clone() };
    Ok(Some(Instead::OtherVersion(format!("{name} {version}"), other.call())))
}

impl Creation {
    /// The call that makes it, where extensions go that do not say where.
    fn call(&self) -> String {
        let arguments = [
            literal(&self.name),
            or_null(self.schema.as_deref()),
            or_null(self.version.as_deref()),
            flag(self.cascade),
            "pg_catalog.current_schema()".into(),
        ];
        call("create_extension", arguments)
    }
}

fn read_creation(statement: &str) -> Option<Creation> {
    let words = words(statement);
    let mut rest = words.get(2..)?;
    let if_not_exists = matches!(rest, [a, b, c, ..] if [a, b, c] == ["if", "not", "exists"]);
    if if_not_exists {
        rest = &rest[3..];
    }
    let (name, mut rest) = rest.split_first()?;
    let (mut schema, mut version, mut cascade) = (None, None, false);
    while let Some((word, after)) = rest.split_first() {
        rest = match (word.as_str(), after.split_first()) {
            ("schema", Some((name, after))) => {
                schema = Some(unquoted(name));
                after
            }
            ("version", Some((name, after))) => {
                version = Some(unquoted(name));
                after
            }
            ("cascade", _) => {
                cascade = true;
                after
            }
            ("with", _) => after,
            _ => return None,
        };
    }
    Some(Creation { name: unquoted(name), if_not_exists, schema, version, cascade })
}

/// The statement without `with (...)`, for an index of `hnsw` or `ivfflat`: the method behind the
/// stub does not know their options. What is left out is blank, so that places stay the same.
fn without_index_options(statement: &str) -> Option<String> {
    let lower = statement.to_ascii_lowercase();
    let words: Vec<String> = statement::words(statement).collect();
    let is_of_vectors = words
        .windows(2)
        .any(|two| two[0] == "using" && ["hnsw", "ivfflat"].contains(&unquoted(&two[1]).as_str()));
    if !is_of_vectors {
        return None;
    }
    // The options come after the columns: the last `with` that an open parenthesis follows.
    let from = lower.rmatch_indices("with").map(|(at, _)| at).find(|at| {
        let is_word = lower[..*at].ends_with(|c: char| c.is_whitespace() || c == ')');
        is_word && lower[at + 4..].trim_start().starts_with('(')
    })?;
    let to = from + lower[from..].find(')')? + 1;
    let blank: String =
        statement[from..to].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    Some(format!("{}{blank}{}", &statement[..from], &statement[to..]))
}

fn is_installed(session: &mut Session, name: &str) -> Result<bool, Failed> {
    is_found(session, &format!("pg_catalog.pg_extension where extname = {}", literal(name)))
}

/// Whether the server has it, and it may be made.
fn is_available(session: &mut Session, name: &str) -> Result<bool, Failed> {
    is_found(
        session,
        &format!(
            "pg_catalog.pg_available_extensions join leakproof.extensions using (name) where name = {}",
            literal(name)
        ),
    )
}

/// Whether a migration has installed it through the stub of `pg_tle` or of `supabase-dbdev`.
fn is_registered(session: &mut Session, name: &str) -> Result<bool, Failed> {
    for table in ["pgtle.installed", "dbdev.installed"] {
        let is_there =
            format!("(select 1) as one where pg_catalog.to_regclass('{table}') is not null");
        if is_found(session, &is_there)?
            && is_found(session, &format!("{table} where name = {}", literal(name)))?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_found(session: &mut Session, what: &str) -> Result<bool, Failed> {
    session.rows(&format!("select 1 from {what}")).map(|rows| !rows.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_creation_is_taken_apart() {
        let read = |sql: &str| read_creation(sql).map(|creation| creation.call());
        for (written, arguments) in [
            ("CREATE EXTENSION vector", "'vector', null, null, false"),
            (
                "/* x */ create extension if not exists \"uuid-ossp\" with schema \"extensions\"",
                "'uuid-ossp', 'extensions', null, false",
            ),
            ("create extension a version '1.4' cascade", "'a', null, '1.4', true"),
            ("create extension a with version \"1.4\" schema b", "'a', 'b', '1.4', false"),
        ] {
            let call = format!(
                "select leakproof.create_extension({arguments}, pg_catalog.current_schema())"
            );
            assert_eq!(read(written), Some(call));
        }
        assert_eq!(read("create extension a from unpackaged"), None);
    }

    #[test]
    fn options_of_vector_indexes_go() {
        for (written, told) in [
            (
                "create index on t using hnsw (v vector_l2_ops) with (m = 16)",
                Some("create index on t using hnsw (v vector_l2_ops)              "),
            ),
            (
                "CREATE INDEX i ON t USING ivfflat (v)\nWITH\n(lists = 1) where a",
                Some("CREATE INDEX i ON t USING ivfflat (v)\n    \n            where a"),
            ),
            ("create index i on t using hnsw (v)", None),
            ("create index i on t using gin (v) with (fastupdate = off)", None),
        ] {
            assert_eq!(without_index_options(written).as_deref(), told);
        }
    }
}
