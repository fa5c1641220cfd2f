//! Bounds the rate of log lines about what strangers do.

use std::time::Duration;

use parking_lot::Mutex;

use crate::time::Mono;

/// Lines that may be logged in one [`WINDOW`].
const LINES_MAX: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Admits ten lines a minute and counts the others.
#[derive(Debug, Default)]
pub struct Throttle(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    window: Option<Mono>,
    lines: u32,
    suppressed: u64,
}

impl Throttle {
    /// Whether a line may be logged now, and if so, how many were not since the last one.
    pub fn admit(&self, now: Mono) -> Option<u64> {
        let mut inner = self.0.lock();
        if inner.window.is_none_or(|began| now.since(began) >= WINDOW) {
            inner.window = Some(now);
            inner.lines = 0;
        }
        if inner.lines == LINES_MAX {
            inner.suppressed += 1;
            return None;
        }
        inner.lines += 1;
        Some(std::mem::take(&mut inner.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_then_a_sum() {
        let throttle = Throttle::default();
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        for second in 0..10 {
            assert_eq!(throttle.admit(at(second)), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(throttle.admit(at(59)), None);
        }
        assert_eq!(throttle.admit(at(60)), Some(500));
        assert_eq!(throttle.admit(at(61)), Some(0));
    }
}
