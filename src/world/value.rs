//! The seeded rows as a value: for every table a row of every owner, so that the absence of access
//! can be seen. Made by `seeding`; what could not be seeded is remembered with the database's own
//! reason, so that its cells are `untested`, never "denied".

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::actor::{Actor, TENANTS};
use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::names::Oid;
use crate::platform::Platform;
use crate::sql::ways::Read;
use crate::tenancy::Tenancy;
use crate::tenancy::root::Root;
use crate::world::owner_names::OwnerNames;

/// Whose row one is meant to be: a tenant's, a user's of a tenant, a user's, or nobody's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Branch {
    pub tenant: Option<String>,
    pub user: Option<String>,
}

impl Branch {
    /// `A/alice`, as tokens carry it.
    pub(crate) fn label(&self) -> String {
        match (&self.tenant, &self.user) {
            (Some(tenant), Some(user)) => format!("{tenant}/{user}"),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (None, None) => "nobody".into(),
        }
    }
}

/// What seeding needs to know, and what it made.
pub(crate) struct World {
    pub catalog: Arc<Catalog>,
    pub tenancy: Tenancy,
    pub platform: Platform,
    pub actors: Vec<Actor>,
    /// The rows made, by relation.
    pub seeded: BTreeMap<Oid, Vec<Seeded>>,
    /// Why a table has no row, by relation.
    pub unseeded: BTreeMap<Oid, String>,
    /// The branches without a row, by relation, and why.
    pub refused: BTreeMap<Oid, Vec<(Branch, String)>>,
    /// What the database said to whoever signed up to be more than others.
    pub(in crate::world) refused_at_sign_up: Option<String>,
    /// The places of values in their pools that checks were found to accept, by relation and column.
    pub(in crate::world) learned: BTreeMap<(Oid, String), usize>,
    /// What rows have to be to go a way that policies leave open, by relation.
    pub(in crate::world) solved: BTreeMap<Oid, Vec<Solved>>,
    /// What an update has to set so that a policy lets the new row through, by relation.
    pub(in crate::world) sets: BTreeMap<Oid, Vec<Values>>,
    /// What the queries of policies, and of the functions that they call, read and ask of it.
    pub(in crate::world) reads: Vec<Read>,
    /// Keys that rows refer to before the row that has them is there.
    pub(in crate::world) deferred: BTreeMap<(Oid, Branch), Values>,
    /// Whether a row is there that a constraint would refuse at the end of the transaction only.
    pub(in crate::world) is_deferred: bool,
    /// Tables whose rows are still to come.
    pub(in crate::world) coming: BTreeSet<Oid>,
    pub names: OwnerNames,
}

impl World {
    /// What an update may have to set so that a policy lets the new row through.
    pub(crate) fn sets(&self, relation: Oid) -> &[Values] {
        self.sets.get(&relation).map_or(&[], Vec::as_slice)
    }

    /// The branches that can exist in a relation.
    pub(crate) fn branches(&self, relation: &Relation) -> Vec<Branch> {
        let ownership = self.tenancy.ownership(relation.oid);
        let is_root = |root: &Root| root.relation == relation.oid;
        let mut branches = match (&ownership.tenant, &ownership.user) {
            _ if is_root(&self.tenancy.users) => self.users(),
            (Some(_), _) if self.tenancy.tenant.as_ref().is_some_and(is_root) => tenants(),
            (Some(_), Some(_)) => self.memberships(),
            (Some(_), None) => tenants(),
            (None, Some(_)) => self.users(),
            (None, None) => vec![Branch::default()],
        };
        branches.extend(self.ownerless_branches(relation));
        branches
    }

    /// Rows whose owner columns are NULL, or say that they are nobody's, where they may.
    pub(in crate::world) fn ownerless_branches(&self, relation: &Relation) -> Vec<Branch> {
        let ownership = self.tenancy.ownership(relation.oid);
        let is_nullable = |columns: &[String]| {
            !columns.is_empty()
                && columns.iter().all(|name| {
                    relation.column(name).is_some_and(|column| !column.not_null)
                        || self.tenancy.nobody_in(relation, name).is_some()
                })
        };
        let nullable = |path: &Option<crate::tenancy::path::Path>| {
            path.as_ref().is_some_and(|path| is_nullable(path.first_columns()))
        };
        match (nullable(&ownership.tenant), nullable(&ownership.user)) {
            (true, true) => {
                let alone =
                    if self.tenancy.is_of_one_owner(relation) { self.users() } else { Vec::new() };
                [vec![Branch::default()], tenants(), alone].concat()
            }
            (true, false) if ownership.user.is_some() => self.users_without_tenant(relation),
            (true, _) => vec![Branch::default()],
            (false, true) if ownership.tenant.is_none() => vec![Branch::default()],
            (false, true) => tenants(),
            (false, false) => Vec::new(),
        }
    }

