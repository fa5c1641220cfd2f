//! The past of a running node by its API: its income, the events that its store keeps, and both through `watch`.

use serde_json::json;

use super::*;
use crate::peer::ask;
use crate::watch::{start_watch, url};

const TOKEN: Option<&str> = Some("an-operators-token");

/// A node that keeps a tenth of what alice pays.
fn start(store: &Path) -> TestNode {
    TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\nstore: {}\npeers:\n  \
         - {{ id: alice, authToken: alice-token, spread: 0.1 }}\n  - {{ id: bob, authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n",
        path_text(store)
    ))
}

fn income(port: u64, query: &str) -> (u16, Value) {
    ask(port, &format!("GET /api/v1/nodes/n/income{query}"), None, "")
}

#[test]
fn the_income_of_a_running_node_is_that_of_its_books() {
    let folder = temp_folder();
    let store = folder.path().join("n.db");
    let node = start(&store);
    let _bob = node.connect_peer("bob").fulfill_all();
    let mut alice = node.connect_peer("alice");
    assert_eq!(alice.request(1, &prepare_to("test.bob.shop")), "RESPONSE 1 Fulfill");
    let printed = || -> Value {
        let mut command = Command::new(PROGRAM);
        command.args(["ledger", "income", "--json", "--store", path_text(&store)]);
        serde_json::from_str(&run_successfully(&mut command)).unwrap()
    };
    eventually("the flows in the store", TIMEOUT, || {
        let printed = printed();
        if printed["flows"] == json!([]) { Err(printed.to_string()) } else { Ok(()) }
    });
    let (_watch, watched) = start_watch(&[&url(&node)]);
    for port in [node.health_port, watched] {
        let (status, found) = income(port, "");
        assert_eq!(status, 200, "{found}");
        assert_eq!((&found["node"], &found["flowsLeftOut"]), (&json!("n"), &json!(0)), "{found}");
        assert!(found["asOf"].is_string() && found["to"].is_null(), "{found}");
        let by_account = found["byAccount"].as_array().unwrap();
        let spreads: Vec<_> =
            by_account.iter().map(|one| (&one["account"], &one["spread"])).collect();
        let expected = [("alice", "10"), ("bob", "10")].map(|(a, b)| (json!(a), json!(b)));
        assert_eq!(spreads, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>(), "{found}");
        let flow = &found["flows"][0];
        assert_eq!((&flow["amountIn"], &flow["amountOut"]), (&json!("100"), &json!("90")));
        let printed = printed();
        for list in ["flows", "byAccount", "total", "losses", "unattributed"] {
            assert_eq!(found[list], printed[list], "{list}");
        }
    }
    let (status, before) = income(node.health_port, "?from=2020-01-01&to=2020-02-01");
    assert_eq!((status, &before["flows"]), (200, &json!([])), "{before}");
    for (query, expected) in [
        ("?from=2026-12-01&to=2026-11-01", "to: the period begins at 2026-12-01"),
        ("?from=2020-01-01&to=2026-11-01", "more than 366 days"),
        ("?from=yesterday", "neither a day"),
        ("?limit=0", "limit"),
    ] {
        let (status, problem) = income(node.health_port, query);
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{query}: {problem}");
    }
}

