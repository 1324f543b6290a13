//! Reads a project folder into a [`Project`] value and accounts for every file in it.
//!
//! Touches the file system, never a database. What is misnamed, doubled or unreadable is refused
//! here, with the file named, so that nothing further on can skip a migration in silence.

mod calls;
mod config;
mod files;
mod next;
mod preserve_file;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

pub use calls::{Caller, RecordedCall};
pub use config::{
    ActorConfig, Config, Grants, Identity, MembersConfig, OwnerConfig, PlatformKind, TenancyConfig,
    Waiver,
};
pub use files::{Naming, SqlFile};
pub use next::NextMigration;
pub use preserve_file::PreservePair;

use crate::error::{Error, Result};

/// A folder with migrations and what belongs to them, read and accounted for.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    name: String,
    config: Config,
    migrations: Vec<SqlFile>,
    fixtures: BTreeMap<i64, SqlFile>,
    rollbacks: BTreeMap<i64, SqlFile>,
    preserve: BTreeMap<i64, Vec<PreservePair>>,
    calls: Vec<RecordedCall>,
}

impl Project {
    /// Reads the project in `root`.
    ///
    /// # Errors
    /// A folder or file that cannot be read, a file whose name is not that of a migration, two
    /// files of one version, a file that is not UTF-8, a config with unknown keys, a fixture,
    /// preserve, api or rollback file of a version that no migration has, or of another form.
    pub fn read(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let no_folder = || {
            Error::new(format!("project `{}` is not a folder", root.display()))
                .help("name the folder that holds `migrations/`, or `supabase/migrations/`")
        };
        if !fs::metadata(root).map_err(|cause| no_folder().cause(cause))?.is_dir() {
            return Err(no_folder().cause("it is a file"));
        }
        let config = Config::read(&root.join("leakproof.toml"))?;
        let folder = migrations_folder(root, &config)?;
        let migrations = files::read_migrations(&folder)?;
        let beside = |kind: &str| files::read_beside(&root.join(kind), &migrations);
        let fixtures = one_per_version(beside("fixtures")?)?;
        let rollbacks = one_per_version(beside("rollback")?)?;
        let mut preserve: BTreeMap<i64, Vec<PreservePair>> = BTreeMap::new();
        for file in beside("preserve")? {
            preserve.entry(file.version()).or_default().extend(preserve_file::parse(&file)?);
        }
        let versions: Vec<i64> = migrations.iter().map(SqlFile::version).collect();
        let mut calls = Vec::new();
        for file in beside("api")? {
            calls.extend(calls::parse(&file, &versions)?);
        }
        let name = match &config.project.name {
            Some(name) => name.clone(),
            None => folder_name(root),
        };
        let root = root.to_owned();
        Ok(Self { root, name, config, migrations, fixtures, rollbacks, preserve, calls })
    }

    /// The name in the config, else that of the folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder as it was given.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What `leakproof.toml` says, or the defaults.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The schemas that the API exposes; `public` unless the config says otherwise.
    pub(crate) fn schemas(&self) -> Vec<String> {
        self.config.project.schemas.clone().unwrap_or_else(|| vec!["public".into()])
    }

    /// The migrations in the order of their versions.
    pub fn migrations(&self) -> &[SqlFile] {
        &self.migrations
    }

    /// The data to load right after a version, if there is any.
    pub fn fixture(&self, version: i64) -> Option<&SqlFile> {
        self.fixtures.get(&version)
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
        match &self.config.project.accepted {
            Some(path) => without_detours(&self.root.join(path)),
            None => self.root.join("access.snap"),
        }
    }
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

fn migrations_folder(root: &Path, config: &Config) -> Result<PathBuf> {
    let candidates = match &config.project.migrations {
        Some(configured) => vec![root.join(configured)],
        None => vec![root.join("migrations"), root.join("supabase/migrations")],
    };
    // One that is there and cannot be read is told as such when it is read.
    let is_missing = |folder: &Path| {
        fs::metadata(folder).is_err_and(|cause| cause.kind() == ErrorKind::NotFound)
    };
    candidates.iter().find(|folder| !is_missing(folder)).cloned().ok_or_else(|| {
        let tried: Vec<_> =
            candidates.iter().map(|folder| format!("`{}`", folder.display())).collect();
        Error::new(format!("project `{}` has no migrations", root.display()))
            .cause(format!("there is no folder {}", tried.join(" or ")))
            .help("make it, or name yours as `migrations` under `[project]` in `leakproof.toml`")
    })
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
