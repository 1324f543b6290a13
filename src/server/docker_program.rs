//! The program `docker`: what it answers, and why it does not do what it was asked. We go through it,
//! since it knows where its daemon is and who may use it. Knows nothing of PostgreSQL.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::server::redact::without_password;
use crate::server::said::last_lines;

/// Why there is no answer.
enum Refusal {
    /// The program could not be started.
    NotStarted(io::Error),
    /// It ended with an error; this is what it said.
    Said(String),
}

/// The program with these arguments, and nothing to read.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Has the image on this machine: pulls it if it is missing.
///
/// # Errors
/// No program, no daemon behind it, or no such image.
pub fn provide_image(image: &str) -> Result<()> {
    if answer(&["image", "inspect", "--format", "{{.Id}}", image]).is_ok() {
        return Ok(());
    }
    let daemon = answer(&["version", "--format", "{{.Server.Version}}"]);
    daemon.map_err(|refusal| {
        refusal.explain(image, "start Docker, and check that `docker info` works for this user")
    })?;
    let pulled = answer(&["pull", image]);
    pulled.map(drop).map_err(|refusal| {
        let help = "check the name in LEAKPROOF_DOCKER_IMAGE, and that `docker pull` works for it";
        refusal.explain(image, help)
    })
}

/// Whether system calls of a container can be refused. Podman keeps the answer elsewhere.
pub fn has_seccomp() -> bool {
    match answer(&["info", "--format", "{{.SecurityOptions}}"]) {
        Ok(options) => options.contains("name=seccomp"),
        Err(_) => {
            let asked = answer(&["info", "--format", "{{.Host.Security.SECCOMPEnabled}}"]);
            asked.is_ok_and(|answer| answer == "true")
        }
    }
}

/// The port of this machine, or of the daemon's, that leads to one of a container.
///
/// # Errors
/// A container that does not run.
pub fn published_port(image: &str, container: &str, port: u16) -> Result<u16> {
    let told = answer(&["port", container, &format!("{port}/tcp")]);
    let told = told.and_then(|told| port_in(&told).ok_or(Refusal::Said(told)));
    told.map_err(|refusal| {
        refusal.explain(image, "check that `docker run --publish` works for this user")
    })
}

/// Removes a container with its volumes, whether it runs or not. Fails only if it is already going.
pub fn remove_container(container: &str) {
    let _ = answer(&["rm", "--force", "--volumes", container]);
}

/// How a container opens a port to us, and under which names we may find it there.
pub struct Reach {
    /// What comes before the port in `--publish`.
    pub publish: &'static str,
    /// One of them is it.
    pub hosts: Vec<String>,
}

impl Reach {
    /// Asks for the daemon that is used. Where that is on this machine, nobody else gets to the port.
    pub fn find() -> Self {
        // The program of others, such as Podman, knows no contexts.
        let endpoint = answer(&["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
        let endpoint = endpoint.unwrap_or_default();
        if let Some(host) = host_of(&endpoint) {
            return Self { publish: "", hosts: vec![host.to_owned()] };
        }
        let loopback = "127.0.0.1".to_owned();
        if !Path::new("/.dockerenv").exists() {
            return Self { publish: "127.0.0.1::", hosts: vec![loopback] };
        }
        // In a container ourselves: the daemon may be in here, or the one that runs us.
        let gateway = "{{range .IPAM.Config}}{{.Gateway}}{{end}}";
        let gateway = answer(&["network", "inspect", "bridge", "--format", gateway]);
        let gateway = gateway.ok().filter(|gateway| !gateway.is_empty());
        Self { publish: "", hosts: [loopback].into_iter().chain(gateway).collect() }
    }
}

/// What it answers on its standard output.
fn answer(arguments: &[&str]) -> Result<String, Refusal> {
    let output = command(arguments).output().map_err(Refusal::NotStarted)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        false => Err(Refusal::Said(last_lines(&output.stderr))),
    }
}

/// The port in `0.0.0.0:32771`, with a line for each address.
fn port_in(told: &str) -> Option<u16> {
    told.lines().next()?.rsplit_once(':')?.1.parse().ok()
}

/// The host in the address of a daemon; none if that is on this machine.
fn host_of(endpoint: &str) -> Option<&str> {
    let (scheme, rest) = endpoint.split_once("://")?;
    if !["tcp", "http", "https", "ssh"].contains(&scheme) {
        return None;
    }
    let place = rest.split('/').next()?;
    let place = place.rsplit('@').next()?;
    let host = match place.strip_prefix('[') {
        Some(address) => address.split(']').next()?,
        None => place.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}

/// Why there is no server in a container of this image.
pub fn not_started(image: &str, cause: impl fmt::Display) -> Error {
    Error::new(format!("could not start a server in a container of `{image}`"))
        .cause(without_password(&cause.to_string()))
}

impl Refusal {
    /// With a way out of what the program said.
    fn explain(self, image: &str, help: &str) -> Error {
        match self {
            Self::Said(said) => not_started(image, said).help(help),
            Self::NotStarted(cause) => no_program(image, &cause),
        }
    }
}

/// The program itself could not be started.
pub fn no_program(image: &str, cause: &io::Error) -> Error {
    let help =
        "install Docker (https://docs.docker.com/get-docker/), and see that `docker info` works";
    match cause.kind() {
        ErrorKind::NotFound => not_started(image, "there is no program `docker` on PATH"),
        _ => not_started(image, format!("`docker`: {cause}")),
    }
    .help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_has_the_port() {
        for (told, port) in [
            ("0.0.0.0:32771\n[::]:32772", Some(32771)),
            ("[::]:32772", Some(32772)),
            ("127.0.0.1:1", Some(1)),
            ("", None),
            ("0.0.0.0:", None),
        ] {
            assert_eq!(port_in(told), port, "{told}");
        }
    }

    #[test]
    fn the_daemon_is_here_or_on_a_host() {
        for (endpoint, host) in [
            ("", None),
            ("unix:///var/run/docker.sock", None),
            ("npipe:////./pipe/docker_engine", None),
            ("fd://", None),
            ("tcp://10.0.0.7:2376", Some("10.0.0.7")),
            ("tcp://build.example", Some("build.example")),
            ("tcp://[fe80::1]:2376/path", Some("fe80::1")),
            ("ssh://me@build.example:22", Some("build.example")),
            ("tcp://", None),
        ] {
            assert_eq!(host_of(endpoint), host, "{endpoint}");
        }
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = no_program("postgres:17", &ErrorKind::NotFound.into()).to_string();
        assert!(error.contains("no program `docker` on PATH\n  help: install"), "{error}");
    }
}
