//! Values to try in a column, the likelier ones first: what its checks name, and what is common.
//!
//! Pure. A pool is as long for one row as for another, and the value at one place is made in the
//! same way, so that a place that did for one row is tried first for the next.

use serde_json::json;
use uuid::Uuid;

use crate::catalog::{Column, Relation};
use crate::sql::statement::has_name;
use crate::tenancy::keys::{fit, strings, token};
use crate::world::seeding::pattern::{like_text, matching_text};
use crate::world::seeding::values;

/// Whose row a value is for.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    /// The label of its branch.
    pub owner: &'a str,
    pub seed: &'a str,
}

/// How many more values of its own kind a pool has, for what must be unique.
const MORE: usize = 12;

/// How many texts of the checks are looked at.
const MOST_NAMED: usize = 24;

/// The values to try, without NULL.
pub(crate) fn pool(relation: &Relation, column: &Column, row: For<'_>) -> Vec<String> {
    let definitions = definitions(relation, column);
    let mut pool = Pool { column, row, definitions: &definitions, values: Vec::new() };
    pool.fill();
    pool.values.into_iter().map(|value| fit(value, column.length)).collect()
}

/// What says something about the values of a column.
fn definitions<'a>(relation: &'a Relation, column: &Column) -> Vec<&'a str> {
    let checks = relation.checks.iter().filter(|check| check.columns.contains(&column.name));
    let bounds = relation.bounds.as_deref().filter(|bounds| has_name(bounds, &column.name));
    let checks = checks.map(|check| check.definition.as_str());
    checks.chain(bounds).chain(relation.trigger_source.as_deref()).collect()
}

struct Pool<'a> {
    column: &'a Column,
    row: For<'a>,
    definitions: &'a [&'a str],
    values: Vec<String>,
}

