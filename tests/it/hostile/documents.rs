//! Pieces of hostile documents: every JSON type in every place, texts of every plane, numbers and
//! times at and beyond the limits of what the server takes.
//!
//! Documents are bytes and not text: some of what an application may send is no UTF-8.

use super::dice::Dice;
use super::times;

/// Keys that mean something to one project or another, and some that should to none.
const KEYS: &[&str] = &[
    "id",
    "role",
    "content",
    "timestamp",
    "created_at",
    "metadata",
    "legacy",
    "chat_id",
    "title",
    "messages",
    "ordinal",
    "user_id",
    "",
    " ",
    "ID",
    "ключ",
    "\\u0001",
    "👨‍👩‍👧",
    "a\\\"b",
    "$1",
    "0",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-0.0",
    "0.00",
    "1",
    "1.0",
    "1.00",
    "1e2",
    "1E+2",
    "-1",
    "2",
    "3.0",
    "0.1",
    "1e400",
    "-1e400",
    "1e-400",
    "1.5e-320",
    "5e-324",
    "1e-7",
    "9007199254740993",
    "18446744073709551616",
    "2147483647",
    "2147483648",
    "-2147483649",
    "12345678901234567890.1234567890",
    "1678521600",
    "1678521600.5",
    "1678521600.123456",
    "1678521600.1234567",
    "1678521601000",
    "1678521601000.25",
    "4102444799",
    "4102444799.9999999",
    "4102444800",
    "4102444799999.9999",
    "4102444800000",
    "253402300800",
    "1e17",
];

/// What looks like a time and is none, or none to be believed, or one at some limit.
const TIMES: &[&str] = &[
    "now",
    "today",
    "epoch",
    "infinity",
    "-infinity",
    "allballs",
    "",
    " ",
    "20240309",
    "2024-03-09",
    "2024-03-10T08:00:00",
    "2024-03-10 08:00:05+00",
    "2023-02-30T08:00:00Z",
    "2023-02-30T08:00:00.000Z",
    "2023-02-29T08:00:00.000001+00:00",
    "2024-02-29T23:59:59.999Z",
    "2024-03-09T25:00:00Z",
    "2024-03-09T24:00:00.000Z",
    "2016-12-31T23:59:60Z",
    "2016-12-31T23:59:60.500Z",
    "9999-12-31T23:59:59Z",
    "294276-12-31T23:59:59.999999Z",
    "294277-01-01T00:00:00Z",
    "0044-03-15T12:00:00Z BC",
    "-000044-03-15T12:00:00Z",
    "0000-00-00T00:00:00Z",
    "1969-12-31T23:59:59Z",
    "1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+14:59",
    "2099-12-31T23:59:59.999999-14:59",
    "2024-03-11T10:00:00+02:00",
    "2024-03-11T10:00:00+15:59",
    "2024-03-11T10:00:00+02",
    "2024-03-11T10:00:00.1234567Z",
    "2024-03-11T10:00:00.123456789Z",
    "2024-03-11T10:00:00.9999999Z",
    "2024-03-11T10:00:00.1234567890Z",
    "2024-03-11t10:00:00z",
    "2024-03-11T10:00:00Z\\n",
    "\\n2024-03-11T10:00:00Z",
    "２０２４-03-11T10:00:00Z",
    "٢٠٢٤-٠٣-١١T١٠:٠٠:٠٠Z",
    "1678521603",
    "2024-W10-1",
    "01.02.2024",
];

/// As the server may be given a time for a column of its own; some of them it refuses.
const MOMENTS: &[&str] = &[
    "infinity",
    "-infinity",
    "294276-12-31 23:59:59.999999+00",
    "294276-12-31 23:59:59.999998+00",
    "4713-11-24 00:00:00+00 BC",
    "0044-03-15 12:00:00.5+00 BC",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "1970-01-01 00:00:00+00",
    "1969-12-31 23:59:59.999999+00",
    "2016-12-31 23:59:60+00",
    "2024-02-29 12:00:00.000001+05:30",
];

const REFUSED_MOMENTS: &[&str] =
    &["294277-01-01 00:00:00+00", "2023-02-30", "soon", "4714-01-01 BC", ""];

const WORDS: &[&str] = &[
    "user",
    "assistant",
    "system",
    "hello",
    "it's",
    "100%",
    "$1",
    "{}",
    "--",
    "; drop table x",
    "null",
    "[1, 2]",
    "Grüße",
    "שלום",
    "你好",
    "é",
    "👨‍👩‍👧",
    "𝒳",
    "\u{202e}abc\u{202c}",
    "\u{feff}",
    "\u{200d}",
    "\u{7f}",
    "\u{85}",
    "\u{2028}",
    "\u{fffd}",
    "\u{10ffff}",
    "\u{fdd0}",
    "İ",
    "ſ",
];

