//! Reads a project folder into a [`Project`] value and accounts for every file in it.
//!
//! Touches the file system, never a database. What is misnamed, doubled or unreadable is refused
//! here, with the file named, so that nothing further on can skip a migration in silence.

pub(crate) mod adapt;
pub(crate) mod boundary;
pub(crate) mod calls;
pub(crate) mod checksum;
pub(crate) mod config;
pub(crate) mod csv;
pub(crate) mod dialect;
pub(crate) mod discover;
pub(crate) mod dump;
pub(crate) mod files;
pub(crate) mod fixture;
pub(crate) mod glob;
pub(crate) mod guard;
pub(crate) mod identity;
pub(crate) mod layout;
pub(crate) mod next;
pub(crate) mod odd_names;
pub(crate) mod outside;
pub(crate) mod platform_kind;
pub(crate) mod preserve_file;
pub(crate) mod sections;
pub(crate) mod revision;
mod supabase_config;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use crate::discretion::Discretion;
use crate::error::{Error, Result};
use crate::project::adapt::notes_on_left_out;
use crate::project::boundary::refuse_outside;
use crate::project::dialect::Dialect;
use crate::project::dump::is_dump;
use crate::project::fixture::read_fixtures;
use crate::project::identity::{Asking, Identity};
use crate::project::platform_kind::PlatformChoice;
use crate::project::supabase_config::SupabaseConfig;

pub use crate::project::calls::{Caller, RecordedCall};
pub use crate::project::config::{
    ActorConfig, Config, Grants, IdentityConfig, MembersConfig, OwnerConfig, PlatformKind,
    TenancyConfig, Waiver,
};
pub use crate::project::files::{Naming, SqlFile};
pub use crate::project::fixture::{CsvFile, Fixture, Rows};
pub use crate::project::layout::Layout;
pub use crate::project::next::NextMigration;
pub use crate::project::preserve_file::PreservePair;

/// A folder with migrations and what belongs to them, read and accounted for.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    name: String,
    config: Config,
    layout: Layout,
    migrations: Vec<SqlFile>,
    fixtures: BTreeMap<i64, Vec<Fixture>>,
    /// Whether values of real data are shown.
    shows_values: bool,
    rollbacks: BTreeMap<i64, SqlFile>,
    preserve: BTreeMap<i64, Vec<PreservePair>>,
    calls: Vec<RecordedCall>,
    seeds: Vec<Seed>,
    supabase: SupabaseConfig,
    platform: PlatformChoice,
    /// Who asks on the plain platform: stated, or found out once.
    asking: OnceLock<Asking>,
    notes: Vec<String>,
}

/// A file of data that is loaded after the last migration.
#[derive(Debug)]
pub struct Seed {
    file: SqlFile,
    /// What comes after [`files::ROWS_OF_WORLD`].
    rows_of_world: Option<SqlFile>,
    is_own: bool,
}

impl Seed {
    /// The file.
    pub fn file(&self) -> &SqlFile {
        &self.file
    }

    /// Whether it was written for leakproof, so that it has to load: `seed.sql` beside
    /// `leakproof.toml` and migrations of our own layout. Others are made for somebody's local
    /// application.
    pub fn is_own(&self) -> bool {
        self.is_own
    }
}

