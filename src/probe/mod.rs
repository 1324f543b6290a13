//! The probes: every actor tries every command on rows of every class, one family per file.
//!
//! Each probe is one statement under a savepoint that is always rolled back. What it did is read
//! back by the auditor, not believed from the actor's own answer.

pub(crate) mod controls;
pub(crate) mod privileges;
pub(crate) mod misplaced;
pub(crate) mod openings;
pub(crate) mod promotion;
pub(crate) mod prober;
pub(crate) mod reach;
pub(crate) mod read;
pub(crate) mod refused;
pub(crate) mod roles;
pub(crate) mod transfer;
pub(crate) mod target;
mod tenant_rows;
pub(crate) mod trial;
pub(crate) mod actor_queue;
pub(crate) mod ways;
pub(crate) mod write;

use std::collections::BTreeSet;

use crate::actor::Actor;
use crate::catalog::confidential::is_confidential;
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::matrix::cell::Subject;
use crate::probe::actor_queue::{ActorQueue, PartialMatrix};
use crate::probe::controls::Controls;
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::prober::Prober;
use crate::probe::target::Target;
use crate::probe::trial::{Answer, Trial, try_as};
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::world::value::World;

/// Lets each actor whose turn it is try everything on `relations`.
///
/// # Errors
/// A lost connection, or an actor whose role is missing or would bypass every policy.
pub(crate) fn probe_relations(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
    controls: &Controls,
    queue: &ActorQueue<'_>,
) -> Result<PartialMatrix> {
    let schemas: BTreeSet<String> = relations.iter().map(|r| r.schema.clone()).collect();
    let schemas: Vec<String> = schemas.into_iter().collect();
    let roles: Vec<&str> = world.actors.iter().map(Actor::role).collect();
    let privileges = Privileges::read(session, &schemas, &roles)?;
    let mut targets = Vec::new();
    for relation in relations {
        let is_moved_in = controls.is_moved_in(relation.oid);
        targets.push(Target { is_moved_in, ..Target::read(session, world, relation)? });
    }
    // Whoever cannot ask is told of before anybody's turn: always the same one.
    for actor in &world.actors {
        try_as(session, actor, |_| Ok(()))?;
    }
    let mut cells = Vec::new();
    let mut attempts = 0;
    while let Some(actor) = queue.next(&world.actors) {
        let mut probe = |trial: &mut Trial<'_>, target: &Target<'_>| -> Result<()> {
            let privileges = Privileges::of(&privileges, actor, target.relation)?;
            let mut prober = Prober::new(trial, target, privileges);
            prober.probe()?;
            attempts += prober.attempts;
            let found = prober.into_cells();
            queue.tell(&found, targets.len() * world.actors.len());
            cells.extend(found);
            Ok(())
        };
        try_as(session, actor, |trial| {
            let mut free = targets.iter().filter(|target| target.unbarring.is_none());
            free.try_for_each(|target| probe(trial, target))
        })?;
        for target in &targets {
            let Some(unbarring) = &target.unbarring else { continue };
            session.undone(|session| {
                let empty = session.as_owner(&unhindered(unbarring));
                empty.map_err(failing("empty what keeps people from rows"))?;
                try_as(session, actor, |trial| probe(trial, target))
            })?;
        }
    }
    // One of each role stands for all of them: whoever others are like, rather than a visitor.
    let mut people: Vec<&Actor> = Vec::new();
    let is_person = |actor: &&Actor| !actor.is_service();
    let known = world.actors.iter().filter(is_person);
    let (first, others): (Vec<&Actor>, Vec<&Actor>) = known.partition(|one| one.name() == "alice");
    for actor in first.into_iter().chain(others) {
        if !people.iter().any(|one| one.role() == actor.role()) {
            people.push(actor);
        }
    }
    let subject = |target: &Target<'_>| {
        let of = |actor: &&Actor| {
            let (name, role) = (actor.name(), actor.role());
            let privileges = privileges.get(&(role.to_owned(), target.relation.oid))?;
            let who = if name == role { name.to_owned() } else { format!("{name} ({role})") };
            Some((who, privileges.columns_line(target.relation)?))
        };
        let is_confidant = |actor: &&Actor| {
            let mut columns = target.relation.columns.iter().filter(|one| is_confidential(one));
            let privileges = privileges.get(&(actor.role().to_owned(), target.relation.oid));
            columns.any(|column| {
                privileges.is_some_and(|one| one.has_column(Privilege::Select, &column.name))
            })
        };
        let confidants = world.actors.iter().filter(is_confidant);
        Subject {
            columns: people.iter().filter_map(of).collect(),
            confidants: confidants.map(|actor| actor.name().to_owned()).collect(),
            ..target.subject()
        }
    };
    let subjects = targets.iter().map(subject).collect();
    Ok(PartialMatrix { subjects, cells, attempts })
}
