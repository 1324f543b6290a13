//! Whether a membership counts where it should not: in another tenant than that which gave it, or where it is over
//! or has not begun.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{Actor, TENANTS};
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::finding::misplaced::{Misplaced, Sort};
use crate::matrix::command::Command;
use crate::names::{Oid, QualifiedName};
use crate::probe::openings::read_by_policies;
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::trial::{Answer, Trial, try_as};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::quote::{equals, identifier};
use crate::tenancy::root::Members;
use crate::world::rows::{Identity, KnownRow, read_rows};
use crate::world::seeding::seed::{Variant, assignments, insert_statement};
use crate::world::value::{Branch, Values, World};

/// Who belongs to one tenant, and to both.
const MEMBER: &str = "alice";
const OF_BOTH: &str = "both";
/// Who belongs to none, and could be added.
const STRANGER: &str = "outsider";

/// The memberships that count where they should not, with what they open there.
///
/// # Errors
/// A lost connection.
pub(crate) fn misplaced(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
) -> Result<Vec<Misplaced>> {
    let Some(members) = &world.tenancy.members else { return Ok(Vec::new()) };
    let Some(table) = world.catalog.relation(members.relation) else { return Ok(Vec::new()) };
    let read = read_by_policies(&world.catalog, relations);
    let asks = |one: &&&Relation| {
        one.is_table() && (one.oid == table.oid || read[&one.oid].contains(&table.oid))
    };
    let relations: Vec<&Relation> = relations.iter().filter(asks).copied().collect();
    let memberships = Memberships { world, members, table };
    let mut found = Vec::new();
    let who = |name: &str| world.actors.iter().find(|actor| actor.name() == name);
    if let Some(both) = who(OF_BOTH) {
        let states = memberships.states();
        if !states.is_empty() {
            let targets = targets(session, world, &relations, both)?;
            found.extend(memberships.elsewhere(session, both, &targets, &states)?);
        }
    }
    if let Some(member) = who(MEMBER) {
        let lapses = memberships.lapses();
        if !lapses.is_empty() {
            let targets = targets(session, world, &relations, member)?;
            found.extend(memberships.lapsed(session, member, &targets, &lapses)?);
        }
    }
    Ok(found)
}

/// What two memberships say that differ in what policies ask of them.
struct States {
    less: Values,
    more: Values,
}

/// The memberships of the world.
struct Memberships<'w> {
    world: &'w World,
    members: &'w Members,
    table: &'w Relation,
}

