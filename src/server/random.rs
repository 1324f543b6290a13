//! The two random values we need. From the system, since no crate for it is worth having.

use std::fs::File;
use std::io::Read;

/// A random number.
pub fn random_number() -> u32 {
    u32::from_ne_bytes(random_bytes())
}

/// A random password of 32 hexadecimal digits.
pub fn random_password() -> String {
    format!("{:032x}", u128::from_ne_bytes(random_bytes()))
}

fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let source = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    source.expect("every Unix has /dev/urandom");
    bytes
}
