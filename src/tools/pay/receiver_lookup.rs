//! Finds a receiver of the configuration by its address: the node that it belongs to, and the URL for SPSP queries
//! there.

use super::spsp_clients::OwnServer;
use crate::config::{FileForm, Loaded, NodeConfig};
use crate::console::{
    Failure, NodeAndNetwork, describe_unknown_port, host_to_dial, url_of_unknown_port,
};
use crate::net::{HttpUrl, authority};
use crate::tools::login::trust_for_node;
use crate::topology::{Deployment, Topology};
use crate::wire::Address;
use crate::wire::payment_pointer::WELL_KNOWN_PATH;

/// The SPSP endpoint of a receiver, from the configuration.
pub(super) struct SpspEndpoint {
    pub(super) url: HttpUrl,
    /// The end of the error message if the node gives no secret: the likely reason.
    pub(super) hint: String,
}

/// The endpoint for this address in the network of the login. `on_this_machine`: `--node` names the node. Segments
/// below the receiver's are left out, because the answer has its own.
pub(super) fn find_endpoint(
    address: &Address,
    network: Option<&NodeAndNetwork>,
    on_this_machine: bool,
) -> Result<SpspEndpoint, Failure> {
    let network = network.filter(|(loaded, _)| loaded.form != FileForm::NoFile);
    let (loaded, topology) = network.ok_or_else(|| {
        Failure::Usage(format!(
            "an address alone is not enough: its secret is needed too. Give --secret, or a payment pointer or SPSP URL \
             instead of {address}, or name its network with --config FILE and without --via"
        ))
    })?;
    let mut found: Option<(NodeConfig, String)> = None;
    for (node, host) in nodes_with_hosts(loaded, topology.as_ref(), on_this_machine)? {
        let depth = |node: &NodeConfig| node.address.as_ref().map_or(0, |own| own.as_str().len());
        let is_below = node
            .address
            .as_ref()
            .is_some_and(|own| *own == *address || address.view().below(own.view()).is_some());
        if is_below && found.as_ref().is_none_or(|(best, _)| depth(&node) > depth(best)) {
            found = Some((node, host));
        }
    }
    let Some((node, host)) = found else {
        return Err(Failure::Usage(format!(
            "{address} belongs to no node of the configuration; give --secret, or a payment pointer or SPSP URL"
        )));
    };
    if node.settings.http_server_port == Some(0) {
        let id = node.settings.node_id.as_str();
        let url = url_of_unknown_port(scheme_of(&node), &host);
        let instead = format!("give the URL of the receiver, {url}/RECEIVER");
        return Err(Failure::Usage(describe_unknown_port(id, "httpServerPort", "HTTP", &instead)));
    }
    let Some(port) = node.settings.http_server_port else {
        return Err(Failure::Usage(format!(
            "node {} has no httpServerPort, so it cannot be asked for a secret; set one, or give --secret",
            node.settings.node_id
        )));
    };
    let scheme = scheme_of(&node);
    let below = node.address.as_ref().and_then(|own| address.view().below(own.view()));
    let receiver = below.and_then(|below| below.split('.').next());
    let path =
        receiver.map_or_else(|| WELL_KNOWN_PATH.to_owned(), |receiver| format!("/{receiver}"));
    let text = format!("{scheme}://{}{path}", authority(&host, port));
    let url = text.parse();
    let url = url.map_err(|error| Failure::Usage(format!("cannot ask {text}: {error}")))?;
    let matches = |name: &str| receiver.is_none_or(|wanted| wanted == name);
    let is_known = node.receivers.iter().any(|known| matches(known.id.as_str()));
    let hint = if is_known { not_running_hint(&node) } else { receivers_hint(&node) };
    Ok(SpspEndpoint { url, hint })
}

/// The HTTP servers with TLS of all nodes of the configuration.
pub(super) fn own_servers(
    network: Option<&NodeAndNetwork>,
    on_this_machine: bool,
) -> Result<Vec<OwnServer>, Failure> {
    let Some((loaded, topology)) = network else { return Ok(Vec::new()) };
    let nodes = nodes_with_hosts(loaded, topology.as_ref(), on_this_machine)?;
    let servers = nodes.into_iter().filter(|(node, _)| node.settings.tls.is_some());
    let servers = servers.filter_map(|(node, host)| {
        let port = node.settings.http_server_port?;
        Some(OwnServer { host, port, trust: trust_for_node(&node) })
    });
    Ok(servers.collect())
}

fn scheme_of(node: &NodeConfig) -> &'static str {
    if node.settings.tls.is_some() { "https" } else { "http" }
}

/// The node has the receiver: then it does not run, or another node answered at its port.
fn not_running_hint(node: &NodeConfig) -> String {
    format!(
        "; is node {} running, and on this port? (`up` keeps the ports of its nodes while the file changes, and prints a \
         note if it takes another port)",
        node.settings.node_id
    )
}

/// Lists the receivers of a node.
fn receivers_hint(node: &NodeConfig) -> String {
    let names: Vec<&str> = node.receivers.iter().map(|receiver| receiver.id.as_str()).collect();
    match names.as_slice() {
        [] => format!("; in the configuration node {} has no receivers", node.settings.node_id),
        names => format!(
            "; in the configuration node {} has: {}",
            node.settings.node_id,
            names.join(", ")
        ),
    }
}

/// The nodes of the configuration, and the host to dial for each.
fn nodes_with_hosts(
    loaded: &Loaded,
    topology: Option<&Topology>,
    on_this_machine: bool,
) -> Result<Vec<(NodeConfig, String)>, Failure> {
    let Some(topology) = topology else {
        return Ok(vec![(
            loaded.config.clone(),
            host_to_dial(&loaded.config.settings.http_server_host),
        )]);
    };
    // As in `local_node`: with `NODE_ID`, each node runs on its own host.
    let mode = if on_this_machine { Deployment::Loopback } else { Deployment::Spread };
    let mut nodes = Vec::new();
    for id in topology.node_ids() {
        let config = topology.node(id, mode)?.config;
        let host = match mode {
            Deployment::Loopback => host_to_dial(&config.settings.http_server_host),
            Deployment::Spread => topology.host_of(id).unwrap_or_else(|| id.to_owned()),
        };
        nodes.push((config, host));
    }
    Ok(nodes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;
    use crate::console::{SourceArguments, load_node_and_network};

    #[test]
    fn an_endpoint_that_gives_no_secret_has_a_likely_reason() {
        let arguments = SourceArguments {
            config: Some("docker/config/config.yaml".into()),
            node: Some("a".to_owned()),
        };
        let network = load_node_and_network(&arguments, &Environment::default()).unwrap();
        for (address, expected) in [
            ("test.c.wallet.token", "; is node c running, and on this port?"),
            ("test.c.none", "; in the configuration node c has: wallet"),
        ] {
            let endpoint = find_endpoint(&address.parse().unwrap(), Some(&network), true).unwrap();
            assert!(endpoint.hint.starts_with(expected), "{address}: {}", endpoint.hint);
        }
    }
}
