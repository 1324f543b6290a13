//! A dump as text, read as a stream: its statements one by one, and rows in parts. No more than a
//! statement, or a part of the rows, is ever in memory.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::sql::ending::Ending;

/// What `pg_dump` writes on top, and what at the end.
const BEGIN: &str = "-- PostgreSQL database dump";
const COMPLETE: &str = "-- PostgreSQL database dump complete";

/// What `pg_dumpall` writes on top.
const CLUSTER: &str = "-- PostgreSQL database cluster dump";

/// How many bytes of rows are read at a time.
pub(crate) const PART: usize = 64 << 10;

/// The line that says what a dump as text is stands among so many bytes.
pub(crate) const HEAD: usize = 8 << 10;

/// Whether a file that begins so is a dump as text.
pub(crate) fn is_dump(text: &[u8]) -> bool {
    let head = String::from_utf8_lossy(&text[..text.len().min(HEAD)]);
    head.lines().any(|line| [BEGIN, CLUSTER].contains(&line.trim_end()))
}

/// A file that is read as a stream.
pub(crate) struct Stream<R> {
    input: R,
    /// As it is shown.
    path: PathBuf,
    /// The line that was read last, counted from 1.
    line: usize,
    is_at_end: bool,
}

impl<R: BufRead> Stream<R> {
    pub(crate) fn new(input: R, path: &Path) -> Self {
        Self { input, path: path.to_owned(), line: 0, is_at_end: false }
    }

    /// Adds the next line with its end, without a byte order mark; false where there is none.
    pub(crate) fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool> {
        let start = line.len();
        let read = self.input.read_until(b'\n', line).map_err(|cause| self.unreadable(&cause))?;
        self.is_at_end = read == 0;
        if self.line == 0 && line[start..].starts_with(b"\xef\xbb\xbf") {
            line.drain(start..start + 3);
        }
        self.line += usize::from(read > 0);
        Ok(read > 0)
    }

    fn unreadable(&self, cause: &io::Error) -> Error {
        Error::new(format!("cannot read `{}`", self.path.display()))
            .cause(cause)
            .help("check that it is a file and that you may read it")
    }

    /// What is wrong with it, at the line that was read last.
    pub(crate) fn wrong(&self, why: impl std::fmt::Display) -> Error {
        Error::new(format!("`{}` cannot be loaded: line {}", self.path.display(), self.line))
            .cause(why)
    }
}

/// A dump as text.
pub(crate) struct Dump<R> {
    stream: Stream<R>,
    /// What has been read of a line and belongs to the next statement.
    rest: String,
    /// Whether the end of rows was met behind the last part.
    are_rows_over: bool,
    has_begun: bool,
    is_complete: bool,
}

/// A statement of a dump, and the line in which it begins.
pub(crate) struct DumpedStatement {
    pub text: String,
    pub line: usize,
}

impl<R: BufRead> Dump<R> {
    pub(crate) fn new(input: R, path: &Path) -> Self {
        let stream = Stream::new(input, path);
        let (rest, is_complete) = (String::new(), false);
        Self { stream, rest, are_rows_over: false, has_begun: false, is_complete }
    }

    /// Whether all was read.
    pub(crate) fn is_at_end(&self) -> bool {
        self.stream.is_at_end
    }

    /// What is wrong with it, at the line that was read last.
    pub(crate) fn wrong(&self, why: impl std::fmt::Display) -> Error {
        self.stream.wrong(why)
    }

    /// The next statement, without its semicolon; psql's commands are passed over.
    ///
    /// # Errors
    /// A dump that is cut off, or of several databases, or is not UTF-8.
    pub(crate) fn next_statement(&mut self) -> Result<Option<DumpedStatement>> {
        let mut statement = DumpedStatement { text: String::new(), line: 0 };
        let mut ending = Ending::default();
        while let Some(line) = self.next_line()? {
            let is_between = !ending.has_begun() && !ending.is_inside();
            if is_between && (line.starts_with('\\') || self.is_mark(line.trim_end())?) {
                continue;
            }
            let end = ending.see(&line);
            if ending.has_begun() && statement.line == 0 {
                statement.line = self.stream.line;
            }
            let Some(end) = end else {
                // Comments between statements are many.
                match ending.has_begun() || ending.is_inside() {
                    true => statement.text.push_str(&line),
                    false => statement.text.clear(),
                }
                continue;
            };
            statement.text.push_str(&line[..end - 1]);
            line[end..].clone_into(&mut self.rest);
            let start = statement.text.len() - statement.text.trim_start().len();
            statement.text.drain(..start);
            if !statement.text.is_empty() {
                return Ok(Some(statement));
            }
            ending = Ending::default();
        }
        if ending.has_begun() || ending.is_inside() {
            return Err(self.cut_off("it ends in the middle of a statement"));
        }
        if self.has_begun && !self.is_complete {
            return Err(self.cut_off(&format!("it does not end with `{COMPLETE}`")));
        }
        Ok(None)
    }

    /// Puts the next of the rows that follow a `copy` into `part`, and says how many those are; none where
    /// there are no more.
    ///
    /// # Errors
    /// A dump that is cut off.
    pub(crate) fn next_rows(&mut self, part: &mut Vec<u8>) -> Result<Option<u64>> {
        part.clear();
        // What follows the semicolon is the end of its line.
        self.rest.clear();
        let mut rows = 0;
        while !std::mem::take(&mut self.are_rows_over) {
            let start = part.len();
            if !self.stream.read_line(part)? {
                return Err(self.cut_off("it ends in the middle of rows"));
            }
            let is_end = part[start..].trim_ascii_end() == b"\\.";
            match is_end {
                true => part.truncate(start),
                false => rows += 1,
            }
            self.are_rows_over = is_end && rows > 0;
            if part.len() >= PART || self.are_rows_over {
                return Ok(Some(rows));
            }
            if is_end {
                break;
            }
        }
        Ok(None)
    }

    fn cut_off(&self, why: &str) -> Error {
        self.stream.wrong(format!("the dump is cut off: {why}")).help("make the dump again")
    }

    fn next_line(&mut self) -> Result<Option<String>> {
        if !self.rest.is_empty() {
            return Ok(Some(std::mem::take(&mut self.rest)));
        }
        let mut line = Vec::new();
        if !self.stream.read_line(&mut line)? {
            return Ok(None);
        }
        let line = String::from_utf8(line).map_err(|_| {
            self.wrong("it is not UTF-8").help("make the dump with `pg_dump --encoding=UTF8`")
        })?;
        Ok(Some(line))
    }

    /// Whether a line is a mark of `pg_dump`.
    fn is_mark(&mut self, line: &str) -> Result<bool> {
        match line {
            BEGIN => (self.has_begun, self.is_complete) = (true, false),
            COMPLETE => self.is_complete = true,
            CLUSTER => {
                return Err(self
                    .wrong("it is of several databases, as `pg_dumpall` makes it")
                    .help("dump the one database: `pg_dump --data-only`"));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
