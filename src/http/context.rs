//! What the HTTP listener and the HTTP diallers of a node share.

use std::sync::Arc;

use super::http_peers::HttpPeers;
use super::request_id::RequestIds;
use crate::peers::{Logins, NoRandomness, TransportContext};

/// One per node.
#[derive(Debug)]
pub struct HttpContext {
    /// What all transports share.
    pub transport: Arc<TransportContext>,
    /// Who may post.
    pub logins: Arc<Logins>,
    /// Which peers have a server for our answers.
    pub contacts: HttpPeers,
    /// The `Request-Id`s of asynchronous requests: made by diallers, read by the listener.
    pub(super) request_ids: RequestIds,
}

impl HttpContext {
    /// Without contacts yet.
    ///
    /// # Errors
    /// The operating system gave no random numbers.
    pub fn new(
        transport: Arc<TransportContext>,
        logins: Arc<Logins>,
    ) -> Result<Arc<Self>, NoRandomness> {
        let request_ids = RequestIds::new()?;
        Ok(Arc::new(Self { transport, logins, contacts: HttpPeers::default(), request_ids }))
    }
}
