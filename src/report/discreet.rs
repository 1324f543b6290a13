//! What may be told of rows, before anybody is told: values of real data go, keys and names stay.
//!
//! Whatever holds a value is taken apart here field by field, so that a new one is not forgotten. What a server
//! said has gone through [`Discretion`](crate::discretion::Discretion) when it was read.

use std::collections::BTreeSet;

use crate::check::audience::widening::Widening;
use crate::discretion::Veil;
use crate::finding::proof::Proof;
use crate::finding::repeat::evidence_of;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::matrix::verdict::Evidence;
use crate::migrate::applied::Applied;
use crate::preserve::loss::Loss;
use crate::preserve::outcome::{CallOutcome, LineDifference, PairOutcome, Preservation};
use crate::preserve::repeated::{Difference, Example, What};
use crate::report::value::Report;
use crate::words::joined;

/// Leaves the values of rows out of a report and its findings, and says so. `real_data` are the files that have
/// rows of a database.
pub(crate) fn hide_values(report: &mut Report, findings: &mut [Finding], real_data: &[String]) {
    let of_trip = report.round_trip.iter().flat_map(|trip| &trip.again);
    let of_rehearsal = report.rehearsal.iter().flat_map(|rehearsal| &rehearsal.applied);
    let all = report.applied.iter().chain(of_trip).chain(of_rehearsal);
    let keys: BTreeSet<String> =
        all.flat_map(|applied| applied.preservation.keys.iter().cloned()).collect();
    findings.iter_mut().for_each(|finding| hide_in_finding(finding, &keys));
    report.applied.iter_mut().for_each(|applied| hide_in_applied(applied, &keys));
    report.followed.widenings.iter_mut().for_each(|widening| hide_in_widening(widening, &keys));
    if let Some(rehearsal) = &mut report.rehearsal {
        rehearsal.applied.iter_mut().for_each(|applied| hide_in_applied(applied, &keys));
        rehearsal.widenings.iter_mut().for_each(|widening| hide_in_widening(widening, &keys));
    }
    report.matrix.each_evidence(|Evidence { statement, row }| {
        let mut veil = Veil::new(&keys);
        *statement = veil.constants(statement);
        *row = row.take().map(|row| veil.constants(&row));
    });
    report.seed_stub = report.seed_stub.take().map(|stub| Veil::new(&keys).constants(&stub));
    let files: Vec<String> = real_data.iter().map(|path| format!("`{path}`")).collect();
    report.notes.push(format!(
        "the rows of {} are real data: of these and all others only keys and columns are shown; \
         `--show-values` shows values, too",
        joined(&files)
    ));
}

/// Leaves the values of rows out of a finding; `keys` are the names of columns of keys.
pub(crate) fn hide_in_finding(finding: &mut Finding, keys: &BTreeSet<String>) {
    let mut veil = Veil::new(keys);
    // All others have counts, names, and what servers and files say.
    match &mut finding.symptoms {
        Symptoms::Loss { loss, .. } => hide_in_loss(loss, &mut veil),
        Symptoms::Widening { readers, .. } => hide_readers(readers, &mut veil),
        Symptoms::NotRepeatable { difference, .. } => {
            hide_in_difference(difference, &mut veil);
            finding.evidence = Some(evidence_of(difference));
        }
        _ => {}
    }
    if let Some(proof) = &mut finding.evidence {
        hide_in_proof(proof, &mut veil);
    }
}

fn hide_in_proof(proof: &mut Proof, veil: &mut Veil<'_>) {
    match proof {
        Proof::Attempt { actor: _, statement, row } => {
            *statement = veil.constants(statement);
            *row = row.take().map(|row| veil.constants(&row));
        }
        Proof::Escalation { actor: _, statement, then } => {
            *statement = veil.constants(statement);
            hide_in_proof(then, veil);
        }
        Proof::Seen { reader, statement, value, audience } => {
            *reader = veil.reader(reader);
            hide_readers(audience, veil);
            *statement = veil.constants(statement);
            *value = veil.value(value);
        }
        Proof::Rows(rows) => rows.iter_mut().for_each(|row| *row = veil.key(row)),
        Proof::Sides { lost, appeared } => hide_in_sides(lost, appeared, veil),
        Proof::Answers { first, differing: _ } => {
            first.iter_mut().for_each(|rows| *rows = veil.answers(rows));
        }
        // Sums, definitions, and what a server has said.
        Proof::Lines(_) => {}
    }
}

fn hide_in_sides(lost: &mut LineDifference, appeared: &mut LineDifference, veil: &mut Veil<'_>) {
    for LineDifference { count: _, first } in [lost, appeared] {
        first.iter_mut().for_each(|row| *row = veil.row(row));
    }
}

/// The same of what a file did to rows.
pub(crate) fn hide_in_applied(applied: &mut Applied, keys: &BTreeSet<String>) {
    let Preservation {
        tables: _,
        rows: _,
        losses,
        covered,
        retyped: _,
        stamped: _,
        noted: _,
        uncounted: _,
        pairs,
        calls,
        keys: _,
        drafts: _,
    } = &mut applied.preservation;
    for difference in applied.repeated.iter_mut().flat_map(|one| &mut one.differences) {
        hide_in_difference(difference, &mut Veil::new(keys));
    }
    losses.iter_mut().chain(covered).for_each(|loss| hide_in_loss(loss, &mut Veil::new(keys)));
    for PairOutcome { lost, appeared, .. } in pairs {
        hide_in_sides(lost, appeared, &mut Veil::new(keys));
    }
    for CallOutcome { first, .. } in calls {
        let mut veil = Veil::new(keys);
        first.iter_mut().for_each(|rows| *rows = veil.answers(rows));
    }
}

/// What a file does otherwise under another circumstance; what a server says of it was read already.
fn hide_in_difference(difference: &mut Difference, veil: &mut Veil<'_>) {
    let What::Table { examples, .. } = &mut difference.what else { return };
    for Example { row, usual, other } in examples {
        // One that is there in one of the runs only is told of as a whole.
        let is_whole = usual.is_none() || other.is_none();
        *row = if is_whole { veil.row(row) } else { veil.key(row) };
        for values in [usual, other].into_iter().flatten() {
            *values = veil.row(values);
        }
    }
}

/// Its rows are named by their keys.
fn hide_in_loss(loss: &mut Loss, veil: &mut Veil<'_>) {
    loss.rows.iter_mut().for_each(|row| *row = veil.key(row));
}

fn hide_readers(names: &mut [String], veil: &mut Veil<'_>) {
    names.iter_mut().for_each(|name| *name = veil.reader(name));
}

fn hide_in_widening(widening: &mut Widening, keys: &BTreeSet<String>) {
    let mut veil = Veil::new(keys);
    let Widening { migration: _, relation: _, reader, values: _, example, audience, statement } =
        widening;
    *reader = veil.reader(reader);
    hide_readers(audience, &mut veil);
    *example = veil.value(example);
    *statement = veil.constants(statement);
}
