//! Detects steps of the time of day, and suspensions (ADR 18). Pure: readings come in, findings go out; `node` checks
//! once a second.
//!
//! Expiries of packets are times of day, but deadlines use a clock that never steps. After a step packets expire too
//! early or too late at this node, so its operator must know.

use std::time::Duration;

use parking_lot::Mutex;

use super::clock::ClockReading;
use crate::time::MonoTime;

/// A correction of the time of day by one part in so many is not reported. NTP corrects at half that rate.
const SLEW_ONE_IN: u32 = 1000;
/// Shorter suspensions are not reported.
const SUSPENDED_MIN: Duration = Duration::from_secs(1);

/// A step of the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockJump {
    /// In milliseconds; positive is forward.
    pub by_ms: i64,
    /// When it was detected.
    pub at: MonoTime,
}

/// The result of one check.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockFinding {
    /// The time of day does not match the time that passed.
    pub jump: Option<ClockJump>,
    /// For how long the machine was suspended since the last check.
    pub suspended: Option<Duration>,
}

/// All findings since the node started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClockReport {
    /// Steps of the time of day.
    pub jumps: u64,
    /// The last of these.
    pub last_jump: Option<ClockJump>,
    /// The sum of all suspensions.
    pub suspended: Duration,
}

/// Compares each reading of the clocks with the one before.
#[derive(Debug, Default)]
pub struct ClockWatch(Mutex<WatchState>);

#[derive(Debug, Default)]
struct WatchState {
    last: Option<LastReading>,
    report: ClockReport,
}

#[derive(Debug, Clone, Copy)]
struct LastReading {
    mono: MonoTime,
    /// Milliseconds from the monotonic clock to the time of day. It follows small corrections, so that they never add
    /// up to a step, while several small steps in a row do.
    offset_ms: i64,
    /// Nanoseconds in suspension, by the two clocks.
    suspended_ns: u64,
}

impl ClockWatch {
    /// Compares a reading with the last one. `tolerance`: the step that does not matter to packets.
    pub fn check(&self, reading: ClockReading, tolerance: Duration) -> ClockFinding {
        let mono = reading.now.mono;
        let wall_ms = i64::try_from(reading.now.wall.as_millis()).unwrap_or(i64::MAX);
        let passed_ms = i64::try_from(mono.0 / 1_000_000).unwrap_or(i64::MAX);
        let offset_ms = wall_ms.saturating_sub(passed_ms);
        // The zeros of the two clocks differ, so only the growth of the difference counts.
        let suspended_ns = mono.0.saturating_sub(reading.awake.0);
        let mut state = self.0.lock();
        let Some(last) = state.last else {
            state.last = Some(LastReading { mono, offset_ms, suspended_ns });
            return ClockFinding::default();
        };
        let by_ms = offset_ms.saturating_sub(last.offset_ms);
        let tolerance_ms = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
        let jump = (by_ms.saturating_abs() > tolerance_ms).then_some(ClockJump { by_ms, at: mono });
        let suspended = Duration::from_nanos(suspended_ns.saturating_sub(last.suspended_ns));
        let suspended = (suspended >= SUSPENDED_MIN).then_some(suspended);
        let followed_ms = match jump {
            Some(_) => offset_ms,
            None => {
                let slew = (mono.since(last.mono) / SLEW_ONE_IN).as_millis().max(1);
                let slew = i64::try_from(slew).unwrap_or(i64::MAX);
                last.offset_ms.saturating_add(by_ms.clamp(-slew, slew))
            }
        };
        // The readings are a few microseconds apart, which must not add up and hide a suspension.
        let suspended_ns =
            if suspended.is_some() { suspended_ns } else { suspended_ns.min(last.suspended_ns) };
        state.last = Some(LastReading { mono, offset_ms: followed_ms, suspended_ns });
        let report = &mut state.report;
        report.jumps += u64::from(jump.is_some());
        report.last_jump = jump.or(report.last_jump);
        report.suspended += suspended.unwrap_or_default();
        ClockFinding { jump, suspended }
    }

    /// All findings since the node started.
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
        /// Milliseconds in suspension.
        Suspend(u64),
        /// Milliseconds by which the time of day steps.
        Set(i64),
    }
    use Step::{Pass, Set, Suspend};

    /// Each step with the jump and the suspension (milliseconds) that the check after it finds.
    fn check(steps: &[(&[Step], Option<i64>, Option<u64>)]) -> ClockReport {
        let (clock, watch) = (Clock::manual(), ClockWatch::default());
        let check = || watch.check(clock.reading().unwrap(), TOLERANCE);
        assert_eq!(check(), ClockFinding::default());
        for (index, (steps, jump, suspended)) in steps.iter().enumerate() {
            for step in *steps {
                match *step {
                    Pass(ms) => clock.advance(Duration::from_millis(ms)),
                    Suspend(ms) => clock.suspend(Duration::from_millis(ms)),
                    Set(ms) => {
                        let wall = clock.now().wall.as_millis().checked_add_signed(ms).unwrap();
                        clock.set_wall(Timestamp::from_millis(wall));
                    }
                }
            }
            let found = check();
            assert_eq!(found.jump.map(|jump| jump.by_ms), *jump, "step {index}");
            let found = found.suspended.map(|time| u64::try_from(time.as_millis()).unwrap());
            assert_eq!(found, *suspended, "step {index}");
        }
        watch.report()
    }

    #[test]
    fn a_jump_is_reported_once_and_a_suspension_is_no_jump() {
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
