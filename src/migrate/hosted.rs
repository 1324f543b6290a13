//! One statement of a migration as the owner runs it on Supabase, where they are no superuser, and
//! what is done where that is not enough on a throwaway database.
//!
//! Extensions belong to somebody else, as there. A statement of the short list that a hosted project
//! may run is tried once more with the owner as a superuser for that one statement: what it makes is
//! still theirs, with their default privileges.

use crate::error::Result;
use crate::migrate::applied::Deviations;
use crate::migrate::elevation::is_granted_when_hosted;
use crate::migrate::marks::mark_sql;
use crate::migrate::roles;
use crate::migrate::target::Throwaway;
use crate::platform::extensions::{self, Instead};
use crate::platform::owner::Owner;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::savepoint::Savepoint;
use crate::sql::quote::{identifier, literal};
use crate::sql::statement;

/// The session of the owner while the statements of a file run.
pub(crate) struct OwnerSession<'a> {
    session: &'a mut Session,
    owner: &'a Owner,
    pub is_superuser: bool,
    /// Each statement finds it, and leaves a new one and a mark behind in its own round trip. What
    /// comes before a statement would move the place of its error.
    savepoint: Savepoint,
    pub deviations: Deviations,
}

const DUPLICATE_OBJECT: &str = "42710";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

impl<'a> OwnerSession<'a> {
    /// Becomes the owner until the transaction ends.
    pub(crate) fn begin(session: &'a mut Session, throwaway: &'a Throwaway) -> Result<Self> {
        let owner = throwaway.owner();
        let savepoint = session.new_savepoint();
        let become_owner = format!(
            "select 1 from pg_catalog.pg_roles where rolname = {} and rolsuper; \
             set local session authorization {}; set local search_path = {}; {}",
            literal(&owner.role),
            identifier(&owner.role),
            owner.search_path,
            savepoint.set()
        );
        let is_superuser = session
            .rows(&become_owner)
            .map(|rows| !rows.is_empty())
            .map_err(failing("become who runs the migrations"))?;
        Ok(Self { session, owner, is_superuser, savepoint, deviations: Deviations::default() })
    }

    /// Runs a statement that begins in a line.
    pub(crate) fn run(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        match extensions::instead_of(self.session, sql)? {
            None => self.run_as_owner(sql, line),
            Some(Instead::AsOwner(other)) => self.run_as_owner(&other, line),
            Some(Instead::AsAdmin(other)) => self.run_as_admin(&other, line),
            Some(Instead::Stub(name, make)) => {
                self.deviations.stubbed.push(name);
                self.run_as_admin(&make, line)
            }
            Some(Instead::OtherVersion(what, other)) => {
                self.deviations.other_versions.push(what);
                self.run_as_admin(&other, line)
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

    /// Checks what waits for the end of a file, then goes back to being ourselves.
    pub(crate) fn end(&mut self, line: usize) -> Result<(), Failed> {
        self.session.execute(&format!(
            "set constraints all immediate; {}; \
             reset session authorization; reset role; reset all",
            mark_sql(line, &self.owner.role)
        ))
    }

    /// What follows a statement.
    fn mark(&self, line: usize) -> String {
        format!("{}; {}", mark_sql(line, &self.owner.role), self.savepoint.renew())
    }

    fn run_as_owner(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        let marked = format!("{sql}\n; {}", self.mark(line));
        let Err(refusal) = self.session.execute(&marked) else { return Ok(()) };
        if refusal.has_state(DUPLICATE_OBJECT) && is_role_creation(sql) {
            self.session.execute(&self.savepoint.go_back())?;
            if self.is_role_of_migrations(sql)? {
                return Ok(());
            }
        } else if refusal.has_state(INSUFFICIENT_PRIVILEGE)
            && !self.is_superuser
            && is_granted_when_hosted(sql)
        {
            self.session.execute(&self.savepoint.go_back())?;
            match self.run_elevated(sql, line)? {
                Ok(()) => return Ok(()),
                // It would fail for whoever runs it, and says why.
                Err(other) if !other.has_state(INSUFFICIENT_PRIVILEGE) => return Err(other),
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Runs it with the owner as a superuser; gives what came of it.
    fn run_elevated(&mut self, sql: &str, line: usize) -> Result<Result<(), Failed>, Failed> {
        let role = identifier(&self.owner.role);
        // Waits for another run that is about to do the same on this server. Nobody but us ever sees
        // the role changed.
        let elevate = format!(
            "select from pg_catalog.pg_authid where rolname = {} for update; \
             alter role {role} superuser",
            literal(&self.owner.role)
        );
        self.as_ourselves(&elevate, &role)?;
        let marked = format!("{sql}\n; {}", mark_sql(line, &self.owner.role));
        if let Err(error) = self.session.execute(&marked) {
            self.session.execute(&self.savepoint.go_back())?;
            return Ok(Err(error));
        }
        let back = format!("alter role {role} nosuperuser; {}", self.savepoint.renew());
        self.as_ourselves(&back, &role)?;
        Ok(Ok(()))
    }

    /// Runs it as the one who owns extensions.
    fn run_as_admin(&mut self, sql: &str, line: usize) -> Result<(), Failed> {
        let (admin, owner) = (identifier(&self.owner.admin), identifier(&self.owner.role));
        let role = self.current_role()?;
        self.session.execute(&format!(
            "reset session authorization; set local session authorization {admin}"
        ))?;
        self.session.execute(&format!("{sql}\n; {}", mark_sql(line, &self.owner.admin)))?;
        let back = format!("{}; {}", go_on_as(&owner, &role), self.savepoint.renew());
        self.session.execute(&back)
    }

    /// Runs a statement of ours, then goes on as the owner.
    fn as_ourselves(&mut self, sql: &str, owner: &str) -> Result<(), Failed> {
        let role = self.current_role()?;
        let go_on = go_on_as(owner, &role);
        self.session.execute(&format!("reset session authorization; {sql}; {go_on}"))
    }

    /// The role that the file has set, or `none`.
    fn current_role(&mut self) -> Result<String, Failed> {
        let rows = self.session.rows("select pg_catalog.current_setting('role')")?;
        Ok(rows.into_iter().flatten().flatten().next().unwrap_or_else(|| "none".into()))
    }

    /// Whether the role that is there already was made by these migrations for another scratch
    /// database of the same server.
    fn is_role_of_migrations(&mut self, sql: &str) -> Result<bool, Failed> {
        let name = statement::words(sql).nth(2).unwrap_or_default();
        let query = format!(
            "select 1 from pg_catalog.pg_roles where rolname = {} \
             and pg_catalog.shobj_description(oid, 'pg_authid') = {}",
            literal(name.trim_matches('"')),
            literal(&roles::mark())
        );
        self.session.rows(&query).map(|rows| !rows.is_empty())
    }
}

/// What goes on as the owner, with the role that was set.
fn go_on_as(owner: &str, role: &str) -> String {
    let role = if role == "none" { role.to_owned() } else { identifier(role) };
    format!(
        "reset session authorization; set local session authorization {owner}; \
         set local role {role}"
    )
}

fn is_role_creation(sql: &str) -> bool {
    let mut words = statement::words(sql);
    words.next().is_some_and(|word| word == "create")
        && words.next().is_some_and(|word| ["role", "user", "group"].contains(&word.as_str()))
}
