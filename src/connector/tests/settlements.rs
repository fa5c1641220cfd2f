//! What is booked of settlements, and what decides about them. When they begin is in `settler.rs`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use super::receivers::wallet;
use super::virtual_store::VirtualStore;
use super::*;
use crate::account::{AccountId, SettlementMode, SettlementRules};
use crate::books::{
    BalanceChange, Quantity, Settlement, SettlementDirection, SettlementError, SettlementKey,
    SettlementState,
};
use crate::connector::{SettleAmount, SettlementNote};
use crate::link::CutNumber;
use crate::testing::change_request;

type Booked = Result<(CutNumber, Settlement), SettlementError>;

fn id(name: &str) -> AccountId {
    name.parse().unwrap()
}

fn key(text: &str) -> SettlementKey {
    text.parse().unwrap()
}

fn note() -> SettlementNote {
    SettlementNote { reference: "wire 7".to_owned(), by: "ann".to_owned() }
}

/// The peers alice and bob, and a receiver, with books. A threshold of bob is 100 below zero.
fn with_books() -> TestNode {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts.push(wallet());
    settings.accounts[1].settlement = SettlementRules {
        mode: SettlementMode::Engine,
        threshold: Some(-100),
        ..SettlementRules::default()
    };
    node_with_books(settings, VirtualStore::default().books(true))
}

/// How often a task was woken.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wakes {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl TestNode {
    fn book_in(&self, account: &str, text: &str, amount: &str, scale: u8) -> Booked {
        let quantity = Quantity::new(amount, scale).unwrap();
        let at = self.now.wall;
        self.connector.credit_settlement(&id(account), &key(text), &quantity, note(), at)
    }

    fn book_out(
        &self,
        account: &str,
        text: &str,
        amount: SettleAmount,
        state: SettlementState,
    ) -> Booked {
        let at = self.now.wall;
        self.connector.begin_settlement(&id(account), &key(text), amount, state, note(), at)
    }

    fn owe(&self, account: &str, units: i128) {
        let request = change_request(account, BalanceChange::Adjust(-units));
        self.connector.change_balance(&request, self.now.wall).unwrap();
    }

    /// Takes a cut and returns its settlements, without saving it.
    fn settlements_of_cut(&self) -> Vec<Settlement> {
        self.connector.take_cut(self.now.wall).unwrap().records().settlements.clone()
    }
}

#[test]
fn a_credit_with_its_key_is_booked_once_and_is_in_each_cut_until_one_is_durable() {
    let node = with_books();
    // Half a unit is left over of each.
    let (cut, first) = node.book_in("bob", "one", "25", 10).unwrap();
    assert_eq!((first.units, first.leftover.to_string(), cut), (2, "0.5".to_owned(), CutNumber(1)));
    assert_eq!((&*first.reference, &*first.by, first.created_at), ("wire 7", "ann", node.now.wall));
    assert_eq!(node.balance("bob"), -2);
    assert_eq!(node.book_in("bob", "one", "25", 10), Ok((cut, first.clone())));
    let mistake = SettlementError::OtherSettlement(Box::new(first.clone()));
    assert_eq!(node.book_in("bob", "one", "26", 10), Err(mistake));
    assert_eq!(node.balance("bob"), -2, "the key has one effect");
    let (_, second) = node.book_in("bob", "two", "25", 10).unwrap();
    assert_eq!((second.units, node.balance("bob")), (3, -5));
    for _ in 0..2 {
        assert_eq!(node.settlements_of_cut(), [first.clone(), second.clone()]);
    }
    let incoming = SettlementDirection::Incoming;
    let find = |account: &str, text: &str| {
        let found = node.connector.find_unsaved_settlement(incoming, &id(account), &key(text));
        found.map(|(cut, _)| cut)
    };
    assert_eq!(
        (find("bob", "one"), find("alice", "one"), find("bob", "three")),
        (Some(cut), None, None)
    );
    node.connector.publish_durable(CutNumber(1));
    assert_eq!((find("bob", "one"), node.settlements_of_cut().len()), (None, 0));
}

