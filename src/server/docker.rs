//! Docker.
use super::{Server, ServerOptions};
use crate::error::{Error, Result};
/// d
pub struct DockerServer {}
/// s
pub fn start(_options: &ServerOptions) -> Result<Server> {
    Err(Error::new("todo"))
}
