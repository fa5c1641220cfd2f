//! The listener: turns each accepted socket into a session or refuses it. It spawns nothing: `node` runs every
//! connection that [`BtpServer::accept`] returns.
//!
//! Unauthenticated sockets are bounded in number, time and log lines. A new one is admitted: the oldest socket of the
//! address that holds most is closed for it, also when open files run out; it is refused only if there is none to
//! close. TLS handshakes run on a thread of their own.
//!
//! A socket of a named proxy counts at the proxy's address only until the proxy has named its client: before TLS, with
//! the PROXY protocol, or in the request for the WebSocket.

mod login;
mod loopback_ports;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use self::login::{AcceptedLogin, FoundLogin, find_guest, find_login};
use self::loopback_ports::bind_loopback;
use super::auth::{AuthError, FirstFrame, read_first_frame, refusal};
use super::byte_stream::ByteStream;
use super::driver::Driver;
use super::http_header::HeaderFields;
use super::session::{BtpSession, put_whole_frame};
use super::socket::{DataMessage, Socket};
use super::upgrade::{self, Clients, UpgradeError};
use crate::link::{Framing, Outbox, POLICY_VIOLATION, SessionKind};
use crate::machine::TcpStream;
use crate::net::{
    AddressLimits, BindError, ClientAddress, Descriptor, Listener, LogThrottle, NoDescriptor,
    ProxiedListener, ProxyHeaderError, RemoteAddress, RequestOrigin, ServerTls,
    UnauthenticatedConnections, UnauthenticatedPermit, read_proxy_header, report_unnamed,
};
use crate::peers::{CloseReason, GuestDoor, Logins, NodeContext, RECONFIGURED, SessionGuard};
use crate::wire::btp::put_empty_response;

/// The settings of the port, for an error message.
const PORT_SET_BY: &str = "btpServerPort or BTP_SERVER_PORT";

/// Sockets at one address of the guests' door that have not logged in.
const GUESTS_UNAUTHENTICATED_MAX: usize = 64;
/// Unauthenticated sockets may take one in so many of the open files for accepted connections.
const UNAUTHENTICATED_SHARE: usize = 4;

/// A listening socket and its logins.
#[derive(Debug)]
pub struct BtpServer {
    listener: Listener,
    tls: Option<Arc<ServerTls>>,
    shared: Arc<Shared>,
    unauthenticated: Arc<UnauthenticatedConnections>,
}

#[derive(Debug)]
struct Shared {
    context: Arc<NodeContext>,
    logins: Arc<Logins>,
    /// For log lines about refused sockets.
    throttle: LogThrottle,
    /// For log lines about evicted sockets.
    eviction_throttle: LogThrottle,
    /// How many sockets may be unauthenticated.
    limits: AddressLimits,
    /// Set at the guests' door.
    door: Option<GuestDoor>,
}

/// An accepted socket. Nothing has been read from it.
pub struct BtpConnection {
    stream: TcpStream,
    remote: RemoteAddress,
    acceptor: Option<tokio_rustls::TlsAcceptor>,
    shared: Arc<Shared>,
    /// Held until the login.
    permit: UnauthenticatedPermit,
    /// Held until the end of the session.
    descriptor: Descriptor,
}

impl BtpServer {
    /// Listens on `host` (a name or an address) and `port`; 0 picks a free one, see [`Self::local_addr`].
    pub async fn bind(
        host: &str,
        port: u16,
        tls: Option<Arc<ServerTls>>,
        logins: Arc<Logins>,
        context: Arc<NodeContext>,
    ) -> Result<Self, BindError> {
        let listener = Listener::bind(host, port, PORT_SET_BY).await?;
        // The other open files remain for sessions.
        let limits = context.settings.unauthenticated;
        let total = limits.total.min(context.descriptors.max() / UNAUTHENTICATED_SHARE);
        let limits = AddressLimits { total, ..limits };
        let unauthenticated = UnauthenticatedConnections::new(limits);
        let shared = Shared::new(context, logins, limits, None);
        Ok(Self { listener, tls, shared, unauthenticated })
    }

    /// Opens the guests' door on the loopback interface: on IPv4, and on IPv6 if this machine has it.
    ///
    /// # Errors
    /// [`BindError`], if one of the addresses cannot be listened on. A machine without IPv6 is no error.
    pub async fn bind_guests(
        port: u16,
        door: GuestDoor,
        logins: Arc<Logins>,
        context: Arc<NodeContext>,
    ) -> Result<Vec<Self>, BindError> {
        let listeners = bind_loopback(port).await?;
        let limits = AddressLimits {
            total: GUESTS_UNAUTHENTICATED_MAX,
            per_address: GUESTS_UNAUTHENTICATED_MAX,
            reserved_for_known: 0,
        };
        let shared = Shared::new(context, logins, limits, Some(door));
        let servers = listeners.into_iter().map(|listener| Self {
            listener,
            tls: None,
            shared: Arc::clone(&shared),
            unauthenticated: UnauthenticatedConnections::new(limits),
        });
        Ok(servers.collect())
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.listener.local_addr()
    }

