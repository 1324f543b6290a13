//! What a database says was applied to it, whoever wrote it down, as one value. Pure.

use refinery_core::Migration;
use time::OffsetDateTime;

use crate::error::Result;
use crate::migrate::judge;
use crate::project::checksum::{checksum as checksum_of, migration_of};
use crate::project::files::{SqlFile, plain_text};
use crate::sql::quote::literal;
use crate::sql::statement::{raw_words, split};

/// What was applied to a database, in the order of the versions.
#[derive(Debug, Clone)]
pub struct History {
    /// Who keeps it.
    pub kind: HistoryKind,
    /// What it says.
    pub entries: Vec<Entry>,
}

/// Who keeps a history, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryKind {
    /// refinery, in a schema of ours that no API exposes.
    Ours,
    /// refinery, where its own CLI keeps it.
    Refinery,
    /// Supabase's CLI.
    Supabase,
}

/// One version that was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number.
    pub version: i64,
    /// Its name; Supabase's may have none.
    pub name: String,
    /// What is known of its text.
    pub content: Content,
}

/// What a history knows of the text that was applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// refinery's checksum of the file.
    Checksum(u64),
    /// The same of a refinery with versions of 4 bytes.
    NarrowChecksum(u64),
    /// The statements, as Supabase's CLI has split them.
    Statements(Vec<String>),
    /// Nothing: older versions of that CLI kept the number alone.
    Unknown,
}

impl HistoryKind {
    /// The table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Ours => "leakproof.refinery_schema_history",
            Self::Refinery => "public.refinery_schema_history",
            Self::Supabase => "supabase_migrations.schema_migrations",
        }
    }

    /// The statement that writes a file down as applied now.
    ///
    /// # Errors
    /// A file that refinery does not take.
    pub(crate) fn record_sql(self, file: &SqlFile) -> Result<String> {
        match self {
            Self::Ours | Self::Refinery => judge::record_sql(migration_of(file)?, self.table()),
            Self::Supabase => Ok(format!(
                "insert into {} (version, name, statements) values ({}, {}, {})",
                self.table(),
                literal(&digits(file)),
                literal(file.name()),
                statements_of(file)
            )),
        }
    }

    /// The statement that takes a version out again.
    pub(crate) fn forget_sql(self, version: i64) -> String {
        format!("delete from {} where {}", self.table(), self.is_it(version))
    }

    /// A query for how many rows there are of a version.
    pub(crate) fn has_sql(self, version: i64) -> String {
        format!("select pg_catalog.count(*) from {} where {}", self.table(), self.is_it(version))
    }

    /// Which row is that of a version.
    pub(crate) fn is_it(self, version: i64) -> String {
        match self {
            Self::Ours | Self::Refinery => format!("version = {version}"),
            Self::Supabase => format!("version::bigint = {version}"),
        }
    }
}

impl History {
    /// That of a database to which nothing was ever applied.
    pub fn empty() -> Self {
        Self { kind: HistoryKind::Ours, entries: Vec::new() }
    }

    /// The statement that writes a file down as applied now, with a checksum as this history has them.
    ///
    /// # Errors
    /// A file that refinery does not take.
    pub(crate) fn record_sql(&self, file: &SqlFile) -> Result<String> {
        let sql = self.kind.record_sql(file)?;
        let is_narrow = |entry: &Entry| matches!(entry.content, Content::NarrowChecksum(_));
        let narrow = file.narrow_checksum().filter(|_| self.entries.iter().any(is_narrow));
        // It comes last.
        let end = |sum: u64| format!("'{sum}')");
        let wide = sql.strip_suffix(&end(file.checksum()));
        Ok(match (narrow, wide) {
            (Some(narrow), Some(start)) => format!("{start}{}", end(narrow)),
            _ => sql,
        })
    }

    /// The statement by which a row becomes that of a file, and keeps what else it has.
    pub(crate) fn move_sql(&self, entry: &Entry, file: &SqlFile) -> String {
        let table = self.kind.table();
        let set = match (&entry.content, self.kind) {
            (_, HistoryKind::Supabase) => {
                let (digits, name) = (literal(&digits(file)), literal(file.name()));
                let statements = match entry.has_text_of(file) {
                    Some(true) => String::new(),
                    _ => format!(", statements = {}", statements_of(file)),
                };
                format!("version = {digits}, name = {name}{statements}")
            }
            (content, _) => {
                let narrow = matches!(content, Content::NarrowChecksum(_));
                let narrow = file.narrow_checksum().filter(|_| narrow);
                format!(
                    "version = {}, name = {}, checksum = '{}'",
                    file.version(),
                    literal(&file.refinery_name()),
                    narrow.unwrap_or_else(|| file.checksum())
                )
            }
        };
        format!("update {table} set {set} where {}", self.kind.is_it(entry.version))
    }

    /// What refinery is told of it, beside these files.
    pub(crate) fn migrations(&self, files: &[SqlFile]) -> Vec<Migration> {
        let told = self.entries.iter().map(|entry| {
            let file = files.iter().find(|file| file.version() == entry.version);
            let (name, checksum) = entry.as_refinery_has_it(file);
            // refinery compares everything but the time.
            Migration::applied(entry.version, name, OffsetDateTime::UNIX_EPOCH, checksum)
        });
        told.collect()
    }
}

