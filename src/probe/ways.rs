//! Whether somebody goes each way that policies leave open: what nobody of the world meets was not tried,
//! whatever the cells say.

use std::collections::{BTreeMap, BTreeSet};

use crate::actor::Actor;
use crate::catalog::Catalog;
use crate::catalog::policy::{Policy, PolicyCommand, RowSecurity, Way};
use crate::catalog::relation::Relation;
use crate::catalog::routine::Routine;
use crate::error::Result;
use crate::finding::untested::Untried;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::command::Command;
use crate::matrix::person::Person;
use crate::matrix::verdict::Verdict;
use crate::names::Oid;
use crate::probe::target::unbarring;
use crate::probe::trial::LIMIT;
use crate::refusal::QUERY_CANCELED;
use crate::session::failed::failing;
use crate::session::open::{Session, unhindered};
use crate::sql::expr::{Expr, Part};
use crate::sql::quote::identifier;
use crate::sql::syntax::read_expr;
use crate::sql::ways::{bodies, plpgsql_bodies};
use crate::world::value::World;

/// A way of a policy, and whose.
#[derive(Clone)]
struct Asked<'c> {
    policy: &'c Policy,
    tree: Option<&'c Expr>,
    text: String,
    /// Whether it is now true and then not, whoever asks for whatever.
    is_by_chance: bool,
}

impl Asked<'_> {
    /// The oid of its policy, and what is told of it.
    fn told(&self, relation: &Relation) -> (Oid, Untried) {
        let (relation, policy) = (relation.qualified_name(), self.policy.name.clone());
        (self.policy.oid, Untried { relation, policy, condition: self.text.clone() })
    }
}

/// The ways of the policies of some relations that are open to people and that nobody goes.
///
/// # Errors
/// A lost connection.
pub(crate) fn untried_ways(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
    matrix: &Matrix,
    people: &[Person],
) -> Result<Vec<(Oid, Untried)>> {
    let mut untried = Vec::new();
    let mut bodies = BTreeMap::new();
    for relation in relations {
        let cells = matrix.of(&relation.qualified_name());
        let has_raised = cells.iter().any(|cell| matches!(cell.verdict, Verdict::Broken { .. }));
        let open = open_ways(&world.catalog, relation, cells, people);
        if !open.is_empty() {
            let answered = ask(session, world, relation, "", &open)?;
            let nobodys = open.into_iter().zip(answered).filter(|(way, answered)| match answered {
                Answered::Taken => way.is_by_chance,
                Answered::Untaken => true,
                // What the probes ran into is told of them.
                Answered::Raised => !has_raised,
            });
            untried.extend(nobodys.map(|(way, _)| way.told(relation)));
        }
        ask_bodies(session, world, relation, &asking(relation, cells, people), &mut bodies)?;
    }
    untried.extend(bodies.into_values().flatten());
    Ok(untried)
}

/// The conditions of the policies that are open to somebody, each as a whole.
fn asking<'c>(relation: &'c Relation, cells: &[Cell], people: &[Person]) -> Vec<Asked<'c>> {
    if !is_asked(relation, cells) {
        return Vec::new();
    }
    let people: Vec<&Person> = people.iter().filter(|person| !person.is_service).collect();
    let policies = relation.policies.iter();
    let open = policies.filter(|policy| !granted(policy, cells, &people).is_empty());
    let conditions = open.flat_map(|policy| policy.conditions().map(move |one| (policy, one)));
    let asked = conditions.map(|(policy, condition)| Asked {
        policy,
        tree: condition.tree.as_ref().ok(),
        text: format!("({})", condition.text),
        is_by_chance: false,
    });
    asked.collect()
}

/// By routine and way: nothing where somebody goes it, or else of which policy it is told.
type Bodies = BTreeMap<(Oid, String), Option<(Oid, Untried)>>;

