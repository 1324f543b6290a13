//! What opens a row to whoever knows it, such as the token of a shared link: a column that policies compare
//! with a setting of the request. Pure.

use crate::catalog::Catalog;
use crate::catalog::relation::Column;
use crate::names::Oid;
use crate::tenancy::by_policy::Questions;
use crate::tenancy::keys::key_value;

/// A column whose value opens its row to the request that carries it.
#[derive(Debug, Clone)]
pub(crate) struct Bearer {
    pub relation: Oid,
    pub column: Column,
    /// The setting that carries it.
    pub setting: String,
    /// The place in it, where the setting is a document: `["x-share-token"]` of `request.headers`.
    pub place: Vec<String>,
    /// Whose row a visitor knows the value of: that of nobody, a user or a tenant.
    pub of_visitor: &'static str,
    /// Whose row `alice` knows the value of.
    pub of_member: &'static str,
}

/// By what a relation says whose its rows are.
pub(crate) struct OwnerColumns {
    pub columns: Vec<String>,
    pub is_of_users: bool,
}

/// Whose row it is where it is nobody's.
pub(crate) const NOBODY: &str = "nobody";

impl Bearer {
    /// What the row of somebody has in the column; none where no value of the type is known.
    pub(crate) fn value(&self, whose: &str) -> Option<String> {
        key_value(&self.column, &format!("{} of {whose}", self.column.name))
    }
}

/// All of them, each column once; `owners` gives the columns that decide whose a row is.
pub(crate) fn bearers(
    catalog: &Catalog,
    questions: &Questions,
    owners: impl Fn(Oid) -> OwnerColumns,
) -> Vec<Bearer> {
    let mut found: Vec<Bearer> = Vec::new();
    for (oid, name, setting, place) in questions.compared_with_settings() {
        let Some(relation) = catalog.relation(oid) else { continue };
        let Some(column) = relation.column(&name) else { continue };
        let OwnerColumns { columns: owners, is_of_users } = owners(oid);
        let is_known = found.iter().any(|one| one.relation == oid && one.column.name == name);
        if owners.contains(&name) || relation.refers(&name) || column.is_generated || is_known {
            continue;
        }
        let may_be_nobodys =
            owners.iter().all(|name| relation.column(name).is_none_or(|c| !c.not_null));
        let (of_visitor, of_member) = match is_of_users {
            _ if may_be_nobodys => (NOBODY, "alice"),
            true => ("alice", "bob"),
            false => ("A", "B"),
        };
        let column = column.clone();
        found.push(Bearer { relation: oid, column, setting, place, of_visitor, of_member });
    }
    found
}
