//! What a database has before the first migration: the Supabase platform, or next to nothing.
//!
//! The SQL is beside this file, one topic per file, and runs as the superuser we connect as.

pub(crate) mod call;
pub(crate) mod extensions;
pub(crate) mod own_schema;
pub(crate) mod owner;
pub(crate) mod schemas;

use crate::error::{Error, Result};
use crate::migrate::history::HistoryKind;
use crate::migrate::judge;
use crate::platform::owner::Owner;
use crate::platform::schemas::{SUPABASE, SUPABASE_GRAPHQL, owns_schema};
use crate::project::Project;
use crate::project::config::{Grants, PlatformKind};
use crate::project::files::SqlFile;
use crate::project::identity::Identity;
use crate::server::runs::ROLE_MARK;
use crate::session::connection::Connection;
use crate::session::failed::failing;
use crate::session::open::Session;
use crate::sql::quote::{fill, identifier, literal};

/// A platform, chosen by the project's config.
#[derive(Debug, Clone)]
pub struct Platform {
    grants: Grants,
    /// Only the plain platform has one.
    identity: Option<Identity>,
    /// Roles to make before the first migration: those that it counts on.
    expected_roles: Vec<String>,
    /// The roles of further actors, which migrations make.
    actor_roles: Vec<String>,
    /// Roles that the migrations make, any of which may turn out to be the application's.
    made_roles: Vec<String>,
    /// Whether some file may create an extension.
    has_extensions: bool,
}

/// Who owns extensions on Supabase.
const SUPABASE_ADMIN: &str = "supabase_admin";
/// Who runs the migrations of a plain project: an ordinary owner of the database. Not `postgres`, which
/// may be anybody on a server.
const PLAIN_OWNER: &str = "leakproof_owner";
/// As whom a plain application connects: it may become its roles, and nothing else.
const PLAIN_LOGIN: &str = "leakproof_login";
/// As whom the API of Supabase connects.
const AUTHENTICATOR: &str = "authenticator";

const PLAIN: &str = include_str!("plain.sql");
const SUPABASE_2026: &str = include_str!("supabase/grants_2026.sql");

impl Platform {
    /// The platform of a project. Where it is still to be found out who asks on it, nobody does.
    pub fn of(project: &Project) -> Self {
        let config = project.config();
        let choice = project.platform();
        let is_plain = choice.kind == PlatformKind::Plain;
        let identity = project.identity().cloned().unwrap_or_else(Identity::nobodys);
        let actor_roles = config.actors.values().filter_map(|actor| actor.role.clone()).collect();
        let stated = config.identity.as_ref();
        let mut expected_roles: Vec<String> =
            stated.iter().flat_map(|identity| identity.roles.clone()).collect();
        let mut made_roles = Vec::new();
        // Whoever names the role names those beside it, too.
        if is_plain && stated.is_none_or(|identity| identity.role.is_none()) {
            expected_roles.extend(choice.expected_roles.iter().cloned());
            made_roles.extend(choice.made_roles.iter().cloned());
        }
        let grants = project.grants().unwrap_or_default();
        let names_extension =
            |file: &SqlFile| file.raw().to_ascii_lowercase().contains("extension");
        let has_extensions = !is_plain || project.all_files().any(names_extension);
        let identity = is_plain.then_some(identity);
        Self { grants, identity, expected_roles, actor_roles, made_roles, has_extensions }
    }

    /// The same platform with other default privileges.
    pub fn with_grants(self, grants: Grants) -> Self {
        Self { grants, ..self }
    }

    /// The same platform once it is known who asks.
    pub(crate) fn known(self, project: &Project) -> Self {
        let grants = self.grants;
        Self::of(project).with_grants(grants)
    }

    /// `supabase, grants 2026`, as reports show it.
    pub fn describe(&self) -> String {
        match (&self.identity, self.grants) {
            (Some(identity), _) => format!("plain, {}", identity.describe()),
            (None, Grants::Legacy) => "supabase, grants legacy".into(),
            (None, Grants::Explicit2026) => "supabase, grants 2026".into(),
        }
    }

