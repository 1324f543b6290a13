//! Takes passwords out of any text before it is shown. In doubt it takes out too much.

const HIDDEN: &str = "***";

/// The text without the passwords of the URLs (`scheme://user:password@host`) and of the
/// `password=...` pairs in it, wherever they occur.
///
/// ```
/// # use leakproof::server::without_password;
/// assert_eq!(without_password("postgres://me:pw@db/app"), "postgres://me:***@db/app");
/// assert_eq!(without_password("host=db password='p w'"), "host=db password=***");
/// ```
pub fn without_password(text: &str) -> String {
    hide_pairs(&hide_in_urls(text))
}

fn hide_in_urls(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        rest = after;
        if let Some((start, end)) = find_password(after) {
            shown.push_str(&after[..start]);
            shown.push_str(HIDDEN);
            rest = &after[end..];
        }
    }
    shown + rest
}

/// Where the password is in what follows `://`. It reaches to the last `@` of the word, since a
/// password may hold an `@` or `/` that nobody escaped; and if the word has none, then to the last
/// `@` of the line, since it may hold a blank too.
fn find_password(after: &str) -> Option<(usize, usize)> {
    let user = after.find(|c: char| ":/?#@".contains(c) || c.is_whitespace())?;
    if !after[user..].starts_with(':') {
        return None;
    }
    let start = user + 1;
    let word = &after[start..];
    let word = &word[..word.find(char::is_whitespace).unwrap_or(word.len())];
    if let Some(end) = word.rfind('@') {
        return Some((start, start + end));
    }
    let digits = word.find(|c: char| !c.is_ascii_digit()).unwrap_or(word.len());
    let is_port = digits > 0 && !word[digits..].starts_with(|c: char| c.is_alphanumeric());
    let line = &after[start..];
    let line = &line[..line.find('\n').unwrap_or(line.len())];
    if is_port { None } else { line.rfind('@').map(|end| (start, start + end)) }
}

fn hide_pairs(text: &str) -> String {
    const KEY: &str = "password";
    let lower = text.to_ascii_lowercase();
    let mut shown = String::with_capacity(text.len());
    let mut done = 0;
    let mut from = 0;
    while let Some(at) = lower[from..].find(KEY) {
        let key_end = from + at + KEY.len();
        from = key_end;
        let Some(value) = text[key_end..].trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start();
        let start = text.len() - value.len();
        let word_start = text[..key_end].rfind(char::is_whitespace).unwrap_or(0);
        let in_url = text[word_start..key_end].contains("://");
        let end = start + value_length(value, in_url);
        shown.push_str(&text[done..start]);
        shown.push_str(HIDDEN);
        (done, from) = (end, end);
    }
    shown + &text[done..]
}

/// How long a value of a connection string is: quoted, or up to a blank (in a URL, to a `&`).
fn value_length(value: &str, in_url: bool) -> usize {
    let quoted = value.starts_with('\'');
    let mut escaped = false;
    for (at, c) in value.char_indices().skip(usize::from(quoted)) {
        let ends = if quoted { c == '\'' } else { c.is_whitespace() || (in_url && c == '&') };
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if ends => return at + usize::from(quoted),
            _ => {}
        }
    }
    value.len()
}

#[cfg(test)]
mod tests {
    use super::without_password;

    #[test]
    fn passwords_are_hidden_wherever_they_are() {
        let cases = [
            ("nothing to hide", "nothing to hide"),
            ("postgres://u:pw@h:5432/db", "postgres://u:***@h:5432/db"),
            ("postgres://u@h:5432/db", "postgres://u@h:5432/db"),
            ("postgres://h:5432/db", "postgres://h:5432/db"),
            ("postgres://:pw@h/db", "postgres://:***@h/db"),
            ("postgresql://u:p@ss/w@h/db", "postgresql://u:***@h/db"),
            ("postgres://u:my pass@h/db", "postgres://u:***@h/db"),
            ("postgres://u:päß@h", "postgres://u:***@h"),
            (
                "at `postgres://u:a@h`, or postgres://v:b@i.",
                "at `postgres://u:***@h`, or postgres://v:***@i.",
            ),
            ("postgres://h/db?user=u&password=pw&x=1", "postgres://h/db?user=u&password=***&x=1"),
            ("host=h password=pw user=u", "host=h password=*** user=u"),
            ("host=h password = 'p w\\' x' user=u", "host=h password = *** user=u"),
            ("password='unfinished business", "password=***"),
            ("password=a\\ b user=u", "password=*** user=u"),
            ("PGPASSWORD=pw Password=other", "PGPASSWORD=*** Password=***"),
            ("password=a&b host=h", "password=*** host=h"),
            (
                "password authentication failed for user \"u\"",
                "password authentication failed for user \"u\"",
            ),
            ("see http://h:80/x or write to me@x", "see http://h:80/x or write to me@x"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_password(text), shown);
        }
    }
}
