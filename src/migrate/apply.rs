//! Acts on a plan: each file and its history row commit together or not at all. On a throwaway
//! database, census, preserve queries and recorded calls run inside the file's transaction.

use postgres::Client;

use crate::error::{Error, Result};
use crate::migrate::applied::{Applied, Deviations};
use crate::migrate::history::HistoryKind;
use crate::migrate::hosted::FileKind;
use crate::migrate::loading::load_rows;
use crate::migrate::places::Places;
use crate::migrate::plan::{Action, Plan, Text};
use crate::migrate::repeat::Repeat;
use crate::migrate::run::{finish, run_as_it_is, run_as_owner, run_past_failures};
use crate::migrate::target::{Target, Throwaway};
use crate::preserve;
use crate::preserve::calls::{record_calls, sequences};
use crate::preserve::outcome::Preservation;
use crate::preserve::repeated::Repeated;
use crate::preserve::{After, Again};
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::project::fixture::Rows;
use crate::project::guard::refuse_unguardable;
use crate::session::connection::Connection;
use crate::session::failed::failing;

/// What could not be done where the history refuses a row.
const KEEP: &str = "keep the history";

/// Who looks at the database after each version and its fixture, and writes nothing.
pub(crate) type Look<'a> = dyn FnMut(&SqlFile) -> Result<()> + 'a;

/// What was done to a database.
#[derive(Debug, Default)]
pub struct Done {
    /// The files that were applied, in order.
    pub applied: Vec<Applied>,
    /// Those that failed, and what their other statements do to rows.
    pub tried: Vec<Applied>,
    /// Where each object was changed last.
    pub places: Places,
    /// What was loaded of dumps, and what was left out.
    pub notes: Vec<String>,
}

/// Acts on a plan; gives what was done.
///
/// # Errors
/// A file that the plan refuses, before anything runs; else the first statement that fails, with its
/// file and line: nothing of that file stays.
pub fn apply(client: Client, target: &Target, plan: Plan<'_>) -> Result<Done> {
    let (mut connection, mut done) = (Connection::new(client), Done::default());
    apply_watched(&mut connection, target, plan, &mut done, &mut |_| Ok(()))?;
    Ok(done)
}

/// As [`apply`]; adds each file to `done` as it is applied, and has `look` see the database then. Gives
/// why files could not be applied, where the plan goes on without them.
pub(crate) fn apply_watched(
    connection: &mut Connection,
    target: &Target,
    mut plan: Plan<'_>,
    done: &mut Done,
    look: &mut Look<'_>,
) -> Result<Vec<Error>> {
    plan.refuse()?;
    if let Target::Real = target {
        plan.history.prepare(connection)?;
    }
    let mut failures = Vec::new();
    for step in std::mem::take(&mut plan.steps) {
        let text = match step.action {
            Action::Apply(text) => text,
            Action::Refuse(reason) => {
                failures.push(reason);
                continue;
            }
            Action::Applied | Action::Later => continue,
        };
        let known_before = done.applied.len();
        let outcome = match target {
            Target::Throwaway(throwaway) => {
                let mut apply = Applying { connection, throwaway, plan: &plan, done };
                apply.apply(step.file, &text)
            }
            Target::Real => apply_as_it_is(connection, &plan, step.file, done),
        };
        match outcome {
            Err(failure) if plan.wanted.keeps_going && !connection.is_closed() => {
                failures.push(failure);
            }
            outcome => outcome?,
        }
        if done.applied.len() > known_before {
            look(step.file)?;
        }
    }
    Ok(failures)
}

/// Applies a file to a real database.
fn apply_as_it_is(
    connection: &mut Connection,
    plan: &Plan<'_>,
    file: &SqlFile,
    done: &mut Done,
) -> Result<()> {
    let record = plan.history.record_sql(file)?;
    let statements = connection.transaction(|session| {
        let statements = run_as_it_is(session, file)?;
        session.run(&record).map_err(failing(KEEP))?;
        Ok(statements)
    })?;
    let (version, name) = (file.version(), file.name().to_owned());
    let (preservation, deviations) = (Preservation::default(), Deviations::default());
    let repeated = None;
    done.applied.push(Applied { version, name, statements, preservation, deviations, repeated });
    Ok(())
}

/// A throwaway database while a plan is acted on.
struct Applying<'a> {
    connection: &'a mut Connection,
    throwaway: &'a Throwaway,
    plan: &'a Plan<'a>,
    done: &'a mut Done,
}

