//! What the first database of a private server is to have in it when the server starts: made once by
//! the server's binaries alone, and kept with the data directory in the cache.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Stdio;

use postgres::Client;
use uuid::Uuid;

use crate::server::account::Account;
use crate::server::binaries::Binaries;
use crate::server::connection::FIRST_DATABASE;
use crate::server::watcher::Watcher;

/// Without a server, what is made would get the oids that are the system's own: they are used up first.
const SKIP_NUMBERS: &str = "do $$ begin
    while pg_catalog.pg_nextoid(
        'pg_catalog.pg_extension', 'oid', 'pg_catalog.pg_extension_oid_index'
    ) < 16383 loop
    end loop;
end $$";

/// Statements that a superuser runs, all or none.
#[derive(Debug, Clone)]
pub struct Preparation {
    sql: String,
}

impl Preparation {
    pub fn new(sql: &str) -> Self {
        Self { sql: sql.to_owned() }
    }

    pub fn is_of(&self, sql: &str) -> bool {
        self.sql == sql
    }

    /// The same for the same statements, run in the same way.
    pub fn key(&self) -> String {
        Uuid::new_v5(&Uuid::NAMESPACE_OID, self.script("").as_bytes()).simple().to_string()
    }

    /// Runs the statements in a data directory that no server uses. Where one fails none has been run,
    /// and [`Self::state`] says so.
    pub fn run(
        &self,
        binaries: &Binaries,
        account: Option<&Account>,
        watcher: &Watcher,
        data: &Path,
    ) -> io::Result<()> {
        let file = watcher.folder().join("prepare.sql");
        fs::write(&file, self.script(&self.key()))?;
        // Without a server: nothing else can be there. As with initdb, nothing is removed for as long as
        // it holds the pipe.
        let server = binaries.command("postgres", account);
        let mut shell = binaries.shell(account);
        shell.args(["-c", "exec \"$@\" 3<&0 <\"$0\""]).arg(&file);
        shell.arg(server.get_program()).args(["--single", "-j", "-F", "-D"]).arg(data);
        shell.arg(FIRST_DATABASE);
        shell.stdin(watcher.share_pipe()?).stdout(Stdio::null());
        shell.stderr(File::create(watcher.folder().join("prepare.log"))?);
        shell.status().map(drop)
    }

    /// The statements as one command, which ends at the first semicolon before an empty line, and so is
    /// one transaction. The mark is its last statement.
    fn script(&self, key: &str) -> String {
        let sql = format!(
            "{SKIP_NUMBERS};\n{};\ndo $$ begin
                execute pg_catalog.format('comment on database {FIRST_DATABASE} is %L', {});
            end $$",
            self.sql.trim_end(),
            mark_sql(key)
        );
        format!("{};\n\n", sql.replace(";\n\n", ";\n \n"))
    }

    /// Whether the statements have been run in the first database of a server.
    pub fn state(&self, admin: &mut Client) -> Result<State, postgres::Error> {
        let query = format!(
            "select pg_catalog.shobj_description(oid, 'pg_database'), {}
            from pg_catalog.pg_database where datname = '{FIRST_DATABASE}'",
            mark_sql(&self.key())
        );
        let row = admin.query_one(&query, &[])?;
        let mark = row.get::<_, Option<String>>(0).unwrap_or_default();
        let now: String = row.get(1);
        Ok(match mark.starts_with(&self.key()) {
            _ if mark == now => State::Done,
            true => State::Outdated,
            false => State::NotDone,
        })
    }
}

/// An expression that tells the statements, and the extensions that the server had for them: of another
/// time of their folder they may be others.
fn mark_sql(key: &str) -> String {
    format!(
        "pg_catalog.concat_ws(' ', '{key}', extract(epoch from (
            select (pg_catalog.pg_stat_file(setting || '/extension', true)).modification
            from pg_catalog.pg_config where name = 'SHAREDIR'
        )))"
    )
}

/// How far the first database of a server is prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Done,
    /// With other extensions than the server has now.
    Outdated,
    NotDone,
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::server::instance::Server;
    use crate::server::options::{ServerKind, ServerOptions};

    #[test]
    fn the_mark_tells_how_far_it_is() {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        let sql = "create schema prepared;\n\ncreate table prepared.one ()";
        // Not the shared one, which may be prepared with something else.
        let server = Server::start_with(&options, Some(Preparation::new(sql))).expect("a server");
        let server = Arc::new(server);
        let database = server.take_prepared(sql).expect("it is prepared");
        let mut client = database.connect().expect("a connection");
        let oid = "select 'prepared.one'::regclass::oid >= 16384";
        assert!(client.query_one(oid, &[]).expect("it is there").get::<_, bool>(0));
        let preparation = Preparation::new(sql);
        assert_eq!(preparation.state(&mut client).expect("a state"), State::Done);
        assert_eq!(Preparation::new("").state(&mut client).expect("a state"), State::NotDone);
        let other = format!("comment on database postgres is '{} 1'", preparation.key());
        client.batch_execute(&other).expect("a comment");
        assert_eq!(preparation.state(&mut client).expect("a state"), State::Outdated);
    }

    /// All or none: the database is then as empty as any.
    #[test]
    fn what_fails_leaves_nothing() {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        let sql = "create role leakproof_prepared; select 1 / 0";
        let server = Server::start_with(&options, Some(Preparation::new(sql))).expect("a server");
        let server = Arc::new(server);
        assert!(server.take_prepared(sql).is_none());
        let database = server.create_database().expect("a database");
        assert_eq!(database.name(), FIRST_DATABASE);
        let mut client = database.connect().expect("a connection");
        let role = "select 1 from pg_roles where rolname = 'leakproof_prepared'";
        assert!(client.query_opt(role, &[]).expect("an answer").is_none());
    }
}
