//! Fair shares of one next hop (ADR 13): how many packets in flight and how much credit each requester uses, and what
//! is reserved for the others.
//!
//! Two things of a next hop are scarce: the packets in flight to it, and *credit* (how far its balance may still fall).
//! A single requester may use all of both. As soon as two or more accounts are active, half of each is divided among
//! them and one more share is reserved for the next newcomer; the rest is first come, first served. A requester below
//! its share is never refused because of others. The exception is a newcomer whose share is not *covered*, because
//! others had already taken too much: it gets what they release.
//!
//! `link/outbox/outbox_shares.rs` divides the bytes of an outbox by the same rule, without credit and only while the
//! outbox is half full. `http/request_permits.rs` bounds requests over HTTP by a simpler rule: it reserves nothing.
//!
//! Spent credit (the hop fulfilled the packet) counts as used by its requester for one to two [`SPENT_PERIOD`]s.
//! Otherwise a requester could spend the shares of the others bit by bit.
//!
//! A packet costs a few comparisons and additions. Sums over all requesters are computed only when a requester comes or
//! goes, or every [`REVIEW_INTERVAL`]. A packet of a guest costs a few more, because the table has the share of all
//! guests and not its slot. There is no lock and no clock here: the next hop's own lock protects this state.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{Ledger, Limits};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Amount;

/// How long a requester keeps its share after its last packet for the hop.
pub(super) const ACTIVE_FOR: Duration = Duration::from_secs(300);
/// How often idle requesters are removed and the shares computed again.
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);
/// Spent credit counts as used for at least this long, and at most twice as long.
const SPENT_PERIOD: Duration = Duration::from_secs(300);
/// Requesters with a share of their own. All others have one together ([`OTHER_REQUESTERS`]), so that memory does not
/// grow with the square of the number of accounts.
const REQUESTERS_MAX: usize = 1024;
const TABLE_LEN_MIN: usize = 4;

/// All requesters beyond [`REQUESTERS_MAX`], and all guests: they cost nothing to make, so that a share for each would
/// take those of the others.
const OTHER_REQUESTERS: Slot = Slot(u32::MAX - 1);

/// What the requesters of a next hop share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    pub(super) in_flight_max: usize,
    /// How far its balance may fall; `None`: no limit.
    pub(super) min_balance: Option<i128>,
    pub(super) balance: i128,
    /// With what is uncertain.
    pub(super) held_out: i128,
}

impl Capacity {
    pub(super) fn new(limits: &Limits, ledger: &Ledger) -> Self {
        Self {
            in_flight_max: limits.max_packets_in_flight,
            min_balance: limits.min_balance,
            balance: ledger.balance(),
            held_out: ledger.held_out().saturating_add(ledger.uncertain()),
        }
    }

    /// Credit that is left now.
    fn credit_left(&self) -> u128 {
        let limit = self.min_balance.unwrap_or(i128::MIN);
        zero_if_negative(self.balance.saturating_sub(self.held_out).saturating_sub(limit))
    }

    /// Credit while nothing is owed to the hop.
    fn credit_total(&self) -> u128 {
        let limit = self.min_balance.unwrap_or(i128::MIN);
        zero_if_negative(self.balance.max(0).saturating_sub(limit))
    }
}

fn zero_if_negative(amount: i128) -> u128 {
    u128::try_from(amount).unwrap_or(0)
}

/// The index of a requester's share, valid until the next [`FairShares::find_share`].
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareIndex(usize);

/// One requester's use of the next hop.
#[derive(Clone, Copy, Debug)]
struct Share {
    requester: Slot,
    in_flight: u32,
    last_request_at: MonoTime,
    /// Credit that is held or spent.
    credit_used: u128,
    /// The part of `credit_used` that is spent: in this period, and in the one before.
    credit_spent: [u128; 2],
    /// The unused part of its share of packets in flight is available.
    in_flight_covered: bool,
    /// The unused part of its share of credit is available.
    credit_covered: bool,
}

impl Share {
    fn new(requester: Slot, now: MonoTime) -> Self {
        Self {
            requester,
            in_flight: 0,
            last_request_at: now,
            credit_used: 0,
            credit_spent: [0; 2],
            in_flight_covered: false,
            credit_covered: false,
        }
    }

    fn is_active(&self, now: MonoTime) -> bool {
        self.in_flight > 0 || now.since(self.last_request_at) < ACTIVE_FOR
    }

    fn end_period(&mut self) {
        let [this, before] = self.credit_spent;
        self.credit_used = self.credit_used.saturating_sub(before);
        self.credit_spent = [0, this];
    }
}

/// How packets in flight or credit are divided. All zero while there are fewer than two requesters.
#[derive(Clone, Copy, Debug, Default)]
struct Division<T> {
    /// The share of each requester, including what it uses already.
    share: T,
    /// Reserved for the next newcomer.
    newcomer: T,
    /// The sum of the unused parts of all shares.
    unused: T,
    /// The part of `unused` that is covered.
    covered: T,
}

