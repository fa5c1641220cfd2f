//! The routes that are computed for nodes without routes of their own.

use std::borrow::Cow;

use super::expand_peers::id_of;
use super::network_file::{Topology, TopologyNode};
use super::paths::{Choice, Graph};
use crate::config::{Map, Value, ValueData, ValuePlace};

/// Computed routes are kept in networks of at most this many nodes: they take about 60 bytes for each pair.
const CACHED_NODES_MAX: usize = 512;
impl Topology {
    /// Whether a node finds its routes by itself: then none are computed for it.
    pub(super) fn is_dynamic(&self, number: usize) -> bool {
        self.setting(number, "routing").and_then(Value::as_text) == Some("dynamic")
    }

    /// Whether a node's routes are computed: it has no routes of its own, and learns none.
    pub(super) fn has_computed_routes(&self, number: usize) -> bool {
        !self.node_at(number).keys.names("routes")
            && !self.node_defaults.names("routes")
            && !self.is_dynamic(number)
    }

    /// The connected nodes: by links, and where two nodes name each other in their own peers.
    pub(super) fn graph(&self) -> Graph {
        let names = |a: usize, b: usize| {
            self.own_peers(a).iter().any(|peer| id_of(peer) == Some(self.id(b)))
        };
        let with_peers: Vec<usize> =
            (0..self.nodes.len()).filter(|number| !self.own_peers(*number).is_empty()).collect();
        let mutual = with_peers
            .iter()
            .flat_map(|a| with_peers.iter().map(move |b| (*a, *b)))
            .filter(|(a, b)| a < b && names(*a, *b) && names(*b, *a));
        let links = self.links.iter().map(|link| (link.from, link.to));
        Graph::new(self.nodes.len(), links.chain(mutual))
    }

    /// For every node its choices for packets to `to`; in a network of reasonable size they are computed once.
    pub(super) fn choices(&self, to: usize) -> Cow<'_, [Vec<Choice>]> {
        if self.nodes.len() > CACHED_NODES_MAX {
            return Cow::Owned(self.graph().choices(to));
        }
        let choices = self.choices.get_or_init(|| {
            let graph = self.graph();
            (0..self.nodes.len()).map(|to| graph.choices(to)).collect()
        });
        Cow::Borrowed(choices.get(to).map_or(&[], Vec::as_slice))
    }

    /// Routes of a node to all others.
    pub(super) fn routes(&self, number: usize, node: &TopologyNode) -> Value {
        let mut routes = Vec::new();
        for to in (0..self.nodes.len()).filter(|to| *to != number) {
            let Some(address) = self.address(to) else { continue };
            let place = format!("route from {} to {}", node.id, self.id(to));
            let at = ValuePlace::computed(place);
            for choice in self.choices(to).get(number).into_iter().flatten() {
                let mut route = Map::default();
                route.set("prefix", Value::text(address.as_str(), at.clone()));
                route.set("nextHop", Value::text(self.id(choice.next_hop), at.clone()));
                route.set("priority", Value::text(&choice.priority.to_string(), at.clone()));
                routes.push(Value { data: ValueData::Map(route), at: at.clone() });
            }
        }
        let at = ValuePlace::computed(format!("routes of {}", node.id));
        Value { data: ValueData::List(routes), at }
    }
}
