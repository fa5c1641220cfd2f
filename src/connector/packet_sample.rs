//! Which packets are in the sample of those who watch.
//!
//! What all hops of a packet know decides, so that each hop decides the same, and no packet carries a mark. Peers do
//! not know the seed: none can choose packets that it hides or that flood the tap.

use crate::wire::Condition;
use crate::wire::btp::RequestId;
use crate::wire::ilp::Prepare;

/// Bytes of a packet's data that a key depends on.
const KEY_DATA_MAX: usize = 64;

/// Which packets are in the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The secret of the decision, the same at every node that is watched together.
    pub seed: u64,
    /// The share of the packets that are in the sample, times 2^64. Zero: none.
    pub threshold: u64,
}

/// What decides whether a packet is in a sample. Every hop computes the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleKey(pub u64);

impl Sample {
    /// Whether the packet with this key is in the sample.
    pub fn contains(self, key: SampleKey) -> bool {
        key.0 ^ self.seed < self.threshold
    }
}

impl SampleKey {
    /// The key of a packet that is in no sample.
    pub const NONE: Self = Self(0);

    /// The key of a packet whose condition belongs to it alone, as nearly all do.
    pub fn of_condition(condition: &Condition) -> Self {
        Self(condition.leading())
    }

    /// The key of a packet with a shared condition, such as a ping: destination and data are the same at every hop.
    #[cold]
    pub(super) fn of_shared(prepare: &Prepare<'_>) -> Self {
        let data = prepare.data.get(..KEY_DATA_MAX).unwrap_or(prepare.data);
        Self::digest(prepare.destination.as_str().as_bytes(), data)
    }

    /// The key of a packet that could not be read. It has only one hop.
    #[cold]
    pub(super) fn of_unreadable(request_id: RequestId) -> Self {
        Self::digest(b"", &request_id.0.to_be_bytes())
    }

    fn digest(first: &[u8], second: &[u8]) -> Self {
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        digest.update(&(first.len() as u64).to_be_bytes());
        digest.update(first);
        digest.update(second);
        let digest = digest.finish();
        let bytes = digest.as_ref().first_chunk().expect("a SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_keys_below_its_threshold() {
        let sample = |threshold| Sample { seed: 0, threshold };
        assert!(sample(8).contains(SampleKey(7)) && !sample(7).contains(SampleKey(7)));
        assert!(!sample(0).contains(SampleKey::NONE));
        assert!(Sample { seed: 5, threshold: 3 }.contains(SampleKey(7)), "5 and 7 differ by 2");
    }
}
