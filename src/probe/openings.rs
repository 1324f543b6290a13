//! Whether a row that somebody may write opens rows of others: one of a table that policies of others read, which
//! names the person and what is another's.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::{ADMIN, Actor, TENANTS};
use crate::catalog::Catalog;
use crate::catalog::relation::{ForeignKey, Relation};
use crate::error::Result;
use crate::finding::opening::Opening;
use crate::matrix::class::RowClass;
use crate::names::Oid;
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::trial::{Answer, Trial, try_as};
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::world::rows::{Identity, KnownRow, read_rows};
use crate::world::seeding::insert::condition;
use crate::world::seeding::seed::{Variant, assignments, insert_statement};
use crate::world::value::{Branch, Seeded, Values, World};

/// Who adds rows: ordinary people.
const WHO: [&str; 3] = ["alice", "outsider", ADMIN];

/// Who makes a tenant, too: the one that is there may name `alice`.
const COLLEAGUE: &str = "amir";

/// How many rows of others each reference is led to: some of them may be there already.
const MOST_OTHERS: usize = 4;

/// How many rows are tried that differ in what policies ask of them.
const MOST_VARIED: usize = 3;

/// A table whose policies read another, and its rows.
struct Behind<'w> {
    relation: &'w Relation,
    identity: Identity,
    rows: BTreeMap<Vec<Option<String>>, KnownRow>,
}

/// What opens by a row in each table that policies read, with the first statement that did it.
///
/// # Errors
/// A lost connection.
pub(crate) fn openings(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
) -> Result<Vec<Opening>> {
    let catalog = &world.catalog;
    let read = read_by_policies(catalog, relations);
    let gates: BTreeSet<Oid> = read.values().flatten().copied().collect();
    // Where every user stands alone, all of them are alike.
    let has_tenants = world.tenancy.tenant.is_some();
    let is_asked = |actor: &&Actor| match has_tenants {
        true => WHO.contains(&actor.name()) || actor.name() == COLLEAGUE,
        false => actor.name() == WHO[0],
    };
    let who: Vec<&Actor> = world.actors.iter().filter(is_asked).collect();
    let schemas = gates.iter().filter_map(|oid| Some(catalog.relation(*oid)?.schema.clone()));
    let schemas: Vec<String> = schemas.collect::<BTreeSet<String>>().into_iter().collect();
    let roles: Vec<&str> = who.iter().map(|actor| actor.role()).collect();
    let privileges = Privileges::read(session, &schemas, &roles)?;
    let mut found = Vec::new();
    for gate in gates.into_iter().filter_map(|oid| catalog.relation(oid)) {
        let reads_it = |one: &&&Relation| one.is_table() && read[&one.oid].contains(&gate.oid);
        let mut behind = Vec::new();
        for relation in relations.iter().filter(reads_it) {
            let rows = read_rows(session, world, relation)?.rows.into_iter();
            let rows = rows.map(|row| (row.identity.clone(), row)).collect();
            behind.push(Behind { relation, identity: Identity::of(relation), rows });
        }
        if behind.is_empty() || !gate.is_table() {
            continue;
        }
        let is_root = world.tenancy.tenant.as_ref().is_some_and(|root| root.relation == gate.oid);
        for actor in who.iter().filter(|actor| is_root || actor.name() != COLLEAGUE) {
            let privileges = Privileges::of(&privileges, actor, gate)?;
            let writes = writes(world, gate, actor, privileges);
            if writes.is_empty() {
                continue;
            }
            let opened = try_as(session, actor, |trial| {
                first_opening(trial, world, (gate, &behind), &writes)
            })?;
            found.extend(opened);
        }
    }
    Ok(found)
}

/// By relation: what its policies read, and those of what they read.
pub(in crate::probe) fn read_by_policies(
    catalog: &Catalog,
    relations: &[&Relation],
) -> BTreeMap<Oid, BTreeSet<Oid>> {
    let direct = |relation: &Relation| -> BTreeSet<Oid> {
        let trees = || relation.policies.iter().flat_map(|policy| policy.trees());
        let own = trees().flat_map(|tree| {
            tree.relations().into_iter().filter_map(|name| Some(catalog.named_by(name, None)?.oid))
        });
        let called = catalog.routines.reached(trees()).into_iter().flat_map(|routine| {
            routine.body().steps.iter().flat_map(move |step| {
                let names = step.expr().relations().into_iter();
                names.filter_map(move |name| Some(catalog.named_by(name, Some(routine))?.oid))
            })
        });
        own.chain(called).collect()
    };
    let mut read: BTreeMap<Oid, BTreeSet<Oid>> = BTreeMap::new();
    for relation in relations {
        let mut all = BTreeSet::new();
        let mut open = vec![relation.oid];
        while let Some(one) = open.pop().and_then(|oid| catalog.relation(oid)) {
            open.extend(direct(one).into_iter().filter(|oid| all.insert(*oid)));
        }
        read.insert(relation.oid, all);
    }
    read
}

