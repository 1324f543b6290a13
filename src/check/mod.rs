//! The main job: apply, seed, probe, compare, judge. Prints nothing; gives a [`Report`].

pub mod audience;
pub mod observer;
pub mod rehearsal;
pub mod round_trip;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::actor::{Actor, SERVICE_ROLE};
use crate::check::audience::Audience;
use crate::check::observer::Progress;
use crate::check::rehearsal::rehearse;
use crate::check::round_trip::Passed;
use crate::error::{Error, Result};
use crate::finding::value::Finding;
use crate::finding::waiver::apply_waivers;
use crate::finding::{
    is_about_rows, judge_access, judge_preservation, judge_rehearsal, judge_round_trip,
    judge_widenings,
};
use crate::isolation::Isolation;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::command::Command;
use crate::matrix::compare::{self, AcceptedAt};
use crate::matrix::verdict::Verdict;
use crate::migrate::Applied;
use crate::migrate::hosted::Deviations;
use crate::platform::Platform;
use crate::probe::Turns;
use crate::project::Project;
use crate::project::config::{Grants, Waiver};
use crate::project::files::SqlFile;
use crate::report::value::Report;
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::server::options::ServerOptions;
use crate::words::counted;

/// More worlds than this cost more than they save: there are hardly more actors.
const MOST_JOBS: usize = 8;

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
    /// Probe, judge and compare this relation alone, as `schema.name`.
    pub only: Option<String>,
    /// Leave out a file that cannot be applied, and try the next one.
    pub keep_going: bool,
    /// Have the files after this version meet generated rows; those after the accepted one if none is
    /// said.
    pub rows_from: Option<i64>,
    /// How many actors try at the same time, at most 8; as many as there are cores if none is said.
    pub jobs: Option<NonZeroUsize>,
}

