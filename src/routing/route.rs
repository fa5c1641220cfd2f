//! One way to a prefix, and why it exists.

use std::fmt;

use crate::account::AccountId;
use crate::wire::Prefix;

/// A route as configured or derived: packets to `prefix` may go to `next_hop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// What it covers; the empty prefix is the default route.
    pub prefix: Prefix,
    /// The peer that packets go to.
    pub next_hop: AccountId,
    /// Among routes of one prefix the highest wins whose next hop is connected.
    pub priority: i32,
    /// Where it comes from.
    pub origin: RouteOrigin,
}

/// Where a route comes from. Ordered: at equal priority the earlier one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteOrigin {
    /// A receiver of payments inside this node.
    Receiver,
    /// Written in a configuration file.
    Configured,
    /// A child's own address, implied by the relation.
    Child,
    /// Shortest path through a topology file.
    Computed,
    /// Told by a peer (CCP).
    Learned,
    /// A parent gets what nobody else takes.
    DefaultToParent,
}

impl fmt::Display for RouteOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RouteOrigin::Receiver => "address of a receiver",
            RouteOrigin::Configured => "configured",
            RouteOrigin::Child => "address of a child",
            RouteOrigin::Computed => "computed from the topology",
            RouteOrigin::Learned => "learned from a peer",
            RouteOrigin::DefaultToParent => "default route to the parent",
        })
    }
}
