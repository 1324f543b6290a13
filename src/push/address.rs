//! Where a push goes: named in the command and nowhere else, and never reached in a way that would leak its
//! password or its rows.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use postgres::config::{Host, SslMode};
use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::push::interrupt::Cancel;
use crate::server::connection::cause_of;
use crate::server::runs::read_url;

/// How the target is named.
const NAMED: &str = "--db-url";

/// The application name of our connections, by which others find us.
pub(crate) const APPLICATION_NAME: &str = "leakproof push";

/// The port of Supabase's pooler that has a transaction, and no session, for each client.
const TRANSACTION_POOLER: u16 = 6543;

/// A database that somebody keeps.
pub(crate) struct Address {
    config: Config,
    host: String,
    port: u16,
}

impl Address {
    /// Reads a URL, or pairs of key and value. `password` is for one that names none.
    ///
    /// # Errors
    /// A URL that names no host, user or database, or several hosts; a transaction pooler; a host that is not this
    /// machine, unless the URL says that no TLS is wanted.
    pub(crate) fn read(url: &str, password: Option<String>) -> Result<Self> {
        if ["sslmode=verify", "sslrootcert", "sslcert"].iter().any(|word| url.contains(word)) {
            return Err(no_tls("the URL asks for TLS"));
        }
        let mut config = read_url(url, NAMED)?;
        if config.get_ssl_mode() == SslMode::Require {
            return Err(no_tls("the URL asks for TLS"));
        }
        let hosts = config.get_hosts().len().max(config.get_hostaddrs().len());
        if hosts != 1 || config.get_ports().len() > 1 {
            return Err(unusable("it names several hosts").help("name the one to push to"));
        }
        if config.get_dbname().is_none() {
            return Err(unusable("it names no database")
                .help("write postgres://user:password@host:port/database"));
        }
        let port = config.get_ports().first().copied().unwrap_or(5432);
        if port == TRANSACTION_POOLER {
            return Err(pooled(&format!("{TRANSACTION_POOLER} is the port of one")));
        }
        if !is_here(&config) && config.get_ssl_mode() != SslMode::Disable {
            return Err(no_tls("the host is not this machine"));
        }
        if config.get_password().is_none()
            && let Some(password) = password
        {
            config.password(password);
        }
        config.application_name(APPLICATION_NAME);
        // A server that is gone without a word is noticed after a minute.
        config.keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
        let host = shown_host(&config);
        Ok(Self { config, host, port })
    }

    /// # Errors
    /// A server that is not there, or that does not let us in.
    pub(crate) fn connect(&self) -> Result<Client> {
        self.config.connect(NoTls).map_err(|cause| {
            Error::new(format!("could not connect to {self}")).cause(cause_of(&cause)).help(
                "check host, port, user, password and database of --db-url; a password may also be in PGPASSWORD",
            )
        })
    }

    /// What cancels whatever a connection of this address runs.
    pub(crate) fn cancel_by(&self, client: &Client) -> Cancel {
        let token = client.cancel_token();
        // Who cannot be reached any more runs nothing for long.
        Arc::new(move || drop(token.cancel_query(NoTls)))
    }

    pub(crate) fn user(&self) -> &str {
        self.config.get_user().unwrap_or_default()
    }

    pub(crate) fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or_default()
    }
}

/// `127.0.0.1:5432, database app, as postgres`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        write!(f, "{host}:{port}, database {}, as {}", self.database(), self.user())
    }
}

fn unusable(cause: &str) -> Error {
    Error::new(format!("{NAMED} is not usable")).cause(cause)
}

fn no_tls(why: &str) -> Error {
    unusable(&format!("{why}, and leakproof does not speak TLS yet")).help(
        "use a tunnel that ends on this machine (`ssh -L`), or write `sslmode=disable` into the URL where the \
         network is yours",
    )
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
fn is_here(config: &Config) -> bool {
    let addresses = config.get_hostaddrs();
    if !addresses.is_empty() {
        return addresses.iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            let name = name.trim_matches(['[', ']']);
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
        }
    })
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

    fn read(url: &str) -> Result<String, String> {
        let address = Address::read(url, None);
        address.map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_pushed_to() {
        for (url, shown) in [
            ("postgres://me:hunter2@localhost/app", "localhost:5432, database app, as me"),
            ("host=127.0.0.9 port=7 user=me dbname=app", "127.0.0.9:7, database app, as me"),
            ("postgres://me@[::1]:6000/app", "[::1]:6000, database app, as me"),
            ("postgres://me@%2Ftmp%2Fx/app", "/tmp/x:5432, database app, as me"),
            (
                "postgres://me@db.example/app?sslmode=disable",
                "db.example:5432, database app, as me",
            ),
        ] {
            assert_eq!(read(url).as_deref(), Ok(shown), "{url}");
        }
    }

    #[test]
    fn what_is_not() {
        for (url, why) in [
            ("postgres://me:hunter2@localhost:6543/app", "6543 is the port of one"),
            ("postgres://me:hunter2@db.example/app", "does not speak TLS yet"),
            ("postgres://me:hunter2@db.example/app?sslmode=prefer", "does not speak TLS yet"),
            ("postgres://me:hunter2@localhost/app?sslmode=require", "does not speak TLS yet"),
            ("postgres://me:hunter2@localhost/app?sslmode=verify-full", "does not speak TLS yet"),
            ("postgres://me:hunter2@a,b/app?sslmode=disable", "several hosts"),
            ("postgres://me:hunter2@localhost", "names no database"),
            ("postgres://localhost/app", "names no user"),
            ("mysql://me:hunter2@localhost/app", "does not begin with"),
            ("app", "--db-url is not usable"),
        ] {
            let told = read(url).expect_err(url);
            assert!(told.contains(why) && !told.contains("hunter2"), "{url}: {told}");
        }
    }
}
