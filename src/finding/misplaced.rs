//! Memberships that count where they should not. Pure.

use std::collections::BTreeMap;

use crate::finding::proof::Proof;
use crate::finding::rule::Rule;
use crate::finding::subject::Subject;
use crate::finding::symptoms::Symptoms;
use crate::finding::value::Finding;
use crate::matrix::command::Command;
use crate::names::QualifiedName;
use crate::words::{counted, joined};

/// What about the membership is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sort {
    /// It is of another tenant.
    Elsewhere,
    /// It is over, or has not begun.
    Lapsed,
}

/// What somebody reached by a membership that should not count there.
#[derive(Debug)]
pub(crate) struct Misplaced {
    pub relation: QualifiedName,
    pub sort: Sort,
    pub actor: String,
    /// The tenant whose rows these are, and another.
    pub tenants: [&'static str; 2],
    /// What the membership of the tenant says whose rows these are, such as `role = 'member'`.
    pub less: String,
    /// What would let somebody reach them.
    pub more: String,
    /// How many rows, by command.
    pub opened: BTreeMap<Command, usize>,
    /// The very statement.
    pub statement: String,
}

/// A finding for each relation and sort.
pub(crate) fn judge(misplaced: Vec<Misplaced>) -> Vec<Finding> {
    let mut by_relation: BTreeMap<(Sort, QualifiedName), Misplaced> = BTreeMap::new();
    for one in misplaced {
        let key = (one.sort, one.relation.clone());
        let known = by_relation.get(&key);
        if known.is_none_or(|known| known.opened.len() < one.opened.len()) {
            by_relation.insert(key, one);
        }
    }
    by_relation.into_values().map(finding).collect()
}

fn finding(misplaced: Misplaced) -> Finding {
    let Misplaced { relation, sort, actor, tenants, less, more, opened, statement } = misplaced;
    let (rule, help) = match sort {
        Sort::Elsewhere => (
            Rule::PrivilegeEscalation,
            "ask in one condition for the tenant of the row and for what the caller is there: \
             `m.tenant_id = t.tenant_id and m.role = ...` of the same membership",
        ),
        Sort::Lapsed if opened.keys().all(|command| *command == Command::Read) => {
            (Rule::RemovedMemberRead, LAPSED)
        }
        Sort::Lapsed => (Rule::RemovedMemberWrite, LAPSED),
    };
    let evidence = Some(Proof::Attempt { actor: actor.clone(), statement, row: None });
    let subject = Subject::Relation(relation);
    let [here, there] = tenants;
    let verbs: Vec<String> = opened.keys().map(|command| format!("{}s", command.name())).collect();
    let rows = counted(opened.values().copied().max().unwrap_or_default(), "row");
    let does = format!("{} {rows} of others in {here}", joined(&verbs));
    let sentence = match sort {
        Sort::Elsewhere => {
            format!("{actor}, with {more} in {there} and {less} in {here}, {does}")
        }
        Sort::Lapsed => format!("{actor}, whose membership in {here} says {less}, {does}"),
    };
    Finding {
        evidence,
        help: help.into(),
        ..Finding::new(rule, subject, Symptoms::Stated(sentence))
    }
}

const LAPSED: &str = "let each policy ask whether the membership still holds, not only whether its row exists; \
                      one function for all of them is safest";
