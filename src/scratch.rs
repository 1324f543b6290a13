//! A scratch database with a project's migrations applied, fixtures loaded on the way.

use std::sync::Arc;
use std::time::Duration;

use postgres::Client;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::isolation::Isolation;
use crate::migrate::applied::Applied;
use crate::migrate::apply::{Done, Look, apply_watched, load_seeds, roll_back};
use crate::migrate::history::History;
use crate::migrate::places::Places;
use crate::migrate::plan::{Action, Plan, Wanted};
use crate::migrate::run::shared_row;
use crate::migrate::target::{Target, Throwaway};
use crate::platform::Platform;
use crate::platform::own_schema::shared_query;
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::project::fixture::Fixture;
use crate::server::database::Database;
use crate::server::instance::Server;
use crate::server::options::{ServerKind, ServerOptions};
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::world::identify::identify;

/// As [`Look`], in a session of who connects in production.
pub(crate) type LookAs<'a> = dyn FnMut(&mut Session, &SqlFile) -> Result<()> + 'a;

/// A throwaway database as the project's migrations make it. Dropped with this value.
#[derive(Debug)]
pub struct Scratch<'p> {
    project: &'p Project,
    platform: Platform,
    database: Database,
    done: Done,
    keeps_going: bool,
    repeats: bool,
    failed: Vec<Error>,
    notes: Vec<String>,
}

