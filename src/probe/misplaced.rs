//! Whether a membership counts where it should not: in another tenant than that which gave it, or where it is over
//! or has not begun.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{ADMIN, Actor, TENANTS};
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::finding::misplaced::{Misplaced, Sort};
use crate::matrix::command::Command;
use crate::names::Oid;
use crate::probe::openings::read_by_policies;
use crate::probe::tenant_rows::{Reached, Tables, Target, reached_after};
use crate::session::open::Session;
use crate::tenancy::Ownership;
use crate::world::seeding::ending::Lapse;
use crate::world::seeding::insert::condition;
use crate::world::seeding::seed::assignments;
use crate::world::value::{Branch, Values, World};

/// Who belongs to one tenant, and to both.
const MEMBER: &str = "alice";
const OF_BOTH: &str = "both";

/// How many people are tried who are more than an ordinary member.
const MOST_OF_MORE: usize = 3;

/// The memberships that count where they should not, with what they open there.
///
/// # Errors
/// A lost connection.
pub(crate) fn misplaced(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
) -> Result<Vec<Misplaced>> {
    let read = read_by_policies(&world.catalog, relations);
    let all = Memberships::all(world, &read);
    if all.iter().all(|memberships| !memberships.are_told()) {
        return Ok(Vec::new());
    }
    let tables = Tables::read(session, world, relations)?;
    let both = world.actors.iter().find(|actor| actor.name() == OF_BOTH);
    let mut found = Vec::new();
    for memberships in all.iter().filter(|memberships| memberships.are_told()) {
        let table = memberships.table.oid;
        let asks = |oid: Oid| oid == table || read[&oid].contains(&table);
        if let Some(both) = both {
            let targets = tables.targets(both, asks)?;
            found.extend(memberships.elsewhere(session, both, &targets)?);
            found.extend(memberships.listed_elsewhere(session, both, &targets)?);
        }
        found.extend(memberships.lapsed(session, |member| tables.targets(member, asks))?);
    }
    Ok(found)
}

/// What two memberships say that differ in what policies ask of them.
struct States {
    less: Values,
    more: Values,
}

impl States {
    fn of(column: &str, less: Option<String>, more: Option<String>) -> Self {
        let one = |value| Values::from([(column.to_owned(), value)]);
        Self { less: one(less), more: one(more) }
    }
}

impl From<Lapse> for States {
    fn from(Lapse { column, member, lapsed }: Lapse) -> Self {
        Self::of(&column, lapsed, member)
    }
}

/// A table that policies read of rows that say what users are in tenants: that of the members, or one of roles.
struct Memberships<'w> {
    world: &'w World,
    table: &'w Relation,
}

impl<'w> Memberships<'w> {
    /// All of the world.
    fn all(world: &'w World, read: &BTreeMap<Oid, BTreeSet<Oid>>) -> Vec<Self> {
        let tenancy = &world.tenancy;
        let members = tenancy.members.iter().map(|members| members.relation);
        let is_of_people = |one: &&Relation| {
            let Ownership { tenant, user } = tenancy.ownership(one.oid);
            tenant.is_some() && user.is_some() && world.direct_user_column(one).is_some()
        };
        let read = read.values().flatten().filter_map(|oid| world.catalog.relation(*oid));
        let read = read.filter(is_of_people).map(|one| one.oid);
        let tables: BTreeSet<Oid> = members.chain(read).collect();
        let tables = tables.into_iter().filter_map(|oid| world.catalog.relation(oid));
        tables.map(|table| Self { world, table }).collect()
    }

    /// Whether there is something to tell by them: that of the members alone says who belongs to a tenant, which
    /// others are tried for.
    fn are_told(&self) -> bool {
        !self.are_members() || !self.states().is_empty()
    }

    fn are_members(&self) -> bool {
        self.world.tenancy.members.as_ref().is_some_and(|one| one.relation == self.table.oid)
    }

