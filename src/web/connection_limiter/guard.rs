//! An open connection, as its task holds it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, sleep_until};

use super::ConnectionLimiter;
use super::connection::{Connection, ConnectionEvent};
use crate::net::{ClientAddress, RemoteAddress, UnauthenticatedPermit};

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

    /// Counts the connection at another address from now on, in one step: that of the client, once its proxy has named
    /// it, and before it is anybody's. No other connection is admitted in between; a connection that was evicted or has
    /// to close does so there, too. `true`: the permit of another connection was evicted for it.
    pub(crate) fn move_to(&mut self, remote: RemoteAddress, is_known: bool) -> bool {
        let limiter = Arc::clone(&self.limiter);
        // A connection is evicted or closed under this lock, so nothing is decided about the old one meanwhile.
        let mut open = limiter.open.lock();
        let address = ClientAddress::from(remote);
        open.release_width(&self.connection);
        let is_wide = open.take_width(address, is_known);
        self.connection = Arc::new(self.connection.at(remote, is_known, is_wide));
        open.all.insert(self.connection.id, Arc::clone(&self.connection));
        self.permit.as_mut().is_some_and(|permit| permit.move_to(address, is_known))
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
        open.release_width(&self.connection);
    }
}
