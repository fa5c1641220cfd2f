//! The state of a node that the pages read and `node` updates.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::bearer_auth::{ApiAuth, ApiToken};
use super::books_orders::{EventsOrder, IncomeOrder};
use super::config_values::{ConfigMistake, ConfigValues, MISTAKES_MAX, ParentValues};
use super::health::{Health, HealthInput, HealthStatus, PeerHealth, health, reasons_not_ready};
use super::heartbeat::Heartbeat;
use super::hosts::Hosts;
use super::ledger_changes::{CHANGE_ORDERS_MAX, ChangeOrder};
use super::reconcile::ReconcileOrder;
use super::settlement_orders::{SETTLEMENT_ORDERS_MAX, SettlementOrder};
use super::v1::{self, Observer};
use super::verbs::VerbOrder;
use super::webhook_orders::WebhookOrder;
use crate::account::AccountId;
use crate::audit::AuditLog;
use crate::books::Settlement;
use crate::machine;
use crate::observe::{OverrideBody, OverrideKind};
use crate::peers::{
    EngineAccount, EngineState, NoRandomness, NodeContext, PeerSnapshot, PeerState,
};
use crate::time::MonoTime;

/// A configured peer, and whether health depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRole {
    pub id: AccountId,
    /// The node is not healthy without it. A suspended peer is not required.
    pub required: bool,
}

/// The part of the configuration that this room reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSettings<'a> {
    pub peers: Vec<PeerRole>,
    /// A node that was never healthy is `starting` for this long at most (D6: 30 s).
    pub start_timeout: Duration,
    /// One is required for all pages but `/health` (D22); without any: for no page.
    pub api_tokens: Vec<ApiToken<'a>>,
    /// Names under which `/peers`, `/routes` and `/api/v1` answer without a token, beside those that are always known.
    pub api_hosts: Vec<String>,
}

/// The outcome of the last reading of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// The time of that reading.
    pub at: SystemTime,
    /// When a configuration was last applied.
    pub succeeded_at: SystemTime,
    /// Why it was refused: the first mistake, without secrets.
    pub error: Option<String>,
    /// All mistakes, each with its place.
    pub mistakes: Vec<ConfigMistake>,
}

/// Where a node listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAddresses {
    /// For peers over BTP.
    pub btp: SocketAddr,
    /// Its pages.
    pub api: SocketAddr,
}

/// The state of a node, for its pages.
#[derive(Debug)]
pub struct NodeStatus {
    context: Arc<NodeContext>,
    observer: Arc<Observer>,
    addresses: OnceLock<NodeAddresses>,
    /// The health that was last an event.
    last_health: Mutex<Option<HealthStatus>>,
    started: MonoTime,
    configured: ArcSwap<Configured>,
    stopping: AtomicBool,
    unlisted: AtomicBool,
    was_healthy: AtomicBool,
    pub(super) heartbeat: Heartbeat,
    /// Why the node does not have its books yet, if it waits for them.
    standby: Mutex<Option<String>>,
    /// Why the store cannot be written, if it cannot.
    store_failure: watch::Sender<Option<String>>,
    /// Where changes of balances go. Empty without a store.
    pub(super) changes: OnceLock<mpsc::Sender<ChangeOrder>>,
    /// Where wishes to compare books go.
    pub(super) reconcile_orders: OnceLock<mpsc::Sender<ReconcileOrder>>,
    /// Where orders about webhooks go. Empty without a store.
    pub(super) webhook_orders: OnceLock<mpsc::Sender<WebhookOrder>>,
    /// Where questions about the income go. Empty without a store.
    pub(super) income_orders: OnceLock<mpsc::Sender<IncomeOrder>>,
    /// Where questions about saved events go. Empty without a store.
    pub(super) events_orders: OnceLock<mpsc::Sender<EventsOrder>>,
    last_reload: Mutex<LastReload>,
    config: Mutex<NodeValues>,
    pub(super) auth: ApiAuth,
    pub(super) hosts: Hosts,
    audit: AuditLog,
    /// Where orders about settlements go. Empty without a store.
    pub(super) settlement_orders: OnceLock<mpsc::Sender<SettlementOrder>>,
    /// Where verbs of operators go, while the node's own task runs.
    pub(super) verbs: OnceLock<mpsc::Sender<VerbOrder>>,
    /// What operators have changed for a time.
    pub(super) overrides: ArcSwap<Vec<OverrideBody>>,
}

