//! One statement of a migration as the owner runs it, who is no superuser, and what is done where that
//! is not enough on a throwaway database.
//!
//! Extensions belong to somebody else, as on a hosted server. What else an owner may do there although
//! they are no superuser is done by a function of ours in place of the statement; see
//! [`crate::migrate::elevation`].

use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::migrate::applied::Deviations;
use crate::migrate::block::roles_made_by;
use crate::migrate::elevation::{Elevation, elevation_of};
use crate::migrate::marks::mark_sql;
use crate::migrate::target::Throwaway;
use crate::platform::call::{unquoted, words};
use crate::platform::extensions::{self, Instead};
use crate::platform::own_schema::mark_of_migrations;
use crate::preserve::tables::query_numbers;
use crate::refusal::Refusal;
use crate::session::failed::{Failed, failing};
use crate::session::open::{Session, run_as_owner};
use crate::session::savepoint::Savepoint;
use crate::sql::quote::literal;
use crate::sql::statement;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    /// It changes the schema, or takes that back.
    Change,
    /// It brings rows that somebody has written before, who need not be the owner: policies that bind
    /// the owner, too, have no say in them.
    Data,
}

/// The session of the owner while the statements of a file run.
pub(crate) struct OwnerSession<'a> {
    session: &'a mut Session,
    pub is_superuser: bool,
    /// Each statement finds it, and leaves a new one and a mark behind in its own round trip. What
    /// comes before a statement would move the place of its error.
    savepoint: Savepoint,
    kind: FileKind,
    pub deviations: Deviations,
}

/// Has happen what waits for the end of a transaction. A trigger that waited may have others wait.
pub(crate) const FIRE_DEFERRED: &str = "set constraints all immediate; set constraints all immediate; \
    set constraints all immediate";

