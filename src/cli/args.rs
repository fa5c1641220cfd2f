//! The command line: every command, its flags, and help that teaches with examples.
//!
//! Values that a configuration has too (ports, names, levels) are only collected here; `config` judges them, so that a
//! flag, a variable and a file say the same thing about the same mistake.

mod files;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueHint};

pub(super) use files::{CompletionsArguments, ComposeArguments, SchemaArguments, SchemaForm};

use crate::console::parse_duration;
use crate::tools::{
    BenchArguments, PayArguments, PingArguments, SendArguments, SourceArguments, TraceArguments,
};

/// An Interledger v4 connector that speaks BTP and ILP over HTTP: a network of nodes from one command.
#[derive(Debug, Parser)]
#[command(
    name = "ilp-connector",
    version,
    args_conflicts_with_subcommands = true,
    after_help = "\
Without a command it is `run`: one node, configured by a file, by variables, or by nothing at all.

Examples:
  ilp-connector up examples/linear-3.yaml           a network of three nodes on this machine
  ilp-connector ping test.c --config examples/linear-3.yaml --node a
  ilp-connector trace test.c --config examples/linear-3.yaml --node a
  ilp-connector pay test.c.wallet 1000000 --config examples/linear-3.yaml --node a
  ilp-connector run --config node.yaml              one node
  NODE_ID=b BTP_SERVER_PORT=4000 ilp-connector      one node without a file
  ilp-connector check examples/*.yaml               what is wrong with these files?

Exit codes: 0 ok, 1 failure, 64 wrong usage or configuration."
)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// What `run` would take.
    #[command(flatten)]
    pub(super) run: RunArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run one node (the default command)
    Run(RunArguments),
    /// Run all nodes of a topology file on this machine
    Up(UpArguments),
    /// Report what is wrong with configuration files
    Check(CheckArguments),
    /// Ask the node of this configuration whether it is healthy
    Healthcheck(HealthcheckArguments),
    /// Measure the round trip to a node, through another one
    Ping(PingArguments),
    /// Find out which connectors a packet passes
    Trace(Box<TraceArguments>),
    /// Pay a payment pointer, an SPSP endpoint, or an address
    Pay(Box<PayArguments>),
    /// Send packets to any destination and count the outcomes
    Send(Box<SendArguments>),
    /// Measure how fast a node is on this machine
    Bench(BenchArguments),
    /// Print a docker-compose.yml for a topology file
    Compose(ComposeArguments),
    /// Print the JSON Schema of a configuration file, for editors
    Schema(SchemaArguments),
    /// Print a script that completes commands in your shell
    Completions(CompletionsArguments),
}

#[derive(Debug, Default, Args)]
#[command(after_help = "\
Every key of the file has a variable too (btpServerPort: BTP_SERVER_PORT). A flag wins over the variable, the variable \
over the file. Peers without a file: BTP_PEER_<ID>_URL and BTP_PEER_<ID>_SECRET.

The file is watched: save a change and the running node follows, or says in its log why it does not.

A node of a topology file reaches the others under their `host`, which is their id unless the file says otherwise, as in \
containers. To run all of them on this machine, use `up`.

Examples:
  ilp-connector run --config node.yaml
  ilp-connector run --config network.yaml --node b --log-level debug
  BTP_PEER_BOB_URL=ws://bob:3000 BTP_PEER_BOB_SECRET=s3cret ilp-connector run --node alice

A first signal (SIGTERM, Ctrl-C) stops the node when its packets in flight are done, a second one at once.")]
pub(super) struct RunArguments {
    #[command(flatten)]
    pub(super) source: SourceArguments,
    /// The node's own ILP address [variable: ILP_ADDRESS]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) ilp_address: Option<String>,
    /// Where the log goes [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
    /// Where BTP peers are accepted [variable: BTP_SERVER_HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) btp_host: Option<String>,
    /// Port for BTP peers, 0 picks one [variable: BTP_SERVER_PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) btp_port: Option<String>,
    /// Where health and metrics are served [variable: HEALTH_CHECK_HOST]
    #[arg(long, value_name = "HOST")]
    pub(super) health_host: Option<String>,
    /// Port of health and metrics, 0 picks one [variable: HEALTH_CHECK_PORT]
    #[arg(long, value_name = "PORT")]
    pub(super) health_port: Option<String>,
    /// error, warn, info, debug, trace, off, or such as info,packets=debug [variable: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
All nodes run in one process and listen on 127.0.0.1: on the ports that the file gives to each, else on 3000, 3001, ... \
for BTP and 8080, 8081, ... for health. A port that is in use is replaced by the next free one, and the program says so. On a terminal there is a live view; otherwise the log is printed as JSON lines.

Examples:
  ilp-connector up examples/linear-3.yaml
  ilp-connector up examples/linear-3.yaml --ping        does it work?
  ilp-connector up examples/mesh-4.yaml --log-file mesh.log
  ilp-connector up examples/ring.yaml --for 60 > ring.log

In another terminal:
  ilp-connector ping test.c --config examples/linear-3.yaml --node a
  curl http://127.0.0.1:8080/health")]
pub(super) struct UpArguments {
    /// The topology file
    #[arg(value_name = "TOPOLOGY", value_hint = ValueHint::FilePath)]
    pub(super) file: PathBuf,
    /// Where the log goes [default: a file in the temporary directory with the live view, else standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) log_file: Option<PathBuf>,
    /// Once all nodes are healthy, ping each from each other and print a table; then go on, without a live view. Ends
    /// with 1 if a ping was not fulfilled
    #[arg(long)]
    pub(super) ping: bool,
    /// Stop after this time, such as 90 or 5m; with --ping, after the pings
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_duration)]
    pub(super) run_time: Option<Duration>,
    /// error, warn, info, debug, trace, off, or such as info,packets=debug [variable: LOG_LEVEL]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<String>,
    /// No live view, also on a terminal
    #[arg(long)]
    pub(super) plain: bool,
    /// The first port: BTP from here on, HTTP 4770 and health 5080 above
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub(super) base_port: Option<u16>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is started. Every mistake is reported with its place and with what is allowed. In a topology file that includes \
unreachable nodes, routing loops, clashing ports and secrets that do not match. For several node files, it \
also compares both ends of each link between them (secrets, relations, assets, scales, ports, addresses) and reports \
routing loops through them.

Examples:
  ilp-connector check docker/config/config.yaml
  ilp-connector check alice.yaml bob.yaml               does what they say of each other fit?
  ilp-connector check network.yaml --node b --print     all values of b, and their origin")]
pub(super) struct CheckArguments {
    /// Node files and topology files
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    pub(super) files: Vec<PathBuf>,
    /// Of a topology file only this node, as it would run here, variables included
    #[arg(long, value_name = "ID")]
    pub(super) node: Option<String>,
    /// Show the values in force, secrets masked, and where each comes from
    #[arg(long)]
    pub(super) print: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Finds the port in the same file and variables as `run`. Ends with 0 if the node answers that it is healthy, else with 1, \
within 3 seconds. Made for HEALTHCHECK of a container.

Examples:
  ilp-connector healthcheck
  ilp-connector healthcheck --config node.yaml
  ilp-connector healthcheck --port 8081")]
pub(super) struct HealthcheckArguments {
    #[command(flatten)]
    pub(super) source: SourceArguments,
    /// Ask this port, whatever the configuration says
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
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
    fn what_is_refused_says_why() {
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
