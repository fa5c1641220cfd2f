//! The connections to one peer: kept alive and used again, one for all requests where HTTP/2 is spoken, one for each
//! request that is under way where it is not.
//!
//! How many requests there are side by side is bounded by whoever sends them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, request};
use bytes::Bytes;
use parking_lot::Mutex;

use super::client::{FetchError, bounded};
use super::connect::{ConnectError, Sender, connect};
use super::tasks::Tasks;
use crate::transport::{HttpUrl, TransportContext};

/// Connections that had gone by the time they were used, before one is made for the request.
const STALE_MAX: usize = 4;

/// The connections to one peer.
#[derive(Debug)]
pub(super) struct Pool {
    url: HttpUrl,
    context: Arc<TransportContext>,
    /// Where connections move.
    tasks: Tasks,
    kept: Mutex<Kept>,
    /// Held while connecting, as long as the peer may turn out to speak HTTP/2, which needs no second connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Kept {
    /// HTTP/1.1 connections that nobody uses at the moment; HTTP/2 ones, which everybody uses.
    senders: Vec<Sender>,
    /// The peer was seen to speak HTTP/1.1.
    only_http1: bool,
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
    /// The answer is longer than a packet can be.
    #[error("the answer is too long")]
    TooLong,
    /// The request cannot be formed.
    #[error("the request cannot be formed: {0}")]
    Request(axum::http::Error),
}

impl Pool {
    /// Connections to where `url` leads, which move while `tasks` are polled.
    pub(super) fn new(url: HttpUrl, context: Arc<TransportContext>, tasks: Tasks) -> Self {
        let (kept, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Self { url, context, tasks, kept, connecting }
    }

    /// Where the connections lead.
    pub(super) fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// Makes a connection and keeps it for the next request.
    pub(super) async fn open(&self) -> Result<SocketAddr, ConnectError> {
        let (sender, remote) = self.connect().await?;
        self.keep(sender);
        Ok(remote)
    }

    /// Whether a connection is open that nothing is known against.
    pub(super) fn is_open(&self) -> bool {
        let mut kept = self.kept.lock();
        kept.senders.retain(|sender| !sender.is_closed());
        !kept.senders.is_empty()
    }

    /// POSTs to `url`, of which the origin is the pool's. `head` adds headers. The body of the answer is at most
    /// `bytes_max` long. Dropping the future gives the request up.
    pub(super) async fn post(
        &self,
        url: &HttpUrl,
        head: impl Fn(request::Builder) -> request::Builder,
        body: Bytes,
        bytes_max: usize,
    ) -> Result<(StatusCode, Bytes), PostError> {
        let mut stale = 0;
        loop {
            let (mut sender, is_fresh) = self.sender(stale >= STALE_MAX).await?;
            if sender.ready().await.is_err() && !is_fresh {
                stale += 1;
                continue;
            }
            let request = head(sender.request(Method::POST, url)).body(Body::from(body.clone()));
            let request: Request<Body> = request.map_err(PostError::Request)?;
            let answer = match sender.send(request).await {
                Ok(answer) => answer,
                // Nothing of it was sent, on a connection that had served before: it is sent on another one.
                Err(error) if error.message().is_some() && !is_fresh => {
                    stale += 1;
                    continue;
                }
                Err(error) => return Err(PostError::Lost(chain(&error.into_error()))),
            };
            let (head, body) = answer.into_parts();
            let body = bounded(body, bytes_max).await.map_err(|error| match error {
                FetchError::TooLong => PostError::TooLong,
                error => PostError::Lost(error.to_string()),
            })?;
            self.keep(sender);
            return Ok((head.status, body));
        }
    }

    /// A connection, and whether it was made for this request.
    async fn sender(&self, fresh: bool) -> Result<(Sender, bool), ConnectError> {
        if !fresh && let Some(sender) = self.take() {
            return Ok((sender, false));
        }
        if self.kept.lock().only_http1 {
            return Ok((self.connect().await?.0, true));
        }
        let _turn = self.connecting.lock().await;
        // Whoever had the turn before may have found HTTP/2.
        if !fresh && let Some(sender) = self.take() {
            return Ok((sender, false));
        }
        let (sender, _) = self.connect().await?;
        if let Sender::Http2(shared) = &sender {
            self.keep(Sender::Http2(shared.clone()));
        }
        Ok((sender, true))
    }

    async fn connect(&self) -> Result<(Sender, SocketAddr), ConnectError> {
        let time = self.context.settings.connect_timeout;
        let connected = connect(&self.url, &self.context.client_tls, time, &self.tasks).await?;
        self.kept.lock().only_http1 = matches!(connected.0, Sender::Http1(_));
        Ok(connected)
    }

    /// A connection that is kept; one of HTTP/2 stays for others.
    fn take(&self) -> Option<Sender> {
        let mut kept = self.kept.lock();
        kept.senders.retain(|sender| !sender.is_closed());
        match kept.senders.last() {
            Some(Sender::Http2(shared)) => Some(Sender::Http2(shared.clone())),
            _ => kept.senders.pop(),
        }
    }

    fn keep(&self, sender: Sender) {
        let mut kept = self.kept.lock();
        let is_known = |other: &Sender| matches!(other, Sender::Http2(_)) && !other.is_closed();
        let known = matches!(sender, Sender::Http2(_)) && kept.senders.iter().any(is_known);
        if !sender.is_closed() && !known {
            kept.senders.push(sender);
        }
    }
}

/// hyper's errors hide what went wrong in their source.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
