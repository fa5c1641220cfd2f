//! ILP over HTTP, the asking side: keeps a link to one peer's server, POSTs what the connector has for it, and gives the
//! answers to the connector. It spawns nothing: `node` runs the future that [`HttpDialler::run`] is.
//!
//! HTTP has no session of its own, so one is made of what there is: it begins when the server can be connected to and ends
//! when it cannot. Then the next attempts follow the same series as with BTP (D4), and meanwhile packets to the peer get T01
//! at once. A connection that the server closes is no end: another one is made when the next packet comes, or, to see that
//! the server is still there, after a while.

use std::sync::Arc;
use std::task::Poll;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{StatusCode, request};
use bytes::Bytes;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, sleep_until, timeout};

use super::contact::Contact;
use super::context::HttpContext;
use super::dial::HttpDial;
use super::pool::{Pool, PostError};
use super::reply::{CALLBACK_URL, OCTETS, REQUEST_ID};
use super::tasks::Tasks;
use crate::connector::{Account, Answer};
use crate::link::{CloseOrder, Framing, Outbox, SessionId, Side, Taken};

use crate::transport::{
    Backoff, DialHandle, DialOrders, Ended, PeerStatus, TransportContext, Wait, Waited,
};
use crate::wire::btp::{FrameKind, RequestId};
use crate::wire::ilp::Prepare;

/// Requests to one peer that are under way. Over HTTP/1.1 each has a connection of its own. What is above waits in the
/// outbox, which is bounded too.
const POSTS_MAX: usize = 256;
/// How often is looked, at the end, whether anything is still waited for.
const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

/// Keeps a link to one peer's server.
#[derive(Debug)]
pub struct HttpDialler {
    contact: Arc<Contact>,
    context: Arc<HttpContext>,
    orders: DialOrders,
}

/// What one request needs; shared by all of a link's.
#[derive(Debug)]
struct Link {
    contact: Arc<Contact>,
    context: Arc<HttpContext>,
    account: Arc<Account>,
    pool: Pool,
    /// Says why the session cannot go on.
    lost: mpsc::Sender<Lost>,
}

/// What one request came to.
enum Exchanged {
    /// An answer of the server.
    Answer(StatusCode, Bytes),
    /// There is no answer, and there will be none.
    Nothing,
    /// The packet may have been taken: then its answer comes to our own server, and else its time runs out.
    Unknown,
}

/// Why the session cannot go on.
#[derive(Debug)]
struct Lost {
    why: String,
    /// The server does not let us in.
    refused: bool,
}

/// A session of the account while this value lives.
struct Attached<'a> {
    context: &'a TransportContext,
    account: &'a Account,
    id: SessionId,
    outbox: Arc<Outbox>,
    status: &'a PeerStatus,
    ended: Option<Ended>,
}

impl HttpDialler {
    /// A dialler, and the handle that stops it.
    pub fn new(dial: HttpDial, context: Arc<HttpContext>) -> (Self, DialHandle) {
        let (handle, orders) = DialHandle::new();
        (Self { contact: Arc::new(Contact::new(dial)), context, orders }, handle)
    }

    /// Dials, and dials again, until it is stopped.
    pub async fn run(mut self) {
        let transport = Arc::clone(&self.context.transport);
        let status = transport.peers.status(self.contact.dial().peer());
        let Some(account) = transport.connector.account(self.contact.dial().peer().as_str()) else {
            // A peer is an account before it is dialled.
            return status.dials_no_more();
        };
        let tasks = Tasks::default();
        let mut running = tasks.running();
        let (lost, mut losses) = mpsc::channel(1);
        let url = self.contact.dial().url().clone();
        let link = Arc::new(Link {
            contact: Arc::clone(&self.contact),
            context: Arc::clone(&self.context),
            account,
            pool: Pool::new(url, transport, tasks.clone()),
            lost,
        });
        tokio::select! {
            never = running.run() => match never {},
            () = self.run_until_stopped(&link, &tasks, &mut losses, &status) => {}
        }
        status.dials_no_more();
    }

