//! The controls prove the detector whatever the project's schemas are like, and are no part of what is
//! judged. Each case is a folder in `tests/fixtures/controls/`.

use leakproof::finding::Severity;
use leakproof::report::{Outcome, Report, to_text};

use crate::support::{check_project, root};

/// The report on a case, whose controls came out as they must.
fn check_case(case: &str) -> Report {
    let report = check_project(&root().join("tests/fixtures/controls").join(case));
    let failed: Vec<&str> =
        report.controls.failed.iter().map(|failed| failed.sentence.as_str()).collect();
    assert_eq!(failed, Vec::<&str>::new());
    assert!(report.controls.checked > 100, "{}", report.controls.checked);
    report
}

/// The relations of the matrix, as reports name them.
fn relations(report: &Report) -> Vec<String> {
    report.matrix.subjects().iter().map(|subject| subject.relation.to_string()).collect()
}

#[test]
fn a_schema_that_visitors_may_not_use_proves_as_much() {
    let report = check_case("closed_schema");
    assert_eq!(relations(&report), ["api.notes"]);
    assert!(report.findings.is_empty(), "{}", to_text(&report));
    assert_ne!(report.outcome(), Outcome::Untrusted);
}

#[test]
fn a_schema_with_a_dot_is_as_exposed_as_any() {
    let report = check_case("dotted_schema");
    assert_eq!(relations(&report), ["\"a.b\".notes"]);
    let told: Vec<(String, Severity)> = report
        .findings
        .iter()
        .map(|finding| (format!("{} {}", finding.rule, finding.on()), finding.severity))
        .collect();
    assert_eq!(told, [("cross-tenant-read \"a.b\".notes".to_owned(), Severity::High)]);
}
