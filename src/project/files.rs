//! Versioned SQL files: which names are migrations, which are refused, and how they are read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// One versioned SQL file.
#[derive(Debug, Clone)]
pub struct SqlFile {
    path: PathBuf,
    version: i64,
    name: String,
    naming: Naming,
    sql: String,
}

impl SqlFile {
    #[cfg(test)]
    pub(super) fn for_test(path: &str, version: i64, sql: &str) -> Self {
        Self {
            path: path.into(),
            version,
            name: "test".into(),
            naming: Naming::Refinery,
            sql: sql.into(),
        }
    }

    /// The path as it is shown: the project folder as given, and the file in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number before the name.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The words after the version, without `.sql`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// `V4 move_messages`, as reports show it.
    pub fn title(&self) -> String {
        format!("V{} {}", self.version, self.name)
    }

    pub(super) fn naming(&self) -> Naming {
        self.naming
    }

    /// The text, with line ends as LF.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

/// How the files of a folder are named; a folder holds one kind only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `V1__name.sql`
    Refinery,
    /// `20240102030405_name.sql`
    Supabase,
}

impl Naming {
    /// The name of a file.
    pub fn file_name(self, version: i64, name: &str) -> String {
        match self {
            Self::Refinery => format!("V{version}__{name}.sql"),
            Self::Supabase => format!("{version:014}_{name}.sql"),
        }
    }
}

/// Reads all migrations of `folder`, sorted by version.
pub(super) fn read_migrations(folder: &Path) -> Result<Vec<SqlFile>> {
    let files = read_migrations_so_far(folder)?;
    if files.is_empty() {
        return Err(Error::new(format!("`{}` holds no migration", folder.display()))
            .help("add `V1__name.sql`, or `<14 digits>_name.sql` in a Supabase project"));
    }
    Ok(files)
}

/// The same where there may be none yet.
pub(super) fn read_migrations_so_far(folder: &Path) -> Result<Vec<SqlFile>> {
    let files = read_folder(folder)?;
    for pair in files.windows(2) {
        if pair[0].version == pair[1].version {
            return Err(doubled(&pair[0], &pair[1]));
        }
    }
    Ok(files)
}

/// Reads the files that accompany migrations (`fixtures/`, `preserve/`, `api/`,
/// `rollback/`); none if there
/// is no such folder.
pub(super) fn read_beside(folder: &Path, migrations: &[SqlFile]) -> Result<Vec<SqlFile>> {
    // A link that leads nowhere is not the same as nothing.
    let is_missing = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
    if fs::symlink_metadata(folder).is_err_and(|cause| is_missing(&cause)) {
        return Ok(Vec::new());
    }
    let files = read_folder(folder)?;
    for file in &files {
        if !migrations.iter().any(|migration| migration.version == file.version) {
            return Err(Error::new(format!(
                "`{}` belongs to version {}, which no migration has",
                file.path.display(),
                file.version
            ))
            .help("rename it to the version of its migration, or delete it"));
        }
    }
    Ok(files)
}

/// Two files claim one version.
pub(super) fn doubled(first: &SqlFile, second: &SqlFile) -> Error {
    Error::new(format!(
        "`{}` and `{}` have the same version {}",
        first.path.display(),
        second.path.display(),
        first.version
    ))
    .cause("only one of them would ever be applied")
    .help("give the later one the next free version")
}

fn read_folder(folder: &Path) -> Result<Vec<SqlFile>> {
    let unreadable = |cause: io::Error| {
        Error::new(format!("cannot read the folder `{}`", folder.display()))
            .cause(cause)
            .help("check that it is a folder and that you may read it")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    // The first error is the same on every machine.
    paths.sort();
    let mut files = Vec::new();
    let mut naming = None;
    for path in paths {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(misnamed(&path, "the name is not UTF-8"));
        };
        if !file_name.to_ascii_lowercase().ends_with(".sql") {
            if is_bystander(file_name) {
                continue;
            }
            return Err(misnamed(&path, "it does not end in `.sql`"));
        }
        let (version, name, kind) = parse_name(file_name).map_err(|why| misnamed(&path, why))?;
        if *naming.get_or_insert(kind) != kind {
            return Err(misnamed(&path, "the folder mixes `V<n>__` and `<digits>_` names"));
        }
        let sql = read_text(&path)?;
        files.push(SqlFile { path, version, name, naming: kind, sql });
    }
    files.sort_by(|a, b| a.version.cmp(&b.version).then_with(|| a.path.cmp(&b.path)));
    Ok(files)
}

/// Files that people keep beside migrations and nobody takes for one.
fn is_bystander(file_name: &str) -> bool {
    file_name.starts_with('.') || file_name.ends_with(".md") || file_name.ends_with(".txt")
}

/// Splits a file name into version, name and kind.
fn parse_name(file_name: &str) -> Result<(i64, String, Naming), &'static str> {
    let stem = file_name.strip_suffix(".sql").ok_or("the ending is not `.sql` in lower case")?;
    let (kind, digits, name) = if let Some(rest) = stem.strip_prefix('V') {
        let (digits, name) = rest.split_once("__").ok_or("there is no `__` after the version")?;
        // A hyphen is enough for refinery to skip a file without a word.
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return Err("the name has something other than letters, digits and `_`");
        }
        (Naming::Refinery, digits, name)
    } else {
        let (digits, name) = stem.split_once('_').ok_or("there is no version in front")?;
        if digits.len() != 14 {
            return Err("it has neither `V<n>__` nor 14 digits in front");
        }
        (Naming::Supabase, digits, name)
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the version is not a number");
    }
    if name.is_empty() {
        return Err("there is no name after the version");
    }
    let version = digits.parse().map_err(|_| "the version is larger than a bigint")?;
    Ok((version, name.to_owned(), kind))
}

fn misnamed(path: &Path, why: &str) -> Error {
    Error::new(format!("`{}` is not named like a migration", path.display())).cause(why).help(
        "name it `V<n>__<name>.sql` (letters, digits, `_`) or `<14 digits>_<name>.sql`; \
         notes may end in `.md` or `.txt`",
    )
}

fn read_text(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|cause| {
        Error::new(format!("cannot read `{}`", path.display()))
            .cause(cause)
            .help("check that it is a file and that you may read it")
    })?;
    let text = String::from_utf8(bytes).map_err(|cause| {
        let good = &cause.as_bytes()[..cause.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        Error::new(format!("`{}` is not UTF-8", path.display()))
            .cause(format!("the first wrong byte is in line {line}"))
            .help("save it as UTF-8, for instance with `iconv -f latin1 -t utf-8`")
    })?;
    // One text, one checksum, on every machine: CRLF and a byte order mark are not content.
    Ok(text.trim_start_matches('\u{feff}').replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let good = |name: &str| parse_name(name).map(|(version, name, _)| (version, name));
        assert_eq!(good("V1__baseline.sql"), Ok((1, "baseline".into())));
        assert_eq!(good("V20__a_b.sql"), Ok((20, "a_b".into())));
        assert_eq!(good("20240102030405_add-x.sql"), Ok((20240102030405, "add-x".into())));
        for bad in [
            "V1_a.sql",
            "v1__a.sql",
            "V__a.sql",
            "V1__.sql",
            "V1__a-b.sql",
            "a.sql",
            "1_a.sql",
            "V1__a.SQL",
            "V99999999999999999999__a.sql",
            "U1__a.sql",
            "2024010203040x_a.sql",
        ] {
            assert!(good(bad).is_err(), "{bad} was taken");
        }
    }
}
