//! A private server in a container, of any image that has PostgreSQL in it. We bring the script that
//! initialises and runs it, so that all images behave alike; it ends when we are gone.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::error::{Error, Result};
use crate::server::connection::{APPLICATION_NAME, SUPERUSER_OPTIONS, cause_of};
use crate::server::docker_program::{
    Reach, command, has_seccomp, no_program, not_started, provide_image, published_port,
    remove_container,
};
use crate::server::instance::Server;
use crate::server::jail::Gaps;
use crate::server::local::{MAINTENANCE, SETTINGS};
use crate::server::options::{DEFAULT_DOCKER_IMAGE, ServerKind, ServerOptions};
use crate::server::random::{random_number, random_password};
use crate::server::said::last_lines;

const PORT: u16 = 5432;

/// What the server says when it lets clients in; the script has it say so in English.
const READY: &[u8] = b"database system is ready to accept connections";

/// A container that starts beside others has been seen to take twenty seconds.
const START_LIMIT: Duration = Duration::from_secs(60);

/// It makes no connections: system calls that it is refused, since without a network we would not reach it
/// either.
const SYSTEM_CALLS: &[u8] = include_bytes!("docker_seccomp.json");

/// It writes to memory of its own only, and gets no rights but those with which the script leaves the
/// superuser of the container.
const HELD: [&str; 10] = [
    "--read-only",
    "--tmpfs=/tmp",
    "--security-opt=no-new-privileges",
    "--cap-drop=ALL",
    "--cap-add=CHOWN",
    "--cap-add=DAC_OVERRIDE",
    "--cap-add=KILL",
    "--cap-add=SETGID",
    "--cap-add=SETUID",
    "--pids-limit=512",
];

/// The server says that it is ready before Docker forwards the port.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// How `docker run` ends if it could not even make the container.
const NOT_MADE: i32 = 125;

/// A running server in a container.
struct DockerServer {
    /// Only held, and dropped before the lease is.
    _container: Container,
    /// Only held: the container ends about a second after the server has closed it.
    _lease: Mutex<Client>,
}

/// A container, and the program that waits for its end. Dropping it removes the container.
struct Container {
    name: String,
    program: Child,
    /// What the server says; has no name, so nobody has to remove it.
    log: File,
}

/// Starts one of `options.docker_image`, which is pulled if it is missing.
pub fn start(options: &ServerOptions) -> Result<Server> {
    let of_major = options.major.map(|major| format!("postgres:{major}"));
    let image =
        options.docker_image.as_deref().or(of_major.as_deref()).unwrap_or(DEFAULT_DOCKER_IMAGE);
    provide_image(image)?;
    let reach = Reach::find();
    let password = random_password();
    let is_filtered = has_seccomp();
    let mut container = Container::run(image, reach.publish, &password, is_filtered)?;
    container.wait_until_ready(image)?;
    let port = published_port(image, &container.name, PORT)?;
    let config = superuser_config(&reach.hosts, port, &password);
    let lease = Mutex::new(connect_when_ready(&config, image)?);
    let client = connect_when_ready(&config, image)?;
    let name = container.name.clone();
    let docker = Box::new(DockerServer { _container: container, _lease: lease });
    let prefix = format!("{APPLICATION_NAME}_");
    let place = image.to_owned();
    let mut server = Server::new(ServerKind::Docker, place, prefix, config, client, docker)?;
    server.ender = Some(Box::new(move || remove_container(&name)));
    server.gaps = gaps_of(&server, is_filtered)?;
    Ok(server)
}

/// The server itself is asked, since some runtimes ignore what they are told to refuse.
fn gaps_of(server: &Server, is_filtered: bool) -> Result<Gaps> {
    let is_kept = is_filtered && {
        let asked =
            server.ask("select pg_read_file('/proc/self/status') ~ '(?n)^Seccomp:\\s2$'")?;
        asked == [[Some("t".to_owned())]]
    };
    Ok(match is_kept {
        true => Gaps::default(),
        false => Gaps::one(
            "this Docker has no seccomp, and the network of its containers is open to a migration that \
             becomes superuser",
        ),
    })
}

