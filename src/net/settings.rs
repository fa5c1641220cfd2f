//! Limits, timeouts and modes of all transports, with their defaults.

use std::time::Duration;

use super::address_limiter::AddressLimits;
use super::tls::TlsTrust;

/// Limits and timeouts of connections, the same for all sessions of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportSettings {
    /// From the accepted (or connected) socket to the end of the login: TLS, WebSocket handshake and BTP `auth`.
    pub auth_timeout: Duration,
    /// To resolve a host name and connect to it.
    pub connect_timeout: Duration,
    /// The unit of the delays between attempts to reach a peer: 1, 2, 4, 8, 16 and then always 30 units.
    pub retry_unit: Duration,
    /// Pings and timeouts of open sessions.
    pub keep_alive: KeepAliveSettings,
    /// Unauthenticated BTP sockets.
    pub unauthenticated: AddressLimits,
    /// Limits of the HTTP listener.
    pub http: HttpLimits,
    /// The longest WebSocket message, and so the longest BTP frame.
    pub message_bytes_max: usize,
    /// The trusted certificates of `wss://` and `https://` peers, beside those of the operating system.
    pub trust: TlsTrust,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            auth_timeout: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(10),
            retry_unit: Duration::from_secs(1),
            keep_alive: KeepAliveSettings::default(),
            unauthenticated: AddressLimits {
                total: 1024,
                per_address: 512,
                reserved_for_known: 256,
            },
            http: HttpLimits::default(),
            message_bytes_max: 64 * 1024,
            trust: TlsTrust::default(),
        }
    }
}

/// Limits of the HTTP listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Unauthenticated connections.
    pub unauthenticated: AddressLimits,
    /// Connections of all peers together, at least one.
    pub of_peers_max: usize,
    /// Connections of one peer, at least one.
    pub of_one_peer_max: usize,
    /// Requests on unauthenticated connections, from all addresses together; half of it from one.
    pub unauthenticated_requests_per_second: u32,
}

impl HttpLimits {
    /// These limits, lowered to `max` connections in all. A quarter of them may be unauthenticated.
    #[must_use]
    pub fn within(self, max: usize) -> Self {
        let unauthenticated = AddressLimits {
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
            unauthenticated: AddressLimits {
                total: 1024,
                per_address: 256,
                reserved_for_known: 256,
            },
            of_peers_max: 3072,
            of_one_peer_max: 1024,
            unauthenticated_requests_per_second: 1000,
        }
    }
}

/// How a peer answers a Prepare over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpMode {
    /// In the response; this is the mode that is deployed.
    #[default]
    Sync,
    /// By a request to this node's server (RFC 35 since 2026).
    Async,
}

/// The token that a node sends to a peer over HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HttpAuth {
    /// The secret itself.
    #[default]
    Simple,
    /// A JWT that is signed with the secret and valid for five minutes.
    Jwt,
}

/// Pings and timeouts of an open session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveSettings {
    /// Silence after which a ping is sent.
    pub interval: Duration,
    /// The longest time from a ping to the next byte of the peer.
    pub timeout: Duration,
    /// The longest time that our bytes may wait while the peer takes none.
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
