//! What another tool's files may say that cannot run here: how it is left out, and told of.
//!
//! Own files are written for one transaction each and are refused if they leave it. The files of
//! other tools are somebody's finished work: on a throwaway database what concerns only how they are
//! run is blanked, so that every line stays where it is.

use std::ops::Range;

use crate::migrate::ENDS_TRANSACTION;
use crate::statement::{line_of, places_of, split, words};

/// For whom a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// For us and refinery: one transaction, nothing outside it.
    Guarded,
    /// For another tool or psql; what cannot run here is left out already.
    Foreign,
}

/// A kind of statement that is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    Transaction,
    TakenBack,
    Concurrently,
    Vacuum,
    System,
    Psql,
}

impl LeftOut {
    /// What was left out, and why.
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Transaction => {
                "`begin`, `commit` and their like are left out, since each file is one transaction"
            }
            Self::TakenBack => "what a file takes back with `rollback` is left out",
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

/// The text with what cannot run here blanked, and what that was, each with its line.
pub(super) fn adapt(file: &str) -> (String, Vec<(LeftOut, usize)>) {
    let mut left_out = Vec::new();
    let text = without_psql(file, &mut left_out);
    let mut ranges: Vec<(LeftOut, Range<usize>)> = Vec::new();
    let mut began_at = None;
    for statement in split(&text) {
        let whole = statement.first_word..statement.start + statement.text.len();
        let first: Vec<String> = words(statement.text).take(3).collect();
        let word = |at: usize| first.get(at).map_or("", String::as_str);
        match (word(0), word(1)) {
            ("rollback" | "abort", next)
                if next != "to" && word(2) != "to" && next != "prepared" =>
            {
                match std::mem::take(&mut began_at) {
                    Some(begin) => ranges.push((LeftOut::TakenBack, begin..whole.end)),
                    None => ranges.push((LeftOut::Transaction, whole)),
                }
            }
            ("begin" | "start", _) => {
                began_at = Some(whole.start);
                ranges.push((LeftOut::Transaction, whole));
            }
            (first, next) if ENDS_TRANSACTION.contains(&first) && next != "prepared" => {
                began_at = None;
                ranges.push((LeftOut::Transaction, whole));
            }
            ("vacuum", _) => ranges.push((LeftOut::Vacuum, whole)),
            ("alter", "system") => ranges.push((LeftOut::System, whole)),
            ("create" | "drop" | "reindex" | "alter", _) => {
                let place = concurrently(statement.text).map(|at| statement.start + at);
                ranges
                    .extend(place.map(|at| (LeftOut::Concurrently, at..at + "concurrently".len())));
            }
            _ => {}
        }
    }
    let mut adapted = text.clone();
    for (kind, range) in ranges {
        left_out.push((kind, line_of(&text, range.start)));
        blank(&mut adapted, range);
    }
    (adapted, left_out)
}

/// Overwrites a part with blanks; lines stay lines.
pub(super) fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String =
        text[range.clone()].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(range, &blanks);
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
            let (text, left_out) = adapt(file);
            assert_eq!(text.lines().count(), file.lines().count(), "{file}");
            let told: Vec<&str> = split(&text).iter().map(|statement| statement.text).collect();
            assert_eq!(told, applied, "{file}");
            let told: Vec<LeftOut> = left_out.into_iter().map(|(kind, _)| kind).collect();
            assert_eq!(told, kinds, "{file}");
        }
    }
}