/// The values in force.
#[derive(Debug, Default)]
struct NodeValues {
    own: ConfigValues,
    parent: ParentValues,
}

#[derive(Debug, Default)]
struct Configured {
    /// Sorted by id.
    peers: Vec<PeerRole>,
    start_timeout: Duration,
}

impl NodeStatus {
    /// A node that starts now. Until [`configure`](NodeStatus::configure) it has no peers, and its pages need no token.
    /// `observer` is that of the process, and gets the node's events.
    pub fn new(
        context: Arc<NodeContext>,
        observer: Arc<Observer>,
    ) -> Result<Arc<Self>, NoRandomness> {
        let now = machine::time_of_day();
        Ok(Arc::new(Self {
            heartbeat: Heartbeat::default(),
            standby: Mutex::default(),
            store_failure: watch::Sender::default(),
            changes: OnceLock::new(),
            settlement_orders: OnceLock::new(),
            reconcile_orders: OnceLock::new(),
            webhook_orders: OnceLock::new(),
            income_orders: OnceLock::new(),
            events_orders: OnceLock::new(),
            last_reload: Mutex::new(LastReload {
                at: now,
                succeeded_at: now,
                error: None,
                mistakes: Vec::new(),
            }),
            config: Mutex::default(),
            hosts: Hosts::default(),
            audit: AuditLog::default(),
            verbs: OnceLock::new(),
            overrides: ArcSwap::default(),
            started: context.clock.mono(),
            context,
            observer,
            addresses: OnceLock::new(),
            last_health: Mutex::default(),
            configured: ArcSwap::default(),
            stopping: AtomicBool::new(false),
            unlisted: AtomicBool::new(false),
            was_healthy: AtomicBool::new(false),
            auth: ApiAuth::new()?,
        }))
    }

    /// Applies a configuration, at the start and at each reload.
    pub fn configure(&self, settings: StatusSettings<'_>) {
        let StatusSettings { mut peers, start_timeout, api_tokens, api_hosts } = settings;
        peers.sort_by(|a, b| a.id.cmp(&b.id));
        if self.auth.set_tokens(&api_tokens) {
            self.observer.end_streams_without_access();
        }
        self.hosts.set_names(&api_hosts);
        self.configured.store(Arc::new(Configured { peers, start_timeout }));
    }

    /// The node's status, and why it has it, as in `/health`.
    pub fn observe_reasons(&self) -> (HealthStatus, Vec<String>) {
        let Health { status, reasons } = self.health(&self.peers());
        (status, reasons)
    }

    /// Whether the configuration still names this node (D17).
    pub fn is_listed(&self) -> bool {
        !self.unlisted.load(Ordering::Relaxed)
    }

    /// Says whether the configuration still names this node (D17).
    pub fn set_listed(&self, listed: bool) {
        self.unlisted.store(!listed, Ordering::Relaxed);
    }

