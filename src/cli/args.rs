//! The command line: every command, its flags, and help with examples.
//!
//! Values that a configuration also has (ports, names, levels) stay texts here; `config` checks them, so that a flag, a
//! variable and a file report the same mistake in the same words.

mod audit;
mod files;
mod first;
mod ledger;
mod network;
mod nodes;
mod rates;
mod report;
mod settlement;
mod verbs;
mod watch;
mod webhook;

use std::path::PathBuf;
use std::time::Duration;

pub(super) use audit::{AuditArguments, AuditCommand, AuditVerifyArguments};
use clap::{Args, Parser, Subcommand, ValueHint};
pub(super) use files::{
    CompletionsArguments, ComposeArguments, ManArguments, SchemaArguments, SchemaForm,
};
pub(super) use first::{DemoArguments, InitArguments, InitKind};
pub(super) use ledger::{
    AdjustArguments, BalancesArguments, ChangeArguments, ExportArguments, IncomeArguments,
    LedgerArguments, LedgerCommand, PaymentsArguments, ResolveArguments, StatementArguments,
    StoreArguments,
};
pub(super) use network::{
    EdgesArguments, EventsArguments, ExplainArguments, GraphArguments, GraphLanguage,
    RoutesArguments, StatusArguments, TapArguments, TopArguments, TopSort, TopTable,
};
pub(super) use nodes::{NodeTarget, NodeTargets};
pub(super) use rates::{AcceptRateArguments, RatesArguments, RatesCommand};
pub(super) use report::ReportArguments;
pub(super) use settlement::{
    SettlementArguments, SettlementCommand, SettlementListArguments, SettlementRecordArguments,
};
pub(super) use verbs::{
    LogLevelArguments, PageNodeArguments, ReconcileArguments, ReconnectArguments, ResumeArguments,
    SuspendArguments, VerbNodeArguments,
};
pub(super) use watch::WatchArguments;
pub(super) use webhook::{WebhookArguments, WebhookCommand, WebhookListArguments};

use crate::console::{SourceArguments, parse_duration};
use crate::tools::{BenchArguments, PayArguments, PingArguments, SendArguments, TraceArguments};

/// An Interledger v4 connector that speaks BTP and ILP over HTTP: a network of nodes from one command.
#[derive(Debug, Parser)]
#[command(
    name = "ilp-connector",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Without a command it is `run`: one node, configured by a file, by variables, or by nothing at all.

