//! Rules from cells and censuses to findings, and the waivers that declare exceptions. Pure.
//!
//! The oracle does not come from any policy: what belongs to another tenant is nobody's business,
//! unless the team has declared it with a reason.

pub(crate) mod value;
pub(crate) mod explain;
pub(crate) mod waiver;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use crate::check::audience::widening::Widening;
use crate::check::outcome::{Failure, Rehearsal, RoundTrip};
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::matrix::person::Person;
use crate::matrix::verdict::{Evidence, Verdict};
use crate::migrate::applied::Applied;
use crate::names::QualifiedName;
use crate::preserve::loss::LossKind;
use crate::preserve::outcome::LineDifference;
use crate::words::counted;

pub use crate::finding::explain::{Page, explain, pages};
pub use crate::finding::value::{Finding, Severity};
pub use crate::finding::waiver::Waived;

/// The findings of the matrix, one per rule and relation. Where there is an API between, what it
/// does not let through matters less.
pub(crate) fn judge_access(
    matrix: &Matrix,
    people: &[Person],
    api: Option<&[String]>,
) -> Vec<Finding> {
    let mut grouped: BTreeMap<(&'static str, QualifiedName), Vec<&Cell>> = BTreeMap::new();
    for cell in matrix.cells() {
        let person = people.iter().find(|person| person.name == cell.actor);
        let Some(person) = person.filter(|person| !person.is_service) else { continue };
        if let Some(rule) = rule_of(matrix, person, cell) {
            grouped.entry((rule, cell.relation.clone())).or_default().push(cell);
        }
    }
    let finding = |((rule, on), cells): ((&'static str, QualifiedName), Vec<&Cell>)| {
        let severity = severity(rule, &on, api);
        of_cells(severity, rule, on.to_string(), &cells)
    };
    grouped.into_iter().map(finding).collect()
}

fn severity(rule: &str, relation: &QualifiedName, api: Option<&[String]>) -> Severity {
    let is_exposed =
        |schemas: &[String]| schemas.iter().any(|exposed| exposed == relation.schema());
    match (rule, api) {
        ("statement-raises", _) | ("truncate-granted", Some(_)) => Severity::Low,
        (_, Some(schemas)) if !is_exposed(schemas) => Severity::Low,
        _ => Severity::High,
    }
}

/// The rule that a cell breaks, if it breaks one.
fn rule_of(matrix: &Matrix, person: &Person, cell: &Cell) -> Option<&'static str> {
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
        (command, RowClass::Own) if person.has_left && is_of_tenant(matrix, cell) => {
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
    let mut subjects = matrix.subjects().iter();
    if subjects.any(|subject| subject.relation == cell.relation && subject.is_of_users_only) {
        return false;
    }
    matrix.of(&cell.relation).iter().any(|other| other.class == RowClass::Tenant)
}

fn of_cells(severity: Severity, rule: &'static str, on: String, cells: &[&Cell]) -> Finding {
    let mut actors: Vec<&str> = cells.iter().map(|cell| cell.actor.as_str()).collect();
    actors.dedup();
    let first = cells[0];
    let message = format!(
        "{} on {} rows by {}: {}",
        first.command.name(),
        crate::matrix::class::class_name(first.class),
        actors.join(", "),
        first.verdict.sentence()
    );
    let evidence =
        first.evidence.iter().flat_map(|evidence| told(&first.actor, evidence)).collect();
    let help = explain(rule).map_or(String::new(), |page| page.help.to_owned());
    Finding { severity, rule, on, message, help, evidence }
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
            let help = match loss.kind {
                LossKind::ZoneUnstated => "write `using <column> at time zone '<zone>'`",
                _ => {
                    "if the change is planned, vouch for it with a pair in `preserve/` that has \
                     `-- covers:`"
                }
            };
            findings.push(Finding {
                severity: Severity::High,
                rule: "data-lost",
                on: loss.place(),
                message: format!("{version}: {}", loss.sentence()),
                help: help.into(),
                evidence: loss.rows.iter().map(|row| format!("row: {}", shortened(row))).collect(),
            });
        }
        for pair in migration.preservation.pairs.iter().filter(|pair| !pair.holds()) {
            let evidence = side_by_side(&pair.lost, &pair.appeared);
            findings.push(Finding {
                severity: Severity::High,
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
                severity: Severity::High,
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

/// Whether a rule is about what a migration does to rows, and not about its end.
pub(crate) fn is_about_rows(rule: &str) -> bool {
    ["access-widened", "data-lost", "fails-on-rows"].contains(&rule)
}

/// What the new files do to generated rows.
pub(crate) fn judge_rehearsal(rehearsal: &Rehearsal) -> Vec<Finding> {
    let failing = rehearsal.failed.iter().filter_map(|failure| {
        let Failure { version, name, error, by_any_row_of } = failure;
        Some(Finding {
            severity: Severity::High,
            rule: "fails-on-rows",
            on: by_any_row_of.clone()?,
            message: format!("V{version} {name} cannot be applied where the table has a row"),
            help: explain("fails-on-rows").map_or(String::new(), |page| page.help.to_owned()),
            evidence: vec![error.in_brief()],
        })
    });
    let mut seen = judge_preservation(&rehearsal.applied);
    seen.extend(judge_widenings(&rehearsal.widenings));
    for finding in &mut seen {
        finding.message = format!("on generated rows, {}", finding.message);
    }
    failing.chain(seen).collect()
}

/// Who sees more than before a migration, one finding per version and relation.
pub(crate) fn judge_widenings(widenings: &[Widening]) -> Vec<Finding> {
    let mut grouped: BTreeMap<(&str, &str), Vec<&Widening>> = BTreeMap::new();
    for widening in widenings {
        let key = (widening.migration.as_str(), widening.relation.as_str());
        grouped.entry(key).or_default().push(widening);
    }
    let finding = |((migration, relation), all): ((&str, &str), Vec<&Widening>)| {
        let first = all[0];
        let more = match all.len() {
            1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        let value = serde_json::Value::from(first.example.as_str()).to_string();
        Finding {
            severity: Severity::High,
            rule: "access-widened",
            on: relation.to_owned(),
            message: format!(
                "{migration}: {}{more} see {} here that only others saw before",
                first.reader,
                counted(first.values, "value")
            ),
            help: explain("access-widened").map_or(String::new(), |page| page.help.to_owned()),
            evidence: vec![
                format!("as {}: {}", first.reader, first.statement),
                format!("seen: {}", shortened(&value)),
                format!("before only by: {}", first.audience.join(", ")),
            ],
        }
    };
    grouped.into_iter().map(finding).collect()
}

/// What a round trip left otherwise than it was, and what its second way there lost.
pub(crate) fn judge_round_trip(trip: &RoundTrip) -> Vec<Finding> {
    /// How many differences are shown of one step.
    const SHOWN: usize = 20;
    let differences = trip.differences.iter().map(|difference| {
        let lines = &difference.lines;
        let mut evidence: Vec<String> =
            lines.iter().take(SHOWN).map(|line| shortened(line)).collect();
        let rest = lines.len() - evidence.len();
        evidence.extend((rest > 0).then(|| format!("and {rest} more")));
        Finding {
            severity: Severity::High,
            rule: "round-trip-differs",
            on: difference.on.clone(),
            message: match difference.has_failed {
                true => format!("{} fails", difference.when),
                false => format!("{} leaves schema or rows as they were not", difference.when),
            },
            help: explain("round-trip-differs").map_or(String::new(), |page| page.help.to_owned()),
            evidence,
        }
    });
    let mut again = judge_preservation(&trip.again);
    for finding in &mut again {
        finding.message = format!("there again, {}", finding.message);
    }
    differences.chain(again).collect()
}

/// The first differing rows: where a lost and an appeared row have fields in common they are shown
/// together, with the names of the fields that differ.
fn side_by_side(lost: &LineDifference, appeared: &LineDifference) -> Vec<String> {
    let mut evidence = Vec::new();
    let mut others: Vec<&String> = appeared.first.iter().collect();
    for line in &lost.first {
        let alike = |other: &&&String| common_fields(line, other).len();
        let matching = others.iter().rev().filter(|other| alike(other) > 0).max_by_key(alike);
        let Some(other) = matching else {
            evidence.push(format!("lost: {}", shortened(line)));
            continue;
        };
        let other = *other;
        others.retain(|known| *known != other);
        evidence.push(format!("lost: {}", shortened_beside(line, other)));
        evidence.push(format!("appeared: {}", shortened_beside(other, line)));
        evidence.push(format!("they differ in: {}", differing_fields(line, other).join(", ")));
    }
    evidence.extend(others.iter().map(|line| format!("appeared: {}", shortened(line))));
    for (what, side) in [("lost", lost), ("appeared", appeared)] {
        let rest = side.count as usize - side.first.len();
        evidence.extend((rest > 0).then(|| format!("{what}: and {rest} more rows")));
    }
    evidence
}

/// The fields of a row, each with its value letter by letter; none if the row was cut.
fn fields(line: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(line).unwrap_or_default()
}

fn common_fields(these: &str, those: &str) -> Vec<String> {
    let those = fields(those);
    let is_common = |(name, value): &(String, Box<RawValue>)| {
        those.get(name).is_some_and(|other| other.get() == value.get())
    };
    fields(these).into_iter().filter(is_common).map(|(name, _)| name).collect()
}

fn differing_fields(these: &str, those: &str) -> Vec<String> {
    let common = common_fields(these, those);
    let names: BTreeSet<String> =
        fields(these).into_keys().chain(fields(those).into_keys()).collect();
    names.into_iter().filter(|name| !common.contains(name)).collect()
}

/// How many characters of a row are shown to people; the JSON report is cut alike.
const LONGEST: usize = 400;

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}... ({} bytes)", &line[..end], line.len()),
        None => line.to_owned(),
    }
}

/// As [`shortened`], with its beginning and what is around the first character that `other` has not.
fn shortened_beside(line: &str, other: &str) -> String {
    const AROUND: usize = LONGEST / 4;
    let is_same = |(one, two): &(char, char)| one == two;
    let start = line.chars().zip(other.chars()).take_while(is_same).count();
    if start <= LONGEST - AROUND || line.chars().nth(LONGEST).is_none() {
        return shortened(line);
    }
    let beginning: String = line.chars().take(AROUND).collect();
    let middle: String = line.chars().skip(start - AROUND).take(LONGEST - AROUND).collect();
    format!("{beginning} ... {middle}... ({} bytes)", line.len())
}
