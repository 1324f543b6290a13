//! The open world: one connection, one transaction that never commits, everybody in it.

mod measured;
mod notes;
mod redefined;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::actor::{Actor, TENANTS};
use crate::catalog::Catalog;
use crate::catalog::relation::{Relation, RelationKind};
use crate::error::{Error, Result};
use crate::finding::candidate::Protection;
use crate::finding::misplaced::Misplaced;
use crate::finding::nobody::is_within_reach;
use crate::finding::opening::Opening;
use crate::finding::unknown::Unknown;
use crate::finding::untested::{Unseeded, Untried};
use crate::isolation::measured::{measured, not_checked};
use crate::isolation::redefined::{deciding, refuse_redefined};
use crate::matrix::cell::{Cell, Matrix, Subject};
use crate::matrix::command::Command;
use crate::matrix::controls::ControlSet;
use crate::matrix::coverage::Unprobed;
use crate::matrix::person::{Person, Promotion};
use crate::matrix::verdict::Verdict;
use crate::migrate::places::{ObjectKind, Places};
use crate::names::{Oid, Place, QualifiedName};
use crate::platform::Platform;
use crate::probe::actor_queue::{ActorQueue, PartialMatrix};
use crate::probe::controls::Controls;
use crate::probe::misplaced::misplaced;
use crate::probe::openings::openings;
use crate::probe::probe_relations;
use crate::probe::promotion::promotions;
use crate::probe::refused::TOO_SLOW;
use crate::probe::roles::{roles_of, unprobed, within_reach};
use crate::probe::ways::untried_ways;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::project::guard::{ONE_TRANSACTION, unguardable};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::session::uncommitted::Uncommitted;
use crate::sql::quote::literal;
use crate::sql::statement::{self, Statement};
use crate::words::one_line;
use crate::world::ground::Ground;
use crate::world::identify::refuse_unknown;
use crate::world::thin::thin_out;
use crate::world::value::World;

/// Two tenants, their people and a row of each of them in every table, as long as it lives.
///
/// Nothing of it is ever committed: dropping it undoes all.
pub struct Isolation {
    session: Uncommitted,
    world: World,
    schemas: Vec<String>,
    /// What is probed: all that the API exposes, and what else an actor may reach by SQL.
    wanted: Vec<Oid>,
    controls: Controls,
    /// What a person has a privilege on.
    within_reach: BTreeSet<Oid>,
    /// Which tables were thinned out, a sentence each.
    thinned: Vec<String>,
    /// What people are measured against.
    measured: Vec<String>,
    probed: Option<Probed>,
    /// Whom of the special people others can make themselves.
    promotions: Option<BTreeMap<String, Promotion>>,
}

struct Probed {
    matrix: Matrix,
    controls: ControlSet,
    unprobed: Unprobed,
    attempts: usize,
}

impl Isolation {
    pub(crate) fn open(
        mut session: Uncommitted,
        project: &Project,
        platform: &Platform,
    ) -> Result<Self> {
        refuse_unknown(project)?;
        let mut schemas = project.schemas();
        session.steady();
        let ground = Ground::read(&mut session, project, platform)?;
        let missing = missing_schemas(&mut session, &schemas)?;
        // Supabase's config may expose what only a running platform has.
        if !project.names_schemas() && missing.len() < schemas.len() {
            schemas.retain(|schema| !missing.contains(schema));
        } else {
            refuse_missing_schemas(&missing)?;
        }
        refuse_missing_roles(&mut session, &ground.actors)?;
        let thinned = thin_out(&mut session, &ground.catalog)?;
        let controls = Controls::create(&mut session, &ground, platform)?;
        let ground = ground.with(&mut session, project, &controls.oids())?;
        let roles: Vec<&str> = ground.actors.iter().map(Actor::role).collect();
        let within_reach = within_reach(&mut session, &roles)?;
        let is_wanted = |relation: &&Relation| {
            let is_exposed = schemas.contains(&relation.schema);
            let is_reached = is_exposed || within_reach.contains(&relation.oid);
            controls.has(relation.oid) || (is_reached && !platform.owns(&relation.schema))
        };
        let wanted = ground.catalog.relations().filter(is_wanted).map(|relation| relation.oid);
        let wanted: Vec<Oid> = wanted.collect();
        let own: Vec<&SqlFile> = project.rows_of_world().collect();
        let platform = platform.clone();
        let before = deciding(&mut session)?;
        let world = World::seed(&mut session, ground, platform, &wanted, &own)?;
        refuse_redefined(&before, &deciding(&mut session)?)?;
        let own = wanted.iter().filter(|oid| !controls.has(**oid)).copied();
        let own: Vec<Oid> = own.collect();
        let mut isolation = Self {
            session,
            world,
            schemas,
            wanted,
            controls,
            within_reach,
            thinned,
            measured: Vec::new(),
            probed: None,
            promotions: None,
        };
        isolation.refresh_materialised_views()?;
        isolation.world.note_untraced_views(&mut isolation.session, &own)?;
        let World { catalog, tenancy, platform, .. } = &isolation.world;
        let known = (&**catalog, tenancy);
        isolation.measured = measured(project, platform, known, &isolation.schemas, &own);
        Ok(isolation)
    }

