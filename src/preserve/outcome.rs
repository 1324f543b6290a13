//! What was seen of the data across one migration, as values. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::names::Place;
use crate::preserve::draft::Draft;
use crate::preserve::loss::{Loss, LossKind};

/// What was seen of the data across one migration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Preservation {
    /// Tables that had rows before.
    pub tables: usize,
    /// Rows in those tables.
    pub rows: u64,
    /// What is gone or changed and no pair covers.
    pub losses: Vec<Loss>,
    /// What is gone or changed as planned: covered by a pair.
    pub covered: Vec<Loss>,
    /// Columns with another type and every value, one sentence each.
    pub retyped: Vec<String>,
    /// Columns of times that a trigger of theirs has set to now, and nothing else has changed.
    pub stamped: Vec<String>,
    /// What is no loss of rows, and may surprise who looks for them where they were.
    pub noted: Vec<String>,
    /// Tables of a real database whose rows were changed and not counted, and why; a sentence each.
    #[serde(skip)]
    pub uncounted: Vec<String>,
    /// The pairs and how they came out.
    pub pairs: Vec<PairOutcome>,
    /// The recorded calls and how they came out.
    pub calls: Vec<CallOutcome>,
    /// Pairs that could vouch for what is lost.
    #[serde(skip)]
    pub(crate) drafts: Vec<Draft>,
    /// The names of columns of keys, where rows are told of by these only.
    #[serde(skip)]
    pub keys: BTreeSet<String>,
}

impl Preservation {
    /// Whether nothing was lost: no uncovered loss, every pair agrees, every call answers as before.
    pub fn holds(&self) -> bool {
        self.losses.is_empty()
            && self.pairs.iter().all(PairOutcome::holds)
            && self.calls.iter().all(CallOutcome::holds)
    }
}

/// How a pair came out.
#[derive(Debug, Clone, Serialize)]
pub struct PairOutcome {
    /// The promise.
    pub name: String,
    /// Where the pair stands.
    pub place: Place,
    /// Rows of the `before` query.
    pub rows: u64,
    /// Whether neither query gives a row, or both only count, so that it shows nothing.
    pub is_empty: bool,
    /// What it vouches for.
    pub covers: Vec<String>,
    /// What of that its `before` query does not show, be it columns of a table, so that it cannot vouch for
    /// it.
    pub unread: Vec<String>,
    /// Tables of whose rows it does not show the keys.
    #[serde(skip)]
    pub(crate) keyless: Vec<String>,
    /// What it covers and, with all others that cover it, shows a part of only.
    #[serde(skip)]
    pub(crate) partly: Vec<String>,
    /// The same, a sentence each, and rows that go and that it does not show.
    #[serde(skip)]
    pub(crate) noted: Vec<String>,
    /// The names of the columns before and after, where those differ: they are compared by place.
    pub by_place: Vec<[String; 2]>,
    /// Rows that only `before` has.
    pub lost: LineDifference,
    /// Rows that only `after` has.
    pub appeared: LineDifference,
}

/// What a pair cannot vouch for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vouching {
    /// The names that it covers, and columns of the tables among them, whose values could be any others:
    /// it would show the same.
    pub unread: Vec<String>,
    /// Tables of whose rows it does not show the keys.
    pub keyless: Vec<String>,
    /// Names that it covers and of which no pair shows all rows that were tried.
    pub partly: Vec<String>,
    /// The same, a sentence each, and rows that go and that it does not show.
    pub noted: Vec<String>,
}

/// The rows that one side has and the other lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct LineDifference {
    /// How many.
    pub count: u64,
    /// The first of them in text order, as JSON objects.
    pub first: Vec<String>,
}

impl PairOutcome {
    /// Whether both sides have the same rows, each as often.
    pub fn holds(&self) -> bool {
        self.lost.count == 0 && self.appeared.count == 0
    }

    /// Whether it covers a loss, and shows what was lost.
    pub(crate) fn vouches_for(&self, loss: &Loss) -> bool {
        // What is gone is in no row that a pair leaves out.
        let is_gone = matches!(
            loss.kind,
            LossKind::TableDropped
                | LossKind::TableEmptied
                | LossKind::ColumnDropped
                | LossKind::ColumnEmptied
        );
        let is_shown =
            |name: &String| !(self.unread.contains(name) || is_gone && self.partly.contains(name));
        // Without a key, who has which value is not shown.
        let is_told_apart =
            loss.kind != LossKind::ValuesMoved || !self.keyless.contains(&loss.table.to_string());
        is_told_apart
            && is_shown(&loss.place())
            && self.covers.iter().any(|name| is_shown(name) && loss.is_in(name))
    }
}

/// How a call came out.
#[derive(Debug, Clone, Serialize)]
pub struct CallOutcome {
    /// What the call is named.
    pub name: String,
    /// Where the call stands.
    pub place: Place,
    /// How many rows of its answer differ; 0 where it is the same.
    pub differing: usize,
    /// The first of them.
    pub first: Vec<AnswerDifference>,
}

/// A row of an answer, as it was and as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AnswerDifference {
    /// Before the migration.
    pub before: String,
    /// After it.
    pub after: String,
}

impl CallOutcome {
    /// Whether the answer is the same.
    pub fn holds(&self) -> bool {
        self.differing == 0
    }
}

impl AnswerDifference {
    /// Both, cut for people where they are huge: to where they begin to differ.
    pub(crate) fn shortened(&self) -> (String, String) {
        let same = self.before.chars().zip(self.after.chars()).take_while(|(a, b)| a == b).count();
        (shortened(&self.before, same), shortened(&self.after, same))
    }
}

fn shortened(line: &str, same: usize) -> String {
    const LONGEST: usize = 400;
    /// How much is shown of what is the same.
    const LEAD: usize = 60;
    let skipped = if line.chars().count() > LONGEST { same.saturating_sub(LEAD) } else { 0 };
    let start = line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at);
    let (rest, lead) = (&line[start..], if skipped > 0 { "..." } else { "" });
    match rest.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{lead}{}... ({} bytes)", &rest[..end], line.len()),
        None => format!("{lead}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_answers_are_shown_where_they_differ() {
        let same = "é".repeat(1000);
        let difference = AnswerDifference {
            before: format!("{same}one{}", "x".repeat(1000)),
            after: format!("{same}two"),
        };
        let (before, after) = difference.shortened();
        assert_eq!(before, format!("...{}one{}... (3003 bytes)", "é".repeat(60), "x".repeat(337)));
        assert_eq!(after, format!("...{}two", "é".repeat(60)));
        let short = AnswerDifference { before: "same, one".into(), after: "same".into() };
        assert_eq!(short.shortened(), ("same, one".into(), "same".into()));
    }
}
