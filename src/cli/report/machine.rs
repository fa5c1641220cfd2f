//! What the machine and this process are: versions, limits, and whether it is a container.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::{Value, json};

use super::archive::Archive;
use crate::config::{Environment, variable};

/// Bytes of a file of the system that are read.
const SYSTEM_FILE_BYTES_MAX: u64 = 64 * 1024;
/// Limits of a process that matter to a node, as Linux names them.
const LIMITS: [&str; 6] = [
    "Max open files",
    "Max processes",
    "Max address space",
    "Max locked memory",
    "Max core file size",
    "Max file size",
];
/// Files that engines of containers put into each.
const CONTAINER_MARKS: [(&str, &str); 2] =
    [("/.dockerenv", "Docker"), ("/run/.containerenv", "Podman")];

/// Adds `system.json`.
pub(super) fn add(archive: &mut Archive, environment: &Environment) {
    let uname = rustix::system::uname();
    let os = read("/etc/os-release");
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let all_cpus =
        read("/proc/cpuinfo").lines().filter(|line| line.starts_with("processor")).count();
    let value = json!({
        "program": {
            "version": env!("CARGO_PKG_VERSION"),
            "build": if cfg!(debug_assertions) { "debug" } else { "release" },
            "features": if cfg!(feature = "internals") { vec!["internals"] } else { Vec::new() },
            "architecture": std::env::consts::ARCH,
        },
        "system": {
            "kernel": uname.sysname().to_string_lossy(),
            "release": uname.release().to_string_lossy(),
            "version": uname.version().to_string_lossy(),
            "machine": uname.machine().to_string_lossy(),
            "distribution": value_of(&os, "PRETTY_NAME", '='),
            "container": container(environment),
            "cpus": all_cpus,
            "cpusOfThisProcess": cpus,
            "memory": value_of(&read("/proc/meminfo"), "MemTotal", ':'),
            "memoryAvailable": value_of(&read("/proc/meminfo"), "MemAvailable", ':'),
            "memoryLimit": first_line("/sys/fs/cgroup/memory.max"),
            "cpuLimit": first_line("/sys/fs/cgroup/cpu.max"),
            "load": first_line("/proc/loadavg"),
            "uptimeSeconds": first_line("/proc/uptime").and_then(|line| Some(line.split('.').next()?.to_owned())),
            "filesOfAllProcessesMax": first_line("/proc/sys/fs/file-max"),
            "connectionsWaitingMax": first_line("/proc/sys/net/core/somaxconn"),
            "clock": first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        },
        "limitsOfThisProcess": limits(&read("/proc/self/limits")),
    });
    archive.add_json("system.json", "program, system, limits of this process", &value);
}

/// The beginning of a file of the system; empty if there is none.
fn read(path: &str) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(path) {
        // What was read before an error is shown.
        let _ = file.take(SYSTEM_FILE_BYTES_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn first_line(path: &str) -> Option<String> {
    read(path).lines().next().map(|line| line.trim().to_owned())
}

/// The value of a line `key=value` or `key: value`, without quotes.
fn value_of(text: &str, key: &str, separator: char) -> Option<String> {
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    let (_, value) = pairs.find(|(name, _)| name.trim() == key)?;
    Some(value.trim().trim_matches('"').to_owned())
}

/// Each limit as `soft, hard`.
fn limits(text: &str) -> Value {
    let shown = LIMITS.iter().filter_map(|name| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let mut words = line.split_ascii_whitespace();
        Some(((*name).to_owned(), json!(format!("{}, {}", words.next()?, words.next()?))))
    });
    Value::Object(shown.collect())
}

/// What kind of container this process is in, as far as it shows.
fn container(environment: &Environment) -> Option<&str> {
    if variable(environment, "KUBERNETES_SERVICE_HOST").is_some() {
        return Some("Kubernetes");
    }
    let mark = CONTAINER_MARKS.iter().find(|(path, _)| Path::new(path).exists());
    // systemd-nspawn and LXC set this one.
    let is_other = || variable(environment, "container").map(|_| "another one");
    mark.map(|(_, name)| *name).or_else(is_other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_system_are_read() {
        let text = "NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n";
        assert_eq!(value_of(text, "PRETTY_NAME", '=').unwrap(), "Debian GNU/Linux 13 (trixie)");
        assert_eq!(value_of("MemTotal:       16 kB\n", "MemTotal", ':').unwrap(), "16 kB");
        assert_eq!(value_of("", "MemTotal", ':'), None);
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
            Max open files            1024                 1048576              files     \n";
        assert_eq!(limits(text), json!({ "Max open files": "1024, 1048576" }));
    }

    #[test]
    fn this_machine_is_described() {
        let mut archive = Archive::new(String::new());
        add(&mut archive, &Environment::new());
        let shown = format!("{archive:?}");
        for expected in ["Linux", "kB", "Max open files", env!("CARGO_PKG_VERSION")] {
            assert!(shown.contains(expected), "{expected}: {shown}");
        }
    }
}
