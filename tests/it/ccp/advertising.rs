//! The route updates that a node sends.

use ilp_connector::wire::Fulfillment;

use super::neighbour::{Neighbour, ccp_prepare, payload_of_vector};
use super::{node, wait_for_next_hop};

#[test]
fn updates_list_all_routes_in_the_layout_of_other_implementations_rows_102_104() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::connect(&node, "bob");
    bob.request_all_routes();
    let update = bob.wait_for_update("the first update", |_| true);
    // All bytes but the table's id: epochs 1, 0, 1; 800 ms; speaker; one route with one hop; none withdrawn.
    let mut expected = update.table.to_vec();
    expected.extend(hex::decode("000000010000000000000001").unwrap());
    expected.extend(hex::decode("00000320").unwrap());
    expected.extend(b"\x06test.n");
    expected.extend(b"\x01\x01\x06test.n\x01\x01\x06test.n");
    expected.extend([0; 32]);
    expected.extend(b"\x01\x00\x01\x00");
    assert_eq!(update.payload, hex::encode(&expected));
    // The node reads updates in the same layout, with props.
    let mut before = payload_of_vector("update-complex");
    before[20..28].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 46]);
    assert_eq!(before[16..20], [0, 0, 0, 52]);
    let elsewhere = crate::peer::TestNode::start(
        "nodeId: me\nilpAddress: example.me\nrouting: dynamic\npeers:\n  - { id: bob, authToken: bob-token }\n",
    );
    let mut bob = Neighbour::connect(&elsewhere, "bob");
    assert_eq!(bob.request(&ccp_prepare("peer.route.update", &before)), "Fulfill");
    assert_eq!(
        bob.request(&ccp_prepare("peer.route.update", &payload_of_vector("update-complex"))),
        "Fulfill"
    );
    for address in ["example.prefix1.x", "example.prefix2"] {
        wait_for_next_hop(&elsewhere, address, Ok("bob"));
    }
}

#[test]
fn updates_continue_at_the_requested_epoch_and_stop_at_idle_rows_102_103_111() {
    let node = node(&["peer bob", "peer carl"], "");
    let (mut bob, mut carl) = (Neighbour::connect(&node, "bob"), Neighbour::connect(&node, "carl"));
    bob.request_all_routes();
    carl.request_all_routes();
    let first = bob.wait_for_update("the first update", |update| update.epochs.1 == 0);
    // Row 111: heartbeats, one after another.
    for _ in 0..3 {
        bob.received.clear();
        bob.wait_for_update("a heartbeat", |update| {
            update.epochs == (1, 1, 1) && update.routes.is_empty()
        });
    }
    // Row 103.
    assert_eq!(
        bob.request(&ccp_prepare("peer.route.control", &payload_of_vector("control-idle"))),
        "Fulfill"
    );
    bob.received.clear();
    carl.advertise(&[("test.far", &["test.carl"])], &[]);
    wait_for_next_hop(&node, "test.far", Ok("carl"));
    // After two heartbeats to carl, bob would have been sent the route.
    for _ in 0..2 {
        carl.received.clear();
        carl.wait_for_update("a heartbeat", |update| update.epochs.0 == 2);
    }
    bob.request(&crate::peer::prepare_to("test.nowhere"));
    assert_eq!(bob.advertised_prefixes(), [""; 0], "{:?}", bob.received);
    // Row 102: from the requested epoch, or from the beginning if the requested table is unknown.
    let mut control = payload_of_vector("control-first-contact");
    control[1..17].copy_from_slice(&first.table);
    control[20] = 1;
    assert_eq!(bob.request(&ccp_prepare("peer.route.control", &control)), "Fulfill");
    let update = bob.wait_for_update("the rest", |update| !update.routes.is_empty());
    assert_eq!((update.epochs, update.routes[0].0.as_str()), ((2, 1, 2), "test.far"));
    bob.received.clear();
    assert_eq!(
        bob.request(&ccp_prepare("peer.route.control", &payload_of_vector("control-sync"))),
        "Fulfill"
    );
    let update = bob.wait_for_update("all of it", |update| !update.routes.is_empty());
    assert_eq!(update.epochs, (2, 0, 2));
}

#[test]
fn passed_on_routes_have_a_longer_path_and_a_hashed_auth_row_114() {
    let node = node(&["peer alice", "peer carl"], "");
    let (mut alice, mut carl) =
        (Neighbour::connect(&node, "alice"), Neighbour::connect(&node, "carl"));
    carl.request_all_routes();
    carl.wait_for_update("the own address", |update| update.epochs.2 == 1);
    alice.advertise(
        &[("test.alice", &["test.alice"]), ("test.far", &["test.alice", "test.far"])],
        &[],
    );
    let hashed = Fulfillment([7; 32]).condition().0;
    let of = |prefix: &str, path: &[&str]| {
        (prefix.to_owned(), path.iter().map(|hop| (*hop).to_owned()).collect::<Vec<_>>(), hashed)
    };
    let update = carl.wait_for_update("alice's routes", |update| update.routes.len() == 2);
    assert_eq!(update.speaker, "test.n");
    let expected = [
        of("test.alice", &["test.n", "test.alice"]),
        of("test.far", &["test.n", "test.alice", "test.far"]),
    ];
    assert_eq!(update.routes, expected);
    // A changed path of a known prefix is sent as a new route.
    alice.advertise(&[("test.far", &["test.alice", "test.x", "test.far"])], &[]);
    let update = carl.wait_for_update("the longer way", |update| {
        update.routes.iter().any(|(_, path, _)| path.len() == 4)
    });
    assert_eq!(update.routes, [of("test.far", &["test.n", "test.alice", "test.x", "test.far"])]);
}

#[test]
fn no_peer_is_sent_its_own_routes_and_parents_get_those_of_children_only_row_115() {
    let node = node(
        &[
            "parent up",
            "peer side",
            "peer other",
            "child down , receiveRoutes: true, sendRoutes: true",
        ],
        "",
    );
    let mut all: Vec<Neighbour> =
        ["up", "side", "other", "down"].iter().map(|id| Neighbour::connect(&node, id)).collect();
    all.iter_mut().for_each(Neighbour::request_all_routes);
    let prefixes = ["test.from-up", "test.from-side", "test.from-other", "test.from-down"];
    for (neighbour, prefix) in all.iter_mut().zip(prefixes) {
        neighbour.advertise(&[(prefix, &["test.x"])], &[]);
    }
    let expected: [&[&str]; 4] = [
        &["test.from-down", "test.n"],
        &["test.from-down", "test.from-other", "test.from-up", "test.n"],
        &["test.from-down", "test.from-side", "test.from-up", "test.n"],
        &["test.from-other", "test.from-side", "test.from-up", "test.n"],
    ];
    for (neighbour, expected) in all.iter_mut().zip(expected) {
        // All four prefixes are in the log; the next heartbeat shows that no update is left.
        neighbour.wait_for_update("the end of it", |update| update.epochs.2 == 5);
        assert_eq!(neighbour.advertised_prefixes(), expected);
    }
}
