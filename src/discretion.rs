//! What may be told of rows. Those of a dump are somebody's: their keys and the names of their columns
//! are shown, their values are not. Pure.
//!
//! Whatever shows a row, a value or what a server says of one passes through here: what servers say when
//! it is read, in `session`, and all else before it is told, in `report::discreet`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::preserve::outcome::AnswerDifference;
use crate::refusal::Refusal;
use crate::sql::statement::{is_string, placed_words};

/// What may be told of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Discretion {
    /// All of them: they stand in the repository.
    #[default]
    Open,
    /// Their keys, and the names of their columns.
    Keys,
}

/// How what is left out can be had.
pub(crate) const WAY_OUT: &str = "`--show-values` shows it";

/// The function of the server's source by which PL/pgSQL raises what somebody has written.
const RAISED: &str = "exec_stmt_raise";

impl Discretion {
    /// What a server said of a text that it was sent, as far as it may be told.
    pub(crate) fn of_refusal(self, refusal: Refusal, sent: &str) -> Refusal {
        match self {
            Self::Open => refusal,
            Self::Keys => without_values(refusal, sent),
        }
    }

    /// The name of somebody who asks, which is their key in the data.
    pub(crate) fn of_reader(self, name: &str) -> &str {
        match self {
            Self::Keys if !is_reader(name) => "a user",
            Self::Open | Self::Keys => name,
        }
    }

    /// Two rows of answers to a recorded call, as far as they may be told.
    pub(crate) fn of_both(self, difference: &AnswerDifference) -> AnswerDifference {
        match self {
            Self::Open => difference.clone(),
            Self::Keys => Veil::default().answers(difference),
        }
    }
}

/// The words of a server name what is in a row where it could not read a value (class 22), in its details,
/// and wherever a function raises what it likes.
fn without_values(refusal: Refusal, sent: &str) -> Refusal {
    let place = refusal.context.as_deref().and_then(|said| said.lines().next());
    // What functions of ours raise is ours.
    let is_ours = place.is_some_and(|place| place.starts_with("PL/pgSQL function leakproof."));
    // A function that catches an error is not told of the routine.
    let is_raised = refusal.routine.as_deref() == Some(RAISED)
        || place.is_some_and(|place| place.ends_with(" at RAISE"));
    if is_raised && is_ours {
        return refusal;
    }
    let may_be_told =
        ["23", "42", "0A", "3F", "25", "2D", "40", "53", "54", "55", "57", "58", "XX"]
            .iter()
            .any(|class| refusal.sqlstate.starts_with(class));
    let is_hidden = is_raised || !may_be_told || names_a_value(&refusal, sent);
    let detail = refusal.detail.as_deref().filter(|_| !is_raised).and_then(columns_of_key);
    let has_more = refusal.detail.is_some() || refusal.context.is_some();
    let context = refusal.context.as_deref().and_then(place_only);
    let hint = match is_hidden || has_more {
        true => Some(format!("what it says of values is left out; {WAY_OUT}")),
        false => refusal.hint.clone(),
    };
    let message = match is_hidden {
        true => {
            let what = match is_raised {
                true => "a function or trigger raised an error",
                false if may_be_told => "something is not as a value or a function names it",
                false => "a value cannot be taken as it is",
            };
            let of = [("table", &refusal.table), ("column", &refusal.column)];
            // Who raises an error says what it is about.
            let of = of.iter().filter(|_| !is_raised);
            let of = of.filter_map(|(kind, name)| Some((kind, name.as_ref()?)));
            of.fold(what.to_owned(), |said, (kind, name)| format!("{said}, {kind} \"{name}\""))
        }
        false => refusal.message.clone(),
    };
    let hidden = is_hidden.then(|| Box::from(refusal.message.as_str()));
    Refusal { message, detail, hint, context, hidden, ..refusal }
}

