//! All that a configuration is made from: a file, the environment, the command line.

use std::fmt;
use std::path::PathBuf;

use super::diagnostics::{DiagnosticSink, Diagnostics};
use super::env::{self, Environment};
use super::file::{self, FileContent, NamedFile};
use super::location::Location;
use super::substitute::substitute;
use super::value::Value;
use super::{secret_file, yaml};

/// All that a configuration is made from. Environment and arguments of the process are not read directly.
#[derive(Clone, Default)]
pub struct Source {
    /// The file from the command line. `None`: the variable `CONFIG_FILE` may name one.
    pub file: Option<PathBuf>,
    /// The environment, see [`super::environment_of_process`].
    pub environment: Environment,
    /// The node from the command line. `None`: the variable `NODE_ID` may name one.
    pub node: Option<String>,
    /// Values from the command line, which override all others.
    pub overrides: Vec<Override>,
    /// Leaves out the warnings about a network's routes, which cost a simulation of the network.
    pub skip_route_warnings: bool,
}

/// Leaves out the values of variables and flags, which may be secrets.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, environment, node, overrides, skip_route_warnings } = self;
        f.debug_struct("Source")
            .field("file", file)
            .field("environment", &environment.keys().collect::<Vec<_>>())
            .field("node", node)
            .field("overrides", overrides)
            .field("skip_route_warnings", skip_route_warnings)
            .finish()
    }
}

impl Source {
    /// Reads the file. `None`: no file is named.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Option<FileContent>, Diagnostics> {
        let (read, report) = read_file(self);
        read.map_err(|()| report.into_problems())
    }
}

/// One value from the command line.
#[derive(Clone, PartialEq, Eq)]
pub struct Override {
    /// The key of a node file, such as `btpServerPort`.
    pub key: &'static str,
    /// Its value, as in the file.
    pub value: String,
    /// The flag, for messages: `--btp-port`.
    pub flag: String,
}

/// Leaves out the value, which may be a secret.
impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sets {}", self.flag, self.key)
    }
}

/// The file from the command line, else from the environment.
fn named_file(source: &Source) -> Option<NamedFile> {
    match &source.file {
        Some(path) => Some(NamedFile { path: path.clone(), by_variable: false }),
        None => env::variable(&source.environment, "CONFIG_FILE")
            .map(|path| NamedFile { path: path.into(), by_variable: true }),
    }
}

/// The content of the file. `Ok(None)`: no file is named.
pub fn read_file(source: &Source) -> (Result<Option<FileContent>, ()>, DiagnosticSink) {
    let Some(named) = named_file(source) else { return (Ok(None), DiagnosticSink::new(None)) };
    let mut report = DiagnosticSink::new(Some(&named.path));
    let content = file::read(&named, &mut report);
    (content.map(Some).ok_or(()), report)
}

/// Bytes -> tree, with variables replaced.
pub fn parse_file(
    source: &Source,
    content: &FileContent,
    report: &mut DiagnosticSink,
) -> Option<Value> {
    let text = file::text(&content.bytes, report)?;
    let root = yaml::read(text, report);
    match root {
        Some(root) if !root.is_null() => {
            let mut root = root;
            substitute(&mut root, &source.environment, report);
            secret_file::resolve(&mut root, content.path.parent(), report);
            Some(root)
        }
        _ => {
            if !report.has_problems() {
                let help = "write at least nodeId: <name>, or nodes and links; without a file, unset CONFIG_FILE";
                report.problem(Location::file(), None, "the file is empty", help);
            }
            None
        }
    }
}
