//! What operators change at a running node for a time, and what its audit log has of it.

mod audit;
mod network;
mod peers;
mod rates;
mod through_watch;

use std::process::Command;

use serde_json::{Value, json};

use crate::peer::{TIMEOUT, TestNode, ask};
use crate::support::{PROGRAM, combined_output, eventually, run};

const TOKEN: &str = "an-operators-token";

/// A node at `test.n` with these peers, which dial it, and a token.
fn file(peers: &str, more: &str) -> String {
    format!("nodeId: n\nilpAddress: test.n\napiToken: {TOKEN}\n{more}peers:\n{peers}")
}

fn peer(id: &str) -> String {
    format!("  - {{ id: {id}, relation: child, authToken: {id}-token }}\n")
}

/// A verb of the operator at a peer of the node.
fn verb(node: &TestNode, peer: &str, verb: &str, body: &Value) -> (u16, Value) {
    let request = format!("POST /api/v1/nodes/n/peers/{peer}/{verb}");
    ask(node.health_port, &request, Some(TOKEN), &body.to_string())
}

/// For a time that no test waits for.
fn long(reason: &str) -> Value {
    json!({ "ttlSeconds": 3600, "reason": reason })
}

fn get(node: &TestNode, path: &str) -> Value {
    ask(node.health_port, &format!("GET {path}"), Some(TOKEN), "").1
}

fn overrides(node: &TestNode) -> Vec<Value> {
    get(node, "/api/v1/overrides")["overrides"].as_array().unwrap().clone()
}

fn wait_until(what: &str, holds: impl Fn() -> Result<(), String>) {
    eventually(what, TIMEOUT, holds);
}

fn has_event(node: &TestNode, kind: &str, why: &str) -> Result<(), String> {
    let events = get(node, "/api/v1/events");
    let events = events["events"].as_array().unwrap();
    let is_wanted =
        |event: &&Value| event["kind"] == kind && (why.is_empty() || event["fields"]["why"] == why);
    events.iter().find(is_wanted).map(drop).ok_or_else(|| format!("{events:?}"))
}

/// What `audit verify` prints, and whether all lines fit.
fn verify(files: &[&str]) -> (bool, String) {
    let output = run(Command::new(PROGRAM).args(["audit", "verify"]).args(files).env_clear());
    (output.status.success(), combined_output(&output))
}
