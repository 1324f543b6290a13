//! Where an ephemeral Postgres comes from: given by URL, local binaries, or Docker; and the scratch
//! databases on it. Knows nothing of platforms, projects or what is done in a scratch database.
//!
//! Whatever is made here goes away again: when its value is dropped, and when the process is killed.
//! A private server (local, docker) notices that by itself; on a server that was given, the
//! [`reap`] process does it, or the next run.

pub(crate) mod account;
pub(crate) mod binaries;
pub(crate) mod connection;
#[cfg(feature = "testcontainers")]
pub(crate) mod container;
pub(crate) mod data;
pub(crate) mod database;
pub(crate) mod docker;
pub(crate) mod docker_program;
pub(crate) mod local;
pub(crate) mod login;
pub(crate) mod instance;
pub(crate) mod jail;
pub(crate) mod options;
pub(crate) mod password;
pub(crate) mod preparation;
pub(crate) mod random;
pub(crate) mod reaper;
pub(crate) mod redact;
pub(crate) mod runs;
pub(crate) mod said;
pub(crate) mod signals;
pub(crate) mod start;
pub(crate) mod url;
pub(crate) mod watcher;

pub use crate::server::database::Database;
pub use crate::server::instance::{Server, Template};
pub use crate::server::options::{DEFAULT_DOCKER_IMAGE, ServerKind, ServerOptions};
pub use crate::server::reaper::reap;
pub use crate::server::redact::without_password;
pub use crate::server::runs::ROLE_MARK;
pub use crate::server::signals::{exit_on_signals, stop_on_signals, when_a_server_hangs};
