//! Arguments of `rates`.

use clap::{Args, Subcommand};

use super::nodes::NamedNodesArguments;
use super::verbs::VerbNodeArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Reads the nodes of the files (or one of them, with --node) and those at the URLs. A rate is what a unit of FROM is worth in \
units of TO, before the spread; packets of a pair whose state is not \"used\" are rejected with T00. A quote that changes by \
more than the `maxStep` of its source jumps, and its asset has no rate until `rates accept` or a quote near the old one.

Examples:
  ilp-connector rates node.yaml
  ilp-connector rates http://127.0.0.1:8080 --json
  ilp-connector rates accept /etc/ilp/rates.json XRP --reason \"checked by hand\" --config node.yaml

Exit codes: 0 all rates are used, 1 one is missing, is stale or has jumped, or a node does not answer, 64 wrong usage.")]
#[command(args_conflicts_with_subcommands = true)]
pub(in crate::cli) struct RatesArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: Option<RatesCommand>,
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum RatesCommand {
    /// Use a quote that has jumped
    Accept(AcceptRateArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
The asset is priced by this quote again within a second, and later quotes are compared with it. The node must run, and \
needs a token with the scope operate (`up` needs none).

Examples:
  ilp-connector rates accept /etc/ilp/rates.json XRP --config node.yaml
  ilp-connector rates accept https://rates.example/usd.json XRP --quote 2.91 --reason \"it fell\" --config node.yaml

Exit codes: 0 done, 1 the node refuses or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct AcceptRateArguments {
    /// The source, as `rates` shows it: a file or a URL
    #[arg(value_name = "SOURCE")]
    pub(in crate::cli) source: String,
    /// The asset whose quote has jumped
    #[arg(value_name = "ASSET")]
    pub(in crate::cli) asset: String,
    /// Only if the quote still is this one [default: the newest one]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) quote: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}
