//! A server in a container that somebody else has started, with testcontainers: for whoever has such
//! a container in their tests anyway. What is made in it is made as on any server that was given.

use std::{fmt, mem};

use testcontainers::core::IntoContainerPort;
use testcontainers::{Container, Image};

use crate::error::{Error, Result};
use crate::server::instance::Server;
use crate::server::options::{ServerKind, ServerOptions};
use crate::server::redact::without_password;
use crate::server::url::start as start_url;

const PORT: u16 = 5432;

impl Server {
    /// The server on port 5432 of a container, which is removed with the last `Arc` of the server;
    /// `user` is a superuser with this password. A process that is killed leaves the container
    /// behind, since testcontainers does.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use leakproof::platform::Platform;
    /// use leakproof::server::Server;
    /// use leakproof::{Error, Project, Scratch};
    /// use testcontainers::core::{IntoContainerPort, WaitFor};
    /// use testcontainers::{GenericImage, ImageExt, runners::SyncRunner};
    ///
    /// let ready = WaitFor::message_on_stderr("ready to accept connections");
    /// let image = GenericImage::new("postgres", "17").with_exposed_port(5432.tcp());
    /// // On Supabase `postgres` is no superuser, so that the superuser here has another name.
    /// let request = image
    ///     .with_wait_for(ready)
    ///     .with_env_var("POSTGRES_USER", "admin")
    ///     .with_env_var("POSTGRES_PASSWORD", "secret");
    /// let container = request.start().map_err(|cause| Error::new(cause.to_string()))?;
    /// let server = Arc::new(Server::in_container(container, "admin", "secret")?);
    ///
    /// let project = Project::read("sql/conversations")?;
    /// let mut scratch = Scratch::empty(&project, Platform::of(&project), &server)?;
    /// scratch.migrate()?;
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// A container without that port, or a server that does not let the user in.
    pub fn in_container<I: Image + 'static>(
        container: Container<I>,
        user: &str,
        password: &str,
    ) -> Result<Self> {
        let host = container.get_host().map_err(unreachable)?;
        let port = container.get_host_port_ipv4(PORT.tcp()).map_err(unreachable)?;
        let (user, password) = (quoted(user), quoted(password));
        let url =
            format!("host={host} port={port} user={user} password={password} dbname=postgres");
        let options =
            ServerOptions { kind: Some(ServerKind::Url), url: Some(url), ..Default::default() };
        let mut server = start_url(&options).map_err(|error| {
            error.help("give a superuser of the server in the container, and the password")
        })?;
        // Our presence on the server goes first, then the server.
        let presence = mem::replace(&mut server._source, Box::new(()));
        server._source = Box::new((presence, container));
        Ok(server)
    }
}

fn unreachable(cause: impl fmt::Display) -> Error {
    Error::new("could not find the server in a container of testcontainers")
        .cause(without_password(&cause.to_string()))
        .help(format!("expose port {PORT}: `.with_exposed_port({PORT}.tcp())`"))
}

/// As a value in a connection string of pairs.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use postgres::Config;

    use super::quoted;

    #[test]
    fn any_value_can_be_quoted() {
        for password in ["", "secret", "it's", "a\\b' host=x", "two words"] {
            let config: Config = format!("password={}", quoted(password)).parse().unwrap();
            assert_eq!(config.get_password(), Some(password.as_bytes()));
        }
    }
}