    /// Everybody who can ask.
    pub fn actors(&self) -> &[Actor] {
        &self.world.actors
    }

    /// Runs statements as somebody, on the untouched world; gives the rows as text, NULL as `None`.
    ///
    /// # Errors
    /// A name that nobody has, or what the server says to the statement.
    pub fn ask(&mut self, actor: &str, sql: &str) -> Result<Vec<TextRow>> {
        let actor =
            self.world.actors.iter().find(|known| known.name() == actor).ok_or_else(|| {
                let known: Vec<_> = self.world.actors.iter().map(Actor::name).collect();
                Error::new(format!("there is no actor `{actor}`"))
                    .help(format!("the known ones are {}", known.join(", ")))
            })?;
        let fact = format!("`{}` asked: {sql}", actor.name());
        let ends_it =
            |statement: &Statement<'_>| unguardable(statement.text) == Some(ONE_TRANSACTION);
        if statement::split(sql).iter().any(ends_it) {
            return Err(Error::new(fact)
                .cause("it would end the transaction in which the world is, or go back in it")
                .help("leave transaction control out; each question finds the world untouched"));
        }
        self.session.as_actor(actor.impersonation(), None, |session| {
            let outcomes = session.verbatim(sql).map_err(|failed| failed.error(fact))?;
            Ok(outcomes.into_iter().flat_map(|outcome| outcome.rows).collect())
        })
    }

    /// Lets everybody try everything, once, and gives who could do what.
    ///
    /// # Errors
    /// A lost connection; an actor that no policy would stop; a control that failed, since the
    /// matrix means nothing then.
    pub fn matrix(&mut self) -> Result<&Matrix> {
        let controls = self.controls()?;
        if let Some(failed) = controls.failed.first() {
            return Err(Error::new("the probes cannot be trusted: a positive control failed")
                .cause(&failed.sentence)
                .help("run `leakproof check` for all of them"));
        }
        self.probe().map(|probed| &probed.matrix)
    }

    /// As [`Self::matrix`], whatever the controls say.
    pub(crate) fn unproved_matrix(&mut self) -> Result<&Matrix> {
        self.probe().map(|probed| &probed.matrix)
    }

    pub(crate) fn controls(&mut self) -> Result<&ControlSet> {
        self.probe().map(|probed| &probed.controls)
    }

    /// How many statements the probes took.
    pub(crate) fn attempts(&mut self) -> Result<usize> {
        self.probe().map(|probed| probed.attempts)
    }

    /// How many tenants there are.
    pub(crate) fn tenants(&self) -> usize {
        self.world.tenancy.tenant.as_ref().map_or(0, |_| TENANTS.len())
    }

