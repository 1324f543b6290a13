//! Texts that match a pattern: of a regular expression as PostgreSQL has it, and of LIKE.
//!
//! Pure. Knows the common forms only; the server is asked whether a text really matches.

/// A part of a pattern and how often it comes.
struct Piece {
    part: Part,
    least: usize,
    most: usize,
}

enum Part {
    /// One of these characters.
    Any(Vec<char>),
    /// One of these sequences.
    Group(Vec<Vec<Piece>>),
}

/// The greatest depth of groups that is followed.
const DEEPEST: usize = 20;

/// How many times a piece without an upper bound comes at most.
const MOST_TIMES: usize = 40;

/// A text that a regular expression matches as a whole. Larger `size` gives longer ones; `seed`
/// chooses among characters.
pub(crate) fn matching_text(pattern: &str, size: usize, seed: u64) -> Option<String> {
    let flags_end = if pattern.starts_with("(?") { pattern.find(')')? + 1 } else { 0 };
    let is_flags =
        pattern[..flags_end].chars().all(|c| c.is_ascii_alphabetic() || "(?)".contains(c));
    let body = if is_flags { &pattern[flags_end..] } else { pattern };
    let mut parser = Parser { rest: body.chars().collect(), at: 0, depth: 0 };
    let choices = parser.choices()?;
    if parser.at < parser.rest.len() {
        return None;
    }
    let mut text = String::new();
    write(&choices, size, &mut Choice(seed), &mut text);
    Some(text)
}

/// A text that a LIKE pattern matches.
pub(crate) fn like_text(pattern: &str, filling: &str) -> String {
    let mut text = String::new();
    let mut characters = pattern.chars();
    while let Some(character) = characters.next() {
        match character {
            '%' => text.push_str(filling),
            '_' => text.push('x'),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

/// Numbers that follow from a seed.
struct Choice(u64);

impl Choice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end.max(1) as u64) as usize
    }
}

fn write(choices: &[Vec<Piece>], size: usize, choice: &mut Choice, text: &mut String) {
    let chosen = if size == 0 { 0 } else { choice.below(choices.len()) };
    let Some(pieces) = choices.get(chosen) else { return };
    for piece in pieces {
        let times = (piece.least + size).min(piece.most).max(piece.least);
        for _ in 0..times {
            match &piece.part {
                Part::Any(characters) => {
                    text.extend(characters.get(choice.below(characters.len())))
                }
                Part::Group(choices) => write(choices, size, choice, text),
            }
        }
    }
}

