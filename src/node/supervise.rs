//! One process: its nodes, the file that they come from, and the signals that end it.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;

use super::command::{NodeCommand, NodeHandle};
use super::file_fingerprint::{FileFingerprint, is_regular};
use super::secret_fingerprints::SecretFingerprints;
use super::signals::Signals;
use super::single_flight::SingleFlight;
use super::start::{Node, StartError};
use crate::account::AccountId;
use crate::config::{Diagnostics, FileContent, FileWatch, Loaded, Look, Source, WatchDecision};
use crate::net::{Descriptors, error_chain};
use crate::telemetry::{Logs, parse_level};
use crate::topology::{self, PortAssignments, PortNote, Topology};

/// How often the file's content is looked at (D17).
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What a process runs.
#[derive(Clone, Debug)]
pub enum Plan {
    /// One node, as `run` does.
    One(Source),
    /// Every node of a topology file, on loopback, as `up` does; with the first port of BTP servers, if it is not 3000.
    Network(Source, Option<u16>),
}

/// A plan with its configuration, validated.
#[derive(Debug)]
pub struct Planned {
    plan: Plan,
    loaded: Vec<Loaded>,
    content: Option<FileContent>,
    seats: PortAssignments,
    notes: Vec<PortNote>,
}

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A node cannot start.
    #[error("node {node}")]
    Start { node: String, source: StartError },
    /// The system does not let us hear signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
}

/// The nodes of this process.
pub struct Supervisor {
    plan: Plan,
    /// Nodes of a network keep their ports, whatever the file does to their neighbours.
    seats: PortAssignments,
    nodes: Vec<Node>,
    /// For those who look from outside: a reload of a network may bring new nodes.
    handles: watch::Sender<Vec<NodeHandle>>,
    file: Option<PathBuf>,
    /// Not for a file that can be read once only.
    watch: Option<FileWatch>,
    look: FileFingerprint,
    secrets: SecretFingerprints,
    looking: SingleFlight<(FileFingerprint, Look)>,
    reading: SingleFlight<Read>,
    /// Wished while the file was being read.
    read_again: bool,
    logs: Logs,
    /// What all nodes share for connections that they accept.
    descriptors: Descriptors,
    signals: Signals,
    /// A signal came while the nodes started.
    stopped: bool,
    /// Nodes that a reload has brought and that do not run yet: their certificates are read.
    starting: FuturesUnordered<Starting>,
    starting_ids: Vec<AccountId>,
    /// The file changed while they were starting.
    read_when_started: bool,
}

type Starting =
    Pin<Box<dyn Future<Output = (AccountId, Result<Node, StartError>)> + Send + 'static>>;

/// What reading the configuration again came to.
enum Read {
    Content(Box<(Result<Made, Diagnostics>, PortAssignments, SecretFingerprints)>),
    /// A pipe, say, where a file was.
    NoRegularFile(PathBuf),
}

