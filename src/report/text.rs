//! The text form, at most 100 columns wide but for statements and rows shown as evidence.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::check::audience::widening::Followed;
use crate::check::outcome::{Failure, Rehearsal, RoundTrip};
use crate::finding::value::{Finding, Severity};
use crate::matrix::class::RowClass;
use crate::matrix::compare::{Change, ChangeKind, Comparison};
use crate::matrix::person::SERVICE_ROLE;
use crate::matrix::verdict::Verdict;
use crate::migrate::applied::Applied;
use crate::names::QualifiedName;
use crate::preserve::outcome::Preservation;
use crate::report::value::{Outcome, Report};
use crate::words::counted;

/// How many changed cells are listed; the accepted file's diff has them all.
const SHOWN_CHANGES: usize = 40;

/// How many relations are shown whole; of more, those with findings.
const MOST_SHOWN_WHOLE: usize = 12;

/// How many findings of one rule are shown in full.
const MOST_ALIKE: usize = 4;

/// How many files that could not be applied, or controls that failed, are listed; most fail because
/// of the first.
const SHOWN_FAILURES: usize = 20;

/// The whole report, ending with the verdict.
pub fn to_text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut text, report);
    text
}

fn write_report(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "project     {} ({})", report.project, report.path)?;
    writeln!(out, "server      {}", report.server)?;
    writeln!(out, "platform    {}", report.platform)?;
    if !report.failed.is_empty() {
        writeln!(
            out,
            "NOT APPLIED {}; all below is true of the others only",
            counted(report.failed.len(), "file")
        )?;
    }
    for error in report.failed.iter().take(SHOWN_FAILURES) {
        writeln!(out, "  {}", error.in_brief())?;
    }
    if report.failed.len() > SHOWN_FAILURES {
        let rest = report.failed.len() - SHOWN_FAILURES;
        writeln!(out, "  and {rest} more; `--format json` lists them all")?;
    }
    for note in &report.notes {
        writeln!(out, "note        {note}")?;
    }
    write_migrations(out, report)?;
    if let Some(error) = &report.stopped {
        writeln!(out, "stopped     {}", error.to_string().replace('\n', "\n          "))?;
        writeln!(out, "            access was not checked")?;
    } else {
        write_access(out, report)?;
    }
    write_findings(out, report)?;
    write_preservation(out, report)?;
    write_followed(out, &report.followed)?;
    if let Some(rehearsal) = &report.rehearsal {
        write_rehearsal(out, rehearsal)?;
    }
    if let Some(trip) = &report.round_trip {
        write_round_trip(out, trip)?;
    }
    writeln!(out, "\n{}", verdict_line(report))
}

fn write_access(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "world       {} tenants, {} people, {} rows in {} relations",
        report.tenants,
        report.people,
        report.seeded_rows,
        report.matrix.subjects().len()
    )?;
    let cells = report.matrix.cells().len();
    writeln!(out, "probes      {} statements, {cells} cells", report.attempts)?;
    writeln!(
        out,
        "controls    {} of {} as they must be",
        report.controls.checked.saturating_sub(report.controls.failed.len()),
        report.controls.checked
    )?;
    let failed = &report.controls.failed;
    for failed in failed.iter().take(SHOWN_FAILURES) {
        writeln!(out, "  {}", failed.sentence)?;
    }
    if failed.len() > SHOWN_FAILURES {
        writeln!(
            out,
            "  and {} more; `--format json` lists them all",
            failed.len() - SHOWN_FAILURES
        )?;
    }
    if report.seed_stub.is_some() {
        writeln!(
            out,
            "  help: rows are missing, as noted; for a seed.sql to fill in: \
             `leakproof check --format json | jq -r .world.seed_stub`"
        )?;
    }
    write_matrix(out, report)?;
    write_comparison(out, report)
}

/// The whole matrix, or of a large one a summary and what matters.
fn write_matrix(out: &mut String, report: &Report) -> std::fmt::Result {
    let count = report.matrix.subjects().len();
    if count <= MOST_SHOWN_WHOLE {
        return writeln!(out, "\naccess\n\n{}", report.matrix);
    }
    let standing = |relation: &QualifiedName| Standing::of(report, relation);
    let mut counts = BTreeMap::new();
    for subject in report.matrix.subjects() {
        *counts.entry(standing(&subject.relation)).or_insert(0_usize) += 1;
    }
    let counts: Vec<String> =
        counts.iter().map(|(standing, count)| format!("{count} {}", standing.words())).collect();
    writeln!(out, "relations   {}", counts.join(", "))?;
    let shown = report.matrix.clone().of_relations(|r| standing(r) == Standing::Found);
    if shown.subjects().is_empty() {
        return writeln!(out);
    }
    writeln!(out, "\naccess, where there is a finding; the accepted file has the rest\n\n{shown}")
}

