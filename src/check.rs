//! The main job: apply, seed, probe, compare, judge. Prints nothing; gives a [`Report`].

use std::time::{Duration, Instant};

use crate::actor::Actor;
use crate::audience::Audience;
use crate::compare;
use crate::error::Result;
use crate::finding::{
    Finding, apply_waivers, judge_access, judge_preservation, judge_round_trip, judge_widenings,
};
use crate::matrix::Matrix;
use crate::platform::Platform;
use crate::project::{Grants, Project};
use crate::report::Report;
use crate::round_trip::Passed;
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
    /// Go back over the rollback files, and there again.
    pub round_trip: bool,
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
    let mut report = Report {
        project: project.name().to_owned(),
        path: project.root().display().to_string(),
        server: server.describe(),
        platform: platform.describe(),
        notes: platform.notes(&mut scratch.connect()?)?,
        ..Report::default()
    };
    let mut audience = Audience::of(project, platform);
    let mut passed = Passed::default();
    let migrated = scratch.migrate_watched(&mut |client, version| {
        if options.round_trip {
            passed.look(client, version)?;
        }
        audience.look(client, version)
    });
    report.applied = scratch.applied().to_vec();
    report.followed = audience.into_followed();
    report.notes.extend(note_on_calls_ahead(project));
    let mut findings = judge_preservation(&report.applied);
    findings.extend(judge_widenings(&report.followed.widenings));
    match migrated {
        Ok(()) => {
            findings.extend(check_access(project, options, &scratch, &mut report, &mut steps)?);
            if options.round_trip {
                steps.begin("go back and there again");
                let trip = passed.travel(project, &mut scratch)?;
                findings.extend(judge_round_trip(&trip));
                report.round_trip = Some(trip);
            }
        }
        // What was lost on the way explains more than where it ended.
        Err(error) if !findings.is_empty() => report.stopped = Some(error),
        Err(error) => return Err(error),
    }
    let waivers = if report.stopped.is_none() { project.config().waive.as_slice() } else { &[] };
    (report.findings, report.waived) = apply_waivers(findings, waivers);
    steps.begin("clean up");
    drop(scratch);
    drop(server);
    report.timings = steps.end();
    Ok(report)
}

/// Seeds, probes, compares, and accepts if asked to; gives the findings.
fn check_access(
    project: &Project,
    options: &CheckOptions,
    scratch: &Scratch<'_>,
    report: &mut Report,
    steps: &mut Steps<'_>,
) -> Result<Vec<Finding>> {
    steps.begin("seed the world");
    let mut isolation = scratch.isolation()?;
    steps.begin("probe");
    report.matrix = isolation.unproved_matrix()?.clone();
    report.controls = isolation.controls()?.clone();
    report.attempts = isolation.attempts()?;
    report.people = isolation.actors().len();
    report.tenants = isolation.tenants();
    report.seeded_rows = isolation.seeded_rows();
    report.seed_stub = isolation.seed_stub();
    report.notes.extend(isolation.seeding_notes());
    report.notes.extend(note_on_idle(&report.matrix, isolation.actors()));
    steps.begin("compare and judge");
    let path = project.accepted_path();
    // Not from a run that cannot be trusted.
    let is_sound = report.controls.failed.is_empty() && report.matrix.is_tried();
    if options.accept && is_sound {
        // One that cannot be read is what `--accept` is to mend.
        report.accepted_now = compare::compare_with_accepted(&path, &report.matrix).ok();
        compare::accept(&path, &report.matrix)?;
    }
    report.comparison = Some(compare::compare_with_accepted(&path, &report.matrix)?);
    Ok(judge_access(&report.matrix, isolation.actors()))
}

/// So that nobody takes what waits for the next migration for checked.
fn note_on_calls_ahead(project: &Project) -> Option<String> {
    let count = project.calls_ahead();
    (count > 0).then(|| {
        format!("{count} recorded calls wait for a migration after theirs to be compared across")
    })
}

/// A member who is allowed nothing makes every denial empty: the policies may look at a claim that
/// the token of the world does not carry. It may be meant, so it is a note.
fn note_on_idle(matrix: &Matrix, actors: &[Actor]) -> Option<String> {
    let is_idle = |actor: &&Actor| {
        let mut cells = matrix.cells().iter().filter(|cell| cell.actor == actor.name());
        !actor.member_of().is_empty() && !cells.any(|cell| cell.verdict.is_allowed())
    };
    let idle: Vec<&str> = actors.iter().filter(is_idle).map(Actor::name).collect();
    (!idle.is_empty()).then(|| {
        format!(
            "{} are members and were allowed nothing at all; if that is not meant, see whether the \
             policies read a claim that `[actors.<name>] claims` has to set",
            idle.join(", ")
        )
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
