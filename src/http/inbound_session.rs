//! The session of a peer that posts to us: what it asks goes to the connector, and each answer to the request that waits
//! for it, or to the peer's own server.
//!
//! There is one per peer, whatever number of connections its posts come on, and it only takes answers. It begins with the
//! first authenticated post, and ends when the peer has been silent for a while. As long as anything waits it does not end,
//! so that an answer never has to look for another way.

use std::collections::HashMap;
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
use crate::peers::{CloseReason, SessionGuard, TransportContext};
use crate::time::MonoTime;
use crate::web::Tasks;
use crate::wire::btp::RequestId;

/// Silence after which a peer that posts counts as gone. There is no connection to tell it by.
const IDLE_TIME: Duration = Duration::from_secs(300);
/// Sessions that wait to be run.
const NEW_MAX: usize = 64;
/// Replies of one peer that are under way side by side; others wait for their turn.
const REPLIES_MAX: usize = 256;

/// The sessions of all peers that post.
#[derive(Debug)]
pub(super) struct InboundSessions {
    context: Arc<TransportContext>,
    sessions: Mutex<HashMap<AccountId, Arc<InboundHandle>>>,
    new: mpsc::Sender<InboundSession>,
}

/// One session, for those who post.
#[derive(Debug)]
pub(super) struct InboundHandle {
    account: Arc<Account>,
    id: SessionId,
    outbox: Arc<Outbox>,
    waiting: Mutex<Waiting>,
    /// Bytes of answers that the peer has not taken yet, and how many there may be.
    untaken: Arc<AtomicUsize>,
    untaken_max: usize,
}

#[derive(Debug)]
struct Waiting {
    next_id: u32,
    by_id: HashMap<u32, ReplyTo>,
    /// When something was asked last.
    used: MonoTime,
    ended: bool,
}

/// Who waits for an answer.
#[derive(Debug)]
pub(super) enum ReplyTo {
    /// A request that is answered by it.
    Here(oneshot::Sender<Vec<u8>>),
    /// The peer's server.
    There(Box<HttpReply>),
}

/// One session, for whoever runs it.
#[derive(Debug)]
pub(super) struct InboundSession {
    posted: Arc<InboundHandle>,
    all: Arc<InboundSessions>,
    guard: SessionGuard,
}

/// The node accepts no more sessions: it stops, or it cannot keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoSession;

/// Why a Prepare was not handed to the connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// The session has just ended.
    Ended,
    /// The peer, or its server, does not take the answers that there are.
    Full,
}

impl InboundSessions {
    /// None yet; whoever holds the receiver runs those that come.
    pub(super) fn new(
        context: Arc<TransportContext>,
    ) -> (Arc<Self>, mpsc::Receiver<InboundSession>) {
        let (new, receiver) = mpsc::channel(NEW_MAX);
        (Arc::new(Self { context, sessions: Mutex::default(), new }), receiver)
    }

    /// The account's session, new or known.
    pub(super) fn session(
        self: &Arc<Self>,
        account: &Arc<Account>,
        remote: &str,
    ) -> Result<Arc<InboundHandle>, NoSession> {
        let mut sessions = self.sessions.lock();
        if let Some(known) = sessions.get(account.id()).filter(|known| !known.has_ended()) {
            return Ok(Arc::clone(known));
        }
        // A place first: what is attached must be run.
        let place = self.new.try_reserve().map_err(|_| NoSession)?;
        let untaken_max = account.outbox_bytes_max();
        let outbox = Outbox::new(Framing::None, untaken_max);
        let (account, context) = (Arc::clone(account), Arc::clone(&self.context));
        let (session_account, session_outbox) = (Arc::clone(&account), Arc::clone(&outbox));
        let kind = SessionKind::Posted;
        let guard =
            SessionGuard::attach(context, session_account, kind, None, session_outbox, remote);
        let (id, used) = (guard.id(), guard.attached_at());
        let waiting = Mutex::new(Waiting { next_id: 0, by_id: HashMap::new(), used, ended: false });
        let untaken = Arc::default();
        let posted = Arc::new(InboundHandle { account, id, outbox, waiting, untaken, untaken_max });
        sessions.insert(posted.account.id().clone(), Arc::clone(&posted));
        drop(sessions);
        let session = InboundSession { posted: Arc::clone(&posted), all: Arc::clone(self), guard };
        place.send(session);
        Ok(posted)
    }
}

