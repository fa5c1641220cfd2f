//! The log of changes of the routes that this node has: what peers are told, in order.
//!
//! Entry i is the change that took the table from epoch i to i + 1. An entry says only *which* prefix changed; what is
//! told of it is what is true when it is told, so of a prefix that changed twice only the later entry is kept. The
//! place of the earlier one stays empty and takes no memory, and epochs go on counting.
//!
//! Prefixes that are gone keep an entry too, for peers that have not heard of it. When all have, it may be dropped;
//! whoever comes back from before that is told of another table (`sender.rs`).

use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;

use crate::wire::Prefix;
use crate::wire::ccp::TableId;

/// Entries of prefixes that are gone, beyond which is looked whether all peers know.
const WITHDRAWN_SOFT_MAX: usize = 4_096;
/// Beyond so many, and twice the number of routes, those who do not listen are not waited for any more.
const WITHDRAWN_HARD_MAX: usize = 100_000;
/// An epoch that is never passed: the log is begun anew.
const EPOCH_MAX: u32 = u32::MAX - 1_000_000;

/// The log.
#[derive(Debug)]
pub(super) struct ChangeLog {
    table: TableId,
    next: u32,
    entries: BTreeMap<u32, Prefix>,
    last: HashMap<Prefix, (u32, RouteChange), RandomState>,
    withdrawn: usize,
    /// Before this epoch, entries of prefixes that are gone may be missing.
    pruned: u32,
}

/// Whether there is a route to a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteChange {
    Reachable,
    Withdrawn,
}

impl ChangeLog {
    pub(super) fn new(table: TableId, hash: RandomState) -> Self {
        let last = HashMap::with_hasher(hash);
        ChangeLog { table, next: 0, entries: BTreeMap::new(), last, withdrawn: 0, pruned: 0 }
    }

    /// The identity of this log.
    pub(super) fn table(&self) -> TableId {
        self.table
    }

    /// The number of changes.
    pub(super) fn epoch(&self) -> u32 {
        self.next
    }

    /// Notes that a prefix has changed.
    pub(super) fn record(&mut self, prefix: Prefix, fate: RouteChange) {
        let epoch = self.next;
        self.next = self.next.saturating_add(1);
        if let Some((before, was)) = self.last.insert(prefix.clone(), (epoch, fate)) {
            self.entries.remove(&before);
            self.withdrawn -= usize::from(was == RouteChange::Withdrawn);
        }
        self.withdrawn += usize::from(fate == RouteChange::Withdrawn);
        self.entries.insert(epoch, prefix);
    }

    /// The changes from an epoch on.
    pub(super) fn changes_since(&self, epoch: u32) -> impl Iterator<Item = (u32, &Prefix)> {
        self.entries.range(epoch..).map(|(epoch, prefix)| (*epoch, prefix))
    }

