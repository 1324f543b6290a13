//! Which statement of a file writes into a table, where only one can. Pure.

use crate::sql::rewrites::{Words, begin_with_one, is_idle};
use crate::sql::statement::{Statement, line_of, split, words};

/// What writes no row either, by its first words.
const IDLE: &[&[&str]] =
    &[&["create", "procedure"], &["create", "sequence"], &["create", "extension"], &["drop"]];

/// The line of the one statement that may write into columns of a table, by its bare name; else of the one
/// that may write rows of it, or any rows.
pub(crate) fn line_that_writes(file: &str, table: &str, columns: &[String]) -> Option<usize> {
    let statements = split(file);
    let writers: Vec<(&Statement<'_>, Words)> = statements
        .iter()
        .filter(|statement| may_write(statement.text))
        .map(|statement| (statement, Words::of(statement.text)))
        .collect();
    let naming: Vec<_> = writers.iter().filter(|(_, words)| words.has(table)).collect();
    let has_column = |words: &Words| columns.iter().any(|column| words.has(column));
    let exact: Vec<_> = naming.iter().filter(|(_, words)| has_column(words)).copied().collect();
    let only = match (exact.as_slice(), naming.as_slice(), writers.as_slice()) {
        ([one], _, _) | ([], [one], _) => one.0,
        ([], [], [one]) => one.0,
        _ => return None,
    };
    Some(line_of(file, only.first_word))
}

fn may_write(statement: &str) -> bool {
    let words: Vec<String> = words(statement).collect();
    let has = |word: &str| words.iter().any(|one| one == word);
    if is_idle(&words) || begin_with_one(&words, IDLE) {
        return false;
    }
    match words.first().map(String::as_str) {
        Some("create") => has("as"),
        Some("alter") => {
            ["type", "using", "default", "generated", "identity", "serial", "bigserial"]
                .into_iter()
                .any(has)
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_statement_that_writes() {
        let line = |file, table, column: &str| line_that_writes(file, table, &[column.to_owned()]);
        let file = "create table u (id int);\ncreate index on t (a);\n\
            insert into u select id from t;\nupdate t set a = 1;\nupdate t set b = 1";
        for (table, column, expected) in
            [("u", "id", Some(3)), ("t", "a", Some(4)), ("t", "c", None), ("other", "c", None)]
        {
            assert_eq!(line(file, table, column), expected, "{table}.{column}");
        }
        let block = "select 1 from s;\ndo $$ begin update t set a = 1; end $$";
        assert_eq!(line(block, "t", "c"), Some(2));
        assert_eq!(line("alter table t\n alter a type date", "T", "a"), Some(1));
        assert_eq!(line("alter table t add a int;\nselect f()", "x", "a"), Some(2));
        assert_eq!(line("create table n as table t", "t", ""), Some(1));
    }
}
