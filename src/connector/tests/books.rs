//! Cuts hold both halves of a packet; with strict durability no money leaves before its cut; a restart goes on with
//! what is saved.

use super::virtual_store::VirtualStore;
use super::*;
use crate::books::{AccountRow, BalanceChange, ChangeError, ChangeRequest};
use crate::link::CutNumber;
use crate::testing::change_request;

/// A node with a store whose cuts the test takes. Alice and bob are connected.
fn saved_node(books: SavedBooks) -> (TestNode, Peer, Peer) {
    connect_both(node_with_books(connector_settings("node", &["alice", "bob"]), books))
}

fn strict_node() -> (TestNode, Peer, Peer) {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.connector.set_strict(true);
    (node, alice, bob)
}

impl TestNode {
    fn cut(&self) -> Cut {
        self.connector.take_cut(self.now.wall).unwrap()
    }
}

fn row<'c>(cut: &'c Cut, name: &str) -> &'c AccountRow {
    cut.accounts.iter().find(|row| &*row.name == name).unwrap()
}

/// The books after a crash, or after a clean stop, whose newest rows are those of `cut`.
fn reloaded(cut: &Cut, was_clean: bool) -> SavedBooks {
    let mut store = VirtualStore::default();
    store.write(cut);
    store.books(was_clean)
}

#[test]
fn a_cut_has_the_accounts_that_changed_since_the_last_one() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    assert_eq!(names(&node.cut()), [""; 0]);
    node.send(&alice, 1, &payment("test.bob.x", 100));
    let cut = node.cut();
    assert_eq!(names(&cut), ["bob"], "what alice's account holds has no effect after a restart");
    assert_eq!((row(&cut, "bob").held_out, row(&cut, "bob").totals.balance()), (100, 0));
    node.fulfill_one(&bob);
    let cut = node.cut();
    assert_eq!(names(&cut), ["alice", "bob"]);
    assert_eq!(row(&cut, "alice").totals.fulfilled_in, 100);
    assert_eq!((row(&cut, "bob").totals.fulfilled_out, row(&cut, "bob").held_out), (100, 0));
    assert_eq!(names(&node.cut()), [""; 0]);
    node.connector.note_all_accounts();
    assert_eq!(names(&node.cut()), ["alice", "bob", "own:USD/9"]);
}

#[test]
fn packets_without_money_are_not_saved() {
    let (node, alice, bob) = strict_node();
    node.send(&alice, 1, &payment("test.bob.x", 0));
    node.fulfill_one(&bob);
    assert_eq!(node.read(&alice).len(), 1, "they do not wait either");
    assert_eq!(names(&node.cut()), [""; 0]);
}

#[test]
fn strict_packets_leave_when_their_cut_is_durable() {
    let (node, alice, bob) = strict_node();
    node.send(&alice, 1, &payment("test.bob.x", 100));
    assert!(node.read(&bob).is_empty());
    let cut = node.cut();
    assert!(node.read(&bob).is_empty(), "taken, but not saved");
    node.connector.publish_durable(cut.number);
    node.fulfill_one(&bob);
    assert!(node.read(&alice).is_empty(), "the proof waits for the books");
    let cut = node.cut();
    node.connector.publish_durable(cut.number);
    assert_eq!(node.read(&alice).len(), 1);
}

#[test]
fn a_reject_of_money_waits_for_nothing() {
    let (node, alice, bob) = strict_node();
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.connector.publish_durable(node.cut().number);
    let id = node.prepare_id(&bob);
    node.answer(&bob, id, &reject(ErrorCode::F02, None, "no", b""));
    assert_eq!(node.read(&alice).len(), 1);
}

#[test]
fn a_prepare_that_waits_when_the_session_is_lost_was_not_sent() {
    let (node, alice, bob) = strict_node();
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.disconnect(&bob);
    assert_eq!(node.reject_code(&alice), "T01");
    let cut = node.cut();
    assert_eq!(row(&cut, "bob").held_out, 0);
}

#[test]
fn after_a_crash_what_was_in_flight_is_uncertain() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.fulfill_one(&bob);
    node.send(&alice, 2, &payment("test.bob.x", 30));
    let cut = node.cut();
    let (node, ..) = saved_node(reloaded(&cut, false));
    let report = node.account("bob");
    assert_eq!((report.balance, report.held_out, report.uncertain), (-100, 0, 30));
    assert_eq!(node.account("alice").balance, 100);
    let cut = node.cut();
    assert_eq!(names(&cut), ["alice", "bob"], "the store knows neither what is uncertain");
    let recovering =
        cut.records().reconciliations.iter().map(|row| (&*row.account, row.state.is_recovering));
    assert_eq!(recovering.collect::<Vec<_>>(), [("alice", true), ("bob", true)], "nor that");
}

