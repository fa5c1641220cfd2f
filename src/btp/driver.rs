//! The task of one session: reads the socket, passes every frame to the session, writes the outbox.
//!
//! One poll is one turn. It handles all available bytes in place, under one reading of the clock and one snapshot of
//! the connector, and then writes its own outbox with one system call. Frames for other peers wake *their* tasks, so on
//! one thread each outbox is written once, after all reading. No packet costs a channel, a timer or an allocation.
//!
//! Whole binary messages, which carry the packets, are handled in the read buffer, without a copy. Only the other
//! frames pass through `tungstenite`, each as a whole. All sessions of a thread read through one large buffer: few
//! system calls and no copies while packets flow, hardly any memory while they do not.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::protocol::{Message, Role};

use super::keepalive::{KeepAlive, KeepAliveAction};
use super::session::BtpSession;
use super::socket::{
    CLOSE_TIMEOUT, SliceIo, Socket, WITHOUT_CLOSE_FRAME, close_reason_of_error,
    close_reason_of_frame, is_would_block,
};
use crate::account::AccountId;
use crate::connector::Batch;
use crate::link::{CloseRequest, Outbox};
use crate::peers::{CloseReason, NodeContext};
use crate::time::{MonoTime, Now};
use crate::wire::ws::{self, FrameHeader};

/// Bytes that one system call may read, beyond the longest frame.
const READ_BYTES: usize = 64 * 1024;
/// System calls that read in one turn, so that a peer which sends without pause does not starve others.
const READS_PER_TURN: usize = 4;
/// Frames that one turn handles. The others wait for the next turn, after those of other sessions.
pub(super) const FRAMES_PER_TURN: u32 = 2_048;
/// How long one turn may handle frames.
const TURN_TIME: Duration = Duration::from_millis(2);
/// Frames between two readings of the clock within a turn.
const FRAMES_PER_CLOCK_READING: u32 = 128;

thread_local! {
    /// The read buffer. Empty during use, and before the first use.
    static READ_BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A session and its socket.
pub(super) struct Driver {
    context: Arc<NodeContext>,
    socket: Socket,
    session: BtpSession,
    keep_alive: KeepAlive,
    /// The reading of the clock for this turn.
    now: MonoTime,
    timer_at: MonoTime,
    closing: Option<Closing>,
    /// Reading waits until the peer takes its answers (D19).
    is_paused: bool,
    /// Whole frames may be unhandled: those that arrived during the login, and those beyond the budget of a turn.
    has_backlog: bool,
    /// The peer has exceeded its rate: reading waits until then.
    throttled_until: Option<MonoTime>,
    /// The peer has sent fragments of a message but not the last one.
    has_unfinished_message: bool,
}

/// The rest of a turn.
struct TurnBudget {
    frames: u32,
    until: MonoTime,
}

/// Which of the whole frames in the buffer a turn has handled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handled {
    Completely,
    /// The others wait for the next turn.
    Partly,
}

impl TurnBudget {
    /// Takes one frame from the budget. `false`: it is spent.
    fn take_frame(&mut self, context: &NodeContext) -> bool {
        if self.frames == 0
            || (self.frames.is_multiple_of(FRAMES_PER_CLOCK_READING) && self.is_spent(context))
        {
            return false;
        }
        self.frames -= 1;
        true
    }

    fn is_spent(&self, context: &NodeContext) -> bool {
        self.frames == 0 || context.clock.mono() >= self.until
    }
}

/// A session that is closing.
struct Closing {
    reason: CloseReason,
    /// The peer's close frame has arrived: only our own bytes must still be written.
    peer_closed: bool,
    /// The peer broke the WebSocket protocol: its bytes are read and discarded.
    discarding: bool,
    deadline: MonoTime,
}

