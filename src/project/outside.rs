//! Files that no transaction holds: which they are, and what each of their statements is. Their statements
//! run one by one, and what has run stays.

use crate::error::{Error, Result};
use crate::project::files::SqlFile;
use crate::sql::quote::fold;
use crate::sql::statement::{line_of, placed_words, split, words};

/// The line of the Supabase CLI that asks for no transaction.
const WITHOUT_TRANSACTION: &str = "-- pg-delta: transaction=false";

/// How a file is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Whole or not at all.
    Transaction,
    /// Statement by statement.
    Statements,
}

/// Decides how a file is run: what its first line says, else by whether the server runs its statements in a
/// transaction.
///
/// # Errors
/// A file that has some of either kind, or an index without a name, which nobody would find again.
pub(crate) fn way_of(file: &SqlFile) -> Result<Way> {
    let raw = file.raw();
    let statements = split(raw);
    let first = statements.iter().find(|one| runs_outside(one.text));
    let is_asked = raw.lines().next().is_some_and(|line| line.trim_end() == WITHOUT_TRANSACTION);
    if first.is_none() && !is_asked {
        return Ok(Way::Transaction);
    }
    let at = |first_word: usize| {
        let line = line_of(raw, first_word);
        Error::new(format!("`{}` cannot be pushed: line {line}", file.path().display()))
    };
    let is_other = |text: &str| !runs_outside(text) && !is_for_session(text);
    if let Some(first) = first
        && !is_asked
        && statements.iter().any(|one| is_other(one.text))
    {
        return Err(at(first.first_word)
            .cause("it has to run outside a transaction, and other statements of the file inside one")
            .help(format!(
                "nothing was applied; move it into a file of its own, or begin the file with the line \
                 `{WITHOUT_TRANSACTION}`: then each statement stays as soon as it has run"
            )));
    }
    let is_nameless = |text: &str| matches!(kind_of(text), Kind::NamelessIndex);
    if let Some(nameless) = statements.iter().find(|one| is_nameless(one.text)) {
        return Err(at(nameless.first_word)
            .cause(
                "the index has no name, so that nobody would find it again if it is not finished",
            )
            .help("name it: `create index concurrently <name> on ...`"));
    }
    Ok(Way::Statements)
}

/// What a statement is that runs by itself.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// It is about the session, and is run again in the next one.
    Session,
    /// It runs in a transaction.
    Transaction,
    /// It builds an index.
    Index(NewIndex),
    /// The same without a name.
    NamelessIndex,
    /// It takes a partition out.
    Detach { table: String, partition: String },
    /// It builds indexes anew.
    Reindex { what: String, name: String },
    /// Any other that runs in no transaction.
    Outside,
}

/// An index to be built.
#[derive(Debug, PartialEq)]
pub(crate) struct NewIndex {
    /// Its name, folded.
    pub name: String,
    /// Its table as it is written.
    pub table: String,
    pub is_unique: bool,
    /// What follows the table.
    pub rest: String,
}

/// What a statement is.
pub(crate) fn kind_of(statement: &str) -> Kind {
    if is_for_session(statement) {
        return Kind::Session;
    }
    if !runs_outside(statement) {
        return Kind::Transaction;
    }
    let words: Vec<(&str, usize)> = placed_words(statement).collect();
    let reader = Reader { statement, words, at: 0 };
    reader.kind().unwrap_or(Kind::Outside)
}

/// Whether who waits for its locks keeps nobody waiting but who changes tables, too.
pub(crate) fn is_patient(statement: &str) -> bool {
    let words: Vec<String> = words(statement).collect();
    let has = |word: &str| words.iter().any(|one| one == word);
    has("concurrently") || words.first().is_some_and(|first| first == "vacuum") && !has("full")
}

fn is_for_session(statement: &str) -> bool {
    words(statement).next().is_some_and(|first| ["set", "reset"].contains(&first.as_str()))
}

/// Reads the words of a statement, one after the other.
struct Reader<'a> {
    statement: &'a str,
    words: Vec<(&'a str, usize)>,
    at: usize,
}

impl Reader<'_> {
    fn kind(mut self) -> Option<Kind> {
        if self.takes("create") {
            let is_unique = self.takes("unique");
            return (self.takes("index") && self.takes("concurrently"))
                .then(|| self.index(is_unique))?;
        }
        if self.takes("reindex") {
            self.skip_parentheses();
            let what = ["index", "table"].into_iter().find(|word| self.takes(word))?;
            self.takes("concurrently");
            return Some(Kind::Reindex { what: what.into(), name: self.name()? });
        }
        if self.takes("alter") && self.takes("table") {
            let _ = self.takes("if") && self.takes("exists");
            self.takes("only");
            let table = self.name()?;
            let is_detached = self.takes("detach") && self.takes("partition");
            let partition = self.name()?;
            return (is_detached && self.takes("concurrently"))
                .then_some(Kind::Detach { table, partition });
        }
        None
    }

    fn index(&mut self, is_unique: bool) -> Option<Kind> {
        let _ = self.takes("if") && self.takes("not") && self.takes("exists");
        if self.takes("on") {
            return Some(Kind::NamelessIndex);
        }
        let name = fold(self.next()?);
        if !self.takes("on") {
            return None;
        }
        self.takes("only");
        let table = self.name()?;
        let rest = self.statement[self.end()?..].to_owned();
        Some(Kind::Index(NewIndex { name, table, is_unique, rest }))
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(|(word, _)| *word)
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|one| one.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn next(&mut self) -> Option<&str> {
        self.at += 1;
        self.words.get(self.at - 1).map(|(word, _)| *word)
    }

    /// A name, with its schema if that stands there, as it is written.
    fn name(&mut self) -> Option<String> {
        let mut name = self.next()?.to_owned();
        while self.takes(".") {
            name = format!("{name}.{}", self.next()?);
        }
        Some(name)
    }

    fn skip_parentheses(&mut self) {
        if self.takes("(") {
            while self.next().is_some_and(|word| word != ")") {}
        }
    }

    /// Where the word ends that was read last.
    fn end(&self) -> Option<usize> {
        let (word, at) = self.words.get(self.at.checked_sub(1)?)?;
        Some(at + word.len())
    }
}

