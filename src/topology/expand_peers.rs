//! The peers of one node of a topology: by its links, its own entries and the defaults.

use super::deployment::Deployment;
use super::expand::computed;
use super::listeners::{LOOPBACK, listener_of};
use super::network_file::{Topology, TopologyNode, inverse, with_key_locations};
use crate::account::Relation;
use crate::config::{LinkTransport, Map, Value, ValueData, ValuePath, ValuePlace};
use crate::net::PeerUrl;

impl Topology {
    /// Peers by link, then the node's own (which may say more about a linked one), then those of all nodes.
    pub(super) fn peers(
        &self,
        number: usize,
        node: &TopologyNode,
        mode: Deployment,
    ) -> Option<Value> {
        let mut list: Vec<Value> = Vec::new();
        for link in self.links.iter().filter(|link| link.from == number || link.to == number) {
            let dials = link.from == number;
            let (other, relation, end) = match dials {
                true => (link.to, link.relation, "to"),
                false => (link.from, inverse(link.relation), "from"),
            };
            let place = format!("links[{}]", link.file_index);
            let at = |key: &str| ValuePlace::moved(link.at.line, format!("{place}.{key}"));
            let mut peer = Map::default();
            peer.set("id", Value::text(self.id(other), at(end)));
            if relation != Relation::Peer {
                peer.set("relation", Value::text(relation.as_str(), at("relation")));
            }
            if dials || link.transport == LinkTransport::Http {
                let mut url = self.base_url(other, link.transport, mode);
                if link.transport == LinkTransport::Http {
                    url = format!("{url}/accounts/{}/ilp", node.id);
                }
                peer.set("url", computed(&url, link.at.line, &format!("{place}.{end}")));
            }
            peer.set("authToken", link.secret.clone());
            let at = ValuePlace::moved(link.at.line, place);
            merge_peer(&mut list, Value { data: ValueData::Map(peer), at });
        }
        for link in &self.broken_links {
            let other = match link.ends {
                [end, other] | [other, end] if end == number => other,
                _ => continue,
            };
            // Its mistakes are reported; routes may still name the peer.
            let mut peer = Map::default();
            peer.set("id", Value::text(self.id(other), link.at.clone()));
            for key in ["relation", "authToken"] {
                peer.set(key, Value { data: ValueData::Broken, at: link.at.clone() });
            }
            merge_peer(&mut list, Value { data: ValueData::Map(peer), at: link.at.clone() });
        }
        if let Some(own) = node.keys.get("peers") {
            // Not a list: reported when the node is read.
            let Some(items) = own.as_list() else { return Some(own.clone()) };
            let root = ValuePath::root(&own.at);
            for (index, item) in items.iter().enumerate() {
                let mut peer = with_key_locations(item, &root.index(index, &item.at));
                if mode == Deployment::Loopback {
                    self.to_loopback(&mut peer);
                }
                merge_peer(&mut list, peer);
            }
        }
        for peer in &self.default_peers {
            if !list.iter().any(|known| id_of(known) == id_of(peer)) {
                list.push(peer.clone());
            }
        }
        for peer in &mut list {
            if let ValueData::Map(peer) = &mut peer.data {
                for (name, value) in &self.peer_defaults.0 {
                    peer.set_default(&name.text, value.clone());
                }
            }
        }
        Some(Value { data: ValueData::List(list), at: ValuePlace::line(node.at.line as usize) })
    }

    /// A node's own entries for peers.
    pub(super) fn own_peers(&self, number: usize) -> &[Value] {
        let peers = self.node_at(number).keys.get("peers");
        peers.and_then(Value::as_list).unwrap_or_default()
    }

    /// A peer's url that leads to a node of this network, on this machine.
    fn to_loopback(&self, peer: &mut Value) {
        let ValueData::Map(map) = &mut peer.data else { return };
        let Some(value) = map.get("url") else { return };
        let Some((text, line)) = value.as_text().map(|text| (text, value.at.line)) else { return };
        let Ok(url) = text.parse::<PeerUrl>() else { return };
        let Some(number) = self.node_at_url(&url) else { return };
        let Some((scheme, rest)) = text.split_once("://") else { return };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user =
            authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        let port = self.port_of(number, listener_of(&url), Deployment::Loopback);
        let path = rest.get(authority.len()..).unwrap_or_default();
        let place = ValuePath::root(&value.at).place().text;
        map.set(
            "url",
            computed(&format!("{scheme}://{user}{LOOPBACK}:{port}{path}"), line, &place),
        );
    }
}

pub(super) fn id_of(peer: &Value) -> Option<&str> {
    peer.text_of("id")
}

/// Adds a peer to a list, or its keys to the peer of that id.
fn merge_peer(list: &mut Vec<Value>, peer: Value) {
    let known =
        list.iter_mut().find(|known| id_of(known).is_some() && id_of(known) == id_of(&peer));
    match (known.map(|known| &mut known.data), peer.data) {
        (Some(ValueData::Map(known)), ValueData::Map(Map(entries))) => {
            for (name, value) in entries {
                // The second link of a pair adds its url to the peer of the first.
                if !value.is_null() {
                    known.set(&name.text, value);
                }
            }
        }
        (_, data) => list.push(Value { data, at: peer.at }),
    }
}