impl Project {
    /// Reads the project in `path`: a folder of one's own, one above it where it is the only one, or
    /// the folder of its migrations.
    ///
    /// # Errors
    /// No migrations, or more than one folder of them. A folder or file that cannot be read, two
    /// files of one version, a file that is not UTF-8, a config with unknown keys, a fixture,
    /// preserve, api or rollback file of a version that no migration has, or of another form. In
    /// refinery's layout, and beside any migrations, a file whose name is not that of a migration.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let found = discover::find(path.as_ref())?;
        let supabase_folder = found.supabase();
        refuse_outside(&found.root, &found.paths())?;
        let supabase = match &supabase_folder {
            Some(folder) => SupabaseConfig::read(folder)?,
            None => SupabaseConfig::default(),
        };
        let declared = match (&supabase_folder, found.layout) {
            (Some(folder), Layout::Declarative) => discover::declared_files(folder)?,
            _ => Vec::new(),
        };
        let named = supabase.seeds.iter().chain(&supabase.schema_files);
        refuse_outside(&found.root, &named.cloned().collect::<Vec<_>>())?;
        let discover::Found { root, config, folder, layout, mut notes } = found;
        let reading = layout::read(&folder, layout, &declared)?;
        let migrations = reading.migrations;
        if migrations.is_empty() {
            return Err(files::holds_none(&folder));
        }
        if let Some(title) = layout.title() {
            notes.push(format!("`{}` is read as {title}", folder.display()));
        }
        notes.extend(reading.notes);
        // Elsewhere a folder of that name may be something else.
        let is_ours = layout == Layout::Refinery || root.join("leakproof.toml").is_file();
        let beside =
            |kind: &str| read_beside_as(&root, kind, is_ours, &migrations, files::read_beside);
        let mut fixtures: BTreeMap<i64, Vec<Fixture>> = BTreeMap::new();
        for fixture in read_beside_as(&root, "fixtures", is_ours, &migrations, read_fixtures)? {
            fixtures.entry(fixture.file().version()).or_default().push(fixture);
        }
        let mut rollbacks = reading.rollbacks;
        rollbacks.extend(beside("rollback")?);
        let rollbacks = one_per_version(rollbacks)?;
        let mut preserve: BTreeMap<i64, Vec<PreservePair>> = BTreeMap::new();
        for file in beside("preserve")? {
            preserve.entry(file.version()).or_default().extend(preserve_file::parse(&file)?);
        }
        let versions: Vec<i64> = migrations.iter().map(SqlFile::version).collect();
        let mut calls = Vec::new();
        for file in beside("api")? {
            calls.extend(calls::parse(&file, &versions)?);
        }
        let seeds = read_seeds(&root, layout, &supabase, &mut notes)?;
        let name = match &config.project.name {
            Some(name) => name.clone(),
            None => folder_name(&root),
        };
        let files = migrations.iter().chain(fixtures.values().flatten().map(Fixture::file));
        let files = files.chain(seeds.iter().map(Seed::file));
        let platform = platform_kind::choose(&config, &root, supabase_folder.is_some(), files);
        refuse_identity(&root, &config, &platform)?;
        let stated = config.identity.as_ref().and_then(Identity::stated);
        let asking = stated.map(Asking::stated).map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self {
            root,
            name,
            config,
            layout,
            migrations,
            fixtures,
            shows_values: false,
            rollbacks,
            preserve,
            calls,
            seeds,
            supabase,
            platform,
            asking,
            notes,
        })
    }

    /// The name in the config, else that of the folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder as it was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whose files its migrations are.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// What `leakproof.toml` says, or the defaults.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is wrong with `leakproof.toml`, where that shows only later.
    pub(crate) fn config_error(&self) -> Error {
        wrong_config(&self.root)
    }

    /// What the database has before the first migration.
    pub(crate) fn platform(&self) -> &PlatformChoice {
        &self.platform
    }

    /// Who asks on the plain platform, as far as that is known by now.
    pub(crate) fn asking(&self) -> Option<&Asking> {
        self.asking.get()
    }

    /// Who asks on the plain platform, where that is known.
    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.asking.get().map(|asking| &asking.identity)
    }

    /// Whether it is still to be found out who asks.
    pub(crate) fn is_to_be_identified(&self) -> bool {
        self.platform.kind == PlatformKind::Plain && self.asking.get().is_none()
    }

    /// Keeps what was found out of who asks; what is known already stays.
    pub(crate) fn identify(&self, asking: Asking) {
        let _ = self.asking.set(asking);
    }

    /// The schemas that the API exposes: what `leakproof.toml` says, else what Supabase's config
    /// says, else `public`.
    pub(crate) fn schemas(&self) -> Vec<String> {
        let named = self.config.project.schemas.as_ref().or(self.supabase.schemas.as_ref());
        named.cloned().unwrap_or_else(|| vec!["public".into()])
    }

    /// Whether `leakproof.toml` names them, so that each has to be there.
    pub(crate) fn names_schemas(&self) -> bool {
        self.config.project.schemas.is_some()
    }

    /// The default privileges that the config states, or else `supabase/config.toml`; none where neither
    /// does.
    pub(crate) fn grants(&self) -> Option<Grants> {
        let exposed = |is_exposed| if is_exposed { Grants::Legacy } else { Grants::Explicit2026 };
        self.config.project.grants.or(self.supabase.exposes_new_tables.map(exposed))
    }

    /// The major version of PostgreSQL that Supabase's config says the project has.
    pub(crate) fn major_version(&self) -> Option<u32> {
        self.supabase.major_version
    }

    /// What a reader of the report must know of how the project was read.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The files of data to load after the last migration, in order.
    pub fn seeds(&self) -> &[Seed] {
        &self.seeds
    }

    /// The rows of the world's own people that somebody wrote, where leakproof could make none.
    pub fn rows_of_world(&self) -> impl Iterator<Item = &SqlFile> {
        self.seeds.iter().filter_map(|seed| seed.rows_of_world.as_ref())
    }

    /// The migrations in the order of their versions.
    pub fn migrations(&self) -> &[SqlFile] {
        &self.migrations
    }

    /// All files that change the database: migrations, fixtures, seeds and rollbacks.
    pub(crate) fn all_files(&self) -> impl Iterator<Item = &SqlFile> {
        let seeds = self.seeds.iter().map(Seed::file);
        let fixtures = self.fixtures.values().flatten().map(Fixture::file);
        let beside = fixtures.chain(self.rollbacks.values());
        self.migrations.iter().chain(beside).chain(seeds)
    }

    /// The data to load right after a version, in order.
    pub fn fixtures(&self, version: i64) -> &[Fixture] {
        self.fixtures.get(&version).map_or(&[], Vec::as_slice)
    }

    /// The same project, of whose rows the values are shown, too, where they come from a dump.
    #[must_use]
    pub fn show_values(self) -> Self {
        Self { shows_values: true, ..self }
    }

    /// How rows may be told of: those that come from a database are somebody's.
    pub(crate) fn discretion(&self) -> Discretion {
        match self.shows_values || self.real_data().is_empty() {
            true => Discretion::Open,
            false => Discretion::Keys,
        }
    }

    /// The fixtures and seeds whose rows come from a database.
    pub(crate) fn real_data(&self) -> Vec<&Path> {
        let fixtures = self.fixtures.values().flatten();
        let fixtures = fixtures.filter(|one| one.is_of_real_data()).map(|one| one.file().path());
        let is_dump = |seed: &&Seed| is_dump(seed.file.raw().as_bytes());
        let seeds = self.seeds.iter().filter(is_dump).map(|seed| seed.file.path());
        fixtures.chain(seeds).collect()
    }

    /// What was left out of files of other tools, where they are applied to a throwaway database.
    pub(crate) fn notes_on_left_out(&self) -> Vec<String> {
        let rollbacks = self.migrations.iter().filter_map(|file| self.rollback(file.version()));
        let mut notes = notes_on_left_out(self.migrations.iter().chain(rollbacks));
        for seed in &self.seeds {
            notes.extend(notes_on_left_out([&seed.file].into_iter()));
        }
        notes
    }

    /// The way back from a version to the one before it, if there is one.
    pub fn rollback(&self, version: i64) -> Option<&SqlFile> {
        self.rollbacks.get(&version)
    }

    /// The before/after pairs of a version.
    pub fn preserve(&self, version: i64) -> &[PreservePair] {
        self.preserve.get(&version).map_or(&[], Vec::as_slice)
    }

    /// The recorded calls whose answers the migration to a version must leave as they are.
    pub fn calls(&self, version: i64) -> Vec<&RecordedCall> {
        self.calls.iter().filter(|call| call.is_compared_across(version)).collect()
    }

    /// The recorded calls that are compared across no migration, since none comes after them yet.
    pub fn calls_ahead(&self) -> usize {
        let last = self.migrations.last().map_or(0, SqlFile::version);
        self.calls.iter().filter(|call| call.version() >= last).count()
    }

    /// Where the accepted matrix is, as configured, else `access.snap` in the project folder.
    pub fn accepted_path(&self) -> PathBuf {
        without_detours(&self.root.join(self.accepted_in_project()))
    }

    /// The same, seen from the project folder.
    pub(crate) fn accepted_in_project(&self) -> PathBuf {
        self.config.project.accepted.clone().unwrap_or_else(|| "access.snap".into())
    }
}

