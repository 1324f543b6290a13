//! Finds the binaries of PostgreSQL on this machine.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io, iter};

use crate::error::{Error, Result};
use crate::server::account::Account;
use crate::server::jail::LIBRARIES;

/// A folder with `initdb` and `postgres` of one version.
pub struct Binaries {
    folder: PathBuf,
}

/// Where packages put each version into a folder of its own: a parent, the start of the folder's
/// name, and where the binaries are in it.
const PACKAGES: [(&str, &str, &str); 7] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/usr/libexec", "postgresql", ""),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
    ("/usr/local", "pgsql", "bin"),
];

/// Finds them: on PATH, where `pg_config` says, then in the folders of packages, highest first; those of a major
/// version before all others.
pub fn find_binaries(major: Option<u32>) -> Result<Binaries> {
    let folders = || {
        let first = folders_on_path().into_iter();
        let first = first.chain(iter::once_with(folder_of_pg_config).flatten());
        first.chain(iter::once_with(folders_of_packages).flatten())
    };
    let is_of = |folder: &PathBuf| major_version(&folder.join("postgres")) == major;
    let wanted = major.and_then(|_| folders().filter_map(|folder| holds_all(&folder)).find(is_of));
    match wanted {
        Some(folder) => Ok(Binaries { folder }),
        None => find_in(folders()),
    }
}

/// What a server says of itself: `postgres (PostgreSQL) 15.18 (Debian ...)`.
fn major_version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split(' ').find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The programs of that name: beside the server that would be used, then on PATH and in the folders of packages,
/// highest first; each once.
pub fn programs_named(name: &str) -> Vec<PathBuf> {
    let beside = find_binaries(None).ok().map(|binaries| binaries.folder);
    let folders = beside.into_iter().chain(folders_on_path()).chain(folders_of_packages());
    let mut found: Vec<PathBuf> = Vec::new();
    for program in folders.map(|folder| folder.join(name)).filter(|program| program.is_file()) {
        if !found.contains(&program) {
            found.push(program);
        }
    }
    found
}

/// A program in an environment that does not depend on ours.
pub fn tool(program: &Path, account: Option<&Account>) -> Command {
    command(program, account)
}

fn find_in(mut folders: impl Iterator<Item = PathBuf>) -> Result<Binaries> {
    let Some(folder) = folders.find_map(|folder| holds_all(&folder)) else {
        return Err(Error::new("could not find PostgreSQL on this machine")
            .cause("no `initdb` with a `postgres` beside it on PATH, by `pg_config --bindir`, in /usr/lib/postgresql/*/bin, Homebrew or Postgres.app")
            .help("install it (`apt install postgresql`, `brew install postgresql@17`), or put its folder on PATH"));
    };
    Ok(Binaries { folder })
}

impl Binaries {
    /// The folder, with symbolic links resolved.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What differs between two builds, without asking them, which takes as long as starting one: the
    /// folder, and the size and the time of the server in it.
    pub fn fingerprint(&self) -> io::Result<String> {
        let server = fs::metadata(self.folder.join("postgres"))?;
        let (size, seconds, nanos) = (server.size(), server.mtime(), server.mtime_nsec());
        Ok(format!("{}\n{size} {seconds} {nanos}", self.folder.display()))
    }

    /// Says so where the server in it does not run at all.
    ///
    /// # Errors
    /// Why it does not.
    pub fn try_server(&self) -> Result<()> {
        let program = self.folder.join("postgres");
        let failed = |cause: String| {
            Error::new(format!("could not run `{} --version`", program.display()))
                .cause(cause)
                .help("mend that installation, or put the folder of another one first on PATH")
        };
        let output = Command::new(&program).arg("--version").output();
        let output = output.map_err(|cause| failed(cause.to_string()))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        }
    }

    /// A command of this folder, in an environment that does not depend on ours. Not in our working
    /// directory, which the account may not enter.
    pub fn command(&self, program: &str, account: Option<&Account>) -> Command {
        command(&self.folder.join(program), account)
    }

    /// A shell in the same environment.
    pub fn shell(&self, account: Option<&Account>) -> Command {
        command(Path::new("/bin/sh"), account)
    }
}

fn command(program: &Path, account: Option<&Account>) -> Command {
    let mut command = Command::new(program);
    // Ours may hold secrets, and settings of other servers. Some libraries are found by it alone.
    command.env_clear().envs(env::vars_os().filter(|(name, _)| name == LIBRARIES));
    command.env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
    command.current_dir("/").process_group(0);
    if let Some(account) = account {
        command.uid(account.uid).gid(account.gid);
    }
    command
}

fn folders_on_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

fn folder_of_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn folders_of_packages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix, below) in PACKAGES {
        for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
            if let Some(version) = entry.file_name().to_string_lossy().strip_prefix(prefix) {
                let number = version.trim_start_matches(['@', '-']).parse::<f64>().unwrap_or(0.0);
                found.push((number, entry.path().join(below)));
            }
        }
    }
    found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    found.into_iter().map(|(_, folder)| folder).collect()
}

/// The true folder, since a `bin` on PATH may hold only links to some of the binaries.
fn holds_all(folder: &Path) -> Option<PathBuf> {
    let true_folder = folder.join("initdb").canonicalize().ok()?.parent()?.to_owned();
    [&true_folder, folder]
        .into_iter()
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_looked_for_is_told() {
        let error = find_in(iter::empty()).err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some(
                "could not find PostgreSQL on this machine\n  \
                 cause: no `initdb` with a `postgres` beside it on PATH, by `pg_config --bindir`, in \
                 /usr/lib/postgresql/*/bin, Homebrew or Postgres.app\n  \
                 help: install it (`apt install postgresql`, `brew install postgresql@17`), or put \
                 its folder on PATH"
            )
        );
    }
}
