//! The section on access: the world, the probes, the matrix, and what has changed.

use std::collections::BTreeMap;
use std::fmt::{Result, Write};

use crate::check::outcome::SinceBase;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::value::Finding;
use crate::matrix::class::RowClass;
use crate::matrix::compare::{Change, ChangeKind, Comparison};
use crate::matrix::person::SERVICE_ROLE;
use crate::matrix::verdict::Verdict;
use crate::matrix::yardstick::YardstickChange;
use crate::names::QualifiedName;
use crate::report::text::list::write_first;
use crate::report::value::Report;
use crate::words::counted;

/// How many changed cells are listed; the accepted file's diff has them all.
const SHOWN_CHANGES: usize = 40;

/// How many relations are shown whole; of more, those with findings.
const MOST_SHOWN_WHOLE: usize = 12;

/// How many controls that failed are listed; most fail because of the first.
const SHOWN_FAILURES: usize = 20;

/// Who could do what, in which world, and against what was accepted.
pub(crate) fn write_access(out: &mut String, report: &Report) -> Result {
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
    let failed = report.controls.failed.iter().map(|failed| failed.sentence.clone());
    write_first(out, SHOWN_FAILURES, failed)?;
    if report.seed_stub.is_some() {
        writeln!(
            out,
            "  help: rows are missing, as noted; for a seed.sql to fill in: \
             `leakproof check --format json | jq -r .world.seed_stub`"
        )?;
    }
    write_matrix(out, report)?;
    write_comparison(out, report)?;
    report.since.as_ref().map_or(Ok(()), |since| write_since(out, since))
}

/// What a branch has changed of what it is measured against.
fn write_since(out: &mut String, since: &SinceBase) -> Result {
    let SinceBase { base, access, yardstick, config, files } = since;
    if access.is_empty() && yardstick.is_empty() && config.is_empty() && files.is_empty() {
        return writeln!(out, "branch      measured as at {base}");
    }
    writeln!(out, "branch      what it is measured against has changed since {base}")?;
    for (title, changes) in [("leakproof.toml", config), ("accepted yardstick", yardstick)] {
        if !changes.is_empty() {
            writeln!(out, "  {title}: {}", counted(changes.len(), "line"))?;
            write_yardstick(out, changes)?;
        }
    }
    if !access.is_empty() {
        writeln!(out, "  accepted access: {}", counted(access.len(), "cell"))?;
        write_changes(out, access)?;
    }
    write_first(out, SHOWN_CHANGES, files.iter().cloned())
}

/// The whole matrix, or of a large one a summary and what matters.
fn write_matrix(out: &mut String, report: &Report) -> Result {
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
        let subject = Subject::Relation(relation.clone());
        // Truncating is granted everywhere or nowhere.
        let is_about =
            |finding: &Finding| finding.subject == subject && finding.rule != Rule::TruncateGranted;
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

fn write_comparison(out: &mut String, report: &Report) -> Result {
    if let Some(before) = &report.accepted_now {
        let Comparison::Compared { path, changes, yardstick, .. } = before else {
            let path = before.path();
            return writeln!(out, "changes     accepted for the first time in {path}");
        };
        writeln!(out, "changes     accepted in {path}: {}", counted_changes(changes, yardstick))?;
        write_yardstick(out, yardstick)?;
        return write_changes(out, changes);
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
        Some(Comparison::Compared { path, cells, changes, yardstick, has_yardstick, new }) => {
            if !yardstick.is_empty() {
                writeln!(out, "changes     the yardstick changed against {path}")?;
                write_yardstick(out, yardstick)?;
            }
            match changes.len() {
                0 => writeln!(out, "changes     none in {cells} cells against {path}")?,
                count => writeln!(
                    out,
                    "changes     access changed in {count} of {cells} cells against {path}"
                )?,
            }
            write_changes(out, changes)?;
            if *new > 0 {
                let count = counted(*new, "cell");
                writeln!(
                    out,
                    "  new: {count} of people who reach no more than whom they are like"
                )?;
            }
            if !has_yardstick {
                writeln!(
                    out,
                    "  the yardstick is not accepted yet: the file is older; `leakproof check --accept` \
                     writes it down"
                )?;
            }
            if !(changes.is_empty() && yardstick.is_empty()) {
                writeln!(
                    out,
                    "  help: if this is meant, accept it with `leakproof check --accept`"
                )?;
            }
            Ok(())
        }
    }
}

fn counted_changes(changes: &[Change], yardstick: &[YardstickChange]) -> String {
    let lines = match yardstick.len() {
        0 => String::new(),
        count => format!(", {} of the yardstick", counted(count, "line")),
    };
    format!("{} cells{lines} changed", changes.len())
}

fn write_yardstick(out: &mut String, changes: &[YardstickChange]) -> Result {
    let line = |YardstickChange { was, now }: &YardstickChange| match (was, now) {
        (Some(was), Some(now)) => format!("was  {was}\n  now  {now}"),
        (Some(was), None) => format!("gone {was}"),
        (None, now) => format!("new  {}", now.as_deref().unwrap_or_default()),
    };
    write_first(out, SHOWN_CHANGES, changes.iter().map(line))
}

/// A line for each of the first cells that differ.
pub(crate) fn write_changes(out: &mut String, changes: &[Change]) -> Result {
    let shown = &changes[..changes.len().min(SHOWN_CHANGES)];
    let width = |column: fn(&Change) -> &str| shown.iter().map(|c| column(c).len()).max();
    let relation_width = width(|change| &change.relation).unwrap_or(0);
    let command_width = width(|change| change.command).unwrap_or(0);
    let who_width = width(|change| &change.who).unwrap_or(0);
    let line = |change: &Change| {
        let Change { kind, relation, command, who, was, now } = change;
        let kind = kind_name(*kind);
        let was = was.as_ref().map_or("was not there".into(), |was| format!("was {was}"));
        let now = now.as_ref().map_or("now gone".into(), |now| format!("now {now}"));
        format!(
            "{kind:<7}  {relation:<relation_width$}  {command:<command_width$}  \
             {who:<who_width$}  {was}, {now}"
        )
    };
    write_first(out, SHOWN_CHANGES, changes.iter().map(line))
}

fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Granted => "granted",
        ChangeKind::Revoked => "revoked",
        ChangeKind::Changed => "changed",
        ChangeKind::Added => "added",
        ChangeKind::Gone => "gone",
    }
}
