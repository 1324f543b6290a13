//! The file of an accepted matrix, an insta snapshot: reading and writing it.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::matrix::cell::Matrix;
use crate::matrix::parse::{Accepted, parse};

/// What is accepted in `path`; none if nothing is.
///
/// # Errors
/// A file that cannot be read, or that is not the text form of a matrix.
pub(crate) fn read_accepted(path: &Path) -> Result<Option<Accepted>> {
    let Some(snapshot) = read_snapshot(path)? else { return Ok(None) };
    accepted_of(&snapshot, &path.display().to_string()).map(Some)
}

/// What is accepted in a file of that text, which is shown by that name.
///
/// # Errors
/// As [`read_accepted`].
pub(crate) fn accepted_in(text: &str, shown: &str) -> Result<Accepted> {
    accepted_of(&snapshot_of(text.to_owned(), shown)?, shown)
}

fn accepted_of(snapshot: &Snapshot, shown: &str) -> Result<Accepted> {
    parse(snapshot.content()).map_err(|cause| {
        Error::new(format!("`{shown}` does not hold an accepted matrix"))
            .cause(cause)
            .help("restore it from version control, or write it anew with `--accept`")
    })
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
    snapshot_of(text, &path.display().to_string()).map(Some)
}

fn snapshot_of(text: String, shown: &str) -> Result<Snapshot> {
    const MARK: &str = "---\n";
    let end = text.strip_prefix(MARK).and_then(|rest| rest.find("\n---\n"));
    match end {
        Some(end) => {
            let header = MARK.len()..MARK.len() + end + 1;
            let content = header.end + MARK.len();
            Ok(Snapshot { text, header, content })
        }
        None => Err(Error::new(format!("`{shown}` is not an insta snapshot"))
            .cause("it does not begin with a header between two `---` lines")
            .help("restore it from version control, or delete it and use `--accept`")),
    }
}
