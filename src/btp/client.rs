//! The dialling end: reaches one peer, keeps a session with it, and tries again for ever. It spawns nothing: `node` runs
//! the future that [`BtpClient::run`] is.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::driver::Driver;
use super::handshake::{AuthAnswer, auth_message, read_auth_answer};
use super::session::BtpSession;
use super::socket::{DataMessage, Socket};
use super::stream::Stream;
use super::upgrade::{self, UpgradeError};
use crate::account::AccountId;
use crate::connector::Account;
use crate::link::{Framing, LoginMark, Outbox, SessionKind};
use crate::transport::{
    AttemptFailure, Backoff, BtpUrl, CloseReason, ConnectTcpError, DialControl, DialHandle,
    GOING_AWAY, PeerStatus, TlsError, Token, TransportContext, Waited, connect_tcp,
    explain_handshake,
};

/// Whom to dial, and who we are to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    peer: AccountId,
    url: BtpUrl,
    username: String,
    token: Token,
}

impl Dial {
    /// How to reach `peer`. What the URL says of user and token wins; otherwise we are `node_id`, and our token is
    /// `auth_token` (D2).
    pub fn new(peer: AccountId, url: BtpUrl, node_id: &str, auth_token: Option<&Token>) -> Self {
        let username = url.username().unwrap_or(node_id).to_owned();
        let token = match url.token() {
            Some(token) => Token::from(token),
            None => auth_token.cloned().unwrap_or_else(|| Token::from("")),
        };
        Self { peer, url, username, token }
    }

    /// Whom.
    pub fn peer(&self) -> &AccountId {
        &self.peer
    }

    /// Which of the account's tokens it sends; `None`: that of the URL.
    fn mark(&self) -> Option<LoginMark> {
        if self.url.token().is_some() { None } else { self.token.mark() }
    }

    /// Whether a session that was made by this one may go on where `other` is dialled next: nothing differs but the port
    /// of the URL, and the token if ours is still one of the `valid` ones.
    pub fn may_become(&self, other: &Dial, valid: &[LoginMark]) -> bool {
        let token_fits =
            self.token == other.token || self.mark().is_some_and(|mark| valid.contains(&mark));
        let url_fits = self.url == other.url || self.url.differs_in_port_alone(&other.url);
        token_fits && url_fits && self.peer == other.peer && self.username == other.username
    }
}

/// Where a client dials next. A session that is up is not disturbed when it changes.
#[derive(Debug, Clone)]
pub struct DialTarget(Arc<ArcSwap<Dial>>);

impl DialTarget {
    /// From the next attempt on.
    pub fn set(&self, dial: Dial) {
        self.0.store(Arc::new(dial));
    }
}

/// Dials one peer.
#[derive(Debug)]
pub struct BtpClient {
    peer: AccountId,
    target: DialTarget,
    context: Arc<TransportContext>,
    orders: DialControl,
}

/// Why an attempt to reach a peer failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Its host cannot be reached.
    #[error(transparent)]
    Reach(#[from] ConnectTcpError),
    /// We cannot do TLS at all.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No certificate can bear the host's name.
    #[error("{0} cannot be the name in a certificate")]
    TlsName(String),
    /// The peer's certificate is not to be trusted, or it does not speak TLS.
    #[error("the TLS handshake failed: {}", explain_handshake(.0))]
    TlsHandshake(io::Error),
    /// It does not speak WebSocket.
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    /// It did not answer our authentication.
    #[error("no answer to the authentication within {0:?}")]
    AuthTimeout(Duration),
    /// It closed without an answer.
    #[error("the peer did not answer the authentication: {0}")]
    Ended(CloseReason),
    /// It refused our name or token.
    #[error("authentication failed: the peer answered {0}")]
    Refused(String),
    /// The peer is not, or no longer, an account of this node.
    #[error("this node has no account of that name")]
    NoAccount,
}

impl BtpClient {
    /// A client, and the handle that stops it.
    pub fn new(dial: Dial, context: Arc<TransportContext>) -> (Self, DialHandle) {
        let (handle, orders) = DialHandle::new();
        let peer = dial.peer.clone();
        let target = DialTarget(Arc::new(ArcSwap::from_pointee(dial)));
        (Self { peer, target, context, orders }, handle)
    }

    /// To have it dial somewhere else.
    pub fn target(&self) -> DialTarget {
        self.target.clone()
    }

    /// Dials, and dials again, until it is stopped.
    pub async fn run(mut self) {
        let status = self.context.peers.status(&self.peer);
        self.run_until_stopped(&status).await;
        status.dials_no_more();
    }

