//! Arguments of `webhook`.

use clap::{Args, Subcommand};

use super::verbs::{PageNodeArguments, VerbNodeArguments};

#[derive(Debug, Args)]
#[command(after_help = "\
The node must run; `test` and `retry` need a token with the scope operate (`up` needs none).

Examples:
  ilp-connector webhook list --config b.yaml
  ilp-connector webhook test ops --config b.yaml
  ilp-connector webhook retry ops --reason \"the receiver is repaired\" --config b.yaml

Exit codes: 0 done, 1 the node refuses or does not answer, 64 wrong usage or configuration.")]
pub(in crate::cli) struct WebhookArguments {
    #[command(subcommand)]
    pub(in crate::cli) command: WebhookCommand,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum WebhookCommand {
    /// Print the webhooks of a node, and how far their deliveries are
    List(WebhookListArguments),
    /// Send a test to a webhook
    Test(WebhookVerbArguments),
    /// Try what a webhook has not accepted again at once
    Retry(WebhookVerbArguments),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WebhookListArguments {
    #[command(flatten)]
    pub(in crate::cli) node: PageNodeArguments,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WebhookVerbArguments {
    /// The webhook
    #[arg(value_name = "WEBHOOK")]
    pub(in crate::cli) webhook: String,
    #[command(flatten)]
    pub(in crate::cli) node: VerbNodeArguments,
}
