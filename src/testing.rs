//! What tests of several rooms share, a file for each kind: rooms may be compiled without those above them
//! (docs/RELIABILITY.md), and then a file that names a room above is left out.

#![cfg_attr(not(test), allow(dead_code))]
#![allow(clippy::unwrap_used)]

mod changes;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod log;
mod nodes;
mod packets;
#[cfg(test)]
mod refusals;
mod settings;

use std::time::Duration;

pub(crate) use changes::{change_request, settlement};
#[cfg(test)]
pub(crate) use documents::{check_block, check_page};
#[cfg(test)]
pub(crate) use log::{Log, enable_every_line};
pub(crate) use nodes::{directory, logins, node_context, token};
pub(crate) use packets::{
    PREIMAGE, describe, encode, fulfillment, now, payment, payment_at, payment_within,
};
#[cfg(test)]
pub(crate) use refusals::every_refusal;
pub(crate) use settings::{connector_settings, peer, route};

/// The longest wait of a test.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until `done`, while other tasks run.
#[cfg(test)]
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let waiting = async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    assert!(tokio::time::timeout(TEST_TIMEOUT, waiting).await.is_ok(), "waited in vain: {what}");
}
