//! The lane of Rejects: what this node rejects or passes back is always counted, and the newest Rejects are kept, since
//! people ask afterwards why packets failed.
//!
//! A flood of Rejects costs one short lock and a few numbers for each: above the limit for a second nothing is built.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::Mutex;

use super::packet_observers::ObservedPacket;
use super::record_budget::RecordBudget;
use super::refusal::Refusal;
use crate::link::Slot;
use crate::time::Now;
use crate::wire::Timestamp;

/// Rejects that are kept with all their fields.
pub const REJECTS_KEPT: usize = 1_024;
/// Rejects that are kept in a second; all others are only counted.
pub const REJECTS_KEPT_PER_SECOND: u32 = 500;
/// Counters with the accounts of both sides. Rejects of further pairs are counted without the accounts.
pub const REJECT_COUNTERS_MAX: usize = 4_096;

/// Counts the codes without a name, which peers may make up, as one.
pub(super) const OTHER_CODE: &str = "other";

/// A Reject that was kept.
#[derive(Clone, Debug)]
pub struct KeptReject {
    /// Rises by one with each kept Reject of the node, from 1.
    pub number: u64,
    /// The Reject.
    pub packet: Arc<ObservedPacket>,
}

/// Which Rejects are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RejectKey {
    /// [`Refusal::kind`]; `None`: the Reject came from the next hop.
    pub(super) kind: Option<&'static str>,
    /// A code with a name, or [`OTHER_CODE`].
    pub(super) code: &'static str,
    pub(super) from: Slot,
    pub(super) to: Slot,
}

/// The counter of one key.
#[derive(Clone, Debug)]
pub(super) struct RejectCounter {
    pub(super) count: u64,
    pub(super) last_at: Timestamp,
    /// The last one, or in a flood the last one that was kept; `None`: the next hop's.
    pub(super) refusal: Option<Refusal>,
}

/// The lane of one node.
#[derive(Debug)]
pub struct RejectLane(Mutex<Lane>);

#[derive(Debug)]
struct Lane {
    kept: VecDeque<KeptReject>,
    last_number: u64,
    budget: RecordBudget,
    not_kept: u64,
    counters: HashMap<RejectKey, RejectCounter, RandomState>,
    /// By kind and code only, beyond [`REJECT_COUNTERS_MAX`].
    summed: HashMap<(Option<&'static str>, &'static str), RejectCounter, RandomState>,
}

impl RejectLane {
    pub(super) fn new(hash_state: RandomState) -> Self {
        Self(Mutex::new(Lane {
            kept: VecDeque::new(),
            last_number: 0,
            budget: RecordBudget::new(REJECTS_KEPT_PER_SECOND),
            not_kept: 0,
            counters: HashMap::with_hasher(hash_state.clone()),
            summed: HashMap::with_hasher(hash_state),
        }))
    }

    /// The kept Rejects with a number above `after`, the oldest first. If the first one is not `after` + 1, those
    /// between have been dropped for newer ones.
    pub fn kept_after(&self, after: u64) -> Vec<KeptReject> {
        let lane = self.0.lock();
        let newer = lane.last_number.saturating_sub(after);
        let skipped = lane.kept.len().saturating_sub(usize::try_from(newer).unwrap_or(usize::MAX));
        lane.kept.iter().skip(skipped).cloned().collect()
    }

    /// The number of the newest kept Reject; 0: none was kept yet.
    pub fn last_number(&self) -> u64 {
        self.0.lock().last_number
    }

    /// How many Rejects were only counted, because there were more than [`REJECTS_KEPT_PER_SECOND`].
    pub fn not_kept(&self) -> u64 {
        self.0.lock().not_kept
    }

