//! The ring through which packets reach the log: binary records, formatted by a thread of the log's own.
//!
//! The packet path only pushes. When the ring is full the record is dropped and counted, never waited for. Nodes of one
//! process share one ring, so that their records are in the order in which things happened.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;

use crate::account::AccountId;
use crate::time::{MonoTime, Now};
use crate::wire::btp::RequestId;
use crate::wire::ilp::ErrorCode;
use crate::wire::{Amount, Condition, Timestamp};

/// What is to be told of one packet at this hop. The condition is the same at every hop: the key of its path.
#[derive(Clone, Debug)]
pub struct PacketRecord {
    /// When.
    pub at: Now,
    /// The packet's condition, if it could be read.
    pub condition: Condition,
    /// The account it came from; `None` for the node's own.
    pub from: Option<AccountId>,
    /// Request id on that account's session.
    pub request_id: Option<RequestId>,
    /// The account it went to, if it did.
    pub to: Option<AccountId>,
    /// What happened.
    pub event: PacketEvent,
}

/// What happened to a packet.
#[derive(Clone, Debug)]
pub enum PacketEvent {
    /// A Prepare was sent on to the next hop.
    Forwarded {
        /// Where it is going.
        destination: Box<str>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the outgoing account's units.
        outgoing_amount: Amount,
        /// The id it went out under.
        outgoing_request_id: RequestId,
        /// Expiry at the next hop.
        expires_at: Timestamp,
    },
    /// A receiver inside this node took its money; it is fulfilled with that.
    Received {
        /// The connection that it belongs to.
        destination: Box<str>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the receiver's units.
        received_amount: Amount,
    },
    /// It was fulfilled, by the next hop or by this node.
    Fulfilled {
        /// Where it was going, if this node fulfilled it; otherwise its `Forwarded` record says so.
        destination: Option<Box<str>>,
        /// In the incoming account's units.
        incoming_amount: Amount,
        /// In the outgoing account's units, if it was sent on.
        outgoing_amount: Option<Amount>,
        /// When the Prepare was sent on.
        sent_at: MonoTime,
    },
    /// It was rejected; `reason` says why if this node did.
    Rejected {
        /// The Reject's code.
        code: ErrorCode,
        /// This node's reason; `None` when the Reject came from further on.
        reason: Option<Box<str>>,
        /// Where it was going, if this node rejected the Prepare at once; otherwise its `Forwarded` record says so.
        destination: Option<Box<str>>,
        /// In the incoming account's units, if it could be read.
        incoming_amount: Option<Amount>,
        /// When the Prepare was sent on.
        sent_at: MonoTime,
    },
}

/// The bounded ring of a process.
#[derive(Debug)]
pub struct PacketRing(ArrayQueue<(NodeNumber, PacketRecord)>);

/// Which node of the process a record is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeNumber(pub u32);

impl PacketRing {
    /// A ring of `places` records.
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(PacketRing(ArrayQueue::new(places.max(1))))
    }

    /// The oldest record.
    pub fn pop(&self) -> Option<(NodeNumber, PacketRecord)> {
        self.0.pop()
    }

    /// Nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One node's way into the ring.
#[derive(Debug)]
pub struct PacketLog {
    ring: Arc<PacketRing>,
    node: NodeNumber,
    dropped: AtomicU64,
}

impl PacketLog {
    /// The way of this node.
    pub fn new(ring: Arc<PacketRing>, node: NodeNumber) -> Self {
        PacketLog { ring, node, dropped: AtomicU64::new(0) }
    }

    /// Adds a record, or counts it as dropped.
    pub fn push(&self, record: PacketRecord) {
        if self.ring.0.push((self.node, record)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many records of this node found no place so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}
