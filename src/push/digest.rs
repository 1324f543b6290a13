//! The digest of a text, by which it is known again on any machine. Pure.

use sha2::{Digest, Sha256};

use crate::project::files::SqlFile;

/// The sha256 of a text, in hexadecimal digits.
pub(crate) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That of a file, whatever ends its lines have.
pub(crate) fn digest_of(file: &SqlFile) -> String {
    digest(&file.text())
}
