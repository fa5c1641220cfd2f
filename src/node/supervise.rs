//! Runs the nodes of one process: starts them, reloads them when the configuration changes, and stops them on a signal.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;

use super::command::{NodeCommand, NodeHandle};
use super::config_checks::{ConfigChecks, config_values};
use super::config_watcher::{ConfigRefusal, ConfigWatcher};
use super::lab::{self, LabNodes};
use super::listening_nodes::ListeningNodes;
use super::plan::{LoadedPlan, Plan};
use super::runtime_thread::RuntimeThread;
use super::service_manager::ServiceManager;
use super::signals::Signals;
use super::start::{ListeningNode, Node, StartError};
use crate::account::AccountId;
use crate::api::{NetworkApi, Observer};
use crate::config::Loaded;
use crate::net::{BindError, Descriptors, error_chain};
use crate::telemetry::{Logs, parse_level};

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    #[error("node {node}")]
    Start { node: String, source: StartError },
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
    #[error("the page of the network")]
    Page(#[source] BindError),
    #[error("cannot start the thread of the page of the network")]
    PageThread(#[source] std::io::Error),
}

/// Where the page of a network listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePort {
    /// On the first free port from this one on.
    From(u16),
    /// On this one; 0: on any.
    Exactly(u16),
}

/// The nodes of this process.
pub struct Supervisor {
    config: ConfigWatcher,
    checks: ConfigChecks,
    pub(super) nodes: Vec<Node>,
    pub(super) handles: watch::Sender<Vec<NodeHandle>>,
    logs: Logs,
    /// Shared by the connections that all nodes accept.
    descriptors: Descriptors,
    pub(super) observer: Arc<Observer>,
    /// Only with `up --lab`.
    pub(super) lab: Option<LabNodes>,
    /// Serves the page of the network.
    page_thread: Option<RuntimeThread>,
    signals: Signals,
    /// A signal came while the nodes started.
    is_stopping: bool,
    /// Nodes that a reload has added and that do not run yet, because they read their certificates.
    starting: FuturesUnordered<StartingNode>,
    starting_ids: Vec<AccountId>,
    /// The file changed while they were starting.
    must_read_when_started: bool,
}

type StartingNode =
    Pin<Box<dyn Future<Output = (AccountId, Result<Node, StartError>)> + Send + 'static>>;

impl Supervisor {
    /// Starts all nodes.
    ///
    /// # Errors
    /// A node cannot start, or signals cannot be handled; nothing is left running then.
    pub async fn start(plan: LoadedPlan, logs: Logs) -> Result<Self, SupervisorError> {
        // Signals first: one that comes during the start stops the program.
        let signals = Signals::new().map_err(SupervisorError::Signals)?;
        let limit = raise_descriptor_limit();
        let peers = plan.nodes.iter().flat_map(|node| &node.config.peers);
        let dialled = peers.filter(|peer| peer.url.is_some()).count();
        let descriptors = Descriptors::from_limit(limit, plan.nodes.len(), dialled);
        if let (Plan::One(_), [node]) = (&plan.plan, plan.nodes.as_slice()) {
            logs.set_node(node.config.settings.node_id.as_str());
        }
        plan.log_port_notes();
        let mut lab = plan.has_lab.then(LabNodes::new);
        let (config, nodes) = ConfigWatcher::new(plan);
        let observer = Observer::new();
        observer.set_log(logs.recent());
        if let Some(lab) = &mut lab {
            observer.set_lab(Arc::clone(&lab.lab));
            nodes.iter().for_each(|node| lab.note_config(node));
        }
        let supervisor = Self {
            config,
            checks: ConfigChecks::new(observer.accept_config_checks()),
            nodes: Vec::new(),
            handles: watch::Sender::default(),
            logs,
            descriptors,
            observer,
            lab,
            page_thread: None,
            signals,
            is_stopping: false,
            starting: FuturesUnordered::new(),
            starting_ids: Vec::new(),
            must_read_when_started: false,
        };
        supervisor.start_all(nodes).await
    }

