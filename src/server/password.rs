//! Passwords that only this process knows. Pure, but for where random bits come from.

use std::collections::HashMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use postgres::Config;
use sha2::{Digest, Sha256};

use crate::server::random::random_password;
use crate::sql::quote::literal;

/// A password of 128 random bits.
#[derive(Clone)]
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn random() -> Self {
        Self(random_password())
    }

    /// What the server keeps of it, as a literal: it gets neither the password nor anything to guess
    /// it by. One iteration will do, since nobody goes through 128 bits; more would cost
    /// milliseconds at each login.
    pub(crate) fn verifier(&self) -> String {
        const ITERATIONS: u32 = 1;
        let salt = random_password();
        let salted = mac(self.0.as_bytes(), &[salt.as_bytes(), &ITERATIONS.to_be_bytes()]);
        let stored_key = Sha256::digest(mac(&salted, &[b"Client Key"]));
        let server_key = mac(&salted, &[b"Server Key"]);
        let [salt, stored_key, server_key] =
            [salt.as_bytes(), &stored_key, &server_key].map(|bytes| STANDARD.encode(bytes));
        literal(&format!("SCRAM-SHA-256${ITERATIONS}:{salt}${stored_key}:{server_key}"))
    }

    pub(crate) fn give_to(&self, config: &mut Config) {
        config.password(&self.0);
    }
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// The logins of a server by the roles that they are for.
#[derive(Default)]
pub(in crate::server) struct Logins(pub(in crate::server) Mutex<HashMap<String, Login>>);

/// Whom to log in as.
#[derive(Clone)]
pub(in crate::server) struct Login {
    pub name: String,
    pub password: Password,
}
