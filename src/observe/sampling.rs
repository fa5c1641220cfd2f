//! How many packets are in the sample: few enough for a page, and as many as that.

use super::model::{HelloBody, SampleBody, StreamMessage};
use crate::connector::Sample;

/// Records of one node in a second that the sample aims at.
pub const SAMPLED_PER_SECOND: u64 = 200;
/// Of one step to the next, the sample grows at most so many times. It shrinks at once.
const GROWTH_MAX: u64 = 2;
/// The smallest sample that is not empty: from it, the sample can still grow.
const THRESHOLD_MIN: u64 = 1 << 20;

/// The threshold after a step in which `records` records of one node were in the sample.
pub fn next_threshold(threshold: u64, records: u64, step_ms: u64) -> u64 {
    let aim = u128::from(SAMPLED_PER_SECOND * step_ms.max(1));
    let seen = u128::from(records) * 1000;
    let grown = threshold.saturating_mul(GROWTH_MAX);
    let next = match u128::from(threshold).checked_mul(aim) {
        Some(product) if seen > 0 => product / seen,
        _ => u128::from(grown),
    };
    u64::try_from(next).unwrap_or(u64::MAX).min(grown).max(THRESHOLD_MIN)
}

/// One packet of how many is in the sample.
pub fn one_in(threshold: u64) -> f64 {
    let share = (u64::MAX as f64) / (threshold.max(1) as f64);
    (share * 100.0).round() / 100.0
}

impl StreamMessage {
    /// The sample that it tells, of objects that tell one.
    pub fn sample(&self) -> Option<Sample> {
        match self {
            Self::Hello(HelloBody { seed, threshold, .. }) => {
                SampleBody { seed: seed.clone(), threshold: threshold.clone() }.numbers()
            }
            Self::Sample(sample) => sample.numbers(),
            _ => None,
        }
    }
}

/// 16 hexadecimal digits.
pub fn parse_hex(text: &str) -> Option<u64> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

impl SampleBody {
    /// The sample in this form.
    pub fn new(sample: Sample) -> Self {
        let hex = |number: u64| format!("{number:016x}");
        Self { seed: hex(sample.seed), threshold: hex(sample.threshold) }
    }

    /// As numbers. `None`: the texts are none.
    pub fn numbers(&self) -> Option<Sample> {
        Some(Sample { seed: parse_hex(&self.seed)?, threshold: parse_hex(&self.threshold)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a second once the threshold has settled.
    fn settled(packets_per_second: u64) -> u64 {
        let mut threshold = u64::MAX;
        let mut records = 0;
        for _ in 0..200 {
            let in_step = u128::from(packets_per_second) / 4 * u128::from(threshold);
            let in_step = u64::try_from(in_step >> 64).unwrap();
            threshold = next_threshold(threshold, in_step, 250);
            records = in_step * 4;
        }
        records
    }

    #[test]
    fn the_sample_settles_near_its_aim() {
        for packets in [400, 1_000, 10_000, 300_000, 5_000_000] {
            let records = settled(packets);
            assert!((100..=400).contains(&records), "{packets}: {records}");
        }
        assert_eq!(next_threshold(u64::MAX, 0, 250), u64::MAX);
        assert_eq!(next_threshold(0, 0, 250), THRESHOLD_MIN);
        assert_eq!(next_threshold(u64::MAX, 20, 250), u64::MAX);
    }

    #[test]
    fn the_share_is_readable() {
        assert_eq!(one_in(u64::MAX).to_string(), "1");
        assert_eq!(one_in(u64::MAX / 512).to_string(), "512");
        assert_eq!(one_in(u64::MAX / 3 * 2).to_string(), "1.5");
        assert!(one_in(0).is_finite());
    }
    #[test]
    fn numbers_are_sixteen_digits() {
        assert_eq!(parse_hex("00000000000000fF"), Some(255));
        let zeros = "0".repeat(17);
        for wrong in ["", "ff", "+0000000000000ff", "g000000000000000", &zeros] {
            assert_eq!(parse_hex(wrong), None, "{wrong}");
        }
        let sample = Sample { seed: 7, threshold: u64::MAX };
        assert_eq!(SampleBody::new(sample).numbers(), Some(sample));
    }
}
