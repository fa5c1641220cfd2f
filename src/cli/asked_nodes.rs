//! Which nodes a command asks, where, and with which token.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::{NodeTarget, NodeTargets};
use crate::config::{
    Environment, Loaded, NodeConfig, Secret, Source, read_secret, read_secret_file, variable,
};
use crate::console::{
    Failure, NAME_A_FILE, SourceArguments, describe_unknown_port, host_to_dial, load_local_node,
    shell_quote, url_of_unknown_port,
};
use crate::net::{Clock, HttpUrl, authority};
use crate::observe::Scope;
use crate::remote::AskedNode;
use crate::topology::{self, Deployment, Described, Topology};

/// The most nodes that one command asks.
const NODES_MAX: usize = 1_000;

/// The nodes that the command line names; if it names none, those of the environment.
pub(super) fn find_nodes(
    targets: &NodeTargets,
    environment: &Environment,
) -> Result<Vec<AskedNode>, Failure> {
    find_nodes_with(targets, given_token(targets)?, environment)
}

/// The same with a token that was read before.
pub(super) fn find_nodes_with(
    targets: &NodeTargets,
    given: Option<Secret>,
    environment: &Environment,
) -> Result<Vec<AskedNode>, Failure> {
    let found = find_nodes_by_target(targets, given, environment)?;
    Ok(found.into_iter().map(|(_, node)| node).collect())
}

/// Each node with what names it: one target, or none for the node of the environment.
pub(super) fn find_nodes_by_target(
    targets: &NodeTargets,
    given: Option<Secret>,
    environment: &Environment,
) -> Result<Vec<(NodeTargets, AskedNode)>, Failure> {
    let mut nodes = Vec::new();
    for one in targets.each() {
        let found = match one.targets.first() {
            None => nodes_of_configuration(&one, environment)?,
            Some(NodeTarget::Url(url)) => {
                let of_variable = || variable(environment, "API_TOKEN").map(Secret::new);
                vec![node_at_url(url, given.clone().or_else(of_variable))?]
            }
            Some(NodeTarget::File(file)) => {
                let own_id = variable(environment, "NODE_ID").filter(|_| one.is_own_file);
                nodes_of_file(file, &one, environment, own_id)?
            }
        };
        nodes.extend(found.into_iter().map(|node| (one.clone(), node)));
    }
    if let (Some(node), true) = (&targets.node, nodes.is_empty()) {
        return Err(Failure::Usage(format!("--node: none of these files has the node {node}")));
    }
    if nodes.len() > NODES_MAX {
        return Err(Failure::Usage(format!("these are more than {NODES_MAX} nodes")));
    }
    for (_, node) in &mut nodes {
        node.token = given.clone().or(node.token.take());
    }
    let urls = nodes.iter().map(|(_, node)| node.url.without_credentials());
    let urls: BTreeSet<String> = urls.collect();
    if urls.len() < nodes.len() {
        let help = "name each node once, and give nodes that share a machine ports of their own";
        return Err(Failure::Usage(format!("two of these nodes have the same URL; {help}")));
    }
    Ok(nodes)
}

/// The nodes of `CONFIG_FILE`; without a file, the one that variables describe.
fn nodes_of_configuration(
    targets: &NodeTargets,
    environment: &Environment,
) -> Result<Vec<AskedNode>, Failure> {
    match variable(environment, "CONFIG_FILE") {
        Some(file) => {
            let own_id = variable(environment, "NODE_ID");
            nodes_of_file(Path::new(file), targets, environment, own_id)
        }
        None => {
            let source = SourceArguments { config: None, node: targets.node.clone() };
            let node = load_local_node(&source, environment)?;
            let hint = format!("start it with `ilp-connector run`, or {NAME_A_FILE}");
            Ok(vec![node_on_this_machine(&node.config, hint)?])
        }
    }
}