    /// The next socket. An error of the system is logged, and accepting goes on after a pause. Cancel safe.
    pub async fn accept(&self) -> BtpConnection {
        let context = &self.shared.context;
        loop {
            let make_room = || self.unauthenticated.evict_one();
            let accepted =
                self.listener.accept_within(&context.descriptors, &context.clock, make_room).await;
            context.btp_counts.accepted.fetch_add(1, Ordering::Relaxed);
            let (stream, remote, descriptor) = match accepted {
                Ok(accepted) => accepted,
                Err(NoDescriptor { remote }) => {
                    self.shared.report_refusal(remote.into(), &AcceptError::NoDescriptor);
                    continue;
                }
            };
            let address = ClientAddress::from(remote);
            let is_known = context.known_addresses.contains(address);
            let (permit, _) = self.unauthenticated.admit(address, is_known);
            let acceptor = self.tls.as_ref().map(|tls| tls.acceptor());
            let shared = Arc::clone(&self.shared);
            let remote = remote.into();
            return BtpConnection { stream, remote, acceptor, shared, permit, descriptor };
        }
    }
}

/// Why an accepted socket did not become a session.
#[derive(Debug, thiserror::Error)]
enum AcceptError {
    #[error(transparent)]
    ProxyHeader(#[from] ProxyHeaderError),
    #[error("the TLS handshake failed: {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error("it did not authenticate in time")]
    Timeout,
    #[error("it had to make room for a later one")]
    Evicted,
    #[error(
        "sessions take all open files that there are for them (raise the limit on open files?)"
    )]
    NoDescriptor,
    #[error("the first message is not a BTP frame")]
    Unreadable,
    #[error("{0}")]
    Ended(CloseReason),
    #[error("login refused: {why}")]
    Login {
        why: AuthError,
        /// The name in the login, sanitized.
        claimed: Option<String>,
    },
}

impl std::fmt::Debug for BtpConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BtpConnection").field("remote", &self.remote).finish_non_exhaustive()
    }
}

impl BtpConnection {
    /// Authenticates the peer and runs the session to its end. Dropping the future closes the socket.
    pub async fn run(self) {
        let Self { stream, remote, acceptor, shared, permit, descriptor: _descriptor } = self;
        // RFC 23 "Authentication": a server closes a connection that does not authenticate in time. [row 70]
        let deadline = Instant::now() + shared.context.settings.auth_timeout;
        let owner = Arc::clone(&shared);
        // Boxed, so that the memory of the authentication is released when the session begins. A session needs no
        // permit.
        let authenticated = Box::pin(async move {
            let mut client = Unauthenticated { remote, permit, deadline, shared: &owner };
            let driver = client.authenticate(stream, acceptor).await;
            (driver, client.remote)
        });
        match authenticated.await {
            (Ok(driver), _) => drop(driver.run().await),
            (Err(refused), remote) => shared.report_refusal(remote, &refused),
        }
    }
}

/// The client at the other end of a socket, until it has logged in.
struct Unauthenticated<'s> {
    /// Of the socket, and then as named proxies say.
    remote: RemoteAddress,
    permit: UnauthenticatedPermit,
    deadline: Instant,
    shared: &'s Shared,
}

