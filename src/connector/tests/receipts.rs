//! Receipts (RFC 39): their totals rise with the money that is booked, also over a restart with a store, and never
//! beyond it.

use super::receivers::{TestSender, sender_with_receipts, wallet};
use super::virtual_store::VirtualStore;
use super::*;
use crate::stream::ReceiptKey;

/// A node with alice and a wallet of at most 100 units; with books, if it has a store.
fn node_with(books: Option<SavedBooks>) -> (TestNode, Peer) {
    let mut limited = wallet();
    limited.limits.min_balance = Some(-100);
    let settings = settings(vec![peer("alice"), limited], &[("test.alice", "alice")]);
    let node = match books {
        Some(books) => node_with_books(settings, books),
        None => node(settings),
    };
    let alice = node.connect("alice");
    (node, alice)
}

fn sender(node: &TestNode, nonce: u8) -> TestSender {
    let key = ReceiptKey { nonce: [nonce; 16], secret: [8; 32] };
    sender_with_receipts(node, [nonce; 18], &key)
}

/// Pays, and returns the totals of the receipts in the reply.
fn pay(node: &TestNode, alice: &Peer, sender: &TestSender, amount: u64) -> Vec<u64> {
    node.send(alice, 1, &sender.payment_until(amount, 0, true, 10_000));
    let Received::Fulfill { data, .. } = node.read_one(alice) else { panic!("no Fulfill") };
    sender.receipt_totals(&data)
}

#[test]
fn receipts_say_what_was_booked_and_nothing_else() {
    let (node, alice) = node_with(None);
    let [one, other] = [1, 2].map(|nonce| sender(&node, nonce));
    assert_eq!(pay(&node, &alice, &one, 30), [30]);
    assert_eq!(pay(&node, &alice, &other, 7), [7]);
    assert_eq!(pay(&node, &alice, &one, 0), [30]);
    // Below the receiver's minimum: not booked, so in no receipt.
    assert_eq!(node.send_rejected(&alice, &one.payment_until(64, 0, true, 10_000)), "T04");
    assert_eq!(pay(&node, &alice, &one, 63), [93]);
    assert_eq!(node.balance("wallet"), -100);
    // Without headers of a verifier there is no receipt.
    let plain = receivers::sender(&node);
    assert_eq!(pay(&node, &alice, &plain, 0), [0_u64; 0]);
}

#[test]
fn totals_of_receipts_are_in_the_cut_of_the_balance_and_survive_a_crash() {
    let (node, alice) = node_with(Some(SavedBooks::default()));
    let sender = sender(&node, 3);
    let mut store = VirtualStore::default();
    assert_eq!(pay(&node, &alice, &sender, 10), [10]);
    store.write(&node.connector.take_cut(node.now.wall).unwrap());
    assert_eq!(pay(&node, &alice, &sender, 5), [15]);
    // The second packet is lost with its cut.
    let (node, alice) = node_with(Some(store.books(false)));
    assert_eq!(node.balance("wallet"), -10);
    assert_eq!(pay(&node, &alice, &sender, 2), [12]);
    let cut = node.connector.take_cut(node.now.wall).unwrap();
    let rows: Vec<_> = cut.payments.iter().map(|row| (&*row.key.connection, row.amount)).collect();
    assert_eq!(rows, [("AwMDAwMDAwMDAwMD/1", 12)]);
    // Without a store they begin again, and are too low rather than too high.
    let (node, alice) = node_with(None);
    assert_eq!(pay(&node, &alice, &sender, 2), [2]);
}

#[test]
fn without_a_store_only_what_arrived_with_receipts_is_listed() {
    let cases = [(Some(SavedBooks::default()), vec![5, 7]), (None, vec![7])];
    for (books, expected) in cases {
        let (node, alice) = node_with(books);
        pay(&node, &alice, &receivers::sender(&node), 5);
        pay(&node, &alice, &sender(&node, 2), 7);
        let listed = |receiver| {
            let payments = node.connector.received_payments(Some(receiver), None, 9).into_iter();
            let mut amounts: Vec<_> = payments.map(|payment| payment.amount).collect();
            amounts.sort_unstable();
            amounts
        };
        assert_eq!((listed("wallet"), listed("alice")), (expected, vec![]));
    }
}
