//! From a validated configuration to a running node: everything is bound before anything runs.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::Instrument;

use super::acceptor::{Acceptor, HttpAcceptor};
use super::api_thread::ApiThread;
use super::clock_watch;
use super::command::{NodeCommand, NodeHandle, ORDERS_MAX};
use super::derive::{ParentInfoError, btp_settings, directory, draw_secret, status_settings};
use super::diallers::Diallers;
use super::draining::Draining;
use super::node_task::{NodeTask, mark_peers};
use super::packets::PacketWriting;
use super::sweep;
use super::task::{self, Guarded};
use super::tls_thread::TlsThread;
use super::{ccp, file_watch};
use crate::api::{Api, NodeStatus};
use crate::btp::BtpServer;
use crate::config::{NodeConfig, TlsFiles};
use crate::connector::{Connector, RegistryError};
use crate::http::{HttpContext, HttpServer};
use crate::net::{
    BindError, ClientTls, Clock, Descriptors, HTTP_PROTOCOLS, ServerTls, TlsError, TlsTrust,
};
use crate::peers::{Logins, NoRandomness, TransportContext};
use crate::routing::HashSeed;
use crate::telemetry::{self, Logs};

/// Why a node does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be put in force.
    #[error(transparent)]
    Build(#[from] RegistryError),
    /// The configuration does not fit what the parent told.
    #[error(transparent)]
    Told(#[from] ParentInfoError),
    /// The BTP, HTTP or health server cannot listen.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// A certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No thread for the health server or for TLS.
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// The operating system failed.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl StartError {
    /// In the words of `up`, where no variable sets a port.
    pub(super) fn of_network(self) -> Self {
        const SET_BY: &str = "that of the node in the file, or --base-port";
        match self {
            StartError::Bind(BindError::InUse { host, port, .. }) => {
                StartError::Bind(BindError::InUse { host, port, set_by: SET_BY })
            }
            other => other,
        }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    task: JoinHandle<()>,
}

impl Node {
    /// Binds, and runs. From now on the node dials its peers.
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(
        config: NodeConfig,
        logs: Logs,
        descriptors: Descriptors,
    ) -> Result<Node, StartError> {
        let span = telemetry::node_span(config.settings.node_id.as_str());
        let (running, orders, handle) =
            build(config, logs, descriptors).instrument(span.clone()).await?;
        let task = task::spawn(running.run(orders).instrument(span));
        Ok(Node { handle, task })
    }

    /// To look at it and to give it orders.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Until it has stopped.
    pub async fn stopped(self) {
        // An error is a panic of the node's task, which the panic hook has logged.
        let _ = self.task.await;
    }
}

/// What a node reads from certificate files at its start.
struct Files {
    btp: Option<Arc<ServerTls>>,
    http: Option<Arc<ServerTls>>,
    trust: ClientTls,
}

impl Files {
    /// Reads beside everything else: the file system may not answer, and other nodes of the process move packets.
    async fn read(server: Option<TlsFiles>, trust: TlsTrust) -> Result<Self, StartError> {
        let read = move || {
            let tls = |protocols| {
                let files = server.as_ref();
                let load =
                    |files: &TlsFiles| ServerTls::load(&files.certificate, &files.key, protocols);
                files.map(load).transpose().map(|tls| tls.map(Arc::new))
            };
            let (btp, http) = (tls(&[])?, tls(HTTP_PROTOCOLS)?);
            Ok(Files { btp, http, trust: ClientTls::load(trust)? })
        };
        let read = tokio::task::spawn_blocking(read).await;
        read.map_err(|error| StartError::Thread(std::io::Error::other(error)))?
    }
}

async fn build(
    config: NodeConfig,
    logs: Logs,
    descriptors: Descriptors,
) -> Result<(NodeTask, mpsc::Receiver<NodeCommand>, NodeHandle), StartError> {
    let drawn = draw_secret()?;
    let settings = btp_settings(&config);
    let files = Files::read(config.settings.tls.clone(), settings.trust.clone()).await?;
    let connector = Connector::new(config.connector_settings(&drawn), HashSeed::Random)?;
    let context =
        TransportContext::with_tls(connector, Clock::start(), settings, files.trust, descriptors);
    let logins = Arc::new(Logins::from_pointee(directory(&config)?));
    let (btp_tls, http_tls) = (files.btp, files.http);
    let mut watched: Vec<_> = btp_tls.iter().cloned().collect();
    if let Some(tls) = &btp_tls {
        // Set once: this is the only node of the context.
        let _ = context.certificate_expiry.set(tls.expiry());
    }
    let btp = BtpServer::bind(
        &config.settings.btp_server_host,
        config.settings.btp_server_port,
        btp_tls,
        Arc::clone(&logins),
        Arc::clone(&context),
    )
    .await?;
    let http_context = HttpContext::new(Arc::clone(&context), Arc::clone(&logins))?;
    let http = match config.settings.http_server_port {
        Some(port) => {
            watched.extend(http_tls.clone());
            let context = Arc::clone(&http_context);
            Some(
                HttpServer::bind(&config.settings.http_server_host, port, http_tls, context)
                    .await?,
            )
        }
        None => None,
    };
    let tls_thread = match config.settings.tls {
        Some(_) => {
            let worker = context.handshakes.worker();
            let started = TlsThread::start(worker, tracing::Span::current());
            Some(started.map_err(StartError::Thread)?)
        }
        None => None,
    };
    let packets = PacketWriting::new(&logs);
    let status = NodeStatus::new(Arc::clone(&context))?;
    // Before anybody can ask: without peers it would be ready, and without a token open to all.
    status.configure(status_settings(&config));
    mark_peers(&config, &context);
    let (host, port) = (&config.settings.health_check_host, config.settings.health_check_port);
    let totals = (packets.totals(), logs.totals());
    let api = Api::bind(host, port, Arc::clone(&status), totals.0, totals.1).await?;
    let (sender, orders) = mpsc::channel(ORDERS_MAX);
    let handle = NodeHandle {
        id: config.settings.node_id.clone(),
        btp_address: btp.local_addr(),
        http_address: http.as_ref().map(HttpServer::local_addr),
        health_address: api.local_addr(),
        context: Arc::clone(&context),
        status: Arc::clone(&status),
        orders: sender,
    };
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
    let events = context.peers.subscribe();
    let running = NodeTask {
        acceptor: Acceptor::start(Arc::new(btp)),
        http: http.map(HttpAcceptor::start),
        logins,
        diallers: Diallers::new(Arc::clone(&http_context)),
        http_context,
        draining: Draining::default(),
        _clock_watch: Guarded::spawn(clock_watch::run(Arc::clone(&context))),
        _file_watch: Guarded::spawn(file_watch::run(Arc::clone(&context), watched)),
        sweep: Guarded::spawn(sweep::run(Arc::clone(&context), Arc::clone(&status))),
        exchange: Guarded::spawn(ccp::run(Arc::clone(&context))),
        api: ApiThread::start(api, tracing::Span::current()).map_err(StartError::Thread)?,
        tls_thread,
        status,
        packets,
        events,
        asking: None,
        told: None,
        parent_suspended: false,
        drawn,
        context,
        config,
    };
    Ok((running, orders, handle))
}
