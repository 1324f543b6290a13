//! Which rows of a target's history are files here under another version: whoever applies a file by another way
//! than pushing it, as an agent does through an API, has it written down under a version of its own. Pure.

use std::fmt;

use crate::error::{Error, Result};
use crate::migrate::history::Entry;
use crate::project::Project;
use crate::project::files::SqlFile;
use crate::push::standing::{Histories, State};

/// How alike a row and a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same name and the same statements.
    Same,
    /// The same statements.
    Statements,
    /// The same name, and other statements, or none are known.
    Name,
}

/// A row without a file, and a file that is not applied.
#[derive(Debug, Clone)]
pub(crate) struct Pairing<'p> {
    pub remote: i64,
    pub file: &'p SqlFile,
    pub likeness: Likeness,
}

/// What a row may be, and what to do about it.
impl fmt::Display for Pairing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, file, likeness } = self;
        let (title, local) = (file.title(), file.version());
        match likeness {
            Likeness::Same => {
                write!(f, "{title} here has the same statements: leakproof repair --pair")
            }
            Likeness::Statements => write!(
                f,
                "{title} here has the same statements and another name: if it is that one, \
                 leakproof repair --pair {remote}={local}"
            ),
            Likeness::Name => write!(
                f,
                "{title} here has the same name, and not the same statements: if it is that one, \
                 leakproof repair --pair {remote}={local}"
            ),
        }
    }
}

/// All that may be the same.
pub(crate) fn pairings<'p>(histories: &Histories, project: &'p Project) -> Vec<Pairing<'p>> {
    let standings = histories.beside(project);
    let those = |state: State| standings.iter().filter(move |one| one.state == state);
    let is_pending = |file: &&SqlFile| {
        standings.iter().any(|one| one.version == file.version() && one.state == State::Pending)
    };
    let pending: Vec<&SqlFile> = project.migrations().iter().filter(is_pending).collect();
    let mut found = Vec::new();
    for one in those(State::OnlyThere) {
        let rows: Vec<&Entry> = histories.rows_of(one.version).collect();
        let like = pending.iter().filter_map(|file| {
            let likeness = likeness_of(&rows, file)?;
            Some(Pairing { remote: one.version, file, likeness })
        });
        found.extend(like);
    }
    found
}

/// How alike the rows of a version and a file are, if at all.
pub(crate) fn likeness_of(rows: &[&Entry], file: &SqlFile) -> Option<Likeness> {
    let texts: Vec<bool> = rows.iter().filter_map(|row| row.has_text_of(file)).collect();
    let is_text = !texts.is_empty() && texts.iter().all(|same| *same);
    let is_name =
        rows.iter().any(|row| row.name == file.name() || row.name == file.refinery_name());
    match (is_text, is_name) {
        (true, true) => Some(Likeness::Same),
        (true, false) => Some(Likeness::Statements),
        (false, true) => Some(Likeness::Name),
        (false, false) => None,
    }
}

/// Those that need nobody to say so.
///
/// # Errors
/// A row that could be one of two files, or a file that could be one of two rows.
pub(crate) fn sure<'a, 'p>(all: &'a [Pairing<'p>]) -> Result<Vec<&'a Pairing<'p>>> {
    let same: Vec<&Pairing<'p>> = all.iter().filter(|one| one.likeness == Likeness::Same).collect();
    for one in &same {
        let is_other = |other: &&&Pairing<'p>| {
            let is_row = other.remote == one.remote;
            is_row != (other.file.version() == one.file.version())
        };
        let Some(other) = same.iter().find(is_other) else { continue };
        let (what, two) = match other.remote == one.remote {
            true => (
                format!("version {} of the target", one.remote),
                format!("{} and {}", one.file.title(), other.file.title()),
            ),
            false => {
                (one.file.title(), format!("its versions {} and {}", one.remote, other.remote))
            }
        };
        return Err(Error::new(format!("{what} could be one of two"))
            .cause(format!("{two} have the same name and statements"))
            .help(format!(
                "nothing was changed; say which it is: `leakproof repair --pair {}={}`",
                one.remote,
                one.file.version()
            )));
    }
    Ok(same)
}
