//! Receipts that stay in the database: what was done to it, by whom, and what was checked. Written in the
//! transaction that does it; values of rows are never in one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::project::files::SqlFile;
use crate::push::digest::digest_of;
use crate::push::own::{Own, refuse_changed};
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{fill, literal};

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// A file was applied.
    Push,
    /// A version was taken back by its file.
    Rollback,
    /// The histories were told that a version is applied.
    Applied,
    /// The same that it is not.
    Reverted,
    /// A row of another version was found to be a file, and moved to it.
    Paired,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Rollback => "rollback",
            Self::Applied => "repair --applied",
            Self::Reverted => "repair --reverted",
            Self::Paired => "repair --pair",
        }
    }

    /// Whether the version is there afterwards, with the text of the receipt.
    fn leaves_it(self) -> bool {
        matches!(self, Self::Push | Self::Applied | Self::Paired)
    }
}

/// A receipt to be written.
pub(crate) struct Stored<'a> {
    pub action: Action,
    pub version: i64,
    pub name: &'a str,
    /// The file whose text is there now.
    pub file: Option<&'a SqlFile>,
    pub took: Duration,
    /// What else is to be known: an object.
    pub receipt: Value,
}

impl Stored<'_> {
    /// Writes it, in the transaction that does what it says.
    ///
    /// # Errors
    /// A server that refuses, or a table that keeps nothing.
    pub(crate) fn write(&self, session: &mut Session) -> Result<()> {
        let Self { action, version, name, file, took, .. } = self;
        let mut receipt = self.receipt.clone();
        receipt["leakproof"] = env!("CARGO_PKG_VERSION").into();
        let sha256 = file.filter(|_| action.leaves_it()).map(digest_of);
        let values = [
            ("@version@", version.to_string()),
            ("@name@", literal(name)),
            ("@action@", literal(action.name())),
            ("@sha256@", sha256.map_or("null".into(), |digits| literal(&digits))),
            ("@took@", took.as_millis().to_string()),
            ("@receipt@", literal(&receipt.to_string())),
        ];
        let written = session.rows(&fill(include_str!("stored.sql"), &values));
        let written = written.map_err(failing("store the receipt"))?;
        match written.len() {
            1 => Ok(()),
            _ => Err(Error::new(format!("{} keeps no receipt", Own::Receipts.table()))
                .cause("what was written to it is not there")
                .help("nothing was kept; take triggers and rules off that table")),
        }
    }
}

/// The digest of the text that each version was left with, by its last receipt.
///
/// # Errors
/// A table of another shape, or one that may not be read.
pub(crate) fn read_digests(connection: &mut Connection) -> Result<BTreeMap<i64, String>> {
    const ATTEMPT: &str = "read the receipts";
    let table = Own::Receipts.table();
    let is_there = format!("select pg_catalog.to_regclass('{table}') is not null");
    let is_there = connection.rows(&is_there).map_err(failing(ATTEMPT))?;
    if is_there != [[Some("t".to_owned())]] {
        return Ok(BTreeMap::new());
    }
    let rows = connection.uncommitted(|session| {
        refuse_changed(session, Own::Receipts)?;
        let query = format!(
            "select distinct on (version) version, sha256 from {table} order by version, id desc"
        );
        session.rows(&query).map_err(failing(ATTEMPT))
    })?;
    let digest = |row: Vec<Option<String>>| {
        let [Some(version), Some(digest)] = <[Option<String>; 2]>::try_from(row).ok()? else {
            return None;
        };
        Some((version.parse().ok()?, digest))
    };
    Ok(rows.into_iter().filter_map(digest).collect())
}

/// Whether receipts can be stored: who may make no schema has none to store them in.
///
/// # Errors
/// A lost connection.
pub(crate) fn can_be_stored(connection: &mut Connection) -> Result<bool> {
    let query = "select pg_catalog.to_regnamespace('leakproof') is not null
        or pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create')";
    let rows = connection.rows(query).map_err(failing("see whether receipts can be stored"))?;
    Ok(rows == [[Some("t".to_owned())]])
}

/// What is said where they cannot.
pub(crate) const NOT_STORED: &str =
    "no receipt is stored: who is connected may not make the schema `leakproof`";
