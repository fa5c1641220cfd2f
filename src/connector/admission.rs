//! Whether the node admits Prepares at all.

use std::sync::atomic::{AtomicU8, Ordering};

use super::refusal::Refusal;
use crate::wire::Amount;

const STOPPING: u8 = 1;
const STORE_FAILING: u8 = 2;

/// One byte, which the packet path reads once for each Prepare. Zero: Prepares are admitted.
#[derive(Debug, Default)]
pub(super) struct Admission(AtomicU8);

impl Admission {
    /// The refusal of a new Prepare of this amount, if the node does not admit it. A store is not needed for packets
    /// without money, such as those that exchange routes.
    #[inline]
    pub(super) fn check(&self, amount: Amount) -> Result<(), Refusal> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            reasons if reasons & STOPPING != 0 => Err(Refusal::Stopping),
            _ if amount == Amount::ZERO => Ok(()),
            _ => Err(Refusal::StoreFailing),
        }
    }

    pub(super) fn stop(&self) {
        self.0.fetch_or(STOPPING, Ordering::Relaxed);
    }

    pub(super) fn set_store_failing(&self, is_failing: bool) {
        match is_failing {
            true => self.0.fetch_or(STORE_FAILING, Ordering::Relaxed),
            false => self.0.fetch_and(!STORE_FAILING, Ordering::Relaxed),
        };
    }
}
