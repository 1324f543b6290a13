//! What another tool's files may say that cannot run here: how it is left out, and told of.
//!
//! Own files are written for one transaction each and are refused if they leave it. The files of
//! other tools are somebody's finished work: on a throwaway database what concerns only how they are
//! run is blanked, so that every line stays where it is.

use std::ops::Range;

use crate::sql::quote::literal;
use crate::sql::statement::{Statement, line_of, places_of, split, words};

/// The first words of statements that end a transaction and keep what it did.
pub(crate) const ENDS_TRANSACTION: [&str; 2] = ["commit", "end"];

/// How a file is written, and which part of it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// For us and refinery: one transaction, nothing outside it.
    Guarded,
    /// For another tool or psql.
    Foreign,
    /// The section up of a file that holds both ways.
    Up,
    /// Its section down.
    Down,
    /// For Drizzle, whose statements end at a mark of its own.
    Drizzle,
    /// A file of data for psql, up to where the rows of the world begin.
    Data,
    /// The rows of the world in a file of data.
    RowsOfWorld,
}

impl Dialect {
    /// Whether a file of it was written for another tool.
    pub(crate) fn is_foreign(self) -> bool {
        self != Self::Guarded
    }
}

/// A kind of statement that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    Transaction,
    TakenBack,
    NewValue,
    Concurrently,
    Vacuum,
    System,
    Psql,
}

impl LeftOut {
    /// What was left out, and why.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Transaction => {
                "`begin`, `commit` and their like are left out, since each file is one transaction"
            }
            Self::TakenBack => "what a file takes back with `rollback` is left out",
            Self::NewValue => {
                "a new value of an enum that is committed on the way is added ahead of the file"
            }
            Self::Concurrently => {
                "`concurrently` is left out, since each file is one transaction and the plain form \
                 does the same"
            }
            Self::Vacuum => "`vacuum` is left out, since it cannot run inside a transaction",
            Self::System => "`alter system` is left out, since it would change the server",
            Self::Psql => "psql commands that are no SQL are left out",
        }
    }
}

/// A text as it can run here.
#[derive(Debug, Default)]
pub(crate) struct Adapted {
    pub sql: String,
    /// Statements to run before it, each in a transaction of its own; one that fails is in the text
    /// as well.
    pub ahead: Vec<String>,
    /// What was left out, each with its line.
    pub left_out: Vec<(LeftOut, usize)>,
}

/// Blanks what cannot run here.
pub(crate) fn leave_out(file: &str) -> Adapted {
    let mut left_out = Vec::new();
    let text = without_psql(file, &mut left_out);
    let mut ranges: Vec<(LeftOut, Range<usize>)> = Vec::new();
    let mut began_at = None;
    let mut new_values = Vec::new();
    // What is set until a transaction ends that is left out.
    let mut set_locally: Vec<String> = Vec::new();
    let mut inserted: Vec<(usize, String)> = Vec::new();
    let (mut committed, mut usable) = (0, 0);
    for statement in split(&text) {
        let whole = statement.first_word..statement.start + statement.text.len();
        let first: Vec<String> = words(statement.text).take(3).collect();
        let word = |at: usize| first.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            ("rollback" | "abort", next)
                if next != "to" && word(2) != "to" && next != "prepared" =>
            {
                set_locally.clear();
                match std::mem::take(&mut began_at) {
                    Some(begin) => {
                        new_values.retain(|statement: &Statement<'_>| statement.start < begin);
                        ranges.push((LeftOut::TakenBack, begin..whole.end));
                    }
                    None => ranges.push((LeftOut::Transaction, whole)),
                }
            }
            ("begin" | "start", _) => {
                began_at = Some(whole.start);
                set_locally.clear();
                ranges.push((LeftOut::Transaction, whole));
            }
            (first, next) if ENDS_TRANSACTION.contains(&first) && next != "prepared" => {
                let begin = began_at.take().filter(|_| !set_locally.is_empty());
                inserted.extend(begin.map(|at| (at, saved(&set_locally))));
                inserted.extend(begin.map(|_| (whole.start, restored(&set_locally))));
                set_locally.clear();
                committed = new_values.len();
                ranges.push((LeftOut::Transaction, whole));
            }
            ("vacuum", _) => ranges.push((LeftOut::Vacuum, whole)),
            ("alter", "type") if adds_value(statement.text) => new_values.push(statement),
            ("alter", "system") => ranges.push((LeftOut::System, whole)),
            ("create" | "drop" | "reindex" | "alter", _) => {
                let place = concurrently(statement.text).map(|at| statement.start + at);
                ranges
                    .extend(place.map(|at| (LeftOut::Concurrently, at..at + "concurrently".len())));
            }
            ("set", "local") if !word(2).is_empty() => set_locally.push(word(2).to_owned()),
            _ => set_locally.extend(set_by_call(statement.text)),
        }
        if !is_control(word(0)) {
            usable = committed;
        }
    }
    // Nobody can use a value before the transaction that made it has ended.
    new_values.truncate(usable);
    let mut sql = text.clone();
    for (kind, range) in ranges {
        left_out.push((kind, line_of(&text, range.start)));
        blank(&mut sql, range);
    }
    for statement in new_values.iter().rev() {
        left_out.push((LeftOut::NewValue, line_of(&text, statement.first_word)));
        if let Some(at) = unconditional_value(statement.text) {
            inserted.push((statement.start + at, " if not exists".into()));
        }
    }
    inserted.sort();
    for (at, more) in inserted.iter().rev() {
        sql.insert_str(*at, more);
    }
    let ahead = new_values.iter().map(|statement| statement.text.to_owned()).collect();
    Adapted { sql, ahead, left_out }
}

