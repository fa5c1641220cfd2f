//! Fair shares of one next hop: who among its askers holds how many of its places and how much of its credit, and what
//! is kept for the others.
//!
//! Two things of a next hop are scarce: *places* (packets in flight to it) and *credit* (how far its balance may still
//! fall). An asker alone may use all of both. As soon as two or more accounts have asked for the hop of late, half of
//! each is divided among them and one share more is kept for the next newcomer; the rest is for the first who comes.
//! An asker below its share is never refused on account of the others, whatever they hold. The exception is a share that
//! is not *covered*: where others had taken too much before the asker came, it gets what they give back.
//!
//! Credit that was spent (the hop fulfilled the packet) counts as used by its asker for one to two [`SPENT_WINDOW`]s.
//! Otherwise an asker could spend what is kept for the others, share by share.
//!
//! A packet costs a few comparisons and additions. What depends on all askers is added up again when an asker comes or
//! goes, or every [`REVIEW_INTERVAL`]. Pure: no lock, no clock; the state stands under the next hop's own lock.

use std::time::Duration;

use crate::account::{Ledger, Limits};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Amount;

/// How long an asker counts among those that a share is kept for, after its last packet for the hop.
pub(super) const ACTIVE_FOR: Duration = Duration::from_secs(300);
/// How often idle askers are dropped, and credit is divided again.
const REVIEW_INTERVAL: Duration = Duration::from_secs(30);
/// Spent credit counts as used for at least this long, and at most twice as long.
const SPENT_WINDOW: Duration = Duration::from_secs(300);
/// Askers that have a share of their own. All others have one together ([`OTHERS`]), so that many accounts do not make
/// a table of accounts times accounts.
const ASKERS_MAX: usize = 1024;
/// The smallest table.
const TABLE_MIN: usize = 4;

/// No asker.
pub(super) const NO_ASKER: Slot = Slot(u32::MAX);
/// The asker that stands for all beyond [`ASKERS_MAX`].
const OTHERS: Slot = Slot(u32::MAX - 1);

/// What a next hop has to share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    /// Packets that may be in flight to it.
    pub(super) places: usize,
    /// How far its balance may fall; `None`: without limit.
    pub(super) min_balance: Option<i128>,
    pub(super) balance: i128,
    pub(super) held_out: i128,
}

impl Capacity {
    /// What the limits and the balance of an account leave.
    pub(super) fn of(limits: &Limits, ledger: &Ledger) -> Self {
        Capacity {
            places: limits.max_packets_in_flight,
            min_balance: limits.min_balance,
            balance: ledger.balance(),
            held_out: ledger.held_out(),
        }
    }

    /// Credit that is left.
    fn credit_left(&self) -> u128 {
        let limit = self.min_balance.unwrap_or(i128::MIN);
        positive(self.balance.saturating_sub(self.held_out).saturating_sub(limit))
    }

    /// Credit that there is while nothing is owed to the hop.
    fn credit_total(&self) -> u128 {
        let limit = self.min_balance.unwrap_or(i128::MIN);
        positive(self.balance.max(0).saturating_sub(limit))
    }
}

fn positive(amount: i128) -> u128 {
    u128::try_from(amount).unwrap_or(0)
}

/// Where an asker's share stands; valid until the next call that changes the shares.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShareIndex(usize);

/// One asker's use of the next hop.
#[derive(Clone, Copy, Debug)]
struct Share {
    asker: Slot,
    places: u32,
    last_asked: MonoTime,
    /// Held and spent.
    used: u128,
    /// The part of `used` that is spent: in this window, and in the one before.
    spent: [u128; 2],
    /// What it does not use of its share of places is there.
    places_covered: bool,
    /// What it does not use of its share of credit is there.
    credit_covered: bool,
}

impl Share {
    fn new(asker: Slot, now: MonoTime) -> Self {
        Share {
            asker,
            places: 0,
            last_asked: now,
            used: 0,
            spent: [0; 2],
            places_covered: false,
            credit_covered: false,
        }
    }

    fn is_active(&self, now: MonoTime) -> bool {
        self.places > 0 || now.since(self.last_asked) < ACTIVE_FOR
    }

    fn end_window(&mut self) {
        let [this, before] = self.spent;
        self.used = self.used.saturating_sub(before);
        self.spent = [0, this];
    }
}

/// How one capacity is divided. All zero while there are fewer than two askers.
#[derive(Clone, Copy, Debug, Default)]
struct Division<T> {
    /// What is kept for each asker, with what it uses already.
    share: T,
    /// What is kept for the next newcomer.
    newcomer: T,
    /// What the askers do not use of their shares, together.
    unused: T,
    /// The part of `unused` that is covered by what is left of the capacity.
    covered: T,
}

