//! The state that the HTTP listener and the HTTP diallers of a node share.

use std::sync::Arc;

use super::http_peers::HttpPeers;
use super::request_id::RequestIds;
use crate::peers::{Logins, NoRandomness, NodeContext};

/// One per node.
#[derive(Debug)]
pub struct HttpContext {
    /// The state that all protocols share.
    pub node: Arc<NodeContext>,
    /// The tokens of peers that may post.
    pub logins: Arc<Logins>,
    pub http_peers: HttpPeers,
    /// Diallers make the `Request-Id`s of asynchronous requests, and the listener reads them.
    pub(super) request_ids: RequestIds,
}

impl HttpContext {
    /// Without peers that have a server.
    pub fn new(node: Arc<NodeContext>, logins: Arc<Logins>) -> Result<Arc<Self>, NoRandomness> {
        let request_ids = RequestIds::new()?;
        Ok(Arc::new(Self { node, logins, http_peers: HttpPeers::default(), request_ids }))
    }
}