/// Whether a server names something that neither stands in what it was sent nor is what it refuses: the name
/// may come from a row.
fn names_a_value(refusal: &Refusal, sent: &str) -> bool {
    let sent = sent.to_lowercase();
    let known = [&refusal.schema, &refusal.table, &refusal.column, &refusal.constraint];
    let is_known = |name: &str| {
        let is_it = |known: &&Option<String>| known.as_deref() == Some(name);
        known.iter().any(is_it) || sent.contains(&name.to_lowercase())
    };
    let names = refusal.message.split('"').skip(1).step_by(2);
    names.flat_map(|name| name.split('.')).any(|name| !name.is_empty() && !is_known(name))
}

/// `Key (email)` of `Key (email)=(a@b.c) already exists.`
fn columns_of_key(detail: &str) -> Option<String> {
    let (columns, _) = detail.split_once(")=(")?;
    columns.contains('(').then(|| format!("{columns})"))
}

/// `COPY notes, line 3, column age` of the same with the value behind it.
fn place_only(context: &str) -> Option<String> {
    let place = context.lines().next()?;
    let place = place.split_once(": ").map_or(place, |(place, _)| place);
    (!place.contains('"')).then(|| place.to_owned())
}

/// What hides the values of rows that are told of together: the same stands for the same value.
#[derive(Default)]
pub(crate) struct Veil<'k> {
    /// The names of the columns of keys.
    keys: Option<&'k BTreeSet<String>>,
    numbers: BTreeMap<String, usize>,
}

impl<'k> Veil<'k> {
    pub(crate) fn new(keys: &'k BTreeSet<String>) -> Self {
        Self { keys: Some(keys), numbers: BTreeMap::new() }
    }

    fn is_key(&self, name: &str) -> bool {
        self.keys.is_some_and(|keys| keys.contains(name))
    }

    fn stand_in(&mut self, value: &str) -> String {
        let next = self.numbers.len() + 1;
        let number = self.numbers.entry(value.to_owned()).or_insert(next);
        format!("<{number}>")
    }

    /// A row as a JSON object, of which columns of a key show ids, and others what is NULL.
    pub(crate) fn row(&mut self, row: &str) -> String {
        self.object(row, |veil, name| veil.is_key(name))
    }

    /// A row as a JSON object of its key alone.
    pub(crate) fn key(&mut self, row: &str) -> String {
        self.object(row, |_, _| true)
    }

    fn object(&mut self, row: &str, is_key: impl Fn(&Self, &str) -> bool) -> String {
        let Some(fields) = fields(row) else { return self.stand_in(row) };
        let shown = fields.into_iter().map(|(name, value)| {
            let text = match serde_json::from_str(value.get()) {
                Ok(Value::Null) => None,
                Ok(Value::String(text)) => Some(text),
                _ => Some(value.get().to_owned()),
            };
            let value = match text {
                None => "null".to_owned(),
                Some(text) if is_uuid(&text) || is_key(self, &name) && is_id(&text) => {
                    value.get().to_owned()
                }
                Some(text) => Value::from(self.stand_in(&text)).to_string(),
            };
            format!("{}:{value}", Value::from(name))
        });
        format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
    }

    /// The name of somebody who asks.
    pub(crate) fn reader(&mut self, name: &str) -> String {
        if is_reader(name) { name.to_owned() } else { self.stand_in(name) }
    }

    /// A value by itself, or `the row <key>`.
    pub(crate) fn value(&mut self, value: &str) -> String {
        const ROW: &str = "the row ";
        match value.strip_prefix(ROW) {
            Some(key) => {
                let parts: Vec<String> = key
                    .split(", ")
                    .map(|part| if is_id(part) { part.to_owned() } else { self.stand_in(part) })
                    .collect();
                format!("{ROW}{}", parts.join(", "))
            }
            None if is_uuid(value) => value.to_owned(),
            None => self.stand_in(value),
        }
    }

    /// Two rows of answers to a recorded call.
    pub(crate) fn answers(&mut self, difference: &AnswerDifference) -> AnswerDifference {
        let AnswerDifference { before, after } = difference;
        AnswerDifference { before: self.constants(before), after: self.constants(after) }
    }