struct Parser {
    rest: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.rest.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let character = self.peek()?;
        self.at += 1;
        Some(character)
    }

    fn eat(&mut self, text: &str) -> bool {
        let is_next = text.chars().enumerate().all(|(i, c)| self.rest.get(self.at + i) == Some(&c));
        if is_next {
            self.at += text.chars().count();
        }
        is_next
    }

    fn choices(&mut self) -> Option<Vec<Vec<Piece>>> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let mut choices = vec![Vec::new()];
        while let Some(character) = self.peek() {
            match character {
                ')' => break,
                '|' => {
                    self.at += 1;
                    choices.push(Vec::new());
                }
                _ => {
                    if let Some(piece) = self.piece()? {
                        choices.last_mut()?.push(piece);
                    }
                }
            }
        }
        self.depth -= 1;
        Some(choices)
    }

    /// `Some(None)` where it takes no room, such as an anchor.
    fn piece(&mut self) -> Option<Option<Piece>> {
        let part = match self.next()? {
            '^' | '$' => return Some(None),
            // What must follow, or must not, is left to chance.
            '(' if self.eat("?=") || self.eat("?!") || self.eat("?<=") || self.eat("?<!") => {
                self.choices()?;
                return self.eat(")").then_some(None);
            }
            '(' => {
                self.eat("?:");
                let choices = self.choices()?;
                if !self.eat(")") {
                    return None;
                }
                Part::Group(choices)
            }
            '[' => Part::Any(self.class()?),
            '.' => Part::Any(vec!['x', 'y', 'z']),
            '\\' => match self.next()? {
                'A' | 'Z' | 'm' | 'M' | 'y' | 'Y' => return Some(None),
                escaped => Part::Any(escape(escaped)?),
            },
            other => Part::Any(vec![other]),
        };
        let (least, most) = self.times()?;
        Some(Some(Piece { part, least, most }))
    }

    fn times(&mut self) -> Option<(usize, usize)> {
        let bounds = match self.peek() {
            Some('*') => (0, MOST_TIMES),
            Some('+') => (1, MOST_TIMES),
            Some('?') => (0, 1),
            Some('{') => {
                let end = self.rest[self.at..].iter().position(|c| *c == '}')? + self.at;
                let inside: String = self.rest[self.at + 1..end].iter().collect();
                self.at = end;
                match inside.split_once(',') {
                    None => (inside.parse().ok()?, inside.parse().ok()?),
                    Some((least, "")) => {
                        let least = least.parse().ok()?;
                        (least, least + MOST_TIMES)
                    }
                    Some((least, most)) => (least.parse().ok()?, most.parse().ok()?),
                }
            }
            _ => return Some((1, 1)),
        };
        self.at += 1;
        self.eat("?");
        (bounds.0 <= 1000).then_some(bounds)
    }

    fn class(&mut self) -> Option<Vec<char>> {
        let is_inverted = self.eat("^");
        let mut members: Vec<char> = Vec::new();
        let mut is_first = true;
        loop {
            let character = match self.next()? {
                ']' if !is_first => break,
                '[' if self.eat(":") => {
                    let end = self.rest[self.at..].iter().position(|c| *c == ':')? + self.at;
                    let name: String = self.rest[self.at..end].iter().collect();
                    self.at = end + 2;
                    members.extend(named_class(&name)?);
                    is_first = false;
                    continue;
                }
                '\\' => {
                    let escaped = escape(self.next()?)?;
                    match escaped.as_slice() {
                        [one] => *one,
                        many => {
                            members.extend(many);
                            is_first = false;
                            continue;
                        }
                    }
                }
                other => other,
            };
            is_first = false;
            let is_range = self.peek() == Some('-')
                && self.rest.get(self.at + 1).is_some_and(|next| *next != ']');
            if is_range {
                self.at += 1;
                let last = match self.next()? {
                    '\\' => *escape(self.next()?)?.first()?,
                    last => last,
                };
                members.extend(character..=last);
            } else {
                members.push(character);
            }
        }
        if is_inverted {
            let others = "xyzabc019 -_/@.".chars();
            members = others.filter(|c| !members.contains(c)).collect();
        }
        // Letters and digits first: they are welcome where others have a meaning.
        members.sort_by_key(|c| !c.is_ascii_alphanumeric());
        if members.iter().any(char::is_ascii_alphanumeric) {
            members.retain(char::is_ascii_alphanumeric);
        }
        (!members.is_empty()).then_some(members)
    }
}

fn escape(character: char) -> Option<Vec<char>> {
    Some(match character {
        'd' => ('0'..='9').collect(),
        'w' => ('a'..='z').chain('0'..='9').collect(),
        's' => vec![' '],
        'D' | 'S' | 'W' if character == 'W' => vec!['-'],
        'D' | 'S' => ('a'..='z').collect(),
        'n' => vec!['\n'],
        't' => vec!['\t'],
        'r' => vec!['\r'],
        other if other.is_ascii_alphanumeric() => return None,
        other => vec![other],
    })
}

fn named_class(name: &str) -> Option<Vec<char>> {
    Some(match name {
        "alpha" | "lower" => ('a'..='z').collect(),
        "upper" => ('A'..='Z').collect(),
        "digit" => ('0'..='9').collect(),
        "xdigit" => ('0'..='9').chain('a'..='f').collect(),
        "alnum" | "word" | "graph" | "print" => ('a'..='z').chain('0'..='9').collect(),
        "space" | "blank" => vec![' '],
        "punct" => vec!['-', '.', '!'],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_common_patterns() {
        let text = |pattern| matching_text(pattern, 0, 7).expect("a known form");
        assert_eq!(text("^#[0-9a-f]{6}$").len(), 7);
        assert_eq!(text("^https?://").replace("s:", ":"), "http://");
        assert!(text("^[^@]+@[^@]+\\.[a-z]{2,}$").contains('@'));
        assert_eq!(text("^(?:on|off)$"), "on");
        assert_eq!(text("^[[:upper:]]{3}-\\d{2}$").len(), 6);
        assert!(matching_text("^[a-z]+$", 3, 7).expect("a known form").len() > 3);
        assert!(matching_text("(unfinished", 0, 7).is_none());
    }

    #[test]
    fn texts_of_like() {
        assert_eq!(like_text("user\\_%@_", "abc"), "user_abc@x");
    }
}
