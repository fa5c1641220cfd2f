//! The peers that this node dials: one task each, started and stopped as the configuration asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::account::AccountId;
use crate::btp::{BtpClient, Dial};
use crate::transport::{DialHandle, RECONFIGURED, TransportContext};

/// The running diallers of one node.
pub(super) struct Diallers {
    context: Arc<TransportContext>,
    running: HashMap<AccountId, (Dial, DialHandle)>,
    tasks: JoinSet<()>,
}

impl Diallers {
    pub(super) fn new(context: Arc<TransportContext>) -> Self {
        Self { context, running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Makes what runs agree with `wanted`. A peer whose address and secrets stay the same is not disturbed.
    pub(super) fn set(&mut self, wanted: Vec<Dial>) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|peer, (dial, handle)| {
            let kept = wanted.iter().any(|want| want.peer() == peer && want == dial);
            if !kept {
                handle.stop(RECONFIGURED.0, RECONFIGURED.1);
            }
            kept
        });
        for dial in wanted {
            if !self.running.contains_key(dial.peer()) {
                let (client, handle) = BtpClient::new(dial.clone(), Arc::clone(&self.context));
                self.tasks.spawn(client.run().in_current_span());
                self.running.insert(dial.peer().clone(), (dial, handle));
            }
        }
    }

    /// Gives up a peer without ending its session: whoever gets the handle ends it.
    pub(super) fn hand_over(&mut self, peer: &AccountId) -> Option<DialHandle> {
        self.running.remove(peer).map(|(_, handle)| handle)
    }

    /// Ends every session that was dialled, and waits for their ends, at most for `patience`.
    pub(super) async fn stop(mut self, code: u16, reason: &'static str, patience: Duration) {
        for (_, handle) in self.running.values() {
            handle.stop(code, reason);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Out of patience: dropping the set aborts what is left.
        let _ = tokio::time::timeout(patience, all).await;
    }
}