#[test]
fn saved_events_are_paged_and_survive_the_process() {
    let folder = temp_folder();
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\napiToken: an-operators-token\nstore: {}\nwebhooks:\n  \
         - {{ id: ops, url: \"http://127.0.0.1:1/\", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw }}\n",
        path_text(&folder.path().join("n.db"))
    );
    let node = TestNode::start(&yaml);
    // Each is saved when it is answered.
    let ids = [1, 2, 3].map(|_| {
        let path = "POST /api/v1/nodes/n/webhooks/ops/test";
        let (status, sent) = ask(node.health_port, path, TOKEN, r#"{"reason":"a test"}"#);
        assert_eq!(status, 200, "{sent}");
        sent["event"].clone()
    });
    let events = |node: &TestNode, query: &str| {
        let path = format!("GET /api/v1/nodes/n/saved-events{query}");
        ask(node.health_port, &path, TOKEN, "")
    };
    let found = |node: &TestNode, query: &str| -> (Vec<Value>, Value) {
        let (status, page) = events(node, query);
        assert_eq!(status, 200, "{page}");
        let ids = page["events"].as_array().unwrap().iter().map(|event| event["id"].clone());
        (ids.collect(), page["next"].clone())
    };
    let newest = [ids[2].clone(), ids[1].clone(), ids[0].clone()];
    assert_eq!(found(&node, ""), (newest.to_vec(), Value::Null));
    let (first, next) = found(&node, "?limit=2");
    assert_eq!(first, newest[..2]);
    let rest = format!("?limit=2&before={}", next.as_str().unwrap());
    assert_eq!(found(&node, &rest), (newest[2..].to_vec(), Value::Null));
    assert_eq!(found(&node, "?kind=webhook.test").0.len(), 3);
    assert_eq!(found(&node, "?kind=store.failing").0.len(), 0);
    assert_eq!(found(&node, "?peer=c").0.len(), 0);
    for (query, expected) in
        [("?kind=peer.connected", "which stores keep"), ("?before=x", "`next` of a page")]
    {
        let (status, problem) = events(&node, query);
        assert_eq!(status, 400, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(expected), "{problem}");
    }
    node.stop("TERM");
    let again = TestNode::start(&yaml);
    assert_eq!(found(&again, "").0, newest);
}

#[test]
fn a_node_without_a_store_has_no_past() {
    let node = TestNode::start("nodeId: n\nilpAddress: test.n\n");
    let (status, found) = income(node.health_port, "");
    assert_eq!((status, &found["asOf"], &found["flows"]), (200, &Value::Null, &json!([])));
    let none = get_json(node.health_port, "/api/v1/nodes/n/saved-events");
    assert_eq!(none, json!({ "events": [], "next": null }));
}

/// An event when alice owes four fifths of what she may, one again when she did not for a while, and none in between.
#[test]
fn a_peer_that_owes_nearly_all_it_may_is_reported_once_each_time() {
    let folder = temp_folder();
    let node = TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\napiToken: an-operators-token\nstore: {}\npeers:\n  \
         - {{ id: alice, authToken: alice-token, maxBalance: 1000, maxPacketAmount: 100, settlement: manual }}\n  \
         - {{ id: bob, authToken: bob-token }}\nroutes: [{{ prefix: test.bob, nextHop: bob }}]\n",
        path_text(&folder.path().join("n.db"))
    ));
    let _bob = node.connect_peer("bob").fulfill_all();
    let mut alice = node.connect_peer("alice");
    let mut ids = 1..;
    let mut pay = |times: usize| {
        for id in ids.by_ref().take(times) {
            let answer = alice.request(id, &prepare_to("test.bob.shop"));
            assert_eq!(answer, format!("RESPONSE {id} Fulfill"));
        }
    };
    // The kinds of all that is reported of alice, the newest first.
    let wait_for_events = |expected: &[&str]| {
        eventually(&format!("{expected:?}"), TIMEOUT, || {
            let path = "GET /api/v1/nodes/n/saved-events?peer=alice";
            let (_, found) = ask(node.health_port, path, TOKEN, "");
            let events = found["events"].as_array().cloned().unwrap_or_default();
            let kinds = events.iter().map(|event| event["kind"].as_str().unwrap_or_default());
            let kinds: Vec<_> = kinds.filter(|kind| kind.starts_with("exposure.")).collect();
            if kinds == expected { Ok(()) } else { Err(found.to_string()) }
        });
    };
    let settle = |units: &str| {
        let body = json!({ "direction": "received", "units": units, "reference": "a test" });
        let path = "POST /api/v1/nodes/n/peers/alice/settlements";
        let (status, made) = ask(node.health_port, path, TOKEN, &body.to_string());
        assert_eq!(status, 200, "{made}");
    };
    pay(7);
    wait_for_events(&[]);
    pay(1);
    wait_for_events(&["exposure.high"]);
    // At 75 % and again at 85 %: not far enough below.
    settle("50");
    pay(1);
    // At 35 %.
    settle("500");
    wait_for_events(&["exposure.normal", "exposure.high"]);
    pay(5);
    wait_for_events(&["exposure.high", "exposure.normal", "exposure.high"]);
}
