//! `leakproof.toml`: everything in it is optional, nothing unknown is accepted.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::finding::pattern::RulePattern;
use crate::finding::rule::Severity;
use crate::matrix::class::RowClass;
use crate::matrix::command::Command;
use crate::project::boundary::refuse_outside;
use crate::project::odd_names::{odd, odd_name};

/// The whole config.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[project]`
    pub project: ProjectConfig,
    /// `[identity]`: how a person is told apart on the plain platform. What it leaves out is inferred.
    pub identity: Option<IdentityConfig>,
    /// `[tenancy]`
    pub tenancy: TenancyConfig,
    /// `[actors.<name>]`: people beside the built-in ones, or changes to those.
    pub actors: BTreeMap<String, ActorConfig>,
    /// `[check]`
    pub check: CheckConfig,
    /// `[[waive]]`
    pub waive: Vec<Waiver>,
}

/// `[check]`: how a check judges.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CheckConfig {
    /// The least severity that fails a check; `high` if left out.
    pub(crate) fail_on: Option<Severity>,
}

/// `[project]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectConfig {
    pub(crate) name: Option<String>,
    pub(crate) migrations: Option<PathBuf>,
    /// Inferred where it is left out.
    pub(crate) platform: Option<PlatformKind>,
    pub(crate) grants: Option<Grants>,
    pub(crate) accepted: Option<PathBuf>,
    pub(crate) schemas: Option<Vec<String>>,
    /// Who is to reach rows at all, where it is only a back end.
    pub(crate) people: Option<People>,
}

/// Who is to reach rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum People {
    /// No person: a back end alone does.
    None,
}

/// What the database has before the first migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlatformKind {
    /// Roles, `auth`, `extensions`, the realtime publication.
    Supabase,
    /// Nothing but the roles that `[identity]` names, or that the migrations count on.
    Plain,
}

/// The default privileges a Supabase project starts with.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Grants {
    /// Projects made before 2026-05-30, and self-hosted ones: all on everything in `public`. So does the
    /// Supabase CLI where `[api] auto_expose_new_tables` is not set.
    #[default]
    #[serde(rename = "legacy")]
    Legacy,
    /// All projects from 2026-10-30: no read or write unless granted.
    #[serde(rename = "2026")]
    Explicit2026,
}

/// `[identity]`: how the plain platform knows who is asking, as far as somebody has said it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IdentityConfig {
    /// The role the application's connections have.
    pub role: Option<String>,
    /// The setting that holds the user's id, such as `app.user_id`; or `request.jwt.claims`, in whose JSON
    /// `sub` is that.
    pub user: Option<String>,
    /// The setting that holds the tenant's id, if the application sets one.
    pub tenant: Option<String>,
    /// The role of a visitor who is not logged in; else `role` with empty settings.
    pub anonymous_role: Option<String>,
    /// A role with BYPASSRLS that back-end jobs use; without one there is no actor `service_role`.
    pub service_role: Option<String>,
    /// Roles to make before the first migration, beside those named above that are missing.
    pub roles: Vec<String>,
}

/// `[tenancy]`: who owns what.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenancyConfig {
    pub(crate) tenant: Option<String>,
    pub(crate) users: Option<String>,
    pub(crate) members: Option<MembersConfig>,
    /// Where in a token the tenant's key is, beside `app_metadata.tenant_id`.
    pub(crate) claims: Vec<String>,
    pub(crate) owners: BTreeMap<String, OwnerConfig>,
    /// The tables in which being listed makes somebody more than others; else found in policies.
    pub(crate) staff: Option<Vec<String>>,
}

impl TenancyConfig {
    /// Whether it leaves all to be inferred.
    pub(crate) fn says_nothing(&self) -> bool {
        self.users.is_none() && self.leaves_tenants()
    }

    /// Whether it leaves to be inferred who the tenants and their members are.
    pub(crate) fn leaves_tenants(&self) -> bool {
        self.tenant.is_none() && self.owners.is_empty()
    }
}

/// Whose the rows of a table are, by `schema.table` under `[tenancy.owners]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum OwnerConfig {
    /// `"shared"`: nobody's.
    Shared(Shared),
    /// The columns that lead to the owners; one that is left out leads nowhere.
    Columns(OwnerColumns),
}

/// The one word for rows that are nobody's.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shared {
    /// `"shared"`
    Shared,
}

/// The columns that lead to the owners of a row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnerColumns {
    tenant: Option<String>,
    user: Option<String>,
}

impl OwnerConfig {
    pub(crate) fn tenant(&self) -> Option<&str> {
        match self {
            Self::Shared(_) => None,
            Self::Columns(columns) => columns.tenant.as_deref(),
        }
    }

    pub(crate) fn user(&self) -> Option<&str> {
        match self {
            Self::Shared(_) => None,
            Self::Columns(columns) => columns.user.as_deref(),
        }
    }
}

/// Which table makes a user a member of a tenant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MembersConfig {
    /// `schema.table`
    pub table: String,
    /// Its column that names the tenant.
    pub tenant: String,
    /// Its column that names the user.
    pub user: String,
    /// Values of its other columns for an ordinary member, such as `role = "member"`.
    #[serde(default)]
    pub values: BTreeMap<String, String>,
}

