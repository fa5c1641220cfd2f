//! The keys of a node, with those of `tls` and `ping`.

use std::path::PathBuf;

use super::guests::GuestSettings;
use super::key_types::{
    AssetCode, EventKinds, Host, HostNames, Integer, KeySet, LogLevel, Millis, Moment, Nested,
    Port, Scopes,
};
use super::peer_keys::{PeerSettings, ReceiverSettings};
use super::route_keys::{RateSettings, RateSourceSettings, RouteSettings};
use super::settings::{Durability, Routing};
use super::value_kind::ValueKind;
use crate::account::{AccountId, Spread};
use crate::net::Secret;
use crate::net::{HttpUrl, IpNetwork, ProxiedListener, ProxySends, StorePlace};
use crate::wire::Address;

/// Milliseconds of a day, the longest of all times.
const DAY_MS: u64 = 86_400_000;

keys! {
    /// The keys of a node, as a node file or an entry of `nodes` sets them.
    NodeSettings, NodeDraft, NodeKeys as NODE {
        /// Name of the node. It logs in with this name at peers that it dials. Without a file: `node`.
        restart nodeId => node_id: AccountId,
        /// The node's own ILP address. Default: asked from the parent if there is one, else
        /// `<scheme>.<nodeId>`, with the scheme of its routes, or `test`.
        live ilpAddress => ilp_address: Option<Address>,
        /// Address that the BTP server listens on.
        restart btpServerHost => btp_server_host: Host = "0.0.0.0",
        /// Port of the BTP server; 0 picks a free one.
        restart btpServerPort => btp_server_port: Port = "3000",
        /// Address that the HTTP server listens on, for ILP over HTTP and SPSP.
        restart httpServerHost => http_server_host: Host = "0.0.0.0",
        /// Port of the HTTP server; 0 picks a free one. Default: no HTTP server.
        restart httpServerPort => http_server_port: Option<Port>,
        /// URL at which peers reach the HTTP server, for `httpMode: async`: peers are asked to send answers to
        /// `<this>/accounts/<username>/ilp`. Default: not sent; the peers must know the URL by agreement.
        live httpPublicUrl => http_public_url: Option<HttpUrl>,
        /// Connections of all peers to the HTTP server. One more closes a connection of the peer
        /// with most, an idle one if possible.
        restart httpMaxConnections => http_max_connections: Integer<usize, 1, 1_000_000> = "3072",
        /// Of these, connections of one peer. One more closes its least recently used idle
        /// connection; if none is idle, it gets 429.
        restart httpMaxConnectionsPerPeer => http_max_connections_per_peer: Integer<usize, 1, 1_000_000> = "1024",
        /// Connections to the HTTP server on which no peer has authenticated, such as those of SPSP
        /// clients. One more closes the oldest of the address with most.
        restart httpMaxUnauthenticated => http_max_unauthenticated: Integer<usize, 1, 1_000_000> = "1024",
        /// Of these, connections of one IPv4 address or one IPv6 /64. One more closes its oldest.
        /// Behind a proxy that `proxies` does not name, all clients have the proxy's address.
        restart httpMaxUnauthenticatedPerAddress => http_max_unauthenticated_per_address: Integer<usize, 1, 1_000_000> = "256",
        /// Of `httpMaxUnauthenticated`, places reserved for addresses that a peer has logged in
        /// from since the start; at most half.
        restart httpKeptForKnownAddresses => http_kept_for_known_addresses: Integer<usize, 0, 1_000_000> = "256",
        /// Requests per second on connections on which no peer has authenticated, at most half of
        /// them from one address; above it 503. Requests with packets have a limit of their own.
        restart httpStrangerRequestsPerSecond => http_stranger_requests_per_second: Integer<u32, 1, 1_000_000> = "1000",
        /// Serve `wss` instead of `ws`, and `https` instead of `http`.
        restart tls => tls: Option<Nested<TlsFiles>>,
        /// Certificates (PEM) to trust for peers with a `wss` or `https` URL, in addition to the
        /// system's (or those in the variable `SSL_CERT_FILE`): authorities, or the peers' own.
        /// Read again when it changes. The tools use it too.
        restart caFile => ca_file: Option<PathBuf>,
        /// A door for programs of this machine without any settings: with any token they get an account of their own.
        /// `guests: {}` opens it. Default: there is none.
        restart guests => guests: Option<Nested<GuestSettings>>,
        /// Address that the server for health, metrics and the API listens on.
        restart healthCheckHost => health_check_host: Host = "0.0.0.0",
        /// Port of health, metrics and API; 0 picks a free one.
        restart healthCheckPort => health_check_port: Port = "8080",
        /// Address that the listener for settlement engines listens on. Only they may reach it.
        restart settlementHost => settlement_host: Host = "127.0.0.1",
        /// Port of the listener for settlement engines (RFC 38); 0 picks a free one. Default: no listener.
        restart settlementPort => settlement_port: Option<Port>,
        /// Bearer token that settlement engines must send to that listener. Default: none is required, as in RFC 38.
        live settlementToken | settlementTokenFile => settlement_token: Option<Secret>,
        /// The operator's bearer token for `/metrics`, `/peers`, `/routes`, `/ledger/changes` and `/api/v1`. It allows
        /// everything. Default: without it and `apiTokens`, no token is required, and nothing can be changed.
        live apiToken | apiTokenFile => api_token: Option<Secret>,
        /// Without any token, `/peers`, `/routes` and `/api/v1` answer only if the `Host` is an IP address,
        /// `localhost`, a name without a dot, `healthCheckHost`, or one of these names. This keeps out foreign web
        /// pages in a browser.
        live apiHosts => api_hosts: Option<HostNames>,
        /// File with a line for each change through the API, and for each one that was refused. With a `/` at the end
        /// it is a directory, and the file in it is `<nodeId>.audit.jsonl`. A relative path starts at the directory of
        /// the configuration file. While it cannot be written, nothing can be changed. Default: none.
        live auditLog => audit_log: Option<PathBuf>,
        /// `error`, `warn`, `info`, `debug`, `trace` or `off`, and `target=level` pairs, separated
        /// by commas: `info,btp=debug`. Targets are the rooms of the program and `packets`.
        live logLevel => log_level: LogLevel = "info",
        /// Log every packet, even if `logLevel` does not include it (`debug`, or `packets=debug`).
        live packetLog => packet_log: bool = "false",
        /// URL of a collector of OpenTelemetry (OTLP over HTTP), such as `http://127.0.0.1:4318`: one packet of
        /// `otlpOneIn` becomes a span there. Default: none.
        live otlpUrl => otlp_url: Option<HttpUrl>,
        /// Bearer token that the collector asks for. Default: none is sent.
        live otlpToken | otlpTokenFile => otlp_token: Option<Secret>,
        /// One packet of how many becomes a span. Give all nodes the same, so that traces are whole.
        live otlpOneIn => otlp_one_in: Integer<u32, 1, 1_000_000_000> = "1000",
        /// Asset of accounts without an asset of their own. If neither is set, it is adopted from the parent.
        live assetCode => asset_code: AssetCode = "USD",
        /// Decimal places of the units of those accounts. If neither is set, it is adopted from the parent.
        live assetScale => asset_scale: Integer<u8, 0, 38> = "9",
        /// File that keeps the balances (SQLite). With a `/` at the end it is a directory, and the file in it is
        /// `<nodeId>.db`. A relative path starts at the directory of the configuration file. Or a database of
        /// PostgreSQL: `postgres://user:password@host/database`. Default: none; balances end with the process.
        restart store => store: Option<StorePlace>,
        /// The share of each amount that the node keeps when it converts one asset code to another, for example
        /// `"0.002"`, unless the pair in `rates` or the peer sets its own.
        live spread => spread: Spread = "0",
        /// When a packet that moves money may leave: `strict`, once the store has saved it; `batched`, at once, and the
        /// store saves it within `storeIntervalMs`.
        live durability => durability: Durability = "batched",
        /// With `durability: batched`, the store begins to save a packet at most this long after it.
        live storeIntervalMs => store_interval: Millis<1, 60_000> = "20",
        /// With a `store`, the node compares its books with those of each connected peer so often, and at each link-up.
        live reconcileIntervalMs => reconcile_interval: Millis<1_000, 86_400_000> = "300000",
        /// The secrets of connections to receivers are derived from it: 32 random characters or
        /// more. Default: random at each start, so that a restart ends open connections.
        live receiverSecret | receiverSecretFile => receiver_secret: Option<Secret>,
        /// `dynamic`: the node exchanges routes with its peers (CCP), and none are computed from a
        /// topology. `static`: only with peers that set `sendRoutes` or `receiveRoutes`.
        live routing => routing: Routing = "static",
        /// Time between two updates of our routes when nothing changes. Also the grace period for
        /// routes of a silent peer after its hold-down, and the time that a peer has for its first
        /// update until it is asked again.
        live routeBroadcastIntervalMs => route_broadcast_interval: Millis<100, 3_600_000> = "30000",
        /// How long a peer keeps our routes without an update. Not below the interval.
        live routeHoldDownMs => route_hold_down: Millis<100, 3_600_000> = "45000",
        /// Which pings the node answers at its own address.
        live ping => ping: Nested<PingToggles>,
        /// Time that this hop takes off a packet's expiry, for the way back. A packet that would reach the next hop
        /// with less than this time is rejected (R02), so a packet needs twice as much here.
        live minMessageWindowMs => min_message_window: Millis<0, 60_000> = "1000",
        /// The longest time that a packet may take from this hop on.
        live maxHoldTimeMs => max_hold_time: Millis<1, 600_000> = "30000",
        /// Time for a session to authenticate.
        restart authTimeoutMs => auth_timeout: Millis<1, 600_000> = "5000",
        /// Time of silence after which a session is pinged.
        restart keepAliveIntervalMs => keep_alive_interval: Millis<1, DAY_MS> = "20000",
        /// Time for the answer to that ping; then the session is closed.
        restart keepAliveTimeoutMs => keep_alive_timeout: Millis<1, DAY_MS> = "10000",
        /// A session that takes no bytes for this long is closed.
        restart writeTimeoutMs => write_timeout: Millis<1, DAY_MS> = "30000",
        /// After this time `/health` says `unhealthy` instead of `starting`.
        live startTimeoutMs => start_timeout: Millis<0, DAY_MS> = "30000",
        /// Time for packets in flight to finish at shutdown.
        live shutdownGraceMs => shutdown_grace: Millis<0, 600_000> = "8000",
        /// Accepted BTP sockets that have not authenticated yet. One more closes the oldest of the address with most.
        restart maxUnauthenticated => max_unauthenticated: Integer<usize, 1, 1_000_000> = "1024",
        /// Of these, sockets of one IPv4 address or one IPv6 /64. One more closes its oldest.
        restart maxUnauthenticatedPerAddress => max_unauthenticated_per_address: Integer<usize, 1, 1_000_000> = "512",
        /// Of `maxUnauthenticated`, places reserved for addresses that a peer has logged in from
        /// since the start; at most half.
        restart keptForKnownAddresses => kept_for_known_addresses: Integer<usize, 0, 1_000_000> = "256",
        /// Threads that move packets. One is the most efficient.
        restart workerThreads => worker_threads: Integer<usize, 1, 256> = "1",
    by hand:
        /// The peers of the node. Default: none.
        optional peers => peers: ValueKind::List(PeerSettings::KEYS),
        /// Accounts that STREAM senders pay, at `<ilpAddress>.<id>`. Default: none.
        optional receivers => receivers: ValueKind::List(ReceiverSettings::KEYS),
        /// Further bearer tokens, each for what its scopes allow. Default: none.
        optional apiTokens => api_tokens: ValueKind::List(ApiTokenSettings::KEYS),
        /// Where events go that the store keeps (Standard Webhooks). Default: none.
        optional webhooks => webhooks: ValueKind::List(WebhookSettings::KEYS),
        /// Reverse proxies in front of the listeners, which say where their clients connected from. No other address
        /// is believed. Default: none; a client's address is that of its socket.
        optional proxies => proxies: ValueKind::List(ProxySettings::KEYS),
        /// Static routes. Children and a default route to the parent need none. Default: none;
        /// computed in a topology file.
        optional routes => routes: ValueKind::List(RouteSettings::KEYS),
        /// Exchange rates between assets. Default: none.
        optional rates => rates: ValueKind::List(RateSettings::KEYS),
        /// Where further rates come from, the preferred source first. `rates` win. Default: none.
        optional rateSources => rate_sources: ValueKind::List(RateSourceSettings::KEYS),
    }
}

