//! Starts a node from a validated configuration: binds everything before anything runs.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};

use super::acceptor::Acceptor;
use super::adopt::ParentState;
use super::audit_thread::AuditThread;
use super::books::OpenBooks;
use super::books_orders::BooksOrders;
use super::changes::ChangesTask;
use super::command::{COMMANDS_MAX, NodeCommand, NodeHandle};
use super::derive::{
    ParentInfoError, connector_settings, generate_secret, login_directory, status_settings,
    transport_settings,
};
use super::diallers::Diallers;
use super::draining::Draining;
use super::engines::{self, EngineTasks};
use super::guest_orders::{self, GuestLines};
use super::node_task::{NodeEnd, NodeTask, set_peer_status};
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
use super::{
    books, ccp, certificate_watch, clock_watch, credits, event_watch, expiry_watch, lease,
    settlement_orders, settlements, standby, sweep,
};
use crate::api::{Api, NodeAddresses, NodeStatus, Observer};
use crate::btp::BtpServer;
use crate::config::{NodeConfig, TlsFiles};
use crate::connector::{Connector, RegistryError};
use crate::http::{HttpContext, HttpServer};
use crate::machine;
use crate::net::{
    BindError, ClientTls, Clock, Descriptors, HTTP_PROTOCOLS, Proxies, ServerTls, TlsError,
    TlsTrust,
};
use crate::peers::{GuestDoor, Logins, NoRandomness, NodeContext};
use crate::routing::HashSeed;
use crate::settlement::EngineListenerError;
use crate::store::{OpenError, StoreHandle, StoreIdentity};
use crate::telemetry::{self, Logs};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The packet path refuses the settings.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The BTP, HTTP or health server cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The system has no thread for the health server or for TLS.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The listener for settlement engines.
    #[error(transparent)]
    Engines(#[from] EngineListenerError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Does not happen before the parent's answer.
    #[error(transparent)]
    ParentInfo(#[from] ParentInfoError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(Box<OpenError>),
}

impl StartError {
    /// The error of a node of `up`, where no variable sets a port.
    pub(super) fn with_network_hint(self) -> Self {
        const SET_BY: &str = "that of the node in the file, or --base-port";
        match self {
            Self::Bind(BindError::InUse { host, port, .. }) => {
                Self::Bind(BindError::InUse { host, port, set_by: SET_BY })
            }
            other => other,
        }
    }
}

/// A node whose listeners accept connections, and that does not dial yet: so all nodes of a network can listen before
/// the first of them dials another.
pub struct ListeningNode {
    handle: NodeHandle,
    node_task: Box<NodeTask>,
    commands: mpsc::Receiver<NodeCommand>,
    span: Span,
}

impl ListeningNode {
    /// Binds all listeners.
    ///
    /// # Errors
    /// The node cannot start; nothing is left running then.
    pub async fn start(
        config: NodeConfig,
        logs: Logs,
        descriptors: Descriptors,
        observer: Arc<Observer>,
    ) -> Result<Self, StartError> {
        let span = telemetry::node_span(config.settings.node_id.as_str());
        let (node_task, commands, handle) =
            build(config, logs, descriptors, observer).instrument(span.clone()).await?;
        Ok(Self { handle, node_task: Box::new(node_task), commands, span })
    }

    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Runs the node, which dials its peers from now on.
    pub fn run(self) -> Node {
        let Self { handle, node_task, commands, span } = self;
        let task = task::spawn(node_task.run(commands).instrument(span));
        Node { handle, task }
    }
}

#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    task: JoinHandle<NodeEnd>,
}

impl Node {
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Waits until it has stopped.
    pub async fn stopped(self) {
        // An error is a panic of the node's task, which the panic hook has logged.
        let _ = self.task.await;
    }

    /// `Ready` once it has ended by itself; it must not be asked again. A node ends if another process has taken its
    /// books, or after a panic of its task, which the panic hook has logged.
    pub fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.task).poll(cx).map(drop)
    }
}

/// The TLS settings that a node reads from files at its start.
struct NodeTls {
    btp: Option<Arc<ServerTls>>,
    http: Option<Arc<ServerTls>>,
    client: ClientTls,
}