/// The settings that a statement sets by a call until the transaction ends, as far as it names them.
fn set_by_call(statement: &str) -> Vec<String> {
    const CALL: &str = "set_config";
    let called = places_of(statement, CALL).into_iter().filter_map(|at| {
        let arguments = statement[at + CALL.len()..].trim_start().strip_prefix('(')?;
        let (name, rest) = arguments.trim_start().strip_prefix('\'')?.split_once('\'')?;
        let end = rest.find(';').unwrap_or(rest.len());
        let is_local = words(&rest[..end]).any(|word| word == "true");
        (is_local && !name.is_empty()).then(|| name.to_ascii_lowercase())
    });
    called.collect()
}

/// Keeps what settings are, for [`restored`].
fn saved(names: &[String]) -> String {
    each_set(names, |name| (kept_as(name), literal(name)))
}

/// Sets settings to what they were.
fn restored(names: &[String]) -> String {
    each_set(names, |name| (literal(name), kept_as(name)))
}

fn each_set(names: &[String], sides: impl Fn(&str) -> (String, String)) -> String {
    let set = names.iter().map(|name| {
        let (to, from) = sides(name);
        format!(
            "pg_catalog.set_config({to}, \
             coalesce(pg_catalog.current_setting({from}, true), ''), true)"
        )
    });
    format!("select {} ", set.collect::<Vec<_>>().join(", "))
}

/// The name of a setting that keeps the value of another.
fn kept_as(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    literal(&format!("leakproof.kept_{}", name.chars().map(plain).collect::<String>()))
}

/// Overwrites a part with blanks; lines stay lines.
pub(crate) fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String =
        text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(range, &blanks);
}

/// Whether the word begins a statement that begins or ends a transaction.
fn is_control(word: &str) -> bool {
    ["begin", "start", "rollback", "abort"].contains(&word) || ENDS_TRANSACTION.contains(&word)
}

fn adds_value(statement: &str) -> bool {
    let all: Vec<String> = words(statement).collect();
    all.windows(2).any(|two| two == ["add", "value"])
}

/// Where `value` ends in an `add value` without `if not exists`.
fn unconditional_value(statement: &str) -> Option<usize> {
    let at = places_of(statement, "value").into_iter().next_back()? + "value".len();
    let next = words(&statement[at..]).next();
    next.is_none_or(|next| next != "if").then_some(at)
}

/// Where `concurrently` stands as a word of the command, not as somebody's name.
fn concurrently(statement: &str) -> Option<usize> {
    let all: Vec<String> = words(statement).collect();
    let at = all.iter().position(|word| word == "concurrently")?;
    let before = at.checked_sub(1).map(|before| all[before].as_str())?;
    let is_command = match all[0].as_str() {
        "create" | "drop" => before == "index" && at <= 3,
        "reindex" => at == 2,
        _ => at + 1 == all.len() && all.iter().any(|word| word == "detach"),
    };
    is_command.then(|| places_of(statement, "concurrently").first().copied()).flatten()
}

/// Blanks psql's commands, each to the end of its line. Those that read files stay, and are refused.
fn without_psql(file: &str, left_out: &mut Vec<(LeftOut, usize)>) -> String {
    let mut text = file.to_owned();
    while let Some(at) = next_psql(&text) {
        let line = text[at..].lines().next().unwrap_or_default().len();
        left_out.push((LeftOut::Psql, line_of(&text, at)));
        let ends_statement = text[at..].starts_with("\\g");
        blank(&mut text, at..at + line);
        if ends_statement {
            text.replace_range(at..at + 1, ";");
        }
    }
    text
}

