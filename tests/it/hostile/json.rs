//! Reads JSON text without understanding numbers: values stay the very letters the server wrote.
//! It knows nothing of the projects, and trusts that the text is well-formed.

/// What a value is, by its first letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    Array,
    Object,
}

pub fn kind(value: &str) -> Kind {
    match value.trim_start().as_bytes().first() {
        Some(b'n') => Kind::Null,
        Some(b't' | b'f') => Kind::Boolean,
        Some(b'"') => Kind::Text,
        Some(b'[') => Kind::Array,
        Some(b'{') => Kind::Object,
        _ => Kind::Number,
    }
}

/// The elements of an array, each as it is written; none of anything else.
pub fn elements(value: &str) -> Vec<&str> {
    if kind(value) == Kind::Array { parts(value) } else { Vec::new() }
}

/// The keys and values of an object, as they are written; none of anything else.
pub fn fields(value: &str) -> Vec<(&str, &str)> {
    if kind(value) != Kind::Object {
        return Vec::new();
    }
    let parts = parts(value).into_iter();
    let split = parts.map(|part| {
        let (key, value) = part.split_at(end_of_text(part));
        (key, value.trim_start().trim_start_matches(':').trim())
    });
    split.collect()
}

/// The value of a key, as it is written.
pub fn field<'a>(value: &'a str, key: &str) -> Option<&'a str> {
    let quoted = format!("\"{key}\"");
    fields(value).into_iter().find(|(name, _)| *name == quoted).map(|(_, value)| value)
}

/// What a JSON text says; `None` for anything else.
pub fn text(value: &str) -> Option<String> {
    if kind(value) != Kind::Text {
        return None;
    }
    let mut letters = value.trim()[1..].chars();
    let mut said = String::new();
    while let Some(letter) = letters.next() {
        match letter {
            '"' => break,
            '\\' => said.push(escaped(&mut letters)),
            _ => said.push(letter),
        }
    }
    Some(said)
}

/// The server escapes nothing beyond the first plane, so there are no pairs to put together.
fn escaped(letters: &mut std::str::Chars<'_>) -> char {
    match letters.next().expect("a letter after a backslash") {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => {
            let digits: String = letters.take(4).collect();
            let code = u32::from_str_radix(&digits, 16).expect("four hexadecimal digits");
            char::from_u32(code).expect("a character")
        }
        other => other,
    }
}

/// What stands between the brackets, cut at the commas that are in no inner value.
fn parts(value: &str) -> Vec<&str> {
    let value = value.trim();
    let inner = &value[1..value.len() - 1];
    if inner.trim().is_empty() {
        return Vec::new();
    }
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, letter) in inner.bytes().enumerate() {
        match letter {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push(inner[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(inner[start..].trim());
    parts
}

/// Behind the closing quote of the text that `part` begins with.
fn end_of_text(part: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in part.bytes().enumerate().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    part.len()
}

#[test]
fn values_are_cut_to_the_letter() {
    let value = r#"{"a": [1.00, {"b,": "]"}], "\"": "x\\\",\n\u0001𝒳", "": {}}"#;
    let cut = fields(value);
    assert_eq!(
        cut,
        [("\"a\"", r#"[1.00, {"b,": "]"}]"#), (r#""\"""#, r#""x\\\",\n\u0001𝒳""#), ("\"\"", "{}")]
    );
    assert_eq!(elements(cut[0].1), ["1.00", r#"{"b,": "]"}"#]);
    assert_eq!(text(cut[1].1).as_deref(), Some("x\\\",\n\u{1}𝒳"));
    assert_eq!(elements("[]"), [""; 0]);
    assert_eq!(field(value, ""), Some("{}"));
}
