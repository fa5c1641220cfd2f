//! `compose`: prints a docker-compose.yml for any topology file. The links stay in the topology file, which every
//! container reads and watches; the output has what belongs to a machine: containers, ports, secrets.

mod variables;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use self::variables::Variable;
use super::args::ComposeArguments;
use crate::config::{Environment, Source};
use crate::console::Failure;
use crate::topology::{
    Deployment, LOOPBACK_BTP_PORT, LOOPBACK_HEALTH_PORT, LOOPBACK_HTTP_PORT, Topology,
};

/// The contents of a docker-compose.yml.
#[derive(Debug)]
struct Compose {
    file: PathBuf,
    image: String,
    build: Option<String>,
    services: Vec<Service>,
    variables: Vec<Variable>,
}

/// The container of one node.
#[derive(Debug)]
struct Service {
    id: String,
    /// The prefix of its variables outside the container.
    prefix: String,
    /// The host under which others dial it, if that is not the id.
    alias: Option<String>,
    btp_port: u16,
    health_port: u16,
    http_port: Option<u16>,
    published: PublishedPorts,
    /// The ids of the nodes that it is linked with.
    linked: Vec<String>,
}

/// The host's ports for one node, those of `up` for a node that sets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PublishedPorts {
    btp: u16,
    http: u16,
    health: u16,
}

/// Prints the file; warnings go to `err`.
pub(super) fn run(
    arguments: &ComposeArguments,
    environment: &Environment,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<(), Failure> {
    let compose = Compose::load(arguments, environment, err)?;
    compose.print(out)?;
    Ok(out.flush()?)
}

impl Compose {
    fn load(
        arguments: &ComposeArguments,
        environment: &Environment,
        err: &mut dyn Write,
    ) -> Result<Self, Failure> {
        let file = &arguments.file;
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
        let variables = variables::find_variables(&text);
        let source = Source {
            file: Some(file.clone()),
            environment: variables::values_for_loading(&variables, environment),
            ..Source::default()
        };
        let topology = Topology::load(&source)?;
        let mut services = load_services(&topology, err)?;
        name_variables(&mut services, &variables);
        let current_directory = || Path::new("Dockerfile").exists().then(|| ".".to_owned());
        Ok(Self {
            file: file.clone(),
            image: arguments.image.clone(),
            build: arguments.build.clone().or_else(current_directory),
            services,
            variables,
        })
    }

    /// The BTP and health port inside the containers, if they are the same for all nodes.
    fn common_ports(&self) -> Option<(u16, u16)> {
        let mut ports = self.services.iter().map(|service| (service.btp_port, service.health_port));
        let first = ports.next()?;
        ports.all(|ports| ports == first).then_some(first)
    }
}

fn load_services(topology: &Topology, err: &mut dyn Write) -> Result<Vec<Service>, Failure> {
    let ids: Vec<&str> = topology.node_ids().collect();
    let mut hosts: BTreeMap<String, String> = BTreeMap::new();
    let mut services = Vec::with_capacity(ids.len());
    for (number, id) in ids.iter().enumerate() {
        let node = topology.node(id, Deployment::Spread)?.config;
        let linked = node.peers.iter().filter(|peer| ids.contains(&peer.account.id.as_str()));
        for peer in linked.clone() {
            if let Some(url) = &peer.url {
                hosts.insert(peer.account.id.to_string(), url.host().to_string());
            }
        }
        let published =
            assign_ports(number, node.settings.http_server_port.is_some()).ok_or_else(|| {
                Failure::Usage(format!(
                    "one machine does not have enough ports for {} nodes",
                    ids.len()
                ))
            })?;
        if node.settings.btp_server_port == 0
            || node.settings.health_check_port == 0
            || node.settings.http_server_port == Some(0)
        {
            return Err(Failure::Usage(format!(
                "node {id} has port 0, which changes at every start; a container needs a fixed port"
            )));
        }
        if id.contains('~') {
            return Err(Failure::Usage(format!(
                "node {id}: a Compose service cannot have '~' in its name"
            )));
        }
        services.push(Service {
            id: (*id).to_owned(),
            prefix: String::new(),
            alias: None,
            btp_port: node.settings.btp_server_port,
            health_port: node.settings.health_check_port,
            http_port: node.settings.http_server_port,
            published,
            linked: linked.map(|peer| peer.account.id.to_string()).collect(),
        });
    }
    for service in &mut services {
        let Some(host) = hosts.remove(&service.id).filter(|host| *host != service.id) else {
            continue;
        };
        if host == "localhost" || host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok()
        {
            writeln!(
                err,
                "warning: the others dial node {} at {host}, which no container can have; remove its host",
                service.id
            )?;
        } else {
            service.alias = Some(host);
        }
    }
    Ok(services)
}

/// Finds a prefix for each node's variables `<ID>_BTP_PEER_<OTHER>_URL`, which set another URL for a link. Compose
/// requires names that start with a letter or `_`, and different ids may be equal in capitals.
fn name_variables(services: &mut [Service], variables: &[Variable]) {
    let mut taken: BTreeSet<String> =
        variables.iter().map(|variable| variable.name.clone()).collect();
    for service in services {
        // The configuration refuses two peers of a node with the same variable.
        let inside: Vec<String> =
            service.linked.iter().map(|peer| yaml::url_variable(peer)).collect();
        let upper = yaml::variable_segment(&service.id);
        let first = match upper.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("NODE_{upper}"),
            false => upper,
        };
        let mut prefix = first.clone();
        let mut number = 1_usize;
        let names = |prefix: &str| -> Vec<String> {
            inside.iter().map(|variable| format!("{prefix}_{variable}")).collect()
        };
        while names(&prefix).iter().any(|name| taken.contains(name)) {
            number += 1;
            prefix = format!("{first}_{number}");
        }
        taken.extend(names(&prefix));
        service.prefix = prefix;
    }
}

