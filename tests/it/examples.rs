//! Every file of `examples/` runs, and packets go every way through it.

use std::path::Path;

use serde_yaml::Value;

use crate::running::{PATIENCE, Running, folder, free_port, path, write};
use crate::support::{PROGRAM, both, eventually, run};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

fn ping(arguments: &[&str]) {
    eventually(&format!("ping {arguments:?}"), PATIENCE, || {
        let mut command = std::process::Command::new(PROGRAM);
        let output = run(command.args(["ping", "-c", "1"]).args(arguments).env_clear());
        if output.status.success() { Ok(()) } else { Err(both(&output)) }
    });
}

/// Runs a topology on ports of its own and pings every node from every other. `address` is what a node's id becomes.
fn check_network(name: &str, address: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(Path::new(EXAMPLES).join(name)).unwrap();
    let mut network: Value = serde_yaml::from_str(&text).unwrap();
    let mut ids = Vec::new();
    for node in network["nodes"].as_sequence_mut().unwrap() {
        ids.push(node["id"].as_str().unwrap().to_owned());
        for key in ["btpServerPort", "healthCheckPort", "httpServerPort"] {
            node[key] = free_port().into();
        }
    }
    let folder = folder();
    let file = write(&folder, name, &serde_yaml::to_string(&network).unwrap());
    let _network = Running::start(&["up", path(&file)], []);
    for from in &ids {
        for to in ids.iter().filter(|to| *to != from) {
            ping(&[&address(to), "--config", path(&file), "--node", from]);
        }
        ping(&[&address(from), "--echo", "--config", path(&file), "--node", from]);
        // Everybody can be paid.
        let payee = format!("{}.wallet", address(from));
        let mut command = std::process::Command::new(PROGRAM);
        let pay = ["pay", &payee, "1000", "--config", path(&file), "--node", &ids[0]];
        let output = run(command.args(pay).env_clear());
        assert!(output.status.success(), "{payee}: {}", both(&output));
    }
}

#[test]
fn linear_3() {
    check_network("linear-3.yaml", |id| format!("test.{id}"));
}

#[test]
fn mesh_4() {
    check_network("mesh-4.yaml", |id| format!("test.{id}"));
}

#[test]
fn ring() {
    check_network("ring.yaml", |id| format!("test.{id}"));
}

#[test]
fn dynamic_ring() {
    check_network("dynamic-ring.yaml", |id| format!("test.{id}"));
}

/// The same file, a process for every node: one is killed, and comes back.
#[test]
fn the_dynamic_ring_goes_around_a_dead_node_row_142() {
    let text = std::fs::read_to_string(Path::new(EXAMPLES).join("dynamic-ring.yaml")).unwrap();
    let mut network: Value = serde_yaml::from_str(&text).unwrap();
    let mut ids = Vec::new();
    for node in network["nodes"].as_sequence_mut().unwrap() {
        ids.push(node["id"].as_str().unwrap().to_owned());
        node["host"] = "127.0.0.1".into();
        for key in ["btpServerPort", "healthCheckPort", "httpServerPort"] {
            node[key] = free_port().into();
        }
    }
    let folder = folder();
    let file = write(&folder, "ring.yaml", &serde_yaml::to_string(&network).unwrap());
    let start = |id: &str| Running::start(&["run", "--config", path(&file), "--node", id], []);
    let mut nodes: Vec<_> = ids.iter().map(|id| Some(start(id))).collect();
    let ping_around = |to: &str| ping(&[to, "--config", path(&file), "--node", "a"]);
    ping_around("test.c");
    // a-b-c is the short way.
    nodes[1] = None;
    ping_around("test.c");
    nodes[1] = Some(start("b"));
    ping_around("test.b");
    nodes[4] = None;
    ping_around("test.d");
    ping_around("test.b");
}

#[test]
fn two_nodes() {
    check_network("two-nodes.yaml", |id| format!("test.{id}"));
}

#[test]
fn http_links_rows_128_130() {
    check_network("http-links.yaml", |id| format!("test.{id}"));
}

#[test]
fn star() {
    check_network("star.yaml", |id| match id {
        "hub" => "test.hub".to_owned(),
        child => format!("test.hub.{child}"),
    });
}

/// Runs two node files that belong together; the second dials the first where `url_variable` says.
fn check_pair(first: &str, second: &str, url_variable: &str, addresses: [&str; 2]) {
    let ports = [(); 4].map(|()| free_port().to_string());
    let [first_port, first_health, second_port, second_health] =
        ports.each_ref().map(String::as_str);
    let url = format!("ws://127.0.0.1:{first_port}");
    let files = [first, second].map(|name| format!("{EXAMPLES}/{name}"));
    let [first, second] = files.each_ref().map(String::as_str);
    let _first = Running::start(
        &["run", "--config", first],
        [("BTP_PORT", first_port), ("HEALTH_PORT", first_health)],
    );
    let _second = Running::start(
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
fn no_example_is_left_out() {
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