/// The nodes of a file, or that of them which the command line picks; one file of several need not have it. `own_id`:
/// what the environment calls the node, if the file is that of this environment. As for `run`, a node file does not say
/// otherwise.
fn nodes_of_file(
    file: &Path,
    targets: &NodeTargets,
    environment: &Environment,
    own_id: Option<&str>,
) -> Result<Vec<AskedNode>, Failure> {
    let with_own_id = |mut loaded: Loaded| {
        if let Some(id) = own_id.and_then(|id| id.parse().ok()) {
            loaded.config.settings.node_id = id;
        }
        loaded
    };
    let node = targets.node.as_deref();
    let is_left_out = |has_node: &dyn Fn(&str) -> bool| {
        targets.is_one_of_several && node.is_some_and(|node| !has_node(node))
    };
    let mut own = environment.clone();
    let here = own.remove("NODE_ID").filter(|id| !id.is_empty());
    let source = Source {
        file: Some(file.to_owned()),
        environment: own,
        skip_route_warnings: true,
        ..Source::default()
    };
    let name = shell_quote(&file.display().to_string());
    let described = match topology::load_described(&source) {
        // A node goes on while its file has a mistake, and says so by itself.
        Err(problems) => {
            let loaded = with_own_id(topology::load_pages(&source).ok_or(problems)?);
            if is_left_out(&|node| loaded.config.settings.node_id.as_str() == node) {
                return Ok(Vec::new());
            }
            check_id(&loaded, node, file)?;
            let hint = format!("its file has mistakes, see `ilp-connector check {name}`");
            return Ok(vec![node_on_this_machine(&loaded.config, hint)?]);
        }
        Ok(described) => described,
    };
    match described {
        Described::Node(loaded) => {
            let loaded = with_own_id(*loaded);
            if is_left_out(&|node| loaded.config.settings.node_id.as_str() == node) {
                return Ok(Vec::new());
            }
            check_id(&loaded, node, file)?;
            let hint = format!("start it with `ilp-connector run --config {name}`");
            Ok(vec![node_on_this_machine(&loaded.config, hint)?])
        }
        Described::Network(network) => {
            if is_left_out(&|node| network.node_ids().any(|id| id == node)) {
                return Ok(Vec::new());
            }
            let ids: Vec<&str> = match node {
                Some(id) => vec![id],
                None => network.node_ids().collect(),
            };
            let nodes = ids.into_iter().map(|id| match &here {
                // A container of the network: the others are at their hosts.
                Some(here) => node_on_its_host(&network, id, here),
                None => {
                    let loaded = network.node(id, Deployment::Loopback)?;
                    let hint = format!(
                        "start it with `ilp-connector up {name}`; if its port was in use, `up` has printed another one"
                    );
                    node_on_this_machine(&loaded.config, hint)
                }
            });
            nodes.collect()
        }
    }
}

/// A node file has only one node.
fn check_id(loaded: &Loaded, node: Option<&str>, file: &Path) -> Result<(), Failure> {
    let id = loaded.config.settings.node_id.as_str();
    match node {
        Some(node) if node != id => {
            let file = file.display();
            Err(Failure::Usage(format!("--node: {file} is the file of the node {id}")))
        }
        _ => Ok(()),
    }
}

/// The node of a configuration, where this machine reaches it. `hint`: what to do if it does not answer.
pub(super) fn node_on_this_machine(
    config: &NodeConfig,
    hint: String,
) -> Result<AskedNode, Failure> {
    asked_node(config, &host_to_dial(&config.settings.health_check_host), hint)
}

fn node_on_its_host(network: &Topology, id: &str, here: &str) -> Result<AskedNode, Failure> {
    let config = network.node(id, Deployment::Spread)?.config;
    match network.host_of(id) {
        Some(host) if id != here => asked_node(&config, &host, format!("is the host {host} up?")),
        _ => node_on_this_machine(&config, "is it running?".to_owned()),
    }
}