impl Container {
    /// Runs the script in it. The program is not of our process group, so that Ctrl-C does not reach
    /// it while it is making the container: what it has begun, it brings to an end.
    fn run(image: &str, publish: &str, password: &str, is_filtered: bool) -> Result<Self> {
        let files =
            tempfile::tempfile().and_then(|log| Ok((log.try_clone()?, log, system_calls()?)));
        let (said, log, system_calls) = files
            .map_err(|cause| not_started(image, cause).help("set TMPDIR to a writable folder"))?;
        let name = format!("{APPLICATION_NAME}-{:08x}", random_number());
        let publish = format!("{publish}{PORT}");
        let mut docker = command(&["run", "--rm", "--name", &name, "--label", APPLICATION_NAME]);
        // Only the name of the variable, since everybody may read command lines.
        docker.args(["--env", "LEAKPROOF_PASSWORD"]).env("LEAKPROOF_PASSWORD", password);
        docker.args(HELD);
        if is_filtered {
            docker.arg("--security-opt=seccomp=/dev/stdin").stdin(system_calls);
        }
        docker.args(["--publish", &publish, "--entrypoint", "/bin/sh", image]);
        docker.args(["-c", include_str!("docker.sh"), "leakproof-server"]);
        docker.args(SETTINGS.iter().flat_map(|setting| ["-c", *setting]));
        docker.args(["-c", "listen_addresses=*"]);
        docker.stdout(Stdio::null()).stderr(said).process_group(0);
        let program = docker.spawn().map_err(|cause| no_program(image, &cause))?;
        Ok(Self { name, program, log })
    }

    fn wait_until_ready(&mut self, image: &str) -> Result<()> {
        let started = Instant::now();
        let failed = |cause: io::Error| not_started(image, cause);
        loop {
            let ended = self.program.try_wait().map_err(failed)?;
            let said = self.said().map_err(failed)?;
            if said.windows(READY.len()).any(|part| part == READY) {
                return Ok(());
            }
            if let Some(status) = ended {
                return Err(explain_end(image, status, &said));
            }
            if started.elapsed() > START_LIMIT {
                let cause = format!("it was not ready in {} seconds", START_LIMIT.as_secs());
                return Err(not_started(image, cause).help("see what `docker logs` says of it"));
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// Without moving to another place of the file, which the program would then write to.
    fn said(&self) -> io::Result<Vec<u8>> {
        let mut said = vec![0; self.log.metadata()?.len() as usize];
        self.log.read_exact_at(&mut said, 0)?;
        Ok(said)
    }
}

/// [`SYSTEM_CALLS`] in a file without a name, so that nobody has to remove it.
fn system_calls() -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(SYSTEM_CALLS)?;
    file.rewind()?;
    Ok(file)
}

impl Drop for Container {
    fn drop(&mut self) {
        remove_container(&self.name);
        let _ = self.program.wait();
    }
}

fn explain_end(image: &str, status: ExitStatus, said: &[u8]) -> Error {
    let said = last_lines(said);
    let cause = if said.is_empty() { status.to_string() } else { said };
    let help = match status.code() {
        Some(NOT_MADE) => format!("check that `docker run --rm {image}` works for this user"),
        _ => format!(
            "check that the image has PostgreSQL: `docker run --rm -it --entrypoint sh {image}`"
        ),
    };
    not_started(image, cause).help(help)
}

fn superuser_config(hosts: &[String], port: u16, password: &str) -> Config {
    let mut config = Config::new();
    for host in hosts {
        config.host(host);
    }
    config.port(port).user("leakproof").password(password).dbname(MAINTENANCE);
    config.options(SUPERUSER_OPTIONS);
    config.application_name(APPLICATION_NAME);
    config
}

fn connect_when_ready(config: &Config, image: &str) -> Result<Client> {
    let started = Instant::now();
    loop {
        match config.connect(NoTls) {
            Ok(client) => return Ok(client),
            Err(_) if started.elapsed() < CONNECT_LIMIT => sleep(Duration::from_millis(10)),
            Err(cause) => {
                let fact = format!("could not connect to the server in a container of `{image}`");
                return Err(Error::new(fact).cause(cause_of(&cause)));
            }
        }
    }
}
