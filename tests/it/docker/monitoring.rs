//! The profile `monitoring` of docker-compose.yml: Prometheus reads the nodes, which have a token.
//!
//! Where the image of Prometheus cannot be pulled, a stand-in is built from tests/docker/prometheus, whose first lines
//! say what that proves. Grafana is not started.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::network::{NODES, Network, RECOVERY_MAX};
use super::{build, engine, get_json, pull, repository};
use crate::support::eventually;

const IMAGE: &str = "prom/prometheus:v3.5.0";

#[test]
fn prometheus_reads_the_nodes_of_the_network_and_their_rules() {
    let Some(engine) = engine() else { return };
    if !pull(IMAGE) {
        build(IMAGE, &repository().join("tests/docker/prometheus"));
    }
    let network = Network::new(engine);
    let environment = "COMPOSE_PROFILES=monitoring\nAPI_TOKEN=an-operators-token\n";
    std::fs::write(network.folder.path().join(".env"), environment).expect("a file");
    let services = [&NODES[..], &["prometheus"]].concat();
    network.up(&services);
    network.healthy(&services);
    let instances = |query: &str| {
        let query = utf8_percent_encode(query, NON_ALPHANUMERIC);
        let (_, answer) = get_json(9090, &format!("/api/v1/query?query={query}"))?;
        let series = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let names = series.iter().map(|one| one["metric"]["instance"].as_str().unwrap_or_default());
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort_unstable();
        if names == NODES { Ok(()) } else { Err(answer.to_string()) }
    };
    for query in
        ["up{job=\"ilp-connector\"} == 1", "ilp_ready == 1", "instance:ilp_prepares:rate1m"]
    {
        eventually(query, RECOVERY_MAX, || instances(query));
    }
}
