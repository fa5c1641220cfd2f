//! An authenticated session: passes each frame to the connector, or answers it here. No IO: replies are appended to
//! outboxes.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::auth::refusal;
use super::incoming::{self, FrameMeaning};
use crate::account::AccountId;
use crate::connector::{AnswerOutcome, Batch, PeerAnswer};
use crate::link::{CloseRequest, Outbox, POLICY_VIOLATION, SessionKind};
use crate::peers::{CloseReason, PeerMistake, SessionGuard, SwappedType};
use crate::time::{MonoTime, Now};
use crate::wire;
use crate::wire::btp::{RequestId, put_empty_response};
use crate::wire::ilp::Reply;

/// Unreadable frames and text frames within [`UNREADABLE_WINDOW`] that close a session.
const UNREADABLE_MAX: usize = 16;
/// See [`UNREADABLE_MAX`].
const UNREADABLE_WINDOW: Duration = Duration::from_secs(60);
/// The longest pause of reading for a peer that exceeds its rate.
pub(super) const THROTTLE_MAX: Duration = Duration::from_secs(1);
/// One WebSocket ping or pong in this time does not count in the peer's rate: keep-alive needs no more.
const CONTROL_INTERVAL: Duration = Duration::from_secs(1);

/// One session of one account.
pub(super) struct BtpSession {
    guard: SessionGuard,
    /// When the last unreadable frames arrived. Allocates nothing before the first.
    unreadable_at: VecDeque<MonoTime>,
    /// When the last control frame arrived that did not count in the rate.
    free_control_at: Option<MonoTime>,
    /// The peer has exceeded its rate: the driver reads nothing from it until then.
    throttled_until: Option<MonoTime>,
}

impl BtpSession {
    pub(super) fn new(guard: SessionGuard) -> Self {
        Self { guard, unreadable_at: VecDeque::new(), free_control_at: None, throttled_until: None }
    }

    pub(super) fn account_id(&self) -> &AccountId {
        self.guard.account().id()
    }

    /// When the session was authenticated.
    pub(super) fn opened_at(&self) -> MonoTime {
        self.guard.attached_at()
    }

    /// Remembers why the session ends, for the event at its drop.
    pub(super) fn set_close_reason(&mut self, reason: CloseReason) {
        self.guard.set_close_reason(reason);
    }

    /// Handles a binary message. An error asks the driver to close the session.
    pub(super) fn handle_frame(
        &mut self,
        frame: &[u8],
        batch: &Batch<'_>,
        now: Now,
    ) -> Result<(), CloseRequest> {
        match incoming::classify(frame, || self.is_lenient(batch)) {
            FrameMeaning::Prepare { request_id, packet } => {
                batch.handle_prepare(self.guard.account(), self.guard.id(), request_id, packet);
            }
            FrameMeaning::Answer { request_id, answer } => {
                self.handle_answer(request_id, answer, batch, now);
            }
            FrameMeaning::PrepareInResponse { request_id, packet } => {
                self.guard.status().report_swapped_type(SwappedType::PrepareInResponse);
                self.handle_answer(request_id, PeerAnswer::Packet(packet), batch, now);
            }
            FrameMeaning::AnswerInMessage { request_id } => {
                self.guard.status().report_swapped_type(SwappedType::AnswerInMessage);
                self.refuse(request_id, "a MESSAGE carries a Prepare, not an answer", now);
                self.meter_frame(batch, now);
            }
            FrameMeaning::Nothing { request_id } => {
                tracing::trace!(peer = %self.account_id(), %request_id, "a message without a packet");
                self.acknowledge(request_id);
                self.meter_frame(batch, now);
            }
            FrameMeaning::Login { request_id, token } => {
                match self.check_login(token) {
                    Ok(()) => {
                        tracing::trace!(peer = %self.account_id(), %request_id, "a login that changes nothing");
                        self.acknowledge(request_id);
                    }
                    Err(why) => self.refuse(request_id, why, now),
                }
                self.meter_frame(batch, now);
            }
            FrameMeaning::Refused { request_id, why } => {
                self.refuse(request_id, why, now);
                self.meter_frame(batch, now);
            }
            FrameMeaning::UnreadableAnswer { request_id, answer, error } => {
                if !self.handle_unreadable_answer(request_id, answer, &error, batch, now) {
                    self.meter_frame(batch, now);
                    return self.count_unreadable(&error.to_string(), now.mono);
                }
            }
            FrameMeaning::Unreadable(error) => {
                self.meter_frame(batch, now);
                return self.count_unreadable(&error.to_string(), now.mono);
            }
        }
        Ok(())
    }

