//! An authenticated session: each of its frames goes to the connector, or is answered here. No IO: what is to be sent is
//! appended to outboxes.
//!
//! A session is attached to its account while this value lives. Dropping it, for whatever reason, detaches it, so that
//! Prepares which the peer cannot have seen are answered at once and not held until they expire.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bounds::{CONTROL_INTERVAL, HOLD_MAX, UNREADABLE_MAX, UNREADABLE_WINDOW};
use super::handshake::refusal;
use super::incoming::{self, FrameMeaning};
use crate::account::AccountId;
use crate::connector::{Account, Batch, PeerAnswer};
use crate::link::{CloseRequest, LoginMark, Outbox, SessionId, SessionKind};
use crate::time::{MonoTime, Now};
use crate::transport::{CloseReason, POLICY, PeerMistake, PeerStatus, TransportContext};
use crate::wire::btp::{RequestId, put_empty_response};

/// One session of one account.
pub(super) struct BtpSession {
    context: Arc<TransportContext>,
    account: Arc<Account>,
    id: SessionId,
    outbox: Arc<Outbox>,
    status: Arc<PeerStatus>,
    side: SessionKind,
    began: MonoTime,
    /// When the last unreadable frames came. Allocates nothing until the first.
    unreadable: VecDeque<MonoTime>,
    /// When the last control frame came that did not count in the rate.
    control_at: Option<MonoTime>,
    /// The peer has sent more than its rate: nothing is read from it before.
    hold: Option<MonoTime>,
    ended: Option<CloseReason>,
}

impl BtpSession {
    /// Attaches a session that was authenticated; an older one of the same side is replaced by it.
    pub(super) fn open(
        context: Arc<TransportContext>,
        account: Arc<Account>,
        side: SessionKind,
        login: Option<LoginMark>,
        outbox: Arc<Outbox>,
        remote: &str,
    ) -> Self {
        let now = context.clock.now();
        let status = context.peers.status(account.id());
        let id = context.connector.attach(&account, side, login, Arc::clone(&outbox), now);
        status.session_up(side.as_str(), remote);
        Self {
            context,
            account,
            id,
            outbox,
            status,
            side,
            began: now.mono,
            unreadable: VecDeque::new(),
            control_at: None,
            hold: None,
            ended: None,
        }
    }

    /// Whose session it is.
    pub(super) fn account_id(&self) -> &AccountId {
        self.account.id()
    }

    /// When the session was authenticated.
    pub(super) fn began(&self) -> MonoTime {
        self.began
    }

    /// Remembers how the session ended, for the event that its drop causes.
    pub(super) fn end(&mut self, ended: CloseReason) {
        self.ended = Some(ended);
    }

    /// A binary message. An error is a wish to close the session.
    pub(super) fn binary(
        &mut self,
        frame: &[u8],
        turn: &Batch<'_>,
        now: Now,
    ) -> Result<(), CloseRequest> {
        match incoming::read(frame, || self.is_lenient(turn)) {
            FrameMeaning::Prepare { request_id, packet } => {
                turn.prepare(&self.account, self.id, request_id, packet);
            }
            FrameMeaning::Answer { request_id, answer } => {
                if !turn.answer(&self.account, request_id, answer) {
                    self.hold(turn.meter_stray_answer(&self.account), now.mono);
                }
            }
            FrameMeaning::PrepareInResponse { request_id, packet } => {
                self.status.swaps_types();
                if !turn.answer(&self.account, request_id, PeerAnswer::Packet(packet)) {
                    self.hold(turn.meter_stray_answer(&self.account), now.mono);
                }
            }
            FrameMeaning::AnswerInMessage { request_id } => {
                self.status.swaps_types();
                self.refuse(request_id, "a MESSAGE carries a Prepare, not an answer", now);
                self.hold(turn.meter_other(&self.account), now.mono);
            }
            FrameMeaning::Nothing { request_id } => {
                tracing::trace!(peer = %self.account.id(), %request_id, "a message without a packet");
                self.acknowledge(request_id);
                self.hold(turn.meter_other(&self.account), now.mono);
            }
            FrameMeaning::Refused { request_id, why } => {
                self.refuse(request_id, why, now);
                self.hold(turn.meter_other(&self.account), now.mono);
            }
            FrameMeaning::Unreadable(error) => {
                self.hold(turn.meter_other(&self.account), now.mono);
                return self.unreadable(&error.to_string(), now.mono);
            }
        }
        Ok(())
    }

