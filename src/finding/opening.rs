//! Rows of others that somebody opens by adding a row: to a table that policies ask. Pure.

use std::collections::BTreeMap;

use crate::finding::proof::Proof;
use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::matrix::class::RowClass;
use crate::names::QualifiedName;

/// What one row opened.
#[derive(Debug)]
pub(crate) struct Opening {
    /// The table that the row was added to.
    pub gate: QualifiedName,
    pub actor: String,
    /// The very statement.
    pub statement: String,
    /// By relation, whose rows are seen then that were not before.
    pub opened: Vec<(QualifiedName, Vec<RowClass>)>,
}

/// A finding for each table by whose rows something opens.
pub(crate) fn judge(openings: Vec<Opening>) -> Vec<Finding> {
    let mut by_gate: BTreeMap<QualifiedName, Vec<Opening>> = BTreeMap::new();
    for opening in openings {
        by_gate.entry(opening.gate.clone()).or_default().push(opening);
    }
    let finding = |(gate, openings): (QualifiedName, Vec<Opening>)| {
        let is_others = |opening: &Opening| {
            opening.opened.iter().flat_map(|(_, classes)| classes).any(|c| *c != RowClass::Tenant)
        };
        // What opens another tenant's rows says most.
        let worst = openings.iter().position(is_others);
        let Opening { actor, statement, opened, .. } =
            openings.into_iter().nth(worst.unwrap_or(0))?;
        let rows = opened.iter().map(|(_, classes)| classes.len()).sum();
        let relations = opened.into_iter().map(|(relation, _)| relation).collect();
        Some(Finding {
            severity: if worst.is_some() { Severity::High } else { Severity::Low },
            evidence: Some(Proof::Attempt { actor: actor.clone(), statement, row: None }),
            help: "let WITH CHECK of the policy ask whether what the row names is the caller's to give; or \
                   waive it, where everybody may let themselves in"
                .into(),
            ..Finding::new(
                Rule::PrivilegeEscalation,
                Subject::Relation(gate),
                Symptoms::Opened { actor, relations, rows },
            )
        })
    };
    by_gate.into_iter().filter_map(finding).collect()
}
