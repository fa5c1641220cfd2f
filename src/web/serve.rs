//! Serves the requests of one connection with a router, within the limits of its listener.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep_until};

use super::connection_limiter::{Connection, ConnectionEvent, ConnectionGuard, ConnectionLimiter};
use super::frames::FrameCounter;
use super::metered::{Meter, Metered, READ_BYTES_MAX};
use super::tasks::Tasks;
use crate::net::{
    LogThrottle, ProxiedListener, RemoteAddress, RequestOrigin, ServerTls, report_unnamed,
};
use crate::peers::NodeContext;

/// Bytes of an HTTP/1.1 request's head, and of the buffers; bytes of an HTTP/2 request's headers.
pub(crate) const HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Headers of an HTTP/1.1 request.
const HEADERS_MAX: usize = 64;
/// Bytes of one request's body, and of all bodies of an HTTP/2 connection, that may arrive before they are read. RFC
/// 9113 allows no smaller connection window.
const WINDOW: u32 = 64 * 1024;
/// The connection window where the client's address is known.
const WIDE_WINDOW: u32 = 1024 * 1024;
/// Bytes of one read before a peer has authenticated: some tens of the smallest frames, so that few go uncounted.
const UNAUTHENTICATED_READ_BYTES_MAX: usize = 1024;
/// Bytes of one answer that wait for an HTTP/2 client to take them.
const SEND_BUFFER_BYTES: usize = 16 * 1024;
/// Streams of one HTTP/2 connection that were reset before they were read (CVE-2023-44487).
const RESETS_MAX: usize = 32;

/// Called for each request and its origin before the router. A response is the answer; `None` leaves the request to the
/// router.
type Admit =
    fn(&WebService, &Connection, RemoteAddress, &Request<Incoming>) -> Option<Response<Body>>;

/// What a listener serves, and within which limits.
#[derive(Debug)]
pub(crate) struct WebService {
    pub(crate) tls: Option<Arc<ServerTls>>,
    /// Its requests carry an `Arc<Connection>` as an extension, and the [`RemoteAddress`] that they come from.
    pub(crate) router: Router,
    pub(crate) admit: Admit,
    /// Called when a connection was closed because of the limits, with the address of the newcomer.
    pub(crate) above_limit: fn(&Self, RemoteAddress),
    /// For the log lines of that, and of proxies without a header.
    pub(crate) throttle: LogThrottle,
    /// Which of the named proxies stand in front of it. `None`: none of them.
    pub(crate) proxied: Option<ProxiedListener>,
    /// Also speaks HTTP/2: by ALPN with TLS, by prior knowledge without.
    pub(crate) http2: bool,
    pub(crate) limiter: Arc<ConnectionLimiter>,
    pub(crate) context: Arc<NodeContext>,
}

/// Where a request comes from.
pub(crate) fn remote_of(extensions: &Extensions) -> RemoteAddress {
    *extensions.get().expect("requests of a `WebService` carry their origin")
}

impl WebService {
    /// Where a request comes from: the address of the connection, or what a named proxy says.
    fn origin_of<B>(&self, connection: &Connection, request: &Request<B>) -> RemoteAddress {
        let Some(listener) = self.proxied else { return connection.remote };
        let lines = |name| request.headers().get_all(name).iter().map(HeaderValue::as_bytes);
        match self.context.proxies.load().origin_of(listener, connection.remote, lines) {
            RequestOrigin::Named(remote) => remote,
            RequestOrigin::Connection => connection.remote,
            RequestOrigin::Unnamed => {
                // A request with a packet, and no health check of the proxy itself.
                if listener == ProxiedListener::Http && request.method() == Method::POST {
                    let now = self.context.clock.mono();
                    report_unnamed(connection.remote, &self.throttle, now);
                }
                connection.remote
            }
        }
    }
}

