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
            message_bytes_max: 64 * 1024,
            trust: TlsTrust::default(),
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
