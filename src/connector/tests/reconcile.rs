//! `peer.reconcile`: what two neighbours ask and answer, and what follows from it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use parking_lot::Mutex;

use super::settlements::Wakes;
use super::virtual_store::VirtualStore;
use super::*;
use crate::account::{AccountId, OnCrash, ReconcileSettings};
use crate::books::{
    BalanceChange, BooksVerdict, ChangeId, ReconcileState, ReconciliationRow, SavedBooks,
    SettlementState,
};
use crate::connector::{SettleAmount, SettlementNote};
use crate::link::LeaseCheck;
use crate::testing::change_request;
use crate::wire::reconcile::{self, PeerAmounts, PeerBooks};

/// A node with a store. Bob is connected, and differences with him may be given up.
fn saved_node(on_crash: OnCrash, books: SavedBooks) -> (TestNode, Peer, Peer) {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].reconcile =
        ReconcileSettings { write_off_max: 1_000, on_crash, ..ReconcileSettings::default() };
    connect_both(node_with_books(settings, books))
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
pub(super) fn books(run: u64, answered: i128) -> PeerBooks<'static> {
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

pub(super) fn encoded(books: &PeerBooks<'_>) -> Vec<u8> {
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
    let wakes = Arc::new(Wakes::default());
    bob.outbox.set_waker(&Waker::from(Arc::clone(&wakes)));
    let asked = node.ask_bob();
    node.be_asked(&bob, &books(1, 0));
    assert_eq!(node.read(&bob), [], "neither the question nor the answer");
    node.advance(Duration::from_secs(11));
    assert!(matches!(&*asked.lock(), Some(BooksAnswer::None(_))));
    let before = wakes.count();
    is_held.store(true, Ordering::Relaxed);
    assert_eq!(wakes.count(), before, "nothing says so yet");
    node.connector.wake_for_lease();
    assert_eq!(wakes.count(), before + 1, "the session writes again");
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
    let (node, _alice, bob) = connect_both(node_of(connector));
    node.be_asked(&bob, &books(1, 0));
    let rejected = node.read_one(&bob);
    assert!(matches!(&rejected, Received::Reject { code, .. } if *code == "F01"), "{rejected:?}");
}

/// The row of bob in the next cut.
fn bobs_row(node: &TestNode) -> Option<ReconcileState> {
    let cut = node.connector.take_cut(node.now.wall).unwrap();
    let mut rows = cut.records().reconciliations.iter();
    rows.find(|row| &*row.account == "bob").map(|row| row.state.clone())
}

