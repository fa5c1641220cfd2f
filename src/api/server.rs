//! The listener and its connections. A client may be slow, silent, or one of thousands: what it holds is bounded, and
//! the newest connection always gets its turn, so that a health check is answered while others misbehave.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use futures_util::future::{AbortHandle, Abortable, FutureExt};
use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::heartbeat::LOOK_EVERY;
use super::pages::{Pages, router};
use super::status::NodeStatus;
use crate::telemetry::{LogTotals, Metrics, PacketLogTotals};

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// Open connections, at most. One more closes the oldest.
const CONNECTIONS_MAX: usize = 128;
/// There are fewer where the process may open few files: one in so many of those that accepted connections may take, but
/// not fewer than [`CONNECTIONS_MIN`].
const CONNECTIONS_SHARE: usize = 4;
/// See [`CONNECTIONS_SHARE`].
const CONNECTIONS_MIN: usize = 4;
/// From the connection, or the answer before, to the end of a request's head.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Bytes of a request's head, and of what is buffered in general.
const BUFFER_BYTES_MAX: usize = 16 * 1024;
/// How long a connection may live, also one that is used all the time.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// For the answer that is on its way when that time is up.
const LAST_ANSWER_TIME: Duration = Duration::from_secs(5);
/// After the system refused to accept a connection, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that has been open for longer may be closed for want of file descriptors.
const IDLE_TIME: Duration = Duration::from_secs(1);

/// How long clients may take. Tests are less patient.
#[derive(Debug, Clone, Copy)]
struct Patience {
    head: Duration,
    connection: Duration,
}

/// The client's address.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClientAddress(pub(super) SocketAddr);

/// Why the health server does not listen.
#[derive(Debug, thiserror::Error)]
pub enum ApiBindError {
    /// The host to listen on has no address.
    #[error("cannot resolve the host {host} to listen on for health requests")]
    Resolve {
        /// As configured.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// The port is taken, usually by another program or another node.
    #[error(
        "port {port} on {host} is already in use; choose another one (healthCheckPort or HEALTH_CHECK_PORT)"
    )]
    InUse {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
    },
    /// The port cannot be listened on.
    #[error("cannot listen on {host} port {port} for health requests")]
    Listen {
        /// As configured.
        host: String,
        /// As configured.
        port: u16,
        /// Why.
        source: io::Error,
    },
}

/// The health server, which listens already.
#[derive(Debug)]
pub struct Api {
    listener: StdListener,
    address: SocketAddr,
    router: Router,
    status: Arc<NodeStatus>,
    patience: Patience,
    connections_max: usize,
}

