//! Arguments of the commands that look at a network.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use crate::console::{SourceArguments, parse_duration};

#[derive(Debug, Args)]
#[command(after_help = "\
Asks the pages of each node: all nodes of a topology file, on the ports where `up` and Compose have them, the node of a \
node file, or the nodes at URLs. With none of these, it asks the node of CONFIG_FILE, or one on port 8080. Where NODE_ID \
is set, as in containers, the nodes of a topology file are asked at their `host`.

A node with an `apiToken` shows balances only to those who have it. It is taken from the file; for URLs, give it with \
--token-file. The token goes to every node that is asked.

Examples:
  ilp-connector status examples/linear-3.yaml
  ilp-connector status examples/linear-3.yaml --watch
  ilp-connector status alice.yaml bob.yaml --json
  ilp-connector status http://127.0.0.1:8080 http://10.0.0.5:8080 --token-file token

Exit codes: 0 all nodes are healthy or on standby, 1 one is not or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct StatusArguments {
    /// Node files, topology files, and URLs of nodes such as http://127.0.0.1:8080
    #[arg(value_name = "FILE|URL", conflicts_with = "config", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) targets: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) source: SourceArguments,
    /// Read the apiToken of the nodes from this file; - is standard input [variable: API_TOKEN]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) token_file: Option<PathBuf>,
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
