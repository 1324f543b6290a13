//! The accepted matrix against the one of now: granted, revoked, changed, added, gone; and what both are
//! measured against. Pure.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::{RowClass, class_name};
use crate::matrix::command::Command;
use crate::matrix::mark::{MarkKey, Marks, Reach, key, mark, mark_sentence};
use crate::matrix::parse::{Accepted, parse};
use crate::matrix::person::reference_of;
use crate::matrix::verdict::Verdict;
use crate::matrix::yardstick::{self, YardstickChange};

/// What kind of change a cell went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// It was denied and is allowed.
    Granted,
    /// It was allowed and is denied.
    Revoked,
    /// It was denied, or allowed, in another way.
    Changed,
    /// The relation, actor or class is new.
    Added,
    /// The relation, actor or class is gone.
    Gone,
}

/// One cell that is not as accepted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// What kind of change.
    pub kind: ChangeKind,
    /// `schema.name`
    pub relation: String,
    /// What is tried.
    pub command: &'static str,
    /// `alice on other`
    pub who: String,
    /// What was accepted, in words.
    pub was: Option<String>,
    /// What is now, in words.
    pub now: Option<String>,
}

/// How the matrix of now relates to the accepted one.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum Comparison {
    /// Nothing has been accepted yet.
    Unaccepted {
        /// Where it would be.
        path: String,
    },
    /// Compared cell by cell.
    Compared {
        /// Where the accepted matrix is.
        path: String,
        /// How many cells both or either have.
        cells: usize,
        /// Those that differ.
        changes: Vec<Change>,
        /// What the matrix is measured against, where that differs.
        yardstick: Vec<YardstickChange>,
        /// Whether the accepted file says what it was measured against; older ones do not.
        has_yardstick: bool,
        /// Cells of people whom the accepted file does not know, and who reach no more than whom they are
        /// like.
        new: usize,
    },
}

impl Comparison {
    /// Where the accepted matrix is, or would be.
    pub fn path(&self) -> &str {
        match self {
            Self::Unaccepted { path } | Self::Compared { path, .. } => path,
        }
    }

    /// Whether everything is as accepted.
    pub fn is_as_accepted(&self) -> bool {
        matches!(
            self,
            Self::Compared { changes, yardstick, .. } if changes.is_empty() && yardstick.is_empty()
        )
    }
}

/// Compares with what is accepted in the file that is shown as `path`, or only with what that says of one
/// relation.
///
/// # Errors
/// A matrix of now whose text does not read back: what it is measured against would not be compared.
pub(crate) fn compare_with(
    path: String,
    accepted: Option<Accepted>,
    now: &Matrix,
    only: Option<&str>,
) -> Result<Comparison> {
    let Some(accepted) = accepted else { return Ok(Comparison::Unaccepted { path }) };
    let accepted = match only {
        Some(only) => accepted.only(only),
        None => accepted,
    };
    // What is written is compared with what is written.
    let written = parse(&now.to_string()).map_err(|cause| {
        Error::new("the matrix of now does not read back")
            .cause(cause)
            .help("see whether a name in the schema or in `leakproof.toml` has an odd character")
    })?;
    let Changed { mut changes, new } = compare(&accepted.marks, now);
    let mut yardstick = Vec::new();
    if let (Some(was), Some(now)) = (&accepted.yardstick, &written.yardstick) {
        changes.extend(changed_columns(&accepted, &written));
        changes.sort();
        yardstick = yardstick::changes(was, now);
        // With a part of the relations, part of it is missing.
        yardstick.retain(|_| only.is_none());
        yardstick.extend(changed_owners(&accepted, &written));
    }
    let cells = now.marks().into_keys().chain(accepted.marks.keys().cloned());
    let cells = cells.collect::<BTreeSet<_>>().len();
    let has_yardstick = accepted.yardstick.is_some();
    Ok(Comparison::Compared { path, cells, changes, yardstick, has_yardstick, new })
}

