//! The observer of a process: its nodes, what happened to them, and who watches.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;

use super::lab::Lab;
use super::probes::PROBES_MAX;
use super::remote_nodes::RemoteNodes;
use super::sample::sample_all;
use super::streams::Streams;
use super::watch::Watch;
use crate::account::AccountId;
use crate::api::config_values::{CHECK_ORDERS_MAX, ConfigCheckOrder};
use crate::api::status::NodeStatus;
use crate::connector::ConnectorReport;
use crate::machine;
use crate::observe::{
    EventBody, EventLog, HISTORY_STEP_MS, ObjectIds, PacketBody, StateBody, StreamQueue, Visibility,
};
use crate::telemetry::RecentLines;

/// How often records of packets and events are passed on to streams.
const STEP: Duration = Duration::from_millis(25);

/// For the last objects of streams that end with the process.
const GOODBYE_TIME_MAX: Duration = Duration::from_millis(500);

/// What a client sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::api) enum ApiView {
    /// All nodes of the process.
    #[default]
    Network,
    /// One node.
    Node(AccountId),
    /// One node, as far as it concerns this peer of it.
    Peer { node: AccountId, peer: AccountId },
}

impl ApiView {
    pub(super) fn shows(&self, node: &str) -> bool {
        self.node().is_none_or(|id| id.as_str() == node)
    }

    /// The only node; `None`: there may be several.
    pub(super) fn node(&self) -> Option<&AccountId> {
        match self {
            Self::Network => None,
            Self::Node(node) | Self::Peer { node, .. } => Some(node),
        }
    }

    /// What is shown of these nodes.
    pub(super) fn visibility(&self) -> Visibility<'_> {
        match self {
            Self::Network | Self::Node(_) => Visibility::All,
            Self::Peer { peer, .. } => Visibility::Peer(peer),
        }
    }

    /// The event as this view shows it, if it does.
    pub(super) fn event<'e>(&self, event: &'e Arc<EventBody>) -> Option<&'e Arc<EventBody>> {
        self.visibility().event(event).filter(|event| self.shows(&event.node))
    }

    /// The record as this view shows it, if it does. Filters are for what is shown.
    pub(super) fn packet(&self, packet: &Arc<PacketBody>) -> Option<Arc<PacketBody>> {
        self.visibility().packet(packet).filter(|packet| self.shows(&packet.node))
    }
}

/// What is known about the nodes of a process, and who watches them. The API threads with open streams drive it;
/// without a stream it does nothing.
#[derive(Debug)]
pub struct Observer {
    pub(super) ids: Arc<ObjectIds>,
    pub(super) events: EventLog,
    /// Sorted by id.
    nodes: Mutex<Vec<(AccountId, Weak<NodeStatus>)>>,
    pub(super) watch: Mutex<Watch>,
    /// Only with `up --lab`.
    lab: OnceLock<Arc<Lab>>,
    /// Where `up` serves the page of all nodes.
    page: OnceLock<SocketAddr>,
    /// Where requests to read the configuration file go.
    config_checks: OnceLock<mpsc::Sender<ConfigCheckOrder>>,
    /// The last lines of the log of the process.
    log: OnceLock<Arc<RecentLines>>,
    /// Those that run elsewhere.
    pub(super) remotes: RemoteNodes,
    /// For probes that are under way.
    pub(super) probes: Semaphore,
    started: Instant,
}

impl Observer {
    /// An observer without nodes.
    pub fn new() -> Arc<Self> {
        let ids = Arc::new(ObjectIds::new(machine::random()));
        Arc::new(Self {
            events: EventLog::new(Arc::clone(&ids)),
            watch: Mutex::new(Watch::default()),
            nodes: Mutex::default(),
            lab: OnceLock::new(),
            page: OnceLock::new(),
            config_checks: OnceLock::new(),
            log: OnceLock::new(),
            remotes: RemoteNodes::default(),
            probes: Semaphore::new(PROBES_MAX),
            started: Instant::now(),
            ids,
        })
    }

    /// Sets the lab of the process, before its nodes start. Called once.
    pub fn set_lab(&self, lab: Arc<Lab>) {
        // A second one would have no effect.
        let _ = self.lab.set(lab);
    }

    /// Notes where the page of all nodes is. Called once.
    pub fn set_page(&self, address: SocketAddr) {
        // A second one would have no effect.
        let _ = self.page.set(address);
    }

    /// Where the page of all nodes is, if there is one.
    pub(super) fn page_url(&self) -> Option<String> {
        self.page.get().map(|address| format!("http://{address}/"))
    }

    /// From now on, requests to read the configuration file come out of this channel. Called once.
    pub fn accept_config_checks(&self) -> mpsc::Receiver<ConfigCheckOrder> {
        let (sender, orders) = mpsc::channel(CHECK_ORDERS_MAX);
        // A second call leaves the first channel in use; the new one has no sender, and ends.
        let _ = self.config_checks.set(sender);
        orders
    }

