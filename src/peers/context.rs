//! What all sessions of a node share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::peer_status::Peers;
use crate::connector::Connector;
use crate::net::Clock;
use crate::net::ClockWatch;
use crate::net::Descriptors;
use crate::net::Handshakes;
use crate::net::KnownOrigins;
use crate::net::TransportSettings;
use crate::net::{ClientTls, TlsError};

/// One per node: the connector that packets go to, the peers' states, the clock and the limits.
#[derive(Debug)]
pub struct TransportContext {
    /// Where packets go.
    pub connector: Arc<Connector>,
    /// What becomes of each peer's connection.
    pub peers: Peers,
    /// Where peers have logged in from.
    pub known_origins: KnownOrigins,
    /// The clock of this node.
    pub clock: Clock,
    /// Whether its clocks go together.
    pub clock_watch: ClockWatch,
    /// Limits and lengths of time.
    pub settings: TransportSettings,
    /// Whom a dialling node trusts.
    pub client_tls: ClientTls,
    /// Where TLS handshakes are computed.
    pub handshakes: Arc<Handshakes>,
    /// The open files that accepted connections may take, of the whole process.
    pub descriptors: Descriptors,
    /// The last second (Unix time) of the listeners' certificate, where they have one; 0: it cannot be told.
    pub certificate_expiry: OnceLock<Arc<AtomicU64>>,
    /// What arrives at the BTP listener.
    pub server_counts: ServerCounters,
    /// What arrives at the HTTP listener.
    pub http_counts: HttpCounters,
}

/// Counters of what arrives at the listener before it is known whose it is.
#[derive(Debug, Default)]
pub struct ServerCounters {
    /// See [`ServerCounts::accepted`].
    pub accepted: AtomicU64,
    /// See [`ServerCounts::over_limit`].
    pub over_limit: AtomicU64,
    /// See [`ServerCounts::failed_handshakes`].
    pub failed_handshakes: AtomicU64,
    /// See [`ServerCounts::refused_logins`].
    pub refused_logins: AtomicU64,
}

/// A plain copy of the listener's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Sockets that were accepted.
    pub accepted: u64,
    /// Sockets that were closed at once, because too many had not authenticated yet.
    pub over_limit: u64,
    /// Sockets that never came as far as a login: no TLS, no WebSocket, nothing in time, not BTP.
    pub failed_handshakes: u64,
    /// Logins that were refused.
    pub refused_logins: u64,
}

/// Counters of the HTTP listener.
#[derive(Debug, Default)]
pub struct HttpCounters {
    /// See [`HttpCounts::accepted`].
    pub accepted: AtomicU64,
    /// See [`HttpCounts::over_limit`].
    pub over_limit: AtomicU64,
    /// See [`HttpCounts::failed_handshakes`].
    pub failed_handshakes: AtomicU64,
    /// See [`HttpCounts::requests`].
    pub requests: AtomicU64,
    /// See [`HttpCounts::refused_logins`].
    pub refused_logins: AtomicU64,
}

/// A plain copy of the HTTP listener's counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Sockets that were accepted.
    pub accepted: u64,
    /// Connections that were closed for others, because too many had not authenticated.
    pub over_limit: u64,
    /// Sockets whose TLS handshake failed.
    pub failed_handshakes: u64,
    /// Requests of all kinds.
    pub requests: u64,
    /// Requests for a peer's account with a wrong token, or without one.
    pub refused_logins: u64,
}

impl TransportContext {
    /// Reads the CA file, if the settings name one. Connections may take as many open files as there are.
    pub fn new(
        connector: Arc<Connector>,
        clock: Clock,
        settings: TransportSettings,
    ) -> Result<Arc<Self>, TlsError> {
        let client_tls = ClientTls::load(settings.trust.clone())?;
        Ok(Self::with(connector, clock, settings, client_tls, Descriptors::default()))
    }

    /// The same, where the CA file has been read and accepted connections may take only some of the process's open files.
    pub fn with(
        connector: Arc<Connector>,
        clock: Clock,
        settings: TransportSettings,
        client_tls: ClientTls,
        descriptors: Descriptors,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            peers: Peers::default(),
            known_origins: KnownOrigins::default(),
            clock,
            clock_watch: ClockWatch::default(),
            handshakes: Handshakes::new(settings.unauthenticated),
            descriptors,
            settings,
            client_tls,
            certificate_expiry: OnceLock::new(),
            server_counts: ServerCounters::default(),
            http_counts: HttpCounters::default(),
        })
    }

    /// The listener's counters.
    pub fn server_counts(&self) -> ServerCounts {
        let counters = &self.server_counts;
        ServerCounts {
            accepted: counters.accepted.load(Ordering::Relaxed),
            over_limit: counters.over_limit.load(Ordering::Relaxed),
            failed_handshakes: counters.failed_handshakes.load(Ordering::Relaxed),
            refused_logins: counters.refused_logins.load(Ordering::Relaxed),
        }
    }

    /// The HTTP listener's counters.
    pub fn http_counts(&self) -> HttpCounts {
        let counters = &self.http_counts;
        HttpCounts {
            accepted: counters.accepted.load(Ordering::Relaxed),
            over_limit: counters.over_limit.load(Ordering::Relaxed),
            failed_handshakes: counters.failed_handshakes.load(Ordering::Relaxed),
            requests: counters.requests.load(Ordering::Relaxed),
            refused_logins: counters.refused_logins.load(Ordering::Relaxed),
        }
    }
}
