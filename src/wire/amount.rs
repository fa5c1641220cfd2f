//! Amounts of money. What one unit is worth is known to the link, not to the amount.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An amount in units of one link's asset and scale (UInt64 on the wire, RFC 27).
///
/// Amounts of two links must not be added or compared: convert first.
#[derive(
    Debug,
    Default,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(transparent)]
pub struct Amount(pub u64);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most that a packet can carry.
    pub const MAX: Self = Self(u64::MAX);
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u64> for Amount {
    fn from(units: u64) -> Self {
        Self(units)
    }
}
