//! The JSON form: everything the text form says, and every cell with its evidence.

use serde_json::{Value, json};

use crate::finding::value::Finding;
use crate::finding::waiver::Waived;
use crate::migrate::applied::Applied;
use crate::report::value::{Outcome, Report};

/// One JSON object, indented, with a line end. Times are left out: the same input gives the same
/// bytes.
pub fn to_json(report: &Report) -> String {
    let rehearsal = report.rehearsal.as_ref().map(|rehearsal| {
        let failed = rehearsal.failed.iter();
        let failed: Vec<Value> = failed
            .map(|failure| {
                json!({
                    "version": failure.version,
                    "name": failure.name,
                    "error": failure.error.to_string(),
                    "by_any_row_of": failure.by_any_row_of,
                })
            })
            .collect();
        json!({
            "migrations": migrations(&rehearsal.applied),
            "rows": rehearsal.rows,
            "failed": failed,
            "notes": rehearsal.notes,
            "widenings": rehearsal.widenings,
        })
    });
    let verdict = match report.outcome() {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Incomplete => "incomplete",
        Outcome::Untrusted => "untrusted",
    };
    let value = json!({
        "leakproof": env!("CARGO_PKG_VERSION"),
        "project": report.project,
        "path": report.path,
        "server": report.server,
        "platform": report.platform,
        "platform_inferred": report.platform_why,
        "notes": report.notes,
        "migrations": migrations(&report.applied),
        "failed": report.failed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "data_only": report.is_data_only,
        "stopped": report.stopped.as_ref().map(ToString::to_string),
        "world": {
            "tenants": report.tenants,
            "people": report.people,
            "rows": report.seeded_rows,
            "statements": report.attempts,
            "seed_stub": report.seed_stub,
        },
        "audience": report.followed,
        "rehearsal": rehearsal,
        "round_trip": report.round_trip,
        "controls": report.controls,
        "matrix": report.matrix,
        "not_checked": report.unprobed,
        "comparison": report.comparison,
        "since": report.since,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "waived": report.waived.iter().map(waived).collect::<Vec<_>>(),
        "verdict": verdict,
        "exit_code": report.outcome().exit_code(),
    });
    format!("{value:#}\n")
}

/// Its words, as in the text form, and the values that they are made of.
/// A finding as readers of JSON have it.
pub(crate) fn finding(finding: &Finding) -> Value {
    json!({
        "severity": finding.severity,
        "rule": finding.rule,
        "on": finding.on(),
        "message": finding.message(),
        "help": finding.help,
        "evidence": finding.evidence_lines(),
        "subject": finding.subject,
        "run": finding.run,
        "cause": finding.cause,
        "place": finding.place,
        "symptoms": finding.symptoms,
        "candidates": finding.candidates,
    })
}

fn waived(waived: &Waived) -> Value {
    json!({ "finding": finding(&waived.finding), "reason": waived.reason })
}

fn migrations(applied: &[Applied]) -> Vec<Value> {
    let each = applied.iter().map(|applied| {
        json!({
            "version": applied.version,
            "name": applied.name,
            "statements": applied.statements,
            "preservation": applied.preservation,
            "repeated": applied.repeated,
        })
    });
    each.collect()
}
