//! One file in one transaction: its rows in the histories first, then its statements, then what became of rows.

use std::time::{Duration, Instant};

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
use crate::push::receipt::How;
use crate::push::standing::Histories;
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
const CLAIM: &str = "write a file down as applied";

/// What came of an attempt.
pub(crate) enum Outcome {
    /// It is applied.
    Applied(How),
    /// It has written to tables that were not counted; nothing of it stays.
    Again(Again),
    /// It loses rows, or breaks a promise; nothing of it stays.
    Lost(Vec<Finding>),
}

/// A file to be applied.
pub(crate) struct Attempt<'a> {
    pub project: &'a Project,
    pub histories: &'a Histories,
    pub file: &'a SqlFile,
    /// Whether only keys are told of rows.
    pub is_discreet: bool,
    /// How many bytes of tables are counted.
    pub most_counted: u64,
}

impl Attempt<'_> {
    /// Whether the histories have the file, whatever it has done to them, or a trigger of theirs.
    fn see_rows_of_history(&self, session: &mut Session) -> Result<()> {
        for kind in self.histories.kinds() {
            let rows = session.rows(&kind.has_sql(self.file.version()));
            if rows.is_ok_and(|rows| rows == [[Some("1".to_owned())]]) {
                continue;
            }
            let fact = format!("{} is not written down as applied", self.file.title());
            return Err(Error::new(fact)
                .cause(format!("its row in {} is not there once the file has run", kind.table()))
                .help("nothing of this file was kept; leave that table alone, and have no trigger or rule on it"));
        }
        Ok(())
    }

    /// Applies the file, whole or not at all.
    ///
    /// # Errors
    /// The first statement that fails, or a lost connection.
    pub(crate) fn make(&self, target: &mut Connected, again: &Again) -> Result<Outcome> {
        let Self { project, file, .. } = *self;
        let records = self.histories.record_sql(file)?;
        let (begun, settings, become_role) =
            (Instant::now(), target.settings.clone(), target.become_role());
        let pairs = project.preserve(file.version());
        let (mut taken_back, mut known) = (None, None);
        let done = target.connection.transaction(|session| {
            settings.into_iter().for_each(|setting| session.say(setting));
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
            self.see_rows_of_history(session)?;
            let (version, name) = (file.version(), file.name().to_owned());
            let (deviations, repeated) = (Deviations::default(), None);
            let mut applied =
                Applied { version, name, statements, preservation, deviations, repeated };
            let found = preservation::judge(std::slice::from_ref(&applied));
            let waivers = &project.config().waive;
            let (mut lost, mut waived) =
                apply_waivers(found, waivers, &Known::default(), |_| false);
            if self.is_discreet {
                let keys = applied.preservation.keys.clone();
                let all = lost.iter_mut().chain(waived.iter_mut().map(|one| &mut one.finding));
                all.for_each(|finding| hide_in_finding(finding, &keys));
                hide_in_applied(&mut applied, &keys);
            }
            if !lost.is_empty() {
                taken_back = Some(Outcome::Lost(lost));
                return Err(Error::new("the file loses rows"));
            }
            Ok((applied, waived))
        });
        if let Some(before) = known.filter(|_| done.is_err()) {
            let raised = raise_sequences(target, &before);
            // Of a lost connection something else is told.
            if taken_back.is_some() {
                raised?;
            }
        }
        if let Some(outcome) = taken_back {
            return Ok(outcome);
        }
        let (applied, waived) = done?;
        let calls = project.calls(file.version()).len();
        let (applied, took) = (Box::new(applied), begun.elapsed());
        Ok(Outcome::Applied(How::Here { applied, waived, calls, took }))
    }
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
