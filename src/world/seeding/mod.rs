//! The workshop that makes the rows of the world, inside the caller's transaction.

pub(crate) mod asked_of_rows;
pub(crate) mod attempt;
pub(crate) mod below;
pub(crate) mod insert;
pub(crate) mod own_rows;
pub(crate) mod new_parents;
pub(crate) mod parents;
pub(crate) mod pattern;
pub(crate) mod pool;
pub(crate) mod deferred_keys;
pub(crate) mod ending;
pub(crate) mod filled;
pub(crate) mod forger;
pub(crate) mod listed;
pub(crate) mod repair;
pub(crate) mod seed;
pub(crate) mod sign_up;
pub(crate) mod solve;
pub(crate) mod stub;
pub(crate) mod values;
pub(crate) mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::names::Oid;
use crate::platform::Platform;
use crate::project::files::SqlFile;
use crate::session::open::Session;
use crate::world::ground::Ground;
use crate::world::owner_names::OwnerNames;
use crate::world::value::World;

impl World {
    /// Seeds all of `wanted` and what they refer to, owners first, then puts in the rows that somebody
    /// wrote for what could not be made, and ends the membership of those who left.
    ///
    /// # Errors
    /// A lost connection, or a row of `own_rows` that is refused; what else the database refuses is
    /// remembered in `unseeded`.
    pub(crate) fn seed(
        session: &mut Session,
        ground: Ground,
        platform: Platform,
        wanted: &[Oid],
        own_rows: &[&SqlFile],
    ) -> Result<Self> {
        let Ground { catalog, tenancy, actors, .. } = ground;
        let mut world = Self {
            catalog: Arc::clone(&catalog),
            tenancy,
            platform,
            actors,
            seeded: BTreeMap::new(),
            unseeded: BTreeMap::new(),
            refused: BTreeMap::new(),
            refused_at_sign_up: None,
            learned: BTreeMap::new(),
            solved: BTreeMap::new(),
            sets: BTreeMap::new(),
            reads: ways::reads_of_policies(&catalog),
            deferred: BTreeMap::new(),
            is_deferred: false,
            coming: BTreeSet::new(),
            names: OwnerNames::default(),
        };
        world.names = OwnerNames::of(&catalog, &world.tenancy, &world.actors)?;
        attempt::prepare(session)?;
        let order = world.seeding_order(wanted);
        world.coming = order.iter().copied().collect();
        let tables: Vec<&Relation> =
            order.iter().filter_map(|oid| catalog.relation(*oid)).collect();
        world.learn_types(session, &tables)?;
        for relation in &tables {
            if relation.oid == world.tenancy.users.relation {
                world.sign_up_forging(session, relation)?;
            }
            world.seed_relation(session, relation)?;
            world.seed_ways(session, relation)?;
            world.seed_below(session, relation)?;
            world.find_sets(session, relation)?;
            world.coming.remove(&relation.oid);
            world.keep_deferred_keys(session, relation)?;
        }
        world.close_cycles(session, &tables)?;
        world.take_own_rows(session, own_rows, &tables)?;
        world.forget_overcome();
        attempt::clear(session)?;
        world.end_memberships(session)?;
        world.names.joined = world.names.read_joined(session, &catalog, &world.tenancy)?;
        world.forget_ended()?;
        world.settle(session)?;
        // Whatever triggers have set meanwhile.
        session.steady();
        Ok(world)
    }

    /// The owners first, then what is wanted and what it refers to.
    fn seeding_order(&self, wanted: &[Oid]) -> Vec<Oid> {
        let roots = [self.tenancy.tenant.as_ref(), Some(&self.tenancy.users)];
        let roots = roots.into_iter().flatten().map(|root| root.relation);
        let members = self.tenancy.members.as_ref().map(|members| members.relation);
        // Who is more than others is so by a row that nobody need reach.
        let standing = self.tenancy.standing.iter().map(|standing| standing.relation);
        let rosters = self.tenancy.rosters.iter().map(|roster| roster.relation);
        let all = roots.chain(members).chain(standing).chain(rosters).chain(wanted.iter().copied());
        parents::in_reference_order(&self.catalog, all)
    }
}
