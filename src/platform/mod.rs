//! What a database has before the first migration: the Supabase platform, or next to nothing.
//!
//! The SQL is beside this file, one topic per file, and runs as the superuser we connect as.

pub(crate) mod extensions;
pub(crate) mod owner;
pub(crate) mod schemas;

use crate::error::Result;
use crate::platform::owner::Owner;
use crate::platform::schemas::{SUPABASE, SUPABASE_GRAPHQL, owns_schema};
use crate::project::Project;
use crate::project::config::{Grants, Identity, PlatformKind};
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{identifier, literal};

/// A platform, chosen by the project's config.
#[derive(Debug, Clone)]
pub struct Platform {
    grants: Grants,
    /// Only the plain platform has one.
    identity: Option<Identity>,
}

/// Who owns extensions on Supabase.
const SUPABASE_ADMIN: &str = "supabase_admin";
/// A superuser of our own, as far as nobody has made it. Not `postgres`: on a server without one a
/// Supabase project that is checked at the same time makes it, and there it is no superuser.
const PLAIN_OWNER: &str = "leakproof_owner";

const SUPABASE_2026: &str = include_str!("supabase/grants_2026.sql");

impl Platform {
    /// The platform that the project's config names.
    pub fn of(project: &Project) -> Self {
        let config = project.config();
        let identity = match config.project.platform {
            PlatformKind::Supabase => None,
            PlatformKind::Plain => config.identity.clone(),
        };
        Self { grants: config.project.grants.unwrap_or_default(), identity }
    }

    /// The same platform with other default privileges.
    pub fn with_grants(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }

    /// `supabase, grants 2026`, as reports show it.
    pub fn describe(&self) -> String {
        match (&self.identity, self.grants) {
            (Some(identity), _) => format!("plain, identity from `{}`", identity.user),
            (None, Grants::Legacy) => "supabase, grants legacy".into(),
            (None, Grants::Explicit2026) => "supabase, grants 2026".into(),
        }
    }

    /// Puts the platform into a fresh database.
    ///
    /// # Errors
    /// A connection that is lost, or a server that has something else under these names.
    pub(crate) fn install(&self, connection: &mut Connection) -> Result<()> {
        connection.rows(&self.sql()).map(drop).map_err(|failed| {
            failed.error("could not set up the platform").help(
                "the server has something of its own under these names; use a server of your own",
            )
        })
    }

    /// The statements that put it into a fresh database, as a superuser.
    pub(crate) fn sql(&self) -> String {
        let Some(identity) = &self.identity else {
            let stubs = extensions::preinstalled();
            let more = if self.grants == Grants::Explicit2026 { SUPABASE_2026 } else { "" };
            return format!(
                "{SUPABASE}\nset role {SUPABASE_ADMIN};\n{stubs}\nreset role;\n\
                 {SUPABASE_GRAPHQL}\n{more}"
            );
        };
        plain_roles(identity)
    }

    /// In what the platform on this server differs from the real one.
    ///
    /// # Errors
    /// A lost connection.
    pub(crate) fn notes(&self, session: &mut Session) -> Result<Vec<String>> {
        let mut notes = Vec::new();
        let mut is = |condition: &str| {
            let rows = session.rows(&format!("select 1 where {condition}"));
            rows.map(|rows| !rows.is_empty()).map_err(failing("look at the platform"))
        };
        if self.identity.is_none() {
            let is_superuser = "exists (select from pg_catalog.pg_roles \
                 where rolname = 'postgres' and rolsuper)";
            if is(is_superuser)? {
                notes.push(
                    "the migrations run as a superuser on this server; on Supabase `postgres` is \
                     none"
                        .into(),
                );
            }
            for extension in ["uuid-ossp", "pgcrypto"] {
                let lacks = format!(
                    "not exists (select from pg_catalog.pg_extension where extname = {})",
                    literal(extension)
                );
                if is(&lacks)? {
                    notes.push(format!("this server lacks the extension `{extension}`"));
                }
            }
        }
        Ok(notes)
    }

    /// Who runs the migrations.
    pub fn owner(&self) -> Owner {
        let search_path = match &self.identity {
            Some(_) => "\"$user\", public",
            None => "\"$user\", public, extensions",
        };
        let (role, admin) = match &self.identity {
            Some(_) => (PLAIN_OWNER, PLAIN_OWNER),
            None => ("postgres", SUPABASE_ADMIN),
        };
        Owner { role: role.into(), search_path: search_path.into(), admin: admin.into() }
    }

