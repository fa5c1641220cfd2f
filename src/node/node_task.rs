//! The node's own task: owns the slowly changing state, and handles commands and its parent's answers.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;

use super::acceptor::Acceptor;
use super::adopt::ParentState;
use super::audit_thread::AuditThread;
use super::books_orders::BooksOrders;
use super::changes::ChangesTask;
use super::command::NodeCommand;
use super::derive::{RandomSecret, http_dials, peer_dials, status_settings};
use super::diallers::Diallers;
use super::draining::Draining;
use super::engines::EngineTasks;
use super::guest_orders::GuestLines;
use super::guests::Guests;
use super::ildcp;
use super::otlp::OtlpExport;
use super::overrides::Overrides;
use super::packet_log_switch::PacketLogSwitch;
use super::rate_sources::RateSources;
use super::reconcile::ReconcileTask;
use super::runtime_thread::RuntimeThread;
use super::saver::Saver;
use super::stranded_settlements::StrandedSettlements;
use super::task::{self, AbortOnDrop};
use super::webhooks::WebhookTasks;
use crate::api::{HealthStatus, NodeStatus, VerbOrder};
use crate::config::NodeConfig;
use crate::http::{HttpConnections, HttpContext};
use crate::peers::{GuestOrder, Logins, NodeContext, ParentInfo, PeerChange, PeerEvent};
use crate::telemetry::Logs;

/// How often a starting node checks its health, so that its log has the time when it became ready.
const READY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// How often a node looks for guests that have been away for too long.
const GUEST_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Why a node has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeEnd {
    /// A command stopped it.
    Stopped,
    /// Another process has taken its books.
    BooksTaken,
}

pub(super) struct NodeTask {
    /// As in the file.
    pub(super) configured: NodeConfig,
    /// The same with the guests and with what operators have changed, without the values from the parent.
    pub(super) config: NodeConfig,
    pub(super) overrides: Overrides,
    pub(super) guests: Guests,
    /// Logins of newcomers at the guests' door. Closed without that door.
    pub(super) guest_orders: mpsc::Receiver<GuestOrder>,
    pub(super) guest_lines: GuestLines,
    /// What operators want.
    pub(super) verbs: mpsc::Receiver<VerbOrder>,
    pub(super) logs: Logs,
    pub(super) context: Arc<NodeContext>,
    /// The logins that all listeners accept.
    pub(super) logins: Arc<Logins>,
    pub(super) http_context: Arc<HttpContext>,
    pub(super) acceptor: Acceptor,
    /// Of the guests' door: one for each address.
    pub(super) guest_acceptors: Vec<Acceptor>,
    pub(super) http: Option<(HttpConnections, Acceptor)>,
    pub(super) diallers: Diallers,
    pub(super) draining: Draining,
    pub(super) status: Arc<NodeStatus>,
    pub(super) packet_log: PacketLogSwitch,
    /// Exports spans of packets.
    pub(super) otlp: OtlpExport,
    pub(super) audit: AuditThread,
    pub(super) sweep: AbortOnDrop,
    pub(super) _certificate_watch: AbortOnDrop,
    pub(super) _clock_watch: AbortOnDrop,
    pub(super) _expiry_watch: AbortOnDrop,
    pub(super) ccp: AbortOnDrop,
    pub(super) rate_sources: RateSources,
    pub(super) api_thread: RuntimeThread,
    /// Computes the listeners' TLS handshakes, if there is TLS.
    pub(super) tls_thread: Option<RuntimeThread>,
    /// Saves the books, if there is a store.
    pub(super) saver: Option<Saver>,
    /// Ends when another process has taken the books.
    pub(super) lease: Option<JoinHandle<String>>,
    /// Makes the changes of operators, if there is a store.
    pub(super) changes: Option<ChangesTask>,
    /// Compares the books with those of peers.
    pub(super) reconcile: ReconcileTask,
    /// Deliver events to webhooks, if there is a store.
    pub(super) webhooks: Option<WebhookTasks>,
    pub(super) _event_watch: AbortOnDrop,
    /// Books what settlement engines report, if there is a store.
    pub(super) credits: Option<AbortOnDrop>,
    /// Does what operators want of settlements.
    pub(super) settlement_orders: Option<AbortOnDrop>,
    /// Answers what is asked about the past, if there is a store.
    pub(super) books_orders: Option<BooksOrders>,
    /// The settlement engines of peers.
    pub(super) engines: EngineTasks,
    /// Pays peers outside of Interledger, if there is a store.
    pub(super) settlements: Option<AbortOnDrop>,
    pub(super) stranded_settlements: StrandedSettlements,
    pub(super) events: broadcast::Receiver<PeerEvent>,
    /// The request to the parent that is under way.
    pub(super) ildcp_request: Option<JoinHandle<Option<ParentInfo>>>,
    pub(super) parent: ParentState,
    pub(super) random_secret: RandomSecret,
}

