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
pub(crate) mod draft;
pub(crate) mod foreseen;
mod hanging;
pub(crate) mod loss;
mod numbers;
pub(crate) mod outcome;
pub(crate) mod pairs;
pub(crate) mod prints;
pub(crate) mod repeated;
mod reach;
mod reads;
mod retype;
mod rows;
mod scope;
mod stamps;
pub(crate) mod steady;
pub(crate) mod tables;
mod unkeyed;
mod vouching;

use std::collections::{BTreeMap, BTreeSet};

use crate::discretion::Discretion;
use crate::error::Result;
use crate::preserve::around::Around;
use crate::preserve::difference::{Difference, Fate, Known};
use crate::preserve::draft::drafts;
use crate::preserve::foreseen::Foreseen;
use crate::preserve::hanging::names_taken;
use crate::preserve::outcome::Vouching;
use crate::preserve::pairs::{Compared, Kept};
use crate::preserve::reach::{Reach, read_tables, touched};
use crate::preserve::rows::Pair;
use crate::preserve::scope::Scope;
use crate::preserve::steady::{leave_formats, pin_formats};
use crate::preserve::tables::{Column, Table, Tables};
use crate::preserve::vouching::{Changed, MOST_ROWS};
use crate::project::preserve_file::PreservePair;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::planned::planned;
use crate::sql::rewrites::{Words, names_in_rewriting};
use crate::sql::zones::StatedZones;

pub use crate::preserve::circumstance::Circumstance;
pub use crate::preserve::loss::{Loss, LossKind};
pub use crate::preserve::outcome::{
    AnswerDifference, CallOutcome, LineDifference, PairOutcome, Preservation,
};
pub use crate::preserve::repeated::{Difference as RunDifference, DifferenceKind, Repeated, What};

/// Rows of a smaller table are kept whatever the file has in it.
const SMALL_BYTES: u64 = 1 << 20;

/// The rows that pairs show are kept where no table has more.
const FEW_BYTES: u64 = 8 << 20;

/// What was there before a migration.
pub(crate) struct Before {
    tables: Tables,
    /// What the file can reach; none where all is read.
    reach: Option<Reach>,
    /// Which of them are counted.
    scope: Scope,
    /// The tables whose rows are kept.
    kept: BTreeSet<i64>,
    around: Around,
    /// Those of the file.
    words: Words,
    /// What each pair showed.
    shown: Vec<Kept>,
    /// What each pair cannot vouch for.
    limits: Vec<Vouching>,
    /// What it was tried on: `schema.table`, or with a column.
    changed: BTreeSet<String>,
    /// The names of columns of keys, where rows are told of by these only.
    keys: BTreeSet<String>,
}

/// What was seen after a migration.
pub(crate) enum After {
    Seen(Box<Preservation>),
    /// The file has to be applied once more: it has changed rows that were not kept, or that pairs may not show,
    /// or pairs differ of which the rows were not kept.
    Again(Again),
}

/// What is to be looked at when a file is applied once more.
#[derive(Default)]
pub(crate) struct Again {
    /// Tables whose rows are kept.
    keep: BTreeSet<i64>,
    /// Tables that were changed in whatever way, though the file does not name them.
    known: BTreeSet<i64>,
    /// Whether all is to be read, since more was changed than some tables.
    reads_all: bool,
    /// Rows that pairs have to show, if they are to vouch for what becomes of them.
    changed: Vec<Changed>,
    /// Pairs whose rows are kept.
    differed: BTreeSet<usize>,
    /// What a rehearsal has shown.
    foreseen: Foreseen,
}

impl Again {
    /// Before the first time, with what a rehearsal has shown.
    pub(crate) fn foreseeing(foreseen: Foreseen) -> Self {
        Self { foreseen, ..Self::default() }
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.keep.extend(other.keep);
        self.known.extend(other.known);
        self.reads_all |= other.reads_all;
        self.changed.extend(other.changed);
        self.differed.extend(other.differed);
    }
}

/// Keeps the rows that a file may change or remove, and what `again` says, and runs the `before` queries, in
/// the migration's transaction.
pub(crate) fn before(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    again: &Again,
) -> Result<Before> {
    before_in(session, (Scope::All, None, None), (file, pairs, again))
}

