//! Where a push goes: named in the command and nowhere else, and never reached in a way that would leak its
//! password or its rows.

// Each has what it needs, whichever was built.
#[cfg_attr(not(feature = "push"), path = "unencrypted.rs")]
mod encrypted;
mod env_file;
mod parameters;
mod passfile;
mod protection;
pub(crate) mod surroundings;

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres::config::Host;
use postgres::{Client, Config};

use crate::error::{Error, Result};
use crate::push::address::encrypted::Encrypted;
use crate::push::address::parameters::Parameters;
use crate::push::address::passfile::{Found, Login, look_up};
use crate::push::address::protection::{ClientCertificate, Protection, Way};
use crate::push::address::surroundings::Surroundings;
use crate::push::interrupt::Cancel;
use crate::server::connection::cause_of;
use crate::server::runs::{invalid_url, read_url};

/// The application name of our connections, by which others find us.
pub(crate) const APPLICATION_NAME: &str = "leakproof push";

/// The port of Supabase's pooler that has a transaction, and no session, for each client.
const TRANSACTION_POOLER: u16 = 6543;

/// Where a project has variables, and the Supabase CLI has its own.
const ENV_FILES: [&str; 4] = [".env", ".env.local", "supabase/.env", "supabase/.env.local"];

/// A database that somebody keeps, and how it is reached.
pub struct Address {
    config: Config,
    host: String,
    port: u16,
    /// How it was named.
    named: String,
    protection: Protection,
    encrypted: Encrypted,
    /// Why there is no password, where one could have been.
    note: Option<String>,
}

impl Address {
    /// Reads a URL, or pairs of key and value, as libpq has them.
    ///
    /// # Errors
    /// A URL that names no host, user or database, or several hosts; a transaction pooler; a protection that cannot
    /// be had.
    pub fn read(url: &str, surroundings: &Surroundings) -> Result<Self> {
        Self::read_named(url, "--db-url", surroundings)
    }

