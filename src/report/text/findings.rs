//! The section on findings, and what is waived.

use std::fmt::{Result, Write};

use crate::finding::rule::{Rule, Severity};
use crate::finding::scope;
use crate::finding::subject::Subject;
use crate::finding::value::Finding;
use crate::report::value::Report;
use crate::words::counted;

/// How many findings of one rule are shown in full.
const MOST_ALIKE: usize = 4;

/// What was found, what matters more first, and what is waived.
pub(crate) fn write_findings(out: &mut String, report: &Report) -> Result {
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
        if let [Finding { rule: Rule::TruncateGranted, severity: Severity::Low, .. }, ..] = alike {
            for of_schema in alike.chunk_by(|one, other| shown_on(one) == shown_on(other)) {
                write_truncates(out, of_schema)?;
            }
            continue;
        }
        // Many of one kind would hide the others.
        let (shown, rest) = match alike.len() {
            0..=MOST_ALIKE => (alike, &[][..]),
            _ => alike.split_at(MOST_ALIKE - 1),
        };
        for finding in shown {
            write_finding(out, finding)?;
        }
        if !rest.is_empty() {
            let mut on: Vec<String> = rest.iter().map(Finding::on).collect();
            on.dedup();
            writeln!(
                out,
                "  {}, too: {}",
                headline(alike[0].severity, alike[0].rule),
                on.join(", ")
            )?;
        }
    }
    if let Some(finding) = findings.iter().find(|finding| finding.rule.page().is_waivable) {
        let lines: String = scope::lines([finding].into_iter())
            .iter()
            .map(|line| format!("\n    {line}"))
            .collect();
        writeln!(
            out,
            "  what is meant is declared in leakproof.toml, with the reason, such as:\n    \
             [[waive]]\n    finding = {:?}\n    on = {:?}{lines}\n    reason = \"...\"",
            finding.rule.name(),
            finding.on()
        )?;
    }
    if !report.waived.is_empty() {
        writeln!(out, "waived      {}", report.waived.len())?;
    }
    for waived in &report.waived {
        writeln!(out, "  {} on {}: {}", waived.finding.rule, waived.finding.on(), waived.reason)?;
    }
    Ok(())
}

fn headline(severity: Severity, rule: Rule) -> String {
    match severity {
        Severity::High => rule.to_string(),
        Severity::Low => format!("{rule} (low)"),
    }
}

/// What a finding is shown on: default privileges grant TRUNCATE on all tables of a schema.
pub(crate) fn shown_on(finding: &Finding) -> String {
    match (&finding.subject, finding.rule, finding.severity) {
        (Subject::Relation(relation), Rule::TruncateGranted, Severity::Low) => {
            format!("{}.*", relation.schema())
        }
        (subject, ..) => subject.to_string(),
    }
}

/// One for all tables of a schema.
fn write_truncates(out: &mut String, findings: &[Finding]) -> Result {
    let [first, more @ ..] = findings else { return Ok(()) };
    if more.is_empty() {
        return write_finding(out, first);
    }
    let on: Vec<String> = findings.iter().map(Finding::on).collect();
    writeln!(out, "  {}: {}", headline(first.severity, first.rule), shown_on(first))?;
    writeln!(out, "    {}: {}", counted(on.len(), "table"), on.join(", "))?;
    writeln!(out, "    help: {}", first.help)
}

/// One in full.
pub(crate) fn write_finding(out: &mut String, finding: &Finding) -> Result {
    writeln!(out, "  {}: {}", headline(finding.severity, finding.rule), finding.on())?;
    writeln!(out, "    {}", finding.message().replace('\n', "\n      "))?;
    for line in finding.evidence_lines() {
        writeln!(out, "    {}", line.replace('\n', " "))?;
    }
    writeln!(out, "    help: {}", finding.help)
}
