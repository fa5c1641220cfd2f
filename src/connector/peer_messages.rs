//! Messages between settlement engines (`peer.settle`). A peer's message waits here for the reply of our engine.
//!
//! The node takes messages with [`Connector::poll_message`] and answers each with [`Batch::answer_message`]. Their
//! number is bounded, for each account and in all, so that an engine that hangs delays only messages of its own peer.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use super::batch::{Batch, IncomingRequest};
use super::core::Connector;
use super::packet_log::PacketEvent;
use super::refusal::Refusal;
use super::snapshot::AccountEntry;
use crate::account::{AccountId, SettlementMode};
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::ilp::{Fulfill, MAX_DATA_EMITTED, Prepare, Reply};
use crate::wire::{AddressRef, Amount, Condition, Fulfillment, Timestamp};

/// Messages that may wait, of all accounts.
const MESSAGES_MAX: usize = 256;
/// Of these, messages of one account.
const MESSAGES_OF_ACCOUNT_MAX: usize = 16;

/// A message for the settlement engine of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerMessage {
    /// Names it for [`Batch::answer_message`].
    pub number: u64,
    /// The account of the peer that sent it.
    pub account: AccountId,
    /// What the peer's engine says.
    pub data: Arc<[u8]>,
    /// The peer waits until then.
    pub deadline: MonoTime,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageAnswer<'a> {
    /// The engine's reply.
    Reply(&'a [u8]),
    /// There is none, or it says that the engine failed. The data is what it said.
    Refused(MessageRefusal, &'a [u8]),
}

/// Why a message is rejected. Every node on the way back can read the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageRefusal {
    /// The peer has no engine in the configuration.
    #[error("this account has no settlement engine here")]
    NoEngine,
    /// The Prepare has an amount.
    #[error("a message to a settlement engine has the amount 0")]
    Paid,
    /// As many messages as allowed wait for an engine.
    #[error("too many messages wait for the settlement engine")]
    TooMany,
    /// The engine does not accept the message.
    #[error("the settlement engine refuses the message")]
    ByEngine,
    /// The engine cannot be reached, or cannot answer.
    #[error("the settlement engine gives no answer")]
    EngineFailed,
}

/// The messages that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct PeerMessages(Mutex<WaitingMessages>);

#[derive(Debug, Default)]
struct WaitingMessages {
    next: u64,
    /// Those that the node has not taken yet.
    new: VecDeque<PeerMessage>,
    /// All, by number.
    waiting: HashMap<u64, WaitingMessage>,
    waker: Option<Waker>,
}

impl WaitingMessages {
    /// Whether another message of this account may wait.
    fn check(&self, from: &AccountEntry, slot: Slot, amount: Amount) -> Result<(), MessageRefusal> {
        if from.settings.settlement.mode != SettlementMode::Engine {
            return Err(MessageRefusal::NoEngine);
        }
        if amount != Amount::ZERO {
            return Err(MessageRefusal::Paid);
        }
        let of_account = self.waiting.values().filter(|one| one.incoming.account == slot).count();
        if self.waiting.len() >= MESSAGES_MAX || of_account >= MESSAGES_OF_ACCOUNT_MAX {
            return Err(MessageRefusal::TooMany);
        }
        Ok(())
    }
}

/// What answers the Prepare of a message, and records it.
#[derive(Clone, Debug)]
struct WaitingMessage {
    incoming: IncomingRequest,
    condition: Condition,
    expires_at: Timestamp,
    data: Arc<[u8]>,
}

impl WaitingMessage {
    fn prepare(&self) -> Prepare<'_> {
        Prepare {
            amount: Amount::ZERO,
            expires_at: self.expires_at,
            condition: self.condition,
            destination: AddressRef::PEER_SETTLE,
            data: &self.data,
        }
    }
}

