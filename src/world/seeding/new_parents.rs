//! Parents that are made for the sake of a row which no parent that is there allows.

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::refusal::Refusal;
use crate::session::open::Session;
use crate::tenancy::keys::key_value;
use crate::tenancy::root::Root;
use crate::world::seeding::repair::is_named;
use crate::world::value::{Branch, Values, World};

/// How many parents deep a row is made for the sake of another.
const DEEPEST: usize = 4;

impl World {
    /// Makes the row that a foreign key needs; tells whether it is there now.
    pub(in crate::world) fn make_parent(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        depth: usize,
    ) -> Result<bool> {
        let Some((foreign_key, fixed)) = self.missing_parent(relation, branch) else {
            return Ok(false);
        };
        let target = foreign_key.target;
        self.make_spare(session, target, branch, fixed, depth)
    }

    /// One more row of a table, for others to refer to.
    pub(in crate::world) fn make_spare(
        &mut self,
        session: &mut Session,
        target: i64,
        branch: &Branch,
        fixed: Values,
        depth: usize,
    ) -> Result<bool> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        let Some(target) = catalog.relation(target) else { return Ok(false) };
        let is_root = |root: &Root| root.relation == target.oid;
        let is_owner =
            is_root(&self.tenancy.users) || self.tenancy.tenant.as_ref().is_some_and(is_root);
        // One whose table is still to come would be made before what it needs itself.
        if is_owner || depth >= DEEPEST || self.coming.contains(&target.oid) {
            return Ok(false);
        }
        let branch = self.branch_in(target, branch);
        // Nobody becomes one of the staff for the sake of another row.
        if self.is_roster(target.oid) && !self.is_listed(target, &branch) {
            return Ok(false);
        }
        let count = self.seeded.get(&target.oid).map_or(0, Vec::len);
        let mut fixed = fixed;
        let key = target.key().unwrap_or_default().iter();
        for name in key.filter(|name| !target.foreign_keys.iter().any(|f| f.columns.contains(name)))
        {
            let column = target.column(name);
            let column =
                column.filter(|c| c.identity.is_empty() && !c.has_default || c.base_type == "uuid");
            let seed = format!("{} spare {count}", self.row_seed(target, &branch));
            if let Some(value) = column.and_then(|column| key_value(column, &seed)) {
                fixed.entry(name.clone()).or_insert(Some(value));
            }
        }
        let made = self.insert(session, target, &branch, &fixed, depth + 1)?;
        Ok(made.is_ok())
    }

    /// A row that is there although nothing was inserted: made by a trigger, or put elsewhere.
    pub(in crate::world) fn find_made(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        planned: &Values,
        said: &[Option<Box<Refusal>>],
    ) -> Result<bool> {
        let mut keys: Vec<Vec<String>> = Vec::new();
        for refusal in said {
            match refusal {
                Some(refusal) if refusal.sqlstate == "23505" => {
                    let constraint =
                        relation.unique_constraints.iter().find(|a| is_named(a, refusal));
                    keys.extend(constraint.filter(|a| a.is_plain).map(|a| a.columns.clone()));
                }
                None => keys.extend(relation.key().map(<[String]>::to_vec)),
                _ => {}
            }
        }
        keys.dedup();
        for key in keys {
            if self.adopt(session, relation, branch, planned, &key)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where a reference must be unique and all rows are taken: one more of those.
    pub(in crate::world) fn insert_below_new_parents(
        &mut self,
        session: &mut Session,
        relation: &Relation,
        branch: &Branch,
        (planned, fixed): (&Values, &Values),
        depth: usize,
    ) -> Result<bool> {
        let owners = self.tenancy.owner_columns(relation.oid);
        for foreign_key in &relation.foreign_keys {
            let is_owner = foreign_key.columns.iter().any(|name| owners.contains(name));
            let own_columns: Vec<&String> =
                foreign_key.columns.iter().filter(|name| !owners.contains(name)).collect();
            if foreign_key.target == relation.oid || own_columns.is_empty() {
                continue;
            }
            let owner_is_further = is_owner && self.is_direct(relation, &foreign_key.columns);
            if owner_is_further {
                continue;
            }
            if foreign_key.columns.iter().any(|name| fixed.contains_key(name)) {
                continue;
            }
            let of_owner: Values = foreign_key
                .columns
                .iter()
                .zip(&foreign_key.target_columns)
                .filter(|(own, _)| owners.contains(own))
                .map(|(own, other)| (other.clone(), planned.get(own).cloned().flatten()))
                .collect();
            let before = self.seeded.get(&foreign_key.target).cloned().unwrap_or_default();
            if !self.make_spare(session, foreign_key.target, branch, of_owner, depth)? {
                continue;
            }
            let rows = self.seeded.get(&foreign_key.target).map_or(&[][..], Vec::as_slice);
            let new = rows.iter().find(|row| !before.iter().any(|old| old.values == row.values));
            let Some(new) = new.map(|row| row.values.clone()) else { continue };
            let pairs = foreign_key.columns.iter().zip(&foreign_key.target_columns);
            let mut values: Values = pairs
                .map(|(own, other)| (own.clone(), new.get(other).cloned().flatten()))
                .collect();
            for (name, value) in fixed {
                values.entry(name.clone()).or_insert(value.clone());
            }
            if self.insert(session, relation, branch, &values, depth + 1)?.is_ok() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether these columns name an owner themselves.
    pub(in crate::world) fn is_direct(&self, relation: &Relation, columns: &[String]) -> bool {
        let ownership = self.tenancy.ownership(relation.oid);
        [&ownership.tenant, &ownership.user]
            .into_iter()
            .flatten()
            .any(|path| path.edges.len() == 1 && path.first_columns() == columns)
    }
}
