//! The probes: every actor tries every command on rows of every class, one family per file.
//!
//! Each probe is one statement under a savepoint that is always rolled back. What it did is read
//! back by the auditor, not believed from the actor's own answer.

pub(crate) mod controls;
pub(crate) mod privileges;
pub(crate) mod reach;
pub(crate) mod read;
pub(crate) mod refused;
pub(crate) mod transfer;
pub(crate) mod trial;
pub(crate) mod write;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::actor::Actor;
use crate::catalog::{Catalog, Relation, RelationKind};
use crate::check::observer::{Event, Observer};
use crate::error::Result;
use crate::matrix::cell::{Cell, Matrix, Subject};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::names::QualifiedName;
use crate::probe::controls::Controls;
use crate::probe::privileges::{Privilege, Privileges};
use crate::probe::trial::{Answer, Trial, try_as};
use crate::refusal::Refusal;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::quote::identifier;
use crate::sql::statement::has_name;
use crate::world::owner_names::OwnerNames;
use crate::world::rows::{Identity, KnownRow, PLACE, Reading, read_rows};
use crate::world::seeding::seed::value_sql;
use crate::world::value::World;

/// Whose turn it is to try everything: in one world, or in several equal ones at the same time.
pub(crate) struct Turns<'p> {
    taken: AtomicUsize,
    done: AtomicUsize,
    observer: &'p dyn Observer,
}

impl<'p> Turns<'p> {
    /// Turns that nobody has taken yet; `observer` is told of each relation that an actor is through
    /// with.
    pub(crate) fn told(observer: &'p dyn Observer) -> Self {
        Self { taken: AtomicUsize::new(0), done: AtomicUsize::new(0), observer }
    }

    fn next<'a>(&self, actors: &'a [Actor]) -> Option<&'a Actor> {
        actors.get(self.taken.fetch_add(1, Ordering::Relaxed))
    }

    fn tell(&self, cells: &[Cell], of: usize) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.observer.tell(&Event::Probed { cells, done, of });
    }
}

/// What the actors of one world came to know in their turns.
pub(crate) struct Share {
    subjects: Vec<Subject>,
    cells: Vec<Cell>,
    attempts: usize,
}

impl Share {
    /// Puts the shares of equal worlds together; gives the number of statements, too.
    pub(crate) fn unite(shares: Vec<Self>, actors: &[Actor]) -> (Matrix, usize) {
        let mut shares = shares.into_iter();
        let Some(mut all) = shares.next() else { return (Matrix::default(), 0) };
        for share in shares {
            all.cells.extend(share.cells);
            all.attempts += share.attempts;
        }
        let shared = truncates_of_others(&all.cells, actors);
        all.cells.extend(shared);
        let actors = actors.iter().map(|actor| actor.name().to_owned()).collect();
        (Matrix::new(all.subjects, actors, all.cells), all.attempts)
    }
}

/// Truncating asks for nothing but the privileges of a role, and of nobody's row: where no trigger
/// answers, who is first among those of a role has tried it for all of them.
fn is_first_of_role(actor: &Actor, actors: &[Actor]) -> bool {
    actors.iter().find(|other| other.role() == actor.role()).map(Actor::name) == Some(actor.name())
}

/// What the first of each role came to know of truncating, for the others who have not tried it.
fn truncates_of_others(cells: &[Cell], actors: &[Actor]) -> Vec<Cell> {
    let tried = || cells.iter().filter(|cell| cell.command == Command::Truncate);
    let known: BTreeSet<(&QualifiedName, &str)> =
        tried().map(|cell| (&cell.relation, cell.actor.as_str())).collect();
    let mut shared = Vec::new();
    for cell in tried() {
        let Some(first) = actors.iter().find(|actor| actor.name() == cell.actor) else { continue };
        for other in actors.iter().filter(|_| is_first_of_role(first, actors)) {
            let is_known = known.contains(&(&cell.relation, other.name()));
            if other.role() == first.role() && !is_known {
                shared.push(Cell { actor: other.name().to_owned(), ..cell.clone() });
            }
        }
    }
    shared
}

