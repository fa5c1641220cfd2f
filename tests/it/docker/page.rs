//! The page of the Compose network: one page, three nodes, one of which stops and starts.

use super::network::{NODES, Network, RECOVERY_MAX, wait_all_reachable};
use super::{engine, inspect};
use crate::peer::get_json;
use crate::support::eventually;

/// The service of the page.
const PAGE: &str = "watch";
/// Where its page is on this machine.
const PAGE_PORT: u64 = 8000;

/// What the page says about a node.
fn status_is(node: &str, expected: &str) -> Result<(), String> {
    let nodes = get_json(PAGE_PORT, &format!("GET /api/v1/nodes/{node}"));
    match nodes["status"].as_str() {
        Some(status) if status == expected => Ok(()),
        _ => Err(nodes.to_string()),
    }
}

#[test]
fn one_page_shows_three_containers_and_one_that_stops() {
    let Some(engine) = engine() else { return };
    let network = Network::new(engine);
    network.up(&[]);
    network.healthy(&NODES);
    network.healthy(&[PAGE]);
    assert_eq!(inspect("ilp-connector-watch", "{{.HostConfig.ReadonlyRootfs}}"), "true");
    wait_all_reachable(&NODES);
    for node in NODES {
        eventually(&format!("the page shows {node}"), RECOVERY_MAX, || status_is(node, "healthy"));
    }
    let links = get_json(PAGE_PORT, "GET /api/v1/links").to_string();
    assert!(links.contains("\"a~b\"") && links.contains("\"b~c\""), "{links}");

    // Inside a container, the others are asked at their hosts.
    let said = network.compose(&["exec", "-T", "a", "ilp-connector", "status"]);
    assert!(said.contains("3 nodes, all healthy") && said.contains("http://b:8080"), "{said}");

    network.compose(&["stop", "b"]);
    eventually("b is gone", RECOVERY_MAX, || status_is("b", "unreachable"));
    status_is("c", "healthy").expect("c runs");
    network.compose(&["start", "b"]);
    eventually("b is back", RECOVERY_MAX, || status_is("b", "healthy"));
}
