//! Finds out, on a throwaway database, what each statement of a file locks and rewrites.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Result;
use crate::migrate::hosted::{FileKind, OwnerSession};
use crate::migrate::target::Throwaway;
use crate::names::{Oid, QualifiedName};
use crate::project::adapt::adapt;
use crate::project::files::SqlFile;
use crate::push::effects::{Effect, LockMode};
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::statement::{line_of, split};

/// A relation that was there before the file.
#[derive(Deserialize)]
struct Known {
    oid: Oid,
    schema: String,
    name: String,
    index_of: Option<Oid>,
    has_rows: bool,
    file: Option<i64>,
}

/// What the transaction holds of a relation.
#[derive(Deserialize, Clone)]
struct Held {
    oid: Oid,
    modes: Vec<String>,
    is_there: bool,
    index_of: Option<Oid>,
    file: Option<i64>,
    scans: Option<i64>,
}

impl Held {
    fn mode(&self) -> Option<LockMode> {
        self.modes.iter().filter_map(|mode| LockMode::of_catalog(mode)).max()
    }
}

/// Runs a file on a throwaway database, in a transaction that is taken back, and gives what its statements do to
/// relations that were there before it, in their order. Locks of who only reads are among them.
///
/// # Errors
/// The first statement that fails.
pub(crate) fn trace(
    session: &mut Session,
    throwaway: &Throwaway,
    file: &SqlFile,
) -> Result<Vec<Effect>> {
    let known: Vec<Known> = session.values(include_str!("trace_known.sql"))?;
    let known: BTreeMap<Oid, Known> = known.into_iter().map(|one| (one.oid, one)).collect();
    let adapted = adapt(file);
    let mut owner = OwnerSession::begin(session, throwaway, FileKind::Change)?;
    let mut before = look(&mut owner)?;
    let mut effects = Vec::new();
    for statement in split(&adapted.sql) {
        let line = line_of(&adapted.sql, statement.first_word);
        let outcome = match statement.data {
            Some(rows) => owner.copy_in(statement.text, rows, line),
            None => owner.run(statement.text, line),
        };
        outcome.map_err(failing("trace a file"))?;
        let after = look(&mut owner)?;
        effects.extend(effects_of(line, &known, &before, &after));
        before = after;
    }
    Ok(effects)
}

fn look(owner: &mut OwnerSession<'_>) -> Result<BTreeMap<Oid, Held>> {
    let held: Vec<Held> = owner.values(include_str!("trace.sql"))?;
    Ok(held.into_iter().map(|one| (one.oid, one)).collect())
}

/// What has come between two looks, by relation; an index counts for its table.
fn effects_of(
    line: usize,
    known: &BTreeMap<Oid, Known>,
    before: &BTreeMap<Oid, Held>,
    after: &BTreeMap<Oid, Held>,
) -> Vec<Effect> {
    let mut effects: BTreeMap<Oid, Effect> = BTreeMap::new();
    for (oid, held) in after {
        let (was, relation) = (before.get(oid), known.get(oid));
        let index_of = held.index_of.or_else(|| relation?.index_of);
        let Some(table) = known.get(&index_of.unwrap_or(*oid)) else { continue };
        let file_before = was.map_or_else(|| relation?.file, |was| was.file);
        let has_new_file = held.file.is_some() && held.file != file_before;
        let effect = effects.entry(table.oid).or_insert_with(|| Effect {
            line,
            relation: QualifiedName::new(&table.schema, &table.name),
            lock: None,
            is_rewritten: false,
            is_index_built: false,
            is_scanned: false,
            is_dropped: false,
        });
        if index_of.is_some() {
            effect.is_index_built |= has_new_file;
            continue;
        }
        let scans = |held: &Held| held.scans.unwrap_or(0);
        effect.lock = held.mode().filter(|mode| was.and_then(Held::mode) < Some(*mode));
        effect.is_rewritten = has_new_file && table.has_rows;
        effect.is_scanned = table.has_rows && scans(held) > was.map_or(0, scans);
        effect.is_dropped = !held.is_there && was.is_none_or(|was| was.is_there);
    }
    let is_news = |effect: &Effect| {
        effect.lock.is_some()
            || effect.is_rewritten
            || effect.is_index_built
            || effect.is_scanned
            || effect.is_dropped
    };
    effects.into_values().filter(is_news).collect()
}
