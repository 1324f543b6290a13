//! Applies a project's migrations through refinery, in a session we guard.
//!
//! refinery decides what is pending, in which order, and refuses divergent and missing versions; we
//! own the transaction: each file and its history row commit together or not at all, statement by
//! statement so that an error names its line. Census, preserve queries and recorded calls run inside
//! it.

pub(crate) mod applied;
pub(crate) mod hosted;
pub(crate) mod roles;

use postgres::Client;
use postgres::error::DbError;
use refinery_core::traits::sync::{Query, Transaction};
use refinery_core::{Migrate, Migration, Runner, Target};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};
use crate::migrate::hosted::Session;
use crate::migrate::roles::Roles;
use crate::platform::extensions;
use crate::platform::owner::Owner;
use crate::preserve::calls::record_calls;
use crate::preserve::census::Census;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::guard::{ONE_TRANSACTION, OUTSIDE, refuse_unguardable};
use crate::sql::statement::{self, Statement};
use crate::{preserve, session};

pub use crate::migrate::applied::{Applied, Deviations};

/// The schema that holds refinery's table: one that no API exposes.
pub(crate) const HISTORY_SCHEMA: &str = "leakproof";
const HISTORY_TABLE: &str = "leakproof.refinery_schema_history";

/// What to apply.
#[derive(Debug)]
pub struct Journey<'a> {
    /// The files.
    pub project: &'a Project,
    /// Who runs them.
    pub owner: &'a Owner,
    /// The last version that is wanted.
    pub last: i64,
    /// Whether it is the second time: fixtures are not loaded once more, and recorded calls, whose
    /// answers were compared on the first way, are not made.
    pub is_again: bool,
    /// Whether a file that fails is left out, and the next one tried.
    pub keeps_going: bool,
}

/// Who looks at the database after each version and its fixture, and writes nothing. A census of what
/// is there is handed on, if there is one: who takes another leaves it for the next file.
pub(crate) type Look<'a> = dyn FnMut(&mut Client, &SqlFile, &mut Option<Census>) -> Result<()> + 'a;

/// Applies what is pending, version by version, and adds each migration to `applied` as it is done;
/// `look` is called then. Gives why files could not be applied, where the journey goes on without
/// them: to refinery they were never there.
///
/// # Errors
/// The first statement that fails, with its file and line; nothing of that file stays. A file
/// that controls transactions itself, or cannot run in one, is refused before anything runs.
pub(crate) fn apply_migrations(
    client: &mut Client,
    journey: &Journey<'_>,
    applied: &mut Vec<Applied>,
    look: &mut Look<'_>,
) -> Result<Vec<Error>> {
    let Journey { project, last, keeps_going, .. } = journey;
    let mut known: Vec<Migration> =
        project.migrations().iter().map(refinery_migration).collect::<Result<_>>()?;
    if !keeps_going {
        project.migrations().iter().try_for_each(refuse_unguardable)?;
    }
    own(client, &format!("create schema if not exists {HISTORY_SCHEMA}"))?;
    let mut failures = Vec::new();
    let mut census = None;
    for file in project.migrations().iter().filter(|file| file.version() <= *last) {
        let known_before = applied.len();
        let outcome = refuse_unguardable(file)
            .and_then(|()| apply_next(client, journey, &known, file, &mut census, applied));
        let is_applied = applied.len() > known_before;
        match outcome {
            Err(failure) if *keeps_going && !client.is_closed() => {
                failures.push(failure);
                if !is_applied {
                    let version = file.version();
                    known.retain(|migration| migration.version() != version);
                }
            }
            outcome => outcome?,
        }
        if is_applied {
            look(client, file, &mut census)?;
        }
    }
    Ok(failures)
}

