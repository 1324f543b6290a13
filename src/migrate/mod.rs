//! Applies a project's migrations through refinery, in a session we guard.
//!
//! refinery decides what is pending, in which order, and refuses divergent and missing versions; we
//! own the transaction: each file and its history row commit together or not at all, statement by
//! statement so that an error names its line. Census, preserve queries and recorded calls run inside
//! it.

pub(crate) mod applied;
pub(crate) mod hosted;
pub(crate) mod own_schema;
pub(crate) mod roles;

use refinery_core::traits::sync::{Query, Transaction};
use refinery_core::{Migrate, Migration, Runner, Target};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::{Error, Result};
use crate::migrate::hosted::OwnerSession;
use crate::migrate::roles::Roles;
use crate::platform::extensions;
use crate::platform::owner::Owner;
use crate::preserve;
use crate::preserve::calls::record_calls;
use crate::preserve::census::Census;
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::checksum::migration_of;
use crate::project::dialect::Adapted;
use crate::project::files::SqlFile;
use crate::project::guard::{ONE_TRANSACTION, OUTSIDE, refuse_unguardable};
use crate::session::connection::Connection;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::sql::statement::{self, Statement};

pub use crate::migrate::applied::{Applied, Deviations};

/// The table of refinery's, in the schema of our own.
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
pub(crate) type Look<'a> =
    dyn FnMut(&mut Session, &SqlFile, &mut Option<Census>) -> Result<()> + 'a;

/// Applies what is pending, version by version, and adds each migration to `applied` as it is done;
/// `look` is called then. Gives why files could not be applied, where the journey goes on without
/// them: to refinery they were never there.
///
/// # Errors
/// The first statement that fails, with its file and line; nothing of that file stays. A file
/// that controls transactions itself, or cannot run in one, is refused before anything runs; one that
/// makes something in the schema of our own, at the end.
pub(crate) fn apply_migrations(
    connection: &mut Connection,
    journey: &Journey<'_>,
    applied: &mut Vec<Applied>,
    look: &mut Look<'_>,
) -> Result<Vec<Error>> {
    let Journey { project, last, keeps_going, .. } = journey;
    let mut known: Vec<Migration> =
        project.migrations().iter().map(migration_of).collect::<Result<_>>()?;
    if !keeps_going {
        let refuse = |file| refuse_unguardable(file, &adapt(file).sql);
        project.migrations().iter().try_for_each(refuse)?;
    }
    let make = format!("create schema if not exists {}", own_schema::SCHEMA);
    connection.rows(&make).map_err(failing("make the schema of the history"))?;
    let mut failures = Vec::new();
    let mut census = None;
    for file in project.migrations().iter().filter(|file| file.version() <= *last) {
        let known_before = applied.len();
        let outcome = refuse_unguardable(file, &adapt(file).sql)
            .and_then(|()| apply_next(connection, journey, &known, file, &mut census, applied));
        let is_applied = applied.len() > known_before;
        match outcome {
            Err(failure) if *keeps_going && !connection.is_closed() => {
                failures.push(failure);
                if !is_applied {
                    let version = file.version();
                    known.retain(|migration| migration.version() != version);
                }
            }
            outcome => outcome?,
        }
        if is_applied {
            connection.uncommitted(|session| look(session, file, &mut census))?;
        }
    }
    own_schema::refuse_others(connection)?;
    Ok(failures)
}

