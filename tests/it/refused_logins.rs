//! A node shows a refused login at the account whose name was claimed.

use serde_json::Value;

use crate::peer::{Peer, TIMEOUT, TestNode, auth_frame, describe_frame, http_get};
use crate::support::eventually;

fn refused(node: &TestNode, user: &str) {
    let mut client = Peer::connect(node.port);
    client.send(&auth_frame(1, Some(user), "wrong-token"));
    assert_eq!(describe_frame(&client.receive()), "ERROR 1 F00");
    assert_eq!(client.wait_closed(), (1008, "authentication failed".to_owned()));
}

#[test]
fn a_refused_login_is_shown_at_the_account_that_was_claimed() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    refused(&node, "alice");
    node.wait_for_account("the refusal is shown", "alice", |alice| {
        alice["counters"]["refusedLogins"] == 1
    });
    let alice = node.account("alice");
    assert_eq!(alice["state"], "authenticationFailed");
    let error = alice["lastError"].as_str().unwrap();
    assert!(error.contains("wrong token"), "{error}");
    assert!(error.contains("127.0.0.1:"), "{error}");
    assert!(!alice.to_string().contains("wrong-token"), "a secret: {alice}");
    // Unknown names leave only a log line and a count.
    for n in 0..20 {
        refused(&node, &format!("nobody-{n}"));
    }
    let metrics = http_get(node.health_port, "GET /metrics").1;
    let line = |peer: &str, count: u64| {
        format!("ilp_refused_peer_logins_total{{peer=\"{peer}\"}} {count}")
    };
    assert!(metrics.contains(&line("alice", 1)) && metrics.contains(&line("bob", 0)), "{metrics}");
    assert!(!metrics.contains("nobody"), "{metrics}");
    // Our log says what the answer does not.
    for (user, reason) in
        [("alice", "wrong token"), ("nobody-0", "no peer has this name as its id")]
    {
        let found = node.process.wait_for_line(user, |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "connection refused" && line["user"] == user)
                .then(|| line["reason"].clone())
        });
        assert_eq!(found, format!("login refused: {reason}"));
    }
    // When the peer itself logs in, the error is cleared, and the refused login is still shown.
    let session = node.connect_peer("alice");
    node.wait_connected("alice");
    let alice = node.account("alice");
    assert_eq!(alice["lastError"], serde_json::Value::Null);
    assert_eq!(alice["lastRefusedLogin"]["reason"], "wrong token");
    // A refused login under the name of a connected peer changes only the count.
    refused(&node, "alice");
    eventually("counted", TIMEOUT, || match node.counter("alice", "refusedLogins") {
        2 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(node.account("alice")["state"], "connected");
    drop(session);
}

#[test]
fn the_log_says_that_a_peer_is_suspended_whose_login_is_refused() {
    let yaml = "nodeId: n\n\
                peers: [{ id: carol, authToken: carol-token, enabled: false }]\n";
    let node = TestNode::start(yaml);
    let mut carol = Peer::connect(node.port);
    carol.send(&auth_frame(1, Some("carol"), "carol-token"));
    assert_eq!(describe_frame(&carol.receive()), "ERROR 1 F00");
    let reason = node.process.wait_for_log("connection refused", "reason");
    assert_eq!(reason, "login refused: the peer with this name is suspended");
}
