//! What the new files do to generated rows.

use crate::check::outcome::{Failure, Rehearsal};
use crate::finding::cause::Cause;
use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Run, Symptoms};
use crate::finding::value::Finding;
use crate::finding::{preservation, repeat, widening};
use crate::migrate::applied::MigrationName;

/// What fails on rows, and what is lost or seen by more people where there are some.
pub(crate) fn judge(rehearsal: &Rehearsal) -> Vec<Finding> {
    let lost = preservation::judge(&rehearsal.applied);
    let other = repeat::judge(&rehearsal.applied);
    let seen = lost.into_iter().chain(other).chain(widening::judge(&rehearsal.widenings));
    let failing = rehearsal.failed.iter().filter_map(failing);
    failing.chain(seen).map(|finding| finding.seen(Run::OnGeneratedRows)).collect()
}

/// A file that fails on rows which it may never meet is no finding.
fn failing(failure: &Failure) -> Option<Finding> {
    let Failure { version, name, error, by_any_row_of } = failure;
    let subject = Subject::Relation(by_any_row_of.clone()?);
    let migration = MigrationName { version: *version, name: name.clone() };
    let symptoms = Symptoms::FailsOnRows { migration: migration.clone() };
    Some(Finding {
        cause: Some(Cause::Migration(migration)),
        evidence: Some(Proof::Lines(vec![error.in_brief()])),
        ..Finding::new(Rule::FailsOnRows, subject, symptoms)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::finding::preservation::tests::{applied, loss};
    use crate::finding::widening::tests::widening;
    use crate::names::QualifiedName;
    use crate::preserve::loss::LossKind;
    use crate::preserve::outcome::Preservation;

    #[test]
    fn what_any_row_makes_fail_is_found_and_what_some_rows_do_is_not() {
        let failure = |by_any_row_of| Failure {
            version: 3,
            name: "add_size".into(),
            error: Error::new("it failed").cause("no value"),
            by_any_row_of,
        };
        let notes = QualifiedName::new("public", "notes");
        let losses = vec![loss(LossKind::RowsLost, None)];
        let rehearsal = Rehearsal {
            failed: vec![failure(None), failure(Some(notes))],
            applied: vec![applied(2, Preservation { losses, ..Default::default() })],
            widenings: vec![widening(2, "copy", "bob")],
            ..Rehearsal::default()
        };
        let told: Vec<String> = judge(&rehearsal)
            .iter()
            .map(|one| format!("{} {} {:?}", one.rule, one.subject, one.run))
            .collect();
        let expected = [
            "fails-on-rows public.notes OnGeneratedRows",
            "data-lost public.chats OnGeneratedRows",
            "access-widened public.copy OnGeneratedRows",
        ];
        assert_eq!(told, expected);
        assert_eq!(judge(&Rehearsal::default()), []);
    }
}