    /// Counts a Reject. Returns whether it must be kept.
    pub(super) fn count(&self, now: Now, key: RejectKey, refusal: Option<&Refusal>) -> bool {
        let mut guard = self.0.lock();
        let lane = &mut *guard;
        let new = || RejectCounter { count: 0, last_at: now.wall, refusal: refusal.cloned() };
        let is_full = lane.counters.len() >= REJECT_COUNTERS_MAX;
        let counter = match lane.counters.get_mut(&key) {
            Some(counter) => counter,
            None if is_full => lane.summed.entry((key.kind, key.code)).or_insert_with(new),
            None => lane.counters.entry(key).or_insert_with(new),
        };
        counter.count += 1;
        counter.last_at = now.wall;
        let is_kept = lane.budget.try_take(now.mono);
        if is_kept {
            counter.refusal = refusal.cloned();
        }
        lane.not_kept += u64::from(!is_kept);
        is_kept
    }

    /// Keeps a Reject, instead of the oldest one if as many are kept as may be.
    pub(super) fn keep(&self, packet: ObservedPacket) {
        let packet = Arc::new(packet);
        let mut lane = self.0.lock();
        lane.last_number += 1;
        let number = lane.last_number;
        let dropped = if lane.kept.len() >= REJECTS_KEPT { lane.kept.pop_front() } else { None };
        lane.kept.push_back(KeptReject { number, packet });
        drop(lane);
        drop(dropped);
    }

    /// All counters; those without accounts come last.
    pub(super) fn counters(&self) -> Vec<(RejectKey, RejectCounter, bool)> {
        let lane = self.0.lock();
        let exact = lane.counters.iter().map(|(key, counter)| (*key, counter.clone(), false));
        let summed = lane.summed.iter().map(|((kind, code), counter)| {
            let key = RejectKey { kind: *kind, code, from: Slot::NONE, to: Slot::NONE };
            (key, counter.clone(), true)
        });
        exact.chain(summed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MonoTime;

    #[test]
    fn a_counter_says_why_the_last_one_was_rejected() {
        let lane = RejectLane::new(RandomState::with_seeds(1, 2, 3, 4));
        let key = RejectKey { kind: Some("x"), code: "R02", from: Slot(1), to: Slot::NONE };
        let count = |late_ms, at| {
            let now = Now { wall: Timestamp::EPOCH, mono: MonoTime(at) };
            lane.count(now, key, Some(&Refusal::Expired { late_ms }));
        };
        count(1, 0);
        count(2, 0);
        let refusal = || lane.counters().remove(0).1.refusal;
        assert_eq!(refusal(), Some(Refusal::Expired { late_ms: 2 }));
        (0..2 * REJECTS_KEPT_PER_SECOND).for_each(|_| count(3, 0));
        count(4, 0);
        assert_eq!(refusal(), Some(Refusal::Expired { late_ms: 3 }), "a flood costs no copies");
    }

    #[test]
    fn pairs_beyond_the_limit_are_summed_by_kind_and_code() {
        let lane = RejectLane::new(RandomState::with_seeds(1, 2, 3, 4));
        let count = |kind, from: usize, times| {
            let key = RejectKey { kind, code: "T01", from: Slot::from_index(from), to: Slot(7) };
            for _ in 0..times {
                lane.count(Now { wall: Timestamp::EPOCH, mono: MonoTime(0) }, key, None);
            }
        };
        (0..REJECT_COUNTERS_MAX).for_each(|from| count(None, from, 1));
        count(None, REJECT_COUNTERS_MAX, 2);
        count(None, REJECT_COUNTERS_MAX + 1, 3);
        count(Some("stopping"), 0, 4);
        count(None, 0, 5);
        let counters = lane.counters();
        assert_eq!(counters.len(), REJECT_COUNTERS_MAX + 2);
        let of = |kind, is_summed| {
            let rows = counters.iter().filter(|row| (row.0.kind, row.2) == (kind, is_summed));
            rows.map(|(_, counter, _)| counter.count).sum::<u64>()
        };
        assert_eq!(of(None, false), u64::try_from(REJECT_COUNTERS_MAX).unwrap() + 5);
        assert_eq!((of(None, true), of(Some("stopping"), true)), (5, 4));
    }
}
