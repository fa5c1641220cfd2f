//! Who of the peers has an HTTP server, for answers that go there.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::HeaderValue;

use super::dial_config::{Authorization, HttpDial, HttpMode};
use crate::account::AccountId;
use crate::wire::Timestamp;

/// The peers with a server of their own. Swapped whole when the configuration changes.
#[derive(Debug, Default)]
pub struct HttpPeers(ArcSwap<HashMap<AccountId, Arc<HttpPeer>>>);

/// What a dialler shows to the peer's server.
#[derive(Debug, Clone)]
pub struct HttpTarget(pub(super) Arc<HttpPeer>);

impl HttpTarget {
    /// Sends the token of `dial_config` from the next request on.
    pub fn set(&self, dial: HttpDial) {
        self.0.renewed.store(Some(Arc::new(dial)));
    }
}

/// A peer with a server of its own.
#[derive(Debug)]
pub(super) struct HttpPeer {
    dial: HttpDial,
    /// Has another token, which is sent from now on.
    renewed: ArcSwapOption<HttpDial>,
    authorization: Authorization,
}

impl HttpPeers {
    /// From now on these.
    pub fn set(&self, dials: impl IntoIterator<Item = HttpDial>) {
        let by_id = |dial: HttpDial| (dial.peer().clone(), Arc::new(HttpPeer::new(dial)));
        self.0.store(Arc::new(dials.into_iter().map(by_id).collect()));
    }

    pub(super) fn of(&self, peer: &AccountId) -> Option<Arc<HttpPeer>> {
        self.0.load().get(peer).cloned()
    }
}

impl HttpPeer {
    pub(super) fn new(dial: HttpDial) -> Self {
        Self { dial, renewed: ArcSwapOption::empty(), authorization: Authorization::default() }
    }

    pub(super) fn dial(&self) -> &HttpDial {
        &self.dial
    }

    /// Whether the peer's server is where answers go, without a word in the request.
    pub(super) fn is_async(&self) -> bool {
        self.dial.mode() == HttpMode::Async
    }

    /// The `Authorization` of a request to it.
    pub(super) fn authorization(&self, now: Timestamp) -> Option<HeaderValue> {
        let renewed = self.renewed.load();
        self.authorization.value(renewed.as_deref().unwrap_or(&self.dial), now)
    }
}
