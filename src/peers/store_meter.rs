//! What the store of a node has done, for metrics. The task that saves counts here; no packet does.

use std::time::Duration;

use parking_lot::Mutex;

use crate::time::MonoTime;

/// Upper bounds of the times that cuts took, in microseconds.
const CUT_TIME_BUCKETS: &[u64] =
    &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 500_000, 1_000_000, 5_000_000];
/// Upper bounds of the numbers of rows in cuts.
const CUT_ROWS_BUCKETS: &[u64] = &[1, 2, 4, 8, 16, 64, 256, 1_024, 4_096, 16_384];

/// How often a number was within each of some bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketCounts {
    /// The upper bounds, in ascending order.
    pub bounds: &'static [u64],
    /// Numbers within each bound that are above the one before, and at the end those above all bounds.
    pub counts: Vec<u64>,
    /// The sum of the numbers.
    pub sum: u64,
}

impl BucketCounts {
    fn new(bounds: &'static [u64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum: 0 }
    }

    fn add(&mut self, number: u64) {
        let index = self.bounds.partition_point(|bound| *bound < number);
        if let Some(count) = self.counts.get_mut(index) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(number);
    }
}

/// What the store has done until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreReport {
    /// The times from the hand-over of each saved cut until it was durable, in microseconds.
    pub cut_micros: BucketCounts,
    /// The rows of the saved cuts.
    pub cut_rows: BucketCounts,
    /// Attempts to save that failed, or took too long.
    pub failures: u64,
    /// Whether new packets are rejected because of it.
    pub is_failing: bool,
    /// The age of the oldest change that is not durable; zero if there is none.
    pub unsaved: Duration,
}

/// Counts what the store does.
#[derive(Debug)]
pub struct StoreMeter(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    cut_micros: BucketCounts,
    cut_rows: BucketCounts,
    failures: u64,
    is_failing: bool,
    unsaved_since: Option<MonoTime>,
}

impl Default for StoreMeter {
    fn default() -> Self {
        Self(Mutex::new(Counts {
            cut_micros: BucketCounts::new(CUT_TIME_BUCKETS),
            cut_rows: BucketCounts::new(CUT_ROWS_BUCKETS),
            failures: 0,
            is_failing: false,
            unsaved_since: None,
        }))
    }
}

impl StoreMeter {
    /// An account has changed. Later changes do not matter until all are saved.
    pub fn note_change(&self, at: MonoTime) {
        self.0.lock().unsaved_since.get_or_insert(at);
    }

    /// A cut with everything that had changed is durable.
    pub fn note_saved(&self, took: Duration, rows: usize) {
        let mut counts = self.0.lock();
        counts.cut_micros.add(took.as_micros().try_into().unwrap_or(u64::MAX));
        counts.cut_rows.add(rows as u64);
        counts.unsaved_since = None;
    }

    /// An attempt to save has failed, or takes too long.
    pub fn note_failure(&self) {
        let mut counts = self.0.lock();
        counts.failures += 1;
        counts.is_failing = true;
    }

    /// The store works again.
    pub fn note_recovery(&self) {
        self.0.lock().is_failing = false;
    }

    /// Everything at a time.
    pub fn report(&self, now: MonoTime) -> StoreReport {
        let counts = self.0.lock();
        StoreReport {
            cut_micros: counts.cut_micros.clone(),
            cut_rows: counts.cut_rows.clone(),
            failures: counts.failures,
            is_failing: counts.is_failing,
            unsaved: counts.unsaved_since.map(|since| now.since(since)).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_change_counts_until_everything_is_saved() {
        let meter = StoreMeter::default();
        let unsaved = |at: u64| meter.report(MonoTime(at * 1_000)).unsaved.as_micros();
        assert_eq!(unsaved(5), 0);
        meter.note_change(MonoTime(10_000));
        meter.note_change(MonoTime(20_000));
        assert_eq!(unsaved(25), 15);
        meter.note_failure();
        assert_eq!(unsaved(35), 25);
        meter.note_saved(Duration::from_micros(100), 3);
        meter.note_recovery();
        assert_eq!(unsaved(45), 0);
    }

    #[test]
    fn a_number_counts_in_the_first_bucket_that_has_it() {
        let meter = StoreMeter::default();
        for (took, rows) in [(100, 1), (101, 2), (u64::MAX, 20_000)] {
            meter.note_saved(Duration::from_micros(took), rows);
        }
        let report = meter.report(MonoTime::default());
        assert_eq!(report.cut_micros.counts[..2], [1, 1]);
        assert_eq!(report.cut_micros.counts.last(), Some(&1));
        assert_eq!(report.cut_rows.counts[..3], [1, 1, 0]);
        assert_eq!((report.cut_rows.counts.last(), report.cut_rows.sum), (Some(&1), 20_003));
    }
}
