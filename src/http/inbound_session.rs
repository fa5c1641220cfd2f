//! The session of a peer that posts packets to this node. Its Prepares go to the connector, and each answer goes into
//! the response to its request, or to the peer's server.
//!
//! Each peer has one session, on any number of connections, and it carries only answers. It begins with the first
//! authenticated post, and ends when the peer has been silent for a while and no packet is pending.

use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::answer_body::AnswerBody;
use super::pool::Pool;
use super::reply::HttpReply;
use crate::account::AccountId;
use crate::connector::Account;
use crate::link::{Framing, Outbox, SessionId, SessionKind, TakenPacket};
use crate::net::HttpUrl;
use crate::peers::{CloseReason, NodeContext, SessionGuard};
use crate::time::MonoTime;
use crate::web::Tasks;
use crate::wire::btp::RequestId;

/// Silence that ends a session: it has no connection whose end could end it.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// Sessions that wait for their task.
const NEW_MAX: usize = 64;
/// How often a closing session checks whether it may end.
const DRAIN_POLL_INTERVAL: Duration = Duration::from_millis(10);
/// Concurrent replies to one peer's server.
const REPLIES_MAX: usize = 256;

/// The sessions of all peers that post.
#[derive(Debug)]
pub(super) struct InboundSessions {
    context: Arc<NodeContext>,
    sessions: Mutex<BTreeMap<AccountId, Arc<InboundHandle>>>,
    new: mpsc::Sender<InboundSession>,
}

/// A session, for the requests of its peer.
#[derive(Debug)]
pub(super) struct InboundHandle {
    account: Arc<Account>,
    id: SessionId,
    outbox: Arc<Outbox>,
    pending: Mutex<PendingPosts>,
    /// Bytes of answers in responses that the peer has not received.
    unsent_bytes: Arc<AtomicUsize>,
    unsent_bytes_max: usize,
}

#[derive(Debug)]
struct PendingPosts {
    next_id: u32,
    by_id: HashMap<u32, ReplyTo>,
    /// The time of the last Prepare.
    used_at: MonoTime,
    is_ended: bool,
}

/// Where the answer to a Prepare goes.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// Into the response of its request.
    Response(oneshot::Sender<Vec<u8>>),
    /// To the peer's server.
    Callback(Box<HttpReply>),
}

/// A session, for its task.
#[derive(Debug)]
pub(super) struct InboundSession {
    handle: Arc<InboundHandle>,
    sessions: Arc<InboundSessions>,
    guard: SessionGuard,
}

/// The node starts no more sessions: it is stopping, or cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSession;

/// Why a Prepare was not passed to the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAccepted {
    /// The session has just ended.
    Ended,
    /// The peer or its server does not receive its answers.
    TooManyAnswers,
}

impl InboundSessions {
    /// No sessions yet. The receiver yields new ones, which must be run.
    pub(super) fn new(context: Arc<NodeContext>) -> (Arc<Self>, mpsc::Receiver<InboundSession>) {
        let (new, receiver) = mpsc::channel(NEW_MAX);
        (Arc::new(Self { context, sessions: Mutex::default(), new }), receiver)
    }

    /// The account's session, which this starts if there is none.
    pub(super) fn session(
        self: &Arc<Self>,
        account: &Arc<Account>,
        remote: &str,
    ) -> Result<Arc<InboundHandle>, NoSession> {
        let mut sessions = self.sessions.lock();
        if let Some(current) = sessions.get(account.id()).filter(|current| !current.is_ended()) {
            return Ok(Arc::clone(current));
        }
        // Reserve a slot of the queue first: a session that is attached must run.
        let permit = self.new.try_reserve().map_err(|_| NoSession)?;
        let unsent_bytes_max = account.outbox_bytes_max();
        let outbox = Outbox::new(Framing::None, unsent_bytes_max);
        let (account, context) = (Arc::clone(account), Arc::clone(&self.context));
        let (status, kind) = (context.peers.status(account.id()), SessionKind::Posted);
        let (owner, answers) = (Arc::clone(&account), Arc::clone(&outbox));
        let guard = SessionGuard::attach(context, owner, status, kind, None, answers, remote);
        let pending = PendingPosts {
            next_id: 0,
            by_id: HashMap::new(),
            used_at: guard.attached_at(),
            is_ended: false,
        };
        let handle = Arc::new(InboundHandle {
            account,
            id: guard.id(),
            outbox,
            pending: Mutex::new(pending),
            unsent_bytes: Arc::default(),
            unsent_bytes_max,
        });
        sessions.insert(handle.account.id().clone(), Arc::clone(&handle));
        drop(sessions);
        let sessions = Arc::clone(self);
        permit.send(InboundSession { handle: Arc::clone(&handle), sessions, guard });
        Ok(handle)
    }
}

