//! An open connection, as its task holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until};

use super::ConnectionLimiter;
use super::connection::{Connection, ConnectionEvent};
use crate::net::{ClientAddress, UnauthenticatedPermit};

/// An admitted connection. Dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct ConnectionGuard {
    connection: Arc<Connection>,
    limiter: Arc<ConnectionLimiter>,
    /// Until a peer has authenticated.
    pub(super) permit: Option<UnauthenticatedPermit>,
    /// The end of the grace period, once the permit is evicted.
    evicted_at: Option<Instant>,
    reported_outgrown: bool,
}

impl ConnectionGuard {
    pub(super) fn new(
        connection: Arc<Connection>,
        limiter: Arc<ConnectionLimiter>,
        permit: UnauthenticatedPermit,
    ) -> Self {
        let (permit, evicted_at, reported_outgrown) = (Some(permit), None, false);
        Self { connection, limiter, permit, evicted_at, reported_outgrown }
    }

    /// Waits for the next event; each is reported once. Dropping the future loses nothing.
    pub(crate) async fn next_event(&mut self) -> ConnectionEvent {
        loop {
            if let Some(event) = self.take_event() {
                return event;
            }
            let lost = async {
                match (&self.permit, self.evicted_at) {
                    (None, _) => std::future::pending().await,
                    (Some(permit), None) => permit.evicted().await,
                    (Some(_), Some(at)) => sleep_until(at).await,
                }
            };
            tokio::select! {
                biased;
                () = self.connection.changed.notified() => {}
                () = lost => {
                    if self.evicted_at.is_some() || self.connection.has_had_requests() {
                        return ConnectionEvent::Evicted;
                    }
                    self.evicted_at = Some(Instant::now() + self.limiter.limits.eviction_grace);
                    self.connection.may_only_log_in.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    pub(super) fn take_event(&mut self) -> Option<ConnectionEvent> {
        if self.connection.evicted.load(Ordering::Relaxed) {
            return Some(ConnectionEvent::Evicted);
        }
        if self.connection.close_requested.swap(false, Ordering::Relaxed) {
            return Some(ConnectionEvent::Close);
        }
        if self.permit.is_some() && self.connection.is_owned() {
            (self.permit, self.evicted_at) = (None, None);
            return Some(ConnectionEvent::Owned);
        }
        if self.permit.is_some() && self.connection.is_stream() {
            (self.permit, self.evicted_at) = (None, None);
            return Some(ConnectionEvent::Streams);
        }
        if !self.reported_outgrown && self.connection.outgrown.load(Ordering::Relaxed) {
            self.reported_outgrown = true;
            return Some(ConnectionEvent::Outgrown);
        }
        None
    }
}

impl std::ops::Deref for ConnectionGuard {
    type Target = Arc<Connection>;

    fn deref(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        let mut open = self.limiter.open.lock();
        open.all.remove(&self.connection.id);
        open.remove_from_owner(&self.connection);
        if self.connection.is_wide {
            let address = ClientAddress::from(self.connection.remote);
            if let Some(wide) = open.wide_by_address.get_mut(&address) {
                *wide -= 1;
                if *wide == 0 {
                    open.wide_by_address.remove(&address);
                }
            }
        }
    }
}
