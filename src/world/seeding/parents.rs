//! What the foreign keys of a row point at: rows of the same branch where there are any, itself, or
//! a row that is still to come.

use crate::actor::Actor;
use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::names::Oid;
use crate::tenancy::Ownership;
use crate::tenancy::keys::key_value;
use crate::tenancy::path::Path;
use crate::tenancy::root::Root;
use crate::world::seeding::seed::{self, Variant};
use crate::world::value::{Branch, Seeded, Values, World};

impl World {
    /// Points a foreign key at the row of the same branch, or leaves it NULL.
    pub(crate) fn set_reference(
        &self,
        relation: &Relation,
        foreign_key: &ForeignKey,
        branch: &Branch,
        variant: Variant,
        is_owner: bool,
        values: &mut Values,
    ) -> Result<(), String> {
        let is_nullable = is_nullable(relation, foreign_key);
        let may_be_null = |name: &String| relation.column(name).is_some_and(|c| !c.not_null);
        let is_emptied = variant.is_bare() && foreign_key.columns.iter().all(may_be_null);
        let is_wanted =
            (is_owner || !is_emptied) && !self.is_of_tenant_alone(relation, foreign_key, branch);
        let parent = self.parent(foreign_key, branch, values).filter(|_| is_wanted);
        if let Some(parent) = parent {
            for (own, other) in foreign_key.columns.iter().zip(&foreign_key.target_columns) {
                let value = parent.get(other).cloned().flatten();
                values.entry(own.clone()).or_insert(value);
            }
            return Ok(());
        }
        if is_nullable {
            for own in columns_to_empty(relation, foreign_key) {
                values.entry(own).or_insert(None);
            }
            return Ok(());
        }
        let nobody = |own: &String| Some((own.clone(), self.tenancy.nobody_in(relation, own)?));
        let nobodys: Option<Vec<_>> = foreign_key.columns.iter().map(nobody).collect();
        if let Some(nobodys) = nobodys.filter(|_| is_owner && branch.user.is_none()) {
            for (own, value) in nobodys {
                values.entry(own).or_insert(Some(value));
            }
            return Ok(());
        }
        if foreign_key.target == relation.oid {
            return set_own_row(relation, foreign_key, branch, variant, values);
        }
        if let Some(target) = self.catalog.relation(foreign_key.target) {
            let is_deferred = relation.deferrable_references.contains_key(&foreign_key.columns);
            if is_deferred && self.is_later(target.oid) {
                let branch = self.branch_in(target, branch);
                let deferred = self.deferred_key(target, &branch, &foreign_key.target_columns);
                for (own, other) in foreign_key.columns.iter().zip(&foreign_key.target_columns) {
                    let value = deferred.get(other).cloned().flatten();
                    values.entry(own.clone()).or_insert(value);
                }
                return Ok(());
            }
        }
        let target = self.catalog.relation(foreign_key.target);
        let title = target.map_or("another table".into(), Relation::title);
        let why = self.unseeded.get(&foreign_key.target);
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        Err(format!("it refers to {title}, which has no row for {}{why}", branch.label()))
    }

    /// Whether a reference names the user of a row that is the tenant's alone: of those that may have the one or the
    /// other.
    fn is_of_tenant_alone(
        &self,
        relation: &Relation,
        foreign_key: &ForeignKey,
        branch: &Branch,
    ) -> bool {
        let Ownership { tenant, user } = self.tenancy.ownership(relation.oid);
        let is_open = |path: &Option<Path>| {
            path.as_ref().is_some_and(|path| {
                let columns = path.first_columns();
                let is_free =
                    |name: &String| relation.column(name).is_some_and(|column| !column.not_null);
                !columns.is_empty() && columns.iter().all(is_free)
            })
        };
        let is_of_user =
            user.as_ref().is_some_and(|path| path.first_columns() == foreign_key.columns);
        let is_tenants = branch.user.is_none() && branch.tenant.is_some();
        is_tenants && is_of_user && is_open(user) && is_open(tenant)
    }

