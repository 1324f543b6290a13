//! Why what was found is so, where that is known.

use serde::Serialize;

use crate::migrate::applied::MigrationName;

/// Why what was found is so. Only what is certain is said; which of several policies let a row
/// through is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A privilege is enough: nothing else is asked.
    Grant,
    /// Row level security is off, so that a privilege is enough.
    MissingRowSecurity,
    /// The role owns the table, and row security does not bind owners unless it is forced.
    Owner,
    /// A view reads tables as its owner, whom their policies do not bind.
    ViewOwner,
    /// The one policy that applies and lets rows through.
    Policy {
        /// Its name, unquoted.
        name: String,
    },
    /// What a migration did.
    Migration(MigrationName),
}
