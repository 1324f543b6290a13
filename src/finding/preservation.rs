//! What a migration loses: by the census, the preserve pairs and the recorded calls.

use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::migrate::applied::{Applied, MigrationName};
use crate::preserve::loss::{Loss, LossKind};
use crate::preserve::outcome::{CallOutcome, PairOutcome};
use crate::sql::quote::{identifier, literal};
use crate::words::joined;

/// The findings of the censuses, the preserve pairs and the recorded calls.
pub(crate) fn judge(applied: &[Applied]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for one in applied {
        let (migration, seen) = (one.migration(), &one.preservation);
        findings.extend(seen.losses.iter().map(|loss| lost(&migration, loss, &seen.pairs)));
        let pairs = seen.pairs.iter().filter(|pair| !pair.holds());
        findings.extend(pairs.map(|pair| broken(&migration, pair)));
        let calls = seen.calls.iter().filter(|call| !call.holds());
        findings.extend(calls.map(|call| changed(&migration, call)));
    }
    findings
}

fn lost(migration: &MigrationName, loss: &Loss, pairs: &[PairOutcome]) -> Finding {
    let relation = loss.table.clone();
    let subject = match loss.column.clone() {
        Some(column) => Subject::Column { relation, column },
        None => Subject::Relation(relation),
    };
    let symptoms = Symptoms::Loss { migration: migration.clone(), loss: loss.clone() };
    let empty: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.is_empty && pair.covers.iter().any(|name| loss.is_in(name)))
        .map(|pair| format!("`{}`", pair.place))
        .collect();
    let unread: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.unread.iter().any(|name| loss.is_in(name)))
        .map(|pair| format!("`{}`", pair.place))
        .collect();
    let partly: Vec<String> = pairs
        .iter()
        .filter(|pair| pair.partly.iter().any(|name| loss.is_in(name)))
        .map(|pair| format!("`{}`", pair.place))
        .collect();
    let (table, column) =
        (loss.table.sql(), loss.column.as_deref().map_or(String::new(), identifier));
    let help = match loss.kind {
        LossKind::ZoneUnstated => format!("write `using {column} at time zone '<zone>'`"),
        LossKind::TakenAlong => {
            "write it again behind the `drop`, or drop it by its name if it is to go".into()
        }
        LossKind::TriggersDisabled => {
            let enable = |name: &String| {
                format!("`alter table {table} enable trigger {}`", identifier(name))
            };
            let statements: Vec<String> = loss.lacks.iter().map(enable).collect();
            format!("write {} at the end of the file", joined(&statements))
        }
        LossKind::SequenceBehind if loss.column.is_none() => format!(
            "have it go on with `select setval({}, {})`, or waive it with the reason",
            literal(&table),
            loss.before
        ),
        LossKind::SequenceBehind => format!(
            "set it at the end of the file: `select setval(pg_get_serial_sequence({}, {}), \
             (select max({column}) from {table}))`",
            literal(&table),
            literal(loss.column.as_deref().unwrap_or_default())
        ),
        LossKind::DefinitionLost => {
            "write it again for the new table, or vouch for the change with a pair that has \
             `-- covers:`"
                .into()
        }
        LossKind::ColumnDropped | LossKind::TableDropped if loss.came.is_some() => renamed(loss),
        LossKind::ViewEmptied => "refresh the materialized view at the end of the file".into(),
        _ if !unread.is_empty() => {
            let pairs = joined(&unread);
            format!(
                "{pairs} would show the same if {} held other values; have its queries give each value, \
                 or waive the finding with the reason if the values are to go",
                loss.place()
            )
        }
        _ if !partly.is_empty() => format!(
            "{} shows some rows of {} and not others; vouch for the others with a pair, too, or waive \
             the finding with the reason if they are to go",
            joined(&partly),
            loss.place()
        ),
        _ if !empty.is_empty() => format!(
            "{} covers it and shows nothing: its queries give no row, only count, or `after` reads \
             nothing that stays; have them name the rows that stay",
            joined(&empty)
        ),
        _ => format!(
            "if the change is planned, vouch for it with a pair in `preserve/` that has `-- covers:`; \
             `leakproof new --preserve V{}` drafts one; if values are to go, waive the finding with \
             the reason",
            migration.version
        ),
    };
    Finding {
        cause: Some(Cause::Migration(migration.clone())),
        evidence: Some(Proof::Rows(loss.rows.clone())),
        help,
        ..Finding::new(Rule::DataLost, subject, symptoms)
    }
}

/// What is to be written where something has gone and another thing like it has come.
fn renamed(loss: &Loss) -> String {
    let came = loss.came.as_deref().unwrap_or_default();
    let (gone, statement) = match &loss.column {
        Some(column) => (
            column.clone(),
            format!(
                "alter table {} rename column {} to {}",
                loss.table.sql(),
                identifier(column),
                identifier(came)
            ),
        ),
        None => {
            let bare = came.rsplit('.').next().unwrap_or(came);
            (loss.table.to_string(), format!("alter table {} rename to {bare}", loss.table.sql()))
        }
    };
    format!("`{gone}` is gone and `{came}` came: if it was renamed, write `{statement}`")
}

