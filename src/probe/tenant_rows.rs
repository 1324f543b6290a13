//! What somebody reaches of the rows of one tenant, once memberships say something else.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{Actor, TENANTS};
use crate::catalog::relation::Relation;
use crate::error::Result;
use crate::matrix::command::Command;
use crate::names::Oid;
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::trial::{Answer, Trial, try_as};
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::session::outcome::TextRow;
use crate::sql::quote::identifier;
use crate::world::rows::{Identity, KnownRow, read_rows};
use crate::world::seeding::seed::{Variant, insert_statement};
use crate::world::value::{Branch, World};

/// Who belongs to no tenant, and could be added to one.
const STRANGER: &str = "outsider";

/// By relation and command, which rows were reached; nothing is known of rows that were added.
pub(in crate::probe) type Reached = BTreeMap<(Oid, Command), BTreeSet<TextRow>>;

/// The rows of a tenant that somebody is a member of, but their own, and how they are tried.
pub(in crate::probe) struct Target<'t> {
    pub relation: &'t Relation,
    identity: Identity,
    rows: Vec<&'t KnownRow>,
    /// The statements that try them all, and what tries one.
    pub statements: Vec<(Command, String)>,
    pub insert: Option<String>,
}

/// The tables with rows of tenants, the rows of one of these, and who may do what: read once for all.
pub(in crate::probe) struct Tables<'w> {
    world: &'w World,
    all: Vec<(&'w Relation, Vec<KnownRow>)>,
    privileges: BTreeMap<(String, Oid), Privileges>,
}

impl<'w> Tables<'w> {
    pub(in crate::probe) fn read(
        session: &mut Session,
        world: &'w World,
        relations: &[&'w Relation],
    ) -> Result<Self> {
        let is_of_tenant =
            |one: &&&Relation| one.is_table() && world.tenancy.ownership(one.oid).tenant.is_some();
        let tenant = world.tenant_key(TENANTS[0])?;
        let mut all = Vec::new();
        for relation in relations.iter().filter(is_of_tenant) {
            let mut rows = read_rows(session, world, relation)?.rows;
            rows.retain(|row| row.owner.tenant.as_ref() == Some(&tenant));
            all.push((*relation, rows));
        }
        let schemas: BTreeSet<&String> = all.iter().map(|(relation, _)| &relation.schema).collect();
        let schemas: Vec<String> = schemas.into_iter().cloned().collect();
        let roles: BTreeSet<&str> = world.actors.iter().map(Actor::role).collect();
        let roles: Vec<&str> = roles.into_iter().collect();
        let privileges = Privileges::read(session, &schemas, &roles)?;
        Ok(Self { world, all, privileges })
    }

    /// Those whose policies ask, as somebody finds them.
    pub(in crate::probe) fn targets(
        &self,
        actor: &Actor,
        asks: impl Fn(Oid) -> bool,
    ) -> Result<Vec<Target<'_>>> {
        let asking = self.all.iter().filter(|(relation, _)| asks(relation.oid));
        asking
            .map(|(relation, rows)| {
                let privileges = Privileges::of(&self.privileges, actor, relation)?;
                let is_others = |row: &&KnownRow| row.owner.user.as_deref() != actor.user();
                let identity = Identity::of(relation);
                Ok(Target {
                    relation,
                    rows: rows.iter().filter(is_others).collect(),
                    statements: statements(relation, &identity, privileges),
                    identity,
                    insert: new_row(self.world, relation, actor, privileges),
                })
            })
            .collect()
    }
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
pub(in crate::probe) fn reached_after(
    session: &mut Session,
    actor: &Actor,
    said: &[String],
    targets: &[Target<'_>],
) -> Result<Option<Reached>> {
    let said = unhindered(&said.join("; "));
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
                    let is_added = is_let_through(trial, target, Privilege::Insert, insert)?;
                    let rows = is_added.then(Vec::new).into_iter().collect();
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
    let privilege = match command {
        Command::Read => {
            let answer = trial.attempt(sql, None)?;
            let Answer::Done(rows, ..) = answer else { return Ok(BTreeSet::new()) };
            return Ok(rows.into_iter().filter(|row| known().any(|known| known == row)).collect());
        }
        Command::Delete => Privilege::Delete,
        _ => Privilege::Update,
    };
    let all = target.identity.condition(&target.rows).filter(|_| !target.rows.is_empty());
    let Some(all) = all else { return Ok(BTreeSet::new()) };
    if let Answer::Done(_, 0, _) = trial.attempt(&format!("{sql} where {all}"), None)? {
        return Ok(BTreeSet::new());
    }
    let mut reached = BTreeSet::new();
    for row in &target.rows {
        let Some(condition) = target.identity.condition(&[*row]) else { continue };
        if is_let_through(trial, target, privilege, &format!("{sql} where {condition}"))? {
            reached.insert(row.identity.clone());
        }
    }
    Ok(reached)
}

/// Whether policies let a statement through to a row; what a constraint says then is no matter.
fn is_let_through(
    trial: &mut Trial<'_>,
    target: &Target<'_>,
    privilege: Privilege,
    sql: &str,
) -> Result<bool> {
    Ok(match trial.attempt(sql, None)? {
        Answer::Done(_, reached, _) => reached > 0,
        Answer::Refused(refusal) => refusal.is_beside_access(privilege, target.relation),
    })
}
