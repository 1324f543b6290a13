//! Roles belong to the whole server, and a scratch database must leave none of its traces on them.
//!
//! What a file sets for a role is moved into the scratch database, where it holds as well and goes
//! with it; the next file finds it as if it had stayed. A role that a file makes is marked, so that
//! it is dropped with the last scratch database.

use std::collections::{BTreeMap, BTreeSet};

use postgres::Client;

use crate::error::Result;
use crate::server::ROLE_MARK;
use crate::session;
use crate::statement::literal;

/// How it was before a file.
pub(super) struct Roles {
    known: BTreeSet<String>,
    settings: Settings,
}

/// The settings of each role, by oid, as the server writes them.
type Settings = BTreeMap<String, String>;

/// The comment on a role of a migration.
pub(super) fn mark() -> String {
    format!("{ROLE_MARK}; a migration's")
}

const HERE: &str =
    "(select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())";

impl Roles {
    /// Takes down how it is, and gives roles the settings that earlier files gave them.
    pub(super) fn before(client: &mut Client) -> Result<Self> {
        let known = ask(client, "select oid::text from pg_catalog.pg_roles")?.into_iter();
        let known = known.filter_map(|mut row| row.pop().flatten()).collect();
        let settings = read_settings(client, "0")?;
        for (role, config) in read_settings(client, HERE)? {
            put(client, "0", &role, Some(&config))?;
            put(client, HERE, &role, None)?;
        }
        Ok(Self { known, settings })
    }

    /// Marks the roles that came, and moves the settings that changed.
    pub(super) fn settle(&self, client: &mut Client) -> Result<()> {
        let roles = ask(client, "select oid::text, quote_ident(rolname) from pg_catalog.pg_roles")?;
        for row in roles {
            let [Some(oid), Some(name)] = row.as_slice() else { continue };
            if !self.known.contains(oid) {
                ask(client, &format!("comment on role {name} is {}", literal(&mark())))?;
            }
        }
        let now = read_settings(client, "0")?;
        for role in now.keys().chain(self.settings.keys()).collect::<BTreeSet<_>>() {
            let (before, now) = (self.settings.get(role), now.get(role));
            if before != now {
                put(client, HERE, role, now)?;
                put(client, "0", role, before)?;
            }
        }
        Ok(())
    }
}

fn read_settings(client: &mut Client, database: &str) -> Result<Settings> {
    let query = format!(
        "select setrole::text, setconfig::text from pg_catalog.pg_db_role_setting \
         where setdatabase = {database} and setrole <> 0"
    );
    let rows = ask(client, &query)?.into_iter();
    Ok(rows
        .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(role), Some(config)]) => Some((role, config)),
            _ => None,
        })
        .collect())
}

fn put(client: &mut Client, database: &str, role: &str, config: Option<&String>) -> Result<()> {
    let table = "pg_catalog.pg_db_role_setting";
    let mut sql =
        format!("delete from {table} where setdatabase = {database} and setrole = {role}");
    if let Some(config) = config {
        sql.push_str(&format!(
            "; insert into {table} values ({database}, {role}, {}::text[])",
            literal(config)
        ));
    }
    ask(client, &sql).map(drop)
}

fn ask(client: &mut Client, sql: &str) -> Result<Vec<session::TextRow>> {
    session::rows(client, sql).map_err(|cause| session::internal("look after the roles", &cause))
}