/// How two accepted matrices differ, and what they are measured against.
pub(crate) fn differences(
    accepted: &Accepted,
    now: &Accepted,
) -> (Vec<Change>, Vec<YardstickChange>) {
    let actors: BTreeSet<&String> = accepted.marks.keys().map(|key| &key.actor).collect();
    let keys: BTreeSet<&MarkKey> = accepted.marks.keys().chain(now.marks.keys()).collect();
    let difference = |key: &MarkKey| {
        let (was, is) = (accepted.marks.get(key).copied(), now.marks.get(key).copied());
        let Some(is) = is else { return Some(change(ChangeKind::Gone, key, was, None)) };
        // Of somebody new only what is more than another has is news.
        let reference = reference_of(&key.actor).filter(|_| !actors.contains(&key.actor));
        let other = reference.map(|actor| MarkKey { actor: actor.to_owned(), ..key.clone() });
        if other.is_some_and(|other| now.marks.get(&other) == Some(&is)) {
            return None;
        }
        let words = Some(mark_sentence(is).to_owned());
        kind_of(was, is).map(|kind| change(kind, key, was, words))
    };
    let mut changes: Vec<Change> = keys.into_iter().filter_map(difference).collect();
    let mut yardstick = Vec::new();
    if let (Some(was), Some(is)) = (&accepted.yardstick, &now.yardstick) {
        changes.extend(changed_columns(accepted, now));
        yardstick = yardstick::changes(was, is);
        yardstick.extend(changed_owners(accepted, now));
    }
    changes.sort();
    (changes, yardstick)
}

/// The relations whose rows have other owners. That they have none is a line of the yardstick itself.
fn changed_owners(accepted: &Accepted, now: &Accepted) -> Vec<YardstickChange> {
    let both = accepted.owners.iter().filter_map(|(relation, was)| {
        let now = now.owners.get(relation).filter(|now| *now != was)?;
        let line = |owner: &str| Some(format!("owner of {relation}: {owner}"));
        Some(YardstickChange { was: line(was), now: line(now) })
    });
    both.collect()
}

/// The columns that a role may use of relations that were there.
fn changed_columns(accepted: &Accepted, now: &Accepted) -> Vec<Change> {
    let known: BTreeSet<&String> = accepted.marks.keys().map(|key| &key.relation).collect();
    let there: BTreeSet<&String> = now.marks.keys().map(|key| &key.relation).collect();
    let keys: BTreeSet<_> = accepted.columns.keys().chain(now.columns.keys()).collect();
    let change = |(relation, role): &(String, String)| {
        let of = |side: &Accepted| side.columns.get(&(relation.clone(), role.clone())).cloned();
        let (was, now) = (of(accepted), of(now));
        let is_same = was == now || !known.contains(relation) || !there.contains(relation);
        (!is_same).then(|| Change {
            kind: ChangeKind::Changed,
            relation: relation.clone(),
            command: "columns",
            who: role.clone(),
            was: Some(was.unwrap_or_else(|| "all or none".into())),
            now: Some(now.unwrap_or_else(|| "all or none".into())),
        })
    };
    keys.into_iter().filter_map(change).collect()
}

/// The cells that are not as accepted, and how many are new and no news.
struct Changed {
    changes: Vec<Change>,
    new: usize,
}

