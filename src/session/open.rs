//! What is said inside a transaction: as who is logged in, as the owner of the project's objects, as
//! an auditor who sees all rows, and as somebody else.

use std::io::Write;
use std::mem;
use std::time::Duration;

use postgres::Client;
use serde::de::DeserializeOwned;

use crate::discretion::Discretion;
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::{Failed, failing};
use crate::session::impersonation::Impersonation;
use crate::session::outcome::{Outcome, TextRow, as_json, read_json, read_outcomes, read_records};
use crate::session::savepoint::Savepoint;
use crate::session::watchdog::{Stoppable, Watched};
use crate::sql::quote::literal;

/// A connection inside a transaction, which whoever has only this cannot end.
///
/// Statements of ours that cannot fail, such as a savepoint, wait for the next one and go with it in
/// one round trip.
pub(crate) struct Session {
    pub(in crate::session) client: Client,
    /// Statements that go ahead of the next one.
    pub(in crate::session) ahead: Vec<String>,
    /// How many savepoints are set.
    pub(in crate::session) depth: usize,
    /// Who stops what takes too long, and how long that is for each round trip.
    pub(in crate::session) watch: Option<(Stoppable, Duration)>,
    /// What may be told of rows.
    pub(in crate::session) discretion: Discretion,
    pub(in crate::session) doors: Doors,
}

/// Who runs statements of ours that take the rights of an owner or an auditor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::session) enum Doors {
    /// Functions of ours, which a scratch database has.
    #[default]
    Ours,
    /// Who is connected: in somebody's database there is nothing of ours that could.
    Absent,
}

/// The settings in which rows are looked at and seeded, whatever the server is set to.
const STEADY: [&str; 3] = [
    "set local timezone = 'UTC'",
    "set local client_min_messages = error",
    "select leakproof.look_into_catalog_first()",
];

/// Statements by way of who may do whatever an owner may.
pub(crate) fn run_as_owner(sql: &str) -> String {
    format!("select leakproof.run({})", literal(sql))
}

/// Statements of ours to be run as an owner, that no trigger and no foreign key has a say in.
pub(crate) fn unhindered(statements: &str) -> String {
    format!(
        "select leakproof.set_replication_role('replica'); {statements}; \
         select leakproof.set_replication_role('origin')"
    )
}

/// Whether the server could read several statements where we read one, whatever strings and comments are to it.
pub(in crate::session) fn may_be_several(statement: &str) -> bool {
    statement.contains(';')
}

/// A query by way of who may read every row; gives records.
pub(in crate::session) fn ask_as_auditor(query: &str) -> String {
    format!("select * from leakproof.ask({})", literal(query))
}

impl Session {
    pub(in crate::session) fn new(client: Client) -> Self {
        let (ahead, discretion, doors) = (Vec::new(), Discretion::Open, Doors::Ours);
        Self { client, ahead, depth: 0, watch: None, discretion, doors }
    }

    /// Runs statements as who is logged in, and gives what came of each.
    ///
    /// Meant for what every role may do: to read `pg_catalog`, and to change settings.
    pub(crate) fn run(&mut self, sql: &str) -> Result<Vec<Outcome>, Failed> {
        let ahead = mem::take(&mut self.ahead);
        let messages = match ahead.as_slice() {
            [] => self.send(sql, |client| client.simple_query(sql)),
            some => {
                let all = format!("{}; {sql}", some.join("; "));
                self.send(&all, |client| client.simple_query(&all))
            }
        };
        let mut outcomes = read_outcomes(messages?);
        outcomes.drain(..ahead.len().min(outcomes.len()));
        Ok(outcomes)
    }

