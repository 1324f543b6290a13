//! The main job: apply, seed, probe, compare, judge. Prints nothing; gives a [`Report`].

use std::time::{Duration, Instant};

use crate::compare::{self, Comparison};
use crate::error::Result;
use crate::finding::{apply_waivers, judge_access, judge_preservation};
use crate::platform::Platform;
use crate::project::{Grants, Project};
use crate::report::Report;
use crate::scratch::Scratch;
use crate::server::{Server, ServerOptions};

/// How to check.
#[derive(Debug, Default, Clone)]
pub struct CheckOptions {
    /// Which server to use.
    pub server: ServerOptions,
    /// Write the matrix of now as the accepted one.
    pub accept: bool,
    /// Default privileges other than the config's.
    pub grants: Option<Grants>,
}

/// Checks a project from nothing to a verdict. `progress` is told each step before it begins.
///
/// # Errors
/// The run itself failed: no server, a migration that fails, a tenancy that does not fit. What the
/// check finds is in the report.
pub fn check(
    project: &Project,
    options: &CheckOptions,
    progress: &mut dyn FnMut(&'static str),
) -> Result<Report> {
    let mut steps = Steps { progress, done: Vec::new(), current: None };
    let mut platform = Platform::of(project);
    if let Some(grants) = options.grants {
        platform = platform.with_grants(grants);
    }
    steps.begin("start the server");
    let server = Server::shared(&options.server)?;
    steps.begin("set up the platform");
    let mut scratch = Scratch::empty(project, platform.clone(), &server)?;
    steps.begin("apply the migrations");
    scratch.migrate()?;
    steps.begin("seed the world");
    let mut isolation = scratch.isolation()?;
    steps.begin("probe");
    let matrix = isolation.unproved_matrix()?.clone();
    let controls = isolation.controls()?.clone();
    let attempts = isolation.attempts()?;
    steps.begin("compare and judge");
    let path = project.accepted_path();
    // Not from a run that cannot be trusted.
    let is_sound = controls.failed.is_empty() && matrix.is_tried();
    let mut accepted_now = None;
    if options.accept && is_sound {
        let before = compare::compare_with_accepted(&path, &matrix).ok();
        compare::accept(&path, &matrix)?;
        accepted_now = before;
    }
    let comparison: Comparison = compare::compare_with_accepted(&path, &matrix)?;
    let mut findings = judge_access(&matrix, isolation.actors());
    findings.extend(judge_preservation(scratch.applied()));
    let (findings, waived) = apply_waivers(findings, &project.config().waive);
    let people = isolation.actors().len();
    let seeded_rows = isolation.seeded_rows();
    let applied = scratch.applied().to_vec();
    steps.begin("clean up");
    drop(isolation);
    drop(scratch);
    let described = server.describe();
    drop(server);
    let timings = steps.end();
    Ok(Report {
        project: project.name().to_owned(),
        path: project.root().display().to_string(),
        server: described,
        platform: platform.describe(),
        applied,
        people,
        seeded_rows,
        attempts,
        controls,
        matrix,
        comparison,
        accepted_now,
        findings,
        waived,
        timings,
    })
}

struct Steps<'a> {
    progress: &'a mut dyn FnMut(&'static str),
    done: Vec<(&'static str, Duration)>,
    current: Option<(&'static str, Instant)>,
}

impl Steps<'_> {
    fn begin(&mut self, name: &'static str) {
        self.finish();
        (self.progress)(name);
        self.current = Some((name, Instant::now()));
    }

    fn end(mut self) -> Vec<(&'static str, Duration)> {
        self.finish();
        self.done
    }

    fn finish(&mut self) {
        self.done.extend(self.current.take().map(|(name, since)| (name, since.elapsed())));
    }
}
