//! What waits to be written to one session: whole WebSocket frames, in order; for sessions that are no WebSocket, packets,
//! which are taken out one by one, one asker after the other (`queues.rs`).
//!
//! Whoever has something to say appends a frame (one copy) and, if the outbox was clean, wakes the session's task. That
//! task writes everything that has gathered with one system call: on one thread, all that a turn of the event loop
//! produced. Batching is where the speed is.
//!
//! The outbox remembers where each ILP frame begins until its first byte is written, so that when the session is lost
//! it can tell which Prepares the peer cannot have seen, and which answers may still go another way (D5).
//!
//! Bound: Prepares are refused once there is no [`Outbox::request_permit`], which is shared fairly among those who ask (`outbox_shares.rs`);
//! answers always fit, as there are no more of them than
//! the peer has packets in flight; but an outbox that answers have filled sixteen times over is closed instead of growing.

mod outbox_shares;
mod queues;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use parking_lot::{Mutex, MutexGuard};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use self::outbox_shares::OutboxShares;
use self::queues::PacketQueues;
use super::Slot;
use super::frames::{self, FramePrefix};
use crate::wire::btp::{FrameKind, RequestId};
use crate::wire::ilp::{Encode, Prepare};

/// A clean outbox keeps no more memory than this.
const KEPT_BYTES: usize = 64 * 1024;
/// How far answers may pass the bound of Prepares before the session counts as lost. CONFIG and SECURITY say so too: what a
/// peer can make us keep for it is this many times `outboxBytesMax`.
const ANSWERS_FACTOR: usize = 16;
/// RFC 6455 7.4.1: the peer violates a policy.
const POLICY_VIOLATION: u16 = 1008;

/// Bytes by which an asker that is within its share, or the node itself, may pass the bound of Prepares: one packet of
/// the largest size may have been appended when the outbox was all but full.
const OVERSHOOT_BYTES: usize = 64 * 1024;

/// Stands for no account.
const NO_REQUESTER: Slot = Slot(u32::MAX);

/// What stands before each BTP frame.
pub enum Framing {
    /// We accepted the WebSocket: a header, and the frame as it is.
    Server,
    /// We dialled: a header, and the frame masked with a key from a generator with this seed (RFC 6455 5.3).
    Client([u8; 32]),
    /// Nothing. Packets are taken out one by one ([`Outbox::take_packet`]) and sent as something else.
    Bare,
}

/// A packet that was taken out of a bare outbox, and counts as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenPacket {
    /// A MESSAGE (a Prepare) or a RESPONSE (its answer).
    pub kind: FrameKind,
    /// Whose id that is depends on the kind, as in BTP.
    pub id: RequestId,
    /// The account that it comes from; `None`: the node itself, or the packet is an answer.
    pub requester: Option<Slot>,
    /// The ILP packet.
    pub packet: Vec<u8>,
}

/// A wish that the session's task closes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseRequest {
    /// WebSocket close code.
    pub code: u16,
    /// Reason, for the peer and the log.
    pub reason: &'static str,
}

/// What a lost session leaves behind: frames of which no byte was written.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct UnsentPackets {
    /// Prepares: the peer cannot have seen them.
    pub prepares: Vec<RequestId>,
    /// Answers: the id and the whole BTP frame, to be sent on another session if there is one.
    pub replies: Vec<(RequestId, Vec<u8>)>,
}

/// The outbox of one session. Shared by everyone who may send to the peer.
pub struct Outbox {
    inner: Mutex<Inner>,
    bytes_max: usize,
}

/// A Prepare that wants room.
#[derive(Clone, Copy, Debug)]
pub struct PermitRequest<'p> {
    /// The account that it comes from; `None`: the node itself asks.
    pub requester: Option<Slot>,
    /// How many accounts have asked for this peer of late, this one included.
    pub requesters: usize,
    /// The Prepare, as long as what will be sent: only amount and expiry change, and they have one length.
    pub prepare: &'p Prepare<'p>,
}

/// Why there is no room for a Prepare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPermit {
    /// The outbox is full, or the session is lost.
    Full,
    /// What is left is kept for others than the one who asks.
    Kept,
}

