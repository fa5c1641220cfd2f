//! The limits and lengths of time of all transports, with the defaults of the house.

use std::time::Duration;

use super::places::PlaceLimits;
use super::tls::TlsTrust;

/// What bounds a session, before and after it is authenticated. The same for every session of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportSettings {
    /// From the accepted (or connected) socket to the end of authentication: TLS, WebSocket handshake and BTP `auth`.
    pub auth_timeout: Duration,
    /// For resolving a host name and connecting to it.
    pub connect_timeout: Duration,
    /// The unit of the waits between attempts to reach a peer: 1, 2, 4, 8, 16 and then always 30 of it.
    pub retry_unit: Duration,
    /// Silence, pings and stalled writes.
    pub keep_alive: KeepAliveSettings,
    /// Accepted BTP sockets that have not authenticated yet.
    pub unauthenticated: PlaceLimits,
    /// What bounds the HTTP listener.
    pub http: HttpLimits,
    /// The longest WebSocket message, in bytes, and so the longest BTP frame.
    pub message_bytes_max: usize,
    /// Whom `wss://` and `https://` peers are believed, beside the authorities of the operating system.
    pub trust: TlsTrust,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            retry_unit: Duration::from_secs(1),
            keep_alive: KeepAliveSettings::default(),
            unauthenticated: PlaceLimits { total: 1024, per_origin: 512, kept_for_known: 256 },
            http: HttpLimits::default(),
            message_bytes_max: 64 * 1024,
            trust: TlsTrust::default(),
        }
    }
}

/// What bounds the HTTP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Connections on which no peer has authenticated.
    pub unauthenticated: PlaceLimits,
    /// Connections of all peers together, at least one.
    pub of_peers_max: usize,
    /// Connections of one peer, at least one.
    pub of_one_peer_max: usize,
    /// Requests on connections on which no peer has authenticated, from all addresses together; half of it from one.
    pub stranger_requests_per_second: u32,
}

impl HttpLimits {
    /// The same where there are no more than `max` connections in all: a quarter of them for those that have not
    /// authenticated.
    #[must_use]
    pub fn within(self, max: usize) -> Self {
        let unauthenticated = PlaceLimits {
            total: self.unauthenticated.total.min(max / 4).max(1),
            ..self.unauthenticated
        };
        let of_peers_max = self.of_peers_max.min(max - max / 4).max(1);
        Self { unauthenticated, of_peers_max, ..self }
    }
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            unauthenticated: PlaceLimits { total: 1024, per_origin: 256, kept_for_known: 256 },
            of_peers_max: 3072,
            of_one_peer_max: 1024,
            stranger_requests_per_second: 1000,
        }
    }
}

/// The three lengths of time of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveSettings {
    /// Silence after which a ping is sent.
    pub interval: Duration,
    /// How long after a ping the first byte must have arrived.
    pub timeout: Duration,
    /// How long what we have to say may wait without one byte being taken.
    pub write_stall: Duration,
}

/// D20.
impl Default for KeepAliveSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(20),
            timeout: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
        }
    }
}
