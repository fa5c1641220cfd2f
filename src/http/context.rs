//! The state that the HTTP listener and the HTTP diallers of a node share.

use std::sync::Arc;

use super::http_peers::HttpPeers;
use super::request_id::RequestIds;
use crate::peers::{Logins, NoRandomness, TransportContext};

/// One per node.
#[derive(Debug)]
pub struct HttpContext {
    /// The state of all transports.
    pub transport: Arc<TransportContext>,
    /// The tokens of peers that may post.
    pub logins: Arc<Logins>,
    /// The peers that have a server.
    pub http_peers: HttpPeers,
    /// Diallers make the `Request-Id`s of asynchronous requests, and the listener reads them.
    pub(super) request_ids: RequestIds,
}

impl HttpContext {
    /// Without peers that have a server.
    pub fn new(
        transport: Arc<TransportContext>,
        logins: Arc<Logins>,
    ) -> Result<Arc<Self>, NoRandomness> {
        let request_ids = RequestIds::new()?;
        Ok(Arc::new(Self { transport, logins, http_peers: HttpPeers::default(), request_ids }))
    }
}
