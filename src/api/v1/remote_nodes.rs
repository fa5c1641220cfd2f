//! The nodes of an observer that run elsewhere. While no client looks, nothing is asked of them: lists are read when
//! they are wanted, streams while a client has one.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use futures_util::stream::{self, StreamExt};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::observer::Observer;
use super::verbs::{OVERRIDES, OverridesBody};
use crate::books::{EventKind, EventLevel, NewEvent};
use crate::observe::{
    EventBody, NodeBody, PacketBody, RatesBody, SampledBody, StateBody, merge_nodes, merge_rates,
};
use crate::remote::{
    AskedNode, Knowledge, KnownNode, PageClient, PageError, StreamAsk, has_kept_size, url_encode,
};

/// Nodes that are asked at a time.
const CONCURRENT_MAX: usize = 32;
/// For all nodes together. Those that have not answered by then are shown as they were.
const REFRESH_TIME_MAX: Duration = Duration::from_secs(6);
/// Answers that are younger need not be asked for again.
const FRESH: Duration = Duration::from_secs(1);
/// A node that did not answer is not asked again for this time, so that it does not make each page slow.
const FAILED_PAUSE: Duration = Duration::from_secs(3);

/// The nodes that run elsewhere, and what their streams must carry.
#[derive(Debug)]
pub(super) struct RemoteNodes {
    /// Without it there are none.
    client: OnceLock<Arc<PageClient>>,
    nodes: watch::Sender<Vec<Arc<KnownNode>>>,
    wanted: watch::Sender<StreamAsk>,
}

/// What a node is asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// Which nodes there are, of those that have never answered.
    Names,
    /// Its state, with all figures.
    Nodes,
    /// Its events and the records of packets, too, unless its stream brings them.
    Records,
}

/// `GET /api/v1`.
#[derive(Debug, Deserialize)]
pub(super) struct RemoteTop {
    pub(super) boot: String,
    /// What the token of the node allows.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct NodesPage {
    nodes: Vec<NodeBody>,
}

#[derive(Debug, Deserialize)]
struct EventsPage {
    events: Vec<EventBody>,
}

#[derive(Debug, Deserialize)]
struct PacketsPage {
    packets: Vec<PacketBody>,
}

#[derive(Debug, Deserialize)]
struct HealthPage {
    status: String,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default, rename = "nodeId")]
    node_id: String,
}

impl Default for RemoteNodes {
    fn default() -> Self {
        Self {
            client: OnceLock::new(),
            nodes: watch::Sender::default(),
            wanted: watch::Sender::default(),
        }
    }
}

impl RemoteNodes {
    pub(super) fn list(&self) -> Vec<Arc<KnownNode>> {
        self.nodes.borrow().clone()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.borrow().is_empty()
    }

    pub(super) fn watch_list(&self) -> watch::Receiver<Vec<Arc<KnownNode>>> {
        self.nodes.subscribe()
    }

    pub(super) fn client(&self) -> Option<&Arc<PageClient>> {
        self.client.get()
    }

    /// What the streams of all nodes must carry from now on.
    pub(super) fn set_wanted(&self, wanted: StreamAsk) {
        self.wanted.send_if_modified(|before| std::mem::replace(before, wanted) != wanted);
    }

    pub(super) fn watch_wanted(&self) -> watch::Receiver<StreamAsk> {
        self.wanted.subscribe()
    }

    /// The node with this id, or the page that shows it.
    pub(super) fn find(&self, id: &str) -> Option<Arc<KnownNode>> {
        let nodes = self.nodes.borrow();
        let named = nodes.iter().filter(|node| node.node_ids().iter().any(|known| known == id));
        // The first one of those that know most.
        named.rev().max_by_key(|node| node.knowledge_of(id)).cloned()
    }

    /// All nodes and the links between them, and the local ones.
    pub(super) fn merge(&self, local: StateBody) -> StateBody {
        let remote = self.list();
        let StateBody { nodes, mut overrides, mut faults, .. } = local;
        let mut nodes: BTreeMap<String, NodeBody> =
            nodes.into_iter().map(|node| (node.id.clone(), node)).collect();
        for node in &remote {
            let (own_overrides, own_faults) = node.changes();
            overrides.extend(own_overrides);
            faults.extend(own_faults);
            for shown in node.nodes() {
                add_node(&mut nodes, shown, &node.asked);
            }
        }
        StateBody { overrides, faults, ..merge_nodes(nodes.into_values()) }
    }

