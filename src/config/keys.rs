//! Every key of a configuration: its type, range, default and meaning.
//!
//! There is one table, and everything follows it: the parser takes ranges and defaults from it, suggestions for
//! misspelt keys, the names of variables, the JSON Schema, `check --print`, what a reload can change, and the tables of
//! `docs/CONFIG.md` (a test compares them).

/// A key, and all that is known about it.
#[derive(Debug, PartialEq)]
pub(super) struct Key {
    /// As written in YAML.
    pub(super) name: &'static str,
    /// What may stand behind it.
    pub(super) kind: Kind,
    /// The value where none is given. `None`: there is none, `about` says what happens then.
    pub(super) default: Option<&'static str>,
    /// Whether a running node takes a change of it over (D17).
    pub(super) live: bool,
    /// One sentence or two, for the schema and the documentation.
    pub(super) about: &'static str,
}

/// The types of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    /// The name of a node or peer: a valid segment of an ILP address.
    Id,
    /// Any text of at least one character.
    Text,
    /// A text that is never shown.
    Secret,
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Integer(u64, u64),
    /// Milliseconds in a range.
    Millis(u64, u64),
    /// A port to listen on.
    Port,
    /// An address or host name to listen on.
    Host,
    /// Where a peer listens.
    Url,
    /// A full ILP address.
    Address,
    /// An ILP address prefix, perhaps empty.
    Prefix,
    /// One segment of an ILP address.
    Segment,
    /// The code of an asset.
    AssetCode,
    /// An amount in the account's units, 0 to 2^64 - 1.
    Amount,
    /// A balance in the account's units, which may be negative.
    Balance,
    /// A route's priority.
    Priority,
    /// An exact decimal above zero.
    Rate,
    /// A file of this machine.
    File,
    /// A level, or levels for single targets.
    LogLevel,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A mapping with these keys.
    Map(&'static [Key]),
    /// A list of mappings with these keys.
    List(&'static [Key]),
    /// `defaults` of a topology file.
    Defaults,
}

const fn key(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Key {
    Key { name, kind, default, live: true, about }
}

/// A key that only a restart can change.
const fn fixed(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Key {
    Key { name, kind, default, live: false, about }
}

const RELATIONS: &[&str] = &["parent", "peer", "child"];
/// A day: the longest of all times.
const DAY: u64 = 86_400_000;

const NODE_ID: Key = fixed(
    "nodeId",
    Kind::Id,
    None,
    "Name of the node; what it logs in as at peers that it dials. Needed in a node file; `node` where there is no file.",
);

/// Keys of a peer.
pub(super) static PEER: &[Key] = &[
    key("id", Kind::Id, None, "Name of the peer and of its account. Required."),
    key(
        "url",
        Kind::Url,
        None,
        "Where the peer listens; without it the peer dials us. User and token in it (`btp+ws://user:token@host`) win for dialling.",
    ),
    key(
        "authToken",
        Kind::Secret,
        None,
        "The shared secret: what we accept from the peer, and what we send where `url` holds none. Required unless `url` holds a token.",
    ),
    key("username", Kind::Text, None, "The name that the peer logs in with. Default: its `id`."),
    key("relation", Kind::Choice(RELATIONS), Some("peer"), "What the peer is to this node."),
    key("assetCode", Kind::AssetCode, None, "Asset of the account. Default: the node's."),
    key(
        "assetScale",
        Kind::Integer(0, 38),
        None,
        "Decimal places of the account's units. Default: the node's.",
    ),
    key(
        "required",
        Kind::Bool,
        None,
        "Whether the node is unhealthy while the peer is not connected. Default: true with `url`, else false.",
    ),
    key(
        "enabled",
        Kind::Bool,
        Some("true"),
        "`false` suspends the peer: its session closes, packets from it get F00, packets to it T01.",
    ),
    key(
        "maxPacketAmount",
        Kind::Amount,
        None,
        "The largest amount of one packet from the peer; above it F08. Default: no limit.",
    ),
    key(
        "maxBalance",
        Kind::Balance,
        None,
        "What the peer may owe us at most; above it T04. Default: no limit.",
    ),
    key(
        "minBalance",
        Kind::Balance,
        None,
        "How far the balance may fall by what the peer fulfills for us; below it T04. Default: no limit.",
    ),
    key(
        "packetsPerSecond",
        Kind::Integer(1, 4_294_967_295),
        None,
        "Packets per second from the peer; above it T05. Default: no limit.",
    ),
    key(
        "maxPacketsInFlight",
        Kind::Integer(1, 1_048_576),
        Some("16384"),
        "Prepares without an answer, from the peer and likewise towards it; above it T03.",
    ),
    key(
        "outboxBytesMax",
        Kind::Integer(65_536, 1_073_741_824),
        Some("4194304"),
        "Bytes waiting to be written to the peer; above it we stop reading from it, and Prepares to it get T03.",
    ),
    key(
        "childAddressSegment",
        Kind::Segment,
        None,
        "A child's address is `<ilpAddress>.<this>`. Default: its `id`.",
    ),
];

/// Keys of a route.
pub(super) static ROUTE: &[Key] = &[
    key(
        "prefix",
        Kind::Prefix,
        None,
        "Destinations that the route covers; `\"\"` is the default route. Required.",
    ),
    key("nextHop", Kind::Id, None, "The peer that packets go to. Required."),
    key(
        "priority",
        Kind::Priority,
        Some("0"),
        "Among routes of one prefix, the highest whose next hop is connected wins.",
    ),
];

/// Keys of a rate.
pub(super) static RATE: &[Key] = &[
    key("from", Kind::AssetCode, None, "The asset that comes in. Required."),
    key("to", Kind::AssetCode, None, "The asset that goes out. Required."),
    key(
        "rate",
        Kind::Rate,
        None,
        "Units of `to` for one unit of `from`, for example `\"0.9215\"`. Required.",
    ),
];

/// Keys of `tls`.
pub(super) static TLS: &[Key] = &[
    fixed(
        "certificate",
        Kind::File,
        None,
        "Certificate chain (PEM). Read again when it changes. Required.",
    ),
    fixed("key", Kind::File, None, "Its private key (PEM). Read again when it changes. Required."),
];

/// Keys of `ping`.
pub(super) static PING: &[Key] = &[
    key(
        "echo",
        Kind::Bool,
        Some("true"),
        "Answer the echo protocol (a packet goes back to who asked).",
    ),
    key(
        "knownCondition",
        Kind::Bool,
        Some("true"),
        "Fulfill pings that carry the well-known condition.",
    ),
];

/// Keys of a node file.
pub(super) static NODE: &[Key] = &[
    NODE_ID,
    key(
        "ilpAddress",
        Kind::Address,
        None,
        "The node's own ILP address. Default: asked from the parent where there is one, else `<scheme>.<nodeId>`, with the scheme of its routes, or `test`.",
    ),
    fixed("btpServerHost", Kind::Host, Some("0.0.0.0"), "Where BTP peers are accepted."),
    fixed("btpServerPort", Kind::Port, Some("3000"), "Port of the BTP server; 0 picks a free one."),
    fixed("tls", Kind::Map(TLS), None, "Accept `wss` instead of `ws`."),
    fixed(
        "caFile",
        Kind::File,
        None,
        "Certificates (PEM) to trust for peers with a `wss` url, besides the system's.",
    ),
    fixed(
        "healthCheckHost",
        Kind::Host,
        Some("0.0.0.0"),
        "Where health, metrics and the read-only API are served.",
    ),
    fixed(
        "healthCheckPort",
        Kind::Port,
        Some("8080"),
        "Port of health, metrics and API; 0 picks a free one.",
    ),
    key(
        "apiToken",
        Kind::Secret,
        None,
        "Bearer token that `/metrics`, `/peers` and `/routes` ask for. Default: none is asked for.",
    ),
    key(
        "logLevel",
        Kind::LogLevel,
        Some("info"),
        "`error`, `warn`, `info`, `debug`, `trace` or `off`, and `target=level` pairs, separated by commas.",
    ),
    key("packetLog", Kind::Bool, Some("false"), "Log every packet at every hop."),
    key(
        "assetCode",
        Kind::AssetCode,
        Some("USD"),
        "Asset of the accounts that name none. Where neither is set it is adopted from the parent.",
    ),
    key(
        "assetScale",
        Kind::Integer(0, 38),
        Some("9"),
        "Decimal places of the units of those accounts. Where neither is set it is adopted from the parent.",
    ),
    key("peers", Kind::List(PEER), None, "The peers of the node. Default: none."),
    key(
        "routes",
        Kind::List(ROUTE),
        None,
        "Static routes. Children and a default route to the parent need none. Default: none; computed in a topology file.",
    ),
    key("rates", Kind::List(RATE), None, "Exchange rates between assets. Default: none."),
    key("ping", Kind::Map(PING), None, "What the node answers at its own address."),
    key(
        "minMessageWindowMs",
        Kind::Millis(0, 60_000),
        Some("1000"),
        "Time that is taken off a packet's expiry at this hop, for the way back.",
    ),
    key(
        "maxHoldTimeMs",
        Kind::Millis(1, 600_000),
        Some("30000"),
        "The longest time that a packet may take from here on.",
    ),
    key(
        "authTimeoutMs",
        Kind::Millis(1, 600_000),
        Some("5000"),
        "Time for a session to authenticate.",
    ),
    key(
        "keepAliveIntervalMs",
        Kind::Millis(1, DAY),
        Some("20000"),
        "Silence after which a session is pinged.",
    ),
    key(
        "keepAliveTimeoutMs",
        Kind::Millis(1, DAY),
        Some("10000"),
        "Time for the answer to that, before the session is closed.",
    ),
    key(
        "writeTimeoutMs",
        Kind::Millis(1, DAY),
        Some("30000"),
        "A session that takes no bytes for this long is closed.",
    ),
    key(
        "startTimeoutMs",
        Kind::Millis(0, DAY),
        Some("30000"),
        "After this time `/health` says `unhealthy` instead of `starting`.",
    ),
    key(
        "shutdownGraceMs",
        Kind::Millis(0, 600_000),
        Some("8000"),
        "Time for packets in flight to finish at shutdown.",
    ),
    fixed(
        "maxUnauthenticated",
        Kind::Integer(1, 1_000_000),
        Some("1024"),
        "Accepted sockets that have not authenticated yet.",
    ),
    fixed(
        "workerThreads",
        Kind::Integer(1, 256),
        Some("1"),
        "Threads that move packets. One is the most economic.",
    ),
];

/// Keys of one of a topology's `nodes`, besides those of [`NODE`] (but for `nodeId`).
pub(super) static TOPOLOGY_NODE: &[Key] = &[
    fixed("id", Kind::Id, None, "Name of the node. Required."),
    key("host", Kind::Host, None, "Where the other nodes reach it. Default: its `id`."),
];

/// Keys of one of a topology's `links`.
pub(super) static LINK: &[Key] = &[
    key("from", Kind::Id, None, "The node that dials. Required."),
    key("to", Kind::Id, None, "The node that is dialled. Required."),
    key("secret", Kind::Secret, None, "Token of the link, for both sides. Required."),
    key("relation", Kind::Choice(RELATIONS), Some("peer"), "What `to` is to `from`."),
];

/// What `nodes` lists in the documentation of the top level; its real keys are [`topology_node_names`]'s.
pub(super) static TOPOLOGY: &[Key] = &[
    key(
        "nodes",
        Kind::List(TOPOLOGY_NODE),
        None,
        "The nodes of the network: `id`, `host`, and every key of a node file but `nodeId`. Required.",
    ),
    key("links", Kind::List(LINK), None, "Who is connected with whom. Default: none."),
    key(
        "defaults",
        Kind::Defaults,
        None,
        "Any key of a node or of a peer, for all nodes and peers that do not set it. `defaults.peers` are peers of every node.",
    ),
];

/// Keys that must differ between nodes or peers, so `defaults` cannot hold them.
pub(super) const NOT_A_DEFAULT: &[&str] =
    &["nodeId", "ilpAddress", "id", "url", "username", "authToken", "childAddressSegment"];

/// Whether `defaults` may hold a key.
pub(super) fn may_be_default(name: &str) -> bool {
    !NOT_A_DEFAULT.contains(&name)
}

/// Keys that one of a topology's nodes may have.
pub(super) fn topology_node_names() -> impl Iterator<Item = &'static Key> + Clone {
    TOPOLOGY_NODE.iter().chain(NODE.iter().filter(|key| key.name != "nodeId"))
}

/// Keys that `defaults` may have: for a key that nodes and peers have, the node's.
pub(super) fn defaults_names() -> impl Iterator<Item = &'static Key> + Clone {
    let of_node = NODE.iter().filter(|key| may_be_default(key.name));
    of_node.chain(peer_defaults())
}

/// Keys of `defaults` that go to every peer.
pub(super) fn peer_defaults() -> impl Iterator<Item = &'static Key> + Clone {
    let is_node_key = |key: &&Key| NODE.iter().any(|known| known.name == key.name);
    PEER.iter().filter(move |key| may_be_default(key.name) && !is_node_key(key))
}

