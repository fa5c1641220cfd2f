//! The tables of keys, see `keys`.

use super::keys::{KeyInfo, ValueKind};
use super::tables_parts::{PING, RATE, ROUTE, TLS};

pub(super) const fn key(
    name: &'static str,
    kind: ValueKind,
    default: Option<&'static str>,
    about: &'static str,
) -> KeyInfo {
    KeyInfo { name, kind, default, live: true, about }
}

/// A key that only a restart can change.
pub(super) const fn fixed(
    name: &'static str,
    kind: ValueKind,
    default: Option<&'static str>,
    about: &'static str,
) -> KeyInfo {
    KeyInfo { name, kind, default, live: false, about }
}

pub(super) const RELATIONS: &[&str] = &["parent", "peer", "child"];
const HTTP_MODES: &[&str] = &["sync", "async"];
const HTTP_AUTHS: &[&str] = &["simple", "jwt"];
const ROUTINGS: &[&str] = &["static", "dynamic"];
/// A day: the longest of all times.
const DAY: u64 = 86_400_000;

const NODE_ID: KeyInfo = fixed(
    "nodeId",
    ValueKind::Id,
    None,
    "Name of the node. It logs in with this name at peers that it dials. Required in a node file; `node` if there is no file.",
);

/// Keys of a peer.
pub(super) static PEER: &[KeyInfo] = &[
    key("id", ValueKind::Id, None, "Name of the peer and of its account. Required."),
    key(
        "url",
        ValueKind::Url,
        None,
        "URL of the peer: `ws`, `wss` (BTP), `http` or `https` (ILP over HTTP). Without it the peer dials us, or posts to us. User and token in it (`btp+ws://user:token@host`) win when we dial.",
    ),
    key(
        "authToken",
        ValueKind::Secret,
        None,
        "The shared secret: we accept it from the peer, and send it if `url` contains no token. Required, here or in a file, unless `url` contains a token.",
    ),
    key("authTokenFile", ValueKind::SecretFile, None, "The file that holds `authToken`."),
    key(
        "authTokens",
        ValueKind::Secrets,
        None,
        "Instead of `authToken`, up to four tokens that are valid at the same time: all are accepted, the first is sent.",
    ),
    key("authTokenFiles", ValueKind::SecretFiles, None, "The files that hold `authTokens`."),
    key(
        "httpMode",
        ValueKind::Choice(HTTP_MODES),
        Some("sync"),
        "With an http `url`: whether answers to our packets come in the responses, or in requests of the peer to our HTTP server.",
    ),
    key(
        "httpAuth",
        ValueKind::Choice(HTTP_AUTHS),
        Some("simple"),
        "With an http `url`: whether we send the token itself, or a JWT (HS256, five minutes) signed with it.",
    ),
    key(
        "httpMaxRequests",
        ValueKind::Integer(1, 65_536),
        Some("1024"),
        "With an http `url`: concurrent requests to the peer, of which one requesting account has at most three quarters. Over HTTP/1.1 each has a connection of its own.",
    ),
    key(
        "username",
        ValueKind::Text,
        None,
        "The name that the peer logs in with. Default: its `id`.",
    ),
    key("relation", ValueKind::Choice(RELATIONS), Some("peer"), "What the peer is to this node."),
    key("assetCode", ValueKind::AssetCode, None, "Asset of the account. Default: the node's."),
    key(
        "assetScale",
        ValueKind::Integer(0, 38),
        None,
        "Decimal places of the account's units. Default: the node's.",
    ),
    key(
        "required",
        ValueKind::Bool,
        None,
        "Whether the node is unhealthy while the peer is not connected. Default: true with `url`, else false.",
    ),
    key(
        "enabled",
        ValueKind::Bool,
        Some("true"),
        "`false` suspends the peer: its sessions close, packets from it get F00, packets to it T01.",
    ),
    key(
        "maxPacketAmount",
        ValueKind::Amount,
        None,
        "The largest amount of one packet from the peer; above it F08. Default: no limit.",
    ),
    key(
        "maxBalance",
        ValueKind::Balance,
        None,
        "The most that the peer may owe us; above it T04, or F08 if the amount could never pass. Default: no limit.",
    ),
    key(
        "minBalance",
        ValueKind::Balance,
        None,
        "How far the balance may fall by packets that the peer fulfills; below it T04. Default: no limit.",
    ),
    key(
        "packetsPerSecond",
        ValueKind::Integer(1, 4_294_967_295),
        None,
        "Packets per second from the peer, whatever their outcome; above it T05. Everything else that it sends counts too, except answers to us; above the rate it is read more slowly. Default: no limit.",
    ),
    key(
        "maxPacketsInFlight",
        ValueKind::Integer(1, 1_048_576),
        Some("16384"),
        "Prepares without an answer, from the peer and, separately, towards it; above it T03.",
    ),
    key(
        "outboxBytesMax",
        ValueKind::Integer(65_536, 1_073_741_824),
        Some("4194304"),
        "Bytes waiting to be written to the peer. Above it, Prepares to the peer get T03; if answers alone exceed it, we stop reading from the peer. Answers still due may bring it to sixteen times as many; beyond that the session is closed.",
    ),
    key(
        "maxSessions",
        ValueKind::Integer(1, 1_024),
        None,
        "Sessions that the peer may have open with us at the same time; a later login replaces the oldest. Default: 8 for a child, else 1.",
    ),
    key(
        "childAddressSegment",
        ValueKind::Segment,
        None,
        "A child's address is `<ilpAddress>.<this>`. Default: its `id`.",
    ),
    key(
        "lenientBtpTypes",
        ValueKind::Bool,
        Some("false"),
        "Accept a Prepare in a RESPONSE frame and its answer in a MESSAGE, as interledger-rs sends them. We still send frames as in RFC 23, which interledger-rs reads.",
    ),
    key(
        "sendRoutes",
        ValueKind::Bool,
        None,
        "Send the peer our routes when it requests them (CCP). Default: true with `routing: dynamic`, except for a child.",
    ),
    key(
        "receiveRoutes",
        ValueKind::Bool,
        None,
        "Request the peer's routes, and use them. Default: true with `routing: dynamic`, except for a child.",
    ),
    key(
        "maxRoutes",
        ValueKind::Integer(1, 10_000_000),
        Some("100000"),
        "Routes kept from the peer; further ones are refused.",
    ),
    key(
        "acceptPrefixes",
        ValueKind::Prefixes,
        None,
        "Accept only routes to these prefixes, or below, from the peer. Default: all.",
    ),
    key(
        "announcePrefixes",
        ValueKind::Prefixes,
        None,
        "Advertise only routes to these prefixes, or below, to the peer. Default: all.",
    ),
];

