//! Loads one node, or a network, from a [`Source`].

use std::fmt;
use std::path::{Path as FilePath, PathBuf};

use super::diagnostics::{Diagnostic, DiagnosticSink, Diagnostics};
use super::env::{self, Environment};
use super::expand::{Deployment, not_from_environment};
use super::file::{self, FileContent, NamedFile};
use super::location::{At, Location, ValueOrigin};
use super::network::Strictness;
use super::node_file;
use super::redact;
use super::secret_file;
use super::settings::NodeConfig;
use super::substitute::substitute;
use super::topology::{self, Topology};
use super::value::{Map, Value, ValueData};
use super::{weak_secrets, yaml};
use crate::wire::Network;

/// The name of a node that has neither a file nor `NODE_ID`.
const DEFAULT_NODE_ID: &str = "node";

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
        let Source { file, environment, node, overrides, skip_route_warnings } = self;
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
        read.map_err(|()| failed(report))
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
    pub(super) tree: Value,
}

/// Loads one node: reads the file, applies environment and command line, and validates everything.
///
/// # Errors
/// All mistakes at once. They may include a node that the topology does not name ([`Diagnostics::node_not_named`]).
pub fn load(source: &Source) -> Result<Loaded, Diagnostics> {
    load_in_network(source).map(|(loaded, _)| loaded)
}

/// Loads one node, and the network of its topology file, if it comes from one.
///
/// # Errors
/// As [`load`].
pub fn load_in_network(source: &Source) -> Result<(Loaded, Option<Topology>), Diagnostics> {
    let (read, report) = read_file(source);
    match read {
        Ok(content) => load_node(source, content.as_ref()),
        Err(()) => Err(failed(report)),
    }
}

/// Loads one node from bytes that the caller has read.
///
/// # Errors
/// As [`load`].
pub fn load_content(source: &Source, content: Option<&FileContent>) -> Result<Loaded, Diagnostics> {
    load_node(source, content).map(|(loaded, _)| loaded)
}

fn load_node(
    source: &Source,
    content: Option<&FileContent>,
) -> Result<(Loaded, Option<Topology>), Diagnostics> {
    let name = content.map(|content| content.path.to_string_lossy().into_owned());
    let mut report = DiagnosticSink::new(name.as_deref());
    let mut topology = None;
    let made = match content {
        None => tree_without_file(source, &mut report).map(|tree| (tree, FileForm::NoFile)),
        Some(content) => match parse(source, content, &mut report) {
            None => None,
            Some(root) if topology::is_topology(&root) => {
                topology = read_topology(source, &root, content, &mut report);
                let tree = topology.as_ref().and_then(|all| named_node(all, source, &mut report));
                tree.map(|tree| (tree, FileForm::Topology))
            }
            Some(root) => {
                tree_of_node_file(source, root, &mut report).map(|tree| (tree, FileForm::NodeFile))
            }
        },
    };
    let Some((mut tree, form)) = made else { return Err(failed(report)) };
    let directory = content.and_then(|content| content.path.parent());
    // The variables may name files too.
    secret_file::resolve(&mut tree, directory, &mut report);
    let config = node_file::read(&tree, directory, &mut report);
    if let (Some(content), Some(config)) = (content, &config) {
        let live = config.scheme.network() == Network::Live;
        weak_secrets::permissions(&tree, &content.path, live, &mut report);
    }
    match (report.finish(), config) {
        (Ok(warnings), Some(config)) => {
            let file = content.map(|content| content.path.clone());
            let secret_files = secret_file::files_of(&tree);
            Ok((Loaded { config, warnings, form, file, secret_files, tree }, topology))
        }
        (Err(problems), _) => Err(problems),
        (Ok(_), None) => Err(failed(DiagnosticSink::new(name.as_deref()))),
    }
}

impl Topology {
    /// Loads the network of a topology file.
    ///
    /// # Errors
    /// All mistakes of its form, and that it is a node file. Each node is validated by [`Topology::node`].
    pub fn load(source: &Source) -> Result<Topology, Diagnostics> {
        let (read, mut report) = read_file(source);
        let Ok(content) = read else { return Err(failed(report)) };
        let Some(content) = content else {
            let help = "give a file with nodes and links, see examples/";
            report.problem(Location::nowhere("file"), None, "a topology file is needed", help);
            return Err(failed(report));
        };
        Topology::of_content(source, &content)
    }

    /// Loads the network from bytes that the caller has read.
    ///
    /// # Errors
    /// As [`Topology::load`].
    pub fn of_content(source: &Source, content: &FileContent) -> Result<Topology, Diagnostics> {
        let name = content.path.to_string_lossy().into_owned();
        let mut report = DiagnosticSink::new(Some(&name));
        let topology = parse(source, content, &mut report).and_then(|root| {
            if !topology::is_topology(&root) && root.as_map().is_some() {
                let help = "a topology file has nodes and links; run starts a single node";
                report.problem(Location::file(), None, "this is a node file, not a topology", help);
                return None;
            }
            read_topology(source, &root, content, &mut report)
        });
        match (report.has_problems(), topology) {
            (false, Some(topology)) => Ok(topology),
            _ => Err(failed(report)),
        }
    }