    /// Puts the platform into a fresh database.
    ///
    /// # Errors
    /// A connection that is lost, or a server that has something else under these names.
    pub(crate) fn install(&self, connection: &mut Connection) -> Result<()> {
        self.run(connection, &self.sql())
    }

    /// Puts the rest of it into a database that has what is common to most projects.
    ///
    /// # Errors
    /// As [`Self::install`].
    pub(crate) fn install_rest(&self, connection: &mut Connection) -> Result<()> {
        self.run(connection, &self.project_sql())
    }

    fn run(&self, connection: &mut Connection, sql: &str) -> Result<()> {
        connection.rows(sql).map(drop).map_err(|failed| {
            failed.error("could not set up the platform").help(
                "the server has something of its own under these names; use a server of your own",
            )
        })
    }

    /// Refuses a server on which a role that runs the project's code is a superuser.
    ///
    /// # Errors
    /// The first such role.
    pub(crate) fn refuse_superusers(&self, connection: &mut Connection) -> Result<()> {
        // All that may be there before us; `supabase_admin` is one on Supabase, too. On the plain
        // platform nobody becomes `postgres`.
        let is_plain = self.identity.is_some();
        let query = format!(
            "select rolname from pg_catalog.pg_roles
            where rolsuper and not ({is_plain} and rolname = 'postgres') and (
                rolname in ('postgres', 'authenticator', 'anon', 'authenticated', 'service_role')
                or rolname like 'supabase\\_%' and rolname <> 'supabase_admin'
                or rolname like 'leakproof\\_%'
            )
            order by 1 limit 1"
        );
        let rows = connection.rows(&query).map_err(failing("look at the roles of the server"))?;
        let Some(role) = rows.into_iter().flatten().flatten().next() else { return Ok(()) };
        Err(Error::new(format!("`{role}` is a superuser on this server"))
            .cause("files run as that role, and could do whatever they like to the whole server")
            .help(
                "use another kind of `--server`, or a server whose superuser has another name \
                 (`POSTGRES_USER=admin` for the container `postgres`); if nothing on it is worth \
                 keeping, say so by `--server-is-disposable`",
            ))
    }

    /// The roles that the project names for whoever asks, on the plain platform.
    fn asking_roles<'p>(&'p self, identity: &'p Identity) -> impl Iterator<Item = &'p String> {
        let role = Some(&identity.role).filter(|_| !identity.is_owner());
        let own = [role, identity.anonymous_role.as_ref(), identity.service_role.as_ref()];
        let own = own.into_iter().flatten().chain(&self.expected_roles);
        own.chain(&self.actor_roles).chain(&self.made_roles)
    }

