//! SQL as text: the statements of a file, and quoting. Pure; parses no further than it must.

pub(crate) use postgres_protocol::escape::escape_identifier;
use squawk_lexer::TokenKind;

/// One statement of a file, comments in front of it included, without its semicolon.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Statement<'a> {
    /// The text.
    pub text: &'a str,
    /// Where it begins in the file, in bytes.
    pub start: usize,
    /// Where its first word begins in the file, in bytes.
    pub first_word: usize,
    /// The lines between a `copy ... from stdin` and its `\.`, as `pg_dump` writes them.
    pub data: Option<&'a str>,
}

/// Splits a file at the semicolons that end statements; parts that hold only comments are dropped.
///
/// A semicolon inside a string, a quoted name, a comment, parentheses or `begin atomic ... end`
/// ends nothing. The rows that follow a `copy ... from stdin` belong to it.
pub(crate) fn split(file: &str) -> Vec<Statement<'_>> {
    let mut statements = Vec::new();
    let mut from = 0;
    while let Some(after_data) = split_from(file, from, &mut statements) {
        from = after_data;
    }
    for statement in &mut statements {
        let part = &file[statement.start..];
        statement.start += part.len() - part.trim_start().len();
    }
    statements
}

/// Splits what comes after `from`, up to the end or to the first rows; gives where those end.
fn split_from<'a>(
    file: &'a str,
    from: usize,
    statements: &mut Vec<Statement<'a>>,
) -> Option<usize> {
    let mut start = from;
    let mut first_word = None;
    let mut parens = 0_usize;
    let mut atomic = AtomicBody::default();
    for (token, text, at) in tokens(&file[from..]).map(|(token, text, at)| (token, text, from + at))
    {
        match token {
            TokenKind::Semi if parens == 0 && !atomic.is_open() => {
                if let Some(first_word) = first_word.take() {
                    let rows = rows_of_copy(file, &file[first_word..at], at + 1);
                    let (data, after_data) = rows.unzip();
                    let text = file[start..at].trim();
                    statements.push(Statement { text, start, first_word, data });
                    if after_data.is_some() {
                        return after_data;
                    }
                }
                start = at + 1;
                continue;
            }
            TokenKind::OpenParen => parens += 1,
            TokenKind::CloseParen => parens = parens.saturating_sub(1),
            TokenKind::Ident => atomic.see(text),
            _ => {}
        }
        if !is_blank(token) {
            first_word.get_or_insert(at);
        }
    }
    if let Some(first_word) = first_word {
        let text = file[start..].trim();
        statements.push(Statement { text, start, first_word, data: None });
    }
    None
}

/// The rows after a `copy ... from stdin` that ends at `end`, and where what follows them begins.
fn rows_of_copy<'a>(file: &'a str, statement: &str, end: usize) -> Option<(&'a str, usize)> {
    if !reads_stdin(statement) {
        return None;
    }
    let (rest_of_line, _) = file[end..].split_once('\n')?;
    let begin = end + rest_of_line.len() + 1;
    let mut at = begin;
    for line in file[begin..].split_inclusive('\n') {
        if line.trim_end() == "\\." {
            return rest_of_line.trim().is_empty().then_some((&file[begin..at], at + line.len()));
        }
        at += line.len();
    }
    None
}

/// Whether it is a `copy ... from stdin`.
pub(crate) fn reads_stdin(statement: &str) -> bool {
    let mut words = words(statement);
    words.next().is_some_and(|first| first == "copy") && {
        let words: Vec<String> = words.collect();
        words.windows(2).any(|two| two == ["from", "stdin"])
    }
}

/// The words and marks of a statement in lower case, without comments and white space.
pub(crate) fn words(statement: &str) -> impl Iterator<Item = String> + '_ {
    raw_words(statement).map(str::to_ascii_lowercase)
}

/// As [`words`], as they are written.
pub(crate) fn raw_words(statement: &str) -> impl Iterator<Item = &str> {
    tokens(statement).filter(|(token, _, _)| !is_blank(*token)).map(|(_, text, _)| text)
}