    /// Reads the URL in a variable of the environment, or else under a key of the `.env` files of a project: those in
    /// its folder, and in `supabase` below.
    ///
    /// # Errors
    /// No such variable or key, several that differ, and what [`Self::read`] refuses.
    pub fn named_by(name: &str, project: &Path, surroundings: &Surroundings) -> Result<Self> {
        let named = format!("--env {name}");
        if let Some(url) = surroundings.get(name) {
            return Self::read_named(url, &named, surroundings);
        }
        let mut found: Option<(PathBuf, String)> = None;
        for path in ENV_FILES.map(|file| project.join(file)) {
            let text = match fs::read_to_string(&path) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                text => text.map_err(|cause| {
                    unusable(&named, &format!("`{}` cannot be read: {cause}", path.display()))
                })?,
            };
            let value = env_file::value_of(&text, name);
            let value = value
                .map_err(|why| unusable(&named, &format!("in `{}`, {why}", path.display())))?;
            match (value.filter(|value| !value.is_empty()), &found) {
                (Some(value), Some((other, known))) if value != *known => {
                    let (other, path) = (other.display(), path.display());
                    return Err(unusable(&named, &format!("`{other}` and `{path}` differ in it"))
                        .help("write it into one of them only"));
                }
                (Some(value), None) => found = Some((path, value)),
                _ => {}
            }
        }
        let Some((_, url)) = found else {
            let all = ENV_FILES.join(", ");
            return Err(unusable(
                &named,
                &format!("the environment has no such variable, and {all} no such key"),
            )
            .help("the value has to be a URL: postgres://user:password@host:port/database"));
        };
        Self::read_named(&url, &named, surroundings)
    }

    fn read_named(url: &str, named: &str, surroundings: &Surroundings) -> Result<Self> {
        let named = named.to_owned();
        let parameters = Parameters::take_from(url, surroundings.get("PGPORT"));
        let mut config = read_url(&parameters.rest, &named)?;
        fill_in(&mut config, &named, surroundings)?;
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if hosts != 1 || config.get_ports().len() > 1 {
            return Err(unusable(&named, "it names several hosts").help("name the one to push to"));
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        if port == TRANSACTION_POOLER {
            return Err(pooled(&format!("{TRANSACTION_POOLER} is the port of one")));
        }
        let fact = |error: Error| error.with_fact(format!("{named} is not usable"));
        let protection =
            Protection::decide(&parameters, surroundings, way(&config)).map_err(fact)?;
        let client = ClientCertificate::of(&parameters, surroundings);
        let encrypted = Encrypted::prepare(&protection, client.as_ref()).map_err(fact)?;
        if config.get_hosts().is_empty()
            && let Some(address) = config.get_hostaddrs().first().map(IpAddr::to_string)
        {
            // A certificate is for a host.
            config.host(&address);
        }
        config.application_name(APPLICATION_NAME);
        // A server that is gone without a word is noticed after a minute.
        config.keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
        let host = shown_host(&config);
        let mut address = Self { config, host, port, named, protection, encrypted, note: None };
        address.find_password(&parameters, surroundings);
        Ok(address)
    }

    /// The URL's, else PGPASSWORD, else for Supabase's hosts what its CLI takes, else that of the password file.
    fn find_password(&mut self, parameters: &Parameters, surroundings: &Surroundings) {
        if self.config.get_password().is_some() {
            return;
        }
        let is_supabase =
            [".supabase.co", ".supabase.com"].iter().any(|domain| self.host.ends_with(domain));
        let supabase = is_supabase.then(|| surroundings.get("SUPABASE_DB_PASSWORD")).flatten();
        if let Some(password) = surroundings.get("PGPASSWORD").or(supabase) {
            self.config.password(password);
            return;
        }
        let named = parameters.get("passfile").or_else(|| surroundings.get("PGPASSFILE"));
        let path = named.map(PathBuf::from).or_else(|| surroundings.home_file(".pgpass"));
        let host = self.host.trim_matches(['[', ']']);
        let (database, user) = (self.database(), self.user());
        let login = Login { host, port: self.port, database, user };
        match path.map(|path| look_up(&path, &login)) {
            Some(Found::Password(password)) => drop(self.config.password(password)),
            Some(Found::Refused(why)) => self.note = Some(why),
            Some(Found::Nothing) | None => {}
        }
    }

    /// # Errors
    /// A server that is not there, that does not show what it has to, or that does not let us in.
    pub(crate) fn connect(&self) -> Result<Client> {
        self.encrypted.connect(&self.config).map_err(|cause| {
            let error = Error::new(format!("could not connect to {self}"));
            if let Some((cause, help)) = self.encrypted.explain(&cause, &self.protection) {
                return error.cause(cause).help(help);
            }
            let note = self.note.iter().map(|note| format!("; {note}")).collect::<String>();
            let named = &self.named;
            error.cause(cause_of(&cause)).help(format!(
                "check host, port, user, password and database of {named}; a password may also be in PGPASSWORD \
                 or ~/.pgpass{note}"
            ))
        })
    }

    /// What cancels whatever a connection of this address runs.
    pub(crate) fn cancel_by(&self, client: &Client) -> Cancel {
        self.encrypted.cancel_by(client)
    }

    /// Where it is, and how the last connection was protected.
    pub(crate) fn met(&self) -> String {
        self.with_protection(&self.to_string())
    }

    /// The same of a place in other words.
    pub(crate) fn with_protection(&self, place: &str) -> String {
        match self.protection.shown(self.encrypted.is_used()) {
            Some(shown) => format!("{place}, {shown}"),
            None => place.to_owned(),
        }
    }

    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }
}

/// What the variables of libpq say, where the target says nothing. Its host is not among them: a target has one.
fn fill_in(config: &mut Config, named: &str, surroundings: &Surroundings) -> Result<()> {
    if config.get_ports().is_empty()
        && let Some(port) = surroundings.get("PGPORT")
    {
        let port = port.parse().map_err(|_| unusable(named, "PGPORT is no port"))?;
        config.port(port);
    }
    if config.get_user().is_none() {
        match surroundings.get("PGUSER") {
            Some(user) => config.user(user),
            None => return Err(invalid_url(named, "it names no user")),
        };
    }
    if config.get_dbname().is_none() {
        match surroundings.get("PGDATABASE") {
            Some(database) => config.dbname(database),
            None => {
                return Err(unusable(named, "it names no database")
                    .help("write postgres://user:password@host:port/database"));
            }
        };
    }
    Ok(())
}

