//! How a loop that dials one peer is stopped, and woken while it waits for the next attempt.

use std::sync::Arc;

use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::close_reason::GOING_AWAY;
use crate::link::CloseRequest;
use crate::net::Wait;

/// Stops what dials a peer. Dropping it does so too.
#[derive(Debug)]
pub struct DialHandle {
    stop: watch::Sender<Option<CloseRequest>>,
    retry: Arc<Notify>,
}

/// The other end of a [`DialHandle`].
#[derive(Debug)]
pub struct DialControl {
    stop: watch::Receiver<Option<CloseRequest>>,
    retry: Arc<Notify>,
}

/// How a wait for the next attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// By itself: the series goes on.
    Over,
    /// By an order to try now: the series starts again.
    Retry,
    /// There is no next attempt.
    Stop,
}

impl DialHandle {
    /// A handle, and what hears it.
    pub fn new() -> (Self, DialControl) {
        let ((sender, receiver), retry) = (watch::channel(None), Arc::new(Notify::new()));
        let orders = DialControl { stop: receiver, retry: Arc::clone(&retry) };
        (Self { stop: sender, retry }, orders)
    }

    /// Ends a wait for the next attempt, if there is one: what made the last one fail may be mended.
    pub fn retry_now(&self) {
        self.retry.notify_waiters();
    }

    /// Ends the session, if there is one, with this close frame, and dials no more.
    pub fn stop(&self, code: u16, reason: &'static str) {
        self.stop.send_replace(Some(CloseRequest { code, reason }));
    }
}

impl DialControl {
    /// Waits before the next attempt.
    pub async fn wait(&mut self, wait: Wait) -> Waited {
        let retry = Arc::clone(&self.retry);
        tokio::select! {
            biased;
            _ = self.stop() => Waited::Stop,
            () = retry.notified() => Waited::Retry,
            () = sleep(wait.delay) => Waited::Over,
        }
    }

    /// Waits for the order to stop.
    pub async fn stop(&mut self) -> CloseRequest {
        match self.stop.wait_for(Option::is_some).await {
            Ok(order) => *order,
            // The handle was dropped.
            Err(_) => None,
        }
        .unwrap_or(CloseRequest { code: GOING_AWAY, reason: "going away" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    const LONG: Wait = Wait { delay: Duration::from_secs(3600), exhausted: false };

    async fn waited(orders: &mut DialControl, act: impl FnOnce()) -> Waited {
        let mut wait = std::pin::pin!(orders.wait(LONG));
        tokio::select! {
            biased;
            waited = wait.as_mut() => panic!("{waited:?} before anything was done"),
            () = std::future::ready(()) => {}
        }
        act();
        timeout(Duration::from_secs(10), wait).await.unwrap()
    }

    #[tokio::test]
    async fn a_wait_ends_by_itself_or_by_an_order() {
        let (handle, mut orders) = DialHandle::new();
        // Nothing waits: there is nothing to shorten, now or later.
        handle.retry_now();
        assert_eq!(waited(&mut orders, || handle.retry_now()).await, Waited::Retry);
        let none = Wait { delay: Duration::ZERO, exhausted: false };
        assert_eq!(orders.wait(none).await, Waited::Over);
        assert_eq!(waited(&mut orders, || drop(handle)).await, Waited::Stop);
    }
}
