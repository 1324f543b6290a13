//! What a file may not do: end or leave the transaction in which it is applied.

use crate::error::{Error, Result};
use crate::project::files::SqlFile;
use crate::sql::statement;

/// Refuses what would end or leave the file's transaction behind our back, in the text that is run of
/// it.
pub(crate) fn refuse_unguardable(file: &SqlFile, sql: &str) -> Result<()> {
    refuse_where(file, sql, |_| true)
}

/// As [`refuse_unguardable`], for a file that is in no transaction: what has to run outside one may.
pub(crate) fn refuse_unguardable_outside(file: &SqlFile, sql: &str) -> Result<()> {
    refuse_where(file, sql, |reason| reason != OUTSIDE)
}

fn refuse_where(
    file: &SqlFile,
    sql: &str,
    is_refused: impl Fn((&'static str, &'static str)) -> bool,
) -> Result<()> {
    for statement in statement::split(sql) {
        // Rows that stand in the file are sent as psql would; refinery cannot.
        if file.dialect().is_foreign() && statement.data.is_some() {
            continue;
        }
        let Some(reason) = unguardable(statement.text).filter(|one| is_refused(*one)) else {
            continue;
        };
        return Err(refused(file, statement::line_of(sql, statement.first_word), reason));
    }
    Ok(())
}

/// That a line of a file does what no file may.
fn refused(file: &SqlFile, line: usize, (why, help): (&str, &str)) -> Error {
    Error::new(format!("`{}` cannot be run: line {line}", file.path().display()))
        .cause(why)
        .help(help)
}

/// Why a statement would end or leave the transaction it runs in, and what to do instead.
pub(crate) fn unguardable(statement: &str) -> Option<(&'static str, &'static str)> {
    let words: Vec<String> = statement::words(statement).take(4).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    match word(0) {
        "begin" | "start" | "commit" | "end" | "rollback" | "abort" | "savepoint" | "release" => {
            Some(ONE_TRANSACTION)
        }
        "prepare" if word(1) == "transaction" => Some(ONE_TRANSACTION),
        "set" | "reset" if words.windows(2).any(|two| two == ["session", "authorization"]) => {
            Some(ANOTHER_SESSION)
        }
        "\\" => Some(("a psql command is not SQL", "write it as SQL, or remove it")),
        "copy" => {
            let words: Vec<String> = statement::words(statement).collect();
            if statement::reads_stdin(statement) {
                Some(("`copy from stdin` needs a client that sends rows", COPY_HELP))
            } else if words.windows(2).any(|two| two == ["to", "stdout"]) {
                Some(("`copy to stdout` needs a client that takes rows", "remove it"))
            } else {
                None
            }
        }
        "vacuum" | "reindex" | "cluster" if word(0) == "vacuum" || word(1) == "concurrently" => {
            Some(OUTSIDE)
        }
        "create" | "drop" if words.iter().any(|word| word == "concurrently") => Some(OUTSIDE),
        "alter" if word(1) == "system" => Some(OUTSIDE),
        _ => None,
    }
}

pub(crate) const ONE_TRANSACTION: (&str, &str) = (
    "each file is one transaction together with its history row",
    "remove transaction control from the file",
);

const ANOTHER_SESSION: (&str, &str) = (
    "it would leave the role that runs the migrations, which a real server refuses",
    "use `set local role`, which a member of the role may",
);

pub(crate) const COPY_HELP: &str = "write `insert` instead; `pg_dump --inserts` does";

pub(crate) const OUTSIDE: (&str, &str) = (
    "it cannot run inside a transaction",
    "move it into a file of its own: `leakproof push` runs that outside a transaction, and `leakproof check` its \
     plain form",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_transaction_is_refused() {
        let refused = |sql: &str| unguardable(sql).is_some();
        for sql in [
            "begin",
            "COMMIT",
            "/* x */ end",
            "\\d messages",
            "copy t from stdin",
            "copy public.t (a, b, c, d) from stdin",
            "copy t to stdout",
            "create index concurrently i on t (a)",
            "create unique index concurrently i on t (a)",
            "vacuum t",
            "reset session authorization",
            "set local session authorization alice",
        ] {
            assert!(refused(sql), "{sql} was let through");
        }
        for sql in
            ["create table t (a int)", "do $$ begin null; end $$", "copy t from '/a'", "set role a"]
        {
            assert!(!refused(sql), "{sql} was refused");
        }
    }
}
