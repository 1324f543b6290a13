//! Rows in tables that list some people only, such as the staff: of those they list, and of nobody else.

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::names::Oid;
use crate::session::open::Session;
use crate::world::value::{Branch, World};

impl World {
    /// The branches that a relation is to have rows of. What a trigger has made of others stays.
    pub(in crate::world) fn listed_branches(
        &mut self,
        session: &mut Session,
        relation: &Relation,
    ) -> Result<Vec<Branch>> {
        let (listed, others): (Vec<Branch>, Vec<Branch>) = self
            .branches(relation)
            .into_iter()
            .partition(|branch| self.is_listed(relation, branch));
        for branch in &others {
            self.adopt_only_row(session, relation, branch)?;
        }
        Ok(listed)
    }

    /// Whether a branch can have rows of a relation: where these lead to their users by way of such a table,
    /// it must list its user, or a row must be there.
    pub(in crate::world) fn is_listed(&self, relation: &Relation, branch: &Branch) -> bool {
        let Some(user) = self.user_of(branch) else { return true };
        let path = self.tenancy.ownership(relation.oid).user.iter();
        let on_way = path.flat_map(|path| &path.edges).map(|edge| edge.target);
        let mut rosters = on_way.chain([relation.oid]).filter(|oid| self.is_roster(*oid));
        rosters.all(|oid| user.is_listed(oid) || self.has_row_of(oid, branch))
    }

    pub(in crate::world) fn is_roster(&self, relation: Oid) -> bool {
        self.tenancy.rosters.iter().any(|roster| roster.relation == relation)
    }

    fn has_row_of(&self, relation: Oid, branch: &Branch) -> bool {
        let rows = self.seeded.get(&relation).map_or(&[][..], Vec::as_slice);
        rows.iter().any(|row| row.branch.user == branch.user)
    }
}
