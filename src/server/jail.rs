//! What a private server may do on this machine: run itself, read its installation, write its own
//! folder. A migration that becomes superuser in it still reaches no program, no file and no TCP
//! connection of ours; Unix sockets it does.
//!
//! On Linux the kernel keeps it (Landlock, without any rights of ours), for the server and whatever
//! it starts. What the kernel cannot keep is said, and an error where it is demanded.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::{env, fmt, io};

/// By it some libraries are found; the only variable of ours that a server inherits.
pub const LIBRARIES: &str = "LD_LIBRARY_PATH";

/// What of the jail is not kept, in words; nothing if all is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gaps(Option<String>);

impl Gaps {
    /// Whether the jail is whole.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One thing that is not kept.
    pub fn one(what: impl Into<String>) -> Self {
        Self(Some(what.into()))
    }
}

impl fmt::Display for Gaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or_default())
    }
}

/// The folders of a server, or of a program that reads what a project brings.
pub struct Jail {
    #[cfg(test)]
    is_open: bool,
    /// Where its programs are.
    binaries: PathBuf,
    /// The one that is started.
    program: PathBuf,
    /// The only place that it may write to, if there is one.
    own: Option<PathBuf>,
}

impl Jail {
    /// For the server whose programs are in `binaries`, and whose data and socket are below `own`.
    pub fn new(binaries: &Path, own: &Path) -> Self {
        Self {
            #[cfg(test)]
            is_open: false,
            binaries: binaries.to_owned(),
            program: binaries.join("postgres"),
            own: Some(own.to_owned()),
        }
    }

    /// For a program that writes to its output alone.
    pub fn of_reader(program: &Path) -> Self {
        let binaries = program.parent().unwrap_or(Path::new("/")).to_owned();
        Self {
            #[cfg(test)]
            is_open: false,
            binaries,
            program: program.to_owned(),
            own: None,
        }
    }

    /// One that keeps nothing, to see that what it should keep is there to be reached.
    #[cfg(test)]
    pub fn open(binaries: &Path, own: &Path) -> Self {
        Self { is_open: true, ..Self::new(binaries, own) }
    }

    /// Starts the program in it; says what is not kept.
    ///
    /// # Errors
    /// The program cannot be started. That the kernel keeps nothing is none.
    pub fn start(&self, server: &mut Command) -> io::Result<(Child, Gaps)> {
        #[cfg(test)]
        if self.is_open {
            return server.spawn().map(|child| (child, Gaps::one("it is open")));
        }
        kernel::start(self, server)
    }