/// As [`before`], in somebody's database: locks the tables that it counts, and leaves out what is larger in all
/// than `most_bytes`.
pub(crate) fn before_in_use(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    again: &Again,
    most_bytes: u64,
) -> Result<Before> {
    pin_formats(session);
    let words = Words::of(file);
    let is_enough = pairs.is_empty() && !again.reads_all && Reach::is_enough_for(&words);
    let foreseen = scope::oids_of(session, &again.foreseen.written)?;
    let keep: BTreeSet<i64> = again.keep.union(&foreseen).copied().collect();
    let more = || keep.union(&again.known).copied().collect();
    let reach = is_enough.then(|| Reach::read(session, &words, &more())).transpose()?;
    let wanted = (&keep, reach.as_ref(), &again.foreseen);
    let (scope, tables) = scope::lock(session, file, pairs, wanted, most_bytes)?;
    before_in(session, (scope, tables, reach), (file, pairs, again))
}

/// What would not be counted of each of some files in somebody's database, though they may change it; a sentence
/// each.
pub(crate) fn uncountable(
    session: &mut Session,
    files: &[(&str, &[PreservePair])],
    most_bytes: u64,
) -> Result<Vec<Vec<String>>> {
    let tables = Tables::read(session)?;
    files.iter().map(|file| scope::left_out(session, &tables, *file, most_bytes)).collect()
}

fn before_in(
    session: &mut Session,
    (scope, known, reach): (Scope, Option<Tables>, Option<Reach>),
    (file, pairs, again): (&str, &[PreservePair], &Again),
) -> Result<Before> {
    pin_formats(session);
    let mut tables = known.map_or_else(|| read_tables(session, reach.as_ref()), Ok)?;
    tables.count_those(session, |table| scope.has(table.oid))?;
    let are_few = tables.by_oid.values().all(|table| table.bytes_with_long() <= FEW_BYTES);
    let shown = pairs::run_before(session, pairs, are_few, &again.differed)?;
    pairs::refuse_unknown_names(pairs, &tables)?;
    let limits = match scope.is_all() {
        true => vouching::limits(session, pairs, &shown, &tables, &again.changed)?,
        // What pairs show is tried on rows that are nobody's.
        false => pairs.iter().map(|_| Vouching::default()).collect(),
    };
    if !pairs.is_empty() {
        // What was tried counts as written, though it was taken back.
        tables.read_leaves(session)?;
    }
    let names = names_in_rewriting(file);
    let is_kept = |table: &&Table| {
        table.rows > 0
            && !table.is_view()
            && (!scope.is_all()
                || table.bytes() <= SMALL_BYTES
                || again.keep.contains(&table.oid)
                || names.contains(&table.word().to_lowercase()))
    };
    let kept: Vec<&Table> = tables.by_oid.values().filter(is_kept).collect();
    rows::keep(session, &kept)?;
    let kept = kept.iter().map(|table| table.oid).collect();
    let words = Words::of(file);
    let around = Around::read(session, &words, &tables, reach.as_ref())?;
    let keys = match session.discretion() {
        Discretion::Open => BTreeSet::new(),
        // Of rows that nobody has seen nothing is told.
        Discretion::Keys if pairs.is_empty() && scope.is_empty() => BTreeSet::new(),
        Discretion::Keys => columns_of_keys(session, &tables)?,
    };
    leave_formats(session);
    let changed = again.changed.iter().map(|one| one.place.clone()).collect();
    Ok(Before { tables, reach, scope, kept, around, words, shown, limits, keys, changed })
}

/// Statements by which sequences go on from where they were, after a file was rolled back: what it did to their
/// numbers stays.
pub(crate) fn raising_sequences(session: &mut Session, before: &Before) -> Result<Vec<String>> {
    before.around.numbers.raising(session)
}

/// The names of columns that are in the key of one of the tables, or refer to one.
fn columns_of_keys(session: &mut Session, tables: &Tables) -> Result<BTreeSet<String>> {
    let oids: Vec<String> = tables.by_oid.keys().map(i64::to_string).collect();
    let query = format!(
        "select distinct a.attname::text from pg_catalog.pg_constraint c \
         join pg_catalog.pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey) \
         where c.contype in ('p', 'f') and c.conrelid = any('{{{}}}'::oid[])",
        oids.join(", ")
    );
    let names = session.texts_as_auditor(&query).map_err(failing("read the keys of tables"))?;
    Ok(names.into_iter().collect())
}

