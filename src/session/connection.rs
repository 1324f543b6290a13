//! A connection between transactions: the one thing that begins them, and that can commit.

use std::ops::{Deref, DerefMut};

use postgres::Client;

use crate::error::Result;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::outcome::TextRow;

/// A connection of ours. Whoever has it may commit: `migrate`, and who lets it migrate.
pub(crate) struct Connection {
    session: Session,
}

/// A transaction that is never committed, with the connection that it is on: it goes when this does.
pub(crate) struct Uncommitted {
    session: Session,
}

const BEGIN: &str = "begin";

/// Whatever statements of a file have set for the session.
const PUT_BACK: &str = "reset session authorization; reset role; reset all";

impl Connection {
    pub(crate) fn new(client: Client) -> Self {
        Self { session: Session::new(client) }
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

    /// Begins a transaction that is never committed.
    pub(crate) fn into_uncommitted(mut self) -> Uncommitted {
        self.begin();
        Uncommitted { session: self.session }
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

impl Deref for Uncommitted {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl DerefMut for Uncommitted {
    fn deref_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}
