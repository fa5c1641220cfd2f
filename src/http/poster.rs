//! Posts packets to a peer's server: a Prepare becomes a request, and the response its answer.
//!
//! If a server accepts connections and answers nothing, packets expire. After a number of them in a row, a request
//! without a packet is sent; if that gets no answer either, the session is lost. Unanswered packets alone prove
//! nothing: the silent node may be a receiver behind the peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::request;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answers::interpret_response;
use super::context::HttpContext;
use super::http_peers::HttpPeer;
use super::pool::{PeerResponse, Pool, PostError};
use super::reply::{CALLBACK_URL, OCTET_STREAM, REQUEST_ID};
use crate::connector::{Account, PeerAnswer};
use crate::link::{PacketKind, TakenPacket};
use crate::peers::PeerStatus;
use crate::wire::btp::RequestId;
use crate::wire::ilp::Prepare;

/// Packets in a row without any answer of the server before it is probed.
const UNANSWERED_MAX: u32 = 16;
/// The reason of a loss after an unanswered probe.
pub(super) const SILENT: &str = "it accepts connections, but answers nothing";

/// Posts the packets of all sessions with one peer's server.
#[derive(Debug)]
pub(super) struct PacketPoster {
    peer: Arc<HttpPeer>,
    pub(super) context: Arc<HttpContext>,
    pub(super) account: Arc<Account>,
    pub(super) status: Arc<PeerStatus>,
    pub(super) pool: Pool,
    losses: mpsc::Sender<ServerLoss>,
    /// Packets since the server's last answer.
    unanswered: AtomicU32,
    is_probing: AtomicBool,
}

/// Why the session cannot go on.
#[derive(Debug)]
pub(super) struct ServerLoss {
    pub(super) reason: String,
    pub(super) kind: LossKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LossKind {
    /// The server cannot be reached.
    Unreachable,
    /// The server refuses the token.
    Refused,
    /// The server accepts connections, and answers nothing.
    Silent,
}

enum RequestOutcome {
    Response(PeerResponse),
    /// There is no answer, and there will be none.
    Failed,
    /// The peer may have accepted the packet. Then it posts the answer; otherwise the packet expires.
    Unknown,
}

impl PacketPoster {
    /// A poster, and the receiver of its losses.
    pub(super) fn new(
        peer: Arc<HttpPeer>,
        context: Arc<HttpContext>,
        account: Arc<Account>,
        status: Arc<PeerStatus>,
        pool: Pool,
    ) -> (Self, mpsc::Receiver<ServerLoss>) {
        let (sender, losses) = mpsc::channel(1);
        let poster = Self {
            peer,
            context,
            account,
            status,
            pool,
            losses: sender,
            unanswered: AtomicU32::new(0),
            is_probing: AtomicBool::new(false),
        };
        (poster, losses)
    }

    /// Sends one Prepare, and passes its answer to the connector.
    pub(super) async fn post(&self, taken: TakenPacket) {
        let TakenPacket { kind: PacketKind::Prepare, id, packet, .. } = taken else {
            // The outbox holds no answers: they go to the session of their request.
            return;
        };
        let now = self.context.node.clock.now();
        let Ok(prepare) = Prepare::parse(&packet) else { return };
        // `None`: it expired in the outbox, and has been rejected.
        let Some(left) = self.account.time_left(id, now.mono) else { return };
        if prepare.expires_at <= now.wall {
            // The system clock was set forward.
            return self.answer(id, PeerAnswer::Expired);
        }
        match timeout(left, self.request(id, Bytes::from(packet))).await {
            Ok(RequestOutcome::Response(response)) => self.handle_response(id, &response),
            Ok(RequestOutcome::Failed) => self.answer(id, PeerAnswer::Unreachable),
            Ok(RequestOutcome::Unknown) => {}
            Err(_) => self.handle_timeout().await,
        }
    }

