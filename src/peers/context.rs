//! The context that all sessions of a node share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::known_origins::KnownOrigins;
use super::peer_status::Peers;
use crate::connector::Connector;
use crate::net::{
    ClientTls, Clock, ClockWatch, Descriptors, Handshakes, TlsError, TransportSettings,
};

/// The connector, the status of all peers, the clock and the limits of a node.
#[derive(Debug)]
pub struct TransportContext {
    /// Handles all packets.
    pub connector: Arc<Connector>,
    /// The status of all peers.
    pub peers: Peers,
    /// The origins that peers have logged in from.
    pub known_origins: KnownOrigins,
    /// The clock of this node.
    pub clock: Clock,
    /// Detects steps of the time of day.
    pub clock_watch: ClockWatch,
    /// Limits and timeouts.
    pub settings: TransportSettings,
    /// The trusted certificates of dialled servers.
    pub client_tls: ClientTls,
    /// Runs TLS handshakes.
    pub handshakes: Arc<Handshakes>,
    /// The open files that accepted connections may take, of the whole process.
    pub descriptors: Descriptors,
    /// The last second (Unix time) of the listeners' certificate, 0 if unknown. Unset without TLS.
    pub certificate_expiry: OnceLock<Arc<AtomicU64>>,
    /// Counters of the BTP listener.
    pub server_counts: ServerCounters,
    /// Counters of the HTTP listener.
    pub http_counts: HttpCounters,
}

/// Counters of the BTP listener.
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

/// A copy of the counters of the BTP listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerCounts {
    /// Accepted sockets.
    pub accepted: u64,
    /// Sockets that were closed because there were too many unauthenticated ones.
    pub over_limit: u64,
    /// Sockets that ended before a login: no TLS, no WebSocket, no BTP, or a timeout.
    pub failed_handshakes: u64,
    /// Refused logins.
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

/// A copy of the counters of the HTTP listener.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HttpCounts {
    /// Accepted sockets.
    pub accepted: u64,
    /// Connections that were closed because there were too many unauthenticated ones.
    pub over_limit: u64,
    /// Sockets whose TLS handshake failed.
    pub failed_handshakes: u64,
    /// Requests of all kinds.
    pub requests: u64,
    /// Requests for a peer's account with a wrong token, or without one.
    pub refused_logins: u64,
}

impl TransportContext {
    /// Reads the CA file of the settings. Open files are not limited.
    pub fn new(
        connector: Arc<Connector>,
        clock: Clock,
        settings: TransportSettings,
    ) -> Result<Arc<Self>, TlsError> {
        let client_tls = ClientTls::load(settings.trust.clone())?;
        Ok(Self::with_tls(connector, clock, settings, client_tls, Descriptors::default()))
    }

    /// A context with TLS settings that are loaded already, and a limit on the open files of accepted connections.
    pub fn with_tls(
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

    /// The counters of the BTP listener.
    pub fn server_counts(&self) -> ServerCounts {
        let counters = &self.server_counts;
        ServerCounts {
            accepted: counters.accepted.load(Ordering::Relaxed),
            over_limit: counters.over_limit.load(Ordering::Relaxed),
            failed_handshakes: counters.failed_handshakes.load(Ordering::Relaxed),
            refused_logins: counters.refused_logins.load(Ordering::Relaxed),
        }
    }

    /// The counters of the HTTP listener.
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
