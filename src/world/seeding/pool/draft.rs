//! A pool while it is filled, and what its values are drawn from: numbers, words and days that follow
//! from the names of the column and the row, and what the definitions name.

use crate::catalog::relation::Column;
use crate::tenancy::keys::strings;

/// Whose row a value is for.
#[derive(Clone, Copy)]
pub(crate) struct For<'a> {
    /// The label of its branch.
    pub owner: &'a str,
    pub seed: &'a str,
}

/// How many more values of its own kind a pool has, for what must be unique.
pub(crate) const MORE: usize = 12;

/// How many texts of the checks are looked at.
pub(crate) const MOST_NAMED: usize = 24;

/// A pool while it is filled.
pub(crate) struct Draft<'a> {
    pub column: &'a Column,
    pub row: For<'a>,
    /// What says something about the values of the column.
    pub definitions: &'a [&'a str],
    pub values: Vec<String>,
}

impl Draft<'_> {
    pub(crate) fn add(&mut self, value: impl Into<String>) {
        self.values.push(value.into());
    }

    /// The `at`-th number of the row, below `end`.
    pub(crate) fn number(&self, at: usize, end: u64) -> u64 {
        number(&format!("{} {} {at}", self.column.name, self.row.seed)) % end
    }

    /// The same in every column of the row, for a beginning and an end that belong together.
    pub(crate) fn own_number(&self, at: usize, end: u64) -> u64 {
        number(&format!("{} {at}", self.row.seed)) % end
    }

    pub(crate) fn named(&self) -> Vec<String> {
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
    pub(crate) fn counts(&self) -> Vec<i64> {
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
pub(crate) fn word(number: u64) -> String {
    let mut rest = number;
    let mut word = String::from("k");
    for _ in 0..10 {
        word.push(char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[(rest % 36) as usize]));
        rest /= 36;
    }
    word
}

/// So many days after the beginning of 2021, with months of 28 days.
pub(crate) fn date(day: u64) -> String {
    format!("{}-{:02}-{:02}", 2021 + day / 336, 1 + day % 336 / 28, 1 + day % 28)
}
