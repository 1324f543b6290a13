//! A database that somebody keeps, and the program that is told to push to it.

use std::env;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::support::{Copy, leakproof, told};
use crate::url_server::{PASSWORD, UrlServer};

/// The server is there as long as somebody uses it.
fn shared() -> Arc<UrlServer> {
    static SERVER: Mutex<Weak<UrlServer>> = Mutex::new(Weak::new());
    let mut known = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = known.upgrade() {
        return server;
    }
    let server = Arc::new(UrlServer::start());
    *known = Arc::downgrade(&server);
    server
}

/// A database of somebody who is no superuser.
pub struct Target {
    pub server: Arc<UrlServer>,
    pub name: String,
    pub url: String,
}

impl Target {
    /// One of its own, on a server that all share.
    pub fn start() -> Self {
        Self::make(shared())
    }

    fn make(server: Arc<UrlServer>) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("app_{}", NUMBER.fetch_add(1, Ordering::SeqCst));
        let url = server.url("tester", PASSWORD);
        let mut admin = Client::connect(&url, NoTls).expect("a connection");
        let make = format!("create database {name} owner clerk template template0");
        admin.batch_execute(&make).expect("a database");
        let url = server.url("clerk", PASSWORD);
        let url = format!("{}/{name}", url.rsplit_once('/').expect("a database").0);
        Self { server, name, url }
    }

    /// One on a server that nobody shares, which may be made to restart.
    pub fn start_alone() -> Self {
        Self::make(Arc::new(UrlServer::start()))
    }

    /// Another one on the same server.
    pub fn another(&self) -> Self {
        Self::make(Arc::clone(&self.server))
    }

    pub fn drop(self) {
        let url = self.server.url("tester", PASSWORD);
        let mut admin = Client::connect(&url, NoTls).expect("a connection");
        let sql = format!("drop database {}", self.name);
        admin.batch_execute(&sql).expect("nobody is connected");
    }

    /// No push is connected any more, and none holds a lock; those that were killed have a moment to go.
    pub fn expect_nobody(&self) {
        let query = "select coalesce(a.query, '') from pg_stat_activity a
            where a.datname = current_database() and a.application_name like 'leakproof push%'
            union all
            select l.locktype || ' ' || l.mode from pg_locks l
            where l.pid <> pg_backend_pid() and l.locktype in ('relation', 'advisory')
                and l.database = (select oid from pg_database where datname = current_database())
                and not exists (
                    select from pg_stat_activity a
                    where a.pid = l.pid and a.backend_type <> 'client backend'
                )";
        let begun = Instant::now();
        while let left @ [_, ..] = self.ask(query).as_slice() {
            assert!(begun.elapsed() < Duration::from_secs(30), "{left:?}");
            sleep(Duration::from_millis(10));
        }
    }

    pub fn connect(&self) -> Client {
        Client::connect(&self.url, NoTls).expect("a connection")
    }

    /// A superuser in the same database.
    pub fn admin(&self) -> Client {
        Client::connect(&self.url.replace("clerk", "tester"), NoTls).expect("a connection")
    }

    /// A query of one column of text.
    pub fn ask(&self, query: &str) -> Vec<String> {
        let rows = self.connect().query(query, &[]).expect("rows");
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The same of one value, as a superuser.
    pub fn ask_admin(&self, query: &str) -> String {
        self.admin().query_one(query, &[]).expect("a row").get(0)
    }

    /// Asks until it is so.
    pub fn wait_until(&self, is_so: impl Fn(&[String]) -> bool, query: &str) {
        let begun = Instant::now();
        while !is_so(&self.ask(query)) {
            assert!(begun.elapsed() < Duration::from_secs(60), "never so: {query}");
            sleep(Duration::from_millis(20));
        }
    }

    /// The server ends sessions after their clients.
    pub fn wait_until_nobody_pushes(&self) {
        let left = "select query from pg_stat_activity where datname = current_database()
            and application_name like 'leakproof push%'";
        self.wait_until(<[String]>::is_empty, left);
    }

    pub fn has(&self, relation: &str) -> bool {
        self.ask(&format!("select coalesce(to_regclass('{relation}')::text, '')")) != [""]
    }

    pub fn begin(&self, copy: &Copy, arguments: &[&str]) -> Child {
        self.begin_command("push", copy, arguments)
    }

    /// As [`Self::begin`], of another command.
    pub fn begin_command(&self, command: &str, copy: &Copy, arguments: &[&str]) -> Child {
        let path = copy.path().display().to_string();
        let mut all = [&[command, &path, "--db-url", &self.url], arguments].concat();
        // What a rehearsal finds has tests of its own.
        if command == "push" && !arguments.contains(&"--server") {
            all.push("--no-rehearse");
        }
        let mut command = leakproof(&all);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it starts")
    }

    /// Exit code, stdout and stderr of a push with consent.
    pub fn push(&self, copy: &Copy, arguments: &[&str]) -> (i32, String, String) {
        ended(self.begin(copy, &[&["--yes"], arguments].concat()))
    }

    /// Exit code and all that is said of another command.
    pub fn command(&self, command: &str, copy: &Copy, arguments: &[&str]) -> (i32, String) {
        let (code, stdout, stderr) = ended(self.begin_command(command, copy, arguments));
        (code, format!("{stdout}{stderr}"))
    }

    /// A push that has nothing to say but that it went well.
    pub fn expect_pushed(&self, copy: &Copy) -> String {
        let (code, stdout, stderr) = self.push(copy, &[]);
        assert_eq!(code, 0, "{stdout}{stderr}");
        stdout
    }

    pub fn status(&self, copy: &Copy) -> (i32, String) {
        let path = copy.path().display().to_string();
        let output = leakproof(&["status", &path, "--db-url", &self.url]).output();
        let (code, stdout, stderr) = read(&output.expect("it runs"));
        (code, format!("{stdout}{stderr}"))
    }
}

pub fn ended(child: Child) -> (i32, String, String) {
    read(&child.wait_with_output().expect("it ends"))
}

pub fn read(output: &Output) -> (i32, String, String) {
    let (code, stdout, stderr) = told(output);
    assert!(!stdout.contains(PASSWORD) && !stderr.contains(PASSWORD), "{stdout}{stderr}");
    (code.expect("an exit code"), stdout, stderr)
}

/// A number that the environment gives.
pub fn number(variable: &str) -> Option<usize> {
    env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
