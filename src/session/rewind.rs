//! Somebody who tries one statement after the other, each from the same state.

use std::time::Duration;

use crate::error::Result;
use crate::session::failed::Failed;
use crate::session::impersonation::{Impersonation, RESET_ROLE, RESETS};
use crate::session::open::{Session, ask_as_auditor, may_be_several, run_as_owner};
use crate::session::outcome::{Outcome, TextRow, read_records};
use crate::session::savepoint::Savepoint;

/// A session as somebody, wound back to the same state before each attempt.
pub(crate) struct Rewind<'s> {
    session: &'s mut Session,
    who: &'s Impersonation,
    start: Savepoint,
}

/// What came of an attempt.
pub(crate) struct Attempted {
    /// What came of each of its statements.
    pub outcomes: Vec<Outcome>,
    /// What was seen right after it, if somebody looked.
    pub seen: Option<Vec<TextRow>>,
}

impl Session {
    /// Lets somebody try, and takes back all that came of it.
    pub(crate) fn rewinding<T>(
        &mut self,
        who: &Impersonation,
        limit: Option<Duration>,
        work: impl FnOnce(Rewind<'_>) -> Result<T>,
    ) -> Result<T> {
        self.as_actor(who, limit, |session| {
            let start = session.set_savepoint();
            let outcome = work(Rewind { session: &mut *session, who, start });
            // The one around it takes it along.
            session.depth -= 1;
            outcome
        })
    }
}

impl Rewind<'_> {
    /// Asks something of ours as that somebody.
    pub(crate) fn rows(&mut self, query: &str) -> Result<Vec<TextRow>, Failed> {
        self.session.rows(query)
    }

    /// Runs statements from the start, and `look` as the auditor right after them, in one round trip:
    /// it must be a query that cannot fail.
    pub(crate) fn attempt(
        &mut self,
        statements: &str,
        look: Option<&str>,
    ) -> Result<Attempted, Failed> {
        // What is said ahead must stand, whatever becomes of the statements.
        self.session.flush()?;
        let mut attempted = self.send(&format!("{}; {statements}", self.start.go_back()), look)?;
        attempted.outcomes.drain(..1);
        Ok(attempted)
    }

    /// Goes on where the last attempt has ended.
    pub(crate) fn go_on(&mut self, statement: &str) -> Result<Vec<Outcome>, Failed> {
        self.session.run(statement)
    }

    /// As [`Self::attempt`], with statements of the project's, each of which must be one to the server, and then
    /// one of ours.
    pub(crate) fn attempt_each(
        &mut self,
        statements: &[&str],
        ours: &str,
    ) -> Result<Attempted, Failed> {
        // What is open at the end of one reaches into the next.
        if statements.iter().any(|statement| may_be_several(statement)) {
            for statement in statements {
                self.session.refuse_several(statement)?;
                self.session.execute(&self.start.go_back())?;
            }
        }
        self.attempt(&format!("{}\n; {ours}", statements.join("\n; ")), None)
    }

    /// As [`Self::attempt`], after statements of ours as the owner. `None` where those are refused.
    pub(crate) fn attempt_after(
        &mut self,
        ours: &str,
        statements: &str,
        look: Option<&str>,
    ) -> Result<Option<Attempted>, Failed> {
        let again = self.who.statements().join("; ");
        let prepare =
            format!("{}; {RESET_ROLE}; {}; {again}", self.start.go_back(), run_as_owner(ours));
        match self.session.run(&prepare) {
            Ok(_) => self.send(statements, look).map(Some),
            Err(Failed::Refused(_)) => Ok(None),
            Err(lost) => Err(lost),
        }
    }

    /// Asks as the auditor what the last attempt left behind.
    pub(crate) fn witness(&mut self, query: &str) -> Result<Vec<TextRow>, Failed> {
        let query = ask_as_auditor(query);
        self.session.rows(&format!("{RESET_ROLE}; {query}")).map(read_records)
    }

    /// As [`Self::witness`], in the name of whom the statement `claims` says; of nobody if it is empty.
    pub(crate) fn witness_for(
        &mut self,
        claims: &str,
        query: &str,
    ) -> Result<Vec<TextRow>, Failed> {
        let no_claims = self.who.no_claims().unwrap_or_default();
        let query = ask_as_auditor(query);
        let statements = [RESET_ROLE, &no_claims, claims, &query];
        let said: Vec<&str> = statements.into_iter().filter(|one| !one.is_empty()).collect();
        let mut outcomes = self.session.run(&said.join("; "))?;
        Ok(read_records(outcomes.pop().unwrap_or_default().rows))
    }

    fn send(&mut self, statements: &str, look: Option<&str>) -> Result<Attempted, Failed> {
        let ours = look
            .map_or(String::new(), |look| format!("\n; {RESET_ROLE}; {}", ask_as_auditor(look)));
        let mut outcomes = self.session.run(&format!("{statements}{ours}"))?;
        let seen = look.and_then(|_| outcomes.pop()).map(|outcome| read_records(outcome.rows));
        if look.is_some() {
            outcomes.truncate(outcomes.len().saturating_sub(RESETS));
        }
        Ok(Attempted { outcomes, seen })
    }
}
