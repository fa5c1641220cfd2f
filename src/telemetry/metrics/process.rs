//! Metrics of the process, from the operating system, under the names that Prometheus clients of all languages use.
//! Read from `/proc`; left out where there is none.

use std::fmt;

use prometheus_client::registry::Unit;

use super::family_encoder::FamilyEncoder;

/// Open file descriptors are counted up to this number, so that a scrape stays cheap.
const DESCRIPTORS_COUNTED_MAX: usize = 1_000_000;

/// `/proc` counts CPU time in these; fixed by the Linux ABI for all of user space.
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn encode(families: &mut FamilyEncoder<'_, '_>) -> fmt::Result {
    let stat = read("/proc/self/stat");
    if let Some(bytes) = read("/proc/self/status").as_deref().and_then(resident_bytes) {
        let help = "Resident memory of the process";
        families.gauge("process_resident_memory", help, Some(&Unit::Bytes), bytes)?;
    }
    if let Some(seconds) = stat.as_deref().and_then(cpu_seconds) {
        let help = "CPU time of the process, in user space and in the kernel";
        families.counter_in("process_cpu", help, Some(&Unit::Seconds), seconds)?;
    }
    let boot_time = read("/proc/stat").as_deref().and_then(boot_time);
    if let (Some(boot_time), Some(start)) = (boot_time, stat.as_deref().and_then(start_after_boot))
    {
        let help = "When the process started, in seconds since 1970";
        families.gauge("process_start_time", help, Some(&Unit::Seconds), boot_time + start)?;
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        let open = open.take(DESCRIPTORS_COUNTED_MAX).count();
        families.gauge("process_open_fds", "Open file descriptors of the process", None, open)?;
    }
    if let Some(limit) = read("/proc/self/limits").as_deref().and_then(descriptors_max) {
        let help = "Open file descriptors that the process may have";
        families.gauge("process_max_fds", help, None, limit)?;
    }
    Ok(())
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `btime 1790000000`: when the machine started.
fn boot_time(stat: &str) -> Option<f64> {
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse::<u32>().ok().map(f64::from)
}

/// Field 22 of `stat`, in seconds.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating point by definition")]
fn start_after_boot(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks: u64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(ticks as f64 / TICKS_PER_SECOND)
}

/// `Max open files 1024 524288 files`: the first is the soft limit, which applies.
fn descriptors_max(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// `VmRSS:     12345 kB`
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// Fields 14 and 15 of `stat`. The second is the program's name in parentheses and may hold anything.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut ticks = rest.split_ascii_whitespace().skip(11);
    let user: u32 = ticks.next()?.parse().ok()?;
    let kernel: u32 = ticks.next()?.parse().ok()?;
    Some((f64::from(user) + f64::from(kernel)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_proc() {
        let status = "Name:\tx\nVmHWM:\t  99 kB\nVmRSS:\t   12 kB\nThreads:\t1\n";
        assert_eq!(resident_bytes(status), Some(12 * 1024));
        assert_eq!(resident_bytes("VmRSS: many kB\n"), None);
        assert_eq!(resident_bytes(""), None);
        let stat = "7 (a) b c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 8 9";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(cpu_seconds("7 (a) S 1"), None);
        assert_eq!(start_after_boot(stat), Some(0.08));
        assert_eq!(start_after_boot("7 (a) S 1"), None);
        assert_eq!(boot_time("cpu 1 2\nbtime 1790000000\nprocesses 7\n"), Some(1.79e9));
        assert_eq!(boot_time("cpu 1 2\n"), None);
        let limits =
            "Max stack size 1 2 bytes\nMax open files            1024     524288   files\n";
        assert_eq!(descriptors_max(limits), Some(1024));
        assert_eq!(descriptors_max("Max open files unlimited unlimited files\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_values() {
        assert!(read("/proc/self/status").as_deref().and_then(resident_bytes).unwrap() > 100_000);
        assert!(read("/proc/self/stat").as_deref().and_then(cpu_seconds).is_some());
    }
}
