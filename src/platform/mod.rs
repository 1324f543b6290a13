//! What a database has before the first migration: the Supabase platform, or next to nothing.
//!
//! The SQL is beside this file, one topic per file, and runs as the superuser we connect as.

use postgres::Client;

use crate::error::{Error, Result};
use crate::migrate::Owner;
use crate::project::{Grants, Identity, PlatformKind, Project};
use crate::session;
use crate::statement::{identifier, literal};

/// A platform, chosen by the project's config.
#[derive(Debug, Clone)]
pub struct Platform {
    grants: Grants,
    /// Only the plain platform has one.
    identity: Option<Identity>,
}

const SUPABASE: &[&str] = &[
    include_str!("supabase/roles.sql"),
    include_str!("supabase/schemas.sql"),
    include_str!("supabase/extensions.sql"),
    include_str!("supabase/auth.sql"),
    include_str!("supabase/realtime.sql"),
    include_str!("supabase/grants_legacy.sql"),
];
const SUPABASE_2026: &str = include_str!("supabase/grants_2026.sql");

impl Platform {
    /// The platform that the project's config names.
    pub fn of(project: &Project) -> Self {
        let config = project.config();
        let identity = match config.project.platform {
            PlatformKind::Supabase => None,
            PlatformKind::Plain => config.identity.clone(),
        };
        Self { grants: config.project.grants, identity }
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
    pub fn install(&self, client: &mut Client) -> Result<()> {
        let wrong = |cause: postgres::Error| {
            Error::new("could not set up the platform").cause(session::reason(&cause)).help(
                "the server has something of its own under these names; use a server of your own",
            )
        };
        match &self.identity {
            Some(identity) => {
                client.batch_execute(&plain_roles(identity)).map_err(wrong)?;
            }
            None => {
                for sql in SUPABASE {
                    client.batch_execute(sql).map_err(wrong)?;
                }
                if self.grants == Grants::Explicit2026 {
                    client.batch_execute(SUPABASE_2026).map_err(wrong)?;
                }
            }
        }
        Ok(())
    }

    /// Who runs the migrations.
    pub fn owner(&self) -> Owner {
        let search_path = match &self.identity {
            Some(_) => "\"$user\", public",
            None => "\"$user\", public, extensions",
        };
        Owner { role: "postgres".into(), search_path: search_path.into() }
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

/// Makes the roles of the config that are missing, and lets `postgres` run the migrations: where it
/// was there before, it need not be a superuser.
fn plain_roles(identity: &Identity) -> String {
    let named = [Some(&identity.role), identity.anonymous_role.as_ref()];
    let ordinary = named.into_iter().flatten().chain(&identity.roles).map(|role| (role, ""));
    let service = identity.service_role.iter().map(|role| (role, " bypassrls"));
    let owner = "postgres".to_owned();
    let mut sql = String::new();
    for (role, option) in [(&owner, " superuser")].into_iter().chain(ordinary).chain(service) {
        let create = format!("create role {} nologin{option}", identifier(role));
        let mark = format!(
            "comment on role {} is {}",
            identifier(role),
            literal(crate::server::ROLE_MARK)
        );
        sql.push_str(&format!(
            "do $leakproof$ begin
                if not exists (select from pg_catalog.pg_roles where rolname = {}) then
                    begin
                        execute {}; execute {};
                    exception
                        -- Another run on this server was faster; its role is as good as ours.
                        when duplicate_object or unique_violation then null;
                    end;
                end if;
            end $leakproof$;\n",
            literal(role),
            literal(&create),
            literal(&mark)
        ));
        if *role != owner {
            sql.push_str(&format!(
                "do $leakproof$ begin
                    -- Between two roles that were there before us it is the server's own business.
                    if not pg_catalog.pg_has_role('postgres', {name}, 'member') and exists (
                        select from pg_catalog.pg_roles r
                        where r.rolname in ('postgres', {name})
                        and pg_catalog.shobj_description(r.oid, 'pg_authid') = {mark}
                    ) then
                        begin
                            execute {grant};
                        exception
                            when duplicate_object or unique_violation then null;
                        end;
                    end if;
                end $leakproof$;\n",
                name = literal(role),
                mark = literal(crate::server::ROLE_MARK),
                grant = literal(&format!("grant {} to postgres", identifier(role)))
            ));
        }
    }
    sql.push_str(
        "do $leakproof$ begin
            execute pg_catalog.format(
                'alter database %I owner to postgres', pg_catalog.current_database());
        end $leakproof$;\n",
    );
    sql
}