/// The askers of one next hop.
#[derive(Debug, Default)]
pub(super) struct Shares {
    /// By slot, with open addressing: a power of two and at most half full, or empty.
    table: Vec<Share>,
    askers: usize,
    places_used: usize,
    places: Division<usize>,
    credit: Division<u128>,
    next_review: MonoTime,
    window_began: MonoTime,
}

impl Shares {
    /// Askers of late.
    pub(super) fn askers(&self) -> usize {
        self.askers
    }

    /// An asker has a packet for the hop: finds its share, whether or not the packet will pass. `None`: there is no place
    /// for it among the hop's `places`.
    #[inline]
    pub(super) fn find_share(
        &mut self,
        asker: Slot,
        now: MonoTime,
        places: usize,
        capacity: impl FnOnce() -> Capacity,
    ) -> Option<ShareIndex> {
        let index = match self.find(asker) {
            Some(at) if now < self.next_review => at,
            _ => self.find_share_slowly(asker, now, capacity()).0,
        };
        let division = &self.places;
        let share = self.table.get_mut(index)?;
        share.last_asked = now;
        let kept = if share.places as usize >= division.share {
            division.unused + division.newcomer
        } else if share.places_covered {
            0
        } else {
            division.covered
        };
        (self.places_used + kept < places).then_some(ShareIndex(index))
    }

    /// Packets of askers in flight to the hop.
    pub(super) fn places_used(&self) -> usize {
        self.places_used
    }

    /// Whether the asker may take `amount` of the `room` that is left of the hop's credit.
    #[inline]
    pub(super) fn has_credit(&self, index: ShareIndex, amount: Amount, room: i128) -> bool {
        let division = &self.credit;
        if division.share == 0 || amount == Amount::ZERO {
            return true;
        }
        let Some(share) = self.table.get(index.0) else { return false };
        let amount = u128::from(amount.0);
        let own = division.share.saturating_sub(share.used);
        let kept = if amount > own {
            (division.unused + division.newcomer).saturating_sub(own)
        } else if share.credit_covered {
            0
        } else {
            division.covered
        };
        positive(room) >= amount.saturating_add(kept)
    }

    /// Takes a place and credit, and says whose share they are to be given back to.
    #[inline]
    pub(super) fn take_share(&mut self, index: ShareIndex, amount: Amount) -> Slot {
        let Some(share) = self.table.get_mut(index.0) else { return NO_ASKER };
        if (share.places as usize) < self.places.share {
            self.places.unused -= 1;
            self.places.covered -= usize::from(share.places_covered);
        }
        share.places += 1;
        self.places_used += 1;
        let amount = u128::from(amount.0);
        if self.credit.share > 0 {
            let own = self.credit.share.saturating_sub(share.used).min(amount);
            self.credit.unused -= own;
            self.credit.covered -= if share.credit_covered { own } else { 0 };
        }
        share.used += amount;
        share.asker
    }

    /// Gives back a place, and the credit too unless it was `spent`.
    #[inline]
    pub(super) fn release_share(&mut self, asker: Slot, amount: Amount, spent: bool) {
        let Some(at) = self.find(asker) else { return };
        let Some(share) = self.table.get_mut(at) else { return };
        debug_assert!(share.places > 0, "more places were given back than taken");
        share.places = share.places.saturating_sub(1);
        self.places_used = self.places_used.saturating_sub(1);
        if (share.places as usize) < self.places.share {
            self.places.unused += 1;
            self.places.covered += usize::from(share.places_covered);
        }
        let amount = u128::from(amount.0);
        if spent {
            let [this, _] = &mut share.spent;
            *this += amount;
        } else {
            share.used = share.used.saturating_sub(amount);
            if self.credit.share > 0 {
                let own = self.credit.share.saturating_sub(share.used).min(amount);
                self.credit.unused += own;
                self.credit.covered += if share.credit_covered { own } else { 0 };
            }
        }
    }

    /// The capacity has changed: divides it again with the next packet.
    pub(super) fn schedule_review(&mut self) {
        self.next_review = MonoTime(0);
    }

