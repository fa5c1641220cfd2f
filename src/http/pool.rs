//! The connections to one peer, which stay open for the next requests. Over HTTP/2 each carries as many concurrent
//! requests as the server allows before another one is opened; over HTTP/1.1 each carries one.
//!
//! Callers bound the number of concurrent requests. The pool and `connect` bound what a server can make the node hold:
//! bytes of a head, of a body, of all bodies together, and bytes that were not requested.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, request};
use bytes::Bytes;
use parking_lot::Mutex;

use super::client::{FetchError, read_body, with_source};
use super::connect::{ConnectError, Http2, HttpSender, connect};
use crate::net::{HttpUrl, LinkFaults};
use crate::peers::NodeContext;
use crate::web::Tasks;

/// Pooled connections that turn out to be closed before a request opens one for itself.
const STALE_MAX: usize = 4;
/// HTTP/2 connections to one peer. Further requests wait for a stream.
const HTTP2_CONNECTIONS_MAX: usize = 16;
/// Bytes of all incomplete bodies of one peer. A connector sends its answers whole, so few are incomplete at a time.
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) url: HttpUrl,
    context: Arc<NodeContext>,
    /// Runs the connections.
    tasks: Tasks,
    connections: Mutex<PooledConnections>,
    /// Held while connecting to a peer that may speak HTTP/2, which needs few connections.
    connecting: tokio::sync::Mutex<()>,
    incomplete_bytes: AtomicUsize,
    /// What is wrong with the link. `None` without a lab.
    pub(super) faults: Option<Arc<LinkFaults>>,
}

#[derive(Debug, Default)]
struct PooledConnections {
    /// Idle HTTP/1.1 connections.
    http1: Vec<HttpSender>,
    /// All HTTP/2 connections.
    http2: Vec<SharedConnection>,
    /// The last connection used HTTP/1.1.
    only_http1: bool,
}

/// An HTTP/2 connection, and the number of its open requests.
#[derive(Debug, Clone)]
struct SharedConnection {
    sender: Http2,
    requests: Arc<AtomicUsize>,
}

/// A connection for one request, until this is dropped.
#[derive(Debug)]
struct Lease {
    sender: HttpSender,
    /// It was opened for this request.
    is_fresh: bool,
    /// Only on a shared connection.
    open_request: Option<OpenRequest>,
}

/// Counts as an open request of a shared connection until it is dropped.
#[derive(Debug)]
struct OpenRequest(Arc<AtomicUsize>);

#[derive(Debug)]
pub(super) struct PeerResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// There is no connection; nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost; the peer may have received the request.
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("its answer is not HTTP; does one end speak TLS (https://) and the other not?")]
    NotHttp,
    #[error("its answer is longer than a packet can be")]
    TooLong,
    #[error("the request is not valid: {0}")]
    Request(axum::http::Error),
}

impl PostError {
    fn of_connection(error: &hyper::Error) -> Self {
        if error.is_parse() { Self::NotHttp } else { Self::Lost(with_source(error)) }
    }
}

