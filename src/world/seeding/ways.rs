//! Rows for what policies ask of a row's own columns: for each way in which one lets rows through, a row
//! of each owner that goes this way, the server as solver.

use std::collections::BTreeSet;

use crate::actor::Actor;
use crate::catalog::policy::Way;
use crate::catalog::relation::{Check, Relation};
use crate::error::Result;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::world::seeding::attempt::{Attempt, Outcome, try_all};
use crate::world::seeding::insert::Planned;
use crate::world::seeding::repair::Search;
use crate::world::seeding::seed::Variant;
use crate::world::seeding::solve::Candidate;
use crate::world::value::{Branch, Filling, Solved, Values, World};

fn filling((column, candidate): (String, Candidate)) -> Option<(String, Filling)> {
    let filling = match candidate {
        Candidate::Current(_) => return None,
        Candidate::Null => Filling::Null,
        Candidate::Value(value) => Filling::Text(value),
        Candidate::Place(place, value) => Filling::Place(place, value),
    };
    Some((column, filling))
}

/// For how many ways rows are made.
const MOST_SOLVED: usize = 6;

impl World {
    /// Makes rows for the ways that none of the rows goes that are there.
    pub(in crate::world) fn seed_ways(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<()> {
        let ways = self.ways_of_rows(relation);
        let open = untaken(session, relation, ways)?;
        for checks in open.into_iter().take(MOST_SOLVED) {
            let mut asked = relation.clone();
            asked.checks.extend(checks);
            self.solve_way(session, asked)?;
        }
        Ok(())
    }

    /// What each way asks of the row itself, as checks. There is one row of each owner.
    fn ways_of_rows(&self, relation: &Relation) -> Vec<Vec<Check>> {
        if !relation.is_table()
            || self.is_platform_table(relation)
            || self.is_of_owners(relation)
            || !self.seeded.contains_key(&relation.oid)
        {
            return Vec::new();
        }
        let roles: BTreeSet<&str> =
            self.actors.iter().filter(|actor| !actor.is_service()).map(Actor::role).collect();
        let policies = relation.policies.iter();
        let policies = policies.filter(|policy| roles.iter().any(|role| policy.is_for(role)));
        let ways = policies.flat_map(|policy| policy.conditions()).flat_map(|one| one.ways());
        let mut found: Vec<Vec<Check>> = Vec::new();
        for checks in ways.map(|way| self.checks(relation, &way)) {
            let texts = |checks: &[Check]| -> Vec<String> {
                checks.iter().map(|check| check.definition.clone()).collect()
            };
            let is_known = found.iter().any(|known| texts(known) == texts(&checks));
            if !checks.is_empty() && !is_known {
                found.push(checks);
            }
        }
        found
    }

    fn checks(&self, relation: &Relation, way: &Way) -> Vec<Check> {
        let owners = self.tenancy.owner_columns(relation.oid);
        let is_free = |name: &String| {
            relation.column(name).is_some_and(|column| !column.is_generated)
                && !owners.contains(name)
                && !relation.key().is_some_and(|key| key.contains(name))
                && !self.standing_columns(relation).any(|known| known == name)
        };
        let parts = way.parts.iter().filter_map(|part| {
            let columns: Vec<String> = part.own_columns(&relation.name)?.into_iter().collect();
            columns.iter().all(is_free).then(|| Check {
                name: String::new(),
                definition: format!("CHECK ({})", part.text),
                expression: Some(format!("({}) is true", part.text)),
                columns,
            })
        });
        parts.collect()
    }

    /// Finds what a row has to be, and makes one of each owner.
    fn solve_way(&mut self, session: &mut Session, asked: Relation) -> Result<()> {
        let seeded = self.seeded.get(&asked.oid).map_or(&[][..], Vec::as_slice);
        let mut branches: Vec<Branch> = Vec::new();
        for row in seeded {
            if !branches.contains(&row.branch) {
                branches.push(row.branch.clone());
            }
        }
        let Some(first) = branches.first() else { return Ok(()) };
        let Ok(planned) = self.planned(&asked, first, &Values::new()) else { return Ok(()) };
        let search = Search {
            columns: asked.checks.iter().flat_map(|check| check.columns.clone()).collect(),
            fixed: self.standing_columns(&asked).cloned().collect(),
            is_checked: true,
            ..Search::default()
        };
        let solutions = self.alternatives(session, &asked, first, &planned, &search)?;
        let Some((_, solution)) = solutions.into_iter().next() else { return Ok(()) };
        let (oid, plain) = (asked.oid, asked.clone());
        let solved = self.solved.entry(oid).or_default();
        let columns = solution.into_iter().filter_map(filling).collect();
        solved.push(Solved { relation: asked, columns });
        let variant = Variant::Varied(self.telling(&plain) + self.solved_ways(&plain) - 1);
        let rows = branches.into_iter().filter_map(|branch| {
            let values = self.values(&plain, &branch, variant).ok()?;
            Some(Planned { branch, variant, values })
        });
        let rows = rows.collect();
        self.store(session, &plain, rows).map(drop)
    }

    /// For how many ways rows of a relation can be made.
    pub(in crate::world) fn solved_ways(&self, relation: &Relation) -> usize {
        self.solved.get(&relation.oid).map_or(0, Vec::len)
    }

    /// The way that a varied row goes, which come after those with values that matter.
    pub(in crate::world) fn solved_way(
        &self,
        relation: &Relation,
        variant: Variant,
    ) -> Option<&Solved> {
        let at = variant.place()?.checked_sub(self.telling(relation))?;
        self.solved.get(&relation.oid)?.get(at)
    }
}

/// The ways that no row of a relation goes.
fn untaken(
    session: &mut Session,
    relation: &Relation,
    ways: Vec<Vec<Check>>,
) -> Result<Vec<Vec<Check>>> {
    let attempt = |checks: &Vec<Check>| {
        let asked: Vec<&str> =
            checks.iter().filter_map(|check| check.expression.as_deref()).collect();
        let query = format!(
            "select from {} as {} where {}",
            relation.sql_name(),
            identifier(&relation.name),
            asked.join(" and ")
        );
        let statement = format!("select pg_catalog.to_json(array[(exists ({query}))::text])");
        Attempt { statement, ..Attempt::default() }
    };
    let attempts: Vec<Attempt> = ways.iter().map(attempt).collect();
    let is_taken = |outcome: Outcome| match outcome {
        Outcome::Stored(answer) => answer.first() == Some(&Some("true".to_owned())),
        // What raises an error for one row may be true of another.
        Outcome::Swallowed | Outcome::Refused(_) => false,
    };
    let outcomes = try_all(session, &attempts)?;
    let open = ways.into_iter().zip(outcomes).filter(|(_, outcome)| !is_taken(outcome.clone()));
    Ok(open.map(|(way, _)| way).collect())
}
