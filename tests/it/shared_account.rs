//! Several programs that log in under one account: each gets its own answers, and no one throws another out.

use std::collections::HashSet;
use std::time::Duration;

use crate::peer::{Daemon, PATIENCE, PREIMAGE, Peer, ask, fulfill};
use crate::running::Running;
use crate::support::eventually;

/// A node with a child `app`, as its file says more of it, and a peer `bob` to send to.
fn node(app: &str) -> Daemon {
    Daemon::start(&yaml(app))
}

fn yaml(app: &str) -> String {
    format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  \
           - {{ id: app, relation: child, authToken: app-token{app} }}\n  - {{ id: bob, authToken: bob-token }}\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    )
}

fn sessions(node: &Daemon) -> usize {
    node.account("app")["sessions"].as_array().unwrap().len()
}

fn wait_for_sessions(node: &Daemon, count: usize) {
    eventually("so many sessions", PATIENCE, || match sessions(node) {
        found if found == count => Ok(()),
        found => Err(found.to_string()),
    });
}

#[test]
fn forty_requests_of_two_programs_with_one_token_are_all_answered() {
    let node = node("");
    let bob = node.peer("bob").fulfill_all();
    let (mut one, mut other) = (node.peer("app"), node.peer("app"));
    assert_eq!(sessions(&node), 2);
    for id in 0..20 {
        // The same ids on both: they belong to the session.
        one.ask(id, &ask("test.bob"));
        other.ask(id, &ask("test.bob"));
    }
    for program in [&mut one, &mut other] {
        let answers: HashSet<String> = (0..20).map(|_| program.next()).collect();
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
    let (mut one, mut other) = (node.peer("app"), node.peer("app"));
    let mut bob = node.peer("bob");
    let mut pays = |app: &mut Peer, id| {
        bob.ask(id, &ask("test.n.app"));
        let (theirs, _) = app.prepare();
        app.answer(theirs, &fulfill(&PREIMAGE));
        assert_eq!(bob.next(), format!("RESPONSE {id} Fulfill"));
    };
    pays(&mut other, 1);
    other.cut();
    wait_for_sessions(&node, 1);
    node.until_connected("app");
    pays(&mut one, 2);
    let log = node.log();
    assert_eq!(log.matches("\"connected\"").count(), 2, "one line for each peer: {log}");
    assert!(!log.contains("\"disconnected\""), "{log}");
}

#[test]
fn one_login_too_many_replaces_the_oldest_session() {
    let node = node(", maxSessions: 2");
    let (mut first, mut second) = (node.peer("app"), node.peer("app"));
    let mut third = node.peer("app");
    assert_eq!(first.closed(), (1008, "replaced".to_owned()));
    assert_eq!(second.fence(), [""; 0]);
    assert_eq!(third.fence(), [""; 0]);
    wait_for_sessions(&node, 2);
    // Live: what is beyond the new limit goes, the oldest first.
    node.rewrite(&yaml(", maxSessions: 1"));
    assert_eq!(second.closed(), (1008, "replaced".to_owned()));
    wait_for_sessions(&node, 1);
    assert_eq!(third.fence(), [""; 0]);
    // A changed token ends them all.
    node.rewrite(&yaml("2, maxSessions: 3"));
    assert_eq!(third.closed(), (1008, "reconfigured".to_owned()));
}

#[test]
fn two_tools_at_one_node_do_their_work_side_by_side() {
    let node = node("");
    let via = format!("ws://app:app-token@127.0.0.1:{}", node.port);
    let pings = Running::start(&["ping", "test.n", "--via", &via, "-c", "40", "-i", "0.05"], []);
    let more = Running::start(&["ping", "test.n", "--via", &via, "-c", "40", "-i", "0.05"], []);
    for pings in [pings, more] {
        let (status, lines) = pings.ended();
        assert!(status.success(), "{lines:?}");
        assert!(lines.iter().any(|line| line.contains("40 sent, 40 fulfilled")), "{lines:?}");
    }
    assert_eq!(node.counter("app", "droppedAnswers"), 0);
}

#[test]
fn a_tool_that_is_replaced_says_so_and_does_not_come_back() {
    let node = node(", maxSessions: 1");
    let via = format!("ws://app:app-token@127.0.0.1:{}", node.port);
    let pings = Running::start(&["ping", "test.n", "--via", &via, "-c", "1000", "-i", "0.05"], []);
    wait_for_sessions(&node, 1);
    let mut app = node.peer("app");
    let (status, lines) = pings.ended();
    assert_eq!(status.code(), Some(1), "{lines:?}");
    assert_eq!(app.fence(), [""; 0], "the tool did not log in again");
    assert_eq!(app.frame_within(Duration::from_millis(300)), None);
    let has_summary = lines.iter().any(|line| line.contains("fulfilled, 0 rejected"));
    assert!(has_summary, "{lines:?}");
}