    /// What memberships can say, in pairs: less, and what policies ask for.
    fn states(&self) -> Vec<States> {
        let standing = self.world.tenancy.standing.iter();
        let standing = standing.filter(|one| one.relation == self.table.oid).flat_map(|standing| {
            let less = standing.untold.clone().or_else(|| standing.ordinary.clone());
            let more = standing.told.iter().filter(|value| Some(*value) != less.as_ref());
            let pair =
                |value: &String| States::of(&standing.column, less.clone(), Some(value.clone()));
            more.map(pair).collect::<Vec<_>>()
        });
        standing.chain(self.world.lapses(self.table).into_iter().map(States::from)).collect()
    }

    /// An ordinary member, and who is more by a row of the table.
    fn members(&self) -> Vec<&'w Actor> {
        let is_more = |actor: &&Actor| {
            actor.member_of().iter().any(|tenant| tenant == TENANTS[0])
                && (actor.name() == ADMIN
                    || actor.standings().keys().any(|(relation, _)| *relation == self.table.oid))
        };
        let actors = self.world.actors.iter();
        let ordinary = actors.clone().filter(|actor| actor.name() == MEMBER);
        ordinary.chain(actors.filter(is_more).take(MOST_OF_MORE)).collect()
    }

    /// Whether the world's own memberships have ended in that way: an ordinary one is tried as `removed`.
    fn is_removal(&self, lapse: &Lapse) -> bool {
        let ending = self.world.ending(self.table);
        ending.is_some_and(|one| one.column == lapse.column && Some(one.ended) == lapse.lapsed)
    }

    /// Where the rows are that say what somebody is in a tenant.
    fn places(&self, actor: &Actor, tenant: &str) -> Vec<String> {
        let Some(key) = self.table.key() else { return Vec::new() };
        let rows = self.world.seeded.get(&self.table.oid).into_iter().flatten().filter(|row| {
            let Branch { tenant: of, user } = &row.branch;
            of.as_deref() == Some(tenant) && user.as_deref() == Some(actor.name())
        });
        rows.map(|row| condition(key, &row.values)).collect()
    }

    /// A statement that takes these away.
    fn unsay(&self, actor: &Actor, tenant: &str) -> Option<String> {
        let places = self.places(actor, tenant);
        let name = self.table.sql_name();
        (!places.is_empty()).then(|| format!("delete from {name} where {}", places.join(" or ")))
    }

    /// Statements that leave one of them, which says so.
    fn say(&self, actor: &Actor, tenant: &str, said: &Values) -> Option<String> {
        let (name, places) = (self.table.sql_name(), self.places(actor, tenant));
        let (first, others) = places.split_first()?;
        let deleted: String =
            others.iter().map(|place| format!("delete from {name} where {place}; ")).collect();
        Some(format!("{deleted}update {name} set {} where {first}", assignments(said)))
    }

    /// What somebody who is more in one tenant does in another where they are not.
    fn elsewhere(
        &self,
        session: &mut Session,
        both: &Actor,
        targets: &[Target<'_>],
    ) -> Result<Vec<Misplaced>> {
        let mut known: BTreeMap<String, Option<Reached>> = BTreeMap::new();
        let mut found = Vec::new();
        for States { less, more } in &self.states() {
            let [here, there] = TENANTS;
            let (Some(less_here), Some(less_there), Some(more_there)) = (
                self.say(both, here, less),
                self.say(both, there, less),
                self.say(both, there, more),
            ) else {
                continue;
            };
            let before = [less_here.clone(), less_there];
            let after = [less_here, more_there];
            let before = match known.get(&before[1]) {
                Some(reached) => reached.clone(),
                None => {
                    let reached = reached_after(session, both, &before, targets)?;
                    known.insert(before[1].clone(), reached.clone());
                    reached
                }
            };
            let Some(before) = before else { continue };
            let Some(after) = reached_after(session, both, &after, targets)? else { continue };
            let said = [less, more].map(|said| format!("`{}`", assignments(said)));
            found.extend(more_of(both, &after, &before, targets, &said, |_, _| {
                Some(Sort::Elsewhere)
            }));
        }
        Ok(found)
    }

    /// What somebody whom the table lists in one tenant does in another where it does not.
    fn listed_elsewhere(
        &self,
        session: &mut Session,
        both: &Actor,
        targets: &[Target<'_>],
    ) -> Result<Vec<Misplaced>> {
        let [here, there] = TENANTS.map(|tenant| self.unsay(both, tenant));
        let (Some(here), Some(there), false) = (here, there, self.are_members()) else {
            return Ok(Vec::new());
        };
        let before = reached_after(session, both, &[here.clone(), there], targets)?;
        let after = reached_after(session, both, &[here], targets)?;
        let (Some(before), Some(after)) = (before, after) else { return Ok(Vec::new()) };
        let said = ["none".to_owned(), format!("a row of {}", self.table.title())];
        Ok(more_of(both, &after, &before, targets, &said, |_, _| Some(Sort::Elsewhere)))
    }

    /// What somebody whose membership does not hold reaches by it all the same, if that matters to any policy.
    fn lapsed<'t>(
        &self,
        session: &mut Session,
        targets: impl Fn(&Actor) -> Result<Vec<Target<'t>>>,
    ) -> Result<Vec<Misplaced>> {
        let lapses = self.world.lapses(self.table);
        if lapses.is_empty() {
            return Ok(Vec::new());
        }
        let tenant = TENANTS[0];
        let mut tried = Vec::new();
        for member in self.members() {
            let Some(none) = self.unsay(member, tenant) else { continue };
            let targets = targets(member)?;
            let none = reached_after(session, member, &[none], &targets)?;
            tried.extend(none.map(|none| (member, targets, none)));
        }
        let root = self.world.tenancy.tenant.as_ref().map(|root| root.relation);
        // Who is invited may see to what, and by whom.
        let sort = |target: &Target<'_>, command: Command| {
            let oid = target.relation.oid;
            let is_invitation = oid == self.table.oid || Some(oid) == root;
            (command != Command::Read || !is_invitation).then_some(Sort::Lapsed)
        };
        let mut found = Vec::new();
        for lapse in lapses {
            let is_removal = self.is_removal(&lapse);
            let States { less, more } = States::from(lapse);
            let said = [&less, &more].map(|said| format!("`{}`", assignments(said)));
            let mut matters = false;
            let mut opened = Vec::new();
            for (member, targets, none) in &tried {
                let mut reached = |said: &Values| {
                    let said = self.say(member, tenant, said).unwrap_or_default();
                    reached_after(session, member, &[said], targets)
                };
                let (Some(held), Some(lapsed)) = (reached(&more)?, reached(&less)?) else {
                    continue;
                };
                matters |= held != lapsed;
                if !is_removal || member.name() != MEMBER {
                    opened.extend(more_of(member, &lapsed, none, targets, &said, sort));
                }
            }
            found.extend(opened.into_iter().filter(|_| matters));
        }
        Ok(found)
    }
}