    async fn start_all(mut self, nodes: Vec<Loaded>) -> Result<Self, SupervisorError> {
        let mut listening = ListeningNodes::default();
        for loaded in nodes {
            log_warnings(&loaded);
            set_levels(&self.logs, &loaded);
            let node = loaded.config.settings.node_id.to_string();
            let file = loaded.file.as_deref().map(|file| file.display().to_string());
            let address = loaded.config.address.as_ref().map(ToString::to_string);
            tracing::info!(node, version = env!("CARGO_PKG_VERSION"), address, file, "starting");
            let mut start = std::pin::pin!(self.start_node(loaded));
            let started = loop {
                tokio::select! {
                    started = &mut start => break Some(started),
                    // The node may read its files for ever.
                    () = self.signals.stop.recv() => break None,
                    () = listening.until_due() => self.run_nodes(&mut listening),
                }
            };
            match started {
                Some(Ok(node)) => listening.add(node),
                Some(Err(source)) => {
                    // They must save and close what they have opened.
                    self.run_nodes(&mut listening);
                    stop_all(self.nodes).await;
                    let is_network = self.config.is_network();
                    let source = if is_network { source.with_network_hint() } else { source };
                    return Err(SupervisorError::Start { node, source });
                }
                None => {
                    self.is_stopping = true;
                    break;
                }
            }
        }
        self.run_nodes(&mut listening);
        Ok(self)
    }

    /// Lets nodes dial, once those that they dial listen.
    fn run_nodes(&mut self, listening: &mut ListeningNodes<ListeningNode>) {
        listening.take().into_iter().for_each(|node| self.add_node(node.run()));
    }

    fn start_node(
        &self,
        loaded: Loaded,
    ) -> impl Future<Output = Result<ListeningNode, StartError>> + Send + 'static {
        let (logs, descriptors) = (self.logs.clone(), self.descriptors.clone());
        let (observer, values) = (Arc::clone(&self.observer), config_values(&loaded));
        async move {
            let node = ListeningNode::start(loaded.config, logs, descriptors, observer).await?;
            node.handle().status.set_config_values(values, &[]);
            Ok(node)
        }
    }

    /// Serves the page and the API of all nodes until the end. Returns where; `None`: no node has started.
    ///
    /// # Errors
    /// The port or the thread cannot be had.
    pub async fn serve_page(
        &mut self,
        port: PagePort,
    ) -> Result<Option<SocketAddr>, SupervisorError> {
        let Some(node) = self.nodes.first() else { return Ok(None) };
        let context = Arc::clone(&node.handle().context);
        let bound = match port {
            PagePort::From(first) => NetworkApi::bind_near(first, &self.observer, &context).await,
            PagePort::Exactly(port) => {
                NetworkApi::bind(port, Arc::clone(&self.observer), context).await
            }
        };
        let api = bound.map_err(SupervisorError::Page)?;
        let address = api.local_addr();
        self.observer.set_page(address);
        let thread = RuntimeThread::serve_network(api).map_err(SupervisorError::PageThread)?;
        self.page_thread = Some(thread);
        tracing::info!(url = %format_args!("http://{address}/"), "the page of the network is served");
        Ok(Some(address))
    }

    fn add_node(&mut self, node: Node) {
        self.handles.send_modify(|handles| handles.push(node.handle().clone()));
        self.nodes.push(node);
    }

    /// The handles of all nodes, also of those that a reload adds.
    pub fn handles(&self) -> watch::Receiver<Vec<NodeHandle>> {
        self.handles.subscribe()
    }

    /// Runs until SIGTERM, SIGINT or `stop_requested`, then stops all nodes gracefully. `false`: a second signal ended
    /// the wait, or a node has ended by itself.
    pub async fn run(mut self, stop_requested: impl Future<Output = ()>) -> bool {
        let mut stop_requested = std::pin::pin!(stop_requested);
        let mut service_manager = ServiceManager::ready(self.nodes.len());
        let mut has_lost_node = false;
        while !self.is_stopping {
            tokio::select! {
                () = self.signals.stop.recv() => break,
                () = &mut stop_requested => break,
                _ = self.signals.hangup.recv() => self.reload_on_sighup(),
                changed = self.config.next() => match changed {
                    Ok(nodes) => self.apply(nodes).await,
                    Err(refusal) => self.report_refusal(&refusal),
                },
                () = self.checks.until_due() => self.checks.start(self.config.read()),
                () = service_manager.show_life() => {}
                step = lab::next_step(&mut self.lab) => self.take_lab_step(step).await,
                Some((id, node)) = self.starting.next() => self.handle_started(&id, node),
                () = remove_ended(&mut self.nodes) => {
                    has_lost_node = true;
                    break;
                }
            }
        }
        service_manager.stopping();
        // It shows the nodes until they have stopped.
        let _page_thread = self.page_thread;
        let lab = self.lab;
        let observer = self.observer;
        let stopped = async {
            let of_lab = async {
                if let Some(lab) = lab {
                    lab.finish().await;
                }
            };
            tokio::join!(stop_all(self.nodes), of_lab);
            observer.close_streams("the network stops").await;
        };
        tokio::select! {
            () = stopped => !has_lost_node,
            () = self.signals.stop.recv() => false,
        }
    }

    /// Reads the configuration, and opens the log file again, because it may have been moved.
    fn reload_on_sighup(&mut self) {
        tracing::info!("SIGHUP: reading the configuration again");
        self.logs.output().reopen();
        if let Err(refusal) = self.config.read_on_request() {
            self.report_refusal(&refusal);
        }
    }

    /// Applies a configuration. Nodes that it no longer names drop their links.
    async fn apply(&mut self, loaded: Vec<Loaded>) {
        // A node that is starting has the configuration from before, and reloads once it runs.
        self.must_read_when_started = !self.starting_ids.is_empty();
        for node in &self.nodes {
            if !loaded.iter().any(|one| one.config.settings.node_id == node.handle().id) {
                node.handle().send(NodeCommand::DropLinks).await;
            }
        }
        self.forget_removed_in_lab(&loaded);
        for one in loaded {
            // Levels first, so that a reload that lowers the level shows its warnings.
            set_levels(&self.logs, &one);
            log_warnings(&one);
            let id = &one.config.settings.node_id;
            match self.nodes.iter().find(|node| node.handle().id == *id) {
                Some(node) => {
                    let values = config_values(&one);
                    let config = Box::new(one.config);
                    node.handle().send(NodeCommand::Reload(config, values)).await;
                }
                None if self.starting_ids.contains(id) => {}
                None if self.lab.as_ref().is_some_and(|lab| lab.has_stopped(id)) => {}
                None => self.start_new(one),
            }
        }
    }

    /// Shows on the pages of all nodes that the configuration was refused.
    fn report_refusal(&self, refusal: &ConfigRefusal) {
        let now = SystemTime::now();
        for node in &self.nodes {
            let (reason, mistakes) = (&refusal.reason, refusal.mistakes.clone());
            node.handle().status.record_mistakes(now, reason, mistakes);
        }
    }

    /// Starts a node that a reload added, beside everything else.
    pub(super) fn start_new(&mut self, loaded: Loaded) {
        let id = loaded.config.settings.node_id.clone();
        self.starting_ids.push(id.clone());
        let start = self.start_node(loaded);
        self.starting.push(Box::pin(async move { (id, start.await.map(ListeningNode::run)) }));
    }

    fn handle_started(&mut self, id: &AccountId, node: Result<Node, StartError>) {
        self.starting_ids.retain(|starting| starting != id);
        match node {
            Ok(node) => self.add_node(node),
            Err(error) => {
                tracing::error!(node = %id, error = error_chain(&error), "the new node cannot start");
                if let Some(lab) = &mut self.lab {
                    lab.retry(id);
                }
            }
        }
        if self.starting_ids.is_empty() && std::mem::take(&mut self.must_read_when_started) {
            self.config.start_read();
        }
    }
}

