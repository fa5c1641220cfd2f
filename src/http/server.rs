//! The listener: HTTP/1.1 and HTTP/2 (by ALPN with TLS, by prior knowledge without), connections bounded in number and
//! time. It spawns nothing: `node` runs the future of every connection that [`HttpServer::next`] yields.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use axum::Router;
use axum::http::Request;
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::context::HttpContext;
use super::ilp::{Ilp, is_for_packets};
use super::inbound_session::{InboundSession, InboundSessions};
use super::router::router;
use crate::net::{BindError, ClientOrigin, Descriptor, Listener, ServerTls, Throttle};
use crate::peers::TransportContext;
use crate::web::{
    ConnectionLimits, ConnectionPlace, Connections, FrameCounter, Guest, Meter, Metered,
    ProblemDetails, READ_BYTES_MAX, RetryAfter, Tasks, Told,
};

/// What sets the port of this listener.
const PORT_SET_BY: &str = "httpServerPort or HTTP_SERVER_PORT";
/// Bytes of an HTTP/1.1 request's head, and of what is buffered in general; of an HTTP/2 request's headers.
const HEAD_BYTES_MAX: u32 = 16 * 1024;
/// Headers of an HTTP/1.1 request.
const HEADERS_MAX: usize = 64;
/// Bytes of one request's body, and of all bodies of an HTTP/2 connection, that may come before they are read. The first is
/// for connections from where no peer has logged in yet, and not below what RFC 9113 begins with.
const WINDOW: u32 = 64 * 1024;
/// The same for connections from where peers have logged in.
const WIDE_WINDOW: u32 = 1024 * 1024;
/// Bytes that are read at once where no peer has authenticated: some tens of the smallest frames, before they are counted.
const STRANGER_READ_BYTES_MAX: usize = 1024;
/// Bytes of one answer that wait for an HTTP/2 client to take them.
const SEND_BUFFER_BYTES: usize = 16 * 1024;
/// Streams of one HTTP/2 connection that were reset before they were looked at (CVE-2023-44487).
const RESETS_MAX: usize = 32;

/// Of the open files that accepted connections may take, one in so many is the most that is held here.
const SHARE: usize = 2;

/// A listening socket for ILP over HTTP and for whatever else is public.
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    router: Router,
    context: Arc<TransportContext>,
    guests: Arc<Connections>,
    throttle: Throttle,
    sessions: tokio::sync::Mutex<mpsc::Receiver<InboundSession>>,
}

/// Ends the connections of a listener, which may be gone already.
#[derive(Debug, Clone)]
pub struct HttpConnections(Arc<Connections>);

/// What the listener has for whoever runs futures.
#[derive(Debug)]
pub struct HttpWork(Work);

#[derive(Debug)]
enum Work {
    /// A socket was accepted.
    Connection(Box<Connection>),
    /// A peer posted for the first time: its answers are to be delivered.
    Session(InboundSession),
}

/// A socket that was accepted. Nothing has been read from it.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    place: ConnectionPlace,
    /// Given back with the connection's end.
    descriptor: Descriptor,
    acceptor: Option<Acceptor>,
    router: Router,
    context: Arc<TransportContext>,
    guests: Arc<Connections>,
}

/// `TlsAcceptor` with a `Debug`.
struct Acceptor(TlsAcceptor);

impl HttpServer {
    /// Listens on `host` (a name or an address) and `port`; 0 picks a free one, see [`Self::local_addr`].
    ///
    /// # Errors
    /// [`BindError`].
    pub async fn bind(
        host: &str,
        port: u16,
        tls: Option<Arc<ServerTls>>,
        context: Arc<HttpContext>,
    ) -> Result<Self, BindError> {
        let limits = context.transport.settings.http;
        Self::bind_with(
            host,
            port,
            tls,
            context,
            ConnectionLimits { limits, ..ConnectionLimits::default() },
        )
        .await
    }

