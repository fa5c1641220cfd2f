//! What became of the spans of sampled packets since the start of the node.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// The counters of a node's export.
#[derive(Debug, Default)]
pub struct OtlpMeter {
    is_on: AtomicBool,
    exported: AtomicU64,
    lost: AtomicU64,
    refused: AtomicU64,
    unsent: AtomicU64,
    waiting: AtomicU64,
    /// The kinds of failed requests that were logged since the last success.
    logged: Mutex<Vec<&'static str>>,
}

/// A copy of the counters. Each sampled packet whose answer is recorded is in one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OtlpCounts {
    /// The collector has taken them.
    pub exported: u64,
    /// There was no room for them: packets came faster than spans were exported.
    pub lost: u64,
    /// The collector has refused them.
    pub refused: u64,
    /// The collector could not be reached, or was busy, each time; or the export ended before.
    pub unsent: u64,
    /// They wait for a request, or for its answer.
    pub waiting: u64,
}

impl OtlpMeter {
    /// From now on there are figures, zeros included. What failed at another collector says nothing of this one.
    pub fn switch_on(&self) {
        self.is_on.store(true, Ordering::Relaxed);
        self.logged.lock().clear();
    }

    /// Adds to the counters; `waiting` is ignored.
    pub fn count(&self, more: OtlpCounts) {
        let OtlpCounts { exported, lost, refused, unsent, waiting: _ } = more;
        for (counter, more) in [
            (&self.exported, exported),
            (&self.lost, lost),
            (&self.refused, refused),
            (&self.unsent, unsent),
        ] {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    pub fn set_waiting(&self, spans: usize) {
        self.waiting.store(spans as u64, Ordering::Relaxed);
    }

    /// Whether no failed request of this kind was logged since the last success.
    pub fn is_new_failure(&self, kind: &'static str) -> bool {
        let mut logged = self.logged.lock();
        let is_new = !logged.contains(&kind);
        if is_new {
            logged.push(kind);
        }
        is_new
    }

    /// Whether a success ends failures of requests that were logged.
    pub fn end_failures(&self) -> bool {
        !std::mem::take(&mut *self.logged.lock()).is_empty()
    }

    /// `None`: nothing was exported since the start, because no collector is configured.
    pub fn counts(&self) -> Option<OtlpCounts> {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        self.is_on.load(Ordering::Relaxed).then(|| OtlpCounts {
            exported: read(&self.exported),
            lost: read(&self.lost),
            refused: read(&self.refused),
            unsent: read(&self.unsent),
            waiting: read(&self.waiting),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_collector_has_not_failed_yet() {
        let meter = OtlpMeter::default();
        meter.switch_on();
        assert!(meter.is_new_failure("no answer") && !meter.is_new_failure("no answer"));
        meter.switch_on();
        assert!(!meter.end_failures(), "that was another collector");
        assert!(meter.is_new_failure("no answer"));
    }
}
