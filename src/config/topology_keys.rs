//! The keys of a topology file that a node file does not have.

use super::key_types::{Host, Integer, KeySet};
use super::settings::Routing;
use super::value_kind::ValueKind;
use crate::account::{AccountId, Relation};
use crate::net::Secret;

keys! {
    /// The keys of a topology file.
    TopologySettings, TopologyDraft, TopologyKeys as TOPOLOGY {
        /// `dynamic`: the node exchanges routes with its peers (CCP), and none are computed from a
        /// topology. `static`: only with peers that set `sendRoutes` or `receiveRoutes`.
        live routing => routing: Routing = "static",
        /// The first BTP port that `up` gives to nodes without a port of their own, and that tools dial; HTTP
        /// ports start 4770 above it, health ports 5080 above it. Default: 3000.
        restart basePort => base_port: Option<Integer<u16, 1, 60_000>>,
    by hand:
        /// The nodes of the network: `id`, `host`, and every key of a node file but `nodeId`.
        required nodes => nodes: ValueKind::List(TopologyNodeSettings::KEYS),
        /// The links between the nodes. Default: none.
        optional links => links: ValueKind::List(LinkSettings::KEYS),
        /// Any key of a node or of a peer, for all nodes and peers that do not set it.
        /// `defaults.peers` are peers of every node.
        optional defaults => defaults: ValueKind::Defaults,
    }
}

keys! {
    /// The keys of one of a topology's `nodes`, besides those of a node file (except `nodeId`).
    TopologyNodeSettings, TopologyNodeDraft, TopologyNodeKeys as TOPOLOGY_NODE {
        /// Name of the node.
        restart id => id: AccountId,
        /// Host at which the other nodes reach it. Default: its `id`.
        live host => host: Option<Host>,
    }
}

keys! {
    /// The keys of one of a topology's `links`.
    LinkSettings, LinkDraft, LinkKeys as LINK {
        /// The node that dials.
        live from => from: AccountId,
        /// The node that is dialled.
        live to => to: AccountId,
        /// Token of the link, for both sides; here or in a file.
        live secret | secretFile => secret: Secret,
        /// Transport of the link. With `http` (ILP over HTTP), both nodes get an HTTP server and post to each other.
        live transport => transport: LinkTransport = "btp",
        /// What `to` is to `from`.
        live relation => relation: Relation = "peer",
    }
}

/// The transport of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LinkTransport {
    /// BTP: one node dials the other, and both send requests over that session.
    #[default]
    Btp,
    /// ILP over HTTP: each node posts its requests to the other's server, so both dial.
    Http,
}
