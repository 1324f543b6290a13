//! What happens in a push, told to who watches it. Pure.

use std::fmt;
use std::time::Duration;

use crate::push::receipt::Receipt;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Somebody else is pushing; who.
    Waiting(&'a str),
    /// A file is about to be applied.
    Applying(&'a str),
    /// A file could not get its locks. Nothing is held until it is tried again.
    Blocked {
        /// The file.
        title: &'a str,
        /// What the server said.
        why: &'a str,
        /// Who was in the way, as far as that was seen.
        by: &'a [String],
        /// After how long it is tried again.
        again_in: Duration,
    },
    /// A statement waits for its locks, and keeps nobody waiting who reads or writes.
    Behind {
        /// The file.
        title: &'a str,
        /// Who is in the way.
        by: &'a [String],
    },
    /// A file has written to tables that were not counted, and is applied once more with these counted.
    Again(&'a str),
    /// The last version is about to be taken back.
    TakingBack(&'a str),
    /// Something is to be known, and nothing depends on it.
    Note(&'a str),
    /// A file was applied.
    Applied(&'a Receipt),
    /// The connection was lost and there is a new one.
    Reconnected,
}

/// One line.
impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(who) => write!(f, "somebody else is pushing, waiting: {who}"),
            Self::TakingBack(title) => write!(f, "taking back {title}"),
            Self::Note(note) => write!(f, "note: {note}"),
            Self::Applying(title) => write!(f, "applying {title}"),
            Self::Blocked { title, why, by, again_in } => {
                let by = if by.is_empty() { String::new() } else { format!(", {}", by.join("; ")) };
                let seconds = again_in.as_secs_f64();
                write!(f, "{title} waits: {why}{by}; again in {seconds:.1} s, nothing is held")
            }
            Self::Behind { title, by } => {
                write!(
                    f,
                    "{title} waits for {}; nobody waits for it but who changes tables",
                    by.join("; ")
                )
            }
            Self::Again(title) => {
                write!(f, "{title} writes to tables that were not counted: once more, with these")
            }
            Self::Applied(receipt) => write!(f, "{receipt}"),
            Self::Reconnected => f.write_str("the connection was lost, and there is a new one"),
        }
    }
}

/// Who is told.
pub type Tell<'a> = dyn FnMut(&Event<'_>) + 'a;