/// Runs the `after` queries and compares what there is with what was kept. `file` is the migration's text.
pub(crate) fn after(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    before: &Before,
) -> Result<After> {
    pin_formats(session);
    let mut after = match before.read_after(session)? {
        Ok(after) => after,
        Err(again) => return Ok(After::Again(again)),
    };
    let unkept = before.unkept(&after);
    if !unkept.is_empty() {
        return Ok(After::Again(Again { keep: unkept, ..Again::default() }));
    }
    let compared = pairs::compare_after(session, pairs, &before.shown, &before.limits)?;
    let outcomes = match compared {
        Compared::Outcomes(outcomes) => outcomes,
        Compared::Unkept(differed) => {
            return Ok(After::Again(Again { differed, ..Again::default() }));
        }
    };
    before.count(session, &mut after)?;
    let Difference { mut losses, mut retyped, stamped, mut noted } =
        before.compare(session, &after, file)?;
    let uncounted = before.uncounted(&after, &mut losses);
    let vouched = Vouched(&outcomes);
    for table in before.filled().filter(|was| matches!(after.fate(was, &before.tables), Fate::Gone))
    {
        let unread = vouched.unread_of(table);
        losses.extend(rows::columns_gone(session, table, &unread, &before.kept)?);
    }
    losses.sort();
    retyped.sort();
    let (covered, losses): (Vec<Loss>, Vec<Loss>) =
        losses.into_iter().partition(|loss| vouched.covers(loss));
    let changed = before.changed_anew(&covered);
    if !changed.is_empty() {
        return Ok(After::Again(Again { changed, ..Again::default() }));
    }
    noted.extend(vouched.notes_on(&covered));
    let drafts = match losses.is_empty() {
        true => Vec::new(),
        false => drafts(&losses, &planned(file), &before.tables.before()),
    };
    Ok(After::Seen(Box::new(Preservation {
        tables: before.filled().count(),
        rows: before.filled().map(|table| table.rows).sum(),
        losses,
        covered,
        retyped,
        stamped,
        noted,
        uncounted,
        pairs: outcomes,
        calls: Vec::new(),
        drafts,
        keys: before.keys.clone(),
    })))
}

/// What pairs vouch for.
struct Vouched<'a>(&'a [PairOutcome]);

