//! Accepts sockets within the limits of a listener. It spawns nothing: its user runs the future of each connection.
//!
//! A connection of a proxy with the PROXY protocol counts at the proxy's address until its header has named the client,
//! and from then on, without a moment in between, at the client's.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection_limiter::{ConnectionEvent, ConnectionGuard, ConnectionLimiter};
use super::serve::{WebService, serve};
use super::spare_file::SpareFile;
use crate::machine::TcpStream;
use crate::net::{
    ClientAddress, Descriptor, Listener, NoDescriptor, ProxiedListener, ProxyHeaderError,
    RemoteAddress, read_proxy_header,
};

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

    /// The next socket. `None`: it was closed, because no open file is left for it. Never fails: errors of the system
    /// are waited out. Dropping the future loses nothing.
    pub(crate) async fn accept(&self) -> Option<AcceptedConnection> {
        let WebService { context, limiter, .. } = &*self.service;
        let (stream, remote, descriptor) = match &self.open_files {
            OpenFiles::Kept(spare) => {
                let (stream, remote) = self.accept_with(spare).await;
                (stream, remote, None)
            }
            OpenFiles::Shared => {
                let make_room = || limiter.evict_one();
                let accepted =
                    self.listener.accept_within(&context.descriptors, &context.clock, make_room);
                match accepted.await {
                    Ok((stream, remote, descriptor)) => (stream, remote, Some(descriptor)),
                    Err(NoDescriptor { remote }) => {
                        (self.service.above_limit)(&self.service, remote.into());
                        return None;
                    }
                }
            }
        };
        let guard = self.service.admit(remote.into());
        let service = Arc::clone(&self.service);
        Some(AcceptedConnection { stream, guard, _descriptor: descriptor, service })
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

impl WebService {
    /// Counts a connection at an address; another one may be closed for it.
    fn admit(&self, remote: RemoteAddress) -> ConnectionGuard {
        let is_known = self.context.known_addresses.contains(remote.into());
        let now = self.context.clock.mono();
        let (guard, is_above_limit) = self.limiter.admit_connection(remote, is_known, now);
        if is_above_limit {
            (self.above_limit)(self, remote);
        }
        guard
    }

    /// Counts a connection of a proxy at the address of its client; another one may be closed for it.
    fn move_to_client(&self, guard: &mut ConnectionGuard, client: RemoteAddress) {
        let is_known = self.context.known_addresses.contains(client.into());
        if guard.move_to(client, is_known) {
            (self.above_limit)(self, client);
        }
    }

    fn needs_proxy_header(&self, remote: RemoteAddress) -> bool {
        let is_needed = |listener| self.context.proxies.load().needs_header(listener, remote.ip());
        self.proxied.is_some_and(is_needed)
    }

    fn report_missing_header(&self, remote: RemoteAddress, reason: &ProxyHeaderError) {
        if matches!(reason, ProxyHeaderError::Silent) {
            // Proxies probe the port so.
            tracing::debug!(%remote, "a connection ended without a byte");
        } else if let Some(suppressed) = self.throttle.admit(self.context.clock.mono()) {
            tracing::warn!(%remote, %reason, suppressed, "connection refused");
        }
    }

    /// The connections of proxies to the listener for peers stay while they are used, as those of peers do.
    fn is_from_proxy(&self, remote: RemoteAddress) -> bool {
        self.proxied == Some(ProxiedListener::Http)
            && self.context.proxies.load().forwards_requests(ProxiedListener::Http, remote.ip())
    }
}

/// Waits for `work` while the connection may stay. `None`: it must close, or the work took too long.
async fn within_limits<T>(
    guard: &mut ConnectionGuard,
    limiter: &ConnectionLimiter,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = pin!(timeout(limiter.limits().head_time, work));
    loop {
        tokio::select! {
            biased;
            done = work.as_mut() => return done.ok(),
            event = guard.next_event() => match event {
                ConnectionEvent::Evicted | ConnectionEvent::Close => return None,
                ConnectionEvent::Outgrown | ConnectionEvent::Owned | ConnectionEvent::Streams => {}
            }
        }
    }
}

impl AcceptedConnection {
    /// Serves the connection to its end. Dropping the future closes it.
    pub(crate) async fn run(self) -> Result<(), FailedTlsHandshake> {
        let Self { mut stream, mut guard, _descriptor, service } = self;
        let WebService { tls, context, limiter, .. } = &*service;
        if service.needs_proxy_header(guard.remote) {
            let header = within_limits(&mut guard, limiter, read_proxy_header(&mut stream)).await;
            match header.unwrap_or(Err(ProxyHeaderError::Timeout)) {
                Ok(None) => {}
                Ok(Some(client)) => service.move_to_client(&mut guard, client),
                Err(reason) => {
                    service.report_missing_header(guard.remote, &reason);
                    return Ok(());
                }
            }
        }
        if service.is_from_proxy(guard.remote) && limiter.give_to_proxies(&guard).is_err() {
            // All connections that proxies may have are in use.
            (service.above_limit)(&service, guard.remote);
            return Ok(());
        }
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
        let handshake = within_limits(&mut guard, limiter, handshake).await;
        let Some(Ok(stream)) = handshake else { return Err(FailedTlsHandshake) };
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
    use crate::net::{Clock, LogThrottle, TransportSettings};
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
            admit: |_, _, _, _| None,
            above_limit: |_, _| {},
            proxied: None,
            throttle: LogThrottle::default(),
            http2: false,
            limiter: ConnectionLimiter::new(ConnectionLimits::default()),
            context: context.unwrap(),
        };
        let socket = Listener::bind("127.0.0.1", 0, "").await.unwrap();
        socket.shut_down();
        let listener = WebListener::new(socket, web).with_kept_files();
        let WebService { limiter, context, .. } = listener.service();
        let remote: SocketAddr = "192.0.2.1:1".parse().unwrap();
        let now = context.clock.mono();
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
