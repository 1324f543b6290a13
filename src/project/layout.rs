//! The layouts that migration tools give a folder, told apart by what is in it, and read as plain
//! SQL: what the tool applies, in its order. What it skips is skipped here, and named.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::project::adapt::adapt;
use crate::project::dialect::Dialect;
use crate::project::files::{self, SqlFile};
use crate::project::sections;
use crate::sql::statement;

/// How many names a note lists.
const LISTED: usize = 5;

/// How a project keeps its migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `V1__name.sql`: refinery's, and ours. What is misnamed in it is refused.
    Refinery,
    /// `supabase/migrations/<digits>_name.sql`
    Supabase,
    /// `<digits>_name.sql`, as sqlx and others have it
    Numbered,
    /// `<digits>_name.up.sql` and `.down.sql`: golang-migrate, sqlx
    Pairs,
    /// `-- migrate:up` and `-- migrate:down` in one file: dbmate, and goose in its words
    Sections,
    /// `<name>/migration.sql`: Prisma
    Folders,
    /// `meta/_journal.json` and the files it names: Drizzle
    Drizzle,
    /// `supabase/schemas/*.sql`: the schema as it is to be, without migrations
    Declarative,
}

/// What is applied, what goes back, and what a reader must know of it.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub migrations: Vec<SqlFile>,
    pub rollbacks: Vec<SqlFile>,
    pub notes: Vec<String>,
}

impl Layout {
    /// The layout of a folder; none if nothing in it is known, or it cannot be read.
    pub(crate) fn of(folder: &Path) -> Option<Self> {
        let paths = files::entries(folder).ok()?;
        let names: Vec<&str> = paths.iter().filter_map(|path| name_of(path)).collect();
        let numbered = || names.iter().filter(|name| parse_numbered(name).is_some());
        if folder.join("meta/_journal.json").is_file() {
            Some(Self::Drizzle)
        } else if names.contains(&"migration_lock.toml")
            || paths.iter().any(|path| path.join("migration.sql").is_file())
        {
            Some(Self::Folders)
        } else if names.iter().any(|name| is_refinery(name)) {
            Some(Self::Refinery)
        } else if numbered().any(|name| name.ends_with(".up.sql")) {
            Some(Self::Pairs)
        } else if paths.iter().any(|path| sections::has_marker(path)) {
            Some(Self::Sections)
        } else if numbered().next().is_none() {
            None
        } else if is_in_supabase(folder) {
            Some(Self::Supabase)
        } else {
            Some(Self::Numbered)
        }
    }

    /// Whose layout it is, as notes call it; none for those that go without saying.
    pub(crate) fn title(self) -> Option<&'static str> {
        match self {
            Self::Refinery | Self::Supabase => None,
            Self::Numbered => Some("numbered files"),
            Self::Pairs => Some("files `.up.sql` and `.down.sql`"),
            Self::Sections => Some("files with a section up and a section down"),
            Self::Folders => Some("Prisma's folders"),
            Self::Drizzle => Some("Drizzle's journal"),
            Self::Declarative => Some("a declared schema, file by file"),
        }
    }
}

/// Reads the migrations of a folder; `schema_files` are those of the declarative layout.
pub(crate) fn read(folder: &Path, layout: Layout, schema_files: &[PathBuf]) -> Result<Reading> {
    if layout == Layout::Refinery {
        let migrations = files::read_migrations_so_far(folder)?;
        return Ok(Reading { migrations, ..Reading::default() });
    }
    if let Some(database) = other_database(folder, layout) {
        return Err(Error::new(format!("`{}` is for {database}", folder.display()))
            .help("leakproof checks PostgreSQL; name the folder of another project"));
    }
    let mut reader = Reader::new(folder);
    match layout {
        Layout::Folders => reader.read_folders()?,
        Layout::Drizzle => reader.read_journal()?,
        Layout::Declarative => reader.read_schemas(schema_files)?,
        _ => reader.read_files(layout)?,
    }
    reader.finish(layout)
}

/// Whether it is the folder `migrations` or `schemas` in a folder `supabase`.
pub(crate) fn is_in_supabase(folder: &Path) -> bool {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.parent().is_some_and(|parent| parent.ends_with("supabase"))
}

/// Which database the tool of a folder is set up for, where it says so and it is not PostgreSQL.
pub(crate) fn other_database(folder: &Path, layout: Layout) -> Option<String> {
    let (database, known): (Option<String>, &[&str]) = match layout {
        Layout::Folders => {
            let lock = fs::read_to_string(folder.join("migration_lock.toml")).ok()?;
            let table: toml::Table = toml::from_str(&lock).ok()?;
            let provider = table.get("provider").and_then(|value| value.as_str());
            (provider.map(str::to_owned), &["postgresql", "postgres", "cockroachdb"])
        }
        Layout::Drizzle => {
            let journal = fs::read_to_string(folder.join("meta/_journal.json")).ok()?;
            let journal: Value = serde_json::from_str(&journal).ok()?;
            let dialect = journal.get("dialect").and_then(Value::as_str);
            (dialect.map(str::to_owned), &["postgresql", "pg"])
        }
        _ => (None, &[]),
    };
    database.filter(|database| !known.contains(&database.as_str()))
}

