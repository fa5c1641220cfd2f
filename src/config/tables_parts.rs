//! The tables of the small mappings and lists within a node, see `keys`.

use super::keys::{Key, Kind};
use super::tables::{fixed, key};

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
        "Answer the echo protocol (a packet goes back to the requester).",
    ),
    key("knownCondition", Kind::Bool, Some("true"), "Fulfill pings with the well-known condition."),
];
