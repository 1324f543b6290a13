//! There, back and there again: each rollback file must lead to what was before its version, and
//! the migrations must lead to the same end from there.

use std::collections::BTreeMap;

use crate::catalog::read::{Definitions, definitions};
use crate::check::outcome::{Difference, Leg, RoundTrip};
use crate::error::{Error, Result};
use crate::preserve::contents::contents;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::scratch::Scratch;
use crate::session::connection::Connection;
use crate::session::open::Session;

/// A database as a version left it.
struct State {
    version: i64,
    definitions: Definitions,
    contents: BTreeMap<String, String>,
}

/// The states that the first way there passed through.
#[derive(Default)]
pub(crate) struct Passed {
    states: Vec<State>,
}

impl Passed {
    /// Notes what is there after a version and its fixture.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn look(&mut self, session: &mut Session, version: &SqlFile) -> Result<()> {
        self.states.push(State::read(session, version.version())?);
        Ok(())
    }

    /// Goes back from the last version as far as there are rollback files, and there again.
    ///
    /// # Errors
    /// The last version has no rollback file, or the server is lost.
    pub(crate) fn travel(self, project: &Project, scratch: &mut Scratch<'_>) -> Result<RoundTrip> {
        let mut trip = RoundTrip::default();
        let [.., _, last] = self.states.as_slice() else { return Ok(trip) };
        if project.rollback(last.version).is_none() {
            return Err(Error::new(format!("version {} has no way back", last.version))
                .help(format!("add `rollback/V{}__<name>.sql`", last.version)));
        }
        let mut connection = scratch.connection()?;
        // Back to the first version at most: its fixtures are the data of the trip.
        let mut at = self.states.len() - 1;
        while at > 0 && project.rollback(self.states[at].version).is_some() {
            if !self.step_back(project, scratch, &mut connection, at, &mut trip)? {
                (trip.turned_at, trip.is_cut_short) = (self.states[at].version, true);
                return Ok(trip);
            }
            at -= 1;
        }
        (trip.turned_at, trip.is_cut_short) = (self.states[at].version, at > 0);
        let known = scratch.applied().len();
        let outcome = scratch.migrate_again(&mut connection);
        trip.again = scratch.applied()[known..].to_vec();
        let again = State::of(&mut connection, last.version)?;
        let step = Leg::ThereAgain { to: last.version };
        match outcome {
            Ok(()) => {
                let has_all_rows = project.seeds().is_empty();
                trip.compare(step, last, &again, has_all_rows);
            }
            Err(failure) => trip.note_failure(step, &failure),
        }
        Ok(trip)
    }

    /// Takes back one version. Gives false where its file fails, so that there is no going on.
    fn step_back(
        &self,
        project: &Project,
        scratch: &mut Scratch<'_>,
        connection: &mut Connection,
        at: usize,
        trip: &mut RoundTrip,
    ) -> Result<bool> {
        let (version, before) = (self.states[at].version, &self.states[at - 1]);
        let step = back_from(project, version);
        let outcome = scratch.roll_back_on(connection, before.version);
        // A lost server fails here, too, and is no fault of the file.
        let now = State::of(connection, before.version)?;
        if let Err(failure) = outcome {
            trip.note_failure(step, &failure);
            return Ok(false);
        }
        trip.back.push(version);
        let has_fixture = |state: &State| !project.fixtures(state.version).is_empty();
        // Seeds come after the last version.
        let has_all_rows = project.seeds().is_empty() && !self.states[at..].iter().any(has_fixture);
        if !has_all_rows {
            trip.without_data.push(version);
        }
        trip.compare(step, before, &now, has_all_rows);
        Ok(true)
    }
}

fn back_from(project: &Project, version: i64) -> Leg {
    let file = project.rollback(version).map(|file| file.path().to_owned());
    Leg::Back { from: version, file: file.unwrap_or_else(|| format!("V{version}").into()) }
}

impl State {
    /// As it is now.
    fn of(connection: &mut Connection, version: i64) -> Result<Self> {
        connection.uncommitted(|session| Self::read(session, version))
    }

    fn read(session: &mut Session, version: i64) -> Result<Self> {
        let definitions = definitions(session, "true")?;
        let contents = contents(session)?;
        Ok(Self { version, definitions, contents })
    }
}

impl RoundTrip {
    fn note_failure(&mut self, step: Leg, failure: &Error) {
        let lines =
            failure.to_string().lines().map(|line| format!("fails: {}", line.trim())).collect();
        self.differences.push(Difference { step, lines, has_failed: true });
    }

    fn compare(&mut self, step: Leg, was: &State, is: &State, with_data: bool) {
        let name = |(kind, title): &(String, String)| format!("{kind} {title}");
        let mut lines = differing(&was.definitions, &is.definitions, name);
        if with_data {
            lines
                .extend(differing(&was.contents, &is.contents, |title| format!("rows of {title}")));
        }
        if !lines.is_empty() {
            self.differences.push(Difference { step, lines, has_failed: false });
        }
    }
}

/// What one has and the other lacks, and what both have otherwise.
fn differing<K: Ord>(
    was: &BTreeMap<K, String>,
    is: &BTreeMap<K, String>,
    name: impl Fn(&K) -> String,
) -> Vec<String> {
    let mut lines = Vec::new();
    for (key, before) in was {
        match is.get(key) {
            None => lines.push(format!("gone: {}: {before}", name(key))),
            Some(now) if now != before => {
                lines.push(format!("was: {}: {before}", name(key)));
                lines.push(format!("is: {}: {now}", name(key)));
            }
            Some(_) => {}
        }
    }
    let new = is.iter().filter(|(key, _)| !was.contains_key(*key));
    lines.extend(new.map(|(key, now)| format!("new: {}: {now}", name(key))));
    lines
}