/// Waits until a node has ended by itself, and removes it.
async fn remove_ended(nodes: &mut Vec<Node>) {
    let ended = poll_fn(|cx| {
        let ended = nodes.iter_mut().position(|node| node.poll_ended(cx).is_ready());
        ended.map_or(Poll::Pending, Poll::Ready)
    });
    let ended = ended.await;
    nodes.swap_remove(ended);
}

/// Stops all nodes at the same time.
async fn stop_all(nodes: Vec<Node>) {
    for node in &nodes {
        node.handle().send(NodeCommand::Stop).await;
    }
    for node in nodes {
        node.stopped().await;
    }
}

/// Every session is an open file; the usual soft limit of 1,024 is meant for programs that use `select`. Returns the
/// new limit.
fn raise_descriptor_limit() -> u64 {
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit on open files cannot be raised");
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft)
    })
}

fn log_warnings(loaded: &Loaded) {
    let node = &loaded.config.settings.node_id;
    for warning in &loaded.warnings {
        tracing::warn!(%node, "{warning}");
    }
    let levels = parse_level(&loaded.config.settings.log_level).unwrap_or_default();
    let limited = levels.limited_libraries();
    if !limited.is_empty() {
        let libraries = limited.join(", ");
        tracing::warn!(
            %node, libraries,
            "these libraries log less than logLevel sets, because their lines could show secrets"
        );
    }
}

/// Sets the levels of the process, which the nodes of a topology share.
fn set_levels(logs: &Logs, loaded: &Loaded) {
    if let Ok(levels) = parse_level(&loaded.config.settings.log_level) {
        logs.set_levels(&levels);
    }
}