#[test]
fn a_clean_stop_keeps_what_peers_may_still_claim() {
    let (node, alice, _bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 30));
    node.connector.reject_all_pending(node.now);
    let cut = node.cut();
    assert_eq!((row(&cut, "bob").held_out, row(&cut, "bob").uncertain), (0, 30));
    let (node, ..) = saved_node(reloaded(&cut, true));
    assert_eq!(node.account("bob").uncertain, 30);
    assert_eq!(
        names(&node.cut()),
        ["bob"],
        "the store does not know yet since when it is uncertain"
    );
    assert_eq!(names(&node.cut()), [""; 0]);
}

#[test]
fn what_is_uncertain_has_a_time_to_be_released() {
    let (node, alice, _bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 30));
    let books = reloaded(&node.cut(), false);
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].limits.uncertain_hold = Some(Duration::from_secs(1));
    let connector = Connector::with_books(settings.clone(), HashSeed::Fixed(1), books).unwrap();
    let node = TestNode { connector, ..node };
    let (account, asset) = ("bob".parse().unwrap(), Asset::default());
    let due = Timestamp::EPOCH.saturating_add_millis(1000);
    let release = UncertainRelease { account, asset, amount: 30, due };
    assert_eq!(node.connector.uncertain_releases(), [release]);
    settings.accounts[1].limits.uncertain_hold = None;
    node.apply(settings);
    assert_eq!(node.connector.uncertain_releases(), []);
}

#[test]
fn a_balance_in_another_asset_is_refused() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.fulfill_one(&bob);
    let cut = node.cut();
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].asset = Asset::new("EUR", 2);
    let books = reloaded(&cut, true);
    let error = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the store has a balance of -100 in USD/9 for bob, whose asset in the configuration is another; configure USD/9, or use a new id"
    );
}

#[test]
fn a_refused_change_of_asset_names_what_is_in_the_way() {
    let (node, alice, _bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 30));
    let cut = node.cut();
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].asset = Asset::new("EUR", 2);
    let books = reloaded(&cut, false);
    let error = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap_err();
    assert!(
        error.to_string().starts_with("the store has an uncertain amount of 30 in USD/9 for bob,"),
        "{error}"
    );
}

#[test]
fn a_settled_account_may_change_its_asset_and_back() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    let pay = |from: &Peer, to: &Peer, id, name: &str| {
        node.send(from, id, &payment(&format!("test.{name}.x"), 100));
        node.fulfill_one(to);
        node.read(from);
    };
    pay(&alice, &bob, 1, "bob");
    pay(&bob, &alice, 2, "alice");
    let before = connector_settings("node", &["alice", "bob"]);
    let mut settings = before.clone();
    settings.accounts[1].asset = Asset::new("EUR", 2);
    node.apply(settings);
    let cut = node.cut();
    let usd = cut.accounts.iter().find(|row| &*row.name == "bob" && row.asset.scale == 9);
    assert_eq!(usd.unwrap().totals.fulfilled_in, 100);
    node.apply(before);
    pay(&alice, &bob, 3, "bob");
    let cut = node.cut();
    let mut rows = cut.accounts.iter().filter(|row| &*row.name == "bob" && row.asset.scale == 9);
    assert_eq!(rows.next_back().unwrap().totals.fulfilled_out, 200, "the old totals go on");
}

#[test]
fn an_account_with_an_old_asset_is_saved_again_after_a_lost_cut() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.fulfill_one(&bob);
    node.read(&alice);
    node.cut();
    node.send(&bob, 1, &payment("test.alice.x", 100));
    node.fulfill_one(&alice);
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].asset = Asset::new("EUR", 2);
    node.apply(settings);
    let _lost = node.cut();
    node.connector.note_all_accounts();
    let cut = node.cut();
    let usd = cut.accounts.iter().find(|row| &*row.name == "bob" && row.asset.scale == 9);
    assert_eq!(usd.unwrap().totals.balance(), 0, "or the store goes on with -100");
}

#[test]
fn a_clean_stop_keeps_what_a_peer_that_is_not_configured_may_claim() {
    let (node, alice, _bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 30));
    let books = reloaded(&node.cut(), false);
    let node = node_with_books(connector_settings("node", &["alice"]), books);
    let cut = node.cut();
    assert_eq!((row(&cut, "bob").held_out, row(&cut, "bob").uncertain), (0, 30));
    assert_eq!(names(&node.cut()), [""; 0]);
    let (node, ..) = saved_node(reloaded(&cut, true));
    assert_eq!(node.account("bob").uncertain, 30);
}

