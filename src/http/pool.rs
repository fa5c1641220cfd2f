//! The connections to one peer: kept alive and used again. Over HTTP/2 each takes as many requests side by side as the
//! server allows, and a further one is made for what is above; over HTTP/1.1 each takes one.
//!
//! How many requests there are side by side is bounded by whoever sends them. What a server can make us hold is bounded here
//! and in `connect`: bytes of a head, of a body, of all bodies together, and bytes that nothing was asked for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, request};
use bytes::Bytes;
use parking_lot::Mutex;

use super::client::{FetchError, bounded};
use super::connect::{ConnectError, Http2, HttpSender, connect};
use crate::net::HttpUrl;
use crate::peers::TransportContext;
use crate::web::Tasks;

/// Connections that had gone by the time they were used, before one is made for the request.
const STALE_MAX: usize = 4;
/// HTTP/2 connections to one peer. Beyond them requests wait for a stream.
const HTTP2_CONNECTIONS_MAX: usize = 16;
/// Bytes of all bodies that one peer has begun to send. A connector's answers come whole, so there are few at a time.
const BODIES_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The connections to one peer.
#[derive(Debug)]
pub(super) struct Pool {
    url: HttpUrl,
    context: Arc<TransportContext>,
    /// Where connections move.
    tasks: Tasks,
    kept: Mutex<Kept>,
    /// Held while connecting, as long as the peer may turn out to speak HTTP/2, which needs few connections.
    connecting: tokio::sync::Mutex<()>,
    /// Bytes of bodies that are being received.
    bodies: AtomicUsize,
}

#[derive(Debug, Default)]
struct Kept {
    /// HTTP/1.1 connections that nobody uses at the moment.
    http1: Vec<HttpSender>,
    /// HTTP/2 connections, which requests share.
    http2: Vec<Shared>,
    /// The peer was seen to speak HTTP/1.1.
    only_http1: bool,
}

/// An HTTP/2 connection, and how many requests are under way on it.
#[derive(Debug, Clone)]
struct Shared {
    sender: Http2,
    requests: Arc<AtomicUsize>,
}

/// A connection for one request, until this is dropped.
#[derive(Debug)]
struct Lease {
    sender: HttpSender,
    /// It was made for this request.
    is_fresh: bool,
    /// Counts the request, where others share the connection.
    counted: Option<Counted>,
}

/// A request on a shared connection.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>);

/// The answer to a request.
#[derive(Debug)]
pub(super) struct PeerResponse {
    /// Any status.
    pub(super) status: StatusCode,
    /// All headers.
    pub(super) headers: HeaderMap,
    /// All of the body.
    pub(super) body: Bytes,
}

/// What a request came to.
#[derive(Debug, thiserror::Error)]
pub(super) enum PostError {
    /// There is no connection; nothing was sent.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was lost, and whether the peer has seen the request is not known.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// What came back is not HTTP.
    #[error("its answer is not HTTP; does one end speak TLS (https://) and the other not?")]
    NotHttp,
    /// The answer is longer than a packet can be.
    #[error("its answer is longer than a packet can be")]
    TooLong,
    /// The request cannot be formed.
    #[error("the request cannot be formed: {0}")]
    Request(axum::http::Error),
}

impl PostError {
    /// What an error of the connection means.
    fn of(error: &hyper::Error) -> Self {
        if error.is_parse() { Self::NotHttp } else { Self::Lost(chain(error)) }
    }
}

