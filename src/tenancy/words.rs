//! Whose rows are, in words: the lines of reports, of the accepted matrix and of `init`.

use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::names::Oid;
use crate::tenancy::path::Path;
use crate::tenancy::root::Root;
use crate::tenancy::{Ownership, Tenancy};

impl Tenancy {
    /// By which columns rows of a relation have owners, in words; none where they have none.
    pub(crate) fn owner_line(&self, catalog: &Catalog, relation: &Relation) -> Option<String> {
        let Ownership { tenant, user } = self.ownership(relation.oid);
        let one_way = |path: &Path| {
            let [first, rest @ ..] = path.edges.as_slice() else { return "its key".to_owned() };
            let through = rest.first().and_then(|_| catalog.relation(first.target));
            let through = through.map(|next| format!(" through {}", next.title()));
            format!("{}{}", first.columns.join(", "), through.unwrap_or_default())
        };
        let way = |root: &Root, path: &Path| {
            let others = self.instead_of(relation, root, path);
            let all: Vec<String> = std::iter::once(path).chain(&others).map(one_way).collect();
            all.join(" or ")
        };
        let tenant_way = self.tenant.as_ref().zip(tenant.as_ref());
        let tenant_way = tenant_way.map(|(root, path)| way(root, path));
        let user_way = user.as_ref().map(|path| way(&self.users, path));
        let owners = match (tenant_way, user_way) {
            (None, None) if self.homes.contains_key(&relation.oid) => "tenant by its schema".into(),
            (None, None) => return None,
            (Some(tenant), None) => format!("tenant by {tenant}"),
            (None, Some(user)) => format!("user by {user}"),
            (Some(tenant), Some(user)) if tenant == user => format!("tenant and user by {user}"),
            (Some(tenant), Some(user)) => format!("tenant by {tenant}; user by {user}"),
        };
        let others = self.other_references(relation);
        Some(match others.is_empty() {
            true => owners,
            false => format!("{owners}; not judged by {}", others.join(", ")),
        })
    }

    /// The columns by which a row names what has owners, too, and that do not decide whose the row is: another user
    /// or tenant, or a row of one's.
    fn other_references(&self, relation: &Relation) -> Vec<String> {
        let deciding = self.deciding_columns(relation);
        let has_owners = |oid: Oid| {
            let Ownership { tenant, user } = self.ownership(oid);
            let mut roots = std::iter::once(&self.users).chain(&self.tenant);
            tenant.is_some() || user.is_some() || roots.any(|root| root.relation == oid)
        };
        let is_other = |key: &&ForeignKey| {
            has_owners(key.target) && !key.columns.iter().any(|name| deciding.contains(name))
        };
        let mut others: Vec<String> = relation
            .foreign_keys
            .iter()
            .filter(is_other)
            .map(|key| key.columns.join(" + "))
            .collect();
        others.sort();
        others.dedup();
        others
    }

    /// Why the first column of a path leads where it does, in words.
    pub(crate) fn reason(&self, catalog: &Catalog, relation: &Relation, path: &Path) -> String {
        let Some(first) = path.edges.first() else { return "the rows are owners".into() };
        let key = (relation.oid, first.columns[0].clone());
        if let Some(why) = self.implied.get(&key) {
            return why.clone();
        }
        let titles = path.edges.iter().filter_map(|edge| catalog.relation(edge.target));
        let titles: Vec<String> = titles.map(Relation::title).collect();
        format!("foreign key to {}", titles.join(" and on to "))
    }
}
