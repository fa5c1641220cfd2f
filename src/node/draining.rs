//! Peers that a reload removed: they get answers to packets in flight, but no new packets; then their sessions close
//! (D17).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::task::AbortOnDrop;
use crate::account::AccountId;
use crate::link::CloseRequest;
use crate::peers::{DialHandle, GOING_AWAY, NodeContext};

const REMOVED: CloseRequest = CloseRequest { code: GOING_AWAY, reason: "removed" };
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The removed peers that still have sessions.
#[derive(Default)]
pub(super) struct Draining(BTreeMap<AccountId, AbortOnDrop>);

impl Draining {
    /// Closes a peer's sessions once none of its packets is in flight, or after `grace`.
    pub(super) fn drain_peer(
        &mut self,
        peer: &AccountId,
        handle: Option<DialHandle>,
        context: &Arc<NodeContext>,
        grace: Duration,
    ) {
        // A peer that has drained has no session that could come back with it.
        self.0.retain(|_, task| !task.is_finished());
        let Some(account) = context.connector.account(peer.as_str()) else { return };
        let context = Arc::clone(context);
        let task = AbortOnDrop::spawn(async move {
            let deadline = Instant::now() + grace;
            while !account.is_idle() && Instant::now() < deadline {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            if let Some(handle) = handle {
                handle.stop(REMOVED);
            }
            context.connector.close_sessions(&account, REMOVED);
            context.peers.forget(account.id());
            context.known_addresses.forget(account.id());
        });
        self.0.insert(peer.clone(), task);
    }

    /// Ends the draining of a peer that is configured again. `true`: it was removed before.
    pub(super) fn cancel(&mut self, peer: &AccountId) -> bool {
        self.0.remove(peer).is_some()
    }
}
