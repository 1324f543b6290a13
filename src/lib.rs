//! leakproof: applies your Postgres migrations to a throwaway database and proves, by really
//! trying, that no tenant can touch another tenant's rows and that no row was lost on the way.

pub mod actor;
mod catalog;
pub mod check;
pub mod compare;
pub mod error;
pub mod finding;
pub mod isolation;
pub mod matrix;
pub mod migrate;
pub mod platform;
pub mod preserve;
mod probe;
pub mod project;
pub mod report;
pub mod scratch;
pub mod server;
mod session;
mod statement;
mod tenancy;
mod world;