    /// Refuses a server that knows a role which the project names for something else: files and people would
    /// have its rights, in other databases, too.
    ///
    /// # Errors
    /// The first such role.
    pub(crate) fn refuse_known_roles(&self, connection: &mut Connection) -> Result<()> {
        let Some(identity) = &self.identity else { return Ok(()) };
        let named: Vec<String> = self.asking_roles(identity).map(|role| literal(role)).collect();
        let query = format!(
            "select r.rolname from pg_catalog.pg_roles r
            where r.rolname = any(array[{}]::text[]) and not pg_catalog.starts_with(
                coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), ''), {}
            )
            order by 1 limit 1",
            named.join(", "),
            literal(ROLE_MARK)
        );
        let rows = connection.rows(&query).map_err(failing("look at the roles of the server"))?;
        let Some(role) = rows.into_iter().flatten().flatten().next() else { return Ok(()) };
        Err(Error::new(format!(
            "the project names `{role}`, which is a role of this server already"
        ))
        .cause("files and people would have whatever rights it has, in other databases, too")
        .help(
            "use another kind of `--server`, or another role; if nothing on this server is worth \
                 keeping, say so by `--server-is-disposable`",
        ))
    }

    /// Takes the right to make roles from all roles that are ours: who runs the files is one, and may
    /// become others.
    pub(crate) fn take_role_making(connection: &mut Connection) -> Result<()> {
        const MOST_ATTEMPTS: u32 = 50;
        let take = format!(
            "do $leakproof$
            declare
                role name;
            begin
                -- Another run on this server may be altering the same roles.
                for attempt in 1 .. {MOST_ATTEMPTS} loop
                    begin
                        for role in
                            select r.rolname from pg_catalog.pg_roles r
                            where r.rolcreaterole and not r.rolsuper
                            and pg_catalog.shobj_description(r.oid, 'pg_authid') = {}
                        loop
                            execute pg_catalog.format('alter role %I nocreaterole', role);
                        end loop;
                        exit;
                    exception when internal_error then
                        if attempt = {MOST_ATTEMPTS} then
                            raise;
                        end if;
                        perform pg_catalog.pg_sleep(0.1);
                    end;
                end loop;
            end
            $leakproof$",
            literal(ROLE_MARK)
        );
        let taken = connection.rows(&take);
        taken.map(drop).map_err(failing("keep files from the roles of the server"))
    }

    /// The statements that put it into a fresh database, as a superuser.
    fn sql(&self) -> String {
        format!("{}\n{}", self.common_sql(), self.project_sql())
    }

    /// Those of them that are the same for most projects, to be run once and kept.
    pub(crate) fn common_sql(&self) -> String {
        let ours = self.own_schema();
        if self.identity.is_some() {
            let roles = [
                (PLAIN_OWNER, "nologin createrole"),
                (PLAIN_LOGIN, "nologin noinherit"),
                // Migrations name it: what it is on Supabase, so that projects of both platforms can
                // share a server.
                ("postgres", "nologin createrole bypassrls"),
            ];
            let roles = roles.map(|(role, options)| own_schema::create_role(role, options));
            return format!("{}\n{ours}", roles.concat());
        }
        let stubs = extensions::preinstalled();
        let more = if self.grants == Grants::Explicit2026 { SUPABASE_2026 } else { "" };
        format!("{SUPABASE}\n{ours}\n{stubs}\n{SUPABASE_GRAPHQL}\n{more}")
    }

    /// The rest: the roles of the config, so far as they are missing, which a file may make once more.
    fn project_sql(&self) -> String {
        // On Supabase only a project can let `authenticator` become somebody else.
        let Some(identity) = &self.identity else { return String::new() };
        // What a migration makes, it makes as it needs it.
        let is_missing = |role: &&String| !self.made_roles.contains(role);
        let role = Some(&identity.role).filter(|_| !identity.is_owner());
        let named = [role, identity.anonymous_role.as_ref()];
        let named = named.into_iter().flatten().filter(is_missing).chain(&self.expected_roles);
        let ordinary = named.map(|role| (role.as_str(), "nologin"));
        let service = identity.service_role.iter().filter(is_missing);
        let service = service.map(|role| (role.as_str(), "nologin bypassrls"));
        let theirs = ordinary.chain(service);
        let theirs = theirs.map(|(role, options)| own_schema::create_role_of_files(role, options));
        let mut sql: String = theirs.collect();
        let asking = self.asking_roles(identity).map(|role| literal(role));
        let values = [
            ("@roles@", asking.chain(["null".into()]).collect::<Vec<_>>().join(", ")),
            ("@owner@", identifier(PLAIN_OWNER)),
            ("@login@", identifier(PLAIN_LOGIN)),
        ];
        sql.push_str(&fill(PLAIN, &values));
        for role in self.actor_roles.iter().chain(&self.made_roles) {
            let role = literal(role);
            sql.push_str(&format!(
                "insert into leakproof.actors values ({role}) on conflict do nothing;\n"
            ));
        }
        sql
    }

    fn own_schema(&self) -> String {
        let owner = self.owner().role;
        let admin = self.identity.is_none().then_some(SUPABASE_ADMIN);
        let has_stubs = self.has_extensions;
        let roles = own_schema::Roles { owner: &owner, login: self.door(), admin, has_stubs };
        own_schema::sql(&roles, &judge::table_sql(HistoryKind::Ours.table()))
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
                    "the migrations run as a superuser on this server, which was not protected from \
                     them; on Supabase `postgres` is none"
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
        let role = if self.identity.is_some() { PLAIN_OWNER } else { "postgres" };
        Owner { role: role.into(), search_path: search_path.into() }
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
            Some(identity) => identity.anonymous_role.as_deref().or(Some(self.person_role())),
            None => Some("anon"),
        }
    }

    /// The role of somebody who is logged in.
    pub(crate) fn person_role(&self) -> &str {
        match &self.identity {
            Some(identity) if identity.is_owner() => PLAIN_OWNER,
            Some(identity) => &identity.role,
            None => "authenticated",
        }
    }

    /// The role of trusted back-end jobs.
    pub(crate) fn service_role(&self) -> Option<&str> {
        match &self.identity {
            Some(identity) => identity.service_role.as_deref(),
            None => Some("service_role"),
        }
    }

    /// Who connects in production, and becomes whoever asks.
    pub(crate) fn login(&self) -> &'static str {
        match &self.identity {
            Some(identity) if identity.is_owner() => PLAIN_OWNER,
            _ => self.door(),
        }
    }

    /// The role that may become whoever asks.
    fn door(&self) -> &'static str {
        if self.identity.is_some() { PLAIN_LOGIN } else { AUTHENTICATOR }
    }

    /// An expression that gives the asking user's id as text, as policies would write it.
    pub(crate) fn user_expression(&self) -> String {
        match &self.identity {
            Some(identity) if identity.is_token() => "pg_catalog.json_extract_path_text(\
                 nullif(pg_catalog.current_setting('request.jwt.claims', true), '')::json, 'sub')"
                .into(),
            Some(identity) => {
                format!("pg_catalog.current_setting({}, true)", literal(identity.user_setting()))
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
                ("email", email_of(name)),
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

/// The e-mail of somebody, as their row and their token have it.
pub(crate) fn email_of(name: &str) -> String {
    format!("{name}@example.com")
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
        let supabase = |grants| Platform {
            grants,
            identity: None,
            expected_roles: Vec::new(),
            actor_roles: Vec::new(),
            made_roles: Vec::new(),
            has_extensions: true,
        };
        let identity = Identity {
            role: "prepared_app".into(),
            user: Some("app.user_id".into()),
            tenant: None,
            anonymous_role: None,
            service_role: None,
        };
        let plain = Platform {
            identity: Some(identity),
            expected_roles: vec!["prepared_too".into()],
            ..supabase(Grants::Legacy)
        };
        for platform in [supabase(Grants::Explicit2026), supabase(Grants::Legacy), plain] {
            let sql = platform.common_sql();
            let server = Server::shared_for(&options, Some(&sql)).expect("a server");
            let prepared = server.take_prepared(&sql).expect("it is prepared");
            assert!(server.take_prepared(&sql).is_none(), "it is taken");
            let other = server.create_database().expect("a database");
            let connect =
                |database: &Database| Connection::new(database.connect().expect("a connection"));
            platform.install_rest(&mut connect(&prepared)).expect("the rest of a platform");
            platform.install(&mut connect(&other)).expect("a platform");
            let [prepared, other] = [prepared, other].map(|database| {
                let mut connection = connect(&database);
                let settings = "select setting.setconfig::text from pg_db_role_setting setting \
                     join pg_database d on d.oid = setdatabase where datname = current_database()";
                let settings = connection.rows(settings).expect("settings");
                (
                    connection
                        .uncommitted(|session| definitions(session, "true"))
                        .expect("definitions"),
                    settings,
                )
            });
            let least = if platform.identity.is_some() { 1 } else { 1000 };
            assert!(prepared.0.len() >= least, "{}", prepared.0.len());
            let is_there = |one: &_| other.0.iter().any(|there| there == *one);
            let differing: Vec<_> = prepared.0.iter().filter(|one| !is_there(one)).collect();
            assert_eq!(differing, []);
            assert_eq!(prepared.0.len(), other.0.len());
            assert_eq!(prepared.1, other.1);
        }
    }
}