/// Applies one file through refinery, if it is pending.
fn apply_next(
    client: &mut Client,
    journey: &Journey<'_>,
    known: &[Migration],
    file: &SqlFile,
    census: &mut Option<Census>,
    applied: &mut Vec<Applied>,
) -> Result<()> {
    // Grouped, so that refinery hands over the file together with its history row.
    let mut runner = Runner::new(known)
        .set_grouped(true)
        .set_abort_divergent(true)
        .set_abort_missing(true)
        .set_target(Target::Version(file.version()));
    runner.set_migration_table_name(HISTORY_TABLE);
    let mut guarded = Guarded { client, file, journey, census, applied, failure: None };
    let outcome = runner.run(&mut guarded);
    if let Some(failure) = guarded.failure {
        return Err(failure);
    }
    outcome.map(drop).map_err(|cause| {
        Error::new("refinery refused the migrations")
            .cause(cause)
            .help("applied files must stay as they are, and new versions come last")
    })
}

/// Loads the data that comes after the last migration, each file in a transaction of its own. Gives
/// a sentence for each that could not be loaded.
///
/// # Errors
/// A file of the project's own that fails, or a lost connection.
pub fn load_seeds(client: &mut Client, project: &Project, owner: &Owner) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for seed in project.seeds() {
        match load_fixture(client, seed.file(), owner) {
            Err(failure) if !seed.is_own() && !client.is_closed() => {
                told.push(format!("no data was loaded, since {}", failure.in_brief()));
            }
            outcome => outcome?,
        }
    }
    Ok(told)
}

/// The versions that a database has, the latest first; none where nothing was ever applied.
///
/// # Errors
/// A history that cannot be read.
pub fn applied_versions(client: &mut Client) -> Result<Vec<i64>> {
    let read = |client: &mut Client, sql: &str| {
        session::rows(client, sql).map_err(|cause| session::internal("read the history", &cause))
    };
    let is_there = format!("select 1 where pg_catalog.to_regclass('{HISTORY_TABLE}') is not null");
    if read(client, &is_there)?.is_empty() {
        return Ok(Vec::new());
    }
    let versions = format!("select version from {HISTORY_TABLE} order by version desc");
    let rows = read(client, &versions)?.into_iter().flatten().flatten();
    rows.map(|version| {
        version.parse().map_err(|_| Error::new(format!("`{version}` in the history is no version")))
    })
    .collect()
}

/// Takes back one version with its rollback file, and its history row with it.
///
/// # Errors
/// No rollback file for the version, or its first statement that fails; nothing of it stays.
pub fn roll_back(
    client: &mut Client,
    project: &Project,
    owner: &Owner,
    version: i64,
) -> Result<()> {
    let file = project.rollback(version).ok_or_else(|| {
        Error::new(format!("version {version} has no way back"))
            .help(format!("add `rollback/V{version}__<name>.sql`"))
    })?;
    refuse_unguardable(file)?;
    let forget = format!("delete from {HISTORY_TABLE} where version = {version}");
    in_transaction(client, |client| {
        run_as_owner(client, file, owner)?;
        own(client, &forget)
    })
}

/// Loads a file of data as the owner, in one transaction.
fn load_fixture(client: &mut Client, file: &SqlFile, owner: &Owner) -> Result<()> {
    refuse_unguardable(file)?;
    in_transaction(client, |client| run_as_owner(client, file, owner).map(drop))
}

fn refinery_migration(file: &SqlFile) -> Result<Migration> {
    // refinery cuts a name at its first odd character, so it gets one without any.
    let name: String =
        file.name().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    // Some tools take a file without a name.
    let name = if name.is_empty() { "_" } else { &name };
    Migration::unapplied(&format!("V{}__{name}", file.version()), file.sql()).map_err(|cause| {
        Error::new(format!("refinery does not take `{}`", file.path().display())).cause(cause)
    })
}

/// The connection as refinery sees it while one file is pending.
struct Guarded<'a> {
    client: &'a mut Client,
    file: &'a SqlFile,
    journey: &'a Journey<'a>,
    /// What the last file left, as long as it is all there is.
    census: &'a mut Option<Census>,
    applied: &'a mut Vec<Applied>,
    failure: Option<Error>,
}

