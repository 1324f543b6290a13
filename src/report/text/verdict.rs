//! The last line: the outcome, and what it is made of.

use std::collections::BTreeSet;

use crate::finding::rule::{Rule, Severity};
use crate::finding::value::Finding;
use crate::matrix::compare::Comparison;
use crate::report::text::findings::shown_on;
use crate::report::value::{Outcome, Report};
use crate::words::counted;

/// How many low findings there are, those counted as one that are shown as one.
fn low_findings(findings: &[Finding]) -> usize {
    let low = findings.iter().filter(|finding| finding.severity == Severity::Low);
    let shown: BTreeSet<(Rule, String)> =
        low.map(|finding| (finding.rule, shown_on(finding))).collect();
    shown.len()
}

/// The verdict, in one line.
pub(crate) fn verdict_line(report: &Report) -> String {
    match report.outcome() {
        Outcome::Passed if report.is_data_only => {
            "verdict: ok, no row was lost; access was not checked".into()
        }
        Outcome::Untrusted if report.is_data_only => {
            "verdict: UNTRUSTED, no migration met a row, so nothing is proved; add `fixtures/`, or \
             generate rows with `--rows-from`"
                .into()
        }
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
            let low = match low_findings(&report.findings) {
                0 => String::new(),
                count => format!(" with {}", counted(count, "low finding")),
            };
            let unprobed = match report.unprobed.count() {
                0 => String::new(),
                count => format!(", but {count} not checked"),
            };
            let glue = if unprobed.is_empty() { ',' } else { ';' };
            format!(
                "verdict: ok{low}{unprobed}{glue} access is as accepted{waived} and no row was \
                 lost{but}"
            )
        }
        Outcome::Untrusted if report.is_out_of_reach && report.is_unasked => {
            "verdict: UNTRUSTED, nothing tells who asks the database, so nothing is proved of access; say \
             it by `role` and `user` under `[identity]`; if only a back end is to reach rows, say \
             `people = \"none\"` under `[project]`"
                .into()
        }
        Outcome::Untrusted if report.is_out_of_reach => {
            "verdict: UNTRUSTED, no person reaches any row, so nothing is proved; if only a back end is to, \
             say `people = \"none\"` under `[project]`"
                .into()
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
            let (measured, changed) = match &report.comparison {
                Some(Comparison::Compared { changes, yardstick, .. }) => (
                    (!yardstick.is_empty()).then(|| "the yardstick changed".to_owned()),
                    (!changes.is_empty())
                        .then(|| format!("access changed in {}", counted(changes.len(), "cell"))),
                ),
                Some(Comparison::Unaccepted { .. }) => {
                    (None, Some("access is not accepted yet".into()))
                }
                None => (None, None),
            };
            let found =
                (!report.findings.is_empty()).then(|| counted(report.findings.len(), "finding"));
            let parts = [unapplied, stopped, measured, changed, found];
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("verdict: FAILED, {}", parts.join(", "))
        }
    }
}
