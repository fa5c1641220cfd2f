//! Arguments of `watch`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::nodes::NamedNodesArguments;

#[derive(Debug, Args)]
#[command(after_help = "\
Serves the page and the API of `up` for nodes that run elsewhere: all nodes of a topology file, the node of a node file, \
or nodes at URLs. With none of these, it is CONFIG_FILE, or the file of the Debian package. Where NODE_ID is set, as in containers, the nodes of a topology \
file are asked at their `host`. A file that changes is read again.

Each node is asked with its own apiToken: from its file, or for URLs with --token-file. No token reaches the browser. \
While no page is open, the nodes are asked nothing.

On the loopback address, the page needs no token, and can do what the tokens of the nodes allow. With another --host and \
without --page-token-file it only shows, and only under an IP address, localhost, or a name without a dot.

Examples:
  ilp-connector watch examples/linear-3.yaml
  ilp-connector watch http://10.0.0.5:8080 http://10.0.0.6:8080 --token-file token
  ilp-connector watch network.yaml --host 0.0.0.0 --page-token-file page-token

Exit codes: 0 stopped by a signal, 1 failure, 64 wrong usage or configuration.")]
pub(in crate::cli) struct WatchArguments {
    #[command(flatten)]
    pub(in crate::cli) named: NamedNodesArguments,
    /// Serve the page on this port; 0 picks a free one
    #[arg(long, value_name = "PORT", default_value = "8000")]
    pub(in crate::cli) port: u16,
    /// Serve the page on this address
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(in crate::cli) host: String,
    /// Require the token in this file for the page; - is standard input [variable: PAGE_TOKEN]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) page_token_file: Option<PathBuf>,
}