fn broken(migration: &MigrationName, pair: &PairOutcome) -> Finding {
    let PairOutcome { name, place, lost, appeared, .. } = pair;
    let symptoms = Symptoms::Pair {
        migration: migration.clone(),
        name: name.clone(),
        lost: lost.count,
        appeared: appeared.count,
    };
    Finding {
        cause: Some(Cause::Migration(migration.clone())),
        place: Some(place.clone()),
        evidence: Some(Proof::Sides { lost: lost.clone(), appeared: appeared.clone() }),
        help: "mend the migration; the rows above tell which data it changed".into(),
        ..Finding::new(Rule::PromiseBroken, Subject::Pair(place.clone()), symptoms)
    }
}

fn changed(migration: &MigrationName, call: &CallOutcome) -> Finding {
    let CallOutcome { name, place, differing, first } = call;
    let symptoms = Symptoms::Answer {
        migration: migration.clone(),
        name: name.clone(),
        differing: *differing,
    };
    Finding {
        cause: Some(Cause::Migration(migration.clone())),
        place: Some(place.clone()),
        evidence: Some(Proof::Answers { first: first.clone(), differing: *differing }),
        help: format!(
            "mend the migration; where the answer changes on purpose, end the call with \
             `-- until: {}`",
            migration.version
        ),
        ..Finding::new(Rule::AnswerChanged, Subject::Call(place.clone()), symptoms)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::names::{Place, QualifiedName};
    use crate::preserve::outcome::{AnswerDifference, LineDifference, Preservation};

    pub(crate) fn applied(version: i64, preservation: Preservation) -> Applied {
        let name = "move".into();
        let deviations = Default::default();
        Applied { version, name, statements: 1, preservation, deviations, repeated: None }
    }

    pub(crate) fn loss(kind: LossKind, column: Option<&str>) -> Loss {
        let table = QualifiedName::new("public", "chats");
        let (column, rows) = (column.map(str::to_owned), vec!["{}".into()]);
        Loss { column, before: 3, after: 1, rows, ..Loss::new(kind, table) }
    }

    fn pair(lost: u64, appeared: u64) -> PairOutcome {
        let difference = |count| LineDifference { count, first: Vec::new() };
        PairOutcome {
            name: "all stay".into(),
            place: Place::new("preserve/V2__move.sql", 1),
            rows: 3,
            is_empty: false,
            covers: Vec::new(),
            unread: Vec::new(),
            keyless: Vec::new(),
            partly: Vec::new(),
            noted: Vec::new(),
            by_place: Vec::new(),
            lost: difference(lost),
            appeared: difference(appeared),
        }
    }

    fn call(differing: usize) -> CallOutcome {
        let row = AnswerDifference { before: "a".into(), after: "b".into() };
        CallOutcome {
            name: "the list".into(),
            place: Place::new("api/V1__list.sql", 4),
            differing,
            first: vec![row; differing.min(1)],
        }
    }

    #[test]
    fn what_is_lost_broken_or_changed_is_found_and_nothing_else() {
        let seen =
            |losses, pairs, calls| Preservation { losses, pairs, calls, ..Default::default() };
        let covered = Preservation {
            covered: vec![loss(LossKind::TableDropped, None)],
            ..Preservation::default()
        };
        for (what, preservation, expected) in [
            ("nothing", Preservation::default(), &[][..]),
            ("covered", covered, &[]),
            ("all holds", seen(vec![], vec![pair(0, 0)], vec![call(0)]), &[]),
            (
                "a table",
                seen(vec![loss(LossKind::RowsLost, None)], vec![], vec![]),
                &["data-lost public.chats"],
            ),
            (
                "a column",
                seen(vec![loss(LossKind::ColumnDropped, Some("title"))], vec![], vec![]),
                &["data-lost public.chats.title"],
            ),
            (
                "rows of a pair",
                seen(vec![], vec![pair(1, 0)], vec![]),
                &["promise-broken preserve/V2__move.sql:1"],
            ),
            (
                "new rows of a pair",
                seen(vec![], vec![pair(0, 2)], vec![]),
                &["promise-broken preserve/V2__move.sql:1"],
            ),
            (
                "an answer",
                seen(vec![], vec![], vec![call(2)]),
                &["answer-changed api/V1__list.sql:4"],
            ),
        ] {
            let found = judge(&[applied(1, Preservation::default()), applied(2, preservation)]);
            let told: Vec<String> =
                found.iter().map(|one| format!("{} {}", one.rule, one.subject)).collect();
            assert_eq!(told, expected, "{what}");
            let migration = MigrationName { version: 2, name: "move".into() };
            let cause = Some(Cause::Migration(migration));
            assert!(found.iter().all(|finding| finding.cause == cause), "{what}");
        }
    }

    #[test]
    fn help_is_for_what_was_lost() {
        let help = |kind| {
            let losses = vec![loss(kind, Some("at"))];
            let found = judge(&[applied(2, Preservation { losses, ..Default::default() })]);
            found[0].help.clone()
        };
        assert!(help(LossKind::ZoneUnstated).contains("at time zone"));
        assert!(help(LossKind::ColumnEmptied).contains("`-- covers:`"));
    }
}
