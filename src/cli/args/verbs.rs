//! Arguments of the commands that change a running node for a time.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use crate::console::{SourceArguments, parse_duration};

/// The longest time of a change.
const OVERRIDE_TIME_MAX: Duration = Duration::from_secs(86_400);

/// For how long a change is in force: whole seconds, up to a day.
pub(super) fn parse_override_time(text: &str) -> Result<Duration, String> {
    let is_allowed = |time: &Duration| *time <= OVERRIDE_TIME_MAX && time.subsec_nanos() == 0;
    parse_duration(text).ok().filter(is_allowed).ok_or_else(|| {
        "a time is whole seconds, from one second to one day, such as 90, 30m or 24h".to_owned()
    })
}

/// Which node, and how it is reached.
#[derive(Debug, Args)]
pub(in crate::cli) struct PageNodeArguments {
    #[command(flatten)]
    pub(in crate::cli) source: SourceArguments,
    /// Ask the node with its pages at this URL, or the page of `up`
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    pub(in crate::cli) via: Option<String>,
    /// Read the token for its pages from this file; - is standard input [variable: API_TOKEN]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) token_file: Option<PathBuf>,
    /// Print the answer as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// The node that a command changes, and why.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerbNodeArguments {
    // Its token needs the scope operate.
    #[command(flatten)]
    pub(in crate::cli) page: PageNodeArguments,
    /// Why; it is kept with the change [default: who runs the command]
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reason: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The node neither sends packets to the peer nor takes any from it, and closes its sessions, until the time is over or \
`resume` ends it. The configuration file does not change, and a restart of the node ends it too. A node that was started \
with `run` needs a token (`apiToken`); `up` needs none.

Examples:
  ilp-connector suspend c --node b --config examples/linear-3.yaml
  ilp-connector suspend c --for 2h --reason \"their disk is full\" --config b.yaml
  ilp-connector suspend c --node b --via http://127.0.0.1:8000

Exit codes: 0 done, 1 the node refuses or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct SuspendArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    /// For how long, up to a day, such as 90, 30m or 2h
    #[arg(long = "for", value_name = "SECONDS", default_value = "10m", value_parser = parse_override_time)]
    pub(in crate::cli) time: Duration,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Ends what `suspend` has begun. A peer that the configuration suspends (`enabled: false`) is enabled for a time.

Examples:
  ilp-connector resume c --node b --config examples/linear-3.yaml
  ilp-connector resume c --for 1h --config b.yaml")]
pub(in crate::cli) struct ResumeArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    /// For how long, up to a day, if the configuration suspends the peer
    #[arg(long = "for", value_name = "SECONDS", default_value = "10m", value_parser = parse_override_time)]
    pub(in crate::cli) time: Duration,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Closes the sessions with the peer. If the node dials the peer, it dials at once, also if it was waiting after failures.

Examples:
  ilp-connector reconnect c --node b --config examples/linear-3.yaml")]
pub(in crate::cli) struct ReconnectArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the peer for its books, and says whether they agree, or which packets, settlements or changes make them differ, and \
why. Books change only as far as `onCrash` and `writeOffMax` of the peer allow. A peer that runs another program may not \
know the question.

Examples:
  ilp-connector reconcile c --config b.yaml
  ilp-connector reconcile c --node b --config examples/linear-3.yaml --json

Exit codes: 0 done, 1 the peer or the node refuses or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct ReconcileArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The level is that of the process: with `up`, it is in force for all nodes.

Examples:
  ilp-connector log-level debug --config b.yaml --for 5m
  ilp-connector log-level info,packets=debug --node b --config examples/linear-3.yaml")]
pub(in crate::cli) struct LogLevelArguments {
    /// error, warn, info, debug, trace, off, or such as info,packets=debug
    #[arg(value_name = "LEVEL")]
    pub(in crate::cli) level: String,
    /// For how long, up to a day, such as 90, 30m or 2h
    #[arg(long = "for", value_name = "SECONDS", default_value = "10m", value_parser = parse_override_time)]
    pub(in crate::cli) time: Duration,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_seconds_of_a_day() {
        for (text, seconds) in [("1", 1), ("90s", 90), ("24h", 86_400), ("1440m", 86_400)] {
            assert_eq!(parse_override_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for wrong in ["0", "500ms", "1.5", "86401", "25h", "5d", "-1", ""] {
            let error = parse_override_time(wrong).unwrap_err();
            assert!(error.contains("to one day"), "{wrong}: {error}");
        }
    }
}