impl Pool {
    /// Connections to the server of `url`, which make progress while `tasks` are polled.
    pub(super) fn new(url: HttpUrl, context: Arc<NodeContext>, tasks: Tasks) -> Self {
        let (connections, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        let incomplete_bytes = AtomicUsize::new(0);
        Self { url, context, tasks, connections, connecting, incomplete_bytes, faults: None }
    }

    /// The same with what is wrong with the link.
    pub(super) fn with_faults(self, faults: Option<Arc<LinkFaults>>) -> Self {
        Self { faults, ..self }
    }

    /// Opens a connection, which replaces the kept ones.
    pub(super) async fn reconnect(&self) -> Result<SocketAddr, ConnectError> {
        let (sender, remote) = self.connect().await?;
        let mut connections = self.connections.lock();
        connections.http1.clear();
        connections.http2.clear();
        connections.keep(sender);
        Ok(remote)
    }

    pub(super) fn is_open(&self) -> bool {
        let mut connections = self.connections.lock();
        connections.remove_closed();
        !connections.http1.is_empty() || !connections.http2.is_empty()
    }

    /// POSTs to `url`, which must have the pool's origin. `head` adds headers. The body of the answer may have
    /// `bytes_max`. Dropping the future cancels the request.
    pub(super) async fn post(
        &self,
        url: &HttpUrl,
        head: impl Fn(request::Builder) -> request::Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<PeerResponse, PostError> {
        self.request(Method::POST, url, head, Body::from(body), bytes_max).await
    }

    /// Sends a request without a packet. Any answer is a success.
    pub(super) async fn probe(&self, url: &HttpUrl) -> Result<(), PostError> {
        self.request(Method::HEAD, url, |head| head, Body::empty(), 0).await.map(drop)
    }

    async fn request(
        &self,
        method: Method,
        url: &HttpUrl,
        head: impl Fn(request::Builder) -> request::Builder,
        mut body: Body,
        bytes_max: usize,
    ) -> Result<PeerResponse, PostError> {
        let mut stale = 0;
        loop {
            let mut lease = self.lease(stale >= STALE_MAX).await?;
            if lease.sender.ready().await.is_err() && !lease.is_fresh {
                stale += 1;
                continue;
            }
            let request = head(lease.sender.request(method.clone(), url)).body(body);
            let request: Request<Body> = request.map_err(PostError::Request)?;
            let answer = match lease.sender.send(request, bytes_max).await {
                Ok(answer) => answer,
                Err(mut error) => match error.take_message() {
                    // Nothing of it was sent, so it cannot be processed twice.
                    Some(unsent) if stale <= STALE_MAX => {
                        body = unsent.into_body();
                        stale += 1;
                        continue;
                    }
                    _ => return Err(PostError::of_connection(&error.into_error())),
                },
            };
            let (head, body) = answer.into_parts();
            let body =
                read_body(body, bytes_max, Some((&self.incomplete_bytes, BODIES_BYTES_MAX))).await;
            let body = body.map_err(|error| match error {
                FetchError::TooLong(_) => PostError::TooLong,
                error => PostError::Lost(error.to_string()),
            })?;
            if lease.open_request.is_none() {
                self.connections.lock().keep(lease.sender);
            }
            return Ok(PeerResponse { status: head.status, headers: head.headers, body });
        }
    }

    /// A connection for a request. `fresh`: a new one.
    async fn lease(&self, fresh: bool) -> Result<Lease, ConnectError> {
        if !fresh && let Some(lease) = self.connections.lock().lease() {
            return Ok(lease);
        }
        if self.connections.lock().only_http1 {
            let (sender, _) = self.connect().await?;
            return Ok(Lease { sender, is_fresh: true, open_request: None });
        }
        let _turn = self.connecting.lock().await;
        // The request before may have found HTTP/2.
        if !fresh && let Some(lease) = self.connections.lock().lease() {
            return Ok(lease);
        }
        let (sender, _) = self.connect().await?;
        Ok(match sender {
            http1 @ HttpSender::Http1(..) => {
                Lease { sender: http1, is_fresh: true, open_request: None }
            }
            HttpSender::Http2(sender) => {
                let shared = self.connections.lock().share(sender);
                Lease { is_fresh: true, ..shared.lease() }
            }
        })
    }

    async fn connect(&self) -> Result<(HttpSender, SocketAddr), ConnectError> {
        let time = self.context.settings.connect_timeout;
        let connected =
            connect(&self.url, &self.context.client_tls, time, &self.tasks, self.faults.as_ref());
        let connected = connected.await?;
        self.connections.lock().only_http1 = matches!(connected.0, HttpSender::Http1(..));
        Ok(connected)
    }
}

impl PooledConnections {
    fn remove_closed(&mut self) {
        self.http1.retain(|sender| !sender.is_closed());
        self.http2.retain(|shared| !shared.sender.is_closed());
    }

    /// A connection that can carry another request.
    fn lease(&mut self) -> Option<Lease> {
        self.remove_closed();
        let least = self.http2.iter().min_by_key(|shared| shared.requests.load(Ordering::Relaxed));
        if let Some(least) = least {
            let has_room = least.requests.load(Ordering::Relaxed) < least.sender.streams_max();
            let must_wait = self.http2.len() >= HTTP2_CONNECTIONS_MAX;
            return (has_room || must_wait).then(|| least.lease());
        }
        let sender = self.http1.pop()?;
        Some(Lease { sender, is_fresh: false, open_request: None })
    }

    fn keep(&mut self, sender: HttpSender) {
        match sender {
            HttpSender::Http2(sender) => drop(self.share(sender)),
            http1 if http1.is_closed() => {}
            http1 @ HttpSender::Http1(..) => self.http1.push(http1),
        }
    }

    fn share(&mut self, sender: Http2) -> SharedConnection {
        let shared = SharedConnection { sender, requests: Arc::default() };
        self.http2.push(shared.clone());
        shared
    }
}

impl SharedConnection {
    fn lease(&self) -> Lease {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let open_request = Some(OpenRequest(Arc::clone(&self.requests)));
        Lease { sender: HttpSender::Http2(self.sender.clone()), is_fresh: false, open_request }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
