//! Data directories: initialised once per build of Postgres, kept in the cache, copied for each
//! server. The cache only saves time: whatever is wrong with it, `initdb` is run instead.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use std::{env, io, thread};

use postgres::Client;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::server::account::Account;
use crate::server::binaries::Binaries;
use crate::server::preparation::{Preparation, State};
use crate::server::watcher::Watcher;

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

/// What is older is removed when something is added: it is of a build or a leakproof of before, or is
/// made anew in half a second.
const OUTDATED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where a data directory comes from.
pub struct DataSource<'a> {
    pub binaries: &'a Binaries,
    /// What is to be in its first database.
    pub preparation: Option<&'a Preparation>,
}

impl DataSource<'_> {
    /// Makes a fresh data directory at `data`, owned by `account`: copied from the cache, or by initdb.
    pub fn make_data(
        &self,
        account: Option<&Account>,
        watcher: &Watcher,
        data: &Path,
    ) -> Result<()> {
        let cached = self.find_cached();
        if let Some(cached) = &cached {
            if copy_cached(cached, account, data).is_ok() {
                return Ok(());
            }
            // What cannot be copied whole is broken, if it is there.
            self.forget_cached();
            let _ = fs::remove_dir_all(data);
        }
        init_data(self.binaries, account, watcher, data)?;
        if let Some(preparation) = self.preparation {
            // If it fails, it is seen by its mark, and whoever needs it does it by himself.
            let _ = preparation.run(self.binaries, account, watcher, data);
        }
        if let Some(cached) = &cached {
            // An unwritable cache only costs the next start half a second.
            let _ = store_cached(data, cached);
        }
        Ok(())
    }

    /// Forgets the cached data directory, because a server could not be started from it.
    pub fn forget_cached(&self) {
        if let Some(cached) = self.find_cached() {
            let _ = fs::remove_dir_all(cached);
        }
    }

    /// How far the first database of a server with such data is prepared.
    pub fn state(&self, admin: &mut Client) -> State {
        let state = self.preparation.map(|preparation| preparation.state(admin));
        state.and_then(Result::ok).unwrap_or(State::NotDone)
    }

    /// Each build has its own: two of one version may differ in their collations.
    fn find_cached(&self) -> Option<PathBuf> {
        let build = self.binaries.fingerprint().ok()?;
        let prepared = self.preparation.map(Preparation::key).unwrap_or_default();
        let text = format!("{build}\n{INITDB_OPTIONS:?}\n{prepared}");
        let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
        Some(
            cache_folder(env::var_os("XDG_CACHE_HOME"), env::home_dir())?
                .join("leakproof")
                .join(name),
        )
    }
}

/// The user's folder for what can be made again, as their system has it.
fn cache_folder(named: Option<OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    let home = home.filter(|home| home.is_absolute());
    if cfg!(target_os = "macos") {
        return home.map(|home| home.join("Library/Caches"));
    }
    let named = named.map(PathBuf::from).filter(|folder| folder.is_absolute());
    named.or_else(|| home.map(|home| home.join(".cache")))
}

fn init_data(
    binaries: &Binaries,
    account: Option<&Account>,
    watcher: &Watcher,
    data: &Path,
) -> Result<()> {
    binaries.try_server()?;
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
    remove_old(folder)?;
    let beside = tempfile::Builder::new().prefix(".beside-").tempdir_in(folder)?;
    let copied = copy_folder(data, &beside.path().join("data"), None)?;
    fs::write(beside.path().join(COMPLETE), copied.to_string())?;
    if cached.exists() && fs::read(cached.join(COMPLETE)).is_err() {
        fs::remove_dir_all(cached)?;
    }
    fs::rename(beside.path(), cached)
}

fn remove_old(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let is_beside = entry.file_name().to_string_lossy().starts_with(".beside-");
        let modified = entry.metadata()?.modified()?;
        let oldest = if is_beside { ABANDONED } else { OUTDATED };
        if modified.elapsed().is_ok_and(|age| age > oldest) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// More than this and they wait for each other.
const MOST_HANDS: usize = 4;

/// How much was copied.
struct Copied {
    files: u64,
    bytes: u64,
}

impl std::fmt::Display for Copied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.files, self.bytes)
    }
}

/// Several hands copy it, since most of it is waiting for the kernel, file by file.
fn copy_folder(from: &Path, to: &Path, account: Option<&Account>) -> io::Result<Copied> {
    let give_away = &|path: &Path| match account {
        Some(account) => chown(path, Some(account.uid), Some(account.gid)),
        None => Ok(()),
    };
    let mut files = Vec::new();
    make_folders(from, to, give_away, &mut files)?;
    let copy = |files: &[(PathBuf, PathBuf)]| -> io::Result<u64> {
        let mut bytes = 0;
        for (from, to) in files {
            bytes += fs::copy(from, to)?;
            give_away(to)?;
        }
        Ok(bytes)
    };
    let hands = thread::available_parallelism().map_or(1, usize::from).min(MOST_HANDS);
    let bytes = thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(hands).max(1));
        let parts: Vec<_> = parts.map(|part| scope.spawn(move || copy(part))).collect();
        let done = parts.into_iter().map(|part| part.join().unwrap_or_else(|p| resume_unwind(p)));
        done.sum::<io::Result<u64>>()
    })?;
    Ok(Copied { files: files.len() as u64, bytes })
}

/// Makes `to` with all folders below it, and adds the files that are to be copied into them.
fn make_folders(
    from: &Path,
    to: &Path,
    give_away: &dyn Fn(&Path) -> io::Result<()>,
    files: &mut Vec<(PathBuf, PathBuf)>,
) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    give_away(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            make_folders(&entry.path(), &target, give_away, files)?;
        } else {
            files.push((entry.path(), target));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(target_os = "macos"))]
    fn the_cache_is_where_others_have_theirs() {
        for (named, home, folder) in [
            (None, Some("/home/me"), Some("/home/me/.cache")),
            (Some("/cache"), Some("/home/me"), Some("/cache")),
            (Some("/cache"), None, Some("/cache")),
            (Some("cache"), Some("/home/me"), Some("/home/me/.cache")),
            (Some(""), Some(""), None),
            (None, None, None),
        ] {
            let found = cache_folder(named.map(OsString::from), home.map(PathBuf::from));
            assert_eq!(found, folder.map(PathBuf::from));
        }
    }
}
