//! The task of one session: reads what the socket has, hands every frame to the session, writes what the outbox holds.
//!
//! One poll is one turn: everything that is there to read is handled in place, under one reading of the clock and one
//! snapshot of the connector; then the own outbox is written with one system call. Frames for other peers wake *their*
//! tasks, so on one thread every outbox that a turn of the event loop touched is written once, after all reading. There
//! is no channel, timer or allocation per packet.
//!
//! Reading goes through one large buffer per thread, in which packets are handled where they lie: few system calls and no
//! copies while packets flow, hardly any memory while they do not.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::bounds::{CLOSE_LINGER, FRAMES_PER_LOOK, FRAMES_PER_TURN, TURN_TIME};
use super::frame_header::{FrameHeader, HEAD_BYTES_MAX};
use super::keepalive::{KeepAlive, KeepAliveAction};
use super::session::BtpSession;
use super::socket::{
    SliceIo as FedBytes, Socket, WITHOUT_CLOSE_FRAME, broken_by, closed_by_peer, is_would_block,
};
use crate::account::AccountId;
use crate::connector::Batch;
use crate::link::{CloseRequest, Outbox};
use crate::time::{MonoTime, Now};
use crate::transport::{CloseReason, TransportContext};
use crate::wire::ws;

/// Bytes that one system call may read, at least; the longest frame fits before them.
const READ_BYTES: usize = 64 * 1024;
/// System calls that read in one turn, so that a peer which sends without pause does not starve others.
const READS_PER_TURN: usize = 4;

thread_local! {
    /// Empty while it is in use, and before the first use.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Everything about a running session.
pub(super) struct Driver {
    context: Arc<TransportContext>,
    socket: Socket,
    session: BtpSession,
    keep_alive: KeepAlive,
    /// The reading of the clock that this turn goes by.
    now: MonoTime,
    /// When the timer goes off.
    armed: MonoTime,
    closing: Option<Closing>,
    /// Reading waits until the peer takes what we have for it (D19).
    paused: bool,
    /// Whole frames may have been read and not handled: those that arrived during the handshake, and those that a turn had
    /// no budget for.
    backlog: bool,
    /// The peer has sent more than its rate: nothing is read before.
    resume_at: Option<MonoTime>,
    /// The peer has sent fragments of a message and not its end.
    unfinished: bool,
}

/// What one turn may still do.
struct Budget {
    frames: u32,
    until: MonoTime,
}

/// How far a turn came with the whole frames that were read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handled {
    /// All are handled.
    All,
    /// The others wait for the next turn.
    Some,
}

impl Budget {
    /// Takes one frame from what is left. The clock is looked at now and then.
    fn take_frame(&mut self, context: &TransportContext) -> bool {
        if self.frames == 0
            || (self.frames.is_multiple_of(FRAMES_PER_LOOK) && self.is_spent(context))
        {
            return false;
        }
        self.frames -= 1;
        true
    }

    fn is_spent(&self, context: &TransportContext) -> bool {
        self.frames == 0 || context.clock.mono() >= self.until
    }
}

/// The session is ending.
struct Closing {
    ended: CloseReason,
    /// The peer's close frame was seen: nothing is left to wait for but our own bytes.
    peer_closed: bool,
    /// The peer broke the WebSocket protocol: what it sends is read and thrown away.
    deaf: bool,
    deadline: MonoTime,
}

impl Driver {
    pub(super) fn new(context: Arc<TransportContext>, socket: Socket, session: BtpSession) -> Self {
        let began = session.began();
        let keep_alive = KeepAlive::new(context.settings.keep_alive, began);
        Self {
            context,
            socket,
            session,
            keep_alive,
            now: began,
            armed: MonoTime(0),
            closing: None,
            paused: false,
            backlog: true,
            resume_at: None,
            unfinished: false,
        }
    }