    /// A text of SQL, or of names and values (`name = 'value'`), without its strings but for ids.
    pub(crate) fn constants(&mut self, text: &str) -> String {
        const BETWEEN: [&str; 6] = ["and", "or", "in", "is", "not", "null"];
        let (mut shown, mut at, mut name) = (String::new(), 0, String::new());
        for (word, start) in placed_words(text) {
            let is_name = word.starts_with(|c: char| c.is_alphabetic() || "_\"".contains(c));
            if is_string(word) {
                let inner = word.trim_start_matches(['e', 'E']).trim_matches('\'');
                let is_shown =
                    is_uuid(inner) || is_of_world(inner) || self.is_key(&name) && is_id(inner);
                if !is_shown {
                    shown.push_str(&text[at..start]);
                    shown.push_str(&format!("'{}'", self.stand_in(word)));
                    at = start + word.len();
                }
            } else if is_name && !BETWEEN.contains(&word) {
                name = word.trim_matches('"').replace("\"\"", "\"");
            }
        }
        shown + &text[at..]
    }
}

/// The fields of a JSON object in their order; none if it is none, or was cut.
fn fields(row: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields = Vec::new();
            while let Some(field) = map.next_entry()? {
                fields.push(field);
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(row).deserialize_map(Fields).ok()
}

/// Whether it is a visitor, or has an id.
fn is_reader(name: &str) -> bool {
    name == VISITOR || is_id(name)
}

/// Who asks without being a user.
pub(crate) const VISITOR: &str = "a visitor";

/// Whether it has the mark of an owner of our world (`~A~`), so that it is nobody's.
fn is_of_world(text: &str) -> bool {
    let mut parts = text.split('~').skip(1);
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b":_-".contains(&b))
    };
    parts.next().is_some_and(is_name) && parts.next().is_some()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && Uuid::try_parse(text).is_ok()
}

