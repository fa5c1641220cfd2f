//! Which lines are written: `logLevel`, such as `info` or `info,btp=debug,packets=debug`.
//!
//! One level alone is that of this program; `target=level` overrides it for one target and everything below it. Our
//! targets are the rooms of the program (`btp`, `api`, ...), as they stand in every line, and `packets`, the packet
//! log. Of libraries only errors are shown, unless a library is named; and never more than what cannot show a frame or
//! a secret (`libraries`). A word that is neither a level nor a known target is an error: a misspelled level must not
//! pass for the name of a target.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

use super::libraries::{self, library};

/// The target of the packet log: at `debug` or `trace` every packet is a line.
pub const PACKETS: &str = "packets";
/// Target of the span that names a line's node; always enabled, or lines would lose their node.
pub(super) const NODE_SPAN: &str = "ilp_connector_node_span";
/// Target of panics; always enabled.
pub(super) const PANIC: &str = "panic";
/// What the targets of our own lines begin with. Left out in the lines themselves.
pub(super) const OURS: &str = "ilp_connector";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The rooms of the program: the directories of `src`, as docs/ARCHITECTURE.md has them.
const ROOMS: [&str; 22] = [
    "account",
    "api",
    "btp",
    "cli",
    "client",
    "config",
    "connector",
    "console",
    "http",
    "link",
    "local",
    "net",
    "node",
    "peers",
    "routing",
    "stream",
    "telemetry",
    "time",
    "tools",
    "topology",
    "web",
    "wire",
];

/// The levels of all targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLevels {
    default: LevelFilter,
    /// As they were given, in their order.
    targets: Vec<(String, LevelFilter)>,
}

/// What is wrong with a `logLevel`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Neither a level nor `target=level`.
    #[error("{} is no level{}", shown(.word), meant(*.near))]
    NoLevel {
        /// What stands there, if it can be shown.
        word: Option<String>,
        /// A level that looks like it.
        near: Option<&'static str>,
    },
    /// `target=level` with a target that does not exist.
    #[error("{} is no target{}", shown(.target), meant(*.near))]
    NoTarget {
        /// What stands there, if it can be shown.
        target: Option<String>,
        /// A target that looks like it.
        near: Option<&'static str>,
    },
    /// Two levels for the same target.
    #[error("the level of {0} is given twice")]
    Twice(String),
}

fn shown(word: &Option<String>) -> String {
    word.as_ref().map_or_else(|| "a word of it".to_owned(), |word| format!("{word:?}"))
}

/// Whether a word can be meant as a level or a target. Others are not shown: a line that lost its colon, or a value behind
/// the wrong key, may be a secret.
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

fn if_meant(text: &str) -> Option<String> {
    text.split("::").all(is_meant_as_level).then(|| text.to_owned())
}

fn meant(near: Option<&str>) -> String {
    near.map(|near| format!("; did you mean {near}?")).unwrap_or_default()
}

