//! Arguments of the commands that look at a network.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::nodes::{NamedNodesArguments, ObservedArguments};
use crate::console::parse_duration;
use crate::wire::Address;

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the pages of each node: all nodes of a topology file, on the ports where `up` and Compose have them, the node of a \
node file, or the nodes at URLs. With none of these, it asks the node of CONFIG_FILE, that of the Debian package \
(/etc/ilp-connector/node.yaml, if you may read it), or one on port 8080. Where NODE_ID is set, as in containers, the nodes of \
a topology file are asked at their `host`.

A node with an `apiToken` shows balances only to those who have it. It is taken from the file; for URLs, give it with \
--token-file. The token goes to every node that is asked.

Examples:
  ilp-connector status examples/linear-3.yaml
  ilp-connector status examples/linear-3.yaml --watch
  ilp-connector status alice.yaml bob.yaml --json
  ilp-connector status http://127.0.0.1:8080 http://10.0.0.5:8080 --token-file token

Exit codes: 0 all nodes are healthy or on standby, 1 one is not or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct StatusArguments {
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// How long to wait for each answer
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = parse_duration)]
    pub(in crate::cli) timeout: Duration,
    /// Show accounts without a balance that were never connected, too
    #[arg(long)]
    pub(in crate::cli) all: bool,
    /// Look again every two seconds until q or Ctrl-C
    #[arg(long)]
    pub(in crate::cli) watch: bool,
    /// Print JSON; with --watch, one line each time
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Draws the nodes and links of a file, for documents. No node needs to run. An arrow leads from a child to its parent; \
dashed ends are peers that the file does not describe. Accounts of tools and clients are left out.