impl Api {
    /// Listens; port 0 takes any free one, see [`Api::local_addr`]. Connections wait until [`Api::run`].
    ///
    /// # Errors
    /// [`ApiBindError`], which names host, port and key.
    pub async fn bind(
        host: &str,
        port: u16,
        status: Arc<NodeStatus>,
        packet_log: Arc<PacketLogTotals>,
        log: Arc<LogTotals>,
    ) -> Result<Self, ApiBindError> {
        let resolve = |source| ApiBindError::Resolve { host: host.to_owned(), source };
        let mut addresses = lookup_host((host, port)).await.map_err(resolve)?;
        let address = addresses.next().ok_or_else(|| resolve(io::ErrorKind::NotFound.into()))?;
        let (listener, address) = listen(address).map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => ApiBindError::InUse { host: host.to_owned(), port },
            _ => ApiBindError::Listen { host: host.to_owned(), port, source },
        })?;
        // Where open files are few, others need some too.
        let descriptors = status.context().descriptors.max() / CONNECTIONS_SHARE;
        let connections_max = descriptors.clamp(CONNECTIONS_MIN, CONNECTIONS_MAX);
        let metrics = Metrics::new(Arc::clone(status.context()), packet_log, log);
        let router = router(Pages { status: Arc::clone(&status), metrics });
        let patience = Patience { head: HEAD_TIME, connection: CONNECTION_TIME };
        Ok(Api { listener, address, router, status, patience, connections_max })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests, on whatever runtime polls it: a runtime of its own, on a thread of its own, keeps health fast
    /// while packets flood, and packets fast while metrics of thousands of peers are written. Never ends unless the
    /// listener cannot be registered with the runtime; dropping the future closes everything.
    pub async fn run(self) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "the health server cannot run"),
        };
        let mut connections = FuturesUnordered::new();
        // Oldest first.
        let mut open: VecDeque<(u64, AbortHandle, Instant)> = VecDeque::new();
        let mut next_id: u64 = 0;
        let mut paused: Option<Instant> = None;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked_at = Instant::now();
        let mut spare = Spare::hold();
        loop {
            tokio::select! {
                _ = looks.tick() => {
                    self.status.look_at_heartbeat(looked_at.elapsed());
                    looked_at = Instant::now();
                }
                accepted = accept(&listener, &mut spare), if paused.is_none() => match accepted {
                    Ok((stream, remote)) => {
                        if open.len() >= self.connections_max && let Some((_, oldest, _)) = open.pop_front() {
                            oldest.abort();
                        }
                        let (handle, registration) = AbortHandle::new_pair();
                        let id = next_id;
                        next_id += 1;
                        open.push_back((id, handle, Instant::now()));
                        let connection = serve(stream, remote, self.router.clone(), self.patience);
                        let connection = Abortable::new(connection, registration);
                        connections.push(async move {
                            // Aborted or ended: it is gone either way.
                            let _ = connection.await;
                            id
                        });
                    }
                    Err(error) => {
                        tracing::debug!(%error, "a health connection was not accepted");
                        paused = Some(Instant::now() + ACCEPT_PAUSE);
                        // An idle one may have what is missing.
                        if let Some((_, oldest, _)) =
                            open.pop_front_if(|(_, _, since)| since.elapsed() >= IDLE_TIME)
                        {
                            oldest.abort();
                        }
                    }
                },
                () = sleep_until(paused.unwrap_or_else(Instant::now)), if paused.is_some() => {
                    paused = None;
                    spare = spare.or_else(Spare::hold);
                }
                Some(ended) = connections.next() => {
                    open.retain(|(id, ..)| *id != ended);
                    spare = spare.or_else(Spare::hold);
                }
            }
        }
    }
}

/// An open file that is given up so that a connection can be accepted when there are no others.
#[derive(Debug)]
struct Spare(#[expect(dead_code, reason = "held to be dropped")] File);

impl Spare {
    /// `None`: there is none to be had now.
    fn hold() -> Option<Self> {
        File::open("/dev/null").ok().map(Self)
    }
}

/// The next connection. Where there is no open file for it, the spare one is given up.
async fn accept(
    listener: &TcpListener,
    spare: &mut Option<Spare>,
) -> io::Result<(TcpStream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Err(_) if spare.take().is_some() => match listener.accept().now_or_never() {
                Some(Ok(accepted)) => return Ok(accepted),
                // Linux has no open file to give even where nobody wants to connect.
                None => *spare = Spare::hold(),
                Some(Err(error)) => {
                    *spare = Spare::hold();
                    return Err(error);
                }
            },
            accepted => return accepted,
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<(StdListener, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restarted node must not wait for the former one's sockets to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let listener = socket.listen(BACKLOG)?.into_std()?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// One connection, from its first request to its last.
async fn serve(stream: TcpStream, remote: SocketAddr, router: Router, patience: Patience) {
    // Answers are written whole: waiting for more to write gains nothing. A socket that refuses is about to fail.
    let _ = stream.set_nodelay(true);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ClientAddress(remote));
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // What ends a connection is the client's affair: there is nothing to do about it here.
    if timeout(patience.connection, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(LAST_ANSWER_TIME, connection).await;
    }
}

#[cfg(test)]
mod tests;
