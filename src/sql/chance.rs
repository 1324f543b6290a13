//! Where a file writes what the clock or chance gives, as its statements say it: another run writes other
//! values. Pure. The bodies of functions, and defaults for rows to come, write nothing yet.

use std::collections::BTreeSet;

use crate::sql::statement::{deep_parts, line_of, split};

/// Functions that give something else each time.
const FUNCTIONS: &[&str] = &[
    "now",
    "clock_timestamp",
    "statement_timestamp",
    "transaction_timestamp",
    "timeofday",
    "random",
    "random_normal",
    "gen_random_uuid",
    "gen_random_bytes",
    "gen_salt",
    "uuid_generate_v1",
    "uuid_generate_v1mc",
    "uuid_generate_v4",
    "uuidv4",
    "uuidv7",
];

/// The same that are called without parentheses.
const KEYWORDS: &[&str] =
    &["current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"];

/// Schemas in which those functions are.
const SCHEMAS: &[&str] = &["pg_catalog", "public", "extensions"];

const WRITING: [&str; 4] = ["insert", "update", "delete", "merge"];

/// A value of the clock or of chance that a file writes, or by which it chooses rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChanceCall {
    /// As in `now()`.
    pub call: String,
    /// The column, with its table as it is written, where that can be told.
    pub into: Option<String>,
    pub line: usize,
}

/// The values of the clock and of chance that the statements of a file write, in order.
pub(crate) fn read_chance(file: &str) -> Vec<ChanceCall> {
    let mut made = BTreeSet::new();
    let mut calls = Vec::new();
    for statement in split(file) {
        let parts = deep_parts(statement.text);
        // A statement comes after the bodies in it.
        let Some((whole, bodies)) = parts.split_last() else { continue };
        let is_block = whole.first().is_some_and(|(word, _)| is(word, "do"));
        let parts = if is_block { bodies } else { std::slice::from_ref(whole) };
        for part in parts {
            let words = Words::of(part);
            for (at, into) in words.written(is_block, &mut made) {
                let line = line_of(file, statement.start + part[at].1);
                calls.push(ChanceCall { call: words.call(at), into, line });
            }
        }
    }
    calls
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// The words of a statement with their places.
struct Words<'a> {
    words: &'a [(&'a str, usize)],
    /// How many parentheses are open before each.
    depths: Vec<i64>,
}

