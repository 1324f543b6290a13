//! What all connections of ours have in common.

use crate::server::redact::without_password;
use crate::session::failed::{refusal_of, words_of};

/// The application name of every connection of ours, or how it begins.
pub(crate) const APPLICATION_NAME: &str = "leakproof";

/// What a superuser of that name must be told: the schema that holds what is ours has it, too, and would
/// be looked into first.
pub(crate) const SUPERUSER_OPTIONS: &str = "-c search_path=public";

/// The database that comes with every server.
pub(crate) const FIRST_DATABASE: &str = "postgres";

/// What the server, or the connection to it, said: in one line, with the SQLSTATE if there is one.
pub(crate) fn cause_of(error: &postgres::Error) -> String {
    let said = error.as_db_error().map(|said| refusal_of(said).brief());
    without_password(&said.unwrap_or_else(|| words_of(error)))
}