/// Says so where `[identity]` is given and the rest is Supabase's.
fn refuse_identity(root: &Path, config: &Config, platform: &PlatformChoice) -> Result<()> {
    let Some(why) = platform.why.as_ref().filter(|_| config.identity.is_some()) else {
        return Ok(());
    };
    if platform.kind == PlatformKind::Plain {
        return Ok(());
    }
    Err(wrong_config(root).cause(format!("`[identity]` is for platform `plain`, and {why}")).help(
        "on Supabase remove `[identity]`: the token says who is asking; else write \
             `platform = \"plain\"` under `[project]`",
    ))
}

fn wrong_config(root: &Path) -> Error {
    Error::new(format!("`{}` is not a valid config", root.join("leakproof.toml").display()))
}

fn folder_name(root: &Path) -> String {
    let whole = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    whole.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned())
}

/// `a/b/../c` as `a/c`, for people to read.
fn without_detours(path: &Path) -> PathBuf {
    let mut short = PathBuf::new();
    for component in path.components() {
        let ends_in_name = matches!(short.components().next_back(), Some(Component::Normal(_)));
        // Behind a symbolic link, `..` is another folder than it looks.
        if component == Component::ParentDir && ends_in_name && !short.is_symlink() {
            short.pop();
        } else {
            short.push(component);
        }
    }
    short
}

