//! One actor before one relation: runs statements, looks at what they did, and enters verdicts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::error::Result;
use crate::matrix::cell::Cell;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::target::Target;
use crate::probe::trial::{Answer, Trial};
use crate::refusal::{QUERY_CANCELED, Refusal};
use crate::session::outcome::TextRow;
use crate::sql::quote::identifier;
use crate::world::rows::{KnownRow, PLACE};
use crate::world::seeding::seed::value_sql;

/// One actor before one relation.
pub(crate) struct Prober<'t, 's, 'a> {
    pub(in crate::probe) trial: &'t mut Trial<'s>,
    pub(in crate::probe) target: &'t Target<'a>,
    pub(in crate::probe) privileges: &'t Privileges,
    pub(in crate::probe) classes: BTreeMap<RowClass, Vec<&'t KnownRow>>,
    pub(in crate::probe) cells: BTreeMap<(Command, RowClass), (Verdict, Option<Evidence>)>,
    /// What the server answered to statements that were looked at in the same round trip: in the same
    /// world it would answer the same, and several aims may take one statement.
    pub(in crate::probe) answers: HashMap<String, Answer>,
    pub(in crate::probe) unfound: Vec<Unfound<'t>>,
    pub(in crate::probe) attempts: usize,
}

/// An update that found no row, whatever it would have set.
pub(crate) struct Unfound<'t> {
    pub(in crate::probe) is_blind: bool,
    pub(in crate::probe) sql: String,
    pub(in crate::probe) rows: Vec<&'t KnownRow>,
}

/// How many constraints are taken away, one after the other, before a statement is given up.
pub(crate) const MOST_OBSTACLES: usize = 4;

/// A statement, the command it stands for, and what it needs.
#[derive(Clone)]
pub(crate) struct Statement<'s> {
    pub(in crate::probe) command: Command,
    /// Without its WHERE clause.
    pub(in crate::probe) verb: String,
    pub(in crate::probe) sql: String,
    pub(in crate::probe) privilege: Privilege,
    /// Columns the statement names, and how it uses them.
    pub(in crate::probe) named: Vec<(Privilege, &'s str)>,
    /// Columns an update sets, and to what.
    pub(in crate::probe) set: Vec<(&'s str, Option<&'s str>)>,
}

/// What a statement did.
pub(crate) struct Done {
    pub(in crate::probe) rows: Vec<TextRow>,
    pub(in crate::probe) reached: u64,
    /// The constraint that would have stopped it after access control had let it pass.
    pub(in crate::probe) stopped_by: Option<String>,
    /// What [`Prober::look_query`] showed right after it.
    pub(in crate::probe) seen: Option<Vec<TextRow>>,
}

impl<'t, 's, 'a> Prober<'t, 's, 'a> {
    pub(in crate::probe) fn new(
        trial: &'t mut Trial<'s>,
        target: &'t Target<'a>,
        privileges: &'t Privileges,
    ) -> Self {
        let classes = target.by_class(trial.actor());
        let (cells, answers, unfound) = (BTreeMap::new(), HashMap::new(), Vec::new());
        Self { trial, target, privileges, classes, cells, answers, unfound, attempts: 0 }
    }

    pub(in crate::probe) fn probe(&mut self) -> Result<()> {
        if let Some(reason) = self.target.unseeded.clone() {
            self.set_untested(&reason);
            return self.truncate();
        }
        self.set_missing_untested();
        self.read()?;
        self.insert()?;
        self.update()?;
        self.delete()?;
        if self.target.is_moved_in {
            self.give()?;
            self.take()?;
        }
        self.truncate()
    }

    pub(in crate::probe) fn into_cells(self) -> Vec<Cell> {
        let relation = self.target.name();
        let actor = self.trial.actor().name().to_owned();
        let cells = self.cells.into_iter().map(|((command, class), (verdict, evidence))| Cell {
            relation: relation.clone(),
            actor: actor.clone(),
            command,
            class,
            verdict,
            evidence,
        });
        cells.collect()
    }

