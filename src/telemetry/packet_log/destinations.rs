//! Where packets were going whose answers are still to come: known from the record of their Prepare, so that the packet
//! path need not keep it.

use std::collections::HashMap;

use crate::connector::PacketRecord;
use crate::time::MonoTime;
use crate::wire::Condition;

/// Packets in one half. A packet is forgotten when so many have come after it, twice: its answer's record was lost.
const HALF_MAX: usize = 32_768;

/// The packets of one node.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    young: HashMap<DestinationKey, Box<str>, ahash::RandomState>,
    old: HashMap<DestinationKey, Box<str>, ahash::RandomState>,
}

/// What the records of a Prepare and of its answer have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct DestinationKey {
    sent_at: MonoTime,
    condition: Condition,
    request_id: Option<u32>,
}

impl DestinationKey {
    pub(super) fn new(record: &PacketRecord, sent_at: MonoTime) -> Self {
        let request_id = record.request_id.map(|id| id.0);
        DestinationKey { sent_at, condition: record.condition, request_id }
    }
}

impl Destinations {
    pub(super) fn put(&mut self, key: DestinationKey, destination: Box<str>) {
        if self.young.len() >= HALF_MAX {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, destination);
    }

    pub(super) fn take(&mut self, key: DestinationKey) -> Option<Box<str>> {
        self.young.remove(&key).or_else(|| self.old.remove(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_never_come_are_forgotten() {
        let key = |number: usize| DestinationKey {
            sent_at: MonoTime(u64::try_from(number).unwrap()),
            condition: Condition([1; 32]),
            request_id: Some(7),
        };
        let mut kept = Destinations::default();
        for number in 0..5 * HALF_MAX {
            kept.put(key(number), "test.a".into());
            assert!(kept.young.len() + kept.old.len() <= 2 * HALF_MAX);
        }
        assert_eq!(kept.take(key(0)), None);
        assert_eq!(kept.take(key(5 * HALF_MAX - 1)).as_deref(), Some("test.a"));
        assert_eq!(kept.take(key(5 * HALF_MAX - 1)), None, "taken");
        assert_eq!(kept.take(key(4 * HALF_MAX)).as_deref(), Some("test.a"));
    }
}