impl<'p> Scratch<'p> {
    /// A copy of a template that is migrated once per process and project: about 20 ms each.
    ///
    /// The server is the first that works, or what `LEAKPROOF_SERVER` and
    /// `LEAKPROOF_DATABASE_URL` say; it is shared by all in this process.
    ///
    /// # Errors
    /// No server, or a migration that fails.
    pub fn of(project: &'p Project) -> Result<Self> {
        let server = Server::shared(&ServerOptions::from_env()?)?;
        let platform = Platform::of(project);
        let template = server.template(&content_key(project, &platform), |database| {
            install(&platform, database)?;
            let owner = platform.owner().role;
            let connection = watched(database, &owner, MOST_FOR_FILES)?;
            let connection = &mut connection.with(project.discretion());
            let target = Target::Throwaway(throwaway(&platform, database));
            let wanted = Wanted::up_to(i64::MAX);
            let plan = Plan::decide(project, History::empty(), &target, wanted)?;
            let (look, done): (&mut Look<'_>, _) = (&mut |_| Ok(()), &mut Done::default());
            apply_watched(connection, &target, plan, done, look)?;
            let throwaway = throwaway(&platform, database);
            load_seeds(connection, project, &throwaway, &mut done.places).map(drop)
        })?;
        let database = server.clone_template(&template)?;
        let scratch = Self::on(project, platform, database);
        if !project.is_to_be_identified() {
            return Ok(scratch);
        }
        scratch.look_who_asks()?;
        Ok(Self { platform: Platform::of(project), ..scratch })
    }

    /// Finds out who asks, where the config does not say it: applies the migrations to a database that
    /// goes away, without data and whatever fails.
    ///
    /// # Errors
    /// A server that refuses.
    pub(crate) fn find_who_asks(project: &Project, server: &Arc<Server>) -> Result<()> {
        if !project.is_to_be_identified() {
            return Ok(());
        }
        let mut scratch = Scratch::empty(project, Platform::of(project), server)?.keep_going();
        // What fails is told where it matters.
        let _ = scratch.rehearse_to(i64::MAX, None);
        scratch.look_who_asks()
    }

    fn look_who_asks(&self) -> Result<()> {
        let mut connection = self.login_connection()?;
        connection.uncommitted(|session| identify(session, self.project, &self.platform))
    }

    /// An empty database on `server` with the platform, and nothing applied yet.
    ///
    /// # Errors
    /// A server that refuses.
    pub fn empty(project: &'p Project, platform: Platform, server: &Arc<Server>) -> Result<Self> {
        let database = match server.take_prepared(&platform.common_sql()) {
            Some(database) => {
                let mut connection = Connection::new(database.connect()?);
                platform.refuse_known_roles(&mut connection)?;
                platform.install_rest(&mut connection)?;
                database
            }
            None => {
                let database = server.create_database()?;
                install(&platform, &database)?;
                database
            }
        };
        Ok(Self::on(project, platform, database))
    }

    fn on(project: &'p Project, platform: Platform, database: Database) -> Self {
        let (done, failed, notes) = (Done::default(), Vec::new(), Vec::new());
        let (keeps_going, repeats) = (false, false);
        Self { project, platform, database, done, keeps_going, repeats, failed, notes }
    }

    /// The same, but that a file that cannot be applied is left out, and the next one tried; see
    /// [`Self::failed`].
    #[must_use]
    pub fn keep_going(self) -> Self {
        Self { keeps_going: true, ..self }
    }

    /// The same, but that each file that meets rows is also applied under other circumstances, and taken
    /// back: see [`Applied::repeated`].
    #[must_use]
    pub fn repeat(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// A copy of the database, with nothing noted as applied by it. Nobody may be connected.
    ///
    /// # Errors
    /// A server that refuses.
    pub(crate) fn copy(&self) -> Result<Self> {
        let database = self.database.copy()?;
        Ok(Self::on(self.project, self.platform.clone(), database))
    }

    /// Applies what is pending, and loads the seeds; see [`Self::applied`] for what it did to the data.
    ///
    /// # Errors
    /// The first statement that fails, with its file and line.
    pub fn migrate(&mut self) -> Result<()> {
        self.migrate_to(i64::MAX)
    }

    /// As [`Self::migrate`]; `look` sees the database after each version and its fixture.
    pub(crate) fn migrate_watched(&mut self, look: &mut LookAs<'_>) -> Result<()> {
        self.apply(i64::MAX, false, Some(look))
    }

    /// As [`Self::migrate`], on data that is there already: no fixture is loaded.
    pub(crate) fn migrate_again(&mut self, connection: &mut Connection) -> Result<()> {
        self.repeats = false;
        self.apply_on(connection, i64::MAX, true, None)
    }

    /// Applies what is pending up to a version, without fixtures and recorded calls; `look` sees the
    /// database after each version.
    pub(crate) fn rehearse_to(
        &mut self,
        version: i64,
        look: Option<&mut LookAs<'_>>,
    ) -> Result<()> {
        self.apply(version, true, look)
    }

    /// Applies those pending files, whatever comes before them, without fixtures, recorded calls and seeds.
    pub(crate) fn rehearse_those(&mut self, is_meant: &dyn Fn(i64) -> bool) -> Result<()> {
        let connection = &mut self.connection()?;
        let target = Target::Throwaway(self.throwaway());
        let wanted = Wanted { is_again: true, takes_late: true, ..Wanted::up_to(i64::MAX) };
        let mut plan = Plan::decide(self.project, History::read(connection)?, &target, wanted)?;
        for step in plan.steps.iter_mut().filter(|step| !is_meant(step.file.version())) {
            step.action = Action::Later;
        }
        apply_watched(connection, &target, plan, &mut self.done, &mut |_| Ok(()))?;
        Ok(())
    }

    pub(crate) fn project(&self) -> &'p Project {
        self.project
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Applies what is pending up to a version.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub fn migrate_to(&mut self, version: i64) -> Result<()> {
        self.apply(version, false, None)
    }

    fn apply(&mut self, last: i64, is_again: bool, look: Option<&mut LookAs<'_>>) -> Result<()> {
        self.apply_on(&mut self.connection()?, last, is_again, look)
    }

    fn apply_on(
        &mut self,
        connection: &mut Connection,
        last: i64,
        is_again: bool,
        look: Option<&mut LookAs<'_>>,
    ) -> Result<()> {
        // Who looks is who connects in production, and not who runs the files.
        let mut onlooker = look.map(|look| Ok((self.login_connection()?, look))).transpose()?;
        let mut look = |file: &SqlFile| match &mut onlooker {
            Some((connection, look)) => connection.uncommitted(|session| look(session, file)),
            None => Ok(()),
        };
        let target = Target::Throwaway(self.throwaway());
        let Self { keeps_going, repeats, .. } = *self;
        let wanted = Wanted {
            last,
            is_again,
            keeps_going,
            repeats,
            takes_late: false,
            takes_outside: false,
        };
        let plan = Plan::decide(self.project, History::read(connection)?, &target, wanted)?;
        let failed = apply_watched(connection, &target, plan, &mut self.done, &mut look)?;
        self.notes.append(&mut self.done.notes);
        // What fails on the second way only is told by what it leaves out.
        if !is_again {
            self.failed.extend(failed);
            if last == i64::MAX {
                let (throwaway, places) = (self.throwaway(), &mut self.done.places);
                self.notes.extend(load_seeds(connection, self.project, &throwaway, places)?);
            }
        }
        Ok(())
    }

    pub(crate) fn throwaway(&self) -> Throwaway {
        throwaway(&self.platform, &self.database)
    }

    /// Takes back what is applied, the latest version first, until `version` is the latest.
    ///
    /// # Errors
    /// A version without a rollback file, or a statement of one that fails.
    pub fn roll_back_to(&mut self, version: i64) -> Result<()> {
        let mut connection = self.connection()?;
        self.roll_back_on(&mut connection, version)
    }

    /// As [`Self::roll_back_to`], on a connection that is there.
    pub(crate) fn roll_back_on(&mut self, connection: &mut Connection, version: i64) -> Result<()> {
        let history = History::read(connection)?;
        let versions = history.entries.iter().rev().map(|entry| entry.version);
        for later in versions.filter(|later| *later > version) {
            let throwaway = self.throwaway();
            let places = roll_back(connection, self.project, &throwaway, history.kind, later)?;
            self.done.places.extend(places);
        }
        Ok(())
    }

    /// The migrations this value applied, and what they did to the data; none for a copy.
    pub fn applied(&self) -> &[Applied] {
        &self.done.applied
    }

    /// The migrations that failed, and what their other statements do to the data.
    pub fn tried(&self) -> &[Applied] {
        &self.done.tried
    }

    /// Where in the files each object was changed last, by the migrations, fixtures, seeds and
    /// rollbacks that this value has run; nothing for a copy.
    pub fn places(&self) -> &Places {
        &self.done.places
    }

    /// Why files could not be applied, where it went on without them.
    pub fn failed(&self) -> &[Error] {
        &self.failed
    }

    /// Takes them out, for a report.
    pub(crate) fn take_failed(&mut self) -> Vec<Error> {
        std::mem::take(&mut self.failed)
    }

    /// What else is worth knowing: seeds that could not be loaded.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// A connection of your own, as a superuser. What the project has made, a trigger or a default,
    /// runs as that one where you change rows.
    ///
    /// # Errors
    /// A server that is gone.
    pub fn connect(&self) -> Result<Client> {
        self.database.connect()
    }

    /// A connection of your own, as who runs the files.
    ///
    /// # Errors
    /// A server that is gone.
    pub fn connect_as_owner(&self) -> Result<Client> {
        self.database.connect_as(&self.platform.owner().role).map(|(client, _)| client)
    }

    /// Has connections from now on count what statements read, which servers of ours leave out.
    pub(crate) fn count_reads(&self) -> Result<()> {
        let name = identifier(self.database.name());
        let set = format!("alter database {name} set track_counts = on");
        let mut connection = Connection::new(self.database.connect()?);
        connection.rows(&set).map(drop).map_err(failing("have statements counted"))
    }

    /// Looks at what is there, in a transaction that is rolled back.
    pub(crate) fn uncommitted<T>(&self, look: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.connection()?.uncommitted(look)
    }

    /// A connection that may commit, of the owner, for who migrates on it.
    pub(crate) fn connection(&self) -> Result<Connection> {
        let connection = watched(&self.database, &self.platform.owner().role, MOST_FOR_FILES)?;
        Ok(connection.with(self.project.discretion()))
    }

    /// A connection of who connects in production, and becomes whoever asks.
    pub(crate) fn login_connection(&self) -> Result<Connection> {
        let connection = watched(&self.database, self.platform.login(), MOST_FOR_WORLD)?;
        Ok(connection.with(self.project.discretion()))
    }

    /// The server it is on.
    pub fn server(&self) -> &Server {
        self.database.server()
    }

    /// Seeds the world in a transaction that never commits, and lets people ask.
    ///
    /// # Errors
    /// A tenancy that does not fit the schema, or a lost connection.
    pub fn isolation(&self) -> Result<Isolation> {
        let session = self.login_connection()?.into_uncommitted();
        Isolation::open(session, self.project, &self.platform)
    }
}

/// How long a statement of a file may take, if nobody has said less.
const MOST_FOR_FILES: Duration = Duration::from_secs(300);

/// How long a round trip of who seeds, reads back and asks may take: many rows go in one.
const MOST_FOR_WORLD: Duration = Duration::from_secs(60);

/// A connection as a role, with limits that nothing in it can take away.
fn watched(database: &Database, role: &str, most: Duration) -> Result<Connection> {
    let (client, who) = database.connect_as(role)?;
    let limit = database.server().statement_limit().map_or(most, |limit| limit.min(most));
    Ok(Connection::watched(client, who, limit))
}

/// Beside a URL, a look at what files must leave alone comes with it.
fn throwaway(platform: &Platform, database: &Database) -> Throwaway {
    let throwaway = Throwaway::new(platform.owner());
    let server = database.server();
    if server.kind() != ServerKind::Url || server.is_disposable() {
        return throwaway;
    }
    let (server, query) = (Arc::clone(server), shared_query(database.name()));
    throwaway.with_shared(move || {
        let rows = server.ask(&query);
        let rows = rows.map_err(|error| error.help("see whether the server is still there"))?;
        Ok(rows.into_iter().filter_map(shared_row).collect())
    })
}

/// Puts the platform into an empty database.
fn install(platform: &Platform, database: &Database) -> Result<()> {
    let mut connection = Connection::new(database.connect()?);
    if !database.server().is_disposable() {
        platform.refuse_superusers(&mut connection)?;
        platform.refuse_known_roles(&mut connection)?;
    }
    if database.server().kind() == ServerKind::Url {
        let shared = connection.rows("set leakproof.is_shared = on");
        shared.map_err(failing("set up the platform"))?;
    }
    platform.install(&mut connection)?;
    match database.server().kind() {
        // Roles are the whole server's there.
        ServerKind::Url => Platform::take_role_making(&mut connection),
        ServerKind::Local | ServerKind::Docker => Ok(()),
    }
}

/// The same for the same platform and files, on any machine.
fn content_key(project: &Project, platform: &Platform) -> String {
    let mut content = platform.describe();
    let mut add = |part: &str| content.push_str(&format!("\n{}\n{part}", part.len()));
    for file in project.migrations() {
        let fixtures = project.fixtures(file.version()).iter().map(Fixture::content);
        let fixtures: String = fixtures.collect();
        [file.title().as_str(), file.raw(), &adapt(file).sql, &fixtures]
            .into_iter()
            .for_each(&mut add);
    }
    project.seeds().iter().for_each(|seed| add(seed.file().raw()));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content.as_bytes()).to_string()
}
