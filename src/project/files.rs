//! Versioned SQL files: which names are migrations, which are refused, and how they are read.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::error::{Error, Result};
use crate::project::dialect::Dialect;

/// The line of a `seed.sql` after which its rows are those of the world's people, who are there only
/// while a check runs.
pub(crate) const ROWS_OF_WORLD: &str = "-- leakproof: rows of the world";

/// Whether a line is the mark.
pub(crate) fn is_mark(line: &str) -> bool {
    line.trim_end() == ROWS_OF_WORLD
}

/// Whether the mark is in a text.
pub(crate) fn has_rows_of_world(text: &str) -> bool {
    text.lines().any(is_mark)
}

/// One versioned SQL file as it stands. What a throwaway database needs changed in it is changed when
/// it is run there, by [`crate::project::adapt`].
#[derive(Debug, Clone)]
pub struct SqlFile {
    path: PathBuf,
    version: i64,
    name: String,
    dialect: Dialect,
    raw: String,
}

impl SqlFile {
    /// A file, or the part of it that the dialect says.
    pub(crate) fn new(
        path: PathBuf,
        version: i64,
        name: String,
        dialect: Dialect,
        raw: String,
    ) -> Self {
        Self { path, version, name, dialect, raw }
    }

    /// Another part of the same file.
    pub(crate) fn part(&self, dialect: Dialect) -> Self {
        Self { dialect, ..self.clone() }
    }

    #[cfg(test)]
    pub(crate) fn for_test(path: &str, version: i64, sql: &str) -> Self {
        Self::new(path.into(), version, "test".into(), Dialect::Guarded, sql.into())
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

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The whole text of the file, byte by byte: what its checksum is of.
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// The same on every machine: CRLF and a byte order mark are not content.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        plain_text(&self.raw)
    }
}