keys! {
    /// The keys of a token in `apiTokens`.
    ApiTokenSettings, ApiTokenDraft, ApiTokenKeys as API_TOKEN {
        /// Name of the token, for logs and audit.
        live id => id: AccountId,
        /// The bearer token itself.
        live token | tokenFile => token: Secret,
        /// What it allows: `read` (nodes, links, routes, events, balances and metrics), `packets` (single packets, and
        /// the last lines of the log), `operate` (changes of any kind), `audit` (who has changed something).
        live scopes => scopes: Scopes,
        /// Binds it to this peer, whose operator may then see what this node decides about the peer's packets, and the
        /// peer's balance; names and figures of others are left out. Default: it shows everything.
        live peer => peer: Option<AccountId>,
        /// From this moment on it is refused: a date and a time in UTC, such as `2027-01-31T12:00:00Z`, or a date.
        live expires => expires: Option<Moment>,
    }
}

keys! {
    /// The keys of a webhook.
    WebhookSettings, WebhookDraft, WebhookKeys as WEBHOOK {
        /// Name of the webhook, for logs, commands and the store, which knows by it what was delivered.
        live id => id: AccountId,
        /// Where events are posted. Redirects are not followed.
        live url => url: HttpUrl,
        /// Signs the events: `whsec_` and 24 to 64 random bytes in base64, as
        /// `echo whsec_$(openssl rand -base64 32)` prints.
        live secret | secretFile => secret: Option<Secret>,
        /// Instead of `secret`, up to four secrets, each of which makes a signature, so that a receiver can change from
        /// one to the next.
        live secrets | secretFiles => secrets: Option<Vec<Secret>>,
        /// The events that it gets, such as `[exposure.high, peer.down]`. Default: all that the store keeps.
        live events => events: Option<EventKinds>,
    }
}