Examples:
  ilp-connector graph examples/mesh-4.yaml                     for Markdown, as a block ```mermaid
  ilp-connector graph examples/mesh-4.yaml --as dot | dot -Tsvg > network.svg")]
pub(in crate::cli) struct GraphArguments {
    /// A topology file or a node file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) file: PathBuf,
    /// The language of the graph
    #[arg(long = "as", value_name = "LANGUAGE", value_enum, default_value_t = GraphLanguage::Mermaid)]
    pub(in crate::cli) language: GraphLanguage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum GraphLanguage {
    /// Mermaid, which Markdown viewers draw.
    Mermaid,
    /// DOT, the language of Graphviz.
    Dot,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the nodes of --config (or one of them, with --node) and those at --via; both may be repeated. A busy node \
shows a sample: the same packets at each hop. Rejects are always shown, up to a limit. The last line counts what was not \
shown. Packets are real ones; nothing is sent.

Filter: terms, of which a packet matches all; a comma is \"or\". Fields: node, from, to, code, phase, lane, dest, kind, \
amount, latency.
  code=F02,T01     from=a to!=c     dest^=test.c     'amount>=1000'     'latency>5ms'

Examples:
  ilp-connector tap --config examples/linear-3.yaml
  ilp-connector tap phase=rejected --config examples/linear-3.yaml
  ilp-connector tap --path dest^=test.c --for 30s --config alice.yaml --config bob.yaml
  ilp-connector tap --via http://127.0.0.1:8000 --json | jq .code")]
pub(in crate::cli) struct TapArguments {
    /// Which packets
    #[arg(value_name = "FILTER")]
    pub(in crate::cli) filter: Vec<String>,
    /// At most so many records a second of each node
    #[arg(long, value_name = "NUMBER", default_value = "200", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) rate: u32,
    /// Stop after this time, such as 30s or 5m
    #[arg(long = "for", value_name = "SECONDS", value_parser = parse_duration)]
    pub(in crate::cli) run_time: Option<Duration>,
    /// Stop after so many records, or packets with --path
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(in crate::cli) count: Option<u64>,
    /// Show each packet as a whole, hop by hop, when it is complete
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) path: bool,
    #[command(flatten)]
    pub(in crate::cli) observed: ObservedArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the nodes of the files (or one of them, with --node) and those at the URLs. Takes about two seconds, because rates \
are differences. THERE is from the first node of a link to the second; the balance is that at the first one: above zero, the \
second owes. \"Limited by\" names a node and its limit of which 90 % is used, or why the link is down.

Examples:
  ilp-connector edges examples/linear-3.yaml
  ilp-connector edges alice.yaml bob.yaml
  ilp-connector edges http://127.0.0.1:8000 --json")]
pub(in crate::cli) struct EdgesArguments {
    /// Show accounts that were never used, too
    #[arg(long)]
    pub(in crate::cli) all: bool,
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the nodes of the files (or one of them, with --node) and those at the URLs. A node keeps its last events while \
it runs.

Examples:
  ilp-connector events examples/linear-3.yaml
  ilp-connector events -f http://127.0.0.1:8000")]
pub(in crate::cli) struct EventsArguments {
    /// Go on with new events until Ctrl-C
    #[arg(short = 'f', long)]
    pub(in crate::cli) follow: bool,
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Shows what a node does with packets to a prefix: all its next hops, the best first, and why the others are not used. \
WEIGHT is the priority; of the next hops that are connected, that with the highest is used. Learned routes that another one \
excels have none. With --destination it says for each node which route a packet to this address takes; `explain` follows \
it from node to node.

Examples:
  ilp-connector routes examples/mesh-4.yaml
  ilp-connector routes alice.yaml bob.yaml --destination test.c.shop
  ilp-connector routes --node b --config examples/mesh-4.yaml --json

Exit codes: 0 shown, 1 no node answers, or with --destination, a node would reject the packet, 64 wrong usage or \
configuration.")]
pub(in crate::cli) struct RoutesArguments {
    /// Only the route that packets to this address take
    #[arg(long, value_name = "ADDRESS")]
    pub(in crate::cli) destination: Option<Address>,
    /// Prefixes of each node, at most
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000), conflicts_with = "destination")]
    pub(in crate::cli) limit: u32,
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the nodes what they would do now, with their routes, rates and, for an --amount, their limits. No packet is sent; \
`ping` and `trace` send packets. The packet is one that such a tool would send: it comes from the account `cli` of the \
first node, if that has one, else from the node itself.

Examples:
  ilp-connector explain test.c --config examples/linear-3.yaml
  ilp-connector explain test.a.wallet --from c --amount 1000 --config examples/linear-3.yaml
  ilp-connector explain test.c --from b --account a --amount 1000 --config examples/linear-3.yaml

Exit codes: 0 the packet would arrive, or leave these nodes; 1 a node would reject it, or it would go round.")]
pub(in crate::cli) struct ExplainArguments {
    /// The destination
    #[arg(value_name = "ADDRESS")]
    pub(in crate::cli) destination: Address,
    /// The node where the way begins [default: the first one]
    #[arg(long, value_name = "NODE")]
    pub(in crate::cli) from: Option<String>,
    /// The account of that node that the packet comes from [default: cli, or the node itself]
    #[arg(long, value_name = "ACCOUNT")]
    pub(in crate::cli) account: Option<String>,
    /// The amount, in units of the account that it comes from; from the node itself, in those of the next account
    #[arg(long, value_name = "UNITS")]
    pub(in crate::cli) amount: Option<u64>,
    #[command(flatten)]
    pub(in crate::cli) observed: ObservedArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the nodes of --config (or one of them, with --node) and those at --via, which both may be repeated, and draws a table \
once a second. Problems come first, then the order that --sort names. Keys: n l p r choose the table, arrows scroll, q stops. Without a terminal, the \
table is printed once.

Examples:
  ilp-connector top --config examples/linear-3.yaml
  ilp-connector top links --sort p99 --via http://127.0.0.1:8000
  ilp-connector top reasons --config examples/linear-3.yaml | head")]
pub(in crate::cli) struct TopArguments {
    /// Which table
    #[arg(value_name = "TABLE", value_enum, default_value_t = TopTable::Links)]
    pub(in crate::cli) table: TopTable,
    /// The order of what has no problem
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = TopSort::Rate)]
    pub(in crate::cli) sort: TopSort,
    #[command(flatten)]
    pub(in crate::cli) observed: ObservedArguments,
}

/// The tables of `top`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TopTable {
    /// Nodes.
    Nodes,
    /// Links between nodes, and with peers outside.
    Links,
    /// The accounts of peers at each node.
    Peers,
    /// Why packets were rejected, and how often.
    Reasons,
}

/// Which rows come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum TopSort {
    /// As the nodes name them.
    Problems,
    /// Packets per second; of peers, all Prepares.
    Rate,
    /// The time within which 99 of 100 answers came; other tables by rate.
    P99,
    /// Rejects.
    Rejects,
    /// Packets in flight.
    InFlight,
}