    #[inline]
    fn find(&self, asker: Slot) -> Option<usize> {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = asker.0 as usize & mask;
        loop {
            // The table is at most half full, so a free place ends this.
            let found = self.table.get(at)?.asker;
            if found == asker {
                return Some(at);
            }
            if found == NO_ASKER {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    #[cold]
    fn find_share_slowly(&mut self, asker: Slot, now: MonoTime, capacity: Capacity) -> ShareIndex {
        let is_due = now >= self.next_review;
        if is_due {
            self.drop_idle(now);
        }
        let mut asker = asker;
        let mut found = self.find(asker);
        if found.is_none() && self.askers >= ASKERS_MAX {
            asker = OTHERS;
            found = self.find(asker);
        }
        let at = found.unwrap_or_else(|| self.insert_share(Share::new(asker, now)));
        if is_due || found.is_none() {
            self.divide(capacity);
        }
        ShareIndex(at)
    }

    /// Forgets askers that have been idle, and spent credit of long ago.
    fn drop_idle(&mut self, now: MonoTime) {
        self.next_review = now.after(REVIEW_INTERVAL);
        let mut windows = 0;
        while windows < 2 && now.since(self.window_began) >= SPENT_WINDOW {
            self.window_began = self.window_began.after(SPENT_WINDOW);
            windows += 1;
        }
        if now.since(self.window_began) >= SPENT_WINDOW {
            self.window_began = now;
        }
        let old = std::mem::take(&mut self.table);
        self.askers = 0;
        for mut share in old {
            if share.asker != NO_ASKER && share.is_active(now) {
                (0..windows).for_each(|_| share.end_window());
                self.insert_share(share);
            }
        }
    }

    /// Puts a share that is not in the table into it, and says where.
    fn insert_share(&mut self, share: Share) -> usize {
        if (self.askers + 1) * 2 > self.table.len() {
            let larger = (self.table.len() * 2).max(TABLE_MIN);
            let old =
                std::mem::replace(&mut self.table, vec![Share::new(NO_ASKER, MonoTime(0)); larger]);
            for share in old.into_iter().filter(|share| share.asker != NO_ASKER) {
                self.place_share(share);
            }
        }
        self.askers += 1;
        self.place_share(share)
    }

    fn place_share(&mut self, share: Share) -> usize {
        let mask = self.table.len().wrapping_sub(1);
        let mut at = share.asker.0 as usize & mask;
        while self.table.get(at).is_some_and(|place| place.asker != NO_ASKER) {
            at = (at + 1) & mask;
        }
        if let Some(place) = self.table.get_mut(at) {
            *place = share;
        }
        at
    }

    /// Divides places and credit among the askers that there are now. Who was covered stays so before others are.
    fn divide(&mut self, capacity: Capacity) {
        let askers = self.askers;
        self.places = Division::default();
        self.credit = Division::default();
        if askers < 2 {
            for one in &mut self.table {
                (one.places_covered, one.credit_covered) = (true, true);
            }
            return;
        }
        self.places.share =
            (capacity.places / (2 * askers)).max(usize::from(capacity.places >= askers));
        self.places.newcomer = capacity.places / (2 * (askers + 1));
        let mut used: u128 = 0;
        for one in self.table.iter().filter(is_taken) {
            used += one.used;
        }
        let room = capacity.credit_left();
        if capacity.min_balance.is_some() {
            // What was spent and has come back since counts once.
            let credit = room.saturating_add(used).min(capacity.credit_total());
            self.credit.share = credit / (2 * askers as u128);
            self.credit.newcomer = credit / (2 * (askers as u128 + 1));
        }
        let places_left = capacity.places.saturating_sub(self.places_used);
        self.cover_places(places_left);
        self.cover_credit(room);
    }

    fn cover_places(&mut self, mut left: usize) {
        let share = self.places.share;
        let unused = |one: &Share| share.saturating_sub(one.places as usize);
        self.places.unused = self.table.iter().filter(is_taken).map(unused).sum();
        for was_covered in [true, false] {
            let mut ones = self.table.iter_mut().filter(|one| is_taken(&&**one));
            while let Some(one) = ones.find(|one| one.places_covered == was_covered) {
                let unused = unused(one);
                one.places_covered = unused <= left;
                if one.places_covered {
                    left -= unused;
                    self.places.covered += unused;
                }
            }
        }
    }

    fn cover_credit(&mut self, mut left: u128) {
        let share = self.credit.share;
        let unused = |one: &Share| share.saturating_sub(one.used);
        self.credit.unused = self.table.iter().filter(is_taken).map(unused).sum();
        for was_covered in [true, false] {
            let mut ones = self.table.iter_mut().filter(|one| is_taken(&&**one));
            while let Some(one) = ones.find(|one| one.credit_covered == was_covered) {
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

fn is_taken(share: &&Share) -> bool {
    share.asker != NO_ASKER
}

#[cfg(test)]
mod tests;
