//! Arguments of the commands for the first hour.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::console::parse_duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Needs no file. Five nodes with two currencies run in this process and pay each other; nothing of it is kept. Their file is \
in a temporary directory, so that all commands work with it, and the page can break things for a while. If the usual ports \
are in use, others are taken.

Examples:
  ilp-connector demo
  ilp-connector demo --for 60 --plain")]
pub(in crate::cli) struct DemoArguments {
    /// Stop after this time, such as 90 or 5m
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_duration)]
    pub(in crate::cli) run_time: Option<Duration>,
    /// Print a line for each payment instead of the live view
    #[arg(long)]
    pub(in crate::cli) plain: bool,
    /// Serve the page on this port; 0 picks a free one [default: the first free one from 8000 on]
    #[arg(long, value_name = "PORT")]
    pub(in crate::cli) ui_port: Option<u16>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
A file that exists is never replaced. The secrets in the new one are random, and only you can read it.

Examples:
  ilp-connector init network                       writes network.yaml: three nodes, for `up`
  ilp-connector init node /etc/ilp/node.yaml       one node, for `run`")]
pub(in crate::cli) struct InitArguments {
    /// What the file describes
    #[arg(value_name = "KIND", value_enum, default_value_t = InitKind::Node)]
    pub(in crate::cli) kind: InitKind,
    /// The new file [default: node.yaml or network.yaml]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum InitKind {
    /// One node.
    Node,
    /// A network of nodes on this machine, or in containers.
    Network,
}

impl InitKind {
    /// As it is written on the command line.
    pub(in crate::cli) fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Network => "network",
        }
    }
}
