//! The connections to a target: one that applies, with what its transactions begin with, and one that looks who is
//! in its way.

use std::time::Duration;

use postgres::{Client, SimpleQueryMessage};

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
    /// The major version of the server.
    pub major: u32,
    /// What each transaction begins with.
    pub settings: Vec<String>,
}

/// A connection to a target, for who looks only.
///
/// # Errors
/// A transaction pooler: what is set to look would stay with the sessions of others.
pub(crate) fn connect_to_look(address: &Address) -> Result<Connection> {
    connect_twice(address).map(|(client, ..)| Connection::to_real_database(client))
}

/// Two connections, and the process of the first.
fn connect_twice(address: &Address) -> Result<(Client, Client, i32)> {
    let (mut client, mut other) = (address.connect()?, address.connect()?);
    let first = [process(&mut client, address)?, process(&mut client, address)?];
    let second = process(&mut other, address)?;
    let again = process(&mut client, address)?;
    if are_pooled(first, second, again) {
        return Err(pooled("each transaction gets any session of the server"));
    }
    Ok((client, other, first[0]))
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
        let (mut client, other, pid) = connect_twice(address)?;
        let failed = |cause| unasked(address, &cause);
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
        let version: i32 = row.get(2);
        if version >= CHECKS_CLIENT_VERSION {
            settings.push("set local client_connection_check_interval = '1s'".to_owned());
        }
        let cancel = address.cancel_by(&client);
        let connection = Connection::to_real_database(client).with(discretion);
        let major = u32::try_from(version / 10_000).unwrap_or_default();
        let blockers = Blockers::watch(other, pid);
        Ok(Self { connection, blockers, cancel, role, major, settings })
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

fn unasked(address: &Address, cause: &postgres::Error) -> Error {
    Error::new(format!("could not ask {address} what it is")).cause(cause_of(cause))
}

/// Whose process answers. Nothing is prepared for it, which a pooler might leave with another session.
fn process(client: &mut Client, address: &Address) -> Result<i32> {
    let answer = client.simple_query("select pg_catalog.pg_backend_pid()");
    let answer = answer.map_err(|cause| unasked(address, &cause))?;
    let pid = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).and_then(|pid| pid.parse().ok()),
        _ => None,
    });
    pid.ok_or_else(|| Error::new(format!("could not ask {address} for its process")))
}

/// Whether a pooler stands between that gives each transaction any session: asked twice on one connection, on another,
/// and on the first again. A pooler takes the session that was free last, or each in turn.
fn are_pooled(first: [i32; 2], other: i32, first_again: i32) -> bool {
    first[0] == other || first != [first_again; 2]
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
        assert!(!are_pooled([1, 1], 2, 1));
        assert!(are_pooled([1, 1], 1, 1));
        assert!(are_pooled([1, 1], 2, 3));
        assert!(are_pooled([1, 2], 1, 2));
    }
}
