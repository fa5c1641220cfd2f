//! The libraries that log: the level that each may have, and the number of its lines.
//!
//! Unauthenticated clients cause many of their lines, so these are throttled at every level. At their lowest levels
//! some libraries show whole frames and handshakes, and so tokens: no `logLevel` enables those.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;

use super::levels::{LogLevels, OURS, PACKETS, PANIC, first_segment};

/// Lines of one library per [`WINDOW`].
const LINES_MAX: u32 = 10;
/// The limit for a library that `logLevel` names.
const NAMED_LINES_MAX: u32 = 1000;
const WINDOW: Duration = Duration::from_secs(60);

/// A library of this program that may log.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    /// Lines beyond this level could show frames or handshakes.
    pub(super) level_max: LevelFilter,
}

/// All of them. Lines of any others share one limit.
const LIBRARIES: [Library; 13] = [
    Library::new("axum", LevelFilter::DEBUG),
    // At debug it shows frames with their content.
    Library::new("h2", LevelFilter::INFO),
    Library::new("hyper", LevelFilter::DEBUG),
    Library::new("hyper_util", LevelFilter::DEBUG),
    Library::new("mio", LevelFilter::DEBUG),
    // At trace it shows handshakes.
    Library::new("rustls", LevelFilter::DEBUG),
    Library::new("rustls_native_certs", LevelFilter::DEBUG),
    Library::new("tokio", LevelFilter::DEBUG),
    // At debug it shows the rows that are written.
    Library::new("tokio_postgres", LevelFilter::INFO),
    Library::new("tokio_rustls", LevelFilter::DEBUG),
    // At debug both show close frames, at trace every frame: these may hold tokens.
    Library::new("tokio_tungstenite", LevelFilter::INFO),
    Library::new("tower", LevelFilter::DEBUG),
    Library::new("tungstenite", LevelFilter::INFO),
];

impl Library {
    const fn new(name: &'static str, level_max: LevelFilter) -> Self {
        Self { name, level_max }
    }
}

pub(super) fn library(name: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| library.name == name)
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LIBRARIES.iter().map(|library| library.name)
}

/// Limits the lines of each library, and counts those suppressed.
#[derive(Debug, Default)]
pub(super) struct LibraryThrottle {
    /// In the order of [`LIBRARIES`]; the last is for all others.
    limits: [LineLimit; LIBRARIES.len() + 1],
}

#[derive(Debug, Default)]
struct LineLimit {
    is_named: AtomicBool,
    count: Mutex<LineCount>,
}

#[derive(Debug, Default)]
struct LineCount {
    window_start: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl LibraryThrottle {
    /// Gives the libraries that `levels` names the higher limit.
    pub(super) fn set_levels(&self, levels: &LogLevels) {
        for (limit, name) in self.limits.iter().zip(names()) {
            limit.is_named.store(levels.names_library(name), Ordering::Relaxed);
        }
    }

    /// `None`: the line is suppressed. Otherwise the number of lines of its library suppressed since the last one. The
    /// program's own lines are never suppressed.
    pub(super) fn admit(&self, target: &str, now: impl FnOnce() -> Instant) -> Option<u64> {
        let first = first_segment(target);
        if [OURS, PACKETS, PANIC].contains(&first) {
            return Some(0);
        }
        let known = names().position(|name| name == first);
        let limit = self.limits.get(known.unwrap_or(LIBRARIES.len()))?;
        let is_named = limit.is_named.load(Ordering::Relaxed);
        let lines_max = if is_named { NAMED_LINES_MAX } else { LINES_MAX };
        limit.count.lock().admit(lines_max, now())
    }
}

impl LineCount {
    fn admit(&mut self, lines_max: u32, now: Instant) -> Option<u64> {
        if self.window_start.is_none_or(|start| now.duration_since(start) >= WINDOW) {
            self.window_start = Some(now);
            self.lines = 0;
        }
        if self.lines >= lines_max {
            self.suppressed += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::parse_level;

    /// The packages of Cargo.lock that use `log` or `tracing`, by the name in their targets.
    fn packages_that_log() -> Vec<String> {
        let packages = include_str!("../../Cargo.lock").split("[[package]]").skip(1);
        let logs = |package: &&str| {
            package.lines().any(|line| [" \"log\",", " \"tracing\","].contains(&line))
        };
        let name = |package: &str| {
            let name = package.split("name = \"").nth(1).and_then(|rest| rest.split('"').next());
            name.unwrap_or_default().replace('-', "_")
        };
        packages.filter(logs).map(name).collect()
    }

    #[test]
    fn every_library_that_logs_is_known() {
        let found = packages_that_log();
        assert!(found.contains(&"tungstenite".to_owned()), "is the search broken? {found:?}");
        for name in found {
            // Ours; one without lines of its own; and those that only tests use.
            let is_exempt = [OURS, "tracing_log", "jiff", "jiff_core"].contains(&name.as_str());
            assert!(
                is_exempt || library(&name).is_some(),
                "{name} logs: add it to LIBRARIES, with a level that shows no secrets"
            );
        }
    }

    #[test]
    fn libraries_are_limited_and_our_own_lines_are_not() {
        let throttle = LibraryThrottle::default();
        throttle.set_levels(&parse_level("info,rustls=debug").unwrap());
        let begin = Instant::now();
        let count_admitted = |target: &str, times: u32| {
            (0..times).filter(|_| throttle.admit(target, || begin).is_some()).count()
        };
        assert_eq!(count_admitted("h2::proto", 100), 10);
        assert_eq!(count_admitted("h2::codec", 100), 0, "one limit for all parts of a library");
        assert_eq!(count_admitted("hyper", 100), 10);
        assert_eq!(count_admitted("rustls::conn", 5000), 1000);
        assert_eq!(count_admitted("unheard_of", 20) + count_admitted("another", 20), 10);
        for ours in [OURS, "ilp_connector::btp", PANIC, PACKETS] {
            assert_eq!(count_admitted(ours, 5000), 5000, "{ours}");
        }
        let later = begin + WINDOW;
        assert_eq!(throttle.admit("h2", || later), Some(190));
        assert_eq!(throttle.admit("h2", || later), Some(0));
    }
}
