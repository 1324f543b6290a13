//! The statements of a file, one by one, so that an error names its line.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::{Error, Result};
use crate::migrate::applied::Deviations;
use crate::migrate::hosted::{FIRE_DEFERRED, FileKind, OwnerSession};
use crate::migrate::marks::read_places;
use crate::migrate::places::Places;
use crate::migrate::target::{SharedRow, Throwaway};
use crate::platform::{extensions, own_schema};
use crate::project::files::SqlFile;
use crate::project::guard::{ONE_TRANSACTION, OUTSIDE};
use crate::project::platform_kind::{made_of_supabase, named_of_supabase};
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::mentions::mentions;
use crate::sql::statement::{self, Statement, split};

/// What could not be done where a statement of ours fails.
const LOOK_AFTER: &str = "look after the roles";

/// What came of running a file.
pub(crate) struct Ran {
    /// How many statements it has.
    pub statements: usize,
    /// Where they were not run as they are.
    pub deviations: Deviations,
    /// What they have changed.
    pub places: Places,
    /// Why the first of them failed, where the others were run all the same.
    pub failed: Option<Error>,
}

/// Runs the text of a file as the owner of what it makes, in the caller's transaction, in which nothing
/// else writes that stays.
///
/// # Errors
/// The first statement that fails, or a constraint that is broken at the end.
pub(crate) fn run_as_owner(
    session: &mut Session,
    throwaway: &Throwaway,
    file: &SqlFile,
    sql: &str,
    kind: FileKind,
) -> Result<Ran> {
    let ran = run_past_failures(session, throwaway, file, sql, kind)?;
    match ran.failed {
        Some(error) => Err(error),
        None => Ok(ran),
    }
}

/// As [`run_as_owner`], and goes on after a statement that fails, to see what the others do. A file of data
/// ends there.
///
/// # Errors
/// A lost connection.
pub(crate) fn run_past_failures(
    session: &mut Session,
    throwaway: &Throwaway,
    file: &SqlFile,
    sql: &str,
    kind: FileKind,
) -> Result<Ran> {
    session.say("select leakproof.begin_roles()");
    let mut owner = OwnerSession::begin(session, throwaway, kind)?;
    let on = Server::of(&owner, throwaway);
    let statements = split(sql);
    let mut lines = Lines::of(sql);
    let (mut last, mut failed) = (1, None);
    for statement in &statements {
        last = lines.line_of(statement.first_word);
        let outcome = match statement.data {
            Some(rows) => owner.copy_in(statement.text, rows, last),
            None => owner.run(statement.text, last),
        };
        let Err(cause) = outcome else { continue };
        let may_go_on = kind == FileKind::Change && cause.refusal().is_some();
        let error = error_of((file, sql), statement, cause, on);
        if !may_go_on || owner.go_back().is_err() {
            return Err(failed.unwrap_or(error));
        }
        failed.get_or_insert(error);
    }
    // Deferred constraints are checked while the file can still be blamed for them.
    if let Err(broken) = owner.end(last) {
        return Err(failed.unwrap_or_else(|| left_broken(file, broken)));
    }
    let deviations = owner.deviations;
    let places = read_places(session, file)?;
    Ok(Ran { statements: statements.len(), deviations, places, failed })
}

/// Comes last before a file is committed, and after whatever else runs what the file has made: queries of pairs,
/// calls, and triggers on what we write.
pub(crate) fn finish(session: &mut Session, throwaway: &Throwaway, file: &SqlFile) -> Result<()> {
    let deferred = session.execute(FIRE_DEFERRED);
    deferred.map_err(|failed| left_broken(file, failed))?;
    settle(session, Session::rows, throwaway, file)
}

