//! Wrong answers of a peer.

use std::sync::atomic::Ordering;

use super::PeerStatus;
use crate::time::MonoTime;

impl PeerStatus {
    /// Counts an answer to a packet that no connector gives. It is the peer's last error until a right answer. The
    /// first is logged, and then one line a minute with their number, those of all guests together.
    pub fn count_wrong_answer(&self, error: &str, now: MonoTime) {
        self.has_wrong_answer.store(true, Ordering::Relaxed);
        let mut inner = self.inner.lock();
        inner.counts.wrong_answers += 1;
        inner.wrong_answers.set(error);
        if let Some(before) = self.lines.wrong_answers.admit(now) {
            let count = before + 1;
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
}

impl WrongAnswers {
    fn set(&mut self, error: &str) {
        if self.latest.as_deref() != Some(error) {
            self.latest = Some(error.to_owned());
        }
    }

    pub(super) fn clear(&mut self) {
        self.latest = None;
    }

    /// The latest error.
    pub(super) fn latest(&self) -> Option<String> {
        self.latest.clone()
    }
}
