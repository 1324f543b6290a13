//! Where an ephemeral Postgres comes from: given by URL, local binaries, or Docker; and the scratch
//! databases on it. Knows nothing of platforms, projects or what is done in a scratch database.
//!
//! Whatever is made here goes away again: when its value is dropped, and when the process is killed.
//! A private server (local, docker) notices that by itself; on a server that was given, the
//! [`reap`] process does it, or the next run.

mod account;
mod binaries;
mod data;
mod database;
#[cfg(feature = "docker")]
mod docker;
mod local;
mod options;
mod preparation;
mod random;
mod reaper;
mod redact;
mod signals;
mod url;
mod watcher;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};

pub use database::{Database, Template};
use preparation::Preparation;

pub use options::{DEFAULT_DOCKER_IMAGE, ServerKind, ServerOptions};
pub use reaper::reap;
pub use redact::without_password;
pub use signals::exit_on_signals;
pub use url::ROLE_MARK;

/// The application name of every connection of ours, or how it begins.
const APPLICATION_NAME: &str = "leakproof";

/// The database that comes with every server.
const FIRST_DATABASE: &str = "postgres";

/// The first version with `drop database ... with (force)`, as `server_version_num` gives it.
const OLDEST_VERSION: i32 = 130_000;

/// A server that runs, or is used, until the last `Arc` of it is dropped.
pub struct Server {
    kind: ServerKind,
    version: String,
    version_num: i32,
    place: String,
    config: Config,
    prefix: String,
    count: AtomicU32,
    /// The database that a private server comes with, until it is handed out: an empty one, unless the
    /// server was made with what is to be in it.
    fresh: Mutex<Option<&'static str>>,
    /// What is in it.
    preparation: Option<Preparation>,
    /// Connections to the maintenance database that nobody is using.
    idle: Mutex<Vec<Client>>,
    templates: Mutex<HashMap<String, Arc<Mutex<Option<Template>>>>>,
    /// What runs the server, or stands for us on it: gone when this is dropped, after all else.
    _source: Box<dyn Send + Sync>,
}

impl Server {
    /// Starts a server of the kind asked for, or the first that works of url (only if a URL is
    /// set), local and docker.
    ///
    /// # Errors
    /// When the kind asked for does not work; when a URL is set and does not work; when no kind
    /// works, with all that was tried and how to get each.
    pub fn start(options: &ServerOptions) -> Result<Self> {
        Self::start_with(options, None)
    }

    /// As [`Self::start`]; a private server may have done what is prepared before it starts.
    fn start_with(options: &ServerOptions, preparation: Option<Preparation>) -> Result<Self> {
        match options.kind {
            Some(kind) => start_kind(kind, options, preparation),
            None if options.url.is_some() => start_kind(ServerKind::Url, options, None),
            None => start_first(options, preparation),
        }
    }