/// Lets each actor whose turn it is try everything on `relations`.
///
/// # Errors
/// A lost connection, or an actor whose role is missing or would bypass every policy.
pub(crate) fn probe_relations(
    session: &mut Session,
    world: &World,
    relations: &[&Relation],
    controls: &Controls,
    turns: &Turns<'_>,
) -> Result<Share> {
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
    while let Some(actor) = turns.next(&world.actors) {
        try_as(session, actor, |trial| {
            for target in &targets {
                let key = (actor.role().to_owned(), target.relation.oid);
                // A relation made since the privileges were read cannot be.
                let Some(privileges) = privileges.get(&key) else { continue };
                let mut prober = Prober::new(trial, target, privileges);
                prober.probe()?;
                attempts += prober.attempts;
                let found = prober.into_cells();
                turns.tell(&found, targets.len() * world.actors.len());
                cells.extend(found);
            }
            Ok(())
        })?;
    }
    let subjects = targets.iter().map(Target::subject).collect();
    Ok(Share { subjects, cells, attempts })
}

/// A relation and the rows that are there before any probe.
struct Target<'a> {
    world: &'a World,
    names: &'a OwnerNames,
    relation: &'a Relation,
    identity: Identity,
    rows: Vec<KnownRow>,
    /// In whose names the auditor sees all of them.
    claims: Vec<String>,
    owner_columns: Vec<String>,
    /// Whether a policy or view may ask which statement is running.
    may_read_statement: bool,
    has_owners: bool,
    unseeded: Option<String>,
    /// Whether rows of it are given and taken.
    is_moved_in: bool,
}

impl<'a> Target<'a> {
    fn read(session: &mut Session, world: &'a World, relation: &'a Relation) -> Result<Self> {
        let Reading { rows, claims, failure } = read_rows(session, world, relation)?;
        let ownership = world.tenancy.ownership(relation.oid);
        let is_owned = |row: &KnownRow| row.owner.tenant.is_some() || row.owner.user.is_some();
        let reason = world.unseeded.get(&relation.oid).cloned().or(failure);
        let unseeded = match rows.is_empty() {
            true => Some(reason.unwrap_or_else(|| "it shows no row of the world".into())),
            false => None,
        };
        Ok(Self {
            world,
            names: &world.names,
            relation,
            claims,
            identity: Identity::of(relation),
            owner_columns: world.tenancy.owner_columns(relation.oid),
            may_read_statement: may_read_statement(&world.catalog, relation),
            has_owners: ownership.tenant.is_some()
                || ownership.user.is_some()
                || (relation.is_view() && rows.iter().any(is_owned)),
            rows,
            unseeded,
            is_moved_in: true,
        })
    }

    fn name(&self) -> QualifiedName {
        QualifiedName::new(&self.relation.schema, &self.relation.name)
    }

    fn subject(&self) -> Subject {
        let kind = match self.relation.kind {
            RelationKind::Table => "table",
            RelationKind::Partitioned => "partitioned table",
            RelationKind::View => "view",
            RelationKind::MaterialisedView => "materialised view",
            RelationKind::ForeignTable => "foreign table",
        };
        let ownership = self.world.tenancy.ownership(self.relation.oid);
        Subject {
            relation: self.name(),
            kind,
            unseeded: self.unseeded.clone(),
            is_of_users_only: ownership.user.is_some() && ownership.tenant.is_none(),
        }
    }

    /// The rows by their class in the eyes of an actor.
    fn by_class(&self, actor: &Actor) -> BTreeMap<RowClass, Vec<&KnownRow>> {
        let mut classes: BTreeMap<RowClass, Vec<&KnownRow>> = BTreeMap::new();
        for row in &self.rows {
            let class = self.names.class(actor, &row.owner, self.has_owners);
            classes.entry(class).or_default().push(row);
        }
        classes
    }

    /// What a row has in one of the owner columns.
    fn owner_value(&self, row: &KnownRow, column: &str) -> Option<String> {
        let at = self.owner_columns.iter().position(|known| known == column)?;
        row.owner_values.get(at).cloned().flatten()
    }

