//! How a connection is protected: what `sslmode` and its like ask for, as libpq has it, and what the way to the
//! target needs. Off this machine nothing is ever said in plain text that was not asked for in the URL.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::push::address::parameters::Parameters;
use crate::push::address::surroundings::Surroundings;

/// Where libpq looks for roots, and for who we are, below the folder of who runs this.
const ROOTS: &str = ".postgresql/root.crt";
const CERTIFICATE: &str = ".postgresql/postgresql.crt";
const KEY: &str = ".postgresql/postgresql.key";

const MODES: &str = "disable, allow, prefer, require, verify-ca, verify-full";

/// The way to a target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Way {
    Socket,
    Loopback,
    Network,
}

/// How a connection is protected.
#[derive(Debug, PartialEq)]
pub(crate) enum Protection {
    /// A socket file, which libpq has without TLS too, whatever is asked for.
    Socket,
    Plain,
    /// TLS where the server has it. Only on this machine.
    Offered,
    Required(Verified),
}

/// What is verified of a server's certificate.
#[derive(Debug, PartialEq)]
pub(crate) enum Verified {
    Nothing,
    Issuer(Roots),
    IssuerAndName(Roots),
}

/// Whose signature counts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Roots {
    System,
    File(PathBuf),
}

impl fmt::Display for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system roots"),
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

/// Who we are, for a server that asks.
#[cfg_attr(not(feature = "push"), expect(dead_code, reason = "nobody asks without TLS"))]
pub(crate) struct ClientCertificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl ClientCertificate {
    /// What is named, else libpq's usual files where they are.
    pub(crate) fn of(parameters: &Parameters, surroundings: &Surroundings) -> Option<Self> {
        let file = |key: &str, variable, usual| {
            let named = parameters.get(key).or_else(|| surroundings.get(variable));
            named.map(PathBuf::from).ok_or_else(|| surroundings.home_file(usual))
        };
        let certificate = match file("sslcert", "PGSSLCERT", CERTIFICATE) {
            Ok(named) => named,
            Err(usual) => usual.filter(|path| path.exists())?,
        };
        let key = file("sslkey", "PGSSLKEY", KEY).or_else(|usual| usual.ok_or(())).ok()?;
        Some(Self { certificate, key })
    }
}

impl Protection {
    /// Decides by the URL, else by the surroundings, else by the way.
    ///
    /// # Errors
    /// A mode that is none, one that contradicts the roots, and one that would leave a network without TLS though
    /// the URL does not say so.
    pub(crate) fn decide(
        parameters: &Parameters,
        surroundings: &Surroundings,
        way: Way,
    ) -> Result<Self> {
        let written = parameters.get("sslmode");
        let mode = written.or_else(|| surroundings.get("PGSSLMODE"));
        if let Some(mode) = mode
            && !MODES.split(", ").any(|one| one == mode)
        {
            return Err(refused(
                format!("there is no sslmode `{mode}`"),
                format!("the modes are {MODES}"),
            ));
        }
        if way == Way::Socket {
            return Ok(Self::Socket);
        }
        let root = parameters.get("sslrootcert").or_else(|| surroundings.get("PGSSLROOTCERT"));
        if root == Some("system") {
            return match mode {
                None | Some("verify-full") => {
                    Ok(Self::Required(Verified::IssuerAndName(Roots::System)))
                }
                Some(weak) => Err(refused(
                    format!(
                        "sslmode `{weak}` is too weak for `sslrootcert=system`: anybody gets a certificate from \
                         the system's roots"
                    ),
                    "write `sslmode=verify-full`".to_owned(),
                )),
            };
        }
        let given = root.map(PathBuf::from);
        let usual = || surroundings.home_file(ROOTS).filter(|path| Path::exists(path));
        let roots = given.or_else(usual).map(Roots::File);
        let asks_for_roots = parameters.get("sslrootcert").is_some();
        match mode {
            Some("disable") if way == Way::Network && written.is_none() => Err(refused(
                "PGSSLMODE turns TLS off, and the host is not this machine".to_owned(),
                "write `sslmode=disable` into the URL if the network is yours, else unset PGSSLMODE".to_owned(),
            )),
            Some("disable") => Ok(Self::Plain),
            Some("verify-full") => {
                Ok(Self::Required(Verified::IssuerAndName(roots.unwrap_or(Roots::System))))
            }
            Some("verify-ca") => match roots {
                Some(roots) => Ok(Self::Required(Verified::Issuer(roots))),
                None => Err(refused(
                    format!("sslmode `verify-ca` needs a root certificate, and ~/{ROOTS} is not there"),
                    "name the file with the CA's certificate, `sslrootcert=FILE`, or write `sslmode=verify-full` \
                     for the system's roots"
                        .to_owned(),
                )),
            },
            None | Some("allow" | "prefer") if way == Way::Loopback && !asks_for_roots => {
                Ok(Self::Offered)
            }
            _ => Ok(Self::Required(roots.map_or(Verified::Nothing, Verified::Issuer))),
        }
    }

