//! A server to name by URL: a private one of leakproof's own, which goes with its value, and with
//! this process if that is killed.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use leakproof::server::{Database, Server, ServerKind, ServerOptions};
use postgres::{Client, Config, NoTls};

/// What no output may ever hold.
pub const PASSWORD: &str = "hunter2";

/// A running server with a superuser `tester` and a `clerk` who is none, both with [`PASSWORD`].
pub struct UrlServer {
    folder: String,
    /// Only held.
    _database: Database,
}

impl UrlServer {
    /// Starts one from the binaries of this machine.
    pub fn start() -> Self {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        let server = Server::start(&options).unwrap_or_else(|error| panic!("{error}"));
        let database = Arc::new(server).create_database().expect("its first database");
        let mut admin = database.connect().expect("a connection");
        let mut ask =
            |query: &str| -> String { admin.query_one(query, &[]).expect("a row").get(0) };
        let folder = ask("show unix_socket_directories");
        let rules = ask("show hba_file");
        let first = "local all tester,clerk scram-sha-256\nlocal all all trust\n";
        let mut file = OpenOptions::new().write(true).truncate(true).open(rules).expect("rules");
        file.write_all(first.as_bytes()).expect("written");
        admin
            .batch_execute(&format!(
                "set password_encryption = 'scram-sha-256';
                 create role tester superuser login password '{PASSWORD}';
                 create role clerk login password '{PASSWORD}';
                 select pg_reload_conf()"
            ))
            .expect("roles");
        let server = Self { folder, _database: database };
        while server.connect("tester", "wrong").is_ok() {
            sleep(Duration::from_millis(2));
        }
        server
    }

    /// The folder of its socket, which is other each time.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// Its URL for somebody.
    pub fn url(&self, user: &str, password: &str) -> String {
        format!("postgres://{user}:{password}@{}/postgres", self.folder.replace('/', "%2F"))
    }

    fn connect(&self, user: &str, password: &str) -> Result<Client, postgres::Error> {
        // One that has asked before may be there a moment longer.
        let mut config = self.url(user, password).parse::<Config>()?;
        config.application_name("tests").connect(NoTls)
    }

    /// The databases and roles that are there, but for those of the server itself, and who is
    /// connected or holds a lock beside us.
    pub fn leftovers(&self) -> Vec<String> {
        let query = "
            select 'database ' || datname from pg_database
            where datname not in ('postgres', 'template0', 'template1')
            union all
            select 'role ' || rolname from pg_roles
            where rolname not like 'pg\\_%' and rolname not in ('leakproof', 'tester', 'clerk')
            union all
            select 'session ' || coalesce(query, '') from pg_stat_activity
            where (usename = 'tester' or usename like 'leakproof\\_%')
            and pid <> pg_backend_pid() and application_name <> 'tests'
            union all
            select 'lock ' || objid from pg_locks where locktype = 'advisory'
            order by 1";
        self.ask(query)
    }

    /// Asks a query for one column of text, as `tester`.
    pub fn ask(&self, query: &str) -> Vec<String> {
        let mut client = self.connect("tester", PASSWORD).expect("a connection");
        let rows = client.query(query, &[]).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }
}
