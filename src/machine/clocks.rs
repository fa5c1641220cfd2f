//! The clocks of the machine.

use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

/// A clock that never steps and includes suspension.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SINCE_BOOT: ClockId = ClockId::Boottime;
/// Other systems have no such clock.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const SINCE_BOOT: ClockId = ClockId::Monotonic;

/// The time of day.
pub fn time_of_day() -> SystemTime {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        return machine.time_of_day();
    }
    SystemTime::now()
}

/// Nanoseconds since the machine started, suspensions included.
pub fn since_boot() -> u64 {
    #[cfg(feature = "simulation")]
    if let Some(machine) = super::simulated::current() {
        return machine.since_boot();
    }
    let time = clock_gettime(SINCE_BOOT);
    let seconds = u64::try_from(time.tv_sec).expect("the time since boot is not negative");
    let nanos = u64::try_from(time.tv_nsec).expect("the time since boot is not negative");
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
