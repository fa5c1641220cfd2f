//! `peer.reconcile`: what two neighbours ask and answer, and what follows from it.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::virtual_store::VirtualStore;
use super::*;
use crate::account::{AccountId, OnCrash, ReconcileSettings};
use crate::books::{BalanceChange, BooksVerdict, ChangeId, SavedBooks};
use crate::link::LeaseCheck;
use crate::testing::change_request;
use crate::wire::reconcile::{self, PeerAmounts, PeerBooks};

/// A node with a store. Bob is connected, and differences with him may be given up.
fn saved_node(on_crash: OnCrash, books: SavedBooks) -> (TestNode, Peer, Peer) {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].reconcile =
        ReconcileSettings { write_off_max: 1_000, on_crash, ..ReconcileSettings::default() };
    let connector = Connector::with_books(settings, HashSeed::Fixed(1), books).unwrap();
    connect_both(TestNode { connector, ..alice_and_bob() })
}

/// The same after a crash with a packet of 100 units on its way to bob.
fn crashed_node(on_crash: OnCrash) -> (TestNode, Peer) {
    let (node, alice, _bob) = saved_node(on_crash, SavedBooks::default());
    node.send(&alice, 1, &payment("test.bob.x", 100));
    let mut store = VirtualStore::default();
    store.write(&node.connector.take_cut(node.now.wall).unwrap());
    let (node, _alice, bob) = saved_node(on_crash, store.books(false));
    (node, bob)
}

/// Books of bob that have fulfilled so much.
fn books(run: u64, answered: i128) -> PeerBooks<'static> {
    PeerBooks {
        books: b"bob's",
        run,
        cut: 1,
        seen_cut: 0,
        is_recovering: false,
        is_durable: true,
        asset_code: "USD",
        asset_scale: 9,
        amounts: PeerAmounts { answered, ..PeerAmounts::default() },
        credit_places: None,
    }
}

fn encoded(books: &PeerBooks<'_>) -> Vec<u8> {
    let mut data = Vec::new();
    books.encode(&mut data);
    data
}

type Answer = Arc<Mutex<Option<BooksAnswer>>>;

impl TestNode {
    fn ask_bob(&self) -> Answer {
        let answer = Answer::default();
        let kept = Arc::clone(&answer);
        let keep = move |found| *kept.lock() = Some(found);
        self.connector.ask_for_books(&"bob".parse().unwrap(), self.now, keep);
        answer
    }

    /// Bob asks with these books, and gets ours.
    fn be_asked(&self, bob: &Peer, books: &PeerBooks<'_>) {
        let data = encoded(books);
        let request = reconcile::request(&data, self.now.wall.saturating_add_millis(10_000));
        self.send(bob, 77, &encode(&request));
    }

    /// Bob answers the question with these books.
    fn conclude(
        &self,
        (bob, id): (&Peer, RequestId),
        asked: &Answer,
        books: &PeerBooks<'_>,
    ) -> Result<Reconciled, NotReconciled> {
        self.answer(bob, id, &fulfill(Fulfillment::ZERO, &encoded(books)));
        let Some(BooksAnswer::Books(exchange)) = asked.lock().take() else {
            panic!("no exchange");
        };
        let (id, up_for) = (|| ChangeId::from_random(1), Duration::from_secs(60));
        self.connector.conclude_exchange(&"bob".parse().unwrap(), &exchange, up_for, self.now, id)
    }

    fn compare(&self, bob: &Peer, books: &PeerBooks<'_>) -> Reconciled {
        let asked = self.ask_bob();
        self.conclude((bob, self.prepare_id(bob)), &asked, books).unwrap()
    }
}

#[test]
fn another_asset_or_scale_is_an_alarm_at_once() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    for (asset_code, asset_scale) in [("EUR", 9), ("USD", 6)] {
        let other = PeerBooks { asset_code, asset_scale, ..books(1, 500) };
        let found = node.compare(&bob, &other);
        assert_eq!(found.state.verdict, BooksVerdict::OtherAsset);
        assert!(found.state.verdict.is_alarm());
        assert_eq!(found.other_asset, Some(format!("{asset_code}/{asset_scale}")));
        assert_eq!((found.made, node.balance("bob")), (vec![], 0));
    }
    assert_eq!(node.compare(&bob, &books(1, 0)).state.verdict, BooksVerdict::Agrees);
}