impl Supervisor {
    /// Starts everything.
    ///
    /// # Errors
    /// [`PlanError`]; nothing is left running then.
    pub async fn start(planned: Planned, logs: Logs) -> Result<Self, PlanError> {
        // Heard from the first moment, so that a stop during the start is a stop.
        let mut signals = Signals::new().map_err(PlanError::Signals)?;
        let limit = raise_file_limit();
        let Planned { plan, loaded, content, seats, notes } = planned;
        let peers = || loaded.iter().flat_map(|one| &one.config.peers);
        let dialled = peers().filter(|peer| peer.url.is_some()).count();
        let descriptors = Descriptors::from_limit(limit, loaded.len(), dialled);
        if let (Plan::One(_), [one]) = (&plan, loaded.as_slice()) {
            logs.set_node(one.config.settings.node_id.as_str());
        }
        tell(&notes);
        let secrets = SecretFingerprints::new(&loaded);
        let mut nodes = Vec::new();
        let mut stopped = false;
        for one in loaded {
            for warning in &one.warnings {
                tracing::warn!(node = %one.config.settings.node_id, "{warning}");
            }
            set_levels(&logs, &one);
            let node = one.config.settings.node_id.to_string();
            let file = one.file.as_deref().map(|file| file.display().to_string());
            let address = one.config.address.as_ref().map(ToString::to_string);
            tracing::info!(node, version = env!("CARGO_PKG_VERSION"), address, file, "starting");
            let start = Node::start(one.config, logs.clone(), descriptors.clone());
            let started = tokio::select! {
                started = start => started,
                // Its files may never come.
                () = signals.stop.come() => {
                    stopped = true;
                    break;
                }
            };
            match started {
                Ok(node) => nodes.push(node),
                Err(source) => {
                    stop_all(nodes).await;
                    let source = match plan {
                        Plan::One(_) => source,
                        Plan::Network(..) => source.of_network(),
                    };
                    return Err(PlanError::Start { node, source });
                }
            }
        }
        let file = content.as_ref().map(|content| content.path.clone());
        let regular = file.as_deref().is_none_or(is_regular);
        if let (Some(file), false) = (&file, regular) {
            tracing::warn!(
                file = %file.display(),
                "the configuration is not in a regular file: it is read once, and later changes are not seen"
            );
        }
        let watch = content.filter(|_| regular).map(|content| FileWatch::new(content.hash()));
        let handles = watch::Sender::new(nodes.iter().map(|node| node.handle().clone()).collect());
        Ok(Self {
            plan,
            seats,
            nodes,
            handles,
            file,
            watch,
            secrets,
            look: FileFingerprint::default(),
            looking: SingleFlight::default(),
            reading: SingleFlight::default(),
            read_again: false,
            logs,
            descriptors,
            signals,
            stopped,
            starting: FuturesUnordered::new(),
            starting_ids: Vec::new(),
            read_when_started: false,
        })
    }

    /// The nodes, to look at; those that a reload brings too.
    pub fn handles(&self) -> watch::Receiver<Vec<NodeHandle>> {
        self.handles.subscribe()
    }

    /// Runs until SIGTERM, SIGINT or `enough`, then stops all nodes gracefully. A second signal ends the wait: `false`.
    pub async fn run(mut self, enough: impl Future<Output = ()>) -> bool {
        let mut enough = std::pin::pin!(enough);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.stopped {
            tokio::select! {
                () = self.signals.stop.come() => break,
                () = &mut enough => break,
                _ = self.signals.hang_up.recv() => self.hang_up(),
                _ = looks.tick(), if self.file.is_some() || !self.secrets.is_empty() => {
                    self.begin_look();
                    self.secrets.begin();
                }
                decision = self.secrets.done() => self.found_secrets(decision),
                (look, found) = self.looking.done() => {
                    self.look = look;
                    self.found(found);
                }
                read = self.reading.done() => self.apply(read).await,
                Some((id, node)) = self.starting.next() => self.started(&id, node),
            }
        }
        self.stop().await
    }

    /// Looks at the file, beside everything else: the file system may not answer.
    fn begin_look(&mut self) {
        if self.looking.became_slow() || self.reading.became_slow() {
            let file = self.file.as_deref().map(|file| file.display().to_string());
            tracing::warn!(
                file,
                "the configuration file cannot be read: its file system does not answer; what runs goes on"
            );
        }
        if self.watch.is_some()
            && !self.looking.is_under_way()
            && let Some(file) = self.file.clone()
        {
            let mut look = std::mem::take(&mut self.look);
            self.looking.start(move || {
                let found = look.hash(&file);
                (look, found)
            });
        }
    }

    fn found_secrets(&mut self, decision: WatchDecision) {
        match decision {
            WatchDecision::Wait => {}
            WatchDecision::Gone => {
                tracing::error!("a file with a secret cannot be read; what runs goes on");
                self.refuse("a file with a secret cannot be read");
            }
            WatchDecision::Apply => {
                tracing::info!("a file with a secret changed: reading the configuration again");
                self.begin_read();
            }
        }
    }

    fn found(&mut self, found: Look) {
        let (Some(file), Some(watch)) = (&self.file, &mut self.watch) else { return };
        match watch.look(found) {
            WatchDecision::Wait => {}
            WatchDecision::Gone => {
                tracing::error!(file = %file.display(), "the configuration file cannot be read; what runs goes on");
                self.refuse("the configuration file cannot be read");
            }
            WatchDecision::Apply => self.begin_read(),
        }
    }

