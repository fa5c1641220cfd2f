//! From a URL to a connection that requests can be sent on: TCP, TLS where the scheme asks for it, HTTP/2 where ALPN finds
//! it, else HTTP/1.1.

use std::io;
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

use crate::net::{ClientTls, ConnectTcpError, HttpUrl, TlsError, connect_tcp, explain_handshake};
use crate::web::{AnswersOnly, FrameCounter, Metered, Requested, Tasks};

/// What we call ourselves.
const AGENT: &str = concat!("ilp-connector/", env!("CARGO_PKG_VERSION"));
/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Headers of an answer over HTTP/1.1.
const HEADERS_MAX: usize = 64;
/// Bytes of one answer, and of all answers of one HTTP/2 connection, that may come before they are read.
const WINDOWS: (u32, u32) = (64 * 1024, 1024 * 1024);
/// Requests on a new HTTP/2 connection, until the server says how many it takes.
const FIRST_STREAMS: usize = 8;
/// Bytes of one request that wait for an HTTP/2 server to take them, beyond which it is not handed over.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// Silence on an HTTP/2 connection after which it is pinged, and time for the answer.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host cannot be reached.
    #[error(transparent)]
    Reach(#[from] ConnectTcpError),
    /// We cannot do TLS at all.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No certificate can bear the host's name.
    #[error("{0} cannot be the name in a certificate")]
    TlsName(String),
    /// The certificate is not to be trusted, or TLS is not spoken there.
    #[error("the TLS handshake failed: {}", explain_handshake(.0))]
    TlsHandshake(io::Error),
    /// TLS or HTTP did not begin in time.
    #[error("no HTTP connection within {0:?}")]
    Timeout(Duration),
    /// HTTP is not spoken there.
    #[error("the HTTP connection failed: {0}")]
    Http(hyper::Error),
}

/// The sending end of a connection, which also counts what the server was asked for.
#[derive(Debug)]
pub(super) enum HttpSender {
    /// One request at a time.
    Http1(http1::SendRequest<Body>, Requested),
    /// Many requests side by side.
    Http2(Http2),
}

/// Many requests side by side; clones share the connection.
#[derive(Debug, Clone)]
pub(super) struct Http2 {
    sender: http2::SendRequest<Body>,
    requested: Requested,
    /// As the server said last.
    streams_max: Arc<AtomicUsize>,
}

impl Http2 {
    /// How many requests the server takes side by side on this connection.
    pub(super) fn streams_max(&self) -> usize {
        self.streams_max.load(Ordering::Relaxed)
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

impl HttpSender {
    /// The beginning of a request for what `url` names: HTTP/2 wants all of the URL, HTTP/1.1 the path, and `Host` beside it.
    pub(super) fn request(&self, method: Method, url: &HttpUrl) -> request::Builder {
        let request = Request::builder().method(method).header(USER_AGENT, AGENT);
        match self {
            HttpSender::Http1(..) => {
                request.uri(url.path_and_query()).header(HOST, url.authority())
            }
            HttpSender::Http2(..) => request.uri(url.without_credentials()),
        }
    }

    /// Sends a request, of which the answer has a body of at most `bytes_max`; gives it back where nothing of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request<Body>,
        bytes_max: usize,
    ) -> Result<Response<Incoming>, TrySendError<Request<Body>>> {
        match self {
            HttpSender::Http1(sender, requested) => {
                requested.add(bytes_max);
                sender.try_send_request(request).await
            }
            HttpSender::Http2(Http2 { sender, requested, .. }) => {
                requested.add(bytes_max);
                sender.try_send_request(request).await
            }
        }
    }

    /// Waits until a request can be sent. An error: the connection is gone.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        match self {
            HttpSender::Http1(sender, _) => sender.ready().await,
            HttpSender::Http2(http2) => http2.sender.ready().await,
        }
    }

    /// Whether the connection is known to be gone.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            HttpSender::Http1(sender, _) => sender.is_closed(),
            HttpSender::Http2(sender) => sender.is_closed(),
        }
    }
}

/// Connects. The connection lives among `tasks`: it moves while they are polled, and ends when its senders are dropped.
pub(super) async fn connect(
    url: &HttpUrl,
    tls: &ClientTls,
    time: Duration,
    tasks: &Tasks,
) -> Result<(HttpSender, SocketAddr), ConnectError> {
    let (stream, remote) = connect_tcp(url.host(), url.port(), time).await?;
    let began = async {
        if !url.is_tls() {
            return http1_on(stream, tasks).await;
        }
        let connector = tls.http_connector().await?;
        let name = tls.name_of(url.host());
        let name = name.ok_or_else(|| ConnectError::TlsName(url.host().to_string()))?;
        let stream = connector.connect(name, stream).await.map_err(ConnectError::TlsHandshake)?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => http2_on(stream, tasks).await,
            _ => http1_on(stream, tasks).await,
        }
    };
    let sender = timeout(time, began).await.map_err(|_| ConnectError::Timeout(time))??;
    Ok((sender, remote))
}

async fn http1_on<S>(stream: S, tasks: &Tasks) -> Result<HttpSender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requested = Requested::default();
    let stream =
        Metered::new(stream, FrameCounter::of_server(false), AnswersOnly::new(requested.clone()));
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake::<_, Body>(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(ConnectError::Http)?;
    // How it ends is seen by whoever waits for an answer on it.
    tasks.add(async move { drop(connection.await) });
    Ok(HttpSender::Http1(sender, requested))
}

async fn http2_on<S>(stream: S, tasks: &Tasks) -> Result<HttpSender, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let requested = Requested::default();
    let stream =
        Metered::new(stream, FrameCounter::of_server(true), AnswersOnly::new(requested.clone()));
    let handshake = http2::Builder::new(tasks.clone())
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
        .initial_max_send_streams(FIRST_STREAMS)
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1)
        .handshake::<_, Body>(TokioIo::new(stream));
    let (sender, connection) = handshake.await.map_err(ConnectError::Http)?;
    let streams_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
    let known = Arc::clone(&streams_max);
    tasks.add(async move {
        let mut connection = std::pin::pin!(connection);
        let ended = std::future::poll_fn(|cx| {
            let polled = connection.as_mut().poll(cx);
            known.store(connection.current_max_send_streams(), Ordering::Relaxed);
            polled
        });
        drop(ended.await);
    });
    Ok(HttpSender::Http2(Http2 { sender, requested, streams_max }))
}