/// `127.0.0.1:5432, database app, as postgres`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        write!(f, "{host}:{port}, database {}, as {}", self.database(), self.user())
    }
}

fn unusable(named: &str, cause: &str) -> Error {
    Error::new(format!("{named} is not usable")).cause(cause)
}

/// That a transaction pooler stands between.
pub(crate) fn pooled(how_known: &str) -> Error {
    Error::new("cannot push through a transaction pooler")
        .cause(format!("{how_known}: no lock and no setting would stay with this session"))
        .help(
            "name the database itself, or a pooler in session mode (Supabase's has the port 5432)",
        )
}

/// Whether what is said there stays on this machine.
fn way(config: &Config) -> Way {
    let is_here = |address: IpAddr| address.is_loopback();
    let is_loopback = match (config.get_hostaddrs().first(), config.get_hosts().first()) {
        (Some(address), _) => is_here(*address),
        (None, Some(Host::Unix(_))) => return Way::Socket,
        (None, Some(Host::Tcp(name))) => {
            let name = name.trim_matches(['[', ']']);
            name == "localhost" || name.parse().is_ok_and(is_here)
        }
        (None, None) => false,
    };
    if is_loopback { Way::Loopback } else { Way::Network }
}

/// An unescaped `@` makes the end of a password a part of the host.
fn shown_host(config: &Config) -> String {
    match config.get_hosts().first() {
        Some(Host::Tcp(name)) if name.contains(':') => {
            format!("[{}]", name.trim_matches(['[', ']']))
        }
        Some(Host::Tcp(name)) => name.rsplit('@').next().unwrap_or_default().to_owned(),
        Some(Host::Unix(folder)) => folder.display().to_string(),
        None => config.get_hostaddrs().first().map(IpAddr::to_string).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str, variables: &[(&str, &str)]) -> Result<Address, String> {
        let surroundings = Surroundings::with(variables, None);
        Address::read(url, &surroundings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_pushed_to() {
        for (url, shown) in [
            ("postgres://me:hunter2@localhost/app", "localhost:5432, database app, as me, no TLS"),
            (
                "host=127.0.0.9 port=7 user=me dbname=app",
                "127.0.0.9:7, database app, as me, no TLS",
            ),
            ("postgres://me@[::1]:6000/app", "[::1]:6000, database app, as me, no TLS"),
            ("postgres://me@%2Ftmp%2Fx/app", "/tmp/x:5432, database app, as me"),
            (
                "postgres://me@db.example/app?sslmode=disable",
                "db.example:5432, database app, as me, no TLS",
            ),
        ] {
            assert_eq!(read(url, &[]).map(|address| address.met()).as_deref(), Ok(shown), "{url}");
        }
    }

    #[cfg(feature = "push")]
    #[test]
    fn nothing_goes_over_a_network_in_plain_text_that_was_not_asked_for() {
        for (url, shown) in [
            ("postgres://me@db.example/app", "TLS, certificate not verified"),
            ("postgres://me@db.example/app?sslmode=prefer", "TLS, certificate not verified"),
            ("hostaddr=10.0.0.1 user=me dbname=app", "TLS, certificate not verified"),
            ("postgres://me@localhost/app?sslmode=require", "TLS, certificate not verified"),
            (
                "postgres://postgres.abc@aws-0-eu.pooler.supabase.com/postgres",
                "TLS, certificate not verified",
            ),
        ] {
            let told = read(url, &[]).map(|address| address.met());
            assert!(told.as_ref().is_ok_and(|told| told.ends_with(shown)), "{url}: {told:?}");
        }
    }

    #[test]
    fn what_is_not() {
        for (url, why) in [
            ("postgres://me:hunter2@localhost:6543/app", "6543 is the port of one"),
            ("postgres://me:hunter2@localhost/app?sslmode=verify", "there is no sslmode `verify`"),
            ("postgres://me:hunter2@a,b/app?sslmode=disable", "several hosts"),
            ("postgres://me:hunter2@localhost", "names no database"),
            ("postgres://localhost/app", "names no user"),
            ("postgres://me:hunter2@/app", "names no host"),
            ("mysql://me:hunter2@localhost/app", "does not begin with"),
            ("postgres://me:hunter2@localhost/app?nothing=1", "unknown"),
            ("host=localhost password='hunter2 user=me", "--db-url is not usable"),
            ("postgres://me:hunter2@localhost:hunter2/app", "--db-url is not usable"),
            ("app", "--db-url is not usable"),
        ] {
            let told = read(url, &[("PGHOST", "db.example")]).err().expect(url);
            assert!(told.contains(why) && !told.contains("hunter2"), "{url}: {told}");
        }
    }

    #[test]
    fn the_surroundings_fill_in_what_is_left_out() {
        let all = [
            ("PGHOST", "elsewhere"),
            ("PGPORT", "7"),
            ("PGUSER", "pguser"),
            ("PGDATABASE", "pgdatabase"),
            ("PGPASSWORD", "hunter2"),
            ("SUPABASE_DB_PASSWORD", "hunter3"),
        ];
        for (url, shown) in [
            ("postgres://localhost", "localhost:7, database pgdatabase, as pguser"),
            ("host=localhost", "localhost:7, database pgdatabase, as pguser"),
            ("postgres:///?host=localhost", "localhost:7, database pgdatabase, as pguser"),
            ("postgres://me:own@localhost:8/app", "localhost:8, database app, as me"),
        ] {
            let address = read(url, &all).expect(url);
            assert_eq!(address.to_string(), shown, "{url}");
            let password = if url.contains("own") { "own" } else { "hunter2" };
            assert_eq!(address.config.get_password(), Some(password.as_bytes()), "{url}");
        }
        let told = read("dbname=app", &all).err().expect("no host");
        assert!(told.contains("names no host"), "{told}");
    }

    #[test]
    fn the_password_of_supabase_goes_to_its_hosts_alone() {
        let variables = [("SUPABASE_DB_PASSWORD", "hunter3")];
        for (host, password) in [
            ("db.abc.supabase.co", Some("hunter3")),
            ("aws-0-eu.pooler.supabase.com", Some("hunter3")),
            ("db.example", None),
            ("notsupabase.co", None),
        ] {
            let url = format!("postgres://me@{host}/app?sslmode=disable");
            let address = read(&url, &variables).expect("usable");
            assert_eq!(address.config.get_password(), password.map(str::as_bytes), "{host}");
        }
    }

    #[test]
    fn passwords_may_hold_anything() {
        let long = "%2f%3a%40 %00é'\"$".repeat(200);
        for text in ["a?b&c#d", "a'b\\c d", "${x}", long.as_str()] {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let address = read(&format!("postgres://me:{encoded}@localhost/app"), &[]).expect("it");
            assert_eq!(address.config.get_password(), Some(text.as_bytes()));
        }
    }

    #[test]
    fn a_name_is_looked_up_in_the_environment_and_then_in_the_project() {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("supabase")).expect("made");
        let write = |file: &str, text: &str| {
            fs::write(folder.path().join(file), text).expect("written");
        };
        let named = |variables: &[(&str, &str)]| {
            let surroundings = Surroundings::with(variables, None);
            let address = Address::named_by("PROD", folder.path(), &surroundings);
            address.map(|address| address.to_string()).map_err(|error| error.to_string())
        };
        let url = |database: &str| format!("postgres://me:hunter2@localhost/{database}");
        let told = named(&[("DATABASE_URL", &url("app"))]).expect_err("no such name");
        assert!(told.contains("--env PROD is not usable") && told.contains(".env"), "{told}");
        write("supabase/.env.local", &format!("DATABASE_URL={0}\nPROD={0}\n", url("one")));
        assert!(named(&[]).is_ok_and(|told| told.contains("database one")));
        write(".env", &format!("PROD='{}'\n", url("one")));
        assert!(named(&[]).is_ok_and(|told| told.contains("database one")));
        assert!(named(&[("PROD", &url("two"))]).is_ok_and(|told| told.contains("database two")));
        write(".env", &format!("PROD={}\n", url("three")));
        let told = named(&[]).expect_err("two");
        assert!(told.contains("differ in it") && !told.contains("hunter2"), "{told}");
        write(".env", "PROD=hunter2@localhost\n");
        fs::remove_file(folder.path().join("supabase/.env.local")).expect("removed");
        let told = named(&[]).expect_err("no URL");
        assert!(told.contains("--env PROD is not usable") && !told.contains("hunter2"), "{told}");
    }
}
