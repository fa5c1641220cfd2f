//! Arguments of the commands that print files.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = "\
One service per node, all from one image and with the topology file mounted. Ports are published on 127.0.0.1, as `up` \
has them: the ports in the file, else 3000, 3001, ... for BTP and 8080, 8081, ... for health. Variables in the file are \
passed to the containers. The variable <ID>_BTP_PEER_<OTHER>_URL sets another URL for one node's link; it is NODE_<ID>_... if the id starts with a \
digit, and ids that are equal in capitals get numbers.

Examples:
  ilp-connector compose examples/ring.yaml > docker-compose.yml
  docker-compose up -d")]
pub(in crate::cli) struct ComposeArguments {
    /// The topology file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) file: PathBuf,
    /// The image of every node
    #[arg(long, value_name = "NAME", default_value = "ilp-connector")]
    pub(in crate::cli) image: String,
    /// Build the image from this directory [default: the current one, if it has a Dockerfile]
    #[arg(long, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) build: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ilp-connector schema > ilp-connector.schema.json
then, as the first line of a file, for editors with the YAML language server:
  # yaml-language-server: $schema=ilp-connector.schema.json")]
pub(in crate::cli) struct SchemaArguments {
    /// The form of the file [default: both]
    pub(in crate::cli) form: Option<SchemaForm>,
}

/// The two forms of a configuration file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum SchemaForm {
    /// A file of one node.
    Node,
    /// A file of a network.
    Topology,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(ilp-connector completions bash)
  ilp-connector completions zsh > ~/.zfunc/_ilp-connector
  ilp-connector completions fish > ~/.config/fish/completions/ilp-connector.fish")]
pub(in crate::cli) struct CompletionsArguments {
    /// Your shell
    pub(in crate::cli) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ilp-connector man /usr/share/man/man1")]
pub(in crate::cli) struct ManArguments {
    /// The directory of the pages
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) directory: PathBuf,
}
