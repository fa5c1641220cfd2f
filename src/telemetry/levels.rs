//! The levels at which lines are written: `logLevel`, such as `info` or `info,btp=debug,packets=debug`.
//!
//! A level alone is that of this program; `target=level` overrides it for one target and everything below it. Our
//! targets are the rooms of the program (`btp`, `api`, ...), as in every line, and `packets`, the packet log. Libraries
//! log only errors unless they are named, and never at levels that could show a frame or a secret (`libraries`). A word
//! that is neither a level nor a known target is an error, so that a misspelled level does not pass for a target.

use std::fmt;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::libraries::{self, library};

/// The target of the packet log: at `debug` or `trace` every packet is a line.
pub(super) const PACKETS: &str = "packets";
/// The target of [`node_span`](super::node_span); always enabled, or lines would lose their node.
pub(super) const NODE_SPAN: &str = "ilp_connector_node_span";
/// The target of panics; always enabled.
pub(super) const PANIC: &str = "panic";
/// The beginning of our own targets, which lines leave out.
pub(super) const OURS: &str = "ilp_connector";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The rooms of the program: the directories of `src`, as docs/ARCHITECTURE.md has them. `planted` is not in the
/// program, and logs nothing.
const ROOMS: [&str; 32] = [
    "account",
    "api",
    "audit",
    "books",
    "btp",
    "cli",
    "client",
    "config",
    "connector",
    "console",
    "http",
    "link",
    "local",
    "machine",
    "net",
    "node",
    "observe",
    "otlp",
    "peers",
    "rates",
    "remote",
    "routing",
    "settlement",
    "store",
    "stream",
    "telemetry",
    "time",
    "tools",
    "topology",
    "web",
    "webhooks",
    "wire",
];

/// The levels of all targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    default: LevelFilter,
    /// In the order of the configuration.
    targets: Vec<(String, LevelFilter)>,
}

/// Why a `logLevel` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// It is empty.
    #[error("is empty")]
    Empty,
    /// Neither a level nor `target=level`.
    #[error("{} is no level{}", quoted(.word), suggestion(*.near))]
    NoLevel {
        /// The word, unless it could be a secret.
        word: Option<String>,
        /// A similar level.
        near: Option<&'static str>,
    },
    /// `target=level` with a target that does not exist.
    #[error("{} is no target{}", quoted(.target), suggestion(*.near))]
    NoTarget {
        /// The target, unless it could be a secret.
        target: Option<String>,
        /// A similar target.
        near: Option<&'static str>,
    },
    /// Two levels for the same target.
    #[error("the level of {0} is given twice")]
    Twice(String),
}

fn quoted(word: &Option<String>) -> String {
    word.as_ref().map_or_else(|| "a word of it".to_owned(), |word| format!("{word:?}"))
}

/// Whether a word is probably meant as a level or a target. Messages do not show other words: a value under the wrong
/// key may be a secret.
pub fn is_meant_as_level(word: &str) -> bool {
    const SHORT: usize = 8;
    const LONG: usize = 16;
    let known = LEVELS.into_iter().chain([PACKETS]).chain(ROOMS).chain(libraries::names());
    let is_short = word.len() <= SHORT && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_short
        || word == OURS
        || (word.len() == 1)
        || (word.len() <= LONG && nearest(word, known).is_some())
}

/// The text, if a message may show it.
fn showable(text: &str) -> Option<String> {
    text.split("::").all(is_meant_as_level).then(|| text.to_owned())
}

