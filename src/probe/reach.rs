//! Which rows a writing statement reaches: tried on all of a class at once, and one by one where
//! that fails.

use crate::error::Result;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::probe::privileges::Privilege;
use crate::probe::prober::{Done, Prober, Statement, Unfound};
use crate::refusal::Refusal;
use crate::world::rows::KnownRow;

/// The SQLSTATE of `raise exception` without one of its own.
const RAISED: &str = "P0001";

/// How many rows of a class are tried alone after a statement over all of them failed.
const MOST_ALONE: usize = 8;

/// Rows a writing statement may reach, and the class under which the outcome is entered.
pub(crate) struct Aim<'t> {
    pub class: RowClass,
    pub rows: Vec<&'t KnownRow>,
}

fn is_among(row: &KnownRow, rows: &[&KnownRow]) -> bool {
    rows.iter().any(|other| std::ptr::eq(*other, row))
}

/// The first of the rows of each owner, at most [`MOST_ALONE`].
fn one_per_owner<'t>(rows: impl Iterator<Item = &'t KnownRow>) -> Vec<&'t KnownRow> {
    let mut firsts: Vec<&'t KnownRow> = Vec::new();
    for row in rows {
        let is_known = firsts.iter().any(|first| first.owner_values == row.owner_values);
        if !is_known && firsts.len() < MOST_ALONE {
            firsts.push(row);
        }
    }
    firsts
}

