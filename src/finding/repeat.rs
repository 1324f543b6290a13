//! What a migration does otherwise where it is applied once more, under other circumstances.

use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::migrate::applied::{Applied, MigrationName};
use crate::preserve::repeated::{Difference, DifferenceKind, Example, What};

/// A finding for each table that differs, and each way to fail.
pub(crate) fn judge(applied: &[Applied]) -> Vec<Finding> {
    let of = |one: &Applied| -> Vec<Finding> {
        let differences = one.repeated.iter().flat_map(|repeated| &repeated.differences);
        differences.map(|difference| found(&one.migration(), difference)).collect()
    };
    applied.iter().flat_map(of).collect()
}

fn found(migration: &MigrationName, difference: &Difference) -> Finding {
    let (subject, severity) = match &difference.what {
        What::Fails { .. } => (Subject::Version(migration.version), Severity::High),
        What::Table { table, kind, columns, .. } => {
            let relation = table.clone();
            let subject = match (kind, columns.as_slice()) {
                (DifferenceKind::Values | DifferenceKind::Numbers, [column]) => {
                    Subject::Column { relation, column: column.clone() }
                }
                _ => Subject::Relation(relation),
            };
            // Where nothing else differs, nothing refers to the numbers yet.
            let severity = match kind {
                DifferenceKind::Numbers => Severity::Low,
                _ => Severity::High,
            };
            (subject, severity)
        }
    };
    let help = difference.under.iter().map(|other| other.circumstance.help()).next();
    let symptoms =
        Symptoms::NotRepeatable { migration: migration.clone(), difference: difference.clone() };
    let finding = Finding {
        severity,
        cause: Some(Cause::Migration(migration.clone())),
        evidence: Some(evidence_of(difference)),
        ..Finding::new(Rule::NotRepeatable, subject, symptoms)
    };
    match help {
        Some(help) if difference.under.len() == 1 => Finding { help: help.into(), ..finding },
        _ => finding,
    }
}

/// What shows it: rows, or what the server says.
pub(crate) fn evidence_of(difference: &Difference) -> Proof {
    Proof::Lines(match &difference.what {
        What::Fails { error, .. } => vec![error.clone()],
        What::Table { examples, .. } => examples.iter().map(line).collect(),
    })
}

fn line(example: &Example) -> String {
    let Example { row, usual, other } = example;
    match (usual, other) {
        (Some(usual), Some(other)) => format!("{row}: {usual}, then {other}"),
        (Some(_), None) => format!("only as usual: {row}"),
        (None, _) => format!("only then: {row}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::preservation::tests::applied;
    use crate::names::QualifiedName;
    use crate::preserve::circumstance::Circumstance;
    use crate::preserve::outcome::Preservation;
    use crate::preserve::repeated::{Other, Repeated};

    #[test]
    fn each_table_that_differs_is_found_and_each_failure() {
        let under = |circumstance| vec![Other { circumstance, value: None }];
        let table = |kind, columns: &[&str]| What::Table {
            table: QualifiedName::new("public", "t"),
            kind,
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: 1,
            is_at_least: false,
            of: 2,
            examples: vec![Example { row: "{}".into(), usual: Some("1".into()), other: None }],
        };
        let fails = What::Fails { error: "no".into(), sqlstate: Some("22008".into()) };
        let differences = [
            (Circumstance::TimeZone, table(DifferenceKind::Values, &["at"])),
            (Circumstance::RowOrder, table(DifferenceKind::Numbers, &["id"])),
            (Circumstance::RowOrder, table(DifferenceKind::Rows, &["id"])),
            (Circumstance::DateStyle, fails),
        ];
        let differences = differences.map(|(circumstance, what)| Difference {
            under: under(circumstance),
            line: None,
            what,
        });
        let repeated = Repeated { differences: differences.into(), ..Repeated::default() };
        let mut applied = applied(2, Preservation::default());
        assert_eq!(judge(std::slice::from_ref(&applied)), []);
        applied.repeated = Some(repeated);
        let told: Vec<String> = judge(&[applied])
            .iter()
            .map(|one| format!("{} {} {:?}", one.rule, one.subject, one.severity))
            .collect();
        let expected = [
            "not-repeatable public.t.at High",
            "not-repeatable public.t.id Low",
            "not-repeatable public.t High",
            "not-repeatable V2 High",
        ];
        assert_eq!(told, expected);
    }
}