/// Escapes in a JSON text; the server takes all of them.
const ESCAPES: &[&str] = &[
    "\\n",
    "\\r\\n",
    "\\t",
    "\\b",
    "\\f",
    "\\/",
    "\\\\",
    "\\\"",
    "\\u0001",
    "\\u001f",
    "\\u007f",
    "\\u202e",
    "\\ufffe",
    "\\uffff",
    "\\ud83d\\ude00",
    "\\udbff\\udfff",
    "\\u00E9",
];

/// Escapes that `jsonb` refuses: NUL, and halves of pairs.
const REFUSED_ESCAPES: &[&str] =
    &["\\u0000", "\\ud800", "\\udc00", "\\ud800x", "\\ud83d\\ud83d", "\\udc00\\ud800", "\\x41"];

/// Any value, of any type, not deeper than `depth` levels but for the one that is nothing but deep.
pub fn write_any(dice: &mut Dice, out: &mut Vec<u8>, depth: usize) {
    match dice.below(if depth == 0 { 7 } else { 12 }) {
        0 => out.extend(b"null"),
        1 => out.extend(if dice.one_in(2) { b"true".as_slice() } else { b"false" }),
        2 | 3 => out.extend(number(dice).bytes()),
        4 | 5 => write_text(dice, out),
        6 => {
            let time = time(dice);
            write_quoted(out, time.as_bytes());
        }
        7 if dice.one_in(60) => write_deep(dice, out),
        7..=9 => {
            let length = dice.below(4);
            write_array(out, length, |_, out| write_any(dice, out, depth - 1));
        }
        _ => {
            let mut object = Object::begin(out);
            for _ in 0..dice.below(5) {
                let key = key(dice);
                write_any(dice, object.value_of(&key), depth - 1);
            }
            object.end();
        }
    }
}

/// `write` is told the place of each element, from 0.
pub fn write_array(out: &mut Vec<u8>, length: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) {
    out.push(b'[');
    for at in 0..length {
        if at > 0 {
            out.push(b',');
        }
        write(at, out);
    }
    out.push(b']');
}

/// An array of about so many bytes.
pub fn large_array(bytes: usize, mut write: impl FnMut(usize, &mut Vec<u8>)) -> Vec<u8> {
    let mut out = b"[".to_vec();
    for at in 0.. {
        if out.len() >= bytes {
            break;
        }
        if at > 0 {
            out.push(b',');
        }
        write(at, &mut out);
    }
    out.push(b']');
    out
}

/// Letters that do not compress to nothing.
pub fn large_text(dice: &mut Dice, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| b'a' + dice.below(26) as u8).collect()
}

/// An object that is being written, key by key; one may come twice.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> Object<'a> {
    pub fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, is_empty: true }
    }

    /// Where the value of `key` goes; the key is written as it would stand between quotes.
    pub fn value_of(&mut self, key: &str) -> &mut Vec<u8> {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
        write_quoted(self.out, key.as_bytes());
        self.out.push(b':');
        self.out
    }

    pub fn end(self) {
        self.out.push(b'}');
    }
}

pub fn key(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => "k".repeat(dice.between(200, 1200)),
        1 => format!("k{}", dice.below(20)),
        _ => (*dice.pick(KEYS)).to_owned(),
    }
}

pub fn number(dice: &mut Dice) -> String {
    match dice.below(200) {
        0 => format!("{}{}", dice.between(1, 9), "7".repeat(dice.between(100, 3000))),
        1 => format!("0.{}{}", "0".repeat(dice.between(1, 3000)), dice.between(1, 9)),
        // At the limits of numeric, and beyond. These are as long as they are large: seldom.
        2 if dice.one_in(40) => (*dice.pick(&["1e131071", "-9.5e131071", "1e-16383"])).to_owned(),
        3 if dice.is_poisoned => {
            (*dice.pick(&["1e131072", "NaN", "Infinity", "-", "01", "1e-16384", "0x1"])).to_owned()
        }
        4..=20 => format!("{}", dice.roll() as i64),
        21..=40 => format!("{}.{}", dice.below(100), "0".repeat(dice.between(1, 12))),
        _ => (*dice.pick(NUMBERS)).to_owned(),
    }
}

/// A JSON text with its quotes.
pub fn write_text(dice: &mut Dice, out: &mut Vec<u8>) {
    out.push(b'"');
    for _ in 0..pieces(dice) {
        match dice.below(10) {
            0..=2 => out.extend(dice.pick(ESCAPES).bytes()),
            3 if dice.is_poisoned && dice.one_in(4) => {
                out.extend(dice.pick(REFUSED_ESCAPES).bytes());
            }
            _ => write_plain(dice, out, true),
        }
    }
    out.push(b'"');
}