impl NodeTls {
    /// Reads beside everything else: the file system may not answer, and other nodes of the process go on.
    async fn read(server: Option<TlsFiles>, trust: TlsTrust) -> Result<Self, StartError> {
        let read = move || {
            let tls = |protocols| {
                let files = server.as_ref();
                let load =
                    |files: &TlsFiles| ServerTls::load(&files.certificate, &files.key, protocols);
                files.map(load).transpose().map(|tls| tls.map(Arc::new))
            };
            let (btp, http) = (tls(&[])?, tls(HTTP_PROTOCOLS)?);
            Ok(Self { btp, http, client: ClientTls::load(trust)? })
        };
        let read = task::spawn_blocking(read).await;
        read.map_err(|error| StartError::Thread(std::io::Error::other(error)))?
    }
}

/// Of the hash tables on the packet path: peers must not be able to choose names that collide.
fn hash_seed() -> HashSeed {
    match machine::is_simulated() {
        true => HashSeed::Fixed(machine::random()),
        false => HashSeed::Random,
    }
}

async fn build(
    config: NodeConfig,
    logs: Logs,
    descriptors: Descriptors,
    observer: Arc<Observer>,
) -> Result<(NodeTask, mpsc::Receiver<NodeCommand>, NodeHandle), StartError> {
    let random_secret = generate_secret()?;
    let settings = transport_settings(&config);
    let tls = NodeTls::read(config.settings.tls.clone(), settings.trust.clone()).await?;
    let clock = Clock::start();
    let opened =
        standby::open_books(&config, &logs, descriptors.clone(), &clock, &observer).await?;
    let parent = match &opened {
        Some(OpenBooks { books, .. }) => ParentState::of_books(books, &config),
        None => ParentState::default(),
    };
    let settings_of_packets = connector_settings(&config, &parent, &random_secret)?;
    let mut uncertain = Vec::new();
    let (connector, store) = match opened {
        Some(OpenBooks { store, books }) => {
            books::log_unknown_accounts(&books, &config);
            uncertain = books::uncertain_events(&books);
            let connector = Connector::with_books(settings_of_packets, hash_seed(), books)?;
            (connector, Some(store))
        }
        None => (Connector::new(settings_of_packets, hash_seed())?, None),
    };
    let context = NodeContext::with_tls(connector, clock, settings, tls.client, descriptors);
    if let Some(lab) = observer.lab() {
        // Set once: a context has one node.
        let _ = context.faults.set(lab.node_faults(&config.settings.node_id));
    }
    context.proxies.store(Arc::new(Proxies::new(config.proxies.clone())));
    let logins = Arc::new(Logins::from_pointee(login_directory(&config)?));
    let mut watched: Vec<_> = tls.btp.iter().cloned().collect();
    if let Some(tls) = &tls.btp {
        // Set once: a context has one node.
        let _ = context.certificate_expiry.set(tls.expiry());
    }
    let btp = BtpServer::bind(
        &config.settings.btp_server_host,
        config.settings.btp_server_port,
        tls.btp,
        Arc::clone(&logins),
        Arc::clone(&context),
    )
    .await?;
    let (door, guest_orders) = GuestDoor::new();
    let guests = match &config.settings.guests {
        Some(guests) => {
            let (logins, context) = (Arc::clone(&logins), Arc::clone(&context));
            BtpServer::bind_guests(guests.port, door, logins, context).await?
        }
        None => Vec::new(),
    };
    let http_context = HttpContext::new(Arc::clone(&context), Arc::clone(&logins))?;
    let http = match config.settings.http_server_port {
        Some(port) => {
            watched.extend(tls.http.clone());
            let context = Arc::clone(&http_context);
            Some(
                HttpServer::bind(&config.settings.http_server_host, port, tls.http, context)
                    .await?,
            )
        }
        None => None,
    };
    let (engines, engine_listener) = engines::bind(&config, &context).await?;
    let tls_thread = match config.settings.tls {
        Some(_) => {
            let thread = RuntimeThread::compute_tls_handshakes(context.tls_handshakes.worker());
            Some(thread.map_err(StartError::Thread)?)
        }
        None => None,
    };
    let packet_log = PacketLogSwitch::new(&logs);
    let status = NodeStatus::new(Arc::clone(&context), observer)?;
    let verbs = status.accept_verbs();
    // Before the first request: without peers it would be ready, and without a token open to all.
    status.configure(status_settings(&config));
    set_peer_status(&config, &context);
    uncertain.into_iter().for_each(|event| status.record_event(event));
    let (host, port) = (&config.settings.health_check_host, config.settings.health_check_port);
    let (packet_totals, log_totals) = (packet_log.totals(), logs.totals());
    let api = Api::bind(host, port, Arc::clone(&status), packet_totals, log_totals).await?;
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let handle = NodeHandle {
        id: config.settings.node_id.clone(),
        btp_address: btp.local_addr(),
        http_address: http.as_ref().map(HttpServer::local_addr),
        health_address: api.local_addr(),
        context: Arc::clone(&context),
        status: Arc::clone(&status),
        commands: sender,
    };
    status.set_listening(NodeAddresses { btp: handle.btp_address, api: handle.health_address });
    tracing::info!(
        address = %handle.btp_address,
        port = handle.btp_address.port(),
        "BTP server listening"
    );
    if let Some(address) = handle.http_address {
        tracing::info!(%address, port = address.port(), "HTTP server listening");
    }
    tracing::info!(
        address = %handle.health_address,
        port = handle.health_address.port(),
        "health server listening"
    );
    if let Some(listener) = &engine_listener {
        let address = listener.local_addr();
        tracing::info!(%address, port = address.port(), "listening to settlement engines");
    }
    for door in &guests {
        let address = door.local_addr();
        tracing::info!(%address, port = address.port(), "listening to guests");
    }
    let events = context.peers.subscribe();
    let changes = store
        .clone()
        .map(|store| ChangesTask::start(store, Arc::clone(&context), Arc::clone(&status)));
    let credits = store.clone().map(|store| credits::start(store, &context, Arc::clone(&status)));
    let settlement_orders =
        store.clone().map(|store| settlement_orders::start(store, &context, Arc::clone(&status)));
    let books_orders = store.clone().zip(config.settings.store_place()).map(|(store, place)| {
        let identity = StoreIdentity { node: Some(config.settings.node_id.clone()) };
        BooksOrders::start(store, place, identity, &status)
    });
    let settlements = store.is_some().then(|| {
        let ask = engines::ask(&engines);
        settlements::start(Arc::clone(&context), Arc::clone(&status), ask)
    });
    let (for_books, for_status) = (Arc::clone(&context), Arc::clone(&status));
    let reconcile = ReconcileTask::start(for_books, for_status, &config.settings, store.is_some());
    let webhooks = store
        .clone()
        .map(|store| WebhookTasks::new(store, Arc::clone(&context), Arc::clone(&status)));
    let lease = store.as_ref().and_then(StoreHandle::lease);
    let lease = lease.map(|lease| lease::follow(lease, &context));
    let saver = store.map(|store| {
        Saver::start(store, Arc::clone(&context), Arc::clone(&status), &config.settings)
    });
    // Before the first request is served: what operators change must be in the log.
    let mut audit = AuditThread::new(Arc::clone(&status));
    audit.follow_config(&config.settings);
    let node_task = NodeTask {
        acceptor: Acceptor::start(Arc::new(btp)),
        guests: guest_orders::at_start(&config),
        guest_acceptors: guests.into_iter().map(|door| Acceptor::start(Arc::new(door))).collect(),
        guest_orders,
        guest_lines: GuestLines::default(),
        http: http.map(|server| (server.connections(), Acceptor::start(Arc::new(server)))),
        logins,
        diallers: Diallers::new(Arc::clone(&http_context)),
        http_context,
        draining: Draining::default(),
        _clock_watch: AbortOnDrop::spawn(clock_watch::run(Arc::clone(&context))),
        _expiry_watch: AbortOnDrop::spawn(expiry_watch::run(Arc::clone(&context))),
        _certificate_watch: AbortOnDrop::spawn(certificate_watch::run(
            Arc::clone(&context),
            watched,
        )),
        sweep: AbortOnDrop::spawn(sweep::run(Arc::clone(&context), Arc::clone(&status))),
        ccp: AbortOnDrop::spawn(ccp::run(Arc::clone(&context), Arc::clone(&status))),
        rate_sources: RateSources::start(Arc::clone(&context), Arc::clone(&status), &config),
        api_thread: RuntimeThread::serve_api(api).map_err(StartError::Thread)?,
        tls_thread,
        saver,
        lease,
        changes,
        reconcile,
        webhooks,
        _event_watch: AbortOnDrop::spawn(event_watch::run(
            Arc::clone(&context),
            Arc::clone(&status),
        )),
        credits,
        settlement_orders,
        books_orders,
        engines: EngineTasks::start(engines, engine_listener, &context),
        settlements,
        stranded_settlements: StrandedSettlements::default(),
        audit,
        otlp: OtlpExport::new(Arc::clone(&context)),
        status,
        packet_log,
        events,
        ildcp_request: None,
        parent,
        random_secret,
        verbs,
        overrides: Overrides::new(config.settings.node_id.clone()),
        logs,
        context,
        configured: config.clone(),
        config,
    };
    Ok((node_task, commands, handle))
}
