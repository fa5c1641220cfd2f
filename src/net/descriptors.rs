//! How many open files accepted connections may take, so that the others of the process always find one: the health
//! listener, log and configuration files, the sessions that we dial.
//!
//! Counted for a whole process, as the system's limit is one of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Kept for the process: standard streams, files, the runtimes' own, and a few to spare.
const KEPT_FOR_PROCESS: usize = 16;
/// Kept for each node: its listeners, its runtimes, names being resolved.
const KEPT_FOR_NODE: usize = 16;
/// Kept for the health listeners, at most: the connections that one of them has open at most.
const KEPT_FOR_HEALTH_MAX: usize = 128;
/// However low the limit is: without a few, nobody could connect.
const ACCEPTED_MIN: usize = 8;
/// How long [`Descriptors::settled`] waits.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// The open files that accepted connections may take. Clones are one.
#[derive(Debug, Clone)]
pub struct Descriptors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    taken: AtomicUsize,
    given_back: Notify,
}

/// An open file of an accepted connection, given back when this is dropped.
#[derive(Debug)]
pub struct Descriptor(Descriptors);

impl Default for Descriptors {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Descriptors {
    /// `max` of them.
    pub fn new(max: usize) -> Self {
        let taken = AtomicUsize::new(0);
        Self(Arc::new(Inner { max, taken, given_back: Notify::new() }))
    }

    /// What is left of `limit` open files for connections that `nodes` nodes accept, which dial `dialled` peers.
    pub fn of_limit(limit: u64, nodes: usize, dialled: usize) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let kept = KEPT_FOR_PROCESS
            .saturating_add(KEPT_FOR_NODE.saturating_mul(nodes))
            .saturating_add(dialled.min(limit / 4))
            .saturating_add((limit / 8).min(KEPT_FOR_HEALTH_MAX));
        Self::new(limit.saturating_sub(kept).max(ACCEPTED_MIN))
    }

    /// How many there are.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Whether one more is one too many: then another connection has to be closed for it.
    pub fn are_taken(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) >= self.0.max
    }

    /// Takes one. Where all are taken, [`Self::settled`] waits until one is given back for it.
    pub fn take(&self) -> Descriptor {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
        Descriptor(self.clone())
    }

    /// Until no more are taken than there are, or `SETTLE_TIME` has passed: a connection that has to close gives its own
    /// back a moment later.
    pub async fn settled(&self) {
        let settled = async {
            loop {
                let given_back = self.0.given_back.notified();
                if self.0.taken.load(Ordering::Relaxed) <= self.0.max {
                    return;
                }
                given_back.await;
            }
        };
        // Whatever keeps it from closing must not keep others from connecting.
        let _ = tokio::time::timeout(SETTLE_TIME, settled).await;
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.taken.fetch_sub(1, Ordering::Relaxed) > inner.max {
            inner.given_back.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn what_is_left_of_a_limit() {
        for (limit, nodes, dialled, expected) in [
            (64, 1, 0, 24),
            (256, 1, 10, 182),
            (1024, 1, 0, 864),
            (1024, 1, 500, 608),
            (1024, 20, 0, 560),
            (1_048_576, 1, 100, 1_048_316),
            (40, 1, 0, ACCEPTED_MIN),
            (0, 1, 0, ACCEPTED_MIN),
        ] {
            let found = Descriptors::of_limit(limit, nodes, dialled).max();
            assert_eq!(found, expected, "{limit} {nodes} {dialled}");
        }
        assert!(Descriptors::of_limit(u64::MAX, 1, usize::MAX).max() > usize::MAX / 2);
    }

    #[tokio::test]
    async fn one_too_many_is_waited_out() {
        let descriptors = Descriptors::new(2);
        let (one, two) = (descriptors.take(), descriptors.take());
        assert!(descriptors.are_taken());
        assert_eq!(descriptors.settled().now_or_never(), Some(()));
        let three = descriptors.take();
        let mut settled = Box::pin(descriptors.settled());
        assert_eq!((&mut settled).now_or_never(), None);
        drop(one);
        assert_eq!(settled.now_or_never(), Some(()));
        assert!(descriptors.are_taken());
        drop((two, three));
        assert!(!descriptors.are_taken());
        // Nobody waits for ever.
        let _held: Vec<_> = (0..3).map(|_| descriptors.take()).collect();
        descriptors.settled().await;
    }
}
