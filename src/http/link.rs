//! One link to a peer's server: a Prepare becomes a request, and the response its answer.
//!
//! Of a server that takes connections and answers nothing, each packet learns by its own expiry. After a number of them in a
//! row the server is asked for something else than a packet: if nothing comes back either, the link is lost. Packets
//! alone do not say that, as whoever receives them beyond the peer may be the one that does not answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::request;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::answers;
use super::context::HttpContext;
use super::http_peers::HttpPeer;
use super::pool::{PeerResponse, Pool, PostError};
use super::reply::{CALLBACK_URL, OCTETS, REQUEST_ID};
use crate::connector::{Account, PeerAnswer};
use crate::link::{PacketKind, TakenPacket};
use crate::peers::PeerStatus;
use crate::wire::btp::RequestId;
use crate::wire::ilp::Prepare;

/// Packets in a row without any answer of the server, before it is asked whether it answers at all.
const UNANSWERED_MAX: u32 = 16;

/// What one request needs; shared by all of a link's.
#[derive(Debug)]
pub(super) struct HttpLink {
    contact: Arc<HttpPeer>,
    context: Arc<HttpContext>,
    account: Arc<Account>,
    status: Arc<PeerStatus>,
    pub(super) pool: Pool,
    /// Says why the session cannot go on.
    lost: mpsc::Sender<LinkLoss>,
    /// Packets without an answer since the server answered last.
    unanswered: AtomicU32,
    /// The server is being asked whether it answers.
    asking: AtomicBool,
}

/// Why the session cannot go on.
#[derive(Debug)]
pub(super) struct LinkLoss {
    pub(super) why: String,
    pub(super) kind: LossKind,
}

/// What kind of loss it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LossKind {
    /// The server cannot be reached.
    Unreachable,
    /// The server does not let us in.
    Refused,
    /// The server takes connections, and answers nothing.
    Silent,
}

/// What one request came to.
enum Exchanged {
    /// An answer of the server.
    Answer(PeerResponse),
    /// There is no answer, and there will be none.
    Nothing,
    /// The packet may have been taken: then its answer comes to our own server, and else its time runs out.
    Unknown,
}

impl HttpLink {
    /// A link, and where it says that it is lost.
    pub(super) fn new(
        contact: Arc<HttpPeer>,
        context: Arc<HttpContext>,
        account: Arc<Account>,
        status: Arc<PeerStatus>,
        pool: Pool,
    ) -> (Self, mpsc::Receiver<LinkLoss>) {
        let (lost, losses) = mpsc::channel(1);
        let (unanswered, asking) = (AtomicU32::new(0), AtomicBool::new(false));
        (Self { contact, context, account, status, pool, lost, unanswered, asking }, losses)
    }

    pub(super) fn context(&self) -> &HttpContext {
        &self.context
    }

    pub(super) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Sends one Prepare, and hands over its answer.
    pub(super) async fn post(&self, taken: TakenPacket) {
        let TakenPacket { kind: PacketKind::Prepare, id, packet, .. } = taken else {
            // Nothing else is put here: answers belong to sessions that were asked on.
            return;
        };
        let now = self.context.transport.clock.now();
        let Ok(prepare) = Prepare::parse(&packet) else { return };
        // `None`: it waited too long for its turn, and has been rejected.
        let Some(left) = self.account.time_left(id, now.mono) else { return };
        if prepare.expires_at <= now.wall {
            // The time of day was set meanwhile.
            return self.answer(id, PeerAnswer::Expired);
        }
        // Dropped in time, so that a server which never answers does not keep what it holds.
        match timeout(left, self.exchange(id, Bytes::from(packet))).await {
            Ok(Exchanged::Answer(response)) => self.answered(id, &response),
            Ok(Exchanged::Nothing) => self.answer(id, PeerAnswer::Unreachable),
            Ok(Exchanged::Unknown) => {}
            Err(_) => self.not_answered().await,
        }
    }