    /// As a part of the line that tells of a target; `is_encrypted` is for what the server decides.
    pub(crate) fn shown(&self, is_encrypted: bool) -> Option<String> {
        match self {
            Self::Socket => None,
            Self::Plain => Some("no TLS".to_owned()),
            Self::Offered if !is_encrypted => Some("no TLS".to_owned()),
            Self::Offered | Self::Required(Verified::Nothing) => {
                Some("TLS, certificate not verified".to_owned())
            }
            Self::Required(Verified::Issuer(roots)) => {
                Some(format!("TLS, certificate verified by {roots}, but not its name"))
            }
            Self::Required(Verified::IssuerAndName(roots)) => {
                Some(format!("TLS, certificate verified by {roots}"))
            }
        }
    }

    /// Whose signature counts, where that of anybody does not do.
    #[cfg_attr(not(feature = "push"), expect(dead_code, reason = "nothing is signed without TLS"))]
    pub(crate) fn roots(&self) -> Option<&Roots> {
        match self {
            Self::Required(Verified::Issuer(roots) | Verified::IssuerAndName(roots)) => Some(roots),
            _ => None,
        }
    }
}

/// What is refused of a target, whose name comes in later.
fn refused(cause: String, help: String) -> Error {
    Error::new("the target is not usable").cause(cause).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(query: &str, variables: &[(&str, &str)], way: Way) -> Result<String, String> {
        let parameters = Parameters::take_from(&format!("postgres://me@h/d?{query}"), None);
        let surroundings = Surroundings::with(variables, None);
        let decided = Protection::decide(&parameters, &surroundings, way);
        decided.map(|decided| format!("{decided:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_for() {
        let issuer = "Required(Issuer(File(\"ca\")))";
        let full = "Required(IssuerAndName(File(\"ca\")))";
        let system = "Required(IssuerAndName(System))";
        for (query, off, on) in [
            ("", "Required(Nothing)", "Offered"),
            ("sslmode=disable", "Plain", "Plain"),
            ("sslmode=allow", "Required(Nothing)", "Offered"),
            ("sslmode=prefer", "Required(Nothing)", "Offered"),
            ("sslmode=require", "Required(Nothing)", "Required(Nothing)"),
            ("sslmode=verify-full", system, system),
            ("sslrootcert=ca", issuer, issuer),
            ("sslrootcert=system", system, system),
            ("sslmode=prefer&sslrootcert=ca", issuer, issuer),
            ("sslmode=require&sslrootcert=ca", issuer, issuer),
            ("sslmode=verify-ca&sslrootcert=ca", issuer, issuer),
            ("sslmode=verify-full&sslrootcert=ca", full, full),
        ] {
            assert_eq!(decide(query, &[], Way::Network).as_deref(), Ok(off), "{query}");
            assert_eq!(decide(query, &[], Way::Loopback).as_deref(), Ok(on), "{query}");
            assert_eq!(decide(query, &[], Way::Socket).as_deref(), Ok("Socket"), "{query}");
        }
    }

    #[test]
    fn what_is_refused() {
        for (query, variables, why) in [
            ("sslmode=on", &[][..], "there is no sslmode `on`"),
            ("sslmode=verify-ca", &[], "needs a root certificate"),
            ("sslmode=require&sslrootcert=system", &[], "too weak for `sslrootcert=system`"),
            ("sslmode=disable&sslrootcert=system", &[], "too weak for `sslrootcert=system`"),
            ("", &[("PGSSLMODE", "disable")], "PGSSLMODE turns TLS off"),
        ] {
            let told = decide(query, variables, Way::Network).expect_err(query);
            assert!(told.contains(why) && told.contains("\n  help: "), "{query}: {told}");
        }
    }

    #[test]
    fn the_surroundings_only_fill_in() {
        let full = [("PGSSLMODE", "verify-full"), ("PGSSLROOTCERT", "ca")];
        let decided = decide("", &full, Way::Network);
        assert_eq!(decided.as_deref(), Ok("Required(IssuerAndName(File(\"ca\")))"));
        let decided = decide("sslmode=require&sslrootcert=mine", &full, Way::Network);
        assert_eq!(decided.as_deref(), Ok("Required(Issuer(File(\"mine\")))"));
        let decided = decide("", &[("PGSSLMODE", "disable")], Way::Loopback);
        assert_eq!(decided.as_deref(), Ok("Plain"));
        // A root for elsewhere does not stand in the way here.
        let decided = decide("", &[("PGSSLROOTCERT", "ca")], Way::Loopback);
        assert_eq!(decided.as_deref(), Ok("Offered"));
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join(ROOTS);
        std::fs::create_dir(file.parent().expect("a folder")).expect("made");
        std::fs::write(&file, "").expect("written");
        let surroundings = Surroundings::with(&[], Some(home.path().to_owned()));
        let parameters = Parameters::take_from("postgres://me@h/d", None);
        let decided = Protection::decide(&parameters, &surroundings, Way::Network).expect("usable");
        assert_eq!(decided, Protection::Required(Verified::Issuer(Roots::File(file))));
    }
}
