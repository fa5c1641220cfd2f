//! The log of changes of our routes, from which updates are written.
//!
//! Entry i changed the table from epoch i to i + 1. An entry holds only the prefix; an update carries the route at the
//! time of writing. So only the latest entry of a prefix is kept; earlier ones leave a gap in the epochs.
//!
//! Withdrawn prefixes keep their entry until all peers have acknowledged it. A peer that returns
//! from before that gets a new table id (`sender.rs`).

use std::collections::{BTreeMap, HashMap};

use ahash::RandomState;

use crate::wire::Prefix;
use crate::wire::ccp::TableId;

/// Withdrawn entries above this number are dropped if all peers have acknowledged them.
const WITHDRAWN_SOFT_MAX: usize = 4_096;
/// Above this number of withdrawn entries, and twice the number of routes, peers that are far
/// behind get a new table id.
const WITHDRAWN_HARD_MAX: usize = 100_000;
/// The log restarts above this epoch.
const EPOCH_MAX: u32 = u32::MAX - 1_000_000;

/// The log of changes.
#[derive(Debug)]
pub(super) struct ChangeLog {
    table: TableId,
    next_epoch: u32,
    entries: BTreeMap<u32, Prefix>,
    latest: HashMap<Prefix, (u32, RouteChange), RandomState>,
    withdrawn: usize,
    /// Withdrawn entries before this epoch may be missing.
    pruned_before: u32,
}

/// Whether a prefix has a route after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RouteChange {
    Reachable,
    Withdrawn,
}

impl ChangeLog {
    pub(super) fn new(table: TableId, hash: RandomState) -> Self {
        let latest = HashMap::with_hasher(hash);
        Self {
            table,
            next_epoch: 0,
            entries: BTreeMap::new(),
            latest,
            withdrawn: 0,
            pruned_before: 0,
        }
    }

    /// The id of the table.
    pub(super) fn table(&self) -> TableId {
        self.table
    }

    /// The current epoch: the number of changes.
    pub(super) fn epoch(&self) -> u32 {
        self.next_epoch
    }

    /// Records a change of a prefix.
    pub(super) fn record(&mut self, prefix: Prefix, change: RouteChange) {
        let epoch = self.next_epoch;
        self.next_epoch = self.next_epoch.saturating_add(1);
        if let Some((before, was)) = self.latest.insert(prefix.clone(), (epoch, change)) {
            self.entries.remove(&before);
            self.withdrawn -= usize::from(was == RouteChange::Withdrawn);
        }
        self.withdrawn += usize::from(change == RouteChange::Withdrawn);
        self.entries.insert(epoch, prefix);
    }

    /// The changes from an epoch on, with their epochs.
    pub(super) fn changes_since(&self, epoch: u32) -> impl Iterator<Item = (u32, &Prefix)> {
        self.entries.range(epoch..).map(|(epoch, prefix)| (*epoch, prefix))
    }

    /// All prefixes with an entry.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = &Prefix> {
        self.entries.values()
    }

    /// Whether there are enough withdrawn entries to prune.
    pub(super) fn needs_pruning(&self) -> bool {
        self.withdrawn > WITHDRAWN_SOFT_MAX.max(self.entries.len() / 2)
    }

    /// Withdrawn entries before this epoch may be missing.
    pub(super) fn pruned_before(&self) -> u32 {
        self.pruned_before
    }

    /// Drops withdrawn entries before an epoch that all peers have acknowledged.
    pub(super) fn prune(&mut self, known_by_all: u32) {
        // Entries before `pruned_before` are still reachable: a change moves an entry to the end.
        let unpruned = self.entries.range(self.pruned_before..known_by_all.max(self.pruned_before));
        let latest = &self.latest;
        let is_withdrawn = |prefix: &Prefix| {
            latest.get(prefix).is_some_and(|(_, change)| *change == RouteChange::Withdrawn)
        };
        let gone = unpruned.filter(|(_, prefix)| is_withdrawn(prefix)).map(|(epoch, _)| *epoch);
        for epoch in gone.collect::<Vec<u32>>() {
            if let Some(prefix) = self.entries.remove(&epoch) {
                self.latest.remove(&prefix);
                self.withdrawn -= 1;
                self.pruned_before = epoch.saturating_add(1);
            }
        }
    }

    /// How many changes a peer may be behind; `None` while the log is within its bounds.
    pub(super) fn lag_max(&self) -> Option<u32> {
        let reachable = self.entries.len() - self.withdrawn;
        let limit = WITHDRAWN_HARD_MAX.max(2 * reachable);
        (self.withdrawn > limit).then(|| u32::try_from(limit / 2).unwrap_or(u32::MAX))
    }

    /// Whether the epochs are used up: the log must restart.
    pub(super) fn is_exhausted(&self) -> bool {
        self.next_epoch > EPOCH_MAX
    }

    /// Restarts under a new id with all reachable prefixes.
    pub(super) fn restart(&mut self, table: TableId) {
        let mut new = Self::new(table, self.latest.hasher().clone());
        for (prefix, (_, change)) in std::mem::take(&mut self.latest) {
            if change == RouteChange::Reachable {
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
    fn a_later_change_replaces_the_earlier_one() {
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
    fn withdrawn_entries_are_dropped_once_acknowledged() {
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
    fn pruning_in_steps_drops_the_same() {
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
        assert_eq!(
            (in_steps.withdrawn, in_steps.pruned_before()),
            (at_once.withdrawn, at_once.pruned_before())
        );
    }

    #[test]
    fn the_log_is_bounded_for_peers_that_are_behind() {
        let mut log = log();
        log.record("g.there".parse().unwrap(), RouteChange::Reachable);
        let mut number = 0;
        while log.lag_max().is_none() {
            log.record(format!("g.{number}").parse().unwrap(), RouteChange::Withdrawn);
            number += 1;
        }
        assert_eq!(number, WITHDRAWN_HARD_MAX + 1);
        assert_eq!(log.lag_max(), Some(50_000));
        assert!(log.needs_pruning() && !log.is_exhausted());
        log.prune(log.epoch() - 50_000);
        assert!(log.lag_max().is_none());
        log.restart(TableId([2; 16]));
        assert_eq!(log.table(), TableId([2; 16]));
        assert_eq!(since(&log, 0), [(0, "g.there")]);
        assert_eq!((log.pruned_before(), log.needs_pruning()), (0, false));
    }
}
