//! The tap: records of the packets that a sample has, for those who watch.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_queue::ArrayQueue;
use parking_lot::Mutex;

use super::packet_observers::ObservedPacket;
use super::packet_sample::{Sample, SampleKey};
use super::record_budget::RecordBudget;
use crate::link::Slot;
use crate::time::MonoTime;
use crate::wire::Condition;
use crate::wire::btp::RequestId;
use crate::wire::ilp::Prepare;

/// Records that wait to be read. A reader that comes every 25 ms leaves it nearly empty.
pub const TAP_CAPACITY: usize = 1_024;
/// Records of one node in a second, however the threshold is set.
pub const TAP_RECORDS_PER_SECOND_MAX: u32 = 2_000;
/// A lost record shrinks the sample by this part.
const SHRINK_DIVISOR: u64 = 16;
/// Packets with shared conditions in the sample that wait for their answers. The records of further ones are lost.
const SHARED_IN_FLIGHT_MAX: usize = 4_096;

/// The tap of one node. The packet path adds records, one reader takes them.
#[derive(Debug)]
pub struct PacketTap {
    seed: u64,
    threshold: AtomicU64,
    /// A lost record makes the sample smaller.
    shrinks: bool,
    queue: ArrayQueue<Box<ObservedPacket>>,
    /// Locked only for packets in the sample.
    budget: Mutex<RecordBudget>,
    lost: AtomicU64,
    /// The keys of packets with shared conditions that are in the sample and in flight, by account and request id:
    /// their answers have nothing else that decides.
    shared: Mutex<HashMap<(Slot, RequestId), SampleKey>>,
}

/// What the packet path has of a packet when it makes a record.
#[derive(Clone, Copy)]
pub(super) enum Sighting<'p> {
    /// The Prepare was sent to this account, with this request id.
    Sent(&'p Prepare<'p>, Slot, RequestId),
    /// The Prepare was answered in the same call.
    Answered(&'p Prepare<'p>),
    /// It could not be read.
    Unreadable(RequestId),
    /// The answer of this account to the request with this id.
    Answer(&'p Condition, Slot, RequestId),
}

impl Sighting<'_> {
    /// That of the packet, if it could be read.
    #[inline]
    pub(super) fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Sent(prepare, ..) | Self::Answered(prepare) => Some(&prepare.condition),
            Self::Answer(condition, ..) => Some(condition),
            Self::Unreadable(_) => None,
        }
    }
}

impl PacketTap {
    /// A tap for this sample.
    pub fn new(sample: Sample) -> Arc<Self> {
        Self::with(sample, true)
    }

    /// A tap whose sample keeps its size, so that each node with this sample has the same packets. Only lost answers
    /// count as lost, so that each packet counts once.
    pub fn of_fixed_size(sample: Sample) -> Arc<Self> {
        Self::with(sample, false)
    }

    fn with(sample: Sample, shrinks: bool) -> Arc<Self> {
        Arc::new(Self {
            shrinks,
            seed: sample.seed,
            threshold: AtomicU64::new(sample.threshold),
            queue: ArrayQueue::new(TAP_CAPACITY),
            budget: Mutex::new(RecordBudget::new(TAP_RECORDS_PER_SECOND_MAX)),
            lost: AtomicU64::new(0),
            shared: Mutex::default(),
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

    /// Records that wait to be read.
    pub fn record_count(&self) -> usize {
        self.queue.len()
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

    /// Answers that the tap waits for.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.shared.lock().len()
    }

    /// The key of a packet that is in the sample.
    pub(super) fn sampled_key(&self, sighting: Sighting<'_>) -> Option<SampleKey> {
        match (sighting, sighting.condition()) {
            (Sighting::Unreadable(request_id), _) => {
                self.within_sample(SampleKey::of_unreadable(request_id))
            }
            (_, Some(condition)) if !condition.is_shared() => {
                self.within_sample(SampleKey::of_condition(condition))
            }
            _ => self.sampled_shared(sighting),
        }
    }

    /// Whether a packet with this condition may be in the sample. Most are not, and nothing more is done for them.
    #[inline]
    pub(super) fn may_have(&self, condition: &Condition) -> bool {
        self.sample().contains(SampleKey::of_condition(condition)) || condition.is_shared()
    }

    fn within_sample(&self, key: SampleKey) -> Option<SampleKey> {
        self.sample().contains(key).then_some(key)
    }

    #[cold]
    fn sampled_shared(&self, sighting: Sighting<'_>) -> Option<SampleKey> {
        match sighting {
            Sighting::Sent(prepare, to, request_id) => {
                let key = self.within_sample(SampleKey::of_shared(prepare))?;
                let mut shared = self.shared.lock();
                if shared.len() >= SHARED_IN_FLIGHT_MAX {
                    drop(shared);
                    self.lost.fetch_add(1, Ordering::Relaxed);
                    return None;
                }
                shared.insert((to, request_id), key);
                Some(key)
            }
            Sighting::Answered(prepare) => self.within_sample(SampleKey::of_shared(prepare)),
            Sighting::Answer(_, by, request_id) => self.shared.lock().remove(&(by, request_id)),
            Sighting::Unreadable(_) => None,
        }
    }

    /// Adds the record of a packet that is in the sample, or counts it as lost and makes the sample smaller: the
    /// reader, which would do it, may come only after thousands of packets.
    pub(super) fn push(
        &self,
        now: MonoTime,
        sighting: Sighting<'_>,
        record: impl FnOnce() -> ObservedPacket,
    ) {
        let is_taken = !self.queue.is_full()
            && self.budget.lock().try_take(now)
            && self.queue.push(Box::new(record())).is_ok();
        if is_taken {
            return;
        }
        if self.shrinks || !matches!(sighting, Sighting::Sent(..)) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        if self.shrinks {
            let threshold = self.threshold.load(Ordering::Relaxed);
            self.set_threshold(threshold - threshold / SHRINK_DIVISOR);
        }
    }
}
