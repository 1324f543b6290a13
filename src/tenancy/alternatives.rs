//! Rows that have one owner or another: a check asks for one of several columns. Pure.

use crate::catalog::relation::{Check, ForeignKey, Relation};
use crate::tenancy::path::Path;
use crate::tenancy::root::Root;
use crate::tenancy::{Ownership, Tenancy};

impl Tenancy {
    /// The paths that decide whose a row is where that which does otherwise begins with NULL: a check asks for one
    /// or the other, as of a file that is of a project or of a task.
    pub(super) fn instead_of(&self, relation: &Relation, root: &Root, path: &Path) -> Vec<Path> {
        let is_free = |name: &String| relation.column(name).is_some_and(|column| !column.not_null);
        let columns = path.first_columns();
        let is_instead = |key: &&ForeignKey| {
            let are_together = |check: &Check| {
                [columns, &key.columns].iter().all(|some| {
                    some.iter().all(|name| check.columns.contains(name) && is_free(name))
                })
            };
            let is_other = !key.columns.iter().any(|name| columns.contains(name));
            is_other && relation.checks.iter().any(are_together)
        };
        let mut found: Vec<Path> = Vec::new();
        for key in relation.foreign_keys.iter().filter(is_instead) {
            let Ownership { tenant, user } = self.ownership(key.target);
            let is_users = root.relation == self.users.relation;
            let rest = match if is_users { user } else { tenant } {
                _ if key.target == root.relation => Vec::new(),
                Some(rest) => rest.edges.clone(),
                None => continue,
            };
            let edges: Vec<ForeignKey> = std::iter::once(key.clone()).chain(rest).collect();
            if !found.iter().any(|known| known.first_columns() == key.columns) {
                found.push(Path { edges });
            }
        }
        found
    }

    /// The columns that decide whose a row is, and those that do where these are NULL.
    pub(crate) fn deciding_columns(&self, relation: &Relation) -> Vec<String> {
        let mut columns = self.owner_columns(relation.oid);
        let Ownership { tenant, user } = self.ownership(relation.oid);
        let roots = [self.tenant.as_ref(), Some(&self.users)];
        for (root, path) in roots.into_iter().zip([tenant, user]) {
            let Some((root, path)) = root.zip(path.as_ref()) else { continue };
            let others = self.instead_of(relation, root, path);
            columns.extend(others.iter().flat_map(|path| path.first_columns().to_vec()));
        }
        columns
    }

    /// Whether a check asks for one owner of a row or the other: it is about several columns that decide, and nothing
    /// else.
    pub(crate) fn is_of_one_owner(&self, relation: &Relation) -> bool {
        let mut checks = relation.checks.iter();
        checks.any(|check| check.columns.len() > 1 && self.is_about_owners(relation, check))
    }

    /// Whether a check is about columns that decide whose a row is, and nothing else.
    pub(crate) fn is_about_owners(&self, relation: &Relation, check: &Check) -> bool {
        let deciding = self.deciding_columns(relation);
        !check.columns.is_empty() && check.columns.iter().all(|name| deciding.contains(name))
    }
}