/// Serves one connection from its first request to its last.
pub(super) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut guard: ConnectionGuard,
    web: &Arc<WebService>,
) {
    let (context, limits) = (&web.context, web.limiter.limits());
    let connection = Arc::clone(&guard);
    let router = TowerToHyperService::new(web.router.clone());
    let service = service_fn(|mut request: Request<Incoming>| {
        let open = OpenRequest::begin(Arc::clone(&connection), Arc::clone(context));
        let remote = web.origin_of(&connection, &request);
        let answer = match (web.admit)(web, &connection, remote, &request) {
            Some(refusal) => Err(refusal),
            None => {
                request.extensions_mut().insert(remote);
                request.extensions_mut().insert(Arc::clone(&connection));
                Ok(router.call(request))
            }
        };
        async move {
            let answer = match answer {
                Ok(answer) => answer.await,
                Err(refusal) => Ok(refusal),
            };
            drop(open);
            answer
        }
    });
    let tasks = Tasks::default();
    let mut builder = auto::Builder::new(tasks.clone());
    if !web.http2 {
        builder = builder.http1_only();
    }
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_time)
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .max_headers(HEADERS_MAX);
    let is_wide = connection.is_known || connection.is_of_proxy();
    let window = if is_wide { WIDE_WINDOW } else { WINDOW };
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(connection.streams_max())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(window)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .keep_alive_interval(context.settings.keep_alive.interval)
        .keep_alive_timeout(context.settings.keep_alive.timeout);
    let meter =
        ConnectionMeter { connection: Arc::clone(&connection), web: Arc::clone(web), wait: None };
    let stream = Metered::new(stream, FrameCounter::of_client(), meter);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut streams = tasks.poller();
    // Set once the connection must close: the end of the time for its last answers.
    let mut cut_at = None;
    loop {
        let now = context.clock.mono();
        // The deadline moves in both directions, so it is read again at least this often.
        let deadline = connection.deadline(limits).min(now.after(limits.head_time));
        let wake_at = cut_at.unwrap_or(deadline);
        let must_close = tokio::select! {
            biased;
            // Errors of the connection are the client's.
            _ = serving.as_mut() => return,
            never = streams.run() => match never {},
            event = guard.next_event() => match event {
                ConnectionEvent::Evicted => return,
                ConnectionEvent::Close => cut_at.is_none(),
                ConnectionEvent::Owned | ConnectionEvent::Streams => false,
                ConnectionEvent::Outgrown => {
                    serving.as_mut().graceful_shutdown();
                    false
                }
            },
            () = sleep_until(context.clock.instant(wake_at)) => {
                if cut_at.is_some() {
                    return;
                }
                context.clock.mono() >= connection.deadline(limits)
            }
        };
        if must_close {
            if connection.is_stream() {
                // Its client takes nothing, so it would not take the end either.
                return;
            }
            serving.as_mut().graceful_shutdown();
            cut_at = Some(context.clock.mono().after(limits.closing_time));
        }
    }
}

/// Pauses reading while the connection has no budget left.
struct ConnectionMeter {
    connection: Arc<Connection>,
    web: Arc<WebService>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Meter for ConnectionMeter {
    fn read_bytes_max(&self) -> usize {
        if self.connection.is_owned() { READ_BYTES_MAX } else { UNAUTHENTICATED_READ_BYTES_MAX }
    }

    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.web.context.clock.mono();
            let at = self.web.limiter.readable_at(&self.connection, now);
            if at <= now {
                self.wait = None;
                return Poll::Ready(());
            }
            let instant = self.web.context.clock.instant(at);
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(instant)));
            wait.as_mut().reset(instant);
            ready!(wait.as_mut().poll(cx));
        }
    }

    fn record_read(&mut self, _: usize, frames: u32) -> io::Result<()> {
        self.web.limiter.record_frames(&self.connection, frames, self.web.context.clock.mono());
        Ok(())
    }

    fn record_write(&mut self, is_blocked: bool) {
        self.connection.record_write(is_blocked, || self.web.context.clock.mono());
    }
}

/// A request without an answer, until this is dropped.
struct OpenRequest {
    connection: Arc<Connection>,
    context: Arc<NodeContext>,
}

impl OpenRequest {
    fn begin(connection: Arc<Connection>, context: Arc<NodeContext>) -> Self {
        connection.begin_request(context.clock.mono());
        Self { connection, context }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.connection.end_request(self.context.clock.mono());
    }
}

#[cfg(test)]
mod tests;
