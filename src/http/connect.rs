//! Connects to the server of a URL: TCP, TLS for `https`, and HTTP/2 if ALPN selects it, otherwise HTTP/1.1.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{HOST, USER_AGENT};
use axum::http::{Method, Request, Response, request};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::answer_meter::{AnswerMeter, RequestedAnswers};
use super::link_stream::LinkStream;
use crate::net::{ClientTls, ConnectionError, HttpUrl, LINK_IS_CUT, LinkFaults, connect_tcp};
use crate::web::{FrameCounter, Metered, Tasks};

const AGENT: &str = concat!("ilp-connector/", env!("CARGO_PKG_VERSION"));
/// Bytes of a response's head.
const HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Headers of a response over HTTP/1.1.
const HEADERS_MAX: usize = 64;
/// Bytes of one response that may arrive before they are read.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes of all responses of one HTTP/2 connection that may arrive before they are read.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Concurrent requests on a new HTTP/2 connection, until the server announces its limit.
const FIRST_STREAMS: usize = 8;
/// Bytes of one request that wait for an HTTP/2 server to receive them.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Silence on an HTTP/2 connection before a ping.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// For the answer to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("{LINK_IS_CUT}")]
    Cut,
    #[error("no HTTP connection within {0:?}")]
    Timeout(Duration),
    #[error("the HTTP connection failed: {0}")]
    Http(hyper::Error),
}

/// The sending half of a connection, which also counts what is requested.
#[derive(Debug)]
pub(super) enum HttpSender {
    /// One request at a time.
    Http1(http1::SendRequest<Body>, RequestedAnswers),
    /// Many concurrent requests.
    Http2(Http2),
}

/// Clones share the connection.
#[derive(Debug, Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Body>,
    requested: RequestedAnswers,
    /// The server's latest limit.
    streams_max: Arc<AtomicUsize>,
}

impl Http2 {
    /// Concurrent requests that the server accepts on this connection.
    pub(super) fn streams_max(&self) -> usize {
        self.streams_max.load(Ordering::Relaxed)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl HttpSender {
    /// Begins a request. HTTP/2 needs the whole URL, HTTP/1.1 the path and `Host`.
    pub(super) fn request(&self, method: Method, url: &HttpUrl) -> request::Builder {
        let request = Request::builder().method(method).header(USER_AGENT, AGENT);
        match self {
            Self::Http1(..) => request.uri(url.path_and_query()).header(HOST, url.authority()),
            Self::Http2(..) => request.uri(url.without_credentials()),
        }
    }

    /// Sends a request. The body of its answer may have `bytes_max`. The error holds the request if nothing of it was
    /// sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        bytes_max: usize,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match self {
            Self::Http1(sender, requested) => {
                requested.add(bytes_max);
                sender.try_send_request(request).await
            }
            Self::Http2(Http2 { sender, requested, .. }) => {
                requested.add(bytes_max);
                sender.try_send_request(request).await
            }
        }
    }

    /// Lets the server send so many bytes more than was requested.
    pub(super) fn allow(&self, bytes: usize) {
        match self {
            Self::Http1(_, requested) | Self::Http2(Http2 { requested, .. }) => {
                requested.add(bytes);
            }
        }
    }

    /// Waits until a request can be sent.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            Self::Http1(sender, _) => sender.ready().await,
            Self::Http2(http2) => http2.sender.ready().await,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Http1(sender, _) => sender.is_closed(),
            Self::Http2(sender) => sender.is_closed(),
        }
    }
}

/// Connects, with the faults of the link, if there are any. The connection is one of `tasks`: it makes progress while
/// they are polled, and ends when its senders are dropped.
pub(super) async fn connect(
    url: &HttpUrl,
    tls: &ClientTls,
    time_max: Duration,
    tasks: &Tasks,
    faults: Option<&Arc<LinkFaults>>,
) -> Result<(HttpSender, SocketAddr), ConnectError> {
    if faults.is_some_and(|faults| faults.settings().is_cut) {
        return Err(ConnectError::Cut);
    }
    let connected = connect_tcp(url.host(), url.port(), time_max).await;
    let (stream, remote) = connected.map_err(ConnectionError::Tcp)?;
    let stream = LinkStream::new(stream, faults);
    let handshake = async {
        if !url.is_tls() {
            return begin_http1(stream, tasks).await;
        }
        let connector = tls.http_connector().await.map_err(ConnectionError::Tls)?;
        let name = tls.name_of(url.host()).map_err(ConnectionError::Tls)?;
        let stream = connector.connect(name, stream).await;
        let stream = stream.map_err(ConnectionError::TlsHandshake)?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => begin_http2(stream, tasks).await,
            _ => begin_http1(stream, tasks).await,
        }
    };
    let sender =
        timeout(time_max, handshake).await.map_err(|_| ConnectError::Timeout(time_max))??;
    Ok((sender, remote))
}

fn meter_answers<S>(stream: S, is_http2: bool) -> (Metered<S, AnswerMeter>, RequestedAnswers) {
    let requested = RequestedAnswers::default();
    let meter = AnswerMeter::new(requested.clone());
    (Metered::new(stream, FrameCounter::of_server(is_http2), meter), requested)
}

async fn begin_http1<S>(stream: S, tasks: &Tasks) -> Result<HttpSender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, requested) = meter_answers(stream, false);
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .max_headers(HEADERS_MAX)
        .handshake::<_, Body>(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(ConnectError::Http)?;
    // The requests on it report its errors.
    tasks.add(async move { drop(connection.await) });
    Ok(HttpSender::Http1(sender, requested))
}

async fn begin_http2<S>(stream: S, tasks: &Tasks) -> Result<HttpSender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, requested) = meter_answers(stream, true);
    let handshake = http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .initial_max_send_streams(FIRST_STREAMS)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake::<_, Body>(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(ConnectError::Http)?;
    let streams_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let latest = Arc::clone(&streams_max);
    tasks.add(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            latest.store(connection.current_max_send_streams(), Ordering::Relaxed);
            polled
        });
        drop(ended.await);
    });
    Ok(HttpSender::Http2(Http2 { sender, requested, streams_max }))
}