impl Applying<'_> {
    /// Applies a file, and loads its fixture.
    fn apply(&mut self, file: &SqlFile, text: &Text) -> Result<()> {
        let Plan { project, wanted, .. } = self.plan;
        for part in &text.0.ahead {
            // One that fails here, since its type comes with the file, is in the file as well.
            let _ = self.load(file, part, FileKind::Change);
        }
        let repeated = match wanted.repeats {
            true => self.repeat(file, &text.0.sql)?,
            false => None,
        };
        let mut again = Again::default();
        while let Some(more) = self.migrate(file, &text.0.sql, &again)? {
            again.extend(more);
        }
        if let Some(applied) = self.done.applied.last_mut() {
            applied.repeated = repeated;
        }
        let fixtures = project.fixtures(file.version()).iter().filter(|_| !wanted.is_again);
        for fixture in fixtures {
            match fixture.rows() {
                Rows::Written => {
                    let file = fixture.file();
                    self.load(file, &adapt(file).sql, FileKind::Data)?;
                }
                _ => {
                    let loaded = load_rows(self.connection, self.throwaway, fixture)?;
                    self.done.places.extend(loaded.places);
                    self.done.notes.extend(loaded.notes);
                }
            }
        }
        Ok(())
    }

    /// Runs a file under other circumstances, and keeps nothing.
    fn repeat(&mut self, file: &SqlFile, sql: &str) -> Result<Option<Repeated>> {
        let (connection, throwaway) = (&mut *self.connection, self.throwaway);
        Repeat { connection, throwaway, file, sql }.run()
    }

    /// Runs a file and writes it down, in one transaction. Gives what has to be looked at when it is applied
    /// once more, if it has to be; then nothing of it stays.
    fn migrate(&mut self, file: &SqlFile, sql: &str, again: &Again) -> Result<Option<Again>> {
        let Plan { project, wanted, history, .. } = self.plan;
        let (throwaway, pairs) = (self.throwaway, project.preserve(file.version()));
        let (mut more, mut put_sequences_back) = (None, String::new());
        let mut lost = Vec::new();
        let outcome = self.connection.transaction(|session| {
            let record = || record_calls(session, project, file.version());
            let recorded = (!wanted.is_again).then(record).transpose()?;
            let before = preserve::before(session, sql, pairs, again)?;
            put_sequences_back = sequences(session)?;
            let mut ran = run_past_failures(session, throwaway, file, sql, FileKind::Change)?;
            if let Some(error) = ran.failed.take() {
                // On rows that are generated others fail than on those that are real.
                if !wanted.is_again {
                    lost =
                        preserve::lost_by_failing(session, sql, pairs, &before).unwrap_or_default();
                }
                return Err(error);
            }
            let mut preservation = match preserve::after(session, sql, pairs, &before)? {
                After::Seen(preservation) => *preservation,
                After::Again(again) => {
                    more = Some(again);
                    return Err(Error::new("the file has to be applied once more"));
                }
            };
            if let Some(recorded) = recorded {
                preservation.calls = recorded.compare(session)?;
            }
            let record = history.kind.record_sql(file)?;
            session.as_owner(&record).map_err(failing(KEEP))?;
            finish(session, throwaway, file)?;
            let (version, name) = (file.version(), file.name().to_owned());
            let (statements, deviations) = (ran.statements, ran.deviations);
            let repeated = None;
            let applied = Applied { version, name, statements, preservation, deviations, repeated };
            Ok((applied, ran.places))
        });
        if let Some(more) = more {
            // Rolling back does not.
            self.connection.transaction(|session| {
                session.as_owner(&put_sequences_back).map_err(failing("put the sequences back"))
            })?;
            return Ok(Some(more));
        }
        if !lost.is_empty() {
            let (version, name) = (file.version(), file.name().to_owned());
            let preservation = Preservation { losses: lost, ..Preservation::default() };
            let deviations = Deviations::default();
            let statements = 0;
            let repeated = None;
            let tried = Applied { version, name, statements, preservation, deviations, repeated };
            self.done.tried.push(tried);
        }
        let (applied, places) = outcome?;
        self.done.applied.push(applied);
        self.done.places.extend(places);
        Ok(None)
    }

    fn load(&mut self, file: &SqlFile, sql: &str, kind: FileKind) -> Result<()> {
        self.done.places.extend(load(self.connection, self.throwaway, file, sql, kind)?);
        Ok(())
    }
}

/// Loads the data that comes after the last migration, each file in a transaction of its own. Gives
/// a sentence for each that could not be loaded.
///
/// # Errors
/// A file of the project's own that fails, or a lost connection.
pub(crate) fn load_seeds(
    connection: &mut Connection,
    project: &Project,
    throwaway: &Throwaway,
    places: &mut Places,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for seed in project.seeds() {
        match load(connection, throwaway, seed.file(), &adapt(seed.file()).sql, FileKind::Data) {
            Err(failure) if !seed.is_own() && !connection.is_closed() => {
                told.push(format!("no data was loaded, since {}", failure.in_brief()));
            }
            outcome => places.extend(outcome?),
        }
    }
    Ok(told)
}

/// Takes back one version with its rollback file, and its history row with it.
///
/// # Errors
/// No rollback file for the version, or its first statement that fails; nothing of it stays.
pub(crate) fn roll_back(
    connection: &mut Connection,
    project: &Project,
    throwaway: &Throwaway,
    history: HistoryKind,
    version: i64,
) -> Result<Places> {
    let file = project.rollback(version).ok_or_else(|| {
        Error::new(format!("version {version} has no way back"))
            .help(format!("add `rollback/V{version}__<name>.sql`"))
    })?;
    let sql = adapt(file).sql;
    refuse_unguardable(file, &sql)?;
    connection.transaction(|session| {
        let ran = run_as_owner(session, throwaway, file, &sql, FileKind::Change)?;
        let forget = history.forget_sql(version);
        session.as_owner(&forget).map_err(failing("forget a version that was taken back"))?;
        finish(session, throwaway, file)?;
        Ok(ran.places)
    })
}

/// Runs a file as the owner, in one transaction, and writes nothing down.
fn load(
    connection: &mut Connection,
    throwaway: &Throwaway,
    file: &SqlFile,
    sql: &str,
    kind: FileKind,
) -> Result<Places> {
    refuse_unguardable(file, sql)?;
    connection.transaction(|session| {
        let ran = run_as_owner(session, throwaway, file, sql, kind)?;
        finish(session, throwaway, file)?;
        Ok(ran.places)
    })
}
