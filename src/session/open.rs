//! What is said inside a transaction: as who is logged in, as the owner of the project's objects, as
//! an auditor who sees all rows, and as somebody else.

use std::io::Write;
use std::mem;
use std::time::Duration;

use postgres::Client;
use serde::de::DeserializeOwned;

use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::{Failed, failing};
use crate::session::impersonation::Impersonation;
use crate::session::outcome::{Outcome, TextRow, as_json, read_json, read_outcomes};
use crate::session::savepoint::Savepoint;

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
    /// Who is logged in, once that was asked.
    pub(in crate::session) login: Option<String>,
}

/// The settings in which rows are looked at and seeded, whatever the server is set to.
const STEADY: [&str; 2] = ["set local timezone = 'UTC'", "set local client_min_messages = error"];

impl Session {
    pub(in crate::session) fn new(client: Client) -> Self {
        Self { client, ahead: Vec::new(), depth: 0, login: None }
    }

    /// Runs statements as who is logged in, and gives what came of each.
    ///
    /// Meant for what every role may do: to read `pg_catalog`, and to change settings.
    pub(crate) fn run(&mut self, sql: &str) -> Result<Vec<Outcome>, Failed> {
        let ahead = mem::take(&mut self.ahead);
        let messages = match ahead.as_slice() {
            [] => self.client.simple_query(sql),
            some => self.client.simple_query(&format!("{}; {sql}", some.join("; "))),
        };
        let mut outcomes = read_outcomes(messages.map_err(|cause| Failed::of(&cause))?);
        outcomes.drain(..ahead.len().min(outcomes.len()));
        Ok(outcomes)
    }

    /// As [`Self::run`]; gives the rows of all of them, in order.
    pub(crate) fn rows(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        Ok(self.run(sql)?.into_iter().flat_map(|outcome| outcome.rows).collect())
    }

    /// The rows of each query.
    pub(crate) fn answers<const N: usize>(
        &mut self,
        queries: [&str; N],
    ) -> Result<[Vec<TextRow>; N], Failed> {
        let mut rows = self.run(&queries.join("; "))?.into_iter().map(|outcome| outcome.rows);
        Ok(queries.map(|_| rows.next().unwrap_or_default()))
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
        read_json(self.rows(&as_json(query, condition)).map_err(failing("read the catalog"))?)
    }

    /// Runs a query of ours that takes longer to plan than to answer. It is prepared at its first use
    /// on a connection, and again where a migration has thrown that away.
    pub(crate) fn prepared(&mut self, name: &str, query: &str) -> Result<Vec<TextRow>, Failed> {
        let is_there = format!(
            "select exists (select from pg_catalog.pg_prepared_statements where name = '{name}')"
        );
        if self.rows(&is_there)? != [[Some("t".to_owned())]] {
            self.run(&format!("prepare {name} as {query}"))?;
        }
        self.rows(&format!("execute {name}"))
    }

    /// Runs statements as the owner of the project's objects, whatever policies say.
    pub(crate) fn as_owner(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        self.rows_staying(sql)
    }

    /// Asks as who may read every row, and change none.
    pub(crate) fn as_auditor(&mut self, query: &str) -> Result<Vec<TextRow>, Failed> {
        self.rows_staying(query)
    }

    /// Does something as somebody else, and takes back all that came of it. `limit` is how long each
    /// statement may take.
    pub(crate) fn as_actor<T>(
        &mut self,
        who: &Impersonation,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let owner = self.owner_as(who).map_err(failing("see whose the session is"))?;
        self.become_actor(who, limit, |session| {
            let value = work(session)?;
            session.refuse_taken_from(&owner).map_err(failing("let somebody ask"))?;
            Ok(value)
        })
    }

    /// As [`Self::as_actor`], for who sees to it that the session stays whose it is.
    pub(in crate::session) fn become_actor<T>(
        &mut self,
        who: &Impersonation,
        limit: Option<Duration>,
        work: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        self.undone(|session| {
            if let Some(limit) = limit {
                session.say(format!("set local statement_timeout = {}", limit.as_millis()));
            }
            who.statements().into_iter().for_each(|statement| session.say(statement));
            work(session)
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

    /// Runs statements of ours, and takes back only what is refused.
    pub(crate) fn kept_unless_refused(
        &mut self,
        sql: &str,
    ) -> Result<Result<Vec<TextRow>, Box<Refusal>>, Failed> {
        let savepoint = self.set_savepoint();
        match self.rows_staying(&format!("{sql}; {}", savepoint.release())) {
            Ok(rows) => {
                self.depth -= 1;
                Ok(Ok(rows))
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

    /// As [`Self::verbatim`], where nobody asks what comes of it.
    pub(crate) fn execute(&mut self, sql: &str) -> Result<(), Failed> {
        self.flush()?;
        self.client.batch_execute(sql).map_err(|cause| Failed::of(&cause))
    }

    /// Sends the rows that stand in a file after a `copy ... from stdin`, as psql does.
    pub(crate) fn copy_in(&mut self, statement: &str, rows: &str) -> Result<(), Failed> {
        self.flush()?;
        let mut writer = self.client.copy_in(statement).map_err(|cause| Failed::of(&cause))?;
        // A write that fails is told of by the end.
        let _ = writer.write_all(rows.as_bytes());
        writer.finish().map(drop).map_err(|cause| Failed::of(&cause))
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
            some => self.client.batch_execute(&some).map_err(|cause| Failed::of(&cause)),
        }
    }
}
