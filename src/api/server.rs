//! The operator's listener. Slow, silent or very many clients cannot keep it from answering: they hold few connections,
//! and the newest one is always served.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::heartbeat::CHECK_INTERVAL;
use super::pages::{Pages, router};
use super::status::NodeStatus;
use super::v1::{ApiView, Streams, V1};
use crate::net::{
    AddressLimits, BindError, HttpLimits, Listener, LogThrottle, ProxiedListener, WorkRate,
};
use crate::peers::NodeContext;
use crate::telemetry::{LogTotals, Metrics, PacketLogTotals};
use crate::web::{ConnectionLimiter, ConnectionLimits, WebListener, WebService};

const PORT_SET_BY: &str = "healthCheckPort or HEALTH_CHECK_PORT";
/// Open connections, at most. One more closes the oldest.
const CONNECTIONS_MAX: usize = 128;
/// There are fewer where the process may open few files: at most this share of the files of accepted connections, but
/// not fewer than [`CONNECTIONS_MIN`].
const OPEN_FILES_SHARE: usize = 4;
/// See [`OPEN_FILES_SHARE`].
const CONNECTIONS_MIN: usize = 4;
/// From the connection, or the answer before, to the end of a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The life of a connection, even if it is always in use.
const CONNECTION_TIME: Duration = Duration::from_secs(60);

/// Streams of one node, at most. They are not among the other connections.
const STREAMS_MAX: usize = 16;

/// The operator's pages, on a socket that is already bound.
#[derive(Debug)]
pub struct Api {
    listener: WebListener,
    status: Arc<NodeStatus>,
    streams: Arc<Streams>,
}

/// Clients share nothing with packets: the listener has a thread of its own, so their rates are not limited.
pub(super) fn limits(connections: usize) -> ConnectionLimits {
    ConnectionLimits {
        configured: HttpLimits {
            unauthenticated: AddressLimits {
                total: connections,
                per_address: connections,
                reserved_for_known: 0,
            },
            unauthenticated_requests_per_second: WorkRate::UNLIMITED.0,
            ..HttpLimits::default()
        },
        head_time: HEAD_TIME,
        idle_time: HEAD_TIME,
        unauthenticated_time: CONNECTION_TIME,
        eviction_grace: Duration::ZERO,
        unauthenticated_frames: WorkRate::UNLIMITED,
        ..ConnectionLimits::default()
    }
}

/// Fewer than usual where the process may open few files.
pub(super) fn connections_max(context: &NodeContext) -> usize {
    let files = context.descriptors.max() / OPEN_FILES_SHARE;
    files.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX)
}

impl Api {
    /// Listens on `host` (a name or an address) and `port`; 0 picks a free one, see [`Self::local_addr`]. Connections
    /// wait until [`Self::run`].
    pub async fn bind(
        host: &str,
        port: u16,
        status: Arc<NodeStatus>,
        packet_log: Arc<PacketLogTotals>,
        log: Arc<LogTotals>,
    ) -> Result<Self, BindError> {
        let limits = limits(connections_max(status.context()));
        Self::bind_with(host, port, status, (packet_log, log), limits).await
    }

    async fn bind_with(
        host: &str,
        port: u16,
        status: Arc<NodeStatus>,
        (packet_log, log): (Arc<PacketLogTotals>, Arc<LogTotals>),
        limits: ConnectionLimits,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        let context = Arc::clone(status.context());
        let metrics = Metrics::new(Arc::clone(&context), packet_log, log);
        let streams = Streams::new(STREAMS_MAX);
        let v1 = V1 {
            observer: Arc::clone(status.observer()),
            view: ApiView::Node(context.connector.node_id()),
            streams: Arc::clone(&streams),
            access: None,
        };
        let router = router(Pages { status: Arc::clone(&status), metrics }, Arc::new(v1));
        let service = WebService {
            tls: None,
            router,
            admit: |_, _, _, _| None,
            above_limit: |_, _| {},
            proxied: Some(ProxiedListener::Api),
            throttle: LogThrottle::default(),
            http2: false,
            limiter: ConnectionLimiter::new(limits),
            context,
        };
        let listener = WebListener::new(listener, service);
        Ok(Self { listener: listener.with_kept_files(), status, streams })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Answers requests on the runtime that polls it. That should be one on a thread of its own: health checks stay
    /// fast while packets flood, and packets stay fast while the metrics of thousands of peers are written. Never ends
    /// unless the runtime cannot take the socket. Dropping the future closes all connections.
    pub async fn run(self) {
        let listener = match self.listener.move_to_this_runtime() {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the health server cannot run"),
        };
        let mut connections = FuturesUnordered::new();
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut checked_at = Instant::now();
        let observer = Arc::clone(self.status.observer());
        let mut driving = pin!(observer.drive(&self.streams));
        loop {
            tokio::select! {
                () = &mut driving => {}
                _ = checks.tick() => {
                    self.status.heartbeat.check(checked_at.elapsed());
                    checked_at = Instant::now();
                }
                accepted = listener.accept() => connections.extend(accepted.map(|one| one.run())),
                Some(_) = connections.next() => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
