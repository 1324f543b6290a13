//! A definition in the words that the server settles on: one that is made of what it has written is written in
//! other words the first time. Pure.

/// Casts of literals that say what the server assumes anyway.
const CASTS: [&str; 2] = ["::character varying", "::text"];

/// The text without casts of literals to text, whether each or the array of them is cast, and without parentheses
/// around a part of several conditions that all must hold, or one of which must.
pub(crate) fn canonical(text: &str) -> String {
    let mut known = text.to_owned();
    loop {
        let next = without_group(without_casts(&known));
        if next == known {
            return known;
        }
        known = next;
    }
}

/// Takes away one pair of parentheses: `((a AND b) AND c)` is `(a AND b AND c)`.
fn without_group(text: String) -> String {
    let mut opened: Vec<usize> = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(['\'', '"', '(', ')']) {
        let here = at + found;
        at = here + 1;
        match &text[here..at] {
            "(" => opened.push(here),
            ")" => {
                let Some(start) = opened.pop() else { return text };
                let (before, after) = (&text[..start], &text[at..]);
                let inside = &text[start + 1..here];
                if [" AND ", " OR "].iter().any(|word| is_group(before, inside, after, word)) {
                    return format!("{before}{inside}{after}");
                }
            }
            quote => match text[at..].find(quote) {
                Some(end) => at += end + 1,
                None => return text,
            },
        }
    }
    text
}

fn is_group(before: &str, inside: &str, after: &str, word: &str) -> bool {
    let (joins_before, joins_after) = (before.ends_with(word), after.starts_with(word));
    let is_between = (joins_before || before.ends_with('('))
        && (joins_after || after.starts_with(')'))
        && (joins_before || joins_after);
    // At its own level there is nothing but conditions in parentheses, and that word.
    let mut depth = 0;
    let mut level = String::new();
    for letter in inside.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 => level.push(letter),
            _ => {}
        }
    }
    let words: Vec<&str> = level.split_whitespace().collect();
    is_between && !words.is_empty() && words.iter().all(|one| *one == word.trim())
}

fn without_casts(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '(']) {
        made.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((literal, after)) = literal_in_front(rest) {
            made.push_str(literal);
            rest = without_cast(after);
        } else if let Some((literal, after)) = rest
            .strip_prefix('(')
            .and_then(literal_in_front)
            .and_then(|(literal, after)| Some((literal, after.strip_prefix(')')?)))
            .filter(|(_, after)| CASTS.iter().any(|cast| is_cast(after, cast)))
        {
            made.push_str(literal);
            rest = without_cast(after);
        } else if let Some((array, after)) = array_in_front(rest) {
            made.push_str(array);
            rest = after;
        } else {
            let (letter, after) = rest.split_at(1);
            made.push_str(letter);
            rest = after;
        }
    }
    made.push_str(rest);
    made
}

fn literal_in_front(text: &str) -> Option<(&str, &str)> {
    let mut letters = text.char_indices().peekable();
    letters.next().filter(|(_, letter)| *letter == '\'')?;
    while let Some((at, letter)) = letters.next() {
        let is_twice = letters.peek().is_some_and(|(_, next)| *next == '\'');
        match letter {
            '\'' if is_twice => drop(letters.next()),
            '\'' => return Some(text.split_at(at + 1)),
            _ => {}
        }
    }
    None
}

/// `(ARRAY[..])::text[]`
fn array_in_front(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix("(ARRAY[")?;
    let end = inside.find("])::text[]").filter(|end| !inside[..*end].contains(['[', '(']))?;
    let array = &text[1..1 + "ARRAY[".len() + end + 1];
    Some((array, &inside[end + "])::text[]".len()..]))
}

fn is_cast(text: &str, cast: &str) -> bool {
    let is_over = |c: char| !(c.is_alphanumeric() || c == '_' || c == '[');
    text.strip_prefix(cast).is_some_and(|after| after.chars().next().is_none_or(is_over))
}

fn without_cast(text: &str) -> &str {
    let cast = CASTS.iter().find(|cast| is_cast(text, cast));
    cast.and_then(|cast| text.strip_prefix(cast)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_two_ways_is_one() {
        let first = "((role)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[]))";
        let then = "((role)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text]))";
        assert_eq!(canonical(first), canonical(then));
        assert_eq!(canonical(first), "((role)::text = ANY (ARRAY['a', 'b']))");
        for same in ["(a = 'it''s (::text'::name)", "('a'::text[])", "f(('x'))", "('a' || b)::text"]
        {
            assert_eq!(canonical(same), same);
        }
        let between = "(((a >= 1) AND (a <= 2)) AND (b = ') AND ('::text))";
        assert_eq!(canonical(between), "((a >= 1) AND (a <= 2) AND (b = ') AND ('))");
        for same in
            ["((a) AND ((b) OR (c)))", "(NOT ((a) AND (b)) AND (c))", "((a) OR ((b) AND (c)))"]
        {
            assert_eq!(canonical(same), same);
        }
    }
}
