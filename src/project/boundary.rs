//! What a project may read and write: files of its repository. A link, or a path in a config, that leads
//! out of it would show a file of the machine in a report, or write one.

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// How deep below a folder its files lie, at most.
const DEPTH: usize = 3;

/// Refuses the first of these, or of what is below them, that lies outside the repository of `root`: the
/// nearest folder above it that has a `.git`, else the one we are in if that is above it, else the folder
/// itself. What is not there is nowhere.
///
/// # Errors
/// The path, and not what is in it.
pub(crate) fn refuse_outside(root: &Path, paths: &[PathBuf]) -> Result<()> {
    let Ok(root) = root.canonicalize() else { return Ok(()) };
    let repository = root.ancestors().find(|folder| folder.join(".git").exists());
    let here = env::current_dir().and_then(|folder| folder.canonicalize()).ok();
    let here = here.as_deref().filter(|here| root.starts_with(here) && here.parent().is_some());
    let boundary = repository.or(here).unwrap_or(&root);
    paths.iter().try_for_each(|path| refuse_below(boundary, path, DEPTH))
}

fn refuse_below(boundary: &Path, path: &Path, depth: usize) -> Result<()> {
    let place = Place::of(path);
    if place == Place::Unclear || place.real().is_some_and(|real| !real.starts_with(boundary)) {
        return Err(Error::new(format!("`{}` leads out of the repository", path.display()))
            .cause(format!("all that a project is made of lies in `{}`", boundary.display()))
            .help("put the file there itself, and name it by a path that stays inside"));
    }
    if place.real().is_some_and(|real| is_something_else(path, real)) {
        return Err(Error::new(format!("`{}` leads to a file of another kind", path.display()))
            .cause("a project is not made of git's own files, nor of links to files with another ending")
            .help("put the file there itself"));
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.into_iter().try_for_each(|entry| refuse_below(boundary, &entry.path(), depth))
}

/// Where a path leads.
#[derive(Debug, PartialEq)]
enum Place {
    /// There, also if it is still to be made.
    At(PathBuf),
    /// Nowhere: it can neither be read nor made.
    Nowhere,
    /// It steps up from what is not there.
    Unclear,
}

impl Place {
    fn of(path: &Path) -> Self {
        match path.canonicalize() {
            Ok(real) => Self::At(real),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Self::to_be_made(path),
            Err(_) => Self::Nowhere,
        }
    }

    /// Where a path leads that is not there: below the folders that are, or where a link says.
    fn to_be_made(path: &Path) -> Self {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        if let Ok(target) = path.read_link() {
            return Self::of(&folder.join(target));
        }
        let Some(name) = path.file_name() else { return Self::Unclear };
        match Self::of(folder) {
            Self::At(real) => Self::At(real.join(name)),
            other => other,
        }
    }

    fn real(&self) -> Option<&Path> {
        match self {
            Self::At(real) => Some(real),
            Self::Nowhere | Self::Unclear => None,
        }
    }
}

/// Whether a path leads into what git keeps for itself, or is a link to a file with another ending.
fn is_something_else(path: &Path, real: &Path) -> bool {
    let is_of_git = real.components().any(|part| part.as_os_str() == ".git");
    is_of_git || (path.is_symlink() && real.is_file() && path.extension() != real.extension())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_leads_out_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("repository/project");
        fs::create_dir_all(root.join("migrations")).expect("folders");
        fs::write(folder.path().join("secret"), "s").expect("a file");
        fs::write(root.join("migrations/V1__a.sql"), "select 1").expect("a file");
        let is_refused = |path: &str| refuse_outside(&root, &[root.join(path)]).is_err();
        assert!(!is_refused("migrations") && !is_refused("access.snap") && !is_refused("gone/x"));
        assert!(
            is_refused("../../secret") && is_refused("/etc/passwd") && is_refused("../new.snap")
        );
        let link = root.join("migrations/V2__b.sql");
        fs::write(root.join(".env"), "s").expect("a file");
        for (target, is_wrong) in [
            (folder.path().join("secret"), true),
            (root.join(".env"), true),
            (root.join("migrations/V1__a.sql"), false),
        ] {
            symlink(&target, &link).expect("a link");
            assert_eq!(is_refused("migrations"), is_wrong, "{}", target.display());
            fs::remove_file(&link).expect("it is there");
        }
        fs::create_dir(folder.path().join("elsewhere")).expect("a folder");
        symlink(folder.path().join("elsewhere"), root.join("s")).expect("a link");
        assert!(is_refused("s") && is_refused("s/new/access.snap") && is_refused("s/../x/y"));
        assert!(is_refused("gone/../../../x") && !is_refused("gone/new/x"));
        fs::remove_file(root.join("s")).expect("it is there");
        symlink(folder.path().join("elsewhere/new"), root.join("access.snap")).expect("a link");
        assert!(is_refused("access.snap"), "it would be made there");
        fs::remove_file(root.join("access.snap")).expect("it is there");
        // Inside of a repository a project may reach beside itself.
        fs::create_dir(folder.path().join("repository/.git")).expect("a folder");
        assert!(!is_refused("../new.snap") && is_refused("../../secret"));
        assert!(is_refused("../.git/hooks/new"));
    }
}
