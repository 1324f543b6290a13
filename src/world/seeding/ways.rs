//! Rows for what policies ask of a row's own columns: for each way in which one lets rows through, a row
//! of each owner that goes this way, the server as solver.

use std::collections::BTreeSet;

use crate::actor::TENANTS;
use crate::catalog::Catalog;
use crate::catalog::policy::Policy;
use crate::catalog::relation::{Check, Relation};
use crate::error::Result;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::sql::ways::{self, Read};
use crate::world::seeding::attempt::{Attempt, Outcome, try_all};
use crate::world::seeding::insert::{Planned, by_column, condition, whole_row};
use crate::world::seeding::repair::Search;
use crate::world::seeding::seed::{Variant, value_sql};
use crate::world::seeding::solve::Candidate;
use crate::world::value::{Branch, Filling, Seeded, Solved, Values, World};

fn text_of(filling: &Filling) -> Option<&str> {
    match filling {
        Filling::Null => None,
        Filling::Text(value) | Filling::Place(_, value) => Some(value),
    }
}

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
        let is_seeded = self.seeded.contains_key(&relation.oid);
        if !relation.is_table() || self.is_platform_table(relation) || !is_seeded {
            return Ok(());
        }
        let is_one_each = self.is_of_owners(relation) || self.is_one_row_per_user(relation);
        let are_members =
            self.tenancy.members.as_ref().is_some_and(|members| members.relation == relation.oid);
        for check in self.checks_of_compared(relation) {
            let mut asked = relation.clone();
            asked.checks.push(check);
            if !is_one_each && !are_members {
                self.solve_way(session, asked)?;
                continue;
            }
            for row in self.seeded.get(&relation.oid).cloned().unwrap_or_default() {
                self.change_row(session, &asked, &row)?;
            }
        }
        let open = untaken(session, relation, self.ways_of_rows(relation))?;
        for (at, checks) in open.into_iter().take(MOST_SOLVED).enumerate() {
            let mut asked = relation.clone();
            asked.checks.extend(checks);
            match is_one_each {
                true => self.change_one(session, &asked, at)?,
                false => self.solve_way(session, asked)?,
            }
        }
        self.open_borne(session, relation)
    }

    /// The policies of a relation that are for somebody beside the service role.
    pub(in crate::world::seeding) fn policies_of_people<'r>(
        &self,
        relation: &'r Relation,
    ) -> impl Iterator<Item = &'r Policy> {
        let people = self.actors.iter().filter(|actor| !actor.is_service());
        let roles: BTreeSet<String> = people.map(|actor| actor.role().to_owned()).collect();
        let policies = relation.policies.iter().map(|policy| &**policy);
        policies.filter(move |policy| roles.iter().any(|role| policy.is_for(role)))
    }

    /// Finds what a row has to be, and makes one of each owner.
    fn solve_way(&mut self, session: &mut Session, asked: Relation) -> Result<()> {
        let branches = self.seeded_branches(&asked);
        let Some(first) = branches.first() else { return Ok(()) };
        let Ok(planned) = self.planned(&asked, first, &Values::new()) else { return Ok(()) };
        let Some(columns) = self.solution(session, &asked, first, &planned)? else {
            return Ok(());
        };
        let plain = asked.clone();
        self.solved.entry(asked.oid).or_default().push(Solved { relation: asked, columns });
        let variant = Variant::Varied(self.telling(&plain) + self.solved_ways(&plain) - 1);
        let rows = branches.into_iter().filter_map(|branch| {
            let values = self.values(&plain, &branch, variant).ok()?;
            Some(Planned { branch, variant, values })
        });
        let rows = rows.collect();
        self.store(session, &plain, rows).map(drop)
    }

    /// Has the rows whose values somebody knows go the ways that ask for these.
    fn open_borne(&mut self, session: &mut Session, relation: &Relation) -> Result<()> {
        let bearers = self.tenancy.bearers.iter().filter(|one| one.relation == relation.oid);
        for bearer in bearers.cloned().collect::<Vec<_>>() {
            let name = &bearer.column.name;
            let conditions = relation.policies.iter().flat_map(|policy| policy.conditions());
            let ways = conditions.flat_map(|condition| condition.ways());
            let ways = ways.filter(|way| way.parts.iter().any(|part| part.names(name)));
            let asked = ways.map(|way| self.checks(relation, &way));
            let asked: Vec<Vec<Check>> = asked.filter(|checks| !checks.is_empty()).collect();
            let mut known: Vec<String> = Vec::new();
            for checks in asked {
                let text: String = checks.iter().map(|check| check.definition.as_str()).collect();
                let whose = match known.len() {
                    _ if known.contains(&text) => continue,
                    0 => bearer.of_visitor,
                    1 => bearer.of_member,
                    _ => break,
                };
                known.push(text);
                let value = bearer.value(whose);
                let rows = self.seeded.get(&relation.oid).map_or(&[][..], Vec::as_slice);
                let row = rows.iter().find(|row| row.values.get(name) == Some(&value)).cloned();
                let mut asked = relation.clone();
                asked.checks.extend(checks);
                if let Some(row) = row {
                    self.change_row(session, &asked, &row)?;
                }
            }
        }
        Ok(())
    }

    /// Changes the row of somebody else than the first of a tenant or user, where each has one row.
    fn change_one(&mut self, session: &mut Session, asked: &Relation, at: usize) -> Result<()> {
        let others = ["outsider", "bob", "both", "amir"];
        let place = |row: &Seeded| match &row.branch {
            // A table that lists some people only has no row of these.
            Branch { user: Some(_), .. } if self.is_roster(asked.oid) => Some(0),
            Branch { user: Some(user), .. } => others.iter().position(|name| name == user),
            Branch { tenant, .. } => (tenant.as_deref() == Some(TENANTS[1])).then_some(0),
        };
        let rows = self.seeded.get(&asked.oid).map_or(&[][..], Vec::as_slice);
        let mut rows: Vec<(usize, Seeded)> =
            rows.iter().filter_map(|row| Some((place(row)?, row.clone()))).collect();
        rows.sort_by_key(|(place, _)| *place);
        match rows.len() {
            0 => Ok(()),
            count => self.change_row(session, asked, &rows[at % count].1),
        }
    }

    /// Changes a row so that it meets what is asked, if it can be.
    fn change_row(&mut self, session: &mut Session, asked: &Relation, row: &Seeded) -> Result<()> {
        let Some(key) = asked.key() else { return Ok(()) };
        let solution = self.solution(session, asked, &row.branch, &row.values)?;
        let Some(columns) = solution.filter(|columns| !columns.is_empty()) else { return Ok(()) };
        let set = columns.iter().map(|(column, filling)| {
            format!("{} = {}", identifier(column), value_sql(text_of(filling)))
        });
        let set: Vec<String> = set.collect();
        let statement = format!(
            "update {} set {} where {} returning {}",
            asked.sql_name(),
            set.join(", "),
            condition(key, &row.values),
            whole_row(asked)
        );
        let attempt = Attempt { statement, ..Attempt::default() };
        if let Some(Outcome::Stored(stored)) = try_all(session, &[attempt])?.into_iter().next() {
            let rows = self.seeded.entry(asked.oid).or_default();
            let known = rows.iter_mut().find(|known| known.values == row.values);
            known.into_iter().for_each(|known| known.values = by_column(asked, stored.clone()));
        }
        Ok(())
    }

    /// Finds what an update has to set where policies ask of the new row what no row is that is found.
    pub(in crate::world) fn find_sets(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<()> {
        let policies = self.policies_of_people(relation).filter(|policy| policy.is_for_update());
        let ways = policies.filter_map(|policy| policy.check.as_ref()).flat_map(|one| one.ways());
        let asked: Vec<Vec<Check>> = ways.map(|way| self.checks(relation, &way)).collect();
        let row = self.seeded.get(&relation.oid).and_then(|rows| rows.first()).cloned();
        let Some(row) = row else { return Ok(()) };
        for checks in asked.into_iter().filter(|checks| !checks.is_empty()).take(MOST_SOLVED) {
            let named: BTreeSet<String> =
                checks.iter().flat_map(|check| check.columns.clone()).collect();
            let mut asked = relation.clone();
            asked.checks.extend(checks);
            let Some(columns) = self.solution(session, &asked, &row.branch, &row.values)? else {
                continue;
            };
            let mut set: Values = named
                .into_iter()
                .map(|name| (name.clone(), row.values.get(&name).cloned().flatten()))
                .collect();
            let changed = columns.iter();
            set.extend(changed.map(|(name, one)| (name.clone(), text_of(one).map(str::to_owned))));
            let sets = self.sets.entry(relation.oid).or_default();
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        Ok(())
    }

    /// What has to come into the columns of a row, so that it meets what is asked.
    fn solution(
        &self,
        session: &mut Session,
        asked: &Relation,
        branch: &Branch,
        planned: &Values,
    ) -> Result<Option<Vec<(String, Filling)>>> {
        let search = Search {
            columns: asked.checks.iter().flat_map(|check| check.columns.clone()).collect(),
            fixed: self.standing_columns(asked).cloned().collect(),
            is_checked: true,
            ..Search::default()
        };
        let solutions = self.alternatives(session, asked, branch, planned, &search)?;
        let first = solutions.into_iter().next();
        Ok(first.map(|(_, solution)| solution.into_iter().filter_map(filling).collect()))
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

/// What the queries in all policies read, and those in the functions that they call.
pub(in crate::world) fn reads_of_policies(catalog: &Catalog) -> Vec<Read> {
    let relations = catalog.relations().filter(|relation| relation.is_table());
    let policies: Vec<&Policy> =
        relations.flat_map(|relation| &relation.policies).map(|policy| &**policy).collect();
    let conditions = policies.iter().flat_map(|policy| policy.conditions());
    let conditions = conditions.map(|condition| format!("select {}", condition.text));
    let called = catalog.routines.reached(policies.iter().flat_map(|policy| policy.trees()));
    let bodies = called.into_iter().filter(|routine| routine.language == "sql");
    let bodies = bodies.map(|routine| routine.text.clone());
    let texts = conditions.chain(bodies).filter(|text| text.to_lowercase().contains("where"));
    let mut reads: Vec<Read> = Vec::new();
    for read in texts.flat_map(|text| ways::reads(&text)) {
        if !reads.contains(&read) {
            reads.push(read);
        }
    }
    reads
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
