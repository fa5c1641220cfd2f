//! The peers that this node dials: one task each, started and stopped as the configuration asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use crate::account::AccountId;
use crate::btp::{BtpClient, Dial, DialTarget as BtpTarget};
use crate::http::{HttpContext, HttpDial, HttpDialler, HttpTarget};
use crate::peers::{DialHandle, Directory, RECONFIGURED, TransportContext};

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

/// One running dialler.
struct Running {
    dialled: Dialled,
    handle: DialHandle,
    target: Target,
}

/// What it dials next, or shows there.
enum Target {
    Btp(BtpTarget),
    Http(HttpTarget),
}

impl Running {
    /// Follows a change that needs no new session: of the port, where the peer is going to listen, and of the token, while
    /// the one that was sent is still valid.
    fn follows(&mut self, want: &Dialled, directory: &Directory) -> bool {
        let valid = directory.marks_of(want.peer());
        match (&self.dialled, want, &self.target) {
            (Dialled::Btp(is), Dialled::Btp(want), Target::Btp(target))
                if is.may_become(want, &valid) =>
            {
                target.set(want.clone());
            }
            (Dialled::Http(is), Dialled::Http(want), Target::Http(target))
                if is.may_become(want, &valid) =>
            {
                target.set_token(want.clone());
            }
            _ => return false,
        }
        self.dialled = want.clone();
        true
    }
}

/// The running diallers of one node.
pub(super) struct Diallers {
    context: Arc<TransportContext>,
    http: Arc<HttpContext>,
    running: HashMap<AccountId, Running>,
    tasks: JoinSet<()>,
}

impl Diallers {
    pub(super) fn new(http: Arc<HttpContext>) -> Self {
        let context = Arc::clone(&http.transport);
        Self { context, http, running: HashMap::new(), tasks: JoinSet::new() }
    }

    /// Makes what runs agree with `wanted`. A peer whose address and secrets stay the same is not disturbed;
    /// `directory` says which tokens are still valid.
    pub(super) fn set(&mut self, wanted: Vec<Dialled>, directory: &Directory) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|peer, running| {
            let want = wanted.iter().find(|want| want.peer() == peer);
            let kept = want
                .is_some_and(|want| *want == running.dialled || running.follows(want, directory));
            if !kept {
                running.handle.stop(RECONFIGURED.0, RECONFIGURED.1);
            }
            kept
        });
        for dial in wanted {
            if !self.running.contains_key(dial.peer()) {
                let running = self.start(dial);
                self.running.insert(running.dialled.peer().clone(), running);
            }
        }
    }

    fn start(&mut self, dialled: Dialled) -> Running {
        let (handle, target) = match dialled.clone() {
            Dialled::Btp(dial) => {
                let (client, handle) = BtpClient::new(dial, Arc::clone(&self.context));
                let target = client.target();
                self.tasks.spawn(client.run().in_current_span());
                (handle, Target::Btp(target))
            }
            Dialled::Http(dial) => {
                let (dialler, handle) = HttpDialler::new(dial, Arc::clone(&self.http));
                let target = dialler.target();
                self.tasks.spawn(dialler.run().in_current_span());
                (handle, Target::Http(target))
            }
        };
        Running { dialled, handle, target }
    }

    /// Whoever waits before the next attempt makes it now.
    pub(super) fn retry_now(&self) {
        for Running { handle, .. } in self.running.values() {
            handle.retry_now();
        }
    }

    /// Gives up a peer without ending its session: whoever gets the handle ends it.
    pub(super) fn hand_over(&mut self, peer: &AccountId) -> Option<DialHandle> {
        self.running.remove(peer).map(|running| running.handle)
    }

    /// Ends every session that was dialled, and waits for their ends, at most for `patience`.
    pub(super) async fn stop(mut self, code: u16, reason: &'static str, patience: Duration) {
        for Running { handle, .. } in self.running.values() {
            handle.stop(code, reason);
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Out of patience: dropping the set aborts what is left.
        let _ = tokio::time::timeout(patience, all).await;
    }
}