/// One version of a layout, before it has its number.
struct Step {
    digits: String,
    name: String,
    up: Source,
    down: Option<Source>,
}

impl Step {
    fn up(&self, version: i64) -> SqlFile {
        self.up.file(version, self.name.clone())
    }

    fn down(&self, version: i64) -> Option<SqlFile> {
        self.down.as_ref().map(|source| source.file(version, self.name.clone()))
    }
}

/// A file, or a part of one, as it stands.
struct Source {
    path: PathBuf,
    raw: String,
    dialect: Dialect,
}

impl Source {
    fn read(path: &Path, dialect: Dialect) -> Result<Self> {
        Ok(Self { path: path.to_owned(), raw: files::read_raw(path)?, dialect })
    }

    fn file(&self, version: i64, name: String) -> SqlFile {
        SqlFile::new(self.path.clone(), version, name, self.dialect, self.raw.clone())
    }

    /// The sections of a file that holds both ways. An empty section down is none: it was left as the
    /// tool made it.
    fn sections(path: &Path) -> Result<(Self, Option<Self>)> {
        let up = Self::read(path, Dialect::Up)?;
        sections::refuse_without_up(path, &up.raw)?;
        let down = Self { path: up.path.clone(), raw: up.raw.clone(), dialect: Dialect::Down };
        let is_empty = statement::split(&adapt(&down.file(0, String::new())).sql).is_empty();
        Ok((up, (!is_empty).then_some(down)))
    }
}

