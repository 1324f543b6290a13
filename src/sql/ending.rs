//! Where a statement ends, for a text that comes line by line and need not be in memory. Pure.

use crate::sql::statement::AtomicBody;

/// How far a statement has been read.
#[derive(Default)]
pub(crate) struct Ending {
    state: State,
    parens: usize,
    atomic: AtomicBody,
    has_begun: bool,
}

#[derive(Default, PartialEq)]
enum State {
    #[default]
    Code,
    /// In a string; whether a backslash takes the letter after it along.
    Text {
        has_escapes: bool,
    },
    Name,
    /// In a string between two of these.
    Dollars(String),
    /// In a comment, so many of them deep.
    Comment(usize),
}

impl Ending {
    /// Whether there is more than comments and blanks so far.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Whether a comment or a string is open.
    pub(crate) fn is_inside(&self) -> bool {
        self.state != State::Code
    }

    /// Reads whole lines on; gives the place after the semicolon that ends the statement.
    pub(crate) fn see(&mut self, lines: &str) -> Option<usize> {
        let bytes = lines.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            at = match &self.state {
                State::Code => match self.see_code(lines, at) {
                    Step::To(next) => next,
                    Step::End(end) => return Some(end),
                },
                State::Text { has_escapes } => match bytes[at] {
                    b'\\' if *has_escapes => at + 2,
                    // Twice is one.
                    b'\'' if bytes.get(at + 1) == Some(&b'\'') => at + 2,
                    b'\'' => self.leave(at + 1),
                    _ => at + 1,
                },
                State::Name => match bytes[at] {
                    b'"' => self.leave(at + 1),
                    _ => at + 1,
                },
                State::Dollars(tag) => match lines[at..].find(tag.as_str()) {
                    Some(found) => self.leave(at + found + tag.len()),
                    None => bytes.len(),
                },
                State::Comment(depth) => match &bytes[at..] {
                    [b'*', b'/', ..] if *depth == 1 => self.leave(at + 2),
                    [b'*', b'/', ..] => self.enter(State::Comment(depth - 1), at + 2),
                    [b'/', b'*', ..] => self.enter(State::Comment(depth + 1), at + 2),
                    // No letter is cut in two.
                    _ => next_letter(lines, at),
                },
            };
        }
        None
    }

    fn leave(&mut self, at: usize) -> usize {
        self.enter(State::Code, at)
    }

    fn enter(&mut self, state: State, at: usize) -> usize {
        self.state = state;
        at
    }

    fn see_code(&mut self, lines: &str, at: usize) -> Step {
        let bytes = lines.as_bytes();
        let end_of_line = || lines[at..].find('\n').map_or(lines.len(), |end| at + end);
        match &bytes[at..] {
            [b'-', b'-', ..] => return Step::To(end_of_line()),
            [b'/', b'*', ..] => return Step::To(self.enter(State::Comment(1), at + 2)),
            [letter, ..] if letter.is_ascii_whitespace() => return Step::To(at + 1),
            _ => self.has_begun = true,
        }
        Step::To(match bytes[at] {
            b';' if self.parens == 0 && !self.atomic.is_open() => return Step::End(at + 1),
            b'\'' => self.enter(State::Text { has_escapes: false }, at + 1),
            b'"' => self.enter(State::Name, at + 1),
            b'$' => match dollars(&lines[at..]) {
                Some(tag) => {
                    let next = at + tag.len();
                    self.enter(State::Dollars(tag.to_owned()), next)
                }
                None => at + 1,
            },
            b'(' => {
                self.parens += 1;
                at + 1
            }
            b')' => {
                self.parens = self.parens.saturating_sub(1);
                at + 1
            }
            letter if is_of_word(letter) => {
                let length = bytes[at..].iter().take_while(|b| is_of_word(**b) || **b == b'$');
                let end = at + length.count();
                self.atomic.see(&lines[at..end]);
                match (lines[at..end].eq_ignore_ascii_case("e"), bytes.get(end)) {
                    (true, Some(b'\'')) => self.enter(State::Text { has_escapes: true }, end + 1),
                    _ => end,
                }
            }
            _ => at + 1,
        })
    }
}

enum Step {
    To(usize),
    End(usize),
}

fn is_of_word(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || letter == b'_' || !letter.is_ascii()
}

fn next_letter(lines: &str, at: usize) -> usize {
    (at + 1..=lines.len()).find(|at| lines.is_char_boundary(*at)).unwrap_or(lines.len())
}

/// `$tag$`, where a text begins with it.
fn dollars(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let tag = &text.as_bytes()[1..end];
    let is_tag = !tag.first().is_some_and(u8::is_ascii_digit) && tag.iter().all(|b| is_of_word(*b));
    is_tag.then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::statement::split;

    /// Where statements end, as it is told line by line.
    fn ends(text: &str) -> Vec<&str> {
        let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
        let mut ending = Ending::default();
        for line in text.split_inclusive('\n') {
            let mut from = 0;
            while let Some(end) = ending.see(&line[from..]) {
                from += end;
                found.push(text[start..at + from - 1].trim());
                start = at + from;
                ending = Ending::default();
            }
            at += line.len();
        }
        found
    }

    #[test]
    fn statements_end_where_they_do_when_all_is_read_at_once() {
        for text in [
            "select 1; select 2;\n",
            "select ';\n' || \";\" || E'\\';' || e'\n;''';\nselect 'é;'\n, 1;",
            "create function f() returns int language sql as $$\nselect ';\n'; $$;\nselect 1;",
            "create function f() as $a$ $$; $a$;\nselect $1;",
            "select $1;\nselect a$b$ from t;\nselect 2;",
            "create rule r as on insert to t do also (\n select 1;\n select 2);\nselect 1;",
            "create function f(a int) returns int\n begin atomic select 1;\n insert into t values (1);\n \
             select case when a > 1 then 2 else 3 end;\n end;\nselect 1;",
            "select 1 /* ;\n /* ; */ ö ; */ + 2; -- ;\nselect 3;",
            "insert into t values ('x''y;');\ninsert into t values (';');",
        ] {
            let at_once: Vec<&str> = split(text).iter().map(|one| one.text).collect();
            assert_eq!(ends(text), at_once, "{text}");
        }
    }

    #[test]
    fn what_has_not_ended_is_known() {
        let mut ending = Ending::default();
        assert_eq!(ending.see("-- a comment\n  \n"), None);
        assert!(!ending.has_begun() && !ending.is_inside());
        assert_eq!(ending.see("select 'a\n"), None);
        assert!(ending.has_begun() && ending.is_inside());
    }
}
