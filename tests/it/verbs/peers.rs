//! Peers that are suspended, resumed and reconnected.

use serde_json::{Value, json};

use super::{TOKEN, file, get, has_event, long, overrides, peer, verb, wait_until};
use crate::peer::{
    PREIMAGE, Peer, TestNode, ask, bind_listener, fulfill, get_json, prepare_to, response,
};
use crate::process::{Process, path_text, temp_folder, write_file};

fn alice_and_bob() -> String {
    peer("alice") + &peer("bob")
}

fn message_of(reject: &[u8]) -> String {
    String::from_utf8_lossy(reject).into_owned()
}

#[test]
fn a_suspended_peer_is_refused_with_the_time_and_comes_back_by_itself() {
    let node = TestNode::start(&file(&alice_and_bob(), ""));
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let (status, made) = verb(&node, "bob", "suspend", &long("their disk is full"));
    assert_eq!(status, 200, "{made}");
    assert_eq!(
        (&made["id"], &made["node"], &made["peer"]),
        (&"n~1".into(), &"n".into(), &"bob".into())
    );
    assert_eq!((&made["kind"], &made["by"]), (&"suspend".into(), &"apiToken".into()));
    assert_eq!(bob.wait_closed(), (1008, "suspended".to_owned()));
    let until = made["expiresAt"].as_str().unwrap();
    alice.send_prepare(1, &prepare_to("test.n.bob.x"));
    let reject = message_of(&alice.receive().raw);
    let text = format!("next hop bob is suspended by an operator until {until}");
    assert!(reject.contains("T01") && reject.contains(&text), "{reject}");
    let reasons = get(&node, "/api/v1/reasons");
    assert_eq!(reasons["reasons"][0]["kind"], "nextHopSuspendedByOperator");
    let advice = reasons["reasons"][0]["advice"].as_str().unwrap();
    assert!(advice.contains("ilp-connector resume"), "{advice}");

    let account = get(&node, "/peers");
    let account =
        account["peers"].as_array().unwrap().iter().find(|one| one["id"] == "bob").unwrap();
    assert_eq!((&account["enabled"], &account["state"]), (&false.into(), &"suspended".into()));
    assert_eq!(account["suspendedUntil"], until);
    let health = get_json(node.health_port, "/health");
    assert_eq!(health["status"], "healthy");
    let reason = health["reasons"][0].as_str().unwrap();
    assert!(reason.contains("(apiToken) has suspended peer bob until"), "{reason}");
    assert_eq!(overrides(&node), std::slice::from_ref(&made));
    has_event(&node, "override.set", "").unwrap();

    // A later one replaces it, and ends soon.
    let soon = json!({ "ttlSeconds": 3, "reason": "a shorter one" });
    let (_, replacing) = verb(&node, "bob", "suspend", &soon);
    assert_eq!(
        overrides(&node).first().map_or("", |one| one["id"].as_str().unwrap()),
        replacing["id"]
    );
    has_event(&node, "override.ended", "replaced").unwrap();
    wait_until("it ends", || has_event(&node, "override.expired", "expired"));
    assert_eq!(overrides(&node), [Value::Null; 0]);
    let mut bob = node.connect_peer("bob");
    alice.send_prepare(2, &prepare_to("test.n.bob.x"));
    let (id, _) = bob.receive_prepare();
    bob.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
}

#[test]
fn a_reload_keeps_overrides_and_a_restart_forgets_them() {
    let config = file(&alice_and_bob(), "");
    let node = TestNode::start(&config);
    let (_, suspended) = verb(&node, "bob", "suspend", &long("x"));
    let reload = |yaml: &str, number: usize| {
        node.rewrite_config(yaml);
        node.process.signal("HUP");
        wait_until("the reload", || {
            let reloads = node.log().matches("\"configuration reloaded\"").count();
            if reloads >= number { Ok(()) } else { Err(node.log()) }
        });
    };
    reload(&file(&alice_and_bob(), "maxHoldTimeMs: 20000\n"), 1);
    assert_eq!(overrides(&node), std::slice::from_ref(&suspended));
    // The file suspends bob too: then the end of the override changes nothing.
    let off = "  - { id: bob, relation: child, authToken: bob-token, enabled: false }\n";
    reload(&file(&(peer("alice") + off), ""), 2);
    let undo = |id: &Value| {
        let request = format!("DELETE /api/v1/overrides/{}", id.as_str().unwrap());
        ask(node.health_port, &request, Some(TOKEN), "")
    };
    let (status, ended) = undo(&suspended["id"]);
    assert_eq!((status, ended["endedAt"].is_string()), (200, true), "{ended}");
    assert_eq!(undo(&suspended["id"]).0, 404);
    let state = || {
        let peers = get(&node, "/peers");
        let bob = peers["peers"].as_array().unwrap().iter().find(|one| one["id"] == "bob").unwrap();
        (bob["enabled"].clone(), bob["suspendedUntil"].clone())
    };
    assert_eq!(state(), (false.into(), Value::Null));
    // It is resumed, whatever the file says; that survives a reload, too.
    let (status, resumed) = verb(&node, "bob", "resume", &long("we need it now"));
    assert_eq!((status, &resumed["kind"]), (200, &"resume".into()));
    let mut bob = node.connect_peer("bob");
    reload(&file(&(peer("alice") + off), "maxHoldTimeMs: 25000\n"), 3);
    assert_eq!(state(), (true.into(), Value::Null));
    let (status, _) = verb(&node, "bob", "suspend", &long("the other way round"));
    assert_eq!((status, bob.wait_closed().1), (200, "suspended".to_owned()));
    // A peer that is gone has no override.
    reload(&file(&peer("alice"), ""), 4);
    has_event(&node, "override.ended", "peerRemoved").unwrap();
    assert_eq!(overrides(&node), [Value::Null; 0]);

    let (status, _) = verb(&node, "alice", "suspend", &long("x"));
    assert_eq!(status, 200);
    let folder = temp_folder();
    let yaml = std::fs::read_to_string(&node.file).unwrap();
    let file = write_file(&folder, "again.yaml", &yaml);
    node.stop("TERM");
    let again = Process::start(&["run", "--config", path_text(&file)], []);
    let port = again.wait_for_log("health server listening", "port").as_u64().unwrap();
    let (_, body) = ask(port, "GET /api/v1/overrides", Some(TOKEN), "");
    assert_eq!(body["overrides"], json!([]));
}

