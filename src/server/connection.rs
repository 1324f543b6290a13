//! What all connections of ours have in common.

use crate::server::redact::without_password;

/// The application name of every connection of ours, or how it begins.
pub(crate) const APPLICATION_NAME: &str = "leakproof";

/// The database that comes with every server.
pub(crate) const FIRST_DATABASE: &str = "postgres";

/// What the server, or the connection to it, said: in one line, with the SQLSTATE if there is one.
pub(crate) fn cause_of(error: &postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        let said = format!("{} (SQLSTATE {})", refusal.message(), refusal.code().code());
        return without_password(&said);
    }
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    without_password(&said)
}
