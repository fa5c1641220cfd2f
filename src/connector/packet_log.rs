//! The ring of binary records between the packet path and the thread that formats the packet log.
//!
//! The packet path never waits: if the ring is full, the record is dropped and counted. The nodes of one process share
//! one ring, so that their records keep the order of events.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

use super::refusal::Refusal;
use crate::account::AccountId;
use crate::time::{MonoTime, Now};
use crate::wire::btp::RequestId;
use crate::wire::ilp::ErrorCode;
use crate::wire::{Amount, Condition, Timestamp};

/// One event of one packet at this hop. The condition is the same at every hop, and so connects a packet's records.
#[derive(Clone, Debug)]
pub struct PacketRecord {
    /// The clock reading of the batch.
    pub at: Now,
    /// The packet's condition; zeros if the packet could not be read.
    pub condition: Condition,
    /// The account that the packet came from; `None`: the node itself.
    pub from: Option<AccountId>,
    /// Its request id on that account's session.
    pub request_id: Option<RequestId>,
    /// The account that it was sent to, if any.
    pub to: Option<AccountId>,
    /// What happened to it.
    pub event: PacketEvent,
}

/// What happened to a packet.
#[derive(Clone, Debug)]
pub enum PacketEvent {
    /// A Prepare was sent on to the next hop.
    Forwarded {
        /// The Prepare's destination.
        destination: Box<str>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the outgoing account's units.
        outgoing_amount: Amount,
        /// The request id on the next hop's session.
        outgoing_request_id: RequestId,
        /// Expiry at the next hop.
        expires_at: Timestamp,
    },
    /// A receiver inside this node accepted it, and it was fulfilled at once.
    Received {
        /// The Prepare's destination, which names the STREAM connection.
        destination: Box<str>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the receiver's units.
        received_amount: Amount,
    },
    /// The next hop or this node fulfilled it.
    Fulfilled {
        /// The destination, if this node fulfilled it; otherwise see its `Forwarded` record.
        destination: Option<Box<str>>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the outgoing account's units, if it was forwarded.
        outgoing_amount: Option<Amount>,
        /// The request id on the next hop's session, if it was forwarded.
        outgoing_request_id: Option<RequestId>,
        /// When the Prepare was forwarded, or answered by this node.
        sent_at: MonoTime,
    },
    /// The next hop or this node rejected it.
    Rejected {
        /// The Reject's code.
        code: ErrorCode,
        /// This node's reason; `None`: the Reject came from the next hop.
        reason: Option<Refusal>,
        /// The destination, if this node rejected the Prepare at once; otherwise see its `Forwarded` record.
        destination: Option<Box<str>>,
        /// In the incoming account's units, if it could be read.
        incoming_amount: Option<Amount>,
        /// In the outgoing account's units, if it was forwarded.
        outgoing_amount: Option<Amount>,
        /// The request id on the next hop's session, if it was forwarded.
        outgoing_request_id: Option<RequestId>,
        /// When the Prepare was forwarded, or answered by this node.
        sent_at: MonoTime,
    },
}

/// The ring of a process.
#[derive(Debug)]
pub struct PacketRing(ArrayQueue<(NodeNumber, PacketRecord)>);

/// Which node of the process a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(pub u32);

impl PacketRing {
    /// A ring with space for `capacity` records, and for one at least.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self(ArrayQueue::new(capacity.max(1))))
    }

    /// Removes the oldest record.
    pub fn pop(&self) -> Option<(NodeNumber, PacketRecord)> {
        self.0.pop()
    }

    /// Whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The end at which one node adds its records.
#[derive(Debug)]
pub struct PacketLog {
    ring: Arc<PacketRing>,
    node: NodeNumber,
    dropped: AtomicU64,
}

impl PacketLog {
    /// A log of this node that writes to `ring`.
    pub fn new(ring: Arc<PacketRing>, node: NodeNumber) -> Self {
        Self { ring, node, dropped: AtomicU64::new(0) }
    }

    /// Adds a record, or counts it as dropped.
    pub fn push(&self, record: PacketRecord) {
        if self.ring.0.push((self.node, record)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records of this node were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
