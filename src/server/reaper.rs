//! The process that cleans up a given server after we were killed: `leakproof reap`.
//!
//! It waits for the end of a pipe that we hold, in a session of its own. The connection string goes
//! through that pipe, since command lines and environments can be read by others.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::SigSet;
use nix::unistd::setsid;

use crate::error::{Error, Result};
use crate::server::connection::cause_of;
use crate::server::runs::{connect_maintenance, end_sessions, is_live, leave};

const READY: &str = "ready\n";
const DONE: &str = "done\n";

/// How long the sessions of a killed process may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);

/// The reaper of a run. If it is dropped without being dismissed, it does its work.
pub struct Reaper {
    process: Child,
}

impl Reaper {
    /// Starts it, and waits until it is on guard.
    pub fn start(program: &Path, url: &str, number: u32) -> Result<Self> {
        let failed = || Error::new(format!("could not start `{} reap`", program.display()));
        let mut command = Command::new(program);
        command.arg("reap").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|cause| failed().cause(cause))?;
        let (stdin, stdout) = (process.stdin.as_mut(), process.stdout.take());
        let mut answer = String::new();
        if let (Some(stdin), Some(stdout)) = (stdin, stdout) {
            let written = stdin.write_all(format!("{url}\n{number}\n").as_bytes());
            let read = written.and_then(|()| BufReader::new(stdout).read_line(&mut answer));
            read.map_err(|cause| failed().cause(cause))?;
        }
        if answer != READY {
            let _ = process.kill();
            let _ = process.wait();
            return Err(failed().cause("it does not answer as leakproof does"));
        }
        Ok(Self { process })
    }

    /// Tells it that there is nothing to do, and waits until it is gone.
    pub fn dismiss(mut self) {
        if let Some(stdin) = &mut self.process.stdin {
            let _ = stdin.write_all(DONE.as_bytes());
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// The hidden command `leakproof reap`: reads a connection string and the number of a run from
/// standard input, waits for its end, then drops what that run left on the server. To be called
/// before [`exit_on_signals`](crate::server::signals::exit_on_signals): no signal but SIGKILL may end it.
///
/// # Errors
/// When it was not started by leakproof, or the server could not be reached for ten seconds; then
/// the next run on that server cleans up.
pub fn reap() -> Result<()> {
    let failed = |cause: String| {
        Error::new("could not clean up after a run")
            .cause(cause)
            .help("`leakproof reap` is not to be called by hand; the next run cleans up")
    };
    let guard = || -> io::Result<_> {
        SigSet::all().thread_block()?;
        // Fails only for the leader of a process group, which has nothing to fear from ours.
        let _ = setsid();
        env::set_current_dir("/")?;
        let mut stdin = BufReader::new(io::stdin());
        let (mut url, mut number) = (String::new(), String::new());
        stdin.read_line(&mut url)?;
        stdin.read_line(&mut number)?;
        let number = number.trim().parse::<u32>().map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "no run is named on standard input")
        })?;
        io::stdout().write_all(READY.as_bytes())?;
        io::stdout().flush()?;
        let mut rest = String::new();
        stdin.read_to_string(&mut rest)?;
        Ok((url.trim_end_matches('\n').to_owned(), number, rest))
    };
    let (url, number, rest) = guard().map_err(|cause| failed(cause.to_string()))?;
    if rest == DONE {
        return Ok(());
    }
    let started = Instant::now();
    loop {
        match clean_up(&url, number) {
            Err(_) if started.elapsed() < Duration::from_secs(10) => {
                sleep(Duration::from_millis(500))
            }
            result => return result,
        }
    }
}

fn clean_up(url: &str, number: u32) -> Result<()> {
    let (mut session, _) = connect_maintenance(url)?;
    let started = Instant::now();
    let mut wait_and_leave = || {
        while is_live(&mut session, number, started.elapsed() > END_LIMIT)? {
            sleep(Duration::from_millis(10));
        }
        end_sessions(&mut session, number, END_LIMIT)?;
        leave(&mut session, number)
    };
    wait_and_leave().map_err(|cause: postgres::Error| {
        Error::new("could not clean up after a run").cause(cause_of(&cause))
    })
}
