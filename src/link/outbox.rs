//! The packets that wait to be written to one session. For a WebSocket, this is a buffer of whole frames; otherwise it
//! is a queue for each requester, and packets are taken out one by one (`queues.rs`).
//!
//! Adding a packet copies it once and wakes the session's task if the outbox was empty. That task writes everything
//! that has gathered with one system call (ADR 3).
//!
//! The outbox knows where each packet's frame begins until its first byte is written. So when the session is lost, it
//! can return the Prepares that the peer cannot have read, and the answers that another session may carry (D5).
//!
//! Bound: a Prepare needs a permit ([`Outbox::request_permit`]). The requesters share the space fairly
//! (`outbox_shares.rs`). Answers need no permit, as there are no more of them than the peer has packets in flight; but
//! the session closes when sixteen times the bound waits.
//!
//! A packet may name a cut of the ledger that must be durable first (`gates.rs`). It waits here with all that follows
//! it, and counts as unwritten, but not as unread by the peer. While another process could have taken the books,
//! nothing is written at all.

mod answers;
mod gates;
mod outbox_shares;
mod permit;
mod queues;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::Mutex;

use self::gates::Gates;
use self::outbox_shares::OutboxShares;
pub use self::permit::{NoPermit, OutboxPermit, PermitRequest};
use self::queues::{PacketQueues, QueuedPacket};
use super::framing::{Framer, Framing, packet_in};
use super::{CutNumber, DurableCuts, PacketKind, Slot};
use crate::wire::Amount;
use crate::wire::btp::RequestId;
use crate::wire::ilp::{Encode, Reply};

/// An outbox frees no memory up to this size.
const RETAINED_BYTES_MAX: usize = 64 * 1024;
/// RFC 6455 7.4.1: the peer violated a policy: a refused login, a replaced session, too many unreadable frames.
pub const POLICY_VIOLATION: u16 = 1008;

/// Bytes by which a requester within its share, or the node itself, may exceed the bound of Prepares: one packet of the
/// largest size may have been added to an outbox that was almost full.
const OVERSHOOT_BYTES: usize = 64 * 1024;

/// The account that a Prepare comes from; `None`: the node itself.
pub type Requester = Option<Slot>;

/// A packet that was taken out of an unframed outbox. It counts as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenPacket {
    /// Prepare or reply.
    pub kind: PacketKind,
    /// This node's id for a Prepare, the peer's id for a reply.
    pub id: RequestId,
    /// Of a Prepare; `None` for a reply.
    pub requester: Requester,
    /// The ILP packet.
    pub packet: Vec<u8>,
}

/// Asks the session's task to close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRequest {
    /// The WebSocket close code.
    pub code: u16,
    /// The reason, for the peer and the log.
    pub reason: &'static str,
}

/// The packets of a lost session of which no byte was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnsentPackets {
    /// Prepares. The peer cannot have read them.
    pub prepares: Vec<RequestId>,
    /// Another session may carry them.
    pub replies: Vec<UnsentReply>,
}

/// A reply of which no byte was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsentReply {
    /// The peer's request id.
    pub id: RequestId,
    /// The ILP packet.
    pub packet: Vec<u8>,
    /// The cut that it waits for, or a later one that a packet before it waited for.
    pub after: CutNumber,
    /// What the requester owes us for this Fulfill; zero for a Reject.
    pub amount: Amount,
}