    /// The relations that are probed while nothing has settled whose their rows are.
    pub(crate) fn unknown(&self) -> Vec<Unknown> {
        let World { tenancy, catalog, .. } = &self.world;
        let Some(Probed { matrix, .. }) = &self.probed else { return Vec::new() };
        let probed = |oid: &Oid| self.wanted.contains(oid) && !self.controls.has(*oid);
        let probed = catalog.relations().filter(|relation| probed(&relation.oid));
        let unknown = probed.filter_map(|one| {
            let (relation, why) = (one.qualified_name(), tenancy.unknown.get(&one.oid)?.clone());
            if !why.shows.is_empty() && shows_what_people_read(matrix, &relation, &why.shows) {
                return None;
            }
            let is_within_reach = self.within_reach.contains(&one.oid)
                && (!why.policies.is_empty() || is_within_reach(matrix.of(&relation)));
            Some(Unknown { relation, why, is_within_reach })
        });
        unknown.collect()
    }

    /// The relations that people may reach and in which some owner has no row, so that nothing was tried there.
    pub(crate) fn unseeded(&self) -> Vec<Unseeded> {
        let Some(Probed { matrix, .. }) = &self.probed else { return Vec::new() };
        let reached = self.world.refused.iter().filter(|(oid, _)| self.within_reach.contains(*oid));
        let unseeded = reached.filter_map(|(oid, refused)| {
            let relation = self.world.catalog.relation(*oid)?.qualified_name();
            let mut cells = matrix.of(&relation).iter();
            cells.find(|cell| matches!(cell.verdict, Verdict::Untested { .. }))?;
            let owners = refused.iter().map(|(branch, _)| branch.label()).collect();
            let reason = one_line(&refused.first()?.1);
            Some(Unseeded { relation, owners, reason })
        });
        // No row of a view can be made.
        let reached = self.within_reach.iter().filter_map(|oid| self.world.catalog.relation(*oid));
        let views = reached.filter(|relation| relation.is_view()).filter_map(|view| {
            let relation = view.qualified_name();
            let subject = matrix.subjects().iter().find(|one| one.relation == relation)?;
            let reason = one_line(subject.unseeded.as_ref()?);
            Some(Unseeded { relation, owners: Vec::new(), reason })
        });
        let seeded = self.within_reach.iter().filter(|oid| !self.world.refused.contains_key(oid));
        let untried = seeded.filter_map(|oid| {
            let relation = self.world.catalog.relation(*oid)?.qualified_name();
            let is_it = |one: &&Subject| one.relation == relation && one.unseeded.is_none();
            matrix.subjects().iter().find(is_it)?;
            Some(Unseeded { reason: untried(matrix.of(&relation))?, relation, owners: Vec::new() })
        });
        unseeded.chain(views).chain(untried).collect()
    }

