//! Accepts sockets within the limits of a listener. It spawns nothing: its user runs the future of each connection.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection_limiter::{ConnectionEvent, ConnectionGuard};
use super::serve::{WebService, serve};
use super::spare_file::SpareFile;
use crate::net::{ClientAddress, Descriptor, Listener};

/// The pause after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that has been open for this long may be closed when open files are short.
const CLOSABLE_AGE: Duration = Duration::from_secs(1);

/// A listening socket whose connections are bounded.
#[derive(Debug)]
pub(crate) struct WebListener {
    listener: Listener,
    service: Arc<WebService>,
    open_files: OpenFiles,
    /// The end of a pause, which goes on if the future of [`Self::accept`] is dropped.
    paused_until: Mutex<Option<Instant>>,
}

/// Where the open files of accepted connections come from.
#[derive(Debug)]
enum OpenFiles {
    /// From those that all accepted connections of the process share.
    Shared,
    /// From those that are reserved for this listener; one is spare.
    Kept(SpareFile),
}

/// The result of accepting a socket.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) remote: SocketAddr,
    /// `None`: it was closed, because no open file is left for it.
    pub(crate) connection: Option<AcceptedConnection>,
    /// The socket was closed, or another unauthenticated connection was closed for it.
    pub(crate) is_above_limit: bool,
}

/// A connection of which nothing has been read.
#[derive(Debug)]
pub(crate) struct AcceptedConnection {
    stream: TcpStream,
    guard: ConnectionGuard,
    _descriptor: Option<Descriptor>,
    pub(crate) service: Arc<WebService>,
}

/// A client did not complete the TLS handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FailedTlsHandshake;

impl WebListener {
    /// A listener whose connections share the open files of all accepted connections.
    pub(crate) fn new(listener: Listener, service: WebService) -> Self {
        let (open_files, paused_until) = (OpenFiles::Shared, Mutex::default());
        Self { listener, service: Arc::new(service), open_files, paused_until }
    }

    /// The same, but open files are reserved for its connections.
    pub(crate) fn with_kept_files(self) -> Self {
        Self { open_files: OpenFiles::Kept(SpareFile::default()), ..self }
    }

    pub(crate) fn service(&self) -> &WebService {
        &self.service
    }

    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// Moves the socket to the runtime of the caller.
    pub(crate) fn move_to_this_runtime(self) -> io::Result<Self> {
        Ok(Self { listener: self.listener.move_to_this_runtime()?, ..self })
    }

    /// The next socket. Never fails: errors of the system are waited out. Dropping the future loses nothing.
    pub(crate) async fn accept(&self) -> Accepted {
        let WebService { context, limiter, .. } = &*self.service;
        let (stream, remote, descriptor) = match &self.open_files {
            OpenFiles::Kept(spare) => {
                let (stream, remote) = self.accept_with(spare).await;
                (stream, remote, None)
            }
            OpenFiles::Shared => {
                context.descriptors.until_within_limit().await;
                let (stream, remote) = self.listener.accept(&context.clock).await;
                if context.descriptors.are_exhausted() && !limiter.evict_one() {
                    return Accepted { remote, connection: None, is_above_limit: true };
                }
                (stream, remote, Some(context.descriptors.take()))
            }
        };
        let is_known = context.known_addresses.contains(remote.into());
        let now = context.clock.mono();
        let (guard, is_above_limit) = limiter.admit_connection(remote, is_known, now);
        let service = Arc::clone(&self.service);
        let connection = AcceptedConnection { stream, guard, _descriptor: descriptor, service };
        Accepted { remote, connection: Some(connection), is_above_limit }
    }

    async fn accept_with(&self, spare: &SpareFile) -> (TcpStream, SocketAddr) {
        loop {
            let paused_until = *self.paused_until.lock();
            if let Some(end) = paused_until {
                sleep_until(end).await;
            }
            match spare.accept(&self.listener).await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::debug!(%error, "a connection was not accepted");
                    let WebService { context, limiter, .. } = &*self.service;
                    limiter.close_oldest(CLOSABLE_AGE, context.clock.mono());
                    *self.paused_until.lock() = Some(Instant::now() + ACCEPT_PAUSE);
                }
            }
        }
    }
}

impl AcceptedConnection {
    /// Serves the connection to its end. Dropping the future closes it.
    pub(crate) async fn run(self) -> Result<(), FailedTlsHandshake> {
        let Self { stream, mut guard, _descriptor, service } = self;
        let WebService { tls, context, limiter, .. } = &*service;
        let Some(tls) = tls else {
            serve(stream, guard, &service).await;
            return Ok(());
        };
        let address = ClientAddress::from(guard.remote);
        let is_known = context.known_addresses.contains(address);
        let handshake = async {
            // A client that sends nothing costs no handshake.
            if stream.peek(&mut [0; 1]).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            context.tls_handshakes.run(address, is_known, tls.acceptor().accept(stream)).await
        };
        let mut handshake = pin!(timeout(limiter.limits().head_time, handshake));
        let handshake = loop {
            tokio::select! {
                done = handshake.as_mut() => break done,
                event = guard.next_event() => match event {
                    ConnectionEvent::Evicted | ConnectionEvent::Close => return Ok(()),
                    ConnectionEvent::Outgrown
                    | ConnectionEvent::Owned
                    | ConnectionEvent::Streams => {}
                }
            }
        };
        let Ok(Ok(stream)) = handshake else { return Err(FailedTlsHandshake) };
        serve(stream, guard, &service).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use futures_util::FutureExt;

    use super::*;
    use crate::connector::Connector;
    use crate::net::{Clock, TransportSettings};
    use crate::peers::NodeContext;
    use crate::routing::HashSeed;
    use crate::testing::connector_settings;
    use crate::web::{ConnectionLimiter, ConnectionLimits};

    /// The health server drops the future of `accept` at every tick. Each refused attempt costs an open connection.
    #[tokio::test]
    async fn the_pause_after_a_refused_accept_outlives_its_future() {
        let connector = Connector::new(connector_settings("node", &[]), HashSeed::Random).unwrap();
        let context = NodeContext::new(connector, Clock::manual(), TransportSettings::default());
        let web = WebService {
            tls: None,
            router: Router::new(),
            admit: |_, _, _| None,
            http2: false,
            limiter: ConnectionLimiter::new(ConnectionLimits::default()),
            context: context.unwrap(),
        };
        let socket = Listener::bind("127.0.0.1", 0, "").await.unwrap();
        socket.shut_down();
        let listener = WebListener::new(socket, web).with_kept_files();
        let WebService { limiter, context, .. } = listener.service();
        let (remote, now) = ("192.0.2.1:1".parse().unwrap(), context.clock.mono());
        let mut open: Vec<_> =
            (0..100).map(|_| limiter.admit_connection(remote, false, now).0).collect();
        context.clock.advance(CLOSABLE_AGE);
        let began = Instant::now();
        for _ in 0..100 {
            assert!(listener.accept().now_or_never().is_none());
            let is_evicted = |event| event == Some(ConnectionEvent::Evicted);
            open.retain_mut(|guard| !is_evicted(guard.next_event().now_or_never()));
            // The runtime polls the socket.
            tokio::task::yield_now().await;
        }
        // A slow machine may need several pauses for the loop.
        let attempts_max = 1 + began.elapsed().as_millis() / ACCEPT_PAUSE.as_millis();
        let attempts = 100 - open.len();
        assert!(attempts > 0 && attempts as u128 <= attempts_max, "{attempts}, {attempts_max}");
    }
}