    /// Without a row there is nothing to try on; the cells say so.
    pub(in crate::probe) fn set_untested(&mut self, reason: &str) {
        let class = if self.target.has_owners { RowClass::Other } else { self.target.nobodys() };
        for command in Command::ALL {
            if command != Command::Truncate {
                let verdict = Verdict::Untested { reason: reason.to_owned() };
                self.cells.insert((command, class), (verdict, None));
            }
        }
    }

    /// Where the rows of some owners could not be seeded, so that the actor finds no other's row,
    /// the cells say so; nothing can have been denied.
    pub(in crate::probe) fn set_missing_untested(&mut self) {
        let is_missing = self.target.has_owners && !self.classes.contains_key(&RowClass::Other);
        let relation = self.target.relation.oid;
        if let (true, Some(reason)) = (is_missing, self.target.world.unseeded.get(&relation)) {
            let reason = reason.clone();
            self.set_untested(&reason);
        }
    }

    /// Runs a statement; gives what it did, or the verdict that its failure means.
    ///
    /// Where a constraint stops it that says nothing about access, the constraint is taken away
    /// and the statement tried again, so that access control answers by itself.
    pub(in crate::probe) fn run(
        &mut self,
        statement: &Statement<'_>,
        of: usize,
    ) -> Result<Result<Done, (Verdict, Box<Refusal>)>> {
        self.run_after("", statement, of)
    }

    /// As [`Self::run`], after statements of our own; where those fail nothing is reached.
    pub(in crate::probe) fn run_after(
        &mut self,
        ours: &str,
        statement: &Statement<'_>,
        of: usize,
    ) -> Result<Result<Done, (Verdict, Box<Refusal>)>> {
        let look = self.is_looked_at(statement).then(|| self.look_query(statement));
        let look = look.as_deref();
        let mut failure = match self.ask(ours, &statement.sql, look)? {
            Some(Answer::Done(rows, reached, seen)) => {
                return Ok(Ok(Done { rows, reached, stopped_by: None, seen }));
            }
            Some(Answer::Refused(failure)) => failure,
            None => {
                let rows = Vec::new();
                return Ok(Ok(Done { rows, reached: 0, stopped_by: None, seen: None }));
            }
        };
        if self.target.is_of_owners(&failure) {
            return Ok(Err((Verdict::Refused, failure)));
        }
        let stopped_by = failure.state().to_owned();
        let mut ours = ours.to_owned();
        for _ in 0..MOST_OBSTACLES {
            if !failure.is_beside_access(statement.privilege, self.target.relation) {
                break;
            }
            self.attempts += 1;
            match self.trial.attempt_without(&failure, &mut ours, &statement.sql, look)? {
                Some(Answer::Done(rows, reached, seen)) => {
                    return Ok(Ok(Done { rows, reached, stopped_by: Some(stopped_by), seen }));
                }
                Some(Answer::Refused(next)) => failure = next,
                None => break,
            }
        }
        Ok(Err((self.verdict(statement, &failure, of), failure)))
    }

    /// Asks the server, unless it is known what it answers.
    pub(in crate::probe) fn ask(
        &mut self,
        ours: &str,
        sql: &str,
        look: Option<&str>,
    ) -> Result<Option<Answer>> {
        let question = look.map(|look| format!("{ours}; {sql}; {look}"));
        if let Some(known) = question.as_ref().and_then(|asked| self.answers.get(asked)) {
            return Ok(Some(known.clone()));
        }
        if let Some(refusal) = &*self.target.too_slow.borrow() {
            return Ok(Some(Answer::Refused(refusal.clone())));
        }
        self.attempts += 1;
        let answer = match ours {
            "" => Some(self.trial.attempt(sql, look)?),
            ours => self.trial.attempt_after(ours, sql, look)?,
        };
        if let Some(Answer::Refused(refusal)) = &answer
            && refusal.sqlstate == QUERY_CANCELED
        {
            *self.target.too_slow.borrow_mut() = Some(refusal.clone());
        }
        // Without a look somebody looks at what it left.
        self.answers.extend(question.zip(answer.clone()));
        Ok(answer)
    }

