//! Read: the whole relation as the actor, each row that comes back traced to its owner.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::probe::Answer;
use crate::probe::privileges::Privilege;
use crate::probe::prober::{Prober, Statement};
use crate::session::outcome::TextRow;
use crate::sql::quote::identifier;
use crate::world::owner_names::RowOwner;
use crate::world::rows::{Identity, KnownRow};

/// What an actor was shown.
#[derive(Default)]
struct Seen<'t> {
    rows: Vec<&'t KnownRow>,
    /// Rows that only their text tells of, by class.
    by_token: BTreeMap<RowClass, usize>,
    /// Rows of whom nothing is known.
    untraced: usize,
}

/// How many rows are asked for one by one after a read of all failed.
const MOST_ALONE: usize = 40;

impl<'t> Prober<'t, '_, '_> {
    pub(crate) fn read(&mut self) -> Result<()> {
        let (list, named) = self.readable_list();
        let sql = format!("select {list} from {} as r", self.target.relation.sql_name());
        let (command, privilege) = (Command::Read, Privilege::Select);
        let verb = sql.clone();
        let statement = Statement { command, verb, sql, privilege, named, set: Vec::new() };
        let of = self.target.rows.len();
        let seen = match self.run(&statement, of)? {
            Ok(done) => {
                let seen = self.trace(&list, done.rows)?;
                self.trace_by_text(seen)?
            }
            Err(failure) => {
                for class in self.classes.keys().copied().collect::<Vec<_>>() {
                    self.enter_failure(&statement, class, &failure);
                }
                if failure.0 != Verdict::NoGrant && !failure.1.is_before_rows() {
                    self.read_alone(&statement)?;
                }
                return Ok(());
            }
        };
        let mut classes = self.classes.clone();
        // Of whom the world knows no row here, but the actor was shown one.
        for class in seen.by_token.keys() {
            classes.entry(*class).or_default();
        }
        for (class, rows) in classes {
            let is_seen =
                |row: &&KnownRow| seen.rows.iter().any(|other| std::ptr::eq(*other, *row));
            let reached: Vec<_> = rows.iter().copied().filter(is_seen).collect();
            let more = seen.by_token.get(&class).copied().unwrap_or(0);
            let verdict = match reached.len() + more {
                0 if seen.untraced > 0 => Verdict::Untested {
                    reason: format!("{} rows could not be traced to an owner", seen.untraced),
                },
                0 => Verdict::Hidden,
                count => {
                    let of = if rows.is_empty() { count } else { rows.len() };
                    Verdict::Allowed { rows: count.min(of), of, stopped_by: None }
                }
            };
            let row = reached.first().map(|row| self.target.describe(row));
            let evidence = Evidence { statement: statement.sql.clone(), row };
            self.enter(Command::Read, class, verdict, evidence);
        }
        Ok(())
    }

    /// Asks for each row by its key after reading all failed: a row that makes a policy fail must
    /// not hide that the next is shown. Enters only what is.
    fn read_alone(&mut self, all: &Statement<'_>) -> Result<()> {
        for (class, rows) in self.classes.clone() {
            if !self.outweighs_failure(class) {
                continue;
            }
            let mut reached = Vec::new();
            for row in rows.iter().copied().rev().take(MOST_ALONE) {
                let Some(condition) = self.target.identity.condition(&[row]) else { break };
                let sql = format!("{} where {condition}", all.sql);
                let alone = Statement { sql, ..all.clone() };
                if let Ok(done) = self.run(&alone, 1)?
                    && !done.rows.is_empty()
                {
                    reached.push((row, alone.sql));
                }
            }
            let Some((row, sql)) = reached.last() else { continue };
            let row = Some(self.target.describe(row));
            let evidence = Evidence { statement: sql.clone(), row };
            let (rows, of) = (reached.len(), rows.len());
            let verdict = Verdict::Allowed { rows, of, stopped_by: None };
            self.enter(Command::Read, class, verdict, evidence);
        }
        Ok(())
    }

