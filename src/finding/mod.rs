//! From cells, censuses, calls and trips to findings, and the waivers that declare exceptions. Pure.
//!
//! A finding is a value: a rule, what it is about, why, where, what was seen, and what shows it.
//! `report` puts it into words. Each family of rules has a file of its own.

pub(crate) mod rule;
pub(crate) mod pattern;
pub(crate) mod subject;
pub(crate) mod cause;
pub(crate) mod candidate;
pub(crate) mod symptoms;
pub(crate) mod proof;
pub(crate) mod value;

pub(crate) mod access;
pub(crate) mod broken_rule;
pub(crate) mod nobody;
pub(crate) mod unknown;
pub(crate) mod untested;
pub(crate) mod opening;
pub(crate) mod misplaced;
pub(crate) mod preservation;
pub(crate) mod widening;
pub(crate) mod rehearsal;
pub(crate) mod repeat;
pub(crate) mod round_trip;
pub(crate) mod scope;
pub(crate) mod waiver;

use crate::finding::access::SeenAccess;

pub use crate::catalog::policy::PolicyCommand;
pub use crate::finding::candidate::Candidate;
pub use crate::finding::cause::Cause;
pub use crate::finding::pattern::known_rules;
pub use crate::finding::proof::Proof;
pub use crate::finding::rule::{Page, Rule, Severity};
pub use crate::finding::subject::Subject;
pub use crate::finding::symptoms::{Reached, Run, Symptoms};
pub use crate::finding::value::Finding;
pub use crate::finding::waiver::Waived;

/// What every family finds that looks at who reaches what.
pub(crate) fn judge_access(seen: &SeenAccess<'_>) -> Vec<Finding> {
    const FAMILIES: [fn(&SeenAccess<'_>) -> Vec<Finding>; 1] = [access::judge];
    FAMILIES.iter().flat_map(|judge| judge(seen)).collect()
}
