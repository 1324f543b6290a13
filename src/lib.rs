//! leakproof.

pub mod error;
pub mod server;
