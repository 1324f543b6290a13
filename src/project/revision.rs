//! A project as it was at another commit, read through the program `git`: files by their paths in the
//! project. Only what neither runs a hook nor a filter is asked of it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::words::printable;

/// A commit of the repository that a folder is in.
#[derive(Debug)]
pub(crate) struct Revision {
    root: PathBuf,
    /// As it was named.
    name: String,
    commit: String,
}

impl Revision {
    /// The commit that somebody calls `name`.
    ///
    /// # Errors
    /// No git, no repository, or no such commit.
    pub(crate) fn find(root: &Path, name: &str) -> Result<Self> {
        let named = format!("{name}^{{commit}}");
        let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &named];
        let mut revision =
            Self { root: root.to_owned(), name: name.to_owned(), commit: String::new() };
        let found = revision.ask(&arguments)?.ok_or_else(|| {
            Error::new(format!("there is no commit `{}`", printable(name))).help(
                "fetch it first, such as by `git fetch origin main`; in a workflow check out with \
                 `fetch-depth: 0`",
            )
        })?;
        revision.commit = String::from_utf8_lossy(&found).trim().to_owned();
        Ok(revision)
    }

    /// As it was named.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a file had in it; none if there was none.
    ///
    /// # Errors
    /// No git.
    pub(crate) fn text(&self, path: &Path) -> Result<Option<String>> {
        // With a point in front it is relative to the folder, and not to the repository.
        let object = format!("{}:./{}", self.commit, path.display());
        let blob = self.ask(&["cat-file", "blob", &object])?;
        Ok(blob.map(|bytes| String::from_utf8_lossy(&bytes).replace("\r\n", "\n")))
    }

    /// The files below a folder, or the file of that name.
    ///
    /// # Errors
    /// No git.
    pub(crate) fn files(&self, path: &Path) -> Result<Vec<PathBuf>> {
        let path = path.display().to_string();
        let arguments = ["ls-tree", "-r", "-z", "--name-only", &self.commit, "--", &path];
        let listed = self.ask(&arguments)?.unwrap_or_default();
        let listed = String::from_utf8_lossy(&listed).into_owned();
        Ok(listed.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
    }

    /// What git answers; none where it says no.
    fn ask(&self, arguments: &[&str]) -> Result<Option<Vec<u8>>> {
        let mut git = Command::new("git");
        git.args(["-c", "core.fsmonitor=false"]).args(arguments).current_dir(&self.root);
        git.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).stderr(Stdio::null());
        match git.output() {
            Ok(output) => Ok(output.status.success().then_some(output.stdout)),
            Err(cause) => {
                let error = Error::new("cannot read another commit").help("install git");
                Err(match cause.kind() {
                    ErrorKind::NotFound => error.cause("there is no program `git` on PATH"),
                    _ => error.cause(format!("`git`: {cause}")),
                })
            }
        }
    }
}
