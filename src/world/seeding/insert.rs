//! Puts the rows of a table in: all of them in one round trip, and those that the database refuses
//! once more, one by one, with what it said about them.

use crate::actor::Actor;
use crate::catalog::{Column, Relation};
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::impersonation::Impersonation;
use crate::session::open::Session;
use crate::sql::quote::{equals, identifier, qualified};
use crate::world::seeding::attempt::{Attempt, Outcome, SEED, castable, try_all, try_until};
use crate::world::seeding::parents::is_nullable;
use crate::world::seeding::pool::draft::For;
use crate::world::seeding::pool::pool;
use crate::world::seeding::seed::{Variant, insert_statement, seed_of, value_sql};
use crate::world::seeding::values;
use crate::world::value::{Branch, Seeded, Values, World};

/// A row that is planned, and one that is wanted.
struct Planned {
    branch: Branch,
    variant: Variant,
    values: Values,
}

impl World {
    /// Makes the rows of every branch of a relation. The first of a branch must succeed; the others
    /// may be impossible where a key allows one row per owner.
    pub(crate) fn seed_relation(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<()> {
        let branches = self.branches(relation);
        self.make_promises(session, relation, &branches)?;
        // A row that refers to another of its table needs what the first became.
        let is_own_parent = relation.foreign_keys.iter().any(|f| f.target == relation.oid);
        let at_a_time = if is_own_parent { 1 } else { branches.len().max(1) };
        for some in branches.chunks(at_a_time) {
            self.seed_branches(session, relation, some)?;
        }
        Ok(())
    }

    fn seed_branches(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branches: &[Branch],
    ) -> Result<()> {
        let Some(first) = branches.first() else { return Ok(()) };
        let mut there = Vec::new();
        for branch in branches {
            if self.adopt_only_row(session, relation, branch)? {
                there.push(branch);
            }
        }
        if !there.contains(&first) && self.seed_first(session, relation, first)? {
            there.push(first);
        }
        let varied: Vec<Variant> = (0..self.variety(relation)).map(Variant::Varied).collect();
        let mut planned = Vec::new();
        let mut missing = Vec::new();
        for branch in branches {
            let is_done = there.contains(&branch);
            if branch == first && !is_done {
                continue;
            }
            let all = [Variant::Full, Variant::Bare].iter().chain(&varied).copied();
            for variant in all.filter(|variant| !is_done || *variant != Variant::Full) {
                match self.values(relation, branch, variant) {
                    Ok(values) => {
                        let branch = branch.clone();
                        planned.push(Planned { branch, variant, values });
                    }
                    Err(_) if variant == Variant::Full => {
                        missing.push(branch.clone());
                        break;
                    }
                    Err(_) => {}
                }
            }
        }
        for Planned { branch, variant, .. } in self.store(session, relation, planned)? {
            if variant == Variant::Full {
                missing.push(branch);
            }
        }
        for branch in missing {
            self.seed_first(session, relation, &branch)?;
        }
        Ok(())
    }

    /// Stores what can be, and gives back the rest.
    fn store(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        planned: Vec<Planned>,
    ) -> Result<Vec<Planned>> {
        let attempts: Vec<Attempt> =
            planned.iter().map(|row| self.attempt(relation, &row.values, None)).collect();
        let (mut named, mut rest) = (Vec::new(), Vec::new());
        for (row, outcome) in planned.into_iter().zip(try_all(session, &attempts)?) {
            // A default or trigger may ask who writes. What is not needed is not asked for twice
            // where the values themselves are refused.
            let is_again = match &outcome {
                Outcome::Refused(refusal) => {
                    let state = refusal.sqlstate.as_str();
                    row.variant == Variant::Full || !["23505", "23514", "23P01"].contains(&state)
                }
                _ => true,
            };
            match outcome {
                Outcome::Stored(stored) => {
                    self.remember(relation, &row.branch, row.variant, stored);
                }
                _ if is_again && self.somebody_of(&row.branch).is_some() => named.push(row),
                _ => rest.push(row),
            }
        }
        let attempts: Vec<Attempt> = named
            .iter()
            .map(|row| self.attempt(relation, &row.values, self.somebody_of(&row.branch)))
            .collect();
        for (row, outcome) in named.into_iter().zip(try_all(session, &attempts)?) {
            match outcome {
                Outcome::Stored(stored) => {
                    self.remember(relation, &row.branch, row.variant, stored)
                }
                Outcome::Refused(_) | Outcome::Swallowed => rest.push(row),
            }
        }
        Ok(rest)
    }

    /// Makes the first row of a branch, by all means; tells whether it is there.
    pub(crate) fn seed_first(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
    ) -> Result<bool> {
        match self.insert(session, relation, branch, &Values::new(), 0)? {
            Ok(()) => Ok(true),
            Err(reason) => {
                let rows = self.seeded.get(&relation.oid);
                if rows.is_some_and(|rows| rows.iter().any(|row| row.branch == *branch)) {
                    return Ok(true);
                }
                self.unseeded.entry(relation.oid).or_insert(reason.clone());
                let refused = self.refused.entry(relation.oid).or_default();
                refused.push((branch.clone(), reason));
                Ok(false)
            }
        }
    }

    pub(crate) fn remember(
        &mut self,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
        stored: Vec<Option<String>>,
    ) {
        let row = Seeded { branch: branch.clone(), values: by_column(relation, stored) };
        let rows = self.seeded.entry(relation.oid).or_default();
        // Others refer to the first of a branch, and that is the full one.
        let place = rows.iter().position(|known| known.branch == *branch);
        match place.filter(|_| variant == Variant::Full) {
            Some(place) => rows.insert(place, row),
            None => rows.push(row),
        }
    }

    /// An insert that gives the whole row as it is stored, by ourselves or in somebody's name.
    pub(crate) fn attempt(
        &self,
        relation: &Relation,
        values: &Values,
        name: Option<&Actor>,
    ) -> Attempt {
        let statement =
            format!("{} returning {}", insert_statement(relation, values), whole_row(relation));
        // Where nothing else helps, what waits is answered at the end.
        let mut before = match relation.is_deferrable && self.is_waiting {
            true => String::from("set constraints all deferred; "),
            false => String::new(),
        };
        let request = name.map(Actor::impersonation);
        before.extend(request.and_then(Impersonation::claims));
        let after = request.and_then(Impersonation::no_claims).unwrap_or_default();
        Attempt { before, statement, after }
    }

    /// Who would write a row of the branch.
    pub(crate) fn somebody_of(&self, branch: &Branch) -> Option<&Actor> {
        self.actors.iter().find(|actor| match (&branch.user, &branch.tenant) {
            (Some(user), _) => actor.name() == user,
            (None, Some(tenant)) => actor.member_of().contains(tenant),
            (None, None) => false,
        })
    }

    /// Tries rows by ourselves, then in the name of the branch, until one is stored; gives its place
    /// among `rows`, or what the database said to each.
    pub(crate) fn try_rows(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        rows: &[Values],
    ) -> Result<Result<usize, Vec<Option<Box<Refusal>>>>> {
        let mut said = Vec::new();
        let somebody = self.somebody_of(branch);
        let names = std::iter::once(None).chain(somebody.map(Some));
        let attempts: Vec<Attempt> = names
            .flat_map(|name| rows.iter().map(move |values| (values, name)))
            .map(|(values, name)| self.attempt(relation, values, name))
            .collect();
        for (at, outcome) in try_until(session, &attempts)?.into_iter().enumerate() {
            match outcome {
                Outcome::Stored(stored) => {
                    self.remember(relation, branch, Variant::Full, stored);
                    return Ok(Ok(at % rows.len()));
                }
                Outcome::Refused(refusal) => said.push(Some(refusal)),
                Outcome::Swallowed => said.push(None),
            }
        }
        Ok(Err(said))
    }

    /// Finds for each type whose usual value it refuses, such as that of a domain, one it takes.
    pub(crate) fn learn_types(
        &mut self,
        session: &mut Session,
        tables: &[&Relation],
    ) -> Result<()> {
        let of = For { owner: "A/alice", seed: "public.leakproof A/alice full" };
        let is_open = |column: &&Column| !column.is_generated && column.identity.is_empty();
        let mut columns: Vec<(&Relation, &Column)> = Vec::new();
        for relation in tables.iter().filter(|relation| !self.is_platform_table(relation)) {
            columns.extend(relation.columns.iter().filter(is_open).map(|c| (*relation, c)));
        }
        let usual = |column: &Column| {
            values::column_value(column, of.owner, of.seed)
                .or_else(|| values::plain_value(column, of.seed))
        };
        let mut types: Vec<&str> =
            columns.iter().map(|(_, column)| column.type_name.as_str()).collect();
        types.sort_unstable();
        types.dedup();
        let sample = |name: &str| columns.iter().find(|(_, column)| column.type_name == name);
        let asked: Vec<(&str, Vec<String>)> = types
            .iter()
            .map(|name| (*name, sample(name).and_then(|(_, c)| usual(c)).into_iter().collect()))
            .collect();
        let lists: Vec<(&str, &[String])> = asked.iter().map(|(t, v)| (*t, v.as_slice())).collect();
        let fitting = castable(session, &lists)?;
        let odd: Vec<&str> = types
            .iter()
            .zip(fitting)
            .filter(|(_, fits)| fits.is_empty())
            .map(|(t, _)| *t)
            .collect();
        let odd: Vec<(&Relation, &Column)> =
            columns.iter().filter(|(_, c)| odd.contains(&c.type_name.as_str())).copied().collect();
        let pools: Vec<(&str, Vec<String>)> = odd
            .iter()
            .map(|(relation, column)| (column.type_name.as_str(), pool(relation, column, of)))
            .collect();
        let lists: Vec<(&str, &[String])> = pools.iter().map(|(t, v)| (*t, v.as_slice())).collect();
        let fitting = castable(session, &lists)?;
        for ((relation, column), fits) in odd.into_iter().zip(fitting) {
            if let Some(place) = fits.first() {
                self.learned.insert((relation.oid, column.name.clone()), *place);
            }
        }
        Ok(())
    }

    /// Notes which keys the rows of tables that come later must have, since rows of this one refer
    /// to them and may do so before they are there.
    fn make_promises(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branches: &[Branch],
    ) -> Result<()> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        for foreign_key in &relation.foreign_keys {
            let name = relation.waiting_references.get(&foreign_key.columns);
            let is_waiting = name.is_some()
                && !is_nullable(relation, foreign_key)
                && foreign_key.target != relation.oid
                && self.coming.contains(&foreign_key.target);
            let Some(target) = catalog.relation(foreign_key.target).filter(|_| is_waiting) else {
                continue;
            };
            for branch in branches {
                let branch = self.branch_in(target, branch);
                let key = self.promise(target, &branch, &foreign_key.target_columns);
                self.promised.entry((target.oid, branch)).or_default().extend(key);
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
    pub(crate) fn keep_promises(&mut self, session: &mut Session, target: &Relation) -> Result<()> {
        let before = self.promised.len();
        self.promised.retain(|(oid, _), _| *oid != target.oid);
        if self.promised.len() == before {
            return Ok(());
        }
        let catalog = std::sync::Arc::clone(&self.catalog);
        for relation in catalog.relations() {
            for foreign_key in relation.foreign_keys.iter().filter(|f| f.target == target.oid) {
                let Some(name) = relation.waiting_references.get(&foreign_key.columns) else {
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

    fn came_later(&self, tables: &[&Relation], relation: &Relation, target: i64) -> bool {
        let place = |oid: i64| tables.iter().position(|table| table.oid == oid);
        place(target) > place(relation.oid)
    }

    /// Where an owner can have one row only, the one that is there: a trigger may have made it.
    fn adopt_only_row(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
    ) -> Result<bool> {
        let owners = self.tenancy.owner_columns(relation.oid);
        let is_of_owners = |columns: &[String]| columns.iter().all(|name| owners.contains(name));
        let only = relation.arbiters.iter().find(|a| a.is_plain && is_of_owners(&a.columns));
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
        let set: Vec<String> = relation
            .columns
            .iter()
            .filter(|column| !columns.contains(&column.name) && column.identity.is_empty())
            .filter_map(|column| Some((&column.name, values.get(&column.name)?)))
            .filter(|(name, value)| value.is_some() && !owner_columns.contains(name))
            .map(|(name, value)| format!("{} = {}", identifier(name), value_sql(value.as_deref())))
            .collect();
        let list = whole_row(relation);
        let read = format!("select {list} from {table} where {condition}");
        let mut statements = vec![read];
        if !set.is_empty() {
            let set = set.join(", ");
            statements
                .insert(0, format!("update {table} set {set} where {condition} returning {list}"));
        }
        let attempts: Vec<Attempt> = statements
            .into_iter()
            .map(|statement| Attempt { statement, ..Attempt::default() })
            .collect();
        for outcome in try_until(session, &attempts)? {
            if let Outcome::Stored(stored) = outcome {
                self.remember(relation, branch, Variant::Full, stored);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes deferred constraints answer at once from here on: nothing is ever committed, so what
    /// waits for the commit would never stop a probe.
    pub(crate) fn settle(&self, session: &mut Session) -> Result<()> {
        // Where the generated rows break one themselves, they all go on waiting.
        let outcome = session.kept_unless_refused("set constraints all immediate");
        outcome.map(drop).map_err(failing(SEED))
    }

    /// The seed of the next row of a branch.
    pub(crate) fn row_seed(&self, relation: &Relation, branch: &Branch) -> String {
        let rows = self.seeded.get(&relation.oid).map_or(&[][..], Vec::as_slice);
        let seed = seed_of(relation, branch, Variant::Full);
        match rows.iter().filter(|row| row.branch == *branch).count() {
            0 => seed,
            more => format!("{seed} {more}"),
        }
    }

    /// Forgets refusals of branches that got a row later, for the sake of another.
    pub(crate) fn forget_overcome(&mut self) {
        for (oid, refused) in &mut self.refused {
            let rows = self.seeded.get(oid).map_or(&[][..], Vec::as_slice);
            refused.retain(|(branch, _)| !rows.iter().any(|row| row.branch == *branch));
        }
        self.refused.retain(|_, refused| !refused.is_empty());
        self.unseeded.retain(|oid, _| self.refused.contains_key(oid));
    }
}

fn set_constraint(relation: &Relation, name: &str, mode: &str) -> String {
    format!("set constraints {} {mode}", qualified(&relation.schema, name))
}

/// All columns as text, in one value.
pub(crate) fn whole_row(relation: &Relation) -> String {
    let columns: Vec<String> =
        relation.columns.iter().map(|c| format!("{}::text", identifier(&c.name))).collect();
    format!("pg_catalog.to_json(array[{}]::text[])", columns.join(", "))
}

/// The values of a [`whole_row`].
fn by_column(relation: &Relation, stored: Vec<Option<String>>) -> Values {
    relation.columns.iter().map(|column| column.name.clone()).zip(stored).collect()
}

/// The row that has these values in these columns.
fn condition(columns: &[String], values: &Values) -> String {
    let value = |name: &String| values.get(name).and_then(Option::as_deref);
    let each: Vec<String> = columns.iter().map(|name| equals(name, value(name))).collect();
    each.join(" and ")
}