fn next_psql(text: &str) -> Option<usize> {
    // Most files have none, and need not be split for it.
    if !text.contains('\\') {
        return None;
    }
    for statement in split(text) {
        for at in places_of(statement.text, "\\") {
            let command = &statement.text[at + 1..];
            let reads =
                ["copy", "i ", "ir ", "include"].iter().any(|word| command.starts_with(word));
            if !reads {
                return Some(statement.start + at);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_and_what_stays() {
        use LeftOut::{Concurrently, Psql, System, TakenBack, Transaction, Vacuum};
        for (file, applied, kinds) in [
            ("begin;\nselect 1;\ncommit;", ["select 1"].as_slice(), [Transaction; 2].as_slice()),
            ("start transaction; select 1; end", &["select 1"], &[Transaction; 2]),
            ("begin; select 1; rollback; select 2", &["select 2"], &[Transaction, TakenBack]),
            ("rollback; select 2", &["select 2"], &[Transaction]),
            ("rollback to savepoint a", &["rollback to savepoint a"], &[]),
            (
                "create unique index concurrently i on t (a)",
                &["create unique index              i on t (a)"],
                &[Concurrently],
            ),
            ("drop index concurrently i", &["drop index              i"], &[Concurrently]),
            (
                "alter table t detach partition p concurrently",
                &["alter table t detach partition p"],
                &[Concurrently],
            ),
            ("create table concurrently (a int)", &["create table concurrently (a int)"], &[]),
            ("vacuum analyze t; select 1", &["select 1"], &[Vacuum]),
            ("alter system set a = 1;", &[], &[System]),
            ("\\restrict it's\nselect 1;\n\\unrestrict x", &["select 1"], &[Psql, Psql]),
            ("select 1 \\gexec\nselect 2", &["select 1", "select 2"], &[Psql]),
            ("\\copy t from 'a.csv'", &["\\copy t from 'a.csv'"], &[]),
            (
                "select E'\\\\', '\\'; do $$ begin null; end $$",
                &["select E'\\\\', '\\'", "do $$ begin null; end $$"],
                &[],
            ),
        ] {
            let Adapted { sql: text, left_out, .. } = leave_out(file);
            assert_eq!(text.lines().count(), file.lines().count(), "{file}");
            let told: Vec<&str> = split(&text).iter().map(|statement| statement.text).collect();
            assert_eq!(told, applied, "{file}");
            let told: Vec<LeftOut> = left_out.into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(told, kinds, "{file}");
        }
    }

    #[test]
    fn what_is_set_until_a_commit_ends_where_it_was() {
        for set in ["set local role app", "select set_config('role', 'app', true)"] {
            let file = format!("begin;\n{set};\nend;\nselect 1;");
            let sql = leave_out(&file).sql;
            let lines: Vec<&str> = sql.lines().collect();
            let call = |to: &str, from: &str| {
                format!(
                    "select pg_catalog.set_config({to}, \
                     coalesce(pg_catalog.current_setting({from}, true), ''), true)"
                )
            };
            let (kept, role) = ("'leakproof.kept_role'", "'role'");
            assert!(lines[0].starts_with(&call(kept, role)), "{sql}");
            assert!(lines[2].starts_with(&call(role, kept)), "{sql}");
        }
        for file in [
            "begin;\nset role app;\nend;",
            "set local role app; select set_config('a.b', 'c', true);",
            "begin; select set_config('a.b', 'c', false); commit;",
        ] {
            assert!(!leave_out(file).sql.contains("leakproof.kept"), "{file}");
        }
    }

    #[test]
    fn values_that_are_committed_on_the_way() {
        let file = "begin;\nalter type t\nadd value 'a'; end; select 'a'::t; \
                    alter type t add value 'b';";
        let Adapted { sql, ahead, left_out } = leave_out(file);
        assert_eq!(ahead, ["alter type t\nadd value 'a'"]);
        assert!(sql.contains("alter type t\nadd value if not exists 'a';"), "{sql}");
        assert!(sql.ends_with("alter type t add value 'b';"), "{sql}");
        assert!(left_out.contains(&(LeftOut::NewValue, 2)), "{left_out:?}");
        let ahead = |file| leave_out(file).ahead.len();
        assert_eq!(ahead("alter type t add value 'a';"), 0);
        assert_eq!(ahead("begin; alter type t add value 'a'; end;"), 0);
        assert_eq!(ahead("alter type t add value if not exists 'a'; end; select 1"), 1);
    }
}