/// How a relation came out, the most telling first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Found,
    Untested,
    Isolated,
    Shared,
    Closed,
}

impl Standing {
    fn of(report: &Report, relation: &QualifiedName) -> Self {
        let name = relation.to_string();
        // Truncating is granted everywhere or nowhere.
        let is_about = |finding: &Finding| finding.on == name && finding.rule != "truncate-granted";
        let waived = report.waived.iter().map(|waived| &waived.finding);
        let cells = report.matrix.of(relation);
        if report.findings.iter().chain(waived).any(is_about) {
            Self::Found
        } else if cells.iter().any(|cell| matches!(cell.verdict, Verdict::Untested { .. })) {
            Self::Untested
        } else if !cells.iter().any(|c| c.verdict.is_allowed() && c.actor != SERVICE_ROLE) {
            Self::Closed
        } else if cells.iter().any(|cell| cell.class == RowClass::Shared) {
            Self::Shared
        } else {
            Self::Isolated
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Found => "with findings",
            Self::Untested => "not tested in full",
            Self::Isolated => "isolated",
            Self::Shared => "shared",
            Self::Closed => "closed to all",
        }
    }
}

fn write_migrations(out: &mut String, report: &Report) -> std::fmt::Result {
    let statements: usize = report.applied.iter().map(|applied| applied.statements).sum();
    writeln!(out, "migrations  {} applied, {statements} statements", report.applied.len())?;
    for applied in &report.applied {
        writeln!(out, "  V{} {}", applied.version, applied.name)?;
    }
    Ok(())
}

fn write_comparison(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(before) = &report.accepted_now {
        let what = match before {
            Comparison::Unaccepted { path } => format!("accepted for the first time in {path}"),
            Comparison::Compared { path, changes, .. } => {
                format!("accepted in {path}: {} cells changed", changes.len())
            }
        };
        writeln!(out, "changes     {what}")?;
        if let Comparison::Compared { changes, .. } = before {
            write_changes(out, changes)?;
        }
        return Ok(());
    }
    match &report.comparison {
        None => Ok(()),
        Some(Comparison::Unaccepted { path }) => {
            writeln!(out, "changes     nothing is accepted yet: there is no {path}")?;
            writeln!(
                out,
                "  help: read the matrix above, then accept it with `leakproof check --accept`"
            )
        }
        Some(Comparison::Compared { path, cells, changes }) if changes.is_empty() => {
            writeln!(out, "changes     none in {cells} cells against {path}")
        }
        Some(Comparison::Compared { path, cells, changes }) => {
            writeln!(
                out,
                "changes     access changed in {} of {cells} cells against {path}",
                changes.len()
            )?;
            write_changes(out, changes)?;
            writeln!(out, "  help: if this is meant, accept it with `leakproof check --accept`")
        }
    }
}

fn write_changes(out: &mut String, changes: &[Change]) -> std::fmt::Result {
    let shown = &changes[..changes.len().min(SHOWN_CHANGES)];
    let width = |column: fn(&Change) -> &str| shown.iter().map(|c| column(c).len()).max();
    let relation_width = width(|change| &change.relation).unwrap_or(0);
    let command_width = width(|change| change.command).unwrap_or(0);
    let who_width = width(|change| &change.who).unwrap_or(0);
    for Change { kind, relation, command, who, was, now } in shown {
        let kind = match kind {
            ChangeKind::Granted => "granted",
            ChangeKind::Revoked => "revoked",
            ChangeKind::Changed => "changed",
            ChangeKind::Added => "added",
            ChangeKind::Gone => "gone",
        };
        let was = was.map_or("was not there".into(), |was| format!("was {was}"));
        let now = now.as_ref().map_or("now gone".into(), |now| format!("now {now}"));
        writeln!(
            out,
            "  {kind:<7}  {relation:<relation_width$}  {command:<command_width$}  \
             {who:<who_width$}  {was}, {now}"
        )?;
    }
    let rest = changes.len() - shown.len();
    if rest > 0 {
        writeln!(out, "  and {rest} more; `--format json` lists them all")?;
    }
    Ok(())
}

