//! Who of the peers has an HTTP server, for answers that go there.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderValue;

use super::dial::{Authorization, HttpDial, HttpMode};
use crate::account::AccountId;
use crate::wire::Timestamp;

/// The peers with a server of their own. Swapped whole when the configuration changes.
#[derive(Debug, Default)]
pub struct Contacts(ArcSwap<HashMap<AccountId, Arc<Contact>>>);

/// A peer with a server of its own.
#[derive(Debug)]
pub(super) struct Contact {
    dial: HttpDial,
    authorization: Authorization,
}

impl Contacts {
    /// From now on these.
    pub fn set(&self, dials: impl IntoIterator<Item = HttpDial>) {
        let by_id = |dial: HttpDial| (dial.peer().clone(), Arc::new(Contact::new(dial)));
        self.0.store(Arc::new(dials.into_iter().map(by_id).collect()));
    }

    pub(super) fn of(&self, peer: &AccountId) -> Option<Arc<Contact>> {
        self.0.load().get(peer).cloned()
    }
}

impl Contact {
    pub(super) fn new(dial: HttpDial) -> Self {
        Self { dial, authorization: Authorization::default() }
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
        self.authorization.value(&self.dial, now)
    }
}