    pub fn set_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        // The other nodes of a network, and the state of this one, stay in view.
        let node = self.context.connector.node_id();
        self.observer.end_streams_of_node(&node, "the node stops");
    }

    /// Waits a little until the streams of the node's own listener have ended, after [`Self::set_stopping`].
    pub async fn until_streams_closed(&self) {
        let node = self.context.connector.node_id();
        self.observer.until_streams_closed(&node).await;
    }

    /// The node listens, and is shown by the observer from now on.
    pub fn set_listening(self: &Arc<Self>, addresses: NodeAddresses) {
        // Set once: a node has one set of listeners.
        let _ = self.addresses.set(addresses);
        self.observer.add_node(self);
        if self.auth.has_tokens() {
            // Those of the network were opened without this node, perhaps without its token.
            let node = self.context.connector.node_id();
            self.observer.end_streams(&node, "a node with a token has started");
        }
    }

    pub(super) fn addresses(&self) -> Option<NodeAddresses> {
        self.addresses.get().copied()
    }

    pub(super) fn observer(&self) -> &Arc<Observer> {
        &self.observer
    }

    /// The node waits for its books, and has no account until it has them. `reason`: what it waits for.
    pub fn set_standby(&self, reason: String) {
        *self.standby.lock() = Some(reason);
    }

    pub(super) fn is_standby(&self) -> bool {
        self.standby.lock().is_some()
    }

    /// Why the store cannot be written; `None`: it can, or there is none.
    pub fn set_store_failure(&self, failure: Option<String>) {
        self.store_failure.send_replace(failure);
    }

    /// The same, for a task that waits for a failure.
    pub fn watch_store_failure(&self) -> watch::Receiver<Option<String>> {
        self.store_failure.subscribe()
    }

    /// From now on, requests to change a balance come out of this channel, once each. Called once, at the start of a
    /// node with a store.
    pub fn accept_changes(&self) -> mpsc::Receiver<ChangeOrder> {
        let (sender, orders) = mpsc::channel(CHANGE_ORDERS_MAX);
        // A second call leaves the first channel in use; the new one has no sender, and ends.
        let _ = self.changes.set(sender);
        orders
    }

    /// The same for orders about settlements.
    pub fn accept_settlement_orders(&self) -> mpsc::Receiver<SettlementOrder> {
        let (sender, orders) = mpsc::channel(SETTLEMENT_ORDERS_MAX);
        let _ = self.settlement_orders.set(sender);
        orders
    }

    /// The threads that move packets run. After five seconds without a call the node counts as hanging.
    pub fn record_heartbeat(&self) {
        self.heartbeat.record_beat();
    }

    /// The configuration was read again and applied.
    pub fn record_reload(&self) {
        let now = machine::time_of_day();
        let (error, mistakes) = (None, Vec::new());
        *self.last_reload.lock() = LastReload { at: now, succeeded_at: now, error, mistakes };
        self.record_event(v1::reload_event(None));
    }

    /// The configuration was read again and refused. `error` must not contain a secret.
    pub fn record_refused_reload(&self, at: SystemTime, error: &str) {
        self.record_mistakes(at, error, Vec::new());
    }

    /// The same with the mistakes of the file, of which `error` is the first.
    pub fn record_mistakes(&self, at: SystemTime, error: &str, mut mistakes: Vec<ConfigMistake>) {
        mistakes.truncate(MISTAKES_MAX);
        let event = v1::reload_event(Some((error, mistakes.first())));
        let mut last = self.last_reload.lock();
        (last.at, last.error, last.mistakes) = (at, Some(error.to_owned()), mistakes);
        drop(last);
        self.record_event(event);
    }

    /// The values of the configuration that is applied. Those of `needs_restart` stay as they were.
    pub fn set_config_values(&self, values: ConfigValues, needs_restart: &[String]) {
        let mut config = self.config.lock();
        config.own = values.keep_until_restart(&config.own, needs_restart);
    }

    /// The configuration no longer names the node: it has no peers and no routes.
    pub fn drop_config_values_of_links(&self) {
        let mut config = self.config.lock();
        config.own = config.own.without_links();
    }

    /// What the node has from its parent.
    pub fn set_parent_values(&self, parent: ParentValues) {
        self.config.lock().parent = parent;
    }

    pub(super) fn config_values(&self) -> ConfigValues {
        let config = self.config.lock();
        config.own.clone().with_parent(&config.parent)
    }

    pub fn last_reload(&self) -> LastReload {
        self.last_reload.lock().clone()
    }

    /// The node's health. Remembers that it was healthy, so call this whenever a peer connects: otherwise a healthy
    /// moment between two requests would be missed, and the node would still be `starting`.
    pub fn observe_health(&self) -> HealthStatus {
        self.health(&self.peers()).status
    }

    /// Where the verbs of operators are written.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    pub fn context(&self) -> &Arc<NodeContext> {
        &self.context
    }

    pub(super) fn uptime(&self) -> Duration {
        self.context.clock.mono().since(self.started)
    }

    pub(super) fn started_at(&self) -> SystemTime {
        let now = machine::time_of_day();
        now.checked_sub(self.uptime()).unwrap_or(now)
    }

    pub(super) fn required_peers(&self) -> Vec<AccountId> {
        let configured = self.configured.load();
        configured.peers.iter().filter(|role| role.required).map(|role| role.id.clone()).collect()
    }

    /// Sorted by id.
    pub(super) fn roles(&self) -> Vec<PeerRole> {
        self.configured.load().peers.clone()
    }

    /// Whether health depends on this peer.
    pub fn is_required(&self, id: &AccountId) -> bool {
        super::peers::is_required(&self.configured.load().peers, id)
    }

    /// Every configured peer, and the state of its connection once there was an attempt to connect.
    pub(super) fn peers(&self) -> Vec<(PeerRole, Option<PeerSnapshot>)> {
        let snapshots = self.context.peers.snapshot();
        let mut snapshots: HashMap<_, _> =
            snapshots.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect();
        let configured = self.configured.load();
        configured.peers.iter().map(|role| (role.clone(), snapshots.remove(&role.id))).collect()
    }

    /// Why the node itself cannot take packets. Empty: it is ready.
    pub(super) fn reasons_not_ready(&self) -> Vec<String> {
        reasons_not_ready(&self.health_input(&[]))
    }

    pub(super) fn health(&self, peers: &[(PeerRole, Option<PeerSnapshot>)]) -> Health {
        let health = health(&self.health_input(peers));
        if health.status == HealthStatus::Healthy {
            self.was_healthy.store(true, Ordering::Relaxed);
        }
        let before = self.last_health.lock().replace(health.status);
        if let Some(before) = before
            && before != health.status
        {
            self.record_event(v1::status_event(before, health.status, &health.reasons));
        }
        health
    }

    fn health_input(&self, peers: &[(PeerRole, Option<PeerSnapshot>)]) -> HealthInput {
        let peers = peers.iter().map(|(role, snapshot)| PeerHealth {
            id: role.id.clone(),
            required: role.required,
            connected: snapshot.as_ref().is_some_and(|peer| peer.state == PeerState::Connected),
        });
        let now = self.context.clock.mono();
        let jump = self.context.clock_watch.report().last_jump;
        HealthInput {
            stopping: self.stopping.load(Ordering::Relaxed),
            hung_for: self.heartbeat.hung_for(),
            standby: self.standby.lock().clone(),
            store_failure: self.store_failure.borrow().clone(),
            listed: !self.unlisted.load(Ordering::Relaxed),
            has_address: self.context.connector.address().is_some(),
            was_healthy: self.was_healthy.load(Ordering::Relaxed),
            uptime: self.uptime(),
            start_timeout: self.configured.load().start_timeout,
            peers: peers.collect(),
            overrides: self.overrides.load().iter().filter_map(override_reason).collect(),
            settlements: self.waiting_settlements(),
            expired_packets: self.context.expiry_watch.findings(now),
            clock_jump: jump.map(|jump| (jump, now.since(jump.at))),
        }
    }

    /// Settlements that no engine pays now, each with the reason, and engines that fail. `/health` needs no token, so
    /// it names no amounts, nor where engines are.
    fn waiting_settlements(&self) -> Vec<String> {
        let known = self.context.account_settlements();
        let waiting = known.iter().filter_map(|(peer, known)| {
            let Some(pending) = &known.pending else {
                let engine = known.engine.as_ref();
                let is_failing = |it: &&EngineAccount| it.state == EngineState::Failing;
                let since = engine.filter(is_failing)?.since?;
                return Some(format!("the settlement engine of {peer} fails since {since}"));
            };
            let Settlement { account, created_at, attempts, .. } = pending;
            let why = match (known.held_up, &known.failure) {
                (Some(why), _) => why.to_string(),
                (None, Some(_)) => {
                    format!("its engine has not accepted it after {attempts} attempts")
                }
                (None, None) => return None,
            };
            Some(format!("the settlement with {account} of {created_at} is not paid: {why}"))
        });
        waiting.collect()
    }
}

/// What an operator who reads `/health` should know of an override.
fn override_reason(body: &OverrideBody) -> Option<String> {
    let (peer, until, by) = (body.peer.as_ref()?, &body.expires_at, &body.by);
    match body.kind {
        OverrideKind::Suspend => {
            Some(format!("an operator ({by}) has suspended peer {peer} until {until}"))
        }
        OverrideKind::Resume => Some(format!(
            "an operator ({by}) has enabled peer {peer} until {until}; the configuration suspends it"
        )),
        OverrideKind::PauseSettlement => Some(format!(
            "an operator ({by}) has paused settlements with peer {peer} until {until}"
        )),
        OverrideKind::LogLevel => None,
    }
}
