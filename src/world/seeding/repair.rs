//! One row by all means: what the database says of an attempt decides which values are tried next.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::{Column, Relation, UniqueConstraint};
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::open::Session;
use crate::sql::quote::identifier;
use crate::sql::statement::has_name;
use crate::tenancy::root::Root;
use crate::world::seeding::attempt::{no_value_mends, what_refused};
use crate::world::seeding::pool::draft::{For, number};
use crate::world::seeding::pool::{is_broad, pool};
use crate::world::seeding::seed::Variant;
use crate::world::seeding::solve::{Candidate, Choice, Condition, Order, Solution, solve};
use crate::world::seeding::values;
use crate::world::value::{Branch, Values, World};

/// How often what the database said leads to another try.
const MOST_ROUNDS: usize = 12;

/// How many rows of another table a reference is tried with.
const MOST_PARENTS: usize = 12;

/// How many rows are tried as long as they meet with something new.
const FEW: usize = 3;

/// How often other values are sought for what must be unique.
const MOST_MIXES: u64 = 3;

/// How many single changes are tried where the database does not say what is wrong.
const MOST_CHANGES: usize = 80;

/// What is known of the refusals of one row.
#[derive(Default)]
pub(crate) struct Search {
    /// Columns that may have to change.
    pub(in crate::world) columns: BTreeSet<String>,
    /// Those that must differ from other rows.
    pub(in crate::world) unlike: BTreeSet<String>,
    /// The same by what keeps them apart.
    pub(in crate::world) unique_constraints: Vec<Vec<String>>,
    /// Those that a trigger or default leaves NULL, and must not.
    pub(in crate::world) filled: BTreeSet<String>,
    /// Those whose value another row decides.
    pub(in crate::world) fixed: BTreeSet<String>,
    /// What refused, each once: the SQLSTATE, the constraint and the column.
    pub(in crate::world) seen: BTreeSet<(String, Option<String>, Option<String>)>,
    /// Whether a check is among it.
    pub(in crate::world) is_checked: bool,
    /// Whether only the checks that refused are looked at, not all of the table.
    pub(in crate::world) is_narrow: bool,
    /// Whether more than the likeliest rows are tried.
    pub(in crate::world) is_wide: bool,
    /// Whether the partitions' bounds are among it.
    pub(in crate::world) is_bound: bool,
    pub(in crate::world) mixes: u64,
}

