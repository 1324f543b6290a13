//! What the tests share: copies of projects, the program as a process, snapshots at the top.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Once};
use std::thread;

use leakproof::check::{CheckOptions, check};
use leakproof::error::Result;
use leakproof::project::Project;
use leakproof::report::Report;
use leakproof::server::{Server, ServerOptions};
use tempfile::TempDir;

/// The repository's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A copy of a project to change; it goes away with the value.
pub struct Copy {
    folder: TempDir,
}

impl Copy {
    /// Copies `from`, a path below the repository.
    pub fn of(from: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy_folder(&root().join(from), &folder.path().join("project"));
        // Where the config expects what is accepted: two folders up.
        let accepted = root().join("snapshots");
        copy_folder(&accepted, &folder.path().join("snapshots"));
        let config = folder.path().join("project/leakproof.toml");
        if let Ok(text) = fs::read_to_string(&config) {
            fs::write(&config, text.replace("../../snapshots", "../snapshots")).expect("written");
        }
        Self { folder }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    /// Replaces `from` with `to` in a file; it must be there exactly once.
    pub fn replace(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).expect("a readable file");
        assert_eq!(text.matches(from).count(), 1, "`{from}` is not in {file} exactly once");
        fs::write(&path, text.replacen(from, to, 1)).expect("a writable file");
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, text).expect("a writable file");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("a copy")),
        }
    }
}

/// The server that all tests share; said once, past the capture of the test harness.
pub fn shared_server() -> Arc<Server> {
    static SAID: Once = Once::new();
    let options = ServerOptions::from_env().expect("options");
    let server = Server::shared(&options).unwrap_or_else(|error| panic!("{error}"));
    SAID.call_once(|| {
        let _ = writeln!(std::io::stderr(), "the tests run on {}", server.describe());
    });
    server
}

/// Checks a project in this process, on the server that all tests share.
pub fn check_project(path: &Path) -> Report {
    check_with(path, |_| {})
}

/// The same with other options.
pub fn check_with(path: &Path, change: impl FnOnce(&mut CheckOptions)) -> Report {
    try_check_with(path, change).unwrap_or_else(|error| panic!("{error}"))
}

/// The same for a run that may fail.
pub fn try_check_with(path: &Path, change: impl FnOnce(&mut CheckOptions)) -> Result<Report> {
    let project = Project::read(path)?;
    let _held = shared_server();
    let mut options = CheckOptions { server: ServerOptions::from_env()?, ..Default::default() };
    change(&mut options);
    check(&project, &options, &mut |_| {})
}

/// Does the same with each, two at a time, and gives the results in order. Holds the shared server,
/// so that it is started once.
pub fn in_parallel<T: Sync, R: Send>(all: &[T], run: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let server = shared_server();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((at, one)) = take(&next, all) {
                    let result = run(one);
                    done.lock().expect("no panic elsewhere").push((at, result));
                }
            });
        }
    });
    drop(server);
    let mut done = done.into_inner().expect("no panic elsewhere");
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(next: &AtomicUsize, all: &'a [T]) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    all.get(at).map(|one| (at, one))
}

/// The program, in the repository's folder, with the environment of the tests.
pub fn leakproof(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_leakproof"));
    command.args(arguments).current_dir(root()).env_remove("TMPDIR");
    command
}

/// Exit code, stdout and stderr of a finished process.
pub fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Compares with `snapshots/<folder>/<name>.snap`; `hide` takes out what differs between machines.
pub fn assert_snapshot(folder: &str, name: &str, text: &str, hide: &[(&str, &str)]) {
    let mut text = text.to_owned();
    for (from, to) in hide.iter().filter(|(from, _)| !from.is_empty()) {
        text = text.replace(from, to);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("snapshots").join(folder));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}
