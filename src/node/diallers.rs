//! The peers that this node dials: one task each, started and stopped as the configuration asks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::task;
use crate::account::AccountId;
use crate::btp::{BtpDial, BtpDialUpdater, BtpDialler};
use crate::http::{HttpContext, HttpDial, HttpDialUpdater, HttpDialler};
use crate::link::CloseRequest;
use crate::peers::{DialHandle, LoginDirectory, NodeContext, RECONFIGURED};

/// A peer to dial, by protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerDial {
    Btp(BtpDial),
    Http(HttpDial),
}

impl PeerDial {
    fn peer(&self) -> &AccountId {
        match self {
            Self::Btp(dial) => dial.peer(),
            Self::Http(dial) => dial.peer(),
        }
    }
}

struct RunningDialler {
    dial: PeerDial,
    handle: DialHandle,
    updater: DialUpdater,
}

/// The updater and token of the next dial.
enum DialUpdater {
    Btp(BtpDialUpdater),
    Http(HttpDialUpdater),
}

impl RunningDialler {
    /// Applies a change that needs no new session: of the port, for the next dial, or of the token, while the old one
    /// is still valid. `false`: the change needs a new session.
    fn try_update(&mut self, wanted: &PeerDial, directory: &LoginDirectory) -> bool {
        let valid = directory.fingerprints_of(wanted.peer());
        match (&self.dial, wanted, &self.updater) {
            (PeerDial::Btp(old), PeerDial::Btp(new), DialUpdater::Btp(updater))
                if old.may_become(new, &valid) =>
            {
                updater.set(new.clone());
            }
            (PeerDial::Http(old), PeerDial::Http(new), DialUpdater::Http(updater))
                if old.may_become(new, &valid) =>
            {
                updater.set_token(new.clone());
            }
            _ => return false,
        }
        self.dial = wanted.clone();
        true
    }
}

/// The running diallers of one node.
pub(super) struct Diallers {
    context: Arc<NodeContext>,
    http: Arc<HttpContext>,
    running: BTreeMap<AccountId, RunningDialler>,
    tasks: JoinSet<()>,
}

impl Diallers {
    pub(super) fn new(http: Arc<HttpContext>) -> Self {
        let context = Arc::clone(&http.node);
        Self { context, http, running: BTreeMap::new(), tasks: JoinSet::new() }
    }

    /// Starts and stops diallers so that exactly the peers of `dials` are dialled. A peer whose address and secrets
    /// stay the same is not disturbed; `directory` has the valid tokens.
    pub(super) fn dial_only(&mut self, dials: Vec<PeerDial>, directory: &LoginDirectory) {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|peer, running| {
            let wanted = dials.iter().find(|dial| dial.peer() == peer);
            let stays = wanted.is_some_and(|wanted| {
                *wanted == running.dial || running.try_update(wanted, directory)
            });
            if !stays {
                running.handle.stop(RECONFIGURED);
            }
            stays
        });
        for dial in dials {
            if !self.running.contains_key(dial.peer()) {
                let running = self.start(dial);
                self.running.insert(running.dial.peer().clone(), running);
            }
        }
    }

    fn start(&mut self, dial: PeerDial) -> RunningDialler {
        let (handle, updater) = match dial.clone() {
            PeerDial::Btp(dial) => {
                let (client, handle) = BtpDialler::new(dial, Arc::clone(&self.context));
                let updater = client.updater();
                task::spawn_in(&mut self.tasks, client.run());
                (handle, DialUpdater::Btp(updater))
            }
            PeerDial::Http(dial) => {
                let (dialler, handle) = HttpDialler::new(dial, Arc::clone(&self.http));
                let updater = dialler.updater();
                task::spawn_in(&mut self.tasks, dialler.run());
                (handle, DialUpdater::Http(updater))
            }
        };
        RunningDialler { dial, handle, updater }
    }

    /// Makes the next attempts now.
    pub(super) fn retry_now(&self) {
        for RunningDialler { handle, .. } in self.running.values() {
            handle.retry_now();
        }
    }

    /// Stops dialling a peer, and closes its session with this close frame.
    pub(super) fn stop_peer(&mut self, peer: &AccountId, request: CloseRequest) {
        if let Some(handle) = self.remove(peer) {
            handle.stop(request);
        }
    }

    /// Closes the dialled session of a peer, and dials it again at once, as if for the first time.
    pub(super) fn redial(&mut self, peer: &AccountId, request: CloseRequest) {
        if let Some(RunningDialler { dial, handle, .. }) = self.running.remove(peer) {
            handle.stop(request);
            let running = self.start(dial);
            self.running.insert(peer.clone(), running);
        }
    }

    /// Removes a dialler whose session goes on until the caller stops it through the handle.
    pub(super) fn remove(&mut self, peer: &AccountId) -> Option<DialHandle> {
        self.running.remove(peer).map(|running| running.handle)
    }

    /// Closes all dialled sessions, and waits up to `timeout` for their ends.
    pub(super) async fn stop(self, request: CloseRequest, timeout: Duration) {
        for RunningDialler { handle, .. } in self.running.values() {
            handle.stop(request);
        }
        task::wait_or_abort(self.tasks, timeout).await;
    }
}