impl Guarded<'_> {
    /// refinery hands over either one statement of its own, or a file and its history row.
    fn execute_all(&mut self, queries: &[&str]) -> Result<()> {
        match queries {
            [_sql, history] => self.apply(history),
            _ => queries.iter().try_for_each(|query| own(self.client, query)),
        }
    }

    fn apply(&mut self, history: &str) -> Result<()> {
        let Self { file, journey, .. } = self;
        let Journey { project, owner, is_again, .. } = journey;
        let pairs = project.preserve(file.version());
        for part in file.ahead() {
            // One that fails here, since its type comes with the file, is in the file as well.
            let _ = load_fixture(self.client, &part, owner);
            *self.census = None;
        }
        let known = self.census.take();
        let (applied, census) = in_transaction(self.client, |client| {
            let record = || record_calls(client, project, owner, file.version());
            let recorded = (!is_again).then(record).transpose()?;
            let before = preserve::before(client, pairs, known)?;
            let (statements, deviations) = run_as_owner(client, file, owner)?;
            let (mut preservation, census) = preserve::after(client, file.sql(), pairs, &before)?;
            if let Some(recorded) = recorded {
                preservation.calls = recorded.compare(client)?;
            }
            own(client, history)?;
            let (version, name) = (file.version(), file.name().to_owned());
            Ok((Applied { version, name, statements, preservation, deviations }, census))
        })?;
        self.applied.push(applied);
        match project.fixture(file.version()).filter(|_| !is_again) {
            Some(fixture) => load_fixture(self.client, fixture, owner),
            None => {
                *self.census = census;
                Ok(())
            }
        }
    }

    /// Keeps our own error, whose form refinery would lose.
    fn keep<T>(&mut self, outcome: Result<T>) -> Result<T> {
        outcome.map_err(|failure| {
            let told = Error::new(failure.fact());
            self.failure = Some(failure);
            told
        })
    }
}

impl Transaction for Guarded<'_> {
    type Error = Error;

    fn execute<'a, T: Iterator<Item = &'a str>>(&mut self, queries: T) -> Result<usize> {
        let queries: Vec<&str> = queries.collect();
        let outcome = self.execute_all(&queries);
        self.keep(outcome.map(|()| queries.len()))
    }
}

impl Query<Vec<Migration>> for Guarded<'_> {
    fn query(&mut self, query: &str) -> Result<Vec<Migration>> {
        let outcome = read_history(self.client, query);
        self.keep(outcome)
    }
}

impl Migrate for Guarded<'_> {}

fn read_history(client: &mut Client, query: &str) -> Result<Vec<Migration>> {
    let unreadable = |cause: String| {
        Error::new(format!("cannot read the history in `{HISTORY_TABLE}`"))
            .cause(cause)
            .help("the table is refinery's; put back what was changed in it by hand")
    };
    session::rows(client, query)
        .map_err(|cause| unreadable(session::reason(&cause)))?
        .into_iter()
        .map(|row| {
            let [Some(version), Some(name), Some(applied_on), Some(checksum)] = row.as_slice()
            else {
                return Err(unreadable("a row has an empty column".into()));
            };
            let number = |text: &str| text.parse::<i64>().map_err(|e| unreadable(e.to_string()));
            let time = OffsetDateTime::parse(applied_on, &Rfc3339)
                .map_err(|cause| unreadable(cause.to_string()))?;
            let sum = checksum.parse().map_err(|_| unreadable("a checksum is no number".into()))?;
            Ok(Migration::applied(number(version)?, name.clone(), time, sum))
        })
        .collect()
}