fn suggestion(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// The known word that `text` probably means: one of them begins with the other, or they differ in few letters.
fn nearest(text: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let is_prefix =
        |name: &str| text.len() >= 3 && (text.starts_with(name) || name.starts_with(&text));
    known
        .map(|name| {
            (if is_prefix(name) { 0 } else { strsim::damerau_levenshtein(&text, name) }, name)
        })
        .filter(|(distance, name)| *distance <= name.len().max(text.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Parses a `logLevel`.
///
/// # Errors
/// The text has a mistake, which the message explains.
pub fn parse_level(text: &str) -> Result<LogLevels, LevelError> {
    if text.trim().is_empty() {
        return Err(LevelError::Empty);
    }
    let mut default = None;
    let mut targets: Vec<(String, LevelFilter)> = Vec::new();
    for item in text.split(',').map(str::trim) {
        let (target, word) = match item.split_once('=') {
            Some((target, word)) => (Some(target.trim()), word.trim()),
            None => (None, item),
        };
        let level = level_named(word).ok_or_else(|| LevelError::NoLevel {
            word: showable(word),
            near: nearest(word, LEVELS.iter().copied()),
        })?;
        let is_repeated = match target {
            None => default.replace(level).is_some(),
            Some(target) if is_known_target(target) => {
                let is_repeated = targets.iter().any(|(known, _)| known == target);
                targets.push((target.to_owned(), level));
                is_repeated
            }
            Some(target) => {
                let known = [PACKETS].into_iter().chain(ROOMS).chain(libraries::names());
                let near = nearest(target, known);
                return Err(LevelError::NoTarget { target: showable(target), near });
            }
        };
        if is_repeated {
            return Err(LevelError::Twice(target.unwrap_or("this program").to_owned()));
        }
    }
    Ok(LogLevels { default: default.unwrap_or(LevelFilter::INFO), targets })
}

fn level_named(word: &str) -> Option<LevelFilter> {
    Some(match word.to_ascii_lowercase().as_str() {
        "off" => LevelFilter::OFF,
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => return None,
    })
}

/// The library or `ilp_connector` in a target such as `h2::codec`.
pub(super) fn first_segment(target: &str) -> &str {
    target.split_once("::").map_or(target, |(first, _)| first)
}

fn is_known_target(target: &str) -> bool {
    let first = first_segment(target);
    target == PACKETS || first == OURS || ROOMS.contains(&first) || library(first).is_some()
}

impl LogLevels {
    /// Whether the packet log is on: the level of `packets`, or else of this program, is `debug` or `trace`.
    pub fn has_packet_log(&self) -> bool {
        let named = self.targets.iter().find(|(target, _)| target == PACKETS);
        named.map_or(self.default, |(_, level)| *level) >= LevelFilter::DEBUG
    }

    /// Whether a library is named.
    pub(super) fn names_library(&self, name: &str) -> bool {
        self.targets.iter().any(|(target, _)| first_segment(target) == name)
    }

    /// The named libraries whose level is lowered, because their lines could show secrets.
    pub fn limited_libraries(&self) -> Vec<&str> {
        let limited = self.targets.iter().filter(|(target, level)| {
            let first = first_segment(target);
            library(first).is_some_and(|library| *level > library.level_max)
        });
        limited.map(|(target, _)| target.as_str()).collect()
    }

    /// The subscriber's filter.
    pub(super) fn filter(&self) -> Targets {
        let named = self.targets.iter().map(|(target, level)| {
            let first = first_segment(target);
            let full_target =
                if ROOMS.contains(&first) { format!("{OURS}::{target}") } else { target.clone() };
            let level_max = library(first).map_or(LevelFilter::TRACE, |library| library.level_max);
            (full_target, (*level).min(level_max))
        });
        Targets::new()
            .with_default(self.default.min(LevelFilter::ERROR))
            .with_target(OURS, self.default)
            .with_targets(named)
            .with_target(NODE_SPAN, LevelFilter::ERROR)
            .with_target(PANIC, LevelFilter::ERROR)
    }
}

impl Default for LogLevels {
    fn default() -> Self {
        Self { default: LevelFilter::INFO, targets: Vec::new() }
    }
}

/// `info,packets=debug`
impl fmt::Display for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.default)?;
        self.targets.iter().try_for_each(|(target, level)| write!(f, ",{target}={level}"))
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    /// Checks which lines are enabled, which are not, and whether packets are logged.
    fn check(text: &str, on: &[(&str, Level)], off: &[(&str, Level)], packets: bool) {
        let levels = parse_level(text).unwrap();
        let filter = levels.filter();
        for (target, level) in on {
            assert!(filter.would_enable(target, level), "{text}: {target} {level} is on");
        }
        for (target, level) in off {
            assert!(!filter.would_enable(target, level), "{text}: {target} {level} is off");
        }
        assert_eq!(levels.has_packet_log(), packets, "{text}");
        assert_eq!(parse_level(&levels.to_string()), Ok(levels), "{text}: its display reads back");
    }

    #[test]
    fn levels_per_target() {
        const BTP: &str = "ilp_connector::btp::events";
        let (error, warn) = (Level::ERROR, Level::WARN);
        let (info, debug, trace) = (Level::INFO, Level::DEBUG, Level::TRACE);
        check("info", &[(BTP, info), ("rustls", error)], &[(BTP, debug), ("rustls", warn)], false);
        check("debug", &[(BTP, debug)], &[(BTP, trace), ("hyper::proto", warn)], true);
        check(" TRACE ", &[(BTP, trace), ("hyper", error)], &[("hyper", warn)], true);
        check("error", &[("rustls", error)], &[("rustls", warn), (BTP, warn)], false);
        check("info,packets=debug", &[(BTP, info)], &[(BTP, debug)], true);
        check("debug,packets=info", &[(BTP, debug)], &[], false);
        check("warn, btp=debug", &[(BTP, debug)], &[("ilp_connector::node", info)], false);
        check("btp::events=trace", &[(BTP, trace), ("ilp_connector::api", info)], &[], false);
        check("ilp_connector::btp=off", &[("ilp_connector::api", info)], &[(BTP, error)], false);
        check("info,rustls=debug", &[("rustls::conn", debug)], &[("hyper", info)], false);
        // Levels that would show frames, handshakes or tokens cannot be enabled.
        check("trace,tungstenite=trace", &[("tungstenite", info)], &[("tungstenite", debug)], true);
        check(
            "info,tungstenite::protocol=trace,tokio_tungstenite=trace",
            &[("tokio_tungstenite", info)],
            &[("tungstenite::protocol", debug), ("tokio_tungstenite", debug)],
            false,
        );
        let limited = |text: &str| parse_level(text).unwrap().limited_libraries().join(" ");
        assert_eq!(
            limited("trace,h2=debug,rustls=debug,tungstenite::a=trace"),
            "h2 tungstenite::a"
        );
        check("info,h2=trace", &[("h2::codec", info)], &[("h2::codec", debug)], false);
        check("info,rustls=trace", &[("rustls", debug)], &[("rustls", trace)], false);
        check("off", &[(PANIC, error), (NODE_SPAN, error)], &[(BTP, error)], false);
    }

    /// The rooms of the program, from its source.
    fn rooms() -> Vec<String> {
        let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let entries = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
        let name = |path: std::path::PathBuf| path.file_stem()?.to_str().map(str::to_owned);
        let names = entries.filter_map(name);
        // `ui` has the files of the page; `planted` is for tests.
        let others = ["lib", "main", "planted", "testing", "ui"];
        names.filter(|name| !others.contains(&name.as_str())).collect()
    }

    #[test]
    fn rooms_and_documented_targets_are_known() {
        let rooms = rooms();
        assert!(rooms.len() > 10, "is the search broken? {rooms:?}");
        for room in &rooms {
            for text in [format!("info,{room}=debug"), format!("info,{room}::part=trace")] {
                assert!(parse_level(&text).is_ok(), "{text}");
            }
        }
        for room in ROOMS {
            assert!(rooms.iter().any(|known| known == room), "{room} is no room of src");
        }
        for library in libraries::names() {
            assert!(parse_level(&format!("info,{library}=debug")).is_ok(), "{library}");
        }
        // The targets of events: `| message | LEVEL | `target` | ...`.
        let targets = include_str!("../../docs/REFERENCE.md").lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let is_event =
                cells.get(2).is_some_and(|cell| ["ERROR", "WARN", "INFO", "DEBUG"].contains(cell));
            is_event.then(|| cells.get(3).copied())?
        });
        // An event of two rooms has both.
        let targets = targets.flat_map(|cell| cell.split(", ")).map(|one| one.trim_matches('`'));
        let targets: std::collections::BTreeSet<_> = targets.collect();
        assert!(targets.len() > 5, "is the search broken? {targets:?}");
        for target in targets.into_iter().filter(|target| *target != PANIC) {
            assert!(parse_level(&format!("info,{target}=debug")).is_ok(), "{target}");
        }
        // The paragraph on `logLevel` names libraries and levels.
        let manual = include_str!("../../docs/OPERATIONS.md");
        let words = manual.split("logLevel` (`LOG_LEVEL`").nth(1).expect("the paragraph on levels");
        let words = words.split("\n\n").next().unwrap_or_default();
        for word in words.split('`').skip(1).step_by(2) {
            let is_level = LEVELS.contains(&word.to_ascii_lowercase().as_str());
            if !is_level && !word.starts_with("--") {
                let text = if word.contains([',', '=']) {
                    word.to_owned()
                } else {
                    format!("{word}=info")
                };
                assert!(parse_level(&text).is_ok(), "{word}");
            }
        }
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, expected) in [
            ("", "is empty"),
            (" ", "is empty"),
            ("verbose", "\"verbose\" is no level"),
            ("inof", "\"inof\" is no level; did you mean info?"),
            ("warning", "\"warning\" is no level; did you mean warn?"),
            ("3", "\"3\" is no level"),
            ("info,", "\"\" is no level"),
            ("info,packets", "\"packets\" is no level"),
            ("info,packets=yes", "\"yes\" is no level"),
            ("info,packet=debug", "\"packet\" is no target; did you mean packets?"),
            ("info,conector=debug", "\"conector\" is no target; did you mean connector?"),
            ("info,planted=debug", "\"planted\" is no target"),
            ("a b=debug", "a word of it is no target"),
            ("hunter2", "a word of it is no level"),
            ("hunter2hunter2=debug", "a word of it is no target"),
            ("debughunter2hunter2", "a word of it is no level; did you mean debug?"),
            ("x::hunter2hunter2=debug", "a word of it is no target"),
            ("info,=debug", "\"\" is no target"),
            ("info,debug", "the level of this program is given twice"),
            ("btp=info,btp=debug", "the level of btp is given twice"),
        ] {
            let error = parse_level(text).unwrap_err().to_string();
            assert_eq!(error, expected, "{text}");
        }
    }
}