/// Ends what is done to roles before it is committed, by a file or in its name. `ask` runs a statement as who
/// may do what an owner may.
pub(crate) fn settle(
    session: &mut Session,
    ask: Ask,
    throwaway: &Throwaway,
    file: &SqlFile,
) -> Result<()> {
    let settle =
        "select leakproof.settle_roles(), leakproof.join_owners(), leakproof.admit_actors()";
    ask(session, settle).map_err(failing(LOOK_AFTER))?;
    refuse_shared(session, ask, throwaway, file)
}

/// Who is asked in a session, for the rows of a statement.
type Ask = fn(&mut Session, &str) -> Result<Vec<TextRow>, Failed>;

/// Refuses a file that changes what belongs to the whole server. Others may change that at the same time:
/// what only the file's own session sees is its doing, and a second look tells it from what has just come.
fn refuse_shared(
    session: &mut Session,
    ask: Ask,
    throwaway: &Throwaway,
    file: &SqlFile,
) -> Result<()> {
    let Some(shared) = throwaway.shared() else { return Ok(()) };
    let mut look = || -> Result<BTreeSet<String>> {
        let before: BTreeSet<SharedRow> = shared.look()?.into_iter().collect();
        let own = ask(session, "select * from leakproof.shared()");
        let own: BTreeSet<SharedRow> =
            own.map_err(failing(LOOK_AFTER))?.into_iter().filter_map(shared_row).collect();
        let after: BTreeSet<SharedRow> = shared.look()?.into_iter().collect();
        let gone = before.iter().filter(|row| !own.contains(*row) && after.contains(*row));
        let new = own.iter().filter(|row| !before.contains(*row) && !after.contains(*row));
        Ok(gone.chain(new).map(|(what, _)| what.clone()).collect())
    };
    let first = look()?;
    if first.is_empty() {
        return Ok(());
    }
    let again = look()?;
    match first.intersection(&again).next() {
        Some(what) => Err(Error::new(format!("`{}` cannot be run", file.path().display()))
            .cause(format!("it changes what belongs to the whole server: {what}"))
            .help("nothing of it was kept; leave that to who runs the server")),
        None => Ok(()),
    }
}

/// What is shared, and its digest.
pub(crate) fn shared_row(row: Vec<Option<String>>) -> Option<SharedRow> {
    let [Some(what), Some(digest)] = <[Option<String>; 2]>::try_from(row).ok()? else {
        return None;
    };
    Some((what, digest))
}

/// Runs a file as it stands, as who is connected; gives the number of its statements.
///
/// # Errors
/// The first statement that fails, or a constraint that is broken at the end.
pub(crate) fn run_as_it_is(session: &mut Session, file: &SqlFile) -> Result<usize> {
    let statements = split(file.raw());
    for statement in &statements {
        let outcome = match statement.data {
            Some(rows) => session.copy_in(statement.text, rows),
            None => session.execute_one(statement.text),
        };
        outcome
            .map_err(|failed| error_of((file, file.raw()), statement, failed, Server::default()))?;
    }
    let deferred = session.execute(FIRE_DEFERRED);
    deferred.map_err(|failed| left_broken(file, failed))?;
    Ok(statements.len())
}

/// The lines of rising places in a text.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    fn line_of(&mut self, offset: usize) -> usize {
        let between = &self.text.as_bytes()[self.at..offset];
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.at = offset;
        self.line
    }
}

pub(crate) fn left_broken(file: &SqlFile, failed: Failed) -> Error {
    failed
        .error(format!("`{}` leaves a constraint broken at its end", file.path().display()))
        .help("a deferred constraint must hold when the file ends; mend the rows before that")
}

/// Why a statement of a file failed, with its line.
pub(crate) fn error_of(
    (file, sql): (&SqlFile, &str),
    statement: &Statement<'_>,
    failed: Failed,
    on: Server,
) -> Error {
    let seen_at = failed.refusal().map_or(0, |refusal| refusal.offset_in(statement.text));
    let at = (statement.start + seen_at).max(statement.first_word);
    error_at((file.path(), statement::line_of(sql, at)), statement.text, failed, on)
}

