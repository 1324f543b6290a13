//! Which server is wanted: the kinds, and what the environment says about them. Starts nothing.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use std::{env, fmt};

use crate::error::{Error, Result};
use crate::server::redact::without_password;

/// The image used when none is named.
pub const DEFAULT_DOCKER_IMAGE: &str = "postgres:17";

/// Where an ephemeral Postgres comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServerKind {
    /// A server that is already there, named by a URL; we make and drop scratch databases on it.
    Url,
    /// A private server from the binaries of this machine, in a temporary folder.
    Local,
    /// A private server in a container.
    Docker,
}

impl ServerKind {
    /// All kinds, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Url, Self::Local, Self::Docker];

    /// The name used on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for ServerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for ServerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::new(format!("unknown kind of server `{}`", without_password(text)))
                .help(format!("the known ones are: {known}"))
        })
    }
}

/// What the caller wants. The default is "first that works": url if one is set, local, docker.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ServerOptions {
    /// The kind asked for; one that does not work is then an error, never a fallback.
    pub kind: Option<ServerKind>,
    /// `postgres://...` or `key=value ...`, of a superuser.
    pub url: Option<String>,
    /// The image for `docker`; if none, that of [`Self::major`], else [`DEFAULT_DOCKER_IMAGE`].
    pub docker_image: Option<String>,
    /// The major version that a server of ours is to have; another is taken where that one is not on this machine.
    pub major: Option<u32>,
    /// Whether a server that is not jailed is refused.
    pub require_jail: bool,
    /// Whether a server that was given may be one on which a role of the platform is a superuser: files
    /// may do to it whatever they like.
    pub is_disposable: bool,
    /// How long a statement may take at most; else 5 minutes in a file, and less where people ask.
    pub statement_limit: Option<Duration>,
    /// The leakproof executable. With it, `url` cleans up even after we were killed (see
    /// [`reap`](crate::server::reaper::reap)); without it, the next run does.
    pub reaper: Option<PathBuf>,
}

impl ServerOptions {
    /// Reads `LEAKPROOF_SERVER`, `LEAKPROOF_DATABASE_URL`, `LEAKPROOF_DOCKER_IMAGE`,
    /// `LEAKPROOF_REQUIRE_JAIL` and `LEAKPROOF_SERVER_IS_DISPOSABLE`. Of the last two any value means
    /// yes; a variable that is empty counts as not set.
    ///
    /// # Errors
    /// When `LEAKPROOF_SERVER` is no known kind, or a variable is not UTF-8.
    pub fn from_env() -> Result<Self> {
        let kind = variable("LEAKPROOF_SERVER")?.map(|text| text.parse()).transpose()?;
        let url = variable("LEAKPROOF_DATABASE_URL")?;
        let docker_image = variable("LEAKPROOF_DOCKER_IMAGE")?;
        let require_jail = variable("LEAKPROOF_REQUIRE_JAIL")?.is_some();
        let is_disposable = variable("LEAKPROOF_SERVER_IS_DISPOSABLE")?.is_some();
        Ok(Self { kind, url, docker_image, require_jail, is_disposable, ..Self::default() })
    }
}

/// By hand, since a URL can hold a password.
impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("kind", &self.kind)
            .field("url", &self.url.as_deref().map(without_password))
            .field("docker_image", &self.docker_image)
            .field("major", &self.major)
            .field("require_jail", &self.require_jail)
            .field("is_disposable", &self.is_disposable)
            .field("statement_limit", &self.statement_limit)
            .field("reaper", &self.reaper)
            .finish()
    }
}

fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => {
            Err(Error::new(format!("the environment variable {name} is not valid UTF-8")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for kind in ServerKind::ALL {
            assert_eq!(kind.to_string().parse::<ServerKind>().unwrap(), kind);
        }
        let error = "dockr".parse::<ServerKind>().unwrap_err().to_string();
        assert!(error.contains("`dockr`") && error.contains("url, local, docker"), "{error}");
    }

    #[test]
    fn options_never_show_a_password() {
        let url = Some("postgres://postgres:hunter2@localhost/app".to_owned());
        let shown = format!("{:?}", ServerOptions { url, ..ServerOptions::default() });
        assert!(shown.contains("localhost") && !shown.contains("hunter2"), "{shown}");
    }
}
