//! The peers that this node dials: one task each, started and stopped as the configuration asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::account::AccountId;
use crate::btp::{BtpClient, Dial};
use crate::http::{HttpContext, HttpDial, HttpDialler};
use crate::transport::{DialHandle, RECONFIGURED, TransportContext};

/// A peer to be dialled, by whatever it speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dialled {
    /// BTP.
    Btp(Dial),
    /// ILP over HTTP.
    Http(HttpDial),
}

impl Dialled {
    fn peer(&self) -> &AccountId {
        match self {
            Dialled::Btp(dial) => dial.peer(),
            Dialled::Http(dial) => dial.peer(),
        }
    }
}

/// The running diallers of one node.
pub(super) struct Diallers {
    context: Arc<TransportContext>,
    http: Arc<HttpContext>,
    running: HashMap<AccountId, (Dialled, DialHandle)>,
    tasks: JoinSet<()>,
}

impl Diallers {
    pub(super) fn new(http: Arc<HttpContext>) -> Self {
        let context = Arc::clone(&http.transport);
        Self { context, http, running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Makes what runs agree with `wanted`. A peer whose address and secrets stay the same is not disturbed.
    pub(super) fn set(&mut self, wanted: Vec<Dialled>) {
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
                let handle = self.start(dial.clone());
                self.running.insert(dial.peer().clone(), (dial, handle));
            }
        }
    }

    fn start(&mut self, dial: Dialled) -> DialHandle {
        match dial {
            Dialled::Btp(dial) => {
                let (client, handle) = BtpClient::new(dial, Arc::clone(&self.context));
                self.tasks.spawn(client.run().in_current_span());
                handle
            }
            Dialled::Http(dial) => {
                let (dialler, handle) = HttpDialler::new(dial, Arc::clone(&self.http));
                self.tasks.spawn(dialler.run().in_current_span());
                handle
            }
        }
    }

    /// Whoever waits before the next attempt makes it now.
    pub(super) fn retry_now(&self) {
        for (_, handle) in self.running.values() {
            handle.retry_now();
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
