//! The accepted matrix against the one of now: granted, revoked, changed, added, gone. Pure, but
//! for reading and writing the snapshot file.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::matrix::cell::Matrix;
use crate::matrix::class::class_name;
use crate::matrix::text::{MarkKey, Marks, mark_sentence, parse_marks};

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
    let cells = marks.keys().chain(accepted.keys()).collect::<std::collections::BTreeSet<_>>();
    let changes = compare(&accepted, &marks, now);
    Ok(Comparison::Compared { path: shown, cells: cells.len(), changes })
}

fn compare(accepted: &Marks, marks: &Marks, now: &Matrix) -> Vec<Change> {
    let is_allowed = |mark: char| mark.is_ascii_alphabetic() && mark != 'E';
    let mut changes = Vec::new();
    for (key, mark) in marks {
        let kind = match accepted.get(key) {
            Some(was) if was == mark => continue,
            Some(was) => match (is_allowed(*was), is_allowed(*mark)) {
                (false, true) => ChangeKind::Granted,
                (true, false) => ChangeKind::Revoked,
                // Some rows were reached, now all are.
                (true, true) if mark.is_ascii_uppercase() => ChangeKind::Granted,
                (true, true) => ChangeKind::Revoked,
                (false, false) => ChangeKind::Changed,
            },
            None => ChangeKind::Added,
        };
        let was = accepted.get(key).map(|mark| mark_sentence(*mark));
        changes.push(change(kind, key, was, Some(sentence(now, key))));
    }
    for (key, mark) in accepted.iter().filter(|(key, _)| !marks.contains_key(key)) {
        changes.push(change(ChangeKind::Gone, key, Some(mark_sentence(*mark)), None));
    }
    changes.sort();
    changes
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

fn sentence(now: &Matrix, key: &MarkKey) -> String {
    let mut row = now.row(&key.relation, &key.actor);
    row.find(|cell| cell.command == key.command && cell.class == key.class)
        .map_or_else(String::new, |cell| cell.verdict.sentence())
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
