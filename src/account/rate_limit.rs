//! Packets per second, as a token bucket that costs one comparison and one addition (GCRA).

use std::num::NonZeroU32;

use crate::time::MonoTime;

const SECOND_NS: u64 = 1_000_000_000;

/// Meters the packets of one account. The bucket holds one second's worth, so a burst of that size passes at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimiter {
    /// The time up to which the packets seen so far have used up the rate.
    used_until: MonoTime,
}

impl RateLimiter {
    /// Takes room for one packet: `true` = it may pass. `place` is 1, and 2 when a packet that counts twice takes room
    /// again.
    pub fn try_take(&mut self, now: MonoTime, place: u8, per_second: NonZeroU32) -> bool {
        let cost_ns = SECOND_NS / u64::from(per_second.get());
        let used_until = MonoTime(self.used_until.0.max(now.0).saturating_add(cost_ns));
        // One second, but never less than the packet with all its places: the slowest rate lets it pass too.
        let bucket_ns = SECOND_NS.max(cost_ns.saturating_mul(place.into()));
        let allowed = used_until.0 <= now.0.saturating_add(bucket_ns);
        if allowed {
            self.used_until = used_until;
        }
        allowed
    }

    /// Uses up room for what has come already and cannot be refused. Says from when on the rate allows the next one.
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
    fn what_cannot_be_refused_uses_up_the_rate_and_says_when_there_is_room_again() {
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
    fn one_packet_per_second_lets_one_pass_and_a_double_too() {
        let one = NonZeroU32::new(1).unwrap();
        let mut limiter = RateLimiter::default();
        assert!(limiter.try_take(MonoTime(1), 1, one));
        assert!(
            limiter.try_take(MonoTime(1), 2, one),
            "an echo counts twice but is not refused for ever"
        );
        assert!(!limiter.try_take(MonoTime(1), 1, one) && !limiter.try_take(MonoTime(1), 2, one));
        assert!(!limiter.try_take(MonoTime(2 * SECOND_NS), 1, one), "it used up two seconds");
        assert!(limiter.try_take(MonoTime(2 * SECOND_NS + 1), 1, one));
    }
}
