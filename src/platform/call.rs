//! Calls of what is ours in a scratch database, in place of statements of a file. Pure.

use crate::sql::quote::literal;
use crate::sql::statement::raw_words;

/// A query that calls a function of ours.
pub(crate) fn call<const N: usize>(function: &str, arguments: [String; N]) -> String {
    format!("select leakproof.{function}({})", arguments.join(", "))
}

/// A text, or `null`.
pub(crate) fn or_null(value: Option<&str>) -> String {
    value.map_or("null".to_owned(), literal)
}

/// Names as an array.
pub(crate) fn array<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| literal(name)).collect();
    format!("array[{}]", names.join(", "))
}

/// Yes or no.
pub(crate) fn flag(value: bool) -> String {
    value.to_string()
}

/// The words of a statement, in lower case where they are not quoted.
pub(crate) fn words(statement: &str) -> Vec<String> {
    let word = |word: &str| match word.starts_with(['"', '\'', '$']) {
        true => word.to_owned(),
        false => word.to_ascii_lowercase(),
    };
    raw_words(statement).map(word).collect()
}

/// A name or a string without its quotes.
pub(crate) fn unquoted(word: &str) -> String {
    for quote in ["\"", "'"] {
        let inner = word.strip_prefix(quote).and_then(|word| word.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(&quote.repeat(2), quote);
        }
    }
    let dollar = word.strip_prefix('$').and_then(|rest| rest.split_once('$'));
    let inner = dollar.and_then(|(tag, rest)| rest.strip_suffix(&format!("${tag}$")));
    inner.unwrap_or(word).to_owned()
}

/// A `drop`, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Drop {
    pub names: Vec<String>,
    /// With `if exists`.
    pub is_lenient: bool,
    pub is_cascading: bool,
}

impl Drop {
    /// The call that drops things of a kind in its place.
    pub(crate) fn call(&self, kind: &str) -> String {
        let Self { names, is_lenient, is_cascading } = self;
        let [is_lenient, is_cascading] = [*is_lenient, *is_cascading].map(flag);
        call("drop_objects", [literal(kind), array(names), is_lenient, is_cascading])
    }
}

/// Reads what follows the kind of a `drop`: `[if exists] a, b [cascade | restrict]`.
pub(crate) fn read_drop(words: &[String]) -> Option<Drop> {
    let is_lenient = matches!(words, [a, b, ..] if [a, b] == ["if", "exists"]);
    let mut rest = if is_lenient { &words[2..] } else { words };
    let is_cascading = rest.last().is_some_and(|word| word == "cascade");
    if is_cascading || rest.last().is_some_and(|word| word == "restrict") {
        rest = &rest[..rest.len() - 1];
    }
    let names: Option<Vec<String>> = rest.split(|word| word == ",").map(one_name).collect();
    Some(Drop { names: names?, is_lenient, is_cascading })
}

/// A name that is not qualified.
pub(crate) fn one_name(words: &[String]) -> Option<String> {
    match words {
        [name] => Some(unquoted(name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_taken_apart() {
        let read = |sql: &str| read_drop(&words(sql)[2..]);
        for (sql, names, is_lenient, is_cascading) in [
            ("drop extension a", &["a"][..], false, false),
            ("drop extension if exists \"uuid-ossp\", B cascade", &["uuid-ossp", "b"], true, true),
            ("DROP EXTENSION a RESTRICT", &["a"], false, false),
        ] {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(read(sql), Some(Drop { names, is_lenient, is_cascading }), "{sql}");
        }
        for sql in ["drop extension", "drop extension a b", "drop extension a.b"] {
            assert_eq!(read(sql), None, "{sql}");
        }
    }
}
