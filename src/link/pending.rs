//! Prepares that were sent to a peer and wait for its answer (ADR 2).
//!
//! The low bits of the request id are the index into the table. The ids come from one counter, so an insert is one
//! store, a lookup is one load, and successive packets are neighbours in memory. An id whose entry is still occupied is
//! skipped. The table doubles before more than three quarters are occupied, so an insert skips three ids on average at
//! most, whatever the peer leaves unanswered.

use super::{OutcomeCallback, SessionId, Slot};
use crate::time::MonoTime;
use crate::wire::btp::RequestId;
use crate::wire::{Amount, Condition};

const ENTRIES_MIN: usize = 16;
/// A larger table is freed when it is empty.
const ENTRIES_RETAINED_MAX: usize = 256;

/// A Prepare that waits for its answer.
#[derive(Debug)]
pub struct Pending {
    pub requested_by: RequestedBy,
    /// Held on the incoming account, in its units.
    pub incoming_amount: Amount,
    /// Held on the outgoing account, in its units.
    pub outgoing_amount: Amount,
    /// The SHA-256 hash of the fulfillment.
    pub condition: Condition,
    /// The outgoing expiry. An answer at or after it does not count.
    pub deadline: MonoTime,
    /// When the Prepare was sent, for the latency of the answer.
    pub sent_at: MonoTime,
}

/// The peer or the node that sent a Prepare, and gets the answer.
#[derive(Debug)]
pub enum RequestedBy {
    /// A peer sent the Prepare.
    Peer {
        /// The peer's account.
        account: Slot,
        /// The session that the Prepare arrived on. The answer goes there.
        session: SessionId,
        /// The id that the peer chose.
        request_id: RequestId,
        /// How often the packet counts among the account's packets in flight: 2 for an echo.
        weight: u8,
        /// The requester whose share of the next hop it uses.
        share: Slot,
    },
    /// The node itself sent the Prepare.
    Own(OutcomeCallback),
}

impl RequestedBy {
    /// The peer's account and the id that it chose; `None` for the node itself.
    pub fn peer_request(&self) -> Option<(Slot, RequestId)> {
        match self {
            Self::Peer { account, request_id, .. } => Some((*account, *request_id)),
            Self::Own(_) => None,
        }
    }
}

/// The Prepares in flight to one account, by request id.
#[derive(Debug)]
pub struct PendingTable {
    /// The length is zero or a power of two. The index is the id modulo the length.
    entries: Vec<Option<(RequestId, Pending)>>,
    len: usize,
    next_id: u32,
    /// No entry has an earlier deadline.
    next_deadline: MonoTime,
}

impl PendingTable {
    /// An empty table whose first request id is `first_id`, which should be random.
    pub fn new(first_id: RequestId) -> Self {
        Self { entries: Vec::new(), len: 0, next_id: first_id.0, next_deadline: MonoTime::MAX }
    }

    /// Number of Prepares in flight.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of Prepares in flight that come from a peer or move money; not counted are the node's own requests to its
    /// neighbours.
    pub fn count_payments(&self) -> usize {
        let is_payment = |pending: &&Pending| {
            pending.requested_by.peer_request().is_some() || pending.outgoing_amount != Amount::ZERO
        };
        if self.is_empty() { 0 } else { self.iter().filter(is_payment).count() }
    }

