//! One connection, spoken to in plain text: statements in, rows of text out.
//!
//! The simple protocol is used on purpose: what runs is what a report can show, letter by letter,
//! and several statements cost one round trip. Values are quoted by `sql::quote::literal`.
//!
//! Nothing of the project ever runs in a superuser's session: it has logged in as the owner of the files,
//! or as who connects in production. What we do in between, in the same transaction, goes through functions
//! of ours in the database; see `platform/own_schema.sql`.
//!
//! Who runs what is said here and nowhere else: [`open::Session::as_owner`], `as_auditor`, `as_actor`,
//! and [`rewind::Rewind`] for who tries many things from one state. Whoever has a
//! [`open::Session`] is inside a transaction and has no way to end it; only
//! [`connection::Connection`] begins one, and only it can commit.

pub(crate) mod failed;
pub(crate) mod outcome;
pub(crate) mod savepoint;
pub(crate) mod impersonation;
pub(crate) mod open;
pub(crate) mod rewind;
pub(crate) mod uncommitted;
pub(crate) mod connection;
pub(crate) mod watchdog;
