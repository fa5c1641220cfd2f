//! Who among the askers of a slow peer fills how much of its outbox, and what is kept for the others.
//!
//! Counted only while an outbox is half full or more: below that there is room for everybody. The division is that of
//! the next hop's places: half of the outbox is divided among the askers of late and one share more is kept for the next
//! newcomer; the rest is for the first who comes.

use std::collections::HashMap;

use super::super::Slot;
use super::NO_REQUESTER;

/// The askers of one outbox that is half full or more.
#[derive(Debug)]
pub(super) struct OutboxShares {
    /// Bytes of each asker that wait. No more askers than there are frames.
    bytes: HashMap<Slot, usize, ahash::RandomState>,
    askers: usize,
    /// What is kept for each asker, with what it has in the outbox already.
    share: usize,
    /// What is kept for the next newcomer.
    newcomer: usize,
    /// What all askers have in the outbox of their shares.
    covered: usize,
}

impl OutboxShares {
    /// The askers of the frames that wait.
    pub(super) fn new(frames: impl Iterator<Item = (Slot, usize)>) -> Self {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let bytes = HashMap::with_hasher(hasher);
        let mut crowd = Self { bytes, askers: 0, share: 0, newcomer: 0, covered: 0 };
        frames.for_each(|(asker, len)| crowd.add(asker, len));
        crowd
    }

    /// Divides `bytes_max` among so many askers, unless that is how it is divided.
    pub(super) fn divide(&mut self, askers: usize, bytes_max: usize) {
        if self.askers != askers {
            self.askers = askers;
            self.share = bytes_max / (2 * askers.max(1));
            self.newcomer = bytes_max / (2 * (askers + 1));
            self.covered = self.bytes.values().map(|bytes| self.share.min(*bytes)).sum();
        }
    }

    /// Bytes that an asker has in the outbox.
    pub(super) fn bytes_of(&self, asker: Slot) -> usize {
        self.bytes.get(&asker).copied().unwrap_or(0)
    }

    /// Whether `len` more bytes of the asker stay within its share.
    pub(super) fn is_within_share(&self, asker: Slot, len: usize) -> bool {
        self.bytes_of(asker) + len <= self.share
    }

    /// Bytes that are kept for others than this asker.
    pub(super) fn kept_for_others(&self, asker: Slot) -> usize {
        let own = self.share.min(self.bytes_of(asker));
        let newcomer = if own < self.share { 0 } else { self.newcomer };
        let others = self.share * self.askers.saturating_sub(1);
        others.saturating_sub(self.covered - own) + newcomer
    }

    /// A frame of the asker was appended.
    pub(super) fn add(&mut self, asker: Slot, len: usize) {
        if asker == NO_REQUESTER {
            return;
        }
        let bytes = self.bytes.entry(asker).or_default();
        self.covered += self.share.min(*bytes + len) - self.share.min(*bytes);
        *bytes += len;
    }

    /// A frame of the asker is written.
    pub(super) fn remove(&mut self, asker: Slot, len: usize) {
        let Some(bytes) = self.bytes.get_mut(&asker) else { return };
        let left = bytes.saturating_sub(len);
        self.covered -= self.share.min(*bytes) - self.share.min(left);
        *bytes = left;
        if left == 0 {
            self.bytes.remove(&asker);
        }
    }
}
