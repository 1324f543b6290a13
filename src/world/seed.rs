//! One row: its values from its branch, its parents and the types of its columns.

use std::collections::BTreeMap;

use postgres::Client;

use super::{Branch, World, values};
use crate::actor::Actor;
use crate::catalog::{Column, ForeignKey, Relation};
use crate::error::{Error, Result};
use crate::session;
use crate::statement::{identifier, literal};
use crate::tenancy::Root;

/// A row the world holds.
#[derive(Debug, Clone)]
pub(crate) struct Seeded {
    pub branch: Branch,
    /// Every column's value as text, defaults included.
    pub values: Values,
}

/// Column values as text; `None` is NULL, a column that is absent takes its default.
pub(crate) type Values = BTreeMap<String, Option<String>>;

/// Which row of a branch: what is nullable is filled in one and NULL in the other, and a further one
/// takes each value that a policy or check tells apart, so that a condition on such a column is
/// met by a row. The last two are for probes that insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Full,
    Bare,
    /// With the n-th of the values that matter in each column that has such values.
    Varied(usize),
    Probe,
    /// As [`Self::Probe`], with NULL where a column may be.
    BareProbe,
    /// As [`Self::Probe`], with the n-th of the values that matter.
    VariedProbe(usize),
}

impl Variant {
    fn name(self) -> String {
        match self {
            Self::Full => "full".into(),
            Self::Bare => "bare".into(),
            Self::Varied(at) => format!("varied {at}"),
            Self::Probe | Self::BareProbe | Self::VariedProbe(_) => "probe".into(),
        }
    }

    fn is_bare(self) -> bool {
        matches!(self, Self::Bare | Self::BareProbe)
    }

    fn place(self) -> Option<usize> {
        match self {
            Self::Varied(at) | Self::VariedProbe(at) => Some(at),
            _ => None,
        }
    }
}

/// How many varied rows a branch has at most.
const MOST_VARIED: usize = 6;

/// How many candidates are tried for a row before its table counts as not seedable.
const MOST_TRIES: usize = 60;

