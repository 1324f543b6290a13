//! Which names stand in statements of a file that could change or remove rows that are there. Pure.
//!
//! It need not be complete: whoever relies on it finds out what was missed, and begins anew.

use std::collections::BTreeSet;

use crate::sql::statement::{deep_parts, split, words};

/// Statements that touch no row, by their first words.
const IDLE: &[&[&str]] = &[
    &["comment"],
    &["create", "index"],
    &["create", "unique"],
    &["create", "view"],
    &["create", "policy"],
    &["create", "trigger"],
    &["create", "function"],
    &["create", "or"],
    &["create", "type"],
    &["create", "schema"],
    &["alter", "policy"],
    &["alter", "function"],
    &["alter", "default"],
    &["grant"],
    &["revoke"],
    &["set"],
    &["reset"],
    &["lock"],
];

/// Others that leave the rows alone that are there.
const HARMLESS: &[&[&str]] = &[
    &["create", "table"],
    &["alter", "publication"],
    &["drop", "policy"],
    &["drop", "function"],
    &["drop", "trigger"],
    &["drop", "view"],
    &["notify"],
];

/// What an `alter table` or an `insert` has in it where it does more than add.
const REWRITING: &[&str] = &[
    "drop",
    "type",
    "using",
    "default",
    "generated",
    "set",
    "attach",
    "detach",
    "conflict",
    "with",
];

/// The names, and other words, in lower case and without quotes.
pub(crate) fn names_in_rewriting(file: &str) -> BTreeSet<String> {
    let risky = split(file).into_iter().filter(|statement| may_rewrite(statement.text));
    let parts: Vec<_> = risky.flat_map(|statement| deep_parts(statement.text)).collect();
    let words = parts.iter().flatten().map(|(word, _)| word.trim_matches('"').to_lowercase());
    words.collect()
}

fn may_rewrite(statement: &str) -> bool {
    let words: Vec<String> = words(statement).collect();
    if is_idle(&words) || begin_with_one(&words, HARMLESS) {
        return false;
    }
    let only_adds = begin_with_one(&words, &[&["alter", "table"], &["insert"]]);
    !only_adds || words.iter().any(|word| REWRITING.contains(&word.as_str()))
}

/// Whether a statement of these words touches no row.
pub(super) fn is_idle(words: &[String]) -> bool {
    begin_with_one(words, IDLE)
}

/// Whether words begin with those of one of the lists.
pub(super) fn begin_with_one(words: &[String], lists: &[&[&str]]) -> bool {
    let begin = |first: &&[&str]| {
        words.len() >= first.len() && first.iter().zip(words).all(|(first, word)| first == word)
    };
    lists.iter().any(begin)
}

/// The words of a file, and of what stands in strings of it, in lower case and without quotes.
pub(crate) struct Words(Vec<Vec<String>>);

impl Words {
    pub(crate) fn of(file: &str) -> Self {
        let word = |(word, _): &(&str, usize)| word.trim_matches('"').to_lowercase();
        Self(deep_parts(file).iter().map(|part| part.iter().map(word).collect()).collect())
    }

    /// Whether a name or another word is among them.
    pub(crate) fn has(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.0.iter().flatten().any(|word| *word == name)
    }

    /// Each of them once.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.0.iter().flatten().map(String::as_str).collect()
    }

    /// Whether one word stands right behind another.
    pub(crate) fn follow(&self, one: &str, two: &str) -> bool {
        self.0.iter().any(|part| part.windows(2).any(|words| words == [one, two]))
    }

    /// Whether the file may do to something of such a name what nobody may look at meanwhile.
    pub(crate) fn may_alter(&self, name: &str) -> bool {
        const ALTERING: [&str; 6] = ["alter", "drop", "truncate", "cluster", "refresh", "rule"];
        let name = name.to_lowercase();
        let is_altering = |word: &String| ALTERING.contains(&word.as_str());
        self.0.iter().any(|part| part.contains(&name) && part.iter().any(is_altering))
    }

    /// Whether the file may put another table in the place of one that is there.
    pub(crate) fn may_rebuild(&self) -> bool {
        self.follow("drop", "table") || self.follow("rename", "to") || self.follow("set", "schema")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_that_may_change_rows_that_are_there() {
        for (statement, may) in [
            ("update t set a = 1", true),
            ("do $$ begin delete from t; end $$", true),
            ("alter table t drop column a", true),
            ("alter table t alter a type text", true),
            ("alter table t rename to u", false),
            ("alter table t add constraint c check (a > 1)", false),
            ("alter table t add column a int", false),
            ("alter table t add column a int default f()", true),
            ("insert into t values (1)", false),
            ("insert into t values (1) on conflict do nothing", true),
            ("create unique index on t (a)", false),
            ("select f()", true),
            ("truncate t", true),
        ] {
            assert_eq!(
                names_in_rewriting(statement).contains("t")
                    || statement.contains("f()") && !names_in_rewriting(statement).is_empty(),
                may,
                "{statement}"
            );
        }
    }

    #[test]
    fn files_that_put_a_table_in_the_place_of_another() {
        let may_rebuild = |file| Words::of(file).may_rebuild();
        assert!(may_rebuild("drop table t; alter table u rename to t"));
        assert!(may_rebuild("do $$ begin execute 'x'; drop table t; end $$"));
        assert!(!may_rebuild("alter table t rename column a to b; drop view v"));
    }
}
