//! The accepted matrix against the one of now: granted, revoked, changed, added, gone. Pure, but
//! for reading and writing the snapshot file.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::matrix::cell::{Cell, Matrix};
use crate::matrix::class::class_name;
use crate::matrix::command::Command;
use crate::matrix::mark::{MarkKey, Marks, Reach, key, mark, mark_sentence};
use crate::matrix::parse::parse_marks;
use crate::matrix::person::reference_of;
use crate::matrix::verdict::Verdict;

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
    pub was: Option<&'static str>,
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
    },
}

impl Comparison {
    /// Whether everything is as accepted.
    pub fn is_as_accepted(&self) -> bool {
        matches!(self, Self::Compared { changes, .. } if changes.is_empty())
    }
}

/// Compares with the accepted matrix in `path`, or only what it says of one relation.
///
/// # Errors
/// A file that cannot be read, or that is not the text form of a matrix.
pub(crate) fn compare_with_accepted(
    path: &Path,
    now: &Matrix,
    only: Option<&str>,
) -> Result<Comparison> {
    let shown = path.display().to_string();
    let Some(snapshot) = read_snapshot(path)? else {
        return Ok(Comparison::Unaccepted { path: shown });
    };
    let mut accepted = parse_marks(snapshot.content()).map_err(|cause| {
        Error::new(format!("`{shown}` does not hold an accepted matrix"))
            .cause(cause)
            .help("restore it from version control, or write it anew with `--accept`")
    })?;
    accepted.retain(|key, _| only.is_none_or(|only| key.relation == only));
    let marks = now.marks();
    let cells = marks.keys().chain(accepted.keys()).collect::<BTreeSet<_>>().len();
    let changes = compare(&accepted, now);
    Ok(Comparison::Compared { path: shown, cells, changes })
}

/// The cells that are not as accepted, in the order of what kind of change it is.
fn compare(accepted: &Marks, now: &Matrix) -> Vec<Change> {
    let actors: BTreeSet<&str> = accepted.keys().map(|key| key.actor.as_str()).collect();
    let shown: BTreeSet<_> = accepted.keys().map(|key| (&key.relation, &key.actor)).collect();
    let mut changes = Vec::new();
    let mut gone: BTreeSet<&MarkKey> = accepted.keys().collect();
    for cell in now.cells() {
        let (key, mark) = (key(cell), mark(cell));
        gone.remove(&key);
        let was = accepted.get(&key).copied();
        // Of somebody new only what is more than another has is news.
        let reference = reference_of(&key.actor).filter(|_| !actors.contains(key.actor.as_str()));
        if reference.is_some_and(|reference| !reaches_more(now, cell, reference)) {
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
            changes.push(change(kind, &key, was.map(mark_sentence), now));
        }
    }
    for key in gone {
        let mark = accepted.get(key).copied();
        let is_denied = mark.is_none_or(|mark| Reach::of(mark) == Reach::None);
        if is_denied && is_inserted_otherwise(now, key) {
            continue;
        }
        let was = accepted.get(key).copied().map(mark_sentence);
        changes.push(change(ChangeKind::Gone, key, was, None));
    }
    changes.sort();
    changes
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

fn change(
    kind: ChangeKind,
    key: &MarkKey,
    was: Option<&'static str>,
    now: Option<String>,
) -> Change {
    Change {
        kind,
        relation: key.relation.clone(),
        command: key.command.name(),
        who: format!("{} on {}", key.actor, class_name(key.class)),
        was,
        now,
    }
}

/// What the header says of the version that was accepted, before its number.
const ACCEPTED_AT: &str = "description: accepted at version ";

/// What is known of the version at which access was last accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcceptedAt {
    Never,
    /// By `cargo insta`, which does not say.
    Unknown,
    /// The last version, and how many files there were.
    Version(i64, usize),
}

/// Reads it from the header in `path`; a file that cannot be read is told of when it is compared.
pub(crate) fn accepted_at(path: &Path) -> AcceptedAt {
    let Ok(Some(snapshot)) = read_snapshot(path) else { return AcceptedAt::Never };
    let line = snapshot.header().lines().find_map(|line| line.strip_prefix(ACCEPTED_AT));
    let numbers = line.and_then(|line| {
        let (version, files) = line.split_once(" of ")?;
        let files = files.strip_suffix(" files")?;
        Some(AcceptedAt::Version(version.parse().ok()?, files.parse().ok()?))
    });
    numbers.unwrap_or(AcceptedAt::Unknown)
}

