//! A migration as refinery knows it: by its version, its name, its raw text, and a checksum of these.

use std::hash::{Hash, Hasher};

use refinery_core::Migration;
use siphasher::sip::SipHasher13;

use crate::error::{Error, Result};
use crate::project::files::SqlFile;

impl SqlFile {
    /// The checksum that refinery keeps of the file: of its name, version and raw text.
    pub fn checksum(&self) -> u64 {
        checksum(&self.refinery_name(), self.version(), self.raw())
    }

    /// The same as a refinery has it that was built for versions of 4 bytes, as its CLI is unless told
    /// otherwise; none for a version that has no place in them.
    pub(crate) fn narrow_checksum(&self) -> Option<u64> {
        let version = i32::try_from(self.version()).ok()?;
        Some(checksum(&self.refinery_name(), version, self.raw()))
    }

    /// The name as refinery takes it. It cuts a name at its first odd character, so that a name which
    /// has one, as another tool's may, gets `_` in its place.
    pub(crate) fn refinery_name(&self) -> String {
        let is_taken = |name: &str| {
            Migration::unapplied(&format!("V1__{name}"), "").is_ok_and(|file| file.name() == name)
        };
        if is_taken(self.name()) {
            return self.name().to_owned();
        }
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let name: String = self.name().chars().map(plain).collect();
        // Some tools take a file without a name.
        if name.is_empty() { "_".into() } else { name }
    }
}

/// A file as refinery takes it.
///
/// # Errors
/// refinery takes it in no form.
pub(crate) fn migration_of(file: &SqlFile) -> Result<Migration> {
    let name = format!("V{}__{}", file.version(), file.refinery_name());
    Migration::unapplied(&name, file.raw()).map_err(|cause| {
        Error::new(format!("refinery does not take `{}`", file.path().display())).cause(cause)
    })
}

/// refinery's checksum of a text under a name and a version of 4 or of 8 bytes.
pub(crate) fn checksum(name: &str, version: impl Hash, raw: &str) -> u64 {
    let mut hasher = SipHasher13::new();
    name.hash(&mut hasher);
    version.hash(&mut hasher);
    raw.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::dialect::Dialect;

    fn file(name: &str, raw: &str) -> SqlFile {
        SqlFile::new("a.sql".into(), 7, name.into(), Dialect::Guarded, raw.into())
    }

    #[test]
    fn names_are_refinerys_where_it_takes_them() {
        for (name, told) in [
            ("add_title", "add_title"),
            ("añadir_título", "añadir_título"),
            ("add-title", "add_title"),
            ("a²", "a_"),
            ("", "_"),
        ] {
            assert_eq!(file(name, "").refinery_name(), told);
        }
    }

    #[test]
    fn checksums_are_refinerys_and_of_the_raw_text() {
        for (name, raw) in [("a", "select 1;"), ("añadir", "\u{feff}select 1;\r\n"), ("a-b", "")] {
            let file = file(name, raw);
            let migration = migration_of(&file).expect("refinery takes it");
            assert_eq!(migration.checksum(), file.checksum(), "{name}");
            assert_eq!(migration.sql(), Some(raw));
        }
        assert_ne!(file("a", "select 1;\r\n").checksum(), file("a", "select 1;\n").checksum());
    }
}