    async fn run_until_stopped(
        &mut self,
        link: &Arc<Link>,
        tasks: &Tasks,
        losses: &mut mpsc::Receiver<Lost>,
        status: &PeerStatus,
    ) {
        let context = Arc::clone(&self.context.transport);
        let target = self.contact.dial().url().to_string();
        let mut backoff = Backoff::new(context.settings.retry_unit);
        let posts = Arc::new(Semaphore::new(POSTS_MAX));
        loop {
            status.attempt(&target);
            let attempted = tokio::select! {
                biased;
                _ = self.orders.stop() => break,
                attempted = link.pool.open() => attempted,
            };
            let wait = match attempted {
                Ok(remote) => {
                    // What was found before is no news.
                    while losses.try_recv().is_ok() {}
                    let began = context.clock.mono();
                    let mut session = link.attach(status, &remote.to_string());
                    let lost = tokio::select! {
                        biased;
                        order = self.orders.stop() => {
                            session.ended = Some(by_us(order));
                            break;
                        }
                        lost = link.serve(&session.outbox, tasks, &posts, losses) => lost,
                    };
                    let lasted = context.clock.mono().since(began);
                    let wait = backoff.session_ended(lasted, false, rand::random());
                    session.end(lost, wait, &target);
                    wait
                }
                Err(error) => {
                    let wait = backoff.attempt_failed(rand::random());
                    status.attempt_failed(&error.to_string(), false, wait.delay);
                    wait
                }
            };
            if wait.exhausted {
                status.exhausted();
            }
            match self.orders.wait(wait).await {
                Waited::Over => {}
                Waited::Retry => backoff = Backoff::new(context.settings.retry_unit),
                Waited::Stop => break,
            }
        }
        // Requests that are under way may still be answered, as long as anybody waits.
        while posts.available_permits() < POSTS_MAX && !link.account.is_idle() {
            sleep(LOOK).await;
        }
    }
}

fn by_us(order: CloseOrder) -> Ended {
    Ended::ByUs { code: order.code, reason: order.reason }
}

impl Link {
    /// The server can be reached: packets may come.
    fn attach<'a>(&'a self, status: &'a PeerStatus, remote: &str) -> Attached<'a> {
        let context = &*self.context.transport;
        let outbox = Outbox::new(Framing::Bare, self.account.outbox_bytes_max());
        let now = context.clock.now();
        let id = context.connector.attach(&self.account, Side::Dialled, Arc::clone(&outbox), now);
        status.session_up(Side::Dialled.as_str(), remote);
        Attached { context, account: &self.account, id, outbox, status, ended: None }
    }

    /// Sends what comes, until the link is lost.
    async fn serve(
        self: &Arc<Self>,
        outbox: &Outbox,
        tasks: &Tasks,
        posts: &Arc<Semaphore>,
        losses: &mut mpsc::Receiver<Lost>,
    ) -> Result<Lost, CloseOrder> {
        let context = &self.context.transport;
        let interval = context.settings.keep_alive.interval;
        let mut look = context.clock.mono().after(interval);
        loop {
            let next = async {
                let permit = Arc::clone(posts).acquire_owned().await;
                (next(outbox).await, permit)
            };
            tokio::select! {
                biased;
                Some(lost) = losses.recv() => return Ok(lost),
                order = close_asked(outbox) => return Err(order),
                (taken, permit) = next => {
                    let link = Arc::clone(self);
                    tasks.add(async move {
                        link.post(taken).await;
                        drop(permit);
                    });
                }
                () = sleep_until(context.clock.instant(look)) => {
                    look = context.clock.mono().after(interval);
                    if let Some(why) = self.is_gone().await {
                        return Ok(Lost { why, refused: false });
                    }
                }
            }
        }
    }

    /// Whether the server cannot be reached any more.
    async fn is_gone(&self) -> Option<String> {
        if self.pool.is_open() {
            return None;
        }
        self.pool.open().await.err().map(|error| error.to_string())
    }