/// A row of the actor's own, and the same with each of its references leading to what is another's: added, or
/// put in the place of one that is there.
fn writes(world: &World, gate: &Relation, actor: &Actor, privileges: &Privileges) -> Vec<String> {
    let ownership = world.tenancy.ownership(gate.oid);
    let tenant = actor.member_of().first().filter(|_| ownership.tenant.is_some());
    let user = Some(actor.name().to_owned()).filter(|_| ownership.user.is_some());
    let branch = Branch { tenant: tenant.cloned(), user };
    let is_root = world.tenancy.tenant.as_ref().is_some_and(|root| root.relation == gate.oid);
    let founded = is_root.then(|| founded(world, gate, actor, privileges)).flatten();
    let mut writes: Vec<String> = founded.into_iter().collect();
    if (ownership.tenant.is_some() && tenant.is_none()) || branch == Branch::default() {
        return writes;
    }
    let references: Vec<Values> = gate
        .foreign_keys
        .iter()
        .flat_map(|key| others_of(world, key, actor).map(|row| reference(key, &row.values)))
        .collect();
    let varied = (0..world.variety(gate)).map(Variant::VariedProbe).take(MOST_VARIED);
    for variant in [Variant::Probe].into_iter().chain(varied) {
        let Ok(mut own) = world.values(gate, &branch, variant) else { continue };
        own.retain(|name, _| privileges.has_column(Privilege::Insert, name));
        if own.is_empty() {
            break;
        }
        writes.push(insert_statement(gate, &own));
        for reference in &references {
            let mut values = own.clone();
            values.extend(reference.clone());
            if values != own && values.len() == own.len() {
                writes.push(insert_statement(gate, &values));
            }
        }
    }
    let rows = world.seeded.get(&gate.oid).map_or(&[][..], Vec::as_slice);
    let own = rows.iter().find(|row| row.branch == branch).zip(gate.key());
    let Some((row, key)) = own else { return writes };
    let is_own = condition(key, &row.values);
    let may_set = |reference: &&Values| {
        reference.keys().all(|name| privileges.has_column(Privilege::Update, name))
    };
    let name = gate.sql_name();
    writes.extend(
        references.iter().filter(may_set).map(|reference| {
            format!("update {name} set {} where {is_own}", assignments(reference))
        }),
    );
    writes
}

/// A tenant of the actor's own making.
fn founded(
    world: &World,
    root: &Relation,
    actor: &Actor,
    privileges: &Privileges,
) -> Option<String> {
    let branch = Branch { tenant: Some(TENANTS[0].into()), user: None };
    let mut values = world.values(root, &branch, Variant::Probe).ok()?;
    values.extend(world.user_value(root, actor).map(|(column, user)| (column, Some(user))));
    values.retain(|name, _| privileges.has_column(Privilege::Insert, name));
    (!values.is_empty()).then(|| insert_statement(root, &values))
}

/// What a reference has to be so that it leads to a row.
fn reference(key: &ForeignKey, row: &Values) -> Values {
    let pairs = key.columns.iter().zip(&key.target_columns);
    pairs.map(|(column, target)| (column.clone(), row.get(target).cloned().flatten())).collect()
}

/// Rows of others, and one of a colleague, that a reference could lead to.
fn others_of<'w>(
    world: &'w World,
    key: &ForeignKey,
    actor: &Actor,
) -> impl Iterator<Item = &'w Seeded> {
    let rows = world.seeded.get(&key.target).map_or(&[][..], Vec::as_slice);
    let is_others = |row: &&Seeded| {
        let Branch { tenant, user } = &row.branch;
        let is_own = user.as_deref() == Some(actor.name());
        let is_known = tenant.is_some() || user.is_some();
        is_known && !is_own && tenant.as_ref().is_none_or(|one| !actor.member_of().contains(one))
    };
    let is_colleagues = |row: &&Seeded| {
        let Branch { tenant, user } = &row.branch;
        let is_in = tenant.as_ref().is_some_and(|one| actor.member_of().contains(one));
        is_in && user.as_deref().is_some_and(|one| one != actor.name())
    };
    let colleagues = rows.iter().filter(is_colleagues).take(1);
    rows.iter().filter(is_others).take(MOST_OTHERS).chain(colleagues)
}

/// The first row that opens something, by each of which the actor is asked for what it sees then.
fn first_opening(
    trial: &mut Trial<'_>,
    world: &World,
    (gate, behind): (&Relation, &[Behind<'_>]),
    writes: &[String],
) -> Result<Option<Opening>> {
    let mut before: Option<Vec<Option<BTreeSet<TextRow>>>> = None;
    for write in writes {
        if !matches!(trial.attempt(write, None)?, Answer::Done(_, 1.., _)) {
            continue;
        }
        if before.is_none() {
            let seen: Result<Vec<_>> = behind.iter().map(|one| seen(trial, one, "")).collect();
            before = Some(seen?);
        }
        let mut opened = Vec::new();
        for (one, before) in behind.iter().zip(before.iter().flatten()) {
            let Some(before) = before else { continue };
            let Some(now) = seen(trial, one, write)? else { continue };
            let others = now.difference(before).filter_map(|row| one.rows.get(row));
            let classes = others.map(|row| world.names.class(trial.actor(), &row.owner, true));
            let classes: Vec<RowClass> =
                classes.filter(|class| !matches!(class, RowClass::Own)).collect();
            if !classes.is_empty() {
                opened.push((one.relation.qualified_name(), classes));
            }
        }
        if !opened.is_empty() {
            return Ok(Some(Opening {
                gate: gate.qualified_name(),
                actor: trial.actor().name().to_owned(),
                statement: write.clone(),
                opened,
            }));
        }
    }
    Ok(None)
}

/// The rows that the actor sees, after a statement of theirs; none where it may not ask.
fn seen(
    trial: &mut Trial<'_>,
    behind: &Behind<'_>,
    after: &str,
) -> Result<Option<BTreeSet<TextRow>>> {
    let list = behind.identity.select_list();
    let query = format!("select {list} from {} as r", behind.relation.sql_name());
    let sql = if after.is_empty() { query } else { format!("{after}; {query}") };
    Ok(match trial.attempt(&sql, None)? {
        Answer::Done(rows, ..) => Some(rows.into_iter().collect()),
        Answer::Refused(_) => None,
    })
}
