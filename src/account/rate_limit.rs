//! Limits packets per second at the cost of one comparison and one addition (GCRA). Unlike `net/budget.rs`, which
//! records work that is already done, it refuses a packet above the rate and does not count it.

use std::num::NonZeroU32;

use crate::time::MonoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// The packet rate of one account. The bucket holds the packets of one second, so a burst of that size passes at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimiter {
    /// The rate is used up until then.
    used_until: MonoTime,
}

impl RateLimiter {
    /// Takes one packet from the bucket. Returns whether it may pass. `nth` is 1, or 2 for the second time that a
    /// packet counts.
    pub fn try_take(&mut self, now: MonoTime, nth: u8, per_second: NonZeroU32) -> bool {
        let cost_ns = SECOND_NS / u64::from(per_second.get());
        let used_until = MonoTime(self.used_until.0.max(now.0).saturating_add(cost_ns));
        // At the slowest rates one second is less than one packet, and a packet that counts twice must pass too.
        let bucket_ns = SECOND_NS.max(cost_ns.saturating_mul(nth.into()));
        let allowed = used_until.0 <= now.0.saturating_add(bucket_ns);
        if allowed {
            self.used_until = used_until;
        }
        allowed
    }

    /// Takes a packet that cannot be refused any more. Returns when the rate allows the next one.
    pub fn charge(&mut self, now: MonoTime, per_second: NonZeroU32) -> MonoTime {
        let cost_ns = SECOND_NS / u64::from(per_second.get());
        self.used_until = MonoTime(self.used_until.0.max(now.0).saturating_add(cost_ns));
        MonoTime(self.used_until.0.saturating_add(cost_ns).saturating_sub(SECOND_NS.max(cost_ns)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_one_second_then_the_rate() {
        let ten = NonZeroU32::new(10).unwrap();
        let mut limiter = RateLimiter::default();
        let start = MonoTime(5 * SECOND_NS);
        let passed = (0..20).filter(|_| limiter.try_take(start, 1, ten)).count();
        assert_eq!(passed, 10);
        assert!(!limiter.try_take(MonoTime(start.0 + SECOND_NS / 10 - 1), 1, ten));
        assert!(limiter.try_take(MonoTime(start.0 + SECOND_NS / 10), 1, ten));
        let later = MonoTime(start.0 + 60 * SECOND_NS);
        assert_eq!((0..20).filter(|_| limiter.try_take(later, 1, ten)).count(), 10);
    }

    #[test]
    fn a_charge_returns_when_the_rate_allows_the_next_packet() {
        for per_second in [1, 10, 1_000] {
            let rate = NonZeroU32::new(per_second).unwrap();
            let mut limiter = RateLimiter::default();
            let start = MonoTime(5 * SECOND_NS);
            for _ in 1..per_second {
                assert!(limiter.charge(start, rate) <= start, "{per_second}");
            }
            let next = limiter.charge(start, rate);
            assert_eq!(next, MonoTime(start.0 + SECOND_NS / u64::from(per_second)), "{per_second}");
            assert!(!limiter.try_take(MonoTime(next.0 - 1), 1, rate));
            assert!(limiter.try_take(next, 1, rate));
        }
    }

    #[test]
    fn at_one_packet_per_second_an_echo_passes_too() {
        let one = NonZeroU32::new(1).unwrap();
        let mut limiter = RateLimiter::default();
        assert!(limiter.try_take(MonoTime(1), 1, one));
        assert!(limiter.try_take(MonoTime(1), 2, one), "an echo counts twice and still passes");
        assert!(!limiter.try_take(MonoTime(1), 1, one) && !limiter.try_take(MonoTime(1), 2, one));
        assert!(!limiter.try_take(MonoTime(2 * SECOND_NS), 1, one), "it used up two seconds");
        assert!(limiter.try_take(MonoTime(2 * SECOND_NS + 1), 1, one));
    }
}
