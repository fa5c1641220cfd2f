//! The tables of the small mappings and lists within a node, see `keys`.

use super::keys::{KeyInfo, ValueKind};
use super::tables::{fixed, key};

/// Keys of a route.
pub(super) static ROUTE: &[KeyInfo] = &[
    key(
        "prefix",
        ValueKind::Prefix,
        None,
        "Destinations that the route covers; `\"\"` is the default route. Required.",
    ),
    key("nextHop", ValueKind::Id, None, "The peer that packets go to. Required."),
    key(
        "priority",
        ValueKind::Priority,
        Some("0"),
        "Among routes of one prefix, the highest whose next hop is connected wins.",
    ),
];

/// Keys of a rate.
pub(super) static RATE: &[KeyInfo] = &[
    key("from", ValueKind::AssetCode, None, "The asset that comes in. Required."),
    key("to", ValueKind::AssetCode, None, "The asset that goes out. Required."),
    key(
        "rate",
        ValueKind::Rate,
        None,
        "Units of `to` for one unit of `from`, for example `\"0.9215\"`. Required.",
    ),
];

/// Keys of `tls`.
pub(super) static TLS: &[KeyInfo] = &[
    fixed(
        "certificate",
        ValueKind::File,
        None,
        "Certificate chain (PEM). Read again when it changes. Required.",
    ),
    fixed(
        "key",
        ValueKind::File,
        None,
        "Its private key (PEM). Read again when it changes. Required.",
    ),
];

/// Keys of `ping`.
pub(super) static PING: &[KeyInfo] = &[
    key(
        "echo",
        ValueKind::Bool,
        Some("true"),
        "Answer the echo protocol (a packet goes back to the requester).",
    ),
    key(
        "knownCondition",
        ValueKind::Bool,
        Some("true"),
        "Fulfill pings with the well-known condition.",
    ),
];
