//! Permits for the requests in progress to one peer, in total and for each requester. Packets without a permit wait in
//! the session's outbox.
//!
//! If a peer answers nothing, each request holds its permit until its packet expires. A requester of such packets gets
//! at most three quarters of the permits ([`is_within_share`]), and the next one three quarters of the rest. Unlike
//! `connector/fair_shares.rs`, nothing is reserved for a particular requester, so no list of requesters is needed.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::link::Requester;

/// Permits of one requester, in multiples of the free ones. A single requester gets three quarters.
const SHARE_OF_FREE: usize = 3;

/// Whether a requester that has `own` of `max` permits may take one more. All requesters together have `used`.
fn is_within_share(own: usize, used: usize, max: usize) -> bool {
    own < max.saturating_sub(used).saturating_mul(SHARE_OF_FREE)
}

#[derive(Debug)]
pub(super) struct RequestPermits {
    max: usize,
    bytes_max: usize,
    in_use: Mutex<PermitsInUse>,
    released: Notify,
}

#[derive(Debug, Default)]
struct PermitsInUse {
    by_requester: HashMap<Requester, usize>,
    count: usize,
    bytes: usize,
}

/// Permits one request; released on drop.
#[derive(Debug)]
pub(super) struct RequestPermit {
    permits: Arc<RequestPermits>,
    requester: Requester,
    bytes: usize,
}

impl RequestPermits {
    /// Permits for `max` requests, whose packets have `bytes_max` bytes together.
    pub(super) fn new(max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { max, bytes_max, in_use: Mutex::default(), released: Notify::new() })
    }

    /// Whether a request may begin now.
    pub(super) fn can_admit(&self, requester: Requester) -> bool {
        let in_use = self.in_use.lock();
        let own = in_use.by_requester.get(&requester).copied().unwrap_or(0);
        in_use.bytes < self.bytes_max && is_within_share(own, in_use.count, self.max)
    }

    /// A permit for a request that was admitted.
    pub(super) fn take_permit(
        self: &Arc<Self>,
        requester: Requester,
        bytes: usize,
    ) -> RequestPermit {
        let mut in_use = self.in_use.lock();
        *in_use.by_requester.entry(requester).or_default() += 1;
        in_use.count += 1;
        in_use.bytes += bytes;
        drop(in_use);
        RequestPermit { permits: Arc::clone(self), requester, bytes }
    }

    /// Whether no request is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.in_use.lock().count == 0
    }

    /// Waits until a permit has been released since the last call.
    pub(super) async fn wait_for_release(&self) {
        self.released.notified().await;
    }
}

impl Drop for RequestPermit {
    fn drop(&mut self) {
        let mut in_use = self.permits.in_use.lock();
        in_use.count -= 1;
        in_use.bytes -= self.bytes;
        if let Some(own) = in_use.by_requester.get_mut(&self.requester) {
            *own -= 1;
            if *own == 0 {
                in_use.by_requester.remove(&self.requester);
            }
        }
        drop(in_use);
        self.permits.released.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::link::Slot;

    fn fill(permits: &Arc<RequestPermits>, requester: u32, held: &mut Vec<RequestPermit>) -> usize {
        let requester = Some(Slot(requester));
        let before = held.len();
        while permits.can_admit(requester) {
            held.push(permits.take_permit(requester, 10));
        }
        held.len() - before
    }

    #[test]
    fn a_requester_alone_gets_most_and_the_next_one_most_of_the_rest() {
        let permits = RequestPermits::new(1024, usize::MAX);
        let mut held = Vec::new();
        assert_eq!(fill(&permits, 1, &mut held), 768);
        assert_eq!(fill(&permits, 2, &mut held), 192);
        assert_eq!(fill(&permits, 3, &mut held), 48);
        assert_eq!(permits.wait_for_release().now_or_never(), None);
        held.truncate(768);
        assert_eq!(permits.wait_for_release().now_or_never(), Some(()));
        assert_eq!(fill(&permits, 4, &mut held), 192, "the permits of others");
        held.clear();
        assert!(permits.is_empty() && permits.in_use.lock().by_requester.is_empty());
        assert_eq!(
            fill(&RequestPermits::new(1, usize::MAX), 1, &mut held),
            1,
            "even a single permit can be taken"
        );
    }

    #[test]
    fn packets_in_progress_are_bounded_in_bytes_too() {
        let permits = RequestPermits::new(1024, 95);
        let mut held = Vec::new();
        assert_eq!(fill(&permits, 1, &mut held), 10);
        held.pop();
        assert_eq!(fill(&permits, 2, &mut held), 1);
    }
}