    /// Users of whom a row names no tenant: where there is one row for each, those who have none.
    fn users_without_tenant(&self, relation: &Relation) -> Vec<Branch> {
        let is_one_each = self.is_one_row_per_user(relation);
        let is_free = |actor: &&Actor| {
            actor.has_own_rows()
                && (!is_one_each || (actor.member_of().is_empty() && actor.left().is_none()))
        };
        let free = self.actors.iter().filter(is_free);
        free.map(|actor| Branch { tenant: None, user: Some(actor.name().into()) }).collect()
    }

    /// Whether a key of the relation allows a user one row.
    pub(in crate::world) fn is_one_row_per_user(&self, relation: &Relation) -> bool {
        let column = self.direct_user_column(relation);
        column.is_some_and(|column| relation.keys.iter().any(|key| *key == [column.clone()]))
    }

    /// The user of a branch.
    pub(in crate::world) fn user_of(&self, branch: &Branch) -> Option<&Actor> {
        self.actors.iter().find(|actor| Some(actor.name()) == branch.user.as_deref())
    }

    pub(crate) fn users(&self) -> Vec<Branch> {
        let people = self.actors.iter().filter(|actor| actor.has_own_rows());
        people.map(|actor| Branch { tenant: None, user: Some(actor.name().into()) }).collect()
    }

    /// Everybody's memberships, those that will end included.
    pub(in crate::world) fn memberships(&self) -> Vec<Branch> {
        let people = self.actors.iter().filter(|actor| actor.has_own_rows());
        people
            .flat_map(|actor| {
                let tenants = actor.member_of().iter().map(String::as_str).chain(actor.left());
                tenants.map(|tenant| Branch {
                    tenant: Some(tenant.into()),
                    user: Some(actor.name().into()),
                })
            })
            .collect()
    }

    /// The one column by which a row names its user, and what names somebody there: their id, or their e-mail.
    pub(crate) fn user_value(
        &self,
        relation: &Relation,
        actor: &Actor,
    ) -> Option<(String, String)> {
        let (column, user) = (self.direct_user_column(relation)?, actor.user()?);
        let users = &self.tenancy.users;
        let mut keys = relation.foreign_keys.iter();
        let key =
            keys.find(|key| key.target == users.relation && key.columns == [column.clone()])?;
        let [named] = key.target_columns.as_slice() else { return None };
        let is_theirs =
            |row: &&Seeded| row.values.get(&users.column).and_then(Option::as_deref) == Some(user);
        let value = match *named == users.column {
            true => user.to_owned(),
            false => self
                .seeded
                .get(&users.relation)?
                .iter()
                .find(is_theirs)?
                .values
                .get(named)?
                .clone()?,
        };
        Some((column, value))
    }

    /// The one column by which a row names its user, where it does so itself.
    pub(crate) fn direct_user_column(&self, relation: &Relation) -> Option<String> {
        match self.tenancy.ownership(relation.oid).user.as_ref()?.edges.as_slice() {
            [edge] if edge.target == self.tenancy.users.relation => edge.columns.first().cloned(),
            _ => None,
        }
    }
}

pub(crate) fn tenants() -> Vec<Branch> {
    TENANTS.iter().map(|tenant| Branch { tenant: Some((*tenant).into()), user: None }).collect()
}

/// A row the world holds.
#[derive(Debug, Clone)]
pub(crate) struct Seeded {
    pub branch: Branch,
    /// Every column's value as text, defaults included.
    pub values: Values,
}

/// What rows of a relation have to be, so that they go a way that policies leave open.
pub(crate) struct Solved {
    /// The relation, with what is asked among its checks.
    pub relation: Relation,
    /// What comes into which column.
    pub columns: Vec<(String, Filling)>,
}

/// What comes into a column.
pub(crate) enum Filling {
    Null,
    Text(String),
    /// The value at a place of the column's pool, which is another for each row; this one was tried.
    Place(usize, String),
}

/// Column values as text; `None` is NULL, a column that is absent takes its default.
pub(crate) type Values = BTreeMap<String, Option<String>>;
