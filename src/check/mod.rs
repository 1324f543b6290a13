//! The main job: apply, seed, probe, compare, judge. Prints nothing; gives a [`Report`].

pub mod audience;
pub(crate) mod base;
pub(crate) mod jobs;
pub(crate) mod new_files;
pub(crate) mod notes;
pub mod observer;
pub(crate) mod options;
pub mod outcome;
pub mod rehearsal;
pub mod round_trip;
pub(crate) mod steps;
pub(crate) mod suspect;
pub(crate) mod telling;

use crate::check::observer::{Observer, Timings};
use crate::check::steps::Run;
use crate::error::Result;
use crate::project::Project;
use crate::report::value::Report;

pub use crate::check::options::CheckOptions;

/// Checks a project from nothing to a verdict; `observer` is told what happens.
///
/// # Errors
/// The run itself failed: no server, a migration that fails, a tenancy that does not fit. What the
/// check finds is in the report.
pub fn check(project: &Project, options: &CheckOptions, observer: &dyn Observer) -> Result<Report> {
    let timings = Timings::default();
    let listeners: [&dyn Observer; 2] = [observer, &timings];
    let mut report = Run::begin(project, options, &listeners)?.finish()?;
    report.timings = timings.end();
    Ok(report)
}