impl World {
    /// Inserts the first row of a branch, with `fixed` values whatever else is chosen.
    ///
    /// # Errors
    /// Only a lost connection; the inner error is the database's reason.
    pub(crate) fn insert(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        fixed: &Values,
        depth: usize,
    ) -> Result<Result<(), String>> {
        let mut planned = self.planned(relation, branch, fixed);
        for _ in 0..relation.foreign_keys.len() {
            if planned.is_ok() || !self.make_parent(session, relation, branch, depth)? {
                break;
            }
            planned = self.planned(relation, branch, fixed);
        }
        let planned = match planned {
            Ok(planned) => planned,
            Err(reason) => return Ok(Err(reason)),
        };
        let mut said =
            match self.try_rows(session, relation, branch, std::slice::from_ref(&planned))? {
                Ok(_) => return Ok(Ok(())),
                Err(said) => said,
            };
        // What is said in the name of its user is nearer to the point.
        let mut reason = what_refused(&said);
        let mut in_the_way = no_value_mends(&said);
        let fixed_columns = fixed.keys().chain(self.standing_columns(relation)).cloned().collect();
        let mut search = Search { fixed: fixed_columns, ..Search::default() };
        for _ in 0..MOST_ROUNDS {
            let mut is_new = false;
            for refusal in said.iter().flatten() {
                // A row is checked after its partition is found: a check that refused is nearer.
                let is_nearer = !(search.is_checked && refusal.is_of_routing());
                let is_noted = self.note(relation, refusal, &mut search);
                is_new |= is_noted;
                if is_noted && is_nearer {
                    reason = refusal.reason_with_place();
                }
            }
            let is_unique = !search.unlike.is_empty();
            if !is_new {
                if !search.is_wide {
                    search.is_wide = true;
                } else if is_unique && search.mixes < MOST_MIXES {
                    search.mixes += 1;
                } else {
                    break;
                }
            }
            let mut rows = self.alternatives(session, relation, branch, &planned, &search)?;
            if rows.is_empty() && search.is_checked && !search.is_narrow {
                // Another check may be what cannot be met; each by itself says which.
                search.is_narrow = true;
                rows = self.alternatives(session, relation, branch, &planned, &search)?;
            }
            if rows.is_empty() && is_new && is_unique {
                search.mixes += 1;
                continue;
            }
            if rows.is_empty() {
                break;
            }
            if !search.is_wide && !is_unique {
                rows.truncate(FEW);
            }
            let plain: Vec<Values> = rows.iter().map(|(values, _)| values.clone()).collect();
            match self.try_rows(session, relation, branch, &plain)? {
                Ok(at) => {
                    if !is_unique {
                        self.learn(relation, &rows[at].1);
                    }
                    return Ok(Ok(()));
                }
                Err(refusals) => {
                    said = refusals;
                    in_the_way = no_value_mends(&said).or(in_the_way);
                }
            }
        }
        if self.find_made(session, relation, branch, &planned, &said)? {
            return Ok(Ok(()));
        }
        if !search.unlike.is_empty()
            && self.insert_below_new_parents(session, relation, branch, (&planned, fixed), depth)?
        {
            return Ok(Ok(()));
        }
        let changes = self.single_changes(session, relation, branch, (&planned, fixed))?;
        if !changes.is_empty() && self.try_rows(session, relation, branch, &changes)?.is_ok() {
            return Ok(Ok(()));
        }
        // It may be answered well only at the end of the transaction.
        if relation.is_deferrable && !self.is_deferred {
            self.is_deferred = true;
            if self.try_rows(session, relation, branch, &[planned])?.is_ok() {
                return Ok(Ok(()));
            }
            self.is_deferred = false;
        }
        Ok(Err(in_the_way.unwrap_or(reason)))
    }

    pub(in crate::world) fn planned(
        &self,
        relation: &Relation,
        branch: &Branch,
        fixed: &Values,
    ) -> Result<Values, String> {
        let mut planned = self.values(relation, branch, Variant::Full)?;
        planned.extend(fixed.clone());
        Ok(planned)
    }

    /// Takes note of what refused; tells whether that is new.
    pub(in crate::world) fn note(
        &self,
        relation: &Relation,
        refusal: &Refusal,
        search: &mut Search,
    ) -> bool {
        let is_of_it = refusal.table.is_none() || self.is_part_of(refusal, relation);
        if !is_of_it {
            return false;
        }
        let Refusal { sqlstate, constraint, column, .. } = refusal;
        if !search.seen.insert((sqlstate.clone(), constraint.clone(), column.clone())) {
            return false;
        }
        let check = relation.checks.iter().find(|check| Some(&check.name) == constraint.as_ref());
        match (sqlstate.as_str(), check) {
            ("23514", Some(check)) => {
                search.columns.extend(check.columns.clone());
                search.is_checked = true;
            }
            ("23514", None) if relation.bounds.is_some() => search.is_bound = true,
            ("23505" | "23P01", _) => {
                let columns = arbiter_columns(&self.catalog, relation, refusal);
                search.columns.extend(columns.clone());
                search.unlike.extend(columns.clone());
                search.unique_constraints.push(columns);
            }
            ("23502", _) if column.is_some() => {
                search.columns.extend(column.clone());
                search.filled.extend(column.clone());
            }
            ("23503", _) => {
                let of_it = relation.foreign_keys.iter().filter(|f| f.columns.len() == 1);
                search.columns.extend(of_it.flat_map(|f| f.columns.clone()));
            }
            // An expression that raises for some values does not say whose it is.
            (state, _) if state.starts_with("22") => {
                let checked = relation.checks.iter().flat_map(|check| check.columns.clone());
                search.columns.extend(checked);
                let generated = relation.columns.iter().filter(|column| column.is_generated);
                search.columns.extend(generated.map(|column| column.name.clone()));
            }
            _ => return false,
        }
        true
    }