/// Applies one file through refinery, if it is pending.
fn apply_next(
    connection: &mut Connection,
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
    let mut guarded = Guarded { connection, file, journey, census, applied, failure: None };
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
pub(crate) fn load_seeds(
    connection: &mut Connection,
    project: &Project,
    owner: &Owner,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for seed in project.seeds() {
        match load(connection, seed.file(), &adapt(seed.file()).sql, owner) {
            Err(failure) if !seed.is_own() && !connection.is_closed() => {
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
pub(crate) fn applied_versions(connection: &mut Connection) -> Result<Vec<i64>> {
    let mut read = |sql: &str| connection.rows(sql).map_err(failing("read the history"));
    let is_there = format!("select 1 where pg_catalog.to_regclass('{HISTORY_TABLE}') is not null");
    if read(&is_there)?.is_empty() {
        return Ok(Vec::new());
    }
    let versions = format!("select version from {HISTORY_TABLE} order by version desc");
    let rows = read(&versions)?.into_iter().flatten().flatten();
    rows.map(|version| {
        version.parse().map_err(|_| Error::new(format!("`{version}` in the history is no version")))
    })
    .collect()
}

/// Takes back one version with its rollback file, and its history row with it.
///
/// # Errors
/// No rollback file for the version, or its first statement that fails; nothing of it stays.
pub(crate) fn roll_back(
    connection: &mut Connection,
    project: &Project,
    owner: &Owner,
    version: i64,
) -> Result<()> {
    let file = project.rollback(version).ok_or_else(|| {
        Error::new(format!("version {version} has no way back"))
            .help(format!("add `rollback/V{version}__<name>.sql`"))
    })?;
    let sql = adapt(file).sql;
    refuse_unguardable(file, &sql)?;
    let forget = format!("delete from {HISTORY_TABLE} where version = {version}");
    connection.transaction(|session| {
        run_as_owner(session, file, &sql, owner)?;
        session.run(&forget).map(drop).map_err(failing("forget a version that was taken back"))
    })
}

/// Loads a file of data as the owner, in one transaction.
fn load(connection: &mut Connection, file: &SqlFile, sql: &str, owner: &Owner) -> Result<()> {
    refuse_unguardable(file, sql)?;
    connection.transaction(|session| run_as_owner(session, file, sql, owner).map(drop))
}

/// The connection as refinery sees it while one file is pending.
struct Guarded<'a> {
    connection: &'a mut Connection,
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
            _ => {
                let make = queries.join("; ");
                self.connection.rows(&make).map(drop).map_err(failing("keep the history"))
            }
        }
    }

    fn apply(&mut self, history: &str) -> Result<()> {
        let Self { file, journey, .. } = self;
        let Journey { project, owner, is_again, .. } = journey;
        let pairs = project.preserve(file.version());
        let Adapted { sql, ahead, .. } = adapt(file);
        for part in ahead {
            // One that fails here, since its type comes with the file, is in the file as well.
            let _ = load(self.connection, file, &part, owner);
            *self.census = None;
        }
        let known = self.census.take();
        let (applied, census) = self.connection.transaction(|session| {
            let record = || record_calls(session, project, file.version());
            let recorded = (!is_again).then(record).transpose()?;
            let before = preserve::before(session, pairs, known)?;
            let (statements, deviations) = run_as_owner(session, file, &sql, owner)?;
            let (mut preservation, census) = preserve::after(session, &sql, pairs, &before)?;
            if let Some(recorded) = recorded {
                preservation.calls = recorded.compare(session)?;
            }
            session.run(history).map_err(failing("keep the history"))?;
            let (version, name) = (file.version(), file.name().to_owned());
            Ok((Applied { version, name, statements, preservation, deviations }, census))
        })?;
        self.applied.push(applied);
        match project.fixture(file.version()).filter(|_| !is_again) {
            Some(fixture) => load(self.connection, fixture, &adapt(fixture).sql, owner),
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
        let outcome = read_history(self.connection, query);
        self.keep(outcome)
    }
}

impl Migrate for Guarded<'_> {}

fn read_history(connection: &mut Connection, query: &str) -> Result<Vec<Migration>> {
    let fact = || format!("cannot read the history in `{HISTORY_TABLE}`");
    let help = "the table is refinery's; put back what was changed in it by hand";
    let unreadable = |cause: String| Error::new(fact()).cause(cause).help(help);
    connection
        .rows(query)
        .map_err(|failed| failed.error(fact()).help(help))?
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

/// Runs the statements of a file as the owner of what it makes; gives their number, and where they
/// were not run as they are.
fn run_as_owner(
    session: &mut Session,
    file: &SqlFile,
    sql: &str,
    owner: &Owner,
) -> Result<(usize, Deviations)> {
    let roles = Roles::before(session)?;
    let mut owner_session = OwnerSession::begin(session, owner)?;
    let statements = statement::split(sql);
    for statement in &statements {
        let line = || statement::line_of(sql, statement.first_word);
        let name = || file.path().file_name().unwrap_or_default().to_string_lossy();
        let place = || format!("{}:{}", name(), line());
        let outcome = match statement.data {
            Some(rows) => owner_session.copy_in(statement.text, rows),
            None => owner_session.run(statement.text, place),
        };
        outcome.map_err(|failed| error_of((file, sql), statement, failed))?;
    }
    let deviations = owner_session.deviations;
    // Deferred constraints are checked while the file can still be blamed for them.
    let end = "set constraints all immediate; reset session authorization; reset role; reset all";
    session.run(end).map_err(|failed| {
        failed
            .error(format!("`{}` leaves a constraint broken at its end", file.path().display()))
            .help("a deferred constraint must hold when the file ends; mend the rows before that")
    })?;
    roles.settle(session)?;
    Ok((statements.len(), deviations))
}

fn error_of((file, sql): (&SqlFile, &str), statement: &Statement<'_>, failed: Failed) -> Error {
    let seen_at = failed.refusal().map_or(0, |refusal| refusal.offset_in(statement.text));
    let at = (statement.start + seen_at).max(statement.first_word);
    let line = statement::line_of(sql, at);
    let error = Error::new(format!("`{}` failed at line {line}", file.path().display()));
    let Failed::Refused(refusal) = failed else {
        // Whether the server's last words arrive is a matter of chance.
        return error
            .cause("the server has ended the connection")
            .help("see whether the statement does that, else the server's log, and run again");
    };
    let mut why = refusal.reason();
    // Which line of which function, from the inside out.
    for place in refusal.context.as_deref().unwrap_or_default().lines() {
        why.push_str("\n    in ");
        why.push_str(place);
    }
    let code = refusal.sqlstate.clone();
    let error = error.refused(*refusal).cause(why);
    if code == "0A000" && extensions::is_creation(statement.text) {
        return error.help(extensions::help_for_unknown());
    }
    let otherwise = "nothing of this file was kept; mend the statement and run again";
    let help = own_schema::help_for(statement.text).or_else(|| help_for(&code));
    error.help(help.unwrap_or(otherwise))
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