/// Whether it names a row and says nothing else: a number, a UUID, or letters that nobody has chosen.
fn is_id(text: &str) -> bool {
    const SHORTEST: usize = 16;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = (1..=19).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let is_token = text.len() >= SHORTEST
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && text.bytes().any(|b| b.is_ascii_digit())
        && text.bytes().any(|b| b.is_ascii_alphabetic());
    is_number || is_uuid(text) || is_token
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "c0000000-0000-4000-8000-000000000015";

    #[test]
    fn rows_show_keys_and_names() {
        let keys = BTreeSet::from(["id".to_owned(), "email".into()]);
        let mut veil = Veil::new(&keys);
        let row = |id: &str, a: &str| {
            format!(r#"{{"id":{id},"a":{a},"b":null,"email":"x@y","of":"{ID}","n":7}}"#)
        };
        assert_eq!(
            veil.row(&row("3", "{\"x\": [1]}")),
            format!(r#"{{"id":3,"a":"<1>","b":null,"email":"<2>","of":"{ID}","n":"<3>"}}"#)
        );
        // The same value has the same number.
        assert_eq!(
            veil.row(&row("3", "\"z\"")),
            format!(r#"{{"id":3,"a":"<4>","b":null,"email":"<2>","of":"{ID}","n":"<3>"}}"#)
        );
        assert_eq!(veil.row("{\"id\":3,\"a\":\"cut"), "<5>");
        assert_eq!(veil.key(r#"{"n" : "3", "mail" : "a@b"}"#), r#"{"n":"3","mail":"<6>"}"#);
    }

    #[test]
    fn ids_are_no_words_and_no_addresses() {
        for id in ["3", "-12", ID, "clh3x2b1s0000qwertyuiop12", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
            assert!(is_id(id), "{id}");
        }
        for value in
            ["", "ann", "ann@example.org", "+49151123", "long-words-and-more", "1.5", "Ann B"]
        {
            assert!(!is_id(value), "{value}");
        }
    }

    #[test]
    fn constants_of_statements_and_answers() {
        let keys = BTreeSet::from(["id".to_owned()]);
        let told = |text: &str| Veil::new(&keys).constants(text);
        for (text, expected) in [
            (
                "delete from t where id = '3' and mail = 'a''b'",
                "delete from t where id = '3' and mail = '<1>'",
            ),
            (
                "select 1 from t where id in ('3', '4', 'x')",
                "select 1 from t where id in ('3', '4', '<1>')",
            ),
            (
                "pin = '1234', \"id\" = '5', a = E'\\\\x', b = null",
                "pin = '<1>', \"id\" = '5', a = '<2>', b = null",
            ),
            ("2 rows reached", "2 rows reached"),
            ("a = '~A~ body', b = '~ ~'", "a = '~A~ body', b = '<1>'"),
            (&format!("k = '{ID}' of another user"), &format!("k = '{ID}' of another user")),
        ] {
            assert_eq!(told(text), expected, "{text}");
        }
        let mut veil = Veil::new(&keys);
        assert_eq!(veil.value("4111111111111111"), "<1>");
        assert_eq!(veil.value(ID), ID);
        assert_eq!(veil.value("the row 3, a@b"), "the row 3, <2>");
        assert_eq!([VISITOR, ID, "a@b"].map(|name| veil.reader(name)), [VISITOR, ID, "<2>"]);
        assert_eq!(Discretion::Keys.of_reader("a@b"), "a user");
    }

    #[test]
    fn what_a_server_says_of_values_is_left_out() {
        let refusal = |sqlstate: &str, message: &str, detail: &str, context: &str| Refusal {
            sqlstate: sqlstate.into(),
            message: message.into(),
            detail: (!detail.is_empty()).then(|| detail.into()),
            context: (!context.is_empty()).then(|| context.into()),
            ..Refusal::default()
        };
        let told = |refusal: Refusal| {
            let told = Discretion::Keys.of_refusal(refusal, "select 1 from \"T\"");
            format!("{} | {}", told.reason(), told.context.unwrap_or_default())
        };
        let hint = "what it says of values is left out; `--show-values` shows it";
        let twice = refusal(
            "23505",
            "twice",
            "Key (lower(mail))=(a)=(b) already exists.",
            "COPY t, line 2",
        );
        assert_eq!(
            told(twice),
            format!("twice (SQLSTATE 23505)\n    Key (lower(mail))\n    {hint} | COPY t, line 2")
        );
        let row = refusal("23514", "check \"c\"", "Failing row contains (1, secret).", "");
        let row = Refusal { constraint: Some("c".into()), ..row };
        assert_eq!(told(row), format!("check \"c\" (SQLSTATE 23514)\n    {hint} | "));
        let misread = refusal(
            "22P02",
            "invalid input: \"secret\"",
            "",
            "COPY t, line 2, column age: \"secret\nsecret\"\nmore secret",
        );
        assert_eq!(
            told(misread),
            format!(
                "a value cannot be taken as it is (SQLSTATE 22P02)\n    {hint} | COPY t, line 2, column age"
            )
        );
        let raised = |place: &str| Refusal {
            routine: Some(RAISED.into()),
            ..refusal(
                "23514",
                "bad secret",
                "",
                &format!("PL/pgSQL function {place}() line 3 at RAISE"),
            )
        };
        assert_eq!(
            told(raised("f")),
            format!(
                "a function or trigger raised an error (SQLSTATE 23514)\n    {hint} | \
                 PL/pgSQL function f() line 3 at RAISE"
            )
        );
        assert!(told(raised("leakproof.f")).starts_with("bad secret"));
        let missing = refusal("42P01", "no \"t\"", "", "");
        assert_eq!(told(missing), "no \"t\" (SQLSTATE 42P01) | ");
        let named = refusal("42P01", "no \"t.secret\"", "", "");
        assert_eq!(
            told(named),
            format!(
                "something is not as a value or a function names it (SQLSTATE 42P01)\n    {hint} | "
            )
        );
        let open = Discretion::Open.of_refusal(refusal("22P02", "\"secret\"", "", ""), "");
        assert_eq!(open.message, "\"secret\"");
    }
}