    async fn request(&self, id: RequestId, packet: Bytes) -> RequestOutcome {
        let dial = self.peer.dial();
        let now = self.context.node.clock.now().wall;
        let Some(authorization) = self.peer.authorization(now) else {
            return RequestOutcome::Failed;
        };
        let request_id =
            self.peer.is_async().then(|| self.context.request_ids.make(dial.peer(), id));
        let head = |request: request::Builder| {
            // RFC 35 "Request": both headers must be application/octet-stream. [row 130]
            let request = request
                .header(CONTENT_TYPE, OCTET_STREAM)
                .header(ACCEPT, OCTET_STREAM)
                .header(AUTHORIZATION, authorization.clone());
            let Some(request_id) = &request_id else { return request };
            let request = request.header(REQUEST_ID, request_id);
            match &dial.callback {
                Some(callback) => request.header(CALLBACK_URL, callback.without_credentials()),
                None => request,
            }
        };
        let bytes_max = self.context.node.settings.message_bytes_max;
        match self.pool.post(&dial.url, head, packet, bytes_max).await {
            Ok(response) => RequestOutcome::Response(response),
            Err(error) => {
                tracing::debug!(peer = %dial.peer(), %error, "a packet got no answer");
                match error {
                    PostError::Connect(_) => {
                        self.report_loss(error.to_string(), LossKind::Unreachable);
                        return RequestOutcome::Failed;
                    }
                    PostError::Request(_) => return RequestOutcome::Failed,
                    PostError::TooLong | PostError::NotHttp => {
                        self.record_mistake(&error.to_string());
                    }
                    PostError::Lost(_) => {}
                }
                match self.peer.is_async() {
                    true => RequestOutcome::Unknown,
                    false => RequestOutcome::Failed,
                }
            }
        }
    }

    fn handle_response(&self, id: RequestId, response: &PeerResponse) {
        self.unanswered.store(0, Ordering::Relaxed);
        let PeerResponse { status, headers, body } = response;
        let meaning = interpret_response(*status, headers, body, self.peer.is_async());
        match &meaning.mistake {
            None => self.status.clear_wrong_answers(),
            Some(mistake) => {
                tracing::debug!(peer = %self.peer.dial().peer(), mistake, "a wrong answer");
                self.record_mistake(mistake);
                if meaning.is_refused {
                    self.report_loss(mistake.clone(), LossKind::Refused);
                }
            }
        }
        if let Some(answer) = meaning.answer {
            self.answer(id, answer);
        }
    }

    fn record_mistake(&self, mistake: &str) {
        self.status.count_wrong_answer(mistake, self.context.node.clock.mono());
    }

    /// A packet expired without an answer, and has been rejected.
    async fn handle_timeout(&self) {
        let count = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if count < UNANSWERED_MAX || self.is_probing.swap(true, Ordering::Relaxed) {
            return;
        }
        if !self.probe().await {
            self.report_loss(SILENT.to_owned(), LossKind::Silent);
        }
        self.is_probing.store(false, Ordering::Relaxed);
    }

    /// Whether the server answers a request without a packet.
    pub(super) async fn probe(&self) -> bool {
        let time = self.context.node.settings.keep_alive.timeout;
        let answers = timeout(time, self.pool.probe(&self.peer.dial().url)).await;
        let answers = answers.is_ok_and(|answered| answered.is_ok());
        if answers {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        answers
    }

    /// Connects if no connection is open. `Some`: why the server cannot be reached.
    pub(super) async fn check_server(&self) -> Option<String> {
        if self.pool.is_open() {
            return None;
        }
        self.pool.reconnect().await.err().map(|error| error.to_string())
    }

    fn answer(&self, id: RequestId, answer: PeerAnswer<'_>) {
        let context = &self.context.node;
        context.connector.start_batch(context.clock.now()).handle_answer(&self.account, id, answer);
    }

    fn report_loss(&self, reason: String, kind: LossKind) {
        // If the channel is full, a loss has been reported already.
        let _ = self.losses.try_send(ServerLoss { reason, kind });
    }
}