/// The shares of one next hop.
#[derive(Debug, Default)]
pub(super) struct FairShares {
    /// A hash table by slot with open addressing: its length is a power of two, and at most half of it is used.
    table: Vec<Share>,
    requesters: usize,
    in_flight_total: usize,
    in_flight: Division<usize>,
    credit: Division<u128>,
    next_review: MonoTime,
    period_started_at: MonoTime,
    /// Whether each slot is that of a guest; empty while there are none.
    is_guest: Arc<[bool]>,
}

impl FairShares {
    /// From now on the requesters whose slots are those of guests have one share together.
    pub(super) fn set_guests(&mut self, is_guest: &Arc<[bool]>) {
        self.is_guest = Arc::clone(is_guest);
    }

    /// Number of active requesters.
    pub(super) fn requesters(&self) -> usize {
        self.requesters
    }

    /// Finds the share of a requester that has a packet for the hop. `None`: it may have no further packet in flight.
    /// Either way the requester is active from now on.
    #[inline]
    pub(super) fn find_share(
        &mut self,
        requester: Slot,
        now: MonoTime,
        in_flight_max: usize,
        capacity: impl FnOnce() -> Capacity,
    ) -> Option<ShareIndex> {
        let index = match self.index_of(requester) {
            Some(at) if now < self.next_review => at,
            _ => self.find_or_insert_share(requester, now, capacity()).0,
        };
        let division = &self.in_flight;
        let share = self.table.get_mut(index).expect("found or inserted above");
        share.last_request_at = now;
        let reserved_for_others = if planted!(ShareNotKept) {
            0
        } else if share.in_flight as usize >= division.share {
            division.unused + division.newcomer
        } else if share.in_flight_covered {
            0
        } else {
            division.covered
        };
        (self.in_flight_total + reserved_for_others < in_flight_max).then_some(ShareIndex(index))
    }

    /// Packets of all requesters in flight to the hop.
    pub(super) fn in_flight_total(&self) -> usize {
        self.in_flight_total
    }

    /// Whether the requester may take `amount` if the hop has `left` of its credit.
    #[inline]
    pub(super) fn has_credit(&self, index: ShareIndex, amount: Amount, left: i128) -> bool {
        let division = &self.credit;
        if division.share == 0 || amount == Amount::ZERO {
            return true;
        }
        let share = self.table.get(index.0).expect("an index of this table");
        let amount = u128::from(amount.0);
        let own = division.share.saturating_sub(share.credit_used);
        let reserved_for_others = if amount > own {
            (division.unused + division.newcomer).saturating_sub(own)
        } else if share.credit_covered {
            0
        } else {
            division.covered
        };
        zero_if_negative(left) >= amount.saturating_add(reserved_for_others)
    }

    /// Counts a packet and its credit. Returns the requester whose share they must be released to.
    #[inline]
    pub(super) fn take_share(&mut self, index: ShareIndex, amount: Amount) -> Slot {
        let share = self.table.get_mut(index.0).expect("an index of this table");
        if (share.in_flight as usize) < self.in_flight.share {
            self.in_flight.unused -= 1;
            self.in_flight.covered -= usize::from(share.in_flight_covered);
        }
        share.in_flight += 1;
        self.in_flight_total += 1;
        let amount = u128::from(amount.0);
        if self.credit.share > 0 {
            let own = self.credit.share.saturating_sub(share.credit_used).min(amount);
            self.credit.unused -= own;
            self.credit.covered -= if share.credit_covered { own } else { 0 };
        }
        share.credit_used += amount;
        share.requester
    }

    /// Releases a packet, and its credit unless it was `spent`.
    #[inline]
    pub(super) fn release_share(&mut self, requester: Slot, amount: Amount, spent: bool) {
        let Some(at) = self.index_of(requester) else { return };
        let Some(share) = self.table.get_mut(at) else { return };
        debug_assert!(share.in_flight > 0, "a packet is released once");
        share.in_flight = share.in_flight.saturating_sub(1);
        self.in_flight_total = self.in_flight_total.saturating_sub(1);
        if (share.in_flight as usize) < self.in_flight.share {
            self.in_flight.unused += 1;
            self.in_flight.covered += usize::from(share.in_flight_covered);
        }
        let amount = u128::from(amount.0);
        if spent {
            let [this, _] = &mut share.credit_spent;
            *this += amount;
        } else {
            share.credit_used = share.credit_used.saturating_sub(amount);
            if self.credit.share > 0 {
                let own = self.credit.share.saturating_sub(share.credit_used).min(amount);
                self.credit.unused += own;
                self.credit.covered += if share.credit_covered { own } else { 0 };
            }
        }
    }

    /// Computes the shares again at the next packet, because the capacity has changed.
    pub(super) fn schedule_review(&mut self) {
        self.next_review = MonoTime(0);
    }