fn write_findings(out: &mut String, report: &Report) -> std::fmt::Result {
    let findings = &report.findings;
    let low = findings.iter().filter(|finding| finding.severity == Severity::Low).count();
    match (findings.len(), low) {
        (0, _) => writeln!(out, "findings    none")?,
        (count, 0) => writeln!(out, "findings    {count}")?,
        (count, low) => writeln!(out, "findings    {count}: {} high, {low} low", count - low)?,
    }
    let is_alike =
        |one: &Finding, other: &Finding| (one.severity, one.rule) == (other.severity, other.rule);
    for alike in findings.chunk_by(is_alike) {
        // Many of one kind would hide the others.
        let (shown, rest) = match alike.len() {
            0..=MOST_ALIKE => (alike, &[][..]),
            _ => alike.split_at(MOST_ALIKE - 1),
        };
        for finding in shown {
            write_finding(out, finding)?;
        }
        if !rest.is_empty() {
            let on: Vec<&str> = rest.iter().map(|finding| finding.on.as_str()).collect();
            writeln!(
                out,
                "  {}, too: {}",
                headline(alike[0].severity, alike[0].rule),
                on.join(", ")
            )?;
        }
    }
    if let Some(finding) = findings.iter().find(|finding| is_waivable(finding)) {
        writeln!(
            out,
            "  what is meant is declared in leakproof.toml, with the reason, such as:\n    \
             [[waive]]\n    finding = {:?}\n    on = {:?}\n    reason = \"...\"",
            finding.rule, finding.on
        )?;
    }
    if !report.waived.is_empty() {
        writeln!(out, "waived      {}", report.waived.len())?;
    }
    for waived in &report.waived {
        writeln!(out, "  {} on {}: {}", waived.finding.rule, waived.finding.on, waived.reason)?;
    }
    Ok(())
}

/// Whether it is about access, which may be meant; what is lost, and waivers themselves, are not.
fn is_waivable(finding: &Finding) -> bool {
    const NEVER: [&str; 7] = [
        "answer-changed",
        "data-lost",
        "fails-on-rows",
        "promise-broken",
        "round-trip-differs",
        "waiver-expired",
        "waiver-unused",
    ];
    !NEVER.contains(&finding.rule)
}

fn headline(severity: Severity, rule: &str) -> String {
    match severity {
        Severity::High => rule.to_owned(),
        Severity::Low => format!("{rule} (low)"),
    }
}

fn write_finding(out: &mut String, finding: &Finding) -> std::fmt::Result {
    writeln!(out, "  {}: {}", headline(finding.severity, finding.rule), finding.on)?;
    writeln!(out, "    {}", finding.message)?;
    for line in &finding.evidence {
        writeln!(out, "    {}", line.replace('\n', " "))?;
    }
    writeln!(out, "    help: {}", finding.help)
}

fn write_preservation(out: &mut String, report: &Report) -> std::fmt::Result {
    let seen: Vec<&Preservation> = report.applied.iter().map(|a| &a.preservation).collect();
    let losses: usize = seen.iter().map(|preservation| preservation.losses.len()).sum();
    let pairs: usize = seen.iter().map(|preservation| preservation.pairs.len()).sum();
    let broken = seen
        .iter()
        .flat_map(|preservation| &preservation.pairs)
        .filter(|pair| !pair.holds())
        .count();
    writeln!(
        out,
        "data        {losses} losses in the census, {} of {pairs} preserve pairs hold",
        pairs - broken
    )?;
    let calls: Vec<_> = seen.iter().flat_map(|preservation| &preservation.calls).collect();
    if !calls.is_empty() {
        let same = calls.iter().filter(|call| call.holds()).count();
        writeln!(out, "            {same} of {} answers to recorded calls as before", calls.len())?;
    }
    report.applied.iter().try_for_each(|applied| write_applied(out, applied))
}

/// What one migration did to the data.
fn write_applied(out: &mut String, applied: &Applied) -> std::fmt::Result {
    let Preservation { tables, rows, columns, losses, covered, retyped, stamped, pairs, calls } =
        &applied.preservation;
    let title = format!("V{} {}", applied.version, applied.name);
    if *rows == 0 {
        writeln!(out, "  {title}: no data yet")?;
    } else {
        writeln!(
            out,
            "  {title}: {rows} rows and {columns} columns of {tables} tables compared, {} lost",
            losses.len()
        )?;
    }
    for loss in covered {
        writeln!(out, "    planned: {}", loss.sentence())?;
    }
    for sentence in retyped {
        writeln!(out, "    retyped: {sentence}")?;
    }
    for column in stamped {
        writeln!(out, "    stamped: {column}, by a trigger on update")?;
    }
    // Without data they say nothing.
    for pair in pairs.iter().filter(|_| *rows > 0) {
        let state = if pair.holds() { "holds" } else { "BROKEN" };
        writeln!(out, "    {state}: {} ({} rows)", pair.name, pair.rows)?;
    }
    for call in calls.iter().filter(|call| !call.holds()) {
        writeln!(out, "    CHANGED: the answer to {}", call.name)?;
    }
    if !calls.is_empty() {
        let same = calls.iter().filter(|call| call.holds()).count();
        writeln!(out, "    answers as before: {same} of {} recorded calls", calls.len())?;
    }
    Ok(())
}

