//! What a batch reads once for all of its packets.

use super::*;

#[test]
fn a_batch_keeps_the_settings_with_which_it_began() {
    let (node, alice, _bob) = connected_alice_and_bob();
    let batch = node.connector.start_batch(node.now);
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[0].enabled = false;
    node.apply(settings);
    let is_enabled =
        |batch: &Batch<'_>| batch.settings(&alice.account).map(|settings| settings.enabled);
    assert_eq!(is_enabled(&batch), Some(true));
    drop(batch);
    assert_eq!(is_enabled(&node.connector.start_batch(node.now)), Some(false));
}