impl InboundHandle {
    /// Hands a Prepare to the connector; its answer goes to `waiter`.
    pub(super) fn ask(
        &self,
        context: &TransportContext,
        packet: &[u8],
        waiter: ReplyTo,
    ) -> Result<(), NotAsked> {
        let now = context.clock.now();
        // Who is answered counts as in flight no more, so packets in flight do not bound what waits to be taken.
        let untaken = self.untaken.load(Ordering::Relaxed);
        if self.outbox.is_full_of_answers() || untaken >= self.untaken_max {
            return Err(NotAsked::Full);
        }
        let id = {
            let mut waiting = self.waiting.lock();
            if waiting.ended {
                return Err(NotAsked::Ended);
            }
            waiting.used = now.mono;
            let id = waiting.free_id();
            waiting.by_id.insert(id, waiter);
            id
        };
        // How many wait is bounded by the account's packets in flight: what is above them is refused at once.
        context.connector.start_batch(now).handle_prepare(
            &self.account,
            self.id,
            RequestId(id),
            packet,
        );
        Ok(())
    }

    /// The body of a response with this answer.
    pub(super) fn answer(&self, packet: Vec<u8>) -> AnswerBody {
        AnswerBody::new(packet.into(), Arc::clone(&self.untaken))
    }

    fn has_ended(&self) -> bool {
        self.waiting.lock().ended
    }
}

impl Waiting {
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
        let context = &self.all.context;
        let outbox = &self.posted.outbox;
        let tasks = Tasks::default();
        let mut running = tasks.running();
        let mut pool = None;
        let mut replies = FuturesUnordered::new();
        let mut closing = false;
        loop {
            let look = match closing {
                true => context.clock.mono().after(Duration::from_millis(10)),
                false => self.posted.waiting.lock().used.after(IDLE_TIME),
            };
            let room = replies.len() < REPLIES_MAX;
            tokio::select! {
                taken = next(outbox, closing), if room => match taken {
                    Some(taken) => {
                        if let Some((reply, packet)) = self.deliver(taken) {
                            let pool = self.pool_to(&reply.url, &mut pool, &tasks);
                            replies.push(reply.send(packet, pool, Arc::clone(context)));
                        }
                    }
                    None => closing = true,
                },
                Some(()) = replies.next() => {}
                never = running.run() => match never {},
                () = tokio::time::sleep_until(context.clock.instant(look)) => {}
            }
            if replies.is_empty() && self.may_end(closing) {
                return;
            }
        }
    }

    /// Gives an answer to who waits for it. `Some`: it is to be sent to the peer's server.
    fn deliver(&self, taken: TakenPacket) -> Option<(Box<HttpReply>, Vec<u8>)> {
        let waiter = self.posted.waiting.lock().by_id.remove(&taken.id.0)?;
        match waiter {
            ReplyTo::Here(request) => {
                // Whoever asked may have gone meanwhile.
                let _ = request.send(taken.packet);
                None
            }
            ReplyTo::There(reply) => Some((reply, taken.packet)),
        }
    }

    /// The connections to a peer's server; new ones when it has moved.
    fn pool_to(&self, url: &HttpUrl, known: &mut Option<Arc<Pool>>, tasks: &Tasks) -> Arc<Pool> {
        if let Some(pool) = known.as_ref().filter(|pool| pool.url().is_same_origin(url)) {
            return Arc::clone(pool);
        }
        let context = Arc::clone(&self.all.context);
        let pool = Arc::new(Pool::new(url.clone(), context, tasks.clone()));
        *known = Some(Arc::clone(&pool));
        pool
    }

    /// Whether nothing waits, and nothing is to be expected. If so, nobody can ask here any more.
    fn may_end(&self, closing: bool) -> bool {
        let now = self.all.context.clock.mono();
        let mut waiting = self.posted.waiting.lock();
        let silent = now.since(waiting.used) >= IDLE_TIME;
        waiting.ended = waiting.by_id.is_empty() && (closing || silent);
        waiting.ended
    }
}

/// The next answer; `None`: somebody wants the session to end. Heard once.
async fn next(outbox: &Outbox, closing: bool) -> Option<TakenPacket> {
    poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        match outbox.take_packet() {
            Some(taken) => Poll::Ready(Some(taken)),
            None if !closing && outbox.close_request().is_some() => Poll::Ready(None),
            None => Poll::Pending,
        }
    })
    .await
}

impl Drop for InboundSession {
    fn drop(&mut self) {
        // Also where it was never run: then those who wait are told so, as their senders are dropped.
        let mut waiting = self.posted.waiting.lock();
        waiting.ended = true;
        waiting.by_id.clear();
        drop(waiting);
        let mut sessions = self.all.sessions.lock();
        let id = self.posted.account.id();
        if sessions.get(id).is_some_and(|known| Arc::ptr_eq(known, &self.posted)) {
            sessions.remove(id);
        }
        drop(sessions);
        self.guard.set_close_reason(match self.posted.outbox.close_request() {
            Some(request) => request.into(),
            None => CloseReason::Broken("no request for a while".to_owned()),
        });
    }
}