impl Unauthenticated<'_> {
    async fn authenticate(
        &mut self,
        mut stream: TcpStream,
        acceptor: Option<tokio_rustls::TlsAcceptor>,
    ) -> Result<Driver, AcceptError> {
        let context = &self.shared.context;
        // The guests' door is for this machine: what a proxy says of others means nothing there.
        let is_door = self.shared.door.is_some();
        let clients = if is_door { Clients::NoWebPages } else { Clients::All };
        let proxies = context.proxies.load_full();
        if !is_door && proxies.needs_header(ProxiedListener::Btp, self.remote.ip()) {
            let read = async { Ok(read_proxy_header(&mut stream).await?) };
            if let Some(client) = self.in_time(read).await? {
                self.move_to(client);
            }
        }
        // A client that sends nothing is a probe, and costs no TLS handshake.
        let is_silent =
            self.in_time(async { Ok(!matches!(stream.peek(&mut [0; 1]).await, Ok(1..))) });
        match is_silent.await {
            Ok(false) => {}
            Ok(true) | Err(AcceptError::Timeout) => return Err(UpgradeError::Silent.into()),
            Err(error) => return Err(error),
        }
        let mut stream = match acceptor {
            None => ByteStream::Plain(stream),
            Some(acceptor) => {
                let address = self.remote.into();
                let is_known = context.known_addresses.contains(address);
                let handshake = acceptor.accept(stream);
                let handshake = context.tls_handshakes.run(address, is_known, handshake);
                let stream = self.in_time(async { handshake.await.map_err(AcceptError::Tls) });
                ByteStream::Tls(Box::new(TlsStream::Server(stream.await?)))
            }
        };
        let connection = self.remote;
        let origin_of = |fields: HeaderFields<'_>| match is_door {
            true => RequestOrigin::Connection,
            false => proxies.origin_of(ProxiedListener::Btp, connection, |name| fields.lines(name)),
        };
        let upgrade = async { Ok(upgrade::accept(&mut stream, clients, origin_of).await?) };
        let upgraded = self.in_time(upgrade).await?;
        if let RequestOrigin::Named(client) = upgraded.origin {
            self.move_to(client);
        }
        let is_unnamed = matches!(upgraded.origin, RequestOrigin::Unnamed);
        let remote = self.remote.to_string();
        let log_in = log_in(stream, upgraded, &remote, self.deadline, self.shared);
        let outcome = self.until_evicted(log_in).await;
        // A health check of the proxy itself does not log in.
        if is_unnamed && matches!(outcome, Ok(_) | Err(AcceptError::Login { .. })) {
            report_unnamed(connection, &self.shared.throttle, context.clock.mono());
        }
        let driver = outcome?;
        // Each program of this machine can be a guest, so that its login says nothing about its address.
        if !is_door {
            context.known_addresses.remember(driver.account_id(), self.remote.into());
        }
        Ok(driver)
    }

    /// A proxy has named its client.
    fn move_to(&mut self, remote: RemoteAddress) {
        self.remote = remote;
        let address = ClientAddress::from(remote);
        let is_known = self.shared.context.known_addresses.contains(address);
        self.permit.move_to(address, is_known);
    }

    /// The outcome of a step of the login. An evicted socket never becomes a session: its permit and open file belong
    /// to another.
    async fn until_evicted<T>(
        &self,
        step: impl Future<Output = Result<T, AcceptError>>,
    ) -> Result<T, AcceptError> {
        tokio::select! {
            biased;
            () = self.permit.evicted() => Err(AcceptError::Evicted),
            outcome = step => outcome,
        }
    }

    /// The same, within the time for a login.
    async fn in_time<T>(
        &self,
        step: impl Future<Output = Result<T, AcceptError>>,
    ) -> Result<T, AcceptError> {
        let step = timeout_at(self.deadline, step);
        self.until_evicted(async { step.await.unwrap_or(Err(AcceptError::Timeout)) }).await
    }
}

/// Reads and answers the login on a new WebSocket.
async fn log_in(
    stream: ByteStream,
    upgraded: upgrade::Upgraded,
    remote: &str,
    deadline: Instant,
    shared: &Shared,
) -> Result<Driver, AcceptError> {
    let context = &shared.context;
    // The account's own limit comes with the account; a login is small.
    let outbox = Outbox::new(Framing::Server, context.settings.message_bytes_max);
    let message_max = context.settings.message_bytes_max;
    let mut socket = Socket::new(stream, Role::Server, upgraded.unread, outbox, message_max);
    let frame = match timeout_at(deadline, socket.receive()).await {
        Err(_) => {
            socket.close(POLICY_VIOLATION, "not authenticated in time").await;
            return Err(AcceptError::Timeout);
        }
        Ok(Err(ended)) => {
            if let CloseReason::ByUs { code, reason } = ended {
                socket.close(code, reason).await;
            }
            return Err(AcceptError::Ended(ended));
        }
        Ok(Ok(DataMessage::Text)) => {
            socket.close(POLICY_VIOLATION, "not a BTP frame").await;
            return Err(AcceptError::Unreadable);
        }
        Ok(Ok(DataMessage::Binary(frame))) => frame,
    };
    // A pong may still wait in the outbox, which is replaced below.
    let flushed = timeout_at(deadline, socket.flush()).await;
    flushed.map_err(|_| AcceptError::Timeout)?.map_err(AcceptError::Ended)?;
    let login = match &shared.door {
        None => find_login(&frame, &upgraded.path, shared),
        Some(door) => match timeout_at(deadline, find_guest(&frame, door, shared)).await {
            Ok(found) => found,
            Err(_) => {
                socket.close(POLICY_VIOLATION, "the node is too busy for a guest").await;
                return Err(AcceptError::Timeout);
            }
        },
    };
    let (request_id, why, claimed) = match login {
        FoundLogin::Accepted(login) => {
            let request_id = login.request_id;
            let outbox = Outbox::new(Framing::Server, login.account.outbox_bytes_max());
            // RFC 23 "Authentication": a RESPONSE with the id of the login accepts it. [row 71]
            outbox.put_frame(EMPTY_RESPONSE_BYTES, |out| put_empty_response(request_id, out));
            socket.outbox = Arc::clone(&outbox);
            let session = open_session(shared, login, &frame, &upgraded.path, outbox, remote);
            return Ok(Driver::new(Arc::clone(context), socket, session));
        }
        FoundLogin::Refused { request_id, why, claimed } => (request_id, why, claimed),
        FoundLogin::Unreadable => {
            socket.close(POLICY_VIOLATION, "not a BTP frame").await;
            return Err(AcceptError::Unreadable);
        }
    };
    let error = refusal(request_id, &why.to_string(), context.clock.now().wall);
    // RFC 23 "Authentication": a server answers a refused login with an ERROR, and closes. [row 69]
    put_whole_frame(&socket.outbox, &error);
    socket.close(POLICY_VIOLATION, "authentication failed").await;
    Err(AcceptError::Login { why, claimed })
}

