//! A finding: one named way of leaking or losing, seen to happen.

use crate::finding::candidate::Candidate;
use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Run, Symptoms};
use crate::names::Place;

/// One named way of leaking or losing, seen to happen: as values, that `report` puts into words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters; what matters more comes first.
    pub severity: Severity,
    /// The rule.
    pub rule: Rule,
    /// What it is about.
    pub subject: Subject,
    /// In which run it was seen.
    pub run: Run,
    /// Why it is so, where that is certain.
    pub cause: Option<Cause>,
    /// Where the cause, or the subject, stands in the project's files, where that is known.
    pub place: Option<Place>,
    /// What was seen.
    pub symptoms: Symptoms,
    /// What shows that it is so.
    pub evidence: Option<Proof>,
    /// What to do.
    pub help: String,
    /// The policies that apply to the subject, to what was tried, and to who tried it.
    pub candidates: Vec<Candidate>,
}

impl Finding {
    /// A finding of a rule with its own severity and help; of the rest nothing is known.
    pub(crate) fn new(rule: Rule, subject: Subject, symptoms: Symptoms) -> Self {
        Self {
            severity: rule.severity(None),
            rule,
            subject,
            run: Run::First,
            cause: None,
            place: None,
            symptoms,
            evidence: None,
            help: rule.help(),
            candidates: Vec::new(),
        }
    }

    /// The same, seen in another run.
    pub(crate) fn seen(self, run: Run) -> Self {
        Self { run, ..self }
    }
}

/// Puts findings in the order of reports, and leaves one of those that are alike.
pub(crate) fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by_cached_key(|finding| {
        let Finding { severity, rule, subject, run, symptoms, .. } = finding;
        (*severity, *rule, subject.to_string(), *run, symptoms.clone())
    });
    findings.dedup();
}