/// The cells that are not as accepted, in the order of what kind of change it is.
fn compare(accepted: &Marks, now: &Matrix) -> Changed {
    let actors: BTreeSet<&str> = accepted.keys().map(|key| key.actor.as_str()).collect();
    let shown: BTreeSet<_> = accepted.keys().map(|key| (&key.relation, &key.actor)).collect();
    let mut changes = Vec::new();
    let mut new = 0;
    let mut gone: BTreeSet<&MarkKey> = accepted.keys().collect();
    for cell in now.cells() {
        let (key, mark) = (key(cell), mark(cell));
        let of_nobodys = MarkKey { class: RowClass::Shared, ..key.clone() };
        // Of rows whose owner is unknown it was said that they were nobody's.
        let is_of_nobodys = cell.class == RowClass::Unknown && !accepted.contains_key(&key);
        let was = match is_of_nobodys.then(|| accepted.get_key_value(&of_nobodys)).flatten() {
            Some((known, was)) => {
                gone.remove(known);
                Some(as_of_unknown(*was))
            }
            None => {
                gone.remove(&key);
                accepted.get(&key).copied()
            }
        };
        // Of somebody new only what is more than another has is news.
        let is_new = !actors.contains(key.actor.as_str());
        let reference = now.reference_of(&key.actor).filter(|_| is_new);
        if reference.is_some_and(|reference| !reaches_more(now, cell, reference)) {
            new += 1;
            continue;
        }
        // Nor is a class of rows news that was not tried apart, as long as it is tried and denied.
        let is_known = shown.contains(&(&key.relation, &key.actor));
        let is_denied =
            matches!(cell.verdict, Verdict::Hidden | Verdict::NoGrant | Verdict::Refused);
        if was.is_none() && is_known && is_denied {
            continue;
        }
        if let Some(kind) = kind_of(was, mark) {
            let now = Some(cell.verdict.sentence());
            changes.push(change(kind, &key, was, now));
        }
    }
    let is_there = |actor: &str| now.actors().iter().any(|known| known.name == actor);
    for key in gone {
        let mark = accepted.get(key).copied();
        // Of somebody who is gone what was not as another's.
        let reference = reference_of(&key.actor).filter(|_| !is_there(&key.actor));
        let as_another = |actor: &str| {
            accepted.get(&MarkKey { actor: actor.to_owned(), ..key.clone() }).copied() == mark
        };
        if reference.is_some_and(as_another) {
            continue;
        }
        let is_denied = mark.is_none_or(|mark| Reach::of(mark) == Reach::None);
        if is_denied && is_inserted_otherwise(now, key) {
            continue;
        }
        changes.push(change(ChangeKind::Gone, key, mark, None));
    }
    changes.sort();
    Changed { changes, new }
}

/// What a mark of rows that are nobody's would be of rows whose owner is unknown.
fn as_of_unknown(mark: char) -> char {
    match mark {
        'S' => 'U',
        's' => 'u',
        mark => mark,
    }
}

/// Whether a cell reaches rows of which its reference, who is accepted, reaches none.
fn reaches_more(now: &Matrix, cell: &Cell, reference: &str) -> bool {
    let same = |other: &&Cell| (other.command, other.class) == (cell.command, cell.class);
    let mut others = now.row(&cell.relation, reference).filter(same);
    cell.verdict.is_allowed() && !others.any(|other| other.verdict.is_allowed())
}

/// Whether a row that was tried to insert as one of a class is tried as one of another.
fn is_inserted_otherwise(now: &Matrix, key: &MarkKey) -> bool {
    let is_insert = matches!(key.command, Command::Insert | Command::InsertReturning);
    let same = |cell: &Cell| {
        cell.relation.to_string() == key.relation
            && (&cell.actor, cell.command) == (&key.actor, key.command)
    };
    is_insert && now.cells().iter().any(same)
}

/// What happened to a cell that has a mark now; none if nothing has.
fn kind_of(was: Option<char>, mark: char) -> Option<ChangeKind> {
    let Some(was) = was else { return Some(ChangeKind::Added) };
    if was == mark {
        return None;
    }
    Some(match (Reach::of(was), Reach::of(mark)) {
        (Reach::None, Reach::None) => ChangeKind::Changed,
        (Reach::None, _) | (_, Reach::All) => ChangeKind::Granted,
        (_, Reach::None | Reach::Some) => ChangeKind::Revoked,
    })
}

