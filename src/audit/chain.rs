//! The hashes that chain the lines.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};

const HASH_BYTES: usize = 32;

/// SHA-256 of a line without its own hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LineHash([u8; HASH_BYTES]);

/// A text that is no hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 digits from 0-9 and a-f")]
pub struct LineHashError;

/// The end of a chain: the number and the hash of its last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChainEnd {
    pub(super) seq: u64,
    pub(super) hash: LineHash,
}

impl LineHash {
    /// What the first line of a chain continues.
    pub(super) const NONE: Self = Self([0; HASH_BYTES]);
    /// Digits of its text.
    pub(super) const TEXT_LEN: usize = 2 * HASH_BYTES;

    pub(super) fn of(bytes: &[u8]) -> Self {
        let mut hash = [0; HASH_BYTES];
        hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(hash)
    }
}

impl ChainEnd {
    /// Before the first line.
    pub(super) const BEGINNING: Self = Self { seq: 0, hash: LineHash::NONE };
}

impl fmt::Display for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LineHash {
    type Err = LineHashError;

    /// Only lowercase, so that a line has one form.
    fn from_str(text: &str) -> Result<Self, LineHashError> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(LineHashError);
        }
        let mut hash = [0; HASH_BYTES];
        hex::decode_to_slice(text, &mut hash).map_err(|_| LineHashError)?;
        Ok(Self(hash))
    }
}