    /// Loads the network as `up` runs it, with all its nodes, on the ports that `assign_ports` gives them. Every
    /// mistake of the file is reported, those that do not matter on one machine too: the file is fixed once. What only
    /// keeps packets from arriving is a warning.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn for_this_machine(
        source: &Source,
        content: &FileContent,
        assign_ports: impl FnOnce(&mut Topology),
    ) -> Result<Vec<Loaded>, Diagnostics> {
        let name = content.path.to_string_lossy().into_owned();
        let mut report = DiagnosticSink::new(Some(&name));
        let Some(root) = parse(source, content, &mut report) else { return Err(failed(report)) };
        if !topology::is_topology(&root) {
            return Topology::of_content(source, content).map(|_| Vec::new());
        }
        let topology = read_topology(source, &root, content, &mut report);
        let Some(mut topology) = topology else { return Err(failed(report)) };
        assign_ports(&mut topology);
        let mut spread = DiagnosticSink::new(Some(&name));
        topology.read_all(Deployment::Spread, &mut spread);
        let nodes = topology.read_all(Deployment::Loopback, &mut report);
        if let Err(problems) = spread.finish() {
            report.absorb_problems(problems);
        }
        topology.judge(&nodes, Strictness::Startable, &mut report);
        super::check::variables(&topology, &mut report);
        let warnings = report.finish()?;
        let loaded = topology.node_ids().map(|id| topology.node(id, Deployment::Loopback));
        let mut loaded = loaded.collect::<Result<Vec<_>, _>>()?;
        // What is wrong with the network is said once, with the first node's own warnings.
        if let Some(first) = loaded.first_mut() {
            let new = warnings.into_iter().filter(|warning| !first.warnings.contains(warning));
            let new: Vec<Diagnostic> = new.collect();
            first.warnings.extend(new);
        }
        Ok(loaded)
    }

    /// One of the nodes, validated, with its routes.
    ///
    /// # Errors
    /// All mistakes that concern it.
    pub fn node(&self, id: &str, mode: Deployment) -> Result<Loaded, Diagnostics> {
        let mut report = DiagnosticSink::new(Some(&self.name));
        let number = self.nodes.iter().position(|node| node.id.as_str() == id);
        let Some(number) = number else {
            self.report_unknown_node(Location::nowhere("node"), id, &mut report);
            return Err(failed(report));
        };
        self.numbered(number, mode, &[], report)
    }

    /// As [`Topology::node`], with environment and command line applied.
    pub(super) fn numbered(
        &self,
        number: usize,
        mode: Deployment,
        overrides: &[Override],
        mut report: DiagnosticSink,
    ) -> Result<Loaded, Diagnostics> {
        let Some(mut tree) = self.tree(number, mode, true) else { return Err(failed(report)) };
        if let ValueData::Map(map) = &mut tree.data {
            env::overlay_node(map, &self.environment, not_from_environment(mode), &mut report);
            if mode == Deployment::Spread {
                env::overlay_peers(map, &self.environment, &mut report);
            }
            apply_overrides(map, overrides);
        }
        secret_file::resolve(&mut tree, self.directory.as_deref(), &mut report);
        let config = node_file::read(&tree, self.directory.as_deref(), &mut report);
        let warnings = report.finish()?;
        match config {
            Some(config) => {
                let file = Some(PathBuf::from(&self.name));
                let secret_files = secret_file::files_of(&tree);
                Ok(Loaded { config, warnings, form: FileForm::Topology, file, secret_files, tree })
            }
            None => Err(failed(DiagnosticSink::new(Some(&self.name)))),
        }
    }

    /// Reports a node that the topology does not have.
    fn report_unknown_node(&self, place: Location, id: &str, report: &mut DiagnosticSink) {
        let ids: Vec<&str> = self.node_ids().collect();
        let help = match redact::nearest(id, ids.iter().copied()) {
            Some(near) => format!("did you mean {near}? (nodes: {})", redact::list(ids)),
            None => format!("nodes: {}", redact::list(ids)),
        };
        report.problem(place, Some(redact::quoted(id)), "the topology has no such node", help);
        report.node_not_named();
    }

    /// The host at which other nodes reach a node that runs on a host of its own.
    pub fn host_of(&self, id: &str) -> Option<String> {
        let number = self.nodes.iter().position(|node| node.id.as_str() == id)?;
        Some(self.host(number).to_owned())
    }

    /// The ids of the nodes, in the order of the file.
    pub fn node_ids(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.id.as_str())
    }
}

