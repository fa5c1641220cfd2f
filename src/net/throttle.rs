//! Bounds the rate of log lines that a peer or a client can cause.

use std::time::Duration;

use parking_lot::Mutex;

use crate::time::MonoTime;

/// Lines that may be logged in one [`PERIOD`], by default.
const LINES_MAX: u32 = 10;
const PERIOD: Duration = Duration::from_secs(60);

/// Admits ten lines a minute, or as many as its owner chooses, and counts the others.
#[derive(Debug)]
pub struct LogThrottle {
    lines_max: u32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    period_start: Option<MonoTime>,
    lines: u32,
    suppressed: u64,
}

impl Default for LogThrottle {
    fn default() -> Self {
        Self::with_lines_max(LINES_MAX)
    }
}

impl LogThrottle {
    /// Admits so many lines a minute.
    #[must_use]
    pub fn with_lines_max(lines_max: u32) -> Self {
        Self { lines_max, inner: Mutex::default() }
    }

    /// `Some`: a line may be logged now, and so many were suppressed since the last one.
    pub fn admit(&self, now: MonoTime) -> Option<u64> {
        let mut inner = self.inner.lock();
        if inner.period_start.is_none_or(|started| now.since(started) >= PERIOD) {
            inner.period_start = Some(now);
            inner.lines = 0;
        }
        if inner.lines == self.lines_max {
            inner.suppressed += 1;
            return None;
        }
        inner.lines += 1;
        Some(std::mem::take(&mut inner.suppressed))
    }

    /// The number of suppressed lines once their minute is over, unless a later line has reported it. For a last line
    /// when nothing more happens.
    pub fn take_overdue(&self, now: MonoTime) -> Option<u64> {
        let mut inner = self.inner.lock();
        let is_over = inner.period_start.is_some_and(|started| now.since(started) >= PERIOD);
        let suppressed = if is_over { std::mem::take(&mut inner.suppressed) } else { 0 };
        (suppressed > 0).then_some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_and_then_a_count() {
        let throttle = LogThrottle::default();
        let at = |seconds: u64| MonoTime(seconds * 1_000_000_000);
        for second in 0..10 {
            assert_eq!(throttle.admit(at(second)), Some(0));
        }
        for _ in 0..500 {
            assert_eq!(throttle.admit(at(59)), None);
        }
        assert_eq!(throttle.take_overdue(at(59)), None);
        assert_eq!(throttle.admit(at(60)), Some(500));
        assert_eq!(throttle.take_overdue(at(200)), None);
        assert_eq!(throttle.admit(at(61)), Some(0));
        while throttle.admit(at(62)).is_some() {}
        assert_eq!(throttle.take_overdue(at(119)), None, "its minute is not over");
        assert_eq!(throttle.take_overdue(at(120)), Some(1));
        assert_eq!(throttle.take_overdue(at(121)), None);
        let throttle = LogThrottle::with_lines_max(1);
        let admitted = [0, 1, 59, 60, 119].map(|second| throttle.admit(at(second)));
        assert_eq!(admitted, [Some(0), None, None, Some(2), None]);
    }
}