/// Text for a column of its own.
pub fn plain_text(dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..pieces(dice) {
        match dice.below(8) {
            0 => out.extend(
                dice.pick(&["\n", "\r\n", "\t", "\\", "\"", "\u{1}", "\\N", "\\.", " "]).bytes(),
            ),
            _ => write_plain(dice, &mut out, false),
        }
    }
    out
}

fn pieces(dice: &mut Dice) -> usize {
    match dice.below(400) {
        0..=30 => 0,
        31 => 2000,
        _ => dice.between(1, 12),
    }
}

/// A word, or a character of any plane, or what is no character at all.
fn write_plain(dice: &mut Dice, out: &mut Vec<u8>, is_json: bool) {
    match dice.below(8) {
        0..=3 => {
            let word = dice.pick(WORDS);
            out.extend(word.bytes().filter(|byte| !is_json || *byte != b'"'));
        }
        4 if dice.is_poisoned && dice.one_in(6) => {
            // NUL, half a pair, an overlong form, half a character, beyond the last plane.
            let odd: [&[u8]; 5] =
                [b"\0", b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xf4\x90\x80\x80"];
            out.extend(*dice.pick(&odd));
        }
        5 => {
            // The last two of each plane are no characters, but may be written.
            let code = (dice.below(17) << 16) + 0xfffe + dice.below(2);
            push_code(out, code);
        }
        _ => {
            let code = (dice.below(17) << 16) + dice.between(0x20, 0xffff);
            push_code(out, code);
        }
    }
}

fn push_code(out: &mut Vec<u8>, code: usize) {
    let letter = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('?');
    let letter = if letter == '"' || letter == '\\' { '?' } else { letter };
    out.extend(letter.encode_utf8(&mut [0; 4]).bytes());
}

pub fn write_quoted(out: &mut Vec<u8>, letters: &[u8]) {
    out.push(b'"');
    out.extend(letters);
    out.push(b'"');
}

/// What a document may state as a time, right or wrong, as it would stand between quotes.
pub fn time(dice: &mut Dice) -> String {
    match dice.below(6) {
        0 => {
            let year = dice.between(1969, 2101) as i64;
            let micros = (year - 1970) * 31_556_952_000_000 + dice.below(31_556_952_000_000) as i64;
            iso(micros, dice.below(8))
        }
        // Right in form, mostly not in fact.
        1 => format!(
            "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            dice.below(100),
            dice.below(16),
            dice.below(36),
            dice.below(30),
            dice.below(64),
            dice.below(64),
            dice.below(1000)
        ),
        2 => format!(
            "202{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}+00:00",
            dice.below(10),
            dice.below(16),
            dice.below(30),
            dice.below(20),
            dice.below(64),
            dice.below(64),
            dice.below(1_000_000)
        ),
        _ => (*dice.pick(TIMES)).to_owned(),
    }
}

/// A time as one of several applications would write it.
pub fn iso(micros: i64, form: usize) -> String {
    let (seconds, rest) = times::write_seconds(micros);
    match form {
        0 => format!("{seconds}Z"),
        1 => format!("{seconds}.{:06}+00:00", rest),
        2 => format!("{seconds}.{:06}Z", rest),
        3 => format!("{seconds}+00:00"),
        4 => format!("{seconds}.{rest:06}123Z"),
        _ => format!("{seconds}.{:03}Z", rest / 1000),
    }
}

/// A time for a column of the legacy table.
pub fn moment(dice: &mut Dice) -> Option<Vec<u8>> {
    let text = match dice.below(24) {
        0 | 1 => return None,
        2..=5 => (*dice.pick(MOMENTS)).to_owned(),
        6 if dice.is_poisoned => (*dice.pick(REFUSED_MOMENTS)).to_owned(),
        _ => iso(1_600_000_000_000_000 + dice.below(150_000_000_000_000) as i64, 2),
    };
    Some(text.into_bytes())
}

/// Nothing but levels, about as many as the server takes and more, or just many.
fn write_deep(dice: &mut Dice, out: &mut Vec<u8>) {
    let levels = if dice.one_in(4) { dice.between(2000, 20_000) } else { dice.between(20, 1500) };
    let (open, close): (&[u8], &[u8]) =
        if dice.one_in(2) { (b"[", b"]") } else { (b"{\"a\":", b"}") };
    (0..levels).for_each(|_| out.extend(open));
    out.extend(b"1.0");
    (0..levels).for_each(|_| out.extend(close));
}

/// A uuid that depends on nothing but the numbers given; its version is `version`.
pub fn uuid(kind: u8, number: u64, version: u8) -> String {
    format!("{kind:02x}000000-0000-{version}000-8000-{number:012x}")
}