impl Connector {
    /// The next message for an engine. One task at a time should call this. Each message must be answered.
    pub fn poll_message(&self, cx: &Context<'_>) -> Poll<PeerMessage> {
        let mut messages = self.peer_messages.0.lock();
        match messages.new.pop_front() {
            Some(message) => Poll::Ready(message),
            None => {
                messages.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Batch<'_> {
    /// Lets a message wait for the engine of its account.
    ///
    /// RFC 38 "Exchanging messages": a message goes to the engine of the account that it came
    /// from, is never forwarded, and is rejected if it cannot be processed. The RFC prints a condition that its
    /// fulfillment does not match, so any is accepted. [rows 136, 137]
    pub(super) fn accept_message(
        &self,
        from: &AccountEntry,
        incoming: &IncomingRequest,
        prepare: &Prepare<'_>,
    ) -> Result<(), Refusal> {
        let mut messages = self.connector.peer_messages.0.lock();
        messages.check(from, incoming.account, prepare.amount).map_err(Refusal::Message)?;
        let number = messages.next;
        messages.next += 1;
        let data: Arc<[u8]> = prepare.data.into();
        messages.waiting.insert(
            number,
            WaitingMessage {
                incoming: *incoming,
                condition: prepare.condition,
                expires_at: prepare.expires_at,
                data: Arc::clone(&data),
            },
        );
        let time_left = prepare.expires_at.saturating_duration_since(self.now.wall);
        let deadline = self.now.mono.after(time_left);
        let account = from.account.id().clone();
        messages.new.push_back(PeerMessage { number, account, data, deadline });
        let waker = messages.waker.take();
        drop(messages);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    /// Whether a message of this account would wait for its engine.
    pub(super) fn check_message(
        &self,
        from: &AccountEntry,
        slot: Slot,
        amount: Amount,
    ) -> Result<(), MessageRefusal> {
        self.connector.peer_messages.0.lock().check(from, slot, amount)
    }

    /// Answers a message that was taken with [`Connector::poll_message`]. A second answer changes nothing.
    pub fn answer_message(&self, number: u64, answer: MessageAnswer<'_>) {
        let waiting = self.connector.peer_messages.0.lock().waiting.remove(&number);
        let Some(waiting) = waiting else { return };
        let (incoming, prepare) = (&waiting.incoming, waiting.prepare());
        match answer {
            MessageAnswer::Reply(data) if data.len() <= MAX_DATA_EMITTED => {
                let fulfill = Fulfill { fulfillment: Fulfillment::ZERO, data };
                self.answer_requester(incoming, &Reply::Fulfill(fulfill));
                self.record_local_answer(incoming, None, &prepare, || PacketEvent::Fulfilled {
                    destination: Some(prepare.destination.as_str().into()),
                    incoming_amount: prepare.amount,
                    outgoing_amount: None,
                    outgoing_request_id: None,
                    sent_at: self.now.mono,
                });
            }
            MessageAnswer::Reply(_) => self.reject_message(&waiting, MessageRefusal::ByEngine, &[]),
            MessageAnswer::Refused(refusal, data) => {
                let data = Some(data).filter(|data| data.len() <= MAX_DATA_EMITTED);
                self.reject_message(&waiting, refusal, data.unwrap_or_default());
            }
        }
    }

    fn reject_message(&self, waiting: &WaitingMessage, refusal: MessageRefusal, data: &[u8]) {
        let (incoming, prepare) = (&waiting.incoming, waiting.prepare());
        let refusal = Refusal::Message(refusal);
        self.with_reject_data(&refusal, &refusal.to_string(), data, |reply| {
            self.answer_requester(incoming, reply);
            self.record_refused(incoming, Some(&prepare), None, &refusal, reply);
        });
    }

    /// Rejects all messages that wait, at the end of a shutdown.
    pub(super) fn reject_messages(&self) {
        let waiting = {
            let mut messages = self.connector.peer_messages.0.lock();
            messages.new.clear();
            std::mem::take(&mut messages.waiting)
        };
        for waiting in waiting.into_values() {
            self.reject_prepare(&waiting.incoming, Some(&waiting.prepare()), &Refusal::Stopped);
        }
    }
}
