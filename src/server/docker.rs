//! A private server in a container, of any image that has PostgreSQL in it. We bring the script that
//! initialises and runs it, so that all images behave alike; it ends when we are gone.

use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};
use testcontainers::core::client::ClientError;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::SyncRunner;
use testcontainers::{Container, GenericImage, ImageExt, TestcontainersError};

use crate::error::{Error, Result};
use crate::server::connection::{APPLICATION_NAME, cause_of};
use crate::server::instance::Server;
use crate::server::local::{MAINTENANCE, SETTINGS};
use crate::server::options::{DEFAULT_DOCKER_IMAGE, ServerKind, ServerOptions};
use crate::server::random::random_password;
use crate::server::redact::without_password;

const PORT: u16 = 5432;

/// The server says that it is ready before Docker forwards the port.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A running container. Dropping it removes the container.
struct DockerServer {
    container: Option<Container<GenericImage>>,
    /// Only held: the container ends about a second after the server has closed it.
    _lease: Option<Mutex<Client>>,
}

/// Starts one of `options.docker_image`, which is pulled if it is missing.
pub fn start(options: &ServerOptions) -> Result<Server> {
    let image = options.docker_image.as_deref().unwrap_or(DEFAULT_DOCKER_IMAGE);
    let password = random_password();
    let container = run_container(image, &password).map_err(|cause| explain(image, &cause))?;
    let config = superuser_config(&container, &password);
    let mut docker = DockerServer { container: Some(container), _lease: None };
    let config = config.map_err(|cause| explain(image, &cause))?;
    let lease = connect_when_ready(&config, image)?;
    docker._lease = Some(Mutex::new(lease));
    let client = connect_when_ready(&config, image)?;
    let prefix = format!("{APPLICATION_NAME}_");
    Server::new(ServerKind::Docker, image.to_owned(), prefix, config, client, Box::new(docker))
}

fn run_container(
    image: &str,
    password: &str,
) -> Result<Container<GenericImage>, TestcontainersError> {
    let (name, tag) = split_image(image);
    let mut command = vec!["-c", include_str!("docker.sh"), "leakproof-server"];
    command.extend(SETTINGS.iter().flat_map(|setting| ["-c", *setting]));
    command.extend(["-c", "listen_addresses=*"]);
    GenericImage::new(name, tag)
        .with_entrypoint("/bin/sh")
        .with_exposed_port(PORT.tcp())
        .with_wait_for(WaitFor::message_on_stderr("database system is ready to accept connections"))
        .with_cmd(command)
        .with_env_var("LEAKPROOF_PASSWORD", password)
        .with_host_config_modifier(|host| host.auto_remove = Some(true))
        .start()
}

/// The name and the tag, which comes after the last colon unless that belongs to a port.
fn split_image(image: &str) -> (&str, &str) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

fn superuser_config(
    container: &Container<GenericImage>,
    password: &str,
) -> Result<Config, TestcontainersError> {
    let mut config = Config::new();
    config.host(&container.get_host()?.to_string()).port(container.get_host_port_ipv4(PORT.tcp())?);
    config.user("leakproof").password(password).dbname(MAINTENANCE);
    config.application_name(APPLICATION_NAME);
    Ok(config)
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

fn explain(image: &str, cause: &TestcontainersError) -> Error {
    let help = match cause {
        TestcontainersError::Client(ClientError::PullImage { .. }) => {
            "check the name in LEAKPROOF_DOCKER_IMAGE, and that `docker pull` works for it"
                .to_owned()
        }
        TestcontainersError::Client(
            ClientError::Init(_)
            | ClientError::CreateContainer(_)
            | ClientError::Configuration(_)
            | ClientError::InvalidDockerHost(_),
        ) => "start Docker, and check that `docker info` works for this user".to_owned(),
        _ => format!("check that the image has PostgreSQL: `docker run --rm -it {image} sh`"),
    };
    Error::new(format!("could not start a server in a container of `{image}`"))
        .cause(without_password(&cause.to_string()))
        .help(help)
}

impl Drop for DockerServer {
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            // Fails only if the container is already going, since it removes itself.
            let _ = container.rm();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split_image;

    #[test]
    fn an_image_has_a_name_and_a_tag() {
        assert_eq!(split_image("postgres:17"), ("postgres", "17"));
        assert_eq!(split_image("postgres"), ("postgres", "latest"));
        assert_eq!(split_image("localhost:5000/a/b"), ("localhost:5000/a/b", "latest"));
        assert_eq!(split_image("localhost:5000/a/b:1.2"), ("localhost:5000/a/b", "1.2"));
        assert_eq!(split_image("postgres@sha256:ab"), ("postgres@sha256", "ab"));
    }
}
