//! What becomes of what peers announce: usable, gone, preferred, not taken.

use crate::peer::{PREIMAGE, ask, fulfill};

use super::neighbour::{Neighbour, ccp, update, vector};
use super::{becomes, node, refused, route, way, yaml};

#[test]
fn routes_are_usable_and_go_and_packets_in_flight_do_not_mind_rows_37_105() {
    let node = node(&["peer alice", "peer bob"], "");
    let (mut alice, mut bob) = (Neighbour::of(&node, "alice"), Neighbour::of(&node, "bob"));
    assert_eq!(alice.asked(&ask("test.far.shop")), "Reject F02");
    bob.tells(&[("test.far", &["test.bob", "test.far"])], &[]);
    becomes(&node, "test.far.shop", Ok("bob"));
    alice.peer.ask(77, &ask("test.far.shop"));
    let (id, _) = bob.prepare();
    bob.tells(&[], &["test.far"]);
    becomes(&node, "test.far.shop", Err("F02"));
    assert_eq!(alice.asked(&ask("test.far.shop")), "Reject F02");
    bob.peer.answer(id, &fulfill(&PREIMAGE));
    let got = alice.peer.frame();
    assert_eq!(crate::peer::describe(&got), "RESPONSE 77 Fulfill");
    assert_eq!(node.balance("alice"), ["100", "0", "0"]);
    assert_eq!(node.balance("bob"), ["-100", "0", "0"]);
}

#[test]
fn child_before_peer_before_parent_row_36() {
    let node = node(&["parent up", "peer side", "child down , receiveRoutes: true"], "");
    let path: &[&str] = &["test.x"];
    let longer: &[&str] = &["test.x", "test.y", "test.z"];
    let mut up = Neighbour::of(&node, "up");
    up.tells(&[("test.far", path)], &[]);
    becomes(&node, "test.far", Ok("up"));
    let mut side = Neighbour::of(&node, "side");
    side.tells(&[("test.far", longer)], &[]);
    becomes(&node, "test.far", Ok("side"));
    let mut down = Neighbour::of(&node, "down");
    down.tells(&[("test.far", longer)], &[]);
    becomes(&node, "test.far", Ok("down"));
    let why: Vec<_> = (route(&node, "test.far")["learned"].as_array().unwrap().iter())
        .map(|one| format!("{} {} {}", one["from"], one["chosen"], one["reason"]).replace('"', ""))
        .collect();
    let expected = [
        "down true nearer relation",
        "side false another relation is nearer",
        "up false another relation is nearer",
    ];
    assert_eq!(why, expected);
    down.peer.cut();
    becomes(&node, "test.far", Ok("side"));
    side.tells(&[], &["test.far"]);
    becomes(&node, "test.far", Ok("up"));
}

#[test]
fn loops_other_networks_and_whole_networks_are_not_taken_rows_106_107() {
    let node = crate::peer::Daemon::start(
        "nodeId: me\nilpAddress: test.me\nrouting: dynamic\npeers:\n  - { id: alice, authToken: alice-token }\n",
    );
    let mut alice = Neighbour::of(&node, "alice");
    let mut tells = |payload: &[u8]| {
        assert_eq!(alice.asked(&ccp("peer.route.update", payload)), "Fulfill");
    };
    for (name, reason) in [
        ("update-loop", "loop"),
        ("update-default-route-prefix", "network"),
        ("update-foreign-network", "network"),
    ] {
        let before = refused(&node, "alice", reason);
        tells(&vector(name));
        assert_eq!(refused(&node, "alice", reason), before + 1, "{name}");
    }
    // Nobody takes what is ours or our children's; by segments, so that test.me2 is somebody else.
    let own: &[(&str, &[&str])] = &[
        ("test.me", &["test.alice"]),
        ("test.me.child", &["test.alice"]),
        ("test.me.child.deep", &["test.alice"]),
        ("test.me2.x", &["test.alice"]),
    ];
    tells(&update(0x11, (2, 1, 2), "test.alice", own, &[]));
    assert_eq!(refused(&node, "alice", "own_address"), 3);
    becomes(&node, "test.me2.x", Ok("alice"));
    for address in ["test.carol", "test.other", "g.carol", "test.me.child.deep"] {
        assert_eq!(way(&node, address), Err("F02".to_owned()), "{address}");
    }
    tells(&vector("update-own-prefix-js-style"));
    // Old news: that one ends at epoch 1.
    assert_eq!(way(&node, "test.alice"), Err("F02".to_owned()));
    tells(&update(0x12, (1, 0, 1), "test.alice", &[("test.alice", &[])], &[]));
    becomes(&node, "test.alice", Ok("alice"));
    becomes(&node, "test.me2.x", Err("F02"));
}

