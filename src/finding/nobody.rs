//! A project that no person is to reach, only its back end: whatever a person reaches is a finding. Pure.

use std::collections::BTreeMap;

use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Reached, Symptoms};
use crate::finding::value::Finding;
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::command::Command;
use crate::matrix::person::SERVICE_ROLE;
use crate::matrix::verdict::Verdict;
use crate::names::QualifiedName;

/// Whether it is about a person and rows. To empty a table takes SQL of one's own.
fn is_of_people(cell: &Cell) -> bool {
    cell.command != Command::Truncate && cell.actor != SERVICE_ROLE
}

/// The cells of people who reached rows, whosever they are.
fn reached(matrix: &Matrix) -> impl Iterator<Item = &Cell> {
    matrix.cells().iter().filter(|cell| is_of_people(cell) && cell.verdict.is_allowed())
}

/// Whether a person reaches any row of these, or could not ask for it. Who may add rows alone, as in a contact form,
/// reaches none that is there.
pub(crate) fn is_within_reach(cells: &[Cell]) -> bool {
    cells.iter().filter(|cell| is_of_people(cell)).any(|cell| match cell.verdict {
        Verdict::Allowed { .. } => cell.command != Command::Insert,
        Verdict::Untested { .. } => cell.command == Command::Read,
        _ => false,
    })
}

/// Whether a person reaches any row.
pub(crate) fn is_reached(matrix: &Matrix) -> bool {
    reached(matrix).next().is_some()
}

/// A finding for each relation of which a person reaches a row.
pub(crate) fn judge(matrix: &Matrix) -> Vec<Finding> {
    let mut grouped: BTreeMap<&QualifiedName, Vec<Reached>> = BTreeMap::new();
    for cell in reached(matrix) {
        grouped.entry(&cell.relation).or_default().push(Reached::of(cell));
    }
    let finding = |(relation, reached): (&QualifiedName, Vec<Reached>)| {
        Finding::new(
            Rule::PeopleReach,
            Subject::Relation(relation.clone()),
            Symptoms::Access(reached),
        )
    };
    grouped.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::class::RowClass;
    use crate::matrix::person::Asked;

    #[test]
    fn only_rows_that_people_reach_count() {
        let allowed = || Verdict::Allowed { rows: 1, of: 1, stopped_by: None };
        for (actor, command, verdict, counts) in [
            ("alice", Command::Read, allowed(), true),
            ("anon", Command::BlindDelete, allowed(), true),
            ("alice", Command::Read, Verdict::Hidden, false),
            ("alice", Command::Truncate, allowed(), false),
            (SERVICE_ROLE, Command::Read, allowed(), false),
        ] {
            let cell = Cell {
                relation: QualifiedName::new("public", "jobs"),
                actor: actor.into(),
                command,
                class: RowClass::Own,
                verdict,
                evidence: None,
            };
            let matrix = Matrix::new(Vec::new(), vec![Asked::alone(actor)], vec![cell]);
            let found: Vec<String> =
                judge(&matrix).iter().map(|one| format!("{} {}", one.rule, one.subject)).collect();
            let expected = if counts { vec!["people-reach public.jobs"] } else { Vec::new() };
            assert_eq!(
                (found, is_reached(&matrix)),
                (expected.iter().map(|s| s.to_string()).collect(), counts)
            );
        }
    }
}
