//! Statistics of round-trip times, as in the `ping` of IP.

use std::time::Duration;

/// Statistics of round-trip times.
#[derive(Debug, Clone, Default)]
pub struct RttStats {
    count: u32,
    min: Duration,
    max: Duration,
    sum_ms: f64,
    sum_of_squares: f64,
}

/// A summary of round-trip times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RttSummary {
    pub min: Duration,
    pub avg: Duration,
    pub max: Duration,
    /// The standard deviation.
    pub mdev: Duration,
}

impl RttStats {
    /// Adds a round trip.
    pub fn add(&mut self, time: Duration) {
        let ms = time.as_secs_f64() * 1000.0;
        self.min = if self.count == 0 { time } else { self.min.min(time) };
        self.max = self.max.max(time);
        self.sum_ms += ms;
        self.sum_of_squares += ms * ms;
        self.count = self.count.saturating_add(1);
    }

    /// `None` without a round trip.
    pub fn summary(&self) -> Option<RttSummary> {
        if self.count == 0 {
            return None;
        }
        let count = f64::from(self.count);
        let mean = self.sum_ms / count;
        // Rounding may make it slightly negative.
        let variance = (self.sum_of_squares / count - mean * mean).max(0.0);
        let of_ms = |ms: f64| Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default();
        Some(RttSummary {
            min: self.min,
            avg: of_ms(mean),
            max: self.max,
            mdev: of_ms(variance.sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(times_ms: &[u64], expected_ms: Option<[u64; 4]>) {
        let mut trips = RttStats::default();
        times_ms.iter().for_each(|ms| trips.add(Duration::from_millis(*ms)));
        let rounded = |time: Duration| u64::try_from((time.as_micros() + 500) / 1000).unwrap();
        let summary = trips.summary().map(|f| [f.min, f.avg, f.max, f.mdev].map(rounded));
        assert_eq!(summary, expected_ms, "{times_ms:?}");
    }

    #[test]
    fn summary_of_times() {
        check(&[], None);
        check(&[7], Some([7, 7, 7, 0]));
        check(&[2, 4, 4, 4, 5, 5, 7, 9], Some([2, 5, 9, 2]));
        check(&[100; 1000], Some([100, 100, 100, 0]));
    }
}
