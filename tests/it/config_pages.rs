//! The configuration on the pages of a running node: what is in force, where it comes from, and what the file would
//! change.

use serde_json::{Value, json};

use crate::network::TestNetwork;
use crate::observer::start_network;
use crate::peer::{TIMEOUT, TestNode, get_json, http_get};
use crate::process::Process;
use crate::support::eventually;

/// The value of a key and its origin.
fn value(config: &Value, key: &str) -> (String, String) {
    let values = config["values"].as_array().unwrap();
    let found = values.iter().find(|value| value["key"] == key);
    let found = found.unwrap_or_else(|| panic!("{key}: {config}"));
    let text = |key: &str| found[key].as_str().unwrap().to_owned();
    (text("value"), text("from"))
}

/// The changes of the file, as `key: running > file`.
fn changes(check: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line = |change: &Value| {
        let restart = if change["needsRestart"] == true { " restart" } else { "" };
        let key = text(&change["key"]);
        format!("{key}: {} > {}{restart}", text(&change["running"]), text(&change["file"]))
    };
    check["changes"].as_array().unwrap().iter().map(line).collect()
}

const FILE: &str = "nodeId: n\nilpAddress: test.n\napiToken: canary-api-token\nstartTimeoutMs: 7000\npeers:\n  \
                    - { id: bob, authToken: canary-bob-token, maxBalance: 5 }\n";

fn ask(node: &TestNode, path: &str) -> Value {
    let request = format!(
        "GET /api/v1/nodes/n{path} HTTP/1.1\r\nAuthorization: Bearer canary-api-token\r\nX: "
    );
    let (status, body) = http_get(node.health_port, &request);
    assert_eq!(status, 200, "{path}: {body}");
    assert!(!body.contains("canary"), "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn a_node_shows_its_values_and_what_the_file_would_change() {
    let node = TestNode::start(FILE);
    let config = ask(&node, "/config");
    assert_eq!(value(&config, "startTimeoutMs"), ("7000".into(), "node.yaml:8".into()));
    assert_eq!(value(&config, "apiToken"), ("***".into(), "node.yaml:7".into()));
    assert_eq!(value(&config, "peers.bob.authToken"), ("***".into(), "node.yaml:10".into()));
    assert_eq!(value(&config, "peers.bob.maxBalance"), ("5".into(), "node.yaml:10".into()));
    assert_eq!(value(&config, "logLevel"), ("info".into(), "default".into()));
    assert!(config["file"].as_str().unwrap().ends_with("node.yaml"), "{config}");
    assert_eq!(config["lastReload"]["successful"], true);
    assert_eq!(ask(&node, "/config/check")["changes"], json!([]));

    // A mistake changes nothing, and is shown with its place by both pages.
    node.rewrite_config(&FILE.replace("maxBalance: 5", "maxBalance: five"));
    let check = ask(&node, "/config/check");
    let mistake = &check["mistakes"][0];
    assert_eq!((&mistake["line"], &check["changes"]), (&json!(10), &json!([])), "{check}");
    assert!(mistake["text"].as_str().unwrap().contains("peers[0].maxBalance"), "{check}");
    node.process.signal("HUP");
    let refused = eventually("the file is refused", TIMEOUT, || {
        let config = ask(&node, "/config");
        match config["lastReload"]["successful"] == false {
            true => Ok(config),
            false => Err(config["lastReload"].to_string()),
        }
    });
    assert_eq!(refused.0["lastReload"]["mistakes"][0], *mistake);
    assert_eq!(value(&refused.0, "peers.bob.maxBalance").0, "5", "the old one stays");
    let events = http_get(
        node.health_port,
        "GET /api/v1/events HTTP/1.1\r\nAuthorization: Bearer canary-api-token\r\nX: ",
    );
    assert!(events.1.contains("\"line\":\"10\""), "{}", events.1);
}

#[test]
fn the_file_may_differ_in_what_needs_a_restart() {
    let node = TestNode::start(FILE);
    let changed = FILE
        .replace("startTimeoutMs: 7000\n", "startTimeoutMs: 8000\nauthTimeoutMs: 9000\n")
        .replace("canary-bob-token, maxBalance: 5", "canary-other");
    node.rewrite_config(&changed);
    node.process.wait_for_log("configuration reloaded", "added");
    let config = ask(&node, "/config");
    assert_eq!(value(&config, "startTimeoutMs").0, "8000");
    assert_eq!(value(&config, "authTimeoutMs"), ("5000".into(), "default".into()));
    assert_eq!(
        changes(&ask(&node, "/config/check")),
        ["authTimeoutMs: 5000 > 9000 restart"],
        "the rest is applied"
    );
}

#[test]
fn a_node_without_a_file_shows_its_variables() {
    let variables = [
        ("NODE_ID", "e"),
        ("BTP_SERVER_PORT", "0"),
        ("HEALTH_CHECK_PORT", "0"),
        ("BTP_PEER_BOB_SECRET", "canary-secret"),
    ];
    let process = Process::start(&["run", "--log-level", "warn,node=info"], variables);
    let port = process.wait_for_log("health server listening", "port").as_u64().unwrap();
    let config = get_json(port, "/api/v1/nodes/e/config");
    assert_eq!(config["file"], Value::Null);
    assert_eq!(value(&config, "nodeId"), ("e".into(), "environment NODE_ID".into()));
    assert_eq!(
        value(&config, "peers.bob.authToken"),
        ("***".into(), "environment BTP_PEER_BOB_SECRET".into())
    );
    let (_, from) = value(&config, "logLevel");
    assert_eq!(from, "command line --log-level");
    assert!(!config.to_string().contains("canary"), "{config}");
    let check = get_json(port, "/api/v1/nodes/e/config/check");
    assert_eq!((&check["changes"], &check["mistakes"]), (&json!([]), &json!([])), "{check}");
}

#[test]
fn each_node_of_a_network_has_its_own_values() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_process, port) = start_network(&network, &[]);
    for node in network.nodes() {
        let config = get_json(port, &format!("/api/v1/nodes/{node}/config"));
        assert_eq!(value(&config, "nodeId").0, node);
        assert_eq!(value(&config, "btpServerPort").0, network.ports(&node).0.to_string());
        let check = get_json(port, &format!("/api/v1/nodes/{node}/config/check"));
        assert_eq!((&check["changes"], &check["mistakes"]), (&json!([]), &json!([])), "{check}");
    }
    let config = get_json(port, "/api/v1/nodes/a/config");
    let (url, from) = value(&config, "peers.b.url");
    assert!(url.starts_with("ws://127.0.0.1:"), "{url}");
    assert!(from.starts_with("computed from network.yaml:"), "{from}");
    assert!(!config.to_string().contains("demo-"), "{config}");
}
