//! The rows that are loaded right after a version: SQL that somebody wrote, a dump, or CSV files.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::names::QualifiedName;
use crate::project::dialect::Dialect;
use crate::project::dump::{HEAD, is_dump};
use crate::project::files::{
    SqlFile, entries, is_bystander, is_missing, misnamed, parse_name, read_raw,
    refuse_unknown_version, timestamps_of,
};

/// What a dump in the custom format begins with.
const ARCHIVE: &[u8] = b"PGDMP";

/// A file, or folder, of rows for a version.
#[derive(Debug)]
pub struct Fixture {
    file: SqlFile,
    rows: Rows,
}

/// In which form the rows are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rows {
    /// SQL that somebody wrote for these migrations.
    Written,
    /// What `pg_dump` has written as text.
    Dump,
    /// What `pg_dump` has written in its custom format, or as a tar file.
    Archive,
    /// A file of rows for each table.
    Csv(Vec<CsvFile>),
}

/// The rows of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFile {
    /// Where they are.
    pub path: PathBuf,
    /// The table, as the name of the file says it.
    pub table: QualifiedName,
}

impl Fixture {
    /// Its path, version and name; the text only of what somebody wrote.
    pub fn file(&self) -> &SqlFile {
        &self.file
    }

    /// In which form the rows are.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Whether the rows come from a database, and may be somebody's.
    pub fn is_of_real_data(&self) -> bool {
        self.rows != Rows::Written
    }

    /// What differs where the rows do.
    pub(crate) fn content(&self) -> String {
        let of = |path: &Path| match path.metadata() {
            Ok(file) => format!(
                "{} {} {} {}\n",
                path.display(),
                file.size(),
                file.mtime(),
                file.mtime_nsec()
            ),
            Err(cause) => cause.to_string(),
        };
        match &self.rows {
            Rows::Written => self.file.raw().to_owned(),
            Rows::Dump | Rows::Archive => of(self.file.path()),
            Rows::Csv(files) => files.iter().map(|file| of(&file.path)).collect(),
        }
    }
}

/// Reads a folder `fixtures`, sorted by version and name; none if there is no such folder.
///
/// # Errors
/// A name that tells no version or table, a file that is no dump, a version that no migration has.
pub(crate) fn read_fixtures(folder: &Path, migrations: &[SqlFile]) -> Result<Vec<Fixture>> {
    if is_missing(folder) {
        return Ok(Vec::new());
    }
    let is_timestamp = timestamps_of(migrations);
    let (mut fixtures, mut naming) = (Vec::new(), None);
    for path in entries(folder)? {
        let Some(file_name) = path.file_name().and_then(|name| name.to_str()) else {
            return Err(misnamed(&path, "the name is not UTF-8"));
        };
        let stem = match (path.is_dir(), file_name.rsplit_once('.')) {
            (true, _) if file_name.starts_with('.') => continue,
            (true, _) => file_name,
            (false, Some((stem, "dump"))) => stem,
            (false, Some((stem, ending))) if ending.eq_ignore_ascii_case("sql") => {
                if ending == "sql" { stem } else { file_name }
            }
            _ if is_bystander(file_name) => continue,
            _ => return Err(misnamed(&path, "it does not end in `.sql`").help(NAMES)),
        };
        let parsed = parse_name(&format!("{stem}.sql"), &is_timestamp);
        let (version, name, kind) = parsed.map_err(|why| misnamed(&path, why).help(NAMES))?;
        if *naming.get_or_insert(kind) != kind {
            return Err(misnamed(&path, "the folder mixes `V<n>__` and `<digits>_` names"));
        }
        let rows = read_rows(&path)?;
        let raw = match rows {
            Rows::Written => read_raw(&path)?,
            _ => String::new(),
        };
        let file = SqlFile::new(path, version, name, Dialect::Guarded, raw);
        refuse_unknown_version(&file, migrations)?;
        fixtures.push(Fixture { file, rows });
    }
    fixtures.sort_by(|a, b| {
        let key = |one: &Fixture| (one.file.version(), one.file.path().to_owned());
        key(a).cmp(&key(b))
    });
    Ok(fixtures)
}

