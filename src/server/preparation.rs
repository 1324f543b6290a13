//! What the first database of a private server is to have in it when the server starts: made once by
//! the server's binaries alone, and kept with the data directory in the cache.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Stdio;

use postgres::Client;
use uuid::Uuid;

use super::FIRST_DATABASE;
use super::account::Account;
use super::binaries::Binaries;
use super::watcher::Watcher;

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

    /// The same for the same statements.
    pub fn key(&self) -> String {
        let all = format!("{SKIP_NUMBERS};\n{}", self.sql);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, all.as_bytes()).simple().to_string()
    }

    /// Runs the statements in a data directory that no server uses. Where one fails none has been run,
    /// and [`Self::is_done`] says so.
    pub fn run(
        &self,
        binaries: &Binaries,
        account: Option<&Account>,
        watcher: &Watcher,
        data: &Path,
    ) -> io::Result<()> {
        let file = watcher.folder().join("prepare.sql");
        fs::write(&file, self.script())?;
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
    fn script(&self) -> String {
        let sql = format!(
            "{SKIP_NUMBERS};\n{};\ncomment on database {FIRST_DATABASE} is '{}'",
            self.sql.trim_end(),
            self.key()
        );
        format!("{};\n\n", sql.replace(";\n\n", ";\n \n"))
    }

    /// Whether the statements have been run in a database of a server.
    pub fn is_done(&self, admin: &mut Client, database: &str) -> Result<bool, postgres::Error> {
        let mark = "select pg_catalog.shobj_description(oid, 'pg_database') = $2
            from pg_catalog.pg_database where datname = $1";
        let row = admin.query_opt(mark, &[&database, &self.key()])?;
        Ok(row.and_then(|row| row.get::<_, Option<bool>>(0)).unwrap_or_default())
    }
}
