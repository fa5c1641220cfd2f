//! The libraries that log: how much of each may be shown at most, and how many lines.
//!
//! Many of their lines tell what strangers do, so they are throttled whatever their level. Some show, at their lowest
//! levels, whole frames and handshakes, and so tokens: no `logLevel` reaches those.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::level_filters::LevelFilter;

use super::levels::{LogLevels, OURS, PACKETS, PANIC};

/// Lines of one library in one [`WINDOW`].
const LINES_MAX: u32 = 10;
/// The same for a library that `logLevel` names.
const NAMED_LINES_MAX: u32 = 1000;
const WINDOW: Duration = Duration::from_secs(60);

/// A library that is linked and may log.
#[derive(Debug)]
pub(super) struct Library {
    pub(super) name: &'static str,
    /// Beyond this level its lines show what peers send, or handshakes.
    pub(super) level_max: LevelFilter,
}

/// All of them. Lines of others share the place behind the last.
const LIBRARIES: [Library; 13] = [
    Library::new("axum", LevelFilter::DEBUG),
    // At debug it shows frames, with what a peer wrote into them.
    Library::new("h2", LevelFilter::INFO),
    Library::new("hyper", LevelFilter::DEBUG),
    Library::new("hyper_util", LevelFilter::DEBUG),
    Library::new("jiff", LevelFilter::DEBUG),
    Library::new("mio", LevelFilter::DEBUG),
    // At trace it shows handshakes.
    Library::new("rustls", LevelFilter::DEBUG),
    Library::new("rustls_native_certs", LevelFilter::DEBUG),
    Library::new("tokio", LevelFilter::DEBUG),
    Library::new("tokio_rustls", LevelFilter::DEBUG),
    // At debug they show close frames, at trace every frame: tokens are in both.
    Library::new("tokio_tungstenite", LevelFilter::INFO),
    Library::new("tower", LevelFilter::DEBUG),
    Library::new("tungstenite", LevelFilter::INFO),
];

impl Library {
    const fn new(name: &'static str, level_max: LevelFilter) -> Self {
        Library { name, level_max }
    }
}

/// The library of this name.
pub(super) fn library(name: &str) -> Option<&'static Library> {
    LIBRARIES.iter().find(|library| library.name == name)
}

/// The names of all libraries.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    LIBRARIES.iter().map(|library| library.name)
}

/// Admits some lines a minute of each library, and counts the others.
#[derive(Debug, Default)]
pub(super) struct LibraryThrottle {
    places: [Place; LIBRARIES.len() + 1],
}

#[derive(Debug, Default)]
struct Place {
    named: AtomicBool,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    window: Option<Instant>,
    lines: u32,
    suppressed: u64,
}

impl LibraryThrottle {
    /// Libraries that are named have more lines.
    pub(super) fn set_levels(&self, levels: &LogLevels) {
        for (place, name) in self.places.iter().zip(names()) {
            place.named.store(levels.names_library(name), Ordering::Relaxed);
        }
    }

    /// Whether a line may be written, and if so how many of its library were not since the last one. The program's own
    /// lines always may.
    pub(super) fn admit(&self, target: &str, now: impl FnOnce() -> Instant) -> Option<u64> {
        let first = target.split("::").next().unwrap_or_default();
        if [OURS, PACKETS, PANIC].contains(&first) {
            return Some(0);
        }
        let known = names().position(|name| name == first);
        let place = self.places.get(known.unwrap_or(LIBRARIES.len()))?;
        let most = if place.named.load(Ordering::Relaxed) { NAMED_LINES_MAX } else { LINES_MAX };
        place.count.lock().admit(most, now())
    }
}

impl Count {
    fn admit(&mut self, most: u32, now: Instant) -> Option<u64> {
        if self.window.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.window = Some(now);
            self.lines = 0;
        }
        if self.lines >= most {
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

    /// Packages of the lock file that use `log` or `tracing`, as their lines name them.
    fn that_log() -> Vec<String> {
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
        let found = that_log();
        assert!(found.contains(&"tungstenite".to_owned()), "is the search broken? {found:?}");
        for name in found {
            // Ours, and parts of the machinery or of the calendar that have no lines of their own.
            let is_no_library = [OURS, "tracing_log", "jiff_core"].contains(&name.as_str());
            assert!(
                is_no_library || library(&name).is_some(),
                "{name} logs: give it a place in LIBRARIES, with the level that shows no secrets"
            );
        }
    }

    #[test]
    fn a_library_has_some_lines_a_minute_and_we_have_all() {
        let throttle = LibraryThrottle::default();
        throttle.set_levels(&"info,rustls=debug".parse().unwrap());
        let begin = Instant::now();
        let count = |target: &str, times: u32| {
            (0..times).filter(|_| throttle.admit(target, || begin).is_some()).count()
        };
        assert_eq!(count("h2::proto", 100), 10);
        assert_eq!(count("h2::codec", 100), 0, "one place for all parts of a library");
        assert_eq!(count("hyper", 100), 10);
        assert_eq!(count("rustls::conn", 5000), 1000);
        assert_eq!(count("unheard_of", 20) + count("another", 20), 10);
        for ours in [OURS, "ilp_connector::btp", PANIC, PACKETS] {
            assert_eq!(count(ours, 5000), 5000, "{ours}");
        }
        let later = begin + WINDOW;
        assert_eq!(throttle.admit("h2", || later), Some(190));
        assert_eq!(throttle.admit("h2", || later), Some(0));
    }
}
