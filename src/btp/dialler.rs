//! The dialling end: keeps a session with one peer, and reconnects for ever. It spawns nothing: `node` runs
//! [`BtpDialler::run`].

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsStream;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::auth::{AuthAnswer, auth_message, read_auth_answer};
use super::byte_stream::ByteStream;
use super::driver::Driver;
use super::session::{BtpSession, put_whole_frame};
use super::socket::{DataMessage, Socket};
use super::upgrade::{self, UpgradeError};
use crate::account::AccountId;
use crate::connector::Account;
use crate::link::{Framing, Outbox, SessionKind, TokenFingerprint};
use crate::machine;
use crate::net::{BtpUrl, ConnectionError, LINK_IS_CUT, LinkCarrier, LinkFaults, connect_tcp};
use crate::peers::{
    AttemptFailure, CloseReason, DialBackoff, DialHandle, DialSignals, GOING_AWAY, NodeContext,
    PeerStatus, SessionGuard, Token, WaitEnd,
};

/// The URL of a peer, and our login there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BtpDial {
    peer: AccountId,
    url: BtpUrl,
    username: String,
    token: Token,
}

impl BtpDial {
    /// User and token of the URL come first. Without them we log in as `node_id` with `auth_token` (D2).
    pub fn new(peer: AccountId, url: BtpUrl, node_id: &str, auth_token: Option<&Token>) -> Self {
        let username = url.username().unwrap_or(node_id).to_owned();
        let token = match url.token() {
            Some(token) => Token::from(token),
            None => auth_token.cloned().unwrap_or_else(|| Token::from("")),
        };
        Self { peer, url, username, token }
    }

    pub fn peer(&self) -> &AccountId {
        &self.peer
    }

    /// The fingerprint of the account's token that we send; `None`: the URL has its own token.
    fn fingerprint(&self) -> Option<TokenFingerprint> {
        if self.url.token().is_some() { None } else { self.token.fingerprint() }
    }

    /// Whether a session of this dial may stay open when the configuration changes to `other`: nothing differs but the
    /// port of the URL, or the token while ours is still one of the `valid` ones.
    pub fn may_become(&self, other: &Self, valid: &[TokenFingerprint]) -> bool {
        let token_fits = self.token == other.token
            || self.fingerprint().is_some_and(|fingerprint| valid.contains(&fingerprint));
        let url_fits = self.url == other.url || self.url.differs_in_port_alone(&other.url);
        token_fits && url_fits && self.peer == other.peer && self.username == other.username
    }
}

/// Replaces the dial of the next attempt. An open session is not disturbed.
#[derive(Debug, Clone)]
pub struct BtpDialUpdater(Arc<ArcSwap<BtpDial>>);

impl BtpDialUpdater {
    pub fn set(&self, dial: BtpDial) {
        self.0.store(Arc::new(dial));
    }
}

/// Keeps a session with one peer.
#[derive(Debug)]
pub struct BtpDialler {
    peer: AccountId,
    updater: BtpDialUpdater,
    context: Arc<NodeContext>,
    signals: DialSignals,
}

/// Why an attempt to reach a peer failed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Upgrade(#[from] UpgradeError),
    #[error("no answer to the authentication within {0:?}")]
    AuthTimeout(Duration),
    #[error("the peer did not answer the authentication: {0}")]
    Ended(CloseReason),
    #[error("authentication failed: the peer answered {0}")]
    Refused(String),
    #[error("this node has no account of that name")]
    NoAccount,
}

impl BtpDialler {
    /// A dialler, and the handle that stops it.
    pub fn new(dial: BtpDial, context: Arc<NodeContext>) -> (Self, DialHandle) {
        let (handle, signals) = DialHandle::new();
        let peer = dial.peer.clone();
        let updater = BtpDialUpdater(Arc::new(ArcSwap::from_pointee(dial)));
        (Self { peer, updater, context, signals }, handle)
    }

    /// A handle to change the dial of the next attempt.
    pub fn updater(&self) -> BtpDialUpdater {
        self.updater.clone()
    }

    /// Dials and reconnects until the handle stops it.
    pub async fn run(mut self) {
        let status = self.context.peers.status(&self.peer);
        self.run_until_stopped(&status).await;
        status.record_stop_of_dialling();
    }

