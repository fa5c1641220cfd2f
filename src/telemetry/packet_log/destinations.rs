//! The destinations of packets without an answer, from the records of their Prepares: so the packet path need not keep
//! them for the log.

use std::collections::HashMap;

use crate::connector::PacketRecord;
use crate::time::MonoTime;
use crate::wire::Condition;

/// Packets in each of two generations. A packet whose answer's record was lost is dropped with its generation.
const GENERATION_MAX: usize = 32_768;

/// The destinations of one node's packets.
#[derive(Debug, Default)]
pub(super) struct PendingDestinations {
    recent: HashMap<DestinationKey, Box<str>, ahash::RandomState>,
    older: HashMap<DestinationKey, Box<str>, ahash::RandomState>,
}

/// The values that the records of a Prepare and of its answer share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DestinationKey {
    sent_at: MonoTime,
    condition: Condition,
    request_id: Option<u32>,
}

impl DestinationKey {
    pub(super) fn new(record: &PacketRecord, sent_at: MonoTime) -> Self {
        let request_id = record.request_id.map(|id| id.0);
        Self { sent_at, condition: record.condition, request_id }
    }
}

impl PendingDestinations {
    pub(super) fn insert(&mut self, key: DestinationKey, destination: Box<str>) {
        if self.recent.len() >= GENERATION_MAX {
            std::mem::swap(&mut self.recent, &mut self.older);
            self.recent.clear();
        }
        self.recent.insert(key, destination);
    }

    pub(super) fn remove(&mut self, key: DestinationKey) -> Option<Box<str>> {
        self.recent.remove(&key).or_else(|| self.older.remove(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_without_an_answer_are_dropped_in_the_end() {
        let key = |number: usize| DestinationKey {
            sent_at: MonoTime(u64::try_from(number).unwrap()),
            condition: Condition([1; 32]),
            request_id: Some(7),
        };
        let mut destinations = PendingDestinations::default();
        for number in 0..5 * GENERATION_MAX {
            destinations.insert(key(number), "test.a".into());
            assert!(destinations.recent.len() + destinations.older.len() <= 2 * GENERATION_MAX);
        }
        assert_eq!(destinations.remove(key(0)), None);
        assert_eq!(destinations.remove(key(5 * GENERATION_MAX - 1)).as_deref(), Some("test.a"));
        assert_eq!(destinations.remove(key(5 * GENERATION_MAX - 1)), None, "removed");
        assert_eq!(destinations.remove(key(4 * GENERATION_MAX)).as_deref(), Some("test.a"));
    }
}
