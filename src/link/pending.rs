//! Prepares that were sent to a peer and wait for its answer.
//!
//! A table indexed by the low bits of the request id. Our ids come from one counter, so neighbours in time are
//! neighbours in memory, an insert is one store and a lookup is one load; an id whose place is taken by a straggler is
//! skipped. The table doubles before more than three quarters are taken, which bounds the skipping to three steps per
//! insert on average, whatever the peer leaves unanswered.

use super::{OwnRequest, SessionId, Slot};
use crate::time::MonoTime;
use crate::wire::btp::RequestId;
use crate::wire::{Amount, Condition};

/// The smallest table that is allocated.
const PLACES_MIN: usize = 16;
/// An empty table keeps no more than this.
const PLACES_KEPT: usize = 256;

/// What must be remembered of a Prepare until its answer.
#[derive(Debug)]
pub struct Pending {
    /// Who waits for the answer.
    pub origin: RequestOrigin,
    /// Held on the account that it came from, in that account's units.
    pub incoming_amount: Amount,
    /// Held on the account that it went to, in that account's units.
    pub outgoing_amount: Amount,
    /// What the fulfillment must hash to.
    pub condition: Condition,
    /// The outgoing expiry: an answer at or after it is none.
    pub deadline: MonoTime,
    /// When the Prepare was handled, for the latency of the answer.
    pub sent_at: MonoTime,
}

/// Who waits for an answer.
#[derive(Debug)]
pub enum RequestOrigin {
    /// A peer asked, on this session, under this id.
    Peer {
        /// The account that asked.
        account: Slot,
        /// The session it asked on; the answer belongs there.
        session: SessionId,
        /// The id it chose.
        request_id: RequestId,
        /// Places the packet takes among the asker's packets in flight: 2 for an echo.
        weight: u8,
        /// The asker whose share of the next hop it uses.
        share: Slot,
    },
    /// The node itself asked.
    Own(OwnRequest),
}

impl RequestOrigin {
    /// The account that asked and the id it chose; `None` for the node itself.
    pub fn requester(&self) -> Option<(Slot, RequestId)> {
        match self {
            RequestOrigin::Peer { account, request_id, .. } => Some((*account, *request_id)),
            RequestOrigin::Own(_) => None,
        }
    }
}

/// What the table says to an answer.
#[derive(Debug)]
pub enum TakenPending {
    /// It belongs to this Prepare, which is no longer pending.
    Pending(Pending),
    /// Nobody waits for it (any more).
    Unexpected,
}

/// The Prepares in flight to one account, by request id.
#[derive(Debug)]
pub struct PendingTable {
    /// A power of two, or none; place = id modulo length.
    places: Vec<Option<(RequestId, Pending)>>,
    len: usize,
    next_id: u32,
    /// No entry is due before this.
    next_deadline: MonoTime,
}

impl PendingTable {
    /// An empty table whose first request id is `first_id` (random, RFC 23 leaves the choice to the requester).
    pub fn new(first_id: RequestId) -> Self {
        PendingTable {
            places: Vec::new(),
            len: 0,
            next_id: first_id.0,
            next_deadline: MonoTime::MAX,
        }
    }

