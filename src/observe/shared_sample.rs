//! One sample over nodes of several processes.
//!
//! Each process has a sample of its own: a seed, and a threshold that follows its load. If all have one seed, the
//! sample of the lowest threshold is a part of all others, so a reader that leaves out the rest shows whole paths. A
//! node that several watch takes the lowest seed that one of them asks for; each of them learns it, and asks the other
//! nodes for it. So the seeds only fall, and end up the same wherever the nodes of two watchers overlap.

use std::collections::HashMap;
use std::hash::Hash;

use super::model::{PacketBody, PacketLane};
use super::sampling::parse_hex;
use crate::connector::{Sample, SampleKey};

/// The samples of nodes that are watched together, each by a key of its own.
#[derive(Debug)]
pub struct SharedSample<K> {
    /// The lowest seed that is known.
    seed: u64,
    samples: HashMap<K, Sample>,
}

impl<K: Eq + Hash> SharedSample<K> {
    /// Begins with this seed, which should be random.
    pub fn new(seed: u64) -> Self {
        Self { seed, samples: HashMap::new() }
    }

    /// The seed to ask each node for.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Takes this seed if it is lower.
    pub fn lower_seed(&mut self, seed: u64) {
        self.seed = self.seed.min(seed);
    }

    /// The sample that a node has from now on.
    pub fn set(&mut self, node: K, sample: Sample) {
        // Zeros stand for no sample, or for one that is not told.
        if sample.threshold > 0 {
            self.lower_seed(sample.seed);
            self.samples.insert(node, sample);
        }
    }

    /// The node is watched no more.
    pub fn remove(&mut self, node: &K) {
        self.samples.remove(node);
    }

    /// The lowest threshold. `None`: no node has a sample.
    pub fn threshold(&self) -> Option<u64> {
        self.samples.values().map(|sample| sample.threshold).min()
    }

    /// Whether a record is in the samples of all nodes. Rejects are shown in any case.
    pub fn contains(&self, node: &K, packet: &PacketBody) -> bool {
        if packet.lane == PacketLane::Reject {
            return true;
        }
        let key = packet
            .sample_key
            .as_deref()
            .unwrap_or_else(|| packet.condition.get(..16).unwrap_or_default());
        let (Some(key), Some(sample)) = (parse_hex(key), self.samples.get(node)) else {
            return true;
        };
        let threshold = self.threshold().unwrap_or(sample.threshold);
        Sample { threshold, ..*sample }.contains(SampleKey(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::PacketPhase;

    fn packet(key: u64) -> PacketBody {
        let value = serde_json::json!({
            "id": "00000001-1", "at": "", "node": "a", "phase": PacketPhase::Forwarded,
            "lane": PacketLane::Sample, "condition": format!("{key:016x}{:048x}", 0),
            "decidedHere": false,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_lowest_threshold_decides_for_all() {
        let mut shared = SharedSample::new(5);
        assert!(shared.contains(&"a", &packet(9)), "nothing is known yet");
        shared.set("a", Sample { seed: 5, threshold: 100 });
        shared.set("b", Sample { seed: 5, threshold: 40 });
        for key in 0..200 {
            let is_in = (key ^ 5) < 40;
            assert_eq!(shared.contains(&"a", &packet(key)), is_in, "{key}");
            let ping = PacketBody { sample_key: Some(format!("{key:016x}")), ..packet(u64::MAX) };
            assert_eq!(shared.contains(&"b", &ping), is_in, "{key}");
        }
        let reject = PacketBody { lane: PacketLane::Reject, ..packet(u64::MAX) };
        assert!(shared.contains(&"a", &reject));
        shared.remove(&"b");
        assert_eq!(shared.threshold(), Some(100));
    }

    #[test]
    fn the_lowest_seed_is_the_one_to_ask_for() {
        let mut shared = SharedSample::new(5);
        shared.set("a", Sample { seed: 9, threshold: 1 });
        assert_eq!(shared.seed(), 5);
        shared.set("a", Sample { seed: 0, threshold: 0 });
        assert_eq!(shared.seed(), 5, "this node has no sample");
        shared.set("b", Sample { seed: 3, threshold: 1 });
        assert_eq!(shared.seed(), 3);
    }
}