    pub(super) fn config_checks(&self) -> Option<&mpsc::Sender<ConfigCheckOrder>> {
        self.config_checks.get()
    }

    /// Sets the log of the process. Called once.
    pub fn set_log(&self, log: Arc<RecentLines>) {
        // A second one would have no effect.
        let _ = self.log.set(log);
    }

    pub(super) fn log(&self) -> Option<&Arc<RecentLines>> {
        self.log.get()
    }

    /// The lab of the process, if it has one.
    pub fn lab(&self) -> Option<&Arc<Lab>> {
        self.lab.get()
    }

    /// Adds a node, or replaces one with its id. It is forgotten when its status is dropped.
    pub fn add_node(&self, status: &Arc<NodeStatus>) {
        let id = status.context().connector.node_id();
        let mut nodes = self.nodes.lock();
        nodes.retain(|(known, node)| *known != id && node.strong_count() > 0);
        let at = nodes.partition_point(|(known, _)| *known < id);
        nodes.insert(at, (id, Arc::downgrade(status)));
    }

    /// The running nodes of a view, sorted by id.
    pub(super) fn nodes(&self, view: &ApiView) -> Vec<Arc<NodeStatus>> {
        let nodes = self.nodes.lock();
        let in_view = nodes.iter().filter(|(id, _)| view.node().is_none_or(|node| id == node));
        in_view.filter_map(|(_, node)| node.upgrade()).collect()
    }

    /// The ids of these nodes.
    pub(super) fn node_ids(&self, view: &ApiView) -> Vec<String> {
        let nodes = self.nodes(view);
        let local = nodes.iter().map(|node| node.context().connector.node_id().to_string());
        let remote = self.remotes.list();
        let remote = remote.iter().flat_map(|node| node.node_ids());
        local.chain(remote).collect::<BTreeSet<String>>().into_iter().collect()
    }

    /// The nodes and links of a view.
    pub(super) fn sample(&self, view: &ApiView) -> (StateBody, Vec<ConnectorReport>) {
        let (mut state, reports) = sample_all(&self.nodes(view), self.lab.get());
        if let Some(lab) = self.lab.get() {
            state.faults = lab.faults().into_iter().filter(|fault| view.concerns(fault)).collect();
        }
        let state = match self.remotes.is_empty() {
            true => state,
            false => self.remotes.merge(state),
        };
        let visibility = view.visibility();
        (visibility.state(state), visibility.reports(reports))
    }

    /// Whether the process runs more than one node.
    pub(in crate::api) fn has_several_nodes(&self) -> bool {
        self.nodes(&ApiView::Network).len() > 1
    }

    /// Milliseconds of a monotonic clock.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Passes on what has happened, as long as a listener has streams. Never ends.
    pub(in crate::api) async fn drive(&self, streams: &Streams) {
        loop {
            streams.until_open().await;
            while streams.are_open() {
                self.step();
                sleep(STEP).await;
            }
        }
    }

    /// Keeps the history and looks at the limits, also while no client has a stream. Never ends.
    pub(in crate::api) async fn keep_history(&self) {
        loop {
            let now_ms = self.now_ms();
            self.watch.lock().keep_history(self, now_ms);
            sleep(Duration::from_millis(HISTORY_STEP_MS)).await;
        }
    }

    /// One step, unless another thread does it.
    fn step(&self) {
        if let Some(mut watch) = self.watch.try_lock() {
            watch.step(self);
        }
    }

    #[cfg(test)]
    pub(in crate::api) fn is_sampling(&self) -> bool {
        self.watch.lock().packets.sample().threshold > 0
    }

    pub(super) fn unsubscribe(&self, queue: &Arc<StreamQueue>) {
        self.watch.lock().remove(self, queue);
    }

    /// Ends all streams, and waits a little until their readers know.
    pub async fn close_streams(&self, why: &str) {
        self.watch.lock().end_all_streams(why);
        let deadline = Instant::now() + GOODBYE_TIME_MAX;
        while self.watch.lock().has_streams() && Instant::now() < deadline {
            sleep(STEP).await;
        }
    }

    /// Waits a little until the readers of a node's own listener know that their streams have ended.
    pub async fn until_streams_closed(&self, node: &AccountId) {
        let deadline = Instant::now() + GOODBYE_TIME_MAX;
        while self.watch.lock().has_streams_of_node(node) && Instant::now() < deadline {
            sleep(STEP).await;
        }
    }

    /// Ends the streams of the node's own listener.
    pub(in crate::api) fn end_streams_of_node(&self, node: &AccountId, why: &str) {
        self.watch.lock().end_streams_of_node(node, why);
    }

    /// Ends the streams of clients whose tokens are no longer valid.
    pub(in crate::api) fn end_streams_without_access(&self) {
        self.watch.lock().end_streams_without_access();
    }

    /// Ends the streams that show this node.
    pub(in crate::api) fn end_streams(&self, node: &AccountId, why: &str) {
        let mut watch = self.watch.lock();
        watch.end_streams_of_node(node, why);
        watch.end_streams_of_network(why);
    }
}