/// As [`raw_words`], each with its place in bytes.
pub(crate) fn placed_words(statement: &str) -> impl Iterator<Item = (&str, usize)> {
    tokens(statement).filter(|(token, _, _)| !is_blank(*token)).map(|(_, text, at)| (text, at))
}

/// The line, counted from 1, of a byte offset.
pub(crate) fn line_of(file: &str, offset: usize) -> usize {
    1 + file.as_bytes()[..offset.min(file.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// Whether a statement adds a column of that name with NOT NULL and without a value for rows that are
/// there.
pub(crate) fn adds_without_value(statement: &str, column: &str) -> bool {
    let mut depth = 0;
    // What stands between commas is about one column.
    let mut parts: Vec<Vec<&str>> = vec![Vec::new()];
    for word in raw_words(statement) {
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            "," if depth == 0 => parts.push(Vec::new()),
            _ => {}
        }
        parts.last_mut().into_iter().for_each(|part| part.push(word));
    }
    let is_named =
        |word: &&str| word.to_ascii_lowercase() == column || *word == escape_identifier(column);
    parts.iter().any(|part| {
        let at = |keyword: &str| part.iter().position(|word| word.eq_ignore_ascii_case(keyword));
        let not_null = part
            .windows(2)
            .any(|two| two[0].eq_ignore_ascii_case("not") && two[1].eq_ignore_ascii_case("null"));
        let has_value = at("default").is_some() || at("generated").is_some();
        at("add").is_some() && part.iter().any(is_named) && not_null && !has_value
    })
}

/// Whether a text has a name in it, as a whole word or as several; in a string it counts, too.
pub(crate) fn has_name(text: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Where the words of a statement that are this one begin, in bytes; strings, quoted names and
/// comments are not looked into.
pub(crate) fn places_of(statement: &str, word: &str) -> Vec<usize> {
    let found = tokens(statement).filter(|(token, _, _)| !is_blank(*token));
    found.filter(|(_, text, _)| text.eq_ignore_ascii_case(word)).map(|(_, _, at)| at).collect()
}

/// The words of a file with their places in bytes, in parts that semicolons end: those of its statements,
/// and those of each body in dollars, which stands in its statement as one word, too.
pub(crate) fn deep_parts(file: &str) -> Vec<Vec<(&str, usize)>> {
    let mut parts = Vec::new();
    for statement in split(file) {
        add_parts(statement.text, statement.start, &mut parts);
    }
    parts
}

fn add_parts<'a>(text: &'a str, start: usize, parts: &mut Vec<Vec<(&'a str, usize)>>) {
    let mut part = Vec::new();
    for (token, word, at) in tokens(text).filter(|(token, _, _)| !is_blank(*token)) {
        if token == TokenKind::Semi {
            parts.push(std::mem::take(&mut part));
            continue;
        }
        part.push((word, start + at));
        if let Some((body, inside)) = in_dollars(word) {
            add_parts(body, start + at + inside, parts);
        }
    }
    parts.push(part);
}

/// What is between `$tag$` and `$tag$`, and where it begins.
fn in_dollars(word: &str) -> Option<(&str, usize)> {
    let tag = word.strip_prefix('$')?.find('$')? + 2;
    let body = word.get(tag..word.len().checked_sub(tag)?)?;
    Some((body, tag))
}

/// Whether a word is a string, however it is quoted.
pub(crate) fn is_string(word: &str) -> bool {
    let is_dollars = word.starts_with('$') && !word[1..].starts_with(|c: char| c.is_ascii_digit());
    is_dollars || word.ends_with('\'')
}

fn tokens(text: &str) -> impl Iterator<Item = (TokenKind, &str, usize)> {
    let mut at = 0;
    squawk_lexer::tokenize(text).take_while(|token| token.kind != TokenKind::Eof).map(
        move |token| {
            let start = at;
            at += token.len as usize;
            (token.kind, &text[start..at], start)
        },
    )
}

fn is_blank(token: TokenKind) -> bool {
    matches!(token, TokenKind::Whitespace | TokenKind::LineComment | TokenKind::BlockComment { .. })
}

/// Follows `begin atomic ... end` through the `case ... end` inside it.
#[derive(Default)]
pub(crate) struct AtomicBody {
    after_begin: bool,
    depth: usize,
}

impl AtomicBody {
    pub(crate) fn is_open(&self) -> bool {
        self.depth > 0
    }

    pub(crate) fn see(&mut self, word: &str) {
        let is = |other: &str| word.eq_ignore_ascii_case(other);
        let opens = if self.is_open() { is("case") } else { self.after_begin && is("atomic") };
        if opens {
            self.depth += 1;
        } else if self.is_open() && is("end") {
            self.depth -= 1;
        }
        self.after_begin = is("begin");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::quote::identifier;
    use crate::sql::quote::literal;

    fn texts(file: &str) -> Vec<&str> {
        split(file).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_column_without_a_value_is_told_from_others() {
        let adds = |statement| adds_without_value(statement, "kind");
        assert!(adds("alter table t add column kind text not null"));
        assert!(adds("ALTER TABLE t ADD COLUMN IF NOT EXISTS Kind text NOT NULL"));
        assert!(adds("alter table t add a int default 1, add \"kind\" text not null"));
        assert!(adds("alter table t add kind numeric(4, 2) /* 1 */ not null"));
        assert!(!adds("alter table t add column kind text not null default 'x'"));
        assert!(!adds("alter table t add column kind text, alter column other set not null"));
        assert!(!adds("alter table t add column kind int generated always as (1) stored not null"));
        assert!(!adds("alter table t add column other text not null, add column kind text"));
        assert!(!adds("alter table t alter column kind set not null"));
    }

    #[test]
    fn semicolons_that_end_nothing() {
        for whole in [
            "select ';'",
            "select \";\"",
            "select 1 -- ; not here\n, 2",
            "select 1 /* ; /* ; */ ; */, 2",
            "create function f() returns int language sql as $$ select 1; $$",
            "create function f() returns int language sql as $a$ select '$$'; $a$",
            "create rule r as on insert to t do also (select 1; select 2)",
            "create function f(a int) returns int begin atomic select 1; \
             select case when a > 1 then 2 else 3 end; end",
            "select E'\\';'",
        ] {
            assert_eq!(texts(whole), [whole]);
        }
    }

    #[test]
    fn statements_and_their_places() {
        let file = "-- first\nselect 1;\n\n;\n/* second */ select 2;\n-- the end";
        assert_eq!(texts(file), ["-- first\nselect 1", "/* second */ select 2"]);
        let lines: Vec<_> = split(file).iter().map(|s| line_of(file, s.first_word)).collect();
        assert_eq!(lines, [2, 5]);
        assert!(split("-- nothing\n").is_empty());
    }

    #[test]
    fn rows_of_a_copy_are_no_statements() {
        let file = "copy t (a) from stdin;\n1; it's\n\\.\n\nselect 1;\ncopy t to stdout;\n\\.\n";
        let all = split(file);
        assert_eq!(all[0].text, "copy t (a) from stdin");
        assert_eq!(all[0].data, Some("1; it's\n"));
        assert_eq!((all[1].text, all[1].data), ("select 1", None));
        assert_eq!(line_of(file, all[1].first_word), 5);
        assert_eq!(all[2].data, None);
        assert_eq!(split("copy t from stdin;\n\\.")[0].data, Some(""));
        assert_eq!(split("copy t from stdin;\n1\n")[0].data, None);
    }

    #[test]
    fn quoting() {
        assert_eq!(identifier("plain_1"), "plain_1");
        assert_eq!(identifier("Order"), "\"Order\"");
        assert_eq!(identifier("user"), "\"user\"");
        assert_eq!(identifier("a\"; drop table x"), "\"a\"\"; drop table x\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\b"), "E'a\\\\b'");
    }
}