    /// What people can reach and no probe tries.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn unprobed(&mut self) -> Result<&Unprobed> {
        self.probe().map(|probed| &probed.unprobed)
    }

    fn read_unprobed(&mut self) -> Result<Unprobed> {
        let people = self.world.actors.iter().filter(|actor| !actor.is_service());
        let roles: BTreeSet<&str> = people.map(Actor::role).collect();
        let roles: Vec<&str> = roles.into_iter().collect();
        unprobed(&mut self.session, &roles, &self.schemas)
    }

    /// The ways that policies leave open and nobody goes, with where the policies stand.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn untried(&mut self, places: &Places) -> Result<Vec<(Untried, Option<Place>)>> {
        let people = self.people()?;
        self.probe()?;
        let catalog = Arc::clone(&self.world.catalog);
        let relations = self.probed_of_project(&catalog);
        let Some(Probed { matrix, .. }) = &self.probed else { return Ok(Vec::new()) };
        let untried = untried_ways(&mut self.session, &self.world, &relations, matrix, &people)?;
        let place = |policy: Oid| places.of(ObjectKind::Policy, policy).cloned();
        Ok(untried.into_iter().map(|(policy, one)| (one, place(policy))).collect())
    }

    /// The relations that are probed, without the controls.
    fn probed_of_project<'c>(&self, catalog: &'c Catalog) -> Vec<&'c Relation> {
        let own = self.wanted.iter().filter(|oid| !self.controls.has(**oid));
        own.filter_map(|oid| catalog.relation(*oid)).collect()
    }

    /// What people open by adding rows to what policies ask.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn openings(&mut self) -> Result<Vec<Opening>> {
        let catalog = Arc::clone(&self.world.catalog);
        let relations = self.probed_of_project(&catalog);
        openings(&mut self.session, &self.world, &relations)
    }

    /// What memberships open that should not count there.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn misplaced(&mut self) -> Result<Vec<Misplaced>> {
        let catalog = Arc::clone(&self.world.catalog);
        let relations = self.probed_of_project(&catalog);
        misplaced(&mut self.session, &self.world, &relations)
    }

    /// Everybody who can ask, with the roles whose policies apply to them.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn people(&mut self) -> Result<Vec<Person>> {
        let roles: Vec<&str> = self.world.actors.iter().map(Actor::role).collect();
        let roles = roles_of(&mut self.session, &roles)?;
        self.probe()?;
        if let (None, Some(Probed { matrix, .. })) = (&self.promotions, &self.probed) {
            self.promotions = Some(promotions(&mut self.session, &self.world, matrix)?);
        }
        let person = |actor: &Actor| {
            let own = roles.get(actor.role()).cloned();
            let person = actor.person();
            let promotions = self.promotions.as_ref();
            let promotion = promotions.and_then(|all| all.get(&person.name)).cloned();
            Person { roles: own.unwrap_or_default(), promotion, ..person }
        };
        Ok(self.world.actors.iter().map(person).collect())
    }

    /// What stands between people and the relations that are probed, and where in the files.
    pub(crate) fn protections(&self, places: &Places) -> Vec<Protection> {
        let catalog = &self.world.catalog;
        let probed = self.probed_of_project(catalog).into_iter();
        probed.map(|relation| Protection::of(relation, catalog, places)).collect()
    }

    /// How many rows were seeded, the controls' left out.
    pub(crate) fn seeded_rows(&self) -> usize {
        let seeded = self.world.seeded.iter().filter(|(oid, _)| !self.controls.has(**oid));
        seeded.map(|(_, rows)| rows.len()).sum()
    }

    /// The text of a `seed.sql` to fill in, with the database's own reasons, for the tables in which
    /// some owner has no row; none if there is no such table.
    pub fn seed_stub(&self) -> Option<String> {
        self.world.seed_stub(&self.exposed())
    }

    /// A line for each table in which some owner has no row: whose, and why.
    pub fn seeding_notes(&self) -> Vec<String> {
        self.world.seeding_notes(&self.exposed())
    }

    /// The relations of the exposed schemas.
    fn exposed(&self) -> Vec<Oid> {
        let exposed = self.world.catalog.relations().filter(|r| self.schemas.contains(&r.schema));
        exposed.map(|relation| relation.oid).collect()
    }

    fn probe(&mut self) -> Result<&Probed> {
        if self.probed.is_none() {
            let part = self.probe_queued(&ActorQueue::told(&()))?;
            self.unite(vec![part])?;
        }
        // Filled right above.
        self.probed.as_ref().ok_or_else(|| Error::new("nothing was probed"))
    }

    /// Leaves only one relation, and the controls, to be probed.
    ///
    /// # Errors
    /// None of that name is probed.
    pub(crate) fn narrow(&mut self, only: &str) -> Result<()> {
        let catalog = Arc::clone(&self.world.catalog);
        let probed = |oid: &&Oid| !self.controls.has(**oid);
        let title = |oid: &Oid| catalog.relation(*oid).map(Relation::title);
        let known: Vec<String> = self.wanted.iter().filter(probed).filter_map(title).collect();
        if !known.iter().any(|title| title == only) {
            return Err(Error::new(format!("there is no `{only}` to probe"))
                .help(format!("name one of {}", known.join(", "))));
        }
        let controls = &self.controls;
        let is_left = |oid: &Oid| controls.has(*oid) || title(oid).as_deref() == Some(only);
        self.wanted.retain(is_left);
        Ok(())
    }

    /// Lets actors try everything as long as it is somebody's turn. Equal worlds share the queue.
    pub(crate) fn probe_queued(&mut self, queue: &ActorQueue<'_>) -> Result<PartialMatrix> {
        let catalog = Arc::clone(&self.world.catalog);
        let wanted = catalog.relations().filter(|relation| self.wanted.contains(&relation.oid));
        let wanted: Vec<_> = wanted.collect();
        probe_relations(&mut self.session, &self.world, &wanted, &self.controls, queue)
    }

    /// Takes over what was found out by all actors, in this world and its equals.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn unite(&mut self, parts: Vec<PartialMatrix>) -> Result<()> {
        let (matrix, attempts) = PartialMatrix::unite(parts, &self.world.actors);
        let controls = self.controls.judge(&matrix, &self.world.actors);
        let matrix = matrix.of_relations(|relation| !self.controls.names(relation));
        let unprobed = self.read_unprobed()?;
        let measured = self.measured.iter().cloned().chain(not_checked(&unprobed));
        let matrix = matrix.measured_against(measured.collect());
        self.probed = Some(Probed { matrix, controls, unprobed, attempts });
        Ok(())
    }

    /// They show what was there when they were last filled, which was before the world.
    fn refresh_materialised_views(&mut self) -> Result<()> {
        let catalog = Arc::clone(&self.world.catalog);
        for view in catalog.relations().filter(|r| r.kind == RelationKind::MaterialisedView) {
            let sql = format!("refresh materialized view {}", view.sql_name());
            let attempt = format!("refresh {}", view.title());
            self.session.as_owner(&sql).map_err(failing(&attempt))?;
        }
        Ok(())
    }
}