/// The outbox of one session.
pub struct Outbox {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

struct Inner {
    /// Whole frames, of which the first `written` bytes are written.
    buffer: Vec<u8>,
    written: usize,
    /// The frames with packets of which no byte is written.
    frames: VecDeque<QueuedFrame>,
    /// The bytes of the Prepares among them.
    prepare_bytes: usize,
    /// Counted from when the outbox is half full until it is empty.
    shares: Option<Box<OutboxShares>>,
    gates: Gates,
    framer: Framer,
    /// Used instead of the buffer if there is no framing.
    queues: Option<PacketQueues>,
    waker: Option<Waker>,
    /// The task has been woken and has not written everything yet.
    is_woken: bool,
    close_request: Option<CloseRequest>,
    /// The session has ended: no packet is added any more.
    has_ended: bool,
    /// The largest recent batch, which decides how much memory to keep.
    recent_peak: usize,
}

struct QueuedFrame {
    at: usize,
    len: usize,
    id: RequestId,
    kind: PacketKind,
    /// [`Slot::NONE`] for a reply and for a Prepare of the node itself.
    requester: Slot,
    /// See [`UnsentReply::amount`].
    amount: Amount,
}

impl QueuedFrame {
    /// The length of the frame if it carries a Prepare.
    fn prepare_bytes(&self) -> usize {
        if self.kind == PacketKind::Prepare { self.len } else { 0 }
    }
}

impl Outbox {
    /// An empty outbox that refuses Prepares beyond `bytes_max` bytes.
    pub fn new(framing: Framing, bytes_max: usize) -> Arc<Self> {
        let queues = matches!(framing, Framing::None).then(PacketQueues::default);
        let inner = Inner {
            buffer: Vec::new(),
            written: 0,
            frames: VecDeque::new(),
            prepare_bytes: 0,
            shares: None,
            gates: Gates::default(),
            framer: Framer::new(&framing),
            queues,
            waker: None,
            is_woken: false,
            close_request: None,
            has_ended: false,
            recent_peak: 0,
        };
        Arc::new(Self { inner: Mutex::new(inner), bytes_max })
    }

    /// Sets the task that is woken when there is something to write or a close request.
    pub fn set_waker(&self, waker: &Waker) {
        let mut inner = self.inner.lock();
        if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
    }

    /// Sets the cuts that packets may wait for, before the first packet.
    pub fn set_durable_cuts(&self, durable: Arc<DurableCuts>) {
        self.inner.lock().gates.set_durable(durable);
    }

    /// A permit for one Prepare.
    pub fn request_permit(
        &self,
        request: &PermitRequest<'_>,
    ) -> Result<OutboxPermit<'_>, NoPermit> {
        let mut inner = self.inner.lock();
        let waiting = inner.waiting_bytes();
        if inner.has_ended {
            return Err(NoPermit::Full);
        }
        if waiting >= self.bytes_max / 2 {
            self.admit_prepare(&mut inner, waiting, request)?;
        }
        let requester = request.requester.unwrap_or(Slot::NONE);
        let (after, amount) = (CutNumber::NONE, Amount::ZERO);
        Ok(OutboxPermit { inner, outbox: self, requester, after, amount })
    }

    /// Decides whether an outbox that is at least half full takes the Prepare.
    fn admit_prepare(
        &self,
        inner: &mut Inner,
        waiting: usize,
        request: &PermitRequest<'_>,
    ) -> Result<(), NoPermit> {
        let hard_max = self.bytes_max.saturating_add(OVERSHOOT_BYTES);
        let (is_within_share, reserved) = match request.requester {
            None => (true, 0),
            Some(_) if request.requesters < 2 => (false, 0),
            Some(requester) => {
                let shares = inner.count_shares();
                shares.divide(request.requesters, self.bytes_max);
                let is_within = shares.is_within_share(requester, request.prepare.encoded_len());
                (is_within, shares.reserved_for_others(requester))
            }
        };
        let has_space = waiting.saturating_add(reserved) < self.bytes_max;
        match has_space || (is_within_share && waiting < hard_max) {
            true => Ok(()),
            false if planted!(BytesUnlimited) => Ok(()),
            false if waiting < self.bytes_max => Err(NoPermit::Reserved),
            false => Err(NoPermit::Full),
        }
    }

    /// Adds the reply to the peer's request `id`. It leaves when the cut `after` is durable. `amount`: see
    /// [`UnsentReply::amount`]. Returns `false` if the session has ended.
    ///
    /// RFC 18 "Fulfillment Failure": a flood of Prepares must not delay a Fulfill, so a reply needs no permit. [row 56]
    pub fn put_reply(
        &self,
        id: RequestId,
        reply: &Reply<'_>,
        after: CutNumber,
        amount: Amount,
    ) -> bool {
        self.put_packet(PacketKind::Reply, id, reply, after, amount)
    }