    /// As [`Self::run`]; gives the rows of all of them, in order.
    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        Ok(self.run(sql)?.into_iter().flat_map(|outcome| outcome.rows).collect())
    }

    /// Runs one of our own queries and reads each row, turned into JSON by the server, as a `T`.
    pub(crate) fn values<T: DeserializeOwned>(&mut self, query: &str) -> Result<Vec<T>> {
        self.values_where(query, "true")
    }

    /// As [`Self::values`], those of a condition over `q`.
    pub(crate) fn values_where<T: DeserializeOwned>(
        &mut self,
        query: &str,
        condition: &str,
    ) -> Result<Vec<T>> {
        let rows = self.rows(&as_json(query, condition)).map_err(failing("read the catalog"))?;
        read_json(rows.into_iter().flatten().flatten())
    }

    /// Runs a query of ours that takes longer to plan than to answer. It is prepared at its first use
    /// on a connection, and again where a migration has thrown that away, or prepared something else.
    pub(crate) fn prepared(&mut self, name: &str, query: &str) -> Result<Vec<TextRow>, Failed> {
        let outcomes = self.prepared_then(name, query, ("", ""), "")?;
        Ok(outcomes.into_iter().flat_map(|outcome| outcome.rows).collect())
    }

    /// As [`Self::prepared`], a query with parameters, their types and values in parentheses; what comes of it, and
    /// of another statement that goes with it.
    pub(crate) fn prepared_then(
        &mut self,
        name: &str,
        query: &str,
        (types, values): (&str, &str),
        other: &str,
    ) -> Result<Vec<Outcome>, Failed> {
        let prepare = format!("prepare {name}{types} as {query}");
        let known = self.rows(&format!(
            "select p.statement = {} from pg_catalog.pg_prepared_statements p where p.name = '{name}'",
            literal(&prepare)
        ))?;
        let is_ours = known == [[Some("t".to_owned())]];
        if !known.is_empty() && !is_ours {
            self.run(&format!("deallocate {name}"))?;
        }
        if !is_ours {
            // The server keeps all that it was sent.
            self.execute(&prepare)?;
        }
        self.run(&format!("execute {name}{values}; {other}"))
    }

    /// Runs statements as who may do whatever an owner of the project's objects may, whatever policies
    /// say.
    pub(crate) fn as_owner(&mut self, sql: &str) -> Result<(), Failed> {
        let sql = self.owners(sql);
        self.run(&sql).map(drop)
    }

    fn owners(&self, sql: &str) -> String {
        match self.doors {
            Doors::Ours => run_as_owner(sql),
            Doors::Absent => sql.to_owned(),
        }
    }

    /// Whether it is in somebody's database, where who is connected does all of it.
    pub(crate) fn is_in_real_database(&self) -> bool {
        self.doors == Doors::Absent
    }

    /// As [`Self::as_owner`], one statement; gives its rows.
    pub(crate) fn rows_as_owner(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        // It is one who does both.
        self.as_auditor(sql)
    }

    /// Asks as who may read every row.
    pub(crate) fn as_auditor(&mut self, query: &str) -> Result<Vec<TextRow>, Failed> {
        match self.doors {
            Doors::Ours => self.rows(&ask_as_auditor(query)).map(read_records),
            Doors::Absent => self.rows(query),
        }
    }

    /// As [`Self::as_auditor`], for a query of one column of text.
    pub(crate) fn texts_as_auditor(&mut self, query: &str) -> Result<Vec<String>, Failed> {
        let rows = match self.doors {
            Doors::Ours => {
                self.rows(&format!("select * from leakproof.ask_text({})", literal(query)))?
            }
            Doors::Absent => self.rows(query)?,
        };
        Ok(rows.into_iter().flatten().flatten().collect())
    }

    /// Does something as somebody else, and takes back all that came of it. `limit` is how long each
    /// statement may take.
    pub(crate) fn as_actor<T>(
        &mut self,
        who: &Impersonation,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        // The server's own limit first: it costs nothing, and nearly always holds.
        const GRACE: Duration = Duration::from_secs(2);
        let usual = self.watch.as_ref().map(|(_, limit)| *limit);
        let own = limit.zip(usual).map(|(limit, usual)| limit.min(usual));
        let outcome = self.undone(|session| {
            if let Some(limit) = own.or(limit) {
                session.say(format!("set local statement_timeout = {}", limit.as_millis()));
            }
            who.statements().into_iter().for_each(|statement| session.say(statement));
            session.allow(own.map(|limit| limit + GRACE));
            work(session)
        });
        self.allow(usual);
        outcome
    }

    /// Lets each round trip take so long, where somebody watches.
    fn allow(&mut self, limit: Option<Duration>) {
        if let Some(((_, allowed), limit)) = self.watch.as_mut().zip(limit) {
            *allowed = limit;
        }
    }

    /// Sends something, and waits for the answer no longer than it may take. What a server names of what was
    /// `said` is no secret.
    fn send<T>(
        &mut self,
        said: &str,
        ask: impl FnOnce(&mut Client) -> Result<T, postgres::Error>,
    ) -> Result<T, Failed> {
        let watched = self.watch.as_ref().map(|(who, limit)| (Watched::begin(who, *limit), *limit));
        ask(&mut self.client).map_err(|cause| {
            let failed = Failed::of(&cause, self.discretion, said);
            match watched {
                Some((watched, limit)) if watched.is_stopped() => failed.late(limit),
                _ => failed,
            }
        })
    }

    /// Does something and takes back all that came of it.
    pub(crate) fn undone<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let savepoint = self.set_savepoint();
        let outcome = work(self);
        self.take_back(&savepoint);
        outcome
    }

    /// As [`Self::undone`]; gives what the server says where it refuses.
    pub(crate) fn tolerate<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Result<T, Refusal>> {
        let outcome = self.undone(|session| {
            // A text that cannot be parsed is refused with all that goes with it.
            session.flush().map_err(failing("set a savepoint"))?;
            work(session)
        });
        match outcome {
            Ok(value) => Ok(Ok(value)),
            Err(error) => error.into_refusal().map(Err),
        }
    }

    /// As [`Self::tolerate`], and takes back only what is refused.
    pub(crate) fn tolerate_and_keep<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Result<T, Refusal>> {
        let savepoint = self.set_savepoint();
        self.flush().map_err(failing("set a savepoint"))?;
        match work(self) {
            Ok(value) => {
                self.depth -= 1;
                self.say(savepoint.release());
                Ok(Ok(value))
            }
            Err(error) => {
                self.take_back(&savepoint);
                error.into_refusal().map(Err)
            }
        }
    }

    /// As [`Self::as_owner`], and takes back only what is refused.
    pub(crate) fn kept_unless_refused(
        &mut self,
        sql: &str,
    ) -> Result<Result<(), Box<Refusal>>, Failed> {
        let (savepoint, sql) = (self.set_savepoint(), self.owners(sql));
        match self.run(&format!("{sql}; {}", savepoint.release())) {
            Ok(_) => {
                self.depth -= 1;
                Ok(Ok(()))
            }
            Err(Failed::Refused(refusal)) => {
                self.take_back(&savepoint);
                Ok(Err(refusal))
            }
            Err(lost) => Err(lost),
        }
    }

    /// Runs a statement of the project's own letter by letter: what else is said goes in a round trip
    /// of its own, so that the server's places in it hold.
    pub(crate) fn verbatim(&mut self, sql: &str) -> Result<Vec<Outcome>, Failed> {
        self.flush()?;
        self.run(sql)
    }

    /// Runs statements of ours by themselves, where nobody asks what comes of them.
    pub(crate) fn execute(&mut self, sql: &str) -> Result<(), Failed> {
        self.flush()?;
        self.send(sql, |client| client.batch_execute(sql))
    }

    /// Runs one statement of the project's. It is the server who sees to it that it is one: what ends it for
    /// us need not end it there, and the next one could be `commit`.
    pub(crate) fn execute_one(&mut self, statement: &str) -> Result<(), Failed> {
        self.flush()?;
        self.send(statement, |client| client.execute_typed(statement, &[])).map(drop)
    }

    /// As [`Self::execute_one`], then statements of ours; in one round trip where it can only be one.
    pub(crate) fn execute_one_then(&mut self, statement: &str, ours: &str) -> Result<(), Failed> {
        if may_be_several(statement) {
            self.execute_one(statement)?;
            return self.execute(ours);
        }
        self.execute(&format!("{statement}\n; {ours}"))
    }

    /// Whether the server reads a text of the project's as one statement, or none; its refusal if not. The
    /// transaction may be broken afterwards.
    pub(in crate::session) fn refuse_several(&mut self, statement: &str) -> Result<(), Failed> {
        const SYNTAX_ERROR: &str = "42601";
        self.flush()?;
        match self.send(statement, |client| client.prepare(statement)) {
            Err(failed) if failed.refusal().is_none() || failed.has_state(SYNTAX_ERROR) => {
                Err(failed)
            }
            // What it names may not be there yet.
            _ => Ok(()),
        }
    }

    /// Sends the rows that stand in a file after a `copy ... from stdin`, as psql does.
    pub(crate) fn copy_in(&mut self, statement: &str, rows: &str) -> Result<(), Failed> {
        self.flush()?;
        self.send(statement, |client| {
            let mut writer = client.copy_in(statement)?;
            // A write that fails is told of by the end.
            let _ = writer.write_all(rows.as_bytes());
            writer.finish().map(drop)
        })
    }

    /// As [`Self::copy_in`], in parts: `next` puts one into a buffer, or says that there are no more.
    ///
    /// # Errors
    /// What `next` says; inside, what the server does.
    pub(crate) fn copy_parts(
        &mut self,
        statement: &str,
        mut next: impl FnMut(&mut Vec<u8>) -> Result<bool>,
    ) -> Result<Result<(), Failed>> {
        if let Err(failed) = self.flush() {
            return Ok(Err(failed));
        }
        let mut broken = None;
        let sent = self.send(statement, |client| {
            let mut writer = client.copy_in(statement)?;
            let mut part = Vec::new();
            loop {
                match next(&mut part) {
                    Ok(true) if writer.write_all(&part).is_ok() => {}
                    // A write that fails is told of by the end.
                    Ok(_) => return writer.finish().map(drop),
                    Err(error) => {
                        broken = Some(error);
                        return Ok(());
                    }
                }
            }
        });
        broken.map_or(Ok(sent), Err)
    }

    /// What may be told of rows.
    pub(crate) fn discretion(&self) -> Discretion {
        self.discretion
    }

    /// Says one statement that cannot fail, ahead of the next one.
    pub(crate) fn say(&mut self, statement: impl Into<String>) {
        self.ahead.push(statement.into());
    }

    /// Says that what is looked at or seeded from here on does not depend on settings.
    pub(crate) fn steady(&mut self) {
        STEADY.into_iter().for_each(|statement| self.say(statement));
    }

    /// A savepoint for who sets it himself; forgotten with the transaction.
    pub(crate) fn new_savepoint(&mut self) -> Savepoint {
        self.depth += 1;
        Savepoint::at(self.depth)
    }

    pub(in crate::session) fn set_savepoint(&mut self) -> Savepoint {
        let savepoint = self.new_savepoint();
        self.say(savepoint.set());
        savepoint
    }

    fn take_back(&mut self, savepoint: &Savepoint) {
        self.depth -= 1;
        self.say(savepoint.go_back());
        self.say(savepoint.release());
    }

    /// Sends what waits.
    pub(in crate::session) fn flush(&mut self) -> Result<(), Failed> {
        match mem::take(&mut self.ahead).join("; ") {
            nothing if nothing.is_empty() => Ok(()),
            some => self.send(&some, |client| client.batch_execute(&some)),
        }
    }
}
