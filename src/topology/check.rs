//! `ilp-connector check`: judges a configuration without starting anything.

use super::deployment::{Deployment, not_from_environment};
use super::load::load_content;
use super::network::Strictness;
use super::network_file::{self, Topology};
use crate::config::{
    Diagnostic, DiagnosticSink, Diagnostics, Loaded, NodeConfig, RateFileCheck, Source,
    TlsFileCheck, ValueData, ValueOrigin, env, node_file, parse_file, read_file, secret_file,
    weak_secrets,
};
use crate::wire::Network;

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The node. `None`: a topology without the name of a node.
    pub node: Option<Loaded>,
    /// The network of a topology file.
    pub topology: Option<Topology>,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Diagnostic>,
}

/// Judges a file as [`super::load()`] does. For a topology it judges all nodes, and what they are to each other:
/// unreachable nodes, routing loops, ports that clash and secrets that do not match are mistakes here.
///
/// # Errors
/// All mistakes at once.
pub fn check(source: &Source) -> Result<Checked, Diagnostics> {
    let (read, mut report) = read_file(source);
    let Ok(content) = read else { return Err(report.into_problems()) };
    let root = match &content {
        None => None,
        Some(content) => match parse_file(source, content, &mut report) {
            // A single node is parsed again below, which reports mistakes of variables with all others.
            Some(root) => Some(root),
            None => return Err(report.into_problems()),
        },
    };
    let (Some(root), Some(content)) = (root.filter(network_file::is_topology), &content) else {
        let node = load_content(source, content.as_ref())?;
        let mut files = DiagnosticSink::new(content.as_ref().map(|content| content.path.as_path()));
        TlsFileCheck::default().check(&node.config, &node.tree, &mut files);
        RateFileCheck::default().check(&node.config, &node.tree, &mut files);
        let mut warnings = node.warnings.clone();
        warnings.extend(files.finish().map_err(|mut problems| {
            problems.warnings.extend_from_slice(&node.warnings);
            problems
        })?);
        return Ok(Checked { node: Some(node), topology: None, warnings });
    };
    let topology = network_file::read(source, &root, content, &mut report);
    let Some(topology) = topology else { return Err(report.into_problems()) };
    let nodes = topology.read_all(Deployment::Spread, &mut report);
    let live = |config: &NodeConfig| config.scheme.network() == Network::Live;
    let live = nodes.configs.iter().flatten().any(live);
    weak_secrets::permissions(&root, &content.path, live, &mut report);
    topology.judge(&nodes, Strictness::All, &mut report);
    let mut files = TlsFileCheck::default();
    let mut rate_files = RateFileCheck::default();
    for (config, tree) in nodes.configs.iter().zip(&nodes.trees) {
        if let Some(config) = config {
            files.check(config, tree, &mut report);
            rate_files.check(config, tree, &mut report);
        }
    }
    let named = source.node.is_some() || env::variable(&source.environment, "NODE_ID").is_some();
    let mut node = None;
    if named {
        match load_content(source, Some(content)) {
            Ok(loaded) => node = Some(loaded),
            Err(problems) => report.absorb_problems(problems),
        }
    } else {
        report_unusable_variables(&topology, &mut report);
    }
    let warnings = report.finish()?;
    Ok(Checked { node, topology: Some(topology), warnings })
}

/// Reports variables that no node of the topology could take. No node is named, so the first stands for all.
pub(super) fn report_unusable_variables(topology: &Topology, report: &mut DiagnosticSink) {
    let Some(mut tree) = topology.tree(0, Deployment::Spread, false) else { return };
    if let ValueData::Map(map) = &mut tree.data {
        let mut except = not_from_environment(Deployment::Spread).to_vec();
        except.push("ilpAddress");
        env::overlay_node(map, &topology.environment, &except, report);
    }
    secret_file::resolve(&mut tree, topology.directory(), report);
    let mut own = DiagnosticSink::new(Some(&topology.file));
    node_file::read(&tree, topology.directory(), &mut own);
    if let Err(mut problems) = own.finish() {
        problems
            .problems
            .retain(|problem| matches!(problem.place.origin, ValueOrigin::Environment(_)));
        problems.warnings.clear();
        report.absorb_problems(problems);
    }
}