/// Asks whether somebody goes each way in which a function answers that policies call: as if it had but this
/// one.
fn ask_bodies(
    session: &mut Session,
    world: &World,
    relation: &Relation,
    asking: &[Asked<'_>],
    known: &mut Bodies,
) -> Result<()> {
    let routines = &world.catalog.routines;
    let called = |asked: &Asked<'_>| -> Vec<Oid> {
        routines.reached(asked.tree).into_iter().map(|routine| routine.oid).collect()
    };
    let called: Vec<Vec<Oid>> = asking.iter().map(called).collect();
    for routine in routines.reached(asking.iter().filter_map(|asked| asked.tree)) {
        let ways = match routine.language.as_str() {
            "sql" => bodies(&routine.text),
            "plpgsql" => plpgsql_bodies(&routine.text),
            _ => continue,
        };
        let is_gone =
            |way: &String| known.get(&(routine.oid, way.clone())).is_some_and(Option::is_none);
        let is_left = |way: &String| !is_gone(way) && !is_of_back_end(way);
        let left: Vec<_> = ways.into_iter().filter(|(_, way)| is_left(way)).collect();
        let callers =
            asking.iter().zip(&called).filter(|(_, called)| called.contains(&routine.oid));
        let callers: Vec<Asked<'_>> = callers.map(|(asked, _)| asked.clone()).collect();
        let (Some(first), false) = (callers.first(), left.is_empty()) else { continue };
        let definition = definition(session, routine)?;
        for (body, way) in left {
            let Some(replaced) = replaced(&definition, routine, &body) else { continue };
            let answered = ask(session, world, relation, &replaced, &callers)?;
            let text = format!("{}: {way}", routine.name);
            let told = Asked { text, ..first.clone() }.told(relation);
            let place = (routine.oid, way);
            if answered.contains(&Answered::Taken) {
                known.insert(place, None);
            } else {
                known.entry(place).or_insert(Some(told));
            }
        }
    }
    Ok(())
}

/// The statement that makes a function as it is.
fn definition(session: &mut Session, routine: &Routine) -> Result<String> {
    let query = format!("select pg_catalog.pg_get_functiondef({})", routine.oid);
    let rows = session.rows(&query).map_err(failing(ASK))?;
    Ok(rows.into_iter().flatten().flatten().next().unwrap_or_default())
}

/// The statement that gives a function another body; none where its own cannot be found in it.
fn replaced(definition: &str, routine: &Routine, body: &str) -> Option<String> {
    let at = definition.rfind(&routine.text).filter(|_| !routine.text.is_empty())?;
    let end = at + routine.text.len();
    Some(format!("{}{body}{}", &definition[..at], &definition[end..]))
}

/// The ways that are open to somebody, and that no cell shows to be gone.
fn open_ways<'c>(
    catalog: &Catalog,
    relation: &'c Relation,
    cells: &[Cell],
    people: &[Person],
) -> Vec<Asked<'c>> {
    if !is_asked(relation, cells) {
        return Vec::new();
    }
    let people: Vec<&Person> = people.iter().filter(|person| !person.is_service).collect();
    let mut open: Vec<Asked<'c>> = Vec::new();
    for policy in &relation.policies {
        let granted = granted(policy, cells, &people);
        let mut ways: Vec<Asked<'c>> = Vec::new();
        let is_only = policy.conditions().count() == 1;
        let using = policy.using.iter().map(|condition| (condition, false));
        for (condition, is_of_new) in using.chain(policy.check.iter().map(|one| (one, true))) {
            let own = condition.ways().into_iter().map(|way| {
                let is_by_chance = is_by_chance(catalog, &way);
                Asked { policy, tree: None, text: way.text(), is_by_chance }
            });
            let own: Vec<Asked<'c>> = own.collect();
            let is_gone = own.len() == 1
                && !own[0].is_by_chance
                && granted.iter().any(|(person, cell)| {
                    let is_of_it = is_only || decides(cell.command, is_of_new);
                    is_of_it
                        && cell.verdict.is_allowed()
                        && is_alone(relation, policy, person, cell.command)
                });
            if !granted.is_empty() && !is_gone {
                ways.extend(own);
            }
        }
        for way in ways {
            let is_it = |one: &Asked<'_>| one.policy.oid == policy.oid && one.text == way.text;
            if !open.iter().any(is_it) && !is_constant(&way.text) && !is_of_back_end(&way.text) {
                open.push(way);
            }
        }
    }
    open
}

