//! All that a check found, as a value, and the outcome.

use std::time::Duration;

use crate::check::audience::widening::Followed;
use crate::check::outcome::{Rehearsal, RoundTrip, SinceBase};
use crate::error::Error;
use crate::finding::rule::Severity;
use crate::finding::value::Finding;
use crate::finding::waiver::Waived;
use crate::matrix::cell::Matrix;
use crate::matrix::compare::Comparison;
use crate::matrix::controls::ControlSet;
use crate::matrix::coverage::Unprobed;
use crate::migrate::applied::Applied;

/// All that a check found.
#[derive(Debug, Default)]
pub struct Report {
    /// The project's name.
    pub project: String,
    /// Its folder as given.
    pub path: String,
    /// The server that was used.
    pub server: String,
    /// The platform.
    pub platform: String,
    /// Why it is that one, where nobody says it.
    pub platform_why: Option<String>,
    /// What a reader must know to judge the rest.
    pub notes: Vec<String>,
    /// The migrations, and what they did to the data.
    pub applied: Vec<Applied>,
    /// With `--keep-going`: why files could not be applied. All else is true of the others only.
    pub failed: Vec<Error>,
    /// Why the run ended early, where it did after something was lost: no access was checked then.
    pub stopped: Option<Error>,
    /// Whether only what happens to rows was looked at.
    pub is_data_only: bool,
    /// How many tenants the world has.
    pub tenants: usize,
    /// How many actors asked.
    pub people: usize,
    /// How many rows were seeded.
    pub seeded_rows: usize,
    /// How many statements the probes took.
    pub attempts: usize,
    /// A `seed.sql` to fill in, where some owner has no row in a table.
    pub seed_stub: Option<String>,
    /// The positive controls.
    pub controls: ControlSet,
    /// Who could do what.
    pub matrix: Matrix,
    /// Whether no person reaches any row while nothing says that this is meant.
    pub is_out_of_reach: bool,
    /// Whether nobody is known to ask, since nothing in the project is for anybody.
    pub is_unasked: bool,
    /// What people can reach and no probe tries.
    pub unprobed: Unprobed,
    /// Against what was accepted; none if the run ended early.
    pub comparison: Option<Comparison>,
    /// With `--accept`: how it was before.
    pub accepted_now: Option<Comparison>,
    /// With `--base`: what the branch has changed of what it is measured against.
    pub since: Option<SinceBase>,
    /// The least severity that fails the check.
    pub fail_on: Severity,
    /// What leaks, and what was lost.
    pub findings: Vec<Finding>,
    /// Findings that are declared to be meant.
    pub waived: Vec<Waived>,
    /// Who saw which values of the data after each migration.
    pub followed: Followed,
    /// What the files that are new did to generated rows, where there are no fixtures.
    pub rehearsal: Option<Rehearsal>,
    /// With `--twice`: files that meet rows were applied under other circumstances as well.
    pub is_twice: bool,
    /// With `--round-trip`: there, back and there again.
    pub round_trip: Option<RoundTrip>,
    /// How long each step took.
    pub timings: Vec<(&'static str, Duration)>,
}

/// The outcome, one per exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// 0: as accepted, nothing found that matters enough, nothing lost.
    Passed,
    /// 1: access changed, a finding that matters enough, or something lost.
    Failed,
    /// 2: nothing of that, but not all files could be applied.
    Incomplete,
    /// 3: nothing was probed or reached by anybody, or a positive control failed.
    Untrusted,
}

impl Outcome {
    /// The process exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Incomplete => 2,
            Self::Untrusted => 3,
        }
    }
}

impl Report {
    /// Whether access was compared and found as accepted.
    pub fn is_as_accepted(&self) -> bool {
        self.comparison.as_ref().is_some_and(Comparison::is_as_accepted)
    }

    /// Whether access was compared and found otherwise.
    fn has_changed(&self) -> bool {
        let is_compared = matches!(self.comparison, Some(Comparison::Compared { .. }));
        is_compared && !self.is_as_accepted()
    }

    /// Whether a finding matters enough to fail the check.
    pub(crate) fn fails(&self, finding: &Finding) -> bool {
        finding.severity <= self.fail_on
    }

    /// The outcome where nobody asked for access.
    fn outcome_of_data(&self) -> Outcome {
        if self.findings.iter().any(|finding| self.fails(finding)) {
            Outcome::Failed
        } else if !self.failed.is_empty() {
            Outcome::Incomplete
        } else if self.has_met_rows() {
            Outcome::Passed
        } else {
            Outcome::Untrusted
        }
    }

    /// Whether a migration has met a row.
    fn has_met_rows(&self) -> bool {
        let rehearsed = self.rehearsal.iter().flat_map(|rehearsal| &rehearsal.applied);
        self.applied.iter().chain(rehearsed).any(|applied| applied.preservation.rows > 0)
    }

    /// The outcome; an untrusted detector outweighs what it says.
    pub fn outcome(&self) -> Outcome {
        if self.stopped.is_some() {
            Outcome::Failed
        } else if self.is_data_only {
            self.outcome_of_data()
        } else if !self.controls.failed.is_empty() || !self.matrix.is_tried() {
            Outcome::Untrusted
        } else if self.findings.iter().any(|finding| self.fails(finding)) || self.has_changed() {
            Outcome::Failed
        } else if self.is_out_of_reach {
            Outcome::Untrusted
        } else if !self.failed.is_empty() {
            Outcome::Incomplete
        } else if self.is_as_accepted() {
            Outcome::Passed
        } else {
            Outcome::Failed
        }
    }
}