/// Room in an outbox for one packet.
pub struct OutboxPermit<'a> {
    inner: MutexGuard<'a, Inner>,
    outbox: &'a Outbox,
    requester: Slot,
}

impl OutboxPermit<'_> {
    /// Appends the packet.
    pub fn put_packet(mut self, kind: FrameKind, id: RequestId, packet: &impl Encode) {
        let inner = &mut *self.inner;
        let at = inner.buffer.len();
        let len = if let Some(queues) = &mut inner.queues {
            let mut bytes = Vec::new();
            packet.encode(&mut bytes);
            let len = bytes.len();
            let asker = (self.requester != NO_REQUESTER).then_some(self.requester);
            queues.put(TakenPacket { kind, id, requester: asker, packet: bytes });
            len
        } else {
            let head = inner.next_prefix();
            frames::put_packet(&mut inner.buffer, kind, id, packet, head);
            let start = QueuedFrame {
                at,
                len: inner.buffer.len() - at,
                id,
                kind,
                requester: self.requester,
            };
            let len = start.len;
            inner.prepare_bytes += start.prepare_bytes();
            inner.frames.push_back(start);
            len
        };
        if let Some(crowd) = &mut inner.shares {
            crowd.add(self.requester, len);
        }
        self.outbox.close_if_overfull(inner);
        inner.wake_task();
    }
}

struct Inner {
    /// Frames; the first `written` bytes are out already.
    buffer: Vec<u8>,
    written: usize,
    /// Where the ILP frames of which no byte is written begin.
    frames: VecDeque<QueuedFrame>,
    /// Bytes of the Prepares among them.
    prepare_bytes: usize,
    /// Who fills how much of it, while that is half of what may wait, or more.
    shares: Option<Box<OutboxShares>>,
    mask_keys: Option<StdRng>,
    /// Instead of the buffer, where packets are taken out one by one.
    queues: Option<PacketQueues>,
    waker: Option<Waker>,
    /// The task has been woken and has not written everything since.
    woken: bool,
    close: Option<CloseRequest>,
    /// The session is lost: nothing is appended any more.
    ended: bool,
    /// The largest batch of late, for how much memory to keep.
    recent_peak: usize,
}

struct QueuedFrame {
    at: usize,
    len: usize,
    id: RequestId,
    kind: FrameKind,
    /// Whose Prepare it is; [`NO_REQUESTER`] for an answer and for the node's own.
    requester: Slot,
}

impl QueuedFrame {
    /// The frame's length if it is a Prepare.
    fn prepare_bytes(&self) -> usize {
        if self.kind == FrameKind::Message { self.len } else { 0 }
    }
}

impl Outbox {
    /// An empty outbox that refuses Prepares beyond `bytes_max` bytes.
    pub fn new(framing: Framing, bytes_max: usize) -> Arc<Outbox> {
        let queues = matches!(framing, Framing::Bare).then(PacketQueues::default);
        let mask_keys = match framing {
            Framing::Server | Framing::Bare => None,
            Framing::Client(seed) => Some(StdRng::from_seed(seed)),
        };
        let inner = Inner {
            buffer: Vec::new(),
            written: 0,
            frames: VecDeque::new(),
            prepare_bytes: 0,
            shares: None,
            mask_keys,
            queues,
            waker: None,
            woken: false,
            close: None,
            ended: false,
            recent_peak: 0,
        };
        Arc::new(Outbox { inner: Mutex::new(inner), bytes_max })
    }