    /// Whether a schema is its own; the plain platform has none.
    pub(crate) fn owns(&self, schema: &str) -> bool {
        self.identity.is_none() && owns_schema(schema)
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The role of a visitor who is not logged in.
    pub(crate) fn visitor_role(&self) -> Option<&str> {
        match &self.identity {
            Some(identity) => identity.anonymous_role.as_deref().or(Some(&identity.role)),
            None => Some("anon"),
        }
    }

    /// The role of somebody who is logged in.
    pub(crate) fn person_role(&self) -> &str {
        self.identity.as_ref().map_or("authenticated", |identity| &identity.role)
    }

    /// The role of trusted back-end jobs.
    pub(crate) fn service_role(&self) -> Option<&str> {
        match &self.identity {
            Some(identity) => identity.service_role.as_deref(),
            None => Some("service_role"),
        }
    }

    /// Who is connected while actors ask. On the plain platform the application connects as its
    /// role; on Supabase the API connects as `authenticator` and switches.
    pub(crate) fn session_user(&self) -> Option<&str> {
        self.identity.is_none().then_some("authenticator")
    }

    /// An expression that gives the asking user's id as text, as policies would write it.
    pub(crate) fn user_expression(&self) -> String {
        match &self.identity {
            Some(identity) => {
                format!("pg_catalog.current_setting({}, true)", literal(&identity.user))
            }
            None => "auth.uid()::text".into(),
        }
    }

    /// Values for columns of the users table beside its key, for somebody of that name.
    pub(crate) fn user_columns(&self, name: &str) -> Vec<(&'static str, String)> {
        match &self.identity {
            Some(_) => Vec::new(),
            None => vec![
                ("instance_id", "00000000-0000-0000-0000-000000000000".into()),
                ("aud", "authenticated".into()),
                ("role", "authenticated".into()),
                ("email", format!("{name}@leakproof.test")),
                ("raw_app_meta_data", r#"{"provider": "email", "providers": ["email"]}"#.into()),
                ("raw_user_meta_data", "{}".into()),
            ],
        }
    }

    /// Whether the users table is the platform's own, so that only [`Self::user_columns`] matter.
    pub(crate) fn has_users(&self) -> bool {
        self.identity.is_none()
    }
}

/// Makes the roles of the config that are missing, and who runs the migrations. `postgres` is there
/// too, since migrations name it: what it is on Supabase, so that projects of both platforms can
/// share a server.
fn plain_roles(identity: &Identity) -> String {
    let named = [Some(&identity.role), identity.anonymous_role.as_ref()];
    let ordinary =
        named.into_iter().flatten().chain(&identity.roles).map(|role| (role.as_str(), ""));
    let service = identity.service_role.iter().map(|role| (role.as_str(), " bypassrls"));
    // They come first: an application that has one of them as its role is told so by the actors.
    let owners = [(PLAIN_OWNER, " superuser"), ("postgres", " createdb createrole bypassrls")];
    let mut sql = String::new();
    for (role, option) in owners.into_iter().chain(ordinary).chain(service) {
        let create = format!("create role {} nologin{option}", identifier(role));
        let mark = format!(
            "comment on role {} is {}",
            identifier(role),
            literal(crate::server::runs::ROLE_MARK)
        );
        sql.push_str(&format!(
            "do $leakproof$ begin
                if not exists (select from pg_catalog.pg_roles where rolname = {}) then
                    execute {}; execute {};
                end if;
            exception
                -- Another run on this server was faster; its role is as good as ours.
                when duplicate_object or unique_violation then null;
            end $leakproof$;\n",
            literal(role),
            literal(&create),
            literal(&mark)
        ));
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::read::definitions;
    use crate::server::database::Database;
    use crate::server::instance::Server;
    use crate::server::options::{ServerKind, ServerOptions};

    #[test]
    fn what_is_prepared_is_what_is_installed() {
        let options = ServerOptions { kind: Some(ServerKind::Local), ..Default::default() };
        for grants in [Grants::Explicit2026, Grants::Legacy] {
            let platform = Platform { grants, identity: None };
            let sql = platform.sql();
            let server = Server::shared_for(&options, Some(&sql)).expect("a server");
            let prepared = server.take_prepared(&sql).expect("it is prepared");
            assert!(server.take_prepared(&sql).is_none(), "it is taken");
            let other = server.create_database().expect("a database");
            let connect =
                |database: &Database| Connection::new(database.connect().expect("a connection"));
            platform.install(&mut connect(&other)).expect("a platform");
            let [prepared, other] = [prepared, other].map(|database| {
                let mut connection = connect(&database);
                let settings = "select setting.setconfig::text from pg_db_role_setting setting \
                     join pg_database d on d.oid = setdatabase where datname = current_database()";
                let settings = connection.rows(settings).expect("settings");
                (connection.uncommitted(definitions).expect("definitions"), settings)
            });
            assert!(prepared.0.len() > 1000);
            let is_there = |one: &_| other.0.iter().any(|there| there == *one);
            let differing: Vec<_> = prepared.0.iter().filter(|one| !is_there(one)).collect();
            assert_eq!(differing, []);
            assert_eq!(prepared.0.len(), other.0.len());
            assert_eq!(prepared.1, other.1);
        }
    }
}