    /// Programs and libraries: what may be executed.
    fn executable(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.program.clone()];
        let architecture = env::consts::ARCH;
        let libraries = [
            format!("/lib/{architecture}-linux-gnu"),
            format!("/usr/lib/{architecture}-linux-gnu"),
            "/lib64".into(),
            "/usr/lib64".into(),
        ];
        folders.extend(libraries.into_iter().map(PathBuf::from).filter(|folder| folder.is_dir()));
        folders
    }

    /// What may be read beside it.
    fn readable(&self) -> Vec<PathBuf> {
        let system = [
            "/etc/group",
            "/etc/ld.so.cache",
            "/etc/localtime",
            "/etc/nsswitch.conf",
            "/etc/passwd",
            "/etc/ssl/openssl.cnf",
            "/dev/urandom",
            "/lib",
            "/usr/lib",
            "/usr/share",
            "/nix/store",
        ];
        // An installation in a folder of its own has `lib` and `share` beside its programs.
        let beside = ["lib", "lib64", "share"].map(|name| self.binaries.join("..").join(name));
        let named = env::var_os(LIBRARIES).into_iter();
        let named = named.flat_map(|folders| env::split_paths(&folders).collect::<Vec<_>>());
        let all = system.iter().map(PathBuf::from).chain([self.binaries.clone()]).chain(beside);
        all.chain(named).filter(|path| path.exists()).collect()
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::panic::resume_unwind;
    use std::process::{Child, Command};
    use std::thread;

    use landlock::{
        ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
        RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
    };

    use crate::server::jail::{Gaps, Jail};

    /// The newest that we know; older kernels keep less.
    const NEWEST: ABI = ABI::V6;
    /// The first that keeps servers from the network.
    const WITH_NETWORK: ABI = ABI::V4;

    /// In a thread of its own: it is the thread that is shut in, with all that it starts, and not us.
    pub(super) fn start(jail: &Jail, server: &mut Command) -> io::Result<(Child, Gaps)> {
        thread::scope(|scope| {
            let started = scope.spawn(|| {
                let gaps = shut_in(jail).unwrap_or_else(|cause| Gaps::one(cause.to_string()));
                server.spawn().map(|child| (child, gaps))
            });
            started.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    fn shut_in(jail: &Jail) -> Result<Gaps, RulesetError> {
        let read = AccessFs::from_read(NEWEST) & !AccessFs::Execute;
        let write = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
        let device = AccessFs::ReadFile | AccessFs::WriteFile;
        let status = Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(NEWEST))?
            .handle_access(AccessNet::from_all(NEWEST))?
            .scope(Scope::from_all(NEWEST))?
            .create()?
            .add_rules(path_beneath_rules(jail.executable(), AccessFs::from_read(NEWEST)))?
            .add_rules(path_beneath_rules(jail.readable(), read))?
            .add_rules(path_beneath_rules(jail.own.as_slice(), write))?
            .add_rules(path_beneath_rules(["/dev/null"], device))?
            .restrict_self()?;
        Ok(match status.ruleset {
            RulesetStatus::FullyEnforced => Gaps::default(),
            RulesetStatus::PartiallyEnforced if keeps_network() => Gaps::default(),
            RulesetStatus::PartiallyEnforced => Gaps::one(
                "this kernel is older than Linux 6.7 and does not keep the server from the network",
            ),
            RulesetStatus::NotEnforced => Gaps::one(
                "this kernel, or the container it is in, has no Landlock: files and programs of the \
                 account that runs the server are open to a migration that becomes superuser",
            ),
        })
    }

    fn keeps_network() -> bool {
        let asked = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        asked.handle_access(AccessNet::from_all(WITH_NETWORK)).and_then(Ruleset::create).is_ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;
    use std::process::{Child, Command};

    use crate::server::jail::{Gaps, Jail};

    pub(super) fn start(jail: &Jail, server: &mut Command) -> io::Result<(Child, Gaps)> {
        let _ = (jail.executable(), jail.readable(), &jail.own);
        let gaps = Gaps::one(
            "only Linux has a jail for it: files and programs of the account that runs the server \
             are open to a migration that becomes superuser",
        );
        server.spawn().map(|child| (child, gaps))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Stdio;

    use super::*;

    /// What a reader of dumps can read and write is what a program is that comes with the system.
    #[test]
    fn a_reader_has_its_program_and_nothing_of_its_user() {
        let cat = ["/usr/bin/cat", "/bin/cat"].map(Path::new).into_iter().find(|cat| cat.exists());
        let cat = cat.expect("cat");
        let folder = tempfile::tempdir().expect("a folder");
        let secret = folder.path().join("secret");
        fs::write(&secret, "secret").expect("written");
        let read = |path: &Path| {
            let mut command = Command::new(cat);
            command.arg(path).stdout(Stdio::piped()).stderr(Stdio::null());
            let (child, gaps) = Jail::of_reader(cat).start(&mut command).expect("started");
            let output = child.wait_with_output().expect("its output");
            gaps.is_empty().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
        };
        // Where there is no Landlock nothing is kept.
        let Some(seen) = read(&secret) else { return };
        assert_eq!(seen, "");
        assert!(read(Path::new("/etc/passwd")).is_some_and(|seen| !seen.is_empty()));
    }
}
