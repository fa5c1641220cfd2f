//! How much of a slow peer's outbox each requester fills, and what is reserved for the others (ADR 13).
//!
//! Half of the outbox is divided among the active requesters and one more share is reserved for the next newcomer; the
//! rest is first come, first served. Unlike `connector/fair_shares.rs`, which knows the active requesters, it divides
//! bytes instead of packets and credit, and only while an outbox is at least half full: below that there is space for
//! all.

use std::collections::HashMap;

use super::super::Slot;

/// The requesters of one outbox.
#[derive(Debug)]
pub(super) struct OutboxShares {
    /// The waiting bytes of each requester. There are no more requesters than frames.
    bytes: HashMap<Slot, usize, ahash::RandomState>,
    requesters: usize,
    /// The share of each requester, including what it has in the outbox.
    share: usize,
    /// Reserved for the next newcomer.
    newcomer: usize,
    /// The sum of what the requesters have in the outbox within their shares.
    within_shares: usize,
}

impl OutboxShares {
    /// Counts the frames that wait.
    pub(super) fn new(frames: impl Iterator<Item = (Slot, usize)>) -> Self {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        let bytes = HashMap::with_hasher(hasher);
        let mut shares = Self { bytes, requesters: 0, share: 0, newcomer: 0, within_shares: 0 };
        frames.for_each(|(requester, len)| shares.add(requester, len));
        shares
    }

    /// Divides `bytes_max` among this many requesters, unless it is divided so already.
    pub(super) fn divide(&mut self, requesters: usize, bytes_max: usize) {
        if self.requesters != requesters {
            self.requesters = requesters;
            self.share = bytes_max / (2 * requesters.max(1));
            self.newcomer = bytes_max / (2 * (requesters + 1));
            self.within_shares = self.bytes.values().map(|bytes| self.share.min(*bytes)).sum();
        }
    }

    /// Bytes that a requester has in the outbox.
    pub(super) fn bytes_of(&self, requester: Slot) -> usize {
        self.bytes.get(&requester).copied().unwrap_or(0)
    }

    /// Whether `len` more bytes of the requester stay within its share.
    pub(super) fn is_within_share(&self, requester: Slot, len: usize) -> bool {
        self.bytes_of(requester) + len <= self.share
    }

    /// Bytes that are reserved for the other requesters.
    pub(super) fn reserved_for_others(&self, requester: Slot) -> usize {
        let own = self.share.min(self.bytes_of(requester));
        let newcomer = if own < self.share { 0 } else { self.newcomer };
        let others = self.share * self.requesters.saturating_sub(1);
        others.saturating_sub(self.within_shares - own) + newcomer
    }

    /// A frame of the requester was added.
    pub(super) fn add(&mut self, requester: Slot, len: usize) {
        if requester == Slot::NONE {
            return;
        }
        let bytes = self.bytes.entry(requester).or_default();
        self.within_shares += self.share.min(*bytes + len) - self.share.min(*bytes);
        *bytes += len;
    }

    /// A frame of the requester was written.
    pub(super) fn remove(&mut self, requester: Slot, len: usize) {
        let Some(bytes) = self.bytes.get_mut(&requester) else { return };
        let left = bytes.saturating_sub(len);
        self.within_shares -= self.share.min(*bytes) - self.share.min(left);
        *bytes = left;
        if left == 0 {
            self.bytes.remove(&requester);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> OutboxShares {
        let frames = [(Slot(1), 20), (Slot::NONE, 99), (Slot(2), 10), (Slot(1), 10)];
        OutboxShares::new(frames.into_iter())
    }

    fn bytes(shares: &OutboxShares) -> [usize; 3] {
        [1, 2, 3].map(|slot| shares.bytes_of(Slot(slot)))
    }

    fn reserved(shares: &OutboxShares) -> [usize; 3] {
        [1, 2, 3].map(|slot| shares.reserved_for_others(Slot(slot)))
    }

    #[test]
    fn half_of_the_outbox_is_divided_among_the_requesters() {
        let mut shares = shares();
        assert_eq!((bytes(&shares), shares.bytes_of(Slot::NONE)), ([30, 10, 0], 0));
        shares.divide(2, 100);
        // A share is 25, and 16 are for a newcomer. The second requester has used 10 of its share.
        assert_eq!(reserved(&shares), [15 + 16, 0, 0]);
        for (requester, len, expected) in
            [(1, 0, false), (2, 15, true), (2, 16, false), (3, 25, true), (3, 26, false)]
        {
            let is_within = shares.is_within_share(Slot(requester), len);
            assert_eq!(is_within, expected, "{len} more bytes of {requester}");
        }
        shares.divide(2, 1_000);
        assert_eq!(reserved(&shares), [31, 0, 0], "it was divided among as many already");
        shares.divide(4, 100);
        // A share is 12, and 10 are for a newcomer. The second requester has used 10 of its share.
        assert_eq!(reserved(&shares), [3 * 12 - 10 + 10, 3 * 12 - 12, 3 * 12 - 22]);
        shares.divide(0, 100);
        assert!(shares.is_within_share(Slot(3), 50) && !shares.is_within_share(Slot(3), 51));
    }

    #[test]
    fn frames_that_come_and_go_change_what_is_reserved() {
        let mut shares = shares();
        shares.divide(2, 100);
        shares.remove(Slot(1), 10);
        assert_eq!((bytes(&shares), reserved(&shares)), ([20, 10, 0], [15, 5, 0]));
        shares.add(Slot(2), 20);
        assert_eq!((bytes(&shares), reserved(&shares)), ([20, 30, 0], [0, 5 + 16, 0]));
        shares.add(Slot::NONE, 20);
        shares.remove(Slot(7), 20);
        assert_eq!((bytes(&shares), reserved(&shares)), ([20, 30, 0], [0, 5 + 16, 0]));
        shares.remove(Slot(1), 20);
        assert_eq!((bytes(&shares), reserved(&shares)), ([0, 30, 0], [0, 25 + 16, 0]));
        assert_eq!(shares.bytes.len(), 1, "a requester without frames is forgotten");
        shares.remove(Slot(2), 31);
        assert_eq!((bytes(&shares), reserved(&shares)), ([0, 0, 0], [25, 25, 25]));
    }
}