impl Memberships<'_> {
    /// What memberships can say, in pairs: less, and what policies ask for.
    fn states(&self) -> Vec<States> {
        let one = |column: &String, value: Option<String>| Values::from([(column.clone(), value)]);
        let of_it = |oid: Oid| oid == self.table.oid;
        let standing = self.world.tenancy.standing.iter().filter(|one| of_it(one.relation));
        let mut states: Vec<States> = standing
            .flat_map(|standing| {
                let less = standing.untold.clone().or_else(|| standing.ordinary.clone());
                let more = standing.told.iter().filter(|value| Some(*value) != less.as_ref());
                let pair = |value: &String| States {
                    less: one(&standing.column, less.clone()),
                    more: one(&standing.column, Some(value.clone())),
                };
                more.map(pair).collect::<Vec<_>>()
            })
            .collect();
        let lapses = self.world.lapses(self.table).into_iter().map(|lapse| States {
            less: one(&lapse.column, lapse.lapsed),
            more: one(&lapse.column, lapse.member),
        });
        states.extend(lapses);
        states
    }

    /// In what ways a membership does not hold, but for that in which the world's own have ended.
    fn lapses(&self) -> Vec<States> {
        let ended = self.world.ending(self.table).map(|ending| (ending.column, Some(ending.ended)));
        let lapses = self.world.lapses(self.table).into_iter();
        let lapses = lapses.filter(|one| {
            ended.as_ref().is_none_or(|ended| *ended != (one.column.clone(), one.lapsed.clone()))
        });
        let one = |column: &String, value: Option<String>| Values::from([(column.clone(), value)]);
        let pair = lapses.map(|lapse| States {
            less: one(&lapse.column, lapse.lapsed),
            more: one(&lapse.column, lapse.member),
        });
        pair.collect()
    }

    /// Where the row of somebody's membership is.
    fn place(&self, actor: &Actor, tenant: &str) -> Result<String> {
        let config = &self.members.config;
        let user = equals(&config.user, actor.user());
        Ok(format!("{user} and {}", equals(&config.tenant, Some(&self.world.tenant_key(tenant)?))))
    }

    /// A statement that has somebody's membership say so.
    fn say(&self, actor: &Actor, tenant: &str, said: &Values) -> Result<String> {
        let place = self.place(actor, tenant)?;
        Ok(format!("update {} set {} where {place}", self.table.sql_name(), assignments(said)))
    }

    /// What somebody who is more in one tenant does in another where they are not.
    fn elsewhere(
        &self,
        session: &mut Session,
        both: &Actor,
        targets: &[Target<'_>],
        states: &[States],
    ) -> Result<Vec<Misplaced>> {
        let mut known: BTreeMap<String, Option<Reached>> = BTreeMap::new();
        let mut found = Vec::new();
        for States { less, more } in states {
            let [here, there] = TENANTS;
            let less_here = self.say(both, here, less)?;
            let before = [less_here.clone(), self.say(both, there, less)?];
            let after = [less_here, self.say(both, there, more)?];
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
            let sort = |_: &Target<'_>, _: Command| Some(Sort::Elsewhere);
            found.extend(more_of(both, &after, &before, targets, (less, more), sort));
        }
        Ok(found)
    }

    /// What somebody whose membership does not hold reaches by it all the same.
    fn lapsed(
        &self,
        session: &mut Session,
        member: &Actor,
        targets: &[Target<'_>],
        lapses: &[States],
    ) -> Result<Vec<Misplaced>> {
        let tenant = TENANTS[0];
        let none =
            format!("delete from {} where {}", self.table.sql_name(), self.place(member, tenant)?);
        let Some(none) = reached_after(session, member, &[none], targets)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for States { less, more } in lapses {
            let mut reached = |said: &Values| {
                reached_after(session, member, &[self.say(member, tenant, said)?], targets)
            };
            let (Some(held), Some(lapsed)) = (reached(more)?, reached(less)?) else { continue };
            // Otherwise nothing says that it matters.
            if !held.iter().any(|(what, rows)| lapsed.get(what).is_none_or(|less| less != rows)) {
                continue;
            }
            // Who is invited may see to what, and by whom.
            let root = self.world.tenancy.tenant.as_ref().map(|root| root.relation);
            let sort = |target: &Target<'_>, command: Command| {
                let oid = target.relation.oid;
                let is_invitation = oid == self.table.oid || Some(oid) == root;
                match command {
                    Command::Read if is_invitation => None,
                    _ => Some(Sort::Lapsed),
                }
            };
            found.extend(more_of(member, &lapsed, &none, targets, (less, more), sort));
        }
        Ok(found)
    }
}

/// The rows of a tenant that somebody is a member of, but their own, and how they are tried.
struct Target<'w> {
    relation: &'w Relation,
    identity: Identity,
    rows: Vec<KnownRow>,
    /// The statements that try them all, and what tries one.
    statements: Vec<(Command, String)>,
    insert: Option<String>,
}

/// By relation and command, which rows were reached; nothing is known of rows that were added.
type Reached = BTreeMap<(Oid, Command), BTreeSet<TextRow>>;

fn targets<'w>(
    session: &mut Session,
    world: &'w World,
    relations: &[&'w Relation],
    actor: &Actor,
) -> Result<Vec<Target<'w>>> {
    let schemas: BTreeSet<String> = relations.iter().map(|one| one.schema.clone()).collect();
    let schemas: Vec<String> = schemas.into_iter().collect();
    let privileges = Privileges::read(session, &schemas, &[actor.role()])?;
    let tenant = world.tenant_key(TENANTS[0])?;
    let mut targets = Vec::new();
    for relation in relations {
        if world.tenancy.ownership(relation.oid).tenant.is_none() {
            continue;
        }
        let privileges = Privileges::of(&privileges, actor, relation)?;
        let mut rows = read_rows(session, world, relation)?.rows;
        rows.retain(|row| {
            row.owner.tenant.as_ref() == Some(&tenant) && row.owner.user.as_deref() != actor.user()
        });
        let insert = new_row(world, relation, actor, privileges);
        let identity = Identity::of(relation);
        let statements = statements(relation, &identity, privileges);
        targets.push(Target { relation, identity, rows, statements, insert });
    }
    Ok(targets)
}

/// What reads, changes and deletes rows, without a condition.
fn statements(
    relation: &Relation,
    identity: &Identity,
    privileges: &Privileges,
) -> Vec<(Command, String)> {
    let name = relation.sql_name();
    let mut statements = Vec::new();
    if privileges.has_any(Privilege::Select) {
        let read = format!("select {} from {name} as r", identity.select_list());
        statements.push((Command::Read, read));
    }
    let is_free = |name: &str| {
        privileges.has_column(Privilege::Update, name)
            && privileges.has_column(Privilege::Select, name)
            && privileges.is_settable(name)
    };
    let column = relation
        .columns
        .iter()
        .find(|column| !column.is_generated && column.identity.is_empty() && is_free(&column.name));
    if let Some(column) = column {
        let column = identifier(&column.name);
        statements.push((Command::Update, format!("update {name} set {column} = {column}")));
    }
    if privileges.has_any(Privilege::Delete) {
        statements.push((Command::Delete, format!("delete from {name}")));
    }
    statements
}