/// The problems of a report, as an error.
pub(super) fn failed(report: DiagnosticSink) -> Diagnostics {
    match report.finish() {
        Err(problems) => problems,
        Ok(warnings) => {
            // A fault of this program: nothing was read, and no reason was reported.
            let place = Location::file();
            let what = "cannot be read, and no reason was found; this is a fault of ilp-connector"
                .to_owned();
            let (help, follows_from) = (String::new(), Vec::new());
            let problem = Diagnostic { file: None, place, value: None, what, help, follows_from };
            Diagnostics { problems: vec![problem], left_out: 0, warnings, node_not_named: false }
        }
    }
}

/// The file from the command line, else from the environment.
fn named_file(source: &Source) -> Option<NamedFile> {
    match &source.file {
        Some(path) => Some(NamedFile { path: path.clone(), by_variable: false }),
        None => env::get(&source.environment, "CONFIG_FILE")
            .map(|path| NamedFile { path: path.into(), by_variable: true }),
    }
}

/// The content of the file. `Ok(None)`: no file is named.
pub(super) fn read_file(source: &Source) -> (Result<Option<FileContent>, ()>, DiagnosticSink) {
    let Some(named) = named_file(source) else { return (Ok(None), DiagnosticSink::new(None)) };
    let mut report = DiagnosticSink::new(Some(&named.path.to_string_lossy()));
    let content = file::read(&named, &mut report);
    (content.map(Some).ok_or(()), report)
}

/// Bytes -> tree, with variables replaced.
pub(super) fn parse(
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

/// Applies the command line to a node's tree.
fn apply_overrides(map: &mut Map, overrides: &[Override]) {
    for over in overrides {
        let origin = ValueOrigin::CommandLine(over.flag.as_str().into());
        map.set(over.key, Value::text(&over.value, At::moved(0, origin, None)));
    }
}

/// Applies `--node` to a node's tree.
fn apply_node_id(map: &mut Map, source: &Source) {
    if let Some(id) = &source.node {
        let at = At::moved(0, ValueOrigin::CommandLine("--node".into()), None);
        map.set("nodeId", Value::text(id, at));
    }
}

fn tree_without_file(source: &Source, report: &mut DiagnosticSink) -> Option<Value> {
    let mut map = Map::default();
    env::overlay_node(&mut map, &source.environment, &[], report);
    apply_node_id(&mut map, source);
    apply_overrides(&mut map, &source.overrides);
    env::create_peers(&mut map, &source.environment, report);
    let at = At::moved(0, ValueOrigin::Default, None);
    map.set_default("nodeId", Value::text(DEFAULT_NODE_ID, at.clone()));
    Some(Value { data: ValueData::Map(map), at })
}

fn tree_of_node_file(
    source: &Source,
    mut root: Value,
    report: &mut DiagnosticSink,
) -> Option<Value> {
    if let ValueData::Map(map) = &mut root.data {
        env::overlay_node(map, &source.environment, &[], report);
        env::overlay_peers(map, &source.environment, report);
        apply_node_id(map, source);
        apply_overrides(map, &source.overrides);
    }
    Some(root)
}

/// Reads the form of a topology file.
pub(super) fn read_topology(
    source: &Source,
    root: &Value,
    content: &FileContent,
    report: &mut DiagnosticSink,
) -> Option<Topology> {
    let name = content.path.to_string_lossy();
    let directory = content.path.parent().map(FilePath::to_owned);
    topology::read(root, &name, directory, &source.environment, report)
}

/// The tree of the node that the source names, after the whole network was validated.
fn named_node(topology: &Topology, source: &Source, report: &mut DiagnosticSink) -> Option<Value> {
    topology.validate_all(!source.skip_route_warnings, report);
    let variable = env::get(&source.environment, "NODE_ID");
    let (id, place) = match (&source.node, variable) {
        (Some(id), _) => {
            let origin = ValueOrigin::CommandLine("--node".into());
            (id.as_str(), Location { origin, line: None, text: "--node".into() })
        }
        (None, Some(id)) => (id, Location::variable("NODE_ID")),
        (None, None) => {
            let ids = redact::list(topology.node_ids());
            let help = format!("set the variable NODE_ID or --node to one of: {ids}");
            let what = "this is a topology file, and nothing says which of its nodes to run";
            report.problem(Location::file(), None, what, help);
            return None;
        }
    };
    let Some(number) = topology.nodes.iter().position(|node| node.id.as_str() == id) else {
        topology.report_unknown_node(place, id, report);
        return None;
    };
    let mut tree = topology.tree(number, Deployment::Spread, true)?;
    if let ValueData::Map(map) = &mut tree.data {
        env::overlay_node(
            map,
            &source.environment,
            not_from_environment(Deployment::Spread),
            report,
        );
        env::overlay_peers(map, &source.environment, report);
        apply_overrides(map, &source.overrides);
    }
    Some(tree)
}