fn assign_ports(number: usize, has_http: bool) -> Option<PublishedPorts> {
    let number = u16::try_from(number).ok()?;
    let btp = LOOPBACK_BTP_PORT.checked_add(number)?;
    let http = LOOPBACK_HTTP_PORT.checked_add(number)?;
    let health = LOOPBACK_HEALTH_PORT.checked_add(number)?;
    // The ranges of the three kinds of ports must not overlap.
    let is_disjoint = match has_http {
        true => btp < LOOPBACK_HTTP_PORT && http < LOOPBACK_HEALTH_PORT,
        false => btp < LOOPBACK_HEALTH_PORT,
    };
    is_disjoint.then_some(PublishedPorts { btp, http, health })
}

#[cfg(test)]
mod tests {
    use serde_yaml::Value;

    use super::*;

    fn compose(file: &str, build: Option<&str>) -> (String, String) {
        let arguments = ComposeArguments {
            file: file.into(),
            image: "ilp-connector".into(),
            build: build.map(str::to_owned),
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        run(&arguments, &Environment::new(), &mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    /// The output and the file at the root may differ in comments only.
    fn without_comments(text: &str) -> Vec<&str> {
        text.lines()
            .filter(|line| !line.trim_start().starts_with('#') && !line.is_empty())
            .collect()
    }

    #[test]
    fn the_output_equals_the_file_at_the_root() {
        let (printed, warnings) = compose("docker/config/config.yaml", Some("."));
        let at_root = std::fs::read_to_string("docker-compose.yml").unwrap();
        assert_eq!(without_comments(&printed), without_comments(&at_root));
        assert_eq!(warnings, "");
    }

    #[test]
    fn ports_hosts_and_names_of_any_network() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net work.yaml");
        std::fs::write(
            &file,
            "nodes:\n  - { id: node-a, btpServerPort: 4000 }\n  - { id: b, host: bee.example, healthCheckPort: 9000 }\n  \
             - { id: c, host: 127.0.0.1, httpServerPort: 7000 }\nlinks:\n  - { from: node-a, to: b, secret: \"${S:-a: 'b' #c}\" }\n  \
             - { from: b, to: c, secret: \"$T\" }\n  - { from: c, to: node-a, secret: \"${NEEDED}\" }\n",
        )
        .unwrap();
        let (printed, warnings) = compose(file.to_str().unwrap(), None);
        let parsed: Value = serde_yaml::from_str(&printed).unwrap();
        let services = &parsed["services"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let a = &services["node-a"];
        assert_eq!(text(&a["ports"][0]), "127.0.0.1:3000:4000");
        assert_eq!(text(&a["environment"]["BTP_SERVER_PORT"]), "4000");
        assert_eq!(text(&a["environment"]["BTP_PEER_B_URL"]), "${NODE_A_BTP_PEER_B_URL:-}");
        assert_eq!(
            text(&services["c"]["environment"]["BTP_PEER_NODE_A_URL"]),
            "${C_BTP_PEER_NODE_A_URL:-}"
        );
        assert_eq!(text(&services["b"]["ports"][1]), "127.0.0.1:8081:9000");
        assert_eq!(services["b"]["ports"].as_sequence().unwrap().len(), 2);
        assert_eq!(text(&services["c"]["ports"][2]), "127.0.0.1:7772:7000");
        assert_eq!(text(&services["b"]["networks"]["ilp"]["aliases"][0]), "bee.example");
        let environment = &parsed["x-environment"];
        assert_eq!(text(&environment["CONFIG_FILE"]), "/etc/ilp-connector/net work.yaml");
        assert_eq!(text(&environment["S"]), "${S:-a: 'b' #c}");
        assert!(text(&environment["NEEDED"]).starts_with("${NEEDED:?"));
        assert_eq!(environment.get("T"), None, "a dollar without braces is a dollar");
        assert_eq!(environment.get("BTP_SERVER_PORT"), None);
        let mounted = format!("{}:/etc/ilp-connector:ro", folder.path().display());
        assert_eq!(text(&parsed["x-node"]["volumes"][0]), mounted);
        assert!(warnings.contains("dial node c at 127.0.0.1"), "{warnings}");
    }

    #[test]
    fn names_of_variables_begin_with_a_letter_and_differ() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        let ids = ["1", "node-1", "a-b", "a_b", "c"];
        let links = [("1", "c"), ("node-1", "c"), ("a-b", "1"), ("a_b", "node-1")];
        let links =
            links.map(|(from, to)| format!("{{from: '{from}', to: '{to}', secret: s{from}}}"));
        let nodes = ids.map(|id| format!("{{id: '{id}'}}"));
        let text = format!("nodes: [{}]\nlinks: [{}]\n", nodes.join(", "), links.join(", "));
        // This variable stands in the file itself, so no link may use its name.
        std::fs::write(
            &file,
            format!("{text}defaults: {{logLevel: '${{A_B_BTP_PEER_1_URL:-info}}'}}\n"),
        )
        .unwrap();
        let (printed, _) = compose(file.to_str().unwrap(), None);
        let parsed: Value = serde_yaml::from_str(&printed).unwrap();
        let mut names = BTreeSet::new();
        for id in ids {
            for (name, value) in parsed["services"][id]["environment"].as_mapping().unwrap() {
                if name.as_str().unwrap().starts_with("BTP_PEER_") {
                    let value = value.as_str().unwrap().to_owned();
                    assert!(value[2..].starts_with(|c: char| c.is_ascii_uppercase()), "{value}");
                    assert!(names.insert(value.clone()), "{value} twice");
                }
            }
        }
        for expected in ["NODE_1_BTP_PEER_C_URL", "NODE_1_2_BTP_PEER_C_URL", "A_B_2_BTP_PEER_1_URL"]
        {
            assert!(names.contains(&format!("${{{expected}:-}}")), "{expected}: {names:?}");
        }
    }

    #[test]
    fn more_nodes_than_ports() {
        let first = PublishedPorts { btp: 3000, http: 7770, health: 8080 };
        assert_eq!(assign_ports(0, true), Some(first));
        assert_eq!(assign_ports(309, true).map(|ports| ports.http), Some(8079));
        assert_eq!(assign_ports(310, true), None);
        assert_eq!(assign_ports(5079, false).map(|ports| ports.btp), Some(8079));
        assert_eq!(assign_ports(5080, false), None);
        assert_eq!(assign_ports(100_000, false), None);
    }
}