    /// Prefixes that have an entry.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &Prefix> {
        self.entries.values()
    }

    /// Whether it is worth knowing what all peers know.
    pub(super) fn wants_pruning(&self) -> bool {
        self.withdrawn > WITHDRAWN_SOFT_MAX.max(self.entries.len() / 2)
    }

    /// Before this epoch, not everything is in the log that somebody may have to hear of.
    pub(super) fn pruned(&self) -> u32 {
        self.pruned
    }

    /// Forgets prefixes that are gone and that every peer has heard of: all of them know this epoch.
    pub(super) fn prune(&mut self, known_by_all: u32) {
        // What was looked at before is there still: whatever changes moves to the end.
        let unpruned = self.entries.range(self.pruned..known_by_all.max(self.pruned));
        let last = &self.last;
        let is_gone = |prefix: &Prefix| {
            last.get(prefix).is_some_and(|(_, fate)| *fate == RouteChange::Withdrawn)
        };
        let gone = unpruned.filter(|(_, prefix)| is_gone(prefix)).map(|(epoch, _)| *epoch);
        for epoch in gone.collect::<Vec<u32>>() {
            if let Some(prefix) = self.entries.remove(&epoch) {
                self.last.remove(&prefix);
                self.withdrawn -= 1;
                self.pruned = epoch.saturating_add(1);
            }
        }
    }

    /// Who has not heard of so many changes holds it up, once it has grown beyond its bounds.
    pub(super) fn lag_max(&self) -> Option<u32> {
        let there = self.entries.len() - self.withdrawn;
        let most = WITHDRAWN_HARD_MAX.max(2 * there);
        (self.withdrawn > most).then(|| u32::try_from(most / 2).unwrap_or(u32::MAX))
    }

    /// Whether its epochs are used up: then it must be begun anew for everybody.
    pub(super) fn is_exhausted(&self) -> bool {
        self.next > EPOCH_MAX
    }

    /// Begins anew under another id, with what is there.
    pub(super) fn restart(&mut self, table: TableId) {
        let mut new = ChangeLog::new(table, self.last.hasher().clone());
        for (prefix, (_, fate)) in std::mem::take(&mut self.last) {
            if fate == RouteChange::Reachable {
                new.record(prefix, RouteChange::Reachable);
            }
        }
        *self = new;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> ChangeLog {
        ChangeLog::new(TableId([1; 16]), RandomState::with_seeds(1, 2, 3, 4))
    }

    fn since(log: &ChangeLog, epoch: u32) -> Vec<(u32, &str)> {
        log.changes_since(epoch).map(|(epoch, prefix)| (epoch, prefix.as_str())).collect()
    }

    #[test]
    fn a_later_change_blanks_the_earlier_one() {
        let mut log = log();
        for prefix in ["g.a", "g.b", "g.a", "g.c"] {
            log.record(prefix.parse().unwrap(), RouteChange::Reachable);
        }
        assert_eq!(log.epoch(), 4);
        assert_eq!(since(&log, 0), [(1, "g.b"), (2, "g.a"), (3, "g.c")]);
        assert_eq!(since(&log, 3), [(3, "g.c")]);
        assert_eq!(since(&log, 4), []);
    }

    #[test]
    fn what_is_gone_is_forgotten_when_all_know() {
        let mut log = log();
        log.record("g.a".parse().unwrap(), RouteChange::Reachable);
        log.record("g.b".parse().unwrap(), RouteChange::Reachable);
        log.record("g.a".parse().unwrap(), RouteChange::Withdrawn);
        log.prune(2);
        assert_eq!(since(&log, 0), [(1, "g.b"), (2, "g.a")]);
        log.prune(3);
        assert_eq!(since(&log, 0), [(1, "g.b")]);
        assert_eq!((log.withdrawn, log.epoch()), (0, 3));
        log.record("g.a".parse().unwrap(), RouteChange::Reachable);
        assert_eq!(since(&log, 0), [(1, "g.b"), (3, "g.a")]);
    }

    #[test]
    fn pruning_in_steps_forgets_the_same() {
        let record = |log: &mut ChangeLog| {
            for number in 0..40 {
                log.record(format!("g.{}", number % 7).parse().unwrap(), RouteChange::Reachable);
                log.record(format!("g.{}", number % 11).parse().unwrap(), RouteChange::Withdrawn);
            }
        };
        let (mut at_once, mut in_steps) = (log(), log());
        record(&mut at_once);
        record(&mut in_steps);
        (0..=75).for_each(|known| in_steps.prune(known));
        at_once.prune(75);
        assert_eq!(since(&in_steps, 0), since(&at_once, 0));
        assert_eq!((in_steps.withdrawn, in_steps.pruned()), (at_once.withdrawn, at_once.pruned()));
    }

    #[test]
    fn who_is_behind_is_waited_for_within_bounds() {
        let mut log = log();
        log.record("g.there".parse().unwrap(), RouteChange::Reachable);
        let mut number = 0;
        while log.lag_max().is_none() {
            log.record(format!("g.{number}").parse().unwrap(), RouteChange::Withdrawn);
            number += 1;
        }
        assert_eq!(number, WITHDRAWN_HARD_MAX + 1);
        assert_eq!(log.lag_max(), Some(50_000));
        assert!(log.wants_pruning() && !log.is_exhausted());
        log.prune(log.epoch() - 50_000);
        assert!(log.lag_max().is_none());
        log.restart(TableId([2; 16]));
        assert_eq!(log.table(), TableId([2; 16]));
        assert_eq!(since(&log, 0), [(0, "g.there")]);
        assert_eq!((log.pruned(), log.wants_pruning()), (0, false));
    }
}