    /// Prepares in flight.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Prepares in flight that somebody else waits for, or that move money: all but what the node itself asks of its
    /// neighbours.
    pub fn count_payments(&self) -> usize {
        let payment = |one: &&Pending| {
            one.origin.requester().is_some() || one.outgoing_amount != Amount::ZERO
        };
        if self.is_empty() { 0 } else { self.iter().filter(payment).count() }
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// No Prepare here is due before this instant.
    pub fn next_deadline(&self) -> MonoTime {
        self.next_deadline
    }

    /// The next id of the account's one counter, for a request that is no Prepare (authentication).
    pub fn next_id(&mut self) -> RequestId {
        loop {
            let id = RequestId(self.next_id);
            self.next_id = self.next_id.wrapping_add(1);
            if self.place(id).is_none_or(|place| place.is_none()) {
                return id;
            }
        }
    }

    /// Remembers a Prepare and gives it its id. The caller has checked its limit, so the table is bounded.
    pub fn insert(&mut self, pending: Pending) -> RequestId {
        // Three quarters: a smaller table stays in the cache, and there is still a free place every fourth on average.
        if self.len >= self.places.len() / 4 * 3 {
            self.resize((self.places.len() * 2).max(PLACES_MIN));
        }
        self.next_deadline = self.next_deadline.min(pending.deadline);
        let id = self.next_id();
        let index = self.index(id);
        if let Some(place) = self.places.get_mut(index) {
            debug_assert!(place.is_none(), "next_id returns ids of free places");
            *place = Some((id, pending));
            self.len += 1;
        }
        id
    }

    /// Until when the answer to this id is waited for; `None`: it is not, or not any more.
    pub fn deadline(&self, id: RequestId) -> Option<MonoTime> {
        let (found, pending) = self.place(id)?.as_ref()?;
        (*found == id).then_some(pending.deadline)
    }

    /// Takes what waits under this id.
    pub fn take(&mut self, id: RequestId) -> TakenPending {
        let index = self.index(id);
        match self.places.get_mut(index) {
            Some(place) if place.as_ref().is_some_and(|(found, _)| *found == id) => {
                self.len -= 1;
                place
                    .take()
                    .map_or(TakenPending::Unexpected, |(_, pending)| TakenPending::Pending(pending))
            }
            _ => TakenPending::Unexpected,
        }
    }

    /// Takes everything that is due, in no particular order.
    pub fn take_due(&mut self, now: MonoTime) -> Vec<Pending> {
        if now < self.next_deadline {
            return Vec::new();
        }
        let mut due = Vec::new();
        let mut next = MonoTime::MAX;
        for place in &mut self.places {
            match place {
                Some((_, pending)) if pending.deadline <= now => {
                    due.extend(place.take().map(|(_, pending)| pending));
                }
                Some((_, pending)) => next = next.min(pending.deadline),
                None => {}
            }
        }
        self.len -= due.len();
        self.next_deadline = next;
        if self.len == 0 && self.places.len() > PLACES_KEPT {
            self.places = Vec::new();
        }
        due
    }

    /// Takes everything.
    pub fn take_all(&mut self) -> Vec<Pending> {
        self.take_due(MonoTime::MAX)
    }

    /// Everything in flight.
    pub fn iter(&self) -> impl Iterator<Item = &Pending> {
        self.places.iter().flatten().map(|(_, pending)| pending)
    }

    fn index(&self, id: RequestId) -> usize {
        // The length is a power of two or zero; with zero no place is found whatever the index.
        id.0 as usize & self.places.len().wrapping_sub(1)
    }

    fn place(&self, id: RequestId) -> Option<&Option<(RequestId, Pending)>> {
        self.places.get(self.index(id))
    }

    fn resize(&mut self, places: usize) {
        let old = std::mem::take(&mut self.places);
        self.places.resize_with(places, || None);
        for (id, pending) in old.into_iter().flatten() {
            // Ids that had places of their own modulo n have them modulo 2n too.
            let index = self.index(id);
            if let Some(place) = self.places.get_mut(index) {
                debug_assert!(place.is_none());
                *place = Some((id, pending));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(deadline: u64) -> Pending {
        Pending {
            origin: RequestOrigin::Peer {
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
        match table.take(id) {
            TakenPending::Pending(pending) => Some(pending.deadline.0),
            TakenPending::Unexpected => None,
        }
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
    fn what_is_due_is_taken_and_nothing_else() {
        let mut table = PendingTable::new(RequestId(3));
        for deadline in [30, 10, 20, 40] {
            table.insert(pending(deadline));
        }
        assert_eq!(table.next_deadline(), MonoTime(10));
        assert!(table.take_due(MonoTime(9)).is_empty());
        let mut due: Vec<_> = table.take_due(MonoTime(20)).iter().map(|p| p.deadline.0).collect();
        due.sort_unstable();
        assert_eq!(due, [10, 20]);
        assert_eq!((table.len(), table.next_deadline()), (2, MonoTime(30)));
        assert_eq!(table.take_all().len(), 2);
        assert!(table.is_empty());
    }

    #[test]
    fn a_table_that_was_full_gives_its_memory_back() {
        let mut table = PendingTable::new(RequestId(0));
        for _ in 0..5_000 {
            table.insert(pending(5));
        }
        assert_eq!(table.take_due(MonoTime(5)).len(), 5_000);
        assert_eq!(table.places.capacity(), 0);
        let id = table.insert(pending(6));
        assert_eq!(taken(&mut table, id), Some(6));
    }

    #[test]
    fn an_unknown_id_takes_nothing() {
        let mut table = PendingTable::new(RequestId(0));
        assert_eq!(taken(&mut table, RequestId(0)), None);
        let id = table.insert(pending(1));
        assert_eq!(taken(&mut table, RequestId(id.0 + 16)), None, "same place, other id");
        assert_eq!(table.len(), 1);
    }
}
