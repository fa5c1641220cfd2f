//! The listeners of a node: the keys that set them, their ports, and the URLs at which other nodes dial them.

use super::deployment::Deployment;
use super::network_file::{Topology, TopologyLink};
use crate::config::{LinkTransport, Value, parse};
use crate::net::{PeerUrl, authority};

/// The first port that `up` assigns to BTP servers.
pub const LOOPBACK_BTP_PORT: u16 = 3000;
/// The first port that `up` assigns to health servers.
pub const LOOPBACK_HEALTH_PORT: u16 = 8080;
/// The first port that `up` assigns to HTTP servers, of nodes that have one.
pub const LOOPBACK_HTTP_PORT: u16 = 7770;
/// The first port that `up` assigns to listeners for settlement engines, of nodes that have one.
const LOOPBACK_SETTLEMENT_PORT: u16 = 7100;
/// The host of all nodes of `up`.
pub(super) const LOOPBACK: &str = "127.0.0.1";

/// A listener of a node: the keys that set it, and the first port that `up` assigns to it.
pub(super) struct ListenerKeys {
    /// The key of its port.
    pub(super) key: &'static str,
    /// The key of its host, if `up` sets it.
    pub(super) host_key: Option<&'static str>,
    pub(super) first_port: u16,
}

/// The listener for BTP.
pub(super) const BTP: ListenerKeys = ListenerKeys {
    key: "btpServerPort",
    host_key: Some("btpServerHost"),
    first_port: LOOPBACK_BTP_PORT,
};
/// The listener for ILP over HTTP and SPSP. Not every node has it.
pub(super) const HTTP: ListenerKeys = ListenerKeys {
    key: "httpServerPort",
    host_key: Some("httpServerHost"),
    first_port: LOOPBACK_HTTP_PORT,
};
/// The listener for health and metrics.
pub(super) const HEALTH: ListenerKeys = ListenerKeys {
    key: "healthCheckPort",
    host_key: Some("healthCheckHost"),
    first_port: LOOPBACK_HEALTH_PORT,
};
/// The listener for settlement engines. Not every node has it. Its host stays: it is the loopback interface by default,
/// and an engine may run in a container.
const SETTLEMENT: ListenerKeys =
    ListenerKeys { key: "settlementPort", host_key: None, first_port: LOOPBACK_SETTLEMENT_PORT };
/// All of them.
static LISTENERS: [ListenerKeys; 4] = [BTP, HTTP, HEALTH, SETTLEMENT];

/// Whether a key is the port of a listener.
pub(super) fn is_port_of_listener(key: &str) -> bool {
    LISTENERS.iter().any(|listener| listener.key == key)
}

impl Topology {
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
        // A port of 0 is reported by `network`.
        let port = match self.port_of(number, &listener, mode) {
            0 => listener.first_port,
            port => port,
        };
        format!("{scheme}://{}", authority(host, port))
    }

    /// The name by which other nodes reach a node.
    pub(super) fn host(&self, number: usize) -> &str {
        let node = self.node_at(number);
        node.host.as_deref().unwrap_or(node.id.as_str())
    }

    /// The port of one of a node's servers; the default if its value is not a port.
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
        value.and_then(written_port).unwrap_or(default)
    }

    /// The port that `up` assigns to a node that sets none.
    pub(super) fn assigned_port(&self, number: usize, listener: &ListenerKeys) -> u16 {
        let port_offset = u16::try_from(self.node_at(number).port_offset).unwrap_or(u16::MAX);
        let first = match self.base_port {
            Some(base) => base.saturating_add(listener.first_port - BTP.first_port),
            None => listener.first_port,
        };
        first.saturating_add(port_offset)
    }

    /// The node whose listener a url leads to, if each node runs on its own host.
    pub(super) fn node_at_url(&self, url: &PeerUrl) -> Option<usize> {
        let host = url.host().to_string();
        (0..self.nodes.len()).find(|number| {
            self.host(*number) == host
                && self.port_of(*number, listener_of(url), Deployment::Spread) == url.port()
        })
    }

    /// The listeners that a node has.
    pub(super) fn listeners(&self, number: usize) -> impl Iterator<Item = &'static ListenerKeys> {
        let (has_http, has_engines) =
            (self.has_http(number), self.setting(number, SETTLEMENT.key).is_some());
        LISTENERS.iter().filter(move |listener| match listener.key {
            key if key == HTTP.key => has_http,
            key if key == SETTLEMENT.key => has_engines,
            _ => true,
        })
    }

    /// Whether a node has an HTTP server.
    pub(super) fn has_http(&self, number: usize) -> bool {
        self.setting(number, HTTP.key).is_some() || self.is_linked_by_http(number)
    }

    pub(super) fn is_linked_by_http(&self, number: usize) -> bool {
        let of_it = |link: &&TopologyLink| link.from == number || link.to == number;
        self.links.iter().filter(of_it).any(|link| link.transport == LinkTransport::Http)
    }
}

/// The port that the file sets, if the value is one.
pub(super) fn written_port(value: &Value) -> Option<u16> {
    parse::port(value.as_text()?).ok()
}

/// The server that a peer's url leads to.
pub(super) fn listener_of(url: &PeerUrl) -> &'static ListenerKeys {
    match url {
        PeerUrl::Btp(_) => &BTP,
        PeerUrl::Http(_) => &HTTP,
    }
}
