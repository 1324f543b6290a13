//! What was not tried: ways that policies leave open and nobody of the world went, and relations in which
//! no row could be made.

use std::collections::BTreeMap;

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
    let mut causes: BTreeMap<String, Vec<Unseeded>> = BTreeMap::new();
    for one in unseeded {
        causes.entry(one.reason.clone()).or_default().push(one);
    }
    let finding = |(reason, mut of_it): (String, Vec<Unseeded>)| {
        of_it.sort_by(|one, other| one.relation.cmp(&other.relation));
        let mut relations = of_it.into_iter();
        let Unseeded { relation, owners, .. } = relations.next()?;
        let more = relations.map(|one| one.relation).collect();
        Some(Finding {
            help: HELP_FOR_ROWS.to_owned(),
            ..Finding::new(
                Rule::Untested,
                Subject::Relation(relation),
                Symptoms::Unseeded { owners, reason, more },
            )
        })
    };
    causes.into_iter().filter_map(finding).collect()
}

const HELP_FOR_ROWS: &str = "write such rows in a `seed.sql`, to fill in by `leakproof check --format json \
                             | jq -r .world.seed_stub`; or waive it with the reason";

/// A finding for each condition, on the first of the relations that have it.
pub(crate) fn judge(untried: Vec<(Untried, Option<Place>)>) -> Vec<Finding> {
    let mut causes: BTreeMap<String, Vec<(Untried, Option<Place>)>> = BTreeMap::new();
    for one in untried {
        causes.entry(one.0.condition.clone()).or_default().push(one);
    }
    let finding = |(condition, of_it): (String, Vec<(Untried, Option<Place>)>)| {
        let mut relations: Vec<QualifiedName> =
            of_it.iter().map(|(one, _)| one.relation.clone()).collect();
        relations.sort();
        relations.dedup();
        let more = relations.split_off(1);
        let first = relations.remove(0);
        let (untried, place) = of_it.into_iter().find(|(one, _)| one.relation == first)?;
        Some(Finding {
            cause: Some(Cause::Policy { name: untried.policy.clone() }),
            place,
            ..Finding::new(
                Rule::Untested,
                Subject::Relation(first),
                Symptoms::Untried { policy: untried.policy, condition, more },
            )
        })
    };
    causes.into_iter().filter_map(finding).collect()
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