    /// The columns that name a row.
    fn key_columns(&self) -> impl Iterator<Item = &str> {
        let key = match &self.identity {
            Identity::Key(key) => key.as_slice(),
            Identity::Place | Identity::Text => &[],
        };
        key.iter().map(String::as_str)
    }

    /// A statement of ours that takes all rows away but those of a condition, without triggers and
    /// foreign keys.
    fn leave_only(&self, condition: &str) -> String {
        format!(
            "set local session_replication_role = replica; \
             delete from {} where not ({condition}); \
             set local session_replication_role = origin",
            self.relation.sql_name()
        )
    }

    /// Whether a policy that refuses one row of an owner as updated refuses all of them: none looks at
    /// more than the owner columns (the key may lead to another table, the whole row to any column),
    /// and no trigger sets those. Without WHERE the policies for UPDATE alone are asked.
    fn judges_by_owner(&self, is_blind: bool) -> bool {
        let policies = self.relation.policies.iter();
        let mut policies = policies.filter(|policy| policy.is_for_update() || !is_blind);
        self.relation.is_table()
            && !self.relation.sets_on_update(&self.owner_columns)
            && !policies.any(|policy| policy.looks_beyond(&self.owner_columns))
    }

    /// Whether a policy refuses all new rows of one owner alike, whatever else is in them.
    fn refuses_by_owner(&self) -> bool {
        let policies = self.relation.policies.iter();
        let mut policies = policies.filter(|policy| policy.is_for_insert());
        self.relation.is_table()
            && self.relation.trigger_source.is_none()
            && !policies.any(|policy| policy.looks_beyond(&self.owner_columns))
    }

    /// A row in words: how to find it and whose it is.
    fn describe(&self, row: &KnownRow) -> String {
        let whose = self.names.describe(&row.owner);
        match self.identity.condition(&[row]) {
            Some(condition) => format!("{condition} {whose}"),
            None => format!("a row {whose}"),
        }
    }
}

/// Whether a policy or view, or what these call, may ask which statement is running.
fn may_read_statement(catalog: &Catalog, relation: &Relation) -> bool {
    const NAME: &str = "current_query";
    let policies = || relation.policies.iter();
    let called = catalog.routines.reached(policies().flat_map(|policy| policy.trees()));
    policies().flat_map(|policy| policy.conditions()).any(|condition| condition.names(NAME))
        || relation.shown_by.iter().any(|view| has_name(&view.definition.text, NAME))
        || called.into_iter().any(|routine| routine.names(NAME))
}

/// One actor before one relation.
struct Prober<'t, 's, 'a> {
    trial: &'t mut Trial<'s>,
    target: &'t Target<'a>,
    privileges: &'t Privileges,
    classes: BTreeMap<RowClass, Vec<&'t KnownRow>>,
    cells: BTreeMap<(Command, RowClass), (Verdict, Option<Evidence>)>,
    /// What the server answered to statements that were looked at in the same round trip: in the same
    /// world it would answer the same, and several aims may take one statement.
    answers: HashMap<String, Answer>,
    unfound: Vec<Unfound<'t>>,
    attempts: usize,
}

/// An update that found no row, whatever it would have set.
struct Unfound<'t> {
    is_blind: bool,
    sql: String,
    rows: Vec<&'t KnownRow>,
}

/// How many constraints are taken away, one after the other, before a statement is given up.
const MOST_OBSTACLES: usize = 4;

/// A statement, the command it stands for, and what it needs.
#[derive(Clone)]
struct Statement<'s> {
    command: Command,
    /// Without its WHERE clause.
    verb: String,
    sql: String,
    privilege: Privilege,
    /// Columns the statement names, and how it uses them.
    named: Vec<(Privilege, &'s str)>,
    /// Columns an update sets, and to what.
    set: Vec<(&'s str, Option<&'s str>)>,
}

/// What a statement did.
struct Done {
    rows: Vec<TextRow>,
    reached: u64,
    /// The constraint that would have stopped it after access control had let it pass.
    stopped_by: Option<String>,
    /// What [`Prober::look_query`] showed right after it.
    seen: Option<Vec<TextRow>>,
}

