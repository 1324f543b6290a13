//! Why a statement failed. The one place that reads a server's error.

use std::time::Duration;

use postgres::error::{DbError, ErrorPosition};

use crate::discretion::Discretion;
use crate::error::Error;
use crate::refusal::{QUERY_CANCELED, Refusal};
use crate::words::{counted, printable};

/// Why a statement failed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The server said no, and goes on.
    Refused(Box<Refusal>),
    /// The server, or the connection to it, is gone; with what it said at last.
    Lost(String),
    /// The same, since what it was asked took longer than this and would not be stopped.
    Ended(Duration),
}

impl Failed {
    /// What may be told of rows is told of what the server says of a text that it was sent.
    pub(crate) fn of(error: &postgres::Error, discretion: Discretion, sent: &str) -> Self {
        let refusal = |said| discretion.of_refusal(refusal_of(said), sent);
        match error.as_db_error() {
            Some(said) if !error.is_closed() && !is_goodbye(said) => {
                Self::Refused(Box::new(refusal(said)))
            }
            Some(said) => Self::Lost(refusal(said).reason()),
            None => Self::Lost(words_of(error)),
        }
    }

    /// The same, of what was stopped because it took too long.
    pub(in crate::session) fn late(self, limit: Duration) -> Self {
        match self {
            Self::Refused(mut refusal) if refusal.sqlstate == QUERY_CANCELED => {
                refusal.message = format!("{} and was stopped", longer_than(limit));
                Self::Refused(refusal)
            }
            Self::Refused(refusal) => Self::Refused(refusal),
            Self::Lost(_) | Self::Ended(_) => Self::Ended(limit),
        }
    }

    /// What the server said; none where it is gone.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Lost(_) | Self::Ended(_) => None,
        }
    }

    /// Whether the server said no with this code.
    pub(crate) fn has_state(&self, sqlstate: &str) -> bool {
        self.refusal().is_some_and(|refusal| refusal.sqlstate == sqlstate)
    }

    /// The error of what was attempted.
    pub(crate) fn error(self, fact: impl Into<String>) -> Error {
        match self {
            Self::Refused(refusal) => Error::new(fact).refused(*refusal),
            Self::Lost(said) => Error::new(fact)
                .cause(said)
                .help("the connection to the server was lost; run again, or see the server's log"),
            Self::Ended(limit) => Error::new(fact)
                .cause(format!(
                    "{} and would not be stopped, so its session was ended",
                    longer_than(limit)
                ))
                .help(
                    "see which function or trigger goes on when it is cancelled, and take that out",
                ),
        }
    }
}

fn longer_than(limit: Duration) -> String {
    let seconds = usize::try_from(limit.as_secs()).unwrap_or(usize::MAX);
    format!("it took longer than {}", counted(seconds, "second"))
}

/// Turns the failure of a statement of ours, which no input should make fail, into an error:
/// `could not <attempt>`.
pub(crate) fn failing(attempt: &str) -> impl Fn(Failed) -> Error {
    move |failed| failed.error(format!("could not {attempt}"))
}

/// The fields of a server's error.
pub(crate) fn refusal_of(error: &DbError) -> Refusal {
    let text = |field: Option<&str>| field.map(str::to_owned);
    // In the words of the project, if it likes.
    let said = |text: &str| printable(text).replace('\n', "\n    ");
    Refusal {
        sqlstate: error.code().code().to_owned(),
        severity: error.severity().to_owned(),
        message: said(error.message()),
        detail: error.detail().map(said),
        hint: error.hint().map(said),
        context: error.where_().map(printable),
        schema: text(error.schema()),
        table: text(error.table()),
        column: text(error.column()),
        datatype: text(error.datatype()),
        constraint: text(error.constraint()),
        routine: text(error.routine()),
        position: match error.position() {
            Some(ErrorPosition::Original(character)) => Some(*character as usize),
            _ => None,
        },
        hidden: None,
    }
}

/// A shutdown or crash is no answer to what was asked: class 57, "operator intervention", but for
/// the cancel of one statement.
fn is_goodbye(error: &DbError) -> bool {
    error.code().code().starts_with("57P")
}

/// What the connection says, and what lies below that.
pub(crate) fn words_of(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = cause.source();
    }
    text
}
