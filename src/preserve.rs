//! Census, preserve queries and recorded calls: shows that a migration lost nothing.
//!
//! The census needs no words from anybody: it counts and sums every column by catalog identity
//! (table oid, attnum), which renames keep. A preserve pair vouches for a planned change of shape. A
//! recorded call is a question to the API whose answer stays the same. All of them run inside the
//! migration's own transaction and write nothing that outlives it.

mod calls;
mod census;
mod pairs;

use postgres::Client;
use serde::Serialize;

pub(crate) use calls::record_calls;
pub use calls::{AnswerDifference, CallOutcome};
pub use census::{Loss, LossKind};
pub use pairs::{LineDifference, PairOutcome};

use crate::error::Result;
use crate::project::PreservePair;
use census::Census;

/// What was seen of the data across one migration.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Preservation {
    /// Tables that had rows before.
    pub tables: usize,
    /// Rows in those tables.
    pub rows: u64,
    /// Columns that had values before and were compared.
    pub columns: usize,
    /// What is gone or changed and no pair covers.
    pub losses: Vec<Loss>,
    /// What is gone or changed as planned: covered by a pair.
    pub covered: Vec<Loss>,
    /// The pairs and how they came out.
    pub pairs: Vec<PairOutcome>,
    /// The recorded calls and how they came out.
    pub calls: Vec<CallOutcome>,
}

impl Preservation {
    /// Whether nothing was lost: no uncovered loss, every pair agrees, every call answers as before.
    pub fn holds(&self) -> bool {
        self.losses.is_empty()
            && self.pairs.iter().all(PairOutcome::holds)
            && self.calls.iter().all(CallOutcome::holds)
    }
}

/// What was there before a migration.
pub(crate) struct Before {
    census: Census,
}

/// Takes the census and runs the `before` queries, in the migration's transaction.
pub(crate) fn before(client: &mut Client, pairs: &[PreservePair]) -> Result<Before> {
    pin_formats(client)?;
    pairs::run_before(client, pairs)?;
    Ok(Before { census: Census::take(client)? })
}

/// Takes the census again, runs the `after` queries and compares.
pub(crate) fn after(
    client: &mut Client,
    pairs: &[PreservePair],
    before: &Before,
) -> Result<Preservation> {
    pin_formats(client)?;
    let outcomes = pairs::compare_after(client, pairs)?;
    let after = Census::take(client)?;
    let (covered, losses) = before.census.losses(client, &after)?.into_iter().partition(|loss| {
        let is_vouched = |pair: &PreservePair| pair.covers().iter().any(|name| loss.is_in(name));
        pairs.iter().any(is_vouched)
    });
    let (tables, rows, columns) = before.census.size();
    let (pairs, calls) = (outcomes, Vec::new());
    Ok(Preservation { tables, rows, columns, losses, covered, pairs, calls })
}

/// Text forms depend on settings; both sides use the same ones, whatever a file has set.
fn pin_formats(client: &mut Client) -> Result<()> {
    client
        .batch_execute(
            "set local search_path = \"$user\", public, extensions;
             set local timezone = 'UTC'; set local datestyle = 'ISO, YMD';
             set local intervalstyle = 'postgres'; set local extra_float_digits = 1;
             set local bytea_output = 'hex'; set local xmlbinary = 'base64';
             set local row_security = on",
        )
        .map_err(|cause| crate::session::internal("pin the text formats", &cause))
}
