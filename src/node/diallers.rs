//! The peers that this node dials: one task each, started and stopped as the configuration asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tracing::Instrument;

use super::task;
use crate::account::AccountId;
use crate::btp::{BtpClient, Dial, DialTarget as BtpTarget};
use crate::http::{HttpContext, HttpDial, HttpDialler, HttpTarget};
use crate::peers::{DialHandle, LoginDirectory, RECONFIGURED, TransportContext};

/// A peer to dial, by protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PeerDial {
    Btp(Dial),
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
    target: DialTarget,
}

/// The target and token of the next dial.
enum DialTarget {
    Btp(BtpTarget),
    Http(HttpTarget),
}

impl RunningDialler {
    /// Applies a change that needs no new session: of the port, for the next dial, or of the token, while the old one
    /// is still valid. `false`: the change needs a new session.
    fn try_update(&mut self, wanted: &PeerDial, directory: &LoginDirectory) -> bool {
        let valid = directory.fingerprints_of(wanted.peer());
        match (&self.dial, wanted, &self.target) {
            (PeerDial::Btp(old), PeerDial::Btp(new), DialTarget::Btp(target))
                if old.may_become(new, &valid) =>
            {
                target.set(new.clone());
            }
            (PeerDial::Http(old), PeerDial::Http(new), DialTarget::Http(target))
                if old.may_become(new, &valid) =>
            {
                target.set_token(new.clone());
            }
            _ => return false,
        }
        self.dial = wanted.clone();
        true
    }
}

/// The running diallers of one node.
pub(super) struct Diallers {
    context: Arc<TransportContext>,
    http: Arc<HttpContext>,
    running: HashMap<AccountId, RunningDialler>,
    tasks: JoinSet<()>,
}

impl Diallers {
    pub(super) fn new(http: Arc<HttpContext>) -> Self {
        let context = Arc::clone(&http.transport);
        Self { context, http, running: HashMap::new(), tasks: JoinSet::new() }
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
                running.handle.stop(RECONFIGURED.0, RECONFIGURED.1);
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
        let (handle, target) = match dial.clone() {
            PeerDial::Btp(dial) => {
                let (client, handle) = BtpClient::new(dial, Arc::clone(&self.context));
                let target = client.target();
                self.tasks.spawn(client.run().in_current_span());
                (handle, DialTarget::Btp(target))
            }
            PeerDial::Http(dial) => {
                let (dialler, handle) = HttpDialler::new(dial, Arc::clone(&self.http));
                let target = dialler.target();
                self.tasks.spawn(dialler.run().in_current_span());
                (handle, DialTarget::Http(target))
            }
        };
        RunningDialler { dial, handle, target }
    }

    /// Makes the next attempts now.
    pub(super) fn retry_now(&self) {
        for RunningDialler { handle, .. } in self.running.values() {
            handle.retry_now();
        }
    }

    /// Removes a dialler whose session goes on until the caller stops it through the handle.
    pub(super) fn remove(&mut self, peer: &AccountId) -> Option<DialHandle> {
        self.running.remove(peer).map(|running| running.handle)
    }

    /// Closes all dialled sessions, and waits up to `timeout` for their ends.
    pub(super) async fn stop(self, code: u16, reason: &'static str, timeout: Duration) {
        for RunningDialler { handle, .. } in self.running.values() {
            handle.stop(code, reason);
        }
        task::wait_or_abort(self.tasks, timeout).await;
    }
}