/// Opens the session of a login that a directory has accepted.
///
/// A reload swaps the directory and then closes the sessions whose login is no longer valid. With several threads it
/// may do both before this session is attached. Therefore a session of an older directory is checked again.
fn open_session(
    shared: &Shared,
    login: AcceptedLogin,
    frame: &[u8],
    path: &str,
    outbox: Arc<Outbox>,
    remote: &str,
) -> BtpSession {
    let AcceptedLogin { account, token, directory, .. } = login;
    let context = Arc::clone(&shared.context);
    let status = context.peers.status(account.id());
    let (kind, token, frames) = (SessionKind::Accepted, Some(token), Arc::clone(&outbox));
    let guard = SessionGuard::attach(context, account, status, kind, token, frames, remote);
    let current = shared.logins.load();
    let is_accepted = || {
        let id = guard.account().id();
        let again = || read_first_frame(frame, path, &current);
        match &shared.door {
            Some(_) => current.has_guest(id),
            None => matches!(again(), FirstFrame::Accepted { account, .. } if account == id),
        }
    };
    if !Arc::ptr_eq(&directory, &current) && !is_accepted() {
        outbox.request_close(RECONFIGURED);
    }
    BtpSession::new(guard)
}

/// Type, request id, length 2, count 0.
const EMPTY_RESPONSE_BYTES: usize = 8;

impl Shared {
    fn new(
        context: Arc<NodeContext>,
        logins: Arc<Logins>,
        limits: AddressLimits,
        door: Option<GuestDoor>,
    ) -> Arc<Self> {
        let (throttle, eviction_throttle) = (LogThrottle::default(), LogThrottle::default());
        Arc::new(Self { context, logins, throttle, eviction_throttle, limits, door })
    }

    fn report_refusal(&self, remote: RemoteAddress, refused: &AcceptError) {
        let counts = &self.context.btp_counts;
        let counter = match refused {
            AcceptError::Login { why: AuthError::Guest(_) | AuthError::SecretToken, .. } => {
                &counts.refused_guests
            }
            AcceptError::Login { .. } => &counts.refused_logins,
            AcceptError::Evicted | AcceptError::NoDescriptor => &counts.over_limit,
            _ => &counts.failed_before_login,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let logins = self.logins.load();
        let known = match refused {
            AcceptError::Login { claimed: Some(claimed), .. } => logins.find_by_name(claimed),
            _ => None,
        };
        if let (Some(account), AcceptError::Login { why, claimed }) = (known, refused) {
            let reason = why.describe_to_operator(claimed.as_deref(), &logins);
            self.context.peers.record_refused_login(Some(account), &remote.to_string(), &reason);
        }
        if matches!(
            refused,
            AcceptError::Upgrade(UpgradeError::Silent)
                | AcceptError::ProxyHeader(ProxyHeaderError::Silent)
        ) {
            // Load balancers probe the port so.
            tracing::debug!(%remote, "a connection ended without a byte");
            return;
        }
        let throttle = match refused {
            AcceptError::Evicted => &self.eviction_throttle,
            _ => &self.throttle,
        };
        let Some(suppressed) = throttle.admit(self.context.clock.mono()) else { return };
        match refused {
            AcceptError::Evicted => {
                tracing::warn!(
                    %remote,
                    suppressed,
                    limit = self.limits.total,
                    limit_per_address = self.limits.per_address,
                    "a socket was closed: too many have not authenticated yet"
                );
            }
            AcceptError::Login { why, claimed } => {
                let why = why.describe_to_operator(claimed.as_deref(), &logins);
                let reason = format!("login refused: {why}");
                tracing::warn!(%remote, user = claimed, %reason, suppressed, "connection refused");
            }
            _ => tracing::warn!(%remote, reason = %refused, suppressed, "connection refused"),
        }
    }
}

#[cfg(test)]
mod tests;
