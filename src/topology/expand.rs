//! One node of a topology as the tree of an equivalent node file: its keys, the defaults, a peer for each link, an
//! address, ports and routes. Each value keeps its location in the topology file.

use std::borrow::Cow;

use super::network_file::{
    Topology, TopologyLink, TopologyNode, inverse, relocated, with_key_locations,
};
use super::paths::{Choice, Graph};
use crate::account::Relation;
use crate::config::{LinkTransport, Map, Path, Value, ValueData, ValueOrigin, ValuePlace, parse};
use crate::net::PeerUrl;
use crate::wire::{Address, Scheme};

/// The first port that `up` assigns to BTP servers.
pub const LOOPBACK_BTP_PORT: u16 = 3000;
/// The first port that `up` assigns to health servers.
pub const LOOPBACK_HEALTH_PORT: u16 = 8080;
/// The first port that `up` assigns to HTTP servers, of nodes that have one.
pub const LOOPBACK_HTTP_PORT: u16 = 7770;
/// Computed routes are kept in networks of at most this many nodes: they take about 60 bytes for each pair.
const CACHED_NODES_MAX: usize = 512;
/// The host of all nodes of `up`.
const LOOPBACK: &str = "127.0.0.1";

/// A listener of a node: the keys that set it, and the first port that `up` assigns to it.
pub(super) struct ListenerKeys {
    /// The key of its port.
    pub(super) key: &'static str,
    /// The key of its host.
    pub(super) host_key: &'static str,
    pub(super) first_port: u16,
}

/// For BTP.
pub(super) const BTP: ListenerKeys =
    ListenerKeys { key: "btpServerPort", host_key: "btpServerHost", first_port: LOOPBACK_BTP_PORT };
/// For ILP over HTTP and SPSP. Not every node has it.
pub(super) const HTTP: ListenerKeys = ListenerKeys {
    key: "httpServerPort",
    host_key: "httpServerHost",
    first_port: LOOPBACK_HTTP_PORT,
};
/// For health and metrics.
pub(super) const HEALTH: ListenerKeys = ListenerKeys {
    key: "healthCheckPort",
    host_key: "healthCheckHost",
    first_port: LOOPBACK_HEALTH_PORT,
};
/// All of them.
pub(super) const LISTENERS: [ListenerKeys; 3] = [BTP, HTTP, HEALTH];

impl ListenerKeys {
    /// Whether a node has it.
    pub(super) fn exists(&self, has_http: bool) -> bool {
        has_http || self.key != HTTP.key
    }
}

/// How the nodes of a network run (D15).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Each on a host of its own, as in Compose: links go to `host`, by default the node's id.
    Spread,
    /// All on this machine, as `up` runs them: links go to 127.0.0.1, every node has ports of its own.
    Loopback,
}

/// A value that was computed; `line` and `place` say from what.
fn computed(text: &str, line: u32, place: &str) -> Value {
    Value::text(text, ValuePlace::relocated(line, ValueOrigin::Computed, Some(place.to_owned())))
}

impl Topology {
    /// The tree of a node; with its routes, unless only the rest is wanted.
    pub(super) fn tree(&self, number: usize, mode: Deployment, with_routes: bool) -> Option<Value> {
        let node = self.nodes.get(number)?;
        let place = format!("nodes[{}]", node.index);
        let mut map = node.keys.clone();
        let id_at =
            ValuePlace::relocated(node.at.line, ValueOrigin::File, Some(format!("{place}.id")));
        map.set("nodeId", Value::text(node.id.as_str(), id_at));
        let has_http = self.has_http(number);
        for (name, value) in &self.node_defaults.0 {
            // On one machine, nodes cannot share a port.
            if mode == Deployment::Spread || !LISTENERS.iter().any(|port| port.key == &*name.text) {
                map.set_default(&name.text, value.clone());
            }
        }
        if mode == Deployment::Loopback {
            for listener in LISTENERS.iter().filter(|port| port.exists(has_http)) {
                let ListenerKeys { key, host_key, .. } = listener;
                let place_of_key = format!("{place}.{key}");
                match node.running_ports.iter().find(|port| port.key == *key) {
                    Some(port) if map.get(key).is_none_or(|own| !is_port(own, port.next)) => {
                        map.set(key, computed(&port.next.to_string(), node.at.line, &place_of_key));
                    }
                    Some(_) => {}
                    None => {
                        let port = self.assigned_port(number, listener).to_string();
                        map.set_default(key, computed(&port, node.at.line, &place_of_key));
                    }
                }
                map.set(host_key, computed(LOOPBACK, node.at.line, &format!("{place}.{host_key}")));
            }
        }
        if map.get("ilpAddress").is_none()
            && let Some(address) = self.address(number)
        {
            let place = format!("{place}.ilpAddress");
            map.set("ilpAddress", computed(address.as_str(), node.at.line, &place));
        }
        if self.is_linked_by_http(number) {
            let port = HTTP.first_port.to_string();
            let line = node.at.line;
            map.set_default(HTTP.key, computed(&port, line, &format!("{place}.{}", HTTP.key)));
            let url = self.base_url(number, LinkTransport::Http, mode);
            map.set_default(
                "httpPublicUrl",
                computed(&url, line, &format!("{place}.httpPublicUrl")),
            );
        }
        let peers = self.peers(number, node, mode);
        if let Some(peers) = peers {
            map.set("peers", peers);
        }
        if with_routes && self.has_computed_routes(number) {
            map.set("routes", self.routes(number, node));
        }
        let at = ValuePlace::relocated(node.at.line, ValueOrigin::File, Some(place));
        Some(Value { data: ValueData::Map(map), at })
    }

