//! The unauthenticated connections of a listener: each holds a place until it is evicted.

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

/// A place, until it is dropped.
#[derive(Debug)]
pub struct UnauthenticatedPlace {
    id: PlaceId,
    evicted: Arc<Notify>,
    unauthenticated: Arc<Unauthenticated>,
}

impl Unauthenticated {
    /// Free places.
    pub fn new(limits: PlaceLimits) -> Arc<Self> {
        let inner = Inner { places: Places::new(limits), holders: HashMap::new() };
        Arc::new(Self(Mutex::new(inner)))
    }

    /// Takes a place for a new connection. `true`: another one was evicted for it.
    pub fn enter(
        self: &Arc<Self>,
        origin: ClientOrigin,
        is_known: bool,
    ) -> (UnauthenticatedPlace, bool) {
        let mut inner = self.0.lock();
        let (id, other) = inner.places.enter(origin, is_known);
        let evicted = Arc::new(Notify::new());
        inner.holders.insert(id, Arc::clone(&evicted));
        let has_evicted = inner.notify_evicted(other);
        drop(inner);
        (UnauthenticatedPlace { id, evicted, unauthenticated: Arc::clone(self) }, has_evicted)
    }

    /// Evicts one connection to save another resource. `false`: there is none.
    pub fn evict(&self) -> bool {
        let mut inner = self.0.lock();
        let evicted = inner.places.evict();
        inner.notify_evicted(evicted)
    }
}

impl Inner {
    fn notify_evicted(&mut self, id: Option<PlaceId>) -> bool {
        let holder = id.and_then(|id| self.holders.remove(&id));
        if let Some(holder) = &holder {
            holder.notify_one();
        }
        holder.is_some()
    }
}

impl UnauthenticatedPlace {
    /// Waits until the place is evicted: then the connection must be closed at once.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for UnauthenticatedPlace {
    fn drop(&mut self) {
        let mut inner = self.unauthenticated.0.lock();
        inner.places.leave(self.id);
        inner.holders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_evicted_place_notifies_its_holder_and_a_dropped_one_is_free() {
        let limits = PlaceLimits { total: 2, per_origin: 2, kept_for_known: 0 };
        let unauthenticated = Unauthenticated::new(limits);
        let origin = ClientOrigin::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let (first, _) = unauthenticated.enter(origin, false);
        let (second, none) = unauthenticated.enter(origin, false);
        let (third, one) = unauthenticated.enter(origin, false);
        assert!(!none && one);
        assert_eq!(first.evicted().now_or_never(), Some(()));
        assert_eq!(second.evicted().now_or_never(), None);
        // An evicted place is free already.
        drop(first);
        assert_eq!(unauthenticated.0.lock().places.taken(), 2);
        drop(third);
        assert_eq!(unauthenticated.0.lock().places.taken(), 1);
        assert!(unauthenticated.evict() && !unauthenticated.evict());
        assert_eq!(second.evicted().now_or_never(), Some(()));
        drop(second);
        assert!(unauthenticated.0.lock().holders.is_empty());
    }
}