impl InboundHandle {
    /// Passes a Prepare to the connector.
    pub(super) fn prepare(
        &self,
        context: &NodeContext,
        packet: &[u8],
        reply_to: ReplyTo,
    ) -> Result<(), NotAccepted> {
        let now = context.clock.now();
        // Answered packets are no longer in flight, so the limit of those in flight does not bound their answers.
        let unsent_bytes = self.unsent_bytes.load(Ordering::Relaxed);
        if self.outbox.is_full_of_answers() || unsent_bytes >= self.unsent_bytes_max {
            return Err(NotAccepted::TooManyAnswers);
        }
        let id = {
            let mut pending = self.pending.lock();
            if pending.is_ended {
                return Err(NotAccepted::Ended);
            }
            pending.used_at = now.mono;
            let id = pending.free_id();
            pending.by_id.insert(id, reply_to);
            id
        };
        // The account's limit of packets in flight bounds `by_id`, because further packets are rejected at once.
        context.connector.start_batch(now).handle_prepare(
            &self.account,
            self.id,
            RequestId(id),
            packet,
        );
        Ok(())
    }

    pub(super) fn answer_body(&self, packet: Vec<u8>) -> AnswerBody {
        AnswerBody::new(packet.into(), Arc::clone(&self.unsent_bytes))
    }

    fn is_ended(&self) -> bool {
        self.pending.lock().is_ended
    }
}

impl PendingPosts {
    fn free_id(&mut self) -> u32 {
        loop {
            let id = self.next_id;
            self.next_id = self.next_id.wrapping_add(1);
            if !self.by_id.contains_key(&id) {
                return id;
            }
        }
    }
}

impl InboundSession {
    /// Delivers answers until the session ends.
    pub(super) async fn run(self) {
        let context = &self.sessions.context;
        let outbox = &self.handle.outbox;
        let tasks = Tasks::default();
        let mut poller = tasks.poller();
        let mut pool = None;
        let mut replies = FuturesUnordered::new();
        let mut is_closing = false;
        loop {
            let check_at = match is_closing {
                true => context.clock.mono().after(DRAIN_POLL_INTERVAL),
                false => self.handle.pending.lock().used_at.after(IDLE_TIME),
            };
            let has_room = replies.len() < REPLIES_MAX;
            tokio::select! {
                biased;
                never = poller.run() => match never {},
                Some(()) = replies.next() => {}
                answer = next_answer(outbox, is_closing), if has_room => match answer {
                    Some(answer) => {
                        if let Some((reply, packet)) = self.deliver_answer(answer) {
                            let pool = self.pool_for(&reply.url, &mut pool, &tasks);
                            replies.push(reply.send(packet, pool, Arc::clone(context)));
                        }
                    }
                    None => is_closing = true,
                },
                () = tokio::time::sleep_until(context.clock.instant(check_at)) => {}
            }
            if replies.is_empty() && self.try_end(is_closing) {
                return;
            }
        }
    }

    /// Passes an answer to its response. `Some`: it goes to the peer's server.
    fn deliver_answer(&self, answer: TakenPacket) -> Option<(Box<HttpReply>, Vec<u8>)> {
        let reply_to = self.handle.pending.lock().by_id.remove(&answer.id.0)?;
        match reply_to {
            ReplyTo::Response(response) => {
                // The client may have disconnected.
                let _ = response.send(answer.packet);
                None
            }
            ReplyTo::Callback(reply) => Some((reply, answer.packet)),
        }
    }

    /// The connections to the peer's server, or new ones if its URL has changed.
    fn pool_for(&self, url: &HttpUrl, last: &mut Option<Arc<Pool>>, tasks: &Tasks) -> Arc<Pool> {
        if let Some(pool) = last.as_ref().filter(|pool| pool.url.is_same_origin(url)) {
            return Arc::clone(pool);
        }
        let context = Arc::clone(&self.sessions.context);
        let pool = Arc::new(Pool::new(url.clone(), context, tasks.clone()));
        *last = Some(Arc::clone(&pool));
        pool
    }

    /// Ends the session if no packet is pending and none is expected. Then it accepts no more.
    fn try_end(&self, is_closing: bool) -> bool {
        let now = self.sessions.context.clock.mono();
        let mut pending = self.handle.pending.lock();
        let is_silent = now.since(pending.used_at) >= IDLE_TIME;
        pending.is_ended = pending.by_id.is_empty() && (is_closing || is_silent);
        pending.is_ended
    }
}

/// The next answer. `None`: the session is asked to close; a session that is closing waits for answers only.
async fn next_answer(outbox: &Outbox, is_closing: bool) -> Option<TakenPacket> {
    poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        match outbox.take_packet() {
            Some(taken) => Poll::Ready(Some(taken)),
            None if !is_closing && outbox.close_request().is_some() => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await
}

impl Drop for InboundSession {
    fn drop(&mut self) {
        // Dropping the senders answers the requests that still wait, also if the session never ran.
        let mut pending = self.handle.pending.lock();
        pending.is_ended = true;
        pending.by_id.clear();
        drop(pending);
        let mut sessions = self.sessions.sessions.lock();
        let id = self.handle.account.id();
        if sessions.get(id).is_some_and(|current| Arc::ptr_eq(current, &self.handle)) {
            sessions.remove(id);
        }
        drop(sessions);
        self.guard.set_close_reason(match self.handle.outbox.close_request() {
            Some(request) => request.into(),
            None => CloseReason::Broken("no request for a while".to_owned()),
        });
    }
}
