//! Loads one node, or a network, from a [`Source`].

use super::check::report_unusable_variables;
use super::deployment::{Deployment, not_from_environment};
use super::network::Strictness;
use super::network_file::{self, Topology};
use crate::config::{
    DiagnosticSink, Diagnostics, FileContent, FileForm, Loaded, Location, Override, Source, Value,
    ValueData, ValueOrigin, apply_overrides, env, overlay_node_file, parse_file, read_file, redact,
    tree_without_file,
};

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
        Err(()) => Err(report.into_problems()),
    }
}

/// What a file describes.
#[derive(Debug)]
pub enum Described {
    Node(Box<Loaded>),
    Network(Box<Topology>),
}

/// Loads what a file describes, whatever that is. The nodes of a network are not validated: [`Topology::node`] does.
///
/// # Errors
/// All mistakes at once.
pub fn load_described(source: &Source) -> Result<Described, Diagnostics> {
    let (read, report) = read_file(source);
    let Ok(content) = read else { return Err(report.into_problems()) };
    if let Some(content) = &content {
        // Mistakes of the form are found again, with all others.
        let mut report = DiagnosticSink::new(Some(&content.path));
        let root = parse_file(source, content, &mut report);
        if root.is_some_and(|root| network_file::is_topology(&root)) {
            return Topology::of_content(source, content).map(Box::new).map(Described::Network);
        }
    }
    load_content(source, content.as_ref()).map(Box::new).map(Described::Node)
}

/// The keys that say where the pages of a node are, and who may read them.
const PAGE_KEYS: [&str; 6] =
    ["nodeId", "healthCheckHost", "healthCheckPort", "apiToken", "apiTokenFile", "apiTokens"];

/// Loads only what is needed to ask the running node of a node file, which goes on with its last configuration while
/// the file has mistakes elsewhere. `None`: it is no node file, or these keys have mistakes too.
pub fn load_pages(source: &Source) -> Option<Loaded> {
    let content = read_file(source).0.ok()??;
    let mut report = DiagnosticSink::new(Some(&content.path));
    let mut root = parse_file(source, &content, &mut report)?;
    if network_file::is_topology(&root) {
        return None;
    }
    let ValueData::Map(map) = &mut root.data else { return None };
    map.0.retain(|(name, _)| PAGE_KEYS.contains(&&*name.text));
    // The mistakes so far may be of other keys.
    let mut report = DiagnosticSink::new(Some(&content.path));
    overlay_node_file(source, &mut root, &mut report);
    Loaded::from_tree(root, FileForm::NodeFile, Some(&content.path), report).ok()
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
    let Some(content) = content else {
        let mut report = DiagnosticSink::new(None);
        let tree = tree_without_file(source, &mut report);
        return Ok((Loaded::from_tree(tree, FileForm::NoFile, None, report)?, None));
    };
    let mut report = DiagnosticSink::new(Some(&content.path));
    let Some(mut root) = parse_file(source, content, &mut report) else {
        return Err(report.into_problems());
    };
    if !network_file::is_topology(&root) {
        overlay_node_file(source, &mut root, &mut report);
        let loaded = Loaded::from_tree(root, FileForm::NodeFile, Some(&content.path), report)?;
        return Ok((loaded, None));
    }
    let topology = network_file::read(source, &root, content, &mut report);
    let tree = topology.as_ref().and_then(|all| tree_of_named_node(all, source, &mut report));
    let Some(tree) = tree else { return Err(report.into_problems()) };
    let loaded = Loaded::from_tree(tree, FileForm::Topology, Some(&content.path), report)?;
    Ok((loaded, topology))
}

impl Topology {
    /// Loads the network of a topology file.
    ///
    /// # Errors
    /// All mistakes of its form, and that it is a node file. Each node is validated by [`Topology::node`].
    pub fn load(source: &Source) -> Result<Self, Diagnostics> {
        let (read, mut report) = read_file(source);
        let Ok(content) = read else { return Err(report.into_problems()) };
        let Some(content) = content else {
            let help = "give a file with nodes and links, see examples/";
            report.problem(Location::nowhere("file"), None, "a topology file is needed", help);
            return Err(report.into_problems());
        };
        Self::of_content(source, &content)
    }

    /// Loads the network from bytes that the caller has read.
    ///
    /// # Errors
    /// As [`Topology::load`].
    pub fn of_content(source: &Source, content: &FileContent) -> Result<Self, Diagnostics> {
        let mut report = DiagnosticSink::new(Some(&content.path));
        match (Self::parse(source, content, &mut report), report.has_problems()) {
            (Some(topology), false) => Ok(topology),
            _ => Err(report.into_problems()),
        }
    }