fn write_followed(out: &mut String, followed: &Followed) -> std::fmt::Result {
    let Followed { users, of, values, widenings, unread } = followed;
    if *users == 0 {
        return writeln!(out, "audience    not followed: no fixture makes users");
    }
    writeln!(
        out,
        "audience    {users} of {} of the data and a visitor asked after each migration",
        counted(*of, "user")
    )?;
    writeln!(out, "  {values} values followed, {} times newly seen", widenings.len())?;
    for reason in unread {
        writeln!(out, "  {}", reason.replace('\n', " "))?;
    }
    Ok(())
}

/// What the new files did to generated rows.
fn write_rehearsal(out: &mut String, rehearsal: &Rehearsal) -> std::fmt::Result {
    let rows = counted(rehearsal.rows, "generated row");
    writeln!(out, "new files   tried on {rows}, since there are no fixtures")?;
    rehearsal.applied.iter().try_for_each(|applied| write_applied(out, applied))?;
    for Failure { version, name, error, by_any_row_of } in &rehearsal.failed {
        let help = match by_any_row_of {
            Some(_) => "",
            None => "; see whether your rows are such",
        };
        writeln!(
            out,
            "  V{version} {name}: fails where there are rows: {}{help}",
            error.in_brief()
        )?;
    }
    rehearsal.notes.iter().try_for_each(|note| writeln!(out, "  {note}"))
}

fn write_round_trip(out: &mut String, trip: &RoundTrip) -> std::fmt::Result {
    let back: Vec<String> = trip.back.iter().map(|version| format!("V{version}")).collect();
    if back.is_empty() {
        return writeln!(out, "round trip  none: there is only one version");
    }
    let (back, turned_at) = (back.join(", "), trip.turned_at);
    writeln!(out, "round trip  back over {back} to V{turned_at}, and there again")?;
    if trip.is_cut_short {
        writeln!(out, "  V{turned_at} is not the first version, but has no file in `rollback/`")?;
    }
    for version in &trip.without_data {
        writeln!(out, "  V{version}: only the schema was compared, since fixtures came later")?;
    }
    let lines: usize = trip.differences.iter().map(|difference| difference.lines.len()).sum();
    writeln!(out, "  {} in schema and rows", counted(lines, "difference"))
}

fn verdict_line(report: &Report) -> String {
    match report.outcome() {
        Outcome::Passed => {
            let waived = match report.waived.len() {
                0 => String::new(),
                count => format!(", {count} findings are waived"),
            };
            let untried = report.rehearsal.as_ref().map_or(0, |rehearsal| rehearsal.failed.len());
            let but = match untried {
                0 => String::new(),
                count => format!("; {} could not be tried on rows", counted(count, "new file")),
            };
            format!("verdict: ok, access is as accepted{waived} and no row was lost{but}")
        }
        Outcome::Untrusted if report.controls.failed.is_empty() => {
            "verdict: UNTRUSTED, nothing could be probed, so nothing is proved".into()
        }
        Outcome::Untrusted => {
            "verdict: UNTRUSTED, a positive control failed, so the matrix proves nothing".into()
        }
        Outcome::Incomplete => format!(
            "verdict: INCOMPLETE, {} could not be applied; nothing was found in the others",
            counted(report.failed.len(), "file")
        ),
        Outcome::Failed => {
            let unapplied = (!report.failed.is_empty())
                .then(|| format!("{} could not be applied", counted(report.failed.len(), "file")));
            let stopped = report.stopped.as_ref().map(|_| "the migrations stopped".to_owned());
            let changed = match &report.comparison {
                Some(Comparison::Compared { changes, .. }) if !changes.is_empty() => {
                    Some(format!("access changed in {}", counted(changes.len(), "cell")))
                }
                Some(Comparison::Unaccepted { .. }) => Some("access is not accepted yet".into()),
                _ => None,
            };
            let found =
                (!report.findings.is_empty()).then(|| counted(report.findings.len(), "finding"));
            let parts: Vec<String> =
                unapplied.into_iter().chain(stopped).chain(changed).chain(found).collect();
            format!("verdict: FAILED, {}", parts.join(", "))
        }
    }
}
