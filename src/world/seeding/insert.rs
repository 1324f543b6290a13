//! Puts the rows of a table in: all of them in one round trip, and those that the database refuses
//! once more, one by one, with what it said about them.

use crate::actor::Actor;
use crate::catalog::relation::{Column, Relation};
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::failed::failing;
use crate::session::impersonation::Impersonation;
use crate::session::open::Session;
use crate::sql::quote::{equals, identifier, qualified};
use crate::world::seeding::attempt::{Attempt, Outcome, SEED, castable, try_all, try_until};
use crate::world::seeding::pool::draft::For;
use crate::world::seeding::pool::pool;
use crate::world::seeding::seed::{Variant, insert_statement, seed_of};
use crate::world::seeding::values;
use crate::world::value::{Branch, Seeded, Values, World};

/// A row that is planned, and one that is wanted.
pub(crate) struct Planned {
    pub(in crate::world) branch: Branch,
    pub(in crate::world) variant: Variant,
    pub(in crate::world) values: Values,
}

impl World {
    /// Makes the rows of every branch of a relation. The first of a branch must succeed; the others
    /// may be impossible where a key allows one row per owner.
    pub(crate) fn seed_relation(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<()> {
        let branches = self.listed_branches(session, relation)?;
        self.note_deferred_keys(session, relation, &branches)?;
        // A row that refers to another of its table needs what the first became.
        let is_own_parent = relation.foreign_keys.iter().any(|f| f.target == relation.oid);
        let at_a_time = if is_own_parent { 1 } else { branches.len().max(1) };
        for some in branches.chunks(at_a_time) {
            self.seed_branches(session, relation, some)?;
        }
        Ok(())
    }

    pub(in crate::world) fn seed_branches(
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
        let varied: Vec<Variant> =
            (0..self.variety_of_rows(relation)).map(Variant::Varied).collect();
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
    pub(in crate::world) fn store(
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
                // Of nobody no row need be possible.
                let is_nobodys = *branch == Branch::default();
                if is_nobodys && self.tenancy.is_of_one_owner(relation) {
                    return Ok(false);
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
        let mut before = match relation.is_deferrable && self.is_deferred {
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

pub(crate) fn set_constraint(relation: &Relation, name: &str, mode: &str) -> String {
    format!("set constraints {} {mode}", qualified(&relation.schema, name))
}

/// All columns as text, in one value.
pub(crate) fn whole_row(relation: &Relation) -> String {
    let columns: Vec<String> =
        relation.columns.iter().map(|c| format!("{}::text", identifier(&c.name))).collect();
    format!("pg_catalog.to_json(array[{}]::text[])", columns.join(", "))
}

/// The values of a [`whole_row`].
pub(crate) fn by_column(relation: &Relation, stored: Vec<Option<String>>) -> Values {
    relation.columns.iter().map(|column| column.name.clone()).zip(stored).collect()
}

/// The row that has these values in these columns.
pub(crate) fn condition(columns: &[String], values: &Values) -> String {
    let value = |name: &String| values.get(name).and_then(Option::as_deref);
    let each: Vec<String> = columns.iter().map(|name| equals(name, value(name))).collect();
    each.join(" and ")
}