const DUPLICATE_OBJECT: &str = "42710";
const UNIQUE_VIOLATION: &str = "23505";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl<'a> OwnerSession<'a> {
    /// On a session that has logged in as the owner.
    pub(crate) fn begin(
        session: &'a mut Session,
        throwaway: &Throwaway,
        kind: FileKind,
    ) -> Result<Self> {
        let savepoint = session.new_savepoint();
        let begin = format!(
            "select 1 from pg_catalog.pg_roles where rolname = current_user and rolsuper; \
             set local search_path = {}; {}",
            throwaway.owner().search_path,
            savepoint.set()
        );
        let is_superuser = session
            .rows(&begin)
            .map(|rows| !rows.is_empty())
            .map_err(failing("become who runs the migrations"))?;
        let deviations = Deviations::default();
        Ok(Self { session, is_superuser, savepoint, kind, deviations })
    }

    /// Runs a statement that begins in a line.
    pub(crate) fn run(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        match extensions::instead_of(self.session, sql)? {
            None => self.run_as_owner(sql, line),
            Some(Instead::AsOwner(other)) => self.run_as_owner(&other, line),
            Some(Instead::Nothing) => self.session.execute(&self.mark(line)),
            Some(Instead::Call(call)) => self.call(&call, line),
            Some(Instead::Stub(name, call)) => {
                self.deviations.stubbed.push(name);
                self.call(&call, line)
            }
            Some(Instead::OtherVersion(what, call)) => {
                self.deviations.other_versions.push(what);
                self.call(&call, line)
            }
        }
    }

    /// Sends the rows that stand in the file, as psql does.
    pub(crate) fn copy_in(
        &mut self,
        statement: &str,
        rows: &str,
        line: usize,
    ) -> Result<(), Failed> {
        self.session.copy_in(statement, rows)?;
        self.session.execute(&self.mark(line))
    }

    /// Reads values of ours as JSON.
    pub(crate) fn values<T: DeserializeOwned>(&mut self, query: &str) -> Result<Vec<T>> {
        self.session.values(query)
    }

    /// Asks as who may read every row, for numbers.
    pub(crate) fn numbers(&mut self, query: &str) -> Result<Vec<u64>> {
        query_numbers(self.session, query)
    }

    /// Runs statements of ours.
    pub(crate) fn say(&mut self, sql: &str) -> Result<(), Failed> {
        self.session.execute(sql)
    }

    /// Runs statements of ours as who may do whatever an owner may.
    pub(crate) fn as_owner(&mut self, sql: &str) -> Result<(), Failed> {
        self.session.as_owner(sql)
    }

    /// Sends rows in parts, and says of which line of the file they are.
    ///
    /// # Errors
    /// What `next` says; inside, what the server does.
    pub(crate) fn copy_parts(
        &mut self,
        statement: &str,
        line: usize,
        next: impl FnMut(&mut Vec<u8>) -> Result<bool>,
    ) -> Result<Result<(), Failed>> {
        if let Err(failed) = self.session.copy_parts(statement, next)? {
            return Ok(Err(failed));
        }
        Ok(self.session.execute(&self.mark(line)))
    }

    /// Checks what waits for the end of a file, then puts back what it has set.
    pub(crate) fn end(&mut self, line: usize) -> Result<(), Failed> {
        let mark = mark_sql(line);
        self.session.execute(&format!("{FIRE_DEFERRED}; {mark}; reset role; reset all"))
    }

    /// Goes back to before the statement that has failed.
    pub(crate) fn go_back(&mut self) -> Result<(), Failed> {
        self.session.execute(&self.savepoint.go_back())
    }

    /// What follows a statement.
    fn mark(&self, line: usize) -> String {
        format!("{}; {}", mark_sql(line), self.savepoint.renew())
    }

    fn run_as_owner(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        let Err(refusal) = self.run_marked(sql, line) else { return Ok(()) };
        if is_there(&refusal) && is_role_creation(sql) {
            self.session.execute(&self.savepoint.go_back())?;
            if self.is_role_of_migrations(sql)? {
                return Ok(());
            }
        } else if self.kind == FileKind::Data
            && refusal.refusal().is_some_and(Refusal::is_of_policy)
        {
            self.session.execute(&self.savepoint.go_back())?;
            return self.call(&run_as_owner(sql), line);
        } else if refusal.has_state(INSUFFICIENT_PRIVILEGE)
            && let Some(elevation) = elevation_of(sql)
        {
            self.session.execute(&self.savepoint.go_back())?;
            match self.call(&elevation.call, line) {
                // The statement's own words are the clearer ones.
                Err(other) if other.has_state(INSUFFICIENT_PRIVILEGE) => {}
                outcome => {
                    self.deviations.elevated.push(elevation.kind);
                    return outcome;
                }
            }
        } else if refusal.has_state(INSUFFICIENT_PRIVILEGE)
            && let Some(roles) = roles_made_by(sql)
        {
            self.session.execute(&self.savepoint.go_back())?;
            if self.make_roles(roles.elevations, line)? {
                return match roles.is_all {
                    true => Ok(()),
                    false => self.run_marked(sql, line),
                };
            }
        }
        Err(refusal)
    }

    /// Runs a statement of the project's, and leaves a mark.
    fn run_marked(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        self.session.execute_one_then(sql, &self.mark(line))
    }

    /// Makes the roles that are not there yet; no if one may not be made.
    fn make_roles(&mut self, elevations: Vec<Elevation>, line: usize) -> Result<bool, Failed> {
        for elevation in elevations {
            match self.call(&elevation.call, line) {
                Ok(()) => self.deviations.elevated.push(elevation.kind),
                Err(refusal) if is_there(&refusal) => {
                    self.session.execute(&self.savepoint.go_back())?;
                }
                Err(refusal) if refusal.has_state(INSUFFICIENT_PRIVILEGE) => return Ok(false),
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(true)
    }

    /// Calls a function of ours in place of a statement. Where it fails is no place in the statement.
    fn call(&mut self, call: &str, line: usize) -> Result<(), Failed> {
        let called = self.session.execute(&format!("{call}; {}", self.mark(line)));
        called.map_err(|failed| match failed {
            Failed::Refused(mut refusal) => {
                (refusal.position, refusal.context) = (None, None);
                Failed::Refused(refusal)
            }
            lost => lost,
        })
    }

    /// Whether the role that is there already was made by these migrations for another scratch
    /// database of the same server.
    fn is_role_of_migrations(&mut self, sql: &str) -> Result<bool, Failed> {
        let name = words(sql).get(2).map(|name| unquoted(name)).unwrap_or_default();
        let query = format!(
            "select 1 from pg_catalog.pg_roles where rolname = {} \
             and pg_catalog.shobj_description(oid, 'pg_authid') = {}",
            literal(&name),
            literal(&mark_of_migrations())
        );
        self.session.rows(&query).map(|rows| !rows.is_empty())
    }
}

/// Whether something is there already, perhaps since another run on this server was faster.
fn is_there(failed: &Failed) -> bool {
    failed.has_state(DUPLICATE_OBJECT) || failed.has_state(UNIQUE_VIOLATION)
}

fn is_role_creation(sql: &str) -> bool {
    let mut words = statement::words(sql);
    words.next().is_some_and(|word| word == "create")
        && words.next().is_some_and(|word| ["role", "user", "group"].contains(&word.as_str()))
}
