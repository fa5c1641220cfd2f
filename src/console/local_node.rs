//! The node of this configuration on this machine, which the tools log in at and `healthcheck` asks.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::config::{self, Diagnostics, Environment, Loaded, Source};
use crate::net::authority;
use crate::topology::{self, Deployment, Topology};

/// What helps where a command has found no file of the node.
pub const NAME_A_FILE: &str = "name its file with --config or CONFIG_FILE (that of the Debian package is \
                               /etc/ilp-connector/node.yaml)";

/// The node of a configuration.
#[derive(Debug, Default, Clone, Args)]
pub struct SourceArguments {
    /// Node file or topology file [variable: CONFIG_FILE]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Which node of a topology file [variable: NODE_ID]
    #[arg(long, value_name = "ID")]
    pub node: Option<String>,
}

/// A node, and the network if its file is a topology file.
pub type NodeAndNetwork = (Loaded, Option<Topology>);

/// Loads the configuration of the node. A node that `--node` picks from a topology file has the ports of `up`, which
/// the file of `compose` publishes, too; for a node named by `NODE_ID`, the ports are those of this environment.
pub fn load_local_node(
    arguments: &SourceArguments,
    environment: &Environment,
) -> Result<Loaded, Diagnostics> {
    load_node_and_network(arguments, environment).map(|(loaded, _)| loaded)
}

/// The same, with the network.
pub fn load_node_and_network(
    arguments: &SourceArguments,
    environment: &Environment,
) -> Result<NodeAndNetwork, Diagnostics> {
    let source = Source {
        file: arguments.config.clone(),
        environment: environment.clone(),
        node: arguments.node.clone(),
        overrides: Vec::new(),
        skip_route_warnings: true,
    };
    let (mut loaded, topology) = topology::load_in_network(&source)?;
    if let (Some(topology), Some(id)) = (&topology, &source.node) {
        let on_loopback = topology.node(id, Deployment::Loopback)?.config;
        let is_set = |name: &str| config::variable(environment, name).is_some();
        if !is_set("BTP_SERVER_PORT") {
            loaded.config.settings.btp_server_port = on_loopback.settings.btp_server_port;
        }
        if !is_set("HEALTH_CHECK_PORT") {
            loaded.config.settings.health_check_port = on_loopback.settings.health_check_port;
        }
    }
    Ok((loaded, topology))
}

/// That the configuration does not have the port of a listener of `node`, because it is 0. `server`: as the line of the
/// log names it; `instead`: what names the port, `PORT`.
pub fn describe_unknown_port(node: &str, key: &str, server: &str, instead: &str) -> String {
    format!(
        "{key} of {node} is 0, so the system chose the port at the start of the node, and only the line \"{server} server \
         listening\" of its log has it: {instead}"
    )
}

/// The URL of a server of which only the host is known.
pub fn url_of_unknown_port(scheme: &str, host: &str) -> String {
    format!("{scheme}://{}PORT", authority(host, 0).trim_end_matches('0'))
}

/// The host to dial on this machine for a server that listens on `host`.
pub fn host_to_dial(host: &str) -> String {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) if address.is_unspecified() => "127.0.0.1".to_owned(),
        Ok(IpAddr::V6(address)) if address.is_unspecified() => "::1".to_owned(),
        _ => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ports of a node of docker/config/config.yaml, which names none.
    fn check(node: Option<&str>, variables: &[(&str, &str)], expected: (u16, u16)) {
        let environment =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let arguments = SourceArguments {
            config: Some("docker/config/config.yaml".into()),
            node: node.map(str::to_owned),
        };
        let config = load_local_node(&arguments, &environment.collect()).unwrap().config;
        assert_eq!(
            (config.settings.btp_server_port, config.settings.health_check_port),
            expected,
            "{node:?} {variables:?}"
        );
    }

    #[test]
    fn ports_of_a_node_on_this_machine() {
        // As `up` and Compose give them.
        check(Some("a"), &[], (3000, 8080));
        check(Some("c"), &[], (3002, 8082));
        // As in the container.
        check(None, &[("NODE_ID", "c")], (3000, 8080));
        check(
            None,
            &[("NODE_ID", "c"), ("BTP_SERVER_PORT", "1"), ("HEALTH_CHECK_PORT", "2")],
            (1, 2),
        );
        check(Some("c"), &[("BTP_SERVER_PORT", "1"), ("HEALTH_CHECK_PORT", "")], (1, 8082));
    }

    #[test]
    fn an_unknown_port_is_left_to_the_user() {
        assert_eq!(url_of_unknown_port("http", "10.0.0.0"), "http://10.0.0.0:PORT");
        assert_eq!(url_of_unknown_port("https", "::"), "https://[::]:PORT");
    }

    #[test]
    fn wildcards_are_reached_on_loopback() {
        for (host, expected) in [
            ("0.0.0.0", "127.0.0.1"),
            ("::", "::1"),
            ("10.0.0.5", "10.0.0.5"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(host_to_dial(host), expected);
        }
    }
}
