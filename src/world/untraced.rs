//! Views that show rows of somebody past the policies, and say of none of them whose it is.

use std::collections::BTreeSet;

use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::names::{Oid, QualifiedName};
use crate::session::open::Session;
use crate::tenancy::Ownership;
use crate::tenancy::unsettled::Unsettled;
use crate::world::rows::{Reading, read_rows};
use crate::world::value::World;

impl World {
    /// Takes such views for unknown: neither a column nor what is in it leads to an owner, though what they
    /// read has some. A view that shows rows only to who is asking is not among them.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn note_untraced_views(
        &mut self,
        session: &mut Session,
        wanted: &[Oid],
    ) -> Result<()> {
        let catalog = self.catalog.clone();
        for view in wanted.iter().filter_map(|oid| catalog.relation(*oid)) {
            let is_known = self.tenancy.unknown.contains_key(&view.oid)
                || self.tenancy.stated.contains(&view.oid)
                || self.has_owner(view.oid);
            if !view.is_view() || view.is_security_invoker || is_known {
                continue;
            }
            let sources = owned_sources(&catalog, view, &|oid| self.has_owner(oid));
            if sources.is_empty() {
                continue;
            }
            let Reading { rows, claims, .. } = read_rows(session, self, view)?;
            let is_traced =
                rows.iter().any(|row| row.owner.tenant.is_some() || row.owner.user.is_some());
            if !rows.is_empty() && !is_traced && claims == [String::new()] {
                let shows = sources.into_iter().collect();
                self.tenancy.unknown.insert(view.oid, Unsettled { shows, ..Unsettled::default() });
            }
        }
        Ok(())
    }

    fn has_owner(&self, relation: Oid) -> bool {
        let Ownership { tenant, user } = self.tenancy.ownership(relation);
        tenant.is_some() || user.is_some()
    }
}

/// The tables that a view reads, also by other views, whose rows have owners.
fn owned_sources(
    catalog: &Catalog,
    view: &Relation,
    has_owner: &impl Fn(Oid) -> bool,
) -> BTreeSet<QualifiedName> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<Oid> = view.reads.iter().copied().collect();
    while let Some(relation) = open.pop().and_then(|oid| catalog.relation(oid)) {
        if !seen.insert(relation.oid) {
            continue;
        }
        if relation.is_table() && has_owner(relation.oid) {
            found.insert(relation.qualified_name());
        }
        open.extend(&relation.reads);
    }
    found
}
