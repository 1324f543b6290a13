//! The shell that outlives us: it stops a private server and removes its folder when we are gone.
//!
//! It waits for the end of a pipe whose other end only we hold, so it notices any death of ours,
//! also by SIGKILL. It has a process group of its own, so what is sent to ours does not reach it.
//! Not PR_SET_PDEATHSIG: that follows the thread which started the server, not the process.

use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Error, Result};
use crate::server::account::Account;
use crate::server::jail::{Gaps, Jail};
use crate::server::said::last_lines;

/// A running watcher. Dropping it stops the server, removes the folder, and waits for both.
pub struct Watcher {
    shell: Child,
    server: Option<Child>,
    folder: PathBuf,
}

impl Watcher {
    /// Makes `folder`, which nobody else may enter, and watches it: it is removed with us, whenever that
    /// is. The server is not yet started.
    pub fn start(folder: &Path, account: Option<&Account>) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", include_str!("watch.sh"), "leakproof-watcher"]).arg(folder);
        // Our environment may be anything; the shell needs `rm` and `sleep`.
        shell.env_clear().env("PATH", "/usr/bin:/bin");
        shell.current_dir("/").process_group(0);
        if let Some(account) = account {
            shell.uid(account.uid).gid(account.gid);
        }
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = shell.spawn()?;
        let mut said = String::new();
        let stdout = shell.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut said)?;
        if said == "made\n" {
            return Ok(Self { shell, server: None, folder: folder.to_owned() });
        }
        let output = shell.wait_with_output()?;
        Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
    }

    /// Starts the server in a jail; says what of that is not kept.
    pub fn start_server(&mut self, jail: &Jail, server: &mut Command) -> Result<Gaps> {
        let program = server.get_program().display().to_string();
        let failed = |cause: io::Error| {
            Error::new(format!("could not start `{program}`"))
                .cause(cause)
                .help("mend that installation, or use another kind of `--server`")
        };
        // By it the shell knows the server again.
        server.env("LEAKPROOF_FOLDER", &self.folder);
        let log = self.folder.join("server.log");
        let log = OpenOptions::new().write(true).create_new(true).mode(0o600).open(log);
        let log = log.map_err(failed)?;
        let other = log.try_clone().map_err(failed)?;
        server.stdin(Stdio::null()).stdout(log).stderr(other);
        let (child, gaps) = jail.start(server).map_err(failed)?;
        let number = child.id();
        self.server = Some(child);
        let pipe = self.shell.stdin.as_mut().expect("the pipe is taken by drop only");
        writeln!(pipe, "{number}").map_err(|cause| {
            Error::new("could not reach the shell that watches over a server").cause(cause)
        })?;
        Ok(gaps)
    }

    /// The pipe, for a process that writes into the folder: for as long as it runs, nothing is
    /// removed. Its standard input is a good place, if it reads none.
    pub fn share_pipe(&self) -> io::Result<Stdio> {
        let pipe = self.shell.stdin.as_ref().expect("the pipe is taken by drop only");
        pipe.as_fd().try_clone_to_owned().map(Stdio::from)
    }

    /// The number of the server's process, once it was started.
    pub fn server_id(&self) -> Option<i32> {
        self.server.as_ref().map(|server| server.id().cast_signed())
    }

    /// Whether the server has ended.
    pub fn has_stopped(&mut self) -> bool {
        self.server.as_mut().is_none_or(|server| !matches!(server.try_wait(), Ok(None)))
    }

    /// The last lines that the server wrote; empty if there are none.
    pub fn read_log_end(&self) -> String {
        last_lines(&fs::read(self.folder.join("server.log")).unwrap_or_default())
    }

    /// The folder that goes away with us.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ends the server at once: nothing of it is worth keeping. One that does not end, since somebody has
    /// stopped it, is left to the shell.
    fn stop_server(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(5);
        let begun = Instant::now();
        while !self.has_stopped() && begun.elapsed() < PATIENCE {
            if let Some(server) = &self.server {
                // It fails only where the server has just ended.
                let _ = kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGQUIT);
            }
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop_server();
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        // Nothing is left of it, unless somebody killed the shell.
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}
