//! A connection between transactions: the one thing that begins them, and that can commit.

use std::time::Duration;

use postgres::Client;

use crate::discretion::Discretion;
use crate::error::Result;
use crate::session::failed::{Failed, failing};
use crate::session::open::{Doors, Session};
use crate::session::outcome::TextRow;
use crate::session::uncommitted::Uncommitted;
use crate::session::watchdog::Stoppable;

/// A connection of ours. Whoever has it may commit: `migrate`, and who lets it migrate.
pub(crate) struct Connection {
    session: Session,
}

const BEGIN: &str = "begin";

/// Whatever statements of a file have set for the session.
const PUT_BACK: &str = "reset session authorization; reset role; reset all";

impl Connection {
    pub(crate) fn new(client: Client) -> Self {
        Self { session: Session::new(client) }
    }

    /// One to somebody's database, in which nothing of ours runs statements for an owner or an auditor: who is
    /// connected does.
    pub(crate) fn to_real_database(client: Client) -> Self {
        Self { session: Session { doors: Doors::Absent, ..Session::new(client) } }
    }

    /// As [`Self::new`], in which no round trip takes longer than `limit`.
    pub(crate) fn watched(client: Client, who: Stoppable, limit: Duration) -> Self {
        Self { session: Session { watch: Some((who, limit)), ..Session::new(client) } }
    }

    /// The same, of which is told what may be told of rows.
    pub(crate) fn with(mut self, discretion: Discretion) -> Self {
        self.session.discretion = discretion;
        self
    }

    /// Whether the server has ended it.
    pub(crate) fn is_closed(&self) -> bool {
        self.session.client.is_closed()
    }

