//! One file in one transaction: its rows in the histories first, then its statements, then what became of rows.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::finding::preservation;
use crate::finding::value::Finding;
use crate::finding::waiver::{Known, apply_waivers};
use crate::migrate::applied::{Applied, Deviations};
use crate::migrate::run::run_as_it_is;
use crate::preserve::{After, Again, Before, after, before_in_use, raising_sequences};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::connected::Connected;
use crate::push::interrupt::Interrupt;
use crate::push::own::{Own, make};
use crate::push::receipt::{How, stored_of};
use crate::push::standing::Histories;
use crate::push::stored::{Action, NOT_STORED, Stored};
use crate::refusal::QUERY_CANCELED;
use crate::report::discreet::{hide_in_applied, hide_in_finding};
use crate::session::failed::failing;
use crate::session::open::Session;

/// How many bytes of tables are copied, counted twice and compared in a second, in which nobody else writes to them.
const COUNTED_IN_SECOND: u64 = 32 << 20;

/// How many bytes of tables are counted of a file at most.
pub(crate) fn most_counted(lock_budget: Duration) -> u64 {
    COUNTED_IN_SECOND.saturating_mul(lock_budget.as_secs())
}

/// What cannot be done where another tool is applying the same file.
pub(crate) const CLAIM: &str = "write a file down as applied";

/// What came of an attempt.
pub(crate) enum Outcome {
    /// It is applied.
    Applied(How),
    /// It has written to tables that were not counted; nothing of it stays.
    Again(Again),
    /// It loses rows, or breaks a promise; nothing of it stays.
    Lost(Vec<Finding>),
}

/// Which way a file leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// To its version.
    There,
    /// Back from it.
    Back {
        /// Whether rows may go with it.
        allows_loss: bool,
    },
}

/// A file to be applied.
pub(crate) struct Attempt<'a> {
    pub project: &'a Project,
    pub histories: &'a Histories,
    pub file: &'a SqlFile,
    pub direction: Direction,
    /// Whether it makes the tables that are not there yet.
    pub is_first: bool,
    /// Whether a receipt is stored.
    pub stores: bool,
    /// What a rehearsal said of it, for the receipt.
    pub rehearsed: &'a Value,
    /// Whether only keys are told of rows.
    pub is_discreet: bool,
    pub interrupt: &'a Interrupt,
    /// How many bytes of tables are counted.
    pub most_counted: u64,
}