/// What is reached in `after` and not in `before`, by relation.
fn more_of(
    actor: &Actor,
    after: &Reached,
    before: &Reached,
    targets: &[Target<'_>],
    [less, more]: &[String; 2],
    sort: impl Fn(&Target<'_>, Command) -> Option<Sort>,
) -> Vec<Misplaced> {
    let found = targets.iter().filter_map(|target| {
        let mut opened: BTreeMap<Command, usize> = BTreeMap::new();
        let mut of_sort = None;
        for ((oid, command), rows) in after {
            let nothing = BTreeSet::new();
            let known = before.get(&(*oid, *command)).unwrap_or(&nothing);
            let count = rows.difference(known).count();
            if *oid == target.relation.oid && count > 0 {
                let Some(sort) = sort(target, *command) else { continue };
                of_sort = Some(sort);
                opened.insert(*command, count);
            }
        }
        let first = opened.keys().next()?;
        let tried = target.statements.iter().find(|(command, _)| command == first);
        let statement = tried.map(|(_, sql)| sql.clone()).or_else(|| target.insert.clone())?;
        let relation = target.relation.qualified_name();
        let (less, more) = (less.clone(), more.clone());
        let actor = actor.name().to_owned();
        let (sort, tenants) = (of_sort?, TENANTS);
        Some(Misplaced { relation, sort, actor, tenants, less, more, opened, statement })
    });
    found.collect()
}
