//! Rules from cells and censuses to findings, and the waivers that declare exceptions. Pure.
//!
//! The oracle does not come from any policy: what belongs to another tenant is nobody's business,
//! unless the team has declared it with a reason.

mod explain;
mod waiver;

use std::collections::BTreeMap;

use serde::Serialize;

pub use explain::{Page, explain, pages};
pub use waiver::Waived;
pub(crate) use waiver::apply_waivers;

use crate::actor::Actor;
use crate::matrix::{Cell, Command, Evidence, Matrix, RowClass, Verdict};
use crate::migrate::Applied;

/// One named way of leaking or losing, seen to happen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The rule, such as `cross-tenant-read`.
    pub rule: &'static str,
    /// What it is about: a relation, a column, a preserve pair.
    pub on: String,
    /// The fact.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The statement that did it, and what it reached, line by line.
    pub evidence: Vec<String>,
}

/// The findings of the matrix, one per rule and relation.
pub(crate) fn judge_access(matrix: &Matrix, actors: &[Actor]) -> Vec<Finding> {
    let mut grouped: BTreeMap<(&'static str, String), Vec<&Cell>> = BTreeMap::new();
    for cell in matrix.cells() {
        let actor = actors.iter().find(|actor| actor.name() == cell.actor);
        let Some(actor) = actor.filter(|actor| !actor.is_service()) else { continue };
        if let Some(rule) = rule_of(matrix, actor, cell) {
            grouped.entry((rule, cell.relation.clone())).or_default().push(cell);
        }
    }
    grouped.into_iter().map(|((rule, on), cells)| of_cells(rule, on, &cells)).collect()
}

/// The rule that a cell breaks, if it breaks one.
fn rule_of(matrix: &Matrix, actor: &Actor, cell: &Cell) -> Option<&'static str> {
    if let Verdict::Broken { sqlstate } = &cell.verdict {
        // A trigger's own `raise` is an answer; everything else is a policy or view that fails. No
        // trigger answers who only reads.
        let is_answer = sqlstate == "P0001" && cell.command != Command::Read;
        return (!is_answer).then_some("statement-raises");
    }
    if !cell.verdict.is_allowed() {
        return None;
    }
    match (cell.command, cell.class) {
        (Command::Truncate, _) => Some("truncate-granted"),
        (command, RowClass::Own) if actor.left().is_some() && is_of_tenant(matrix, cell) => {
            Some(if command == Command::Read {
                "removed-member-read"
            } else {
                "removed-member-write"
            })
        }
        (command, RowClass::Other) => Some(cross_tenant(matrix, cell, command)),
        (Command::Read, RowClass::Null) => Some("ownerless-read"),
        (_, RowClass::Null) => Some("ownerless-write"),
        _ => None,
    }
}

fn cross_tenant(matrix: &Matrix, cell: &Cell, command: Command) -> &'static str {
    // Blind is its own finding only where the same command with WHERE is stopped.
    let is_only_blind = command.qualified().is_some_and(|qualified| {
        !matrix.row(&cell.relation, &cell.actor).any(|other| {
            other.command == qualified && other.class == cell.class && other.verdict.is_allowed()
        })
    });
    match command {
        Command::Read => "cross-tenant-read",
        Command::Insert | Command::InsertReturning => "cross-tenant-insert",
        Command::BlindUpdate if is_only_blind => "blind-update",
        Command::Update | Command::BlindUpdate => "cross-tenant-update",
        Command::BlindDelete if is_only_blind => "blind-delete",
        Command::Delete | Command::BlindDelete => "cross-tenant-delete",
        Command::Give | Command::BlindGive | Command::Take | Command::BlindTake => {
            "cross-tenant-move"
        }
        Command::Truncate => "truncate-granted",
    }
}

/// Whether rows of the relation belong to tenants: where somebody's row is of the same tenant.
fn is_of_tenant(matrix: &Matrix, cell: &Cell) -> bool {
    matrix.of(&cell.relation).iter().any(|other| other.class == RowClass::Tenant)
}

fn of_cells(rule: &'static str, on: String, cells: &[&Cell]) -> Finding {
    let mut actors: Vec<&str> = cells.iter().map(|cell| cell.actor.as_str()).collect();
    actors.dedup();
    let first = cells[0];
    let message = format!(
        "{} on {} rows by {}: {}",
        first.command.name(),
        crate::matrix::class_name(first.class),
        actors.join(", "),
        first.verdict.sentence()
    );
    let evidence =
        first.evidence.iter().flat_map(|evidence| told(&first.actor, evidence)).collect();
    let help = explain(rule).map_or(String::new(), |page| page.help.to_owned());
    Finding { rule, on, message, help, evidence }
}

fn told(actor: &str, evidence: &Evidence) -> Vec<String> {
    let statement = format!("as {actor}: {}", evidence.statement);
    let row = evidence.row.as_ref().map(|row| format!("reached: {row}"));
    std::iter::once(statement).chain(row).collect()
}

/// The findings of the censuses, the preserve pairs and the recorded calls.
pub(crate) fn judge_preservation(applied: &[Applied]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for migration in applied {
        let version = format!("V{} {}", migration.version, migration.name);
        for loss in &migration.preservation.losses {
            let column = loss.column.as_ref().map(|column| format!(".{column}"));
            findings.push(Finding {
                rule: "data-lost",
                on: format!("{}{}", loss.table, column.unwrap_or_default()),
                message: format!("{version}: {}", loss.sentence()),
                help: "if the change is planned, vouch for it with a pair in `preserve/` that has \
                       `-- covers:`"
                    .into(),
                evidence: Vec::new(),
            });
        }
        for pair in migration.preservation.pairs.iter().filter(|pair| !pair.holds()) {
            let rows = |what: &str, side: &crate::preserve::LineDifference| {
                let lines = side.first.iter().map(|line| format!("{what}: {}", shortened(line)));
                let rest = side.count as usize - side.first.len();
                let more = (rest > 0).then(|| format!("{what}: and {rest} more rows"));
                lines.chain(more).collect::<Vec<_>>()
            };
            let mut evidence = rows("lost", &pair.lost);
            evidence.extend(rows("appeared", &pair.appeared));
            findings.push(Finding {
                rule: "promise-broken",
                on: pair.place.clone(),
                message: format!(
                    "{version}: \"{}\" does not hold; rows lost: {}, appeared: {}",
                    pair.name, pair.lost.count, pair.appeared.count
                ),
                help: "mend the migration; the rows above tell which data it changed".into(),
                evidence,
            });
        }
        for call in migration.preservation.calls.iter().filter(|call| !call.holds()) {
            let rows = call.first.iter().flat_map(|difference| {
                let (before, after) = difference.shortened();
                [format!("before: {before}"), format!("after:  {after}")]
            });
            let rest = call.differing - call.first.len();
            let more = (rest > 0).then(|| format!("and {rest} more rows differ"));
            findings.push(Finding {
                rule: "answer-changed",
                on: call.place.clone(),
                message: format!(
                    "{version}: \"{}\" is answered differently; rows that differ: {}",
                    call.name, call.differing
                ),
                help: format!(
                    "mend the migration; where the answer changes on purpose, end the call with \
                     `-- until: {}`",
                    migration.version
                ),
                evidence: rows.chain(more).collect(),
            });
        }
    }
    findings
}

/// Huge values are cut for people; the JSON report is cut alike.
fn shortened(line: &str) -> String {
    const LONGEST: usize = 400;
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}
