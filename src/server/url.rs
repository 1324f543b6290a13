//! A server that is already there.

use postgres::Config;

use super::{Server, ServerOptions};
use crate::error::{Error, Result};

/// The comment of roles.
pub const ROLE_MARK: &str =
    "created by leakproof for a scratch database, dropped with the last one";

/// A run.
pub struct Run {}
impl Run {
    /// End.
    pub fn finish(&mut self) {}
}
/// Start
pub fn start(_options: &ServerOptions) -> Result<Server> {
    let _ = Config::new();
    Err(Error::new("todo"))
}
/// Reap.
pub fn reap() -> Result<()> {
    Ok(())
}
