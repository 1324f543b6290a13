//! What a database has before the first migration, where nobody says it: told by what the files name. Pure.

use std::collections::BTreeSet;
use std::path::Path;

use crate::project::adapt::adapt;
use crate::project::config::{Config, PlatformKind};
use crate::project::files::SqlFile;
use crate::sql::mentions::mentions;
use crate::sql::statement::{line_of, split, words};

/// The roles of Supabase as whom people ask.
const ROLES: [&str; 3] = ["anon", "authenticated", "service_role"];

/// What Supabase has in schemas of its own, and other platforms have not: Neon's `auth.user_id()` is none.
const OBJECTS: [(&str, &[&str]); 2] = [
    (
        "auth",
        &[
            "uid",
            "jwt",
            "role",
            "email",
            "users",
            "identities",
            "sessions",
            "refresh_tokens",
            "mfa_factors",
            "mfa_challenges",
            "mfa_amr_claims",
            "audit_log_entries",
            "flow_state",
            "instances",
            "one_time_tokens",
            "saml_providers",
            "saml_relay_states",
            "sso_domains",
            "sso_providers",
        ],
    ),
    (
        "storage",
        &["buckets", "objects", "foldername", "filename", "extension", "migrations", "search"],
    ),
];

/// Where Supabase has its extensions.
const EXTENSIONS: &str = "extensions";

/// What a statement names that only Supabase has, such as `auth.uid`; none where it makes that itself.
pub(crate) fn named_of_supabase(statement: &str) -> Option<String> {
    let found = mentions(statement);
    let mut objects = found.objects.iter();
    let object = objects.find(|(schema, object, _)| is_of_supabase(schema, object));
    let mut roles = found.roles.iter();
    let role = roles.find(|(role, _)| ROLES.contains(&role.as_str()));
    let object = object.map(|(schema, object, _)| format!("{schema}.{object}"));
    object.or_else(|| role.map(|(role, _)| role.clone()))
}

/// What a statement makes that is there already on Supabase.
pub(crate) fn made_of_supabase(statement: &str) -> Option<String> {
    let found = mentions(statement);
    let mut objects = found.made_objects.iter();
    let object = objects.find(|(schema, object)| is_of_supabase(schema, object));
    let mut roles = found.made_roles.iter();
    let role = roles.find(|role| ROLES.contains(&role.as_str()) || *role == "authenticator");
    let object = object.map(|(schema, object)| format!("{schema}.{object}"));
    object.or_else(|| role.cloned()).or_else(|| {
        let words: Vec<String> = words(statement).collect();
        let schema = words.windows(2).find(|two| two[0] == "schema")?[1].clone();
        let is_known = OBJECTS.iter().any(|(known, _)| *known == schema);
        (words.first().is_some_and(|word| word == "create") && is_known).then_some(schema)
    })
}

fn is_of_supabase(schema: &str, object: &str) -> bool {
    OBJECTS.iter().any(|(known, names)| *known == schema && names.contains(&object))
}

/// The platform of a project, and how it is known.
#[derive(Debug)]
pub(crate) struct PlatformChoice {
    pub kind: PlatformKind,
    /// Why it is that one, where nobody says it.
    pub why: Option<String>,
    /// Roles that the files make, and roles that they count on.
    pub made_roles: BTreeSet<String>,
    pub expected_roles: BTreeSet<String>,
}

/// Chooses what the config says, else what the place of the migrations and their SQL tell.
pub(crate) fn choose<'f>(
    config: &Config,
    root: &Path,
    is_in_supabase: bool,
    files: impl Iterator<Item = &'f SqlFile>,
) -> PlatformChoice {
    let project = &config.project;
    let mut choice = PlatformChoice {
        kind: PlatformKind::Supabase,
        why: None,
        made_roles: BTreeSet::new(),
        expected_roles: BTreeSet::new(),
    };
    let stated = match project.platform {
        Some(PlatformKind::Supabase) => return choice,
        Some(PlatformKind::Plain) => Some((PlatformKind::Plain, None)),
        None => told_by_config(config, root, is_in_supabase),
    };
    if let Some((PlatformKind::Supabase, why)) = stated {
        choice.why = why;
        return choice;
    }
    let evidence = choice.read(files);
    (choice.kind, choice.why) = match (stated, evidence) {
        (Some(stated), _) => stated,
        (None, Some(evidence)) => (PlatformKind::Supabase, Some(evidence)),
        (None, None) => {
            let why = "no migration names Supabase's roles, `auth` or `storage`".to_owned();
            (PlatformKind::Plain, Some(why))
        }
    };
    choice
}

/// What is known without a look at the SQL.
fn told_by_config(
    config: &Config,
    root: &Path,
    is_in_supabase: bool,
) -> Option<(PlatformKind, Option<String>)> {
    let supabase = |why: &str| Some((PlatformKind::Supabase, Some(why.to_owned())));
    let users = config.tenancy.users.as_deref();
    if is_in_supabase {
        return supabase("the migrations are in a folder `supabase`");
    }
    if config.project.grants.is_some() {
        return supabase("`grants` under `[project]` are Supabase's");
    }
    if users.is_some_and(|users| users.starts_with("auth.")) {
        return supabase("`users` under `[tenancy]` are Supabase's");
    }
    let mut actor_roles = config.actors.values().filter_map(|actor| actor.role.as_deref());
    if config.identity.is_some() {
        return None;
    }
    if let Some(role) = actor_roles.find(|role| ROLES.contains(role)) {
        return supabase(&format!("an actor has the role `{role}`"));
    }
    if root.join("supabase/config.toml").is_file() {
        return supabase("there is a file `supabase/config.toml`");
    }
    None
}

