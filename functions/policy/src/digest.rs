//! Values derived from others by SHA-256, so that they are spread evenly and never collide by accident.

use alloc::string::String;
use core::fmt::Write;

use sha2::{Digest, Sha256};

/// Hashes the parts, each with its length.
///
/// INVARIANT: parts with different borders have different hashes, such as `["ab", "c"]` and `["a", "bc"]`.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Returns all 64 hexadecimal digits of the hash.
#[must_use]
pub fn hex(parts: &[&[u8]]) -> String {
    digits(&digest(parts))
}

/// Returns ten hexadecimal digits of the hash, enough to distinguish the rules of one policy.
#[must_use]
pub fn short_hex(parts: &[&[u8]]) -> String {
    let [a, b, c, d, e, ..] = digest(parts);
    digits(&[a, b, c, d, e])
}

/// Returns a number, uniform over all values of `u64`.
#[must_use]
pub fn draw(parts: &[&[u8]]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = digest(parts);
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn digits(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