/// Whether a statement is one that the server runs in no transaction.
fn runs_outside(statement: &str) -> bool {
    let words: Vec<String> = words(statement).collect();
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let is_concurrent = || words.iter().any(|word| word == "concurrently");
    match word(0) {
        "vacuum" => true,
        "create" | "drop" if ["database", "tablespace", "subscription"].contains(&word(1)) => true,
        "create" | "drop" => {
            word(1) != "materialized" && words.iter().take(4).any(|one| one == "concurrently")
        }
        "alter" if word(1) == "system" => true,
        "alter" if word(1) == "database" => words.iter().any(|word| word == "tablespace"),
        // `detach partition ... concurrently`
        "alter" => word(1) == "table" && is_concurrent(),
        "reindex" => is_concurrent() || ["database", "system", "schema"].contains(&word(1)),
        "cluster" => words.len() == 1,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_no_transaction() {
        for sql in [
            "create index concurrently i on t (a)",
            "create unique index concurrently if not exists i on t (a)",
            "DROP INDEX CONCURRENTLY i",
            "reindex table concurrently t",
            "alter table t detach partition p concurrently",
            "vacuum full t",
            "create database d",
            "alter system set a = 1",
            "alter database d set tablespace t",
            "cluster",
        ] {
            assert!(runs_outside(sql), "{sql}");
        }
        for sql in [
            "create index i on t (a)",
            "refresh materialized view concurrently v",
            "alter table t add column concurrently_made boolean",
            "select 'create index concurrently'",
            "cluster t using i",
            "create view v as select 1",
        ] {
            assert!(!runs_outside(sql), "{sql}");
        }
    }

    #[test]
    fn what_statements_are() {
        let index = |name: &str, table: &str, is_unique, rest: &str| {
            let (name, table, rest) = (name.into(), table.into(), rest.into());
            Kind::Index(NewIndex { name, table, is_unique, rest })
        };
        let reindex =
            |what: &str, name: &str| Kind::Reindex { what: what.into(), name: name.into() };
        for (sql, kind) in [
            ("create index concurrently I on t (a)", index("i", "t", false, " (a)")),
            (
                "create unique index /* x */ concurrently if not exists \"I\" on only s.\"T\"(a)",
                index("I", "s.\"T\"", true, "(a)"),
            ),
            ("create index concurrently on t (a)", Kind::NamelessIndex),
            ("create index concurrently if not exists on t (a)", Kind::NamelessIndex),
            ("reindex (verbose) table concurrently s.t", reindex("table", "s.t")),
            ("reindex index concurrently i", reindex("index", "i")),
            ("reindex schema concurrently s", Kind::Outside),
            (
                "alter table s.t detach partition p concurrently",
                Kind::Detach { table: "s.t".into(), partition: "p".into() },
            ),
            ("drop index concurrently i", Kind::Outside),
            ("set lock_timeout = '1s'", Kind::Session),
            ("create index i on t (a)", Kind::Transaction),
        ] {
            assert_eq!(kind_of(sql), kind, "{sql}");
        }
        for (sql, is_it) in [
            ("vacuum t", true),
            ("vacuum full t", false),
            ("drop index concurrently i", true),
            ("alter system set a = 1", false),
        ] {
            assert_eq!(is_patient(sql), is_it, "{sql}");
        }
    }

    #[test]
    fn how_files_are_run() {
        let told = |sql: &str| match way_of(&SqlFile::for_test("V1__test.sql", 1, sql)) {
            Ok(way) => format!("{way:?}"),
            Err(error) => error.to_string(),
        };
        for (sql, way) in [
            ("select 1", "Transaction"),
            ("", "Transaction"),
            ("vacuum t", "Statements"),
            ("set lock_timeout = '9s'; create index concurrently i on t (a);", "Statements"),
            ("-- pg-delta: transaction=false\nselect 1", "Statements"),
            ("-- pg-delta: transaction=false\nselect 1; vacuum t", "Statements"),
            ("\n-- pg-delta: transaction=false\nselect 1", "Transaction"),
            ("set lock_timeout = '9s'", "Transaction"),
            ("select 1;\nvacuum t", "line 2\n  cause: it has to run outside a transaction"),
            ("create index concurrently on t (a)", "the index has no name"),
        ] {
            let said = told(sql);
            assert!(said.contains(way), "{sql}: {said}");
        }
    }
}