/// Checks a project from nothing to a verdict.
///
/// # Errors
/// The run itself failed: no server, a migration that fails, a tenancy that does not fit. What the
/// check finds is in the report.
pub fn check(project: &Project, options: &CheckOptions, progress: &dyn Progress) -> Result<Report> {
    let mut steps = Steps { progress, done: Vec::new(), current: None };
    let mut platform = Platform::of(project);
    if let Some(grants) = options.grants {
        platform = platform.with_grants(grants);
    }
    let accepted = compare::accepted_at(&project.accepted_path());
    let rows_from = first_without_rows(project, options, accepted)?;
    steps.begin("start the server");
    // The plain platform is next to nothing, and many are not worth a place in the cache.
    let prepared = platform.has_users().then(|| platform.sql());
    let server = Server::shared_for(&options.server, prepared.as_deref())?;
    steps.begin("set up the platform");
    let mut scratch = Scratch::empty(project, platform.clone(), &server)?;
    if options.keep_going {
        scratch = scratch.keep_going();
    }
    steps.begin("apply the migrations");
    let mut report = Report {
        project: project.name().to_owned(),
        path: project.root().display().to_string(),
        server: server.describe(),
        platform: platform.describe(),
        notes: project.notes().to_vec(),
        ..Report::default()
    };
    report.notes.extend(note_on_version(project, &server));
    report.notes.extend(note_on_late_files(project, accepted));
    report.notes.extend(platform.notes(&mut scratch.connect()?)?);
    let mut audience = Audience::of(project, platform.clone());
    let mut passed = Passed::default();
    let mut done = 0;
    let migrated = scratch.migrate_watched(&mut |client, version, census| {
        done += 1;
        progress.part(done, project.migrations().len());
        if options.round_trip {
            passed.look(client, version, census)?;
        }
        audience.look(client, version)
    });
    report.applied = scratch.applied().to_vec();
    report.failed = scratch.take_failed();
    report.notes.extend_from_slice(scratch.notes());
    report.followed = audience.into_followed();
    report.notes.extend(notes_on_deviations(&report.applied));
    report.notes.extend(note_on_calls_ahead(project));
    let mut findings = judge_preservation(&report.applied);
    findings.extend(judge_widenings(&report.followed.widenings));
    match migrated {
        Ok(()) => {
            let mut at = newest(project, &report.applied);
            if let Some(from) = rows_from {
                steps.begin("try the new files on rows");
                let lost = try_on_rows(project, &platform, &server, from, &mut report)?;
                let waivers = &project.config().waive;
                if !apply_waivers(lost.clone(), waivers, |_| false).0.is_empty() {
                    at = accepted;
                    report.notes.extend(options.accept.then(|| {
                        "only access is accepted: the new files stay new, until what they do to \
                         rows is mended, covered by a pair, or waived"
                            .into()
                    }));
                }
                // What a file does to rows that files have made is known by now.
                let is_known = |one: &Finding| {
                    findings.iter().any(|known| (known.rule, &known.on) == (one.rule, &one.on))
                };
                let new: Vec<Finding> = lost.into_iter().filter(|one| !is_known(one)).collect();
                findings.extend(new);
            }
            let access = check_access(project, options, at, &scratch, &mut report, &mut steps)?;
            findings.extend(access);
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
    // What a file does to rows is known only when it meets them.
    let must_match = |waiver: &Waiver| {
        options.only.is_none() && (has_fixtures(project) || !is_about_rows(&waiver.finding))
    };
    (report.findings, report.waived) = apply_waivers(findings, waivers, must_match);
    steps.begin("clean up");
    // The database goes with a server that nobody else has.
    drop(server);
    drop(scratch);
    report.timings = steps.end();
    Ok(report)
}

/// The version after which files are new, if there are any and no fixtures that they meet: what they
/// do to rows is tried on generated ones. Files of before are applied where rows are real.
fn first_without_rows(
    project: &Project,
    options: &CheckOptions,
    accepted: AcceptedAt,
) -> Result<Option<i64>> {
    let versions = versions(project);
    let last = versions.last().copied().unwrap_or_default();
    let from = match (options.rows_from, accepted) {
        (Some(_), _) if has_fixtures(project) => {
            return Err(Error::new("no rows are generated where there are fixtures")
                .help("leave out `--rows-from`; the files meet the rows of `fixtures/`"));
        }
        (Some(version), _) if version >= last => {
            return Err(Error::new(format!("no file comes after version {version}"))
                .help(format!("`--rows-from` takes a version before the last, {last}")));
        }
        (Some(version), _) | (None, AcceptedAt::Version(version, _)) => version,
        // Who accepts by another way checks file by file.
        (None, AcceptedAt::Unknown) => match versions.as_slice() {
            [.., before, _] => *before,
            _ => return Ok(None),
        },
        (None, AcceptedAt::Never) => return Ok(None),
    };
    Ok((last > from && !has_fixtures(project)).then_some(from))
}

/// Has the new files meet rows; gives the findings.
fn try_on_rows(
    project: &Project,
    platform: &Platform,
    server: &Arc<Server>,
    from: i64,
    report: &mut Report,
) -> Result<Vec<Finding>> {
    if !report.failed.is_empty() {
        let note = "the new files were not tried on rows, since a file was left out";
        report.notes.push(note.into());
        return Ok(Vec::new());
    }
    let rehearsal = rehearse(project, platform, server, from)?;
    let findings = judge_rehearsal(&rehearsal);
    report.rehearsal = Some(rehearsal);
    Ok(findings)
}

/// Files that came late, with a version before the accepted one, are not new by their number.
fn note_on_late_files(project: &Project, accepted: AcceptedAt) -> Option<String> {
    let AcceptedAt::Version(version, accepted) = accepted else { return None };
    let now = files_up_to(project, version);
    (now != accepted && !has_fixtures(project)).then(|| {
        format!(
            "up to the accepted version {version} there were {}, and are {now}: what came late \
             has met no rows; `--rows-from` says which files are to",
            counted(accepted, "file")
        )
    })
}

fn versions(project: &Project) -> Vec<i64> {
    project.migrations().iter().map(SqlFile::version).collect()
}

fn has_fixtures(project: &Project) -> bool {
    project.migrations().iter().any(|file| project.fixture(file.version()).is_some())
}

fn files_up_to(project: &Project, version: i64) -> usize {
    versions(project).into_iter().filter(|known| *known <= version).count()
}

/// The last version that was applied, and how many files there are up to it.
fn newest(project: &Project, applied: &[Applied]) -> AcceptedAt {
    applied.last().map_or(AcceptedAt::Unknown, |last| {
        AcceptedAt::Version(last.version, files_up_to(project, last.version))
    })
}

/// Seeds, probes, compares, and accepts `at` a version if asked to; gives the findings.
fn check_access(
    project: &Project,
    options: &CheckOptions,
    at: AcceptedAt,
    scratch: &Scratch<'_>,
    report: &mut Report,
    steps: &mut Steps<'_>,
) -> Result<Vec<Finding>> {
    let mut isolation = probe_everything(options, scratch, steps)?;
    report.matrix = isolation.unproved_matrix()?.clone();
    report.controls = isolation.controls()?.clone();
    report.attempts = isolation.attempts()?;
    report.people = isolation.actors().len();
    report.tenants = isolation.tenants();
    report.seeded_rows = isolation.seeded_rows();
    report.notes.extend(isolation.note_on_tenancy());
    report.notes.extend(isolation.note_on_common_tenants());
    report.seed_stub = isolation.seed_stub();
    report.notes.extend(isolation.seeding_notes());
    let is_chosen = options.grants.or(project.config().project.grants).is_some();
    if !is_chosen && scratch.platform().has_users() {
        report.notes.extend(note_on_grants(&report.matrix));
    }
    report.notes.extend(isolation.note_on_closed(&report.matrix));
    report.notes.extend(note_on_idle(&report.matrix, isolation.actors()));
    steps.begin("compare and judge");
    let path = project.accepted_path();
    let compared = |path: &Path, matrix: &Matrix| {
        compare::compare_with_accepted(path, matrix, options.only.as_deref())
    };
    // Not from a run that cannot be trusted.
    let is_sound = report.controls.failed.is_empty() && report.matrix.is_tried();
    if options.accept && is_sound {
        // One that cannot be read is what `--accept` is to mend.
        report.accepted_now = compared(&path, &report.matrix).ok();
        compare::accept(&path, &report.matrix, at)?;
    }
    report.comparison = Some(compared(&path, &report.matrix)?);
    let api = scratch.platform().has_users().then(|| project.schemas());
    Ok(judge_access(&report.matrix, isolation.actors(), api.as_deref()))
}

/// What a server of another major version does may differ.
fn note_on_version(project: &Project, server: &Server) -> Option<String> {
    let (expected, here) = (project.major_version()?, server.major_version());
    (expected != here).then(|| {
        format!("`supabase/config.toml` says PostgreSQL {expected}, and this server is {here}")
    })
}

/// Opens the world and lets everybody try everything in it: in as many equal worlds at the same time
/// as there are jobs, each in a copy of the database.
fn probe_everything(
    options: &CheckOptions,
    scratch: &Scratch<'_>,
    steps: &mut Steps<'_>,
) -> Result<Isolation> {
    steps.begin("seed the world");
    let cores = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let jobs = options.jobs.unwrap_or_else(cores).get().min(MOST_JOBS);
    let copies: Vec<Scratch<'_>> = (1..jobs).map(|_| scratch.copy()).collect::<Result<_>>()?;
    let turns = &Turns::told(steps.progress);
    let open = |scratch: &Scratch<'_>| -> Result<Isolation> {
        let mut isolation = scratch.isolation()?;
        options.only.as_deref().map_or(Ok(()), |only| isolation.narrow(only))?;
        Ok(isolation)
    };
    let share = |copy: Scratch<'_>| open(&copy)?.take_turns(turns);
    let share = &share;
    thread::scope(|scope| {
        let others: Vec<_> =
            copies.into_iter().map(|copy| scope.spawn(move || share(copy))).collect();
        let mut isolation = open(scratch)?;
        steps.begin("probe");
        let mut shares = vec![isolation.take_turns(turns)?];
        for other in others {
            shares.push(other.join().unwrap_or_else(|panic| resume_unwind(panic))?);
        }
        isolation.unite(shares);
        Ok(isolation)
    })
}

/// Where the migrations were not run as on their own server.
fn notes_on_deviations(applied: &[Applied]) -> Vec<String> {
    const SHOWN: usize = 5;
    let all = |what: fn(&Deviations) -> &Vec<String>| -> Vec<&str> {
        let mut seen = BTreeSet::new();
        let all = applied.iter().flat_map(|applied| what(&applied.deviations));
        all.map(String::as_str).filter(|one| seen.insert(*one)).collect()
    };
    let mut notes = Vec::new();
    let mut stubbed = all(|deviations| &deviations.stubbed);
    stubbed.sort_unstable();
    if !stubbed.is_empty() {
        notes.push(format!("stubbed, since this server lacks them: {}", stubbed.join(", ")));
    }
    let versions = all(|deviations| &deviations.other_versions);
    if !versions.is_empty() {
        notes.push(format!("in another version, as this server has it: {}", versions.join(", ")));
    }
    let elevated = all(|deviations| &deviations.elevated);
    if !elevated.is_empty() {
        let more = elevated.len().saturating_sub(SHOWN);
        let shown = elevated[..elevated.len() - more].join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = counted(elevated.len(), "statement");
        notes.push(format!(
            "{count} needed a superuser, which `postgres` is not on Supabase: {shown}{more}"
        ));
    }
    notes
}

/// So that nobody takes what waits for the next migration for checked.
fn note_on_calls_ahead(project: &Project) -> Option<String> {
    let count = project.calls_ahead();
    (count > 0).then(|| {
        format!("{count} recorded calls wait for a migration after theirs to be compared across")
    })
}

/// The default privileges of 2026 grant nothing, but took nothing away from tables made before.
fn note_on_grants(matrix: &Matrix) -> Option<String> {
    let is_ungranted = |cell: &Cell| {
        matches!(cell.verdict, Verdict::NoGrant | Verdict::Untested { .. })
            || cell.command == Command::Truncate
            || cell.actor == SERVICE_ROLE
    };
    let subjects = matrix.subjects();
    let ungranted = subjects.iter().filter(|s| matrix.of(&s.relation).iter().all(is_ungranted));
    let count = ungranted.count();
    (count > 0).then(|| {
        format!(
            "nobody is granted anything on {count} of {} under the default privileges of 2026, which \
             tables from before never lost; `--grants legacy` tries those",
            counted(subjects.len(), "relation")
        )
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
    progress: &'a dyn Progress,
    done: Vec<(&'static str, Duration)>,
    current: Option<(&'static str, Instant)>,
}

impl Steps<'_> {
    fn begin(&mut self, name: &'static str) {
        self.finish();
        self.progress.step(name);
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
