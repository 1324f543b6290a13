//! Who asks on the plain platform: as which role, and by which settings. Pure.

use crate::project::config::IdentityConfig;

/// The setting in which PostgREST has the claims of a token.
pub(crate) const CLAIMS: &str = "request.jwt.claims";

/// PostgreSQL's own name for whoever owns the database: the role of an application that connects as the
/// owner of its tables.
pub(crate) const OWNER: &str = "pg_database_owner";

/// A role for people where nothing tells theirs: it has what everybody has.
const NOBODYS_ROLE: &str = "somebody";

/// A setting for the user where no policy asks for one.
const NOBODYS_SETTING: &str = "request.user_id";

/// How the plain platform knows who is asking: a role, and settings that hold ids.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The role the application's connections have.
    pub role: String,
    /// The setting that holds the user's id, such as `app.user_id`; or `request.jwt.claims`, in whose JSON
    /// `sub` is that.
    pub user: Option<String>,
    /// The setting that holds the tenant's id, if the application sets one.
    pub tenant: Option<String>,
    /// The role of a visitor who is not logged in; else `role` with empty settings.
    pub anonymous_role: Option<String>,
    /// A role with BYPASSRLS that back-end jobs use; without one there is no actor `service_role`.
    pub service_role: Option<String>,
}

/// Who asks, and how that is known.
#[derive(Debug)]
pub(crate) struct Asking {
    pub identity: Identity,
    /// Why it is what it is: for each key of `[identity]` that was inferred.
    pub reasons: Vec<(&'static str, String)>,
    /// What else could be meant, and does not ask.
    pub notes: Vec<String>,
    /// Where nothing settles it: why, and the lines that would.
    pub unknown: Option<UnknownIdentity>,
}

/// Why nothing settles who asks.
#[derive(Debug)]
pub(crate) struct UnknownIdentity {
    pub why: String,
    /// The lines for `leakproof.toml`.
    pub lines: String,
    /// Whether there is nothing that could be asked, either: no policy, and no grant to anybody.
    pub is_bare: bool,
}

impl Asking {
    /// What the config says.
    pub(crate) fn stated(identity: Identity) -> Self {
        Self { identity, reasons: Vec::new(), notes: Vec::new(), unknown: None }
    }
}

impl Identity {
    /// What the config says; none where it leaves something to be inferred.
    pub(crate) fn stated(config: &IdentityConfig) -> Option<Self> {
        let role = config.role.clone().filter(|_| config.is_whole())?;
        Some(Self {
            role,
            user: config.user.clone(),
            tenant: config.tenant.clone(),
            anonymous_role: config.anonymous_role.clone(),
            service_role: config.service_role.clone(),
        })
    }

    /// As long as it is not known: somebody with the rights of everybody.
    pub(crate) fn nobodys() -> Self {
        Self {
            role: NOBODYS_ROLE.into(),
            user: None,
            tenant: None,
            anonymous_role: None,
            service_role: None,
        }
    }

    /// The keys of `[identity]` with what they are.
    pub(crate) fn keys(&self) -> [(&'static str, Option<&String>); 5] {
        [
            ("role", Some(&self.role)),
            ("user", self.user.as_ref()),
            ("tenant", self.tenant.as_ref()),
            ("anonymous_role", self.anonymous_role.as_ref()),
            ("service_role", self.service_role.as_ref()),
        ]
    }

    /// Whether who is asking is said by the claims of a token, as PostgREST says it.
    pub(crate) fn is_token(&self) -> bool {
        self.user.as_ref().is_some_and(|user| user.eq_ignore_ascii_case(CLAIMS))
    }

    /// Whether the application connects as the owner of the database.
    pub(crate) fn is_owner(&self) -> bool {
        self.role == OWNER
    }

    /// The setting in which people have their id, whether or not policies ask for it.
    pub(crate) fn user_setting(&self) -> &str {
        self.user.as_deref().unwrap_or(NOBODYS_SETTING)
    }

    /// `identity from `app.user_id``, as reports show it.
    pub(crate) fn describe(&self) -> String {
        match self.user.as_ref().or(self.tenant.as_ref()) {
            Some(setting) => format!("identity from `{setting}`"),
            None if self.role == NOBODYS_ROLE => "identity not known".into(),
            None => format!("identity is the role `{}`", self.role),
        }
    }
}
