//! Wrong answers of a peer.

use std::sync::atomic::Ordering;

use super::{LINE_INTERVAL, PeerStatus};
use crate::time::MonoTime;

impl PeerStatus {
    /// Counts an answer to a packet that no connector gives. It is the peer's last error until a right answer. The
    /// first is logged, and then one line a minute with their number.
    pub fn count_wrong_answer(&self, error: &str, now: MonoTime) {
        self.has_wrong_answer.store(true, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.counts.wrong_answers += 1;
        if let Some(count) = inner.wrong_answers.add(error, now) {
            tracing::warn!(peer = %self.id, error, count, "the peer's answers are not those of a connector");
        }
    }

    /// It gave a right answer.
    pub fn clear_wrong_answers(&self) {
        if self.has_wrong_answer.load(Ordering::Relaxed) {
            self.has_wrong_answer.store(false, Ordering::Relaxed);
            self.inner.lock().wrong_answers.clear();
        }
    }
}

/// The wrong answers of one peer since the last right one.
#[derive(Debug, Default)]
pub(super) struct WrongAnswers {
    latest: Option<String>,
    logged_at: Option<MonoTime>,
    /// Wrong answers since then.
    count: u64,
}

impl WrongAnswers {
    /// Adds one. `Some`: a line about so many must be logged.
    pub(super) fn add(&mut self, error: &str, now: MonoTime) -> Option<u64> {
        self.count += 1;
        if self.latest.as_deref() != Some(error) {
            self.latest = Some(error.to_owned());
        }
        if self.logged_at.is_some_and(|at| now.since(at) < LINE_INTERVAL) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.count))
    }

    pub(super) fn clear(&mut self) {
        self.latest = None;
    }

    /// The latest error.
    pub(super) fn latest(&self) -> Option<String> {
        self.latest.clone()
    }
}
