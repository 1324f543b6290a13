//! Dumps in the custom format, as `pg_restore` reads them.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};
use crate::server::account::find_account;
use crate::server::binaries::{programs_named, tool};
use crate::server::jail::Jail;

/// What reads them.
const PROGRAM: &str = "pg_restore";

/// Of what it says so much is kept.
const MOST_SAID: u64 = 64 << 10;

/// A dump on its way through `pg_restore`.
pub(crate) struct Archive {
    path: PathBuf,
    program: PathBuf,
    child: Child,
    said: Option<JoinHandle<String>>,
    /// The data of it, as text.
    pub text: Option<BufReader<ChildStdout>>,
}

impl Archive {
    /// Reads a dump, by the first program that can.
    ///
    /// # Errors
    /// None that can, or none that is there.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let mut refused = None;
        for program in programs_named(PROGRAM) {
            // One that is a script of Debian's needs more than there is in the jail.
            let mut archive = match Self::start(path, &program) {
                Ok(archive) => archive,
                Err(error) => {
                    refused = refused.or(Some(error));
                    continue;
                }
            };
            let has_text = match &mut archive.text {
                Some(text) => !std::io::BufRead::fill_buf(text).unwrap_or_default().is_empty(),
                None => false,
            };
            if has_text {
                return Ok(archive);
            }
            // A newer one may know what this one does not.
            match archive.end() {
                Ok(()) => return Self::start(path, &program),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            Error::new(format!("`{}` cannot be read", path.display()))
                .cause(format!(
                    "no `{PROGRAM}` beside the binaries of a server, on PATH, in \
                     /usr/lib/postgresql/*/bin, Homebrew or Postgres.app"
                ))
                .help(format!("install it (`apt install postgresql-client`), or {}", as_text(path)))
        }))
    }

    fn start(path: &Path, program: &Path) -> Result<Self> {
        let failed = |cause: std::io::Error| {
            Error::new(format!("could not run `{}`", program.display()))
                .cause(cause)
                .help(format!("mend that installation, or {}", as_text(path)))
        };
        let input = File::open(path).map_err(|cause| {
            Error::new(format!("cannot read `{}`", path.display())).cause(cause)
        })?;
        // What a branch brings is read as nobody in particular and in a jail, as servers are run.
        let account = find_account()?;
        let mut command: Command = tool(program, account.as_ref());
        command.args(["--data-only", "--no-owner", "-f", "-"]).stdin(input);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let (mut child, _) = Jail::of_reader(program).start(&mut command).map_err(failed)?;
        let text = child.stdout.take().map(BufReader::new);
        let said = child.stderr.take().map(|stderr| {
            thread::spawn(move || {
                let mut said = Vec::new();
                let mut stderr = stderr;
                // It may say as much as it likes.
                let _ = stderr.by_ref().take(MOST_SAID).read_to_end(&mut said);
                let _ = std::io::copy(&mut stderr, &mut std::io::sink());
                String::from_utf8_lossy(&said).into_owned()
            })
        });
        let (path, program) = (path.to_owned(), program.to_owned());
        Ok(Self { path, program, child, said, text })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What it says was wrong.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.text = None;
        let status = self.child.wait();
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        let cause = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => said.lines().next().map_or(status.to_string(), str::to_owned),
            Err(cause) => cause.to_string(),
        };
        Err(Error::new(format!("`{}` cannot be read", self.path.display()))
            .cause(format!("{} ({})", cause.trim(), self.program.display()))
            .help(format!(
                "if the dump is newer than this program, put the folder of one as new first on PATH, or {}; \
                 else make the dump again",
                as_text(&self.path)
            )))
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        // Nothing is left to read it for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The way out that always is.
fn as_text(path: &Path) -> String {
    let stem = path.file_stem().map_or("".into(), |stem| stem.to_string_lossy());
    format!("dump as text: `pg_dump --data-only -f {stem}.sql`")
}