    /// The row of a table that a row of `branch` may refer to, as far as what it has already says.
    fn parent(&self, foreign_key: &ForeignKey, branch: &Branch, known: &Values) -> Option<&Values> {
        let rows = self.seeded.get(&foreign_key.target)?;
        let is_root = |root: &Root| root.relation == foreign_key.target;
        let owners = self.tenancy.ownership(foreign_key.target);
        let is_tenant = self.tenancy.tenant.as_ref().is_some_and(is_root);
        let is_user = is_root(&self.tenancy.users);
        let is_same = |row: &&Seeded| {
            let tenant = is_user || owners.tenant.is_none() || row.branch.tenant == branch.tenant;
            let user = is_tenant || owners.user.is_none() || row.branch.user == branch.user;
            tenant && user
        };
        let of_tenant = |row: &&Seeded| {
            branch.user.is_none() && branch.tenant.is_some() && row.branch.tenant == branch.tenant
        };
        // A row of a tenant that names a user names one of its members.
        let member = self.somebody_of(branch).filter(|_| branch.user.is_none()).map(Actor::name);
        let of_member = |row: &&Seeded| member.is_some() && row.branch.user.as_deref() == member;
        let agreeing = || rows.iter().filter(|row| agrees(foreign_key, &row.values, known));
        let found = agreeing().find(is_same).or_else(|| agreeing().find(of_tenant));
        let found = found.or_else(|| agreeing().find(of_member));
        // Who has no row in a table that lists some people only names one of those.
        let any = || agreeing().next().filter(|_| self.is_roster(foreign_key.target));
        found.or_else(any).map(|row| &row.values)
    }

    /// The first foreign key whose parent is missing, and what is known of the parent's columns.
    pub(crate) fn missing_parent<'r>(
        &self,
        relation: &'r Relation,
        branch: &Branch,
    ) -> Option<(&'r ForeignKey, Values)> {
        let mut known = Values::new();
        let owner_columns = self.tenancy.owner_columns(relation.oid);
        for foreign_key in &relation.foreign_keys {
            let is_owner = foreign_key.columns.iter().any(|name| owner_columns.contains(name));
            let variant = Variant::Full;
            let before = known.clone();
            let set =
                self.set_reference(relation, foreign_key, branch, variant, is_owner, &mut known);
            if set.is_err() {
                let pairs = foreign_key.columns.iter().zip(&foreign_key.target_columns);
                let fixed = pairs.filter_map(|(own, other)| {
                    before.get(own).map(|value| (other.clone(), value.clone()))
                });
                return Some((foreign_key, fixed.collect()));
            }
        }
        None
    }

    /// The part of a branch that a relation knows.
    pub(crate) fn branch_in(&self, relation: &Relation, branch: &Branch) -> Branch {
        let ownership = self.tenancy.ownership(relation.oid);
        Branch {
            tenant: branch.tenant.clone().filter(|_| ownership.tenant.is_some()),
            user: branch.user.clone().filter(|_| ownership.user.is_some()),
        }
    }

    /// The key that the first row of a branch will have.
    pub(crate) fn deferred_key(
        &self,
        target: &Relation,
        branch: &Branch,
        columns: &[String],
    ) -> Values {
        let seed = seed::seed_of(target, branch, Variant::Full);
        let mut deferred = Values::new();
        for name in columns {
            let value = target.column(name).and_then(|column| key_value(column, &seed));
            deferred.insert(name.clone(), value);
        }
        for foreign_key in &target.foreign_keys {
            if foreign_key.columns.iter().any(|name| columns.contains(name))
                && let Some(parent) = self.parent(foreign_key, branch, &Values::new())
            {
                for (own, other) in foreign_key.columns.iter().zip(&foreign_key.target_columns) {
                    if columns.contains(own) {
                        deferred.insert(own.clone(), parent.get(other).cloned().flatten());
                    }
                }
            }
        }
        deferred
    }

    fn is_later(&self, target: Oid) -> bool {
        self.coming.contains(&target)
    }
}

