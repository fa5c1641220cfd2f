//! The ILP address of each node: its own, or one that follows from its parent or its id.

use super::expand_peers::id_of;
use super::network_file::{Topology, TopologyNode};
use crate::account::Relation;
use crate::config::Value;
use crate::wire::{Address, Scheme};

impl Topology {
    /// The scheme of the network: that of the first address or route in the file, else `test`.
    fn scheme(&self) -> Scheme {
        let scheme = |text: &str| Scheme::from_name(text.split('.').next()?);
        let address = |node: &TopologyNode| scheme(node.keys.get("ilpAddress")?.as_text()?);
        let route = |node: &TopologyNode| {
            let routes = node.keys.get("routes")?.as_list()?;
            routes.iter().find_map(|route| scheme(route.text_of("prefix")?))
        };
        let written = self.nodes.iter().find_map(address);
        written.or_else(|| self.nodes.iter().find_map(route)).unwrap_or(Scheme::Test)
    }

    /// A node's address: its own, else below its parent in this network, else `<scheme>.<id>`. `None`: its parent is
    /// outside, or what is written is no address.
    pub(super) fn address(&self, number: usize) -> Option<Address> {
        self.address_below(number, 0)
    }

    fn address_below(&self, number: usize, depth: usize) -> Option<Address> {
        let node = self.node_at(number);
        if let Some(own) = node.keys.get("ilpAddress") {
            return own.as_text()?.parse().ok();
        }
        // A cycle of parents is reported by `network`.
        if depth > self.nodes.len() {
            return None;
        }
        if let Some(parent) = self.parent(number) {
            let segment = self.child_segment(parent, node.id.as_str());
            return self.address_below(parent, depth + 1)?.child(&segment).ok();
        }
        let is_parent = |peer: &Value| peer.text_of("relation") == Some("parent");
        if self.own_peers(number).iter().any(is_parent) {
            return None;
        }
        format!("{}.{}", self.scheme(), node.id).parse().ok()
    }

    /// A node's parent by a link.
    pub(super) fn parent(&self, number: usize) -> Option<usize> {
        self.links.iter().find_map(|link| match link.relation {
            Relation::Parent if link.from == number => Some(link.to),
            Relation::Child if link.to == number => Some(link.from),
            _ => None,
        })
    }

    /// The last segment of a child's address, which the parent's entry for the child may set.
    fn child_segment(&self, parent: usize, child: &str) -> String {
        let peer = self.own_peers(parent).iter().find(|peer| id_of(peer) == Some(child));
        let own = peer.and_then(|peer| peer.text_of("childAddressSegment"));
        own.unwrap_or(child).to_owned()
    }
}
