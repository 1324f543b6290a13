//! Data directories: initialised once per version of Postgres, kept in the cache, copied for each
//! server. The cache only saves time: whatever is wrong with it, `initdb` is run instead.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use uuid::Uuid;

use super::account::Account;
use super::binaries::Binaries;
use super::watcher::Watcher;
use crate::error::{Error, Result};

/// What decides how a fresh data directory looks. Small WAL segments, since each copy has one.
const INITDB_OPTIONS: [&str; 6] = [
    "--username=leakproof",
    "--auth=trust",
    "--encoding=UTF8",
    "--locale=C",
    "--wal-segsize=1",
    "--no-sync",
];

/// A file beside the cached data that says how much of it there must be: `<files> <bytes>`.
const COMPLETE: &str = "complete";

/// What killed processes left half-written in the cache is removed after this time.
const ABANDONED: Duration = Duration::from_secs(600);

/// Makes a fresh data directory at `data`, owned by `account`: copied from the cache, or by initdb.
pub fn make_data(
    binaries: &Binaries,
    account: Option<&Account>,
    watcher: &Watcher,
    data: &Path,
) -> Result<()> {
    let cached = find_cached(binaries);
    if let Some(cached) = &cached {
        if copy_cached(cached, account, data).is_ok() {
            return Ok(());
        }
        let _ = fs::remove_dir_all(data);
    }
    init_data(binaries, account, watcher, data)?;
    if let Some(cached) = &cached {
        // An unwritable cache only costs the next start half a second.
        let _ = store_cached(data, cached);
    }
    Ok(())
}

/// Forgets the cached data directory, because a server could not be started from it.
pub fn forget_cached(binaries: &Binaries) {
    if let Some(cached) = find_cached(binaries) {
        let _ = fs::remove_dir_all(cached);
    }
}

/// The folder is part of the name: two builds of one version may differ in their collations.
fn find_cached(binaries: &Binaries) -> Option<PathBuf> {
    let text =
        format!("{}\n{}\n{INITDB_OPTIONS:?}", binaries.version(), binaries.folder().display());
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
    Some(dirs::cache_dir()?.join("leakproof").join(name))
}

fn init_data(
    binaries: &Binaries,
    account: Option<&Account>,
    watcher: &Watcher,
    data: &Path,
) -> Result<()> {
    let mut initdb = binaries.command("initdb", account);
    initdb.args(INITDB_OPTIONS).arg("--pgdata").arg(data);
    let failed = Error::new(format!("`{}` failed", initdb.get_program().display()))
        .help("mend that installation, or put the folder of another one first on PATH");
    // When we are killed it runs to its end, which needs a place for what it says, and its folder:
    // without either it would leave shared memory behind.
    let log = watcher.folder().join("initdb.log");
    let mut run = || {
        initdb.stdin(watcher.share_pipe()?).stdout(Stdio::null()).stderr(File::create(&log)?);
        initdb.status()
    };
    match run() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => {
            let said = fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            Err(failed.cause(if said.is_empty() { status.to_string() } else { said }))
        }
        Err(cause) => Err(failed.cause(cause)),
    }
}

/// Fails if there is nothing cached, or not all of what there was when it was stored.
fn copy_cached(cached: &Path, account: Option<&Account>, data: &Path) -> io::Result<()> {
    let complete = fs::read_to_string(cached.join(COMPLETE))?;
    let copied = copy_folder(&cached.join("data"), data, account)?;
    if copied.to_string() == complete { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Written beside, then renamed: two processes at once are fine, the first one wins.
fn store_cached(data: &Path, cached: &Path) -> io::Result<()> {
    let folder = cached.parent().ok_or(io::ErrorKind::NotFound)?;
    fs::create_dir_all(folder)?;
    remove_abandoned(folder)?;
    let beside = tempfile::Builder::new().prefix(".beside-").tempdir_in(folder)?;
    let copied = copy_folder(data, &beside.path().join("data"), None)?;
    fs::write(beside.path().join(COMPLETE), copied.to_string())?;
    if cached.exists() && fs::read(cached.join(COMPLETE)).is_err() {
        fs::remove_dir_all(cached)?;
    }
    fs::rename(beside.path(), cached)
}

fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_beside = entry.file_name().to_string_lossy().starts_with(".beside-");
        let modified = entry.metadata()?.modified()?;
        if is_beside && modified.elapsed().is_ok_and(|age| age > ABANDONED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// How much was copied.
#[derive(Default)]
struct Copied {
    files: u64,
    bytes: u64,
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.files, self.bytes)
    }
}

fn copy_folder(from: &Path, to: &Path, account: Option<&Account>) -> io::Result<Copied> {
    let give_away = |path: &Path| match account {
        Some(account) => chown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    };
    DirBuilder::new().mode(0o700).create(to)?;
    give_away(to)?;
    let mut copied = Copied::default();
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            let below = copy_folder(&entry.path(), &target, account)?;
            copied.files += below.files;
            copied.bytes += below.bytes;
        } else {
            copied.bytes += fs::copy(entry.path(), &target)?;
            copied.files += 1;
            give_away(&target)?;
        }
    }
    Ok(copied)
}
