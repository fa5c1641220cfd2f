//! The connections of a listener that have not authenticated: each holds a place, and hears when it has lost it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::client_origin::ClientOrigin;
use super::places::{PlaceId, PlaceLimits, Places};

/// Shared by a listener and its connections.
#[derive(Debug)]
pub struct Unauthenticated(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    places: Places,
    holders: HashMap<PlaceId, Arc<Notify>>,
}

/// A place, given back when this is dropped.
#[derive(Debug)]
pub struct UnauthenticatedPlace {
    id: PlaceId,
    lost: Arc<Notify>,
    strangers: Arc<Unauthenticated>,
}

impl Unauthenticated {
    /// Nobody is there yet.
    pub fn new(limits: PlaceLimits) -> Arc<Self> {
        let inner = Inner { places: Places::new(limits), holders: HashMap::new() };
        Arc::new(Self(Mutex::new(inner)))
    }

    /// A place for a newcomer. `true`: another connection has lost its place to it.
    pub fn enter(
        self: &Arc<Self>,
        origin: ClientOrigin,
        is_known: bool,
    ) -> (UnauthenticatedPlace, bool) {
        let mut inner = self.0.lock();
        let (id, loser) = inner.places.enter(origin, is_known);
        let lost = Arc::new(Notify::new());
        inner.holders.insert(id, Arc::clone(&lost));
        let has_loser = inner.close(loser);
        drop(inner);
        (UnauthenticatedPlace { id, lost, strangers: Arc::clone(self) }, has_loser)
    }

    /// Closes one connection for want of something else than places. `false`: there is none.
    pub fn evict(&self) -> bool {
        let mut inner = self.0.lock();
        let loser = inner.places.evict();
        inner.close(loser)
    }
}

impl Inner {
    fn close(&mut self, loser: Option<PlaceId>) -> bool {
        let holder = loser.and_then(|loser| self.holders.remove(&loser));
        if let Some(holder) = &holder {
            holder.notify_one();
        }
        holder.is_some()
    }
}

impl UnauthenticatedPlace {
    /// Until the place is lost; then the connection is to be closed at once.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for UnauthenticatedPlace {
    fn drop(&mut self) {
        let mut inner = self.strangers.0.lock();
        inner.places.leave(self.id);
        inner.holders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn who_loses_a_place_hears_of_it_and_a_dropped_place_is_free() {
        let limits = PlaceLimits { total: 2, per_origin: 2, kept_for_known: 0 };
        let strangers = Unauthenticated::new(limits);
        let origin = ClientOrigin::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let (first, _) = strangers.enter(origin, false);
        let (second, none) = strangers.enter(origin, false);
        let (third, one) = strangers.enter(origin, false);
        assert!(!none && one);
        assert_eq!(first.lost().now_or_never(), Some(()));
        assert_eq!(second.lost().now_or_never(), None);
        // Giving back what was lost already frees nothing.
        drop(first);
        assert_eq!(strangers.0.lock().places.taken(), 2);
        drop(third);
        assert_eq!(strangers.0.lock().places.taken(), 1);
        assert!(strangers.evict() && !strangers.evict());
        assert_eq!(second.lost().now_or_never(), Some(()));
        drop(second);
        assert!(strangers.0.lock().holders.is_empty());
    }
}
