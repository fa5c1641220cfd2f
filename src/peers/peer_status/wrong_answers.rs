//! What is wrong with a peer's HTTP answers.

use std::sync::atomic::Ordering;

use super::{LINE_INTERVAL, PeerStatus};
use crate::time::MonoTime;

impl PeerStatus {
    /// Its HTTP server gave an answer to a packet that is not that of a connector. It is the peer's last error until an
    /// answer is right. The first is logged, and then one line a minute tells how many there were.
    pub fn answers_wrongly(&self, error: &str, now: MonoTime) {
        self.answers_wrongly.store(true, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.counts.wrong_answers += 1;
        if let Some(count) = inner.wrong_answers.add(error, now) {
            tracing::warn!(peer = %self.id, error, count, "the peer's answers are not those of a connector");
        }
    }

    /// Its HTTP server gave a right answer.
    pub fn answers_well(&self) {
        if self.answers_wrongly.load(Ordering::Relaxed) {
            self.answers_wrongly.store(false, Ordering::Relaxed);
            self.inner.lock().wrong_answers.clear();
        }
    }
}

/// The wrong answers of one peer, until one is right.
#[derive(Debug, Default)]
pub(super) struct WrongAnswers {
    latest: Option<String>,
    /// When a line was logged last, and how many there were since.
    logged_at: Option<MonoTime>,
    since: u64,
}

impl WrongAnswers {
    /// One more. `Some`: a line is to be logged, about so many.
    pub(super) fn add(&mut self, error: &str, now: MonoTime) -> Option<u64> {
        self.since += 1;
        if self.latest.as_deref() != Some(error) {
            self.latest = Some(error.to_owned());
        }
        if self.logged_at.is_some_and(|at| now.since(at) < LINE_INTERVAL) {
            return None;
        }
        self.logged_at = Some(now);
        Some(std::mem::take(&mut self.since))
    }

    /// One was right.
    pub(super) fn clear(&mut self) {
        self.latest = None;
    }

    /// What is wrong.
    pub(super) fn latest(&self) -> Option<String> {
        self.latest.clone()
    }
}