    async fn exchange(&self, id: RequestId, packet: Bytes) -> Exchanged {
        let dial = self.contact.dial();
        let now = self.context.transport.clock.now().wall;
        let Some(authorization) = self.contact.authorization(now) else {
            return Exchanged::Nothing;
        };
        let request_id =
            self.contact.is_async().then(|| self.context.request_ids.make(dial.peer(), id));
        let head = |request: request::Builder| {
            let request = request
                .header(CONTENT_TYPE, OCTETS)
                .header(ACCEPT, OCTETS)
                .header(AUTHORIZATION, authorization.clone());
            let Some(request_id) = &request_id else { return request };
            let request = request.header(REQUEST_ID, request_id);
            match dial.callback() {
                Some(callback) => request.header(CALLBACK_URL, callback.without_credentials()),
                None => request,
            }
        };
        let bytes_max = self.context.transport.settings.message_bytes_max;
        match self.pool.post(dial.url(), head, packet, bytes_max).await {
            Ok(response) => Exchanged::Answer(response),
            Err(error) => {
                tracing::debug!(peer = %dial.peer(), %error, "a packet got no answer");
                match error {
                    PostError::Connect(_) => {
                        self.lose(error.to_string(), LossKind::Unreachable);
                        return Exchanged::Nothing;
                    }
                    PostError::Request(_) => return Exchanged::Nothing,
                    PostError::TooLong | PostError::NotHttp => {
                        self.is_wrong(&error.to_string());
                    }
                    PostError::Lost(_) => {}
                }
                match self.contact.is_async() {
                    true => Exchanged::Unknown,
                    false => Exchanged::Nothing,
                }
            }
        }
    }

    /// What an answer means to the packet, and to the link.
    fn answered(&self, id: RequestId, response: &PeerResponse) {
        self.unanswered.store(0, Ordering::Relaxed);
        let PeerResponse { status, headers, body } = response;
        let reading = answers::read(*status, headers, body, self.contact.is_async());
        match &reading.wrong {
            None => self.status.clear_wrong_answers(),
            Some(wrong) => {
                tracing::debug!(peer = %self.contact.dial().peer(), wrong, "a wrong answer");
                self.is_wrong(wrong);
                if reading.refused {
                    self.lose(wrong.clone(), LossKind::Refused);
                }
            }
        }
        if let Some(answer) = reading.answer {
            self.answer(id, answer);
        }
    }

    fn is_wrong(&self, wrong: &str) {
        self.status.count_wrong_answer(wrong, self.context.transport.clock.mono());
    }

    /// A packet's time ran out. It has been rejected.
    async fn not_answered(&self) {
        let count = self.unanswered.fetch_add(1, Ordering::Relaxed) + 1;
        if count < UNANSWERED_MAX || self.asking.swap(true, Ordering::Relaxed) {
            return;
        }
        if !self.answers_at_all().await {
            self.lose("it takes connections, but answers nothing".to_owned(), LossKind::Silent);
        }
        self.asking.store(false, Ordering::Relaxed);
    }

    /// Whether the server answers a request that is no packet.
    pub(super) async fn answers_at_all(&self) -> bool {
        let time = self.context.transport.settings.keep_alive.timeout;
        let answers = timeout(time, self.pool.probe(self.contact.dial().url())).await;
        let answers = answers.is_ok_and(|answered| answered.is_ok());
        if answers {
            self.unanswered.store(0, Ordering::Relaxed);
        }
        answers
    }

    /// Whether the server cannot be reached any more.
    pub(super) async fn is_gone(&self) -> Option<String> {
        if self.pool.is_open() {
            return None;
        }
        self.pool.open().await.err().map(|error| error.to_string())
    }

    fn answer(&self, id: RequestId, answer: PeerAnswer<'_>) {
        let context = &self.context.transport;
        context.connector.start_batch(context.clock.now()).handle_answer(&self.account, id, answer);
    }

    fn lose(&self, why: String, kind: LossKind) {
        // Full: it is lost already.
        let _ = self.lost.try_send(LinkLoss { why, kind });
    }
}
