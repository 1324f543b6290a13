//! One actor who tries statements, each from the same state, and what became of each.

use std::time::Duration;

use crate::actor::Actor;
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::session::failed::{Failed, failing};
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::session::rewind::{Attempted, Rewind};

/// How long a statement may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A session that is an actor, and goes back to where it was before each statement.
pub(crate) struct Trial<'s> {
    rewind: Rewind<'s>,
    actor: &'s Actor,
}

/// What the server answered.
#[derive(Clone)]
pub(crate) enum Answer {
    /// The rows it gave, how many it reached, and what was seen right after it, if asked for.
    Done(Vec<TextRow>, u64, Option<Vec<TextRow>>),
    Refused(Box<Refusal>),
}

/// Lets an actor try, and takes back all that came of it.
///
/// # Errors
/// The actor's role does not exist, or is a superuser or has BYPASSRLS without being meant to.
pub(crate) fn try_as<T>(
    session: &mut Session,
    actor: &Actor,
    work: impl FnOnce(&mut Trial<'_>) -> Result<T>,
) -> Result<T> {
    session.rewinding(actor.impersonation(), Some(LIMIT), |mut rewind| {
        refuse_past_policies(&mut rewind, actor)?;
        work(&mut Trial { rewind, actor })
    })
}

/// Before any probe the session is the actor's role, which every policy binds.
fn refuse_past_policies(rewind: &mut Rewind<'_>, actor: &Actor) -> Result<()> {
    let query = "select current_user, r.rolsuper, r.rolbypassrls \
         from pg_catalog.pg_roles r where r.rolname = current_user";
    let rows = rewind.rows(query).map_err(|failed| {
        failed
            .error(format!("could not become the actor `{}`", actor.name()))
            .help(format!("the role `{}` must exist after the migrations", actor.role()))
    })?;
    let row: Vec<Option<&str>> = rows.iter().flatten().map(Option::as_deref).collect();
    match row.as_slice() {
        [Some(role), Some(superuser), Some(bypass)] if *role == actor.role() => {
            let is_bound = *superuser != "t" && (*bypass != "t" || actor.is_service());
            if is_bound {
                return Ok(());
            }
            Err(Error::new(format!(
                "the actor `{}` would not be stopped by any policy",
                actor.name()
            ))
            .cause(format!("its role `{role}` is a superuser or has BYPASSRLS"))
            .help("give the actor the role that the application's requests have"))
        }
        _ => Err(Error::new(format!("the session did not become `{}`", actor.role()))),
    }
}

impl<'s> Trial<'s> {
    pub(crate) fn actor(&self) -> &'s Actor {
        self.actor
    }

    /// Runs a statement on the untouched world, and `look` as the auditor right after it: in one round
    /// trip, since most of them are such. `look` must be a query that cannot fail.
    pub(crate) fn attempt(&mut self, statement: &str, look: Option<&str>) -> Result<Answer> {
        answer(self.rewind.attempt(statement, look))
    }

    /// As [`Self::attempt`], after statements of our own as the owner. `None` where those fail.
    pub(crate) fn attempt_after(
        &mut self,
        ours: &str,
        statement: &str,
        look: Option<&str>,
    ) -> Result<Option<Answer>> {
        match self.rewind.attempt_after(ours, statement, look) {
            Ok(None) => Ok(None),
            Ok(Some(attempted)) => answer(Ok(attempted)).map(Some),
            Err(failed) => answer(Err(failed)).map(Some),
        }
    }

    /// As [`Self::attempt_after`], with the constraint that stopped it taken away, too, which is added
    /// to `ours`. `None` where it cannot be taken away.
    pub(crate) fn attempt_without(
        &mut self,
        obstacle: &Refusal,
        ours: &mut String,
        statement: &str,
        look: Option<&str>,
    ) -> Result<Option<Answer>> {
        for way in obstacle.ways_to_remove() {
            let more = format!("{ours}; {way}");
            if let Some(answer) = self.attempt_after(&more, statement, look)? {
                *ours = more;
                return Ok(Some(answer));
            }
        }
        Ok(None)
    }

    /// Asks, as the auditor, what the last attempt left behind.
    pub(crate) fn witness(&mut self, query: &str) -> Result<Vec<TextRow>> {
        self.rewind.witness(query).map_err(failing(LOOK))
    }

    /// As [`Self::witness`], in the name of whom a statement says.
    pub(crate) fn witness_for(&mut self, claims: &str, query: &str) -> Result<Vec<TextRow>> {
        self.rewind.witness_for(claims, query).map_err(failing(LOOK))
    }
}

const LOOK: &str = "look at what a probe left";

fn answer(attempted: Result<Attempted, Failed>) -> Result<Answer> {
    match attempted {
        Ok(Attempted { mut outcomes, seen }) => {
            let last = outcomes.pop().unwrap_or_default();
            Ok(Answer::Done(last.rows, last.reached, seen))
        }
        Err(Failed::Refused(refusal)) => Ok(Answer::Refused(refusal)),
        // A shutdown or crash is not an answer about access.
        Err(lost @ Failed::Lost(_)) => Err(lost
            .error("the server was lost while probing")
            .help("run again; if it happens again, look at the server's log")),
        Err(ended @ Failed::Ended(_)) => Err(ended.error("the server was lost while probing")),
    }
}