#[test]
fn after_a_crash_the_node_concedes_what_bob_fulfilled() {
    let (node, bob) = crashed_node(OnCrash::Concede);
    let found = node.compare(&bob, &books(1, 100));
    assert_eq!(found.judgement.corrections, [BalanceChange::Resolve { conceded: 100 }]);
    assert_eq!((node.balance("bob"), node.account("bob").uncertain), (-100, 0));
    assert_eq!(node.compare(&bob, &books(1, 100)).state.verdict, BooksVerdict::Agrees);
}

#[test]
fn after_a_crash_the_node_may_wait_for_its_operator() {
    let (node, bob) = crashed_node(OnCrash::Wait);
    let compare = || node.compare(&bob, &books(1, 100));
    for _ in 0..2 {
        let found = compare();
        assert_eq!((found.state.verdict, found.made), (BooksVerdict::Recovering, vec![]));
        assert!(found.state.is_recovering, "so that bob waits too");
        assert_eq!((node.balance("bob"), node.account("bob").uncertain), (0, 100));
    }
    let resolve = change_request("bob", BalanceChange::Resolve { conceded: 60 });
    node.connector.change_balance(&resolve, node.now.wall).unwrap();
    let found = compare();
    assert_eq!((found.state.verdict, found.state.difference.asked), (BooksVerdict::Differs, 40));
    assert_eq!((found.made, node.balance("bob")), (vec![], -60));
}

#[test]
fn what_bob_asks_with_changes_nothing_but_the_time_of_the_next_question() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    node.compare(&bob, &books(1, 0));
    let wanted = || node.connector.take_wanted_reconciliations();
    let check = |books: &PeerBooks<'_>, expected: &[&str]| {
        node.be_asked(&bob, books);
        assert!(matches!(node.read_one(&bob), Received::Fulfill { .. }));
        assert_eq!(wanted().iter().map(AccountId::as_str).collect::<Vec<_>>(), expected);
        assert_eq!(node.balance("bob"), 0);
    };
    check(&books(1, 0), &["bob"]);
    check(&books(1, 0), &[]);
    check(&books(1, 500), &["bob"]);
    check(&books(2, 0), &["bob"]);
}

#[test]
fn an_answer_of_an_earlier_process_is_dropped() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    node.compare(&bob, &books(1, 0));
    let asked = node.ask_bob();
    let id = node.prepare_id(&bob);
    node.be_asked(&bob, &books(2, 0));
    node.read(&bob);
    let found = node.conclude((&bob, id), &asked, &books(1, 0));
    assert_eq!(found.unwrap_err(), NotReconciled::Outdated);
    assert_eq!(node.compare(&bob, &books(2, 0)).state.verdict, BooksVerdict::Agrees);
}

#[test]
fn a_peer_without_a_store_that_has_asked_once_is_compared_after_its_restart() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    let of_process = |run: u64| PeerBooks { is_durable: false, ..books(run, 0) };
    node.be_asked(&bob, &of_process(1));
    node.read(&bob);
    assert_eq!(node.compare(&bob, &of_process(1)).state.verdict, BooksVerdict::Agrees);
    // It asks only when its operator wants it.
    assert_eq!(node.compare(&bob, &of_process(2)).state.verdict, BooksVerdict::Agrees);
}

#[test]
fn without_the_lease_no_books_are_shown() {
    let (mut node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    let is_held = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&is_held);
    node.connector.set_lease(LeaseCheck(Box::new(move || held.load(Ordering::Relaxed))));
    let asked = node.ask_bob();
    node.be_asked(&bob, &books(1, 0));
    assert_eq!(node.read(&bob), [], "neither the question nor the answer");
    node.advance(Duration::from_secs(11));
    assert!(matches!(&*asked.lock(), Some(BooksAnswer::None(_))));
    is_held.store(true, Ordering::Relaxed);
    node.connector.wake_for_lease();
    for packet in node.read(&bob) {
        match packet {
            Received::Prepare { expires_in_ms, .. } => assert!(expires_in_ms < 0, "bob refuses it"),
            Received::Fulfill { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

/// A tool that logs in at a node is a new program each time: its books say nothing to the node.
#[test]
fn a_connector_without_books_rejects_the_question() {
    let settings = connector_settings("node", &["alice", "bob"]);
    let connector = Connector::without_books(settings, HashSeed::Fixed(1)).unwrap();
    let (node, _alice, bob) = connect_both(TestNode { connector, ..alice_and_bob() });
    node.be_asked(&bob, &books(1, 0));
    let rejected = node.read_one(&bob);
    assert!(matches!(&rejected, Received::Reject { code, .. } if *code == "F01"), "{rejected:?}");
}
