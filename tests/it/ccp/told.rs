//! What the node tells, to whom, and when.

use ilp_connector::wire::Fulfillment;

use super::neighbour::{Neighbour, ccp, vector};
use super::{becomes, node};

#[test]
fn all_that_it_has_is_told_in_the_layout_of_others_rows_102_104() {
    let node = node(&["peer bob"], "");
    let mut bob = Neighbour::of(&node, "bob");
    bob.wants_all();
    let told = bob.hears_update("the first update", |_| true);
    // Byte by byte, but for the table's id: epochs 1, 0, 1; 800 ms; speaker; one route with one hop; none withdrawn.
    let mut expected = told.table.to_vec();
    expected.extend(hex::decode("000000010000000000000001").unwrap());
    expected.extend(hex::decode("00000320").unwrap());
    expected.extend(b"\x06test.n");
    expected.extend(b"\x01\x01\x06test.n\x01\x01\x06test.n");
    expected.extend([0; 32]);
    expected.extend(b"\x01\x00\x01\x00");
    assert_eq!(told.payload, hex::encode(&expected));
    // What it was told in the same layout, with props and all.
    let mut before = vector("update-complex");
    before[20..28].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0, 46]);
    assert_eq!(before[16..20], [0, 0, 0, 52]);
    let elsewhere = crate::peer::Daemon::start(
        "nodeId: me\nilpAddress: example.me\nrouting: dynamic\npeers:\n  - { id: bob, authToken: bob-token }\n",
    );
    let mut bob = Neighbour::of(&elsewhere, "bob");
    assert_eq!(bob.asked(&ccp("peer.route.update", &before)), "Fulfill");
    assert_eq!(bob.asked(&ccp("peer.route.update", &vector("update-complex"))), "Fulfill");
    for address in ["example.prefix1.x", "example.prefix2"] {
        becomes(&elsewhere, address, Ok("bob"));
    }
}

#[test]
fn who_asks_with_an_epoch_goes_on_there_and_idle_ends_it_rows_102_103_111() {
    let node = node(&["peer bob", "peer carl"], "");
    let (mut bob, mut carl) = (Neighbour::of(&node, "bob"), Neighbour::of(&node, "carl"));
    bob.wants_all();
    carl.wants_all();
    let first = bob.hears_update("the first update", |told| told.epochs.1 == 0);
    // Row 111: heartbeats, one after another.
    for _ in 0..3 {
        bob.heard.clear();
        bob.hears_update("a heartbeat", |told| told.epochs == (1, 1, 1) && told.routes.is_empty());
    }
    // Row 103.
    assert_eq!(bob.asked(&ccp("peer.route.control", &vector("control-idle"))), "Fulfill");
    bob.heard.clear();
    carl.tells(&[("test.far", &["test.carl"])], &[]);
    becomes(&node, "test.far", Ok("carl"));
    // Time enough for it to be told: carl has heard two heartbeats since.
    for _ in 0..2 {
        carl.heard.clear();
        carl.hears_update("a heartbeat", |told| told.epochs.0 == 2);
    }
    bob.asked(&crate::peer::ask("test.nowhere"));
    assert_eq!(bob.prefixes(), [""; 0], "{:?}", bob.heard);
    // Row 102: from where it stands, and from the beginning when the table is not known.
    let mut control = vector("control-first-contact");
    control[1..17].copy_from_slice(&first.table);
    control[20] = 1;
    assert_eq!(bob.asked(&ccp("peer.route.control", &control)), "Fulfill");
    let told = bob.hears_update("the rest", |told| !told.routes.is_empty());
    assert_eq!((told.epochs, told.routes[0].0.as_str()), ((2, 1, 2), "test.far"));
    bob.heard.clear();
    assert_eq!(bob.asked(&ccp("peer.route.control", &vector("control-sync"))), "Fulfill");
    let told = bob.hears_update("all of it", |told| !told.routes.is_empty());
    assert_eq!(told.epochs, (2, 0, 2));
}

#[test]
fn paths_grow_and_auth_is_hashed_row_114() {
    let node = node(&["peer alice", "peer carl"], "");
    let (mut alice, mut carl) = (Neighbour::of(&node, "alice"), Neighbour::of(&node, "carl"));
    carl.wants_all();
    carl.hears_update("the own address", |told| told.epochs.2 == 1);
    alice.tells(&[("test.alice", &["test.alice"]), ("test.far", &["test.alice", "test.far"])], &[]);
    let hashed = Fulfillment([7; 32]).condition().0;
    let of = |prefix: &str, path: &[&str]| {
        (prefix.to_owned(), path.iter().map(|hop| (*hop).to_owned()).collect::<Vec<_>>(), hashed)
    };
    let told = carl.hears_update("alice's routes", |told| told.routes.len() == 2);
    assert_eq!(told.speaker, "test.n");
    let expected = [
        of("test.alice", &["test.n", "test.alice"]),
        of("test.far", &["test.n", "test.alice", "test.far"]),
    ];
    assert_eq!(told.routes, expected);
    // Another way to the same place is told as one.
    alice.tells(&[("test.far", &["test.alice", "test.x", "test.far"])], &[]);
    let told = carl.hears_update("the longer way", |told| {
        told.routes.iter().any(|(_, path, _)| path.len() == 4)
    });
    assert_eq!(told.routes, [of("test.far", &["test.n", "test.alice", "test.x", "test.far"])]);
}

#[test]
fn nobody_hears_their_own_and_parents_hear_of_children_only_row_115() {
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
        ["up", "side", "other", "down"].iter().map(|id| Neighbour::of(&node, id)).collect();
    all.iter_mut().for_each(Neighbour::wants_all);
    let prefixes = ["test.from-up", "test.from-side", "test.from-other", "test.from-down"];
    for (neighbour, prefix) in all.iter_mut().zip(prefixes) {
        neighbour.tells(&[(prefix, &["test.x"])], &[]);
    }
    let expected: [&[&str]; 4] = [
        &["test.from-down", "test.n"],
        &["test.from-down", "test.from-other", "test.from-up", "test.n"],
        &["test.from-down", "test.from-side", "test.from-up", "test.n"],
        &["test.from-other", "test.from-side", "test.from-up", "test.n"],
    ];
    for (neighbour, expected) in all.iter_mut().zip(expected) {
        // All four are in the log; a heartbeat after that, and nothing is left to be told.
        neighbour.hears_update("the end of it", |told| told.epochs.2 == 5);
        assert_eq!(neighbour.prefixes(), expected);
    }
}