    /// Who is to be woken when there is something to write or a reason to close.
    pub fn set_waker(&self, waker: &Waker) {
        let mut inner = self.inner.lock();
        if !inner.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            inner.waker = Some(waker.clone());
        }
    }

    /// Room for a Prepare. The outbox is locked while this is held.
    pub fn request_permit(&self, asking: &PermitRequest<'_>) -> Result<OutboxPermit<'_>, NoPermit> {
        let mut inner = self.inner.lock();
        let waiting = inner.waiting_bytes();
        if inner.ended {
            return Err(NoPermit::Full);
        }
        if waiting >= self.bytes_max / 2 {
            self.admit_prepare(&mut inner, waiting, asking)?;
        }
        Ok(OutboxPermit {
            inner,
            outbox: self,
            requester: asking.requester.unwrap_or(NO_REQUESTER),
        })
    }

    /// Whether an outbox that is half full takes the Prepare.
    fn admit_prepare(
        &self,
        inner: &mut Inner,
        waiting: usize,
        asking: &PermitRequest<'_>,
    ) -> Result<(), NoPermit> {
        let most = self.bytes_max.saturating_add(OVERSHOOT_BYTES);
        let (within_share, kept) = match asking.requester {
            None => (true, 0),
            Some(_) if asking.requesters < 2 => (false, 0),
            Some(asker) => {
                let crowd = inner.counted_shares();
                crowd.divide(asking.requesters, self.bytes_max);
                let within = crowd.is_within_share(asker, asking.prepare.encoded_len());
                (within, crowd.kept_for_others(asker))
            }
        };
        let has_room = waiting.saturating_add(kept) < self.bytes_max;
        match has_room || (within_share && waiting < most) {
            true => Ok(()),
            false if waiting < self.bytes_max => Err(NoPermit::Kept),
            false => Err(NoPermit::Full),
        }
    }

    /// Appends an answer, for which there is always room. `false`: the session is lost, nothing was appended.
    pub fn put_packet(&self, kind: FrameKind, id: RequestId, packet: &impl Encode) -> bool {
        let inner = self.inner.lock();
        if inner.ended {
            return false;
        }
        OutboxPermit { inner, outbox: self, requester: NO_REQUESTER }.put_packet(kind, id, packet);
        true
    }

    /// Appends any other BTP frame: `write` appends exactly `len` bytes.
    pub fn put_frame(&self, len: usize, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let mut inner = self.inner.lock();
        if inner.ended {
            return false;
        }
        let head = inner.next_prefix();
        frames::put_frame(&mut inner.buffer, len, head, write);
        self.close_if_overfull(&mut inner);
        inner.wake_task();
        true
    }

    /// Appends bytes that are whole WebSocket frames already: control frames of the WebSocket library. A lost session
    /// takes them too, for its close frame is one.
    pub fn put_ws_frames(&self, bytes: &[u8]) {
        let mut inner = self.inner.lock();
        inner.buffer.extend_from_slice(bytes);
        self.close_if_overfull(&mut inner);
        inner.wake_task();
    }

    /// Whether reading from this session is to pause (D19), as what it asks for would only add to what it does not take.
    ///
    /// Prepares do not count: reading does not add to them, and two nodes that both stopped reading because each has
    /// too much to ask of the other would wait for each other.
    pub fn is_full_of_answers(&self) -> bool {
        let inner = self.inner.lock();
        let prepares = inner.queues.as_ref().map_or(inner.prepare_bytes, PacketQueues::prepares);
        inner.waiting_bytes() - prepares >= self.bytes_max
    }

    /// Bytes that wait to be written.
    pub fn waiting_bytes(&self) -> usize {
        self.inner.lock().waiting_bytes()
    }

    /// Writes what waits. `Ready(Ok)` = everything is written; `Pending` = the socket takes no more for now (and
    /// `write` has registered the task); `written` says by how much it moved.
    pub fn write_to(
        &self,
        mut write: impl FnMut(&[u8]) -> Poll<io::Result<usize>>,
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.inner.lock();
        loop {
            let waiting = inner.buffer.get(inner.written..).unwrap_or_default();
            if waiting.is_empty() {
                inner.reset_buffer();
                return Poll::Ready(Ok(()));
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

    /// Whether packets are taken out of this one instead of bytes.
    pub fn is_bare(&self) -> bool {
        self.inner.lock().queues.is_some()
    }

    /// Asks the session's task to close the connection; the first order stands.
    pub fn request_close(&self, code: u16, reason: &'static str) {
        let mut inner = self.inner.lock();
        inner.close.get_or_insert(CloseRequest { code, reason });
        inner.woken = false;
        inner.wake_task();
    }

    /// Whether somebody wants the connection closed.
    pub fn close_request(&self) -> Option<CloseRequest> {
        self.inner.lock().close
    }

    /// The session is lost: no BTP frame is appended from now on, and what nobody saw is taken out and returned. The
    /// rest of a frame that was begun stays, so that a close frame can still follow it.
    pub fn end_session(&self) -> UnsentPackets {
        let mut inner = self.inner.lock();
        inner.ended = true;
        let starts = std::mem::take(&mut inner.frames);
        inner.prepare_bytes = 0;
        inner.shares = None;
        let first = starts.front().map_or(inner.buffer.len(), |start| start.at);
        let unseen = inner.buffer.split_off(first);
        inner.waker = None;
        let mut unwritten = UnsentPackets::default();
        for start in starts {
            match start.kind {
                FrameKind::Message | FrameKind::Transfer => unwritten.prepares.push(start.id),
                FrameKind::Response | FrameKind::Error => {
                    let frame = unseen.get(start.at - first..start.at - first + start.len);
                    let frame = frame.and_then(frames::payload_of);
                    unwritten.replies.extend(frame.map(|frame| (start.id, frame)));
                }
            }
        }
        for taken in inner.queues.iter_mut().flat_map(PacketQueues::take_all) {
            match taken.kind {
                FrameKind::Message | FrameKind::Transfer => unwritten.prepares.push(taken.id),
                FrameKind::Response | FrameKind::Error => {
                    let frame = frames::frame_of(taken.kind, taken.id, &taken.packet);
                    unwritten.replies.push((taken.id, frame));
                }
            }
        }
        unwritten
    }

    /// An outbox that only answers can have filled this far belongs to a peer that asks and does not read.
    fn close_if_overfull(&self, inner: &mut Inner) {
        if inner.close.is_none()
            && inner.waiting_bytes() > self.bytes_max.saturating_mul(ANSWERS_FACTOR)
        {
            inner.close =
                Some(CloseRequest { code: POLICY_VIOLATION, reason: "does not read its answers" });
            // The task waits for a socket that takes nothing; this it must hear all the same.
            inner.woken = false;
        }
    }
}

impl Inner {
    fn waiting_bytes(&self) -> usize {
        match &self.queues {
            Some(queues) => queues.bytes(),
            None => self.buffer.len() - self.written,
        }
    }

    /// What stands before the next frame.
    fn next_prefix(&mut self) -> FramePrefix {
        match &mut self.mask_keys {
            Some(keys) => FramePrefix::Masked(keys.next_u32().to_ne_bytes()),
            None => FramePrefix::Plain,
        }
    }

    fn wake_task(&mut self) {
        if !self.woken
            && let Some(waker) = &self.waker
        {
            self.woken = true;
            waker.wake_by_ref();
        }
    }

    /// A frame is begun to be written: it no longer waits.
    fn remove_started(&mut self, start: &QueuedFrame) {
        self.prepare_bytes -= start.prepare_bytes();
        if let Some(crowd) = &mut self.shares {
            crowd.remove(start.requester, start.len);
        }
    }

    /// The askers of what waits. Counted when it is asked for; from then on kept until everything is written.
    fn counted_shares(&mut self) -> &mut OutboxShares {
        let (starts, queues) = (&self.frames, &self.queues);
        self.shares.get_or_insert_with(|| {
            let frames = starts.iter().map(|start| (start.requester, start.len));
            let packets = queues.iter().flat_map(PacketQueues::bytes_of_askers);
            Box::new(OutboxShares::new(frames.chain(packets)))
        })
    }

    fn mark_written(&mut self, count: usize) {
        self.written += count;
        while let Some(start) = self.frames.pop_front_if(|start| start.at < self.written) {
            self.remove_started(&start);
        }
    }

    /// Everything is written: start again at the front, and keep memory in proportion to recent use.
    fn reset_buffer(&mut self) {
        self.woken = false;
        self.shares = None;
        self.recent_peak = self.buffer.len().max(self.recent_peak - self.recent_peak / 8);
        self.buffer.clear();
        self.written = 0;
        let keep = self.recent_peak.saturating_mul(2).max(KEPT_BYTES);
        if self.buffer.capacity() > keep {
            self.buffer.shrink_to(keep);
            self.frames.shrink_to(keep / KEPT_BYTES);
        }
    }

    /// The socket is slow: drop what is written once it is the larger part, so that moving bytes stays cheap.
    fn compact_buffer(&mut self) {
        if self.written > self.buffer.len() / 2 {
            self.buffer.drain(..self.written);
            for start in &mut self.frames {
                start.at -= self.written;
            }
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