    pub(super) async fn bind_with(
        host: &str,
        port: u16,
        tls: Option<Arc<ServerTls>>,
        context: Arc<HttpContext>,
        bounds: ConnectionLimits,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        let transport = Arc::clone(&context.transport);
        // Whatever comes here, there are open files left for sessions of BTP.
        let limits = bounds.limits.within(transport.descriptors.max() / SHARE);
        let guests = Connections::new(ConnectionLimits { limits, ..bounds });
        let (posted, sessions) = InboundSessions::new(Arc::clone(&transport));
        let throttle = Throttle::default();
        let ilp = Ilp { context, sessions: posted, guests: Arc::clone(&guests), throttle };
        Ok(Self {
            listener,
            tls,
            router: router(Arc::new(ilp)),
            context: transport,
            guests,
            throttle: Throttle::default(),
            sessions: tokio::sync::Mutex::new(sessions),
        })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// What ends the connections at a shutdown.
    pub fn connections(&self) -> HttpConnections {
        HttpConnections(Arc::clone(&self.guests))
    }

    #[cfg(test)]
    pub(super) fn guests(&self) -> &Connections {
        &self.guests
    }

    /// What is to be run next. Never ends. Dropping the future loses nothing.
    pub async fn next(&self) -> HttpWork {
        // One acceptor asks; a second one would wait here.
        let mut sessions = self.sessions.lock().await;
        HttpWork(tokio::select! {
            Some(session) = sessions.recv() => Work::Session(session),
            connection = self.accept() => Work::Connection(Box::new(connection)),
        })
    }

    async fn accept(&self) -> Connection {
        let context = &self.context;
        loop {
            context.descriptors.until_within_limit().await;
            let (stream, remote) = self.listener.accept(&context.clock).await;
            context.http_counts.accepted.fetch_add(1, Ordering::Relaxed);
            let now = context.clock.mono();
            let is_room = !context.descriptors.are_exhausted() || self.guests.make_room();
            let is_known = context.known_origins.contains(remote.into());
            let entered = is_room.then(|| self.guests.enter(remote, is_known, now));
            if !matches!(entered, Some((_, false))) {
                context.http_counts.over_limit.fetch_add(1, Ordering::Relaxed);
                if let Some(suppressed) = self.throttle.admit(now) {
                    let limits = self.guests.bounds().limits.unauthenticated;
                    tracing::warn!(
                        %remote,
                        suppressed,
                        limit = limits.total,
                        limit_per_address = limits.per_origin,
                        "an HTTP connection was closed for another one: too many have not authenticated"
                    );
                }
            }
            let Some((place, _)) = entered else { continue };
            return Connection {
                stream,
                place,
                descriptor: context.descriptors.take(),
                acceptor: self.tls.as_ref().map(|tls| Acceptor(tls.acceptor())),
                router: self.router.clone(),
                context: Arc::clone(context),
                guests: Arc::clone(&self.guests),
            };
        }
    }
}

impl HttpConnections {
    /// Every connection ends as soon as its requests are answered; at once where there are none.
    pub fn end(&self) {
        self.0.close_all();
    }
}

impl HttpWork {
    /// Serves the connection, or delivers the session's answers, to the end. Dropping the future ends it too.
    pub async fn run(self) {
        match self.0 {
            Work::Connection(connection) => connection.run().await,
            Work::Session(session) => session.run().await,
        }
    }
}

impl Connection {
    async fn run(self: Box<Self>) {
        let Self { stream, mut place, descriptor: _descriptor, acceptor, router, context, guests } =
            *self;
        let Some(Acceptor(acceptor)) = acceptor else {
            return serve(stream, place, &guests, router, &context).await;
        };
        let origin = ClientOrigin::from(place.remote);
        let is_known = context.known_origins.contains(origin);
        let accepted = async {
            // Who never says anything is a probe, and costs no handshake.
            if stream.peek(&mut [0; 1]).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            context.handshakes.run(origin, is_known, acceptor.accept(stream)).await
        };
        let accepted = timeout(guests.bounds().head_time, accepted);
        let mut accepted = pin!(accepted);
        let accepted = loop {
            tokio::select! {
                accepted = accepted.as_mut() => break accepted,
                told = place.told() => match told {
                    Told::Evicted | Told::Leave => return,
                    Told::Outgrown | Told::Owned => {}
                }
            }
        };
        match accepted {
            Ok(Ok(stream)) => serve(stream, place, &guests, router, &context).await,
            // What a stranger does wrong is counted; it costs nobody anything.
            Ok(Err(_)) | Err(_) => {
                context.http_counts.failed_handshakes.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Serves one connection, from its first request to its last.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut place: ConnectionPlace,
    guests: &Arc<Connections>,
    router: Router,
    context: &Arc<TransportContext>,
) {
    let bounds = guests.bounds();
    let guest = Arc::clone(&place);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        let visit = Visit::begin(Arc::clone(&guest), Arc::clone(context));
        let is_login = is_for_packets(request.method(), request.uri());
        if !is_login {
            guest.asks_as_stranger();
        }
        let answer = match guests.admits(&guest, is_login, context.clock.mono()) {
            Ok(()) => {
                request.extensions_mut().insert(Arc::clone(&guest));
                Ok(router.call(request))
            }
            Err(RetryAfter) => Err(ProblemDetails::later(is_login)),
        };
        async move {
            let answer = match answer {
                Ok(answer) => answer.await,
                Err(problem) => Ok(problem.into_response()),
            };
            drop(visit);
            answer
        }
    });
    let tasks = Tasks::default();
    let mut builder = auto::Builder::new(tasks.clone());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Also from one request to the next. Strangers, and who has not said anything yet, have less: see `connection_limiter`.
        .header_read_timeout(bounds.idle_time)
        .max_buf_size(HEAD_BYTES_MAX as usize)
        .max_headers(HEADERS_MAX);
    let window = if guest.is_known { WIDE_WINDOW } else { WINDOW };
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_concurrent_streams(guest.streams())
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(window)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .keep_alive_interval(context.settings.keep_alive.interval)
        .keep_alive_timeout(context.settings.keep_alive.timeout);
    let meter = GuestMeter {
        guest: Arc::clone(&guest),
        guests: Arc::clone(guests),
        context: Arc::clone(context),
        wait: None,
    };
    let stream = Metered::new(stream, FrameCounter::of_client(), meter);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut running = tasks.running();
    let mut gone_at = None;
    loop {
        let now = context.clock.mono();
        // Looked at again now and then, as it moves in both directions.
        let look = guest.leaves_at(bounds).min(now.after(bounds.head_time));
        let look = gone_at.unwrap_or(look);
        let must_leave = tokio::select! {
            // What ends a connection is the client's affair: there is nothing to do about it here.
            _ = connection.as_mut() => return,
            never = running.run() => match never {},
            told = place.told() => match told {
                Told::Evicted => return,
                Told::Leave => gone_at.is_none(),
                Told::Owned => false,
                Told::Outgrown => {
                    connection.as_mut().graceful_shutdown();
                    false
                }
            },
            () = sleep_until(context.clock.instant(look)) => {
                if gone_at.is_some() {
                    return;
                }
                context.clock.mono() >= guest.leaves_at(bounds)
            }
        };
        if must_leave {
            connection.as_mut().graceful_shutdown();
            gone_at = Some(context.clock.mono().after(bounds.goodbye_time));
        }
    }
}

/// Lets a connection be read as long as it has budget left.
struct GuestMeter {
    guest: Arc<Guest>,
    guests: Arc<Connections>,
    context: Arc<TransportContext>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Meter for GuestMeter {
    fn read_bytes_max(&self) -> usize {
        if self.guest.is_owned() { READ_BYTES_MAX } else { STRANGER_READ_BYTES_MAX }
    }

    fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = self.context.clock.mono();
            let at = self.guests.reads_at(&self.guest, now);
            if at <= now {
                self.wait = None;
                return Poll::Ready(());
            }
            let instant = self.context.clock.instant(at);
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep_until(instant)));
            wait.as_mut().reset(instant);
            ready!(wait.as_mut().poll(cx));
        }
    }

    fn has_read(&mut self, _: usize, frames: u32) -> io::Result<()> {
        self.guests.has_read(&self.guest, frames, self.context.clock.mono());
        Ok(())
    }
}

/// A request that is being answered.
struct Visit {
    guest: Arc<Guest>,
    context: Arc<TransportContext>,
}

impl Visit {
    fn begin(guest: Arc<Guest>, context: Arc<TransportContext>) -> Self {
        context.http_counts.requests.fetch_add(1, Ordering::Relaxed);
        guest.begins(context.clock.mono());
        Self { guest, context }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.guest.ends(self.context.clock.mono());
    }
}

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

#[cfg(test)]
mod tests;