/// The files of Supabase's config, and `seed.sql` in the project folder.
fn read_seeds(
    root: &Path,
    layout: Layout,
    supabase: &SupabaseConfig,
    notes: &mut Vec<String>,
) -> Result<Vec<Seed>> {
    let own = root.join("seed.sql");
    let has_config = root.join("leakproof.toml").is_file();
    let is_own = has_config && layout == Layout::Refinery;
    let mut paths: Vec<(PathBuf, bool)> =
        supabase.seeds.iter().map(|path| (path.clone(), false)).collect();
    // Rows of the world are nobody else's.
    let is_for_us = || fs::read_to_string(&own).is_ok_and(|text| files::has_rows_of_world(&text));
    if own.is_file() && (has_config || paths.is_empty() || is_for_us()) {
        paths.push((own, is_own));
    }
    for pattern in &supabase.missing_seeds {
        notes.push(format!("no file fits `{pattern}` under `sql_paths` in `supabase/config.toml`"));
    }
    let mut seeds = Vec::new();
    for (path, is_own) in paths {
        match layout::read_seed(&path) {
            Ok(file) => {
                let has_rows = files::has_rows_of_world(file.raw());
                let rows_of_world = has_rows.then(|| file.part(Dialect::RowsOfWorld));
                seeds.push(Seed { file, rows_of_world, is_own });
            }
            Err(error) if is_own => return Err(error),
            Err(error) => notes.push(format!("{} (no data of it is loaded)", error.fact())),
        }
    }
    Ok(seeds)
}

/// Reads a folder beside the migrations; of another layout only where it has a version that there is.
fn read_beside_as<T>(
    root: &Path,
    kind: &str,
    is_ours: bool,
    migrations: &[SqlFile],
    read: fn(&Path, &[SqlFile]) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let folder = root.join(kind);
    match is_ours || files::has_version_of(&folder, migrations) {
        true => read(&folder, migrations),
        false => Ok(Vec::new()),
    }
}

fn one_per_version(files: Vec<SqlFile>) -> Result<BTreeMap<i64, SqlFile>> {
    let mut by_version: BTreeMap<i64, SqlFile> = BTreeMap::new();
    for file in files {
        if let Some(first) = by_version.get(&file.version()) {
            return Err(files::doubled(first, &file));
        }
        by_version.insert(file.version(), file);
    }
    Ok(by_version)
}
