//! Commands to a running node, and the handle for them.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::account::AccountId;
use crate::api::{ConfigValues, NodeStatus};
use crate::config::NodeConfig;
use crate::peers::NodeContext;

/// Commands that may be queued. Senders of more wait.
pub(super) const COMMANDS_MAX: usize = 16;

/// A command to a running node.
#[derive(Debug)]
pub enum NodeCommand {
    /// Apply this configuration, whose values the pages show.
    Reload(Box<NodeConfig>, ConfigValues),
    /// Drop all links, and wait, because the configuration no longer names this node (D17).
    DropLinks,
    /// Stop gracefully (D18).
    Stop,
}

/// Access to a running node.
#[derive(Clone, Debug)]
pub struct NodeHandle {
    pub id: AccountId,
    pub btp_address: SocketAddr,
    /// The address of its HTTP server, if it has one.
    pub http_address: Option<SocketAddr>,
    /// The address of its health server, which has the metrics too.
    pub health_address: SocketAddr,
    /// Its connector, its peers and its clock.
    pub context: Arc<NodeContext>,
    /// Its health and the result of its last reload.
    pub status: Arc<NodeStatus>,
    pub(super) commands: mpsc::Sender<NodeCommand>,
}

impl NodeHandle {
    /// Sends a command. `false`: the node has stopped.
    pub async fn send(&self, command: NodeCommand) -> bool {
        self.commands.send(command).await.is_ok()
    }
}