    /// Runs statements of ours outside a transaction: all of them, or none, are there afterwards.
    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        self.session.rows(sql)
    }

    /// Does something in a transaction that is rolled back.
    pub(crate) fn uncommitted<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T>,
    ) -> Result<T> {
        self.begin();
        let outcome = work(&mut self.session);
        let ended = self.roll_back("rollback");
        let value = outcome?;
        ended.map_err(failing("end a transaction"))?;
        Ok(value)
    }

    /// Does something in a transaction that is committed if all goes well, else rolled back. The
    /// session's settings and roles are put back either way.
    pub(crate) fn transaction<T>(
        &mut self,
        work: impl FnOnce(&mut Session) -> Result<T>,
    ) -> Result<T> {
        self.begin();
        let outcome = work(&mut self.session).and_then(|value| {
            // Deferred constraints fail here, which is a fault of the file.
            let ended = self.session.run(&format!("commit; {PUT_BACK}"));
            ended.map(|_| value).map_err(failing("commit what a file has done"))
        });
        if outcome.is_err() {
            // The first error is the one to tell; a lost connection has rolled back by itself.
            let _ = self.roll_back(&format!("rollback; {PUT_BACK}"));
        }
        outcome
    }

    /// Runs one statement of a file by itself, in no transaction.
    pub(crate) fn statement(&mut self, sql: &str) -> Result<(), Failed> {
        self.session.execute_one(sql)
    }

    /// As [`Self::transaction`], and leaves the session's settings and roles as they are then.
    pub(crate) fn step<T>(&mut self, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
        self.begin();
        let outcome = work(&mut self.session).and_then(|value| {
            let ended = self.session.run("commit");
            ended.map(|_| value).map_err(failing("commit what a statement has done"))
        });
        if outcome.is_err() {
            let _ = self.roll_back("rollback");
        }
        outcome
    }

    /// Puts back the session's settings and roles.
    pub(crate) fn put_back(&mut self) -> Result<(), Failed> {
        self.session.run(PUT_BACK).map(drop)
    }

    /// Begins a transaction that is never committed.
    pub(crate) fn into_uncommitted(mut self) -> Uncommitted {
        self.begin();
        Uncommitted::new(self.session)
    }

    fn begin(&mut self) {
        self.session.depth = 0;
        self.session.say(BEGIN);
    }

    /// What still waits is taken back in any case. Where that is the beginning, there is nothing more.
    fn roll_back(&mut self, sql: &str) -> Result<(), Failed> {
        let waiting = std::mem::take(&mut self.session.ahead);
        match waiting.first().is_some_and(|first| first == BEGIN) {
            true => Ok(()),
            false => self.session.run(sql).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::error::Error;
    use crate::platform::own_schema::{self, Roles};
    use crate::refusal::Refusal;
    use crate::server::instance::Server;
    use crate::server::options::{ServerKind, ServerOptions};
    use crate::session::impersonation::Impersonation;

    /// A connection to a database of its own with an empty table `t`.
    fn with_table(test: impl FnOnce(&mut Connection)) {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        // Not the one that is shared, which a test needs to have started itself.
        let server = Arc::new(Server::start(&options).expect("a server"));
        let database = server.create_database().expect("a database");
        let mut admin = Connection::new(database.connect().expect("a connection"));
        let roles = Roles { owner: "somebody", login: "somebody", admin: None, has_stubs: false };
        let ours = own_schema::sql(&roles, "create table leakproof.refinery_schema_history ()");
        let set_up = format!(
            "create role somebody; grant pg_monitor to somebody; {ours}; \
             create table t (a int primary key); alter table t owner to somebody"
        );
        admin.rows(&set_up).expect("a table");
        let (client, _) = database.connect_as("somebody").expect("a connection");
        test(&mut Connection::new(client));
    }

    fn insert(session: &mut Session, value: &str) -> Result<()> {
        let sql = format!("insert into t values ({value})");
        session.as_owner(&sql).map_err(failing("insert"))
    }

    fn count(connection: &mut Connection) -> String {
        let rows = connection.rows("select count(*) from t").expect("a count");
        rows.into_iter().flatten().flatten().next().expect("a number")
    }

    #[test]
    fn only_a_transaction_that_goes_well_is_kept() {
        with_table(|connection| {
            connection.uncommitted(|session| insert(session, "1")).expect("it can be inserted");
            assert_eq!(count(connection), "0");
            let fails = |session: &mut Session| {
                insert(session, "1")?;
                Err::<(), _>(Error::new("no"))
            };
            connection.transaction(fails).expect_err("it fails");
            assert_eq!(count(connection), "0");
            connection.transaction(|session| insert(session, "1")).expect("it can be inserted");
            assert_eq!(count(connection), "1");
        });
    }

    #[test]
    fn what_is_undone_or_refused_leaves_the_rest() {
        with_table(|connection| {
            let kept = connection.transaction(|session| {
                insert(session, "1")?;
                session.undone(|session| insert(session, "2"))?;
                let twice = session.tolerate(|session| {
                    insert(session, "3")?;
                    session.tolerate(|session| insert(session, "no_column"))?.expect_err("refused");
                    insert(session, "1")
                })?;
                let refused =
                    session.kept_unless_refused("select 1 / 0").map_err(failing("try"))?;
                refused.expect_err("refused");
                let kept = session.kept_unless_refused("insert into t values (4)");
                kept.map_err(failing("try"))?.expect("not refused");
                Ok(twice.expect_err("it is there"))
            });
            let refusal: Refusal = kept.expect("the transaction goes well");
            assert!(refusal.is_about("public", "t"), "{refusal:?}");
            assert_eq!(refusal.sqlstate, "23505");
            assert_eq!(refusal.constraint.as_deref(), Some("t_pkey"));
            let rows = connection.rows("select a from t order by a").expect("rows");
            assert_eq!(rows.concat(), [Some("1".to_owned()), Some("4".to_owned())]);
        });
    }

    /// A text that cannot be parsed is refused with all that is sent along with it.
    #[test]
    fn what_cannot_be_parsed_is_tolerated() {
        with_table(|connection| {
            let refusal = connection.transaction(|session| {
                let run = |session: &mut Session| session.run("selec").map_err(failing("ask"));
                let refusal = session.tolerate(run)?.expect_err("refused");
                insert(session, "1")?;
                Ok(refusal)
            });
            assert_eq!(refusal.expect("it goes on").position, Some(1));
            assert_eq!(count(connection), "1");
        });
    }

    #[test]
    fn each_attempt_begins_at_the_start() {
        with_table(|connection| {
            connection.rows("grant insert, select on t to pg_monitor").expect("a grant");
            let who = Impersonation::new(Vec::new(), "pg_monitor");
            let limit = Some(Duration::from_millis(50));
            let ran = connection.uncommitted(|session| {
                session.rewinding(&who, limit, |mut rewind| {
                    let look = Some("select current_user, count(*) from t");
                    let insert = "insert into t values (1)";
                    for _ in 0..2 {
                        let attempted = rewind.attempt(insert, look).map_err(failing("insert"))?;
                        let seen = attempted.seen.expect("looked").concat();
                        assert_ne!(seen[0].as_deref(), Some("pg_monitor"));
                        assert_eq!(seen[1].as_deref(), Some("1"));
                        assert_eq!(attempted.outcomes.len(), 1);
                    }
                    let failed = rewind.attempt("delete from t", None).err().expect("no grant");
                    assert!(failed.has_state("42501"), "{failed:?}");
                    let late = rewind.attempt("select pg_sleep(10)", None).err().expect("too late");
                    assert!(late.has_state("57014"), "{late:?}");
                    let allowed = "grant delete on t to pg_monitor; insert into t values (7)";
                    let attempted = rewind.attempt_after(allowed, "delete from t", None);
                    let attempted = attempted.map_err(failing("delete"))?.expect("ours goes well");
                    assert_eq!(attempted.outcomes[0].reached, 1);
                    let left = rewind.witness("select count(*) from t").map_err(failing("look"))?;
                    assert_eq!(left.concat(), [Some("0".to_owned())]);
                    let none = rewind.attempt_after("select 1 / 0", "select 1", None);
                    assert!(none.map_err(failing("ask"))?.is_none());
                    Ok(())
                })
            });
            ran.expect("it goes well");
            assert_eq!(count(connection), "0");
        });
    }
}
