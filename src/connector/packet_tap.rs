//! The tap: records of the packets that a sample has, for those who watch.
//!
//! The condition decides, so that each hop decides the same, and again at the answer, and no packet carries a mark.
//! Peers do not know the seed: none can choose conditions that hide its packets or that flood the tap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;

use super::packet_observers::ObservedPacket;
use super::record_budget::RecordBudget;
use crate::time::MonoTime;
use crate::wire::Condition;

/// Records that wait to be read. A reader that comes every 25 ms leaves it nearly empty.
pub const TAP_CAPACITY: usize = 1_024;
/// Records of one node in a second, however the threshold is set.
pub const TAP_RECORDS_PER_SECOND_MAX: u32 = 2_000;

/// Which packets are in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The key of the decision, the same at every node that is watched together.
    pub seed: u64,
    /// The share of the packets that are in the sample, times 2^64. Zero: none.
    pub threshold: u64,
}

impl Sample {
    /// Whether the packet with this condition is in the sample.
    pub fn contains(self, condition: &Condition) -> bool {
        let [a, b, c, d, e, f, g, h, ..] = condition.0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ self.seed < self.threshold
    }
}

/// The tap of one node. The packet path adds records, one reader takes them.
#[derive(Debug)]
pub struct PacketTap {
    seed: u64,
    threshold: AtomicU64,
    queue: ArrayQueue<Box<ObservedPacket>>,
    /// Locked only for packets in the sample.
    budget: Mutex<RecordBudget>,
    lost: AtomicU64,
}

impl PacketTap {
    /// A tap for this sample.
    pub fn new(sample: Sample) -> Arc<Self> {
        Arc::new(Self {
            seed: sample.seed,
            threshold: AtomicU64::new(sample.threshold),
            queue: ArrayQueue::new(TAP_CAPACITY),
            budget: Mutex::new(RecordBudget::new(TAP_RECORDS_PER_SECOND_MAX)),
            lost: AtomicU64::new(0),
        })
    }

    /// The sample in force.
    pub fn sample(&self) -> Sample {
        Sample { seed: self.seed, threshold: self.threshold.load(Ordering::Relaxed) }
    }

    /// Makes the sample larger or smaller. Packets in flight may be in the one and not in the other.
    pub fn set_threshold(&self, threshold: u64) {
        self.threshold.store(threshold, Ordering::Relaxed);
    }

    /// Removes the oldest record.
    pub fn pop(&self) -> Option<Box<ObservedPacket>> {
        self.queue.pop()
    }

    /// How many records of packets in the sample were lost: above the limit for a second, or because the queue was
    /// full.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Adds the record of a packet that is in the sample, or counts it as lost.
    pub(super) fn push(&self, now: MonoTime, record: impl FnOnce() -> ObservedPacket) {
        let is_taken = !self.queue.is_full()
            && self.budget.lock().try_take(now)
            && self.queue.push(Box::new(record())).is_ok();
        if !is_taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
