//! Guests come and go: their slots are used again, their money is not lost, and together they have one share of a next
//! hop.

use super::*;
use crate::books::ReconcileState;
use crate::link::Slot;

fn guest(number: usize) -> AccountSettings {
    let id = format!("guest~{number}").parse().unwrap();
    AccountSettings::new(id, Relation::Child)
}

/// A node with bob, alice and these guests.
fn with_guests(guests: impl IntoIterator<Item = usize>) -> ConnectorSettings {
    let peers = [peer("alice"), peer("bob")].into_iter().chain(guests.into_iter().map(guest));
    let address = Some("test.node".parse().unwrap());
    ConnectorSettings { address, ..settings(peers.collect(), &[("test.bob", "bob")]) }
}

fn slots(node: &TestNode) -> usize {
    node.connector.snapshot.load().entries.len()
}

fn pay(node: &TestNode, from: &Peer, to: &Peer, destination: &str, amount: u64) {
    node.send(from, 1, &payment(destination, amount));
    node.fulfill_one(to);
    assert!(matches!(node.read_one(from), Received::Fulfill { .. }));
}

#[test]
fn a_thousand_guests_use_the_slots_of_those_that_left() {
    let node = node(with_guests([]));
    for number in 0..1_000 {
        node.apply(with_guests([number, number + 1]));
        let newest = node.connect(&format!("guest~{}", number + 1));
        assert!(newest.account.is_connected());
        node.disconnect(&newest);
    }
    // Alice, bob, two guests, and those that have just left.
    assert!(slots(&node) <= 6, "{}", slots(&node));
    let shown = node.connector.report().accounts.len();
    assert_eq!(shown, 4, "those that left nothing behind are not shown");
    assert!(node.connector.account("guest~1").is_none());
    assert!(node.connector.account("guest~1000").is_some());
}

#[test]
fn a_guest_that_is_in_use_keeps_its_slot() {
    let node = node(with_guests([1]));
    let (bob, one) = (node.connect("bob"), node.connect("guest~1"));
    node.send(&one, 1, &payment("test.bob.x", 5));
    let id = node.prepare_id(&bob);
    node.apply(with_guests([]));
    for number in 2..10 {
        node.apply(with_guests([number]));
        assert!(node.connector.account("guest~1").is_some(), "it has a session and a packet");
    }
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(node.read_one(&one), Received::Fulfill { .. }));
    assert_eq!(node.balance("guest~1"), 5);
    node.disconnect(&one);
    // A login may be about to open a session.
    node.apply(with_guests([20]));
    assert!(node.connector.account("guest~1").is_some());
    drop(one);
    node.apply(with_guests([21]));
    assert!(node.connector.account("guest~1").is_none());
}

#[test]
fn a_forgotten_guest_finds_its_balance_again() {
    let node = node(with_guests([1, 2]));
    let (bob, one, two) = (node.connect("bob"), node.connect("guest~1"), node.connect("guest~2"));
    pay(&node, &one, &bob, "test.bob.x", 70);
    pay(&node, &bob, &two, "test.node.guest~2", 30);
    node.disconnect(&one);
    node.disconnect(&two);
    drop((one, two));
    node.apply(with_guests([]));
    node.apply(with_guests([3, 4]));
    assert!(node.connector.account("guest~1").is_none(), "its slot is that of another guest");
    assert_eq!((node.balance("guest~3"), node.balance("guest~4")), (0, 0));
    let sums = node.connector.forgotten_guest_sums();
    assert_eq!((sums.owe, sums.owed), (70, 30), "metrics do not fall");
    node.apply(with_guests([1, 2, 3, 4]));
    assert_eq!((node.balance("guest~1"), node.balance("guest~2")), (70, -30));
    node.assert_balanced();
}

#[test]
fn a_guest_keeps_its_slot_until_nothing_is_left_of_it() {
    let mut node = node(with_guests([1, 2, 3]));
    let bob = node.connect("bob");
    let guests = ["guest~1", "guest~2", "guest~3"];
    let [connected, sender, payee] = guests.map(|guest| node.connect(guest));
    node.send(&sender, 1, &payment("test.bob.x", 5));
    let to_bob = node.prepare_id(&bob);
    node.send(&bob, 1, &payment("test.node.guest~3", 5));
    node.prepare_id(&payee);
    node.disconnect(&sender);
    node.disconnect(&payee);
    drop((connected, sender, payee));
    let is_known = |node: &TestNode| guests.map(|guest| node.connector.account(guest).is_some());
    node.apply(with_guests([]));
    node.apply(with_guests([4, 5, 6]));
    assert_eq!(is_known(&node), [true; 3], "a session, and a packet from and to a guest");
    node.answer(&bob, to_bob, &fulfill(PREIMAGE, b""));
    node.advance(Duration::from_secs(20));
    node.apply(with_guests([7, 8, 9]));
    assert_eq!(is_known(&node), [true, false, false]);
}