    /// Sends one Prepare, and hands over its answer.
    async fn post(&self, taken: Taken) {
        let Taken { kind: FrameKind::Message, id, packet } = taken else {
            // Nobody puts anything else here: answers belong to sessions that were asked on.
            return;
        };
        let now = self.context.transport.clock.now();
        let Ok(prepare) = Prepare::parse(&packet) else { return };
        // `None`: it waited too long for its turn, and has been rejected.
        let Some(left) = self.account.time_left(id, now.mono) else { return };
        if prepare.expires_at <= now.wall {
            // The time of day was set meanwhile.
            return self.answer(id, Answer::Expired);
        }
        // Dropped in time, so that a server which never answers does not keep what it holds.
        match timeout(left, self.exchange(id, Bytes::from(packet))).await {
            Ok(Exchanged::Answer(status, body)) => self.answered(id, status, &body),
            Ok(Exchanged::Nothing) => self.answer(id, Answer::Unreachable),
            Ok(Exchanged::Unknown) | Err(_) => {}
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
            Ok((status, body)) => Exchanged::Answer(status, body),
            Err(error) => {
                tracing::debug!(peer = %dial.peer(), %error, "a packet got no answer");
                match error {
                    PostError::Connect(_) => self.lose(error.to_string(), false),
                    PostError::Lost(_) | PostError::TooLong if self.contact.is_async() => {
                        return Exchanged::Unknown;
                    }
                    _ => {}
                }
                Exchanged::Nothing
            }
        }
    }

    /// What a status means to the packet, and to the link.
    fn answered(&self, id: RequestId, status: StatusCode, body: &Bytes) {
        let answer = match status {
            StatusCode::OK => Answer::Packet(body),
            // The answer comes by itself.
            StatusCode::ACCEPTED if self.contact.is_async() => return,
            StatusCode::TOO_MANY_REQUESTS => Answer::Busy,
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::UNPROCESSABLE_ENTITY => Answer::NotTaken,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                self.lose(format!("authentication failed: the peer answered {status}"), true);
                Answer::Unreachable
            }
            // The link leads to where no packets are taken: another way may be better.
            status if status.is_client_error() => Answer::Unreachable,
            // RFC 35: 5xx becomes T00. A redirection, or a success that is none, is no answer either.
            _ => Answer::Error,
        };
        if status != StatusCode::OK {
            tracing::debug!(peer = %self.contact.dial().peer(), %status, "a packet was answered with an error");
        }
        self.answer(id, answer);
    }

    fn answer(&self, id: RequestId, answer: Answer<'_>) {
        let context = &self.context.transport;
        context.connector.turn(context.clock.now()).answer(&self.account, id, answer);
    }

    fn lose(&self, why: String, refused: bool) {
        // Full: it is lost already.
        let _ = self.lost.try_send(Lost { why, refused });
    }
}

/// The next packet.
async fn next(outbox: &Outbox) -> Taken {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        outbox.take_packet().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

/// Until somebody wants the session to end.
async fn close_asked(outbox: &Outbox) -> CloseOrder {
    std::future::poll_fn(|cx| {
        outbox.set_waker(cx.waker());
        outbox.close_asked().map_or(Poll::Pending, Poll::Ready)
    })
    .await
}

impl Attached<'_> {
    /// Ends the session, and says how.
    fn end(mut self, lost: Result<Lost, CloseOrder>, wait: Wait, target: &str) {
        let (ended, refused) = match lost {
            Ok(Lost { why, refused: false }) => (Ended::Broken(why), None),
            Ok(Lost { why, refused: true }) => (Ended::Broken(why.clone()), Some(why)),
            Err(order) => (by_us(order), None),
        };
        self.ended = Some(ended);
        let status = self.status;
        drop(self);
        if let Some(why) = refused {
            status.attempt(target);
            status.attempt_failed(&why, true, wait.delay);
        }
    }
}

impl Drop for Attached<'_> {
    fn drop(&mut self) {
        let now = self.context.clock.now();
        self.context.connector.detach(self.account, self.id, now);
        let ended = self.ended.take().unwrap_or_else(|| Ended::Broken("stopped".to_owned()));
        self.status.session_down(Side::Dialled.as_str(), &ended);
    }
}

#[cfg(test)]
mod tests;
