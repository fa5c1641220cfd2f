//! Stops a loop that dials one peer, and ends its wait for the next attempt.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::close_reason::GOING_AWAY;
use super::dial_backoff::DialDelay;
use crate::link::CloseRequest;

/// Controls the loop that dials a peer. Dropping it stops the loop.
#[derive(Debug)]
pub struct DialHandle {
    stop: watch::Sender<Option<CloseRequest>>,
    retry: Arc<Notify>,
}

/// The loop's end of a [`DialHandle`].
#[derive(Debug)]
pub struct DialSignals {
    stop: watch::Receiver<Option<CloseRequest>>,
    retry: Arc<Notify>,
}

/// The end of a wait for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEnd {
    /// The delay is over: the series goes on.
    Over,
    /// [`DialHandle::retry_now`] was called: the series starts again.
    Retry,
    /// [`DialHandle::stop`] was called: there is no next attempt.
    Stop,
}

impl DialHandle {
    /// A handle and the loop's end of it.
    pub fn new() -> (Self, DialSignals) {
        let ((sender, receiver), retry) = (watch::channel(None), Arc::new(Notify::new()));
        let signals = DialSignals { stop: receiver, retry: Arc::clone(&retry) };
        (Self { stop: sender, retry }, signals)
    }

    /// Ends a wait for the next attempt, because the cause of the last failure may be gone.
    pub fn retry_now(&self) {
        self.retry.notify_waiters();
    }

    /// Closes an open session with this close frame, and stops dialling.
    pub fn stop(&self, request: CloseRequest) {
        self.stop.send_replace(Some(request));
    }
}

impl DialSignals {
    /// Waits before the next attempt.
    pub async fn wait_before_attempt(&mut self, wait: DialDelay) -> WaitEnd {
        let retry = Arc::clone(&self.retry);
        tokio::select! {
            biased;
            _ = self.stopped() => WaitEnd::Stop,
            () = retry.notified() => WaitEnd::Retry,
            () = sleep(wait.delay) => WaitEnd::Over,
        }
    }

    /// Waits for [`DialHandle::stop`], or for the drop of the handle.
    pub async fn stopped(&mut self) -> CloseRequest {
        match self.stop.wait_for(Option::is_some).await {
            Ok(request) => *request,
            Err(_) => None,
        }
        .unwrap_or(CloseRequest { code: GOING_AWAY, reason: "going away" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const LONG: DialDelay = DialDelay { delay: Duration::from_secs(3600), is_slow: false };

    async fn waited(signals: &mut DialSignals, act: impl FnOnce()) -> WaitEnd {
        let mut wait = std::pin::pin!(signals.wait_before_attempt(LONG));
        tokio::select! {
            biased;
            waited = wait.as_mut() => panic!("{waited:?} before the handle was used"),
            () = std::future::ready(()) => {}
        }
        act();
        timeout(Duration::from_secs(10), wait).await.unwrap()
    }

    #[tokio::test]
    async fn a_wait_ends_after_its_delay_or_by_the_handle() {
        let (handle, mut signals) = DialHandle::new();
        // Without a wait it has no effect, not even on the next one.
        handle.retry_now();
        assert_eq!(waited(&mut signals, || handle.retry_now()).await, WaitEnd::Retry);
        let none = DialDelay { delay: Duration::ZERO, is_slow: false };
        assert_eq!(signals.wait_before_attempt(none).await, WaitEnd::Over);
        assert_eq!(waited(&mut signals, || drop(handle)).await, WaitEnd::Stop);
    }
}
