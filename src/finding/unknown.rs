//! Relations of which nothing has settled whose their rows are, while their policies ask who is asking: no
//! probe can tell a leak there from data that is meant for everybody.

use crate::finding::rule::{Rule, Severity};
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::names::QualifiedName;

/// Such a relation.
#[derive(Debug)]
pub(crate) struct Unknown {
    pub relation: QualifiedName,
    /// The policies that relate its rows to who is asking, by name.
    pub policies: Vec<String>,
    /// Whether a person has a privilege on it.
    pub is_within_reach: bool,
}

/// A finding for each of them.
pub(crate) fn judge(unknown: &[Unknown]) -> Vec<Finding> {
    let finding = |Unknown { relation, policies, is_within_reach }: &Unknown| Finding {
        severity: if *is_within_reach { Severity::High } else { Severity::Low },
        ..Finding::new(
            Rule::Unknown,
            Subject::Relation(relation.clone()),
            Symptoms::Unknown { policies: policies.clone() },
        )
    };
    unknown.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reaches_matters_less() {
        for (is_within_reach, severity) in [(true, Severity::High), (false, Severity::Low)] {
            let relation = QualifiedName::new("public", "docs");
            let policies = vec!["own".to_owned()];
            let unknown = [Unknown { relation, policies: policies.clone(), is_within_reach }];
            let [found] = <[Finding; 1]>::try_from(judge(&unknown)).expect("one finding");
            assert_eq!(
                (found.severity, found.subject.to_string().as_str()),
                (severity, "public.docs")
            );
            assert_eq!(found.symptoms, Symptoms::Unknown { policies });
            assert!(found.help.contains("[tenancy.owners]"), "{}", found.help);
        }
    }
}
