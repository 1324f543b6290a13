//! Files that hold the way there and the way back: dbmate's, goose's and sql-migrate's.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::project::dialect::blank;
use crate::project::files;

/// The two parts of a file, each as long as the file: what belongs to the other is blank.
pub(crate) struct Sections {
    pub up: String,
    pub down: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Marker {
    Up,
    Down,
}

impl Sections {
    /// # Errors
    /// A file that cannot be read, or has no section up.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = files::read_text(path)?;
        let (mut up, mut down) = (text.clone(), text.clone());
        let (mut at, mut section, mut has_up) = (0, None, false);
        for line in text.split_inclusive('\n') {
            let here = at..at + line.len();
            at = here.end;
            let marker = marker(line);
            has_up |= marker == Some(Marker::Up);
            section = marker.or(section);
            if section != Some(Marker::Up) || marker.is_some() {
                blank(&mut up, here.clone());
            }
            if section != Some(Marker::Down) || marker.is_some() {
                blank(&mut down, here);
            }
        }
        if !has_up {
            return Err(Error::new(format!("`{}` has no section up", path.display()))
                .cause("files beside it begin theirs with a line such as `-- migrate:up`")
                .help("add the line above what is to be applied; the tool refuses the file, too"));
        }
        Ok(Self { up, down })
    }
}

/// Whether a file is one of these.
pub(crate) fn has_marker(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_numbered = name.starts_with(|c: char| c.is_ascii_digit()) && name.ends_with(".sql");
    is_numbered
        && fs::read_to_string(path)
            .is_ok_and(|text| text.lines().any(|line| marker(line) == Some(Marker::Up)))
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