    async fn run_until_stopped(&mut self, status: &PeerStatus) {
        let mut backoff = Backoff::new(self.context.settings.retry_unit);
        loop {
            let dial = self.target.0.load_full();
            status.attempt(&dial.url.to_string());
            let attempt = async { Box::pin(connect(&dial, &self.context)).await };
            let attempted = tokio::select! {
                biased;
                _ = self.orders.stop() => return,
                attempted = attempt => attempted,
            };
            let wait = match attempted {
                Ok(driver) => {
                    let began = self.context.clock.mono();
                    let ended = run_session(driver, &mut self.orders).await;
                    let lasted = self.context.clock.mono().since(began);
                    backoff.session_ended(lasted, ended.is_replaced_by_peer(), rand::random())
                }
                Err(error) => {
                    let failure = match error {
                        DialError::Reach(_) => AttemptFailure::Unreachable,
                        DialError::Refused(_) => AttemptFailure::Refused,
                        _ => AttemptFailure::Unusable,
                    };
                    let wait = backoff.attempt_failed(rand::random());
                    status.attempt_failed(&error.to_string(), failure, wait.delay);
                    wait
                }
            };
            if wait.exhausted {
                status.exhausted();
            }
            match self.orders.wait(wait).await {
                Waited::Over => {}
                Waited::Retry => backoff = Backoff::new(self.context.settings.retry_unit),
                Waited::Stop => return,
            }
        }
    }
}

async fn run_session(driver: Driver, orders: &mut DialControl) -> CloseReason {
    let outbox = driver.outbox();
    let mut session = std::pin::pin!(driver.run());
    tokio::select! {
        ended = &mut session => return ended,
        order = orders.stop() => outbox.ask_close(order.code, order.reason),
    }
    session.await
}

/// One attempt, from the name to the authenticated session.
async fn connect(dial: &Dial, context: &Arc<TransportContext>) -> Result<Driver, DialError> {
    let account = context.connector.account(dial.peer.as_str()).ok_or(DialError::NoAccount)?;
    let settings = &context.settings;
    let url = &dial.url;
    let (stream, remote) = connect_tcp(url.host(), url.port(), settings.connect_timeout).await?;
    let deadline = Instant::now() + settings.auth_timeout;
    let too_late = |_| DialError::AuthTimeout(settings.auth_timeout);
    let mut stream = if url.is_tls() {
        let connector = timeout_at(deadline, context.client_tls.connector()).await;
        let connector = connector.map_err(too_late)??;
        let host = url.host();
        let name = context
            .client_tls
            .name_of(host)
            .ok_or_else(|| DialError::TlsName(url.host().to_string()))?;
        let handshake = connector.connect(name, stream);
        let handshake = context.handshakes.run(remote.into(), true, handshake);
        let secured = timeout_at(deadline, handshake).await;
        let stream = secured.map_err(too_late)?.map_err(DialError::TlsHandshake)?;
        Stream::Tls(Box::new(TlsStream::Client(stream)))
    } else {
        Stream::Plain(stream)
    };
    let upgraded = timeout_at(deadline, upgrade::connect(&mut stream, url)).await;
    let upgraded = upgraded.map_err(too_late)??;
    let outbox = Outbox::new(Framing::Client(rand::random()), account.outbox_bytes_max());
    let message_max = settings.message_bytes_max;
    let mut socket = Socket::new(stream, Role::Client, upgraded.unread, outbox, message_max);
    match timeout_at(deadline, log_in(&mut socket, dial, &account)).await {
        Ok(Ok(())) => {
            let outbox = Arc::clone(&socket.outbox);
            let remote = remote.to_string();
            let session = BtpSession::open(
                Arc::clone(context),
                account,
                SessionKind::Dialled,
                dial.mark(),
                outbox,
                &remote,
            );
            Ok(Driver::new(Arc::clone(context), socket, session))
        }
        // RFC 23: a client that gets no answer closes.
        Ok(Err(error)) => {
            socket.close(GOING_AWAY, "not authenticated").await;
            Err(error)
        }
        Err(elapsed) => {
            socket.close(GOING_AWAY, "no answer to the authentication").await;
            Err(too_late(elapsed))
        }
    }
}

/// Authenticates, and waits for the answer.
async fn log_in(socket: &mut Socket, dial: &Dial, account: &Account) -> Result<(), DialError> {
    let request_id = account.next_request_id();
    let message = auth_message(request_id, &dial.username, dial.token.reveal());
    socket.outbox.put_frame(message.len(), |out| out.extend_from_slice(&message));
    socket.flush().await.map_err(DialError::Ended)?;
    loop {
        let received = socket.receive().await;
        let frame = match received.map_err(|ended| DialError::Ended(ended.without(&dial.token)))? {
            DataMessage::Binary(frame) => frame,
            DataMessage::Text => continue,
        };
        match read_auth_answer(&frame, request_id, &dial.token) {
            AuthAnswer::Accepted => return Ok(()),
            AuthAnswer::Refused(answer) => return Err(DialError::Refused(answer)),
            AuthAnswer::Other => {}
        }
    }
}

#[cfg(test)]
mod tests;
