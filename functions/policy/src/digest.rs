//! Values that follow from others: SHA-256, so that they are spread evenly and never meet by accident.

use alloc::string::String;
use core::fmt::Write;

use sha2::{Digest, Sha256};

/// Hashes the parts, each with its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// All 64 hexadecimal digits.
#[must_use]
pub fn hex(parts: &[&[u8]]) -> String {
    digits(&digest(parts))
}

/// Ten hexadecimal digits: enough to tell the rules of one policy apart.
#[must_use]
pub fn short_hex(parts: &[&[u8]]) -> String {
    let [a, b, c, d, e, ..] = digest(parts);
    digits(&[a, b, c, d, e])
}

/// A number uniform over all its values.
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