    /// A binary message that arrived after we began to close. An answer counts, for the peer will not give it again
    /// (D5); a request is not served, for its answer could not be sent.
    pub(super) fn late(&self, frame: &[u8], turn: &Batch<'_>) {
        let read = incoming::read(frame, || self.is_lenient(turn));
        match read {
            FrameMeaning::Answer { request_id, answer } => {
                turn.answer(&self.account, request_id, answer);
            }
            FrameMeaning::PrepareInResponse { request_id, packet } => {
                turn.answer(&self.account, request_id, PeerAnswer::Packet(packet));
            }
            _ => {}
        }
    }

    /// Whether this peer's frames are what the packets in them say, as configured now.
    fn is_lenient(&self, turn: &Batch<'_>) -> bool {
        turn.settings(&self.account).is_some_and(|settings| settings.lenient_btp_types)
    }

    /// A text message, which BTP does not use.
    pub(super) fn text(&mut self, turn: &Batch<'_>, now: Now) -> Result<(), CloseRequest> {
        self.hold(turn.meter_other(&self.account), now.mono);
        self.unreadable("a text message", now.mono)
    }

    /// A WebSocket ping or pong. What keep-alive needs is free; more counts like everything else.
    pub(super) fn control(&mut self, turn: &Batch<'_>, now: Now) {
        if self.control_at.is_none_or(|at| now.mono.since(at) >= CONTROL_INTERVAL) {
            self.control_at = Some(now.mono);
        } else {
            self.hold(turn.meter_other(&self.account), now.mono);
        }
    }

    /// A part of a message, which is counted when its last part comes. Parts may be empty, so each counts as well.
    pub(super) fn fragment(&mut self, turn: &Batch<'_>, now: Now) {
        self.hold(turn.meter_other(&self.account), now.mono);
    }

    /// Whether reading is to wait, as the peer has sent more than its rate.
    pub(super) fn is_held(&self) -> bool {
        self.hold.is_some()
    }

    /// Until when reading is to wait; told once.
    pub(super) fn take_hold(&mut self) -> Option<MonoTime> {
        self.hold.take()
    }

    fn hold(&mut self, until: Option<MonoTime>, now: MonoTime) {
        if let Some(until) = until {
            self.hold = Some(until.min(now.after(HOLD_MAX)));
        }
    }

    /// RFC 23: no answer. The session stays, for a peer may recover, but not if it makes a habit of it.
    fn unreadable(&mut self, what: &str, now: MonoTime) -> Result<(), CloseRequest> {
        self.status.mistake(PeerMistake::Unreadable, what, now);
        while self.unreadable.front().is_some_and(|at| now.since(*at) >= UNREADABLE_WINDOW) {
            self.unreadable.pop_front();
        }
        self.unreadable.push_back(now);
        if self.unreadable.len() >= UNREADABLE_MAX {
            return Err(CloseRequest { code: POLICY, reason: "too many unreadable frames" });
        }
        Ok(())
    }

    fn refuse(&self, request_id: RequestId, why: &'static str, now: Now) {
        self.status.mistake(PeerMistake::Refused, why, now.mono);
        let frame = refusal(request_id, why, now.wall);
        self.outbox.put_frame(frame.len(), |out| out.extend_from_slice(&frame));
    }

    fn acknowledge(&self, request_id: RequestId) {
        let mut frame = Vec::with_capacity(8);
        put_empty_response(request_id, &mut frame);
        self.outbox.put_frame(frame.len(), |out| out.extend_from_slice(&frame));
    }
}

impl Drop for BtpSession {
    fn drop(&mut self) {
        let now = self.context.clock.now();
        self.context.connector.detach(&self.account, self.id, now);
        let ended = self.ended.take().unwrap_or_else(|| CloseReason::Broken("stopped".to_owned()));
        self.status.session_down(self.side.as_str(), &ended);
    }
}
