//! One node of a topology as the tree of an equivalent node file: its keys, the defaults, a peer for each link, an
//! address, ports and routes. Each value keeps its location in the topology file.

use super::deployment::Deployment;
use super::listeners::{HTTP, LOOPBACK, ListenerKeys, is_port_of_listener, written_port};
use super::network_file::Topology;
use crate::config::{LinkTransport, Value, ValueData, ValueOrigin, ValuePlace};

/// A value that was computed; `line` and `place` say from what.
pub(super) fn computed(text: &str, line: u32, place: &str) -> Value {
    Value::text(text, ValuePlace::relocated(line, ValueOrigin::Computed, Some(place.to_owned())))
}

impl Topology {
    /// The tree of a node; with its routes, unless only the rest is wanted.
    pub(super) fn tree(&self, number: usize, mode: Deployment, with_routes: bool) -> Option<Value> {
        let node = self.nodes.get(number)?;
        let place = format!("nodes[{}]", node.file_index);
        let mut map = node.keys.clone();
        let id_at = ValuePlace::moved(node.at.line, format!("{place}.id"));
        map.set("nodeId", Value::text(node.id.as_str(), id_at));
        let computed =
            |key: &str, text: &str| computed(text, node.at.line, &format!("{place}.{key}"));
        for (name, value) in &self.node_defaults.0 {
            // On one machine, nodes cannot share a port.
            if mode == Deployment::Spread || !is_port_of_listener(&name.text) {
                map.set_default(&name.text, value.clone());
            }
        }
        if mode == Deployment::Loopback {
            for listener in self.listeners(number) {
                let ListenerKeys { key, host_key, .. } = listener;
                match node.running_ports.iter().find(|port| port.key == *key) {
                    Some(port) if map.get(key).and_then(written_port) != Some(port.next) => {
                        map.set(key, computed(key, &port.next.to_string()));
                    }
                    Some(_) => {}
                    None => {
                        let port = self.assigned_port(number, listener).to_string();
                        map.set_default(key, computed(key, &port));
                    }
                }
                if let Some(host_key) = host_key {
                    map.set(host_key, computed(host_key, LOOPBACK));
                }
            }
        }
        if map.get("ilpAddress").is_none()
            && let Some(address) = self.address(number)
        {
            map.set("ilpAddress", computed("ilpAddress", address.as_str()));
        }
        if self.is_linked_by_http(number) {
            map.set_default(HTTP.key, computed(HTTP.key, &HTTP.first_port.to_string()));
            let url = self.base_url(number, LinkTransport::Http, mode);
            map.set_default("httpPublicUrl", computed("httpPublicUrl", &url));
        }
        if let Some(peers) = self.peers(number, node, mode) {
            map.set("peers", peers);
        }
        if with_routes && self.has_computed_routes(number) {
            map.set("routes", self.routes(number, node));
        }
        let at = ValuePlace::moved(node.at.line, place);
        Some(Value { data: ValueData::Map(map), at })
    }

    /// A node's own key, else that of `defaults`.
    pub(super) fn setting(&self, number: usize, key: &str) -> Option<&Value> {
        self.node_at(number).keys.get(key).or_else(|| self.node_defaults.get(key))
    }
}
