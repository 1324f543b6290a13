//! The seeded rows: for every table a row of every owner, so that the absence of access can be seen.
//!
//! Seeds inside the caller's transaction and commits nothing. What cannot be seeded is remembered
//! with the database's own reason, so that its cells are `untested`, never "denied".

mod attempt;
mod insert;
mod own_rows;
mod parents;
mod pattern;
mod pool;
mod repair;
mod rows;
mod seed;
mod solve;
mod stub;
pub(crate) mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use postgres::Client;

use crate::actor::{Actor, TENANTS};
use crate::catalog::{Catalog, Oid, Relation};
use crate::error::Result;
use crate::platform::Platform;
use crate::project::SqlFile;
use crate::tenancy::{Root, Tenancy};

pub use rows::RowClass;
pub(crate) use rows::{Identity, KnownRow, OwnerNames, PLACE, Reading, RowOwner, read_rows};
pub(crate) use seed::{Seeded, Values, Variant, insert_statement, value_sql};

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
    /// The places of values in their pools that checks were found to accept, by relation and column.
    learned: BTreeMap<(Oid, String), usize>,
    /// Keys that rows refer to before the row that has them is there.
    promised: BTreeMap<(Oid, Branch), Values>,
    /// Whether a row is there that a constraint would refuse at the end of the transaction only.
    is_waiting: bool,
    /// Tables whose rows are still to come.
    coming: BTreeSet<Oid>,
    pub names: OwnerNames,
}

impl World {
    /// Seeds all of `wanted` and what they refer to, owners first, then puts in the rows that somebody
    /// wrote for what could not be made, and ends the membership of those who left.
    ///
    /// # Errors
    /// A lost connection, or a row of `own_rows` that is refused; what else the database refuses is
    /// remembered in `unseeded`.
    pub(crate) fn seed(
        client: &mut Client,
        catalog: Arc<Catalog>,
        tenancy: Tenancy,
        platform: Platform,
        actors: Vec<Actor>,
        wanted: &[Oid],
        own_rows: &[&SqlFile],
    ) -> Result<Self> {
        let mut world = Self {
            catalog: Arc::clone(&catalog),
            tenancy,
            platform,
            actors,
            seeded: BTreeMap::new(),
            unseeded: BTreeMap::new(),
            refused: BTreeMap::new(),
            learned: BTreeMap::new(),
            promised: BTreeMap::new(),
            is_waiting: false,
            coming: BTreeSet::new(),
            names: OwnerNames::default(),
        };
        world.names = OwnerNames::of(&world)?;
        attempt::prepare(client)?;
        let order = world.seeding_order(wanted);
        world.coming = order.iter().copied().collect();
        let tables: Vec<&Relation> =
            order.iter().filter_map(|oid| catalog.relation(*oid)).collect();
        world.learn_types(client, &tables)?;
        for relation in &tables {
            world.seed_relation(client, relation)?;
            world.coming.remove(&relation.oid);
            world.keep_promises(client, relation)?;
        }
        world.close_cycles(client, &tables)?;
        world.take_own_rows(client, own_rows, &tables)?;
        world.forget_overcome();
        attempt::clear(client)?;
        world.end_memberships(client)?;
        world.names.joined = world.names.read_joined(client, &world)?;
        world.settle(client)?;
        Ok(world)
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

    /// Rows whose owner columns are NULL, where they may be.
    fn ownerless_branches(&self, relation: &Relation) -> Vec<Branch> {
        let ownership = self.tenancy.ownership(relation.oid);
        let is_nullable = |columns: &[String]| {
            !columns.is_empty()
                && columns
                    .iter()
                    .all(|name| relation.column(name).is_some_and(|column| !column.not_null))
        };
        let nullable = |path: &Option<crate::tenancy::Path>| {
            path.as_ref().is_some_and(|path| is_nullable(path.first_columns()))
        };
        match (nullable(&ownership.tenant), nullable(&ownership.user)) {
            (true, _) => vec![Branch::default()],
            (false, true) if ownership.tenant.is_none() => vec![Branch::default()],
            (false, true) => tenants(),
            (false, false) => Vec::new(),
        }
    }

    fn users(&self) -> Vec<Branch> {
        let people = self.actors.iter().filter(|actor| actor.user().is_some());
        people.map(|actor| Branch { tenant: None, user: Some(actor.name().into()) }).collect()
    }

    /// Everybody's memberships, those that will end included.
    fn memberships(&self) -> Vec<Branch> {
        let people = self.actors.iter().filter(|actor| actor.user().is_some());
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

    /// The one column by which a row names its user, where it does so itself.
    pub(crate) fn direct_user_column(&self, relation: &Relation) -> Option<String> {
        match self.tenancy.ownership(relation.oid).user.as_ref()?.edges.as_slice() {
            [edge] if edge.target == self.tenancy.users.relation => edge.columns.first().cloned(),
            _ => None,
        }
    }

    /// The owners first, then what is wanted and what it refers to.
    fn seeding_order(&self, wanted: &[Oid]) -> Vec<Oid> {
        let roots = [self.tenancy.tenant.as_ref(), Some(&self.tenancy.users)];
        let roots = roots.into_iter().flatten().map(|root| root.relation);
        let members = self.tenancy.members.as_ref().map(|members| members.relation);
        let all = roots.chain(members).chain(wanted.iter().copied());
        parents::in_reference_order(&self.catalog, all)
    }
}

fn tenants() -> Vec<Branch> {
    TENANTS.iter().map(|tenant| Branch { tenant: Some((*tenant).into()), user: None }).collect()
}
