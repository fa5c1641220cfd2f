//! Arguments of `report`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::nodes::NamedNodesArguments;
use crate::console::parse_duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Writes one archive for a report of a fault: versions and limits of this machine, the configuration with secrets masked and \
without comments, what `check` finds, and of each node that answers its health, peers, routes, figures, events, last \
rejects and last log lines. It asks the same nodes as `status`, and nothing else. A node that does not answer makes the \
archive smaller; what is missing, and why, is in its manifest.json. Nothing is sent anywhere.

No secret is in it. Names, addresses and balances are: look it over before you publish it.

Examples:
  ilp-connector report examples/linear-3.yaml
  ilp-connector report --config /etc/ilp-connector/node.yaml -o report.tar.gz
  ilp-connector report http://127.0.0.1:8080 --token-file token
  docker exec b ilp-connector report -o - > report.tar.gz

Exit codes: 0 the archive is written, 1 it cannot be, 64 wrong usage.")]
pub(in crate::cli) struct ReportArguments {
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Write this file, which must not exist; - is standard output [default: a name with the time]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) output: Option<PathBuf>,
    /// How long to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_duration)]
    pub(in crate::cli) timeout: Duration,
}