const NAMES: &str = "name it `V<n>__<name>` (letters, digits, `_`) with `.sql`, `.dump` (of \
     `pg_dump`), or nothing for a folder of CSV files, one a table; notes may end in `.md` or `.txt`";

/// In which form the rows are, by what is there and not by its name.
fn read_rows(path: &Path) -> Result<Rows> {
    if path.is_dir() {
        return read_csv_folder(path);
    }
    let head = head_of(path)?;
    // A tar file begins with the name of its first member.
    if head.starts_with(ARCHIVE) || head.starts_with(b"toc.dat\0") {
        return Ok(Rows::Archive);
    }
    match is_dump(&head) {
        true => Ok(Rows::Dump),
        false if path.extension().is_some_and(|ending| ending == "dump") => {
            Err(Error::new(format!("`{}` is no dump of PostgreSQL", path.display()))
                .cause(
                    "it begins neither as `pg_dump` writes text nor as it writes its custom format",
                )
                .help("make it with `pg_dump --data-only`, or `pg_dump -Fc`"))
        }
        false => Ok(Rows::Written),
    }
}

fn head_of(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    read.map_err(|cause| {
        Error::new(format!("cannot read `{}`", path.display()))
            .cause(cause)
            .help("check that it is a file and that you may read it")
    })?;
    Ok(head)
}

fn read_csv_folder(folder: &Path) -> Result<Rows> {
    let (mut files, mut seen) = (Vec::new(), Vec::new());
    for path in entries(folder)? {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name == "toc.dat" {
            return Err(misread(&path, "it is of a dump in the directory format").help(
                "put it into one file: `pg_restore --data-only -f V<n>__<name>.sql <folder>`",
            ));
        }
        let stem = match name.rsplit_once('.') {
            Some((stem, ending)) if ending.eq_ignore_ascii_case("csv") && !path.is_dir() => stem,
            _ if is_bystander(name) => continue,
            _ => return Err(misread(&path, "it does not end in `.csv`").help(TABLES)),
        };
        let table = table_of(stem)
            .ok_or_else(|| misread(&path, "its name is not that of a table").help(TABLES))?;
        if seen.contains(&table) {
            return Err(misread(&path, &format!("another file is of {table}, too")).help(TABLES));
        }
        seen.push(table.clone());
        files.push(CsvFile { path, table });
    }
    match files.is_empty() {
        true => Err(Error::new(format!("`{}` holds no CSV file", folder.display())).help(TABLES)),
        false => Ok(Rows::Csv(files)),
    }
}

fn misread(path: &Path, why: &str) -> Error {
    Error::new(format!("`{}` cannot be loaded", path.display())).cause(why)
}

const TABLES: &str = "name each file `schema.table.csv`, as it is in the catalog, with a part that has \
     dots in it in double quotes; its first line names the columns";

/// `schema.table`, or `table` in `public`.
fn table_of(stem: &str) -> Option<QualifiedName> {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = stem;
    loop {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                // Twice is one.
                let is_end = |(at, _): &(usize, &str)| {
                    let quotes = quoted[..*at].chars().rev().take_while(|c| *c == '"').count();
                    quotes % 2 == 0 && !quoted[at + 1..].starts_with('"')
                };
                let (end, _) = quoted.match_indices('"').find(is_end)?;
                (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
            }
            None => {
                let end = rest.find('.').unwrap_or(rest.len());
                (rest[..end].to_owned(), &rest[end..])
            }
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => break,
            None => return None,
        }
    }
    match parts.as_slice() {
        parts if parts.iter().any(String::is_empty) => None,
        [table] => Some(QualifiedName::new("public", table)),
        [schema, table] => Some(QualifiedName::new(schema, table)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_for_their_tables() {
        let told = |stem: &str| {
            table_of(stem).map(|name| (name.schema().to_owned(), name.name().to_owned()))
        };
        let some = |schema: &str, name: &str| Some((schema.to_owned(), name.to_owned()));
        assert_eq!(told("public.notes"), some("public", "notes"));
        assert_eq!(told("notes"), some("public", "notes"));
        assert_eq!(told("Auth.Users x"), some("Auth", "Users x"));
        assert_eq!(told("\"a.b\".\"c\"\"d\""), some("a.b", "c\"d"));
        for wrong in ["", "a.", ".a", "a.b.c", "\"a", "\"a\"b"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }
}