#[test]
fn an_answer_on_another_session_waits_for_its_own_cut_only() {
    let (node, alice, bob) = strict_node();
    let dialled = node.connect_as("alice", SessionKind::Dialled);
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.connector.publish_durable(node.cut().number);
    node.fulfill_one(&bob);
    node.disconnect(&alice);
    assert!(node.read(&dialled).is_empty());
    node.connector.publish_durable(node.cut().number);
    assert_eq!(node.read(&dialled).len(), 1);
    node.send(&dialled, 2, &payment("test.bob.x", 100));
    node.connector.publish_durable(node.cut().number);
    node.fulfill_one(&bob);
    node.connector.publish_durable(node.cut().number);
    let accepted = node.connect("alice");
    node.disconnect(&dialled);
    assert_eq!(node.read(&accepted).len(), 1, "nothing changes any more, so there is no next cut");
}

#[test]
fn a_proof_without_a_session_is_reported_with_its_amount() {
    let (node, alice, bob) = strict_node();
    for (id, amount) in [(1, 100), (2, 30), (3, 0), (4, 7)] {
        node.send(&alice, id, &payment("test.bob.x", amount));
    }
    node.connector.publish_durable(node.cut().number);
    let ids = node.prepare_ids(&bob);
    for id in &ids[..3] {
        node.answer(&bob, *id, &fulfill(PREIMAGE, b""));
    }
    node.disconnect(&alice);
    // This one finds no session at all.
    node.answer(&bob, ids[3], &fulfill(PREIMAGE, b""));
    let alice = ("alice".parse().unwrap(), Asset::default(), 137);
    assert_eq!(node.connector.take_unproven(), [alice]);
    assert_eq!(node.connector.take_unproven(), []);
    let report = node.account("alice");
    assert_eq!((report.balance, report.stats.dropped_answers), (137, 4));
}

#[test]
fn what_was_summed_up_leaves_the_store_although_a_cut_was_lost() {
    let settings = settings(vec![peer("alice"), receivers::wallet()], &[]);
    let node = node_with_books(settings, SavedBooks::default());
    let alice = node.connect("alice");
    let pay = |connections: std::ops::Range<u16>| {
        for number in connections {
            let mut random = [0; 18];
            random[..2].copy_from_slice(&number.to_be_bytes());
            let packet = receivers::sender_on(&node, random).payment_until(1, 0, true, 10_000);
            node.send(&alice, number.into(), &packet);
            assert!(matches!(node.read_one(&alice), Received::Fulfill { .. }));
        }
    };
    // The store proves that the payments which it has are the balance of their receiver.
    let mut store = VirtualStore::default();
    pay(0..1_000);
    store.write(&node.cut());
    pay(1_000..1_002);
    let lost = node.cut();
    assert_eq!(lost.summed_up.len(), 2);
    node.connector.note_all_accounts();
    pay(1_002..1_003);
    let cut = node.cut();
    store.write(&cut);
    assert_eq!(store.books(false).payments.len(), 1_001, "and the sum");
    node.connector.publish_durable(cut.number);
    assert_eq!(node.cut().summed_up, []);
}

#[test]
fn while_the_store_fails_prepares_are_refused_and_answers_pass() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    let id = node.prepare_id(&bob);
    node.connector.set_store_failing(true);
    node.send(&alice, 2, &payment("test.bob.x", 100));
    assert_eq!(node.reject_code(&alice), "T03");
    node.send(&alice, 4, &payment("test.bob.x", 0));
    node.fulfill_one(&bob);
    assert_eq!(node.read(&alice).len(), 1, "packets without money need no store");
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1);
    node.connector.set_store_failing(false);
    node.send(&alice, 3, &payment("test.bob.x", 100));
    node.prepare_id(&bob);
}

impl TestNode {
    /// Makes a change; returns the cut that has it, and the balance after it.
    fn change(&self, request: &ChangeRequest) -> Result<(CutNumber, i128), ChangeError> {
        let made = self.connector.change_balance(request, self.now.wall);
        made.map(|(cut, made)| (cut, made.balance))
    }
}

#[test]
fn a_change_and_its_record_are_in_the_same_cut_until_one_is_durable() {
    let (node, ..) = saved_node(SavedBooks::default());
    let (number, balance) = node.change(&change_request("bob", BalanceChange::Adjust(-5))).unwrap();
    assert_eq!(balance, -5);
    let is_durable = || {
        let cx = std::task::Context::from_waker(std::task::Waker::noop());
        node.connector.poll_durable(number, &cx).is_ready()
    };
    let cut = node.cut();
    assert_eq!(cut.number, number);
    assert_eq!(
        (row(&cut, "bob").totals.adjusted, &*cut.records().adjustments[0].reason),
        (-5, "a fee")
    );
    assert!(!is_durable());
    // This cut was not saved, so the next one repeats everything.
    node.connector.note_all_accounts();
    let cut = node.cut();
    assert_eq!((row(&cut, "bob").totals.adjusted, cut.records().adjustments.len()), (-5, 1));
    assert!(!is_durable());
    node.connector.publish_durable(cut.number);
    assert!(is_durable());
    assert!(node.cut().records().adjustments.is_empty());
}

