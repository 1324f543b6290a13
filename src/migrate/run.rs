//! The statements of a file, one by one, so that an error names its line.

use crate::error::{Error, Result};
use crate::migrate::applied::Deviations;
use crate::migrate::hosted::OwnerSession;
use crate::migrate::marks::{left_at, read_places};
use crate::migrate::own_schema;
use crate::migrate::places::Places;
use crate::migrate::roles::Roles;
use crate::migrate::target::Throwaway;
use crate::platform::extensions;
use crate::project::files::SqlFile;
use crate::project::guard::{ONE_TRANSACTION, OUTSIDE};
use crate::session::failed::Failed;
use crate::session::open::Session;
use crate::sql::statement::{self, Statement, split};

/// What came of running a file.
pub(crate) struct Ran {
    /// How many statements it has.
    pub statements: usize,
    /// Where they were not run as they are.
    pub deviations: Deviations,
    /// What they have changed.
    pub places: Places,
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
) -> Result<Ran> {
    let roles = Roles::before(session)?;
    let mut owner = OwnerSession::begin(session, throwaway)?;
    let is_hosted = !owner.is_superuser;
    let statements = split(sql);
    let mut lines = Lines::of(sql);
    let mut last = 1;
    for statement in &statements {
        last = lines.line_of(statement.first_word);
        let outcome = match statement.data {
            Some(rows) => owner.copy_in(statement.text, rows, last),
            None => owner.run(statement.text, last),
        };
        outcome.map_err(|failed| match failed {
            Failed::Taken => left_at(file, last),
            other => error_of((file, sql), statement, other, is_hosted),
        })?;
    }
    // Deferred constraints are checked while the file can still be blamed for them.
    owner.end(last).map_err(|failed| match failed {
        Failed::Taken => left_at(file, last),
        other => left_broken(file, other),
    })?;
    let deviations = owner.deviations;
    let places = read_places(session, file)?;
    roles.settle(session)?;
    Ok(Ran { statements: statements.len(), deviations, places })
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
            None => session.execute(statement.text),
        };
        outcome.map_err(|failed| error_of((file, file.raw()), statement, failed, false))?;
    }
    let deferred = session.execute("set constraints all immediate");
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

fn left_broken(file: &SqlFile, failed: Failed) -> Error {
    failed
        .error(format!("`{}` leaves a constraint broken at its end", file.path().display()))
        .help("a deferred constraint must hold when the file ends; mend the rows before that")
}

fn error_of(
    (file, sql): (&SqlFile, &str),
    statement: &Statement<'_>,
    failed: Failed,
    is_hosted: bool,
) -> Error {
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
    let help = own_schema::help_for(statement.text).or_else(|| help_for(&code, is_hosted));
    error.help(help.unwrap_or(otherwise))
}

/// The way out for errors that people new to this meet first.
fn help_for(sqlstate: &str, is_hosted: bool) -> Option<&'static str> {
    match sqlstate {
        "42883" | "3F000" => Some(
            "if it comes from Supabase (`auth.uid()`, schema `extensions`), \
             set `platform = \"supabase\"`",
        ),
        "25001" => Some(OUTSIDE.1),
        "2D000" => Some(ONE_TRANSACTION.1),
        "42501" if is_hosted => {
            Some("it fails on a hosted project, too: who runs the migrations is no superuser there")
        }
        "55P04" => Some(
            "each file is one transaction, and a new value of an enum can be used only after it: \
             use it in the next file",
        ),
        _ => None,
    }
}
