//! The tables of the keys of a topology file, see `keys`.

use super::keys::{KeyInfo, ValueKind};
use super::link_transport::TRANSPORTS;
use super::tables::{RELATIONS, ROUTING, fixed, key};

/// Keys of one of a topology's `nodes`, besides those of [`NODE`] (but for `nodeId`).
pub(super) static TOPOLOGY_NODE: &[KeyInfo] = &[
    fixed("id", ValueKind::Id, None, "Name of the node. Required."),
    key(
        "host",
        ValueKind::Host,
        None,
        "Host at which the other nodes reach it. Default: its `id`.",
    ),
];

/// Keys of one of a topology's `links`.
pub(super) static LINK: &[KeyInfo] = &[
    key("from", ValueKind::Id, None, "The node that dials. Required."),
    key("to", ValueKind::Id, None, "The node that is dialled. Required."),
    key(
        "secret",
        ValueKind::Secret,
        None,
        "Token of the link, for both sides. Required, here or in a file.",
    ),
    key("secretFile", ValueKind::SecretFile, None, "The file that holds `secret`."),
    key(
        "transport",
        ValueKind::Choice(TRANSPORTS),
        Some("btp"),
        "Transport of the link. With `http` (ILP over HTTP), both nodes get an HTTP server and post to each other.",
    ),
    key("relation", ValueKind::Choice(RELATIONS), Some("peer"), "What `to` is to `from`."),
];

/// What `nodes` lists in the documentation of the top level; its real keys are [`topology_node_names`]'s.
pub(super) static TOPOLOGY: &[KeyInfo] = &[
    key(
        "nodes",
        ValueKind::List(TOPOLOGY_NODE),
        None,
        "The nodes of the network: `id`, `host`, and every key of a node file but `nodeId`. Required.",
    ),
    ROUTING,
    key("links", ValueKind::List(LINK), None, "The links between the nodes. Default: none."),
    key(
        "defaults",
        ValueKind::Defaults,
        None,
        "Any key of a node or of a peer, for all nodes and peers that do not set it. `defaults.peers` are peers of every node.",
    ),
];
