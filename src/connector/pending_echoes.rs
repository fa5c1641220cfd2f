//! Echo requests that this node itself has sent: the pongs it waits for, and the preimages that pay for them.
//!
//! Empty on a node that only forwards; a tool that pings others fills it.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::core::Connector;
use crate::wire::{Condition, Fulfillment};

/// Pongs that may be awaited at once. Beyond it nothing is registered, and the pong is refused.
const PONGS_MAX: usize = 65_536;

/// The pongs that are awaited.
#[derive(Debug, Default)]
pub(super) struct PendingEchoes(Mutex<HashMap<Condition, Fulfillment>>);

impl PendingEchoes {
    /// Takes the preimage for a pong with this condition.
    pub(super) fn take_preimage(&self, condition: &Condition) -> Option<Fulfillment> {
        self.0.lock().remove(condition)
    }
}

impl Connector {
    /// From now on, one pong (echo response) to the own address with this fulfillment's condition is fulfilled.
    /// `false`: too many are awaited already.
    pub fn expect_pong(&self, fulfillment: Fulfillment) -> bool {
        let mut pongs = self.pending_echoes.0.lock();
        let room = pongs.len() < PONGS_MAX;
        if room {
            pongs.insert(fulfillment.condition(), fulfillment);
        }
        room
    }

    /// Gives up waiting for a pong.
    pub fn forget_pong(&self, condition: &Condition) {
        self.pending_echoes.take_preimage(condition);
    }
}