/// Runs `work` in a transaction as ourselves; rolls back if it fails, and puts the session's
/// settings and roles back either way.
pub(crate) fn in_transaction<T>(
    client: &mut Client,
    work: impl FnOnce(&mut Client) -> Result<T>,
) -> Result<T> {
    const PUT_BACK: &str = "reset session authorization; reset role; reset all";
    own(client, "begin")?;
    let outcome = work(client).and_then(|value| {
        // Deferred constraints fail here, which is a fault of the file.
        own(client, &format!("commit; {PUT_BACK}")).map(|()| value)
    });
    if outcome.is_err() {
        // The first error is the one to tell; a lost connection has rolled back by itself.
        let _ = own(client, &format!("rollback; {PUT_BACK}"));
    }
    outcome
}

/// Runs the statements of a file as the owner of what it makes; gives their number, and where they
/// were not run as they are.
fn run_as_owner(client: &mut Client, file: &SqlFile, owner: &Owner) -> Result<(usize, Deviations)> {
    let roles = Roles::before(client)?;
    let mut session = Session::begin(client, owner)?;
    let statements = statement::split(file.sql());
    for statement in &statements {
        let line = || statement::line_of(file.sql(), statement.first_word);
        let name = || file.path().file_name().unwrap_or_default().to_string_lossy();
        let place = || format!("{}:{}", name(), line());
        let outcome = match statement.data {
            Some(rows) => session.copy_in(statement.text, rows),
            None => session.run(statement.text, place),
        };
        outcome.map_err(|cause| failed(file, statement, &cause))?;
    }
    let deviations = session.deviations;
    // Deferred constraints are checked while the file can still be blamed for them.
    let end = "set constraints all immediate; reset session authorization; reset role; reset all";
    client.batch_execute(end).map_err(|cause| {
        Error::new(format!("`{}` leaves a constraint broken at its end", file.path().display()))
            .cause(session::reason(&cause))
            .help("a deferred constraint must hold when the file ends; mend the rows before that")
    })?;
    roles.settle(client)?;
    Ok((statements.len(), deviations))
}

fn failed(file: &SqlFile, statement: &Statement<'_>, cause: &postgres::Error) -> Error {
    let db_error = cause.as_db_error();
    let seen_at = session::position(db_error, statement.text);
    let at = (statement.start + seen_at).max(statement.first_word);
    let line = statement::line_of(file.sql(), at);
    let mut why = session::reason(cause);
    // Which line of which function, from the inside out.
    for place in db_error.and_then(|error| error.where_()).unwrap_or_default().lines() {
        why.push_str("\n    in ");
        why.push_str(place);
    }
    let error = Error::new(format!("`{}` failed at line {line}", file.path().display()));
    // Whether the server's last words arrive is a matter of chance.
    let is_shutdown = |error: &DbError| error.code().code().starts_with("57P0");
    if cause.is_closed() || db_error.is_some_and(is_shutdown) {
        return error
            .cause("the server has ended the connection")
            .help("see whether the statement does that, else the server's log, and run again");
    }
    let error = error.cause(why);
    let code = db_error.map(|error| error.code().code());
    if code == Some("0A000") && extensions::is_creation(statement.text) {
        return error.help(extensions::help_for_unknown());
    }
    match code.and_then(help_for) {
        Some(help) => error.help(help),
        None => error.help("nothing of this file was kept; mend the statement and run again"),
    }
}

/// The way out for errors that people new to this meet first.
fn help_for(sqlstate: &str) -> Option<&'static str> {
    match sqlstate {
        "42883" | "3F000" => Some(
            "if it comes from Supabase (`auth.uid()`, schema `extensions`), \
             set `platform = \"supabase\"`",
        ),
        "25001" => Some(OUTSIDE.1),
        "2D000" => Some(ONE_TRANSACTION.1),
        "55P04" => Some(
            "each file is one transaction, and a new value of an enum can be used only after it: \
             use it in the next file",
        ),
        _ => None,
    }
}

/// Runs a statement of ours.
fn own(client: &mut Client, sql: &str) -> Result<()> {
    client.batch_execute(sql).map_err(|cause| {
        session::internal(&format!("run `{}`", sql.lines().next().unwrap_or(sql)), &cause)
    })
}
