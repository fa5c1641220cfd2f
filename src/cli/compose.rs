//! `compose`: prints a docker-compose.yml for any topology file. The links stay in the topology file, which every
//! container reads and watches; the output has what belongs to a machine: containers, ports, secrets.

mod engines;
mod variables;
mod yaml;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use self::variables::Variable;
use super::args::ComposeArguments;
use super::describe_replaced_port;
use crate::config::{Environment, NodeSettings, Source, variable_of_peer, variable_part};
use crate::console::Failure;
use crate::net::StorePlace;
use crate::topology::{
    Deployment, LOOPBACK_BTP_PORT, LOOPBACK_HEALTH_PORT, LOOPBACK_HTTP_PORT, PortAssignments,
    PortReplacement, Topology,
};

/// The service of the database, and its profile.
const DATABASE: &str = "postgres";
/// The service of the page of all nodes, and its port.
const PAGE: &str = "watch";
const PAGE_PORT: u16 = 8000;

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
    /// Whether it keeps its balances in files, so that it needs a volume.
    has_volume: bool,
    /// The ids of the nodes that it is linked with.
    linked: Vec<String>,
    /// Comments on its settlement engines, which the output does not start.
    engines: Vec<String>,
}

/// The host's ports for one node: those of `up`, where tools find them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PublishedPorts {
    btp: u16,
    http: Option<u16>,
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
        let mut topology = Topology::load(&source)?;
        let replaced = assign_host_ports(&mut topology);
        let mut services = load_services(&topology, err)?;
        for replaced in &replaced {
            let note = describe_replaced_port(replaced, "is published for another node", file);
            writeln!(err, "warning: {note}")?;
        }
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

    fn all_have_volumes(&self) -> bool {
        self.services.iter().all(|service| service.has_volume)
    }

    /// Whether the service of the page has its name and its port for itself.
    fn offers_page(&self) -> bool {
        self.services.iter().all(|service| {
            let PublishedPorts { btp, http, health } = service.published;
            service.id != PAGE && ![Some(btp), http, Some(health)].contains(&Some(PAGE_PORT))
        })
    }

    /// Whether a database may take the place of the volumes.
    fn offers_database(&self) -> bool {
        self.all_have_volumes() && self.services.iter().all(|service| service.id != DATABASE)
    }
}

/// Assigns the ports of `up`. Containers may have the same port, and this machine has each port once: the first node
/// gets it, the others the next free ones.
fn assign_host_ports(topology: &mut Topology) -> Vec<PortReplacement> {
    // A port that is probed and free is assigned.
    let assigned = RefCell::new(BTreeSet::new());
    let probe = |port: u16| assigned.borrow_mut().insert(port).then_some(port);
    PortAssignments::default().assign(topology, probe)
}

