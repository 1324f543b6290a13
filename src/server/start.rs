//! Which server is taken, and the one of this process.

use std::sync::{Arc, Mutex, Weak};

use crate::error::{Error, Result};
use crate::server::docker::start as start_docker;
use crate::server::instance::{Server, lock};
use crate::server::local::start as start_local;
use crate::server::options::{ServerKind, ServerOptions};
use crate::server::preparation::Preparation;
use crate::server::url::start as start_url;

pub(crate) fn start_kind(
    kind: ServerKind,
    options: &ServerOptions,
    preparation: Option<Preparation>,
) -> Result<Server> {
    let mut server = match kind {
        ServerKind::Url => start_url(options),
        ServerKind::Local => start_local(options.major, preparation),
        ServerKind::Docker => start_docker(options),
    }?;
    (server.is_disposable, server.statement_limit) =
        (options.is_disposable, options.statement_limit);
    match options.require_jail {
        true => server.demand_jail(),
        false => Ok(server),
    }
}

pub(crate) fn start_first(
    options: &ServerOptions,
    preparation: Option<Preparation>,
) -> Result<Server> {
    let mut tried = vec!["url: LEAKPROOF_DATABASE_URL is not set".to_owned()];
    for kind in [ServerKind::Local, ServerKind::Docker] {
        match start_kind(kind, options, preparation.clone()) {
            Ok(server) => return Ok(server),
            Err(error) => {
                let error = error.to_string();
                let error = error.replace("\n  cause: ", ": ").replace("\n  help: ", "; ");
                tried.push(format!("{kind}: {error}"));
            }
        }
    }
    let ways = [
        "one of these will do",
        "local: install PostgreSQL (`apt install postgresql`, `brew install postgresql@17`)",
        "docker: install and start Docker (https://docs.docker.com/get-docker/)",
        "url: set LEAKPROOF_DATABASE_URL=postgres://user:password@host/database, of a superuser",
    ];
    Err(Error::new("found no PostgreSQL server to try the migrations on")
        .cause(tried.join("\n         "))
        .help(ways.join("\n        ")))
}

impl Server {
    /// Starts a server of the kind asked for, or the first that works of url (only if a URL is
    /// set), local and docker.
    ///
    /// # Errors
    /// When the kind asked for does not work; when a URL is set and does not work; when no kind
    /// works, with all that was tried and how to get each.
    pub fn start(options: &ServerOptions) -> Result<Self> {
        Self::start_with(options, None)
    }

    /// As [`Self::start`]; a private server may have done what is prepared before it starts.
    pub(in crate::server) fn start_with(
        options: &ServerOptions,
        preparation: Option<Preparation>,
    ) -> Result<Self> {
        match options.kind {
            Some(kind) => start_kind(kind, options, preparation),
            None if options.url.is_some() => start_kind(ServerKind::Url, options, None),
            None => start_first(options, preparation),
        }
    }

    /// The server of this process for these options; started if nobody holds it now.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn shared(options: &ServerOptions) -> Result<Arc<Self>> {
        Self::shared_for(options, None)
    }

    /// As [`Self::shared`]; where one must be started that is ours, its first database has in it what
    /// these statements make, from a cache: see [`Self::take_prepared`].
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(crate) fn shared_for(options: &ServerOptions, prepared: Option<&str>) -> Result<Arc<Self>> {
        // Weak, since nothing drops what is in a static, and the server would stay behind.
        static SHARED: Mutex<Vec<(ServerOptions, Weak<Server>)>> = Mutex::new(Vec::new());
        let mut shared = lock(&SHARED);
        shared.retain(|(_, server)| server.strong_count() > 0);
        let known = shared.iter().find(|(of, _)| of == options);
        if let Some(server) = known.and_then(|(_, server)| server.upgrade()) {
            return Ok(server);
        }
        let server = Arc::new(Self::start_with(options, prepared.map(Preparation::new))?);
        shared.push((options.clone(), Arc::downgrade(&server)));
        Ok(server)
    }
}
