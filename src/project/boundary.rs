//! What a project may read and write: files of its repository. A link, or a path in a config, that leads
//! out of it would show a file of the machine in a report, or write one.

use std::env;
use std::fs;
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
    let Ok(real) = real_path(path) else { return Ok(()) };
    if !real.starts_with(boundary) {
        return Err(Error::new(format!("`{}` leads out of the repository", path.display()))
            .cause(format!("all that a project is made of lies in `{}`", boundary.display()))
            .help("put the file there itself, and name it by a path that stays inside"));
    }
    let Some(depth) = depth.checked_sub(1) else { return Ok(()) };
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.into_iter().try_for_each(|entry| refuse_below(boundary, &entry.path(), depth))
}

/// Where a path leads; of one that is still to be made, where its folder does.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    path.canonicalize().or_else(|missing| match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) => Ok(folder.canonicalize()?.join(name)),
        _ => Err(missing),
    })
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
        symlink(folder.path().join("secret"), root.join("migrations/V2__b.sql")).expect("a link");
        assert!(is_refused("migrations"));
        fs::remove_file(root.join("migrations/V2__b.sql")).expect("it is there");
        // Inside of a repository a project may reach beside itself.
        fs::create_dir(folder.path().join("repository/.git")).expect("a folder");
        assert!(!is_refused("../new.snap") && is_refused("../../secret"));
    }
}
