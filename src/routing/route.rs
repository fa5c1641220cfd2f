//! A route: a prefix, a next hop and where the route comes from.

use std::fmt;

use crate::account::AccountId;
use crate::wire::Prefix;

/// A route: packets to `prefix` may go to `next_hop`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The covered addresses; the empty prefix is the default route.
    pub prefix: Prefix,
    /// The account to send to.
    pub next_hop: AccountId,
    /// Higher is better, among routes of one prefix.
    pub priority: i32,
    /// Where the route comes from.
    pub origin: RouteOrigin,
}

/// Where a route comes from. At equal priority the earlier variant wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteOrigin {
    /// A receiver of payments inside this node.
    Receiver,
    /// Set in the configuration.
    Configured,
    /// A child's address.
    Child,
    /// The shortest path through a topology file.
    Computed,
    /// Advertised by a peer (CCP).
    Learned,
    /// The default route to a parent.
    DefaultToParent,
}

impl fmt::Display for RouteOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receiver => "address of a receiver",
            Self::Configured => "configured",
            Self::Child => "address of a child",
            Self::Computed => "computed from the topology",
            Self::Learned => "learned from a peer",
            Self::DefaultToParent => "default route to the parent",
        })
    }
}