/// Whether the parent has what the row has already in the columns of the key.
fn agrees(foreign_key: &ForeignKey, parent: &Values, known: &Values) -> bool {
    foreign_key.columns.iter().zip(&foreign_key.target_columns).all(|(own, other)| {
        let value = parent.get(other).and_then(Option::as_ref);
        value.is_some()
            && known.get(own).and_then(Option::as_ref).is_none_or(|known| Some(known) == value)
    })
}

/// Whether a row can do without: all its columns may be NULL, or one where that is enough.
pub(crate) fn is_nullable(relation: &Relation, foreign_key: &ForeignKey) -> bool {
    let is_free = |name: &String| relation.column(name).is_some_and(|column| !column.not_null);
    match relation.full_references.contains(&foreign_key.columns) {
        true => foreign_key.columns.iter().all(is_free),
        false => foreign_key.columns.iter().any(is_free),
    }
}

/// The columns whose NULL makes a foreign key refer to nothing, those left alone that others decide.
fn columns_to_empty(relation: &Relation, foreign_key: &ForeignKey) -> Vec<String> {
    if relation.full_references.contains(&foreign_key.columns) {
        return foreign_key.columns.clone();
    }
    let is_free = |name: &&String| relation.column(name).is_some_and(|column| !column.not_null);
    let is_shared = |name: &&String| {
        let others = relation.foreign_keys.iter().filter(|f| f.columns != foreign_key.columns);
        others.into_iter().any(|other| other.columns.contains(name))
    };
    let free: Vec<&String> = foreign_key.columns.iter().filter(is_free).collect();
    let alone: Vec<String> =
        free.iter().filter(|name| !is_shared(name)).map(|name| (*name).clone()).collect();
    if alone.is_empty() { free.into_iter().cloned().collect() } else { alone }
}

/// Points the row at itself.
fn set_own_row(
    relation: &Relation,
    foreign_key: &ForeignKey,
    branch: &Branch,
    variant: Variant,
    values: &mut Values,
) -> Result<(), String> {
    let seed = seed::seed_of(relation, branch, variant);
    for (own, other) in foreign_key.columns.iter().zip(&foreign_key.target_columns) {
        let known = values.get(other).cloned().or_else(|| values.get(own).cloned()).flatten();
        let value = match (known, relation.column(other)) {
            (Some(value), _) => value,
            (None, Some(column)) if !column.is_generated => {
                key_value(column, &seed).ok_or_else(|| {
                    format!("no key is known for column `{other}`, which it refers to itself")
                })?
            }
            _ => return Err(format!("column `{other}`, which it refers to itself, is generated")),
        };
        values.insert(other.clone(), Some(value.clone()));
        values.insert(own.clone(), Some(value));
    }
    Ok(())
}

/// Tables with what they refer to in front of them. A cycle is entered where it is met first, but
/// what cannot wait is kept in front: a foreign key that is NULL first, or deferred, can.
pub(crate) fn in_reference_order(catalog: &Catalog, wanted: impl Iterator<Item = Oid>) -> Vec<Oid> {
    let mut order = Order { catalog, seen: Default::default(), done: Vec::new() };
    for oid in wanted {
        order.visit(oid, |_, _| true);
    }
    let mut strict = Order { catalog, seen: Default::default(), done: Vec::new() };
    for oid in order.done {
        strict.visit(oid, |relation, foreign_key| {
            !is_nullable(relation, foreign_key)
                && !relation.deferrable_references.contains_key(&foreign_key.columns)
        });
    }
    strict.done
}

struct Order<'a> {
    catalog: &'a Catalog,
    seen: std::collections::BTreeSet<Oid>,
    done: Vec<Oid>,
}

impl Order<'_> {
    fn visit(&mut self, oid: Oid, follows: fn(&Relation, &ForeignKey) -> bool) {
        let Some(relation) = self.catalog.relation(oid) else { return };
        if !self.seen.insert(oid) {
            return;
        }
        for foreign_key in relation.foreign_keys.iter().filter(|f| follows(relation, f)) {
            self.visit(foreign_key.target, follows);
        }
        if relation.is_table() {
            self.done.push(oid);
        }
    }
}
