//! Limits the open files of accepted connections, so that some remain for the health listener, log and configuration
//! files, and sessions that we dial.
//!
//! The limit is that of the whole process, like the system's own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

/// Reserved for the process: standard streams, files, runtimes, and a few to spare.
const RESERVED_FOR_PROCESS: usize = 16;
/// Reserved for each node: listeners, runtimes, DNS lookups.
const RESERVED_FOR_NODE: usize = 16;
/// Reserved for the health listeners, at most: the connections that one of them may have.
const RESERVED_FOR_HEALTH_MAX: usize = 128;
/// The lowest limit: without a few open files no peer could connect.
const ACCEPTED_MIN: usize = 8;
/// The longest wait of [`Descriptors::until_within_limit`].
const RELEASE_TIMEOUT: Duration = Duration::from_millis(100);

/// The open files that accepted connections may take. Clones share one count.
#[derive(Debug, Clone)]
pub struct Descriptors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    taken: AtomicUsize,
    released: Notify,
}

/// An open file of an accepted connection, until it is dropped.
#[derive(Debug)]
pub struct Descriptor(Descriptors);

impl Default for Descriptors {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Descriptors {
    pub fn new(max: usize) -> Self {
        let taken = AtomicUsize::new(0);
        Self(Arc::new(Inner { max, taken, released: Notify::new() }))
    }

    /// The share of `limit` open files for accepted connections, in a process of `nodes` nodes that dial `dialled`
    /// peers.
    pub fn from_limit(limit: u64, nodes: usize, dialled: usize) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let reserved = RESERVED_FOR_PROCESS
            .saturating_add(RESERVED_FOR_NODE.saturating_mul(nodes))
            .saturating_add(dialled.min(limit / 4))
            .saturating_add((limit / 8).min(RESERVED_FOR_HEALTH_MAX));
        Self::new(limit.saturating_sub(reserved).max(ACCEPTED_MIN))
    }

    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Whether the limit is reached: a new connection needs another one to be closed.
    pub fn are_exhausted(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) >= self.0.max
    }

    /// Takes one, even beyond the limit; then [`Self::until_within_limit`] waits for a release.
    pub fn take(&self) -> Descriptor {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
        Descriptor(self.clone())
    }

    /// Waits until no more are taken than the limit, or a short time has passed: a connection that must close
    /// releases its own a moment later.
    pub async fn until_within_limit(&self) {
        let within_limit = async {
            loop {
                let released = self.0.released.notified();
                if self.0.taken.load(Ordering::Relaxed) <= self.0.max {
                    return;
                }
                released.await;
            }
        };
        // A connection that is slow to close must not keep others from connecting.
        let _ = tokio::time::timeout(RELEASE_TIMEOUT, within_limit).await;
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        let inner = &self.0.0;
        if inner.taken.fetch_sub(1, Ordering::Relaxed) > inner.max {
            inner.released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_share_of_a_limit_for_accepted_connections() {
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
            let found = Descriptors::from_limit(limit, nodes, dialled).max();
            assert_eq!(found, expected, "{limit} {nodes} {dialled}");
        }
        assert!(Descriptors::from_limit(u64::MAX, 1, usize::MAX).max() > usize::MAX / 2);
    }

    #[tokio::test]
    async fn accepting_waits_briefly_for_a_release() {
        let descriptors = Descriptors::new(2);
        let (one, two) = (descriptors.take(), descriptors.take());
        assert!(descriptors.are_exhausted());
        assert_eq!(descriptors.until_within_limit().now_or_never(), Some(()));
        let three = descriptors.take();
        let mut within_limit = Box::pin(descriptors.until_within_limit());
        assert_eq!((&mut within_limit).now_or_never(), None);
        drop(one);
        assert_eq!(within_limit.now_or_never(), Some(()));
        assert!(descriptors.are_exhausted());
        drop((two, three));
        assert!(!descriptors.are_exhausted());
        // The wait ends without a release, too.
        let _held: Vec<_> = (0..3).map(|_| descriptors.take()).collect();
        descriptors.until_within_limit().await;
    }
}