    fn parse(source: &Source, content: &FileContent, report: &mut DiagnosticSink) -> Option<Self> {
        let root = parse_file(source, content, report)?;
        if !network_file::is_topology(&root) && root.as_map().is_some() {
            let help = "a topology file has nodes and links; run starts a single node";
            report.problem(Location::file(), None, "this is a node file, not a topology", help);
            return None;
        }
        network_file::read(source, &root, content, report)
    }

    /// Loads the network as `up` runs it, with all its nodes, on the ports that `assign_ports` gives them. Every
    /// mistake of the file is reported, those that do not matter on one machine too: the file is fixed once. Mistakes
    /// that only keep packets from arriving are warnings.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn load_all_on_loopback(
        source: &Source,
        content: &FileContent,
        assign_ports: impl FnOnce(&mut Self),
    ) -> Result<Vec<Loaded>, Diagnostics> {
        let mut report = DiagnosticSink::new(Some(&content.path));
        let Some(mut topology) = Self::parse(source, content, &mut report) else {
            return Err(report.into_problems());
        };
        assign_ports(&mut topology);
        let mut spread = DiagnosticSink::new(Some(&content.path));
        topology.read_all(Deployment::Spread, &mut spread);
        let nodes = topology.read_all(Deployment::Loopback, &mut report);
        if let Err(problems) = spread.finish() {
            report.absorb_problems(problems);
        }
        topology.judge(&nodes, Strictness::Startable, &mut report);
        report_unusable_variables(&topology, &mut report);
        let warnings = report.finish()?;
        let loaded = topology.node_ids().map(|id| topology.node(id, Deployment::Loopback));
        let mut loaded = loaded.collect::<Result<Vec<_>, _>>()?;
        if let Some(first) = loaded.first_mut() {
            first.warnings.extend(warnings);
        }
        // A warning that concerns several nodes stands at the first of them only.
        let mut seen = Vec::new();
        for node in &mut loaded {
            node.warnings.retain(|warning| {
                !seen.contains(warning) && {
                    seen.push(warning.clone());
                    true
                }
            });
        }
        Ok(loaded)
    }

    /// One of the nodes, validated, with its routes.
    ///
    /// # Errors
    /// All mistakes that concern it.
    pub fn node(&self, id: &str, mode: Deployment) -> Result<Loaded, Diagnostics> {
        let mut report = DiagnosticSink::new(Some(&self.file));
        let tree = match self.index_of(id) {
            Some(number) => self.node_tree(number, mode, &[], &mut report),
            None => {
                self.report_unknown_node(Location::nowhere("node"), id, &mut report);
                None
            }
        };
        let Some(tree) = tree else { return Err(report.into_problems()) };
        Loaded::from_tree(tree, FileForm::Topology, Some(&self.file), report)
    }

    fn index_of(&self, id: &str) -> Option<usize> {
        self.node_ids().position(|known| known == id)
    }

    /// The tree of one node, with environment and command line applied.
    fn node_tree(
        &self,
        number: usize,
        mode: Deployment,
        overrides: &[Override],
        report: &mut DiagnosticSink,
    ) -> Option<Value> {
        let mut tree = self.tree(number, mode, true)?;
        if let ValueData::Map(map) = &mut tree.data {
            env::overlay_node(map, &self.environment, not_from_environment(mode), report);
            if mode == Deployment::Spread {
                env::overlay_peers(map, &self.environment, report);
            }
            apply_overrides(map, overrides);
        }
        Some(tree)
    }

    /// Reports a node that the topology does not have.
    fn report_unknown_node(&self, place: Location, id: &str, report: &mut DiagnosticSink) {
        let ids: Vec<&str> = self.node_ids().collect();
        let help = redact::did_you_mean(id, "nodes", &ids);
        report.problem(place, Some(redact::quoted(id)), "the topology has no such node", help);
        report.node_not_named();
    }

    /// The host at which other nodes reach a node that runs on a host of its own.
    pub fn host_of(&self, id: &str) -> Option<String> {
        let number = self.index_of(id)?;
        Some(self.host(number).to_owned())
    }

    /// The ids of the nodes, in the order of the file.
    pub fn node_ids(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.id.as_str())
    }
}

/// The tree of the node that the source names, after the whole network was validated.
fn tree_of_named_node(
    topology: &Topology,
    source: &Source,
    report: &mut DiagnosticSink,
) -> Option<Value> {
    topology.validate_all(!source.skip_route_warnings, report);
    let variable = env::variable(&source.environment, "NODE_ID");
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
    match topology.index_of(id) {
        Some(number) => topology.node_tree(number, Deployment::Spread, &source.overrides, report),
        None => {
            topology.report_unknown_node(place, id, report);
            None
        }
    }
}