/// Why a statement in a line of a file failed.
pub(crate) fn error_at(
    (path, line): (&Path, usize),
    statement: &str,
    failed: Failed,
    on: Server,
) -> Error {
    let fact = format!("`{}` failed at line {line}", path.display());
    let refusal = match failed {
        Failed::Refused(refusal) => refusal,
        Failed::Ended(_) => return failed.error(fact),
        // Whether the server's last words arrive is a matter of chance.
        Failed::Lost(_) => {
            return Error::new(fact)
                .cause("the server has ended the connection")
                .help("see whether the statement does that, else the server's log, and run again");
        }
    };
    let error = Error::new(fact);
    let mut why = refusal.reason();
    // Which line of which function, from the inside out.
    for place in refusal.context.as_deref().unwrap_or_default().lines() {
        why.push_str("\n    in ");
        why.push_str(place);
    }
    let code = refusal.sqlstate.clone();
    let error = error.refused(*refusal).cause(why);
    if code == "0A000" && extensions::is_creation(statement) {
        return error.help(extensions::help_for_unknown());
    }
    let otherwise = "nothing of this file was kept; mend the statement and run again";
    if let Some(help) = help_on_platform(&code, statement, on.is_supabase) {
        return error.help(help);
    }
    let help = own_schema::help_for(statement).or_else(|| help_for(&code, on));
    error.help(help.unwrap_or(otherwise))
}

/// What is known of where a file runs.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Server {
    /// Whether it runs as no superuser.
    is_hosted: bool,
    /// Whether Supabase's platform is there; none where nobody knows.
    is_supabase: Option<bool>,
}

impl Server {
    /// As it is to a session of the owner.
    pub(crate) fn of(owner: &OwnerSession<'_>, throwaway: &Throwaway) -> Self {
        let is_supabase = Some(throwaway.owner().is_of_supabase());
        Self { is_hosted: !owner.is_superuser, is_supabase }
    }
}

/// The way out where a statement is for another platform than the one it met.
fn help_on_platform(sqlstate: &str, statement: &str, is_supabase: Option<bool>) -> Option<String> {
    match (is_supabase?, sqlstate) {
        // A function, schema, role or table is not there.
        (false, "42883" | "3F000" | "42704" | "42P01") => {
            if let Some(name) = named_of_supabase(statement) {
                return Some(format!(
                    "`{name}` is Supabase's, and this is checked as a plain project; if it runs on \
                     Supabase, set `platform = \"supabase\"` under `[project]`"
                ));
            }
            let is_role = sqlstate == "42704" && !mentions(statement).roles.is_empty();
            is_role.then(|| {
                "a role that another tool makes is made before the first migration where `roles` \
                 under `[identity]` names it; `role` does for the application's own"
                    .into()
            })
        }
        // It is there already, or its schema is the platform's.
        (true, "42P06" | "42P07" | "42710" | "42723" | "42501") => {
            let name = made_of_supabase(statement)?;
            Some(format!(
                "`{name}` is Supabase's, and this is checked as a Supabase project; if it runs \
                 elsewhere, set `platform = \"plain\"` under `[project]`"
            ))
        }
        _ => None,
    }
}

/// The way out for errors that people new to this meet first.
fn help_for(sqlstate: &str, on: Server) -> Option<&'static str> {
    match sqlstate {
        "42883" | "3F000" if on.is_supabase != Some(true) => Some(
            "if it comes from Supabase (`auth.uid()`, schema `extensions`), \
             set `platform = \"supabase\"`",
        ),
        "25001" => Some(OUTSIDE.1),
        "2D000" => Some(ONE_TRANSACTION.1),
        "42501" if on.is_hosted => {
            Some("it fails on a hosted project, too: who runs the migrations is no superuser there")
        }
        "55P04" => Some(
            "each file is one transaction, and a new value of an enum can be used only after it: \
             use it in the next file",
        ),
        _ => None,
    }
}