impl<'a> Words<'a> {
    fn of(words: &'a [(&'a str, usize)]) -> Self {
        let mut depths = vec![0];
        let mut depth = 0;
        for (word, _) in words {
            match *word {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            depths.push(depth);
        }
        Self { words, depths }
    }

    fn is(&self, at: usize, keyword: &str) -> bool {
        self.words.get(at).is_some_and(|(word, _)| is(word, keyword))
    }

    fn is_any(&self, at: usize, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(at, keyword))
    }

    fn find(&self, from: usize, keyword: &str) -> Option<usize> {
        (from..self.words.len()).find(|at| self.is(*at, keyword))
    }

    /// Whether something of the clock or of chance is called here.
    fn is_call(&self, at: usize) -> bool {
        let is_own = !self.is(at.wrapping_sub(1), ".")
            || self.is_any(at.wrapping_sub(2), SCHEMAS) && !self.is(at.wrapping_sub(3), ".");
        is_own
            && !self.is(at.wrapping_sub(1), "as")
            && (self.is_any(at, FUNCTIONS) && self.is(at + 1, "(") || self.is_any(at, KEYWORDS))
    }

    fn call(&self, at: usize) -> String {
        let name = self.words[at].0.to_ascii_lowercase();
        if self.is(at + 1, "(") { format!("{name}()") } else { name }
    }

    /// The calls whose value is written, each with the column; `made` are tables that the file makes.
    fn written(&self, is_block: bool, made: &mut BTreeSet<String>) -> Vec<(usize, Option<String>)> {
        let first = match is_block {
            // `if ... then update ...`
            true => (0..self.words.len()).find(|at| self.is_any(*at, &WRITING)),
            false => Some(0),
        };
        let Some(first) = first else { return Vec::new() };
        if self.is(first, "alter") && self.is(first + 1, "table") {
            return self.altered(made);
        }
        if self.is(first, "create") {
            return self.created(made).into_iter().map(|at| (at, None)).collect();
        }
        let is_writing = self.is_any(first, &WRITING)
            || self.is(first, "with") && (0..self.words.len()).any(|at| self.is_any(at, &WRITING));
        if !is_writing {
            return Vec::new();
        }
        let calls = (first..self.words.len()).filter(|at| self.is_call(*at));
        calls.map(|at| (at, self.column(first, at))).collect()
    }

    /// The calls of a query that a new table holds.
    fn created(&self, made: &mut BTreeSet<String>) -> Vec<usize> {
        let Some(table) = self.find(0, "table").filter(|at| *at <= 2) else { return Vec::new() };
        made.extend(self.name(self.after_words(table + 1, &["if", "not", "exists"])));
        let is_kept = !self.is_any(1, &["temp", "temporary"]);
        let query = self.top_level(table, "as").filter(|_| is_kept);
        let from = query.unwrap_or(self.words.len());
        (from..self.words.len()).filter(|at| self.is_call(*at)).collect()
    }

    /// A table's name that begins here, as it is written.
    fn name(&self, at: usize) -> Option<String> {
        let mut name = self.words.get(at)?.0.to_owned();
        if self.is(at + 1, ".") {
            name = format!("{name}.{}", self.words.get(at + 2)?.0);
        }
        Some(name.replace('"', ""))
    }

    /// Where what follows these words begins.
    fn after_words(&self, mut at: usize, skipped: &[&str]) -> usize {
        while self.is_any(at, skipped) {
            at += 1;
        }
        at
    }

    /// How much deeper in parentheses a word is than another.
    fn depth(&self, from: usize, at: usize) -> i64 {
        self.depths[at] - self.depths[from]
    }

    fn top_level(&self, from: usize, keyword: &str) -> Option<usize> {
        (from..self.words.len()).find(|at| self.is(*at, keyword) && self.depth(from, *at) == 0)
    }

    /// Defaults of new columns, which rows get that are there, and conversions.
    fn altered(&self, made: &BTreeSet<String>) -> Vec<(usize, Option<String>)> {
        let at = self.after_words(2, &["if", "exists", "only"]);
        let Some(table) = self.name(at).filter(|table| !made.contains(table)) else {
            return Vec::new();
        };
        let first = at + if self.is(at + 1, ".") { 3 } else { 1 };
        let is_comma = |at: &usize| self.is(*at, ",") && self.depth(first, *at) == 0;
        let ends = (first..self.words.len()).filter(is_comma).chain([self.words.len()]);
        let (mut written, mut begin) = (Vec::new(), first);
        for end in ends {
            let from = match (self.is(begin, "add"), self.is(begin, "alter")) {
                (true, _) => self.find(begin, "default"),
                (_, true) => self.find(begin, "using"),
                _ => None,
            };
            let name = self.after_words(begin + 1, &["column", "if", "not", "exists"]);
            let calls = (from.unwrap_or(end)..end).filter(|at| self.is_call(*at));
            written.extend(calls.map(|at| {
                let column = self.words[name].0.replace('"', "");
                (at, Some(format!("{table}.{column}")))
            }));
            begin = end + 1;
        }
        written
    }

    /// The column into which a statement that begins at `first` writes what is at `at`.
    fn column(&self, first: usize, at: usize) -> Option<String> {
        let name = self.after_words(first + 1, &["into", "only"]);
        let table = self.name(name)?;
        let column = match self.words[first].0.to_ascii_lowercase().as_str() {
            "update" => self.assigned(at),
            "insert" if self.find(name, "conflict").is_some_and(|c| c < at) => self.assigned(at),
            "insert" => self.listed(name, at),
            _ => None,
        }?;
        Some(format!("{table}.{}", column.replace('"', "")))
    }

    /// `set a = ..., b = <here>`
    fn assigned(&self, at: usize) -> Option<String> {
        let set = (0..at).rev().find(|before| self.is(*before, "set"))?;
        // What comes after a WHERE or FROM is not assigned.
        let is_past =
            |keyword| (set..at).any(|past| self.is(past, keyword) && self.depth(set, past) == 0);
        if is_past("where") || is_past("from") {
            return None;
        }
        let begins = (set..at)
            .rev()
            .find(|past| *past == set || self.is(*past, ",") && self.depth(set, *past) == 0)?;
        let is_plain = self.is(begins + 2, "=");
        is_plain.then(|| self.words[begins + 1].0.to_owned())
    }

    /// The column of the list after the table in whose place this is.
    fn listed(&self, name: usize, at: usize) -> Option<String> {
        let open = name + if self.is(name + 1, ".") { 3 } else { 1 };
        let close = self.find(open, ")").filter(|_| self.is(open, "("))?;
        let columns: Vec<&str> = self.words[open + 1..close]
            .iter()
            .map(|(word, _)| *word)
            .filter(|w| *w != ",")
            .collect();
        let begin = self.after_words(close + 1, &["overriding", "system", "user", "value"]);
        let place = match () {
            () if self.is(begin, "values") => {
                let row = (begin..at)
                    .rev()
                    .find(|open| self.is(*open, "(") && self.depth(begin, *open) == 0)?;
                self.commas(row + 1, at)
            }
            () if self.is(begin, "select") => self.target(begin, at)?,
            () => return None,
        };
        columns.get(place).map(|column| (*column).to_owned())
    }

    /// In the place of which target of a query this is; none if it is no target.
    fn target(&self, select: usize, at: usize) -> Option<usize> {
        let is_past = self.top_level(select, "from").is_some_and(|from| from < at);
        (!is_past).then(|| self.commas(select + 1, at))
    }

    fn commas(&self, from: usize, at: usize) -> usize {
        (from..at).filter(|past| self.is(*past, ",") && self.depth(from, *past) == 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &str) -> Vec<String> {
        let told = read_chance(file).into_iter().map(|ChanceCall { call, into, line }| {
            format!("{line} {call} {}", into.unwrap_or_default()).trim_end().to_owned()
        });
        told.collect()
    }

    #[test]
    fn what_is_written_is_told_with_its_column() {
        for (file, expected) in [
            ("update t\nset a = 1, b = now()", "2 now() t.b"),
            (
                "UPDATE public.\"T\" SET a = coalesce(b, CURRENT_TIMESTAMP)",
                "1 current_timestamp public.T.a",
            ),
            ("update t set a = 1 where b < now()", "1 now()"),
            (
                "insert into t (a, b) values (1, f(2, 3)), (4, gen_random_uuid())",
                "1 gen_random_uuid() t.b",
            ),
            (
                "insert into s.t (a, b) select x, extensions.uuid_generate_v4() from u",
                "1 uuid_generate_v4() s.t.b",
            ),
            ("insert into t select random() from u", "1 random()"),
            ("insert into t (a) select a from u where b > now()", "1 now()"),
            ("insert into t (a) values (1) on conflict (a) do update set b = now()", "1 now() t.b"),
            ("with x as (select 1) insert into t (a) select now()", "1 now()"),
            ("delete from t where at < now() - interval '1 day'", "1 now()"),
            ("create table u as select now() as at", "1 now()"),
            (
                "alter table t add column if not exists at timestamptz not null default now()",
                "1 now() t.at",
            ),
            (
                "alter table only s.t add a int, add \"B\" uuid default gen_random_uuid()",
                "1 gen_random_uuid() s.t.B",
            ),
            (
                "alter table t alter column a type date using coalesce(a, current_date)",
                "1 current_date t.a",
            ),
            ("do $$ begin\nif x then update t set a = now(); end if; end $$", "2 now() t.a"),
        ] {
            assert_eq!(told(file), [expected], "{file}");
        }
    }

    #[test]
    fn what_writes_nothing_yet_is_quiet() {
        for file in [
            "create table t (at timestamptz default now()); alter table t add id uuid default gen_random_uuid()",
            "alter table t alter column at set default now()",
            "create function f() returns trigger language plpgsql as $$ begin new.at := now(); \
             update t set a = now(); end $$",
            "-- update t set a = now()\nupdate t set a = 'now()', b = \"now\", c = my.now(), d = t.random",
            "select now()",
            "create policy p on t using (at < now())",
            "create view v as select now()",
            "create temp table x as select now()",
            "do $$ begin raise notice '%', now(); end $$",
            "update t set a = b as_now",
        ] {
            assert_eq!(told(file), [""; 0], "{file}");
        }
    }
}
