//! Amounts of money. The account, not the amount, defines what one unit is worth.

use std::fmt;

use serde::Serialize;

/// An amount in units of one account's asset and scale. RFC 27 "ILP Prepare": it is an unsigned
/// integer of 64 bits. [row 6]
///
/// RFC 32 "Accounts and Balances": an account is in one asset and scale. [row 63] So amounts of two
/// accounts must not be added or compared without conversion.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Amount(pub u64);

impl Amount {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The most that a packet can carry.
    pub const MAX: Self = Self(u64::MAX);
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Both numbers divided by their greatest common divisor.
pub(crate) fn lowest_terms(a: u128, b: u128) -> (u128, u128) {
    let (mut x, mut y) = (a, b);
    while let Some(rest) = x.checked_rem(y) {
        (x, y) = (y, rest);
    }
    (a.checked_div(x).unwrap_or(a), b.checked_div(x).unwrap_or(b))
}