/// Keys of a receiver.
pub(super) static RECEIVER: &[KeyInfo] = &[
    key(
        "id",
        ValueKind::Id,
        None,
        "Name of the receiver and of its account; its address is `<ilpAddress>.<id>`. It must differ from the id of each peer. Required.",
    ),
    key("assetCode", ValueKind::AssetCode, None, "Asset of the account. Default: the node's."),
    key(
        "assetScale",
        ValueKind::Integer(0, 38),
        None,
        "Decimal places of the account's units. Default: the node's.",
    ),
    key(
        "maxPacketAmount",
        ValueKind::Amount,
        None,
        "The largest amount of one packet to the receiver; above it F08. Default: no limit.",
    ),
    key(
        "minBalance",
        ValueKind::Balance,
        None,
        "How far the balance may fall by received money, such as `-1000000`; below it T04. Default: no limit.",
    ),
];

/// `routing` of a topology file, too.
pub(super) const ROUTING: KeyInfo = key(
    "routing",
    ValueKind::Choice(ROUTINGS),
    Some("static"),
    "`dynamic`: the node exchanges routes with its peers (CCP), and none are computed from a topology. `static`: only with peers that set `sendRoutes` or `receiveRoutes`.",
);

/// Keys of a node file.
pub(super) static NODE: &[KeyInfo] = &[
    NODE_ID,
    key(
        "ilpAddress",
        ValueKind::Address,
        None,
        "The node's own ILP address. Default: asked from the parent if there is one, else `<scheme>.<nodeId>`, with the scheme of its routes, or `test`.",
    ),
    fixed(
        "btpServerHost",
        ValueKind::Host,
        Some("0.0.0.0"),
        "Address that the BTP server listens on.",
    ),
    fixed(
        "btpServerPort",
        ValueKind::Port,
        Some("3000"),
        "Port of the BTP server; 0 picks a free one.",
    ),
    fixed(
        "httpServerHost",
        ValueKind::Host,
        Some("0.0.0.0"),
        "Address that the HTTP server listens on, for ILP over HTTP and SPSP.",
    ),
    fixed(
        "httpServerPort",
        ValueKind::Port,
        None,
        "Port of the HTTP server; 0 picks a free one. Default: no HTTP server.",
    ),
    key(
        "httpPublicUrl",
        ValueKind::HttpUrl,
        None,
        "URL at which peers reach the HTTP server, for `httpMode: async`: peers are asked to send answers to `<this>/accounts/<username>/ilp`. Default: not sent; the peers must know the URL by agreement.",
    ),
    fixed(
        "httpMaxConnections",
        ValueKind::Integer(1, 1_000_000),
        Some("3072"),
        "Connections of all peers to the HTTP server. One more closes a connection of the peer with most, an idle one if possible.",
    ),
    fixed(
        "httpMaxConnectionsPerPeer",
        ValueKind::Integer(1, 1_000_000),
        Some("1024"),
        "Of these, connections of one peer. One more closes its least recently used idle connection; if none is idle, it gets 429.",
    ),
    fixed(
        "httpMaxUnauthenticated",
        ValueKind::Integer(1, 1_000_000),
        Some("1024"),
        "Connections to the HTTP server on which no peer has authenticated, such as those of SPSP clients. One more closes the oldest of the address with most.",
    ),
    fixed(
        "httpMaxUnauthenticatedPerAddress",
        ValueKind::Integer(1, 1_000_000),
        Some("256"),
        "Of these, connections of one IPv4 address or one IPv6 /64. One more closes its oldest. Behind a proxy, all clients have the proxy's address.",
    ),
    fixed(
        "httpKeptForKnownAddresses",
        ValueKind::Integer(0, 1_000_000),
        Some("256"),
        "Of `httpMaxUnauthenticated`, places reserved for addresses that a peer has logged in from since the start; at most half.",
    ),
    fixed(
        "httpStrangerRequestsPerSecond",
        ValueKind::Integer(1, 1_000_000),
        Some("1000"),
        "Requests per second on connections on which no peer has authenticated, at most half of them from one address; above it 503. Requests with packets have a limit of their own.",
    ),
    fixed(
        "tls",
        ValueKind::Map(TLS),
        None,
        "Serve `wss` instead of `ws`, and `https` instead of `http`.",
    ),
    fixed(
        "caFile",
        ValueKind::File,
        None,
        "Certificates (PEM) to trust for peers with a `wss` or `https` URL, in addition to the system's (or those in the variable `SSL_CERT_FILE`): authorities, or the peers' own. Read again when it changes. The tools use it too.",
    ),
    fixed(
        "healthCheckHost",
        ValueKind::Host,
        Some("0.0.0.0"),
        "Address that the server for health, metrics and the read-only API listens on.",
    ),
    fixed(
        "healthCheckPort",
        ValueKind::Port,
        Some("8080"),
        "Port of health, metrics and API; 0 picks a free one.",
    ),
    key(
        "apiToken",
        ValueKind::Secret,
        None,
        "Bearer token that `/metrics`, `/peers` and `/routes` require. Default: none required.",
    ),
    key("apiTokenFile", ValueKind::SecretFile, None, "The file that holds `apiToken`."),
    key(
        "apiHosts",
        ValueKind::HostNames,
        None,
        "Without an `apiToken`, `/peers` and `/routes` answer only if the `Host` is an IP address, `localhost`, a name without a dot, `healthCheckHost`, or one of these names. This keeps out foreign web pages in a browser.",
    ),
    key(
        "logLevel",
        ValueKind::LogLevel,
        Some("info"),
        "`error`, `warn`, `info`, `debug`, `trace` or `off`, and `target=level` pairs, separated by commas: `info,btp=debug`. Targets are the rooms of the program and `packets`.",
    ),
    key(
        "packetLog",
        ValueKind::Bool,
        Some("false"),
        "Log every packet, even if `logLevel` does not include it (`debug`, or `packets=debug`).",
    ),
    key(
        "assetCode",
        ValueKind::AssetCode,
        Some("USD"),
        "Asset of accounts without an asset of their own. If neither is set, it is adopted from the parent.",
    ),
    key(
        "assetScale",
        ValueKind::Integer(0, 38),
        Some("9"),
        "Decimal places of the units of those accounts. If neither is set, it is adopted from the parent.",
    ),
    key("peers", ValueKind::List(PEER), None, "The peers of the node. Default: none."),
    key(
        "receivers",
        ValueKind::List(RECEIVER),
        None,
        "Accounts that STREAM senders pay, at `<ilpAddress>.<id>`. Default: none.",
    ),
    key(
        "receiverSecret",
        ValueKind::Secret,
        None,
        "The secrets of connections to receivers are derived from it: 32 random characters or more. Default: random at each start, so that a restart ends open connections.",
    ),
    key("receiverSecretFile", ValueKind::SecretFile, None, "The file that holds `receiverSecret`."),
    key(
        "routes",
        ValueKind::List(ROUTE),
        None,
        "Static routes. Children and a default route to the parent need none. Default: none; computed in a topology file.",
    ),
    ROUTING,
    key(
        "routeBroadcastIntervalMs",
        ValueKind::Millis(100, 3_600_000),
        Some("30000"),
        "Time between two updates of our routes when nothing changes. Also the grace period for routes of a silent peer after its hold-down.",
    ),
    key(
        "routeHoldDownMs",
        ValueKind::Millis(100, 3_600_000),
        Some("45000"),
        "How long a peer keeps our routes without an update. Not below the interval.",
    ),
    key("rates", ValueKind::List(RATE), None, "Exchange rates between assets. Default: none."),
    key("ping", ValueKind::Map(PING), None, "Which pings the node answers at its own address."),
    key(
        "minMessageWindowMs",
        ValueKind::Millis(0, 60_000),
        Some("1000"),
        "Time that this hop takes off a packet's expiry, for the way back.",
    ),
    key(
        "maxHoldTimeMs",
        ValueKind::Millis(1, 600_000),
        Some("30000"),
        "The longest time that a packet may take from this hop on.",
    ),
    fixed(
        "authTimeoutMs",
        ValueKind::Millis(1, 600_000),
        Some("5000"),
        "Time for a session to authenticate.",
    ),
    fixed(
        "keepAliveIntervalMs",
        ValueKind::Millis(1, DAY),
        Some("20000"),
        "Time of silence after which a session is pinged.",
    ),
    fixed(
        "keepAliveTimeoutMs",
        ValueKind::Millis(1, DAY),
        Some("10000"),
        "Time for the answer to that ping; then the session is closed.",
    ),
    fixed(
        "writeTimeoutMs",
        ValueKind::Millis(1, DAY),
        Some("30000"),
        "A session that takes no bytes for this long is closed.",
    ),
    key(
        "startTimeoutMs",
        ValueKind::Millis(0, DAY),
        Some("30000"),
        "After this time `/health` says `unhealthy` instead of `starting`.",
    ),
    key(
        "shutdownGraceMs",
        ValueKind::Millis(0, 600_000),
        Some("8000"),
        "Time for packets in flight to finish at shutdown.",
    ),
    fixed(
        "maxUnauthenticated",
        ValueKind::Integer(1, 1_000_000),
        Some("1024"),
        "Accepted BTP sockets that have not authenticated yet. One more closes the oldest of the address with most.",
    ),
    fixed(
        "maxUnauthenticatedPerAddress",
        ValueKind::Integer(1, 1_000_000),
        Some("512"),
        "Of these, sockets of one IPv4 address or one IPv6 /64. One more closes its oldest.",
    ),
    fixed(
        "keptForKnownAddresses",
        ValueKind::Integer(0, 1_000_000),
        Some("256"),
        "Of `maxUnauthenticated`, places reserved for addresses that a peer has logged in from since the start; at most half.",
    ),
    fixed(
        "workerThreads",
        ValueKind::Integer(1, 256),
        Some("1"),
        "Threads that move packets. One is the most efficient.",
    ),
];
