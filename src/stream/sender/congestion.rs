//! Congestion control: how many packets may be in flight, and pauses. The window grows and halves
//! like that of TCP Reno; a pause doubles while nothing arrives.

use std::time::Duration;

use crate::time::{Backoff, MonoTime};

/// The first window.
const WINDOW_FIRST: usize = 8;
/// The first pause.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest pause, before jitter.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The window of packets in flight, and the pause between them.
#[derive(Debug)]
pub(super) struct CongestionWindow {
    window: usize,
    window_max: usize,
    /// Below this the window grows with each arrival, above it with each window of arrivals.
    threshold: usize,
    arrived: usize,
    /// When the window was halved: earlier packets do not halve it again.
    cut_at: MonoTime,
    pause_until: MonoTime,
    pauses: Backoff,
}

impl CongestionWindow {
    pub(super) fn new(window_max: usize) -> Self {
        let window_max = window_max.max(1);
        Self {
            window: WINDOW_FIRST.min(window_max),
            window_max,
            threshold: window_max,
            arrived: 0,
            cut_at: MonoTime::default(),
            pause_until: MonoTime::default(),
            pauses: Backoff::new(PAUSE_FIRST, PAUSE_MAX),
        }
    }

    /// Packets that may be in flight.
    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// The end of the pause.
    pub(super) fn pause_until(&self) -> MonoTime {
        self.pause_until
    }

    /// A packet arrived: the window grows.
    pub(super) fn record_arrival(&mut self) {
        self.pauses.reset();
        self.arrived += 1;
        if self.window < self.threshold || self.arrived >= self.window {
            self.arrived = 0;
            self.window = (self.window + 1).min(self.window_max);
        }
    }

    /// Halves the window after congestion. `jitter` is from 0 to 1, so that senders refused
    /// together do not return together.
    pub(super) fn shrink(&mut self, sent_at: MonoTime, now: MonoTime, jitter: f64) {
        if sent_at < self.cut_at {
            return;
        }
        self.cut_at = now;
        self.window = (self.window / 2).max(1);
        self.threshold = self.window.max(2);
        self.arrived = 0;
        self.pause(now, jitter);
    }

    /// Begins a pause, longer than the one before if nothing has arrived since.
    pub(super) fn pause(&mut self, now: MonoTime, jitter: f64) {
        let pause = self.pauses.next_delay().mul_f64(0.5 + jitter.clamp(0.0, 1.0));
        self.pause_until = self.pause_until.max(now.after(pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_window_grows_and_is_halved_once_per_round() {
        let mut window = CongestionWindow::new(64);
        assert_eq!(window.window(), 8);
        (0..100).for_each(|_| window.record_arrival());
        assert_eq!(window.window(), 64);
        window.shrink(MonoTime(5 * MS), MonoTime(10 * MS), 0.5);
        // In flight at the same time.
        window.shrink(MonoTime(6 * MS), MonoTime(11 * MS), 0.5);
        assert_eq!((window.window(), window.pause_until()), (32, MonoTime(20 * MS)));
        // Above the threshold, by one for each window.
        (0..31).for_each(|_| window.record_arrival());
        assert_eq!(window.window(), 32);
        window.record_arrival();
        assert_eq!(window.window(), 33);
        for at in 1..20 {
            window.shrink(MonoTime(100 * at * MS), MonoTime(100 * at * MS), 0.0);
        }
        assert_eq!(window.window(), 1);
    }

    #[test]
    fn pauses_double_until_something_arrives() {
        let mut window = CongestionWindow::new(1);
        let mut until = |jitter| {
            let now = window.pause_until();
            window.pause(now, jitter);
            window.pause_until().since(now).as_millis()
        };
        assert_eq!([until(0.5), until(0.5), until(0.5)], [10, 20, 40]);
        assert_eq!([until(0.0), until(1.0)], [40, 240]);
        let last = (0..10).map(|_| until(0.5)).last();
        assert_eq!(last, Some(2000));
        window.record_arrival();
        let now = window.pause_until();
        window.pause(now, 0.5);
        assert_eq!(window.pause_until().since(now).as_millis(), 10);
    }
}
