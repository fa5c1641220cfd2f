//! What all transports share: who may come in ([`Directory`], [`Token`]), how each peer stands ([`Peers`]), when to try
//! again ([`Backoff`]), TLS, the clock, the limits, and the context that holds them together, one per node.
//!
//! A transport (`btp`) is a room above this one and beside its siblings: it makes sessions of an account, and tells here
//! what becomes of them, so that health, metrics and log lines speak of peers and not of protocols.

mod backoff;
mod budget;
mod clock;
mod clock_watch;
mod context;
mod descriptors;
mod dial;
mod directory;
mod ended;
mod events;
mod handshakes;
mod listener;
mod origin;
mod pem;
mod places;
mod random_words;
mod reach;
mod settings;
mod strangers;
mod text;
mod throttle;
mod tls;
mod token;
pub mod url;

pub use self::url::{BtpUrl, Host, HttpUrl, PeerUrl, UrlError};
pub use backoff::{Backoff, Wait};
pub use budget::{Bucket, Rate, SharedRate};
pub use clock::{Clock, Reading};
pub use clock_watch::{ClockReport, ClockWatch, Found, Jump};
pub use context::{HttpCounters, HttpCounts, ServerCounters, ServerCounts, TransportContext};
pub use descriptors::{Descriptor, Descriptors};
pub use dial::{DialHandle, DialOrders, Waited};
pub use directory::{Directory, Login, Logins, NoRandomness};
pub use ended::{Ended, GOING_AWAY, Loss, NOT_UTF8, POLICY, PROTOCOL_ERROR, RECONFIGURED, TOO_BIG};
pub use events::{
    AttemptFailure, Mistake, PeerChange, PeerCounts, PeerEvent, PeerSnapshot, PeerState,
    PeerStatus, Peers, RefusedLogin,
};
pub use handshakes::{HandshakeWorker, Handshakes};
pub use listener::{BindError, Listener};
pub use origin::{KnownOrigins, Origin};
pub use pem::PemError;
pub use places::{PlaceId, PlaceLimits, Places};
pub use random_words::without_random_words;
pub use reach::{ReachError, reach};
pub use settings::{HttpLimits, KeepAliveSettings, TransportSettings};
pub use strangers::{Place, Strangers};
pub use text::{foreign, harmless_json, io_words, shown};
pub use throttle::Throttle;
pub use tls::{
    ClientTls, HTTP_PROTOCOLS, NoTlsName, Protocols, ServerTls, TlsError, TlsFile, TlsName,
    TlsTrust, check_ca_file, check_server_files, explain_handshake, host_of_certificate,
};
pub use token::Token;
