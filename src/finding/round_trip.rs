//! What a round trip leaves otherwise than it was, and what its second way there loses.

use crate::check::outcome::{Difference, Leg, RoundTrip};
use crate::finding::preservation;
use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::{Run, Symptoms};
use crate::finding::value::Finding;

/// What is not as before, step by step, and what was lost on the second way there.
pub(crate) fn judge(trip: &RoundTrip) -> Vec<Finding> {
    let again = preservation::judge(&trip.again);
    let differing = trip.differences.iter().map(differing);
    differing.chain(again).map(|finding| finding.seen(Run::RoundTrip)).collect()
}

fn differing(difference: &Difference) -> Finding {
    let Difference { step, lines, has_failed } = difference;
    let subject = match step {
        Leg::Back { file, .. } => Subject::Rollback(file.clone()),
        Leg::ThereAgain { to } => Subject::Version(*to),
    };
    let symptoms = Symptoms::RoundTrip { step: step.clone(), has_failed: *has_failed };
    Finding {
        evidence: Some(Proof::Lines(lines.clone())),
        ..Finding::new(Rule::RoundTripDiffers, subject, symptoms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::preservation::tests::{applied, loss};
    use crate::preserve::loss::LossKind;
    use crate::preserve::outcome::Preservation;

    #[test]
    fn each_step_that_differs_is_found_with_what_is_lost_there_again() {
        let step = |step, has_failed| Difference { step, lines: vec!["gone".into()], has_failed };
        let back = Leg::Back { from: 3, file: "rollback/V3__add.sql".into() };
        let losses = vec![loss(LossKind::RowsLost, None)];
        let trip = RoundTrip {
            differences: vec![step(back, true), step(Leg::ThereAgain { to: 4 }, false)],
            again: vec![applied(4, Preservation { losses, ..Default::default() })],
            ..RoundTrip::default()
        };
        let told: Vec<String> = judge(&trip)
            .iter()
            .map(|one| format!("{} {} {:?}", one.rule, one.subject, one.run))
            .collect();
        let expected = [
            "round-trip-differs rollback/V3__add.sql RoundTrip",
            "round-trip-differs V4 RoundTrip",
            "data-lost public.chats RoundTrip",
        ];
        assert_eq!(told, expected);
        assert_eq!(judge(&RoundTrip { back: vec![3], ..RoundTrip::default() }), []);
    }
}
