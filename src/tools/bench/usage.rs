//! CPU time and memory of a process, from /proc, so on Linux only.

use std::time::Duration;

/// The kernel reports CPU time in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// CPU time and memory of one process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ProcessUsage {
    /// In user mode and in the kernel, of all threads.
    pub(super) cpu: Duration,
    /// Resident memory.
    kibibytes: u32,
}

impl ProcessUsage {
    /// The usage until now; `None` without /proc.
    pub(super) fn read(process: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Self::parse(&stat, &status)
    }

    fn parse(stat: &str, status: &str) -> Option<Self> {
        // The name in parentheses may hold anything; utime and stime are the 12th and 13th field behind it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut times = fields.split(' ').skip(11).take(2).map(str::parse::<u32>);
        let ticks = times.next()?.ok()?.checked_add(times.next()?.ok()?)?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let kibibytes = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(Self { cpu: TICK.saturating_mul(ticks), kibibytes })
    }

    /// The CPU time since an earlier reading, and the memory now.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self { cpu: self.cpu.saturating_sub(earlier.cpu), ..self }
    }

    /// Microseconds of CPU time per packet.
    pub(super) fn micros_per(self, packets: u64) -> Option<f64> {
        let packets = u32::try_from(packets).ok().filter(|packets| *packets > 0)?;
        Some(self.cpu.as_secs_f64() * 1e6 / f64::from(packets))
    }

    pub(super) fn mebibytes(self) -> f64 {
        f64::from(self.kibibytes) / 1024.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_parsed() {
        let stat = "42 (a) b (c) R 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 1 0 100 1 1";
        let status = "Name:\ta\nVmPeak:\t 9 kB\nVmRSS:\t    2048 kB\n";
        let usage = ProcessUsage::parse(stat, status).unwrap();
        assert_eq!(usage, ProcessUsage { cpu: Duration::from_secs(2), kibibytes: 2048 });
        assert_eq!(usage.micros_per(1_000_000), Some(2.0));
        assert_eq!(usage.micros_per(0), None);
        assert_eq!(usage.since(usage).cpu, Duration::ZERO);
        assert_eq!(ProcessUsage::parse("", status), None);
        assert_eq!(ProcessUsage::parse(stat, "Name: a"), None);
    }
}
