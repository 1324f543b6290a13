//! The statements of a dump by what they do: which bring rows, and to which table. Pure.

use std::ops::Range;

use crate::sql::statement::{is_string, placed_words};

/// What a statement of a dump does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Dumped {
    /// Rows follow it.
    Copy(Target, Range<usize>),
    /// It has so many rows in it, and so many values in the first.
    Insert(Target, usize, usize),
    /// It says which number comes next; with the name of the sequence, as it would be written in SQL.
    Number(String),
    /// It fills a materialized view.
    Refresh(String),
    /// It sets something for the session of who restores.
    Setting(String),
    /// It brings a large object.
    LargeObject,
    /// It begins, ends, or switches triggers off and on.
    Control,
    /// Anything else, by its first words.
    Other(String),
}

/// The table that rows are for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As it is written, with its schema.
    pub name: String,
    /// Where the name stands in the statement.
    pub place: Range<usize>,
    /// The columns, without quotes; none where all are meant.
    pub columns: Vec<String>,
}

/// The first words of what creates, alters or drops things of two words.
const OF_TWO_WORDS: [&str; 4] = ["materialized", "foreign", "event", "default"];

/// Tells what a statement does.
pub(crate) fn read_dumped(statement: &str) -> Dumped {
    let words: Vec<(&str, usize)> = placed_words(statement).collect();
    let word = |at: usize| words.get(at).map_or(String::new(), |(word, _)| word.to_lowercase());
    match (word(0).as_str(), word(1).as_str()) {
        ("copy", _) => read_copy(statement, &words).unwrap_or_else(|| other(&word)),
        ("insert", "into") => match read_target(statement, &words, 2) {
            Some((target, next)) => {
                let (rows, values) = rows_of(&words[next..]);
                Dumped::Insert(target, rows, values)
            }
            None => other(&word),
        },
        ("select", "pg_catalog") if word(2) == "." => match word(3).as_str() {
            "setval" if is_string(&word(5)) => Dumped::Number(unquoted(words[5].0, '\'')),
            "set_config" => Dumped::Setting(String::new()),
            function if function.starts_with("lo_") || function == "lowrite" => Dumped::LargeObject,
            _ => other(&word),
        },
        ("refresh", "materialized") => match read_name(statement, &words, 3) {
            Some((place, _)) => Dumped::Refresh(statement[place].to_owned()),
            None => other(&word),
        },
        ("set" | "reset", _) => {
            let said: Vec<String> = (1..words.len()).map(word).collect();
            Dumped::Setting(said.join(" "))
        }
        ("begin" | "commit" | "start" | "lock", _) => Dumped::Control,
        ("alter", "table") if (2..words.len()).any(|at| is_switch(&word(at), &word(at + 1))) => {
            Dumped::Control
        }
        _ => other(&word),
    }
}

fn is_switch(word: &str, next: &str) -> bool {
    ["disable", "enable"].contains(&word) && next == "trigger"
}

fn other(word: &impl Fn(usize) -> String) -> Dumped {
    let mut said = vec![word(0)];
    if ["create", "alter", "drop", "comment"].contains(&said[0].as_str()) {
        let mut at = 1;
        // What matters is the thing, and not how it is made.
        while ["or", "replace", "unique", "unlogged", "on"].contains(&word(at).as_str()) {
            at += 1;
        }
        said.push(word(at));
        if OF_TWO_WORDS.contains(&word(at).as_str()) {
            said.push(word(at + 1));
        }
    }
    Dumped::Other(said.join(" "))
}

fn read_copy(statement: &str, words: &[(&str, usize)]) -> Option<Dumped> {
    let (target, next) = read_target(statement, words, 1)?;
    let [(from, at), (stdin, _), ..] = words[next..] else { return None };
    let is_it = from.eq_ignore_ascii_case("from") && stdin.eq_ignore_ascii_case("stdin");
    is_it.then_some(Dumped::Copy(target, at..statement.len()))
}

/// A table and its columns, from the word of a place on; and which word comes after them.
fn read_target(statement: &str, words: &[(&str, usize)], at: usize) -> Option<(Target, usize)> {
    let (place, mut next) = read_name(statement, words, at)?;
    let mut columns = Vec::new();
    if words.get(next).is_some_and(|(word, _)| *word == "(") {
        next += 1;
        loop {
            let (word, _) = words.get(next)?;
            next += 1;
            match *word {
                ")" => break,
                "," => {}
                name => columns.push(unquoted(name, '"')),
            }
        }
    }
    let name = statement[place.clone()].to_owned();
    Some((Target { name, place, columns }, next))
}

