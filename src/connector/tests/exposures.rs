//! How much of its limits each account uses, for alerts.

use super::virtual_store::VirtualStore;
use super::*;
use crate::account::Limits;

/// Alice may owe 1,000, and we may owe bob 500.
fn limited() -> ConnectorSettings {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[0].limits.max_balance = Some(1_000);
    settings.accounts[1].limits.min_balance = Some(-500);
    settings
}

fn with_books(books: SavedBooks) -> TestNode {
    node_with_books(limited(), books)
}

/// Of each account, what is owed to us and by us, and both in percent.
fn exposures(node: &TestNode) -> Vec<(String, [u128; 4])> {
    let found = node.connector.exposures().into_iter().map(|one| {
        let percents = [one.percent_of_max(), one.percent_of_min()];
        let amounts = [one.owed_to_us, one.owed_by_us, percents[0], percents[1]];
        (one.account.to_string(), amounts)
    });
    let mut found: Vec<_> = found.collect();
    found.sort_unstable();
    found
}

fn expected(alice: [u128; 4], bob: [u128; 4]) -> Vec<(String, [u128; 4])> {
    vec![("alice".to_owned(), alice), ("bob".to_owned(), bob)]
}

#[test]
fn what_is_held_and_what_is_uncertain_count() {
    let (node, alice, bob) = connect_both(with_books(SavedBooks::default()));
    assert_eq!(exposures(&node), expected([0; 4], [0; 4]));
    node.send(&alice, 1, &payment("test.bob.x", 100));
    assert_eq!(exposures(&node), expected([100, 0, 10, 0], [0, 100, 0, 20]));
    node.fulfill_one(&bob);
    assert_eq!(exposures(&node), expected([100, 0, 10, 0], [0, 100, 0, 20]));
    node.send(&alice, 2, &payment("test.bob.x", 50));
    assert_eq!(exposures(&node), expected([150, 0, 15, 0], [0, 150, 0, 30]));
    let mut store = VirtualStore::default();
    store.write(&node.connector.take_cut(node.now.wall).unwrap());
    let restarted = with_books(store.books(false));
    assert_eq!(exposures(&restarted), expected([100, 0, 10, 0], [0, 150, 0, 30]));
}

#[test]
fn an_account_without_limits_or_without_an_alert_has_none() {
    let names = |change: fn(&mut Limits)| {
        let mut settings = limited();
        change(&mut settings.accounts[0].limits);
        let found = exposures(&node(settings)).into_iter();
        found.map(|(account, _)| account).collect::<Vec<_>>()
    };
    assert_eq!(names(|_| {}), ["alice", "bob"]);
    assert_eq!(names(|alice| alice.exposure_alert = 0), ["bob"]);
    assert_eq!(names(|alice| alice.max_balance = None), ["bob"]);
    // There is no part of nothing.
    assert_eq!(names(|alice| alice.max_balance = Some(0)), ["bob"]);
    assert_eq!(names(|alice| (alice.max_balance, alice.min_balance) = (None, Some(0))), ["bob"]);
    assert_eq!(
        names(|alice| (alice.max_balance, alice.min_balance) = (None, Some(-1))),
        ["alice", "bob"]
    );
}
