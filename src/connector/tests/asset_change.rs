//! An account changes its asset while batches that began before are under way on other threads.

use std::thread;
use std::time::Instant;

use super::*;
use crate::testing::TEST_TIMEOUT;

fn settings_with_bob_in(asset: Asset) -> ConnectorSettings {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].asset = asset;
    settings
}

#[test]
fn a_batch_that_began_before_a_change_of_asset_moves_no_money_after_it() {
    let (node, alice, bob) = connected_alice_and_bob();
    let euros = settings_with_bob_in(Asset::new("EUR", 2));
    let in_flight_max = || bob.account.lock().limits.max_packets_in_flight;
    let usual = in_flight_max();
    let batch = node.connector.start_batch(node.now);
    thread::scope(|scope| {
        let reload = scope.spawn(|| node.connector.apply_settings(euros.clone()));
        let began = Instant::now();
        while in_flight_max() == usual && !reload.is_finished() {
            assert!(began.elapsed() < TEST_TIMEOUT, "the reload does not begin");
            thread::yield_now();
        }
        let packet = payment("test.bob.x", 100);
        batch.handle_prepare(&alice.account, alice.session, RequestId(1), &packet);
        assert!(!reload.is_finished(), "it waits for the batch");
        drop(batch);
        reload.join().unwrap().unwrap();
    });
    assert_eq!(node.reject_code(&alice), "T03");
    assert_eq!((node.balance("bob"), in_flight_max()), (0, usual));
}

#[test]
fn a_refused_change_of_assets_changes_no_limits() {
    let mut settings = connector_settings("node", &["carl", "alice", "bob"]);
    settings.accounts[1].limits.max_packets_in_flight = 5;
    let node = node(settings.clone());
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.send(&alice, 1, &payment("test.bob.x", 100));
    node.fulfill_one(&bob);
    for account in &mut settings.accounts {
        account.asset = Asset::new("EUR", 2);
    }
    let refused = node.connector.apply_settings(settings.clone()).unwrap_err();
    assert_eq!(refused, RegistryError::AssetInUse("alice".parse().unwrap()));
    let carl = node.connector.account("carl").unwrap();
    assert_eq!(carl.lock().limits, settings.accounts[0].limits);
}

#[test]
fn a_reload_that_changes_no_asset_waits_for_no_batch() {
    let node = alice_and_bob();
    let batch = node.connector.start_batch(node.now);
    node.apply(connector_settings("node", &["alice", "bob", "carol"]));
    drop(batch);
    assert!(node.connector.account("carol").is_some());
}

#[test]
fn reports_and_changes_of_assets_do_not_wait_for_each_other() {
    let connector = node(connector_settings("node", &["alice", "bob"])).connector;
    let (reported, changed) = (Arc::clone(&connector), Arc::clone(&connector));
    let reports = thread::spawn(move || {
        for _ in 0..2_000 {
            reported.report();
        }
    });
    let changes = thread::spawn(move || {
        for scale in (0..10).cycle().take(2_000) {
            let asset = Asset::new("EUR", scale);
            changed.apply_settings(settings_with_bob_in(asset)).unwrap();
        }
    });
    // Not joined before both have ended: threads that wait for each other never do.
    let began = Instant::now();
    while !(reports.is_finished() && changes.is_finished()) {
        assert!(began.elapsed() < TEST_TIMEOUT * 4, "they wait for each other");
        thread::yield_now();
    }
    reports.join().unwrap();
    changes.join().unwrap();
}