/// Why nothing is known of what people do with a relation, where rows are there and somebody has not got as far as
/// asking for them, or waited too long.
fn untried(cells: &[Cell]) -> Option<String> {
    cells.iter().find_map(|cell| match &cell.verdict {
        Verdict::Untested { reason }
            if cell.command == Command::Read || reason.starts_with(TOO_SLOW) =>
        {
            Some(one_line(reason))
        }
        _ => None,
    })
}

/// Whether whoever reads a view reads all that it shows by itself, too.
fn shows_what_people_read(matrix: &Matrix, view: &QualifiedName, shown: &[QualifiedName]) -> bool {
    let is_read = |cell: &&Cell| cell.command == Command::Read;
    let allowed = |cell: &&Cell| is_read(cell) && cell.verdict.is_allowed();
    let readers = matrix.of(view).iter().filter(allowed).map(|cell| cell.actor.as_str());
    let readers: BTreeSet<&str> = readers.collect();
    let reads_all = |actor: &str, one: &QualifiedName| {
        let mut read = matrix.row(one, actor).filter(is_read).peekable();
        read.peek().is_some() && read.all(|cell| cell.verdict.is_whole())
    };
    readers.into_iter().all(|actor| shown.iter().all(|one| reads_all(actor, one)))
}

fn missing_schemas(session: &mut Session, schemas: &[String]) -> Result<Vec<String>> {
    missing_names(session, schemas, "pg_catalog.pg_namespace", "nspname")
}

fn refuse_missing_schemas(missing: &[String]) -> Result<()> {
    missing.first().map_or(Ok(()), |schema| {
        Err(Error::new(format!("the schema `{schema}` does not exist after the migrations"))
            .help("correct `schemas` under `[project]`, which says what the API exposes"))
    })
}

fn refuse_missing_roles(session: &mut Session, actors: &[Actor]) -> Result<()> {
    let roles: Vec<&str> = actors.iter().map(Actor::role).collect();
    let missing = missing_names(session, &roles, "pg_catalog.pg_roles", "rolname")?;
    let actor = actors.iter().find(|actor| missing.iter().any(|role| role == actor.role()));
    actor.map_or(Ok(()), |actor| {
        let (name, role) = (actor.name(), actor.role());
        Err(Error::new(format!("the actor `{name}` has the role `{role}`, which does not exist"))
            .help(format!(
                "create the role in a migration, or correct `role` under `[actors.{name}]`"
            )))
    })
}

fn missing_names(
    session: &mut Session,
    names: &[impl AsRef<str>],
    catalog: &str,
    column: &str,
) -> Result<Vec<String>> {
    let list: Vec<String> = names.iter().map(|name| literal(name.as_ref())).collect();
    let sql = format!(
        "select name from pg_catalog.unnest(array[{}]::text[]) as name
         where not exists (select from {catalog} where {column} = name)",
        list.join(", ")
    );
    let rows = session.rows(&sql).map_err(failing("look for what the config names"))?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

impl std::fmt::Debug for Isolation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Isolation").field("schemas", &self.schemas).finish_non_exhaustive()
    }
}