    /// The server of this process for these options; started if nobody holds it now.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn shared(options: &ServerOptions) -> Result<Arc<Self>> {
        Self::shared_for(options, None)
    }

    /// As [`Self::shared`]; where one must be started that is ours, its first database has in it what
    /// these statements make, from a cache: see [`Self::take_prepared`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn shared_for(options: &ServerOptions, prepared: Option<&str>) -> Result<Arc<Self>> {
        // Weak, since nothing drops what is in a static, and the server would stay behind.
        static SHARED: Mutex<Vec<(ServerOptions, Weak<Server>)>> = Mutex::new(Vec::new());
        let mut shared = lock(&SHARED);
        shared.retain(|(_, server)| server.strong_count() > 0);
        let known = shared.iter().find(|(of, _)| of == options);
        if let Some(server) = known.and_then(|(_, server)| server.upgrade()) {
            return Ok(server);
        }
        let server = Arc::new(Self::start_with(options, prepared.map(Preparation::new))?);
        shared.push((options.clone(), Arc::downgrade(&server)));
        Ok(server)
    }

    /// Where it comes from.
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Its version, as in `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its kind, version and place in one line, without any password.
    pub fn describe(&self) -> String {
        format!("{}, PostgreSQL {} ({})", self.kind, self.version, self.place)
    }

    /// The major version of PostgreSQL.
    pub fn major_version(&self) -> u32 {
        u32::try_from(self.version_num / 10_000).unwrap_or(0)
    }

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

    /// The template with this key, built at its first use: `build` gets a superuser connection to
    /// an empty scratch database. Once per key and server; others wait. If `build` fails nothing is
    /// left, and the next caller builds again.
    ///
    /// # Errors
    /// That of `build`, or when the server refuses.
    pub fn template(
        self: &Arc<Self>,
        key: &str,
        build: impl FnOnce(&mut Client) -> Result<()>,
    ) -> Result<Template> {
        let slot = Arc::clone(lock(&self.templates).entry(key.to_owned()).or_default());
        let mut slot = lock(&slot);
        if let Some(template) = &*slot {
            return Ok(template.clone());
        }
        let database = self.create_database()?;
        build(&mut database.connect()?)?;
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
            database.wait_until_left(admin);
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
        // `create database` leaves these behind.
        let copy_settings = "insert into pg_catalog.pg_db_role_setting
            select new.oid, setting.setrole, setting.setconfig
            from pg_catalog.pg_db_role_setting setting
            join pg_catalog.pg_database old on old.oid = setting.setdatabase
            cross join pg_catalog.pg_database new
            where old.datname = $1 and new.datname = $2";
        let names: [&(dyn postgres::types::ToSql + Sync); 2] = [&model, &database.name()];
        self.with_admin(|admin| admin.execute(copy_settings, &names)).map_err(|error| {
            error.help("this is a bug in leakproof, or the server is not a plain PostgreSQL")
        })?;
        Ok(database)
    }

    fn new(
        kind: ServerKind,
        place: String,
        prefix: String,
        config: Config,
        client: Client,
        source: Box<dyn Send + Sync>,
    ) -> Result<Self> {
        let mut server = Self {
            kind,
            version: String::new(),
            version_num: 0,
            place,
            config,
            prefix,
            count: AtomicU32::new(0),
            fresh: Mutex::new((kind != ServerKind::Url).then_some(FIRST_DATABASE)),
            preparation: None,
            idle: Mutex::new(vec![client]),
            templates: Mutex::default(),
            _source: source,
        };
        let query =
            "select current_setting('server_version'), current_setting('server_version_num')::int";
        let row = server.with_admin(|admin| admin.query_one(query, &[]))?;
        let version: String = row.get(0);
        server.version = version.split(' ').next().unwrap_or_default().to_owned();
        server.version_num = row.get(1);
        if server.version_num < OLDEST_VERSION {
            return Err(Error::new(format!("cannot use {}", server.describe()))
                .help("use PostgreSQL 13 or later"));
        }
        Ok(server)
    }

    fn config(&self) -> &Config {
        &self.config
    }

    fn create(self: &Arc<Self>, like: &str) -> Result<Database> {
        let number = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        let name = format!("{}{number}", self.prefix);
        let statement = format!("create database {name} {like}");
        self.with_admin(|admin| admin.batch_execute(&statement))?;
        Ok(Database::new(Arc::clone(self), name))
    }

    /// Best effort: what is left goes away with the server, or at the end of the run.
    fn drop_database(self: &Arc<Self>, name: &str) {
        // The last one on a private server goes away with it.
        if self.kind == ServerKind::Url || Arc::strong_count(self) > 1 {
            let statement = format!("drop database if exists {name} with (force)");
            let _ = self.with_admin(|admin| admin.batch_execute(&statement));
        }
    }

    /// Lends out a connection to the maintenance database. Several threads get one each.
    fn with_admin<T>(
        &self,
        run: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T> {
        let failed = |cause: postgres::Error| {
            Error::new(format!("the server {} refused a scratch database", self.place))
                .cause(cause_of(&cause))
        };
        let idle = lock(&self.idle).pop().filter(|admin| !admin.is_closed());
        let mut admin = match idle {
            Some(admin) => admin,
            None => self.config.connect(NoTls).map_err(failed)?,
        };
        let result = run(&mut admin).map_err(failed)?;
        lock(&self.idle).push(admin);
        Ok(result)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Before the source goes, which stops the server or drops the databases.
        lock(&self.idle).clear();
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.describe()).finish()
    }
}

fn start_kind(
    kind: ServerKind,
    options: &ServerOptions,
    preparation: Option<Preparation>,
) -> Result<Server> {
    match kind {
        ServerKind::Url => url::start(options),
        ServerKind::Local => local::start(preparation),
        #[cfg(feature = "docker")]
        ServerKind::Docker => docker::start(options),
        #[cfg(not(feature = "docker"))]
        ServerKind::Docker => Err(Error::new("could not start a server in Docker")
            .cause("this leakproof was built without the feature `docker`")
            .help("install it with `cargo install leakproof --features docker`")),
    }
}

fn start_first(options: &ServerOptions, preparation: Option<Preparation>) -> Result<Server> {
    let mut tried = vec!["url: LEAKPROOF_DATABASE_URL is not set".to_owned()];
    for kind in [ServerKind::Local, ServerKind::Docker] {
        match start_kind(kind, options, preparation.clone()) {
            Ok(server) => return Ok(server),
            Err(error) => {
                let error = error.to_string();
                let error = error.replace("\n  cause: ", ": ").replace("\n  help: ", "; ");
                tried.push(format!("{kind}: {error}"));
            }
        }
    }
    let ways = [
        "one of these will do",
        "local: install PostgreSQL (`apt install postgresql`, `brew install postgresql@17`)",
        "docker: install and start Docker (https://docs.docker.com/get-docker/)",
        "url: set LEAKPROOF_DATABASE_URL=postgres://user:password@host/database, of a superuser",
    ];
    Err(Error::new("found no PostgreSQL server to try the migrations on")
        .cause(tried.join("\n         "))
        .help(ways.join("\n        ")))
}

/// What the server, or the connection to it, said: in one line, with the SQLSTATE if there is one.
pub(crate) fn cause_of(error: &postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let said = format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
        return without_password(&said);
    }
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    without_password(&said)
}

/// A panic of another holder does not make what we guard invalid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