    /// SIGHUP: the file is read now, changed or not, and log files are opened again.
    fn hang_up(&mut self) {
        tracing::info!("SIGHUP: reading the configuration again");
        self.logs.output().reopen();
        if self.file.is_some() && self.watch.is_none() {
            tracing::warn!(
                "the configuration is not in a regular file, so it was read once, at the start; nothing was changed"
            );
            self.refuse(
                "the configuration is not in a regular file, so it was read once, at the start",
            );
            return;
        }
        self.begin_read();
    }

    /// Reads the file, beside everything else: one of a million routes takes seconds to read.
    fn begin_read(&mut self) {
        if self.reading.is_under_way() {
            self.read_again = true;
            return;
        }
        self.read_again = false;
        let (plan, mut seats, file) = (self.plan.clone(), self.seats.clone(), self.file.clone());
        self.reading.start(move || {
            if let Some(file) = file
                && file.exists()
                && !is_regular(&file)
            {
                // To open a pipe would wait for its writer.
                return Read::NoRegularFile(file);
            }
            let read = plan.load(&mut seats);
            let secrets = read.as_ref().map(|(loaded, ..)| SecretFingerprints::new(loaded));
            let secrets = secrets.unwrap_or_default();
            Read::Content(Box::new((read, seats, secrets)))
        });
    }

    /// Puts in force what was read; a broken file changes nothing and says why.
    async fn apply(&mut self, read: Read) {
        if self.read_again {
            self.begin_read();
        }
        let (read, seats, secrets) = match read {
            Read::Content(content) => *content,
            Read::NoRegularFile(file) => {
                tracing::error!(file = %file.display(), "the configuration file cannot be read; what runs goes on");
                self.refuse("the configuration file is not a regular file any more");
                return;
            }
        };
        let (loaded, content, notes) = match read {
            Ok(loaded) => loaded,
            Err(problems) if problems.node_not_named && matches!(self.plan, Plan::One(_)) => {
                for node in &self.nodes {
                    node.handle().order(NodeCommand::Unlisted).await;
                }
                return;
            }
            Err(problems) => {
                for problem in &problems.problems {
                    tracing::error!("{problem}");
                }
                tracing::error!("the configuration is not valid; nothing was changed");
                let first = problems.problems.first().map(ToString::to_string);
                self.refuse(&first.unwrap_or_default());
                return;
            }
        };
        self.seats = seats;
        // A node that is starting does so with what the file said before, and follows when it runs.
        self.read_when_started = !self.starting_ids.is_empty();
        tell(&notes);
        self.secrets = secrets;
        if let (Some(watch), Some(content)) = (&mut self.watch, &content) {
            watch.handled(content.hash());
        }
        for node in &self.nodes {
            let named = loaded.iter().any(|one| one.config.settings.node_id == node.handle().id);
            if !named {
                node.handle().order(NodeCommand::Unlisted).await;
            }
        }
        for one in loaded {
            set_levels(&self.logs, &one);
            for warning in &one.warnings {
                tracing::warn!(node = %one.config.settings.node_id, "{warning}");
            }
            match self.nodes.iter().find(|node| node.handle().id == one.config.settings.node_id) {
                Some(node) => {
                    node.handle().order(NodeCommand::Reload(Box::new(one.config))).await;
                }
                None if self.starting_ids.contains(&one.config.settings.node_id) => {}
                None => self.start_new(one),
            }
        }
    }

    /// The pages of all nodes say that the configuration was refused.
    fn refuse(&self, error: &str) {
        let now = SystemTime::now();
        for node in &self.nodes {
            node.handle().status.reload_refused(now, error);
        }
    }

    /// A topology that runs in one process got another node. It starts beside everything else.
    fn start_new(&mut self, loaded: Loaded) {
        let (logs, descriptors) = (self.logs.clone(), self.descriptors.clone());
        let id = loaded.config.settings.node_id.clone();
        self.starting_ids.push(id.clone());
        self.starting.push(Box::pin(async move {
            (id, Node::start(loaded.config, logs, descriptors).await)
        }));
    }

