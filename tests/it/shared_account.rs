//! Several programs that log in under one account: each gets its own answers, and none displaces another.

use std::collections::HashSet;
use std::time::Duration;

use crate::peer::{PREIMAGE, Peer, TIMEOUT, TestNode, fulfill, prepare_to};
use crate::process::Process;
use crate::support::eventually;

/// A node with a child `app`, whose entry ends with the given keys, and a peer `bob` as receiver.
fn node(app: &str) -> TestNode {
    TestNode::start(&yaml(app))
}

fn yaml(app: &str) -> String {
    format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  \
           - {{ id: app, relation: child, authToken: app-token{app} }}\n  - {{ id: bob, authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    )
}

fn sessions(node: &TestNode) -> usize {
    node.account("app")["sessions"].as_array().unwrap().len()
}

fn wait_for_sessions(node: &TestNode, count: usize) {
    eventually("so many sessions", TIMEOUT, || match sessions(node) {
        found if found == count => Ok(()),
        found => Err(found.to_string()),
    });
}

#[test]
fn forty_requests_of_two_programs_with_one_token_are_all_answered() {
    let node = node("");
    let bob = node.connect_peer("bob").fulfill_all();
    let (mut one, mut other) = (node.connect_peer("app"), node.connect_peer("app"));
    assert_eq!(sessions(&node), 2);
    for id in 0..20 {
        // Both use the same ids, because an id belongs to its session.
        one.send_prepare(id, &prepare_to("test.bob"));
        other.send_prepare(id, &prepare_to("test.bob"));
    }
    for program in [&mut one, &mut other] {
        let answers: HashSet<String> = (0..20).map(|_| program.receive_described()).collect();
        let expected = (0..20).map(|id| format!("RESPONSE {id} Fulfill"));
        assert_eq!(answers, expected.collect());
    }
    assert_eq!(node.balance("app")[0], "4000");
    drop(node.stop("TERM"));
    assert_eq!(bob.join().unwrap(), 40);
}

#[test]
fn a_prepare_goes_to_the_newest_session_and_then_to_the_next() {
    let node = node("");
    let (mut one, mut other) = (node.connect_peer("app"), node.connect_peer("app"));
    let mut bob = node.connect_peer("bob");
    let mut pays = |app: &mut Peer, id| {
        bob.send_prepare(id, &prepare_to("test.n.app"));
        let (theirs, _) = app.receive_prepare();
        app.answer(theirs, &fulfill(&PREIMAGE));
        assert_eq!(bob.receive_described(), format!("RESPONSE {id} Fulfill"));
    };
    pays(&mut other, 1);
    other.disconnect();
    wait_for_sessions(&node, 1);
    node.wait_connected("app");
    pays(&mut one, 2);
    for peer in ["app", "bob"] {
        node.process.wait_for_line("one line for each peer", |line| {
            (line.contains("\"connected\"") && line.contains(peer)).then_some(())
        });
    }
    let log = node.log();
    assert_eq!(log.matches("\"connected\"").count(), 2, "one line for each peer: {log}");
    assert!(!log.contains("\"disconnected\""), "{log}");
}

#[test]
fn one_login_too_many_replaces_the_oldest_session() {
    let node = node(", maxSessions: 2");
    let (mut first, mut second) = (node.connect_peer("app"), node.connect_peer("app"));
    let mut third = node.connect_peer("app");
    assert_eq!(first.wait_closed(), (1008, "replaced".to_owned()));
    assert_eq!(second.drain_frames(), [""; 0]);
    assert_eq!(third.drain_frames(), [""; 0]);
    wait_for_sessions(&node, 2);
    // A reload closes the sessions above the new limit, the oldest first.
    node.rewrite_config(&yaml(", maxSessions: 1"));
    assert_eq!(second.wait_closed(), (1008, "replaced".to_owned()));
    wait_for_sessions(&node, 1);
    assert_eq!(third.drain_frames(), [""; 0]);
    // A changed token closes all of them.
    node.rewrite_config(&yaml("2, maxSessions: 3"));
    assert_eq!(third.wait_closed(), (1008, "reconfigured".to_owned()));
}

#[test]
fn two_tools_at_one_node_work_concurrently() {
    let node = node("");
    let via = format!("ws://app:app-token@127.0.0.1:{}", node.port);
    let pings = Process::start(&["ping", "test.n", "--via", &via, "-c", "40", "-i", "0.05"], []);
    let more = Process::start(&["ping", "test.n", "--via", &via, "-c", "40", "-i", "0.05"], []);
    for pings in [pings, more] {
        let (status, lines) = pings.wait_exit();
        assert!(status.success(), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("40 sent, 40 fulfilled")), "{lines:?}");
    }
    assert_eq!(node.counter("app", "droppedAnswers"), 0);
}

#[test]
fn a_tool_that_is_replaced_says_so_and_does_not_come_back() {
    let node = node(", maxSessions: 1");
    let via = format!("ws://app:app-token@127.0.0.1:{}", node.port);
    let pings = Process::start(&["ping", "test.n", "--via", &via, "-c", "1000", "-i", "0.05"], []);
    // It is replaced at its work, not at its login.
    pings.wait_for_line("an answer", |line| line.contains("seq=1 ").then_some(()));
    let mut app = node.connect_peer("app");
    let (status, lines) = pings.wait_exit();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    assert_eq!(app.drain_frames(), [""; 0], "the tool did not log in again");
    assert_eq!(app.receive_within(Duration::from_millis(300)), None);
    // One packet may have been on its way when the session was replaced.
    let has_summary = lines.iter().any(|line| line.contains(" fulfilled, "));
    assert!(has_summary, "{lines:?}");
}