/// `a.b`, from the word of a place on; and which word comes after it.
fn read_name(statement: &str, words: &[(&str, usize)], at: usize) -> Option<(Range<usize>, usize)> {
    let (first, start) = *words.get(at)?;
    let (mut end, mut next) = (start + first.len(), at + 1);
    while let [(".", _), (part, place), ..] = words.get(next..)? {
        (end, next) = (place + part.len(), next + 2);
    }
    let is_name =
        |text: &str| text.starts_with(|c: char| c == '"' || c == '_' || c.is_alphabetic());
    is_name(&statement[start..end]).then_some((start..end, next))
}

/// How many rows an insert has, what is in parentheses after `values`, and how many values the first.
fn rows_of(words: &[(&str, usize)]) -> (usize, usize) {
    let is_values = |(word, _): &&(&str, usize)| !word.eq_ignore_ascii_case("values");
    let (mut depth, mut rows, mut values) = (0_usize, 0, 1);
    for (word, _) in words.iter().skip_while(is_values) {
        match *word {
            "(" => {
                rows += usize::from(depth == 0);
                depth += 1;
            }
            ")" => depth = depth.saturating_sub(1),
            "," => values += usize::from(depth == 1 && rows == 1),
            _ => {}
        }
    }
    (rows, values)
}

/// A name or a string without its quotes.
fn unquoted(word: &str, quote: char) -> String {
    match word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote)) {
        Some(inner) => inner.replace(&format!("{quote}{quote}"), &quote.to_string()),
        None => word.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(statement: &str) -> String {
        let shown = |Target { name, columns, .. }: Target| match columns.is_empty() {
            true => name,
            false => format!("{name} ({})", columns.join("|")),
        };
        match read_dumped(statement) {
            Dumped::Copy(target, rest) => format!("copy {}: {}", shown(target), &statement[rest]),
            Dumped::Insert(target, rows, values) => {
                format!("insert {}: {rows} of {values}", shown(target))
            }
            Dumped::Number(name) => format!("number {name}"),
            Dumped::Refresh(name) => format!("refresh {name}"),
            Dumped::Setting(said) => format!("set {said}"),
            Dumped::LargeObject => "large object".into(),
            Dumped::Control => "control".into(),
            Dumped::Other(said) => said,
        }
    }

    #[test]
    fn statements_by_what_they_do() {
        for (statement, expected) in [
            (
                "COPY public.notes (id, \"Odd, name\") FROM stdin",
                "copy public.notes (id|Odd, name): FROM stdin",
            ),
            ("COPY \"a.b\".\"c\"\"d\" FROM stdin", "copy \"a.b\".\"c\"\"d\": FROM stdin"),
            ("COPY public.t TO stdout", "copy"),
            ("INSERT INTO public.t VALUES (1, f(2, 3)), (3, '(')", "insert public.t: 2 of 2"),
            (
                "INSERT INTO public.t (a) OVERRIDING SYSTEM VALUE VALUES (1)",
                "insert public.t (a): 1 of 1",
            ),
            (
                "SELECT pg_catalog.setval('public.\"T_id_seq\"', 3, true)",
                "number public.\"T_id_seq\"",
            ),
            ("SELECT pg_catalog.set_config('search_path', '', false)", "set "),
            ("SELECT pg_catalog.lowrite(0, '\\x00')", "large object"),
            ("SELECT 1", "select"),
            ("SET client_encoding = 'UTF8'", "set client_encoding = 'utf8'"),
            ("REFRESH MATERIALIZED VIEW public.mv", "refresh public.mv"),
            ("ALTER TABLE public.t DISABLE TRIGGER ALL", "control"),
            ("ALTER TABLE ONLY public.t ADD CONSTRAINT a CHECK (true)", "alter table"),
            ("CREATE OR REPLACE FUNCTION f() RETURNS int", "create function"),
            ("CREATE UNIQUE INDEX a ON t (b)", "create index"),
            ("COMMENT ON TABLE t IS 'insert into t values (1)'", "comment table"),
            ("UPDATE t SET a = 1", "update"),
        ] {
            assert_eq!(told(statement), expected, "{statement}");
        }
    }
}