#[test]
fn accounts_that_are_not_configured_can_be_changed() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.fulfill_one(&bob);
    node.send(&alice, 2, &payment("test.bob.x", 30));
    let books = reloaded(&node.cut(), false);
    let settings = connector_settings("node", &["alice"]);
    let connector = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap();
    let node = TestNode { connector, ..node };
    let cut = node.cut();
    assert_eq!(row(&cut, "bob").uncertain, 30, "a clean stop must not forget it");
    let conceded = |conceded| change_request("bob", BalanceChange::Resolve { conceded });
    assert!(matches!(node.change(&conceded(31)), Err(ChangeError::AboveUncertain(_))));
    assert!(node.cut().accounts.is_empty());
    assert_eq!(node.change(&conceded(10)).unwrap().1, -110);
    let cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(node.connector.poll_changed(&cx).is_ready());
    let cut = node.cut();
    assert_eq!((row(&cut, "bob").uncertain, row(&cut, "bob").totals.balance()), (0, -110));
    assert!(node.connector.poll_changed(&cx).is_pending());
    assert_eq!(node.change(&change_request("own:USD/9", BalanceChange::Adjust(0))).map(|_| ()), {
        Err(ChangeError::UnknownAccount("own:USD/9".to_owned()))
    });
    let unknown = change_request("carol", BalanceChange::Adjust(1));
    assert_eq!(node.change(&unknown), Err(ChangeError::UnknownAccount("carol".to_owned())));
    let other_asset = ChangeRequest {
        asset: Some("EUR/2".to_owned()),
        ..change_request("bob", BalanceChange::Adjust(1))
    };
    assert_eq!(node.change(&other_asset), Err(ChangeError::UnknownAccount("bob".to_owned())));
}

#[test]
fn without_a_store_nothing_can_be_changed() {
    let (node, ..) = connected_alice_and_bob();
    let request = change_request("bob", BalanceChange::Adjust(1));
    assert_eq!(node.change(&request), Err(ChangeError::NoStore));
}

/// Names and sums of the flows of a cut, sorted.
fn flows(cut: &Cut) -> Vec<(String, u64, i128, i128)> {
    let rows = cut.flows.iter().map(|flow| {
        let (from, to, sums) = (&flow.from.name, &flow.to.name, flow.sums);
        (format!("{from} > {to}"), sums.packets, sums.amount_in, sums.amount_out)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn a_cut_has_the_flows_of_its_packets_and_a_failed_one_is_repeated() {
    let (node, alice, bob) = saved_node(SavedBooks::default());
    for id in 1..=3 {
        node.send(&alice, id, &payment("test.bob.x", 100));
        node.fulfill_one(&bob);
    }
    node.read(&alice);
    node.send(&bob, 1, &payment("test.alice.x", 7));
    node.fulfill_one(&alice);
    let flow = |ends: &str, packets, amount| (ends.to_owned(), packets, amount, amount);
    let first = [flow("alice > bob", 3, 300), flow("bob > alice", 1, 7)];
    let cut = node.cut();
    assert_eq!(flows(&cut), first);
    assert_eq!(flows(&node.cut()), []);
    node.connector.note_all_accounts();
    assert_eq!(flows(&node.cut()), first);
    let (mut node, alice, bob) = saved_node(reloaded(&cut, true));
    node.send(&alice, 1, &payment("test.bob.x", 1));
    node.fulfill_one(&bob);
    assert_eq!(flows(&node.cut()), [flow("alice > bob", 4, 301)]);
    node.read(&alice);
    node.send(&alice, 2, &payment("test.bob.x", 2));
    node.fulfill_one(&bob);
    assert_eq!(flows(&node.cut()), [], "a second has not passed");
    node.connector.note_due_flows(node.now.wall);
    let cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(node.connector.poll_changed(&cx).is_pending());
    node.advance(Duration::from_secs(1));
    node.connector.note_due_flows(node.now.wall);
    assert!(node.connector.poll_changed(&cx).is_ready());
    assert_eq!(flows(&node.cut()), [flow("alice > bob", 5, 303)]);
    node.advance(Duration::from_secs(1));
    node.connector.note_due_flows(node.now.wall);
    assert!(node.connector.poll_changed(&cx).is_pending(), "an idle node takes no cuts");
}
