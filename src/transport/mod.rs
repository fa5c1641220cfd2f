//! What all transports share: who may come in ([`Directory`], [`Token`]), how each peer stands ([`Peers`]), when to try
//! again ([`DialBackoff`]), TLS, the clock, the limits, and the context that holds them together, one per node.
//!
//! A transport (`btp`) is a room above this one and beside its siblings: it makes sessions of an account, and tells here
//! what becomes of them, so that health, metrics and log lines speak of peers and not of protocols.

mod backoff;
mod budget;
mod client_origin;
mod clock;
mod clock_watch;
mod close_reason;
mod context;
mod descriptors;
mod dial_control;
mod directory;
mod handshakes;
mod listener;
mod peer_status;
mod pem;
mod places;
mod random_words;
mod sanitize;
mod session_guard;
mod settings;
mod tcp;
mod throttle;
mod tls;
mod token;
mod unauthenticated;
pub mod url;

pub use self::url::{BtpUrl, Host, HttpUrl, PeerUrl, UrlError};
pub use backoff::{DialBackoff, Wait};
pub use budget::{Bucket, SharedRate, WorkRate};
pub use client_origin::ClientOrigin;
pub use clock::Clock;
pub use clock_watch::{ClockFinding, ClockJump, ClockReport};
pub use close_reason::{
    CloseReason, GOING_AWAY, NOT_UTF8, POLICY, PROTOCOL_ERROR, RECONFIGURED, TOO_BIG, Timeout,
};
pub use context::{HttpCounts, ServerCounts, TransportContext};
pub use descriptors::{Descriptor, Descriptors};
pub use dial_control::{DialControl, DialHandle, Waited};
pub use directory::{Directory, Login, Logins, NoRandomness};
pub use handshakes::HandshakeWorker;
pub use listener::{BindError, Listener};
#[cfg(test)]
pub use peer_status::RefusedLogin;
pub use peer_status::{
    AttemptFailure, PeerChange, PeerCounts, PeerEvent, PeerMistake, PeerSnapshot, PeerState,
    PeerStatus,
};
pub use places::PlaceLimits;
pub use random_words::without_random_words;
pub use sanitize::{harmless_json, io_words, sanitize, shown};
pub use session_guard::SessionGuard;
pub use settings::{HttpLimits, KeepAliveSettings, TransportSettings};
pub use tcp::{ConnectTcpError, connect_tcp};
pub use throttle::Throttle;
pub use tls::{
    ClientTls, HTTP_PROTOCOLS, ServerTls, TlsError, TlsFile, TlsName, TlsTrust, check_ca_file,
    check_server_files, explain_handshake, host_of_certificate,
};
pub use token::Token;
pub use unauthenticated::{Unauthenticated, UnauthenticatedPlace};