#[test]
fn a_forgotten_guest_is_known_again_although_it_owes_nothing() {
    let node = node(with_guests([1, 2]));
    let bob = node.connect("bob");
    let compared_at = Some(node.now.wall);
    for guest in ["guest~1", "guest~2"] {
        let one = node.connect(guest);
        pay(&node, &one, &bob, "test.bob.x", 70);
        pay(&node, &bob, &one, &format!("test.node.{guest}"), 70);
        one.account.lock().comparison.state.at = compared_at;
        node.disconnect(&one);
    }
    node.apply(with_guests([]));
    node.apply(with_guests([3, 4]));
    assert!(node.connector.account("guest~1").is_none());
    node.apply(with_guests([1, 2]));
    for guest in ["guest~1", "guest~2"] {
        let report = node.account(guest);
        assert_eq!((report.balance, report.totals.fulfilled_in), (0, 70), "{guest}");
        assert_eq!(report.comparison.at, compared_at, "{guest}");
    }
}

#[test]
fn what_is_known_of_the_books_of_forgotten_guests_is_bounded() {
    let node = node(with_guests([1]));
    let (bob, one) = (node.connect("bob"), node.connect("guest~1"));
    pay(&node, &one, &bob, "test.bob.x", 70);
    let state = || ReconcileState { at: Some(node.now.wall), ..ReconcileState::default() };
    one.account.lock().comparison.state = state();
    node.disconnect(&one);
    drop(one);
    let of = |id: &str| (id.parse().unwrap(), Asset::default());
    let others = (0..10_000).map(|number| of(&format!("guest~x{number}"))).chain([of("zoe")]);
    let others = others.map(|account| (account, state()));
    node.connector.configuration.lock().registry.comparisons.extend(others);
    node.apply(with_guests([]));
    node.apply(with_guests([2]));
    let configuration = node.connector.configuration.lock();
    let known = configuration.registry.comparisons.keys().map(|(id, _)| id.as_str());
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    assert_eq!(known, ["guest~1", "zoe"], "peers that are not configured stay");
}

#[test]
fn the_store_gets_what_a_guest_owed_when_its_slot_was_taken() {
    let books = SavedBooks::default();
    let node = node_with_books(with_guests([1]), books);
    let (bob, one) = (node.connect("bob"), node.connect("guest~1"));
    pay(&node, &one, &bob, "test.bob.x", 70);
    node.disconnect(&one);
    drop(one);
    node.apply(with_guests([]));
    node.apply(with_guests([2]));
    // No cut was taken meanwhile.
    let cut = node.connector.take_cut(node.now.wall).unwrap();
    let row = cut.accounts.iter().find(|row| &*row.name == "guest~1").unwrap();
    assert_eq!(row.totals.balance(), 70);
    let cut = node.connector.take_cut(node.now.wall).unwrap();
    assert!(cut.accounts.is_empty(), "once: {:?}", cut.accounts);
}

#[test]
fn an_ordinary_peer_that_is_removed_keeps_its_slot() {
    let node = node(with_guests([1]));
    let before = slots(&node);
    let without_alice = settings(vec![peer("bob")], &[("test.bob", "bob")]);
    node.apply(without_alice.clone());
    node.apply(without_alice);
    node.apply(with_guests([2, 3]));
    assert!(node.connector.account("alice").is_some());
    assert_eq!(slots(&node), before + 1, "one guest in the place of another");
}

#[test]
fn a_new_peer_gets_no_slot_and_no_rejects_of_a_forgotten_guest() {
    let node = node(with_guests([1]));
    let one = node.connect("guest~1");
    node.send(&one, 1, &payment("test.nowhere", 1));
    assert!(matches!(node.read_one(&one), Received::Reject { .. }));
    node.disconnect(&one);
    drop(one);
    node.apply(with_guests([]));
    let slot = |id: &str| node.connector.account(id).unwrap().slot();
    let freed = slot("guest~1");
    // The peer comes first in one change with a guest, and alone.
    let mut more = with_guests([2]);
    more.accounts.insert(0, peer("carol"));
    node.apply(more.clone());
    assert_eq!(slot("guest~2"), freed);
    more.accounts.insert(0, peer("dave"));
    more.accounts.retain(|account| !account.id.is_guest());
    node.apply(more.clone());
    more.accounts.insert(0, peer("erin"));
    node.apply(more);
    assert_eq!([slot("carol"), slot("dave"), slot("erin")].map(Slot::index), [3, 4, 5]);
    let counted = node.connector.reject_counts();
    let from: Vec<_> = counted.iter().filter_map(|count| count.from.as_ref()).collect();
    assert_eq!(from.iter().map(|id| id.as_str()).collect::<Vec<_>>(), ["guest~2"]);
}

#[test]
fn all_guests_together_have_one_share_of_a_next_hop() {
    let mut all = with_guests(1..=50);
    all.accounts[1].limits.max_packets_in_flight = 90;
    let node = node(all);
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.send(&alice, 1, &payment("test.bob.x", 0));
    let mut forwarded = 0;
    for number in 1..=50 {
        let guest = node.connect(&format!("guest~{number}"));
        for id in 0..10 {
            node.send(&guest, id, &payment("test.bob.x", 0));
        }
        forwarded += 10 - node.read(&guest).len();
    }
    // Half of the capacity is divided between alice and the guests, and a third share is kept for a newcomer.
    assert_eq!(forwarded, 90 - 22 - 15);
    node.read(&bob);
    for id in 2..23 {
        node.send(&alice, id, &payment("test.bob.x", 0));
    }
    assert_eq!(node.read(&bob).len(), 21, "alice has the share that she has beside one requester");
}
