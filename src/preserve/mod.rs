//! Census, preserve queries and recorded calls: shows that a migration lost nothing.
//!
//! The census needs no words from anybody: it follows every row by catalog identity (table oid, attnum,
//! key), which renames keep. A preserve pair vouches for a planned change of shape. A recorded call is a
//! question to the API whose answer stays the same. All of them run inside the migration's own
//! transaction and write nothing that outlives it.

mod around;
pub(crate) mod calls;
pub(crate) mod circumstance;
pub(crate) mod contents;
mod difference;
pub(crate) mod loss;
pub(crate) mod outcome;
pub(crate) mod pairs;
pub(crate) mod prints;
pub(crate) mod repeated;
mod retype;
mod rows;
mod stamps;
pub(crate) mod steady;
pub(crate) mod tables;
mod unkeyed;

use std::collections::BTreeSet;

use crate::error::Result;
use crate::preserve::around::Around;
use crate::preserve::difference::{Difference, Fate};
use crate::preserve::rows::Pair;
use crate::preserve::steady::{leave_formats, pin_formats};
use crate::preserve::tables::{Table, Tables};
use crate::project::preserve_file::PreservePair;
use crate::session::open::Session;
use crate::sql::rewrites::{may_rebuild, names_in_rewriting};
use crate::sql::zones::StatedZones;

pub use crate::preserve::circumstance::Circumstance;
pub use crate::preserve::loss::{Loss, LossKind};
pub use crate::preserve::outcome::{
    AnswerDifference, CallOutcome, LineDifference, PairOutcome, Preservation,
};
pub use crate::preserve::repeated::{Difference as RunDifference, DifferenceKind, Repeated, What};

/// Rows of a smaller table are kept whatever the file has in it.
const SMALL_BYTES: u64 = 1 << 20;

/// What was there before a migration.
pub(crate) struct Before {
    tables: Tables,
    /// The tables whose rows are kept.
    kept: BTreeSet<i64>,
    around: Around,
    /// For each pair, what it covers and does not read.
    unread: Vec<Vec<String>>,
}

/// What was seen after a migration.
pub(crate) enum After {
    Seen(Preservation),
    /// The file has changed rows of these tables, which were not kept: it has to be applied once more.
    Unkept(BTreeSet<i64>),
}

/// Keeps the rows that a file may change or remove, those of `also` in any case, and runs the `before`
/// queries, in the migration's transaction.
pub(crate) fn before(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    also: &BTreeSet<i64>,
) -> Result<Before> {
    pin_formats(session);
    pairs::run_before(session, pairs)?;
    let mut tables = Tables::read(session)?;
    tables.count(session)?;
    pairs::refuse_unknown_names(pairs, &tables)?;
    let unread = pairs::unread(session, pairs, &tables)?;
    let names = names_in_rewriting(file);
    let is_kept = |table: &&Table| {
        table.rows > 0
            && !table.is_view()
            && (table.bytes() <= SMALL_BYTES
                || also.contains(&table.oid)
                || names.contains(&table.word().to_lowercase()))
    };
    let kept: Vec<&Table> = tables.by_oid.values().filter(is_kept).collect();
    rows::keep(session, &kept)?;
    let kept = kept.iter().map(|table| table.oid).collect();
    let around = Around::read(session, may_rebuild(file))?;
    leave_formats(session);
    Ok(Before { tables, kept, around, unread })
}

/// Runs the `after` queries and compares what there is with what was kept. `file` is the migration's text.
pub(crate) fn after(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    before: &Before,
) -> Result<After> {
    pin_formats(session);
    let mut after = Tables::read(session)?;
    let unkept = before.unkept(&after);
    if !unkept.is_empty() {
        return Ok(After::Unkept(unkept));
    }
    let outcomes = pairs::compare_after(session, pairs, &before.unread)?;
    after.count(session)?;
    let Difference { mut losses, mut retyped, stamped, noted } =
        before.compare(session, &after, file)?;
    losses.sort();
    retyped.sort();
    let (covered, losses) = losses.into_iter().partition(|loss: &Loss| {
        // What shows nothing vouches for nothing.
        let mut vouching = pairs.iter().zip(&outcomes).filter(|(_, outcome)| !outcome.is_empty);
        vouching.any(|(pair, outcome)| {
            let mut read = pair.covers().iter().filter(|name| !outcome.unread.contains(name));
            read.any(|name| loss.is_in(name))
        })
    });
    Ok(After::Seen(Preservation {
        tables: before.filled().count(),
        rows: before.filled().map(|table| table.rows).sum(),
        losses,
        covered,
        retyped,
        stamped,
        noted,
        pairs: outcomes,
        calls: Vec::new(),
    }))
}

/// What a file does to rows of which a statement has failed, as far as no pair speaks of it.
pub(crate) fn lost_by_failing(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    before: &Before,
) -> Result<Vec<Loss>> {
    pin_formats(session);
    let mut after = Tables::read(session)?;
    // To begin anew for what fails in any case is not worth while.
    if !before.unkept(&after).is_empty() {
        return Ok(Vec::new());
    }
    after.count(session)?;
    let mut losses = before.compare(session, &after, file)?.losses;
    losses.sort();
    let is_meant =
        |loss: &Loss| pairs.iter().flat_map(PreservePair::covers).any(|name| loss.is_in(name));
    losses.retain(|loss| !is_meant(loss));
    Ok(losses)
}

impl Before {
    fn filled(&self) -> impl Iterator<Item = &Table> {
        self.tables.by_oid.values().filter(|table| table.rows > 0 && !table.is_view())
    }

    /// The tables that have to be compared and were not kept.
    fn unkept(&self, after: &Tables) -> BTreeSet<i64> {
        let is_changed = |was: &&Table| matches!(after.fate(was, &self.tables), Fate::Changed(_));
        let changed = self.filled().filter(|was| !self.kept.contains(&was.oid)).filter(is_changed);
        changed.map(|table| table.oid).collect()
    }

    /// Where another table has the name of one that is there under another name.
    fn note_on_namesake(&self, was: &Table, after: &Tables) -> Option<String> {
        let now = after.by_oid.get(&was.oid).filter(|now| now.name() != was.name())?;
        let other = after.named(&was.name()).filter(|other| other.oid != was.oid)?;
        let (name, left) = (other.title(), now.title());
        Some(format!("{name} is another table now; the rows of before are in {left}"))
    }

    fn compare(&self, session: &mut Session, after: &Tables, file: &str) -> Result<Difference> {
        rows::refuse_missing(session, &self.kept)?;
        let (zones, mut difference) = (StatedZones::read(file), Difference::default());
        for was in self.filled() {
            difference.noted.extend(self.note_on_namesake(was, after));
            let now = match after.fate(was, &self.tables) {
                Fate::Untouched => continue,
                Fate::Gone => {
                    difference.losses.push(difference::gone(was, &self.tables, after));
                    continue;
                }
                Fate::Changed(now) => now,
            };
            let pair = Pair::new(was, now, &self.tables, after);
            difference.noted.extend(pair.detached.iter().map(|table| {
                let (part, whole) = (table.title(), was.title());
                format!("{part} is no partition of {whole} any more, and has kept its rows")
            }));
            let lacking = self.around.lacking(session, &pair)?;
            if lacking.has_lost_key {
                difference.noted.push(format!("{} was built anew without its key", was.title()));
            }
            difference.losses.extend(lacking.loss);
            difference::compare(session, pair, &zones, &mut difference)?;
        }
        difference.losses.extend(around::of_relations(&self.tables, after));
        difference.losses.extend(self.around.behind(session, &self.tables, after)?);
        Ok(difference)
    }
}