    /// Peers by link, then the node's own (which may say more about a linked one), then those of all nodes.
    fn peers(&self, number: usize, node: &TopologyNode, mode: Deployment) -> Option<Value> {
        let mut list: Vec<Value> = Vec::new();
        for link in self.links.iter().filter(|link| link.from == number || link.to == number) {
            let dials = link.from == number;
            let (other, relation, end) = match dials {
                true => (link.to, link.relation, "to"),
                false => (link.from, inverse(link.relation), "from"),
            };
            let place = format!("links[{}]", link.index);
            let at = |key: &str| {
                ValuePlace::relocated(
                    link.at.line,
                    ValueOrigin::File,
                    Some(format!("{place}.{key}")),
                )
            };
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
            let at = ValuePlace::relocated(link.at.line, ValueOrigin::File, Some(place));
            merge_peer(&mut list, Value { data: ValueData::Map(peer), at });
        }
        if let Some(own) = node.keys.get("peers") {
            // Not a list: reported when the node is read.
            let Some(items) = own.as_list() else { return Some(own.clone()) };
            let root = Path::root(&own.at);
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

    /// The URL at which a node is dialled, without a path.
    pub(super) fn base_url(
        &self,
        number: usize,
        transport: LinkTransport,
        mode: Deployment,
    ) -> String {
        let tls = self.setting(number, "tls").is_some();
        let (listener, scheme) = match (transport, tls) {
            (LinkTransport::Btp, false) => (BTP, "ws"),
            (LinkTransport::Btp, true) => (BTP, "wss"),
            (LinkTransport::Http, false) => (HTTP, "http"),
            (LinkTransport::Http, true) => (HTTP, "https"),
        };
        let host = match mode {
            Deployment::Loopback => LOOPBACK,
            Deployment::Spread => self.host(number),
        };
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        // A port of 0 is reported by `network`.
        let port = match self.port_of(number, &listener, mode) {
            0 => listener.first_port,
            port => port,
        };
        format!("{scheme}://{host}:{port}")
    }

    /// The name by which other nodes reach a node.
    pub(super) fn host(&self, number: usize) -> &str {
        let node = self.node_at(number);
        node.host.as_deref().unwrap_or(node.id.as_str())
    }

    /// The port of one of a node's servers; the default where what is written is no port.
    pub(super) fn port_of(&self, number: usize, listener: &ListenerKeys, mode: Deployment) -> u16 {
        let node = self.node_at(number);
        let mut running_ports = node.running_ports.iter();
        if mode == Deployment::Loopback
            && let Some(running) = running_ports.find(|port| port.key == listener.key)
        {
            return running.port;
        }
        let (value, default) = match mode {
            Deployment::Spread => (self.setting(number, listener.key), listener.first_port),
            Deployment::Loopback => {
                (node.keys.get(listener.key), self.assigned_port(number, listener))
            }
        };
        let port =
            value.and_then(Value::as_text).and_then(|text| parse::integer(text, 0, 65_535).ok());
        port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
    }

    /// The port that `up` assigns to a node that sets none.
    fn assigned_port(&self, number: usize, listener: &ListenerKeys) -> u16 {
        let port_offset = u16::try_from(self.node_at(number).port_offset).unwrap_or(u16::MAX);
        let first = match self.base_port {
            Some(base) => base.saturating_add(listener.first_port - BTP.first_port),
            None => listener.first_port,
        };
        first.saturating_add(port_offset)
    }

    /// Whether a node has an HTTP server.
    pub(super) fn has_http(&self, number: usize) -> bool {
        self.setting(number, HTTP.key).is_some() || self.is_linked_by_http(number)
    }

    fn is_linked_by_http(&self, number: usize) -> bool {
        let of_it = |link: &&TopologyLink| link.from == number || link.to == number;
        self.links.iter().filter(of_it).any(|link| link.transport == LinkTransport::Http)
    }

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

    /// A node's own key, else that of `defaults`.
    pub(super) fn setting(&self, number: usize, key: &str) -> Option<&Value> {
        self.node_at(number).keys.get(key).or_else(|| self.node_defaults.get(key))
    }

    /// A peer's url that leads to a node of this network, on this machine.
    fn to_loopback(&self, peer: &mut Value) {
        let ValueData::Map(map) = &mut peer.data else { return };
        let Some(value) = map.get("url") else { return };
        let Some((text, line)) = value.as_text().map(|text| (text, value.at.line)) else { return };
        let Ok(url) = text.parse::<PeerUrl>() else { return };
        let host = url.host().to_string();
        let listener = listener_of(&url);
        let leads_there = |number: &usize| {
            self.host(*number) == host
                && self.port_of(*number, listener, Deployment::Spread) == url.port()
        };
        let Some(number) = (0..self.nodes.len()).find(leads_there) else { return };
        let Some((scheme, rest)) = text.split_once("://") else { return };
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        let user =
            authority.rsplit_once('@').map(|(user, _)| format!("{user}@")).unwrap_or_default();
        let port = self.port_of(number, listener, Deployment::Loopback);
        let path = rest.get(authority.len()..).unwrap_or_default();
        let new = computed(&format!("{scheme}://{user}{LOOPBACK}:{port}{path}"), line, "");
        let place = Path::root(&value.at).place().text;
        map.set("url", relocated(&new, place));
    }

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
        if self.has_outside_parent(node) {
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
        let own = || {
            let peers = self.node_at(parent).keys.get("peers")?.as_list()?;
            let peer = peers.iter().find(|peer| id_of(peer) == Some(child))?;
            Some(peer.text_of("childAddressSegment")?.to_owned())
        };
        own().unwrap_or_else(|| child.to_owned())
    }

    fn has_outside_parent(&self, node: &TopologyNode) -> bool {
        let peers = node.keys.get("peers").and_then(Value::as_list).unwrap_or_default();
        peers.iter().any(|peer| peer.text_of("relation") == Some("parent"))
    }

    /// The connected nodes: by links, and where two nodes name each other in their own peers.
    pub(super) fn graph(&self) -> Graph {
        let names = |a: usize, b: usize| {
            let peers =
                self.node_at(a).keys.get("peers").and_then(Value::as_list).unwrap_or_default();
            peers.iter().any(|peer| id_of(peer) == Some(self.id(b)))
        };
        let with_peers: Vec<usize> = (0..self.nodes.len())
            .filter(|number| self.node_at(*number).keys.get("peers").is_some())
            .collect();
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
    fn routes(&self, number: usize, node: &TopologyNode) -> Value {
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

/// Whether a value is this port.
fn is_port(value: &Value, port: u16) -> bool {
    value.as_text().and_then(|text| parse::integer(text, 0, 65_535).ok()) == Some(u64::from(port))
}

/// The server that a peer's url leads to.
pub(super) fn listener_of(url: &PeerUrl) -> &'static ListenerKeys {
    match url {
        PeerUrl::Btp(_) => &BTP,
        PeerUrl::Http(_) => &HTTP,
    }
}

fn id_of(peer: &Value) -> Option<&str> {
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

/// Whether a key of a node may be set by the environment when the nodes of a network share one process.
pub(super) fn not_from_environment(mode: Deployment) -> &'static [&'static str] {
    match mode {
        Deployment::Spread => &["nodeId"],
        Deployment::Loopback => &[
            "nodeId",
            "ilpAddress",
            "btpServerHost",
            "btpServerPort",
            "httpServerHost",
            "httpServerPort",
            "healthCheckHost",
            "healthCheckPort",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{KeySet, NodeSettings};

    #[test]
    fn every_excepted_key_exists() {
        for name in not_from_environment(Deployment::Loopback) {
            assert!(NodeSettings::KEYS.iter().any(|key| key.name == *name), "{name}");
        }
    }
}
