//! The files that are new, once more, in a database with generated rows: what a file does to rows
//! shows only where there are some, and who has no fixtures has none.
//!
//! It is a database of its own, so that nothing of it is in what the actors are probed on, and a file
//! that fails on rows which it would never meet stops nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::actor::Actor;
use crate::catalog::Catalog;
use crate::catalog::relation::Relation;
use crate::check::audience::Audience;
use crate::check::outcome::{Failure, Rehearsal};
use crate::check::telling::make_telling;
use crate::error::Result;
use crate::migrate::run::settle;
use crate::migrate::target::Throwaway;
use crate::names::{Oid, QualifiedName};
use crate::platform::Platform;
use crate::project::Project;
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::refusal::Refusal;
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::statement;
use crate::world::ground::Ground;
use crate::world::value::World;

impl Rehearsal {
    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Applies the files up to `from` without rows, then lets each later one meet rows of every owner in
/// every table that is there.
///
/// # Errors
/// A server that is lost, or a file that fails without rows, too.
pub(crate) fn rehearse(
    project: &Project,
    platform: &Platform,
    server: &Arc<Server>,
    from: i64,
    twice: bool,
) -> Result<Rehearsal> {
    let mut rehearsal = Rehearsal::default();
    let mut from = from;
    // Once more after each file that fails on rows, which it does not meet then.
    while let Some(failed_at) =
        rehearse_from((project, platform, server), from, twice, &mut rehearsal)?
    {
        from = failed_at;
    }
    Ok(rehearsal)
}

/// Gives the version that failed on rows, if one did.
fn rehearse_from(
    (project, platform, server): (&Project, &Platform, &Arc<Server>),
    from: i64,
    twice: bool,
    rehearsal: &mut Rehearsal,
) -> Result<Option<i64>> {
    let later = project.migrations().iter().filter(|file| file.version() > from);
    let later: Vec<&SqlFile> = later.collect();
    if later.is_empty() {
        return Ok(None);
    }
    let mut scratch = Scratch::empty(project, platform.clone(), server)?;
    if twice {
        scratch = scratch.repeat();
    }
    scratch.rehearse_to(from, None)?;
    let mut connection = scratch.login_connection()?;
    let mut filled = Filled::default();
    let mut audience = Audience::of(project, platform.clone());
    let known_before = scratch.applied().len();
    let throwaway = scratch.throwaway();
    let mut failed_at = None;
    for file in later {
        filled.fill(&mut connection, (project, platform), (&throwaway, file), rehearsal)?;
        audience.names.clone_from(&filled.people);
        connection.uncommitted(|session| audience.look_anew(session, file))?;
        let mut look = |session: &mut Session, file: &SqlFile| audience.look(session, file);
        if let Err(error) = scratch.rehearse_to(file.version(), Some(&mut look)) {
            if connection.is_closed() {
                return Err(error);
            }
            let (version, name) = (file.version(), file.name().to_owned());
            let by_any_row_of =
                error.refusal().and_then(|said| filled.table_that_lacks_a_value(file, said));
            rehearsal.failed.push(Failure { version, name, error, by_any_row_of });
            failed_at = Some(version);
            break;
        }
    }
    rehearsal.rows = rehearsal.rows.max(filled.rows);
    rehearsal.applied.extend(scratch.applied().iter().skip(known_before).cloned());
    let followed = audience.into_followed();
    rehearsal.widenings.extend(followed.widenings);
    followed.unread.into_iter().for_each(|unread| rehearsal.note(unread));
    Ok(failed_at)
}

/// The tables that have rows, as they were when they got them.
#[derive(Default)]
struct Filled {
    tables: BTreeSet<Oid>,
    rows: usize,
    /// The names of users, by their ids.
    people: BTreeMap<String, String>,
    catalog: Arc<Catalog>,
}

impl Filled {
    /// Puts rows into the tables that have come, and says so where none can be had.
    ///
    /// # Errors
    /// The server is lost, or triggers change what belongs to the whole of it.
    fn fill(
        &mut self,
        connection: &mut Connection,
        (project, platform): (&Project, &Platform),
        (throwaway, file): (&Throwaway, &SqlFile),
        rehearsal: &mut Rehearsal,
    ) -> Result<()> {
        let mut is_seeded = false;
        let seeded = connection.transaction(|session| {
            // What runs as late as the commit finds that it was done.
            let begin = session.rows_as_owner("select leakproof.begin_roles()");
            begin.map_err(failing("look at the roles of the server"))?;
            let empty = self.seed(session, project, platform)?;
            is_seeded = true;
            settle(session, Session::rows_as_owner, throwaway, file)?;
            Ok(empty)
        });
        match seeded {
            Ok(empty) => {
                for (table, reason) in empty {
                    let title = file.title();
                    let reason = reason.lines().next().unwrap_or_default();
                    rehearsal.note(format!("no rows in {table} before {title}: {reason}"));
                }
            }
            Err(error) if is_seeded || connection.is_closed() => return Err(error),
            Err(error) => {
                rehearsal.note(format!("no rows before {}: {}", file.title(), error.fact()));
            }
        }
        Ok(())
    }

    /// Gives the new tables that have no row, and why.
    fn seed(
        &mut self,
        session: &mut Session,
        project: &Project,
        platform: &Platform,
    ) -> Result<Vec<(String, String)>> {
        session.steady();
        let ground = Ground::read(session, project, platform)?;
        let catalog = Arc::clone(&ground.catalog);
        self.catalog = Arc::clone(&catalog);
        let is_new = |relation: &&Relation| {
            relation.is_table()
                && ground.tenancy.is_of_project(relation)
                && !self.tables.contains(&relation.oid)
        };
        let new: Vec<Oid> = catalog.relations().filter(is_new).map(|r| r.oid).collect();
        if new.is_empty() {
            return Ok(Vec::new());
        }
        let platform = platform.clone();
        let world = World::seed(session, ground, platform, &new, &[])?;
        make_telling(session, &world)?;
        let named = |actor: &Actor| Some((actor.user()?.to_owned(), actor.name().to_owned()));
        for (id, name) in world.actors.iter().filter_map(named) {
            // Some are one person who says more.
            self.people.entry(id).or_insert(name);
        }
        self.rows += world.seeded.values().map(Vec::len).sum::<usize>();
        let reason = |oid: &Oid| {
            let title = catalog.relation(*oid)?.title();
            Some((title, world.unseeded.get(oid)?.clone()))
        };
        let empty = new.iter().filter(|oid| !world.seeded.contains_key(oid)).filter_map(reason);
        let empty = empty.collect();
        self.tables.extend(new);
        Ok(empty)
    }

    /// The table with rows that a refusal is about, if it says that a column may not be NULL which was
    /// not there when the rows came.
    fn table_that_lacks_a_value(&self, file: &SqlFile, refusal: &Refusal) -> Option<QualifiedName> {
        let column = refusal.column.as_deref().filter(|_| refusal.sqlstate == "23502")?;
        let is_it = |relation: &&Relation| {
            self.tables.contains(&relation.oid)
                && refusal.is_about(&relation.schema, &relation.name)
                && relation.column(column).is_none()
        };
        let sql = adapt(file).sql;
        let mut statements = statement::split(&sql).into_iter();
        let is_certain = statements.any(|one| statement::adds_without_value(one.text, column));
        let table = self.catalog.relations().filter(|_| is_certain).find(is_it)?;
        Some(QualifiedName::new(&table.schema, &table.name))
    }
}
