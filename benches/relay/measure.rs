//! The resources that a process has used, read from `/proc`, so that the measured program needs no help.

use std::time::Duration;
use std::{fs, io};

/// CPU time that all threads of a process have used.
///
/// From `schedstat`, which counts nanoseconds; `/proc/PID/stat` counts in hundredths of a second.
///
/// # Errors
///
/// The process has ended, or the system is not Linux.
pub(crate) fn cpu_time(pid: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0_u64;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("schedstat");
        let text = fs::read_to_string(&path)?;
        nanoseconds += text
            .split_whitespace()
            .next()
            .and_then(|word| word.parse::<u64>().ok())
            .ok_or_else(|| io::Error::other(format!("{}: no number", path.display())))?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Resident memory of a process in KiB.
///
/// # Errors
///
/// The process has ended, or the system is not Linux.
pub(crate) fn resident_kib(pid: u32) -> io::Result<u64> {
    let path = format!("/proc/{pid}/status");
    fs::read_to_string(&path)?
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.trim().strip_suffix("kB"))
        .and_then(|value| value.trim().parse().ok())
        .ok_or_else(|| io::Error::other(format!("{path}: no VmRSS")))
}

/// One line about the machine, for the head of a report.
pub(crate) fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown CPU".to_owned(), |(_, name)| name.trim().to_owned());
    format!("{cores} cores, {cpu}, Linux {}", read("/proc/sys/kernel/osrelease").trim())
}