/// What a key belongs to, for those who wrote it elsewhere.
pub(super) fn of_what(name: &str) -> Option<&'static str> {
    let owners = [(NODE, "the node"), (PEER, "a peer"), (ROUTE, "a route"), (LINK, "a link")];
    owners
        .into_iter()
        .find(|(keys, _)| keys.iter().any(|key| key.name == name))
        .map(|(_, owner)| owner)
}

impl Key {
    /// The variable of the environment that sets a node's key: every key of [`NODE`] that holds one value has one.
    pub(super) fn variable(&self) -> Option<String> {
        let single = !matches!(self.kind, Kind::Map(_) | Kind::List(_) | Kind::Defaults);
        single.then(|| {
            let mut name = String::new();
            for c in self.name.chars() {
                if c.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(c.to_ascii_uppercase());
            }
            name
        })
    }
}

impl Kind {
    /// What is allowed, for messages.
    pub(super) fn allowed(&self) -> String {
        match self {
            Kind::Id => "an id is 1 to 64 letters, digits, '_', '~' or '-'".into(),
            Kind::Text => "a text of at least one character".into(),
            Kind::Secret => "a text of 1 to 1024 bytes".into(),
            Kind::Bool => "true or false".into(),
            Kind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Millis(min, max) => format!("a whole number of milliseconds from {min} to {max}"),
            Kind::Port => "a port is a whole number from 0 to 65535 (0 picks a free one)".into(),
            Kind::Host => "an IP address or a host name, without a port".into(),
            Kind::Url => "for example ws://host:3000 or btp+wss://user:token@host".into(),
            Kind::Address => "an ILP address such as test.alice".into(),
            Kind::Prefix => "an ILP address prefix such as test.alice, or \"\" for the default route".into(),
            Kind::Segment => "one segment of an ILP address: letters, digits, '_', '~' or '-'".into(),
            Kind::AssetCode => "a code such as USD: 1 to 32 letters, digits, '_', '-' or '.'".into(),
            Kind::Amount => "a whole number from 0 to 18446744073709551615".into(),
            Kind::Balance => "a whole number, perhaps negative, of at most 38 digits".into(),
            Kind::Priority => "a whole number from -2147483648 to 2147483647".into(),
            Kind::Rate => "a decimal number above zero such as 0.9215".into(),
            Kind::File => "the path of a file".into(),
            Kind::LogLevel => "a level (error, warn, info, debug, trace, off), or pairs such as info,ilp_connector::btp=debug".into(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::Map(_) | Kind::Defaults => "a mapping of keys and values".into(),
            Kind::List(_) => "a list; every item starts with a dash".into(),
        }
    }

    /// What a value should have been, for messages: `expected a number, found ...`.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Kind::Integer(..)
            | Kind::Millis(..)
            | Kind::Port
            | Kind::Amount
            | Kind::Balance
            | Kind::Priority
            | Kind::Rate => "a number",
            Kind::Bool => "true or false",
            Kind::Map(_) | Kind::Defaults => "a mapping",
            Kind::List(_) => "a list",
            _ => "a text",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        let of = |name: &str| NODE.iter().find(|key| key.name == name).unwrap().variable();
        assert_eq!(of("nodeId").unwrap(), "NODE_ID");
        assert_eq!(of("btpServerPort").unwrap(), "BTP_SERVER_PORT");
        assert_eq!(of("healthCheckPort").unwrap(), "HEALTH_CHECK_PORT");
        assert_eq!(of("keepAliveIntervalMs").unwrap(), "KEEP_ALIVE_INTERVAL_MS");
        assert_eq!(of("peers"), None);
    }

    #[test]
    fn no_name_twice() {
        for keys in [NODE, PEER, ROUTE, RATE, TLS, PING, TOPOLOGY, TOPOLOGY_NODE, LINK] {
            for (index, key) in keys.iter().enumerate() {
                assert!(
                    keys.iter().skip(index + 1).all(|other| other.name != key.name),
                    "{}",
                    key.name
                );
            }
        }
    }
}
