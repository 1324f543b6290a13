//! A server that runs or is used, and the connections to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::server::connection::{FIRST_DATABASE, cause_of};
use crate::server::jail::Gaps;
use crate::server::options::ServerKind;
use crate::server::password::Logins;
use crate::server::preparation::Preparation;
use crate::session::outcome::{TextRow, read_outcomes};

/// A database that is only there to be cloned. It lives as long as its server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub(in crate::server) name: String,
}

impl Template {
    /// The name of the database that is cloned.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The first version with `drop database ... with (force)`, as `server_version_num` gives it.
pub(crate) const OLDEST_VERSION: i32 = 130_000;

/// Since then a role needs the admin option to grant another one; before, CREATEROLE was enough.
const ADMIN_OPTION_VERSION: i32 = 160_000;

/// Who has CREATEROLE could grant himself these, and with them programs and files of the server. The
/// roles of a superuser only a superuser can grant. On our own servers only: it is no setting, and stays.
const CLOSE_SERVER_ROLES: &str = "update pg_catalog.pg_authid set rolsuper = true
    where rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
        'pg_write_all_data')";

/// A server that runs, or is used, until the last `Arc` of it is dropped.
pub struct Server {
    pub(in crate::server) kind: ServerKind,
    pub(in crate::server) version: String,
    pub(in crate::server) version_num: i32,
    pub(in crate::server) place: String,
    pub(in crate::server) config: Config,
    pub(in crate::server) prefix: String,
    pub(in crate::server) count: AtomicU32,
    /// The database that a private server comes with, until it is handed out: an empty one, unless the
    /// server was made with what is to be in it.
    pub(in crate::server) fresh: Mutex<Option<&'static str>>,
    /// Databases that nobody uses any more.
    pub(in crate::server) left: Mutex<Vec<String>>,
    /// What is in it.
    pub(in crate::server) preparation: Option<Preparation>,
    /// What of its jail is not kept.
    pub(in crate::server) gaps: Gaps,
    /// Whether files may do to it whatever they like.
    pub(in crate::server) is_disposable: bool,
    /// How long a statement may take at most, if somebody has said it.
    pub(in crate::server) statement_limit: Option<Duration>,
    /// As whom the sessions log in that are no superuser's.
    pub(in crate::server) logins: Logins,
    /// Connections to the maintenance database that nobody is using.
    pub(in crate::server) idle: Mutex<Vec<Client>>,
    pub(in crate::server) templates: Mutex<HashMap<String, Arc<Mutex<Option<Template>>>>>,
    /// Ends the server at once; none for one that is not ours.
    pub(in crate::server) ender: Option<Box<dyn Fn() + Send + Sync>>,
    /// What runs the server, or stands for us on it: gone when this is dropped, after all else.
    pub(in crate::server) _source: Box<dyn Send + Sync>,
}

/// What of a jail is not kept for servers that are not started by us alone.
fn gaps_of(kind: ServerKind) -> Gaps {
    match kind {
        // Whoever starts it says what is not kept.
        ServerKind::Local | ServerKind::Docker => Gaps::default(),
        ServerKind::Url => Gaps::one("it is not ours to jail"),
    }
}

impl Server {
    /// Where it comes from.
    pub fn kind(&self) -> ServerKind {
        self.kind
    }

    /// Its version, as in `15.18`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its kind, version and place, and whether it is jailed, in one line, without any password.
    pub fn describe(&self) -> String {
        let Self { kind, version, place, gaps, .. } = self;
        let jail = match gaps.is_empty() {
            true if *kind == ServerKind::Docker => "jailed in its container".to_owned(),
            true => "jailed but for Unix sockets".to_owned(),
            false => format!("not jailed: {gaps}"),
        };
        format!("{kind}, PostgreSQL {version} ({place}), {jail}")
    }

    /// Refuses one that is not jailed.
    ///
    /// # Errors
    /// What is not kept.
    pub(in crate::server) fn demand_jail(self) -> Result<Self> {
        if self.gaps.is_empty() {
            return Ok(self);
        }
        Err(Error::new(format!("the server of kind `{}` is not jailed", self.kind))
            .cause(&self.gaps)
            .help(
                "use `--server local` on Linux 6.7 or later, outside of containers that forbid \
                   Landlock, or `--server docker` with seccomp, or leave out `--require-jail`",
            ))
    }

    /// Whether files may do to it whatever they like: it was said, or it is ours alone.
    pub(crate) fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    /// How long a statement may take at most, if somebody has said it.
    pub(crate) fn statement_limit(&self) -> Option<Duration> {
        self.statement_limit
    }

    /// The major version of PostgreSQL.
    pub fn major_version(&self) -> u32 {
        u32::try_from(self.version_num / 10_000).unwrap_or(0)
    }

    pub(in crate::server) fn new(
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
            left: Mutex::default(),
            preparation: None,
            gaps: gaps_of(kind),
            is_disposable: false,
            statement_limit: None,
            logins: Logins::default(),
            idle: Mutex::new(vec![client]),
            templates: Mutex::default(),
            ender: None,
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
        if kind != ServerKind::Url && !server.has_admin_option() {
            server.with_admin(|admin| admin.batch_execute(CLOSE_SERVER_ROLES))?;
        }
        Ok(server)
    }

    /// Whether a membership says whether it is inherited, and whether it may be set.
    pub(in crate::server) fn has_admin_option(&self) -> bool {
        self.version_num >= ADMIN_OPTION_VERSION
    }

    /// A name for something on the server that goes with this run.
    pub(in crate::server) fn next_name(&self) -> String {
        format!("{}{}", self.prefix, self.count.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(in crate::server) fn config(&self) -> &Config {
        &self.config
    }

    /// The rows of a query in the maintenance database, as text.
    pub(crate) fn ask(&self, query: &str) -> Result<Vec<TextRow>> {
        let messages = self.with_admin(|admin| admin.simple_query(query))?;
        Ok(read_outcomes(messages).into_iter().flat_map(|outcome| outcome.rows).collect())
    }

    /// Lends out a connection to the maintenance database. Several threads get one each.
    pub(in crate::server) fn with_admin<T>(
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

/// A panic of another holder does not make what we guard invalid.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
