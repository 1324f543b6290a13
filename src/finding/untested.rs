//! Ways that policies leave open and nobody of the world went: what they let through was not tried.

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