    /// Handles a binary message that arrived after we began to close. An answer still counts, because the peer does not
    /// send it again (D5). A request is dropped, because its answer could not be sent.
    pub(super) fn handle_late_frame(&self, frame: &[u8], batch: &Batch<'_>) {
        let (request_id, answer) = match incoming::classify(frame, || self.is_lenient(batch)) {
            FrameMeaning::Answer { request_id, answer }
            | FrameMeaning::UnreadableAnswer { request_id, answer, .. } => (request_id, answer),
            FrameMeaning::PrepareInResponse { request_id, packet } => {
                (request_id, PeerAnswer::Packet(packet))
            }
            _ => return,
        };
        batch.handle_answer(self.guard.account(), request_id, answer);
    }

    fn handle_answer(
        &mut self,
        request_id: RequestId,
        answer: PeerAnswer<'_>,
        batch: &Batch<'_>,
        now: Now,
    ) {
        let account = self.guard.account();
        let status = self.guard.status();
        match batch.handle_answer(account, request_id, answer) {
            AnswerOutcome::Read => status.clear_wrong_answers(),
            AnswerOutcome::NoReply => {
                self.count_wrong_answer(request_id, &mistake_in(answer), now);
            }
            AnswerOutcome::Stray => {
                tracing::debug!(
                    peer = %account.id(), %request_id, answer = %ShownAnswer(answer),
                    "an answer to no packet in flight: it is late, or a second one, or answers nothing"
                );
                self.throttle(batch.charge_stray_answer(account), now.mono);
            }
        }
    }

    /// Ends the request that an unreadable frame answers, which would otherwise wait until its packet expires. `false`:
    /// no such request is in flight.
    fn handle_unreadable_answer(
        &self,
        request_id: RequestId,
        answer: PeerAnswer<'_>,
        error: &wire::Error,
        batch: &Batch<'_>,
        now: Now,
    ) -> bool {
        let outcome = batch.handle_answer(self.guard.account(), request_id, answer);
        if outcome.was_pending() {
            let mistake = format!("it answers with a BTP frame that cannot be read: {error}");
            self.count_wrong_answer(request_id, &mistake, now);
        }
        outcome.was_pending()
    }

    fn count_wrong_answer(&self, request_id: RequestId, mistake: &str, now: Now) {
        tracing::debug!(peer = %self.account_id(), %request_id, mistake, "a wrong answer");
        self.guard.status().count_wrong_answer(mistake, now.mono);
    }