#[test]
fn resume_ends_a_suspension_and_other_states_are_conflicts() {
    let node = TestNode::start(&file(&alice_and_bob(), ""));
    let refused = |peer: &str, name: &str, body: &Value, code: u16, text: &str| {
        let (status, problem) = verb(&node, peer, name, body);
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(status == code && detail.contains(text), "{name} {peer}: {status} {problem}");
    };
    refused("bob", "resume", &long("x"), 409, "peer bob is not suspended");
    refused("carol", "suspend", &long("x"), 404, "no peer \"carol\"");
    refused("bob", "suspend", &json!({ "ttlSeconds": 0, "reason": "x" }), 400, "from 1 to 86400");
    refused("bob", "suspend", &json!({ "ttlSeconds": 86_401, "reason": "x" }), 400, "86400");
    refused("bob", "suspend", &json!({ "ttlSeconds": 60, "reason": " " }), 400, "say why");
    for verb in ["reconnect", "reconcile", "settlements/resume", "settlements/retry"] {
        refused("bob", verb, &json!({ "reason": " " }), 400, "say why");
    }
    for verb in ["test", "retry"] {
        let path = format!("POST /api/v1/nodes/n/webhooks/x/{verb}");
        let (status, problem) = ask(node.health_port, &path, Some(TOKEN), r#"{"reason":" "}"#);
        assert_eq!((status, &problem["detail"]), (400, &"reason is empty; say why".into()));
    }
    refused("bob", "suspend", &json!({ "ttl": 60 }), 400, "unknown field");
    verb(&node, "bob", "suspend", &long("x"));
    refused("bob", "reconnect", &json!({ "reason": "x" }), 409, "peer bob is suspended");
    let (status, ended) = verb(&node, "bob", "resume", &long("x"));
    assert_eq!((status, &ended["kind"]), (200, &"suspend".into()));
    assert!(ended["endedAt"].is_string() && overrides(&node).is_empty(), "{ended}");
    node.connect_peer("bob");
}

#[test]
fn reconnect_closes_the_sessions_and_dials_at_once() {
    let (listener, port) = bind_listener();
    let dialled =
        format!("  - {{ id: bob, url: 'ws://127.0.0.1:{port}', authToken: bob-token }}\n");
    let node = TestNode::start(&file(&(peer("alice") + &dialled), ""));
    let accept = || {
        let mut bob = Peer::accept(&listener);
        let login = bob.receive();
        bob.send(&response(login.id, None));
        bob
    };
    let mut bob = accept();
    node_connected(&node, "bob");
    let (status, made) = verb(&node, "bob", "reconnect", &json!({ "reason": "a new address" }));
    assert_eq!((status, &made["closedSessions"]), (200, &1.into()), "{made}");
    assert_eq!(made["dials"], true, "{made}");
    assert_eq!(bob.wait_closed(), (1001, "reconnect".to_owned()));
    let second = accept();
    has_event(&node, "peer.reconnect", "").unwrap();
    assert_eq!(overrides(&node), [Value::Null; 0], "it does not last");
    // After failures the next attempt would come later and later.
    drop(second);
    for _ in 0..4 {
        drop(Peer::accept(&listener));
        let (status, made) = verb(&node, "bob", "reconnect", &json!({ "reason": "repaired" }));
        assert_eq!((status, &made["closedSessions"]), (200, &0.into()), "{made}");
    }
    let _bob = accept();
    node_connected(&node, "bob");
    // A peer that dials us dials again by itself.
    let mut alice = node.connect_peer("alice");
    let (_, made) = verb(&node, "alice", "reconnect", &json!({ "reason": "x" }));
    assert_eq!(made["dials"], false, "{made}");
    assert_eq!(alice.wait_closed().1, "reconnect");
}

fn node_connected(node: &TestNode, id: &str) {
    wait_until("connected", || {
        let peers = get(node, "/peers");
        let found = peers["peers"].as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
        if found["state"] == "connected" { Ok(()) } else { Err(found.to_string()) }
    });
}