impl NodeTask {
    /// Runs until a command stops the node, or until another process has taken its books.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<NodeCommand>) -> NodeEnd {
        self.follow_config();
        let mut ready_polls = tokio::time::interval(READY_POLL_INTERVAL);
        ready_polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_starting = true;
        let mut guest_polls = tokio::time::interval(GUEST_POLL_INTERVAL);
        guest_polls.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut levels = self.logs.watch_override();
        loop {
            let next_expiry = self.next_expiry();
            tokio::select! {
                biased;
                holder = books_taken(&mut self.lease) => return self.abandon(&holder),
                command = commands.recv() => match command {
                    Some(NodeCommand::Reload(config, values)) => self.reload(*config, Some(values)),
                    Some(NodeCommand::DropLinks) => self.drop_all_links(),
                    // `None`: all handles are gone, so that nothing could stop the node later.
                    Some(NodeCommand::Stop) | None => break,
                },
                _ = ready_polls.tick(), if is_starting => {
                    is_starting = self.status.observe_health() == HealthStatus::Starting;
                }
                _ = guest_polls.tick(), if self.guests.count() > 0 => self.forget_guests(),
                () = next_expiry => self.expire_overrides(),
                info = parent_info(&mut self.ildcp_request) => self.adopt_parent_info(info),
                Ok(()) = levels.changed() => self.end_replaced_levels(),
                Some(order) = self.verbs.recv() => self.do_verb(order),
                event = self.events.recv() => self.handle_peer_event(event),
                // Last, because strangers bring them.
                Some(order) = self.guest_orders.recv() => self.admit_guests(order),
            }
        }
        self.stop().await;
        NodeEnd::Stopped
    }

    /// Ends without an answer to anything: what this node knows since it lost its books must not reach a peer. Its
    /// listeners and sessions close with it.
    fn abandon(mut self, holder: &str) -> NodeEnd {
        tracing::error!(
            holder,
            "another process has taken the books; this one ends, and nothing more is sent to peers"
        );
        self.status.set_stopping();
        self.context.connector.stop_admitting();
        self.cancel_ildcp();
        if let Some(saver) = self.saver.take() {
            saver.abort();
        }
        NodeEnd::BooksTaken
    }

    /// Makes everything around the packet path follow the configuration.
    pub(super) fn follow_config(&mut self) {
        self.status.configure(status_settings(&self.config));
        self.status.set_parent_values(self.parent_values());
        set_peer_status(&self.config, &self.context);
        self.rate_sources.follow_config(&self.config);
        self.engines.follow_config(&self.config);
        self.stranded_settlements.follow_config(&self.context, &self.status);
        self.packet_log.follow_config(&self.config, &self.context);
        self.otlp.follow_config(&self.config.settings);
        self.audit.follow_config(&self.config.settings);
        if let Some(saver) = &self.saver {
            saver.follow_config(&self.config.settings, &self.context);
        }
        if let Some(changes) = &self.changes {
            changes.follow_config();
        }
        self.reconcile.follow_config(&self.config.settings);
        if let Some(webhooks) = &mut self.webhooks {
            webhooks.follow_config(&self.config.webhooks);
        }
        self.http_context.http_peers.replace_all(http_dials(&self.config));
        self.diallers.dial_only(peer_dials(&self.config), &self.logins.load());
    }

    fn handle_peer_event(&mut self, event: Result<PeerEvent, broadcast::error::RecvError>) {
        if let Ok(event) = &event {
            self.status.record_peer_event(event);
            self.observe_guest(event);
        }
        let parent = self.config.parent().map(|parent| &parent.account.id);
        match event {
            Ok(PeerEvent { peer, change: PeerChange::Connected }) if Some(&peer) == parent => {
                self.request_parent_info();
            }
            // A missed event may have been a link-up; one request too many does no harm.
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.observe_all_guests();
                self.request_parent_info();
            }
            _ => {}
        }
    }

    /// Requests address and asset at every link-up, to check that they are the adopted ones; unless both are
    /// configured.
    pub(super) fn request_parent_info(&mut self) {
        self.cancel_ildcp();
        let Some(parent) = self.config.parent().filter(|_| self.config.asks_parent()) else {
            return;
        };
        let parent = parent.account.id.clone();
        let has_address = self.config.address.is_some();
        let request = ildcp::request_until_answered(Arc::clone(&self.context), parent, has_address);
        self.ildcp_request = Some(task::spawn(request));
    }

    pub(super) fn cancel_ildcp(&mut self) {
        if let Some(request) = self.ildcp_request.take() {
            request.abort();
        }
    }
}

pub(super) fn set_peer_status(config: &NodeConfig, context: &NodeContext) {
    for peer in &config.peers {
        let status = context.peers.status(&peer.account.id);
        status.set_suspended(!peer.account.enabled);
        status.set_dialled(peer.url.is_some());
    }
}

/// Waits until another process has taken the books. Returns which. Cancel safe.
async fn books_taken(lease: &mut Option<JoinHandle<String>>) -> String {
    let Some(watch) = lease else { return std::future::pending().await };
    let holder = watch.await;
    *lease = None;
    match holder {
        Ok(holder) => holder,
        // After a panic, which the panic hook has logged.
        Err(_) => std::future::pending().await,
    }
}

/// Waits for the parent's answer. Cancel safe.
async fn parent_info(request: &mut Option<JoinHandle<Option<ParentInfo>>>) -> ParentInfo {
    loop {
        let Some(task) = request else { return std::future::pending().await };
        let info = task.await;
        *request = None;
        if let Ok(Some(info)) = info {
            return info;
        }
    }
}
