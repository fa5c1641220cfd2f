//! One node, loaded: its settings and where they came from.

use std::path::{Path, PathBuf};

use super::diagnostics::{Diagnostic, DiagnosticSink, Diagnostics};
use super::settings::NodeConfig;
use super::value::Value;
use super::{node_file, secret_file, weak_secrets};
use crate::wire::Network;

/// The form of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileForm {
    /// Defaults, environment and command line only.
    NoFile,
    /// A file of one node.
    NodeFile,
    /// A file of a whole network.
    Topology,
}

/// One node, loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: NodeConfig,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
    /// The form of its source.
    pub form: FileForm,
    /// The file, which a reload reads again.
    pub file: Option<PathBuf>,
    /// The files with its secrets, which a reload reads again.
    pub secret_files: Vec<PathBuf>,
    /// The effective values with their places, for [`Loaded::print`].
    pub tree: Value,
}

impl Loaded {
    /// Reads and validates the tree of a node, after environment and command line were applied.
    ///
    /// # Errors
    /// All mistakes, with those that `report` already holds.
    pub fn from_tree(
        mut tree: Value,
        form: FileForm,
        file: Option<&Path>,
        mut report: DiagnosticSink,
    ) -> Result<Self, Diagnostics> {
        let directory = file.and_then(Path::parent);
        // The variables may name files too.
        secret_file::resolve(&mut tree, directory, &mut report);
        let config = node_file::read(&tree, directory, &mut report);
        let Some(config) = config else { return Err(report.into_problems()) };
        if let Some(file) = file {
            let live = config.scheme.network() == Network::Live;
            weak_secrets::permissions(&tree, file, live, &mut report);
        }
        let warnings = report.finish()?;
        let secret_files = secret_file::files_of(&tree);
        Ok(Self { config, warnings, form, file: file.map(Path::to_owned), secret_files, tree })
    }
}