    /// Whether a Prepare is in flight that was sent at this time or before.
    pub fn has_sent_until(&self, time: MonoTime) -> bool {
        self.iter().any(|pending| pending.sent_at <= time)
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// No Prepare has an earlier deadline.
    pub fn next_deadline(&self) -> MonoTime {
        self.next_deadline
    }

    /// The next request id, also for a request that is not a Prepare (authentication).
    ///
    /// RFC 23 "BTP Type IDs": no two requests in flight have one id; this node's ids are independent of the peer's.
    /// [rows 76, 77]
    pub fn next_id(&mut self) -> RequestId {
        loop {
            let id = RequestId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            if self.entry(id).is_none_or(|entry| entry.is_none()) {
                return id;
            }
        }
    }

    /// Adds a Prepare and returns its id. The caller checks the limit, which bounds the table.
    pub fn insert(&mut self, pending: Pending) -> RequestId {
        // At three quarters the table still fits the cache better than a larger one, and every fourth entry is free.
        if self.len >= self.entries.len() / 4 * 3 {
            self.resize((self.entries.len() * 2).max(ENTRIES_MIN));
        }
        self.next_deadline = self.next_deadline.min(pending.deadline);
        let id = self.next_id();
        let index = self.index(id);
        let entry = self.entries.get_mut(index).expect("the index is below the length");
        debug_assert!(entry.is_none(), "next_id returns ids of free entries");
        *entry = Some((id, pending));
        self.len += 1;
        id
    }

    /// The deadline of the Prepare with this id, if it is pending.
    pub fn deadline(&self, id: RequestId) -> Option<MonoTime> {
        let (found, pending) = self.entry(id)?.as_ref()?;
        (*found == id).then_some(pending.deadline)
    }

    /// Removes the Prepare with this id, if it is pending.
    pub fn take(&mut self, id: RequestId) -> Option<Pending> {
        let index = self.index(id);
        let is_own =
            |(found, _): &mut (RequestId, Pending)| *found == id || planted!(AnswerToAnother);
        let (_, pending) = self.entries.get_mut(index)?.take_if(is_own)?;
        self.len -= 1;
        Some(pending)
    }

    /// Removes all Prepares whose deadline has passed, in no particular order.
    pub fn take_due(&mut self, now: MonoTime) -> Vec<(RequestId, Pending)> {
        if now < self.next_deadline {
            return Vec::new();
        }
        let mut due = Vec::new();
        let mut next = MonoTime::MAX;
        for entry in &mut self.entries {
            match entry {
                Some((_, pending)) if pending.deadline <= now => {
                    due.extend(entry.take());
                }
                Some((_, pending)) => next = next.min(pending.deadline),
                None => {}
            }
        }
        self.len -= due.len();
        self.next_deadline = next;
        if self.len == 0 && self.entries.len() > ENTRIES_RETAINED_MAX {
            self.entries = Vec::new();
        }
        due
    }

    /// Removes all Prepares.
    pub fn take_all(&mut self) -> Vec<(RequestId, Pending)> {
        self.take_due(MonoTime::MAX)
    }

    /// All Prepares in flight.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.entries.iter().flatten().map(|(_, pending)| pending)
    }

    fn index(&self, id: RequestId) -> usize {
        // If the length is zero, no index exists.
        id.0 as usize & self.entries.len().wrapping_sub(1)
    }

    fn entry(&self, id: RequestId) -> Option<&Option<(RequestId, Pending)>> {
        self.entries.get(self.index(id))
    }