/// Whether only a back end goes a way: then no person is to.
fn is_of_back_end(way: &str) -> bool {
    read_expr(way).is_ok_and(|tree| tree.is_of_back_end())
}

/// Whether policies decide who reaches a relation, and answer in time.
fn is_asked(relation: &Relation, cells: &[Cell]) -> bool {
    let is_slow = |cell: &Cell| match &cell.verdict {
        Verdict::Broken { sqlstate } => sqlstate == QUERY_CANCELED,
        _ => false,
    };
    let has_policies = relation.is_table() && relation.row_security != RowSecurity::Off;
    has_policies && !cells.iter().any(is_slow)
}

/// The cells of the people whom a policy is for, and who have the privilege for what it is for.
fn granted<'m>(
    policy: &Policy,
    cells: &'m [Cell],
    people: &[&'m Person],
) -> Vec<(&'m Person, &'m Cell)> {
    let is_granted = |cell: &&Cell| {
        let is_of_it = commands(policy.command).contains(&cell.command);
        is_of_it && !matches!(cell.verdict, Verdict::NoGrant | Verdict::Untested { .. })
    };
    let of_person = |person: &&'m Person, cell: &'m Cell| {
        let is_for = person.roles.iter().any(|role| policy.is_for(role));
        (is_for && cell.actor == person.name).then_some((*person, cell))
    };
    let cells = cells.iter().filter(is_granted);
    cells.filter_map(|cell| people.iter().find_map(|person| of_person(person, cell))).collect()
}

/// Whether no other policy can have let a person's command through.
fn is_alone(relation: &Relation, policy: &Policy, person: &Person, command: Command) -> bool {
    let mut others = relation.policies.iter().filter(|other| {
        other.oid != policy.oid
            && other.is_permissive
            && commands(other.command).contains(&command)
            && person.roles.iter().any(|role| other.is_for(role))
    });
    policy.is_permissive && others.next().is_none()
}

/// The commands that a policy decides; whether somebody may truncate it does not.
fn commands(of: PolicyCommand) -> &'static [Command] {
    const OF_ROWS: [Command; 7] = [
        Command::Read,
        Command::Insert,
        Command::InsertReturning,
        Command::Update,
        Command::BlindUpdate,
        Command::Delete,
        Command::BlindDelete,
    ];
    match of {
        PolicyCommand::All => &OF_ROWS,
        PolicyCommand::Select => &[Command::Read],
        PolicyCommand::Insert => &[Command::Insert, Command::InsertReturning],
        PolicyCommand::Update => &[Command::Update, Command::BlindUpdate],
        PolicyCommand::Delete => &[Command::Delete, Command::BlindDelete],
    }
}

/// Whether a command that goes through shows that rows meet USING, or new ones WITH CHECK.
fn decides(command: Command, is_of_new: bool) -> bool {
    match command {
        Command::Insert | Command::InsertReturning => is_of_new,
        Command::Read | Command::Delete | Command::BlindDelete => !is_of_new,
        _ => true,
    }
}