Examples:
  ilp-connector demo                                a network without a file, for a first look
  ilp-connector up examples/linear-3.yaml           a network of three nodes on this machine
  ilp-connector status examples/linear-3.yaml       are they healthy? which peers, which balances?
  ilp-connector ping test.c --config examples/linear-3.yaml --node a
  ilp-connector trace test.c --config examples/linear-3.yaml --node a
  ilp-connector pay test.c.wallet 1000000 --config examples/linear-3.yaml --node a
  ilp-connector run --config node.yaml              one node
  NODE_ID=b BTP_SERVER_PORT=4000 ilp-connector      one node without a file
  ilp-connector check examples/*.yaml               reports mistakes in these files

Exit codes: 0 ok, 1 failure, 64 wrong usage or configuration."
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// The flags of `run`, the default command.
    #[command(flatten)]
    pub(super) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run one node (the default command)
    Run(RunArguments),
    /// Run a network of five nodes that pay each other, for a first look
    Demo(DemoArguments),
    /// Write a commented file to start from
    Init(InitArguments),
    /// Run all nodes of a topology file on this machine
    Up(UpArguments),
    /// Report what is wrong with configuration files
    Check(CheckArguments),
    /// Check whether the node of this configuration is healthy
    Healthcheck(HealthcheckArguments),
    /// Show nodes, their peers and balances
    Status(StatusArguments),
    /// Show packets as they pass, and why they are rejected
    Tap(Box<TapArguments>),
    /// Show a live table of nodes, links, peers or reasons
    Top(Box<TopArguments>),
    /// Show links: rates, times, balances, and what limits them
    Edges(EdgesArguments),
    /// Show what happened to nodes and peers
    Events(EventsArguments),
    /// Show routing tables, or the route to an address
    Routes(RoutesArguments),
    /// Show exchange rates, and the sources that they come from
    Rates(RatesArguments),
    /// Show which way a packet would take, and why
    Explain(Box<ExplainArguments>),
    /// Serve the page of nodes that run elsewhere
    Watch(Box<WatchArguments>),
    /// Draw the nodes and links of a file, for documents
    Graph(GraphArguments),
    /// Measure the round trip to a node, through another one
    Ping(PingArguments),
    /// Show which connectors a packet passes through
    Trace(Box<TraceArguments>),
    /// Pay a payment pointer, an SPSP endpoint, or an address
    Pay(Box<PayArguments>),
    /// Send packets to any destination and count the outcomes
    Send(Box<SendArguments>),
    /// Measure the speed of a node on this machine
    Bench(BenchArguments),
    /// Read and correct the balances that a node has saved
    Ledger(Box<LedgerArguments>),
    /// List, test and retry webhooks
    Webhook(Box<WebhookArguments>),
    /// List settlements, record those made by other means, pause and retry the others
    Settlement(Box<SettlementArguments>),
    /// Stop packets from and to a peer of a running node for a time
    Suspend(Box<SuspendArguments>),
    /// End what `suspend` has begun, or enable a peer for a time
    Resume(Box<ResumeArguments>),
    /// Compare the books with those of a peer now
    Reconcile(Box<ReconcileArguments>),
    /// Close the sessions with a peer, and dial it at once
    Reconnect(Box<ReconnectArguments>),
    /// Log at another level for a time
    LogLevel(Box<LogLevelArguments>),
    /// Check that no line of an audit log was changed
    Audit(AuditArguments),
    /// Write an archive for a report of a fault, without secrets
    Report(ReportArguments),
    /// Print a docker-compose.yml for a topology file
    Compose(ComposeArguments),
    /// Print the JSON Schema of a configuration file, for editors
    Schema(SchemaArguments),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArguments),
    /// Write the manual pages of all commands
    #[command(hide = true)]
    Man(ManArguments),
}

#[derive(Debug, Default, Args)]
#[command(after_help = "\
Every key of the file has a variable too (btpServerPort: BTP_SERVER_PORT). A flag wins over the variable, the variable \
over the file. Peers without a file: BTP_PEER_<ID>_URL and BTP_PEER_<ID>_SECRET.

The node watches the file: it applies a saved change while it runs, or logs why it cannot.

A node of a topology file reaches the others at their `host`, which by default is their id, as in containers. To run all \
nodes on this machine, use `up`.

Examples:
  ilp-connector run --config node.yaml
  ilp-connector run --config network.yaml --node b --log-level debug
  BTP_PEER_BOB_URL=ws://bob:3000 BTP_PEER_BOB_SECRET=s3cret ilp-connector run --node alice

The first signal (SIGTERM, Ctrl-C) stops the node once its packets in flight are answered; a second one stops it at once.")]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) source: SourceArguments,
    /// The node's own ILP address [variable: ILP_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ilp_address: Option<String>,
    /// Write the log to this file [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
    /// Listen for BTP peers on this host [variable: BTP_SERVER_HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) btp_host: Option<String>,
    /// Port for BTP peers; 0 picks a free one [variable: BTP_SERVER_PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) btp_port: Option<String>,
    /// Serve health and metrics on this host [variable: HEALTH_CHECK_HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) health_host: Option<String>,
    /// Port of health and metrics; 0 picks a free one [variable: HEALTH_CHECK_PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) health_port: Option<String>,
    /// error, warn, info, debug, trace, off, or such as info,packets=debug [variable: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

#[derive(Debug, Default, Args)]
#[command(after_help = "\
All nodes run in one process and listen on 127.0.0.1: on the ports in the file, else on 3000, 3001, ... for BTP and 8080, \
8081, ... for health. If a port is in use, the node takes the next free one and the program prints a note. On a terminal \
there is a live view; otherwise the log is printed as JSON lines. A page at http://127.0.0.1:8000/ shows all nodes and their \
packets; if the port is in use, the next free one is taken.

Examples:
  ilp-connector up examples/linear-3.yaml
  ilp-connector up examples/linear-3.yaml --ping        ping every node from every other
  ilp-connector up examples/mesh-4.yaml --log-file mesh.log
  ilp-connector up examples/ring.yaml --for 60 > ring.log

In another terminal:
  ilp-connector ping test.c --config examples/linear-3.yaml --node a
  curl http://127.0.0.1:8080/health")]
pub(super) struct UpArguments {
    /// The topology file
    #[arg(value_name = "TOPOLOGY", value_hint = ValueHint::FilePath)]
    pub(super) file: PathBuf,
    /// Write the log to this file [default: with the live view a temporary file, else standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
    /// Once all nodes are healthy, ping every node from every other, print a table, and keep running without the live
    /// view; exit with 1 if a ping was not fulfilled
    #[arg(long)]
    pub(super) ping: bool,
    /// Stop after this time, such as 90 or 5m; with --ping, it starts after the pings
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_duration)]
    pub(super) run_time: Option<Duration>,
    /// error, warn, info, debug, trace, off, or such as info,packets=debug [variable: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
    /// Print the log instead of the live view
    #[arg(long)]
    pub(super) plain: bool,
    /// The first BTP port; HTTP ports start 4770 above it, health ports 5080 above it. Tools find only the `basePort`
    /// of the file [default: that one, or 3000]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub(super) base_port: Option<u16>,
    /// Serve the page on this port; 0 picks a free one [default: the first free one from 8000 on]
    #[arg(long, value_name = "PORT", conflicts_with = "no_ui")]
    pub(super) ui_port: Option<u16>,
    /// Serve no page
    #[arg(long)]
    pub(super) no_ui: bool,
    /// Let the page and its API break things for a time: stop a node, cut a link, make it slow, lose packets, send many
    #[arg(long, conflicts_with = "no_ui")]
    pub(super) lab: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Starts nothing. Reports every mistake with its place and the allowed values. In a topology file it also finds unreachable \
nodes, routing loops, clashing ports and secrets that do not match. For several node files, it compares both ends of each \
link between them (secrets, relations, assets, scales, ports, addresses) and reports routing loops through them.

Examples:
  ilp-connector check docker/config/config.yaml
  ilp-connector check alice.yaml bob.yaml               do both ends of their link agree?
  ilp-connector check network.yaml --node b --print     all values of b, and where each comes from")]
pub(super) struct CheckArguments {
    /// Node files and topology files
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    /// Check only this node of a topology file, as it would run here with these variables
    #[arg(long, value_name = "ID")]
    pub(super) node: Option<String>,
    /// Print all values and where each comes from; secrets are masked
    #[arg(long)]
    pub(super) print: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Finds the port in the same file and variables as `run`. Exits within 3 seconds: with 0 if the node is healthy, else with \
1. Made for the HEALTHCHECK of a container.

Examples:
  ilp-connector healthcheck
  ilp-connector healthcheck --config node.yaml
  ilp-connector healthcheck --port 8081")]
pub(super) struct HealthcheckArguments {
    #[command(flatten)]
    pub(super) source: SourceArguments,
    /// Use this port instead of the configured one
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
}

impl Command {
    /// Whether it looks for a running node or its books, and starts none.
    pub(super) fn looks_for_a_node(&self) -> bool {
        !matches!(
            self,
            Self::Run(_)
                | Self::Demo(_)
                | Self::Init(_)
                | Self::Up(_)
                | Self::Check(_)
                | Self::Graph(_)
                | Self::Bench(_)
                | Self::Audit(_)
                | Self::Compose(_)
                | Self::Schema(_)
                | Self::Completions(_)
                | Self::Man(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        CommandLine::command().debug_assert();
    }

    fn parse(line: &str) -> Result<CommandLine, clap::Error> {
        CommandLine::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn run_is_the_default() {
        for line in [
            "ilp-connector",
            "ilp-connector run",
            "ilp-connector --config x.yaml --btp-port 0",
            "ilp-connector run --config x.yaml --btp-port 0",
        ] {
            let parsed = parse(line).unwrap();
            let run = match parsed.command {
                None => parsed.run,
                Some(Command::Run(run)) => run,
                Some(other) => panic!("{line}: {other:?}"),
            };
            let file = line.contains("x.yaml").then(|| PathBuf::from("x.yaml"));
            assert_eq!(run.source.config, file, "{line}");
            assert_eq!(run.btp_port.is_some(), line.contains("--btp-port"), "{line}");
        }
    }

    #[test]
    fn wrong_usage_says_why() {
        fn check(line: &str, expected: &str) {
            let error = parse(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
        check("x pong", "a similar subcommand exists: 'ping'");
        check("x --config f check f", "cannot be used with");
        check("x ping", "<ADDRESS>");
        check("x ping test", "an address needs a segment after it");
        check("x ping peer.config", "peer.");
        check("x ping test.a --via ws://b --config f", "cannot be used with");
        check("x ping test.a -i soon", "a time is a number of seconds");
        check("x send test.a --count 0", "1..");
        check("x send test.a --amount -1", "a whole number");
        check("x send test.a --amount 1.5", "a whole number");
        check("x send test.a --data a --data-file b", "cannot be used with");
        check("x send test.a --condition abc", "64 hexadecimal digits");
        check("x check", "<FILE>...");
        check("x schema all", "possible values: node, topology");
    }
}