    async fn run_until_stopped(&mut self, status: &Arc<PeerStatus>) {
        let mut backoff = DialBackoff::new(self.context.settings.retry_unit);
        let faults = self.context.dialled_faults(&self.peer, LinkCarrier::Frames);
        loop {
            let dial = self.updater.0.load_full();
            status.record_attempt(&dial.url.to_string());
            if let Some(cut) = faults.as_ref().filter(|faults| faults.settings().is_cut) {
                status.record_failed_attempt(
                    LINK_IS_CUT,
                    AttemptFailure::Unreachable,
                    Duration::ZERO,
                );
                tokio::select! {
                    biased;
                    _ = self.signals.stopped() => return,
                    () = cut.until_joined() => {}
                }
                backoff = DialBackoff::new(self.context.settings.retry_unit);
                continue;
            }
            let faults = faults.as_ref();
            let attempt = async { Box::pin(connect(&dial, &self.context, status, faults)).await };
            let attempted = tokio::select! {
                biased;
                _ = self.signals.stopped() => return,
                attempted = attempt => attempted,
            };
            let wait = match attempted {
                Ok(driver) => {
                    let opened_at = self.context.clock.mono();
                    let reason = run_session(driver, &mut self.signals).await;
                    let lasted = self.context.clock.mono().since(opened_at);
                    backoff.delay_after_session(
                        lasted,
                        reason.is_replaced_by_peer(),
                        machine::random(),
                    )
                }
                Err(error) => {
                    let failure = match error {
                        DialError::Connection(ConnectionError::Tcp(_)) => {
                            AttemptFailure::Unreachable
                        }
                        DialError::Refused(_) => AttemptFailure::Refused,
                        _ => AttemptFailure::Unusable,
                    };
                    let wait = backoff.delay_after_failure(machine::random());
                    status.record_failed_attempt(&error.to_string(), failure, wait.delay);
                    wait
                }
            };
            if wait.is_slow {
                status.mark_down();
            }
            match self.signals.wait_before_attempt(wait).await {
                WaitEnd::Over => {}
                WaitEnd::Retry => backoff = DialBackoff::new(self.context.settings.retry_unit),
                WaitEnd::Stop => return,
            }
        }
    }
}

async fn run_session(driver: Driver, signals: &mut DialSignals) -> CloseReason {
    let outbox = driver.outbox();
    let mut session = std::pin::pin!(driver.run());
    tokio::select! {
        biased;
        reason = &mut session => return reason,
        request = signals.stopped() => outbox.request_close(request),
    }
    session.await
}

/// One attempt, from the host's name to the authenticated session.
async fn connect(
    dial: &BtpDial,
    context: &Arc<NodeContext>,
    status: &Arc<PeerStatus>,
    faults: Option<&Arc<LinkFaults>>,
) -> Result<Driver, DialError> {
    let account = context.connector.account(dial.peer.as_str()).ok_or(DialError::NoAccount)?;
    let settings = &context.settings;
    let url = &dial.url;
    let connected = connect_tcp(url.host(), url.port(), settings.connect_timeout).await;
    let (stream, remote) = connected.map_err(ConnectionError::Tcp)?;
    let deadline = Instant::now() + settings.auth_timeout;
    let too_late = |_| DialError::AuthTimeout(settings.auth_timeout);
    let mut stream = if url.is_tls() {
        let connector = timeout_at(deadline, context.client_tls.connector()).await;
        let connector = connector.map_err(too_late)?.map_err(ConnectionError::Tls)?;
        let name = context.client_tls.name_of(url.host()).map_err(ConnectionError::Tls)?;
        let handshake = connector.connect(name, stream);
        let handshake = context.tls_handshakes.run(remote.into(), true, handshake);
        let secured = timeout_at(deadline, handshake).await;
        let stream = secured.map_err(too_late)?.map_err(ConnectionError::TlsHandshake)?;
        ByteStream::Tls(Box::new(TlsStream::Client(stream)))
    } else {
        ByteStream::Plain(stream)
    };
    let upgraded = timeout_at(deadline, upgrade::connect(&mut stream, url)).await;
    let upgraded = upgraded.map_err(too_late)??;
    let outbox = Outbox::new(Framing::Client(machine::random()), account.outbox_bytes_max());
    let message_max = settings.message_bytes_max;
    let mut socket = Socket::new(stream, Role::Client, upgraded.unread, outbox, message_max);
    match timeout_at(deadline, log_in(&mut socket, dial, &account)).await {
        Ok(Ok(())) => {
            let (shared, status) = (Arc::clone(context), Arc::clone(status));
            let (kind, frames) = (SessionKind::Dialled, Arc::clone(&socket.outbox));
            let (login, remote) = (dial.fingerprint(), remote.to_string());
            let guard = SessionGuard::attach(shared, account, status, kind, login, frames, &remote);
            if let Some(faults) = faults {
                socket = socket.with_faults(faults);
            }
            Ok(Driver::new(Arc::clone(context), socket, BtpSession::new(guard)))
        }
        // RFC 23 "Authentication": a client closes a connection whose server does not answer its login. [row 73]
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

/// Sends the login and waits for the answer. RFC 23 "Authentication": it is the first frame of each connection.
/// [row 72]
async fn log_in(socket: &mut Socket, dial: &BtpDial, account: &Account) -> Result<(), DialError> {
    let request_id = account.next_request_id();
    let message = auth_message(request_id, &dial.username, dial.token.reveal());
    put_whole_frame(&socket.outbox, &message);
    socket.flush().await.map_err(DialError::Ended)?;
    loop {
        let received = socket.receive().await;
        let frame =
            match received.map_err(|reason| DialError::Ended(reason.mask_token(&dial.token)))? {
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