impl Vouched<'_> {
    /// The pairs that show something; what shows nothing vouches for nothing.
    fn shown(&self) -> impl Iterator<Item = &PairOutcome> {
        self.0.iter().filter(|pair| !pair.is_empty)
    }

    fn covers(&self, loss: &Loss) -> bool {
        self.shown().any(|pair| pair.vouches_for(loss))
    }

    /// Of a table that pairs vouch for, the columns that none of these shows.
    fn unread_of<'t>(&self, table: &'t Table) -> Vec<&'t Column> {
        let whole = Loss::new(LossKind::TableDropped, table.name());
        let vouching: Vec<&PairOutcome> =
            self.shown().filter(|pair| pair.vouches_for(&whole)).collect();
        let is_unread = |column: &&Column| {
            let place = format!("{}.{}", table.title(), column.name);
            !vouching.is_empty() && vouching.iter().all(|pair| pair.unread.contains(&place))
        };
        table.columns.iter().filter(is_unread).collect()
    }

    /// What is to be said of the pairs that vouch for something.
    fn notes_on(&self, covered: &[Loss]) -> Vec<String> {
        let is_used = |pair: &&PairOutcome| covered.iter().any(|loss| pair.vouches_for(loss));
        self.shown().filter(is_used).flat_map(|pair| pair.noted.clone()).collect()
    }
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
    before.count(session, &mut after)?;
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

    /// The tables as they are now, as far as the file has reached them; or what is to be known before it.
    fn read_after(&self, session: &mut Session) -> Result<std::result::Result<Tables, Again>> {
        let Some(reach) = &self.reach else { return Tables::read(session).map(Ok) };
        let touched = touched(session)?;
        let has_sequences = touched.has_sequences || reach.has_sequences;
        let is_numbered_anew = has_sequences
            && self.around.numbers.is_numbered_anew(session, |oid| reach.was_there(oid))?;
        if touched.writes_catalog || is_numbered_anew {
            return Ok(Err(Again { reads_all: true, ..Again::default() }));
        }
        let known = reach.unknown(&touched.tables);
        if !known.is_empty() {
            return Ok(Err(Again { known, ..Again::default() }));
        }
        let is_known = |oid: &i64| self.tables.by_oid.contains_key(oid);
        let mut after = match touched.tables.iter().any(is_known) {
            true => Tables::read_those(session, &touched.tables)?,
            // What has come puts nothing in the place of what is there.
            false => Tables { by_oid: BTreeMap::new(), ..self.tables.clone() },
        };
        let untouched = self.tables.by_oid.iter().filter(|(oid, _)| !touched.tables.contains(oid));
        after.by_oid.extend(untouched.map(|(oid, table)| (*oid, table.clone())));
        Ok(Ok(after))
    }

    /// The tables that have to be compared and were not kept.
    fn unkept(&self, after: &Tables) -> BTreeSet<i64> {
        let is_changed = |was: &&Table| match after.fate(was, &self.tables) {
            Fate::Untouched => false,
            Fate::Changed(_) => true,
            // One that was counted is known by its number of rows.
            Fate::Gone => !self.scope.has(was.oid),
        };
        let is_known = |was: &&Table| was.is_view() || self.kept.contains(&was.oid);
        let all = self.tables.by_oid.values().filter(|was| !is_known(was));
        let lacking = all.filter(|was| self.scope.lacks(was)).filter(is_changed);
        lacking.map(|table| table.oid).collect()
    }

    /// Counts what was counted before, and what has come.
    fn count(&self, session: &mut Session, after: &mut Tables) -> Result<()> {
        after.count_those(session, |table| {
            self.scope.has(table.oid) || !self.tables.by_oid.contains_key(&table.oid)
        })
    }

    /// A sentence for each table whose rows the file has changed, and that was not counted. One that is gone
    /// is a loss where it had rows.
    fn uncounted(&self, after: &Tables, losses: &mut Vec<Loss>) -> Vec<String> {
        let mut told = Vec::new();
        for (oid, left_out) in self.scope.left_out() {
            let Some(was) = self.tables.by_oid.get(&oid) else { continue };
            match (after.fate(was, &self.tables), left_out.rows) {
                (Fate::Untouched, _) => continue,
                (Fate::Gone, Some(rows)) => {
                    let loss = Loss::new(LossKind::TableDropped, was.name());
                    losses.push(Loss { before: rows, ..loss });
                }
                _ => {}
            }
            told.push(format!("rows of {} were not counted: {}", was.title(), left_out.why));
        }
        told
    }

    /// The rows of what is covered that pairs were not tried on.
    fn changed_anew(&self, covered: &[Loss]) -> Vec<Changed> {
        if !self.scope.is_all() {
            return Vec::new();
        }
        let is_new = |loss: &&Loss| {
            let table = self.tables.named(&loss.table);
            !loss.rows.is_empty()
                && !self.changed.contains(&loss.place())
                && table.is_some_and(|table| table.rows <= MOST_ROWS)
        };
        let new = covered.iter().filter(is_new).map(|loss| Changed {
            table: loss.table.to_string(),
            place: loss.place(),
            rows: loss.rows.clone(),
        });
        new.collect()
    }

    /// Where another table has the name of one that is there under another name.
    fn note_on_namesake(&self, was: &Table, after: &Tables) -> Option<String> {
        let now = after.by_oid.get(&was.oid).filter(|now| now.name() != was.name())?;
        let other = after.named(&was.name()).filter(|other| other.oid != was.oid)?;
        let (name, left) = (other.title(), now.title());
        Some(format!("{name} is another table now; the rows of before are in {left}"))
    }

    fn compare(&self, session: &mut Session, after: &Tables, file: &str) -> Result<Difference> {
        if !self.kept.is_empty() {
            rows::refuse_missing(session, &self.kept)?;
        }
        let zones = StatedZones::read(file);
        let mut difference = Difference::of(names_taken(&self.tables, after));
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
            let known = Known { zones: &zones, triggers: &self.around.triggers };
            difference::compare(session, pair, &known, &mut difference)?;
        }
        difference.losses.extend(around::of_relations(&self.tables, after));
        difference.losses.extend(self.around.disabled(session, after)?);
        if let Some(hanging) = &self.around.hanging {
            difference.losses.extend(hanging.lost(session, &self.words, &self.tables, after)?);
        }
        if self.reach.is_none() {
            difference.losses.extend(self.around.numbers.behind(session, &self.tables, after)?);
        }
        Ok(difference)
    }
}