    fn put_packet(
        &self,
        kind: PacketKind,
        id: RequestId,
        packet: &impl Encode,
        after: CutNumber,
        amount: Amount,
    ) -> bool {
        let inner = self.inner.lock();
        if inner.has_ended {
            return false;
        }
        let permit = OutboxPermit { inner, outbox: self, requester: Slot::NONE, after, amount };
        permit.put_packet(kind, id, packet);
        true
    }

    /// Adds any other BTP frame, for the authentication and the session's own answers: `write` appends exactly `len`
    /// bytes. Returns `false` if the session has ended.
    pub fn put_frame(&self, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut inner = self.inner.lock();
        if inner.has_ended {
            return false;
        }
        let inner = &mut *inner;
        inner.framer.put_frame(&mut inner.buffer, len, write);
        self.close_if_overfull(inner);
        inner.wake_task();
        true
    }

    /// Adds whole WebSocket frames: control frames of the WebSocket library. A session that has ended takes them too,
    /// because its close frame is one.
    pub fn put_ws_frames(&self, bytes: &[u8]) {
        let mut inner = self.inner.lock();
        inner.buffer.extend_from_slice(bytes);
        self.close_if_overfull(&mut inner);
        inner.wake_task();
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.inner.lock().waiting_bytes()
    }

    /// Those of them that belong to Prepares.
    #[cfg(any(test, feature = "simulation"))]
    pub fn waiting_prepare_bytes(&self) -> usize {
        let inner = self.inner.lock();
        inner.queues.as_ref().map_or(inner.prepare_bytes, PacketQueues::prepare_bytes)
    }

