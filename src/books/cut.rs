//! What the store saves in one transaction.

use super::adjustment::Adjustment;
use super::row::AccountRow;
use crate::link::CutNumber;
use crate::wire::Timestamp;

/// All accounts that have changed since the last cut, at one moment between two packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its number.
    pub number: CutNumber,
    /// When it was taken.
    pub at: Timestamp,
    /// The accounts.
    pub accounts: Vec<AccountRow>,
    /// The changes that operators made, whose effect is in the accounts.
    pub adjustments: Vec<Adjustment>,
}
