//! A server that is already there. Scratch databases are made beside the named database, which is
//! never touched; what we leave on the server is dropped at the end, or by whoever comes next.
//!
//! A run is alive as long as its session holds the advisory lock of its number; the number is part
//! of the names of its databases. Starting and ending happen one at a time (the gate), so that no
//! run drops the roles which another is about to use.

use postgres::{Client, NoTls};

use crate::error::{Error, Result};
use crate::server::instance::Server;
use crate::server::options::{ServerKind, ServerOptions};
use crate::server::reaper::Reaper;
use crate::server::runs::{
    connect_maintenance, database_prefix, describe_place, enter, leave, refused, session_name,
};

/// Our presence on the server. Dropping it drops all that the run made, then its sign of life.
pub struct Run {
    /// Only used to start and to end; in between it just holds the lock.
    session: std::sync::Mutex<Client>,
    number: u32,
    reaper: Option<Reaper>,
}

/// Uses the server of `options.url`, after dropping what dead runs left on it.
pub fn start(options: &ServerOptions) -> Result<Server> {
    let Some(url) = &options.url else {
        return Err(Error::new("no server is given")
            .help("set LEAKPROOF_DATABASE_URL=postgres://user:password@host/database"));
    };
    let (mut session, mut config) = connect_maintenance(url)?;
    let place = describe_place(&config);
    let number = enter(&mut session).map_err(|cause| refused(&place, &cause))?;
    config.application_name(&session_name(number));
    let reaper = match &options.reaper {
        Some(program) => Some(Reaper::start(program, url, number)?),
        None => None,
    };
    let run = Run { session: session.into(), number, reaper };
    let client = config.connect(NoTls).map_err(|cause| refused(&place, &cause))?;
    let prefix = database_prefix(number);
    Server::new(ServerKind::Url, place, prefix, config, client, Box::new(run))
}

impl Drop for Run {
    fn drop(&mut self) {
        let session = self.session.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        if leave(session, self.number).is_ok()
            && let Some(reaper) = self.reaper.take()
        {
            reaper.dismiss();
        }
    }
}