    /// The columns that name a row if the actor may select them, else all that it may select.
    fn readable_list(&self) -> (String, Vec<(Privilege, &'t str)>) {
        let target = self.target;
        let is_readable = |name: &str| self.privileges.has_column(Privilege::Select, name);
        let key: Vec<&str> = match &target.identity {
            Identity::Key(key) => key.iter().map(String::as_str).collect(),
            Identity::Place | Identity::Text => {
                target.relation.columns.iter().map(|column| column.name.as_str()).collect()
            }
        };
        let readable: Vec<&str> = target
            .relation
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .filter(|name| is_readable(name))
            .collect();
        if readable.is_empty() || key.iter().all(|name| is_readable(name)) {
            let named = key.iter().map(|name| (Privilege::Select, *name)).collect();
            return (target.identity.select_list(), named);
        }
        let list: Vec<_> =
            readable.iter().map(|name| format!("r.{}::text", identifier(name))).collect();
        (list.join(", "), Vec::new())
    }

    /// The known rows behind what came back.
    ///
    /// Where the actor may not select what names a row, the same is asked once more with that
    /// granted by ourselves; if that shows another number of rows, those that look the same stand
    /// for one another.
    ///
    /// A row that looks like none of them (a view may show each actor another text) is traced by
    /// the owner's token or key in it.
    fn trace(&mut self, list: &str, rows: Vec<TextRow>) -> Result<Seen<'t>> {
        let target = self.target;
        let mut known: BTreeMap<TextRow, Vec<&'t KnownRow>> = BTreeMap::new();
        if list == target.identity.select_list() {
            for row in &target.rows {
                known.entry(row.identity.clone()).or_default().push(row);
            }
        } else if let Some(rows) = self.read_keys(rows.len())? {
            let by_identity: BTreeMap<_, _> =
                target.rows.iter().map(|row| (&row.identity, row)).collect();
            let found = rows.iter().map(|row| by_identity.get(row).copied());
            let untraced = found.clone().filter(Option::is_none).count();
            return Ok(Seen { rows: found.flatten().collect(), untraced, ..Seen::default() });
        } else {
            let by_identity: BTreeMap<_, _> =
                target.rows.iter().map(|row| (&row.identity, row)).collect();
            let query = format!(
                "select {}, {list} from {} as r",
                target.identity.select_list(),
                target.relation.sql_name()
            );
            for mut row in self.witness(&query)? {
                let looks = row.split_off(row.len().min(identity_width(&target.identity)));
                if let Some(found) = by_identity.get(&row) {
                    known.entry(looks).or_default().push(found);
                }
            }
        }
        let mut seen = Seen::default();
        for row in rows {
            if let Some(found) = known.get_mut(&row).and_then(Vec::pop) {
                seen.rows.push(found);
                continue;
            }
            let text = row.into_iter().flatten().collect::<Vec<_>>().join(" ");
            let owner = target.names.owner_in(&text);
            if owner == RowOwner::default() {
                seen.untraced += 1;
            } else {
                let class = target.class(self.trial.actor(), &owner);
                *seen.by_token.entry(class).or_default() += 1;
            }
        }
        Ok(seen)
    }

    /// Traces rows of a view whose key is not what it was, by the tokens in them.
    fn trace_by_text(&mut self, mut seen: Seen<'t>) -> Result<Seen<'t>> {
        let target = self.target;
        if seen.untraced == 0 || !target.relation.is_view() || target.identity == Identity::Text {
            return Ok(seen);
        }
        let sql = format!("select r::text from {} as r", target.relation.sql_name());
        let Answer::Done(rows, ..) = self.trial.attempt(&sql, None)? else { return Ok(seen) };
        seen.untraced = 0;
        for text in rows.into_iter().flatten().flatten() {
            let owner = target.names.owner_in(&text);
            if owner == RowOwner::default() {
                seen.untraced += 1;
            } else {
                let class = target.class(self.trial.actor(), &owner);
                *seen.by_token.entry(class).or_default() += 1;
            }
        }
        Ok(seen)
    }

    /// The identities of what the actor sees, read with a grant of ours; `None` unless there are
    /// just as many of them as `shown`.
    fn read_keys(&mut self, shown: usize) -> Result<Option<Vec<TextRow>>> {
        let relation = self.target.relation.sql_name();
        let role = identifier(self.trial.actor().role());
        let list = self.target.identity.select_list();
        let answer = self.trial.attempt_after(
            &format!("grant select on {relation} to {role}"),
            &format!("select {list} from {relation} as r"),
            None,
        )?;
        match answer {
            Some(Answer::Done(rows, ..)) if rows.len() == shown => Ok(Some(rows)),
            _ => Ok(None),
        }
    }
}

fn identity_width(identity: &Identity) -> usize {
    match identity {
        Identity::Key(key) => key.len(),
        Identity::Place => 2,
        Identity::Text => 1,
    }
}
