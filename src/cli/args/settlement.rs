//! Arguments of `settlement`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::verbs::{PageNodeArguments, VerbNodeArguments, parse_override_time};
use crate::books::SettlementKey;
use crate::tools::Money;

#[derive(Debug, Args)]
#[command(after_help = "\
The node must run; what changes something needs a token with the scope operate (`up` needs none). `record` also works \
with the store of a node that does not run. No command pays: only the node asks an engine to.

Examples:
  ilp-connector settlement list --config b.yaml
  ilp-connector settlement record c --sent \"10 USD\" --reference SEPA-77 --config b.yaml
  ilp-connector settlement record c --received 250000 --reference \"cash, receipt 12\" --config b.yaml
  ilp-connector settlement pause c --for 2h --reason \"the bank is closed\" --config b.yaml
  ilp-connector settlement retry c --config b.yaml

Exit codes: 0 done, 1 the node refuses or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct SettlementArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: SettlementCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum SettlementCommand {
    /// Print the newest settlements, and those that an engine has not accepted
    List(SettlementListArguments),
    /// Book a settlement that was made by other means, such as a bank transfer
    Record(SettlementRecordArguments),
    /// Let no settlement with a peer begin for a time
    Pause(SettlementPauseArguments),
    /// End a pause
    Resume(SettlementPeerArguments),
    /// Ask the engine of a peer again at once
    Retry(SettlementPeerArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettlementListArguments {
    /// Only those with this peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: Option<String>,
    /// So many, the newest first
    #[arg(long, value_name = "NUMBER", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(in crate::cli) limit: u32,
    #[command(flatten)]
    pub(in crate::cli) node: PageNodeArguments,
}

#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("amount").required(true).args(["sent", "received"])))]
pub(in crate::cli) struct SettlementRecordArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    /// What we have paid the peer: units of the account, or such as "10 USD"
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    pub(in crate::cli) sent: Option<Money>,
    /// What the peer has paid us
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    pub(in crate::cli) received: Option<Money>,
    /// By what you find the payment again, such as the reference of the bank transfer
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) reference: String,
    /// The id of the settlement with this peer, to repeat it safely [default: a random one]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) id: Option<SettlementKey>,
    #[command(flatten)]
    pub(in crate::cli) node: PageNodeArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettlementPauseArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    /// For how long, up to a day, such as 90, 30m or 2h
    #[arg(long = "for", value_name = "SECONDS", default_value = "1h", value_parser = parse_override_time)]
    pub(in crate::cli) time: Duration,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SettlementPeerArguments {
    /// The peer
    #[arg(value_name = "PEER")]
    pub(in crate::cli) peer: String,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}