impl Pool<'_> {
    fn add(&mut self, value: impl Into<String>) {
        self.values.push(value.into());
    }

    fn fill(&mut self) {
        if let Some(labels) = &self.column.labels {
            self.values.extend(labels.iter().cloned());
            return;
        }
        let base = self.column.base_type.as_str();
        let is_integer = matches!(base, "int2" | "int4" | "int8" | "oid");
        match (base, self.column.category) {
            ("json" | "jsonb", _) => self.documents(),
            ("uuid", _) => self.ids(),
            ("bytea", _) => self.bytes(),
            ("inet" | "cidr", _) => self.addresses(),
            ("bit" | "varbit", _) => self.bits(),
            ("time" | "timetz", _) => self.times(),
            (_, 'S') => self.texts(),
            (_, 'N') => self.numbers(is_integer),
            (_, 'B') => self.values.extend(["false".into(), "true".into()]),
            (_, 'D') => self.dates(),
            (_, 'T') => self.intervals(),
            (_, 'R') => self.ranges(),
            (_, 'A') => self.arrays(),
            _ => self.others(),
        }
    }

    /// The `at`-th number of the row, below `end`.
    fn number(&self, at: usize, end: u64) -> u64 {
        number(&format!("{} {} {at}", self.column.name, self.row.seed)) % end
    }

    /// The same in every column of the row, for a beginning and an end that belong together.
    fn own_number(&self, at: usize, end: u64) -> u64 {
        number(&format!("{} {at}", self.row.seed)) % end
    }

    fn named(&self) -> Vec<String> {
        let all = self.definitions.iter().flat_map(|definition| strings(definition));
        let mut named: Vec<String> = Vec::new();
        for text in all {
            if !text.is_empty() && !named.contains(&text) && named.len() < MOST_NAMED {
                named.push(text);
            }
        }
        named
    }

    /// The whole numbers that the definitions name, the sizes of types left out.
    fn counts(&self) -> Vec<i64> {
        let mut counts: Vec<i64> = Vec::new();
        for definition in self.definitions {
            let words = definition.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'));
            for count in words.filter_map(|word| word.parse::<i64>().ok()) {
                if !counts.contains(&count) && counts.len() < MOST_NAMED {
                    counts.push(count);
                }
            }
        }
        counts
    }

    fn texts(&mut self) {
        let named = self.named();
        for text in &named {
            self.add(text.clone());
        }
        let is_pattern = |text: &&String| text.contains(['^', '$', '[', '\\', '*', '+', '(', '.']);
        for (at, pattern) in named.iter().filter(is_pattern).enumerate() {
            // Long ones first: they are less likely to be alike.
            for size in [8, 3, 1, 0, 20] {
                let seed = self.number(at * 100 + size, u64::MAX);
                if let Some(text) = matching_text(pattern, size, seed) {
                    self.add(text);
                }
            }
        }
        let word = word(self.number(900, u64::MAX));
        for pattern in named.iter().filter(|text| text.contains(['%', '_'])) {
            self.add(like_text(pattern, ""));
            self.add(like_text(pattern, &word));
        }
        let mark = token(self.row.owner);
        let natural = format!("{mark} {} {}", self.column.name, self.row.seed);
        for count in self.counts() {
            for length in [count, count + 1, count - 1] {
                let Some(length) = usize::try_from(length).ok().filter(|l| *l <= 5000) else {
                    self.add(word.clone());
                    self.add(word.clone());
                    continue;
                };
                let long = format!("{natural} {}", "x".repeat(length));
                self.add(long.chars().take(length).collect::<String>());
                let plain = format!("{word}{}", "x".repeat(length));
                self.add(plain.chars().take(length).collect::<String>());
            }
        }
        self.add(natural.to_lowercase());
        self.add(natural.to_uppercase());
        self.add(word.clone());
        self.add(word.to_uppercase());
        let [small, digit] = [self.number(901, 10_000), self.number(902, 10)];
        self.add(format!("{word}@leakproof.test"));
        self.add(format!("https://leakproof.test/{word}"));
        self.add(format!("leakproof-{word}"));
        self.add(format!("#{:06x}", self.number(903, 1 << 24)));
        self.add(format!("+1555555{small:04}"));
        self.add(Uuid::new_v5(&Uuid::NAMESPACE_OID, self.row.seed.as_bytes()).to_string());
        for text in ["en", "US", "en-US", "EUR", "1", "", "2024-01-01", "12:00", "192.0.2.1", "{}"]
        {
            self.add(text);
        }
        for text in &named {
            self.add(format!("{text}{word}"));
            self.add(format!("{word}{text}"));
        }
        self.add(digit.to_string());
        for at in 0..MORE {
            let number = self.number(910 + at, u64::MAX);
            self.add(self::word(number));
            let length = self.column.length.unwrap_or(8).min(8);
            self.add(self::word(number).chars().rev().take(length).collect::<String>());
        }
    }

    fn numbers(&mut self, is_integer: bool) {
        for count in self.counts() {
            for near in [count, count.saturating_add(1), count.saturating_sub(1)] {
                self.add(near.to_string());
            }
        }
        if !is_integer {
            let texts = self.definitions.iter().flat_map(|definition| {
                definition.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
            });
            let decimals: Vec<f64> = texts
                .filter(|text| text.contains('.'))
                .filter_map(|text| text.parse().ok())
                .take(MOST_NAMED)
                .collect();
            for decimal in decimals {
                for near in [decimal, decimal + 0.01, decimal - 0.01, decimal / 2.0] {
                    self.add(near.to_string());
                }
            }
        }
        for number in [1, 0, 2, 3, 5, 10, 4, 6, 7, 8, 9, -1, 12, 50, 100, 1000] {
            self.add(number.to_string());
        }
        if !is_integer {
            self.values.extend(["0.5".into(), "0.25".into(), "-0.5".into()]);
        }
        for at in 0..MORE {
            for end in [100, 30_000, 1_000_000_000] {
                let number = self.own_number(at, end);
                self.add(number.to_string());
                self.add((number + 1).to_string());
            }
        }
    }

    fn dates(&mut self) {
        for text in self.named() {
            // Somewhere in the month that it names, too.
            let is_date = text.len() >= 10 && text.is_char_boundary(10);
            let middle = is_date.then(|| format!("{}15{}", &text[..8], &text[10..]));
            self.add(text);
            self.values.extend(middle);
        }
        for date in [
            "2024-01-01",
            "2024-01-02",
            "2024-01-03",
            "2001-01-01",
            "2099-01-01",
            "2023-12-31",
            "2001-01-02",
            "2099-01-02",
            "1980-05-05",
            "infinity",
            "-infinity",
        ] {
            self.add(date);
        }
        self.add("now");
        for at in 0..MORE {
            // Two days in a row, for what begins on one and ends on the other.
            let day = self.own_number(at, 3000);
            self.add(date(day));
            self.add(date(day + 1));
        }
    }

    fn times(&mut self) {
        self.values.extend(self.named());
        for time in ["09:00", "12:00", "17:00", "00:00", "23:59", "06:30"] {
            self.add(time);
        }
        for at in 0..MORE {
            let minute = self.number(at, 24 * 60);
            self.add(format!("{:02}:{:02}", minute / 60, minute % 60));
        }
    }

    fn intervals(&mut self) {
        self.values.extend(self.named());
        for text in ["1 day", "1 hour", "0", "1 minute", "1 week", "1 month", "1 year", "-1 day"] {
            self.add(text);
        }
        for at in 0..MORE {
            self.add(format!("{} seconds", self.number(at, 1_000_000)));
        }
    }

    fn ranges(&mut self) {
        self.values.extend(self.named());
        let is_multi = self.column.base_type.ends_with("multirange");
        let open = |range: String| if is_multi { format!("{{{range}}}") } else { range };
        let mut ranges = vec![String::from("[1,2)"), "[1,10)".into(), "[0,100)".into()];
        ranges.extend(["[2024-01-01,2024-01-02)".into(), "[2024-01-01,2024-02-01)".into()]);
        for at in 0..MORE {
            let first = self.number(at, 1_000_000_000);
            ranges.push(format!("[{first},{})", first + 1));
            let day = self.number(at, 3000);
            ranges.push(format!("[{},{})", date(day), date(day + 1)));
        }
        for count in self.counts() {
            ranges.push(format!("[{count},{})", count.saturating_add(1)));
            ranges.push(format!("[{},{count})", count.saturating_sub(1)));
        }
        ranges.push("[1,)".into());
        ranges.push("[2024-01-01,)".into());
        ranges.push("(,)".into());
        self.values.extend(ranges.into_iter().map(open));
        self.add(if is_multi { "{}" } else { "empty" });
    }

    fn arrays(&mut self) {
        let mark = token(self.row.owner);
        let quoted = |text: &str| json!(text).to_string();
        let mut elements: Vec<String> = self.named().iter().map(|text| quoted(text)).collect();
        elements.extend(self.column.element_labels.iter().flatten().map(|label| quoted(label)));
        elements.push(quoted(&mark));
        elements.extend(self.counts().iter().map(ToString::to_string));
        let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, self.row.seed.as_bytes()).to_string();
        for text in ["1", &id, "2024-01-01", "1 day", "192.0.2.1", "[1,2)", "{}", "t", "x"] {
            elements.push(quoted(text));
        }
        for at in 0..4 {
            elements.push(self.number(at, 30_000).to_string());
        }
        let mut lengths: Vec<usize> = vec![1, 2, 3];
        let counts = self.counts();
        let counts = counts.iter().filter_map(|count| usize::try_from(*count).ok());
        lengths.extend(counts.filter(|count| *count <= 50).flat_map(|n| [n, n + 1]));
        self.add("{}");
        for length in lengths {
            for element in &elements {
                let list = vec![element.as_str(); length].join(",");
                self.values.push(format!("{{{list}}}"));
            }
        }
        let all = self.named().iter().map(|text| quoted(text)).collect::<Vec<_>>().join(",");
        self.add(format!("{{{all}}}"));
        for element in elements {
            self.values.push(format!("{{{{{element},{element}}},{{{element},{element}}}}}"));
        }
    }

    fn documents(&mut self) {
        let mark = token(self.row.owner);
        let named = self.named();
        let mark_value = json!(mark);
        self.add(json!({ "leakproof": mark_value }).to_string());
        self.add(json!([mark_value]).to_string());
        self.add(json!([{ "leakproof": mark_value }]).to_string());
        for pair in named.windows(2) {
            self.add(json!({ &pair[0]: pair[1] }).to_string());
        }
        let samples = [
            json!(mark),
            json!(1),
            json!(true),
            json!([mark]),
            json!({ "leakproof": mark }),
            json!([]),
            json!({}),
            json!(null),
            json!("2024-01-01"),
            json!([1, 2]),
        ];
        for sample in &samples {
            let mut whole = serde_json::Map::new();
            for name in &named {
                self.add(json!({ name: sample }).to_string());
                whole.insert(name.clone(), sample.clone());
            }
            self.add(json!(whole).to_string());
            self.add(sample.to_string());
        }
        for count in self.counts() {
            for length in [count, count + 1] {
                let length = usize::try_from(length).unwrap_or(0).min(50);
                self.add(json!(vec![mark.as_str(); length]).to_string());
            }
        }
        // Every pair of a key and a value that are named at all.
        for name in named.iter().take(6) {
            for value in named.iter().take(6) {
                self.add(json!({ name: value }).to_string());
            }
        }
        for at in 0..MORE {
            let number = self.number(at, 1_000_000);
            self.add(json!({ "leakproof": mark, "number": number }).to_string());
        }
    }

    fn ids(&mut self) {
        self.values.extend(self.named());
        self.add(Uuid::nil().to_string());
        for at in 0..MORE {
            let name = format!("{} {} {at}", self.column.name, self.row.seed);
            self.add(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string());
        }
    }

    fn bytes(&mut self) {
        self.values.extend(self.named());
        for count in self.counts() {
            for length in [count, count + 1, count - 1] {
                let length = usize::try_from(length).unwrap_or(0).min(5000);
                self.add(format!("\\x{}", "6c".repeat(length)));
            }
        }
        self.add("\\x");
        for at in 0..MORE {
            self.add(format!("\\x{:016x}", self.number(at, u64::MAX)));
        }
    }

    fn addresses(&mut self) {
        self.values.extend(self.named());
        for text in ["192.0.2.1", "192.0.2.0/24", "10.0.0.1", "10.0.0.0/8", "2001:db8::1"] {
            self.add(text);
        }
        self.add("2001:db8::/32");
        for at in 0..MORE {
            self.add(format!("198.51.{}.{}", self.number(at, 256), self.number(at + 50, 256)));
        }
    }

    fn bits(&mut self) {
        self.values.extend(self.named());
        let size = values::size(self.column).min(64);
        self.add("1".repeat(size));
        for at in 0..MORE {
            let bits = format!("{:064b}", self.number(at, u64::MAX));
            self.add(&bits[64 - size..]);
        }
    }

    fn others(&mut self) {
        self.values.extend(self.named());
        let [n, mark] = [self.number(0, 1000).to_string(), token(self.row.owner)];
        let size = values::size(self.column).clamp(1, 5000);
        for value in [
            mark.as_str(),
            "",
            "0",
            "1",
            "{}",
            "[1,2,3]",
            "[1]",
            "(0,0)",
            "a",
            "leakproof",
            "2024-01-01",
            "<a/>",
            "\"a\"=>\"1\"",
            "a.b",
            "1.0.0",
            "{1:1}/3",
            "0/0",
            "[1,2)",
            "192.0.2.1",
            "00000000-0000-0000-0000-000000000000",
            "POINT(0 0)",
            "x@leakproof.test",
            "00:00:5e:00:53:01",
            "((0,0),(1,1))",
            "<(0,0),1>",
            "{1,0,0}",
            "1 day",
            "t",
            "()",
            "$",
            "US",
            "+15555550100",
            "https://leakproof.test/",
            "00:00:5e:00:53:01:00:01",
        ] {
            self.add(value);
        }
        self.add(format!("[{}]", vec!["1"; size].join(",")));
        // The fields of a row type.
        let parts = self.column.parts;
        for field in ["", "1", "a", "2024-01-01", "t", &n] {
            self.add(format!("({})", vec![field; parts.max(1)].join(",")));
        }
        for at in 0..MORE {
            let number = self.number(at, 1000);
            self.add(number.to_string());
            self.add(format!("({number},{number})"));
            self.add(format!("\"leakproof\"=>\"{number}\""));
            self.add(format!("00:00:5e:00:{:02x}:{:02x}", number % 256, self.number(at, 256)));
            self.add(format!("leakproof{number}"));
        }
    }
}

/// Whether a value leaves no room for others where none may overlap it.
pub(crate) fn is_broad(value: &str) -> bool {
    let is_open = value.contains(",)") || value.contains("(,");
    is_open
        || ["infinity", "2001-", "2099-", "1980-"].iter().any(|far| value.contains(far))
        || ["[0,100)", "[1,10)", "now"].contains(&value)
}

/// A number that follows from a text: FNV-1a, well mixed, since many are needed.
pub(crate) fn number(text: &str) -> u64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A word of letters and digits that begins with a letter.
fn word(number: u64) -> String {
    let mut rest = number;
    let mut word = String::from("k");
    for _ in 0..10 {
        word.push(char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(rest % 36) as usize]));
        rest /= 36;
    }
    word
}

/// So many days after the beginning of 2021, with months of 28 days.
fn date(day: u64) -> String {
    format!("{}-{:02}-{:02}", 2021 + day / 336, 1 + day % 336 / 28, 1 + day % 28)
}
