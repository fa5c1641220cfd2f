//! The unauthenticated connections of a listener: each holds a permit until it is evicted.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::address_limiter::{AddressLimiter, AddressLimits, ConnectionNumber};
use super::client_address::ClientAddress;

/// Shared by a listener and its connections.
#[derive(Debug)]
pub struct UnauthenticatedConnections(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    limiter: AddressLimiter,
    holders: HashMap<ConnectionNumber, Arc<Notify>>,
}

/// Permits one unauthenticated connection; released on drop.
#[derive(Debug)]
pub struct UnauthenticatedPermit {
    id: ConnectionNumber,
    evicted: Arc<Notify>,
    unauthenticated: Arc<UnauthenticatedConnections>,
}

impl UnauthenticatedConnections {
    pub fn new(limits: AddressLimits) -> Arc<Self> {
        let inner = Inner { limiter: AddressLimiter::new(limits), holders: HashMap::new() };
        Arc::new(Self(Mutex::new(inner)))
    }

    /// A permit for a new connection. `true`: another one was evicted for it.
    pub fn admit(
        self: &Arc<Self>,
        address: ClientAddress,
        is_known: bool,
    ) -> (UnauthenticatedPermit, bool) {
        let mut inner = self.0.lock();
        let (id, other) = inner.limiter.admit(address, is_known);
        let evicted = Arc::new(Notify::new());
        inner.holders.insert(id, Arc::clone(&evicted));
        let has_evicted = inner.notify_evicted(other);
        drop(inner);
        (UnauthenticatedPermit { id, evicted, unauthenticated: Arc::clone(self) }, has_evicted)
    }

    /// Evicts one connection to save another resource. `false`: there is none.
    pub fn evict_one(&self) -> bool {
        let mut inner = self.0.lock();
        let evicted = inner.limiter.evict_oldest_of_largest();
        inner.notify_evicted(evicted)
    }
}

impl Inner {
    fn notify_evicted(&mut self, id: Option<ConnectionNumber>) -> bool {
        let holder = id.and_then(|id| self.holders.remove(&id));
        if let Some(holder) = &holder {
            holder.notify_one();
        }
        holder.is_some()
    }
}

impl UnauthenticatedPermit {
    /// Counts the connection at another address from now on: that of the client, once its proxy has named it. An
    /// evicted permit stays evicted. `true`: another one was evicted for it.
    pub fn move_to(&mut self, address: ClientAddress, is_known: bool) -> bool {
        let mut inner = self.unauthenticated.0.lock();
        let Some(holder) = inner.holders.remove(&self.id) else { return false };
        inner.limiter.release(self.id);
        let (id, other) = inner.limiter.admit(address, is_known);
        inner.holders.insert(id, holder);
        self.id = id;
        inner.notify_evicted(other)
    }

    /// Waits until the permit is evicted: then the connection must be closed at once.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for UnauthenticatedPermit {
    fn drop(&mut self) {
        let mut inner = self.unauthenticated.0.lock();
        inner.limiter.release(self.id);
        inner.holders.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_evicted_permit_notifies_its_holder_and_a_dropped_one_is_released() {
        let limits = AddressLimits { total: 2, per_address: 2, reserved_for_known: 0 };
        let unauthenticated = UnauthenticatedConnections::new(limits);
        let address = ClientAddress::from(std::net::IpAddr::from([10, 0, 0, 1]));
        let (first, _) = unauthenticated.admit(address, false);
        let (second, none) = unauthenticated.admit(address, false);
        let (third, one) = unauthenticated.admit(address, false);
        assert!(!none && one);
        assert_eq!(first.evicted().now_or_never(), Some(()));
        assert_eq!(second.evicted().now_or_never(), None);
        // An evicted permit is released already.
        drop(first);
        assert_eq!(unauthenticated.0.lock().limiter.len(), 2);
        drop(third);
        assert_eq!(unauthenticated.0.lock().limiter.len(), 1);
        assert!(unauthenticated.evict_one() && !unauthenticated.evict_one());
        assert_eq!(second.evicted().now_or_never(), Some(()));
        drop(second);
        assert!(unauthenticated.0.lock().holders.is_empty());
    }

    #[test]
    fn a_moved_permit_counts_at_its_new_address() {
        let limits = AddressLimits { total: 9, per_address: 1, reserved_for_known: 0 };
        let unauthenticated = UnauthenticatedConnections::new(limits);
        let at = |n: u8| ClientAddress::from(std::net::IpAddr::from([10, 0, 0, n]));
        let (mut first, _) = unauthenticated.admit(at(1), false);
        assert!(!first.move_to(at(2), false));
        let (mut second, _) = unauthenticated.admit(at(1), false);
        assert_eq!(first.evicted().now_or_never(), None, "it has left the address");
        assert!(second.move_to(at(2), false), "the limit of the new address holds");
        assert_eq!(first.evicted().now_or_never(), Some(()));
        assert!(!first.move_to(at(3), false), "an evicted permit is not admitted again");
        assert_eq!(unauthenticated.0.lock().limiter.len(), 1);
        drop((first, second));
        assert_eq!(unauthenticated.0.lock().limiter.len(), 0);
        assert!(unauthenticated.0.lock().holders.is_empty());
    }
}
