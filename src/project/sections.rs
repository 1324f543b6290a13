//! Files that hold the way there and the way back: dbmate's, goose's and sql-migrate's.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::project::dialect::blank;

#[derive(Clone, Copy, PartialEq)]
enum Marker {
    Up,
    Down,
}

/// The section up of a text, as long as the text: what belongs to the other is blank.
pub(crate) fn up(text: &str) -> String {
    only(text, Marker::Up)
}

/// As [`up`], the section down.
pub(crate) fn down(text: &str) -> String {
    only(text, Marker::Down)
}

fn only(text: &str, wanted: Marker) -> String {
    let mut kept = text.to_owned();
    let (mut at, mut section) = (0, None);
    for line in text.split_inclusive('\n') {
        let here = at..at + line.len();
        at = here.end;
        let marker = marker(line);
        section = marker.or(section);
        if section != Some(wanted) || marker.is_some() {
            blank(&mut kept, here);
        }
    }
    kept
}

/// # Errors
/// A text without a section up.
pub(crate) fn refuse_without_up(path: &Path, text: &str) -> Result<()> {
    match has_up(text) {
        true => Ok(()),
        false => Err(Error::new(format!("`{}` has no section up", path.display()))
            .cause("files beside it begin theirs with a line such as `-- migrate:up`")
            .help("add the line above what is to be applied; the tool refuses the file, too")),
    }
}

/// Whether a file is one of these.
pub(crate) fn has_marker(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_numbered = name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".sql");
    is_numbered && fs::read_to_string(path).is_ok_and(|text| has_up(&text))
}

fn has_up(text: &str) -> bool {
    text.lines().any(|line| marker(line) == Some(Marker::Up))
}

fn marker(line: &str) -> Option<Marker> {
    let rest = line.trim_start_matches('\u{feff}').strip_prefix("--")?.to_ascii_lowercase();
    let words: Vec<&str> = rest.split_whitespace().collect();
    match words.as_slice() {
        ["migrate:up", ..] | ["+goose" | "+migrate", "up", ..] => Some(Marker::Up),
        ["migrate:down", ..] | ["+goose" | "+migrate", "down", ..] => Some(Marker::Down),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_keeps_its_lines() {
        let text = "-- migrate:up\na\n-- migrate:down\nb\n";
        for (told, kept) in [(up(text), [1, 1]), (down(text), [3, 3])] {
            assert_eq!(told.lines().count(), text.lines().count());
            let written = told.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
            let written: Vec<usize> = written.map(|(at, _)| at).collect();
            assert_eq!([written[0], written[written.len() - 1]], kept);
        }
        assert_eq!(up("-- +goose Up\nselect 1;").trim(), "select 1;");
        assert!(down("-- +goose Up\nselect 1;").trim().is_empty());
        assert!(refuse_without_up(Path::new("1_a.sql"), "select 1;").is_err());
    }
}