    /// The figures that the streams have brought.
    pub(super) fn rates(
        &self,
        state: &StateBody,
        (at, sampled): (String, SampledBody),
    ) -> RatesBody {
        let views: Vec<Arc<RatesBody>> =
            self.list().iter().filter_map(|node| node.rates()).collect();
        let views: Vec<&RatesBody> = views.iter().map(|view| &**view).collect();
        let nodes = views.iter().flat_map(|view| view.nodes.clone());
        let nodes: BTreeMap<String, _> = nodes.map(|node| (node.id.clone(), node)).collect();
        let links = merge_rates(&state.links, &views);
        RatesBody { at, sampled, links, nodes: nodes.into_values().collect() }
    }
}

/// Adds a node. Two processes may have one id: a node and its standby, of which the one that has the books is shown,
/// or by mistake, which the node says then.
fn add_node(nodes: &mut BTreeMap<String, NodeBody>, node: NodeBody, asked: &AskedNode) {
    let known = match nodes.entry(node.id.clone()) {
        Entry::Vacant(vacant) => {
            vacant.insert(node);
            return;
        }
        Entry::Occupied(known) => known.into_mut(),
    };
    match (Knowledge::of(known), Knowledge::of(&node)) {
        (Knowledge::Present, Knowledge::Present) => {
            let url = asked.shown_url();
            known.reasons.push(format!("{url} is a node with this id, too; name each node once"));
        }
        (before, new) if new > before => *known = node,
        _ => {}
    }
}

impl Observer {
    /// An observer of nodes that run elsewhere.
    pub fn of_remote_nodes(client: PageClient, nodes: Vec<AskedNode>) -> Arc<Self> {
        let observer = Self::new();
        // Set once: the observer is new.
        let _ = observer.remotes.client.set(Arc::new(client));
        observer.set_remote_nodes(nodes);
        observer
    }

    /// Reads these nodes from now on. What is known of those that were read before stays.
    pub fn set_remote_nodes(&self, asked: Vec<AskedNode>) {
        self.remotes.nodes.send_modify(|nodes| {
            let before = std::mem::take(nodes);
            *nodes = asked
                .into_iter()
                .map(|asked| match before.iter().find(|node| node.asked == asked) {
                    Some(known) => Arc::clone(known),
                    None => KnownNode::new(asked),
                })
                .collect();
        });
    }

    /// Whether a node has refused its token, so that the file may have another one.
    pub fn is_token_refused(&self) -> bool {
        self.remotes.list().iter().any(|node| node.is_token_refused())
    }

    /// Asks all nodes, so that an answer has the figures of now.
    pub(super) async fn refresh(&self, what: Refresh) {
        let nodes = self.remotes.list();
        if nodes.is_empty() {
            return;
        }
        let asked = stream::iter(nodes)
            .map(|node| async move { self.refresh_node(&node, what).await })
            .buffer_unordered(CONCURRENT_MAX);
        let _ = timeout(REFRESH_TIME_MAX, asked.collect::<()>()).await;
    }

    async fn refresh_node(&self, node: &Arc<KnownNode>, what: Refresh) {
        let Some(client) = self.remotes.client() else { return };
        let asked = match what {
            // A page that names itself waits for its own answer otherwise.
            Refresh::Names if node.is_known() => return,
            Refresh::Names => node.asking.try_lock().ok(),
            _ => Some(node.asking.lock().await),
        };
        let Some(mut asked) = asked else { return };
        let with_records = what == Refresh::Records && !node.is_followed();
        let pause = if node.error().is_some() { FAILED_PAUSE } else { FRESH };
        let is_fresh = |at: Option<Instant>| at.is_some_and(|at| at.elapsed() < pause);
        let is_known = match with_records {
            true => is_fresh(asked.records),
            false => is_fresh(asked.nodes),
        };
        if is_known {
            return;
        }
        let read = async {
            self.note_boot(node, client).await?;
            let page: NodesPage = client.page(&node.asked, "api/v1/nodes").await?;
            Ok(page.nodes)
        };
        match read.await {
            Ok(nodes) => {
                let overrides = read_if_allowed::<OverridesBody>(client, node, OVERRIDES).await;
                node.set_overrides(overrides.map(|page| page.overrides).unwrap_or_default());
                self.node_answered(node, nodes);
            }
            Err(error) => self.node_failed(node, client, &error).await,
        }
        let now = Some(Instant::now());
        asked.nodes = now;
        if with_records {
            if node.error().is_none() {
                self.read_records(node, client).await;
            }
            asked.records = now;
        }
    }

