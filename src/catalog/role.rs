//! The roles that have something of the project's. Values only: `roles.sql` reads them.

use serde::Deserialize;

/// A role to whom rows are granted, whom a policy names, or whom the application may become.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Role {
    pub name: String,
    /// Whether row security is no matter to it.
    pub bypasses: bool,
    /// Whether who connects in production may become it.
    pub may_ask: bool,
    /// How many policies name it.
    pub policies: usize,
    /// How many tables and views it has a privilege on.
    pub tables: usize,
    /// How many of them it may write to.
    pub written: usize,
}

impl Role {
    /// Whether something of the project is for it.
    pub(crate) fn is_meant(&self) -> bool {
        self.policies > 0 || self.tables > 0
    }
}