fn asked_node(config: &NodeConfig, host: &str, hint: String) -> Result<AskedNode, Failure> {
    let settings = &config.settings;
    let id = settings.node_id.to_string();
    let port = settings.health_check_port;
    if port == 0 {
        let instead = format!("name the node by its URL, {}", url_of_unknown_port("http", host));
        let text = describe_unknown_port(&id, "healthCheckPort", "health", &instead);
        return Err(Failure::Usage(text));
    }
    let url = format!("http://{}", authority(host, port));
    let url = url.parse().map_err(|error| {
        Failure::Usage(format!("{id} has no pages at {url}: {error}; give their URL"))
    })?;
    let now = Clock::start().now().wall;
    // That which allows most.
    let scopes = [Scope::Operate, Scope::Packets, Scope::Read];
    let token = scopes.into_iter().find_map(|scope| config.token_with(scope, now)).cloned();
    Ok(AskedNode { id: Some(id), url, token, hint })
}

fn node_at_url(text: &str, token: Option<Secret>) -> Result<AskedNode, Failure> {
    // The text may contain a secret, so it is not repeated.
    let wrong = |what: &str| {
        let form = "the URL of a node's pages looks like http://127.0.0.1:8080";
        Failure::Usage(format!("{form}; {what}"))
    };
    let url: HttpUrl = text.parse().map_err(|error| wrong(&format!("this one: {error}")))?;
    if url.username().is_some() {
        return Err(wrong(
            "it has no user part: put the apiToken into a file and give --token-file",
        ));
    }
    if url.path_and_query() != "/" {
        return Err(wrong("it ends with the port"));
    }
    Ok(AskedNode { id: None, url, token, hint: "is the node running?".to_owned() })
}

/// The token in the file of the command line.
pub(super) fn given_token(targets: &NodeTargets) -> Result<Option<Secret>, Failure> {
    targets.token_file.as_deref().map(|file| read_token("--token-file", file)).transpose()
}