impl World {
    /// Makes the rows of a branch. The first must succeed or its table is `unseeded`; the others
    /// may be impossible where a key allows one row per owner.
    pub(super) fn seed_branch(
        &mut self,
        client: &mut Client,
        relation: &Relation,
        branch: &Branch,
    ) -> Result<()> {
        let varied = (0..self.variety(relation)).map(Variant::Varied);
        for variant in [Variant::Full, Variant::Bare].into_iter().chain(varied) {
            match self.insert(client, relation, branch, variant)? {
                Ok(values) => {
                    let row = Seeded { branch: branch.clone(), values };
                    self.seeded.entry(relation.oid).or_default().push(row);
                }
                Err(reason) if variant == Variant::Full => {
                    self.unseeded.entry(relation.oid).or_insert(reason);
                    return Ok(());
                }
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// How many rows it takes until each value that matters has been in one.
    pub(crate) fn variety(&self, relation: &Relation) -> usize {
        let is_root = |root: &Root| root.relation == relation.oid;
        if is_root(&self.tenancy.users) || self.tenancy.tenant.as_ref().is_some_and(is_root) {
            return 0;
        }
        let counts = relation.columns.iter().map(|c| values::telling_values(relation, c).len());
        counts.max().unwrap_or(0).min(MOST_VARIED)
    }

    /// Inserts as ourselves, trying candidates for columns whose check refuses a value. Where that
    /// fails otherwise, once more in the name of the row's user, since a default or trigger may ask
    /// who that is.
    fn insert(
        &mut self,
        client: &mut Client,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
    ) -> Result<Result<Values, String>> {
        let mut tried: BTreeMap<String, usize> = BTreeMap::new();
        let mut in_the_name_of: Option<(String, String)> = None;
        for _ in 0..MOST_TRIES {
            let values = match self.values(relation, branch, variant) {
                Ok(values) => values,
                Err(reason) => return Ok(Err(reason)),
            };
            let all: Vec<String> =
                relation.columns.iter().map(|c| format!("{}::text", identifier(&c.name))).collect();
            let (before, after) = in_the_name_of.clone().unwrap_or_default();
            let sql = format!(
                "savepoint seed; {before}{} returning {}; {after}release savepoint seed",
                insert_statement(relation, &values),
                all.join(", ")
            );
            let failure = match session::rows(client, &sql) {
                Ok(rows) => {
                    let width = relation.columns.len();
                    let row = rows.into_iter().find(|row| row.len() == width).unwrap_or_default();
                    if row.is_empty() {
                        return Ok(Err("a trigger swallowed the row".into()));
                    }
                    let names = relation.columns.iter().map(|column| column.name.clone());
                    return Ok(Ok(names.zip(row).collect()));
                }
                Err(failure) => failure,
            };
            let Some(error) = failure.as_db_error() else {
                return Err(session::internal("seed the world", &failure));
            };
            session::rows(client, "rollback to savepoint seed; release savepoint seed")
                .map_err(|cause| session::internal("seed the world", &cause))?;
            let constraint = error.constraint().unwrap_or_default().to_owned();
            let is_check = error.code().code() == "23514" && variant.place().is_none();
            if is_check && self.learn(relation, &constraint, &mut tried) {
                continue;
            }
            match self.somebody_of(branch) {
                Some(actor) if in_the_name_of.is_none() => {
                    in_the_name_of = Some((actor.claim_sql(), actor.unclaim_sql()));
                }
                _ => return Ok(Err(session::reason(&failure))),
            }
        }
        Ok(Err(format!("no value of {MOST_TRIES} tried satisfies its check constraints")))
    }

    /// Who would write a row of the branch.
    fn somebody_of(&self, branch: &Branch) -> Option<&Actor> {
        self.actors.iter().find(|actor| match (&branch.user, &branch.tenant) {
            (Some(user), _) => actor.name() == user,
            (None, Some(tenant)) => actor.member_of().contains(tenant),
            (None, None) => false,
        })
    }

    /// Takes the next candidate for the columns of a check; false when there is none left.
    fn learn(
        &mut self,
        relation: &Relation,
        constraint: &str,
        tried: &mut BTreeMap<String, usize>,
    ) -> bool {
        let Some(check) = relation.checks.iter().find(|check| check.name == constraint) else {
            return false;
        };
        let at = tried.entry(constraint.to_owned()).or_default();
        let candidates = values::literals(&check.definition);
        let Some(candidate) = candidates.get(*at) else { return false };
        *at += 1;
        for column in &check.columns {
            self.learned.insert((relation.oid, column.clone()), candidate.clone());
        }
        true
    }

    /// The values of a row: owners and parents first, then what the types suggest.
    ///
    /// # Errors
    /// The reason, where a column must have a value and none is known.
    pub(crate) fn values(
        &self,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
    ) -> Result<Values, String> {
        let mut values = Values::new();
        self.set_own_key(relation, branch, variant, &mut values)?;
        let owner_columns = self.tenancy.owner_columns(relation.oid);
        for foreign_key in &relation.foreign_keys {
            let is_owner = foreign_key.columns.iter().any(|name| owner_columns.contains(name));
            self.set_reference(relation, foreign_key, branch, variant, is_owner, &mut values)?;
        }
        for (column, value) in self.fixed_columns(relation, branch) {
            values.insert(column, Some(value));
        }
        for column in &relation.columns {
            if values.contains_key(&column.name)
                || column.is_generated
                || !column.identity.is_empty()
                || (self.is_platform_table(relation) && (!column.not_null || column.has_default))
            {
                continue;
            }
            if let Some(value) = self.value(relation, column, branch, variant)? {
                values.insert(column.name.clone(), value);
            }
        }
        Ok(values)
    }

    /// The owners' tables: the key that the actors and their tokens know. Other tables: a key from
    /// the names of table and branch.
    fn set_own_key(
        &self,
        relation: &Relation,
        branch: &Branch,
        variant: Variant,
        values: &mut Values,
    ) -> Result<(), String> {
        let is_root = |root: &Root| root.relation == relation.oid;
        let root = match &self.tenancy.tenant {
            Some(root) if is_root(root) => Some((root, "tenant", &branch.tenant)),
            _ if is_root(&self.tenancy.users) => Some((&self.tenancy.users, "user", &branch.user)),
            _ => None,
        };
        if let Some((root, what, Some(name))) = root {
            let name = match variant {
                Variant::Full => name.clone(),
                // There is one tenant A; others of the table belong to nobody in the world.
                Variant::Bare | Variant::Varied(_) => return Err("an owner has one row".into()),
                _ => format!("{name} probe"),
            };
            let key = values::owner_key(&self.catalog, root, what, &name);
            values.insert(root.column.clone(), Some(key.map_err(|error| error.to_string())?));
            return Ok(());
        }
        let Some(key) = relation.key() else { return Ok(()) };
        let referring =
            |name: &String| relation.foreign_keys.iter().any(|f| f.columns.contains(name));
        for name in key.iter().filter(|name| !referring(name)) {
            let Some(column) = relation.column(name) else { continue };
            let is_filled_in = column.is_generated
                || !column.identity.is_empty()
                || (column.has_default && column.base_type != "uuid");
            if is_filled_in {
                continue;
            }
            if let Some(value) = values::key_value(column, &seed_of(relation, branch, variant)) {
                values.insert(name.clone(), Some(value));
            }
        }
        Ok(())
    }

    /// Points a foreign key at the row of the same branch, or leaves it NULL.
    fn set_reference(
        &self,
        relation: &Relation,
        foreign_key: &ForeignKey,
        branch: &Branch,
        variant: Variant,
        is_owner: bool,
        values: &mut Values,
    ) -> Result<(), String> {
        let is_nullable = foreign_key
            .columns
            .iter()
            .all(|name| relation.column(name).is_some_and(|column| !column.not_null));
        let is_wanted = is_owner || !variant.is_bare() || !is_nullable;
        let parent = self.parent(foreign_key, branch).filter(|_| is_wanted);
        match parent {
            Some(parent) => {
                for (own, other) in foreign_key.columns.iter().zip(&foreign_key.target_columns) {
                    let value = parent.get(other).cloned().flatten();
                    values.entry(own.clone()).or_insert(value);
                }
                Ok(())
            }
            None if is_nullable => {
                for own in &foreign_key.columns {
                    values.entry(own.clone()).or_insert(None);
                }
                Ok(())
            }
            None => {
                let target = self.catalog.relation(foreign_key.target);
                let target = target.map_or("another table".into(), Relation::title);
                Err(format!("it refers to {target}, which has no row for {}", branch.label()))
            }
        }
    }

    /// The row of a table that a row of `branch` may refer to.
    fn parent(&self, foreign_key: &ForeignKey, branch: &Branch) -> Option<&Values> {
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
        let found = rows.iter().find(is_same).or_else(|| rows.iter().find(of_tenant));
        found.map(|row| &row.values)
    }

    /// What the config or the platform says about columns of memberships and users.
    fn fixed_columns(&self, relation: &Relation, branch: &Branch) -> Vec<(String, String)> {
        let mut fixed = Vec::new();
        let actor = self.actors.iter().find(|actor| Some(actor.name()) == branch.user.as_deref());
        if let Some(members) = self.tenancy.members.as_ref().filter(|m| m.relation == relation.oid)
        {
            let mut columns = members.config.values.clone();
            columns.extend(actor.into_iter().flat_map(|actor| actor.membership().clone()));
            fixed.extend(columns);
        }
        if let (true, Some(name)) = (self.is_platform_table(relation), &branch.user) {
            let columns = self.platform.user_columns(name);
            fixed.extend(columns.into_iter().map(|(column, value)| (column.into(), value)));
        }
        fixed
    }

    fn is_platform_table(&self, relation: &Relation) -> bool {
        self.platform.has_users() && relation.schema == "auth"
    }

    /// A value for a column that no key, owner or parent decides; `Ok(None)` leaves the default.
    fn value(
        &self,
        relation: &Relation,
        column: &Column,
        branch: &Branch,
        variant: Variant,
    ) -> Result<Option<Option<String>>, String> {
        if variant.is_bare() && !column.not_null {
            return Ok(Some(None));
        }
        if let Some(at) = variant.place() {
            let telling = values::telling_values(relation, column);
            if !telling.is_empty() {
                return Ok(Some(Some(telling[at % telling.len()].clone())));
            }
        }
        if let Some(value) = self.learned.get(&(relation.oid, column.name.clone())) {
            return Ok(Some(Some(value.clone())));
        }
        if variant.is_bare() && column.has_default {
            return Ok(None);
        }
        let seed = seed_of(relation, branch, variant);
        let value = values::column_value(column, &branch.label(), &seed);
        match value {
            Some(value) => Ok(Some(Some(value))),
            None if column.has_default || !column.not_null => Ok(None),
            None => Err(format!(
                "no value is known for column `{}` of type {}",
                column.name, column.type_name
            )),
        }
    }

    /// Deletes the memberships of those who left; their other rows stay.
    pub(super) fn end_memberships(&mut self, client: &mut Client) -> Result<()> {
        let Some(members) = &self.tenancy.members else { return Ok(()) };
        let Some(table) = self.catalog.relation(members.relation) else { return Ok(()) };
        for actor in &self.actors {
            let (Some(tenant), Some(user)) = (actor.left(), actor.user()) else { continue };
            let sql = format!(
                "delete from {} where {} = {} and {} = {}",
                table.sql_name(),
                identifier(&members.config.user),
                literal(user),
                identifier(&members.config.tenant),
                literal(&self.tenant_key(tenant)?)
            );
            session::rows(client, &sql).map_err(|cause| {
                Error::new(format!("could not end the membership of `{}`", actor.name()))
                    .cause(session::reason(&cause))
                    .help("a trigger or a foreign key keeps it; the actor needs to lose it")
            })?;
        }
        Ok(())
    }

    /// The key of a tenant of the world.
    pub(crate) fn tenant_key(&self, name: &str) -> Result<String> {
        match &self.tenancy.tenant {
            Some(root) => values::owner_key(&self.catalog, root, "tenant", name),
            None => Err(Error::new(format!("there is no tenant `{name}` without a tenant table"))),
        }
    }
}

fn seed_of(relation: &Relation, branch: &Branch, variant: Variant) -> String {
    format!("{} {} {}", relation.title(), branch.label(), variant.name())
}

/// `insert into t (a, b) values ('x', null)`.
pub(crate) fn insert_statement(relation: &Relation, values: &Values) -> String {
    if values.is_empty() {
        return format!("insert into {} default values", relation.sql_name());
    }
    let columns: Vec<String> = values.keys().map(|name| identifier(name)).collect();
    let list: Vec<String> = values.values().map(|value| value_sql(value.as_deref())).collect();
    format!(
        "insert into {} ({}) values ({})",
        relation.sql_name(),
        columns.join(", "),
        list.join(", ")
    )
}

/// A literal, or `null`.
pub(crate) fn value_sql(value: Option<&str>) -> String {
    value.map_or("null".into(), literal)
}