impl<'t, 's, 'a> Prober<'t, 's, 'a> {
    fn new(trial: &'t mut Trial<'s>, target: &'t Target<'a>, privileges: &'t Privileges) -> Self {
        let classes = target.by_class(trial.actor());
        let (cells, answers, unfound) = (BTreeMap::new(), HashMap::new(), Vec::new());
        Self { trial, target, privileges, classes, cells, answers, unfound, attempts: 0 }
    }

    fn probe(&mut self) -> Result<()> {
        if let Some(reason) = self.target.unseeded.clone() {
            self.set_untested(&reason);
            return self.truncate();
        }
        self.set_missing_untested();
        self.read()?;
        self.insert()?;
        self.update()?;
        self.delete()?;
        if self.target.is_moved_in {
            self.give()?;
            self.take()?;
        }
        self.truncate()
    }

    fn into_cells(self) -> Vec<Cell> {
        let relation = self.target.name();
        let actor = self.trial.actor().name().to_owned();
        let cells = self.cells.into_iter().map(|((command, class), (verdict, evidence))| Cell {
            relation: relation.clone(),
            actor: actor.clone(),
            command,
            class,
            verdict,
            evidence,
        });
        cells.collect()
    }

    /// Without a row there is nothing to try on; the cells say so.
    fn set_untested(&mut self, reason: &str) {
        let class = if self.target.has_owners { RowClass::Other } else { RowClass::Shared };
        for command in Command::ALL {
            if command != Command::Truncate {
                let verdict = Verdict::Untested { reason: reason.to_owned() };
                self.cells.insert((command, class), (verdict, None));
            }
        }
    }

    /// Where the rows of some owners could not be seeded, so that the actor finds no other's row,
    /// the cells say so; nothing can have been denied.
    fn set_missing_untested(&mut self) {
        let is_missing = self.target.has_owners && !self.classes.contains_key(&RowClass::Other);
        let relation = self.target.relation.oid;
        if let (true, Some(reason)) = (is_missing, self.target.world.unseeded.get(&relation)) {
            let reason = reason.clone();
            self.set_untested(&reason);
        }
    }

    /// Runs a statement; gives what it did, or the verdict that its failure means.
    ///
    /// Where a constraint stops it that says nothing about access, the constraint is taken away
    /// and the statement tried again, so that access control answers by itself.
    fn run(
        &mut self,
        statement: &Statement<'_>,
        of: usize,
    ) -> Result<Result<Done, (Verdict, Box<Refusal>)>> {
        self.run_after("", statement, of)
    }

    /// As [`Self::run`], after statements of our own; where those fail nothing is reached.
    fn run_after(
        &mut self,
        ours: &str,
        statement: &Statement<'_>,
        of: usize,
    ) -> Result<Result<Done, (Verdict, Box<Refusal>)>> {
        let look = self.is_looked_at(statement).then(|| self.look_query(statement));
        let look = look.as_deref();
        let mut failure = match self.ask(ours, &statement.sql, look)? {
            Some(Answer::Done(rows, reached, seen)) => {
                return Ok(Ok(Done { rows, reached, stopped_by: None, seen }));
            }
            Some(Answer::Refused(failure)) => failure,
            None => {
                let rows = Vec::new();
                return Ok(Ok(Done { rows, reached: 0, stopped_by: None, seen: None }));
            }
        };
        let stopped_by = failure.state().to_owned();
        let mut ours = ours.to_owned();
        for _ in 0..MOST_OBSTACLES {
            if !failure.is_beside_access(statement.privilege, self.target.relation) {
                break;
            }
            self.attempts += 1;
            match self.trial.attempt_without(&failure, &mut ours, &statement.sql, look)? {
                Some(Answer::Done(rows, reached, seen)) => {
                    return Ok(Ok(Done { rows, reached, stopped_by: Some(stopped_by), seen }));
                }
                Some(Answer::Refused(next)) => failure = next,
                None => break,
            }
        }
        Ok(Err((self.verdict(statement, &failure, of), failure)))
    }

