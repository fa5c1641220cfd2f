//! Whether the clocks go together (ADR 18). Pure: readings come in, findings go out; `node` looks once a second.
//!
//! Packets' expiries are times of day, deadlines count on a clock that never steps. Where the two part, packets expire too
//! early or too late at this node, so its operator must know.

use std::time::Duration;

use parking_lot::Mutex;

use super::clock::ClockReading;
use crate::time::MonoTime;

/// The time of day may be corrected by one part in so many without being reported: twice what NTP does.
const SLEW_ONE_IN: u32 = 1000;
/// A suspension that is worth a line.
const SUSPENDED_MIN: Duration = Duration::from_secs(1);

/// The time of day was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// By how many milliseconds; positive is forward.
    pub by_ms: i64,
    /// When it was found.
    pub at: MonoTime,
}

/// What a look at the clocks found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockFinding {
    /// The time of day does not fit the time that passed.
    pub jump: Option<ClockJump>,
    /// The machine was suspended for so long since the last look.
    pub suspended: Option<Duration>,
}

/// What was found since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockReport {
    /// Jumps of the time of day.
    pub jumps: u64,
    /// The last of them.
    pub last_jump: Option<ClockJump>,
    /// Time in suspend, all together.
    pub suspended: Duration,
}

/// Compares the clocks from look to look.
#[derive(Debug, Default)]
pub struct ClockWatch(Mutex<Watched>);

#[derive(Debug, Default)]
struct Watched {
    last: Option<Last>,
    report: ClockReport,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    mono: MonoTime,
    /// Milliseconds from the monotonic clock to the time of day. Follows small corrections, so that they never add up to
    /// a jump, while several small jumps in a row do.
    offset_ms: i64,
    /// Nanoseconds in suspend, as the clocks tell them.
    asleep: u64,
}

impl ClockWatch {
    /// Compares a reading with the last one. `tolerance`: the jump that packets do not notice.
    pub fn look(&self, reading: ClockReading, tolerance: Duration) -> ClockFinding {
        let mono = reading.now.mono;
        let wall_ms = i64::try_from(reading.now.wall.as_millis()).unwrap_or(i64::MAX);
        let passed_ms = i64::try_from(mono.0 / 1_000_000).unwrap_or(i64::MAX);
        let offset_ms = wall_ms.saturating_sub(passed_ms);
        // The two origins differ, and only the growth of their difference counts.
        let asleep = mono.0.saturating_sub(reading.awake.0);
        let mut watched = self.0.lock();
        let Some(last) = watched.last else {
            watched.last = Some(Last { mono, offset_ms, asleep });
            return ClockFinding::default();
        };
        let by_ms = offset_ms.saturating_sub(last.offset_ms);
        let tolerance_ms = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
        let jump = (by_ms.saturating_abs() > tolerance_ms).then_some(ClockJump { by_ms, at: mono });
        let suspended = Duration::from_nanos(asleep.saturating_sub(last.asleep));
        let suspended = (suspended >= SUSPENDED_MIN).then_some(suspended);
        let followed_ms = match jump {
            Some(_) => offset_ms,
            None => {
                let slew = (mono.since(last.mono) / SLEW_ONE_IN).as_millis().max(1);
                let slew = i64::try_from(slew).unwrap_or(i64::MAX);
                last.offset_ms.saturating_add(by_ms.clamp(-slew, slew))
            }
        };
        // Readings a few microseconds apart are no sleep, but they must not hide one by adding up.
        let asleep = if suspended.is_some() { asleep } else { asleep.min(last.asleep) };
        watched.last = Some(Last { mono, offset_ms: followed_ms, asleep });
        let report = &mut watched.report;
        report.jumps += u64::from(jump.is_some());
        report.last_jump = jump.or(report.last_jump);
        report.suspended += suspended.unwrap_or_default();
        ClockFinding { jump, suspended }
    }

    /// What was found since the node started.
    pub fn report(&self) -> ClockReport {
        self.0.lock().report
    }
}

#[cfg(test)]
mod tests {
    use super::super::Clock;
    use super::*;
    use crate::wire::Timestamp;

    const TOLERANCE: Duration = Duration::from_millis(500);

    enum Step {
        /// Milliseconds that pass.
        Pass(u64),
        /// Milliseconds in suspend.
        Suspend(u64),
        /// Milliseconds by which the time of day is set.
        Set(i64),
    }
    use Step::{Pass, Set, Suspend};

    /// Every step with the jump (milliseconds) and the suspension (milliseconds) that the look after it finds.
    fn check(steps: &[(&[Step], Option<i64>, Option<u64>)]) -> ClockReport {
        let (clock, watch) = (Clock::manual(), ClockWatch::default());
        let look = || watch.look(clock.reading().unwrap(), TOLERANCE);
        assert_eq!(look(), ClockFinding::default());
        for (index, (steps, jump, suspended)) in steps.iter().enumerate() {
            for step in *steps {
                match *step {
                    Pass(ms) => clock.pass(Duration::from_millis(ms)),
                    Suspend(ms) => clock.suspend(Duration::from_millis(ms)),
                    Set(ms) => {
                        let wall = clock.now().wall.as_millis().checked_add_signed(ms).unwrap();
                        clock.set_wall(Timestamp::from_millis(wall));
                    }
                }
            }
            let found = look();
            assert_eq!(found.jump.map(|jump| jump.by_ms), *jump, "step {index}");
            let found = found.suspended.map(|time| u64::try_from(time.as_millis()).unwrap());
            assert_eq!(found, *suspended, "step {index}");
        }
        watch.report()
    }

    #[test]
    fn a_jump_is_found_once_and_a_sleep_is_none() {
        let report = check(&[
            (&[Pass(1000)], None, None),
            (&[Pass(1000), Set(3_600_000)], Some(3_600_000), None),
            (&[Pass(1000)], None, None),
            (&[Pass(1000), Set(-3_600_000)], Some(-3_600_000), None),
            (&[Pass(1000), Suspend(12_000)], None, Some(12_000)),
            (&[Pass(1000), Suspend(500)], None, None),
            (&[Pass(1000), Suspend(600)], None, Some(1_100)),
            (&[Suspend(5_000), Set(-501)], Some(-501), Some(5_000)),
            (&[Pass(1000), Set(500)], None, None),
        ]);
        assert_eq!(report.jumps, 3);
        assert_eq!(report.last_jump.unwrap().by_ms, -501);
        assert_eq!(report.suspended, Duration::from_millis(18_100));
    }

    #[test]
    fn small_jumps_add_up_and_slow_corrections_do_not() {
        check(&[
            (&[Pass(1000), Set(400)], None, None),
            (&[Pass(1000), Set(400)], Some(799), None),
            (&[Pass(1000)], None, None),
        ]);
        let slewed: Vec<(&[Step], Option<i64>, Option<u64>)> =
            (0..5_000).map(|_| (&[Pass(1000), Set(1)][..], None, None)).collect();
        assert_eq!(check(&slewed), ClockReport::default());
    }
}