impl<'t> Prober<'t, '_, '_> {
    /// Runs a writing statement and enters, for each aim, which of its rows were reached.
    ///
    /// Gives false when the privilege is missing, which no row can change.
    pub(crate) fn write(&mut self, statement: &Statement<'_>, aims: &[Aim<'t>]) -> Result<bool> {
        let of = aims.iter().map(|aim| aim.rows.len()).sum();
        let (stopped_by, seen, is_found) = match self.run(statement, of)? {
            Ok(done) => (done.stopped_by, done.seen, done.reached > 0),
            Err(failure) => {
                let failure = self.blame(statement, failure);
                for aim in aims {
                    self.enter_failure(statement, aim.class, &failure);
                }
                if failure.0 == Verdict::NoGrant {
                    return Ok(false);
                }
                if !failure.0.is_allowed() && !failure.1.is_before_rows() {
                    let is_judged = failure.0 == Verdict::Refused && failure.1.is_of_policy();
                    self.write_alone(statement, aims, is_judged)?;
                }
                return Ok(true);
            }
        };
        let changed = self.changed_rows(seen, statement)?;
        if !is_found && changed.is_empty() {
            self.note_unfound(statement, aims);
        }
        for aim in aims {
            self.enter_reached(statement, aim, &changed, stopped_by.clone());
        }
        Ok(true)
    }

    /// Remembers that an update did not find the rows of its aims: then none finds them that differs in
    /// what it sets alone, since nothing asks for that before a row is found.
    fn note_unfound(&mut self, statement: &Statement<'_>, aims: &[Aim<'t>]) {
        let relation = self.target.relation;
        let is_update = statement.privilege == Privilege::Update;
        // Who reads the statement itself can tell one from the other.
        if !is_update
            || !relation.is_table()
            || relation.may_swallow_updates
            || self.target.may_read_statement
        {
            return;
        }
        let is_blind = statement.command.qualified().is_some();
        let rows = aims.iter().flat_map(|aim| &aim.rows).copied().collect();
        self.unfound.push(Unfound { is_blind, sql: statement.sql.clone(), rows });
    }

    /// As [`Self::write`], unless it is known already what an update that sets other values would come
    /// to: where one such went through, or where none finds the rows.
    pub(crate) fn write_unless_settled(
        &mut self,
        statement: &Statement<'_>,
        aim: &Aim<'t>,
    ) -> Result<()> {
        let known = self.cells.get(&(statement.command, aim.class));
        if known.is_some_and(|(verdict, _)| verdict.is_allowed()) {
            return Ok(());
        }
        let is_blind = statement.command.qualified().is_some();
        let is_granted =
            statement.named.iter().all(|(p, name)| self.privileges.has_column(*p, name));
        let is_same = |unfound: &&Unfound<'t>| {
            unfound.is_blind == is_blind && aim.rows.iter().all(|row| is_among(row, &unfound.rows))
        };
        match self.unfound.iter().find(is_same).filter(|_| is_granted) {
            Some(unfound) => {
                let evidence = Evidence { statement: unfound.sql.clone(), row: None };
                self.enter(statement.command, aim.class, Verdict::Hidden, evidence);
                Ok(())
            }
            None => self.write(statement, std::slice::from_ref(aim)).map(drop),
        }
    }

    /// Enters how many rows of an aim are among those that a statement changed.
    fn enter_reached(
        &mut self,
        statement: &Statement<'_>,
        aim: &Aim<'t>,
        changed: &[&'t KnownRow],
        stopped_by: Option<String>,
    ) {
        let reached: Vec<_> = aim.rows.iter().filter(|row| is_among(row, changed)).collect();
        let verdict = match reached.len() {
            0 => Verdict::Hidden,
            rows => Verdict::Allowed { rows, of: aim.rows.len(), stopped_by },
        };
        let row = reached.first().map(|row| self.target.describe(row));
        let evidence = Evidence { statement: statement.sql.clone(), row };
        self.enter(statement.command, aim.class, verdict, evidence);
    }

    /// Tries a statement that failed on each row alone: what one row makes fail must not hide that
    /// the next would have been written. Enters only what goes through.
    ///
    /// Where a policy judged (`is_judged`) rows that it cannot tell apart, one stands for all.
    fn write_alone(
        &mut self,
        statement: &Statement<'_>,
        aims: &[Aim<'t>],
        is_judged: bool,
    ) -> Result<()> {
        let rows: usize = aims.iter().map(|aim| aim.rows.len()).sum();
        let is_blind = statement.command.qualified().is_some();
        // Through a view the rows beside one cannot be taken away; where there is one row only, a
        // statement that names it has had its answer.
        if (is_blind && self.target.relation.is_view()) || (!is_blind && rows < 2) {
            return Ok(());
        }
        let is_alike = is_judged && self.target.judges_by_owner(is_blind);
        for aim in aims {
            let known = self.cells.get(&(statement.command, aim.class));
            let is_broken = known.is_some_and(|(verdict, _)| {
                matches!(verdict, Verdict::Broken { sqlstate } if sqlstate != RAISED)
            });
            if is_broken && !self.outweighs_failure(aim.class) {
                continue;
            }
            let mut reached = Vec::new();
            let mut stopped_by = None;
            // The seeded ones are the last.
            let rows = aim.rows.iter().rev().copied();
            let rows = if is_alike { one_per_owner(rows) } else { rows.take(MOST_ALONE).collect() };
            if !is_blind && is_alike && rows.len() < 2 {
                continue;
            }
            for row in &rows {
                let Some(condition) = self.target.identity.condition(&[*row]) else { continue };
                let (ours, sql) = match is_blind {
                    true => (self.target.leave_only(&condition), statement.verb.clone()),
                    false => (String::new(), format!("{} where {condition}", statement.verb)),
                };
                let alone = Statement { sql, ..statement.clone() };
                let Ok(done) = self.run_after(&ours, &alone, 1)? else { continue };
                if done.reached == 0 {
                    continue;
                }
                let changed = self.changed_rows(done.seen, &alone)?;
                if is_among(row, &changed) {
                    stopped_by = stopped_by.or(done.stopped_by);
                    reached.push((*row, alone.sql));
                }
            }
            let Some((row, sql)) = reached.last() else { continue };
            let row = format!("{}, tried alone", self.target.describe(row));
            let evidence = Evidence { statement: sql.clone(), row: Some(row) };
            let (rows, of) = (reached.len(), aim.rows.len());
            let verdict = Verdict::Allowed { rows, of, stopped_by };
            self.enter(statement.command, aim.class, verdict, evidence);
        }
        Ok(())
    }

    /// Whether reaching a row of the class is worse than the failure of a statement, which it would
    /// hide in the same cell.
    pub(crate) fn outweighs_failure(&self, class: RowClass) -> bool {
        matches!(class, RowClass::Other | RowClass::Null) || self.trial.actor().left().is_some()
    }

    /// A constraint that stops a statement over many rows does not say on whose: that is not known
    /// to be allowed, nor to be denied, for any of them.
    fn blame(
        &self,
        statement: &Statement<'_>,
        (verdict, failure): (Verdict, Box<Refusal>),
    ) -> (Verdict, Box<Refusal>) {
        let is_blind = statement.command.qualified().is_some();
        let by_constraint = failure.state().starts_with("23");
        if is_blind && by_constraint {
            let reason = format!("a constraint stopped it ({})", failure.state());
            return (Verdict::Untested { reason }, failure);
        }
        (verdict, failure)
    }

    /// Writes blind, then `where`, class by class; stops where the privilege is missing, which stands
    /// for all classes alike.
    pub(crate) fn write_each_and_all(
        &mut self,
        [qualified, blind]: [Command; 2],
        privilege: Privilege,
        verb: &str,
        set: &[(&str, Option<&str>)],
    ) -> Result<()> {
        let aims: Vec<Aim<'t>> = self
            .classes
            .iter()
            .map(|(class, rows)| Aim { class: *class, rows: rows.clone() })
            .collect();
        let mut statement = Statement {
            command: blind,
            verb: verb.to_owned(),
            sql: verb.to_owned(),
            privilege,
            named: set.iter().map(|(name, _)| (privilege, *name)).collect(),
            set: set.to_vec(),
        };
        if !self.write(&statement, &aims)? {
            self.copy_denial(blind, qualified);
            return Ok(());
        }
        statement.command = qualified;
        statement.named.extend(self.target.key_columns().map(|name| (Privilege::Select, name)));
        for aim in self.without_hidden(&mut statement, aims)? {
            let Some(condition) = self.target.identity.condition(&aim.rows) else {
                let reason = "its rows have no key to name them by".to_owned();
                self.cells.insert((qualified, aim.class), (Verdict::Untested { reason }, None));
                continue;
            };
            statement.sql = format!("{verb} where {condition}");
            self.write(&statement, &[aim])?;
        }
        Ok(())
    }

    /// Writes on all rows but the actor's own in one statement. Gives the aims that need one of their
    /// own: all but those of which it is known by then that no row is reached. Where one is, that alone
    /// may hide the others, as from a policy that asks a table which the statement changes.
    fn without_hidden(
        &mut self,
        statement: &mut Statement<'_>,
        aims: Vec<Aim<'t>>,
    ) -> Result<Vec<Aim<'t>>> {
        let (mut open, others): (Vec<_>, Vec<_>) =
            aims.into_iter().partition(|aim| aim.class == RowClass::Own);
        let rows: Vec<&'t KnownRow> = others.iter().flat_map(|aim| &aim.rows).copied().collect();
        let condition = self.target.identity.condition(&rows).filter(|_| others.len() > 1);
        let mut is_hidden = false;
        if let Some(condition) = condition {
            statement.sql = format!("{} where {condition}", statement.verb);
            if let Ok(Done { seen, reached, .. }) = self.run(statement, rows.len())? {
                is_hidden = self.changed_rows(seen, statement)?.is_empty();
                if is_hidden && reached == 0 {
                    self.note_unfound(statement, &others);
                }
            }
        }
        if is_hidden {
            others.iter().for_each(|aim| self.enter_reached(statement, aim, &[], None));
        } else {
            open.extend(others);
        }
        Ok(open)
    }

    /// Without the privilege for the blind form there is none for the other.
    fn copy_denial(&mut self, from: Command, to: Command) {
        for class in self.classes.keys() {
            if let Some(denial) = self.cells.get(&(from, *class)).cloned() {
                self.cells.insert((to, *class), denial);
            }
        }
    }
}
