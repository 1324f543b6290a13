//! The account under which a private server runs: our own, except that Postgres refuses root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::unistd::{Uid, User};

use crate::error::{Error, Result};

/// Another account than our own.
pub struct Account {
    /// Its user id.
    pub uid: u32,
    /// Its main group.
    pub gid: u32,
}

/// The account to change to: none if we are not root, else `postgres` or, if there is none, `nobody`.
pub fn find_account() -> Result<Option<Account>> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let Ok(Some(user)) = User::from_name(name) {
            return Ok(Some(Account { uid: user.uid.as_raw(), gid: user.gid.as_raw() }));
        }
    }
    Err(Error::new("could not start a local server as root")
        .cause("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")
        .help("run leakproof as an ordinary user"))
}

impl Account {
    /// Whether this account can make folders in `folder`, and so remove them again.
    pub fn can_write(&self, folder: &Path) -> bool {
        let Ok(folder) = folder.canonicalize() else { return false };
        let allows = |path: &Path, bits: u32| {
            fs::metadata(path).is_ok_and(|found| {
                let of_owner = found.uid() == self.uid && found.mode() >> 6 & bits == bits;
                of_owner || found.mode() & bits == bits
            })
        };
        allows(&folder, 0o3) && folder.ancestors().skip(1).all(|above| allows(above, 0o1))
    }
}