#[test]
fn one_settlement_of_an_engine_is_under_way_and_others_are_recorded() {
    use SettlementState::{Done, Pending};
    let node = with_books();
    let up_to = |max| SettleAmount::UpTo { target: 0, max };
    assert_eq!(node.book_out("bob", "none", up_to(50), Pending), Err(SettlementError::NothingOwed));
    assert_eq!(
        node.book_out("bob", "none", SettleAmount::Units(0), Done),
        Err(SettlementError::NothingOwed)
    );
    node.owe("bob", 80);
    let (_, begun) = node.book_out("bob", "one", up_to(50), Pending).unwrap();
    assert_eq!((begun.units, node.balance("bob")), (50, -30));
    assert_eq!(begun.quantity, Quantity::of_units(50, 9));
    let under_way = || Err(SettlementError::UnderWay(key("one")));
    assert_eq!(node.book_out("bob", "two", up_to(50), Pending), under_way());
    // The same request again is the same settlement, however much is owed by now.
    for amount in [up_to(7), SettleAmount::Units(50)] {
        assert_eq!(node.book_out("bob", "one", amount, Pending).unwrap().1, begun);
    }
    let mistake = node.book_out("bob", "one", SettleAmount::Units(49), Pending);
    assert_eq!(mistake, Err(SettlementError::OtherSettlement(Box::new(begun.clone()))));
    // By other means, in the meantime.
    let (_, recorded) = node.book_out("bob", "two", SettleAmount::Units(40), Done).unwrap();
    assert_eq!((recorded.units, node.balance("bob")), (40, 10));
    let connector = &node.connector;
    assert_eq!(connector.settlements_under_way(), std::slice::from_ref(&begun));
    assert_eq!(connector.settlement_under_way(&id("bob")), Some(begun.clone()));
    assert_eq!(connector.settlement_under_way(&id("alice")), None);
    let within_hour =
        |account| connector.settled_within_hour(&id(account), &Asset::default(), node.now);
    assert_eq!((within_hour("bob"), within_hour("alice")), (90, 0));
    let done = Settlement { state: Done, ..begun };
    assert_eq!(connector.note_settlement(&done), connector.next_cut());
    assert_eq!(connector.settlements_under_way(), []);
    assert_eq!(node.settlements_of_cut(), [recorded, done]);
}

#[test]
fn only_peers_settle_and_only_with_books() {
    let node = with_books();
    for account in ["carol", "wallet"] {
        let unknown = Err(SettlementError::UnknownAccount(account.to_owned()));
        assert_eq!(node.book_in(account, "one", "5", 9), unknown);
        assert_eq!(
            node.book_out(account, "one", SettleAmount::Units(5), SettlementState::Done),
            unknown
        );
        assert_eq!(node.connector.settlement_view(&id(account)), None);
    }
    node.owe("bob", 1);
    node.apply(connector_settings("node", &["alice"]));
    let unknown = Err(SettlementError::UnknownAccount("bob".to_owned()));
    assert_eq!(node.book_in("bob", "one", "5", 9), unknown, "a reload removed the peer");
    assert_eq!(node.connector.settlement_view(&id("bob")), None);
    let node = alice_and_bob();
    assert_eq!(node.book_in("bob", "one", "5", 9), Err(SettlementError::NoStore));
    let paid = node.book_out("bob", "one", SettleAmount::Units(5), SettlementState::Done);
    assert_eq!(paid, Err(SettlementError::NoStore));
    assert_eq!(
        (node.connector.next_cut(), node.connector.settlements_under_way().len()),
        (None, 0)
    );
}

#[test]
fn what_decides_about_settlements_is_read_from_the_account() {
    let node = with_books();
    node.owe("bob", 7);
    let view = node.connector.settlement_view(&id("bob")).unwrap();
    assert_eq!((view.account.as_str(), view.balance, view.t04s), ("bob", -7, 0));
    assert_eq!((view.is_enabled, view.rules.threshold), (true, Some(-100)));
    // Alice has no mode of settlement.
    assert_eq!(node.connector.settlement_views(), [view]);
    assert!(node.connector.settlement_view(&id("alice")).is_some());
}

#[test]
fn a_cut_names_each_account_whose_settlement_is_due_once() {
    let node = with_books();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let poll = || node.connector.poll_settlements_due(&Context::from_waker(&waker));
    node.owe("bob", 99);
    node.settlements_of_cut();
    assert!(poll().is_pending(), "not due");
    assert_eq!(wakes.count(), 0);
    for _ in 0..2 {
        let mut request = change_request("bob", BalanceChange::Adjust(-1));
        request.id = format!("{}", node.balance("bob").unsigned_abs()).parse().unwrap();
        node.connector.change_balance(&request, node.now.wall).unwrap();
        node.settlements_of_cut();
    }
    assert_eq!(wakes.count(), 1);
    assert_eq!(poll(), Poll::Ready(vec![id("bob")]));
    assert!(poll().is_pending());
    // Without books, never.
    let without = alice_and_bob().connector;
    assert!(without.poll_settlements_due(&Context::from_waker(&waker)).is_pending());
}