impl Driver {
    pub(super) fn new(context: Arc<NodeContext>, socket: Socket, session: BtpSession) -> Self {
        let opened_at = session.opened_at();
        let keep_alive = KeepAlive::new(context.settings.keep_alive, opened_at);
        Self {
            context,
            socket,
            session,
            keep_alive,
            now: opened_at,
            timer_at: MonoTime(0),
            closing: None,
            is_paused: false,
            has_backlog: true,
            throttled_until: None,
            has_unfinished_message: false,
        }
    }

    pub(super) fn outbox(&self) -> Arc<Outbox> {
        Arc::clone(&self.socket.outbox)
    }

    pub(super) fn account_id(&self) -> &AccountId {
        self.session.account_id()
    }

    /// Runs the session to its end.
    pub(super) async fn run(mut self) -> CloseReason {
        self.timer_at = self.keep_alive.next_check();
        let timer = tokio::time::sleep_until(self.context.clock.instant(self.timer_at));
        let mut timer = pin!(timer);
        // The task is registered with the timer, which need not be polled again until it fires or moves.
        let mut registered = false;
        let reason = poll_fn(|cx| {
            let reason = self.poll_turn(cx);
            if reason.is_pending() {
                return self.poll_timer(cx, timer.as_mut(), &mut registered);
            }
            reason
        })
        .await;
        self.session.set_close_reason(reason.clone());
        reason
    }

