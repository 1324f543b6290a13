//! Containers that a user of the library brings, started with testcontainers: where the suite is run
//! on Docker. Elsewhere the server that the suite has stands in, since nobody needs Docker for it.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;
use std::{env, fs};

use leakproof::Scratch;
use leakproof::platform::Platform;
use leakproof::project::Project;
use leakproof::server::{Server, ServerKind};
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use crate::support::{docker, leakproof, root, shared_server, told};
use crate::url_server::PASSWORD;

/// Not `postgres`, which is none on Supabase.
const SUPERUSER: &str = "admin";

fn is_on_docker() -> bool {
    env::var("LEAKPROOF_SERVER").as_deref() == Ok("docker")
}

/// The suite's.
fn image() -> GenericImage {
    let image = env::var("LEAKPROOF_DOCKER_IMAGE").unwrap_or_else(|_| "postgres:17".into());
    let (name, tag) = image.rsplit_once(':').expect("an image with a tag");
    GenericImage::new(name, tag)
}

/// One of that image, as its own entry point starts it.
fn container() -> Container<GenericImage> {
    let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
    let image = image().with_exposed_port(5432.tcp()).with_wait_for(ready);
    let request = image.with_env_var("POSTGRES_USER", SUPERUSER);
    let request = request.with_env_var("POSTGRES_PASSWORD", PASSWORD);
    request.start().unwrap_or_else(|error| panic!("{error}"))
}

fn is_there(id: &str) -> bool {
    let filter = format!("id={id}");
    !docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter]).is_empty()
}

/// The server in a container, and the id of that.
fn server_in_container() -> (Arc<Server>, String) {
    let container = container();
    let id = container.id().to_owned();
    let server = Server::in_container(container, SUPERUSER, PASSWORD);
    let server = server.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.kind(), ServerKind::Url);
    (Arc::new(server), id)
}

#[test]
fn a_project_on_a_container_of_the_callers() {
    let (server, id) = match is_on_docker() {
        true => server_in_container(),
        false => (shared_server(), String::new()),
    };
    let project = Project::read(root().join("sql/conversations")).expect("a project");
    let mut scratch =
        Scratch::empty(&project, Platform::of(&project), &server).expect("a scratch database");
    scratch.migrate().expect("all versions");
    let mut isolation = scratch.isolation().expect("people and their rows");
    for (actor, sees_any) in [("alice", true), ("outsider", false)] {
        let seen = isolation.ask(actor, "select title from public.conversations");
        assert_eq!(!seen.expect("an answer").is_empty(), sees_any, "{actor}");
    }
    drop((isolation, scratch));
    if is_on_docker() {
        assert!(is_there(&id));
        drop(server);
        assert!(!is_there(&id), "the container is left");
        a_container_that_lets_nobody_in();
    }
}

/// What a program in a server's container would reach, had somebody come so far as to run one.
#[test]
fn a_server_in_a_container_connects_to_nobody() {
    if !is_on_docker() {
        return;
    }
    let of_others = image().with_entrypoint("sleep").with_cmd(["600"]).start();
    let of_others = of_others.unwrap_or_else(|error| panic!("{error}"));
    assert!(connects_from(of_others.id()), "no connection although nothing forbids it");
    let server = shared_server();
    assert_eq!(server.kind(), ServerKind::Docker);
    assert!(server.describe().ends_with("jailed in its container"), "{}", server.describe());
    let ours = docker(&["ps", "--quiet", "--no-trunc", "--filter", "label=leakproof"]);
    assert!(!ours.is_empty());
    for id in ours.lines() {
        assert!(!connects_from(id), "{id}");
    }
    // Not beside it, since it has containers that do connect.
    what_a_daemon_does_not_keep_is_told();
}

/// A daemon that refuses no system calls starts a server all the same, which is then not jailed.
fn what_a_daemon_does_not_keep_is_told() {
    let path = env::var("PATH").expect("a path");
    let folder = tempfile::tempdir().expect("a folder");
    let real = format!("PATH='{path}' exec docker \"$@\"");
    let script = format!("#!/bin/sh\n[ \"$1\" = info ] || {real}\n");
    let program = folder.path().join("docker");
    fs::write(&program, script).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a program");
    let check = |more: &[&str]| {
        let mut command = leakproof(&["check", "tests/fixtures/notes"]);
        let path = format!("{}:{path}", folder.path().display());
        told(&command.args(more).env("PATH", path).output().expect("an end"))
    };
    let (_, report, _) = check(&[]);
    assert!(report.contains("not jailed: this Docker has no seccomp"), "{report}");
    let (code, _, error) = check(&["--require-jail"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(
        error.contains("`docker` is not jailed\n  cause: this Docker has no seccomp"),
        "{error}"
    );
}

/// Whether a shell in that container connects to a listener of this machine.
fn connects_from(id: &str) -> bool {
    let listener = TcpListener::bind("0.0.0.0:0").expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    let gateway = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}";
    let gateway = docker(&["inspect", "--format", gateway, id]);
    let connect = format!("exec 3<>/dev/tcp/{gateway}/{port}");
    let mut command = Command::new("docker");
    let output = command.args(["exec", id, "bash", "-c", &connect]).output();
    let is_connected = output.expect("`docker` is there").status.success();
    listener.set_nonblocking(true).expect("a listener");
    assert_eq!(listener.accept().is_ok(), is_connected);
    is_connected
}

/// It goes all the same, and the error has a way out.
fn a_container_that_lets_nobody_in() {
    let container = container();
    let id = container.id().to_owned();
    let error = Server::in_container(container, SUPERUSER, "wrong").map(drop).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("(SQLSTATE 28P01)") && told.contains("in the container"), "{told}");
    assert!(!is_there(&id), "the container is left");
}