    pub(in crate::probe) fn verdict(
        &self,
        statement: &Statement<'_>,
        failure: &Refusal,
        of: usize,
    ) -> Verdict {
        let is_view = self.target.relation.is_view();
        failure.verdict(self.privileges, is_view, statement.privilege, &statement.named, of)
    }

    /// Enters a verdict; among several attempts at one cell the most telling stays.
    pub(in crate::probe) fn enter(
        &mut self,
        command: Command,
        class: RowClass,
        verdict: Verdict,
        evidence: Evidence,
    ) {
        let is_heavier = match self.cells.get(&(command, class)) {
            Some((known, _)) => verdict.weight() > known.weight(),
            None => true,
        };
        if is_heavier {
            self.cells.insert((command, class), (verdict, Some(evidence)));
        }
    }

    /// Enters the verdict of a failed statement for one class.
    pub(in crate::probe) fn enter_failure(
        &mut self,
        statement: &Statement<'_>,
        class: RowClass,
        (verdict, failure): &(Verdict, Box<Refusal>),
    ) {
        let row = Some(failure.message.clone());
        let evidence = Evidence { statement: statement.sql.clone(), row };
        self.enter(statement.command, class, verdict.clone(), evidence);
    }

    /// Whether what a statement changed is looked at in the same round trip. A view may raise for who looks.
    pub(in crate::probe) fn is_looked_at(&self, statement: &Statement<'_>) -> bool {
        matches!(statement.privilege, Privilege::Update | Privilege::Delete)
            && self.target.relation.is_table()
    }

    /// A query for all rows there are, each with what tells whether it was written: where rows are
    /// handed over, their owners, since a trigger may put those back; in a table its place; in a view
    /// whether it shows what the statement set.
    pub(in crate::probe) fn look_query(&self, statement: &Statement<'_>) -> String {
        let is_set = |(name, value): &(&str, Option<&str>)| {
            format!("r.{} is not distinct from {}", identifier(name), value_sql(*value))
        };
        let version = match (self.target.relation.is_view(), statement.set.as_slice()) {
            _ if statement.command.is_transfer() => {
                let owners = self.target.owner_columns.iter();
                let owners = owners.map(|name| format!("r.{}::text", identifier(name)));
                owners.collect::<Vec<_>>().join(", ")
            }
            (false, _) => PLACE.to_owned(),
            (true, []) => "null".to_owned(),
            (true, set) => {
                let each: Vec<String> = set.iter().map(is_set).collect();
                format!("case when {} then 'set' end", each.join(" and "))
            }
        };
        format!(
            "select {}, {version} from {} as r",
            self.target.identity.select_list(),
            self.target.relation.sql_name()
        )
    }

    /// Which of the rows that were there are gone or written to, seen as the auditor.
    pub(in crate::probe) fn changed_rows(
        &mut self,
        seen: Option<Vec<TextRow>>,
        statement: &Statement<'_>,
    ) -> Result<Vec<&'t KnownRow>> {
        let seen = match seen {
            Some(seen) => seen,
            None => self.witness(&self.look_query(statement))?,
        };
        let now: BTreeSet<TextRow> = seen.into_iter().collect();
        let is_changed = |row: &&KnownRow| {
            let mut before = row.identity.clone();
            match statement.command.is_transfer() {
                true => before.extend(row.owner_values.iter().cloned()),
                false => before.push(row.place.clone()),
            }
            !now.contains(&before)
        };
        Ok(self.target.rows.iter().filter(is_changed).collect())
    }

    /// Asks, as the auditor, what the last attempt left of the relation.
    pub(in crate::probe) fn witness(&mut self, query: &str) -> Result<Vec<TextRow>> {
        if !self.target.relation.is_view() {
            return self.trial.witness(query);
        }
        let mut rows = Vec::new();
        for claims in &self.target.claims {
            rows.extend(self.trial.witness_for(claims, query)?);
        }
        Ok(rows)
    }
}