impl Entry {
    /// Whether it is what would be written down of a file now.
    pub(crate) fn is_of(&self, file: &SqlFile) -> bool {
        self.as_refinery_has_it(Some(file)) == (file.refinery_name(), file.checksum())
    }

    /// Whether its text is that of a file, of whatever version; none where nothing is known of it.
    pub(crate) fn has_text_of(&self, file: &SqlFile) -> Option<bool> {
        let checksum = |version: Option<i32>| match version {
            Some(narrow) => checksum_of(&self.name, narrow, file.raw()),
            None => checksum_of(&self.name, self.version, file.raw()),
        };
        match &self.content {
            Content::Checksum(sum) => Some(*sum == checksum(None)),
            Content::NarrowChecksum(sum) => Some(
                i32::try_from(self.version).is_ok_and(|version| *sum == checksum(Some(version))),
            ),
            Content::Statements(statements) => Some(is_text_of(statements, file.raw())),
            Content::Unknown => None,
        }
    }

    /// The name and checksum that refinery compares with those of the file.
    fn as_refinery_has_it(&self, file: Option<&SqlFile>) -> (String, u64) {
        let Some(file) = file else { return (self.name.clone(), 0) };
        let same = (file.refinery_name(), file.checksum());
        match &self.content {
            Content::Checksum(sum) => (self.name.clone(), *sum),
            Content::NarrowChecksum(sum) if Some(*sum) == file.narrow_checksum() => {
                (self.name.clone(), same.1)
            }
            Content::Statements(statements) if is_text_of(statements, file.raw()) => same,
            Content::Unknown => same,
            Content::NarrowChecksum(_) | Content::Statements(_) => (self.name.clone(), !same.1),
        }
    }
}

/// The statements of a file as Supabase's CLI keeps them.
fn statements_of(file: &SqlFile) -> String {
    let text = file.text();
    let statements: Vec<String> = split(&text).iter().map(|one| literal(one.text)).collect();
    format!("array[{}]::text[]", statements.join(", "))
}

/// The version as it stands in the name of the file.
fn digits(file: &SqlFile) -> String {
    let name = file.path().file_name().unwrap_or_default().to_string_lossy();
    let end = name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len());
    let is_version = name[..end].parse() == Ok(file.version());
    if is_version { name[..end].to_owned() } else { file.version().to_string() }
}

/// Whether statements are those of a file, however they were split, indented and commented.
fn is_text_of(statements: &[String], raw: &str) -> bool {
    let is_word = |word: &&str| *word != ";";
    let recorded = statements.iter().flat_map(|one| raw_words(one));
    recorded.filter(is_word).eq(raw_words(&plain_text(raw)).filter(is_word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &str = "-- a title\ncreate table t (a int);\r\nselect ';';\n";

    #[test]
    fn what_refinery_compares() {
        let file = SqlFile::for_test("V1__test.sql", 1, RAW);
        let statements =
            |all: &[&str]| Content::Statements(all.iter().map(|s| (*s).into()).collect());
        for (name, content, is_same) in [
            ("test", Content::Checksum(file.checksum()), true),
            ("other", Content::Checksum(file.checksum()), false),
            ("test", Content::Checksum(1), false),
            ("test", Content::NarrowChecksum(file.narrow_checksum().expect("it fits")), true),
            ("test", Content::NarrowChecksum(file.checksum()), false),
            ("other", statements(&["create table t (a int)", "select ';'"]), true),
            ("test", statements(&["-- x\ncreate table t(a int); select ';'"]), true),
            ("test", statements(&["create table t (a int)", "select ';;'"]), false),
            ("test", statements(&["create table t (a int)"]), false),
            ("", Content::Unknown, true),
        ] {
            let entry = Entry { version: 1, name: name.into(), content };
            let told = entry.as_refinery_has_it(Some(&file));
            assert_eq!(told == ("test".into(), file.checksum()), is_same, "{entry:?}");
        }
    }

    #[test]
    fn what_is_written_down() {
        let file = SqlFile::for_test("V1__test.sql", 20240102030405, RAW);
        assert_eq!(
            HistoryKind::Supabase.record_sql(&file).expect("a statement"),
            "insert into supabase_migrations.schema_migrations (version, name, statements) values \
             ('20240102030405', 'test', array['-- a title\ncreate table t (a int)', \
             'select '';''']::text[])"
        );
        for (path, told) in [("0007_a.sql", "0007"), ("V7__a.sql", "7"), ("8_a.sql", "7")] {
            assert_eq!(digits(&SqlFile::for_test(path, 7, "")), told);
        }
        let sql = HistoryKind::Refinery.record_sql(&file).expect("a statement");
        let sum = file.checksum().to_string();
        assert!(sql.starts_with("INSERT INTO public.refinery_schema_history "), "{sql}");
        assert!(sql.contains("20240102030405, 'test'") && sql.contains(&sum), "{sql}");
    }

    #[test]
    fn checksums_are_written_as_a_history_has_them() {
        let file = SqlFile::for_test("V7__test.sql", 7, RAW);
        let narrow = file.narrow_checksum().expect("it fits");
        for (content, sum) in
            [(Content::Checksum(1), file.checksum()), (Content::NarrowChecksum(1), narrow)]
        {
            let entries = vec![Entry { version: 1, name: "a".into(), content }];
            let history = History { kind: HistoryKind::Refinery, entries };
            let sql = history.record_sql(&file).expect("a statement");
            assert!(sql.ends_with(&format!("'{sum}')")), "{sql}");
        }
    }
}