fn change(kind: ChangeKind, key: &MarkKey, was: Option<char>, now: Option<String>) -> Change {
    Change {
        kind,
        relation: key.relation.clone(),
        command: key.command.name(),
        who: format!("{} on {}", key.actor, class_name(key.class)),
        was: was.map(|mark| mark_sentence(mark).to_owned()),
        now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::{Cell, Subject};
    use crate::matrix::person::Asked;
    use crate::names::QualifiedName;

    /// A matrix of one cell: what `bob` gets when he reads others' chats.
    fn matrix(verdict: Option<Verdict>) -> Matrix {
        let relation = QualifiedName::new("public", "chats");
        let subject = Subject::table(relation.clone());
        let cell = |verdict| Cell {
            relation,
            actor: "bob".into(),
            command: Command::Read,
            class: RowClass::Other,
            verdict,
            evidence: None,
        };
        Matrix::new(
            vec![subject],
            vec![Asked::alone("bob")],
            verdict.map(cell).into_iter().collect(),
        )
    }

    fn allowed(rows: usize) -> Option<Verdict> {
        Some(Verdict::Allowed { rows, of: 2, stopped_by: None })
    }

    #[test]
    fn a_cell_changes_by_what_it_was_and_is() {
        let (hidden, refused) = (Some(Verdict::Hidden), Some(Verdict::Refused));
        let broken = Some(Verdict::Broken { sqlstate: "42P17".into() });
        let untested = Some(Verdict::Untested { reason: "no row".into() });
        for (was, now, expected) in [
            (&hidden, &hidden, ""),
            (&allowed(2), &allowed(2), ""),
            (&None, &None, ""),
            (&hidden, &allowed(2), "Granted: was hidden, now allowed 2 of 2"),
            (&hidden, &allowed(1), "Granted: was hidden, now allowed 1 of 2"),
            (&broken, &allowed(1), "Granted: was broken, now allowed 1 of 2"),
            (&untested, &allowed(2), "Granted: was untested, now allowed 2 of 2"),
            (&allowed(1), &allowed(2), "Granted: was allowed on some, now allowed 2 of 2"),
            (&allowed(2), &allowed(1), "Revoked: was allowed, now allowed 1 of 2"),
            (&allowed(2), &hidden, "Revoked: was allowed, now hidden"),
            (&allowed(1), &Some(Verdict::NoGrant), "Revoked: was allowed on some, now not granted"),
            (&allowed(2), &broken, "Revoked: was allowed, now broken (42P17)"),
            (&hidden, &refused, "Changed: was hidden, now refused"),
            (&refused, &untested, "Changed: was refused, now untested (no row)"),
            (&None, &hidden, "Added: now hidden"),
            (&None, &allowed(2), "Added: now allowed 2 of 2"),
            (&hidden, &None, "Gone: was hidden"),
            (&allowed(2), &None, "Gone: was allowed"),
        ] {
            let accepted = parse(&matrix(was.clone()).to_string()).expect("our own text");
            let changes = compare(&accepted.marks, &matrix(now.clone())).changes;
            let told = changes.iter().map(|change| {
                let place = (change.relation.as_str(), change.command, change.who.as_str());
                assert_eq!(place, ("public.chats", "read", "bob on other"));
                let was = change.was.as_ref().map(|was| format!("was {was}"));
                let now = change.now.as_ref().map(|now| format!("now {now}"));
                let both: Vec<String> = was.into_iter().chain(now).collect();
                format!("{:?}: {}", change.kind, both.join(", "))
            });
            assert_eq!(told.collect::<Vec<_>>().join("\n"), expected, "{was:?} to {now:?}");
        }
    }

    #[test]
    fn what_is_granted_comes_first() {
        let accepted = parse(&matrix(Some(Verdict::Hidden)).to_string()).expect("our own");
        let mut more = accepted.marks;
        for actor in ["alice", "carol"] {
            let key = MarkKey {
                relation: "public.chats".into(),
                actor: actor.into(),
                command: Command::Read,
                class: RowClass::Own,
            };
            more.insert(key, 'O');
        }
        let changes = compare(&more, &matrix(allowed(2))).changes;
        let told: Vec<_> = changes.iter().map(|c| (c.kind, c.who.as_str())).collect();
        let gone = ["alice on own", "carol on own"].map(|who| (ChangeKind::Gone, who));
        assert_eq!(told, [&[(ChangeKind::Granted, "bob on other")], gone.as_slice()].concat());
    }
}
