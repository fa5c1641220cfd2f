//! The listener of `up`: the page and `/api/v1` over all nodes of the process.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::pages::network_router;
use super::server::{connections_max, limits};
use super::v1::{ApiView, Observer, Streams, V1};
use crate::net::{BindError, Listener, LogThrottle};
use crate::peers::NodeContext;
use crate::web::{ConnectionLimiter, WebListener, WebService};

/// It has no token of its own and shows all nodes, so it listens only where programs of this machine reach it.
const HOST: &str = "127.0.0.1";
const PORT_SET_BY: &str = "--ui-port";
/// Ports that are tried after the first one.
const PORTS_TRIED: u16 = 100;
/// Streams, at most. They are not among the other connections.
const STREAMS_MAX: usize = 64;

/// The pages of a network, on a socket that is already bound.
#[derive(Debug)]
pub struct NetworkApi {
    listener: WebListener,
    observer: Arc<Observer>,
    streams: Arc<Streams>,
}

impl NetworkApi {
    /// Listens on this port; 0 picks a free one. `context` is that of any node of the process.
    ///
    /// # Errors
    /// [`BindError`]: the port cannot be had.
    pub async fn bind(
        port: u16,
        observer: Arc<Observer>,
        context: Arc<NodeContext>,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(HOST, port, PORT_SET_BY).await?;
        let streams = Streams::new(STREAMS_MAX);
        let v1 = V1 {
            observer: Arc::clone(&observer),
            view: ApiView::Network,
            streams: Arc::clone(&streams),
            access: None,
        };
        let service = WebService {
            tls: None,
            router: network_router(Arc::new(v1)),
            admit: |_, _, _, _| None,
            above_limit: |_, _| {},
            proxied: None,
            throttle: LogThrottle::default(),
            http2: false,
            limiter: ConnectionLimiter::new(limits(connections_max(&context))),
            context,
        };
        let listener = WebListener::new(listener, service).with_kept_files();
        Ok(Self { listener, observer, streams })
    }

    /// Listens on the first free port from `first` on, or on any.
    ///
    /// # Errors
    /// [`BindError`]: no port can be had.
    pub async fn bind_near(
        first: u16,
        observer: &Arc<Observer>,
        context: &Arc<NodeContext>,
    ) -> Result<Self, BindError> {
        for port in (first..=u16::MAX).take(usize::from(PORTS_TRIED)) {
            match Self::bind(port, Arc::clone(observer), Arc::clone(context)).await {
                Err(BindError::InUse { .. }) => {}
                bound => return bound,
            }
        }
        Self::bind(0, Arc::clone(observer), Arc::clone(context)).await
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Answers requests on the runtime that polls it, as [`Api::run`](super::Api::run) does.
    pub async fn run(self) {
        let listener = match self.listener.move_to_this_runtime() {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the page of the network cannot run"),
        };
        let mut connections = FuturesUnordered::new();
        let mut driving = pin!(self.observer.drive(&self.streams));
        let mut lab = pin!(drive_lab(&self.observer));
        let mut history = pin!(self.observer.keep_history());
        loop {
            tokio::select! {
                () = &mut driving => {}
                () = &mut lab => {}
                () = &mut history => {}
                accepted = listener.accept() => connections.extend(accepted.map(|one| one.run())),
                Some(_) = connections.next() => {}
            }
        }
    }
}

/// Ends what the lab has broken when its time is over. Never ends.
async fn drive_lab(observer: &Observer) {
    match observer.lab() {
        Some(lab) => lab.drive(observer).await,
        None => std::future::pending().await,
    }
}
