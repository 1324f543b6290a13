//! Census, preserve queries and recorded calls: shows that a migration lost nothing.
//!
//! The census needs no words from anybody: it counts and sums every column by catalog identity
//! (table oid, attnum), which renames keep. A preserve pair vouches for a planned change of shape. A
//! recorded call is a question to the API whose answer stays the same. All of them run inside the
//! migration's own transaction and write nothing that outlives it.

pub(crate) mod calls;
pub(crate) mod census;
pub(crate) mod difference;
pub(crate) mod loss;
pub(crate) mod outcome;
pub(crate) mod pairs;
pub(crate) mod fingerprints;
pub(crate) mod retype;
pub(crate) mod steady;

use std::collections::BTreeMap;

use crate::error::Result;
use crate::preserve::census::{Census, Sums};
use crate::preserve::difference::Difference;
use crate::preserve::steady::pin_formats;
use crate::project::preserve_file::PreservePair;
use crate::session::open::Session;
use crate::sql::zones::stated_zones;

pub use crate::preserve::loss::{Loss, LossKind};
pub use crate::preserve::outcome::{
    AnswerDifference, CallOutcome, LineDifference, PairOutcome, Preservation,
};

/// What was there before a migration.
pub(crate) struct Before {
    census: Census,
}

/// Takes the census and runs the `before` queries, in the migration's transaction. What [`after`]
/// counted last is taken as `known`, if nobody has written since.
pub(crate) fn before(
    session: &mut Session,
    pairs: &[PreservePair],
    known: Option<Census>,
) -> Result<Before> {
    pin_formats(session);
    pairs::run_before(session, pairs)?;
    let census = known.map_or_else(|| Census::take(session), Ok)?;
    fingerprints::keep(session, &census)?;
    Ok(Before { census })
}

/// Takes the census again, runs the `after` queries and compares. `file` is the migration's text.
/// Gives what there is now, too, if it was counted.
pub(crate) fn after(
    session: &mut Session,
    file: &str,
    pairs: &[PreservePair],
    before: &Before,
) -> Result<(Preservation, Option<Census>)> {
    pin_formats(session);
    let outcomes = pairs::compare_after(session, pairs)?;
    let (after, now) = Census::take_again(session, &before.census)?;
    let zones = stated_zones(file);
    let Difference { losses, retyped, stamped } =
        difference::differences(session, &before.census, &after, &zones)?;
    let (covered, losses) = losses.into_iter().partition(|loss| {
        let is_vouched = |pair: &PreservePair| pair.covers().iter().any(|name| loss.is_in(name));
        pairs.iter().any(is_vouched)
    });
    let (tables, rows, columns) = before.census.size();
    let (pairs, calls) = (outcomes, Vec::new());
    Ok((
        Preservation { tables, rows, columns, losses, covered, retyped, stamped, pairs, calls },
        now,
    ))
}

/// What a database holds, by names: a line for each table and for each column with values. Leaves a
/// census of it where there is none.
pub(crate) fn contents(
    session: &mut Session,
    census: &mut Option<Census>,
) -> Result<BTreeMap<String, String>> {
    let census = session.undone(|session| {
        pin_formats(session);
        let known = census.take().map_or_else(|| Census::take(session), Ok)?;
        census.insert(known).clone().by_name(session)
    })?;
    let mut contents = BTreeMap::new();
    for table in census.tables.values().filter(|table| table.rows > 0) {
        contents.insert(table.title(), format!("{} rows", table.rows));
        for column in table.columns.values().filter(|column| column.sums.values > 0) {
            let Sums { values, plain, placed, .. } = &column.sums;
            let sums = format!("{values} values, checksums {plain} and {placed}");
            contents.insert(format!("{}.{}", table.title(), column.name), sums);
        }
    }
    Ok(contents)
}
