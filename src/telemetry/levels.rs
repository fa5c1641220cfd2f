//! Which lines are written: `logLevel`, such as `info` or `info,btp=debug,packets=debug`.
//!
//! One level alone is that of this program; `target=level` overrides it for one target and everything below it. Our
//! targets are the rooms of the program (`btp`, `api`, ...), as they stand in every line, and `packets`, the packet
//! log. The lines of libraries are shown from `warn` on, unless a library is named. A word that is neither a level nor a
//! known target is an error: a misspelled level must not pass for the name of a target.

use std::fmt;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The target of the packet log: at `debug` or `trace` every packet is a line.
pub const PACKETS: &str = "packets";
/// Target of the span that names a line's node; always enabled, or lines would lose their node.
pub(super) const NODE_SPAN: &str = "ilp_connector_node_span";
/// Target of panics; always enabled.
pub(super) const PANIC: &str = "panic";
/// What the targets of our own lines begin with. Left out in the lines themselves.
pub(super) const OURS: &str = "ilp_connector";

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const ROOMS: [&str; 10] =
    ["account", "api", "btp", "cli", "config", "connector", "link", "local", "node", "telemetry"];
const LIBRARIES: [&str; 11] = [
    "axum",
    "hyper",
    "hyper_util",
    "mio",
    "rustls",
    "rustls_native_certs",
    "tokio",
    "tokio_rustls",
    "tokio_tungstenite",
    "tower",
    "tungstenite",
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
    #[error("{word:?} is no level{}", meant(*.near))]
    NoLevel {
        /// What stands there.
        word: String,
        /// A level that looks like it.
        near: Option<&'static str>,
    },
    /// `target=level` with a target that does not exist.
    #[error("{target:?} is no target{}", meant(*.near))]
    NoTarget {
        /// What stands there.
        target: String,
        /// A target that looks like it.
        near: Option<&'static str>,
    },
    /// Two levels for the same target.
    #[error("the level of {0} is given twice")]
    Twice(String),
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
            word: word.to_owned(),
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
                let known = [PACKETS].into_iter().chain(ROOMS).chain(LIBRARIES);
                let near = nearest(target, known);
                return Err(LevelError::NoTarget { target: target.to_owned(), near });
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
    target == PACKETS || first == OURS || ROOMS.contains(&first) || LIBRARIES.contains(&first)
}

impl LogLevels {
    /// Whether packets are to be logged: `packets`, or else the level of everything, is `debug` or `trace`.
    pub fn packets(&self) -> bool {
        let named = self.targets.iter().find(|(target, _)| target == PACKETS);
        named.map_or(self.default, |(_, level)| *level) >= LevelFilter::DEBUG
    }

    /// As the subscriber's filter.
    pub(super) fn filter(&self) -> Targets {
        let named = self.targets.iter().map(|(target, level)| {
            let first = target.split("::").next().unwrap_or_default();
            let full =
                if ROOMS.contains(&first) { format!("{OURS}::{target}") } else { target.clone() };
            (full, *level)
        });
        Targets::new()
            .with_default(self.default.min(LevelFilter::WARN))
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
        check("info", &[(BTP, info), ("rustls", warn)], &[(BTP, debug), ("rustls", info)], false);
        check("debug", &[(BTP, debug)], &[(BTP, trace), ("hyper::proto", info)], true);
        check(" TRACE ", &[(BTP, trace), ("hyper", warn)], &[("hyper", info)], true);
        check("error", &[("rustls", error)], &[("rustls", warn), (BTP, warn)], false);
        check("info,packets=debug", &[(BTP, info)], &[(BTP, debug)], true);
        check("debug,packets=info", &[(BTP, debug)], &[], false);
        check("warn, btp=debug", &[(BTP, debug)], &[("ilp_connector::node", info)], false);
        check("btp::events=trace", &[(BTP, trace), ("ilp_connector::api", info)], &[], false);
        check("ilp_connector::btp=off", &[("ilp_connector::api", info)], &[(BTP, error)], false);
        check("info,rustls=debug", &[("rustls::conn", debug)], &[("hyper", info)], false);
        check("off", &[(PANIC, error), (NODE_SPAN, error)], &[(BTP, error)], false);
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
            ("a b=debug", "\"a b\" is no target"),
            ("info,=debug", "\"\" is no target"),
            ("info,debug", "the level of this program is given twice"),
            ("btp=info,btp=debug", "the level of btp is given twice"),
        ] {
            let error = parse_level(text).unwrap_err().to_string();
            assert_eq!(error, expected, "{text}");
        }
    }
}
