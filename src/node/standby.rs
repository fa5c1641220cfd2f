//! Waits for books that another process has. Meanwhile the node has its pages, which say so, and nothing else: no
//! listener for peers, no session, no account.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use super::adopt::ParentState;
use super::books::{self, OpenBooks};
use super::derive::{connector_settings, generate_secret, status_settings, transport_settings};
use super::node_task::set_peer_status;
use super::packet_log_switch::PacketLogSwitch;
use super::start::StartError;
use super::task;
use crate::account::AccountId;
use crate::api::{Api, NodeStatus, Observer};
use crate::config::NodeConfig;
use crate::connector::Connector;
use crate::net::{ClientTls, Clock, Descriptors, PostgresUrl, Proxies, StorePlace, error_chain};
use crate::peers::NodeContext;
use crate::routing::HashSeed;
use crate::store::{BooksHolder, OpenError, Store};
use crate::telemetry::Logs;

/// The pause after an error of the database.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How often the pages note that the process is alive.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// Opens the books of a node, if there is a store. While another process has the books in a database, the node is a
/// standby: it waits until they are free. `None`: there is no store.
///
/// # Errors
/// [`StartError`]: the books cannot be used.
pub(super) async fn open_books(
    config: &NodeConfig,
    logs: &Logs,
    descriptors: Descriptors,
    clock: &Clock,
    observer: &Arc<Observer>,
) -> Result<Option<OpenBooks>, StartError> {
    let mut standby: Option<Standby> = None;
    loop {
        let opened = books::open(&config.settings, clock).await;
        let (error, url) = match (opened, config.settings.store_place()) {
            (Err(StartError::Store(error)), Some(StorePlace::Postgres(url))) => (error, url),
            (opened, _) => {
                if let Some(standby) = standby {
                    standby.stop().await;
                }
                return opened;
            }
        };
        match (error.holder(), standby.take()) {
            (Some(holder), None) => {
                let started =
                    Standby::start(config, logs, descriptors.clone(), clock, (holder, observer))
                        .await?;
                standby = Some(started);
            }
            (Some(_), Some(started)) => standby = Some(started),
            (None, Some(started)) if error.is_temporary() => {
                started.report_failure(&error);
                standby = Some(started);
                sleep(RETRY_PAUSE).await;
            }
            (None, _) => return Err(StartError::Store(error)),
        }
        if let Some(standby) = &standby {
            standby.wait_until_free(&url, &config.settings.node_id).await;
        }
    }
}

/// The pages of a node that waits.
struct Standby {
    status: Arc<NodeStatus>,
    pages: JoinHandle<()>,
}

impl Standby {
    async fn start(
        config: &NodeConfig,
        logs: &Logs,
        descriptors: Descriptors,
        clock: &Clock,
        (holder, observer): (BooksHolder, &Arc<Observer>),
    ) -> Result<Self, StartError> {
        // A node without books or sessions, because the pages show a node.
        let settings = connector_settings(config, &ParentState::default(), &generate_secret()?)?;
        let connector = Connector::new(settings, HashSeed::Random)?;
        let transport = transport_settings(config);
        let trust = transport.trust.clone();
        let client_tls = tokio::task::spawn_blocking(|| ClientTls::load(trust)).await;
        let client_tls =
            client_tls.map_err(|error| StartError::Thread(std::io::Error::other(error)))??;
        let context =
            NodeContext::with_tls(connector, clock.clone(), transport, client_tls, descriptors);
        context.proxies.store(Arc::new(Proxies::new(config.proxies.clone())));
        let status = NodeStatus::new(Arc::clone(&context), Arc::clone(observer))?;
        status.configure(status_settings(config));
        set_peer_status(config, &context);
        tracing::info!(
            holder = %holder.process,
            "standby: another process has the books; this one takes over when it stops or fails"
        );
        status.set_standby(reason_of(&holder));
        let (host, port) = (&config.settings.health_check_host, config.settings.health_check_port);
        let packet_log = PacketLogSwitch::new(logs).totals();
        let api = Api::bind(host, port, Arc::clone(&status), packet_log, logs.totals()).await?;
        let address = api.local_addr();
        tracing::info!(%address, port = address.port(), "health server listening");
        let beating = Arc::clone(&status);
        let pages = task::spawn(async move {
            tokio::select! {
                () = api.run() => {}
                () = beat(&beating) => {}
            }
        });
        Ok(Self { status, pages })
    }

    /// Waits until the books are free, as far as the database says.
    async fn wait_until_free(&self, url: &PostgresUrl, node: &AccountId) {
        // The thread ends soon after this future was dropped.
        let (is_waiting, dropped) = watch::channel(());
        let (url, node, status) = (url.clone(), node.clone(), Arc::clone(&self.status));
        let waited = tokio::task::spawn_blocking(move || {
            Store::wait_until_free(&url, &node, |holder| {
                status.set_standby(reason_of(&holder));
                dropped.has_changed().is_ok()
            })
        });
        let waited = waited.await;
        drop(is_waiting);
        if let Ok(Err(error)) = waited {
            self.report_failure(&error);
            sleep(RETRY_PAUSE).await;
        }
    }

    fn report_failure(&self, error: &OpenError) {
        let error = error_chain(error);
        tracing::warn!(error, "the standby cannot ask for the books; it goes on trying");
        self.status.set_standby(format!("cannot ask for the books: {error}"));
    }

    /// Closes the pages, so that the node can have its own.
    async fn stop(self) {
        self.pages.abort();
        // An error says that the task was aborted.
        let _ = self.pages.await;
    }
}

fn reason_of(holder: &BooksHolder) -> String {
    let BooksHolder { process, until } = holder;
    format!("{process} has the books; its lease ends at {until} UTC unless it is renewed")
}

/// Tells the pages that the threads of the process run.
async fn beat(status: &NodeStatus) {
    let mut beats = interval(BEAT_INTERVAL);
    loop {
        beats.tick().await;
        status.record_heartbeat();
    }
}
