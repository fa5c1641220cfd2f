//! Which of the routes that peers advertise are used.

use super::neighbour::{Neighbour, ccp_prepare, payload_of_vector, update};
use super::{next_hop, node, refused_routes, route, wait_for_next_hop, yaml};
use crate::peer::{PREIMAGE, fulfill, prepare_to};

#[test]
fn a_withdrawn_route_leaves_packets_in_flight_alone_rows_37_105() {
    let node = node(&["peer alice", "peer bob"], "");
    let (mut alice, mut bob) =
        (Neighbour::connect(&node, "alice"), Neighbour::connect(&node, "bob"));
    assert_eq!(alice.request(&prepare_to("test.far.shop")), "Reject F02");
    bob.advertise(&[("test.far", &["test.bob", "test.far"])], &[]);
    wait_for_next_hop(&node, "test.far.shop", Ok("bob"));
    alice.peer.send_prepare(77, &prepare_to("test.far.shop"));
    let (id, _) = bob.receive_prepare();
    bob.advertise(&[], &["test.far"]);
    wait_for_next_hop(&node, "test.far.shop", Err("F02"));
    assert_eq!(alice.request(&prepare_to("test.far.shop")), "Reject F02");
    bob.peer.answer(id, &fulfill(&PREIMAGE));
    let got = alice.peer.receive();
    assert_eq!(crate::peer::describe_frame(&got), "RESPONSE 77 Fulfill");
    assert_eq!(node.balance("alice"), ["100", "0", "0"]);
    assert_eq!(node.balance("bob"), ["-100", "0", "0"]);
}

#[test]
fn a_child_is_preferred_to_a_peer_and_a_peer_to_a_parent_row_36() {
    let node = node(&["parent up", "peer side", "child down , receiveRoutes: true"], "");
    let path: &[&str] = &["test.x"];
    let longer: &[&str] = &["test.x", "test.y", "test.z"];
    let mut up = Neighbour::connect(&node, "up");
    up.advertise(&[("test.far", path)], &[]);
    wait_for_next_hop(&node, "test.far", Ok("up"));
    let mut side = Neighbour::connect(&node, "side");
    side.advertise(&[("test.far", longer)], &[]);
    wait_for_next_hop(&node, "test.far", Ok("side"));
    let mut down = Neighbour::connect(&node, "down");
    down.advertise(&[("test.far", longer)], &[]);
    wait_for_next_hop(&node, "test.far", Ok("down"));
    let why: Vec<_> = (route(&node, "test.far")["learned"].as_array().unwrap().iter())
        .map(|one| format!("{} {} {}", one["from"], one["chosen"], one["reason"]).replace('"', ""))
        .collect();
    let expected = [
        "down true nearer relation",
        "side false another relation is nearer",
        "up false another relation is nearer",
    ];
    assert_eq!(why, expected);
    down.peer.disconnect();
    wait_for_next_hop(&node, "test.far", Ok("side"));
    side.advertise(&[], &["test.far"]);
    wait_for_next_hop(&node, "test.far", Ok("up"));
}

#[test]
fn loops_and_foreign_or_whole_networks_are_not_accepted_rows_106_107() {
    let node = crate::peer::TestNode::start(
        "nodeId: me\nilpAddress: test.me\nrouting: dynamic\npeers:\n  - { id: alice, authToken: alice-token }\n",
    );
    let mut alice = Neighbour::connect(&node, "alice");
    let mut tells = |payload: &[u8]| {
        assert_eq!(alice.request(&ccp_prepare("peer.route.update", payload)), "Fulfill");
    };
    for (name, reason) in [
        ("update-loop", "loop"),
        ("update-default-route-prefix", "network"),
        ("update-foreign-network", "network"),
    ] {
        let before = refused_routes(&node, "alice", reason);
        tells(&payload_of_vector(name));
        assert_eq!(refused_routes(&node, "alice", reason), before + 1, "{name}");
    }
    // The node's own address and prefixes below it are not accepted. Segments are compared, so test.me2 is another
    // node.
    let own: &[(&str, &[&str])] = &[
        ("test.me", &["test.alice"]),
        ("test.me.child", &["test.alice"]),
        ("test.me.child.deep", &["test.alice"]),
        ("test.me2.x", &["test.alice"]),
    ];
    tells(&update(0x11, (2, 1, 2), "test.alice", own, &[]));
    assert_eq!(refused_routes(&node, "alice", "own_address"), 3);
    wait_for_next_hop(&node, "test.me2.x", Ok("alice"));
    for address in ["test.carol", "test.other", "g.carol", "test.me.child.deep"] {
        assert_eq!(next_hop(&node, address), Err("F02".to_owned()), "{address}");
    }
    tells(&payload_of_vector("update-own-prefix-js-style"));
    // The update is outdated: it ends at epoch 1.
    assert_eq!(next_hop(&node, "test.alice"), Err("F02".to_owned()));
    tells(&update(0x12, (1, 0, 1), "test.alice", &[("test.alice", &[])], &[]));
    wait_for_next_hop(&node, "test.alice", Ok("alice"));
    wait_for_next_hop(&node, "test.me2.x", Err("F02"));
}

