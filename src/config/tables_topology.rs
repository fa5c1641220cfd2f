//! The tables of the keys of a topology file, see `keys`.

use super::keys::{Key, Kind};
use super::speak::TRANSPORTS;
use super::tables::{RELATIONS, ROUTING, fixed, key};

/// Keys of one of a topology's `nodes`, besides those of [`NODE`] (but for `nodeId`).
pub(super) static TOPOLOGY_NODE: &[Key] = &[
    fixed("id", Kind::Id, None, "Name of the node. Required."),
    key("host", Kind::Host, None, "Host at which the other nodes reach it. Default: its `id`."),
];

/// Keys of one of a topology's `links`.
pub(super) static LINK: &[Key] = &[
    key("from", Kind::Id, None, "The node that dials. Required."),
    key("to", Kind::Id, None, "The node that is dialled. Required."),
    key(
        "secret",
        Kind::Secret,
        None,
        "Token of the link, for both sides. Required, here or in a file.",
    ),
    key("secretFile", Kind::SecretFile, None, "The file that holds `secret`."),
    key(
        "transport",
        Kind::Choice(TRANSPORTS),
        Some("btp"),
        "Transport of the link. With `http` (ILP over HTTP), both nodes get an HTTP server and post to each other.",
    ),
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
    ROUTING,
    key("links", Kind::List(LINK), None, "The links between the nodes. Default: none."),
    key(
        "defaults",
        Kind::Defaults,
        None,
        "Any key of a node or of a peer, for all nodes and peers that do not set it. `defaults.peers` are peers of every node.",
    ),
];