impl Pool {
    /// Connections to where `url` leads, which move while `tasks` are polled.
    pub(super) fn new(url: HttpUrl, context: Arc<TransportContext>, tasks: Tasks) -> Self {
        let (kept, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { url, context, tasks, kept, connecting, bodies: AtomicUsize::new(0) }
    }

    /// Where the connections lead.
    pub(super) fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// Makes a connection, which takes the place of those that were kept.
    pub(super) async fn open(&self) -> Result<SocketAddr, ConnectError> {
        let (sender, remote) = self.connect().await?;
        let mut kept = self.kept.lock();
        kept.http1.clear();
        kept.http2.clear();
        kept.keep(sender);
        Ok(remote)
    }

    /// Whether a connection is open that nothing is known against.
    pub(super) fn is_open(&self) -> bool {
        let mut kept = self.kept.lock();
        kept.forget_closed();
        !kept.http1.is_empty() || !kept.http2.is_empty()
    }

    /// POSTs to `url`, of which the origin is the pool's. `head` adds headers. The body of the answer is at most
    /// `bytes_max` long. Dropping the future gives the request up.
    pub(super) async fn post(
        &self,
        url: &HttpUrl,
        head: impl Fn(request::Builder) -> request::Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<PeerResponse, PostError> {
        self.ask(Method::POST, url, head, Body::from(body), bytes_max).await
    }

    /// Asks for something that is no packet: any answer will do.
    pub(super) async fn probe(&self, url: &HttpUrl) -> Result<(), PostError> {
        self.ask(Method::HEAD, url, |head| head, Body::empty(), 0).await.map(drop)
    }

    async fn ask(
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
                    // Nothing of it was sent: it is sent on another connection.
                    Some(unsent) if stale <= STALE_MAX => {
                        body = unsent.into_body();
                        stale += 1;
                        continue;
                    }
                    _ => return Err(PostError::of(&error.into_error())),
                },
            };
            let (head, body) = answer.into_parts();
            let body = bounded(body, bytes_max, Some((&self.bodies, BODIES_BYTES_MAX))).await;
            let body = body.map_err(|error| match error {
                FetchError::TooLong => PostError::TooLong,
                error => PostError::Lost(error.to_string()),
            })?;
            if lease.counted.is_none() {
                self.kept.lock().keep(lease.sender);
            }
            return Ok(PeerResponse { status: head.status, headers: head.headers, body });
        }
    }

    /// A connection for a request. `fresh`: none that has served before.
    async fn lease(&self, fresh: bool) -> Result<Lease, ConnectError> {
        if !fresh && let Some(lease) = self.kept.lock().lease() {
            return Ok(lease);
        }
        if self.kept.lock().only_http1 {
            let (sender, _) = self.connect().await?;
            return Ok(Lease { sender, is_fresh: true, counted: None });
        }
        let _turn = self.connecting.lock().await;
        // Whoever had the turn before may have found HTTP/2.
        if !fresh && let Some(lease) = self.kept.lock().lease() {
            return Ok(lease);
        }
        let (sender, _) = self.connect().await?;
        Ok(match sender {
            http1 @ HttpSender::Http1(..) => Lease { sender: http1, is_fresh: true, counted: None },
            HttpSender::Http2(sender) => {
                let shared = self.kept.lock().share(sender);
                Lease { is_fresh: true, ..shared.lease() }
            }
        })
    }

    async fn connect(&self) -> Result<(HttpSender, SocketAddr), ConnectError> {
        let time = self.context.settings.connect_timeout;
        let connected = connect(&self.url, &self.context.client_tls, time, &self.tasks).await?;
        self.kept.lock().only_http1 = matches!(connected.0, HttpSender::Http1(..));
        Ok(connected)
    }
}

impl Kept {
    fn forget_closed(&mut self) {
        self.http1.retain(|sender| !sender.is_closed());
        self.http2.retain(|shared| !shared.sender.is_closed());
    }

    /// A connection with room for a request. `None`: another one is to be made.
    fn lease(&mut self) -> Option<Lease> {
        self.forget_closed();
        let least = self.http2.iter().min_by_key(|shared| shared.requests.load(Ordering::Relaxed));
        if let Some(least) = least {
            let has_room = least.requests.load(Ordering::Relaxed) < least.sender.streams_max();
            let may_wait = self.http2.len() >= HTTP2_CONNECTIONS_MAX;
            return (has_room || may_wait).then(|| least.lease());
        }
        let sender = self.http1.pop()?;
        Some(Lease { sender, is_fresh: false, counted: None })
    }

    fn keep(&mut self, sender: HttpSender) {
        match sender {
            HttpSender::Http2(sender) => drop(self.share(sender)),
            http1 if http1.is_closed() => {}
            http1 @ HttpSender::Http1(..) => self.http1.push(http1),
        }
    }

    fn share(&mut self, sender: Http2) -> Shared {
        let shared = Shared { sender, requests: Arc::default() };
        self.http2.push(shared.clone());
        shared
    }
}

impl Shared {
    fn lease(&self) -> Lease {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let counted = Some(Counted(Arc::clone(&self.requests)));
        Lease { sender: HttpSender::Http2(self.sender.clone()), is_fresh: false, counted }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// hyper's errors hide what went wrong in their source.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