impl Attempt<'_> {
    /// Applies the file, whole or not at all.
    ///
    /// # Errors
    /// The first statement that fails, or a lost connection.
    pub(crate) fn make(&self, target: &mut Connected, again: &Again) -> Result<Outcome> {
        let Self { project, file, direction, .. } = *self;
        let is_there = direction == Direction::There;
        let records = match is_there {
            true => self.histories.record_sql(file)?,
            false => self.histories.kinds().map(|kind| kind.forget_sql(file.version())).collect(),
        };
        let (begun, settings, become_role) =
            (Instant::now(), target.settings.clone(), target.become_role());
        // What they compare is the way there.
        let pairs = if is_there { project.preserve(file.version()) } else { &[] };
        let calls = if is_there { project.calls(file.version()).len() } else { 0 };
        let (mut taken_back, mut known) = (None, None);
        let done = target.connection.transaction(|session| {
            settings.into_iter().for_each(|setting| session.say(setting));
            if self.is_first {
                let own: &[Own] = if self.stores { &[Own::Receipts] } else { &[] };
                make(session, &self.histories.kinds().collect::<Vec<_>>(), own)?;
            }
            for record in &records {
                session.run(record).map_err(failing(CLAIM))?;
            }
            let before = before_in_use(session, file.raw(), pairs, again, self.most_counted)?;
            let before = known.insert(before);
            let statements = run_as_it_is(session, file)?;
            session.say(become_role);
            let preservation = match after(session, file.raw(), pairs, before)? {
                After::Seen(preservation) => *preservation,
                After::Again(more) => {
                    taken_back = Some(Outcome::Again(more));
                    return Err(Error::new("the file is applied once more"));
                }
            };
            see_rows_of_history(session, self.histories, (file, direction))?;
            let (version, name) = (file.version(), file.name().to_owned());
            let (deviations, repeated) = (Deviations::default(), None);
            let mut applied =
                Applied { version, name, statements, preservation, deviations, repeated };
            let found = preservation::judge(std::slice::from_ref(&applied));
            let waivers = if is_there { project.config().waive.as_slice() } else { &[] };
            let (mut lost, mut waived) =
                apply_waivers(found, waivers, &Known::default(), |_| false);
            if self.is_discreet {
                let keys = applied.preservation.keys.clone();
                let all = lost.iter_mut().chain(waived.iter_mut().map(|one| &mut one.finding));
                all.for_each(|finding| hide_in_finding(finding, &keys));
                hide_in_applied(&mut applied, &keys);
            }
            if !lost.is_empty() && direction != (Direction::Back { allows_loss: true }) {
                taken_back = Some(Outcome::Lost(lost));
                return Err(Error::new("the file loses rows"));
            }
            if self.stores {
                let mut receipt = stored_of(&applied, &waived, calls);
                receipt["rehearsed"] = self.rehearsed.clone();
                let (version, name, took) = (file.version(), file.name(), begun.elapsed());
                let action = if is_there { Action::Push } else { Action::Rollback };
                let file = Some(file);
                Stored { action, version, name, file, took, receipt }.write(session)?;
            } else {
                applied.preservation.noted.push(NOT_STORED.into());
            }
            Ok((applied, waived))
        });
        if done.is_err() {
            self.interrupt.hear();
        }
        if let Some(before) = known.filter(|_| done.is_err()) {
            let raised = raise_sequences_at_last(target, &before);
            // Of a lost connection something else is told.
            if taken_back.is_some() {
                raised?;
            }
        }
        if let Some(outcome) = taken_back {
            return Ok(outcome);
        }
        let (applied, waived) = done?;
        let (applied, took) = (Box::new(applied), begun.elapsed());
        Ok(Outcome::Applied(match is_there {
            true => How::Here { applied, waived, calls, took },
            false => How::Back { applied, took },
        }))
    }
}

/// Whether the histories have the file, whatever it has done to them, or a trigger of theirs.
pub(crate) fn see_rows_of_history(
    session: &mut Session,
    histories: &Histories,
    (file, direction): (&SqlFile, Direction),
) -> Result<()> {
    let (expected, state) = match direction {
        Direction::There => ("1", "not written down as applied"),
        Direction::Back { .. } => ("0", "still written down as applied"),
    };
    for kind in histories.kinds() {
        let rows = session.rows(&kind.has_sql(file.version()));
        if rows.is_ok_and(|rows| rows == [[Some(expected.to_owned())]]) {
            continue;
        }
        let fact = format!("{} is {state}", file.title());
        return Err(Error::new(fact)
            .cause(format!("{} has not the row that was written, once the file has run", kind.table()))
            .help("nothing of this file was kept; leave that table alone, and have no trigger or rule on it"));
    }
    Ok(())
}

/// As [`raise_sequences`], although a cancel may still be on its way.
fn raise_sequences_at_last(target: &mut Connected, before: &Before) -> Result<()> {
    let is_cancelled = |raised: &Result<()>| {
        let refusal = raised.as_ref().err().and_then(Error::refusal);
        refusal.is_some_and(|refusal| refusal.sqlstate == QUERY_CANCELED)
    };
    let mut raised = raise_sequences(target, before);
    for _ in 0..2 {
        if is_cancelled(&raised) {
            raised = raise_sequences(target, before);
        }
    }
    raised
}

/// Has sequences go on from where they were before a file that was rolled back.
fn raise_sequences(target: &mut Connected, before: &Before) -> Result<()> {
    let settings = target.settings.clone();
    let statements = target.connection.uncommitted(|session| {
        settings.iter().for_each(|setting| session.say(setting.as_str()));
        raising_sequences(session, before)
    })?;
    if statements.is_empty() {
        return Ok(());
    }
    target.connection.transaction(|session| {
        settings.into_iter().for_each(|setting| session.say(setting));
        let raise = session.run(&statements.join("; "));
        raise.map(drop).map_err(failing("have sequences go on from where they were"))
    })
}
