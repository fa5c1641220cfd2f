//! The listener of `watch`: the page and `/api/v1` over nodes that run elsewhere.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};

use super::pages::watch_router;
use super::server::{connections_max, limits};
use super::v1::{ApiView, Observer, PageAccess, Streams, V1};
use crate::account::Spread;
use crate::connector::{Connector, ConnectorSettings, RegistryError, Timing};
use crate::local::PingSettings;
use crate::net::{
    BindError, Clock, Listener, LogThrottle, TlsError, TransportSettings, is_loopback,
};
use crate::peers::{NoRandomness, NodeContext};
use crate::routing::HashSeed;
use crate::routing::ccp::CcpTiming;
use crate::web::{ConnectionLimiter, WebListener, WebService};
use crate::wire::Scheme;

const PORT_SET_BY: &str = "--port";
/// Streams, at most. They are not among the other connections.
const STREAMS_MAX: usize = 64;

/// Where the page of `watch` listens, and for whom.
#[derive(Debug)]
pub struct WatchSettings<'s> {
    /// A name or an address.
    pub host: &'s str,
    /// 0 picks a free one.
    pub port: u16,
    /// What a request must have.
    pub token: Option<&'s str>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Bind(#[from] BindError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// Does not happen: there is no account.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// The page of nodes elsewhere, on a socket that is already bound.
#[derive(Debug)]
pub struct WatchApi {
    listener: WebListener,
    observer: Arc<Observer>,
    streams: Arc<Streams>,
}

impl WatchApi {
    /// Listens. The nodes are those of the observer.
    ///
    /// # Errors
    /// The port cannot be had, for example.
    pub async fn bind(
        settings: WatchSettings<'_>,
        observer: Arc<Observer>,
    ) -> Result<Self, WatchError> {
        let WatchSettings { host, port, token } = settings;
        let context = context_without_node()?;
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        let is_loopback = listener.local_addr().ip().is_loopback() && is_loopback(host);
        let streams = Streams::new(STREAMS_MAX);
        let v1 = V1 {
            observer: Arc::clone(&observer),
            view: ApiView::Network,
            streams: Arc::clone(&streams),
            access: Some(PageAccess::new(token, is_loopback, Arc::clone(&context))?),
        };
        let service = WebService {
            tls: None,
            router: watch_router(Arc::new(v1)),
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

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Answers requests, and reads the nodes while a client watches, until `stop`. Then the streams end.
    pub async fn run_until(&self, stop: impl Future<Output = ()>) {
        let mut connections = FuturesUnordered::new();
        let mut driving = pin!(self.observer.drive(&self.streams));
        let mut following = pin!(self.observer.follow_remote_nodes());
        let mut stopping = pin!(async {
            stop.await;
            self.observer.close_streams("the page stops").await;
        });
        loop {
            tokio::select! {
                () = &mut driving => {}
                () = &mut following => {}
                () = &mut stopping => return,
                accepted = self.listener.accept() => {
                    connections.extend(accepted.map(|one| one.run()));
                }
                Some(_) = connections.next() => {}
            }
        }
    }
}

/// What a listener needs of a node: a clock, and the limits of its connections. No packet reaches it, because it has no
/// account.
fn context_without_node() -> Result<Arc<NodeContext>, WatchError> {
    let settings = ConnectorSettings {
        node_id: "watch".parse().expect("letters are an id"),
        address: None,
        scheme: Scheme::Test,
        accounts: Vec::new(),
        routes: Vec::new(),
        rates: Vec::new(),
        spread: Spread::NONE,
        timing: Timing::default(),
        ping: PingSettings::default(),
        ccp_timing: CcpTiming::default(),
    };
    let connector = Connector::new(settings, HashSeed::Random)?;
    Ok(NodeContext::new(connector, Clock::start(), TransportSettings::default())?)
}