    /// RFC 23 "Authentication" has one login, at the begin of a session, so another one changes nothing. One with
    /// another token than that of the session is refused, because an empty RESPONSE would say that it is valid.
    fn check_login(&self, token: Option<&[u8]>) -> Result<(), &'static str> {
        match (token, self.guard.kind()) {
            // The side that dials logs in; RFC 23 knows no login of the other side, and nothing to compare it with.
            (_, SessionKind::Dialled) => Ok(()),
            (Some(token), _) if self.guard.has_token(token) => Ok(()),
            _ => Err("this session has logged in already, with another auth_token"),
        }
    }

    /// Whether the packet decides what a frame of this peer is (`lenientBtpTypes`), by the configuration in force.
    fn is_lenient(&self, batch: &Batch<'_>) -> bool {
        batch.settings(self.guard.account()).is_some_and(|settings| settings.lenient_btp_types)
    }

    /// Handles a text message, which BTP does not use.
    pub(super) fn handle_text(&mut self, batch: &Batch<'_>, now: Now) -> Result<(), CloseRequest> {
        self.meter_frame(batch, now);
        self.count_unreadable("a text message", now.mono)
    }

    /// Counts a WebSocket ping or pong, unless keep-alive needs it.
    pub(super) fn meter_control(&mut self, batch: &Batch<'_>, now: Now) {
        if self.free_control_at.is_none_or(|at| now.mono.since(at) >= CONTROL_INTERVAL) {
            self.free_control_at = Some(now.mono);
        } else {
            self.meter_frame(batch, now);
        }
    }

    /// Counts a frame that carries no packet in the peer's rate. Each fragment of a message counts too: it may be
    /// empty.
    pub(super) fn meter_frame(&mut self, batch: &Batch<'_>, now: Now) {
        self.throttle(batch.charge_other_message(self.guard.account()), now.mono);
    }

    /// Whether reading must pause because the peer has exceeded its rate.
    pub(super) fn is_throttled(&self) -> bool {
        self.throttled_until.is_some()
    }

    /// Until when reading must pause. `None` at the next call.
    pub(super) fn take_throttle(&mut self) -> Option<MonoTime> {
        self.throttled_until.take()
    }

    fn throttle(&mut self, until: Option<MonoTime>, now: MonoTime) {
        if let Some(until) = until {
            self.throttled_until = Some(until.min(now.after(THROTTLE_MAX)));
        }
    }

    /// RFC 23 "Flow": an unreadable frame gets no answer. [row 79] The session goes on, unless they keep coming.
    fn count_unreadable(&mut self, what: &str, now: MonoTime) -> Result<(), CloseRequest> {
        self.guard.status().count_mistake(PeerMistake::Unreadable, what, now);
        while self.unreadable_at.front().is_some_and(|at| now.since(*at) >= UNREADABLE_WINDOW) {
            self.unreadable_at.pop_front();
        }
        self.unreadable_at.push_back(now);
        if self.unreadable_at.len() >= UNREADABLE_MAX {
            return Err(CloseRequest {
                code: POLICY_VIOLATION,
                reason: "too many unreadable frames",
            });
        }
        Ok(())
    }

    /// RFC 23 "Error": an ERROR has the id of its request. [row 75]
    fn refuse(&self, request_id: RequestId, why: &'static str, now: Now) {
        self.guard.status().count_mistake(PeerMistake::Refused, why, now.mono);
        put_whole_frame(self.guard.outbox(), &refusal(request_id, why, now.wall));
    }

    fn acknowledge(&self, request_id: RequestId) {
        let mut frame = Vec::with_capacity(8);
        put_empty_response(request_id, &mut frame);
        put_whole_frame(self.guard.outbox(), &frame);
    }
}

/// What is wrong with an answer that is no Fulfill and no Reject.
fn mistake_in(answer: PeerAnswer<'_>) -> String {
    match answer {
        PeerAnswer::Packet(packet) => {
            let why = Reply::parse(packet).err().map_or_else(String::new, |why| format!(": {why}"));
            format!("it answers with an ILP packet that is neither a Fulfill nor a Reject{why}")
        }
        PeerAnswer::Error => {
            "it answers with a BTP ERROR instead of a Fulfill or a Reject".to_owned()
        }
        _ => "it answers with a RESPONSE that has no ILP packet, or two".to_owned(),
    }
}

/// An answer as debug lines show it.
struct ShownAnswer<'a>(PeerAnswer<'a>);

impl fmt::Display for ShownAnswer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            PeerAnswer::Packet(packet) => match Reply::parse(packet) {
                Ok(Reply::Fulfill(_)) => f.write_str("Fulfill"),
                Ok(Reply::Reject(reject)) => write!(f, "Reject {}", reject.code),
                Err(error) => write!(f, "unreadable: {error}"),
            },
            PeerAnswer::Error => f.write_str("BTP ERROR"),
            _ => f.write_str("no packet"),
        }
    }
}

/// Appends an encoded frame to an outbox.
pub(super) fn put_whole_frame(outbox: &Outbox, frame: &[u8]) {
    outbox.put_frame(frame.len(), |out| out.extend_from_slice(frame));
}
