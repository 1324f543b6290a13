//! Whether people can make themselves what only some are: by changing a row of theirs that says what they
//! are, or by adding one.

use std::collections::BTreeMap;

use crate::actor::{Actor, asked};
use crate::catalog::relation::{Column, Relation};
use crate::error::Result;
use crate::matrix::cell::Matrix;
use crate::matrix::command::Command;
use crate::matrix::person::Promotion;
use crate::names::Oid;
use crate::probe::trial::{Answer, Trial, try_as};
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::world::seeding::insert::condition;
use crate::world::seeding::seed::{Variant, assignments, insert_statement};
use crate::world::value::{Branch, Values, World};

/// Who of the special people others can make themselves, by name, and how.
///
/// # Errors
/// A lost connection.
pub(crate) fn promotions(
    session: &mut Session,
    world: &World,
    matrix: &Matrix,
) -> Result<BTreeMap<String, Promotion>> {
    let mut found = BTreeMap::new();
    let find = |name: &str| world.actors.iter().find(|actor| actor.name() == name);
    for one in asked(&world.actors) {
        let (Some(special), Some(reference)) = (find(&one.name), one.reference) else { continue };
        let Some(ordinary) = find(&reference) else { continue };
        let said = said_of(world, special);
        let relations = || said.keys().filter_map(|oid| world.catalog.relation(*oid));
        let attempts: Vec<Attempt> = relations()
            .flat_map(|relation| attempts(world, relation, &said[&relation.oid], ordinary))
            .collect();
        if attempts.is_empty() {
            continue;
        }
        // What others have offered is theirs to give.
        let offers = relations().flat_map(|relation| world.offers(relation));
        let offers = offers.filter(|offer| !writes(matrix, ordinary, offer));
        let emptied: Vec<String> =
            offers.map(|offer| format!("delete from {}", offer.sql_name())).collect();
        let statement = session.undone(|session| {
            if !emptied.is_empty() {
                let emptied = session.as_owner(&unhindered(&emptied.join("; ")));
                emptied.map_err(failing("take back invitations"))?;
            }
            try_as(session, ordinary, |trial| first_taken(trial, &attempts))
        })?;
        if let Some(statement) = statement {
            found.insert(one.name, Promotion { by: reference, statement });
        }
    }
    Ok(found)
}

/// Whether somebody adds or changes rows of a relation.
fn writes(matrix: &Matrix, actor: &Actor, relation: &Relation) -> bool {
    let is_write = |command: Command| {
        let is_added = matches!(command, Command::Insert | Command::InsertReturning);
        is_added || matches!(command, Command::Update | Command::BlindUpdate)
    };
    let name = relation.qualified_name();
    let mut cells = matrix.row(&name, actor.name());
    cells.any(|cell| is_write(cell.command) && cell.verdict.is_allowed())
}

/// What rows say of somebody that they do not say of others, by relation.
fn said_of(world: &World, special: &Actor) -> BTreeMap<Oid, Values> {
    let mut said: BTreeMap<Oid, Values> = BTreeMap::new();
    for ((relation, column), value) in special.standings() {
        said.entry(*relation).or_default().insert(column.clone(), Some(value.clone()));
    }
    if let Some(members) = &world.tenancy.members {
        for (column, value) in special.membership() {
            said.entry(members.relation).or_default().insert(column.clone(), Some(value.clone()));
        }
    }
    said
}

/// A statement of somebody's, and a query of ours that counts the rows which say afterwards what it is after.
struct Attempt {
    statement: String,
    look: String,
}

/// The first that does what it is after.
fn first_taken(trial: &mut Trial<'_>, attempts: &[Attempt]) -> Result<Option<String>> {
    for Attempt { statement, look } in attempts {
        if let Answer::Done(_, _, Some(seen)) = trial.attempt(statement, Some(look))? {
            let count = seen.first().and_then(|row| row.first()?.as_deref());
            if count.is_some_and(|count| count != "0") {
                return Ok(Some(statement.clone()));
            }
        }
    }
    Ok(None)
}

/// How somebody may have a row say so: change one's own, with WHERE and without, add one, or put one in the
/// place of one's own.
fn attempts(world: &World, relation: &Relation, said: &Values, ordinary: &Actor) -> Vec<Attempt> {
    let name = relation.sql_name();
    let mut attempts = Vec::new();
    let sets = assignments(said);
    let own = own_row(world, relation, ordinary);
    let is_own = own.map(|values| condition(&key_columns(world, relation), values));
    if let Some(is_own) = is_own.as_ref().filter(|condition| !condition.is_empty()) {
        let look = look(&name, is_own, said);
        for statement in [
            format!("update {name} set {sets} where {is_own}"),
            format!("update {name} set {sets}"),
        ] {
            attempts.push(Attempt { statement, look: look.clone() });
        }
    }
    let Some(column) = world.direct_user_column(relation) else { return attempts };
    let tenant = ordinary.member_of().first().cloned();
    let branch = Branch {
        tenant: tenant.filter(|_| world.tenancy.ownership(relation.oid).tenant.is_some()),
        user: Some(ordinary.name().to_owned()),
    };
    let Ok(mut values) = world.values(relation, &branch, Variant::Probe) else { return attempts };
    values.extend(said.clone());
    let look = look(&name, &condition(std::slice::from_ref(&column), &values), said);
    let needed = |name: &String| {
        let is_optional = |holds: &Column| holds.has_default || !holds.not_null;
        let is_left_out = relation.column(name).is_some_and(is_optional);
        said.contains_key(name) || *name == column || !is_left_out
    };
    let mut least = values.clone();
    least.retain(|name, _| needed(name));
    for values in [&values, &least] {
        let statement = insert_statement(relation, values);
        attempts.push(Attempt { statement, look: look.clone() });
    }
    if let Some(is_own) = is_own.filter(|condition| !condition.is_empty()) {
        let insert = insert_statement(relation, &least);
        attempts.push(Attempt {
            statement: format!("delete from {name} where {is_own}; {insert}"),
            look,
        });
    }
    attempts
}

/// A row of somebody's own, as it was made.
fn own_row<'w>(world: &'w World, relation: &Relation, ordinary: &Actor) -> Option<&'w Values> {
    let rows = world.seeded.get(&relation.oid)?;
    let is_own = |branch: &Branch| branch.user.as_deref() == Some(ordinary.name());
    rows.iter().find(|row| is_own(&row.branch)).map(|row| &row.values)
}

/// The columns that name a row, or its user where it has no key.
fn key_columns(world: &World, relation: &Relation) -> Vec<String> {
    let key = relation.key().map(<[String]>::to_vec);
    key.unwrap_or_else(|| world.direct_user_column(relation).into_iter().collect())
}

fn look(relation: &str, whose: &str, said: &Values) -> String {
    let columns: Vec<String> = said.keys().cloned().collect();
    let says = condition(&columns, said);
    format!("select pg_catalog.count(*) from {relation} where {whose} and {says}")
}