/// A new row of the tenant: of the actor's own where a row has a user, or a stranger's membership.
fn new_row(
    world: &World,
    relation: &Relation,
    actor: &Actor,
    privileges: &Privileges,
) -> Option<String> {
    let of_members = world.tenancy.members.as_ref().map(|members| members.relation);
    let user = match of_members == Some(relation.oid) {
        true => Some(STRANGER),
        false => world.tenancy.ownership(relation.oid).user.is_some().then(|| actor.name()),
    };
    let branch = Branch { tenant: Some(TENANTS[0].into()), user: user.map(str::to_owned) };
    let mut values = world.values(relation, &branch, Variant::Probe).ok()?;
    values.retain(|name, _| privileges.has_column(Privilege::Insert, name));
    let is_root = world.tenancy.tenant.as_ref().is_some_and(|root| root.relation == relation.oid);
    (!values.is_empty() && !is_root).then(|| insert_statement(relation, &values))
}

/// What somebody reaches once memberships say something else; none where they cannot.
fn reached_after(
    session: &mut Session,
    actor: &Actor,
    said: &[String],
    targets: &[Target<'_>],
) -> Result<Option<Reached>> {
    let said = format!(
        "select leakproof.set_replication_role('replica'); {}; \
         select leakproof.set_replication_role('origin')",
        said.join("; ")
    );
    let reached = session.tolerate(|session| {
        session.as_owner(&said).map_err(failing("have memberships say something else"))?;
        try_as(session, actor, |trial| {
            let mut reached = Reached::new();
            for target in targets {
                for (command, sql) in &target.statements {
                    let rows = rows_reached(trial, target, *command, sql)?;
                    reached.insert((target.relation.oid, *command), rows);
                }
                if let Some(insert) = &target.insert {
                    let rows = if is_let_through(trial, insert)? {
                        [Vec::new()].into()
                    } else {
                        BTreeSet::new()
                    };
                    reached.insert((target.relation.oid, Command::Insert), rows);
                }
            }
            Ok(reached)
        })
    })?;
    Ok(reached.ok())
}

fn rows_reached(
    trial: &mut Trial<'_>,
    target: &Target<'_>,
    command: Command,
    sql: &str,
) -> Result<BTreeSet<TextRow>> {
    let known = || target.rows.iter().map(|row| &row.identity);
    if command == Command::Read {
        let Answer::Done(rows, ..) = trial.attempt(sql, None)? else { return Ok(BTreeSet::new()) };
        return Ok(rows.into_iter().filter(|row| known().any(|known| known == row)).collect());
    }
    let all: Vec<&KnownRow> = target.rows.iter().collect();
    let Some(condition) = target.identity.condition(&all).filter(|_| !all.is_empty()) else {
        return Ok(BTreeSet::new());
    };
    match trial.attempt(&format!("{sql} where {condition}"), None)? {
        Answer::Done(_, 0, _) => return Ok(BTreeSet::new()),
        Answer::Refused(refusal) if refusal.state() == NO_PRIVILEGE && !refusal.is_of_policy() => {
            return Ok(BTreeSet::new());
        }
        _ => {}
    }
    let mut reached = BTreeSet::new();
    for row in &target.rows {
        let Some(condition) = target.identity.condition(&[row]) else { continue };
        if is_let_through(trial, &format!("{sql} where {condition}"))? {
            reached.insert(row.identity.clone());
        }
    }
    Ok(reached)
}

/// Whether policies let a statement through to a row; what a constraint says then is no matter.
fn is_let_through(trial: &mut Trial<'_>, sql: &str) -> Result<bool> {
    Ok(match trial.attempt(sql, None)? {
        Answer::Done(_, reached, _) => reached > 0,
        Answer::Refused(refusal) => refusal.state().starts_with(OF_CONSTRAINTS),
    })
}

/// The SQLSTATE of a privilege that is missing, and the class of constraints.
const NO_PRIVILEGE: &str = "42501";
const OF_CONSTRAINTS: &str = "23";

/// What is reached in `after` and not in `before`, by relation.
fn more_of(
    actor: &Actor,
    after: &Reached,
    before: &Reached,
    targets: &[Target<'_>],
    (less, more): (&Values, &Values),
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
        let relation: QualifiedName = target.relation.qualified_name();
        let (less, more) = (assignments(less), assignments(more));
        let actor = actor.name().to_owned();
        let (sort, tenants) = (of_sort?, TENANTS);
        Some(Misplaced { relation, sort, actor, tenants, less, more, opened, statement })
    });
    found.collect()
}
