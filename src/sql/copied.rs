//! The rows that stand in a file after a `copy ... from stdin`, as an insert: for a session that may not
//! copy into a table itself. Pure.

use crate::sql::quote::literal;
use crate::sql::statement::words;

/// The same rows as an insert; none for another form than that of `pg_dump`.
pub(crate) fn as_insert(statement: &str, rows: &str) -> Option<String> {
    let words: Vec<String> = words(statement).collect();
    let is_plain = words.ends_with(&["from".into(), "stdin".into()]);
    let lower = statement.to_ascii_lowercase();
    let (from, to) = (lower.find("copy")? + "copy".len(), lower.rfind("from")?);
    let target = statement.get(from..to).filter(|_| is_plain)?.trim();
    let rows: Option<Vec<String>> = rows.lines().map(row).collect();
    match rows?.join(", ") {
        none if none.is_empty() => Some("select".into()),
        rows => Some(format!("insert into {target} values {rows}")),
    }
}

/// `('a', null)`
fn row(line: &str) -> Option<String> {
    let fields: Option<Vec<String>> = line.split('\t').map(field).collect();
    Some(format!("({})", fields?.join(", ")))
}

/// What stands between two tabs, as a literal.
fn field(text: &str) -> Option<String> {
    if text == "\\N" {
        return Some("null".into());
    }
    let mut value = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next()? } else { ' ' }) {
            ('\\', 'b') => value.push('\u{8}'),
            ('\\', 'f') => value.push('\u{c}'),
            ('\\', 'n') => value.push('\n'),
            ('\\', 'r') => value.push('\r'),
            ('\\', 't') => value.push('\t'),
            ('\\', 'v') => value.push('\u{b}'),
            // Bytes by number may be of another encoding.
            ('\\', 'x' | '0'..='9') => return None,
            ('\\', other) => value.push(other),
            (other, _) => value.push(other),
        }
    }
    Some(literal(&value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_dump() {
        let insert = |rows| as_insert("COPY public.\"T\" (a, b) FROM stdin", rows);
        let of = |values: &str| Some(format!("insert into public.\"T\" (a, b) values {values}"));
        assert_eq!(insert("1\tit's\n2\t\\N\n"), of("('1', 'it''s'), ('2', null)"));
        assert_eq!(insert("a\\tb\\\\\t\n"), of("(E'a\tb\\\\', '')"));
        assert_eq!(insert(""), Some("select".into()));
        assert_eq!(insert("\\x41\t1"), None);
        assert_eq!(as_insert("copy t from stdin with (format csv)", "1"), None);
    }
}
