//! Places for the requests in progress to one peer, in total and for each requester. Packets without a place wait in the
//! link's outbox.
//!
//! If a peer answers nothing, each request takes its place until its packet expires. A requester of such packets gets at
//! most three quarters of the places ([`is_within_share`]), and the next one three quarters of the rest.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::link::Slot;

/// Places of one requester, in multiples of the free ones. A single requester gets three quarters.
const SHARE_OF_FREE: usize = 3;

/// Whether a requester that has `own` of `max` places may take one more. All requesters together have `used`.
fn is_within_share(own: usize, used: usize, max: usize) -> bool {
    own < max.saturating_sub(used).saturating_mul(SHARE_OF_FREE)
}

/// The account that sent the packet; `None`: the node itself.
type Requester = Option<Slot>;

/// The places for requests to one peer.
#[derive(Debug)]
pub(super) struct RequestPlaces {
    max: usize,
    bytes_max: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    by_requester: HashMap<Requester, usize>,
    count: usize,
    bytes: usize,
}

/// One place, freed on drop.
#[derive(Debug)]
pub(super) struct RequestPlace {
    places: Arc<RequestPlaces>,
    requester: Requester,
    bytes: usize,
}

impl RequestPlaces {
    /// Places for `max` requests, whose packets have `bytes_max` bytes together.
    pub(super) fn new(max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { max, bytes_max, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Whether a request may begin now.
    pub(super) fn admits(&self, requester: Requester) -> bool {
        let taken = self.taken.lock();
        let own = taken.by_requester.get(&requester).copied().unwrap_or(0);
        taken.bytes < self.bytes_max && is_within_share(own, taken.count, self.max)
    }

    /// A place for a request that was admitted.
    pub(super) fn take(self: &Arc<Self>, requester: Requester, bytes: usize) -> RequestPlace {
        let mut taken = self.taken.lock();
        *taken.by_requester.entry(requester).or_default() += 1;
        taken.count += 1;
        taken.bytes += bytes;
        drop(taken);
        RequestPlace { places: Arc::clone(self), requester, bytes }
    }

    /// Whether no request is in progress.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.lock().count == 0
    }

    /// Waits until a place has been freed since the last call.
    pub(super) async fn wait_for_free(&self) {
        self.freed.notified().await;
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.count -= 1;
        taken.bytes -= self.bytes;
        if let Some(own) = taken.by_requester.get_mut(&self.requester) {
            *own -= 1;
            if *own == 0 {
                taken.by_requester.remove(&self.requester);
            }
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::link::Slot;

    fn fill(places: &Arc<RequestPlaces>, requester: u32, held: &mut Vec<RequestPlace>) -> usize {
        let requester = Some(Slot(requester));
        let before = held.len();
        while places.admits(requester) {
            held.push(places.take(requester, 10));
        }
        held.len() - before
    }

    #[test]
    fn a_requester_alone_gets_most_and_the_next_one_most_of_the_rest() {
        let places = RequestPlaces::new(1024, usize::MAX);
        let mut held = Vec::new();
        assert_eq!(fill(&places, 1, &mut held), 768);
        assert_eq!(fill(&places, 2, &mut held), 192);
        assert_eq!(fill(&places, 3, &mut held), 48);
        assert_eq!(places.wait_for_free().now_or_never(), None);
        held.truncate(768);
        assert_eq!(places.wait_for_free().now_or_never(), Some(()));
        assert_eq!(fill(&places, 4, &mut held), 192, "the places of others");
        held.clear();
        assert!(places.is_empty() && places.taken.lock().by_requester.is_empty());
        assert_eq!(
            fill(&RequestPlaces::new(1, usize::MAX), 1, &mut held),
            1,
            "even a single place can be taken"
        );
    }

    #[test]
    fn packets_in_progress_are_bounded_in_bytes_too() {
        let places = RequestPlaces::new(1024, 95);
        let mut held = Vec::new();
        assert_eq!(fill(&places, 1, &mut held), 10);
        held.pop();
        assert_eq!(fill(&places, 2, &mut held), 1);
    }
}