#[test]
fn a_gap_is_requested_again_and_a_new_table_replaces_the_old_rows_108_to_110() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    bob.advertise(&[("test.a", &[])], &[]);
    wait_for_next_hop(&node, "test.a", Ok("bob"));
    let send_update = |bob: &mut Neighbour, table, epochs, routes: &[(&str, &[&str])]| {
        let payload = update(table, epochs, "test.bob", routes, &[]);
        bob.request(&ccp_prepare("peer.route.update", &payload))
    };
    // Row 108.
    assert_eq!(send_update(&mut bob, 1, (9, 5, 9), &[("test.b", &[])]), "Reject F00");
    bob.wait_for_control([1; 16], 1);
    assert_eq!(next_hop(&node, "test.b"), Err("F02".to_owned()));
    // Row 110.
    assert_eq!(send_update(&mut bob, 1, (3, 1, 3), &[("test.b", &[])]), "Fulfill");
    wait_for_next_hop(&node, "test.b", Ok("bob"));
    assert_eq!(send_update(&mut bob, 1, (3, 0, 1), &[("test.old", &[])]), "Fulfill");
    assert_eq!(send_update(&mut bob, 1, (3, 3, 3), &[("test.same", &[])]), "Fulfill");
    wait_for_next_hop(&node, "test.same", Ok("bob"));
    assert_eq!(next_hop(&node, "test.old"), Err("F02".to_owned()));
    // Row 109.
    assert_eq!(send_update(&mut bob, 2, (1, 0, 1), &[("test.b", &[])]), "Fulfill");
    wait_for_next_hop(&node, "test.a", Err("F02"));
    wait_for_next_hop(&node, "test.same", Err("F02"));
    assert_eq!(next_hop(&node, "test.b"), Ok("bob".to_owned()));
}

#[test]
fn silence_and_lost_links_withdraw_routes_rows_112_113() {
    let node = node(&["peer bob", "peer carl"], "");
    let (mut bob, mut carl) = (Neighbour::connect(&node, "bob"), Neighbour::connect(&node, "carl"));
    bob.advertise(&[("test.a", &["test.bob"])], &[]);
    carl.advertise(&[("test.a", &["test.carl", "test.x"])], &[]);
    wait_for_next_hop(&node, "test.a", Ok("bob"));
    // Row 113: the other peer's route is still valid.
    bob.peer.disconnect();
    wait_for_next_hop(&node, "test.a", Ok("carl"));
    carl.peer.disconnect();
    wait_for_next_hop(&node, "test.a", Err("F02"));
    // Row 112: bob advertises a hold-down of 300 ms, and then is silent.
    let mut bob = Neighbour::connect(&node, "bob");
    let mut payload = update(9, (1, 0, 1), "test.bob", &[("test.a", &["test.bob"])], &[]);
    payload[28..32].copy_from_slice(&300u32.to_be_bytes());
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &payload)), "Fulfill");
    // The node requests an update before it drops the table, and afterwards all routes.
    bob.wait_for_control([9; 16], 1);
    wait_for_next_hop(&node, "test.a", Err("F02"));
    bob.wait_for("a control after that", |message| match message {
        super::neighbour::CcpMessage::Control(_, table, 0) if *table == [0; 16] => Some(()),
        _ => None,
    });
    let line = "the routes of a peer are dropped: it sent no update for too long";
    node.process.wait_for_line(line, |logged| logged.contains(line).then_some(()));
}

#[test]
fn a_reload_applies_changed_route_policies_rows_105_107() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    bob.advertise(&[("test.a", &[]), ("test.b", &[])], &[]);
    wait_for_next_hop(&node, "test.a", Ok("bob"));
    wait_for_next_hop(&node, "test.b", Ok("bob"));
    // After fewer prefixes are accepted, the node requests all routes again, in the same session.
    bob.received.clear();
    node.rewrite_config(&yaml(&["peer bob , acceptPrefixes: [test.b]"], ""));
    bob.wait_for_control([0; 16], 0);
    wait_for_next_hop(&node, "test.a", Err("F02"));
    let again = update(1, (2, 0, 2), "test.bob", &[("test.a", &[]), ("test.b", &[])], &[]);
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &again)), "Fulfill");
    wait_for_next_hop(&node, "test.b", Ok("bob"));
    assert_eq!(next_hop(&node, "test.a"), Err("F02".to_owned()));
    // No routes are accepted.
    node.rewrite_config(&yaml(&["peer bob , receiveRoutes: false"], ""));
    wait_for_next_hop(&node, "test.b", Err("F02"));
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &again)), "Reject F00");
    // A static route wins over a learned one.
    bob.received.clear();
    let fixed = "routes: [{ prefix: test.b, nextHop: carl }]\n";
    node.rewrite_config(&yaml(&["peer bob", "peer carl"], fixed));
    bob.wait_for_control([0; 16], 0);
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &again)), "Fulfill");
    wait_for_next_hop(&node, "test.b", Ok("bob"));
    let _carl = Neighbour::connect(&node, "carl");
    wait_for_next_hop(&node, "test.b", Ok("carl"));
}
