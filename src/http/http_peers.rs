//! The peers that have an HTTP server.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use axum::http::HeaderValue;

use super::dial_config::{Authorization, HttpDial};
use crate::account::AccountId;
use crate::net::HttpMode;
use crate::wire::Timestamp;

#[derive(Debug, Default)]
pub struct HttpPeers(ArcSwap<BTreeMap<AccountId, Arc<HttpPeer>>>);

/// A handle to change the token that a dialler sends.
#[derive(Debug, Clone)]
pub struct HttpDialUpdater(pub(super) Arc<HttpPeer>);

impl HttpDialUpdater {
    /// Sends the token of `dial` from the next request on.
    pub fn set_token(&self, dial: HttpDial) {
        self.0.with_new_token.store(Some(Arc::new(dial)));
    }
}

#[derive(Debug)]
pub(super) struct HttpPeer {
    dial: HttpDial,
    /// The same with another token, which is sent instead.
    with_new_token: ArcSwapOption<HttpDial>,
    authorization: Authorization,
}

impl HttpPeers {
    pub fn replace_all(&self, dials: impl IntoIterator<Item = HttpDial>) {
        let by_id = |dial: HttpDial| (dial.peer().clone(), Arc::new(HttpPeer::new(dial)));
        self.0.store(Arc::new(dials.into_iter().map(by_id).collect()));
    }

    pub(super) fn get(&self, peer: &AccountId) -> Option<Arc<HttpPeer>> {
        self.0.load().get(peer).cloned()
    }
}

impl HttpPeer {
    pub(super) fn new(dial: HttpDial) -> Self {
        let authorization = Authorization::default();
        Self { dial, with_new_token: ArcSwapOption::empty(), authorization }
    }

    pub(super) fn dial(&self) -> &HttpDial {
        &self.dial
    }

    /// Whether answers go to the peer's server even if a request has no `Callback-Url`.
    pub(super) fn is_async(&self) -> bool {
        self.dial.mode == HttpMode::Async
    }

    /// The `Authorization` of a request to its server. `None`: the token is not valid in a header.
    pub(super) fn authorization(&self, now: Timestamp) -> Option<HeaderValue> {
        let renewed = self.with_new_token.load();
        self.authorization.header_value(renewed.as_deref().unwrap_or(&self.dial), now)
    }
}