    /// Whether a refusal is of the relation itself, or of a partition of it.
    pub(in crate::world) fn is_part_of(&self, refusal: &Refusal, relation: &Relation) -> bool {
        refusal.is_about(&relation.schema, &relation.name) || relation.bounds.is_some()
    }

    /// Rows that satisfy all that is known, the likeliest first, and what was chosen for each.
    pub(in crate::world) fn alternatives(
        &self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        planned: &Values,
        search: &Search,
    ) -> Result<Vec<(Values, Solution)>> {
        let (columns, mut conditions) = closure(relation, search);
        let owners = self.tenancy.owner_columns(relation.oid);
        let owners: Vec<String> =
            owners.into_iter().filter(|name| columns.contains(name)).collect();
        if !owners.is_empty() && *branch != Branch::default() {
            let list: Vec<String> = owners.iter().map(|name| identifier(name)).collect();
            let sql = format!("pg_catalog.num_nonnulls({}) > 0", list.join(", "));
            conditions.push(Condition { sql, columns: owners });
        }
        // What must differ from other rows is varied together.
        let unique_constraints = search.unique_constraints.iter().cloned();
        conditions
            .extend(unique_constraints.map(|columns| Condition { sql: String::new(), columns }));
        let is_generated = |column: &&Column| column.is_generated;
        let choices: Vec<Choice> = relation
            .columns
            .iter()
            .filter(|column| columns.contains(&column.name) && !is_generated(column))
            .map(|column| self.choice(relation, column, branch, planned, search))
            .collect();
        let order = match search.mixes {
            _ if !search.unlike.is_empty() => {
                let seed = self.row_seed(relation, branch);
                Order::Mixed(number(&format!("{seed} {}", search.mixes)) % 1_000_003)
            }
            _ => Order::Likely,
        };
        let solutions = solve(session, relation, choices, &conditions, order)?;
        let rows = solutions.into_iter().map(|solution| {
            let mut values = planned.clone();
            for (column, candidate) in &solution {
                match candidate {
                    Candidate::Current(_) => {}
                    Candidate::Place(_, value) | Candidate::Value(value) => {
                        values.insert(column.clone(), Some(value.clone()));
                    }
                    Candidate::Null => {
                        values.insert(column.clone(), None);
                    }
                }
            }
            (values, solution)
        });
        Ok(rows.collect())
    }

