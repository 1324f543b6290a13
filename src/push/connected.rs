//! The connections to a target: one that applies, with what its transactions begin with, and one that looks who is
//! in its way.

use std::time::Duration;

use postgres::Client;

use crate::discretion::Discretion;
use crate::error::{Error, Result};
use crate::migrate::history::{History, HistoryKind};
use crate::project::Project;
use crate::project::layout::Layout;
use crate::push::address::{Address, pooled};
use crate::push::blockers::Blockers;
use crate::push::interrupt::Cancel;
use crate::push::standing::Histories;
use crate::push::stored::read_digests;
use crate::server::connection::cause_of;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::sql::quote::identifier;

/// How long a statement may take, whatever the role is set to: hosted servers end theirs after two minutes.
const MOST_FOR_STATEMENT: &str = "1h";

/// Since then a server looks whether its client is still there.
const CHECKS_CLIENT_VERSION: i32 = 140_000;

/// A target that is connected to.
pub(crate) struct Connected {
    pub connection: Connection,
    pub blockers: Blockers,
    /// Stops the statement that runs.
    pub cancel: Cancel,
    /// As whom files are applied: a login may become another role at once.
    pub role: String,
    /// What each transaction begins with.
    pub settings: Vec<String>,
}

/// A connection to a target, for who looks only.
pub(crate) fn connect_to_look(address: &Address) -> Result<Connection> {
    address.connect().map(Connection::to_real_database)
}

impl Connected {
    /// Connects to push.
    ///
    /// # Errors
    /// A transaction pooler, or a server that cannot be written to.
    pub(crate) fn to(
        address: &Address,
        lock_timeout: Duration,
        discretion: Discretion,
    ) -> Result<Self> {
        let (mut client, mut other) = (address.connect()?, address.connect()?);
        let failed = |cause: postgres::Error| {
            Error::new(format!("could not ask {address} what it is")).cause(cause_of(&cause))
        };
        let pids = [process(&mut client), process(&mut other), process(&mut client)];
        let [first, second, again] = pids.map(|pid| pid.map_err(failed));
        let (pid, second, again) = (first?, second?, again?);
        if are_pooled(pid, second, again) {
            return Err(pooled("two connections are one session of the server"));
        }
        let query = "select pg_catalog.pg_is_in_recovery(), current_user::text,
                pg_catalog.current_setting('server_version_num')::int";
        let row = client.query_one(query, &[]).map_err(failed)?;
        if row.get(0) {
            return Err(Error::new(format!("cannot push to {address}"))
                .cause("it is a replica, to which nobody can write")
                .help("name the primary"));
        }
        let role: String = row.get(1);
        let mut settings = vec![
            "set transaction isolation level read committed, read write".to_owned(),
            format!("set local lock_timeout = {}", lock_timeout.as_millis().max(1)),
            format!("set local statement_timeout = '{MOST_FOR_STATEMENT}'"),
            "set local idle_in_transaction_session_timeout = '60s'".to_owned(),
        ];
        if row.get::<_, i32>(2) >= CHECKS_CLIENT_VERSION {
            settings.push("set local client_connection_check_interval = '1s'".to_owned());
        }
        let cancel = address.cancel_by(&client);
        let connection = Connection::to_real_database(client).with(discretion);
        Ok(Self { connection, blockers: Blockers::watch(other, pid), cancel, role, settings })
    }

    /// Whether the server has ended the session that applies.
    pub(crate) fn is_lost(&mut self) -> bool {
        // What ends is not noticed at once.
        self.connection.is_closed() || self.connection.rows("select 1").is_err()
    }

    /// The statement by which a session is again as whom files are applied. `reset role` would not do: a file may
    /// have reset more than its own.
    pub(crate) fn become_role(&self) -> String {
        format!("set local role {}", identifier(&self.role))
    }
}

fn process(client: &mut Client) -> Result<i32, postgres::Error> {
    client.query_one("select pg_catalog.pg_backend_pid()", &[]).map(|row| row.get(0))
}

/// Whether a pooler stands between that gives each transaction any session: asked on one connection, on another, and
/// on the first again.
fn are_pooled(first: i32, other: i32, first_again: i32) -> bool {
    first == other || first != first_again
}

/// Reads what a target says was applied to it: refinery's table where it is, or ours, and for a project of
/// Supabase's layout that of its CLI, too.
///
/// # Errors
/// A history that cannot be read.
pub(crate) fn read_histories(connection: &mut Connection, project: &Project) -> Result<Histories> {
    refuse_other_histories(connection)?;
    // From whom policies hide rows, an error and not a part.
    let off = connection.rows("set row_security to off");
    off.map_err(failing("read the history"))?;
    let read = read_all_histories(connection, project)
        .and_then(|histories| Ok(histories.with(read_digests(connection)?)));
    connection.rows("set row_security to default").map_err(failing("read the history"))?;
    read
}

/// refinery's runner finds its table by the search path; one that we do not read would be left behind.
fn refuse_other_histories(connection: &mut Connection) -> Result<()> {
    let query = "select pg_catalog.format('%I.%I', n.nspname, c.relname) from pg_catalog.pg_class c \
         join pg_catalog.pg_namespace n on n.oid = c.relnamespace \
         where c.relname = 'refinery_schema_history' and c.relkind in ('r', 'p') \
         and n.nspname not in ('public', 'leakproof') order by 1";
    let rows = connection.rows(query).map_err(failing("look for histories"))?;
    match rows.into_iter().flatten().flatten().next() {
        None => Ok(()),
        Some(table) => Err(Error::new(format!("there is a history in {table}"))
            .cause("only those in `public` and `leakproof` are read, and what it has would be applied again")
            .help(format!(
                "if it is that of these files, move it: `alter table {table} set schema public`"
            ))),
    }
}

fn read_all_histories(connection: &mut Connection, project: &Project) -> Result<Histories> {
    let mut read = |kind| History::read_kind(connection, kind);
    let (ours, refinery) = (read(HistoryKind::Ours)?, read(HistoryKind::Refinery)?);
    let is_used = |history: &History| !history.entries.is_empty();
    let first = match (ours, refinery) {
        (Some(ours), _) if is_used(&ours) => ours,
        (_, Some(refinery)) => refinery,
        (ours, None) => ours.unwrap_or_else(History::empty),
    };
    let mut all = vec![first];
    if project.layout() == Layout::Supabase {
        let empty = History { kind: HistoryKind::Supabase, entries: Vec::new() };
        all.push(read(HistoryKind::Supabase)?.unwrap_or(empty));
    }
    Ok(Histories::new(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pooler_gives_sessions_to_whoever_asks() {
        assert!(!are_pooled(1, 2, 1));
        assert!(are_pooled(1, 1, 1));
        assert!(are_pooled(1, 2, 3));
    }
}