/// Writes the matrix as the accepted one, in the form of an insta snapshot. A header that is there
/// stays, but for the version.
///
/// # Errors
/// A file or folder that cannot be written.
pub(crate) fn accept(path: &Path, now: &Matrix, at: AcceptedAt) -> Result<()> {
    let wrong = |cause: std::io::Error| {
        Error::new(format!("cannot write `{}`", path.display()))
            .cause(cause)
            .help("check `accepted` in `leakproof.toml`, and that you may write there")
    };
    let mut header = match read_snapshot(path)? {
        Some(snapshot) => {
            let kept = snapshot.header().lines().filter(|line| !line.starts_with(ACCEPTED_AT));
            kept.map(|line| format!("{line}\n")).collect()
        }
        None => String::from("source: leakproof check\nexpression: matrix\n"),
    };
    if let AcceptedAt::Version(version, files) = at {
        header.push_str(&format!("{ACCEPTED_AT}{version} of {files} files\n"));
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    // A reader sees the old file or the new one, never half of it.
    let beside = path.with_extension("snap.writing");
    fs::write(&beside, format!("---\n{header}---\n{now}")).map_err(wrong)?;
    fs::rename(&beside, path).map_err(wrong)
}

/// An insta snapshot file: a header between two `---` lines, then the content.
struct Snapshot {
    text: String,
    header: std::ops::Range<usize>,
    content: usize,
}

impl Snapshot {
    fn header(&self) -> &str {
        &self.text[self.header.clone()]
    }

    fn content(&self) -> &str {
        &self.text[self.content..]
    }
}

fn read_snapshot(path: &Path) -> Result<Option<Snapshot>> {
    let text = match fs::read_to_string(path) {
        // As a checkout on Windows may have turned it.
        Ok(text) => text.replace("\r\n", "\n"),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(Error::new(format!("cannot read `{}`", path.display()))
                .cause(cause)
                .help("it must be a UTF-8 file that you may read"));
        }
    };
    const MARK: &str = "---\n";
    let end = text.strip_prefix(MARK).and_then(|rest| rest.find("\n---\n"));
    match end {
        Some(end) => {
            let header = MARK.len()..MARK.len() + end + 1;
            let content = header.end + MARK.len();
            Ok(Some(Snapshot { text, header, content }))
        }
        None => Err(Error::new(format!("`{}` is not an insta snapshot", path.display()))
            .cause("it does not begin with a header between two `---` lines")
            .help("restore it from version control, or delete it and use `--accept`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::cell::{Cell, Subject};
    use crate::matrix::class::RowClass;
    use crate::matrix::command::Command;
    use crate::matrix::verdict::Verdict;
    use crate::names::QualifiedName;

    /// A matrix of one cell: what `bob` gets when he reads others' chats.
    fn matrix(verdict: Option<Verdict>) -> Matrix {
        let relation = QualifiedName::new("public", "chats");
        let subject = Subject {
            relation: relation.clone(),
            kind: "table",
            unseeded: None,
            is_of_users_only: false,
            are_tenants: false,
        };
        let cell = |verdict| Cell {
            relation,
            actor: "bob".into(),
            command: Command::Read,
            class: RowClass::Other,
            verdict,
            evidence: None,
        };
        Matrix::new(vec![subject], vec!["bob".into()], verdict.map(cell).into_iter().collect())
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
            let accepted = parse_marks(&matrix(was.clone()).to_string()).expect("our own text");
            let changes = compare(&accepted, &matrix(now.clone()));
            let told = changes.iter().map(|change| {
                let place = (change.relation.as_str(), change.command, change.who.as_str());
                assert_eq!(place, ("public.chats", "read", "bob on other"));
                let was = change.was.map(|was| format!("was {was}"));
                let now = change.now.as_ref().map(|now| format!("now {now}"));
                let both: Vec<String> = was.into_iter().chain(now).collect();
                format!("{:?}: {}", change.kind, both.join(", "))
            });
            assert_eq!(told.collect::<Vec<_>>().join("\n"), expected, "{was:?} to {now:?}");
        }
    }

    #[test]
    fn what_is_granted_comes_first() {
        let accepted = parse_marks(&matrix(Some(Verdict::Hidden)).to_string()).expect("our own");
        let mut more = accepted.clone();
        for actor in ["alice", "carol"] {
            let key = MarkKey {
                relation: "public.chats".into(),
                actor: actor.into(),
                command: Command::Read,
                class: RowClass::Own,
            };
            more.insert(key, 'O');
        }
        let changes = compare(&more, &matrix(allowed(2)));
        let told: Vec<_> = changes.iter().map(|c| (c.kind, c.who.as_str())).collect();
        let gone = ["alice on own", "carol on own"].map(|who| (ChangeKind::Gone, who));
        assert_eq!(told, [&[(ChangeKind::Granted, "bob on other")], gone.as_slice()].concat());
    }
}
