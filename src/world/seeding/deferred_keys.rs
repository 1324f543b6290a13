//! Rows that refer to each other: keys are decided before the row that has them is there, and kept
//! when it comes.

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::world::seeding::attempt::{Attempt, Outcome, SEED, try_all, try_until};
use crate::world::seeding::insert::{by_column, condition, set_constraint, whole_row};
use crate::world::seeding::parents::is_nullable;
use crate::world::seeding::seed::{Variant, value_sql};
use crate::world::value::{Branch, Seeded, Values, World};

impl World {
    /// Notes which keys the rows of tables that come later must have, since rows of this one refer
    /// to them and may do so before they are there.
    pub(in crate::world) fn note_deferred_keys(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branches: &[Branch],
    ) -> Result<()> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        for foreign_key in &relation.foreign_keys {
            let name = relation.deferrable_references.get(&foreign_key.columns);
            let is_deferred = name.is_some()
                && !is_nullable(relation, foreign_key)
                && foreign_key.target != relation.oid
                && self.coming.contains(&foreign_key.target);
            let Some(target) = catalog.relation(foreign_key.target).filter(|_| is_deferred) else {
                continue;
            };
            for branch in branches {
                let branch = self.branch_in(target, branch);
                let key = self.deferred_key(target, &branch, &foreign_key.target_columns);
                self.deferred.entry((target.oid, branch)).or_default().extend(key);
            }
            // It alone waits; what else may wait is answered at once.
            if let Some(name) = name {
                let sql = set_constraint(relation, name, "deferred");
                session.run(&sql).map_err(failing(SEED))?;
            }
        }
        Ok(())
    }

    /// Takes back rows that refer to rows of this table which could not be made.
    pub(crate) fn keep_deferred_keys(
        &mut self,
        session: &mut Session,
        target: &Relation,
    ) -> Result<()> {
        let before = self.deferred.len();
        self.deferred.retain(|(oid, _), _| *oid != target.oid);
        if self.deferred.len() == before {
            return Ok(());
        }
        let catalog = std::sync::Arc::clone(&self.catalog);
        for relation in catalog.relations() {
            for foreign_key in relation.foreign_keys.iter().filter(|f| f.target == target.oid) {
                let Some(name) = relation.deferrable_references.get(&foreign_key.columns) else {
                    continue;
                };
                let there = self.seeded.get(&target.oid).cloned().unwrap_or_default();
                let is_there = |row: &Seeded| {
                    let pairs = || foreign_key.columns.iter().zip(&foreign_key.target_columns);
                    there.iter().any(|parent| {
                        pairs().all(|(own, other)| row.values.get(own) == parent.values.get(other))
                    })
                };
                let is_empty = |row: &Seeded| {
                    let value = |name| row.values.get(name).is_none_or(Option::is_none);
                    foreign_key.columns.iter().any(value)
                };
                let Some(rows) = self.seeded.get_mut(&relation.oid) else { continue };
                let kept = |row: &Seeded| is_empty(row) || is_there(row);
                let (kept, broken): (Vec<Seeded>, Vec<Seeded>) =
                    std::mem::take(rows).into_iter().partition(kept);
                *rows = kept;
                let mut attempts = Vec::new();
                for row in broken {
                    let columns: Vec<String> = foreign_key.columns.clone();
                    let statement = format!(
                        "delete from {} where {} returning pg_catalog.to_json(array['']::text[])",
                        relation.sql_name(),
                        condition(&columns, &row.values)
                    );
                    attempts.push(Attempt { statement, ..Attempt::default() });
                    let label = row.branch.label();
                    let reason =
                        format!("it refers to {}, which has no row for {label}", target.title());
                    self.unseeded.entry(relation.oid).or_insert(reason.clone());
                    let refused = self.refused.entry(relation.oid).or_default();
                    if !refused.iter().any(|(branch, _)| *branch == row.branch) {
                        refused.push((row.branch, reason));
                    }
                }
                // Answered from here on; where that fails it goes on waiting.
                attempts.push(Attempt {
                    before: set_constraint(relation, name, "immediate"),
                    statement: "select pg_catalog.to_json(array['']::text[])".into(),
                    after: String::new(),
                });
                try_all(session, &attempts)?;
            }
        }
        Ok(())
    }

    /// Sets the references that had to wait until what they refer to was there.
    pub(crate) fn close_cycles(
        &mut self,
        session: &mut Session,
        tables: &[&Relation],
    ) -> Result<()> {
        for relation in tables {
            for foreign_key in relation.foreign_keys.iter().filter(|f| is_nullable(relation, f)) {
                if !self.came_later(tables, relation, foreign_key.target) {
                    continue;
                }
                let Some(key) = relation.key().map(<[String]>::to_vec) else { continue };
                let mut attempts = Vec::new();
                let mut places = Vec::new();
                let rows = self.seeded.get(&relation.oid).map_or(&[][..], Vec::as_slice);
                let mut branches: Vec<&Branch> = Vec::new();
                for (place, row) in rows.iter().enumerate() {
                    let is_empty = |name: &String| row.values.get(name).is_none_or(Option::is_none);
                    // The bare ones stay empty.
                    if branches.contains(&&row.branch) || !foreign_key.columns.iter().any(is_empty)
                    {
                        continue;
                    }
                    branches.push(&row.branch);
                    let mut values = row.values.clone();
                    values.retain(|_, value| value.is_some());
                    let set = self.set_reference(
                        relation,
                        foreign_key,
                        &row.branch,
                        Variant::Full,
                        true,
                        &mut values,
                    );
                    let set_list: Vec<String> = foreign_key
                        .columns
                        .iter()
                        .filter(|name| is_empty(name))
                        .map(|name| {
                            let value = values.get(name).and_then(Option::as_deref);
                            format!("{} = {}", identifier(name), value_sql(value))
                        })
                        .collect();
                    if set.is_err() {
                        continue;
                    }
                    let statement = format!(
                        "update {} set {} where {} returning {}",
                        relation.sql_name(),
                        set_list.join(", "),
                        condition(&key, &row.values),
                        whole_row(relation)
                    );
                    attempts.push(Attempt { statement, ..Attempt::default() });
                    places.push(place);
                }
                let outcomes = try_all(session, &attempts)?;
                for (place, outcome) in places.into_iter().zip(outcomes) {
                    if let (Outcome::Stored(stored), Some(rows)) =
                        (outcome, self.seeded.get_mut(&relation.oid))
                    {
                        rows[place].values = by_column(relation, stored);
                    }
                }
            }
        }
        Ok(())
    }

    pub(in crate::world) fn came_later(
        &self,
        tables: &[&Relation],
        relation: &Relation,
        target: i64,
    ) -> bool {
        let place = |oid: i64| tables.iter().position(|table| table.oid == oid);
        place(target) > place(relation.oid)
    }

    /// Where an owner can have one row only, the one that is there: a trigger may have made it.
    pub(in crate::world) fn adopt_only_row(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
    ) -> Result<bool> {
        let owners = self.tenancy.owner_columns(relation.oid);
        let is_of_owners = |columns: &[String]| columns.iter().all(|name| owners.contains(name));
        let only =
            relation.unique_constraints.iter().find(|a| a.is_plain && is_of_owners(&a.columns));
        let Some(only) = only else { return Ok(false) };
        match self.values(relation, branch, Variant::Full) {
            Ok(planned) => self.adopt(session, relation, branch, &planned, &only.columns),
            Err(_) => Ok(false),
        }
    }

    /// A row that is there already, as a trigger may have made it, with what was planned for it as
    /// far as it takes it.
    pub(crate) fn adopt(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        values: &Values,
        columns: &[String],
    ) -> Result<bool> {
        let is_known = |name: &String| values.get(name).is_some_and(Option::is_some);
        if columns.is_empty() || !columns.iter().all(is_known) {
            return Ok(false);
        }
        let is_that =
            |row: &Seeded| columns.iter().all(|name| row.values.get(name) == values.get(name));
        if self.seeded.get(&relation.oid).is_some_and(|rows| rows.iter().any(is_that)) {
            return Ok(false);
        }
        let condition = condition(columns, values);
        let table = relation.sql_name();
        let owner_columns = self.tenancy.owner_columns(relation.oid);
        // What a trigger has made of somebody is what somebody is.
        let is_said_by_it = |name: &String| self.is_ordinary(relation, branch, name);
        let set = |is_set: &dyn Fn(&String) -> bool| {
            let each = relation
                .columns
                .iter()
                .filter(|column| !columns.contains(&column.name) && column.identity.is_empty())
                .filter_map(|column| Some((&column.name, values.get(&column.name)?)))
                .filter(|(name, value)| value.is_some() && is_set(name) && !is_said_by_it(name))
                .map(|(name, value)| {
                    format!("{} = {}", identifier(name), value_sql(value.as_deref()))
                });
            each.collect::<Vec<String>>().join(", ")
        };
        // A row that is known by an owner, as that of a profile, may be given the others.
        let is_of_owner = columns.iter().all(|name| owner_columns.contains(name));
        let whole = set(&|_| is_of_owner);
        let but_owners = set(&|name| !owner_columns.contains(name));
        let list = whole_row(relation);
        let update = |set: String| {
            (!set.is_empty())
                .then(|| format!("update {table} set {set} where {condition} returning {list}"))
        };
        let read = format!("select {list} from {table} where {condition}");
        let statements = [update(whole), update(but_owners), Some(read)].into_iter().flatten();
        let attempts: Vec<Attempt> =
            statements.map(|statement| Attempt { statement, ..Attempt::default() }).collect();
        for outcome in try_until(session, &attempts)? {
            if let Outcome::Stored(stored) = outcome {
                let row = by_column(relation, stored.clone());
                let is_so = |name: &String| {
                    let wanted = values.get(name).cloned().flatten();
                    wanted.is_none() || row.get(name).cloned().flatten() == wanted
                };
                if is_of_owner && !owner_columns.iter().all(is_so) {
                    return Ok(false);
                }
                self.remember(relation, branch, Variant::Full, stored);
                return Ok(true);
            }
        }
        Ok(false)
    }
}
