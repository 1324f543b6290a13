//! Values of types without parts: texts, numbers, days, times, ids, bytes, addresses, bits.

use uuid::Uuid;

use crate::tenancy::keys::token;
use crate::world::seeding::pattern::{like_text, matching_text};
use crate::world::seeding::pool::draft::{self, Draft, MORE, MOST_NAMED, date};
use crate::world::seeding::values;

impl Draft<'_> {
    pub(crate) fn texts(&mut self) {
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
        let word = draft::word(self.number(900, u64::MAX));
        for pattern in named.iter().filter(|text| text.contains(['%', '_'])) {
            self.add(like_text(pattern, ""));
            self.add(like_text(pattern, &word));
        }
        let token = token(self.row.owner);
        let natural = format!("{token} {} {}", self.column.name, self.row.seed);
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
        self.add(format!("{word}@example.com"));
        self.add(format!("https://example.com/{word}"));
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
            let own = draft::word(number);
            self.add(own.clone());
            let length = self.column.length.unwrap_or(8).min(8);
            self.add(own.chars().rev().take(length).collect::<String>());
        }
    }

    pub(crate) fn numbers(&mut self, is_integer: bool) {
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

    pub(crate) fn dates(&mut self) {
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

    pub(crate) fn times(&mut self) {
        self.values.extend(self.named());
        for time in ["09:00", "12:00", "17:00", "00:00", "23:59", "06:30"] {
            self.add(time);
        }
        for at in 0..MORE {
            let minute = self.number(at, 24 * 60);
            self.add(format!("{:02}:{:02}", minute / 60, minute % 60));
        }
    }

    pub(crate) fn intervals(&mut self) {
        self.values.extend(self.named());
        for text in ["1 day", "1 hour", "0", "1 minute", "1 week", "1 month", "1 year", "-1 day"] {
            self.add(text);
        }
        for at in 0..MORE {
            self.add(format!("{} seconds", self.number(at, 1_000_000)));
        }
    }

    pub(crate) fn ids(&mut self) {
        self.values.extend(self.named());
        self.add(Uuid::nil().to_string());
        for at in 0..MORE {
            let name = format!("{} {} {at}", self.column.name, self.row.seed);
            self.add(Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string());
        }
    }

    pub(crate) fn bytes(&mut self) {
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

    pub(crate) fn addresses(&mut self) {
        self.values.extend(self.named());
        for text in ["192.0.2.1", "192.0.2.0/24", "10.0.0.1", "10.0.0.0/8", "2001:db8::1"] {
            self.add(text);
        }
        self.add("2001:db8::/32");
        for at in 0..MORE {
            self.add(format!("198.51.{}.{}", self.number(at, 256), self.number(at + 50, 256)));
        }
    }

    pub(crate) fn bits(&mut self) {
        self.values.extend(self.named());
        let size = values::size(self.column).min(64);
        self.add("1".repeat(size));
        for at in 0..MORE {
            let bits = format!("{:064b}", self.number(at, u64::MAX));
            self.add(&bits[64 - size..]);
        }
    }
}