    fn started(&mut self, id: &AccountId, node: Result<Node, StartError>) {
        self.starting_ids.retain(|starting| starting != id);
        match node {
            Ok(node) => {
                self.handles.send_modify(|handles| handles.push(node.handle().clone()));
                self.nodes.push(node);
            }
            Err(error) => {
                tracing::error!(node = %id, error = error_chain(&error), "the new node cannot start");
            }
        }
        if self.starting_ids.is_empty() && std::mem::take(&mut self.read_when_started) {
            self.begin_read();
        }
    }

    async fn stop(mut self) -> bool {
        tokio::select! {
            () = stop_all(self.nodes) => true,
            () = self.signals.stop.come() => false,
        }
    }
}

impl Planned {
    /// The nodes, with the ports that they are going to have.
    pub fn nodes(&self) -> &[Loaded] {
        &self.loaded
    }

    /// Ports that are in use, and what is taken instead.
    pub fn notes(&self) -> &[PortNote] {
        &self.notes
    }

    /// Threads that move packets, as the first node wants it: one process has one runtime.
    pub fn worker_threads(&self) -> usize {
        self.loaded.first().map_or(1, |one| one.config.settings.worker_threads)
    }
}

impl Plan {
    /// Reads and validates everything; nothing is started.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn prepare(self) -> Result<Planned, Diagnostics> {
        let mut seats = match self {
            Plan::Network(_, base_port) => PortAssignments::from(base_port),
            Plan::One(_) => PortAssignments::default(),
        };
        let (loaded, content, notes) = self.load(&mut seats)?;
        Ok(Planned { plan: self, loaded, content, seats, notes })
    }

    /// Everything that is to run, the file that it was made from, and the ports that were replaced.
    fn load(&self, seats: &mut PortAssignments) -> Result<Made, Diagnostics> {
        let (Plan::One(source) | Plan::Network(source, _)) = self;
        let content = source.read()?;
        let mut notes = Vec::new();
        let loaded = match self {
            Plan::One(_) => vec![topology::load_content(source, content.as_ref())?],
            Plan::Network(..) => match &content {
                Some(content) => Topology::for_this_machine(source, content, |topology| {
                    notes = seats.assign(topology, probe);
                })?,
                // Says that a file is needed.
                None => Topology::load(source).map(|_| Vec::new())?,
            },
        };
        Ok((loaded, content, notes))
    }
}

/// What a plan was made to by its file.
type Made = (Vec<Loaded>, Option<FileContent>, Vec<PortNote>);

/// The port if this machine lets it be listened on, any free one for 0.
fn probe(port: u16) -> Option<u16> {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, port)).ok()?;
    Some(listener.local_addr().ok()?.port())
}

fn tell(notes: &[PortNote]) {
    for PortNote { node, key, wanted, instead } in notes {
        tracing::warn!(%node, key, port = wanted, instead, "a port is in use; another one is taken");
    }
}

/// Stops nodes side by side, and waits for all.
async fn stop_all(nodes: Vec<Node>) {
    for node in &nodes {
        node.handle().order(NodeCommand::Stop).await;
    }
    for node in nodes {
        node.stopped().await;
    }
}

/// Every session is an open file; the usual soft limit of 1,024 is meant for programs that use `select`. The limit in
/// force.
fn raise_file_limit() -> u64 {
    rlimit::increase_nofile_limit(rlimit::INFINITY).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit on open files cannot be raised");
        // Where it cannot be read either: the usual one.
        rlimit::getrlimit(rlimit::Resource::NOFILE).map_or(1024, |(soft, _)| soft)
    })
}

/// The levels of the process are those of the node that was read last; nodes of one topology share theirs.
fn set_levels(logs: &Logs, loaded: &Loaded) {
    if let Ok(levels) = parse_level(&loaded.config.settings.log_level) {
        let limited = levels.limited();
        if !limited.is_empty() {
            let libraries = limited.join(", ");
            tracing::warn!(
                node = %loaded.config.settings.node_id, libraries,
                "these libraries are shown less of than logLevel asks for: their lines could show secrets"
            );
        }
        logs.set_levels(&levels);
    }
}