    /// What may come into a column of a row.
    pub(in crate::world) fn choice(
        &self,
        relation: &Relation,
        column: &Column,
        branch: &Branch,
        planned: &Values,
        search: &Search,
    ) -> Choice {
        let name = &column.name;
        let current = planned.get(name).cloned();
        let is_owner = self.tenancy.owner_columns(relation.oid).contains(name);
        let is_root_key = self.is_root_key(relation, name);
        let references: Vec<_> =
            relation.foreign_keys.iter().filter(|f| f.columns.contains(name)).collect();
        let is_unlike = search.unlike.contains(name);
        let is_key = relation.key().is_some_and(|key| key.contains(name));
        let mut candidates = Vec::new();
        // Of what must differ the present value is known to be taken; that of an owner is all.
        let is_fixed = search.fixed.contains(name);
        let is_pinned = is_owner || is_fixed || is_root_key || !column.identity.is_empty();
        let must_be_filled = search.filled.contains(name);
        // What is drawn for each row may meet a condition here and break it there.
        let is_drawn = current.is_none() && column.draws_its_default() && relation.is_checked(name);
        let is_missing = must_be_filled && matches!(current, None | Some(None));
        if !(is_missing || is_drawn) {
            candidates.push(Candidate::Current(current.clone()));
        }
        match references.as_slice() {
            _ if is_root_key || is_fixed || !column.identity.is_empty() => {}
            [] if !is_pinned && (!is_key || is_unlike || relation.is_checked(name)) => {
                let (owner, seed) = (branch.label(), self.row_seed(relation, branch));
                let pool = pool(relation, column, For { owner: &owner, seed: &seed });
                let places = pool.into_iter().enumerate();
                let fits = |(_, value): &(usize, String)| !is_unlike || !is_broad(value);
                let places = places.filter(fits);
                candidates.extend(places.map(|(place, value)| Candidate::Place(place, value)));
                if must_be_filled && let Some(value) = values::plain_value(column, &seed) {
                    candidates.push(Candidate::Value(value));
                }
            }
            [one] if !is_owner && one.columns.len() == 1 => {
                let target = &one.target_columns[0];
                let rows = self.seeded.get(&one.target).map_or(&[][..], Vec::as_slice);
                let keys = rows.iter().filter_map(|row| row.values.get(target).cloned().flatten());
                candidates.extend(keys.rev().take(MOST_PARENTS).map(Candidate::Value));
                if one.target == relation.oid
                    && let Some(own) = planned.get(target).cloned().flatten()
                {
                    candidates.push(Candidate::Value(own));
                }
            }
            _ => {}
        }
        if !column.not_null && !must_be_filled && !is_root_key && !is_fixed {
            candidates.push(Candidate::Null);
        }
        Choice { column: name.clone(), candidates }
    }

    pub(in crate::world) fn is_root_key(&self, relation: &Relation, column: &str) -> bool {
        let is_it = |root: &Root| root.relation == relation.oid && root.column == column;
        is_it(&self.tenancy.users) || self.tenancy.tenant.as_ref().is_some_and(is_it)
    }

    /// Remembers which places did.
    pub(in crate::world) fn learn(&mut self, relation: &Relation, solution: &Solution) {
        for (column, candidate) in solution {
            if let Candidate::Place(place, _) = candidate {
                self.learned.insert((relation.oid, column.clone()), *place);
            }
        }
    }

    /// Rows that differ from the planned one in one thing, for triggers that do not say what they want.
    pub(in crate::world) fn single_changes(
        &self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        (planned, fixed): (&Values, &Values),
    ) -> Result<Vec<Values>> {
        let owners = self.tenancy.owner_columns(relation.oid);
        let is_free = |name: &String| {
            !owners.contains(name)
                && !fixed.contains_key(name)
                && !self.is_root_key(relation, name)
                && !relation.key().is_some_and(|key| key.contains(name))
        };
        let has_default = |name: &String| relation.column(name).is_some_and(|c| c.has_default);
        let may_be_null = |name: &String| relation.column(name).is_some_and(|c| !c.not_null);
        let mut default = planned.clone();
        default.retain(|name, _| !(is_free(name) && has_default(name)));
        let mut bare = planned.clone();
        for (name, value) in &mut bare {
            if is_free(name) && may_be_null(name) {
                *value = None;
            }
        }
        let mut least = planned.clone();
        least.retain(|name, _| !(is_free(name) && (has_default(name) || may_be_null(name))));
        let mut rows = vec![default, bare, least];
        let search = Search::default();
        for column in relation.columns.iter().filter(|c| is_free(&c.name) && !c.is_generated) {
            let choice = self.choice(relation, column, branch, planned, &search);
            let solutions = solve(session, relation, vec![choice], &[], Order::Likely)?;
            for candidate in
                solutions.into_iter().take(12).flatten().map(|(_, candidate)| candidate)
            {
                let value = match candidate {
                    Candidate::Place(_, value) | Candidate::Value(value) => Some(value),
                    Candidate::Null => None,
                    Candidate::Current(_) => continue,
                };
                rows.push(planned.clone());
                if let Some(row) = rows.last_mut() {
                    row.insert(column.name.clone(), value);
                }
            }
        }
        rows.retain(|row| row != planned);
        rows.dedup();
        rows.truncate(MOST_CHANGES);
        Ok(rows)
    }
}

