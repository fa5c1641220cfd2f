//! Verbs at the listener of `up`, and the log level, which belongs to the process.

use serde_json::{Value, json};

use super::wait_until;
use crate::network::TestNetwork;
use crate::observer::start_network;
use crate::peer::ask;

fn state(port: u64, link: &str) -> Value {
    let (_, links) = ask(port, "GET /api/v1/links", None, "");
    let links = links["links"].as_array().unwrap().clone();
    links.into_iter().find(|one| one["id"] == link).unwrap()["state"].clone()
}

#[test]
fn the_page_of_up_takes_verbs_for_each_node() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (process, port) = start_network(&network, &[]);
    let body = json!({ "ttlSeconds": 600, "reason": "a test" }).to_string();
    let (status, made) = ask(port, "POST /api/v1/nodes/b/peers/c/suspend", None, &body);
    assert_eq!((status, &made["id"], &made["by"]), (200, &"b~1".into(), &"local".into()), "{made}");
    wait_until("the link is suspended", || match state(port, "b~c") {
        state if state == "suspended" => Ok(()),
        state => Err(state.to_string()),
    });
    network.wait_health("b", 200);
    let (_, listed) = ask(port, "GET /api/v1/overrides", None, "");
    assert_eq!(listed["overrides"], json!([made]));
    // The node's own listener has no token, so it changes nothing, and shows its own override.
    let own = u64::from(network.ports("b").1);
    assert_eq!(ask(own, "POST /api/v1/nodes/b/peers/c/resume", None, &body).0, 403);
    let (_, listed) = ask(own, "GET /api/v1/overrides", None, "");
    assert_eq!(listed["overrides"][0]["id"], "b~1");
    let other = u64::from(network.ports("a").1);
    assert_eq!(ask(other, "GET /api/v1/overrides", None, "").1["overrides"], json!([]));
    let (status, _) = ask(port, "DELETE /api/v1/overrides/b~1", None, "");
    assert_eq!(status, 200);
    wait_until("the link is up", || match state(port, "b~c") {
        state if state == "up" => Ok(()),
        state => Err(state.to_string()),
    });

    let level = |node: &str, level: &str, seconds: u64| {
        let body = json!({ "level": level, "ttlSeconds": seconds, "reason": "a test" });
        ask(port, &format!("POST /api/v1/nodes/{node}/log-level"), None, &body.to_string())
    };
    let (status, made) = level("a", "debug", 600);
    assert_eq!((status, &made["value"]), (200, &"debug".into()), "{made}");
    assert!(made["note"].as_str().unwrap().contains("all its nodes"), "{made}");
    let has_debug = |lines: &[String]| lines.iter().any(|line| line.contains("\"DEBUG\""));
    wait_until("lines at debug", || match has_debug(&process.output_lines()) {
        true => Ok(()),
        // A request is such a line.
        false => Err(ask(port, "GET /api/v1", None, "").1.to_string()),
    });
    // The process has one level, so another node's replaces it; then that of the file is in force.
    assert_eq!(level("b", "error", 1).0, 200);
    wait_until("that of a has ended", || {
        let (_, listed) = ask(port, "GET /api/v1/overrides", None, "");
        let listed = listed["overrides"].as_array().unwrap().clone();
        if listed.iter().any(|one| one["node"] == "a") {
            Err(format!("{listed:?}"))
        } else {
            Ok(())
        }
    });
    wait_until("that of b has ended", || {
        let (_, events) = ask(port, "GET /api/v1/events", None, "");
        let events = events["events"].as_array().unwrap().clone();
        let ended = |node: &str, why: &str| {
            events.iter().any(|event| event["node"] == node && event["fields"]["why"] == why)
        };
        match ended("a", "replacedByOtherNode") && ended("b", "expired") {
            true => Ok(()),
            false => Err(format!("{events:?}")),
        }
    });
    let seen = process.output_lines().len();
    ask(port, "GET /api/v1", None, "");
    assert_eq!(level("c", "trash=loud", 60).0, 400);
    let (status, _) = ask(port, "POST /api/v1/nodes/c/peers/b/suspend", None, &body);
    assert_eq!(status, 200);
    wait_until("a line at warn", || {
        let lines = process.output_lines().split_off(seen);
        let warned = lines.iter().any(|line| line.contains("has changed this node for a time"));
        if warned { Ok(()) } else { Err(lines.join("\n")) }
    });
    assert!(!has_debug(&process.output_lines().split_off(seen)));
}
