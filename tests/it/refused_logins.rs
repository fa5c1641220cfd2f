//! A node that refuses a login shows it where its operator looks: at the account whose name was claimed.

use crate::peer::{Daemon, PATIENCE, Peer, auth, describe, get};
use crate::support::eventually;

fn refused(node: &Daemon, user: &str) {
    let mut stranger = Peer::open(node.port);
    stranger.send(&auth(1, Some(user), "wrong-token"));
    assert_eq!(describe(&stranger.frame()), "ERROR 1 F00");
    assert_eq!(stranger.closed(), (1008, "authentication failed".to_owned()));
}

#[test]
fn a_refused_login_is_shown_at_the_account_that_was_claimed() {
    let node = Daemon::with_peers(&["alice", "bob"], "");
    refused(&node, "alice");
    node.until("the refusal is shown", "alice", |alice| alice["counters"]["refusedLogins"] == 1);
    let alice = node.account("alice");
    assert_eq!(alice["state"], "authenticationFailed");
    let error = alice["lastError"].as_str().unwrap();
    assert!(error.contains("invalid auth_username or auth_token"), "{error}");
    assert!(error.contains("127.0.0.1:"), "{error}");
    assert!(!alice.to_string().contains("wrong-token"), "a secret: {alice}");
    // Names that are none leave nothing behind but a line and a counter.
    for n in 0..20 {
        refused(&node, &format!("nobody-{n}"));
    }
    let metrics = get(node.health, "GET /metrics").1;
    let line = |peer: &str, count: u64| {
        format!("ilp_refused_peer_logins_total{{peer=\"{peer}\"}} {count}")
    };
    assert!(metrics.contains(&line("alice", 1)) && metrics.contains(&line("bob", 0)), "{metrics}");
    assert!(!metrics.contains("nobody"), "{metrics}");
    // The peer itself comes: the error goes, and what happened can still be seen.
    let session = node.peer("alice");
    node.until_connected("alice");
    let alice = node.account("alice");
    assert_eq!(alice["lastError"], serde_json::Value::Null);
    assert_eq!(alice["lastRefusedLogin"]["reason"], "invalid auth_username or auth_token");
    // A stranger under the name of a peer that is here changes nothing but the counter.
    refused(&node, "alice");
    eventually("counted", PATIENCE, || match node.counter("alice", "refusedLogins") {
        2 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(node.account("alice")["state"], "connected");
    drop(session);
}
