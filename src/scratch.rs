//! A scratch database with a project's migrations applied, fixtures loaded on the way.

use postgres::Client;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::isolation::Isolation;
use crate::migrate::applied::Applied;
use crate::migrate::apply::{Done, Look, apply_watched, load_seeds, roll_back};
use crate::migrate::history::History;
use crate::migrate::places::Places;
use crate::migrate::plan::{Plan, Wanted};
use crate::migrate::target::{Target, Throwaway};
use crate::platform::Platform;
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::server::database::Database;
use crate::server::instance::Server;
use crate::server::options::ServerOptions;
use crate::session::connection::Connection;
use crate::session::open::Session;

/// A throwaway database as the project's migrations make it. Dropped with this value.
#[derive(Debug)]
pub struct Scratch<'p> {
    project: &'p Project,
    platform: Platform,
    database: Database,
    done: Done,
    keeps_going: bool,
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
        let template = server.template(&content_key(project, &platform), |client| {
            let connection = &mut Connection::new(client);
            platform.install(connection)?;
            let target = Target::Throwaway(Throwaway::new(platform.owner()));
            let wanted = Wanted::up_to(i64::MAX);
            let plan = Plan::decide(project, History::empty(), &target, wanted)?;
            let (look, done): (&mut Look<'_>, _) = (&mut |_, _, _| Ok(()), &mut Done::default());
            apply_watched(connection, &target, plan, done, look)?;
            let throwaway = Throwaway::new(platform.owner());
            load_seeds(connection, project, &throwaway, &mut done.places).map(drop)
        })?;
        let database = server.clone_template(&template)?;
        Ok(Self::on(project, platform, database))
    }

    /// An empty database on `server` with the platform, and nothing applied yet.
    ///
    /// # Errors
    /// A server that refuses.
    pub fn empty(
        project: &'p Project,
        platform: Platform,
        server: &std::sync::Arc<Server>,
    ) -> Result<Self> {
        let database = match server.take_prepared(&platform.sql()) {
            Some(database) => database,
            None => {
                let database = server.create_database()?;
                platform.install(&mut Connection::new(database.connect()?))?;
                database
            }
        };
        Ok(Self::on(project, platform, database))
    }

    fn on(project: &'p Project, platform: Platform, database: Database) -> Self {
        let (done, failed, notes) = (Done::default(), Vec::new(), Vec::new());
        Self { project, platform, database, done, keeps_going: false, failed, notes }
    }

    /// The same, but that a file that cannot be applied is left out, and the next one tried; see
    /// [`Self::failed`].
    #[must_use]
    pub fn keep_going(self) -> Self {
        Self { keeps_going: true, ..self }
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
    pub(crate) fn migrate_watched(&mut self, look: &mut Look<'_>) -> Result<()> {
        self.apply(i64::MAX, false, look)
    }

    /// As [`Self::migrate`], on data that is there already: no fixture is loaded.
    pub(crate) fn migrate_again(&mut self, connection: &mut Connection) -> Result<()> {
        self.apply_on(connection, i64::MAX, true, &mut |_, _, _| Ok(()))
    }

    /// Applies what is pending up to a version, without fixtures and recorded calls; `look` sees the
    /// database after each version.
    pub(crate) fn rehearse_to(&mut self, version: i64, look: &mut Look<'_>) -> Result<()> {
        self.apply(version, true, look)
    }

    /// Applies what is pending up to a version.
    ///
    /// # Errors
    /// As [`Self::migrate`].
    pub fn migrate_to(&mut self, version: i64) -> Result<()> {
        self.apply(version, false, &mut |_, _, _| Ok(()))
    }

    fn apply(&mut self, last: i64, is_again: bool, look: &mut Look<'_>) -> Result<()> {
        self.apply_on(&mut self.connection()?, last, is_again, look)
    }

    fn apply_on(
        &mut self,
        connection: &mut Connection,
        last: i64,
        is_again: bool,
        look: &mut Look<'_>,
    ) -> Result<()> {
        let target = Target::Throwaway(self.throwaway());
        let wanted = Wanted { last, is_again, keeps_going: self.keeps_going };
        let plan = Plan::decide(self.project, History::read(connection)?, &target, wanted)?;
        let failed = apply_watched(connection, &target, plan, &mut self.done, look)?;
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

    fn throwaway(&self) -> Throwaway {
        Throwaway::new(self.platform.owner())
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

    /// A connection of your own, as a superuser.
    ///
    /// # Errors
    /// A server that is gone.
    pub fn connect(&self) -> Result<Client> {
        self.database.connect()
    }

    /// Looks at what is there, in a transaction that is rolled back.
    pub(crate) fn uncommitted<T>(&self, look: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.connection()?.uncommitted(look)
    }

    /// A connection that may commit, for who migrates on it.
    pub(crate) fn connection(&self) -> Result<Connection> {
        self.database.connect().map(Connection::new)
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
        Isolation::open(self.connection()?.into_uncommitted(), self.project, &self.platform)
    }
}

/// The same for the same platform and files, on any machine.
fn content_key(project: &Project, platform: &Platform) -> String {
    let mut content = platform.describe();
    let mut add = |part: &str| content.push_str(&format!("\n{}\n{part}", part.len()));
    for file in project.migrations() {
        let fixture = project.fixture(file.version()).map_or("", SqlFile::raw);
        [file.title().as_str(), file.raw(), &adapt(file).sql, fixture]
            .into_iter()
            .for_each(&mut add);
    }
    project.seeds().iter().for_each(|seed| add(seed.file().raw()));
    Uuid::new_v5(&Uuid::NAMESPACE_OID, content.as_bytes()).to_string()
}
