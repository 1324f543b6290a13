//! Whether the project's code stays in the session in which it runs. As long as our own connection
//! may become everybody, a function that sets `session_authorization` may, too: who goes on as
//! ourselves asks first whose the session is.

use crate::session::failed::Failed;
use crate::session::impersonation::Impersonation;
use crate::session::open::Session;
use crate::session::outcome::{Outcome, TextRow};

/// Tells whose the session is.
pub(in crate::session) const WHOSE: &str = "select session_user";

impl Session {
    /// As [`Self::run`], as who is logged in, and fails where something has taken the session.
    pub(in crate::session) fn run_staying(&mut self, sql: &str) -> Result<Vec<Outcome>, Failed> {
        let login = self.login()?;
        let mut outcomes = self.run(&format!("{sql}\n; {WHOSE}"))?;
        refuse_taken(&login, outcomes.pop())?;
        Ok(outcomes)
    }

    /// Fails where something has taken the session from who is logged in.
    pub(crate) fn stay(&mut self) -> Result<(), Failed> {
        self.run_staying("select").map(drop)
    }

    /// As [`Self::run_staying`]; gives the rows of all of them, in order.
    pub(in crate::session) fn rows_staying(&mut self, sql: &str) -> Result<Vec<TextRow>, Failed> {
        Ok(self.run_staying(sql)?.into_iter().flat_map(|outcome| outcome.rows).collect())
    }

    /// Whose the session is while it is somebody.
    pub(in crate::session) fn owner_as(&mut self, who: &Impersonation) -> Result<String, Failed> {
        match who.session_user() {
            Some(user) => Ok(user.to_owned()),
            None => self.login(),
        }
    }

    /// Fails where the session is not that one's any more.
    pub(in crate::session) fn refuse_taken_from(&mut self, owner: &str) -> Result<(), Failed> {
        let answer = self.run(WHOSE)?.pop();
        refuse_taken(owner, answer)
    }

    /// Who is logged in. First asked before anybody else is in the session.
    fn login(&mut self) -> Result<String, Failed> {
        if let Some(login) = &self.login {
            return Ok(login.clone());
        }
        let rows = self.rows(WHOSE)?;
        let login = rows.into_iter().flatten().flatten().next().unwrap_or_default();
        self.login = Some(login.clone());
        Ok(login)
    }
}

/// Fails where an answer to [`WHOSE`] is another than it was.
pub(in crate::session) fn refuse_taken(was: &str, is: Option<Outcome>) -> Result<(), Failed> {
    let is = is.map(|outcome| outcome.rows.concat()).unwrap_or_default();
    match is == [Some(was.to_owned())] {
        true => Ok(()),
        false => Err(Failed::Taken),
    }
}
