//! Every file of `examples/` runs, and packets get from each node to each other one.

use std::path::{Path, PathBuf};

use serde_yaml::Value;
use tempfile::TempDir;

use crate::process::{Process, TIMEOUT, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

fn ping(arguments: &[&str]) {
    eventually(&format!("ping {arguments:?}"), TIMEOUT, || {
        let mut command = std::process::Command::new(PROGRAM);
        let output = run(command.args(["ping", "-c", "1"]).args(arguments).env_clear());
        if output.status.success() { Ok(()) } else { Err(combined_output(&output)) }
    });
}

/// Writes a copy of an example whose nodes have free ports, and this host if any; returns it with the nodes' ids.
fn copy_with_free_ports(
    name: &str,
    folder: &TempDir,
    host: Option<&str>,
) -> (PathBuf, Vec<String>) {
    let text = std::fs::read_to_string(Path::new(EXAMPLES).join(name)).unwrap();
    let mut network: Value = serde_yaml::from_str(&text).unwrap();
    let mut ids = Vec::new();
    for node in network["nodes"].as_sequence_mut().unwrap() {
        ids.push(node["id"].as_str().unwrap().to_owned());
        if let Some(host) = host {
            node["host"] = host.into();
        }
        for key in ["btpServerPort", "healthCheckPort", "httpServerPort"] {
            node[key] = free_port().into();
        }
        if node.get("settlementPort").is_some() {
            node["settlementPort"] = free_port().into();
        }
    }
    (write_file(folder, name, &serde_yaml::to_string(&network).unwrap()), ids)
}

/// Runs a topology, pings each node from each other one, and pays each. The children of a node `hub` have addresses
/// below its own.
fn check_network(name: &str) {
    let folder = temp_folder();
    let (file, ids) = copy_with_free_ports(name, &folder, None);
    let has_hub = ids.iter().any(|id| id == "hub");
    let address = |id: &str| match has_hub && id != "hub" {
        true => format!("test.hub.{id}"),
        false => format!("test.{id}"),
    };
    let _network = Process::start(&["up", path_text(&file)], []);
    for from in &ids {
        for to in ids.iter().filter(|to| *to != from) {
            ping(&[&address(to), "--config", path_text(&file), "--node", from]);
        }
        ping(&[&address(from), "--echo", "--config", path_text(&file), "--node", from]);
        let payee = format!("{}.wallet", address(from));
        let mut command = std::process::Command::new(PROGRAM);
        let pay = ["pay", &payee, "1000", "--config", path_text(&file), "--node", &ids[0]];
        let output = run(command.args(pay).env_clear());
        assert!(output.status.success(), "{payee}: {}", combined_output(&output));
    }
}

#[test]
fn packets_pass_through_linear_3() {
    check_network("linear-3.yaml");
}

#[test]
fn packets_pass_through_two_currencies() {
    check_network("two-currencies.yaml");
}

#[test]
fn packets_pass_through_with_store() {
    check_network("with-store.yaml");
}

/// Without its engines, which tests/it/docs starts.
#[test]
fn packets_pass_through_settling() {
    check_network("settling.yaml");
}

#[test]
fn packets_pass_through_mesh_4() {
    check_network("mesh-4.yaml");
}

#[test]
fn packets_pass_through_ring() {
    check_network("ring.yaml");
}

#[test]
fn packets_pass_through_dynamic_ring() {
    check_network("dynamic-ring.yaml");
}

#[test]
fn packets_pass_through_two_nodes() {
    check_network("two-nodes.yaml");
}

#[test]
fn packets_pass_through_http_links_rows_128_130() {
    check_network("http-links.yaml");
}

#[test]
fn packets_pass_through_star() {
    check_network("star.yaml");
}

/// Each node in a process of its own; one is killed and started again.
#[test]
fn the_dynamic_ring_routes_around_a_dead_node_row_142() {
    let folder = temp_folder();
    let (file, ids) = copy_with_free_ports("dynamic-ring.yaml", &folder, Some("127.0.0.1"));
    let start = |id: &str| Process::start(&["run", "--config", path_text(&file), "--node", id], []);
    let mut nodes: Vec<_> = ids.iter().map(|id| Some(start(id))).collect();
    let ping_around = |to: &str| ping(&[to, "--config", path_text(&file), "--node", "a"]);
    ping_around("test.c");
    // a-b-c is the shortest path.
    nodes[1] = None;
    ping_around("test.c");
    nodes[1] = Some(start("b"));
    ping_around("test.b");
    nodes[4] = None;
    ping_around("test.d");
    ping_around("test.b");
}

/// Runs two node files; the second dials the URL of the first, which it reads from `url_variable`.
fn check_pair(first: &str, second: &str, url_variable: &str, addresses: [&str; 2]) {
    let ports = [(); 4].map(|()| free_port().to_string());
    let [first_port, first_health, second_port, second_health] =
        ports.each_ref().map(String::as_str);
    let url = format!("ws://127.0.0.1:{first_port}");
    let files = [first, second].map(|name| format!("{EXAMPLES}/{name}"));
    let [first, second] = files.each_ref().map(String::as_str);
    let _first = Process::start(
        &["run", "--config", first],
        [("BTP_PORT", first_port), ("HEALTH_PORT", first_health)],
    );
    let _second = Process::start(
        &["run", "--config", second],
        [("BTP_PORT", second_port), ("HEALTH_PORT", second_health), (url_variable, &url)],
    );
    let [first_address, second_address] = addresses;
    let via = |port: &str| format!("btp+ws://cli:demo-cli-token@127.0.0.1:{port}");
    ping(&[second_address, "--via", &via(first_port)]);
    ping(&[first_address, "--via", &via(second_port)]);
}

#[test]
fn a_node_that_listens_and_one_that_dials() {
    let addresses = ["test.listener", "test.dialler"];
    check_pair("node-listening.yaml", "node-dialling.yaml", "LISTENER_URL", addresses);
}

#[test]
fn a_parent_and_a_child() {
    let addresses = ["test.parent", "test.parent.child"];
    check_pair("node-parent.yaml", "node-child.yaml", "PARENT_URL", addresses);
}

#[test]
fn every_example_is_run() {
    let mut names: Vec<String> = std::fs::read_dir(EXAMPLES)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort();
    let tested = include_str!("examples.rs");
    names.retain(|name| !tested.contains(&format!("\"{name}\"")));
    assert!(names.is_empty(), "no test runs {names:?}");
}