#[test]
fn gaps_are_asked_for_and_tables_replaced_rows_108_to_110() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::of(&node, "bob");
    bob.tells(&[("test.a", &[])], &[]);
    becomes(&node, "test.a", Ok("bob"));
    let says = |bob: &mut Neighbour, table, epochs, routes: &[(&str, &[&str])]| {
        let payload = update(table, epochs, "test.bob", routes, &[]);
        bob.asked(&ccp("peer.route.update", &payload))
    };
    // Row 108.
    assert_eq!(says(&mut bob, 1, (9, 5, 9), &[("test.b", &[])]), "Reject F00");
    bob.hears_control([1; 16], 1);
    assert_eq!(way(&node, "test.b"), Err("F02".to_owned()));
    // Row 110.
    assert_eq!(says(&mut bob, 1, (3, 1, 3), &[("test.b", &[])]), "Fulfill");
    becomes(&node, "test.b", Ok("bob"));
    assert_eq!(says(&mut bob, 1, (3, 0, 1), &[("test.old", &[])]), "Fulfill");
    assert_eq!(says(&mut bob, 1, (3, 3, 3), &[("test.same", &[])]), "Fulfill");
    becomes(&node, "test.same", Ok("bob"));
    assert_eq!(way(&node, "test.old"), Err("F02".to_owned()));
    // Row 109.
    assert_eq!(says(&mut bob, 2, (1, 0, 1), &[("test.b", &[])]), "Fulfill");
    becomes(&node, "test.a", Err("F02"));
    becomes(&node, "test.same", Err("F02"));
    assert_eq!(way(&node, "test.b"), Ok("bob".to_owned()));
}

#[test]
fn silence_and_lost_links_withdraw_routes_rows_112_113() {
    let node = node(&["peer bob", "peer carl"], "");
    let (mut bob, mut carl) = (Neighbour::of(&node, "bob"), Neighbour::of(&node, "carl"));
    bob.tells(&[("test.a", &["test.bob"])], &[]);
    carl.tells(&[("test.a", &["test.carl", "test.x"])], &[]);
    becomes(&node, "test.a", Ok("bob"));
    // Row 113: the other one is still there.
    bob.peer.cut();
    becomes(&node, "test.a", Ok("carl"));
    carl.peer.cut();
    becomes(&node, "test.a", Err("F02"));
    // Row 112: it says 300 ms, and nothing more.
    let mut bob = Neighbour::of(&node, "bob");
    let mut payload = update(9, (1, 0, 1), "test.bob", &[("test.a", &["test.bob"])], &[]);
    payload[28..32].copy_from_slice(&300u32.to_be_bytes());
    assert_eq!(bob.asked(&ccp("peer.route.update", &payload)), "Fulfill");
    // It is asked before it is given up, and afterwards as one who is not known.
    bob.hears_control([9; 16], 1);
    becomes(&node, "test.a", Err("F02"));
    bob.hears("a control after that", |heard| match heard {
        super::neighbour::Heard::Control(_, table, 0) if *table == [0; 16] => Some(()),
        _ => None,
    });
    let said = "the routes of a peer are dropped: nothing was heard of it for too long";
    assert!(node.log().contains(said));
}

#[test]
fn what_the_file_says_counts_while_the_node_runs_rows_105_107() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::of(&node, "bob");
    bob.tells(&[("test.a", &[]), ("test.b", &[])], &[]);
    becomes(&node, "test.a", Ok("bob"));
    becomes(&node, "test.b", Ok("bob"));
    // Fewer are wanted: the peer is asked for all of them again, in the same session.
    bob.heard.clear();
    node.rewrite(&yaml(&["peer bob , acceptPrefixes: [test.b]"], ""));
    bob.hears_control([0; 16], 0);
    becomes(&node, "test.a", Err("F02"));
    let again = update(1, (2, 0, 2), "test.bob", &[("test.a", &[]), ("test.b", &[])], &[]);
    assert_eq!(bob.asked(&ccp("peer.route.update", &again)), "Fulfill");
    becomes(&node, "test.b", Ok("bob"));
    assert_eq!(way(&node, "test.a"), Err("F02".to_owned()));
    // None are wanted.
    node.rewrite(&yaml(&["peer bob , receiveRoutes: false"], ""));
    becomes(&node, "test.b", Err("F02"));
    assert_eq!(bob.asked(&ccp("peer.route.update", &again)), "Reject F00");
    // A static route wins over a learned one.
    bob.heard.clear();
    let fixed = "routes: [{ prefix: test.b, nextHop: carl }]\n";
    node.rewrite(&yaml(&["peer bob", "peer carl"], fixed));
    bob.hears_control([0; 16], 0);
    assert_eq!(bob.asked(&ccp("peer.route.update", &again)), "Fulfill");
    becomes(&node, "test.b", Ok("bob"));
    let _carl = Neighbour::of(&node, "carl");
    becomes(&node, "test.b", Ok("carl"));
}