fn load_services(topology: &Topology, err: &mut dyn Write) -> Result<Vec<Service>, Failure> {
    let ids: Vec<&str> = topology.node_ids().collect();
    let mut hosts: BTreeMap<String, String> = BTreeMap::new();
    let mut host_ports = BTreeSet::new();
    let mut services = Vec::with_capacity(ids.len());
    for (number, id) in ids.iter().enumerate() {
        let node = topology.node(id, Deployment::Spread)?.config;
        let linked = node.peers.iter().filter(|peer| ids.contains(&peer.account.id.as_str()));
        for peer in linked.clone() {
            if let Some(url) = &peer.url {
                hosts.insert(peer.account.id.to_string(), url.host().to_string());
            }
        }
        let NodeSettings { http_server_port, settlement_port, .. } = node.settings;
        if node.settings.btp_server_port == 0
            || node.settings.health_check_port == 0
            || [http_server_port, settlement_port].contains(&Some(0))
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
        let on_host = topology.node(id, Deployment::Loopback)?.config.settings;
        let published = PublishedPorts {
            btp: on_host.btp_server_port,
            http: on_host.http_server_port,
            health: on_host.health_check_port,
        };
        let ports = [Some(published.btp), published.http, Some(published.health)];
        if !is_in_port_ranges(number, published.http.is_some())
            || ports.into_iter().flatten().any(|port| !host_ports.insert(port))
        {
            return Err(Failure::Usage(format!(
                "one machine does not have enough ports for {} nodes",
                ids.len()
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
            has_volume: matches!(node.settings.store, Some(StorePlace::File(_))),
            linked: linked.map(|peer| peer.account.id.to_string()).collect(),
            engines: engines::describe_engines(id, &node, err)?,
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
            service.linked.iter().map(|peer| variable_of_peer(peer)).collect();
        let upper = variable_part(&service.id);
        let first = match upper.starts_with(|c: char| c.is_ascii_digit()) {
            true => format!("NODE_{upper}"),
            false => upper,
        };
        let mut prefix = first.clone();
        let mut number = 1_usize;
        let names = |prefix: &str| -> Vec<String> {
            inside.iter().map(|variable| format!("{prefix}_{variable}_URL")).collect()
        };
        while names(&prefix).iter().any(|name| taken.contains(name)) {
            number += 1;
            prefix = format!("{first}_{number}");
        }
        taken.extend(names(&prefix));
        service.prefix = prefix;
    }
}

/// Whether `up` has ports for a node with this number before the ranges of the three kinds of ports overlap.
fn is_in_port_ranges(number: usize, has_http: bool) -> bool {
    let nodes_max = match has_http {
        true => LOOPBACK_HEALTH_PORT - LOOPBACK_HTTP_PORT,
        false => LOOPBACK_HEALTH_PORT - LOOPBACK_BTP_PORT,
    };
    number < usize::from(nodes_max)
}

#[cfg(test)]
mod tests {
    use serde_yaml::Value;

    use super::*;
    use crate::console::{SourceArguments, load_local_node};

    pub(super) fn compose(file: &Path) -> (String, String) {
        let image = "ilp-connector".to_owned();
        let arguments = ComposeArguments { file: file.to_owned(), image, build: None };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        run(&arguments, &Environment::new(), &mut out, &mut err).unwrap();
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
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
        let (printed, warnings) = compose(&file);
        let parsed: Value = serde_yaml::from_str(&printed).unwrap();
        let services = &parsed["services"];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let a = &services["node-a"];
        assert_eq!(text(&a["ports"][0]), "127.0.0.1:4000:4000");
        assert_eq!(text(&a["environment"]["BTP_SERVER_PORT"]), "4000");
        assert_eq!(text(&a["environment"]["BTP_PEER_B_URL"]), "${NODE_A_BTP_PEER_B_URL:-}");
        assert_eq!(
            text(&services["c"]["environment"]["BTP_PEER_NODE_A_URL"]),
            "${C_BTP_PEER_NODE_A_URL:-}"
        );
        assert_eq!(text(&services["b"]["ports"][1]), "127.0.0.1:9000:9000");
        assert_eq!(services["b"]["ports"].as_sequence().unwrap().len(), 2);
        assert_eq!(text(&services["c"]["ports"][2]), "127.0.0.1:7000:7000");
        assert_eq!(text(&services["b"]["networks"]["ilp"]["aliases"][0]), "bee.example");
        let page = &services["watch"];
        assert_eq!(text(&page["ports"][0]), "127.0.0.1:8000:8000");
        assert_eq!(text(&page["command"][0]), "watch");
        assert_eq!(text(&page["environment"]["NODE_ID"]), "watch");
        assert_eq!(text(&page["environment"]["PAGE_TOKEN"]), "${API_TOKEN:-}");
        let environment = &parsed["x-environment"];
        assert_eq!(text(&environment["CONFIG_FILE"]), "/etc/ilp-connector/net work.yaml");
        assert_eq!(text(&environment["S"]), "${S:-a: 'b' #c}");
        assert!(text(&environment["NEEDED"]).starts_with("${NEEDED:?"));
        assert_eq!(text(&environment["API_TOKEN"]), "${API_TOKEN:-}");
        assert_eq!(environment.get("T"), None, "a dollar without braces is a dollar");
        assert_eq!(environment.get("BTP_SERVER_PORT"), None);
        let mounted = format!("{}:/etc/ilp-connector:ro", folder.path().display());
        assert_eq!(text(&parsed["x-node"]["volumes"][0]), mounted);
        assert!(warnings.contains("dial node c at 127.0.0.1"), "{warnings}");
    }

    #[test]
    fn an_api_token_of_the_file_is_printed_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        let defaults = "defaults: { apiToken: \"${API_TOKEN:-a-default-token}\" }\n";
        let nodes = "nodes: [{ id: a }, { id: b }]\nlinks: [{ from: a, to: b, secret: s }]\n";
        std::fs::write(&file, format!("{defaults}{nodes}")).unwrap();
        let (printed, _) = compose(&file);
        let parsed: Value = serde_yaml::from_str(&printed).unwrap();
        let token = &parsed["x-environment"]["API_TOKEN"];
        assert_eq!(token, &Value::from("${API_TOKEN:-a-default-token}"));
        assert_eq!(&parsed["services"]["watch"]["environment"]["PAGE_TOKEN"], token);
    }

    #[test]
    fn a_node_may_have_the_name_or_the_port_of_the_page() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        for node in ["{ id: watch }", "{ id: b, healthCheckPort: 8000 }"] {
            let other = if node.contains("watch") { "watch" } else { "b" };
            let links = format!("links: [{{ from: a, to: {other}, secret: s }}]\n");
            std::fs::write(&file, format!("nodes: [{{ id: a }}, {node}]\n{links}")).unwrap();
            let (printed, _) = compose(&file);
            assert!(!printed.contains("PAGE_TOKEN"), "{printed}");
        }
    }

    #[test]
    fn each_node_with_a_store_has_a_volume_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        let nodes = "nodes: [{ id: a, store: books/ }, { id: b, store: /x/b.db }, { id: c }]\n";
        std::fs::write(&file, format!("{nodes}links: [{{ from: a, to: b, secret: s }}]\n"))
            .unwrap();
        let (printed, _) = compose(&file);
        let parsed: Value = serde_yaml::from_str(&printed).unwrap();
        let configuration = format!("{}:/etc/ilp-connector:ro", folder.path().display());
        for id in ["a", "b"] {
            let service = &parsed["services"][id];
            let volume = format!("books-{id}:/var/lib/ilp-connector");
            let volumes = [configuration.clone(), volume].map(Value::from).to_vec();
            assert_eq!(service["volumes"], Value::from(volumes), "{printed}");
            assert_eq!(service["environment"]["STORE"], Value::from("/var/lib/ilp-connector/"));
        }
        assert_eq!(parsed["services"].get("postgres"), None, "not every node would use it");
        let c = &parsed["services"]["c"];
        assert_eq!((c.get("volumes"), c["environment"].get("STORE")), (None, None));
        let names: Vec<_> = parsed["volumes"].as_mapping().unwrap().keys().collect();
        assert_eq!(names, ["books-a", "books-b"]);
    }

    #[test]
    fn a_network_with_stores_may_use_a_database_instead() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("net.yaml");
        let print = |store: &str, first: &str| {
            let nodes = format!("nodes: [{{ id: {first} }}, {{ id: b }}]");
            let links = format!("links: [{{ from: {first}, to: b, secret: s }}]");
            let text = format!("{nodes}\n{links}\ndefaults: {{ store: \"{store}\" }}\n");
            std::fs::write(&file, text).unwrap();
            serde_yaml::from_str::<Value>(&compose(&file).0).unwrap()
        };
        let parsed = print("books/", "a");
        let store = &parsed["x-environment"]["STORE"];
        assert_eq!(*store, Value::from("${STORE_URL:-/var/lib/ilp-connector/}"));
        let database = &parsed["services"]["postgres"];
        assert_eq!(database["profiles"], Value::from(vec!["postgres"]));
        assert_eq!(database["<<"]["read_only"], Value::from(true));
        assert_eq!(database["user"], Value::from("999:999"));
        let names: Vec<_> = parsed["volumes"].as_mapping().unwrap().keys().collect();
        assert_eq!(names, ["books-a", "books-b", "books-of-all"]);
        // The file names a database itself.
        let parsed = print("postgres://u:${P:-x}@db/d", "a");
        assert_eq!(parsed["x-environment"].get("STORE"), None);
        assert_eq!(parsed["x-environment"]["P"], Value::from("${P:-x}"));
        assert_eq!((parsed["services"].get("postgres"), parsed.get("volumes")), (None, None));
        let parsed = print("books/", "postgres");
        assert_eq!(parsed["services"]["postgres"].get("profiles"), None, "it is a node");
    }

    #[test]
    fn tools_find_the_published_ports() {
        fn check(nodes: &str, found: [bool; 2], expected_warnings: &str) {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("net.yaml");
            std::fs::write(
                &file,
                format!("nodes:\n{nodes}links: [{{ from: a, to: b, secret: s }}]\n"),
            )
            .unwrap();
            let (printed, warnings) = compose(&file);
            let name = file.display().to_string();
            assert_eq!(warnings.replace(&name, "FILE"), expected_warnings, "{nodes}");
            let parsed: Value = serde_yaml::from_str(&printed).unwrap();
            let mut host_ports = BTreeSet::new();
            for (id, found) in ["a", "b"].into_iter().zip(found) {
                let ports = parsed["services"][id]["ports"].as_sequence().unwrap();
                let ports: Vec<u16> = ports
                    .iter()
                    .map(|port| port.as_str().unwrap().split(':').nth(1).unwrap().parse().unwrap())
                    .collect();
                assert!(ports.iter().all(|port| host_ports.insert(*port)), "{printed}");
                let node =
                    SourceArguments { config: Some(file.clone()), node: Some(id.to_owned()) };
                let tools = load_local_node(&node, &Environment::new()).unwrap().config.settings;
                let is_found =
                    (ports[0], ports[1]) == (tools.btp_server_port, tools.health_check_port);
                assert_eq!(is_found, found, "{id}: {printed}");
            }
        }
        check("  - { id: a }\n  - { id: b }\n", [true, true], "");
        check(
            "  - { id: a, btpServerPort: 4000, healthCheckPort: 9001 }\n  - { id: b, httpServerPort: 7000 }\n",
            [true, true],
            "",
        );
        // `check` accepts a port of two nodes on different hosts.
        check(
            "  - { id: a, host: x, btpServerPort: 4000 }\n  - { id: b, host: y, btpServerPort: 4000 }\n",
            [true, false],
            "warning: port 4000 (btpServerPort of b) is published for another node; b has 4001 instead: for tools, \
             BTP_SERVER_PORT=4001 ilp-connector ... --config FILE --node b\n",
        );
        check(
            "  - { id: a, host: x, httpServerPort: 7000 }\n  - { id: b, host: y, httpServerPort: 7000 }\n",
            [true, true],
            "warning: port 7000 (httpServerPort of b) is published for another node; b has 7001 instead: to pay a receiver \
             of b, give its URL, http://127.0.0.1:7001/<receiver> (https with tls)\n",
        );
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
        let (printed, _) = compose(&file);
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
        for (number, has_http, fits) in [
            (0, true, true),
            (309, true, true),
            (310, true, false),
            (5079, false, true),
            (5080, false, false),
            (100_000, false, false),
        ] {
            assert_eq!(is_in_port_ranges(number, has_http), fits, "{number} {has_http}");
        }
    }
}
