//! Networking that every protocol shares: TCP, TLS, URLs, listeners, throttling, the clocks, limits on unauthenticated
//! clients, and sanitized texts; and the directories of files.

mod address_limiter;
mod budget;
mod client_address;
mod clock;
mod clock_watch;
mod connection_error;
mod descriptors;
mod directories;
mod faulty_stream;
mod forwarded;
mod ip_network;
mod ipv6;
mod link_faults;
mod listener;
mod machine_name;
mod pem;
mod postgres_url;
mod proxies;
mod proxy_header;
mod random_words;
mod remote_address;
mod sanitize;
mod secret;
mod settings;
mod store_place;
mod tcp;
mod throttle;
mod tls;
mod tls_handshakes;
mod unauthenticated;
pub mod url;

pub use address_limiter::AddressLimits;
pub use budget::{SharedRate, WorkBudget, WorkRate};
pub use client_address::ClientAddress;
pub use clock::Clock;
pub use clock_watch::{ClockFinding, ClockJump, ClockReport, ClockWatch};
pub use connection_error::ConnectionError;
pub use descriptors::{Descriptor, Descriptors};
pub use directories::{directory_of, sync_directory};
pub use faulty_stream::FaultyStream;
pub use ip_network::IpNetwork;
pub use ipv6::is_without_ipv6;
pub use link_faults::{FaultSettings, LINK_IS_CUT, LinkCarrier, LinkFaults, NodeFaults};
pub use listener::{BindError, Listener, NoDescriptor};
pub use machine_name::machine_name;
pub use postgres_url::{PostgresTls, PostgresUrl};
pub use proxies::{
    NamedProxy, ProxiedListener, Proxies, ProxySends, RequestOrigin, report_unnamed,
};
pub use proxy_header::{ProxyHeaderError, begins_as_proxy_header, read_proxy_header};
pub use random_words::{mask_random_words, mask_words_of_strangers};
pub use remote_address::RemoteAddress;
pub use sanitize::{
    describe_io_error, error_chain, sanitize, sanitize_answer, sanitize_bytes, sanitize_json,
};
pub use secret::{MASK, Secret};
pub use settings::{HttpAuth, HttpLimits, HttpMode, KeepAliveSettings, TransportSettings};
pub use store_place::StorePlace;
pub use tcp::connect_tcp;
pub use throttle::LogThrottle;
pub use tls::{
    ClientTls, HTTP_PROTOCOLS, ServerTls, TlsError, TlsFile, TlsName, TlsTrust, check_ca_file,
    check_server_files, database_tls, host_of_certificate,
};
pub use tls_handshakes::{TlsHandshakeWorker, TlsHandshakes};
pub use unauthenticated::{UnauthenticatedConnections, UnauthenticatedPermit};

pub use self::url::{BtpUrl, HttpUrl, PeerUrl, authority, is_loopback};
