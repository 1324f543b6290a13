//! Containers that a user of the library brings, started with testcontainers: where the suite is run
//! on Docker. Elsewhere the server that the suite has stands in, since nobody needs Docker for it.

use std::env;
use std::process::Command;
use std::sync::Arc;

use leakproof::Scratch;
use leakproof::platform::Platform;
use leakproof::project::Project;
use leakproof::server::{Server, ServerKind};
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt};

use crate::support::{root, shared_server};
use crate::url_server::PASSWORD;

/// Not `postgres`, which is none on Supabase.
const SUPERUSER: &str = "admin";

fn is_on_docker() -> bool {
    env::var("LEAKPROOF_SERVER").as_deref() == Ok("docker")
}

/// One of the suite's image, as its own entry point starts it.
fn container() -> Container<GenericImage> {
    let image = env::var("LEAKPROOF_DOCKER_IMAGE").unwrap_or_else(|_| "postgres:17".into());
    let (name, tag) = image.rsplit_once(':').expect("an image with a tag");
    let ready = WaitFor::message_on_stderr("database system is ready to accept connections");
    let image = GenericImage::new(name, tag).with_exposed_port(5432.tcp()).with_wait_for(ready);
    let request = image.with_env_var("POSTGRES_USER", SUPERUSER);
    let request = request.with_env_var("POSTGRES_PASSWORD", PASSWORD);
    request.start().unwrap_or_else(|error| panic!("{error}"))
}

fn is_there(id: &str) -> bool {
    let mut command = Command::new("docker");
    let output = command.args(["ps", "--all", "--quiet", "--no-trunc", "--filter"]);
    let output = output.arg(format!("id={id}")).output().expect("`docker` is there");
    !output.stdout.is_empty()
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

/// It goes all the same, and the error has a way out.
fn a_container_that_lets_nobody_in() {
    let container = container();
    let id = container.id().to_owned();
    let error = Server::in_container(container, SUPERUSER, "wrong").map(drop).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("(SQLSTATE 28P01)") && told.contains("in the container"), "{told}");
    assert!(!is_there(&id), "the container is left");
}