    #[inline]
    fn index_of(&self, requester: Slot) -> Option<usize> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = requester.index() & mask;
        loop {
            // The table is at most half full, so a free entry ends this.
            let found = self.table.get(at)?.requester;
            if found == requester {
                return Some(at);
            }
            if found == Slot::NONE {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn find_or_insert_share(
        &mut self,
        requester: Slot,
        now: MonoTime,
        capacity: Capacity,
    ) -> ShareIndex {
        let is_due = now >= self.next_review;
        if is_due {
            self.remove_idle(now);
        }
        let is_guest = self.is_guest.get(requester.index()).is_some_and(|is_guest| *is_guest);
        let mut requester = if is_guest { OTHER_REQUESTERS } else { requester };
        let mut found = self.index_of(requester);
        if found.is_none() && self.requesters >= REQUESTERS_MAX {
            requester = OTHER_REQUESTERS;
            found = self.index_of(requester);
        }
        let at = found.unwrap_or_else(|| self.insert_share(Share::new(requester, now)));
        if is_due || found.is_none() {
            self.divide(capacity);
        }
        ShareIndex(at)
    }

    /// Removes idle requesters, and credit that was spent long ago.
    fn remove_idle(&mut self, now: MonoTime) {
        self.next_review = now.after(REVIEW_INTERVAL);
        let (periods, period_started_at) = match now.since(self.period_started_at) {
            elapsed if elapsed < SPENT_PERIOD => (0, self.period_started_at),
            elapsed if elapsed < SPENT_PERIOD * 2 => {
                (1, self.period_started_at.after(SPENT_PERIOD))
            }
            _ => (2, now),
        };
        self.period_started_at = period_started_at;
        let old = std::mem::take(&mut self.table);
        self.requesters = 0;
        for mut share in old {
            if share.requester != Slot::NONE && share.is_active(now) {
                (0..periods).for_each(|_| share.end_period());
                self.insert_share(share);
            }
        }
    }

    /// Adds a share that is not in the table. Returns its index.
    fn insert_share(&mut self, share: Share) -> usize {
        if (self.requesters + 1) * 2 > self.table.len() {
            let larger = (self.table.len() * 2).max(TABLE_LEN_MIN);
            let old = std::mem::replace(
                &mut self.table,
                vec![Share::new(Slot::NONE, MonoTime(0)); larger],
            );
            for share in old.into_iter().filter(|share| share.requester != Slot::NONE) {
                self.store_share(share);
            }
        }
        self.requesters += 1;
        self.store_share(share)
    }

    fn store_share(&mut self, share: Share) -> usize {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = share.requester.index() & mask;
        while self.table.get(at).is_some_and(|entry| entry.requester != Slot::NONE) {
            at = (at + 1) & mask;
        }
        if let Some(entry) = self.table.get_mut(at) {
            *entry = share;
        }
        at
    }

    /// Divides packets in flight and credit among the requesters. Shares that were covered are covered first.
    fn divide(&mut self, capacity: Capacity) {
        let requesters = self.requesters;
        self.in_flight = Division::default();
        self.credit = Division::default();
        if requesters < 2 {
            for share in &mut self.table {
                (share.in_flight_covered, share.credit_covered) = (true, true);
            }
            return;
        }
        self.in_flight.share = (capacity.in_flight_max / (2 * requesters))
            .max(usize::from(capacity.in_flight_max >= requesters));
        self.in_flight.newcomer = capacity.in_flight_max / (2 * (requesters + 1));
        let used: u128 = self.table.iter().filter(is_occupied).map(|share| share.credit_used).sum();
        let left = capacity.credit_left();
        if capacity.min_balance.is_some() {
            // Spent credit that was settled since is in both `left` and `used`; the minimum prevents counting it twice.
            let credit = left.saturating_add(used).min(capacity.credit_total());
            self.credit.share = credit / (2 * requesters as u128);
            self.credit.newcomer = credit / (2 * (requesters as u128 + 1));
        }
        let in_flight_left = capacity.in_flight_max.saturating_sub(self.in_flight_total);
        self.cover_in_flight(in_flight_left);
        self.cover_credit(left);
    }

    fn cover_in_flight(&mut self, mut left: usize) {
        let share = self.in_flight.share;
        let unused = |one: &Share| share.saturating_sub(one.in_flight as usize);
        self.in_flight.unused = self.table.iter().filter(is_occupied).map(unused).sum();
        for was_covered in [true, false] {
            let mut shares = self.table.iter_mut().filter(|one| is_occupied(&&**one));
            while let Some(one) = shares.find(|one| one.in_flight_covered == was_covered) {
                let unused = unused(one);
                one.in_flight_covered = unused <= left;
                if one.in_flight_covered {
                    left -= unused;
                    self.in_flight.covered += unused;
                }
            }
        }
    }

    fn cover_credit(&mut self, mut left: u128) {
        let share = self.credit.share;
        let unused = |one: &Share| share.saturating_sub(one.credit_used);
        self.credit.unused = self.table.iter().filter(is_occupied).map(unused).sum();
        for was_covered in [true, false] {
            let mut shares = self.table.iter_mut().filter(|one| is_occupied(&&**one));
            while let Some(one) = shares.find(|one| one.credit_covered == was_covered) {
                let unused = unused(one);
                one.credit_covered = unused <= left;
                if one.credit_covered {
                    left -= unused;
                    self.credit.covered += unused;
                }
            }
        }
    }
}

fn is_occupied(share: &&Share) -> bool {
    share.requester != Slot::NONE
}

#[cfg(test)]
mod tests;
