//! What a rollback file says is going: read from its statements, for a plan. What it does in truth is found when
//! it runs. Pure.

use crate::sql::statement::{raw_words, split, words};

/// What a statement takes away, by names as they are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Going {
    Table(String),
    Column {
        table: String,
        column: String,
    },
    /// Rows of a table, be it all of them.
    Rows(String),
    /// What cannot be told: by CASCADE, in a block, a function or a schema.
    Unknown(String),
}

/// What the statements of a file take away, in their order.
pub(crate) fn going(file: &str) -> Vec<Going> {
    split(file).iter().flat_map(|statement| of_statement(statement.text)).collect()
}

fn of_statement(text: &str) -> Vec<Going> {
    let all: Vec<&str> = raw_words(text).collect();
    let lower: Vec<String> = words(text).collect();
    let is = |at: usize, word: &str| lower.get(at).is_some_and(|one| one == word);
    let brief = || lower.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
    let mut found = match lower.first().map(String::as_str) {
        Some("drop") if is(1, "table") => {
            let from = if is(2, "if") { 4 } else { 2 };
            names(&all[from.min(all.len())..]).into_iter().map(Going::Table).collect()
        }
        Some("truncate") => {
            let from = 1 + usize::from(is(1, "table"));
            let from = from + usize::from(is(from, "only"));
            names(&all[from.min(all.len())..]).into_iter().map(Going::Rows).collect()
        }
        Some("delete") => {
            let from = 2 + usize::from(is(2, "only"));
            names(&all[from.min(all.len())..]).into_iter().take(1).map(Going::Rows).collect()
        }
        Some("alter") if is(1, "table") => of_alter(&all[2..]),
        Some("drop") if is(1, "schema") => vec![Going::Unknown(brief())],
        Some("do" | "call" | "update" | "with" | "select" | "merge") => {
            vec![Going::Unknown(lower.first().cloned().unwrap_or_default())]
        }
        _ => Vec::new(),
    };
    if lower.iter().any(|word| word == "cascade") && found.iter().all(|one| !is_unknown(one)) {
        found.push(Going::Unknown(format!("{} ... cascade", brief())));
    }
    found
}

fn is_unknown(going: &Going) -> bool {
    matches!(going, Going::Unknown(_))
}

/// The columns that the actions of an `alter table` drop.
fn of_alter(words: &[&str]) -> Vec<Going> {
    let is =
        |at: usize, word: &str| words.get(at).is_some_and(|one| one.eq_ignore_ascii_case(word));
    let mut at = if is(0, "if") { 2 } else { 0 };
    at += usize::from(is(at, "only"));
    let Some(table) = names(&words[at.min(words.len())..]).into_iter().next() else {
        return Vec::new();
    };
    at += 1 + 2 * table.matches('.').count();
    let mut found = Vec::new();
    let (mut depth, mut is_begin) = (0_usize, true);
    while at < words.len() {
        if is_begin && is(at, "drop") && !is(at + 1, "constraint") {
            let mut name = at + 1 + usize::from(is(at + 1, "column"));
            name += if is(name, "if") { 2 } else { 0 };
            if let Some(column) = words.get(name) {
                let (table, column) = (table.clone(), (*column).to_owned());
                found.push(Going::Column { table, column });
            }
        }
        match words[at] {
            "(" => depth += 1,
            ")" => depth = depth.saturating_sub(1),
            _ => {}
        }
        is_begin = words[at] == "," && depth == 0;
        at += 1;
    }
    found
}

/// The names at the beginning, between commas, each with its schema if that stands there.
fn names(words: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while let Some(first) = words.get(at) {
        let mut name = (*first).to_owned();
        at += 1;
        while words.get(at) == Some(&".") {
            name = format!("{name}.{}", words.get(at + 1).copied().unwrap_or_default());
            at += 2;
        }
        names.push(name);
        // `t *`
        at += usize::from(words.get(at) == Some(&"*"));
        if words.get(at) != Some(&",") {
            break;
        }
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_named() {
        let column = |table: &str, column: &str| Going::Column {
            table: table.into(),
            column: column.into(),
        };
        let (table, rows) =
            (|name: &str| Going::Table(name.into()), |name: &str| Going::Rows(name.into()));
        let unknown = |what: &str| Going::Unknown(what.into());
        for (sql, expected) in [
            ("drop table a, public.\"B\"", vec![table("a"), table("public.\"B\"")]),
            (
                "drop table if exists a cascade",
                vec![table("a"), unknown("drop table if ... cascade")],
            ),
            (
                "alter table only s.t drop column a, drop if exists b, alter c drop not null, \
                 drop constraint d, add column e numeric(1, 2)",
                vec![column("s.t", "a"), column("s.t", "b")],
            ),
            ("alter table t alter column c drop default", vec![]),
            ("delete from only s.t where a", vec![rows("s.t")]),
            ("truncate table only a, b", vec![rows("a"), rows("b")]),
            ("drop schema s cascade", vec![unknown("drop schema s")]),
            ("do $$ begin end $$; drop index i", vec![unknown("do")]),
            ("drop function f()", vec![]),
        ] {
            assert_eq!(going(sql), expected, "{sql}");
        }
    }
}