/// The columns that have to be chosen together, and what they must satisfy.
pub(crate) fn closure(relation: &Relation, search: &Search) -> (BTreeSet<String>, Vec<Condition>) {
    let mut columns = search.columns.clone();
    if search.is_checked && !search.is_narrow {
        let conditions = relation.checks.iter().filter(|check| check.expression.is_some());
        columns.extend(conditions.flat_map(|check| check.columns.clone()));
    }
    let all: Vec<&Column> = relation.columns.iter().collect();
    let in_bounds = |bounds: &str| -> Vec<String> {
        let named = all.iter().filter(|column| has_name(bounds, &column.name));
        named.map(|column| column.name.clone()).collect()
    };
    let bounds = relation.bounds.as_deref();
    if let Some(bounds) = bounds.filter(|_| search.is_bound) {
        columns.extend(in_bounds(bounds));
    }
    loop {
        let before = columns.len();
        for check in relation.checks.iter().filter(|check| check.expression.is_some()) {
            if check.columns.iter().any(|name| columns.contains(name)) {
                columns.extend(check.columns.clone());
            }
        }
        for column in &relation.columns {
            if let Some(generation) = &column.generation {
                let sources: Vec<String> = in_bounds(generation);
                let is_touched = columns.contains(&column.name)
                    || sources.iter().any(|name| columns.contains(name))
                        && relation.checks.iter().any(|check| check.columns.contains(&column.name));
                if is_touched {
                    columns.insert(column.name.clone());
                    columns.extend(sources);
                }
            }
        }
        if let Some(bounds) = bounds
            && in_bounds(bounds).iter().any(|name| columns.contains(name))
        {
            columns.extend(in_bounds(bounds));
        }
        if columns.len() == before {
            break;
        }
    }
    // A generated column is chosen by what it is generated from.
    let with_sources = |named: Vec<String>| -> Vec<String> {
        let generations = relation.columns.iter().filter(|column| named.contains(&column.name));
        let generations = generations.filter_map(|column| column.generation.as_deref());
        let sources: Vec<String> = generations.flat_map(in_bounds).collect();
        named.into_iter().chain(sources).collect()
    };
    let mut conditions: Vec<Condition> = relation
        .checks
        .iter()
        .filter(|check| check.columns.iter().any(|name| columns.contains(name)))
        .filter_map(|check| {
            let columns = with_sources(check.columns.clone());
            Some(Condition { sql: check.expression.clone()?, columns })
        })
        .collect();
    if let Some(bounds) = bounds
        && in_bounds(bounds).iter().any(|name| columns.contains(name))
    {
        let columns = with_sources(in_bounds(bounds));
        conditions.push(Condition { sql: bounds.to_owned(), columns });
    }
    (columns, conditions)
}

/// The columns of the constraint or index that refused, which a partition has under another name.
pub(crate) fn arbiter_columns(
    catalog: &Catalog,
    relation: &Relation,
    refusal: &Refusal,
) -> Vec<String> {
    let is_owner = |other: &&Relation| refusal.is_about(&other.schema, &other.name);
    let owner = catalog.relations().find(is_owner).unwrap_or(relation);
    let constraint =
        owner.unique_constraints.iter().find(|constraint| is_named(constraint, refusal));
    constraint.map_or(Vec::new(), |constraint| constraint.columns.clone())
}

pub(crate) fn is_named(constraint: &UniqueConstraint, refusal: &Refusal) -> bool {
    refusal.constraint.as_ref() == Some(&constraint.name)
}