/// The word that `text` probably stands for: a beginning of it, or nearly the same letters.
fn nearest(text: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let text = text.to_ascii_lowercase();
    let begins =
        |name: &str| text.len() >= 3 && (text.starts_with(name) || name.starts_with(&text));
    known
        .map(|name| (if begins(name) { 0 } else { strsim::damerau_levenshtein(&text, name) }, name))
        .filter(|(distance, name)| *distance <= name.len().max(text.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Reads a `logLevel`.
///
/// # Errors
/// [`LevelError`], in words for whoever wrote it.
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
        let level = level(word).ok_or_else(|| LevelError::NoLevel {
            word: if_meant(word),
            near: nearest(word, LEVELS.iter().copied()),
        })?;
        let twice = match target {
            None => default.replace(level).is_some(),
            Some(target) if is_known(target) => {
                let twice = targets.iter().any(|(known, _)| known == target);
                targets.push((target.to_owned(), level));
                twice
            }
            Some(target) => {
                let known = [PACKETS].into_iter().chain(ROOMS).chain(libraries::names());
                let near = nearest(target, known);
                return Err(LevelError::NoTarget { target: if_meant(target), near });
            }
        };
        if twice {
            return Err(LevelError::Twice(target.unwrap_or("this program").to_owned()));
        }
    }
    Ok(LogLevels { default: default.unwrap_or(LevelFilter::INFO), targets })
}

fn level(word: &str) -> Option<LevelFilter> {
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

fn is_known(target: &str) -> bool {
    let first = target.split("::").next().unwrap_or_default();
    target == PACKETS || first == OURS || ROOMS.contains(&first) || library(first).is_some()
}

impl LogLevels {
    /// Whether packets are to be logged: `packets`, or else the level of everything, is `debug` or `trace`.
    pub fn packets(&self) -> bool {
        let named = self.targets.iter().find(|(target, _)| target == PACKETS);
        named.map_or(self.default, |(_, level)| *level) >= LevelFilter::DEBUG
    }

    /// Whether a library is named, so that its lines are wanted.
    pub(super) fn names_library(&self, name: &str) -> bool {
        self.targets.iter().any(|(target, _)| target.split("::").next() == Some(name))
    }

    /// The named libraries that are shown less of than they were given, as their lines could show secrets.
    pub fn limited(&self) -> Vec<&str> {
        let limited = self.targets.iter().filter(|(target, level)| {
            let first = target.split("::").next().unwrap_or_default();
            library(first).is_some_and(|library| *level > library.level_max)
        });
        limited.map(|(target, _)| target.as_str()).collect()
    }

    /// As the subscriber's filter.
    pub(super) fn filter(&self) -> Targets {
        let named = self.targets.iter().map(|(target, level)| {
            let first = target.split("::").next().unwrap_or_default();
            let full =
                if ROOMS.contains(&first) { format!("{OURS}::{target}") } else { target.clone() };
            let most = library(first).map_or(LevelFilter::TRACE, |library| library.level_max);
            (full, (*level).min(most))
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

impl FromStr for LogLevels {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        parse_level(text)
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

    /// What is enabled, what is not, and whether packets are logged.
    fn check(text: &str, on: &[(&str, Level)], off: &[(&str, Level)], packets: bool) {
        let levels = parse_level(text).unwrap();
        let filter = levels.filter();
        for (target, level) in on {
            assert!(filter.would_enable(target, level), "{text}: {target} {level} is on");
        }
        for (target, level) in off {
            assert!(!filter.would_enable(target, level), "{text}: {target} {level} is off");
        }
        assert_eq!(levels.packets(), packets, "{text}");
        assert_eq!(
            parse_level(&levels.to_string()),
            Ok(levels),
            "{text}: what is shown reads back"
        );
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
        // What would show frames, handshakes or tokens is out of reach.
        check("trace,tungstenite=trace", &[("tungstenite", info)], &[("tungstenite", debug)], true);
        check(
            "info,tungstenite::protocol=trace,tokio_tungstenite=trace",
            &[("tokio_tungstenite", info)],
            &[("tungstenite::protocol", debug), ("tokio_tungstenite", debug)],
            false,
        );
        let limited = |text: &str| parse_level(text).unwrap().limited().join(" ");
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
        names.filter(|name| !["lib", "main", "testing"].contains(&name.as_str())).collect()
    }

    #[test]
    fn every_room_and_every_target_of_the_manual_is_known() {
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
        // `| message | LEVEL | `target` | ...`: what events have as their target.
        let targets = include_str!("../../docs/REFERENCE.md").lines().filter_map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).collect();
            let is_event =
                cells.get(2).is_some_and(|cell| ["ERROR", "WARN", "INFO", "DEBUG"].contains(cell));
            is_event.then(|| cells.get(3).map(|cell| cell.trim_matches('`')))?
        });
        let targets: std::collections::BTreeSet<_> = targets.collect();
        assert!(targets.len() > 5, "is the search broken? {targets:?}");
        for target in targets.into_iter().filter(|target| *target != PANIC) {
            assert!(parse_level(&format!("info,{target}=debug")).is_ok(), "{target}");
        }
        // "Targets" names libraries and levels.
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
    fn what_is_no_level() {
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
