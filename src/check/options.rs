//! How to check.

use std::num::NonZeroUsize;

use crate::finding::rule::Severity;
use crate::project::config::Grants;
use crate::server::options::ServerOptions;

/// How to check.
#[derive(Debug, Default, Clone)]
pub struct CheckOptions {
    /// Which server to use.
    pub server: ServerOptions,
    /// Write the matrix of now as the accepted one.
    pub accept: bool,
    /// Default privileges other than the config's.
    pub grants: Option<Grants>,
    /// The least severity that fails the check; what the config says if none is said, else high.
    pub fail_on: Option<Severity>,
    /// Look at what happens to rows, and at nothing else.
    pub data_only: bool,
    /// Go back over the rollback files, and there again.
    pub round_trip: bool,
    /// Apply each file that meets rows under other circumstances as well, and tell what differs.
    pub twice: bool,
    /// Probe, judge and compare this relation alone, as `schema.name`.
    pub only: Option<String>,
    /// Leave out a file that cannot be applied, and try the next one.
    pub keep_going: bool,
    /// Have the files after this version meet generated rows; those after the accepted one if none is
    /// said.
    pub rows_from: Option<i64>,
    /// Tell what has changed since this commit of what the check is measured against.
    pub base: Option<String>,
    /// How many actors try at the same time, at most 8; as many as there are cores if none is said.
    pub jobs: Option<NonZeroUsize>,
}
