//! The one error type: a fact, its cause, and the way out, in that order.
//!
//! What a user can cause ends here as three readable lines. Nothing in here prints or exits.

use std::fmt;

use crate::refusal::Refusal;
use crate::words::printable;

/// A `Result` whose error is [`struct@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a run could not be completed (exit code 2).
///
/// `Display` gives up to three lines: the fact, `  cause: ...` and `  help: ...`. It never holds a
/// password: connection strings pass through [`crate::server::redact::without_password`] first.
#[derive(Debug)]
pub struct Error {
    fact: String,
    cause: Option<String>,
    help: Option<String>,
    refusal: Option<Box<Refusal>>,
}

impl Error {
    /// Starts with what was attempted, and on what.
    pub fn new(fact: impl Into<String>) -> Self {
        let fact = printable(&fact.into()).replace('\n', "\\n");
        Self { fact, cause: None, help: None, refusal: None }
    }

    /// The same of another fact.
    pub(crate) fn with_fact(self, fact: impl Into<String>) -> Self {
        Self { fact: Self::new(fact).fact, ..self }
    }

    /// Adds what stood in the way, in the words of whoever said no.
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(printable(&without_error_number(&cause.to_string())));
        self
    }

    /// Adds what a server said to a statement, in its words, and field by field.
    pub(crate) fn refused(self, refusal: Refusal) -> Self {
        let reason = refusal.reason();
        Self { refusal: Some(Box::new(refusal)), ..self.cause(reason) }
    }

    /// Adds what the user can do about it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What was attempted, and on what.
    pub fn fact(&self) -> &str {
        &self.fact
    }

    /// What a server said, where that was the cause.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_deref()
    }

    /// As [`Self::refusal`]; the error itself where no server said no.
    pub(crate) fn into_refusal(self) -> Result<Refusal> {
        match self.refusal {
            Some(refusal) => Ok(*refusal),
            None => Err(self),
        }
    }

    /// The fact and its cause in one line.
    pub(crate) fn in_brief(&self) -> String {
        let cause = self.cause.as_deref().and_then(|cause| cause.lines().next());
        cause.map_or_else(|| self.fact.clone(), |cause| format!("{}: {cause}", self.fact))
    }
}

/// The operating system's number for an error says nothing that its text does not.
fn without_error_number(text: &str) -> String {
    match text.split_once(" (os error ") {
        Some((before, after)) => {
            let digits = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
            let after = digits.strip_prefix(')').unwrap_or(digits);
            format!("{before}{}", without_error_number(after))
        }
        None => text.to_owned(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fact)?;
        if let Some(cause) = &self.cause {
            write!(f, "\n  cause: {cause}")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n  help: {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_line_of_its_own() {
        let error = Error::new("`V1__a\nverdict: ok\u{1b}[2J` is odd").to_string();
        assert_eq!(error, "`V1__a\\nverdict: ok\\u{1b}[2J` is odd");
    }

    #[test]
    fn a_cause_has_no_error_number() {
        let cause = std::io::Error::from_raw_os_error(2);
        let error = Error::new("cannot read `a`").cause(format!("{cause}: `a`"));
        assert_eq!(error.to_string(), "cannot read `a`\n  cause: No such file or directory: `a`");
    }
}
