//! Probes of the API: a real network pings and traces by itself.

use serde_json::{Value, json};

use crate::network::TestNetwork;
use crate::observer::start_network;
use crate::peer::{TestNode, ask};
use crate::process::{path_text, temp_folder, write_file};
use crate::watch::{start_watch, url};

/// Asks for a probe. Returns status and body.
fn probe(port: u64, body: &Value) -> (u16, Value) {
    ask(port, "POST /api/v1/probes", None, &body.to_string())
}

#[test]
fn nodes_ping_and_trace_by_themselves() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_process, port) = start_network(&network, &[]);
    network.wait_reachable("a", "test.c");
    let (status, body) =
        probe(port, &json!({ "kind": "ping", "from": "a", "to": "c", "count": 3 }));
    assert_eq!((status, &body["destination"]), (200, &"test.c".into()), "{body}");
    assert_eq!(body["amount"], "0", "{body}");
    let results = body["results"].as_array().unwrap();
    assert_eq!(results.len(), 3, "{body}");
    for result in results {
        assert!(result["latencyUs"].as_u64().unwrap() > 0 && result["error"].is_null(), "{body}");
    }

    let (status, body) = probe(port, &json!({ "kind": "trace", "from": "a", "to": "test.c" }));
    assert_eq!(status, 200, "{body}");
    let hops = body["hops"].as_array().unwrap();
    let addresses: Vec<_> = hops.iter().map(|hop| hop["address"].as_str().unwrap()).collect();
    assert_eq!(addresses, ["test.b", "test.c"], "{body}");
    assert!(hops[0]["leastMs"].as_u64() < hops[1]["leastMs"].as_u64(), "{body}");

    let (_, body) = probe(port, &json!({ "kind": "ping", "from": "a", "to": "test.c.nobody" }));
    let error = &body["results"][0]["error"];
    assert_eq!(
        (&error["code"], &error["triggeredBy"]),
        (&"F02".into(), &"test.c".into()),
        "{body}"
    );
    assert!(error["name"].is_string() && error["message"].is_string(), "{body}");

    let check = |body: Value, status: u16, expected: &str| {
        let (found, answer) = probe(port, &body);
        let detail = answer["detail"].as_str().unwrap_or_default();
        assert!(found == status && detail.contains(expected), "{found}: {answer}");
    };
    check(json!({ "kind": "ping", "from": "a", "to": "a" }), 400, "no packet leaves it");
    check(json!({ "kind": "ping", "from": "a", "to": "c", "count": 0 }), 400, "from 1 to 20");
    check(json!({ "kind": "ping", "from": "x", "to": "c" }), 404, "there is no node");
    check(json!({ "kind": "ping", "from": "a", "to": "no address" }), 400, "no ILP address");
    check(json!({ "kind": "flood", "from": "a", "to": "c" }), 400, "the body");
}

#[test]
fn a_page_of_nodes_elsewhere_passes_probes_on_with_their_token() {
    let token = "token-of-the-operator";
    let b =
        TestNode::start("nodeId: b\nilpAddress: test.b\npeers:\n  - { id: a, authToken: ab }\n");
    let a = TestNode::start(&format!(
        "nodeId: a\nilpAddress: test.a\napiToken: {token}\npeers:\n  \
         - {{ id: b, url: 'ws://127.0.0.1:{}', authToken: ab }}\n\
         routes:\n  - {{ prefix: test.b, nextHop: b }}\n",
        b.port
    ))
    .wait_healthy();
    let folder = temp_folder();
    let file = write_file(&folder, "token", token);
    let (_watch, port) = start_watch(&["--token-file", path_text(&file), &url(&a), &url(&b)]);
    // The name of the other node means something only to the page.
    let (status, body) = probe(port, &json!({ "kind": "ping", "from": "a", "to": "b" }));
    assert_eq!((status, &body["from"]), (200, &"a".into()), "{body}");
    assert!(body["results"][0]["latencyUs"].is_u64(), "{body}");
    // A node without tokens lets no client act.
    let (status, body) = probe(port, &json!({ "kind": "ping", "from": "b", "to": "a" }));
    assert_eq!(status, 403, "{body}");
    assert!(body["detail"].as_str().unwrap().contains("scope operate"), "{body}");
}
