//! The pending files on a throwaway of the target's own version: first one that has what the target has, to see what
//! the files lock, rewrite and open; then a whole check.

use std::collections::BTreeSet;

use crate::check::check;
use crate::check::jobs::probe_everything;
use crate::check::observer::{Event, Observer};
use crate::check::options::CheckOptions;
use crate::drift::value::{Difference, Kind};
use crate::drift::{Compared, differences, make_as_applied};
use crate::error::Result;
use crate::finding::value::Finding;
use crate::matrix::compare::{Change, ChangeKind, Comparison, compare_with};
use crate::matrix::parse::{Accepted, parse};
use crate::platform::Platform;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::connected::Connected;
use crate::push::effects::Effect;
use crate::push::plan::Rehearsed;
use crate::push::standing::Histories;
use crate::push::trace::trace;
use crate::report::text::verdict::verdict_line;
use crate::report::value::{Outcome, Report};
use crate::scratch::Scratch;
use crate::server::instance::Server;
use crate::server::options::ServerOptions;
use crate::sql::statement::words;

/// Rehearses the pending files.
///
/// # Errors
/// No server for a throwaway, a file that fails there, a target of another platform, or a lost connection.
pub(crate) fn rehearse(
    project: &Project,
    server: &ServerOptions,
    target: &mut Connected,
    histories: &Histories,
    pending: &[&SqlFile],
    observer: &dyn Observer,
) -> Result<Rehearsed> {
    let options = ServerOptions { major: Some(target.major), ..server.clone() };
    observer.tell(&Event::Step("rehearse: make what the target has"));
    let server = Server::shared_for(&options, Some(&Platform::of(project).common_sql()))?;
    Scratch::find_who_asks(project, &server)?;
    let mut rehearsal = Rehearsed { server: server.describe(), ..Rehearsed::default() };
    let scratch = make_as_applied(project, &server, histories)?;
    let Compared { differences, notes } =
        target.connection.uncommitted(|session| differences(session, &scratch, histories))?;
    (rehearsal.drift, rehearsal.notes) = (differences, notes);
    let options = CheckOptions { server: options, ..CheckOptions::default() };
    let before = access_before(&options, &scratch, histories, observer);
    observer.tell(&Event::Step("rehearse: trace the pending files"));
    trace_all(scratch, pending, &mut rehearsal)?;
    let report = check(project, &options, observer)?;
    match before.and_then(|before| changes_since(before, &report)) {
        Ok(changes) => rehearsal.access = Some(changes),
        Err(why) => rehearsal.access_unknown = Some(why),
    }
    rehearsal.verdict = verdict_line(&report);
    rehearsal.has_passed = report.outcome() == Outcome::Passed;
    let fail_on = report.fail_on;
    let matters = |finding: &Finding| finding.severity <= fail_on;
    rehearsal.findings = report.findings.into_iter().filter(matters).collect();
    Ok(rehearsal)
}

/// The cells that differ from before. Inside, why they are not known.
fn changes_since(
    before: Option<Accepted>,
    report: &Report,
) -> std::result::Result<Vec<Change>, String> {
    let Some(before) = before else {
        return Err("nothing is applied there yet".to_owned());
    };
    let compared = compare_with(String::new(), Some(before), &report.matrix, None);
    match compared.map_err(|error| error.in_brief())? {
        Comparison::Compared { changes, .. } => Ok(changes.into_iter().filter(is_news).collect()),
        Comparison::Unaccepted { .. } => Ok(Vec::new()),
    }
}

/// Whether a cell says more than that something new is closed.
fn is_news(change: &Change) -> bool {
    change.kind != ChangeKind::Added || change.now.as_deref() != Some("not granted")
}

/// Who can do what on a database as the target's; nothing where no file is applied there. Inside, why that could not
/// be found out.
fn access_before(
    options: &CheckOptions,
    scratch: &Scratch<'_>,
    histories: &Histories,
    observer: &dyn Observer,
) -> std::result::Result<Option<Accepted>, String> {
    if histories.joined().entries.is_empty() {
        return Ok(None);
    }
    let mut isolation =
        probe_everything(options, scratch, observer).map_err(|error| error.in_brief())?;
    let matrix = isolation.unproved_matrix().map_err(|error| error.in_brief())?;
    parse(&matrix.to_string()).map(Some).map_err(|cause| cause.to_string())
}

/// Traces each file on what the files before it have made, and sees which of them meet what has drifted.
fn trace_all(
    mut scratch: Scratch<'_>,
    pending: &[&SqlFile],
    rehearsal: &mut Rehearsed,
) -> Result<()> {
    scratch.count_reads()?;
    let throwaway = scratch.throwaway();
    for file in pending {
        let version = file.version();
        let mut connection = scratch.connection()?;
        let effects = connection.uncommitted(|session| trace(session, &throwaway, file));
        drop(connection);
        // What fails tells its line here.
        scratch.rehearse_those(&|one| one == version)?;
        let effects = effects?;
        if let Some(drifted) = rehearsal.drift.iter().find(|one| is_touched(one, file, &effects)) {
            rehearsal
                .unrehearsed
                .insert(version, format!("it touches what has drifted: {}", drifted.what));
        }
        rehearsal.effects.insert(version, effects);
    }
    Ok(())
}

/// Whether a file has to do with what has drifted: it locks that or names it, or makes things whose privileges by
/// default are others there.
fn is_touched(difference: &Difference, file: &SqlFile, effects: &[Effect]) -> bool {
    let named: BTreeSet<String> =
        words(file.raw()).map(|word| word.trim_matches('"').to_lowercase()).collect();
    let is_named = |name: &str| named.contains(&name.to_lowercase());
    match (difference.kind, &difference.relation) {
        (Kind::Comment, _) => false,
        (Kind::DefaultPrivileges, _) => is_named("create"),
        (_, Some(relation)) if !relation.name().is_empty() => {
            is_named(relation.name()) || effects.iter().any(|one| one.relation == *relation)
        }
        _ => words(&difference.subject).any(|word| is_named(word.trim_matches('"'))),
    }
}
