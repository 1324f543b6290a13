//! The shell that outlives us: it runs a private server, and stops and removes it when we are gone.
//!
//! It waits for the end of a pipe whose other end only we hold, so it notices any death of ours,
//! also by SIGKILL. It has a process group of its own, so what is sent to ours does not reach it.
//! Not PR_SET_PDEATHSIG: that follows the thread which started the server, not the process.

use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::error::{Error, Result};
use crate::server::account::Account;
use crate::server::said::last_lines;

/// A running watcher. Dropping it stops the server, removes the folder, and waits for both.
pub struct Watcher {
    shell: Child,
    folder: PathBuf,
}

impl Watcher {
    /// Starts to watch: from now on `folder` is removed with us. The server is not yet started.
    pub fn start(folder: &Path, account: Option<&Account>, server: &Command) -> Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", include_str!("watch.sh"), "leakproof-watcher"]);
        shell.arg(folder).arg(server.get_program()).args(server.get_args());
        // Our PATH may be anything; the shell needs `rm` and `sleep`.
        shell
            .env("PATH", "/usr/bin:/bin")
            .envs(server.get_envs().filter_map(|(k, v)| Some((k, v?))));
        shell.current_dir("/").process_group(0);
        if let Some(account) = account {
            shell.uid(account.uid).gid(account.gid);
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        match shell.spawn() {
            Ok(shell) => Ok(Self { shell, folder: folder.to_owned() }),
            Err(cause) => {
                let _ = fs::remove_dir_all(folder);
                Err(Error::new("could not start /bin/sh to watch over a server").cause(cause))
            }
        }
    }

    /// Has the server started.
    pub fn start_server(&mut self) -> Result<()> {
        let pipe = self.shell.stdin.as_mut().expect("the pipe is taken by drop only");
        pipe.write_all(b"start\n").map_err(|cause| {
            Error::new("could not reach the shell that watches over a server").cause(cause)
        })
    }

    /// The pipe, for a process that writes into the folder: for as long as it runs, nothing is
    /// removed. Its standard input is a good place, if it reads none.
    pub fn share_pipe(&self) -> io::Result<Stdio> {
        let pipe = self.shell.stdin.as_ref().expect("the pipe is taken by drop only");
        pipe.as_fd().try_clone_to_owned().map(Stdio::from)
    }

    /// Whether the server has ended.
    pub fn has_stopped(&mut self) -> bool {
        self.folder.join("stopped").exists() || !matches!(self.shell.try_wait(), Ok(None))
    }

    /// The last lines that the server wrote; empty if there are none.
    pub fn read_log_end(&self) -> String {
        last_lines(&fs::read(self.folder.join("server.log")).unwrap_or_default())
    }

    /// The folder that goes away with us.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        // Nothing is left of it, unless somebody killed the shell.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
