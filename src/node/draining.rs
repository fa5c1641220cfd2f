//! Peers that a reload removed: no new packets, but answers for those in flight; then their sessions end (D17).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::task::Guarded;
use crate::account::AccountId;
use crate::peers::{DialHandle, TransportContext};

/// WebSocket close code and reason for a peer that is not configured any more.
const REMOVED: (u16, &str) = (1001, "removed");
/// How often is looked whether all is answered.
const LOOK: Duration = Duration::from_millis(50);

/// The peers that are being let go.
#[derive(Default)]
pub(super) struct Draining(HashMap<AccountId, Guarded>);

impl Draining {
    /// Lets a peer go: when nothing of it is in flight, or `patience` is up, its sessions end.
    pub(super) fn add(
        &mut self,
        peer: &AccountId,
        dialled: Option<DialHandle>,
        context: &Arc<TransportContext>,
        patience: Duration,
    ) {
        let Some(account) = context.connector.account(peer.as_str()) else { return };
        let context = Arc::clone(context);
        let task = Guarded::spawn(async move {
            let deadline = Instant::now() + patience;
            while !account.is_idle() && Instant::now() < deadline {
                tokio::time::sleep(LOOK).await;
            }
            if let Some(dialled) = dialled {
                dialled.stop(REMOVED.0, REMOVED.1);
            }
            context.connector.close_sessions(&account, REMOVED.0, REMOVED.1);
            context.peers.forget(account.id());
            context.known_origins.forget(account.id());
        });
        self.0.insert(peer.clone(), task);
    }

    /// The peer is wanted again. `true`: it was being let go, or has been; the session that was dialled ends.
    pub(super) fn end(&mut self, peer: &AccountId) -> bool {
        self.0.remove(peer).is_some()
    }
}