struct Reader<'a> {
    folder: &'a Path,
    steps: Vec<Step>,
    skipped: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(folder: &'a Path) -> Self {
        let (steps, skipped, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { folder, steps, skipped, notes }
    }

    fn skip(&mut self, path: &Path) {
        self.skipped.push(name_of(path).unwrap_or("a name that is not UTF-8").to_owned());
    }

    /// Files of one folder that begin with digits.
    fn read_files(&mut self, layout: Layout) -> Result<()> {
        let mut downs: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in files::entries(self.folder)? {
            let name = name_of(&path).unwrap_or_default();
            let parsed = parse_numbered(name);
            if !name.ends_with(".sql") || path.is_dir() {
                // A folder of SQL is easily taken for a part of the migrations.
                if path.is_dir() && holds_sql(&path) {
                    self.skipped.push(format!("{name}/"));
                }
                continue;
            }
            let Some((digits, rest)) = parsed else {
                self.skip(&path);
                continue;
            };
            // The CLI's own image of the platform, from before 2021-12-09.
            let is_image = rest == "init" && digits.len() == 14 && digits < "20211209000000";
            if layout == Layout::Supabase && self.steps.is_empty() && is_image {
                self.skip(&path);
                continue;
            }
            let (digits, mut rest) = (digits.to_owned(), rest.to_owned());
            let mut down = None;
            let up = match layout {
                Layout::Pairs => {
                    if rest.ends_with(".down") {
                        downs.insert(digits, path);
                        continue;
                    }
                    match rest.strip_suffix(".up") {
                        Some(name) => rest = name.to_owned(),
                        None => self.notes.push(format!(
                            "`{}` is neither `.up.sql` nor `.down.sql`: sqlx applies it, and so \
                             does this; golang-migrate skips it",
                            path.display()
                        )),
                    }
                    Source::read(&path, Dialect::Foreign)?
                }
                Layout::Sections => {
                    let (up, back) = Source::sections(&path)?;
                    down = back;
                    up
                }
                _ => Source::read(&path, Dialect::Foreign)?,
            };
            self.steps.push(Step { digits, name: rest, up, down });
        }
        for (digits, path) in downs {
            let source = Source::read(&path, Dialect::Foreign)?;
            match self.steps.iter_mut().find(|step| step.digits == digits) {
                Some(step) => step.down = Some(source),
                None => self.skip(&path),
            }
        }
        // The others sort what they find by name.
        if matches!(layout, Layout::Numbered | Layout::Pairs) {
            self.steps.sort_by_key(|step| step.digits.parse::<i64>().unwrap_or(i64::MAX));
        }
        self.refuse_doubled()
    }

    fn read_folders(&mut self) -> Result<()> {
        for path in files::entries(self.folder)? {
            if !path.is_dir() {
                if name_of(&path).is_some_and(|name| name.ends_with(".sql")) {
                    self.skip(&path);
                }
                continue;
            }
            let name = name_of(&path).unwrap_or_default().to_owned();
            let file = path.join("migration.sql");
            if !file.exists() {
                return Err(Error::new(format!("`{}` holds no `migration.sql`", path.display()))
                    .cause("every folder beside it is a migration")
                    .help("put the file back, or remove the folder"));
            }
            let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
            let rest = name[digits.len()..].trim_start_matches('_').to_owned();
            let up = Source::read(&file, Dialect::Foreign)?;
            self.steps.push(Step { digits, name: rest, up, down: None });
        }
        Ok(())
    }

    fn read_journal(&mut self) -> Result<()> {
        let path = self.folder.join("meta/_journal.json");
        let broken = |cause: String| {
            Error::new(format!("`{}` is not a valid journal", path.display()))
                .cause(cause)
                .help("mend it, or make it anew with `drizzle-kit generate`")
        };
        let journal: Value = serde_json::from_str(&files::read_text(&path)?)
            .map_err(|cause| broken(cause.to_string()))?;
        let entries = journal.get("entries").and_then(Value::as_array);
        let entries = entries.ok_or_else(|| broken("it has no list `entries`".into()))?;
        let mut tags = Vec::new();
        let mut latest = 0;
        for entry in entries {
            let tag = entry.get("tag").and_then(Value::as_str);
            let tag = tag.ok_or_else(|| broken("an entry has no `tag`".into()))?;
            if tag.contains('/') {
                return Err(broken(format!("`{tag}` is no name of a file beside it")));
            }
            let file = self.folder.join(format!("{tag}.sql"));
            if !file.exists() {
                return Err(Error::new(format!("`{}` is missing", file.display()))
                    .cause(format!("`{}` names it", path.display()))
                    .help("put the file back, or take its entry out"));
            }
            let when = entry.get("when").and_then(Value::as_i64).unwrap_or(0);
            if when < latest {
                self.notes.push(format!(
                    "`{tag}` is dated before what comes before it in the journal: Drizzle skips it \
                     on a database that has that already"
                ));
            }
            latest = latest.max(when);
            let up = Source::read(&file, Dialect::Drizzle)?;
            let digits: String = tag.chars().take_while(char::is_ascii_digit).collect();
            let name = tag[digits.len()..].trim_start_matches('_').to_owned();
            self.steps.push(Step { digits, name, up, down: None });
            tags.push(format!("{tag}.sql"));
        }
        for path in files::entries(self.folder)? {
            let name = name_of(&path).unwrap_or_default();
            if name.ends_with(".sql") && !tags.iter().any(|tag| tag == name) {
                self.skip(&path);
            }
        }
        Ok(())
    }

    fn read_schemas(&mut self, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
            let up = Source::read(path, Dialect::Foreign)?;
            let (digits, name) = (String::new(), name.unwrap_or_default());
            self.steps.push(Step { digits, name, up, down: None });
        }
        Ok(())
    }

    fn refuse_doubled(&self) -> Result<()> {
        let mut known: BTreeMap<&str, &Step> = BTreeMap::new();
        for step in &self.steps {
            if let Some(first) = known.insert(&step.digits, step) {
                let version = step.digits.parse().unwrap_or(i64::MAX);
                return Err(files::doubled(&first.up(version), &step.up(version)));
            }
        }
        Ok(())
    }

    /// Numbers the steps, and says what was seen on the way.
    fn finish(mut self, layout: Layout) -> Result<Reading> {
        let numbers: Vec<Option<i64>> =
            self.steps.iter().map(|step| step.digits.parse().ok()).collect();
        let is_rising =
            numbers.iter().all(Option::is_some) && numbers.windows(2).all(|two| two[0] < two[1]);
        if !is_rising && layout != Layout::Declarative {
            self.notes.push(
                "the names do not rise as numbers, so that V1, V2, ... are the places in the order \
                 of the tool"
                    .into(),
            );
        }
        let mut reading = Reading::default();
        for (place, (step, number)) in (1..).zip(self.steps.iter().zip(numbers)) {
            let version = number.filter(|_| is_rising).unwrap_or(place);
            reading.rollbacks.extend(step.down(version));
            reading.migrations.push(step.up(version));
        }
        if !self.skipped.is_empty() {
            reading.notes.push(format!(
                "not applied, as the tool of `{}` skips files named so: {}",
                self.folder.display(),
                listed(&self.skipped)
            ));
        }
        reading.notes.extend(self.notes);
        Ok(reading)
    }
}

/// Reads a file of data for psql.
pub(crate) fn read_seed(path: &Path) -> Result<SqlFile> {
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned());
    Ok(Source::read(path, Dialect::Data)?.file(0, name.unwrap_or_default()))
}

/// The first few, and how many more there are.
pub(crate) fn listed(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    let shown = shown.join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// `V1__...`, or what is meant to be.
fn is_refinery(name: &str) -> bool {
    let rest = name.strip_prefix('V').unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_digit()) && rest.ends_with(".sql") && rest.contains("__")
}

/// The digits of `<digits>_<name>.sql`, and the name.
fn parse_numbered(name: &str) -> Option<(&str, &str)> {
    let stem = name.strip_suffix(".sql")?;
    let end = stem.find(|c: char| !c.is_ascii_digit()).filter(|end| *end > 0)?;
    Some((&stem[..end], stem[end..].strip_prefix('_')?))
}

fn holds_sql(folder: &Path) -> bool {
    let paths = files::entries(folder).unwrap_or_default();
    paths.iter().any(|path| path.extension().is_some_and(|ending| ending == "sql"))
}
