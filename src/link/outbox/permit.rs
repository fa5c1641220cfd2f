//! Space for one packet in an outbox, and how a packet is added.

use parking_lot::MutexGuard;

use super::super::{CutNumber, PacketKind, Slot};
use super::queues::QueuedPacket;
use super::{Inner, Outbox, QueuedFrame, Requester, TakenPacket};
use crate::wire::Amount;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Encode, Prepare};

/// A Prepare that needs space in an outbox.
#[derive(Clone, Copy, Debug)]
pub struct PermitRequest<'p> {
    pub requester: Requester,
    /// Number of active requesters of this peer, including this one.
    pub requesters: usize,
    /// The incoming Prepare. The outgoing one is as long, because amount and expiry have a fixed length.
    pub prepare: &'p Prepare<'p>,
}

/// Why a Prepare gets no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// The outbox is full, or the session is lost.
    Full,
    /// The remaining space is reserved for other requesters.
    Reserved,
}

/// Space in an outbox for one Prepare. The outbox is locked as long as this exists.
pub struct OutboxPermit<'a> {
    pub(super) inner: MutexGuard<'a, Inner>,
    pub(super) outbox: &'a Outbox,
    pub(super) requester: Slot,
    pub(super) after: CutNumber,
    /// See [`UnsentReply::amount`](super::UnsentReply::amount).
    pub(super) amount: Amount,
}

impl OutboxPermit<'_> {
    /// Adds the Prepare. It leaves when the cut `after` is durable.
    pub fn put_prepare(mut self, id: RequestId, prepare: &Prepare<'_>, after: CutNumber) {
        self.after = after;
        self.put_packet(PacketKind::Prepare, id, prepare);
    }

    pub(super) fn put_packet(mut self, kind: PacketKind, id: RequestId, packet: &impl Encode) {
        let inner = &mut *self.inner;
        let at = inner.buffer.len();
        let len = if let Some(queues) = &mut inner.queues {
            let mut bytes = Vec::new();
            packet.encode(&mut bytes);
            let len = bytes.len();
            let requester = (self.requester != Slot::NONE).then_some(self.requester);
            let packet = TakenPacket { kind, id, requester, packet: bytes };
            let after = if planted!(EarlyPost) { CutNumber::NONE } else { self.after };
            queues.put_packet(QueuedPacket { packet, after, amount: self.amount });
            len
        } else {
            if self.after != CutNumber::NONE {
                inner.gates.add(at, self.after);
            }
            inner.framer.put_packet(&mut inner.buffer, kind, id, packet);
            let len = inner.buffer.len() - at;
            let (requester, amount) = (self.requester, self.amount);
            let frame = QueuedFrame { at, len, id, kind, requester, amount };
            inner.prepare_bytes += frame.prepare_bytes();
            inner.gates.count_frame(&frame);
            inner.frames.push_back(frame);
            len
        };
        if let Some(shares) = &mut inner.shares {
            shares.add(self.requester, len);
        }
        self.outbox.close_if_overfull(inner);
        inner.wake_task();
    }
}
