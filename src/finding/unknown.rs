//! Relations of which nothing has settled whose their rows are, though these could be somebody's: no probe can
//! tell a leak there from data that is meant for everybody.

use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::names::QualifiedName;
use crate::tenancy::unsettled::Unsettled;

/// Such a relation.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub relation: QualifiedName,
    /// Why it could be somebody's.
    pub why: Unsettled,
    /// Whether a person may use it: has a privilege, and reached a row or could not try, where no policy relates
    /// the rows to who is asking.
    pub is_within_reach: bool,
}

/// A finding for each of them that does not lie behind another.
pub(crate) fn judge(unknown: Vec<Unknown>) -> Vec<Finding> {
    let names: Vec<QualifiedName> = unknown.iter().map(|one| one.relation.clone()).collect();
    let (behind, first): (Vec<Unknown>, Vec<Unknown>) = unknown
        .into_iter()
        .partition(|one| one.why.through.as_ref().is_some_and(|through| names.contains(through)));
    // What lies behind one that lies behind another has the cause of that.
    let through = |name: &QualifiedName| {
        behind.iter().find(|one| one.relation == *name).and_then(|one| one.why.through.clone())
    };
    let cause_of = |name: &QualifiedName| {
        let mut cause = name.clone();
        while let Some(next) = through(&cause) {
            cause = next;
        }
        cause
    };
    let finding = |Unknown { relation, why, is_within_reach }: Unknown| {
        let behind = behind.iter().filter(|one| cause_of(&one.relation) == relation);
        let is_within_reach = is_within_reach || behind.clone().any(|one| one.is_within_reach);
        let more = behind.map(|one| one.relation.clone()).collect();
        let Unsettled { policies, columns, shows, .. } = why;
        Finding {
            severity: if is_within_reach { Severity::High } else { Severity::Low },
            ..Finding::new(
                Rule::Unknown,
                Subject::Relation(relation),
                Symptoms::Unknown { policies, columns, shows, more },
            )
        }
    };
    first.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(name: &str, through: Option<&str>, is_within_reach: bool) -> Unknown {
        let named = |name: &str| QualifiedName::new("public", name);
        let policies = through.map_or(vec!["own".to_owned()], |_| Vec::new());
        let through = through.map(named);
        let why = Unsettled { policies, through, ..Unsettled::default() };
        Unknown { relation: named(name), why, is_within_reach }
    }

    #[test]
    fn what_nobody_reaches_matters_less() {
        for (is_within_reach, severity) in [(true, Severity::High), (false, Severity::Low)] {
            let found = judge(vec![unknown("docs", None, is_within_reach)]);
            let [found] = <[Finding; 1]>::try_from(found).expect("one finding");
            assert_eq!(
                (found.severity, found.subject.to_string().as_str()),
                (severity, "public.docs")
            );
            assert!(found.help.contains("[tenancy.owners]"), "{}", found.help);
        }
    }

    #[test]
    fn one_cause_is_one_finding() {
        let found = judge(vec![
            unknown("docs", None, false),
            unknown("pages", Some("docs"), false),
            unknown("words", Some("pages"), true),
        ]);
        let [found] = <[Finding; 1]>::try_from(found).expect("one finding");
        let more = ["pages", "words"].map(|name| QualifiedName::new("public", name));
        let policies = vec!["own".to_owned()];
        let (columns, shows) = (Vec::new(), Vec::new());
        let symptoms = Symptoms::Unknown { policies, columns, shows, more: more.to_vec() };
        assert_eq!((found.severity, found.symptoms), (Severity::High, symptoms));
    }
}
