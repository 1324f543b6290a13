//! What came of a file that was pushed, as a value. Pure.

use std::fmt::{self, Write};
use std::time::Duration;

use crate::finding::waiver::Waived;
use crate::migrate::applied::Applied;
use crate::words::{counted, printable};

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
    /// By this push, whose connection was lost before it heard so; the target's history says it.
    Unheard,
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
        let (applied, waived, calls, took) = match &self.how {
            How::Here { applied, waived, calls, took } => (applied, waived, *calls, took),
            How::Unheard => {
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
            "applied     {title}: {} in {} ms, {rows}",
            counted(applied.statements, "statement"),
            took.as_millis()
        )?;
        for line in &seen.uncounted {
            writeln!(f, "  {line}")?;
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

fn counted_rows(rows: u64) -> String {
    counted(usize::try_from(rows).unwrap_or(usize::MAX), "row")
}
