//! A file of rows with commas between their values, as a stream: `copy ... csv` reads it on the server, and
//! here is only read which columns it has. Pure.

use std::io::BufRead;
use std::path::Path;

use crate::error::{Error, Result};
use crate::project::dump::{PART, Stream};

/// How the server reads it: what is empty without quotes is NULL.
pub(crate) const CSV: &str = "from stdin with (format csv)";

/// The rows of a file.
pub(crate) struct CsvRows<R> {
    stream: Stream<R>,
}

impl<R: BufRead> CsvRows<R> {
    pub(crate) fn new(input: R, path: &Path) -> Self {
        Self { stream: Stream::new(input, path) }
    }

    /// What is wrong with it, at the line that was read last.
    pub(crate) fn wrong(&self, why: impl std::fmt::Display) -> Error {
        self.stream.wrong(why)
    }

    /// The columns that the first line names.
    ///
    /// # Errors
    /// There is none, or it is not UTF-8.
    pub(crate) fn columns(&mut self) -> Result<Vec<String>> {
        const HELP: &str = "its first line names the columns, with commas between them";
        let mut line = Vec::new();
        // A name may hold the end of a line.
        while self.stream.read_line(&mut line)? {
            if line.iter().filter(|byte| **byte == b'"').count() % 2 == 0 {
                break;
            }
        }
        let line = String::from_utf8(line)
            .map_err(|_| self.wrong("it is not UTF-8").help("save it as UTF-8"))?;
        let columns = names(line.trim_end_matches(['\n', '\r']));
        match columns.iter().any(String::is_empty) {
            true => Err(self.wrong("a column has no name").help(HELP)),
            false => Ok(columns),
        }
    }

    /// Puts the next lines into `part`, and says how many rows end in them; none where there are no more.
    ///
    /// # Errors
    /// A line that the server takes for the end.
    pub(crate) fn next_rows(&mut self, part: &mut Vec<u8>) -> Result<Option<u64>> {
        part.clear();
        let (mut rows, mut is_quoted) = (0, false);
        // No row is cut in two, so that whether a line is one is known.
        while part.len() < PART || is_quoted {
            let start = part.len();
            if !self.stream.read_line(part)? {
                break;
            }
            let line = &part[start..];
            if line.trim_ascii_end() == b"\\." {
                return Err(self
                    .wrong("it is `\\.`, which ends the rows for the server")
                    .help("leave that line out"));
            }
            is_quoted ^= line.iter().filter(|byte| **byte == b'"').count() % 2 == 1;
            rows += u64::from(!is_quoted);
        }
        Ok((!part.is_empty()).then_some(rows))
    }
}

/// The names in a line, with quotes or without.
fn names(line: &str) -> Vec<String> {
    let (mut names, mut name, mut is_quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            // Twice is one.
            '"' if is_quoted && letters.peek() == Some(&'"') => name.extend(letters.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => names.push(std::mem::take(&mut name)),
            _ => name.push(letter),
        }
    }
    names.push(name);
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<String>, u64, String) {
        let mut rows = CsvRows::new(text.as_bytes(), Path::new("a.csv"));
        let columns = rows.columns().expect("columns");
        let (mut count, mut all, mut part) = (0, String::new(), Vec::new());
        while let Some(more) = rows.next_rows(&mut part).expect("rows") {
            count += more;
            all.push_str(std::str::from_utf8(&part).expect("text"));
        }
        (columns, count, all)
    }

    #[test]
    fn columns_and_rows() {
        let (columns, count, rows) = read("\u{feff}id,\"a \"\"b\"\",c\"\r\n1,\"x\r\ny\"\r\n2,z");
        assert_eq!(columns, ["id", "a \"b\",c"]);
        assert_eq!((count, rows.as_str()), (2, "1,\"x\r\ny\"\r\n2,z"));
        assert_eq!(read("a\nb\n").0, ["a"]);
        assert_eq!(read("a\n"), (vec!["a".into()], 0, String::new()));
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for text in ["", "\n1", "a,,b\n"] {
            let columns = CsvRows::new(text.as_bytes(), Path::new("a.csv")).columns();
            assert!(columns.is_err(), "{text}");
        }
    }
}
