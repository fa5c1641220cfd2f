//! Retries of CCP requests that the peer refused or did not answer.

use std::time::Duration;

use crate::time::{Backoff, MonoTime};

/// The first delay is short: a peer may refuse only because it is not ready yet, just after its login.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const DELAY_MAX: Duration = Duration::from_secs(30);
/// A request without an answer after this time counts as refused.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// The delays of one kind of request.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryBackoff(Backoff);

impl Default for RetryBackoff {
    fn default() -> Self {
        Self(Backoff::new(FIRST_DELAY, DELAY_MAX))
    }
}

impl RetryBackoff {
    /// An attempt failed. Returns when to try again.
    pub(super) fn record_failure(&mut self, now: MonoTime) -> MonoTime {
        now.after(self.0.next_delay())
    }

    /// An attempt succeeded: the next failure begins with the first delay.
    pub(super) fn record_success(&mut self) {
        self.0.reset();
    }
}
