//! Roles belong to the whole server, and a scratch database must leave none of its traces on them.
//!
//! What a file sets for a role is moved into the scratch database, where it holds as well and goes
//! with it; the next file finds it as if it had stayed. A role that a file makes is marked, so that
//! it is dropped with the last scratch database.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Result;
use crate::server::runs::ROLE_MARK;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::session::outcome::TextRow;
use crate::sql::quote::literal;

/// What could not be done where a statement of ours fails.
const ATTEMPT: &str = "look after the roles";

/// How it was before a file.
pub(crate) struct Roles {
    known: BTreeSet<String>,
    settings: Settings,
}

/// The settings of each role, by oid, as the server writes them.
type Settings = BTreeMap<String, String>;

/// The comment on a role of a migration.
pub(crate) fn mark() -> String {
    format!("{ROLE_MARK}; a migration's")
}

const HERE: &str =
    "(select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())";

impl Roles {
    /// Takes down how it is, and gives roles the settings that earlier files gave them.
    pub(crate) fn before(session: &mut Session) -> Result<Self> {
        let queries = [
            "select oid::text from pg_catalog.pg_roles",
            &settings_query("0"),
            &settings_query(HERE),
        ];
        let [known, settings, here] = session.answers(queries).map_err(failing(ATTEMPT))?;
        let known = known.into_iter().filter_map(|mut row| row.pop().flatten()).collect();
        let puts = read_settings(here)
            .into_iter()
            .flat_map(|(role, config)| [put("0", &role, Some(&config)), put(HERE, &role, None)]);
        tell(session, &puts.collect::<Vec<_>>())?;
        Ok(Self { known, settings: read_settings(settings) })
    }

    /// Marks the roles that came, and moves the settings that changed.
    pub(crate) fn settle(&self, session: &mut Session) -> Result<()> {
        let names = "select oid::text, quote_ident(rolname) from pg_catalog.pg_roles";
        let answers = session.answers([names, &settings_query("0")]);
        let [roles, now] = answers.map_err(failing(ATTEMPT))?;
        let mut changes = Vec::new();
        for row in roles {
            let [Some(oid), Some(name)] = row.as_slice() else { continue };
            if !self.known.contains(oid) {
                changes.push(format!("comment on role {name} is {}", literal(&mark())));
            }
        }
        let now = read_settings(now);
        for role in now.keys().chain(self.settings.keys()).collect::<BTreeSet<_>>() {
            let (before, now) = (self.settings.get(role), now.get(role));
            if before != now {
                changes.extend([put(HERE, role, now), put("0", role, before)]);
            }
        }
        tell(session, &changes)
    }
}

fn settings_query(database: &str) -> String {
    format!(
        "select setrole::text, setconfig::text from pg_catalog.pg_db_role_setting \
         where setdatabase = {database} and setrole <> 0"
    )
}

fn read_settings(rows: Vec<TextRow>) -> Settings {
    let pairs = rows.into_iter().filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
        Ok([Some(role), Some(config)]) => Some((role, config)),
        _ => None,
    });
    pairs.collect()
}

/// A statement that sets or takes away what a role has set in a database.
fn put(database: &str, role: &str, config: Option<&String>) -> String {
    let table = "pg_catalog.pg_db_role_setting";
    let mut sql =
        format!("delete from {table} where setdatabase = {database} and setrole = {role}");
    if let Some(config) = config {
        sql.push_str(&format!(
            "; insert into {table} values ({database}, {role}, {}::text[])",
            literal(config)
        ));
    }
    sql
}

fn tell(session: &mut Session, statements: &[String]) -> Result<()> {
    match statements {
        [] => Ok(()),
        some => session.run(&some.join("; ")).map(drop).map_err(failing(ATTEMPT)),
    }
}