    /// Writes what waits, and adds the number of bytes to `written`. `Ready(Ok)`: everything is written, or the rest
    /// waits for a cut, which wakes the task. `Pending`: the socket takes no more for now, and `write` has registered
    /// the task.
    pub fn write_to(
        &self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner.lock();
        loop {
            let gate = inner.gates.open_durable();
            let end = gate.unwrap_or(inner.buffer.len());
            let waiting =
                inner.buffer.get(inner.written..end).expect("no more is written than is there");
            if waiting.is_empty() {
                if gate.is_none() {
                    inner.reset_buffer();
                } else if inner.wait_for_gate() {
                    inner.compact_buffer();
                } else {
                    continue;
                }
                return Poll::Ready(Ok(()));
            }
            if !inner.gates.has_lease() {
                if inner.wait_for_lease() {
                    inner.compact_buffer();
                    return Poll::Ready(Ok(()));
                }
                continue;
            }
            match write(waiting) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    *written += count;
                    inner.mark_written(count);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    inner.compact_buffer();
                    return Poll::Pending;
                }
            }
        }
    }

    /// Whether packets are taken out of this outbox one by one.
    pub fn is_unframed(&self) -> bool {
        self.inner.lock().queues.is_some()
    }

    /// Asks the session's task to close the connection. The first request stands.
    pub fn request_close(&self, request: CloseRequest) {
        let mut inner = self.inner.lock();
        inner.close_request.get_or_insert(request);
        inner.is_woken = false;
        inner.wake_task();
    }

    /// The close request, if there is one.
    pub fn close_request(&self) -> Option<CloseRequest> {
        self.inner.lock().close_request
    }

    /// Ends the session: from now on no packet is added. Removes and returns the packets of which no byte was written.
    /// The rest of a frame that was begun stays, so that a close frame can follow it.
    pub fn end_session(&self) -> UnsentPackets {
        let mut inner = self.inner.lock();
        inner.has_ended = true;
        let frames = std::mem::take(&mut inner.frames);
        inner.prepare_bytes = 0;
        inner.shares = None;
        let mut cut_at = inner.gates.take_all();
        let first = frames.front().map_or(inner.buffer.len(), |frame| frame.at);
        let unsent = inner.buffer.split_off(first);
        let waker = inner.waker.take();
        inner.gates.forget_task(waker.as_ref());
        let mut packets = UnsentPackets::default();
        for QueuedFrame { at, len, id, kind, amount, .. } in frames {
            match kind {
                PacketKind::Prepare => packets.prepares.push(id),
                PacketKind::Reply => {
                    let frame = unsent.get(at - first..at - first + len);
                    let packet = frame.and_then(packet_in).expect("a frame that was written here");
                    packets.replies.push(UnsentReply { id, packet, after: cut_at(at), amount });
                }
            }
        }
        for queued in inner.queues.iter_mut().flat_map(PacketQueues::take_all) {
            let QueuedPacket { packet: TakenPacket { kind, id, packet, .. }, after, amount } =
                queued;
            match kind {
                PacketKind::Prepare => packets.prepares.push(id),
                PacketKind::Reply => {
                    packets.replies.push(UnsentReply { id, packet, after, amount })
                }
            }
        }
        packets
    }
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        match &self.queues {
            Some(queues) => queues.bytes(),
            None => self.buffer.len() - self.written,
        }
    }

    fn wake_task(&mut self) {
        if !self.is_woken
            && let Some(waker) = &self.waker
        {
            self.is_woken = true;
            waker.wake_by_ref();
        }
    }

    /// Stops at a closed gate. While it is closed, further packets need not wake the task. `false`: it has just opened.
    fn wait_for_gate(&mut self) -> bool {
        self.is_woken = self.waker.is_some();
        self.gates.wake_when_open(self.waker.as_ref())
    }

    /// The same while another process could have taken the books: nothing leaves. `false`: the lease is valid again.
    fn wait_for_lease(&mut self) -> bool {
        // A session that has ended has only its close frame left, and its task must not stay in the list of those that
        // wait.
        let waker = self.waker.as_ref().filter(|_| !self.has_ended);
        self.is_woken = waker.is_some();
        self.gates.wake_with_lease(waker)
    }

    /// Counts a frame whose first byte is written.
    fn remove_started(&mut self, frame: &QueuedFrame) {
        self.prepare_bytes -= frame.prepare_bytes();
        if let Some(shares) = &mut self.shares {
            shares.remove(frame.requester, frame.len);
        }
    }

    /// The requesters of what waits.
    fn count_shares(&mut self) -> &mut OutboxShares {
        let (frames, queues) = (&self.frames, &self.queues);
        self.shares.get_or_insert_with(|| {
            let frames = frames.iter().map(|frame| (frame.requester, frame.len));
            let packets = queues.iter().flat_map(PacketQueues::bytes_by_requester);
            Box::new(OutboxShares::new(frames.chain(packets)))
        })
    }

    fn mark_written(&mut self, count: usize) {
        self.written += count;
        while let Some(frame) = self.frames.pop_front_if(|frame| frame.at < self.written) {
            self.remove_started(&frame);
        }
    }

    /// Everything is written: starts at the front again, and keeps memory in proportion to recent use.
    fn reset_buffer(&mut self) {
        self.is_woken = false;
        self.shares = None;
        self.recent_peak = self.buffer.len().max(self.recent_peak - self.recent_peak / 8);
        self.buffer.clear();
        self.written = 0;
        let keep = self.recent_peak.saturating_mul(2).max(RETAINED_BYTES_MAX);
        if self.buffer.capacity() > keep {
            self.buffer.shrink_to(keep);
            self.frames.shrink_to(keep / RETAINED_BYTES_MAX);
        }
    }

    /// Removes written bytes once they are the larger part of the buffer, so that moving bytes stays cheap.
    fn compact_buffer(&mut self) {
        if self.written > self.buffer.len() / 2 {
            self.buffer.drain(..self.written);
            for frame in &mut self.frames {
                frame.at -= self.written;
            }
            self.gates.shift(self.written);
            self.written = 0;
        }
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("waiting", &self.waiting_bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
