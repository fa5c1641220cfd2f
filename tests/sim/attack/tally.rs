//! What an attacker really did, as it knows itself.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;

/// One of its own packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentPacket {
    pub(super) place: usize,
    pub(super) amount: u64,
    /// It may send one again.
    pub(super) times: u64,
}

/// What happened at one of its places.
#[derive(Clone, Debug, Default)]
pub(super) struct PlaceTally {
    /// The sum of the packets that it answered with the right fulfillment.
    pub(super) fulfilled: i128,
    /// The sum of its own packets whose fulfillment it got.
    pub(super) proven: i128,
    /// It got a packet that is none of its business: the destination.
    pub(super) stolen: Option<String>,
    /// The node has confirmed the withdrawal of the route to its address, and it has announced none since.
    pub(super) is_withdrawn: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct AttackTally {
    pub(super) places: [PlaceTally; 2],
    /// By their numbers.
    pub(super) sent: BTreeMap<u64, SentPacket>,
    /// Those that it fulfilled itself.
    pub(super) fulfilled: BTreeSet<u64>,
}

/// What the attacker of a run did.
#[derive(Debug, Default)]
pub struct AttackTallies(Mutex<AttackTally>);

impl AttackTallies {
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut AttackTally) -> T) -> T {
        change(&mut self.0.lock())
    }

    /// What the node of a place may have booked for its packets, at most.
    pub(super) fn paid_max(&self, place: usize) -> i128 {
        let tally = self.0.lock();
        let fulfilled = tally.fulfilled.iter().filter_map(|number| tally.sent.get(number));
        let own = fulfilled.filter(|packet| packet.place == place);
        own.map(|packet| i128::from(packet.amount) * i128::from(packet.times)).sum()
    }

    /// How many packets it has sent.
    pub fn packets(&self) -> usize {
        let tally = self.0.lock();
        tally.sent.values().map(|packet| packet.times as usize).sum()
    }

    pub(super) fn at(&self, place: usize) -> PlaceTally {
        self.0.lock().places[place].clone()
    }
}
