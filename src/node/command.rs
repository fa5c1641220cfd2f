//! What a running node can be told, and what may be seen of it from outside.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::account::AccountId;
use crate::api::NodeStatus;
use crate::config::NodeConfig;
use crate::peers::TransportContext;

/// Orders that may wait. Whoever gives more waits with them.
pub(super) const ORDERS_MAX: usize = 16;

/// An order to a running node.
#[derive(Debug)]
pub enum NodeCommand {
    /// Put this configuration in force.
    Reload(Box<NodeConfig>),
    /// The configuration no longer names this node: drop all links, and wait (D17).
    Unlisted,
    /// Stop gracefully (D18).
    Stop,
}

/// A running node, seen from outside.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    /// Its name.
    pub id: AccountId,
    /// Where its BTP server listens.
    pub btp_address: SocketAddr,
    /// Where its HTTP server listens, if it has one.
    pub http_address: Option<SocketAddr>,
    /// Where health and metrics are.
    pub health_address: SocketAddr,
    /// Its sessions and its connector.
    pub context: Arc<TransportContext>,
    /// How it stands.
    pub status: Arc<NodeStatus>,
    pub(super) orders: mpsc::Sender<NodeCommand>,
}

impl NodeHandle {
    /// Gives an order. `false`: the node has stopped.
    pub async fn order(&self, order: NodeCommand) -> bool {
        self.orders.send(order).await.is_ok()
    }
}