/// `[actors.<name>]`
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ActorConfig {
    pub(crate) role: Option<String>,
    pub(crate) member_of: Option<Vec<String>>,
    pub(crate) claims: serde_json::Map<String, serde_json::Value>,
    pub(crate) membership: BTreeMap<String, String>,
}

/// A declared exception.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    pub(crate) finding: RulePattern,
    pub(crate) on: String,
    pub(crate) reason: String,
    pub(crate) expires: Option<toml::value::Datetime>,
    /// Who is meant to reach them.
    pub(crate) actors: Option<Vec<String>>,
    /// Whose rows.
    pub(crate) classes: Option<Vec<RowClass>>,
    /// By what.
    pub(crate) commands: Option<Vec<Command>>,
    /// Of `untested`: the policies of which it is known that nobody goes all their ways.
    pub(crate) policies: Option<Vec<String>>,
}

impl IdentityConfig {
    /// Whether nothing of it is left to be inferred: whoever says by which role and setting says all.
    pub(crate) fn is_whole(&self) -> bool {
        self.role.is_some() && (self.user.is_some() || self.tenant.is_some())
    }

    /// The names of the settings that it reads.
    fn settings(&self) -> impl Iterator<Item = &String> {
        self.user.iter().chain(&self.tenant)
    }
}

/// What is wrong with a tenant whose members nothing tells, and the way out.
pub(crate) const NO_MEMBERS: (&str, &str) = (
    "`[tenancy]` needs `tenant` and `members` together",
    "name the tenant table and the table that makes a user a member, or the `claims` that do",
);

impl Config {
    /// Reads the file; the defaults if there is none.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            refuse_outside(folder, &[path.to_owned()])?;
        }
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(cause) if cause.kind() == ErrorKind::NotFound && !path.is_symlink() => {
                return Ok(Self::default());
            }
            Err(cause) => {
                return Err(Error::new(format!("cannot read `{}`", path.display()))
                    .cause(cause)
                    .help("check that it is a UTF-8 file and that you may read it"));
            }
        };
        let config: Self = toml::from_str(&text).map_err(|cause| {
            Error::new(format!("`{}` is not a valid config", path.display()))
                .cause(cause.to_string().trim_end().replace('\n', "\n    "))
                .help("the README lists every key")
        })?;
        let table: toml::Table = toml::from_str(&text).unwrap_or_default();
        if let Some(name) = odd_name(&toml::Value::Table(table)) {
            return Err(odd(path, name));
        }
        config.validate(path)?;
        Ok(config)
    }

    fn validate(&self, path: &Path) -> Result<()> {
        let wrong = |why: String, help: &str| {
            Err(Error::new(format!("`{}` is not a valid config", path.display()))
                .cause(why)
                .help(help))
        };
        if self.project.platform == Some(PlatformKind::Supabase) && self.identity.is_some() {
            return wrong(
                "`[identity]` is for platform `plain`".into(),
                "remove it: on Supabase the token says who is asking",
            );
        }
        let tenancy = &self.tenancy;
        let has_members = tenancy.members.is_some() || !tenancy.claims.is_empty();
        // What `[identity]` leaves out may be a setting that holds the tenant.
        let may_have_setting = match (self.project.platform, &self.identity) {
            (Some(PlatformKind::Supabase), _) => false,
            (_, Some(identity)) => identity.tenant.is_some() || !identity.is_whole(),
            (_, None) => true,
        };
        let is_whole = match tenancy.tenant {
            Some(_) => has_members || may_have_setting,
            None => !has_members,
        };
        if !is_whole {
            return wrong(NO_MEMBERS.0.into(), NO_MEMBERS.1);
        }
        if self.project.schemas.as_ref().is_some_and(Vec::is_empty) {
            return wrong(
                "`schemas` under `[project]` is empty".into(),
                "name the schemas that the API exposes, or remove the line: it is `public` then",
            );
        }
        if let Some(setting) =
            self.identity.iter().flat_map(IdentityConfig::settings).find(|setting| {
                // PostgreSQL takes a setting of ours only with a dot in it.
                !setting.contains('.')
            })
        {
            return wrong(
                format!("`{setting}` under `[identity]` is not the name of a custom setting"),
                "write it as the policies do, such as `app.user_id`",
            );
        }
        for (name, actor) in &self.actors {
            // The accepted matrix is read back word by word.
            if name.is_empty() || name.contains(char::is_whitespace) {
                return wrong(
                    format!("actor `{name}` has a name that is not one word"),
                    "name it with letters, digits, `_` and `-`",
                );
            }
            for tenant in actor.member_of.iter().flatten() {
                if !["A", "B"].contains(&tenant.as_str()) {
                    return wrong(
                        format!("actor `{name}` is a member of `{tenant}`"),
                        "the tenants of the world are \"A\" and \"B\"",
                    );
                }
            }
        }
        Ok(())
    }
}
