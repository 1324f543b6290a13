//! What was not tried: ways that policies leave open and nobody of the world went, and relations in which
//! no row could be made.

use crate::finding::cause::Cause;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::names::{Place, QualifiedName};

/// A way of a policy that nobody went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untried {
    pub relation: QualifiedName,
    pub policy: String,
    /// What no row met, whoever asked.
    pub condition: String,
}

/// A relation in which some owners have no row, so that nothing was tried there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unseeded {
    pub relation: QualifiedName,
    /// The owners, as the world names them.
    pub owners: Vec<String>,
    /// What refused the rows.
    pub reason: String,
}

/// A finding for each reason, on the first of the relations that have it.
pub(crate) fn judge_unseeded(unseeded: Vec<Unseeded>) -> Vec<Finding> {
    let causes = by_cause(unseeded, |one| &one.reason, |one| &one.relation);
    let finding = |(Unseeded { relation, owners, reason }, more)| Finding {
        help: HELP_FOR_ROWS.to_owned(),
        ..Finding::new(
            Rule::Untested,
            Subject::Relation(relation),
            Symptoms::Unseeded { owners, reason, more },
        )
    };
    causes.into_iter().map(finding).collect()
}

const HELP_FOR_ROWS: &str = "write such rows in a `seed.sql`, to fill in by `leakproof check --format json \
                             | jq -r .world.seed_stub`; or waive it with the reason";

/// A finding for each condition, on the first of the relations that have it.
pub(crate) fn judge(untried: Vec<(Untried, Option<Place>)>) -> Vec<Finding> {
    let causes = by_cause(untried, |(one, _)| &one.condition, |(one, _)| &one.relation);
    let finding = |((Untried { relation, policy, condition }, place), more)| Finding {
        cause: Some(Cause::Policy { name: String::clone(&policy) }),
        place,
        ..Finding::new(
            Rule::Untested,
            Subject::Relation(relation),
            Symptoms::Untried { policy, condition, more },
        )
    };
    causes.into_iter().map(finding).collect()
}

/// The first of each cause, by relation, with the further relations that have it.
fn by_cause<T>(
    mut all: Vec<T>,
    cause: impl Fn(&T) -> &String,
    relation: impl Fn(&T) -> &QualifiedName,
) -> Vec<(T, Vec<QualifiedName>)> {
    all.sort_by(|one, other| (cause(one), relation(one)).cmp(&(cause(other), relation(other))));
    let mut causes: Vec<(T, Vec<QualifiedName>)> = Vec::new();
    for one in all {
        match causes.last_mut() {
            Some((first, more)) if cause(first) == cause(&one) => {
                let on = relation(&one);
                if on != relation(first) && !more.contains(on) {
                    more.push(on.clone());
                }
            }
            _ => causes.push((one, Vec::new())),
        }
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_one_finding() {
        let one = |table: &str, reason: &str| Unseeded {
            relation: QualifiedName::new("public", table),
            owners: vec!["A".into(), "B".into()],
            reason: reason.into(),
        };
        let found = judge_unseeded(vec![one("b", "no"), one("c", "never"), one("a", "no")]);
        let told: Vec<(String, &Symptoms)> =
            found.iter().map(|one| (one.subject.to_string(), &one.symptoms)).collect();
        let unseeded = |reason: &str, more: &[&str]| Symptoms::Unseeded {
            owners: vec!["A".into(), "B".into()],
            reason: reason.into(),
            more: more.iter().map(|table| QualifiedName::new("public", *table)).collect(),
        };
        let expected = [
            ("public.c".to_owned(), &unseeded("never", &[])),
            ("public.a".to_owned(), &unseeded("no", &["b"])),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn one_condition_is_one_finding() {
        let one = |table: &str, policy: &str, condition: &str| Untried {
            relation: QualifiedName::new("public", table),
            policy: policy.into(),
            condition: condition.into(),
        };
        let found = judge(vec![
            (one("notes", "n", "(is_staff())"), None),
            (one("docs", "d", "(is_staff())"), Some(Place::new("a.sql", 3))),
            (one("docs", "e", "(now() > at)"), None),
        ]);
        let told: Vec<(String, &Symptoms, Option<usize>)> = found
            .iter()
            .map(|one| {
                (one.subject.to_string(), &one.symptoms, one.place.as_ref().map(Place::line))
            })
            .collect();
        let untried = |policy: &str, condition: &str, more: &[&str]| Symptoms::Untried {
            policy: policy.into(),
            condition: condition.into(),
            more: more.iter().map(|table| QualifiedName::new("public", *table)).collect(),
        };
        let expected = [
            ("public.docs".to_owned(), &untried("d", "(is_staff())", &["notes"]), Some(3)),
            ("public.docs".to_owned(), &untried("e", "(now() > at)", &[]), None),
        ];
        assert_eq!(told, expected);
    }
}