/// A text with line ends as LF, without a byte order mark.
pub(crate) fn plain_text(raw: &str) -> Cow<'_, str> {
    let text = raw.trim_start_matches('\u{feff}');
    match text.contains("\r\n") {
        true => Cow::Owned(text.replace("\r\n", "\n")),
        false => Cow::Borrowed(text),
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

/// A folder without any migration.
pub(crate) fn holds_none(folder: &Path) -> Error {
    Error::new(format!("`{}` holds no migration", folder.display()))
        .help("add `V1__name.sql`, or `<14 digits>_name.sql` in a Supabase project")
}

/// Reads all migrations of `folder`, as refinery names them, sorted by version; there may be none.
pub(crate) fn read_migrations_so_far(folder: &Path) -> Result<Vec<SqlFile>> {
    let files = read_folder(folder, |digits| digits == 14)?;
    refuse_doubled(&files)?;
    Ok(files)
}

/// Refuses two files of one version in what is sorted.
pub(crate) fn refuse_doubled(files: &[SqlFile]) -> Result<()> {
    match files.windows(2).find(|pair| pair[0].version == pair[1].version) {
        Some(pair) => Err(doubled(&pair[0], &pair[1])),
        None => Ok(()),
    }
}

/// Reads the files that accompany migrations (`fixtures/`, `preserve/`, `api/`, `rollback/`); none
/// if there is no such folder. Beside another tool's migrations a version has as many digits as it
/// has there.
pub(crate) fn read_beside(folder: &Path, migrations: &[SqlFile]) -> Result<Vec<SqlFile>> {
    if is_missing(folder) {
        return Ok(Vec::new());
    }
    let files = read_folder(folder, timestamps_of(migrations))?;
    files.iter().try_for_each(|file| refuse_unknown_version(file, migrations))?;
    Ok(files)
}

/// Whether nothing is there. A link that leads nowhere is not the same.
pub(super) fn is_missing(folder: &Path) -> bool {
    let is_missing = |cause: &io::Error| cause.kind() == io::ErrorKind::NotFound;
    fs::symlink_metadata(folder).is_err_and(|cause| is_missing(&cause))
}

/// How many digits a version has without a `V` beside these migrations.
pub(super) fn timestamps_of(migrations: &[SqlFile]) -> impl Fn(usize) -> bool + use<> {
    let is_foreign = migrations.iter().any(|file| file.dialect.is_foreign());
    move |digits| digits == 14 || is_foreign
}

/// Refuses what accompanies no migration.
pub(super) fn refuse_unknown_version(file: &SqlFile, migrations: &[SqlFile]) -> Result<()> {
    match migrations.iter().any(|migration| migration.version == file.version) {
        true => Ok(()),
        false => Err(Error::new(format!(
            "`{}` belongs to version {}, which no migration has",
            file.path.display(),
            file.version
        ))
        .help("rename it to the version of its migration, or delete it")),
    }
}

/// Whether a folder has a file of a version that there is.
pub(crate) fn has_version_of(folder: &Path, migrations: &[SqlFile]) -> bool {
    let names = entries(folder).unwrap_or_default();
    let mut versions = names.iter().filter_map(|path| {
        let name = path.file_name()?.to_str()?;
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        parse_name(&format!("{stem}.sql"), |_| true).ok().map(|(version, _, _)| version)
    });
    versions.any(|version| migrations.iter().any(|migration| migration.version == version))
}

/// Two files claim one version.
pub(crate) fn doubled(first: &SqlFile, second: &SqlFile) -> Error {
    Error::new(format!(
        "`{}` and `{}` have the same version {}",
        first.path.display(),
        second.path.display(),
        first.version
    ))
    .cause("only one of them would ever be applied")
    .help("give the later one the next free version")
}

/// The paths in a folder, sorted, so that the first error is the same on every machine.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |cause: io::Error| {
        Error::new(format!("cannot read the folder `{}`", folder.display()))
            .cause(cause)
            .help("check that it is a folder and that you may read it")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        paths.push(entry.map_err(unreadable)?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_folder(folder: &Path, is_timestamp: impl Fn(usize) -> bool) -> Result<Vec<SqlFile>> {
    let mut files = Vec::new();
    let mut naming = None;
    for path in entries(folder)? {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(misnamed(&path, "the name is not UTF-8"));
        };
        if !file_name.to_ascii_lowercase().ends_with(".sql") {
            if is_bystander(file_name) {
                continue;
            }
            return Err(misnamed(&path, "it does not end in `.sql`"));
        }
        let (version, name, kind) =
            parse_name(file_name, &is_timestamp).map_err(|why| misnamed(&path, why))?;
        if *naming.get_or_insert(kind) != kind {
            return Err(misnamed(&path, "the folder mixes `V<n>__` and `<digits>_` names"));
        }
        let raw = read_raw(&path)?;
        files.push(SqlFile::new(path, version, name, Dialect::Guarded, raw));
    }
    files.sort_by(|a, b| a.version.cmp(&b.version).then_with(|| a.path.cmp(&b.path)));
    Ok(files)
}

/// Files that people keep beside migrations and nobody takes for one.
pub(super) fn is_bystander(file_name: &str) -> bool {
    let is_ours = ["access.snap", "leakproof.toml"].contains(&file_name);
    is_ours
        || file_name.starts_with('.')
        || file_name.ends_with(".md")
        || file_name.ends_with(".txt")
}

/// Splits a file name into version, name and kind.
pub(super) fn parse_name(
    file_name: &str,
    is_timestamp: impl Fn(usize) -> bool,
) -> Result<(i64, String, Naming), &'static str> {
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
        if !is_timestamp(digits.len()) {
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

pub(super) fn misnamed(path: &Path, why: &str) -> Error {
    Error::new(format!("`{}` is not named like a migration", path.display())).cause(why).help(
        "name it `V<n>__<name>.sql` (letters, digits, `_`) or `<14 digits>_<name>.sql`; \
         notes may end in `.md` or `.txt`",
    )
}

/// The text of a file, byte by byte.
///
/// # Errors
/// A file that cannot be read, or is not UTF-8.
pub(crate) fn read_raw(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|cause| {
        Error::new(format!("cannot read `{}`", path.display()))
            .cause(cause)
            .help("check that it is a file and that you may read it")
    })?;
    String::from_utf8(bytes).map_err(|cause| {
        let good = &cause.as_bytes()[..cause.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        Error::new(format!("`{}` is not UTF-8", path.display()))
            .cause(format!("the first wrong byte is in line {line}"))
            .help("save it as UTF-8, for instance with `iconv -f latin1 -t utf-8`")
    })
}

/// As [`read_raw`], the same on every machine.
///
/// # Errors
/// The same.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    read_raw(path).map(|raw| plain_text(&raw).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let good = |name: &str| {
            parse_name(name, |digits| digits == 14).map(|(version, name, _)| (version, name))
        };
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