    fn resize(&mut self, len: usize) {
        let old = std::mem::take(&mut self.entries);
        self.entries.resize_with(len, || None);
        for (id, pending) in old.into_iter().flatten() {
            // Ids that differ modulo n differ modulo 2n.
            let index = self.index(id);
            let entry = self.entries.get_mut(index).expect("the index is below the length");
            debug_assert!(entry.is_none());
            *entry = Some((id, pending));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(deadline: u64) -> Pending {
        Pending {
            requested_by: RequestedBy::Peer {
                account: Slot(0),
                session: SessionId(0),
                request_id: RequestId(0),
                weight: 1,
                share: Slot(0),
            },
            incoming_amount: Amount(deadline),
            outgoing_amount: Amount(1),
            condition: Condition([0; 32]),
            deadline: MonoTime(deadline),
            sent_at: MonoTime(0),
        }
    }

    fn taken(table: &mut PendingTable, id: RequestId) -> Option<u64> {
        table.take(id).map(|pending| pending.deadline.0)
    }

    #[test]
    fn every_entry_is_taken_once_and_under_its_own_id() {
        let mut table = PendingTable::new(RequestId(u32::MAX - 500));
        let ids: Vec<_> = (1..=1000).map(|n| (table.insert(pending(n)), n)).collect();
        assert_eq!(table.len(), 1000);
        for (id, n) in ids.iter().rev() {
            assert_eq!(taken(&mut table, *id), Some(*n));
            assert_eq!(taken(&mut table, *id), None);
        }
        assert!(table.is_empty());
    }

    #[test]
    fn ids_in_flight_are_skipped_after_the_counter_wrapped() {
        let mut table = PendingTable::new(RequestId(u32::MAX));
        let straggler = table.insert(pending(7));
        for _ in 0..100_000 {
            let id = table.insert(pending(1));
            assert_ne!(id, straggler);
            assert_eq!(taken(&mut table, id), Some(1));
        }
        assert_eq!(taken(&mut table, straggler), Some(7));
    }

    #[test]
    fn only_due_prepares_are_taken() {
        let mut table = PendingTable::new(RequestId(3));
        for deadline in [30, 10, 20, 40] {
            table.insert(pending(deadline));
        }
        assert_eq!(table.next_deadline(), MonoTime(10));
        assert!(table.take_due(MonoTime(9)).is_empty());
        let taken = table.take_due(MonoTime(20));
        let mut due: Vec<_> = taken.iter().map(|(_, pending)| pending.deadline.0).collect();
        due.sort_unstable();
        assert_eq!(due, [10, 20]);
        assert_eq!((table.len(), table.next_deadline()), (2, MonoTime(30)));
        assert_eq!(table.take_all().len(), 2);
        assert!(table.is_empty());
    }

    #[test]
    fn a_large_table_is_freed_when_it_is_empty() {
        let mut table = PendingTable::new(RequestId(0));
        for _ in 0..5_000 {
            table.insert(pending(5));
        }
        assert_eq!(table.take_due(MonoTime(5)).len(), 5_000);
        assert_eq!(table.entries.capacity(), 0);
        let id = table.insert(pending(6));
        assert_eq!(taken(&mut table, id), Some(6));
    }

    #[test]
    fn the_table_doubles_before_three_quarters_are_occupied() {
        let mut table = PendingTable::new(RequestId(0));
        assert_eq!((table.entries.len(), table.len()), (0, 0));
        for (count, entries) in [(12, 16), (13, 32), (24, 32), (25, 64), (192, 256)] {
            while table.len() < count {
                table.insert(pending(5));
            }
            assert_eq!(table.entries.len(), entries, "{count}");
        }
        assert_eq!(table.take_due(MonoTime(5)).len(), 192);
        assert_eq!(table.entries.len(), ENTRIES_RETAINED_MAX, "a small table is kept");
        for _ in 0..500 {
            table.insert(pending(5));
        }
        table.insert(pending(6));
        assert_eq!(table.take_due(MonoTime(5)).len(), 500);
        assert_eq!((table.len(), table.iter().count()), (1, 1), "an occupied table is kept");
    }

    #[test]
    fn prepares_are_counted_by_what_they_are() {
        let mut table = PendingTable::new(RequestId(0));
        assert_eq!((table.count_payments(), table.is_empty()), (0, true));
        let own = |amount| {
            let requested_by = RequestedBy::Own(OutcomeCallback(Box::new(drop)));
            Pending { requested_by, outgoing_amount: Amount(amount), ..pending(1) }
        };
        table.insert(own(0));
        assert_eq!((table.count_payments(), table.is_empty()), (0, false));
        table.insert(own(1));
        table.insert(Pending { outgoing_amount: Amount::ZERO, ..pending(1) });
        assert_eq!((table.count_payments(), table.len()), (2, 3));
        let requests = table.iter().filter_map(|pending| pending.requested_by.peer_request());
        assert_eq!(requests.collect::<Vec<_>>(), [(Slot(0), RequestId(0))]);
    }

    #[test]
    fn prepares_are_found_by_their_times() {
        let mut table = PendingTable::new(RequestId(0));
        assert!(!table.has_sent_until(MonoTime::MAX));
        let id = table.insert(Pending { sent_at: MonoTime(5), ..pending(9) });
        table.insert(Pending { sent_at: MonoTime(7), ..pending(8) });
        assert!(!table.has_sent_until(MonoTime(4)) && table.has_sent_until(MonoTime(5)));
        assert_eq!(table.deadline(id), Some(MonoTime(9)));
        assert_eq!(table.deadline(RequestId(id.0 + 16)), None, "same entry, other id");
        assert!(table.take_due(MonoTime(7)).is_empty());
        assert_eq!(table.take_due(MonoTime(8)).len(), 1, "a deadline is due when it is reached");
        assert_eq!(table.next_deadline(), MonoTime(9));
    }

    #[test]
    fn an_unknown_id_takes_nothing() {
        let mut table = PendingTable::new(RequestId(0));
        assert_eq!(taken(&mut table, RequestId(0)), None);
        let id = table.insert(pending(1));
        assert_eq!(taken(&mut table, RequestId(id.0 + 16)), None, "same entry, other id");
        assert_eq!(table.len(), 1);
    }
}
