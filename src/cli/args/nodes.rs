//! Which nodes a command looks at: files and URLs, as many as wanted.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::console::{Failure, SourceArguments, shell_quote};

/// Nodes that flags name.
#[derive(Clone, Debug, Default, Args)]
pub(in crate::cli) struct NodeFlags {
    /// Node file or topology file; may be repeated [variable: CONFIG_FILE]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// Ask the node with its pages at this URL, or the page of `up`; may be repeated
    #[arg(long, value_name = "URL")]
    via: Vec<String>,
    /// Ask only this node of the files
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// Read the apiToken of the nodes from this file; - is standard input [variable: API_TOKEN]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
}

/// The nodes that a command asks, each by its file or its URL.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct NamedNodesArguments {
    /// Node files, topology files, and URLs of nodes such as http://127.0.0.1:8080
    #[arg(value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    named: Vec<String>,
    #[command(flatten)]
    flags: NodeFlags,
}

/// The same for a command whose own arguments are no files.
#[derive(Debug, Args)]
pub(in crate::cli) struct ObservedArguments {
    #[command(flatten)]
    pub(in crate::cli) flags: NodeFlags,
    /// Print JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// A file, or the URL of pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum NodeTarget {
    File(PathBuf),
    Url(String),
}

/// What the command line says of the nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct NodeTargets {
    /// In its order. None: the node of the environment.
    pub(in crate::cli) targets: Vec<NodeTarget>,
    /// Only this node of the files.
    pub(in crate::cli) node: Option<String>,
    /// There are other files, so that one of them need not have the node.
    pub(in crate::cli) is_one_of_several: bool,
    /// It is the `--config` of this environment, whose variables describe the same node.
    pub(in crate::cli) is_own_file: bool,
    /// The file with the token for all of them; `-` is standard input.
    pub(in crate::cli) token_file: Option<PathBuf>,
}

impl NodeFlags {
    /// # Errors
    /// What is written as a URL is none.
    pub(in crate::cli) fn targets(&self) -> Result<NodeTargets, Failure> {
        self.targets_after(&[])
    }

    fn targets_after(&self, named: &[String]) -> Result<NodeTargets, Failure> {
        if let Some(file) = self.via.iter().find(|via| !is_url(via)) {
            return Err(Failure::Usage(format!(
                "--via takes the URL of a node's pages, such as http://127.0.0.1:8080; for a file, write --config {file}"
            )));
        }
        let named = named.iter().map(|text| match is_url(text) {
            true => NodeTarget::Url(text.clone()),
            false => NodeTarget::File(text.into()),
        });
        let files = self.config.iter().cloned().map(NodeTarget::File);
        let urls = self.via.iter().cloned().map(NodeTarget::Url);
        let targets: Vec<NodeTarget> = named.chain(files).chain(urls).collect();
        let is_for_url = targets.iter().any(|target| matches!(target, NodeTarget::Url(_)));
        if is_for_url && self.node.is_some() {
            let help = "leave it out, or name only files";
            let what = "--node is a node of a file, and a URL shows all that are there";
            return Err(Failure::Usage(format!("{what}; {help}")));
        }
        let is_one_of_several = targets.len() > 1;
        let is_own_file = self.config.len() == targets.len() && !is_one_of_several;
        let (node, token_file) = (self.node.clone(), self.token_file.clone());
        Ok(NodeTargets { targets, node, is_one_of_several, is_own_file, token_file })
    }
}

impl NamedNodesArguments {
    /// # Errors
    /// What is written as a URL is none.
    pub(in crate::cli) fn targets(&self) -> Result<NodeTargets, Failure> {
        self.flags.targets_after(&self.named)
    }
}

impl NodeTargets {
    /// What names a single node.
    ///
    /// # Errors
    /// `via` is no URL.
    pub(in crate::cli) fn of_one(
        source: &SourceArguments,
        via: Option<&str>,
        token_file: Option<&Path>,
    ) -> Result<Self, Failure> {
        let flags = NodeFlags {
            config: source.config.iter().cloned().collect(),
            via: via.iter().map(|via| (*via).to_owned()).collect(),
            // The answer of a page says which nodes it has.
            node: source.node.clone().filter(|_| via.is_none()),
            token_file: token_file.map(Path::to_owned),
        };
        flags.targets()
    }

    /// The configuration files on the command line.
    pub(in crate::cli) fn files(&self) -> impl Iterator<Item = &Path> {
        self.targets.iter().filter_map(|target| match target {
            NodeTarget::File(file) => Some(file.as_path()),
            NodeTarget::Url(_) => None,
        })
    }

    /// Each target by itself; one without a target if there are none.
    pub(in crate::cli) fn each(&self) -> Vec<Self> {
        match self.targets.as_slice() {
            [] => vec![self.clone()],
            targets => {
                let one =
                    |target: &NodeTarget| Self { targets: vec![target.clone()], ..self.clone() };
                targets.iter().map(one).collect()
            }
        }
    }

    /// The flags that name the same, as a shell reads them.
    pub(in crate::cli) fn as_flags(&self) -> String {
        let file = |flag: &str, file: &Path| {
            format!(" {flag} {}", shell_quote(&file.display().to_string()))
        };
        let targets = self.targets.iter().map(|target| match target {
            NodeTarget::File(named) => file("--config", named),
            NodeTarget::Url(url) => format!(" --via {}", shell_quote(url)),
        });
        let token_file = self.token_file.iter().map(|named| file("--token-file", named));
        targets.chain(token_file).collect()
    }
}

fn is_url(text: &str) -> bool {
    text.contains("://")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        named: NamedNodesArguments,
    }

    fn flags(line: &str) -> String {
        let line = Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
        match line.named.targets() {
            Ok(targets) => targets.as_flags(),
            Err(failure) => failure.to_string(),
        }
    }

    #[test]
    fn a_single_node_is_named_as_before() {
        let source = SourceArguments { config: None, node: Some("b".to_owned()) };
        let at_url = NodeTargets::of_one(&source, Some("http://h:1"), None).unwrap();
        assert_eq!((at_url.as_flags().as_str(), at_url.node), (" --via http://h:1", None));
        let in_file = SourceArguments { config: Some("a b.yaml".into()), ..source };
        let in_file = NodeTargets::of_one(&in_file, None, None).unwrap();
        assert_eq!(in_file.as_flags(), " --config 'a b.yaml'");
        assert_eq!((in_file.node.as_deref(), in_file.is_one_of_several), (Some("b"), false));
    }

    #[test]
    fn files_and_urls_come_in_any_number_and_mixture() {
        assert_eq!(flags("x"), "");
        assert_eq!(
            flags("x a.yaml http://h:1 --config b.yaml --via http://h:2 --config c.yaml"),
            " --config a.yaml --via http://h:1 --config b.yaml --config c.yaml --via http://h:2"
        );
        assert_eq!(flags("x a.yaml --token-file t$"), " --config a.yaml --token-file 't$'");
        assert!(flags("x --via a.yaml").contains("write --config a.yaml"));
        assert!(flags("x http://h:1 --node a").contains("leave it out"));
    }
}