impl WebhookSettings {
    /// Its secrets, of which there is at least one.
    pub fn all_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secret.iter().chain(self.secrets.iter().flatten())
    }
}

keys! {
    /// The keys of a proxy.
    ProxySettings, ProxyDraft, ProxyKeys as PROXY {
        /// Where it connects from: an IP address, or a network such as `10.0.0.0/8`. The first item that fits counts.
        live address => address: IpNetwork,
        /// How it says where a client connected from: `proxyProtocol` (a header of version 1 or 2 of the PROXY protocol
        /// begins each connection, else it is refused), `forwarded` (the header `Forwarded` in each request) or
        /// `xForwardedFor` (`X-Forwarded-For`). The proxy must overwrite or append to what clients send themselves.
        live sends => sends: ProxySends,
        /// The listener that it connects to: `btp`, `http` or `api`. Default: all; with `proxyProtocol`, `btp` and
        /// `http`.
        live listener => listener: Option<ProxiedListener>,
    }
}

keys! {
    /// The keys of `tls`: certificate and key of the listeners.
    TlsFiles, TlsDraft, TlsKeys as TLS {
        /// Certificate chain (PEM). Read again when it changes.
        restart certificate => certificate: PathBuf,
        /// Its private key (PEM). Read again when it changes.
        restart key => key: PathBuf,
    }
}

keys! {
    /// The keys of `ping`.
    PingToggles, PingDraft, PingKeys as PING {
        /// Answer the echo protocol (a packet goes back to the requester).
        live echo => echo: bool = "true",
        /// Fulfill pings with the well-known condition.
        live knownCondition => known_condition: bool = "true",
    }
}