    /// # Errors
    /// The node does not answer, or is this process itself.
    pub(super) async fn note_boot(
        &self,
        node: &Arc<KnownNode>,
        client: &PageClient,
    ) -> Result<RemoteTop, PageError> {
        let top: RemoteTop = client.page(&node.asked, "api/v1").await?;
        if top.boot == self.ids.boot() {
            let error = "this is the page itself; name the nodes".to_owned();
            return Err(PageError::Refused { code: 508, error });
        }
        if node.set_boot(&top.boot) {
            // Its ids begin again, so that its stream cannot go on.
            self.read_records(node, client).await;
        }
        Ok(top)
    }

    /// Reads the events and records that have come since the last ones. What the token does not allow is left out.
    async fn read_records(&self, node: &Arc<KnownNode>, client: &PageClient) {
        let last = node.last_id();
        let after = last.as_deref().map(|id| format!("?after={}", url_encode(id)));
        let path = format!("api/v1/events{}", after.unwrap_or_default());
        let events: Option<EventsPage> = read_if_allowed(client, node, &path).await;
        let packets: Option<PacketsPage> =
            read_if_allowed(client, node, "api/v1/packets?limit=10000").await;
        let mut events = events.map(|page| page.events).unwrap_or_default();
        let mut packets = packets.map(|page| page.packets).unwrap_or_default();
        // All that is new, before the last id moves on.
        events.retain(|event| node.is_after_last(&event.id) && has_kept_size(event));
        packets.retain(|packet| node.is_after_last(&packet.id) && has_kept_size(packet));
        packets.reverse();
        for event in events {
            node.advance(&event.id);
            self.events.add(event);
        }
        for packet in packets {
            node.advance(&packet.id);
            node.add_packet(packet);
        }
    }

    pub(super) fn node_answered(&self, node: &Arc<KnownNode>, nodes: Vec<NodeBody>) {
        if node.set_nodes(nodes, SystemTime::now()).is_some() {
            self.record_reachability(
                node,
                EventLevel::Info,
                EventKind::NodeReachable,
                "it answers again",
            );
        }
    }

    /// A process that waits for the books of another one has no state to show, but says so.
    pub(super) async fn node_failed(
        &self,
        node: &Arc<KnownNode>,
        client: &PageClient,
        error: &PageError,
    ) {
        if matches!(error, PageError::Refused { code: 503, .. })
            && let Ok(page) = client.health::<HealthPage>(&node.asked).await
            && page.status != "healthy"
        {
            let HealthPage { status, reasons, node_id } = page;
            let id = if node_id.is_empty() { node.asked.name() } else { node_id };
            let body = NodeBody { id, status, reasons, ..NodeBody::default() };
            return self.node_answered(node, vec![body]);
        }
        node.set_token_refused(matches!(error, PageError::TokenWrong | PageError::TokenMissing));
        self.node_lost(node, node.asked.describe(error));
    }

    pub(super) fn node_lost(&self, node: &Arc<KnownNode>, why: String) {
        if node.fail(why.clone()) {
            self.record_reachability(node, EventLevel::Error, EventKind::NodeUnreachable, &why);
        }
    }

    pub(super) fn record_reachability(
        &self,
        node: &KnownNode,
        level: EventLevel,
        kind: EventKind,
        text: &str,
    ) {
        for id in node.node_ids() {
            let text = text.to_owned();
            let event = NewEvent { level, kind, text, peer: None, fields: Vec::new() };
            self.events.record(&id, SystemTime::now(), event);
        }
    }

    /// Asks all nodes for a page, and returns the answers of those that have one.
    pub(super) async fn ask_remotes<T: DeserializeOwned>(&self, path: &str) -> Vec<T> {
        let Some(client) = self.remotes.client() else { return Vec::new() };
        let mut nodes = self.remotes.list();
        nodes.retain(|node| node.error().is_none());
        let asked = stream::iter(nodes)
            .map(|node| async move { client.page::<T>(&node.asked, path).await.ok() })
            .buffered(CONCURRENT_MAX);
        let answers: Vec<Option<T>> = asked.collect().await;
        answers.into_iter().flatten().collect()
    }
}

async fn read_if_allowed<T: DeserializeOwned>(
    client: &PageClient,
    node: &KnownNode,
    path: &str,
) -> Option<T> {
    client.page(&node.asked, path).await.ok()
}
