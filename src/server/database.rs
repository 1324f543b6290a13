//! Scratch databases, and the templates that they are cloned from.

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{fmt, mem};

use postgres::{Client, NoTls};

use crate::error::{Error, Result};
use crate::server::connection::cause_of;
use crate::server::instance::{Server, Template, lock};
use crate::server::options::ServerKind;

/// How long whoever is connected to a database that is to be copied has to leave it.
const LONG_ENOUGH: Duration = Duration::from_secs(5);

/// How long a session of ours that has just been closed may take to be gone.
const MOST_FOR_CLOSING: Duration = Duration::from_millis(100);

/// A scratch database. Dropping it drops the database, with whoever is still connected to it.
pub struct Database {
    server: Arc<Server>,
    /// Empty once there is nothing left to drop.
    name: String,
}

impl Database {
    pub(crate) fn new(server: Arc<Server>, name: String) -> Self {
        Self { server, name }
    }

    /// Its name, unique on its server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server that it is on.
    pub fn server(&self) -> &Arc<Server> {
        &self.server
    }

    /// Connects as a superuser, with an application name that begins with `leakproof`.
    ///
    /// # Errors
    /// When the server is gone or has no connection left.
    pub fn connect(&self) -> Result<Client> {
        let mut config = self.server.config().clone();
        config.dbname(&self.name).connect(NoTls).map_err(|cause| {
            Error::new(format!("could not connect to the scratch database `{}`", self.name))
                .cause(cause_of(&cause))
        })
    }

    /// Makes a copy of it; nobody may be connected to it.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn copy(&self) -> Result<Self> {
        self.server.copy_database(self)
    }

    /// Makes it a template, to be cloned.
    pub(crate) fn into_template(mut self, admin: &mut Client) -> Template {
        wait_until_left(admin, &self.name, LONG_ENOUGH);
        Template { name: mem::take(&mut self.name) }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if !self.name.is_empty() {
            self.server.drop_database(&self.name);
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.name).finish()
    }
}

impl Server {
    /// Makes an empty scratch database: from `template0`, UTF8, locale C. The first one on a private
    /// server is its own `postgres`, which is just that and costs nothing.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(self: &Arc<Self>) -> Result<Database> {
        if self.preparation.is_none()
            && let Some(name) = lock(&self.fresh).take()
        {
            return Ok(Database::new(Arc::clone(self), name.to_owned()));
        }
        let provider = if self.version_num >= 150_000 { " locale_provider libc" } else { "" };
        self.create(&format!("template template0 encoding 'UTF8' locale 'C'{provider}"))
    }

    /// The first database of a private server, if it was made with these statements and nobody has it
    /// yet.
    pub(crate) fn take_prepared(self: &Arc<Self>, prepared: &str) -> Option<Database> {
        self.preparation.as_ref().filter(|known| known.is_of(prepared))?;
        let name = lock(&self.fresh).take();
        name.map(|name| Database::new(Arc::clone(self), name.to_owned()))
    }

    /// The template with this key, built at its first use: `build` gets an empty scratch database. Once per key and server; others wait. If `build` fails nothing is
    /// left, and the next caller builds again.
    ///
    /// # Errors
    /// That of `build`, or when the server refuses.
    pub fn template(
        self: &Arc<Self>,
        key: &str,
        build: impl FnOnce(&Database) -> Result<()>,
    ) -> Result<Template> {
        let slot = Arc::clone(lock(&self.templates).entry(key.to_owned()).or_default());
        let mut slot = lock(&slot);
        if let Some(template) = &*slot {
            return Ok(template.clone());
        }
        let database = self.create_database()?;
        build(&database)?;
        let template = self.with_admin(|admin| Ok(database.into_template(admin)))?;
        Ok(slot.insert(template).clone())
    }

    /// Makes a scratch database that is a copy of the template, with its `alter database ... set`.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn clone_template(self: &Arc<Self>, template: &Template) -> Result<Database> {
        self.create_like(template.name())
    }

    fn copy_database(self: &Arc<Self>, database: &Database) -> Result<Database> {
        self.with_admin(|admin| {
            wait_until_left(admin, database.name(), LONG_ENOUGH);
            Ok(())
        })?;
        self.create_like(database.name())
    }

    /// A copy of another database, with its `alter database ... set`.
    fn create_like(self: &Arc<Self>, model: &str) -> Result<Database> {
        // Files are copied faster than pages, after a checkpoint, which is ours to ask for on a server
        // of our own.
        let strategy = if self.kind == ServerKind::Url { "" } else { " strategy file_copy" };
        let database = self.create(&format!("template {model}{strategy}"))?;
        let owner = self.with_admin(|admin| {
            let query = "select pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(datdba))
                from pg_catalog.pg_database where datname = $1";
            admin.query_one(query, &[&model]).map(|row| row.get::<_, String>(0))
        })?;
        // `create database` leaves these behind.
        let copy_settings = "insert into pg_catalog.pg_db_role_setting
            select new.oid, setting.setrole, setting.setconfig
            from pg_catalog.pg_db_role_setting setting
            join pg_catalog.pg_database old on old.oid = setting.setdatabase
            cross join pg_catalog.pg_database new
            where old.datname = $1 and new.datname = $2";
        let names: [&(dyn postgres::types::ToSql + Sync); 2] = [&model, &database.name()];
        let copy_owner = format!("alter database {} owner to {owner}", database.name());
        let copy = |admin: &mut Client| {
            admin.execute(copy_settings, &names)?;
            admin.batch_execute(&copy_owner)
        };
        self.with_admin(copy).map_err(|error| {
            error.help("this is a bug in leakproof, or the server is not a plain PostgreSQL")
        })?;
        Ok(database)
    }

    fn create(self: &Arc<Self>, like: &str) -> Result<Database> {
        for left in mem::take(&mut *lock(&self.left)) {
            self.drop_now(&left);
        }
        let name = self.next_name();
        let statement = format!("create database {name} {like}");
        self.with_admin(|admin| admin.batch_execute(&statement))?;
        Ok(Database::new(Arc::clone(self), name))
    }

    /// Drops a database, or on a private server leaves it until another one is made: the last ones go away with
    /// the server, which costs nothing.
    fn drop_database(&self, name: &str) {
        match self.kind {
            ServerKind::Url => self.drop_now(name),
            ServerKind::Local | ServerKind::Docker => lock(&self.left).push(name.to_owned()),
        }
    }

    /// Best effort: what is left goes away with the server, or at the end of the run.
    fn drop_now(&self, name: &str) {
        let statement = format!("drop database if exists {name} with (force)");
        let _ = self.with_admin(|admin| {
            wait_until_left(admin, name, MOST_FOR_CLOSING);
            admin.batch_execute(&statement)
        });
    }
}

/// Waits until nobody is connected to a database any more. The server looks again every 100 ms only, when it
/// copies or drops one.
fn wait_until_left(admin: &mut Client, database: &str, limit: Duration) {
    let started = Instant::now();
    let query = "select count(*) from pg_catalog.pg_stat_activity where datname = $1";
    while started.elapsed() < limit {
        let count = admin.query_one(query, &[&database]).map(|row| row.get::<_, i64>(0));
        if count.is_ok_and(|count| count == 0) {
            break;
        }
        sleep(Duration::from_millis(1));
    }
}