#[test]
fn an_unclean_end_before_the_last_one_was_made_good_is_saved_again() {
    let check = |before: (bool, bool), was_clean, after: (bool, bool)| {
        let state = ReconcileState {
            is_recovering: before.0,
            may_lack: before.1,
            credit_places: Some(3),
            ..ReconcileState::default()
        };
        let row = ReconciliationRow { account: "bob".into(), asset: Asset::default(), state };
        let (node, alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
        node.send(&alice, 1, &payment("test.bob.x", 100));
        node.fulfill_one(&bob);
        let mut store = VirtualStore::default();
        store.write(&node.connector.take_cut(node.now.wall).unwrap());
        let books = SavedBooks { reconciliations: vec![row], ..store.books(was_clean) };
        let (node, ..) = saved_node(OnCrash::Concede, books);
        let state = node.account("bob").comparison;
        assert_eq!((state.is_recovering, state.may_lack), after, "{before:?} {was_clean}");
        assert_eq!(state.credit_places, Some(3), "the rest stays");
        let must_save = before != after;
        assert_eq!(bobs_row(&node), must_save.then_some(state), "{before:?} {was_clean}");
        assert_eq!(bobs_row(&node), None, "once");
    };
    for before in [(false, false), (true, false), (false, true), (true, true)] {
        check(before, false, (true, true));
        check(before, true, before);
    }
}

#[test]
fn bob_gets_the_newest_cut_of_his_books_that_was_seen_and_what_engines_can_pay() {
    let (mut node, alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    let shown = |node: &TestNode, asked: &PeerBooks<'_>| {
        node.be_asked(&bob, asked);
        let Received::Fulfill { data, .. } = node.read_one(&bob) else { panic!("no answer") };
        let books = PeerBooks::parse(&data).unwrap();
        (books.seen_cut, books.credit_places, books.amounts.unanswered)
    };
    assert_eq!(shown(&node, &books(1, 0)), (0, None, 0));
    node.compare(&bob, &PeerBooks { cut: 7, ..books(1, 0) });
    assert_eq!(shown(&node, &books(1, 0)), (7, None, 0));
    assert_eq!(shown(&node, &PeerBooks { books: b"others", ..books(1, 0) }), (0, None, 0));
    bobs_row(&node);
    let peer = "bob".parse().unwrap();
    for (places, expected, is_saved) in
        [(6, 6, true), (6, 6, false), (3, 6, false), (9, 9, true), (255, 254, true)]
    {
        node.connector.note_credit_places(&peer, places);
        assert_eq!(shown(&node, &books(1, 0)).1, Some(expected), "{places}");
        let saved = bobs_row(&node).map(|state| state.credit_places);
        assert_eq!(saved, is_saved.then_some(Some(expected)), "{places}");
    }
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.prepare_id(&bob);
    node.advance(Duration::from_secs(9));
    assert_eq!(shown(&node, &books(1, 0)).2, 100, "it has had no answer");
}

#[test]
fn bob_is_asked_again_if_he_counts_more_of_his_packets() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    node.compare(&bob, &books(1, 0));
    node.be_asked(&bob, &books(1, 0));
    assert_eq!(node.connector.take_wanted_reconciliations().len(), 1, "a new process");
    let amounts = PeerAmounts { asked: 500, ..PeerAmounts::default() };
    node.be_asked(&bob, &PeerBooks { amounts, ..books(1, 0) });
    let wanted = node.connector.take_wanted_reconciliations();
    assert_eq!(wanted.iter().map(AccountId::as_str).collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn a_settlement_that_bob_was_not_credited_for_is_overdue_counted_from_its_own_time() {
    let (mut node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    assert_eq!(node.compare(&bob, &books(1, 0)).state.verdict, BooksVerdict::Agrees);
    let (id, key) = ("bob".parse().unwrap(), "one".parse().unwrap());
    let note = SettlementNote { reference: String::new(), by: "ann".to_owned() };
    let (amount, at) = (SettleAmount::Units(50), node.now.wall);
    node.connector.begin_settlement(&id, &key, amount, SettlementState::Done, note, at).unwrap();
    assert!(bobs_row(&node).is_some(), "a restart does not forget its time");
    node.advance(ReconcileSettings::default().settlement_overdue);
    let found = node.compare(&bob, &books(1, 0)).state;
    assert_eq!((found.verdict, found.difference.paid), (BooksVerdict::Overdue, 50));
}

#[test]
fn a_peer_without_books_is_named_as_such_until_it_has_shown_some() {
    let (node, _alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    let id = "bob".parse().unwrap();
    let verdict = || {
        node.connector.note_unsupported_reconciliation(&id);
        node.account("bob").comparison.verdict
    };
    assert_eq!(verdict(), BooksVerdict::Unsupported);
    node.compare(&bob, &books(1, 0));
    assert_eq!(verdict(), BooksVerdict::Agrees);
}

#[test]
fn peers_are_asked_while_packets_can_go_to_them() {
    let mut settings = connector_settings("node", &["alice", "bob", "carol", "dave"]);
    settings.accounts[2].enabled = false;
    settings.accounts.push(super::receivers::wallet());
    let node = node(settings.clone());
    for id in ["alice", "carol", "dave"] {
        node.connect(id);
    }
    settings.accounts.remove(3);
    settings.routes.remove(3);
    node.apply(settings);
    let peers = node.connector.reachable_peers();
    let peers: Vec<_> = peers.iter().map(|(id, connected)| (id.as_str(), *connected)).collect();
    assert_eq!(peers, [("alice", true), ("bob", false)]);
}

/// An exchange with bob; what it says of the order of packets.
fn order(
    connect: impl FnOnce(&TestNode, &Peer) -> Peer,
    meanwhile: impl FnOnce(&TestNode),
) -> (bool, bool) {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].limits.max_sessions = 2;
    let mut node = node(settings);
    let alice = node.connect("alice");
    let bob = connect(&node, &alice);
    node.advance(Duration::from_millis(1));
    // On the session of the question, so it does not matter.
    node.send(&alice, 1, &payment("test.bob.x", 100));
    let next = bob.account.next_request_id();
    let asked = node.ask_bob();
    meanwhile(&node);
    let id = RequestId(next.0.wrapping_add(1));
    node.answer(&bob, id, &fulfill(Fulfillment::ZERO, &encoded(&books(1, 0))));
    let Some(BooksAnswer::Books(exchange)) = asked.lock().take() else { panic!("no answer") };
    exchange.order()
}

#[test]
fn an_exchange_is_in_order_if_all_packets_had_its_session() {
    use SessionKind::{Accepted, Dialled};
    let one = |node: &TestNode, _: &Peer| node.connect_as("bob", Accepted);
    let nothing = |_: &TestNode| {};
    assert_eq!(order(one, nothing), (true, true));
    let two = |node: &TestNode, _: &Peer| {
        node.connect_as("bob", Accepted);
        node.connect_as("bob", Accepted)
    };
    assert_eq!(order(two, nothing), (false, false));
    let of_both_kinds = |node: &TestNode, _: &Peer| {
        node.connect_as("bob", Accepted);
        node.connect_as("bob", Dialled)
    };
    assert_eq!(order(of_both_kinds, nothing), (true, false), "all requests go out on one");
    let http = |node: &TestNode, _: &Peer| {
        let account = node.connector.account("bob").unwrap();
        let outbox = Outbox::new(Framing::None, account.outbox_bytes_max());
        let add = |outbox| node.connector.attach_session(&account, Dialled, None, outbox, node.now);
        Peer { session: add(Arc::clone(&outbox)), account, outbox }
    };
    assert_eq!(order(http, nothing), (false, false), "posts overtake each other");
    let after_another = |node: &TestNode, alice: &Peer| {
        let lost = node.connect_as("bob", Accepted);
        node.send(alice, 9, &payment("test.bob.x", 100));
        node.read(&lost);
        node.disconnect(&lost);
        node.connect_as("bob", Accepted)
    };
    assert_eq!(order(after_another, nothing), (false, true), "a packet went out before");
    let another = |node: &TestNode| drop(node.connect_as("bob", Dialled));
    assert_eq!(order(one, another), (false, false), "another session came meanwhile");
}

#[test]
fn what_is_answered_before_the_question_goes_out_leaves_no_order() {
    let (node, alice, bob) = saved_node(OnCrash::Concede, SavedBooks::default());
    assert!(node.connector.ask_for_books(&"bob".parse().unwrap(), node.now, |_| ()));
    node.send(&bob, 1, &payment("test.alice.x", 100));
    let id = node.prepare_id(&alice);
    node.disconnect(&bob);
    // Without a session, the question has its outcome at once; alice's answer comes at that moment.
    let (connector, now) = (Arc::clone(&node.connector), node.now);
    let answer = move |_| {
        let packet = fulfill(PREIMAGE, b"");
        connector.start_batch(now).handle_answer(&alice.account, id, PeerAnswer::Packet(&packet));
    };
    assert!(!node.connector.ask_for_books(&"bob".parse().unwrap(), node.now, answer));
    assert_eq!(node.balance("bob"), 100);
}