impl PlatformChoice {
    /// Reads which roles the files name; gives the first that is only on Supabase.
    fn read<'f>(&mut self, files: impl Iterator<Item = &'f SqlFile>) -> Option<String> {
        let mut made_objects = BTreeSet::new();
        let mut seen = Vec::new();
        let (mut extensions, mut makes_extensions) = (None, false);
        for file in files {
            let sql = adapt(file).sql;
            let found = mentions(&sql);
            self.made_roles.extend(found.made_roles);
            made_objects.extend(found.made_objects);
            let name = file.path().file_name().map(|name| name.to_string_lossy().into_owned());
            let place = |at: usize| {
                format!("`{}` line {}", name.as_deref().unwrap_or_default(), line_of(&sql, at))
            };
            let uses = schema_uses(&sql, EXTENSIONS);
            makes_extensions = makes_extensions || uses.iter().any(|(_, is_made)| *is_made);
            if let Some((at, _)) = uses.first() {
                extensions.get_or_insert_with(|| place(*at));
            }
            for (role, at) in found.roles {
                if ROLES.contains(&role.as_str()) {
                    seen.push((role.clone(), None, place(at)));
                }
                self.expected_roles.insert(role);
            }
            for (schema, object, at) in found.objects {
                if is_of_supabase(&schema, &object) {
                    seen.push((schema, Some(object), place(at)));
                }
            }
        }
        self.expected_roles.retain(|role| {
            let is_of_server = role == "postgres" || role.starts_with("pg_");
            !self.made_roles.contains(role) && !is_of_server && !role.starts_with("leakproof")
        });
        // Who makes them has a database in which they are missing.
        let is_foreign = |(name, object, _): &&(String, Option<String>, String)| match object {
            Some(object) => !made_objects.contains(&(name.clone(), object.clone())),
            None => !self.made_roles.contains(name),
        };
        if let Some((name, object, place)) = seen.iter().find(is_foreign) {
            return Some(match object {
                Some(object) => format!("{place} names `{name}.{object}`"),
                None => format!("{place} names the role `{name}`"),
            });
        }
        let place = extensions.filter(|_| !makes_extensions)?;
        Some(format!("{place} puts an extension into the schema `{EXTENSIONS}`"))
    }
}

/// Where `create extension` and the like name a schema, and whether they make it.
fn schema_uses(sql: &str, schema: &str) -> Vec<(usize, bool)> {
    let statements = split(sql).into_iter().filter_map(|statement| {
        let words: Vec<String> = words(statement.text).collect();
        let is_named = words.windows(2).any(|two| two[0] == "schema" && two[1] == schema)
            || words.windows(2).any(|two| two[0] == "exists" && two[1] == schema);
        let begins = |object: &str| words.starts_with(&["create".into(), object.into()]);
        let is_use = is_named && (begins("extension") || begins("schema"));
        is_use.then(|| (statement.first_word, begins("schema")))
    });
    statements.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(config: &str, sql: &str) -> String {
        let config: Config = toml::from_str(config).expect("a config");
        let file = SqlFile::for_test("migrations/V1__a.sql", 1, sql);
        let choice = choose(&config, Path::new("/nowhere"), false, [&file].into_iter());
        let roles: Vec<&str> = choice.expected_roles.iter().map(String::as_str).collect();
        let kind = format!("{:?}", choice.kind).to_lowercase();
        format!("{kind}; {}; {}", choice.why.unwrap_or_default(), roles.join(" "))
    }

    #[test]
    fn the_platform_is_told_by_what_the_files_name() {
        const NOTHING: &str = "plain; no migration names Supabase's roles, `auth` or `storage`; ";
        for (sql, what) in [
            ("create table t (id int)", NOTHING.to_owned()),
            ("-- auth.uid()\nselect 'auth.uid()'", NOTHING.into()),
            ("create role anon; grant select on t to anon", NOTHING.into()),
            ("select auth.user_id()", NOTHING.into()),
            ("grant select on t to app_user, postgres", format!("{NOTHING}app_user")),
            (
                "create table t (id int);\ngrant select on t to anon",
                "supabase; `V1__a.sql` line 2 names the role `anon`; anon".into(),
            ),
            (
                "create function f() returns uuid language sql as $$ select\nauth.uid() $$",
                "supabase; `V1__a.sql` line 2 names `auth.uid`; ".into(),
            ),
            (
                "create extension if not exists citext with schema extensions",
                "supabase; `V1__a.sql` line 1 puts an extension into the schema `extensions`; "
                    .into(),
            ),
            (
                "create schema if not exists extensions; create extension citext schema extensions",
                NOTHING.into(),
            ),
            (
                "create function auth.uid() returns uuid language sql as 'select 1'; select auth.uid()",
                NOTHING.into(),
            ),
        ] {
            assert_eq!(told("", sql), what, "{sql}");
        }
    }

    #[test]
    fn what_is_said_wins() {
        let sql = "select auth.uid()";
        assert_eq!(told("[project]\nplatform = 'plain'", sql), "plain; ; ");
        assert_eq!(told("[project]\nplatform = 'supabase'", "select 1"), "supabase; ; ");
        let grants = told("[project]\ngrants = '2026'", "select 1");
        assert_eq!(grants, "supabase; `grants` under `[project]` are Supabase's; ");
    }
}
