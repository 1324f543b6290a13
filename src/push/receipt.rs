//! What came of a file that was pushed, as a value. Pure.

use std::fmt::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::finding::waiver::Waived;
use crate::migrate::applied::Applied;
use crate::preserve::loss::Loss;
use crate::words::{counted, printable};

/// What is to be known of a file that runs statement by statement.
pub(crate) const NOT_COUNTED: &str =
    "rows were not counted: it runs outside a transaction, statement by statement";

/// How a file came to be applied.
#[derive(Debug)]
pub struct Receipt {
    /// `V4 move_messages`
    pub title: String,
    /// How.
    pub how: How,
}

/// How a file came to be applied.
#[derive(Debug)]
pub enum How {
    /// By this push, which saw what it did to rows.
    Here {
        /// What it did.
        applied: Box<Applied>,
        /// What was lost and is declared to be meant.
        waived: Vec<Waived>,
        /// Recorded calls that were not made.
        calls: usize,
        /// How long its transaction was open, the last time.
        took: Duration,
    },
    /// By this push, statement by statement and in no transaction.
    Outside {
        /// How many statements it has.
        statements: usize,
        /// How many of them had run already, by a push that did not get to the end.
        resumed: usize,
        /// What is to be known of them; a sentence each.
        notes: Vec<String>,
        /// How long it took, the last time.
        took: Duration,
    },
    /// It was taken back, and what it did to rows was seen; what is lost was allowed to be.
    Back {
        /// What it did.
        applied: Box<Applied>,
        /// How long its transaction was open, the last time.
        took: Duration,
    },
    /// By this push, whose connection was lost before it heard so; the target's history says it.
    Unheard {
        /// Whether the target has it, or it was taken back.
        has_it: bool,
    },
    /// By somebody else, meanwhile.
    Elsewhere,
}

/// The first line says what was applied, and lines below it what is to be known of its rows.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write(&mut text)?;
        // Names are the project's, and the target's.
        f.write_str(&printable(&text))
    }
}

impl Receipt {
    fn write(&self, f: &mut String) -> fmt::Result {
        let title = &self.title;
        let (verb, applied, waived, calls, took) = match &self.how {
            How::Here { applied, waived, calls, took } => {
                ("applied   ", applied, waived.as_slice(), *calls, took)
            }
            How::Back { applied, took } => ("taken back", applied, [].as_slice(), 0, took),
            How::Outside { statements, resumed, notes, took } => {
                let statements = counted(*statements, "statement");
                let took = took.as_millis();
                writeln!(
                    f,
                    "applied     {title}: {statements} outside a transaction in {took} ms"
                )?;
                if *resumed > 0 {
                    writeln!(
                        f,
                        "  {resumed} of them had run already, in a push that did not get to the end"
                    )?;
                }
                notes.iter().try_for_each(|note| writeln!(f, "  {note}"))?;
                return writeln!(f, "  {NOT_COUNTED}");
            }
            How::Unheard { has_it: false } => {
                return writeln!(
                    f,
                    "taken back  {title}: the connection was lost, and the target has it no more"
                );
            }
            How::Unheard { has_it: true } => {
                writeln!(f, "applied     {title}: the connection was lost, and the target has it")?;
                return writeln!(f, "  rows were not compared: what came of that is not known");
            }
            How::Elsewhere => {
                return writeln!(f, "applied     {title}: by somebody else, meanwhile");
            }
        };
        let seen = &applied.preservation;
        let rows = match seen.tables {
            0 if seen.uncounted.is_empty() => "no row that was there has changed".to_owned(),
            0 => "no row was counted".to_owned(),
            tables => format!(
                "{} in {} counted before and after",
                counted(usize::try_from(seen.rows).unwrap_or(usize::MAX), "row"),
                counted(tables, "table")
            ),
        };
        writeln!(
            f,
            "{verb}  {title}: {} in {} ms, {rows}",
            counted(applied.statements, "statement"),
            took.as_millis()
        )?;
        for line in &seen.uncounted {
            writeln!(f, "  {line}")?;
        }
        let gone = if verb == "taken back" { seen.losses.as_slice() } else { &[] };
        for loss in gone {
            writeln!(f, "  gone: {}", loss.sentence())?;
        }
        for loss in &seen.covered {
            writeln!(f, "  covered: {}", loss.sentence())?;
        }
        for waived in waived {
            writeln!(f, "  waived: {} ({})", waived.finding.message(), waived.reason)?;
        }
        for pair in &seen.pairs {
            writeln!(f, "  holds: \"{}\" ({})", pair.name, counted_rows(pair.rows))?;
        }
        for line in seen.retyped.iter().chain(&seen.noted) {
            writeln!(f, "  {line}")?;
        }
        for column in &seen.stamped {
            writeln!(f, "  {column} was set to now by a trigger")?;
        }
        match calls {
            0 => Ok(()),
            calls => writeln!(
                f,
                "  {} not made: `leakproof check` makes them",
                counted(calls, "recorded call")
            ),
        }
    }
}

/// What is stored of a file that was applied.
pub(crate) fn stored_of(applied: &Applied, waived: &[Waived], calls: usize) -> Value {
    let seen = &applied.preservation;
    let covered: Vec<String> = seen.covered.iter().map(Loss::sentence).collect();
    let lost: Vec<String> = seen.losses.iter().map(Loss::sentence).collect();
    let waived = waived.iter().map(|one| {
        let Waived { finding, reason } = one;
        json!({ "finding": finding.message(), "reason": reason })
    });
    let pairs = seen.pairs.iter().map(|pair| json!({ "name": pair.name, "rows": pair.rows }));
    json!({
        "statements": applied.statements,
        "tables_counted": seen.tables,
        "rows_counted": seen.rows,
        "not_counted": seen.uncounted,
        "lost": lost,
        "covered": covered,
        "waived": waived.collect::<Vec<_>>(),
        "pairs_held": pairs.collect::<Vec<_>>(),
        "noted": seen.noted,
        "calls_not_made": calls,
    })
}

fn counted_rows(rows: u64) -> String {
    counted(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}
