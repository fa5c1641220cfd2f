//! The requests to one peer that are under way, by the account that asked: how many there may be, and how many each asker
//! may have. Deliberately not here: the queue of what has no place yet, which is the link's outbox.
//!
//! A peer that answers nothing keeps each request until its packet expires. An asker that sends such packets gets three
//! quarters of the places at most ([`within_share`]), and leaves the same share of the rest to the next one.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::link::Slot;

/// How much an asker may have under way, in multiples of what is free. Alone it has three quarters.
const SHARE_OF_FREE: usize = 3;

/// Whether an asker that has `own` of `max` may have one more, when all askers together have `used`.
fn within_share(own: usize, used: usize, max: usize) -> bool {
    own < max.saturating_sub(used).saturating_mul(SHARE_OF_FREE)
}

/// The account that asked; `None`: the node itself.
type Asker = Option<Slot>;

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
    by_asker: HashMap<Asker, usize>,
    count: usize,
    bytes: usize,
}

/// One place, given back when this is dropped.
#[derive(Debug)]
pub(super) struct RequestPlace {
    places: Arc<RequestPlaces>,
    asker: Asker,
    bytes: usize,
}

impl RequestPlaces {
    /// Places for `max` requests, of which the packets have `bytes_max` bytes together.
    pub(super) fn new(max: usize, bytes_max: usize) -> Arc<Self> {
        Arc::new(Self { max, bytes_max, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Whether a request of `asker` may begin now.
    pub(super) fn admits(&self, asker: Asker) -> bool {
        let taken = self.taken.lock();
        let own = taken.by_asker.get(&asker).copied().unwrap_or(0);
        taken.bytes < self.bytes_max && within_share(own, taken.count, self.max)
    }

    /// A place for a request that was admitted.
    pub(super) fn take(self: &Arc<Self>, asker: Asker, bytes: usize) -> RequestPlace {
        let mut taken = self.taken.lock();
        *taken.by_asker.entry(asker).or_default() += 1;
        taken.count += 1;
        taken.bytes += bytes;
        drop(taken);
        RequestPlace { places: Arc::clone(self), asker, bytes }
    }

    /// Whether no request is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.taken.lock().count == 0
    }

    /// Until a place was given back. At least once for all that were since the last call.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }
}

impl Drop for RequestPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        taken.count -= 1;
        taken.bytes -= self.bytes;
        if let Some(own) = taken.by_asker.get_mut(&self.asker) {
            *own -= 1;
            if *own == 0 {
                taken.by_asker.remove(&self.asker);
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

    fn fill(places: &Arc<RequestPlaces>, asker: u32, held: &mut Vec<RequestPlace>) -> usize {
        let asker = Some(Slot(asker));
        let before = held.len();
        while places.admits(asker) {
            held.push(places.take(asker, 10));
        }
        held.len() - before
    }

    #[test]
    fn an_asker_alone_gets_most_and_the_next_one_most_of_the_rest() {
        let places = RequestPlaces::new(1024, usize::MAX);
        let mut held = Vec::new();
        assert_eq!(fill(&places, 1, &mut held), 768);
        assert_eq!(fill(&places, 2, &mut held), 192);
        assert_eq!(fill(&places, 3, &mut held), 48);
        assert_eq!(places.freed().now_or_never(), None);
        held.truncate(768);
        assert_eq!(places.freed().now_or_never(), Some(()));
        assert_eq!(fill(&places, 4, &mut held), 192, "what others gave back");
        held.clear();
        assert!(places.is_empty() && places.taken.lock().by_asker.is_empty());
        assert_eq!(
            fill(&RequestPlaces::new(1, usize::MAX), 1, &mut held),
            1,
            "one place is one place"
        );
    }

    #[test]
    fn packets_under_way_are_bounded_in_bytes_too() {
        let places = RequestPlaces::new(1024, 95);
        let mut held = Vec::new();
        assert_eq!(fill(&places, 1, &mut held), 10);
        held.pop();
        assert_eq!(fill(&places, 2, &mut held), 1);
    }
}
