//! The node's own task: owns what changes slowly, and listens to orders and to its parent.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::acceptor::{Acceptor, HttpAcceptor};
use super::api_thread::ApiThread;
use super::command::NodeCommand;
use super::derive::{DrawnSecret, dials, http_dials, status_settings};
use super::diallers::Diallers;
use super::draining::Draining;
use super::ildcp::{self, ParentInfo};
use super::packets::PacketWriting;
use super::task::{self, Guarded};
use super::tls_thread::TlsThread;
use crate::api::{HealthStatus, NodeStatus};
use crate::config::NodeConfig;
use crate::http::HttpContext;
use crate::peers::{Logins, PeerChange, PeerEvent, TransportContext};

/// How often a node that starts is looked at, so that its first moment of being ready is not missed.
const READY_LOOK: Duration = Duration::from_millis(100);

/// A running node.
pub(super) struct NodeTask {
    /// As configured; what the parent told is in `told`.
    pub(super) config: NodeConfig,
    pub(super) context: Arc<TransportContext>,
    /// Who may log in, at every listener.
    pub(super) logins: Arc<Logins>,
    /// Holds the peers with a server for our answers.
    pub(super) http_context: Arc<HttpContext>,
    pub(super) acceptor: Acceptor,
    pub(super) http: Option<HttpAcceptor>,
    pub(super) diallers: Diallers,
    pub(super) draining: Draining,
    pub(super) status: Arc<NodeStatus>,
    pub(super) packets: PacketWriting,
    pub(super) sweep: Guarded,
    pub(super) _file_watch: Guarded,
    /// Ends with the node.
    pub(super) _clock_watch: Guarded,
    /// The exchange of routes.
    pub(super) exchange: Guarded,
    pub(super) api: ApiThread,
    /// Where the listeners' handshakes are computed, if there is TLS.
    pub(super) tls_thread: Option<TlsThread>,
    pub(super) events: broadcast::Receiver<PeerEvent>,
    /// The parent is being asked for an address.
    pub(super) asking: Option<JoinHandle<Option<ParentInfo>>>,
    pub(super) told: Option<ParentInfo>,
    /// The parent told something else since: no packets to and from it.
    pub(super) parent_suspended: bool,
    pub(super) drawn: DrawnSecret,
}

impl NodeTask {
    /// Until it is told to stop, and has.
    pub(super) async fn run(mut self, mut orders: mpsc::Receiver<NodeCommand>) {
        self.start();
        let mut looks = tokio::time::interval(READY_LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut starting = true;
        loop {
            tokio::select! {
                _ = looks.tick(), if starting => {
                    starting = self.status.observe_health() == HealthStatus::Starting;
                }
                order = orders.recv() => match order {
                    Some(NodeCommand::Reload(config)) => self.reload(*config),
                    Some(NodeCommand::Unlisted) => self.drop_all_links(),
                    // All handles are gone: nobody could stop the node later.
                    Some(NodeCommand::Stop) | None => break,
                },
                event = self.events.recv() => self.heard(event),
                told = answer(&mut self.asking) => self.adopt(told),
            }
        }
        self.stop().await;
    }

    /// Makes everything around the packet path agree with the configuration.
    pub(super) fn start(&mut self) {
        self.status.configure(status_settings(&self.config));
        mark_peers(&self.config, &self.context);
        self.packets.set(&self.config, &self.context);
        self.http_context.http_peers.replace_all(http_dials(&self.config));
        self.diallers.set(dials(&self.config), &self.logins.load());
    }

    fn heard(&mut self, event: Result<PeerEvent, broadcast::error::RecvError>) {
        let parent = self.config.parent().map(|parent| &parent.account.id);
        match event {
            Ok(PeerEvent { peer, change: PeerChange::Connected }) if Some(&peer) == parent => {
                self.ask_parent();
            }
            // Whatever was missed, asking once too often does no harm.
            Err(broadcast::error::RecvError::Lagged(_)) => self.ask_parent(),
            _ => {}
        }
    }

    /// Asks at every link-up: what the parent tells must be what it told before. What is configured is final.
    pub(super) fn ask_parent(&mut self) {
        self.cancel_ildcp();
        let Some(parent) = self.config.parent().filter(|_| self.config.asks_parent()) else {
            return;
        };
        let parent = parent.account.id.clone();
        let asking =
            ildcp::ask_until_told(Arc::clone(&self.context), parent, self.config.address.is_some());
        self.asking = Some(task::spawn(asking));
    }

    pub(super) fn cancel_ildcp(&mut self) {
        if let Some(asking) = self.asking.take() {
            asking.abort();
        }
    }
}

/// What of the configuration decides how a peer stands.
pub(super) fn mark_peers(config: &NodeConfig, context: &TransportContext) {
    for peer in &config.peers {
        let status = context.peers.status(&peer.account.id);
        status.set_suspended(!peer.account.enabled);
        status.set_dialled(peer.url.is_some());
    }
}

/// The parent's answer, once there is one.
async fn answer(asking: &mut Option<JoinHandle<Option<ParentInfo>>>) -> ParentInfo {
    loop {
        let Some(task) = asking else { return std::future::pending().await };
        let told = task.await;
        *asking = None;
        if let Ok(Some(told)) = told {
            return told;
        }
    }
}
