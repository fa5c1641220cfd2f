//! Echo requests of this node itself that wait for their pongs, and the preimages that fulfill these.
//!
//! Only tools that ping other nodes add to it.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::core::Connector;
use crate::wire::{Condition, Fulfillment};

/// Echo requests that may wait at once.
const ECHOES_MAX: usize = 65_536;

/// Preimages by condition.
#[derive(Debug, Default)]
pub(super) struct PendingEchoes(Mutex<HashMap<Condition, Fulfillment>>);

impl PendingEchoes {
    /// Removes the preimage for a pong with this condition.
    pub(super) fn take_preimage(&self, condition: &Condition) -> Option<Fulfillment> {
        self.0.lock().remove(condition)
    }
}

impl Connector {
    /// From now on one pong (echo response) to the node's own address with this fulfillment's condition is fulfilled.
    /// Returns `false` if too many echo requests wait already.
    pub fn expect_pong(&self, fulfillment: Fulfillment) -> bool {
        let mut pongs = self.pending_echoes.0.lock();
        let has_space = pongs.len() < ECHOES_MAX;
        if has_space {
            pongs.insert(fulfillment.condition(), fulfillment);
        }
        has_space
    }

    /// Stops waiting for a pong.
    pub fn forget_pong(&self, condition: &Condition) {
        self.pending_echoes.take_preimage(condition);
    }
}