/// Whether it draws lots, or calls what does.
fn is_by_chance(catalog: &Catalog, way: &Way) -> bool {
    const DRAWING: [&str; 5] =
        ["gen_random_bytes", "gen_random_uuid", "random", "random_normal", "uuid_generate_v4"];
    let trees = || way.parts.iter().filter_map(|part| part.tree.as_ref().ok());
    let draws = |tree: &Expr| {
        let mut found = false;
        tree.walk(&mut |part| {
            let name = match part {
                Part::Expr(Expr::Call(call)) => call.name.last(),
                _ => return,
            };
            found |= DRAWING.contains(&name);
        });
        found
    };
    let called = catalog.routines.reached(trees());
    trees().any(draws)
        || called.into_iter().any(|routine| DRAWING.iter().any(|name| routine.names(name)))
}

/// Whether it is the same for every row and everybody.
fn is_constant(text: &str) -> bool {
    ["true", "false"].contains(&text.trim_matches(['(', ')', ' ']))
}

/// What came of asking whether somebody goes a way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answered {
    Taken,
    Untaken,
    /// It raises an error for somebody, and nobody goes it.
    Raised,
}

/// Which of the ways somebody goes, where no policy hides a row, after statements of ours.
fn ask(
    session: &mut Session,
    world: &World,
    relation: &Relation,
    ours: &str,
    open: &[Asked<'_>],
) -> Result<Vec<Answered>> {
    let actors = &world.actors;
    let roles: BTreeSet<String> = actors.iter().map(|actor| identifier(actor.role())).collect();
    let roles = roles.into_iter().collect::<Vec<_>>().join(", ");
    let (table, schema) = (relation.sql_name(), identifier(&relation.schema));
    let unbarring = unbarring(world, relation).unwrap_or_default();
    let bare = unhindered(&format!(
        "{unbarring}; alter table {table} disable row level security; \
         grant usage on schema {schema} to {roles}; grant select on {table} to {roles}; {ours}"
    ));
    let name = identifier(&relation.name);
    let question =
        |way: &Asked<'_>| format!("exists (select from {table} as {name} where {})", way.text);
    let answered = session.tolerate(|session| {
        session.as_owner(&bare).map_err(failing(ASK))?;
        let mut answered = vec![Answered::Untaken; open.len()];
        // The service role is bound by no policy, and what lets it through lets nobody else.
        for actor in actors.iter().filter(|actor| !actor.is_service()) {
            let is_left = |at: &usize| answered[*at] != Answered::Taken;
            let left: Vec<usize> = (0..open.len()).filter(is_left).collect();
            for some in left.chunks(MOST_AT_ONCE) {
                let all: Vec<String> = some.iter().map(|at| question(&open[*at])).collect();
                if let Some(yes) = answers(session, actor, &all)? {
                    let taken = some.iter().zip(yes).filter(|(_, is_taken)| *is_taken);
                    taken.for_each(|(at, _)| answered[*at] = Answered::Taken);
                    continue;
                }
                // One of them raises an error.
                for (at, one) in some.iter().zip(&all) {
                    match answers(session, actor, std::slice::from_ref(one))?.as_deref() {
                        Some([true]) => answered[*at] = Answered::Taken,
                        Some(_) => {}
                        None => answered[*at] = Answered::Raised,
                    }
                }
            }
        }
        Ok(answered)
    })?;
    Ok(answered.unwrap_or_else(|_| vec![Answered::Raised; open.len()]))
}

/// How many ways are asked for in one statement.
const MOST_AT_ONCE: usize = 100;

const ASK: &str = "see which ways the policies leave open";

/// What the server answers somebody; none where it refuses.
fn answers(
    session: &mut Session,
    actor: &Actor,
    questions: &[String],
) -> Result<Option<Vec<bool>>> {
    let query = format!("select {}", questions.join(", "));
    let asked = session.tolerate(|session| {
        session.as_actor(actor.impersonation(), Some(LIMIT), |session| {
            session.rows(&query).map_err(failing(ASK))
        })
    })?;
    let yes = |rows: Vec<Vec<Option<String>>>| {
        rows.into_iter().flatten().map(|one| one.as_deref() == Some("t")).collect()
    };
    Ok(asked.ok().map(yes))
}