    /// Runs one turn. `Ready`: the session is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.socket.outbox.set_waker(cx.waker());
        let now = self.context.clock.now();
        self.now = now.mono;
        if self.closing.is_none()
            && let Some(request) = self.socket.outbox.close_request()
        {
            self.close(request.into(), now.mono);
        }
        let mut buffer = READ_BUFFER.take();
        buffer.resize(READ_BYTES + FrameHeader::BYTES_MAX + self.socket.message_bytes_max, 0);
        let read = self.read_socket(cx, &mut buffer, now);
        READ_BUFFER.set(buffer);
        if let Err(reason) = read {
            return Poll::Ready(self.closing.take().map_or(reason, |closing| closing.reason));
        }
        self.write_outbox(cx, now.mono)
    }

    /// Reads and handles frames until the socket has no more, or the turn is over. An error: the connection is gone.
    fn read_socket(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
        now: Now,
    ) -> Result<(), CloseReason> {
        if self.closing.is_none() && self.throttled_until.is_some_and(|at| now.mono < at) {
            return Ok(());
        }
        self.throttled_until = None;
        let mut budget = TurnBudget { frames: FRAMES_PER_TURN, until: now.mono.after(TURN_TIME) };
        for _ in 0..READS_PER_TURN {
            self.is_paused = self.closing.is_none() && self.socket.outbox.is_full_of_answers();
            if self.is_paused {
                return Ok(());
            }
            let handled = if std::mem::take(&mut self.has_backlog) {
                let mut unread = self.socket.take_unread();
                self.handle_frames(&mut unread, now, &mut budget)
            } else {
                match self.socket.poll_read(cx, buffer) {
                    Poll::Pending => return Ok(()),
                    Poll::Ready(Err(error)) => return Err(CloseReason::Broken(error.to_string())),
                    Poll::Ready(Ok(None)) => {
                        return Err(CloseReason::Broken(WITHOUT_CLOSE_FRAME.to_owned()));
                    }
                    Poll::Ready(Ok(Some(count))) => {
                        self.keep_alive.record_activity(now.mono);
                        let bytes = buffer.get_mut(..count).unwrap_or_default();
                        self.handle_frames(bytes, now, &mut budget)
                    }
                }
            };
            if let Some(until) = self.session.take_throttle()
                && self.closing.is_none()
            {
                // The timer starts the next turn.
                self.throttled_until = Some(until);
                return Ok(());
            }
            if handled == Handled::Partly || budget.is_spent(&self.context) {
                break;
            }
        }
        // There may be more, after the turns of other sessions.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Handles the whole frames in `bytes`, in place, within the budget, and keeps the rest.
    fn handle_frames(&mut self, bytes: &mut [u8], now: Now, budget: &mut TurnBudget) -> Handled {
        let context = Arc::clone(&self.context);
        let batch = context.connector.start_batch(now);
        let mut at = 0;
        while let Some(header) = bytes.get(at..).and_then(FrameHeader::read) {
            if self.closing.as_ref().is_some_and(|closing| closing.discarding) {
                return Handled::Completely;
            }
            let whole = header.frame_len(self.socket.message_bytes_max);
            // A frame that is too long is refused by its header alone.
            let len = whole.unwrap_or(header.header_len);
            let Some(frame) = bytes.get_mut(at..at + len) else { break };
            if self.session.is_throttled() || !budget.take_frame(&context) {
                self.has_backlog = true;
                break;
            }
            at += len;
            if whole.is_some() && self.takes_fast_path(&header) {
                let payload = frame.get_mut(header.header_len..).unwrap_or_default();
                if let Some(key) = header.mask {
                    ws::apply_mask(key, payload);
                }
                let handled = self.session.handle_frame(payload, &batch, now);
                self.close_on_error(handled, now.mono);
            } else {
                self.has_unfinished_message = header.leaves_unfinished(self.has_unfinished_message);
                if header.is_fragment() {
                    self.session.meter_frame(&batch, now);
                }
                self.handle_on_slow_path(frame, &batch, now);
            }
        }
        self.socket.keep_unread(bytes.get(at..).unwrap_or_default());
        if self.has_backlog { Handled::Partly } else { Handled::Completely }
    }

    /// Whether `tungstenite` can be bypassed: a whole binary message, masked as the role requires, on an open session.
    /// RFC 23 "Overview": each binary message is one BTP frame. [row 65]
    fn takes_fast_path(&self, header: &FrameHeader) -> bool {
        header.is_binary_message()
            && header.mask.is_some() == (self.socket.role == Role::Server)
            && !self.has_unfinished_message
            && self.closing.is_none()
    }

    /// Passes all other frames to `tungstenite`: control frames, fragments, text, and violations of the protocol.
    fn handle_on_slow_path(&mut self, frame: &[u8], batch: &Batch<'_>, now: Now) {
        let outbox = Arc::clone(&self.socket.outbox);
        let mut io = SliceIo::new(frame, &outbox);
        loop {
            let message = self.socket.websocket.read(&mut io);
            let handled = match message {
                // The peer sent it before it received our close frame.
                Ok(Message::Binary(frame)) if self.closing.is_some() => {
                    self.session.handle_late_frame(&frame, batch);
                    Ok(())
                }
                Ok(Message::Text(_)) if self.closing.is_some() => Ok(()),
                Ok(Message::Binary(frame)) => self.session.handle_frame(&frame, batch, now),
                Ok(Message::Text(_)) => self.session.handle_text(batch, now),
                Ok(Message::Close(frame)) => {
                    // The next read puts our reply into the outbox.
                    self.close_with_peer(close_reason_of_frame(frame), now.mono);
                    Ok(())
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => {
                    self.session.meter_control(batch, now);
                    Ok(())
                }
                Ok(Message::Frame(_)) => Ok(()),
                Err(error) if is_would_block(&error) => return,
                Err(error) => return self.close_after_error(&error, now.mono),
            };
            self.close_on_error(handled, now.mono);
        }
    }

    fn close_on_error(&mut self, handled: Result<(), CloseRequest>, now: MonoTime) {
        if let Err(request) = handled {
            self.close(request.into(), now);
        }
    }

    /// Closes a session that cannot be read any more: the closing handshake is complete, or the peer broke the
    /// protocol.
    fn close_after_error(&mut self, error: &tokio_tungstenite::tungstenite::Error, now: MonoTime) {
        if self.closing.as_ref().is_some_and(|closing| closing.peer_closed) {
            return;
        }
        tracing::debug!(peer = %self.session.account_id(), %error, "the WebSocket failed");
        self.close(close_reason_of_error(error), now);
        if let Some(closing) = &mut self.closing {
            closing.discarding = true;
        }
    }

    /// Begins to close from our side, unless the session is closing already.
    fn close(&mut self, reason: CloseReason, now: MonoTime) {
        if self.closing.is_some() {
            return;
        }
        if let CloseReason::ByUs { code, reason } = reason {
            self.socket.put_close(code, reason);
        }
        let deadline = now.after(CLOSE_TIMEOUT);
        self.closing = Some(Closing { reason, peer_closed: false, discarding: false, deadline });
    }

    fn close_with_peer(&mut self, reason: CloseReason, now: MonoTime) {
        let deadline = now.after(CLOSE_TIMEOUT);
        let closing = Closing { reason, peer_closed: true, discarding: false, deadline };
        self.closing.get_or_insert(closing).peer_closed = true;
    }

    /// Writes the outbox to the socket. `Ready`: the session is over.
    fn write_outbox(&mut self, cx: &mut Context<'_>, now: MonoTime) -> Poll<CloseReason> {
        let mut written = 0;
        let result = self.socket.poll_write(cx, &mut written);
        self.keep_alive.record_write(written, result.is_pending(), now);
        if self.is_paused {
            if written > 0 {
                // Nothing is read from the peer now, so the bytes that it takes are its sign of life.
                self.keep_alive.record_activity(now);
            }
            if !self.socket.outbox.is_full_of_answers() {
                cx.waker().wake_by_ref();
            }
        }
        match (result, self.closing.as_ref()) {
            (Poll::Ready(Err(error)), None) => Poll::Ready(CloseReason::Broken(error.to_string())),
            (Poll::Ready(Err(_)), Some(closing)) => Poll::Ready(closing.reason.clone()),
            (Poll::Ready(Ok(())), Some(closing)) if closing.peer_closed => {
                Poll::Ready(closing.reason.clone())
            }
            _ => Poll::Pending,
        }
    }

    /// Does what is due once the timer fires. `Ready`: the session is over.
    fn poll_timer(
        &mut self,
        cx: &mut Context<'_>,
        mut timer: Pin<&mut Sleep>,
        registered: &mut bool,
    ) -> Poll<CloseReason> {
        loop {
            let due = match &self.closing {
                Some(closing) => closing.deadline,
                None => self.next_check(),
            };
            // Usually bytes arrived and the next check moved later: the timer may fire too early, which is harmless.
            if due < self.timer_at {
                self.set_timer(timer.as_mut(), due);
                *registered = false;
            }
            if *registered && self.now < self.timer_at {
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
                    return Poll::Ready(closing.reason.clone());
                }
                Some(closing) => {
                    let deadline = closing.deadline;
                    self.set_timer(timer.as_mut(), deadline);
                    *registered = false;
                }
                None => match self.keep_alive.take_action(now) {
                    KeepAliveAction::Close(timeout) => {
                        return Poll::Ready(CloseReason::TimedOut(timeout));
                    }
                    action => {
                        if self.throttled_until.is_some_and(|at| now >= at) {
                            self.throttled_until = None;
                            // Unread frames of the peer are a sign of life.
                            self.keep_alive.record_activity(now);
                            cx.waker().wake_by_ref();
                        }
                        if action == KeepAliveAction::Ping {
                            self.socket.put_ping();
                            // The next turn writes it.
                            cx.waker().wake_by_ref();
                        }
                        let next = self.next_check();
                        self.set_timer(timer.as_mut(), next);
                        *registered = false;
                    }
                },
            }
        }
    }

    /// When the timer must fire next while the session is open.
    fn next_check(&self) -> MonoTime {
        let check = self.keep_alive.next_check();
        self.throttled_until.map_or(check, |at| check.min(at))
    }

    fn set_timer(&mut self, timer: Pin<&mut Sleep>, at: MonoTime) {
        self.timer_at = at;
        timer.reset(self.context.clock.instant(at));
    }
}
