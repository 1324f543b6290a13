//! The files with variables that lie in a project: `.env` and those beside it. Pure.
//!
//! Read by hand, since what reads them elsewhere fills in `$NAME` from the environment: half a password, or another
//! target than the file says.

/// The value of a key; the last line wins, as in a shell.
///
/// # Errors
/// Why the value cannot be taken as it stands.
pub(crate) fn value_of(text: &str, key: &str) -> Result<Option<String>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut value = None;
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        if let Some((name, written)) = line.split_once('=')
            && name.trim() == key
        {
            value = Some(plain(written.trim())?);
        }
    }
    Ok(value)
}

fn plain(written: &str) -> Result<String, String> {
    let Some(quote @ ('\'' | '"')) = written.chars().next() else {
        let end = [" #", "\t#"].iter().filter_map(|comment| written.find(comment)).min();
        return literal(written[..end.unwrap_or(written.len())].trim_end());
    };
    let (mut value, mut letters) = (String::new(), written[1..].chars());
    loop {
        match letters.next() {
            None => return Err("its value has no closing quote on the same line".to_owned()),
            Some(letter) if letter == quote => break,
            Some('\\') if quote == '"' => match letters.next() {
                Some('n') => value.push('\n'),
                Some(letter) => value.push(letter),
                None => value.push('\\'),
            },
            Some(letter) => value.push(letter),
        }
    }
    let after = letters.as_str().trim_start();
    if !after.is_empty() && !after.starts_with('#') {
        return Err("its value goes on after the closing quote".to_owned());
    }
    if quote == '\'' { Ok(value) } else { literal(&value) }
}

/// Nothing is filled in, and nothing that asks for it is taken for a part of a password.
fn literal(value: &str) -> Result<String, String> {
    match value.contains("${") || value.contains("$(") {
        true => Err(
            "its value has `${..}` or `$(..)`, which is not filled in: write it out, or put it \
                 into single quotes if it is meant so"
                .to_owned(),
        ),
        false => Ok(value.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_as_they_are_written() {
        for (line, value) in [
            ("PROD=postgres://me:p$w#d@h/d", "postgres://me:p$w#d@h/d"),
            ("  export PROD = a b  # comment", "a b"),
            ("PROD='a ${b} \\n # c' # d", "a ${b} \\n # c"),
            ("PROD=\"a \\\"b\\\" \\\\ $c # d\"", "a \"b\" \\ $c # d"),
            ("PROD=one\nPROD=two\r\n#PROD=three\nPROD_TWO=four\n", "two"),
            ("\u{feff}PROD=", ""),
        ] {
            assert_eq!(value_of(line, "PROD"), Ok(Some(value.to_owned())), "{line}");
        }
        assert_eq!(value_of("#PROD=a\nPROD_URL=b\nnothing", "PROD"), Ok(None));
    }

    #[test]
    fn what_asks_to_be_filled_in_is_refused() {
        for line in
            ["P=postgres://${ME}:hunter2@h/d", "P=\"$(hunter2)\"", "P='hunter2", "P='hunter2'x"]
        {
            let why = value_of(line, "P").expect_err(line);
            assert!(!why.contains("hunter2"), "{why}");
        }
    }
}