    /// Where others append for this session, and ask it to close.
    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.socket.outbox)
    }

    /// Whose session it is.
    pub(super) fn account_id(&self) -> &AccountId {
        self.session.account_id()
    }

    /// Runs the session to its end.
    pub(super) async fn run(mut self) -> CloseReason {
        self.armed = self.keep_alive.next_look();
        let timer = tokio::time::sleep_until(self.context.clock.instant(self.armed));
        let mut timer = pin!(timer);
        // Registers the task with the timer; it is not polled again before it goes off or moves.
        let mut registered = false;
        let ended = poll_fn(|cx| {
            let ended = self.poll(cx);
            if ended.is_pending() {
                return self.poll_timer(cx, timer.as_mut(), &mut registered);
            }
            ended
        })
        .await;
        self.session.end(ended.clone());
        ended
    }

    /// One turn.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.socket.outbox.set_waker(cx.waker());
        let now = self.context.clock.now();
        self.now = now.mono;
        if self.closing.is_none()
            && let Some(order) = self.socket.outbox.close_asked()
        {
            self.close(CloseReason::ByUs { code: order.code, reason: order.reason }, now.mono);
        }
        let mut scratch = SCRATCH.take();
        scratch.resize(READ_BYTES + HEAD_BYTES_MAX + self.socket.message_bytes_max, 0);
        let read = self.read(cx, &mut scratch, now);
        SCRATCH.set(scratch);
        if let Err(ended) = read {
            return Poll::Ready(self.closing.take().map_or(ended, |closing| closing.ended));
        }
        self.write(cx, now.mono)
    }

    /// Handles what is there to read. An error: the connection is gone.
    fn read(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
        now: Now,
    ) -> Result<(), CloseReason> {
        if self.closing.is_none() && self.resume_at.is_some_and(|at| now.mono < at) {
            return Ok(());
        }
        self.resume_at = None;
        let mut budget = Budget { frames: FRAMES_PER_TURN, until: now.mono.after(TURN_TIME) };
        for _ in 0..READS_PER_TURN {
            self.paused = self.closing.is_none() && self.socket.outbox.is_full_of_answers();
            if self.paused {
                return Ok(());
            }
            let handled = if std::mem::take(&mut self.backlog) {
                let mut unread = self.socket.take_unread();
                self.feed(&mut unread, now, &mut budget)
            } else {
                match self.socket.poll_read(cx, scratch) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(CloseReason::Broken(error.to_string())),
                    Poll::Ready(Ok(None)) => {
                        return Err(CloseReason::Broken(WITHOUT_CLOSE_FRAME.to_owned()));
                    }
                    Poll::Ready(Ok(Some(count))) => {
                        self.keep_alive.heard(now.mono);
                        self.feed(scratch.get_mut(..count).unwrap_or_default(), now, &mut budget)
                    }
                }
            };
            if let Some(until) = self.session.take_hold()
                && self.closing.is_none()
            {
                // The timer brings the next turn about.
                self.resume_at = Some(until);
                return Ok(());
            }
            if handled == Handled::Some || budget.is_spent(&self.context) {
                break;
            }
        }
        // There may be more, but it is the others' turn.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Handles the whole frames in `bytes`, in place, as far as the budget goes, and keeps the rest.
    fn feed(&mut self, bytes: &mut [u8], now: Now, budget: &mut Budget) -> Handled {
        let context = Arc::clone(&self.context);
        let turn = context.connector.turn(now);
        let mut at = 0;
        while let Some(head) = bytes.get(at..).and_then(FrameHeader::read) {
            if self.closing.as_ref().is_some_and(|closing| closing.deaf) {
                return Handled::All;
            }
            let whole = head.frame_len(self.socket.message_bytes_max);
            // Of a frame that is too long, the head is all that it takes to refuse it.
            let len = whole.unwrap_or(head.head_len);
            let Some(frame) = bytes.get_mut(at..at + len) else { break };
            if self.session.is_held() || !budget.take_frame(&context) {
                self.backlog = true;
                break;
            }
            at += len;
            if whole.is_some() && self.is_usual(&head) {
                let payload = frame.get_mut(head.head_len..).unwrap_or_default();
                if let Some(key) = head.mask {
                    ws::apply_mask(key, payload);
                }
                let verdict = self.session.binary(payload, &turn, now);
                self.apply(verdict, now.mono);
            } else {
                self.unfinished = head.leaves_unfinished(self.unfinished);
                if head.is_fragment() {
                    self.session.fragment(&turn, now);
                }
                self.feed_slow_path(frame, &turn, now);
            }
        }
        self.socket.keep_unread(bytes.get(at..).unwrap_or_default());
        if self.backlog { Handled::Some } else { Handled::All }
    }

    /// A whole binary message, masked as it must be, on a session that is not closing: nothing for `tungstenite`.
    fn is_usual(&self, head: &FrameHeader) -> bool {
        head.is_binary_message()
            && head.mask.is_some() == (self.socket.role == Role::Server)
            && !self.unfinished
            && self.closing.is_none()
    }

    /// Everything else goes through `tungstenite`: control frames, fragments, text, and what breaks the protocol.
    fn feed_slow_path(&mut self, frame: &[u8], turn: &Batch<'_>, now: Now) {
        let outbox = Arc::clone(&self.socket.outbox);
        let mut fed = FedBytes::new(frame, &outbox);
        loop {
            let message = self.socket.websocket.read(&mut fed);
            let verdict = match message {
                // What arrives behind a close frame of ours was sent before the peer knew.
                Ok(Message::Binary(frame)) if self.closing.is_some() => {
                    self.session.late(&frame, turn);
                    Ok(())
                }
                Ok(Message::Text(_)) if self.closing.is_some() => Ok(()),
                Ok(Message::Binary(frame)) => self.session.binary(&frame, turn, now),
                Ok(Message::Text(_)) => self.session.text(turn, now),
                Ok(Message::Close(frame)) => {
                    // The next read puts our reply into the outbox.
                    self.closed_by_peer(closed_by_peer(frame), now.mono);
                    Ok(())
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    self.session.control(turn, now);
                    Ok(())
                }
                Ok(Message::Frame(_)) => Ok(()),
                Err(error) if is_would_block(&error) => return,
                Err(error) => return self.failed(&error, now.mono),
            };
            self.apply(verdict, now.mono);
        }
    }

    fn apply(&mut self, verdict: Result<(), CloseRequest>, now: MonoTime) {
        if let Err(order) = verdict {
            self.close(CloseReason::ByUs { code: order.code, reason: order.reason }, now);
        }
    }

    /// Reading cannot go on: the closing handshake is complete, or the peer broke the protocol.
    fn failed(&mut self, error: &tokio_tungstenite::tungstenite::Error, now: MonoTime) {
        if self.closing.as_ref().is_some_and(|closing| closing.peer_closed) {
            return;
        }
        tracing::debug!(peer = %self.session.account_id(), %error, "the WebSocket failed");
        self.close(broken_by(error), now);
        if let Some(closing) = &mut self.closing {
            closing.deaf = true;
        }
    }

    /// Begins to close from our side, unless the session is closing already.
    fn close(&mut self, ended: CloseReason, now: MonoTime) {
        if self.closing.is_some() {
            return;
        }
        if let CloseReason::ByUs { code, reason } = ended {
            self.socket.put_close(code, reason);
        }
        let deadline = now.after(CLOSE_LINGER);
        self.closing = Some(Closing { ended, peer_closed: false, deaf: false, deadline });
    }

    fn closed_by_peer(&mut self, ended: CloseReason, now: MonoTime) {
        let deadline = now.after(CLOSE_LINGER);
        let closing = Closing { ended, peer_closed: true, deaf: false, deadline };
        self.closing.get_or_insert(closing).peer_closed = true;
    }

    /// Writes what the outbox holds. `Ready`: the session is over.
    fn write(&mut self, cx: &mut Context<'_>, now: MonoTime) -> Poll<CloseReason> {
        let mut written = 0;
        let result = self.socket.poll_write(cx, &mut written);
        self.keep_alive.wrote(written, result.is_pending(), now);
        if self.paused {
            if written > 0 {
                // What the peer says is not read, so its taking bytes is its sign of life.
                self.keep_alive.heard(now);
            }
            if !self.socket.outbox.is_full_of_answers() {
                cx.waker().wake_by_ref();
            }
        }
        match (result, self.closing.as_ref()) {
            (Poll::Ready(Err(error)), None) => Poll::Ready(CloseReason::Broken(error.to_string())),
            (Poll::Ready(Err(_)), Some(closing)) => Poll::Ready(closing.ended.clone()),
            (Poll::Ready(Ok(())), Some(closing)) if closing.peer_closed => {
                Poll::Ready(closing.ended.clone())
            }
            _ => Poll::Pending,
        }
    }

    /// Looks at the clock when the timer says so. `Ready`: the session is over.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        registered: &mut bool,
    ) -> Poll<CloseReason> {
        loop {
            let due = match &self.closing {
                Some(closing) => closing.deadline,
                None => self.next_look(),
            };
            // The usual case is that bytes arrived and the next look moved away: the timer may go off too early.
            if due < self.armed {
                self.arm(timer.as_mut(), due);
                *registered = false;
            }
            if *registered && self.now < self.armed {
                return Poll::Pending;
            }
            *registered = true;
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = self.context.clock.mono();
            self.now = now;
            match &self.closing {
                Some(closing) if now >= closing.deadline => {
                    return Poll::Ready(closing.ended.clone());
                }
                Some(closing) => {
                    let deadline = closing.deadline;
                    self.arm(timer.as_mut(), deadline);
                    *registered = false;
                }
                None => match self.keep_alive.due(now) {
                    KeepAliveAction::Lost(loss) => return Poll::Ready(CloseReason::Lost(loss)),
                    due => {
                        if self.resume_at.is_some_and(|at| now >= at) {
                            self.resume_at = None;
                            // There is something to read, which is as good as having heard it.
                            self.keep_alive.heard(now);
                            cx.waker().wake_by_ref();
                        }
                        if due == KeepAliveAction::Ping {
                            self.socket.put_ping();
                            // Written in the next turn, which this brings about.
                            cx.waker().wake_by_ref();
                        }
                        let next = self.next_look();
                        self.arm(timer.as_mut(), next);
                        *registered = false;
                    }
                },
            }
        }
    }

    /// When to look at the clock again while the session goes on.
    fn next_look(&self) -> MonoTime {
        let look = self.keep_alive.next_look();
        self.resume_at.map_or(look, |at| look.min(at))
    }

    fn arm(&mut self, timer: Pin<&mut Sleep>, at: MonoTime) {
        self.armed = at;
        timer.reset(self.context.clock.instant(at));
    }
}
