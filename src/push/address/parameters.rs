//! The parameters of libpq that our client does not know, taken out of a URL or of pairs of key and value before
//! the client reads them. Pure.

use percent_encoding::percent_decode_str;

/// Those that are read here.
const OURS: [&str; 5] = ["sslmode", "sslrootcert", "sslcert", "sslkey", "passfile"];

/// What a URL says.
pub(crate) struct Parameters {
    /// The URL without the parameters that are read here.
    pub rest: String,
    taken: Vec<(String, String)>,
}

impl Parameters {
    /// Takes them out; a URL that names a host without a port gets the given one. What cannot be read stays, for the
    /// client to refuse.
    pub(crate) fn take_from(url: &str, port: Option<&str>) -> Self {
        match ["postgres://", "postgresql://"].iter().find(|scheme| url.starts_with(**scheme)) {
            Some(scheme) => of_url(scheme, &url[scheme.len()..], port),
            None => of_pairs(url),
        }
    }

    /// The last value of a parameter.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.taken.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }
}

fn of_url(scheme: &str, after: &str, port: Option<&str>) -> Parameters {
    // As the client splits it: whoever logs in ends at the first `@`.
    let (login, after) = after.split_at(after.find('@').map_or(0, |at| at + 1));
    let (place, query) = match after.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (after, None),
    };
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    let mut rest = format!("{scheme}{login}{host}");
    let has_port = host[host.rfind(']').unwrap_or(0)..].contains(':');
    if let Some(port) = port
        && !host.is_empty()
        && !has_port
        && !host.contains(',')
    {
        rest.push(':');
        rest.push_str(port);
    }
    rest.push_str(path);
    let (mut taken, mut kept) = (Vec::new(), Vec::new());
    for pair in query.into_iter().flat_map(|query| query.split('&')) {
        let decoded = pair.split_once('=').and_then(|(key, value)| {
            let decode = |text| percent_decode_str(text).decode_utf8().ok().map(String::from);
            Some((decode(key)?, decode(value)?))
        });
        match decoded {
            Some((key, value)) if OURS.contains(&key.as_str()) => taken.push((key, value)),
            _ => kept.push(pair),
        }
    }
    if !kept.is_empty() {
        rest.push('?');
        rest.push_str(&kept.join("&"));
    }
    Parameters { rest, taken }
}

fn of_pairs(text: &str) -> Parameters {
    let (mut rest, mut taken) = (String::new(), Vec::new());
    let mut left = text;
    while let Some((pair, key, value, after)) = next_pair(left) {
        match OURS.contains(&key) {
            true => taken.push((key.to_owned(), value)),
            false => rest.push_str(pair),
        }
        left = after;
    }
    rest.push_str(left);
    Parameters { rest, taken }
}

/// The pair that a text begins with, as it stands and as key and value, and what comes after it.
fn next_pair(text: &str) -> Option<(&str, &str, String, &str)> {
    let (key, after) = text.split_once('=')?;
    let value_text = after.trim_start();
    let is_quoted = value_text.starts_with('\'');
    let (mut value, mut is_escaped, mut end) = (String::new(), false, None);
    for (at, letter) in value_text.char_indices().skip(usize::from(is_quoted)) {
        match letter {
            _ if is_escaped => {
                value.push(letter);
                is_escaped = false;
            }
            '\\' => is_escaped = true,
            '\'' if is_quoted => {
                end = Some(at + 1);
                break;
            }
            _ if !is_quoted && letter.is_whitespace() => {
                end = Some(at);
                break;
            }
            _ => value.push(letter),
        }
    }
    let end = end.or((!is_quoted).then_some(value_text.len()))?;
    let length = text.len() - value_text.len() + end;
    Some((&text[..length], key.trim(), value, &text[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_are_taken_out_and_the_rest_stays() {
        for (url, rest, mode, root) in [
            ("postgres://me:p?w@h/d", "postgres://me:p?w@h:7/d", None, None),
            (
                "postgres://me@h:5/d?sslmode=verify-full&a=b&sslrootcert=%2Fmy%20ca.crt",
                "postgres://me@h:5/d?a=b",
                Some("verify-full"),
                Some("/my ca.crt"),
            ),
            ("postgresql://h?sslmode=a&sslmode=b", "postgresql://h:7", Some("b"), None),
            ("postgres://me@[::1]/d", "postgres://me@[::1]:7/d", None, None),
            ("postgres://me@[::1]:8/d", "postgres://me@[::1]:8/d", None, None),
            ("postgres:///d?host=%2Ftmp", "postgres:///d?host=%2Ftmp", None, None),
            ("postgres://h/d?sslmode", "postgres://h:7/d?sslmode", None, None),
            ("postgres://me:hun@t?er2@h/d", "postgres://me:hun@t:7?er2@h/d", None, None),
            (
                "host=h sslmode = require password='a \\'sslmode=b' sslrootcert='my ca' user=u",
                "host=h password='a \\'sslmode=b' user=u",
                Some("require"),
                Some("my ca"),
            ),
            ("host=h sslmode='a", "host=h sslmode='a", None, None),
            ("nothing", "nothing", None, None),
        ] {
            let read = Parameters::take_from(url, Some("7"));
            let read = (read.rest.as_str(), read.get("sslmode"), read.get("sslrootcert"));
            assert_eq!(read, (rest, mode, root), "{url}");
        }
    }
}