    /// Asks the server, unless it is known what it answers.
    fn ask(&mut self, ours: &str, sql: &str, look: Option<&str>) -> Result<Option<Answer>> {
        let question = look.map(|look| format!("{ours}; {sql}; {look}"));
        if let Some(known) = question.as_ref().and_then(|asked| self.answers.get(asked)) {
            return Ok(Some(known.clone()));
        }
        self.attempts += 1;
        let answer = match ours {
            "" => Some(self.trial.attempt(sql, look)?),
            ours => self.trial.attempt_after(ours, sql, look)?,
        };
        // Without a look somebody looks at what it left.
        self.answers.extend(question.zip(answer.clone()));
        Ok(answer)
    }

    fn verdict(&self, statement: &Statement<'_>, failure: &Refusal, of: usize) -> Verdict {
        let is_view = self.target.relation.is_view();
        failure.verdict(self.privileges, is_view, statement.privilege, &statement.named, of)
    }

    /// Enters a verdict; among several attempts at one cell the most telling stays.
    fn enter(&mut self, command: Command, class: RowClass, verdict: Verdict, evidence: Evidence) {
        let is_heavier = match self.cells.get(&(command, class)) {
            Some((known, _)) => verdict.weight() > known.weight(),
            None => true,
        };
        if is_heavier {
            self.cells.insert((command, class), (verdict, Some(evidence)));
        }
    }

    /// Enters the verdict of a failed statement for one class.
    fn enter_failure(
        &mut self,
        statement: &Statement<'_>,
        class: RowClass,
        (verdict, failure): &(Verdict, Box<Refusal>),
    ) {
        let row = Some(failure.message.clone());
        let evidence = Evidence { statement: statement.sql.clone(), row };
        self.enter(statement.command, class, verdict.clone(), evidence);
    }

    /// Whether what a statement changed is looked at in the same round trip. A view may raise for who looks.
    fn is_looked_at(&self, statement: &Statement<'_>) -> bool {
        matches!(statement.privilege, Privilege::Update | Privilege::Delete)
            && self.target.relation.is_table()
    }

    /// A query for all rows there are, each with what tells whether it was written: where rows are
    /// handed over, their owners, since a trigger may put those back; in a table its place; in a view
    /// whether it shows what the statement set.
    fn look_query(&self, statement: &Statement<'_>) -> String {
        let is_set = |(name, value): &(&str, Option<&str>)| {
            format!("r.{} is not distinct from {}", identifier(name), value_sql(*value))
        };
        let version = match (self.target.relation.is_view(), statement.set.as_slice()) {
            _ if statement.command.is_transfer() => {
                let owners = self.target.owner_columns.iter();
                let owners = owners.map(|name| format!("r.{}::text", identifier(name)));
                owners.collect::<Vec<_>>().join(", ")
            }
            (false, _) => PLACE.to_owned(),
            (true, []) => "null".to_owned(),
            (true, set) => {
                let each: Vec<String> = set.iter().map(is_set).collect();
                format!("case when {} then 'set' end", each.join(" and "))
            }
        };
        format!(
            "select {}, {version} from {} as r",
            self.target.identity.select_list(),
            self.target.relation.sql_name()
        )
    }

    /// Which of the rows that were there are gone or written to, seen as the auditor.
    fn changed_rows(
        &mut self,
        seen: Option<Vec<TextRow>>,
        statement: &Statement<'_>,
    ) -> Result<Vec<&'t KnownRow>> {
        let seen = match seen {
            Some(seen) => seen,
            None => self.witness(&self.look_query(statement))?,
        };
        let now: BTreeSet<TextRow> = seen.into_iter().collect();
        let is_changed = |row: &&KnownRow| {
            let mut before = row.identity.clone();
            match statement.command.is_transfer() {
                true => before.extend(row.owner_values.iter().cloned()),
                false => before.push(row.place.clone()),
            }
            !now.contains(&before)
        };
        Ok(self.target.rows.iter().filter(is_changed).collect())
    }

    /// Asks, as the auditor, what the last attempt left of the relation.
    fn witness(&mut self, query: &str) -> Result<Vec<TextRow>> {
        if !self.target.relation.is_view() {
            return self.trial.witness(query);
        }
        let mut rows = Vec::new();
        for claims in &self.target.claims {
            rows.extend(self.trial.witness_for(claims, query)?);
        }
        Ok(rows)
    }
}
