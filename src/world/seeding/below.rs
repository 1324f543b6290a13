//! Rows below each of the rows that a policy looks at through a reference: comments of a published post and
//! of one that is not.

use crate::catalog::relation::{ForeignKey, Relation};
use crate::error::Result;
use crate::session::open::Session;
use crate::tenancy::infer::policies_read;
use crate::world::seeding::insert::Planned;
use crate::world::seeding::seed::Variant;
use crate::world::value::{Branch, Seeded, World};

/// Below how many rows of another table each owner has rows.
const MOST_BELOW: usize = 6;

/// Where the numbers of these rows begin, which tell them from the varied ones.
const FIRST: usize = 100;

impl World {
    /// Makes them, where the policies of a relation read what it refers to.
    pub(in crate::world) fn seed_below(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<()> {
        if !relation.is_table() || self.is_platform_table(relation) || self.is_of_owners(relation) {
            return Ok(());
        }
        let branches = self.seeded_branches(relation);
        let mut planned = Vec::new();
        for key in &relation.foreign_keys {
            let target = self.catalog.relation(key.target);
            let compared = &self.tenancy.compared;
            let is_compared =
                key.columns.iter().any(|name| compared.contains(&(relation.oid, name.clone())));
            let is_read = |target: &&Relation| {
                target.oid != relation.oid
                    && !self.is_platform_table(target)
                    && (is_compared || policies_read(&self.catalog, relation, target))
            };
            if target.filter(is_read).is_none() {
                continue;
            }
            for branch in &branches {
                planned.extend(self.planned_below(relation, key, branch));
            }
        }
        if planned.is_empty() {
            return Ok(());
        }
        self.store(session, relation, planned).map(drop)
    }

    /// The branches of which a relation has rows.
    pub(in crate::world) fn seeded_branches(&self, relation: &Relation) -> Vec<Branch> {
        let seeded = self.seeded.get(&relation.oid).map_or(&[][..], Vec::as_slice);
        let mut branches: Vec<Branch> = Vec::new();
        for row in seeded {
            if !branches.contains(&row.branch) {
                branches.push(row.branch.clone());
            }
        }
        branches
    }

    fn planned_below(
        &self,
        relation: &Relation,
        key: &ForeignKey,
        branch: &Branch,
    ) -> Vec<Planned> {
        let owners = self.tenancy.ownership(key.target);
        let is_of_it = |row: &&Seeded| {
            let Branch { tenant, user } = &row.branch;
            (owners.tenant.is_none() || *tenant == branch.tenant)
                && (owners.user.is_none() || *user == branch.user)
        };
        let rows = self.seeded.get(&key.target).map_or(&[][..], Vec::as_slice);
        // The others refer to the first.
        let others = rows.iter().filter(is_of_it).skip(1).take(MOST_BELOW);
        let planned = others.enumerate().filter_map(|(at, row)| {
            let variant = Variant::Varied(FIRST + at);
            let mut values = self.values(relation, branch, variant).ok()?;
            for (column, target) in key.columns.iter().zip(&key.target_columns) {
                values.insert(column.clone(), row.values.get(target).cloned().flatten());
            }
            Some(Planned { branch: branch.clone(), variant, values })
        });
        planned.collect()
    }
}
