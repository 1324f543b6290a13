//! One file in one transaction: its rows in the histories first, then its statements, then what became of rows.

use std::time::Instant;

use crate::error::{Error, Result};
use crate::finding::preservation;
use crate::finding::value::Finding;
use crate::finding::waiver::{Known, apply_waivers};
use crate::migrate::applied::{Applied, Deviations};
use crate::migrate::run::run_as_it_is;
use crate::preserve::{After, Again, after, before_in_use};
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::connected::Connected;
use crate::push::receipt::How;
use crate::push::standing::Histories;
use crate::report::discreet::{hide_in_applied, hide_in_finding};
use crate::session::failed::failing;

/// How many bytes of tables are counted of a file at most: copied, counted twice and compared in about two
/// seconds, in which nobody else writes to them.
pub(crate) const MOST_COUNTED: u64 = 64 << 20;

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
}

impl Attempt<'_> {
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
        let mut taken_back = None;
        let done = target.connection.transaction(|session| {
            settings.into_iter().for_each(|setting| session.say(setting));
            for record in &records {
                session.run(record).map_err(failing(CLAIM))?;
            }
            let before = before_in_use(session, file.raw(), pairs, again, MOST_COUNTED)?;
            let statements = run_as_it_is(session, file)?;
            session.say(become_role);
            let preservation = match after(session, file.raw(), pairs, &before)? {
                After::Seen(preservation) => *preservation,
                After::Again(more) => {
                    taken_back = Some(Outcome::Again(more));
                    return Err(Error::new("the file is applied once more"));
                }
            };
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
        if let Some(outcome) = taken_back {
            return Ok(outcome);
        }
        let (applied, waived) = done?;
        let calls = project.calls(file.version()).len();
        let (applied, took) = (Box::new(applied), begun.elapsed());
        Ok(Outcome::Applied(How::Here { applied, waived, calls, took }))
    }
}