/// The token in a file that this flag names.
pub(super) fn read_token(flag: &str, file: &Path) -> Result<Secret, Failure> {
    let read = match file.to_str() {
        Some("-") => read_secret(std::io::stdin().lock()),
        _ => read_secret_file(file),
    };
    let file = file.display();
    let token = read.map_err(|error| Failure::Usage(format!("{flag} {file}: {error}")))?;
    Ok(Secret::new(&token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(targets: &[&str], node: Option<&str>, variables: &[(&str, &str)]) -> String {
        let target = |text: &&str| match text.contains("://") {
            true => NodeTarget::Url((*text).to_owned()),
            false => NodeTarget::File((*text).into()),
        };
        let targets: Vec<NodeTarget> = targets.iter().map(target).collect();
        let is_one_of_several = targets.len() > 1;
        let node = node.map(str::to_owned);
        let targets = NodeTargets { targets, node, is_one_of_several, ..NodeTargets::default() };
        let variables = variables.iter().map(|(key, value)| ((*key).into(), (*value).into()));
        match find_nodes(&targets, &variables.collect()) {
            Ok(nodes) => {
                let shown = nodes.iter().map(|node| {
                    let id = node.id.as_deref().unwrap_or("?");
                    format!("{id} {}", node.url.authority())
                });
                shown.collect::<Vec<_>>().join(", ")
            }
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_node_is_picked_from_several_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let compose = "docker/config/config.yaml";
        let x = file("x.yaml", "nodeId: x\nhealthCheckPort: 8180\n");
        let broken = file("y.yaml", "nodeId: y\nhealthCheckPort: 8181\nmaxPaketAmount: 5\n");
        let files = [compose, &x, &broken];
        assert_eq!(urls(&files, Some("b"), &[]), "b 127.0.0.1:8081");
        assert_eq!(urls(&files, Some("x"), &[]), "x 127.0.0.1:8180");
        assert_eq!(urls(&files, Some("y"), &[]), "y 127.0.0.1:8181");
        assert!(urls(&files, Some("z"), &[]).contains("none of these files has the node z"));
        assert!(urls(&[&x], Some("z"), &[]).contains("is the file of the node x"));
    }

    #[test]
    fn nodes_of_files_and_urls() {
        let compose = "docker/config/config.yaml";
        let all = "a 127.0.0.1:8080, b 127.0.0.1:8081, c 127.0.0.1:8082";
        assert_eq!(urls(&[compose], None, &[]), all);
        assert_eq!(urls(&[], None, &[("CONFIG_FILE", compose)]), all);
        assert_eq!(urls(&[compose], Some("b"), &[]), "b 127.0.0.1:8081");
        assert!(urls(&[compose], Some("x"), &[]).contains("nodes: a, b, c"));
        // In a container.
        let in_b = [("CONFIG_FILE", compose), ("NODE_ID", "b")];
        assert_eq!(urls(&[], None, &in_b), "a a:8080, b 127.0.0.1:8080, c c:8080");
        assert_eq!(urls(&[], None, &[("NODE_ID", "x")]), "x 127.0.0.1:8080");
        assert_eq!(urls(&["http://h:1", "https://[::1]:2"], None, &[]), "? h:1, ? [::1]:2");
    }

    #[test]
    fn each_node_is_found_with_what_names_it() {
        let (compose, url) = ("docker/config/config.yaml", "http://h:1");
        let targets = vec![NodeTarget::File(compose.into()), NodeTarget::Url(url.to_owned())];
        let both = NodeTargets {
            targets,
            is_one_of_several: true,
            token_file: Some("t".into()),
            ..NodeTargets::default()
        };
        let found = |targets: &NodeTargets, variables: &Environment| {
            let found = find_nodes_by_target(targets, None, variables).unwrap();
            let shown =
                found.iter().map(|(one, node)| format!("{}{}", node.name(), one.as_flags()));
            shown.collect::<Vec<_>>()
        };
        let of_file = ["a", "b", "c"].map(|id| format!("{id} --config {compose} --token-file t"));
        let of_url = "h:1 --via http://h:1 --token-file t".to_owned();
        assert_eq!(found(&both, &Environment::new()), [&of_file[..], &[of_url]].concat());
        let variables = [("NODE_ID".to_owned(), "x".to_owned())].into_iter().collect();
        assert_eq!(found(&NodeTargets::default(), &variables), ["x"]);
    }

    #[test]
    fn a_node_is_asked_while_its_file_has_a_mistake() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("n.yaml");
        let file = file.to_str().unwrap();
        let check = |text: &str, expected: &str| {
            std::fs::write(file, text).unwrap();
            let said = urls(&[file], None, &[]);
            assert!(said.contains(expected), "{said}");
        };
        let keys = "nodeId: n\nhealthCheckPort: 8181\napiToken: hunter2\n";
        check(&format!("{keys}maxPaketAmount: 5\nilpAddress: ${{UNSET}}\n"), "n 127.0.0.1:8181");
        check("nodeId: n\nhealthCheckPort: many\nmaxPaketAmount: 5\n", "maxPaketAmount");
        check("nodes: [{id: a}]\nmaxPaketAmount: 5\n", "maxPaketAmount");
        // As `run` would name it here; another file is not of this environment.
        std::fs::write(file, keys).unwrap();
        let here = [("CONFIG_FILE", file), ("NODE_ID", "x")];
        assert_eq!(urls(&[], None, &here), "x 127.0.0.1:8181");
        assert_eq!(urls(&[file], None, &here), "n 127.0.0.1:8181");
        check("nodeId: [\n", "n.yaml");
    }

    #[test]
    fn mistakes_say_what_to_do() {
        let check = |target: &str, expected: &str| {
            let said = urls(&[target], None, &[]);
            assert!(said.contains(expected) && !said.contains("hunter2"), "{said}");
        };
        check("ws://h:1", "looks like http://127.0.0.1:8080; this one: the scheme must be");
        check("http://:hunter2@h:1", "--token-file");
        check("http://h:1/health", "it ends with the port");
        check("/nowhere.yaml", "/nowhere.yaml");
        let twice = urls(&["http://h:1", "http://h:1"], None, &[]);
        assert!(twice.contains("name each node once"), "{twice}");
    }
}
