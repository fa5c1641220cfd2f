//! The tree of one node: a node file, or no file at all, with the environment and the command line applied.

use super::diagnostics::DiagnosticSink;
use super::env;
use super::location::{ValueOrigin, ValuePlace};
use super::source::{Override, Source};
use super::value::{Map, Value, ValueData};

/// The name of a node that has neither a file nor `NODE_ID`.
const DEFAULT_NODE_ID: &str = "node";

/// Applies the command line to a node's tree.
pub fn apply_overrides(map: &mut Map, overrides: &[Override]) {
    for over in overrides {
        let origin = ValueOrigin::CommandLine(over.flag.as_str().into());
        map.set(over.key, Value::text(&over.value, ValuePlace::relocated(0, origin, None)));
    }
}

/// Applies `--node` to a node's tree.
fn apply_node_id(map: &mut Map, source: &Source) {
    if let Some(id) = &source.node {
        let at = ValuePlace::relocated(0, ValueOrigin::CommandLine("--node".into()), None);
        map.set("nodeId", Value::text(id, at));
    }
}

/// The tree of a node without a file.
pub fn tree_without_file(source: &Source, report: &mut DiagnosticSink) -> Value {
    let mut map = Map::default();
    env::overlay_node(&mut map, &source.environment, &[], report);
    apply_node_id(&mut map, source);
    apply_overrides(&mut map, &source.overrides);
    env::create_peers(&mut map, &source.environment, report);
    let at = ValuePlace::relocated(0, ValueOrigin::Default, None);
    map.set_default("nodeId", Value::text(DEFAULT_NODE_ID, at.clone()));
    Value { data: ValueData::Map(map), at }
}

/// Applies the environment and the command line to the tree of a node file.
pub fn overlay_node_file(source: &Source, root: &mut Value, report: &mut DiagnosticSink) {
    if let ValueData::Map(map) = &mut root.data {
        env::overlay_node(map, &source.environment, &[], report);
        env::overlay_peers(map, &source.environment, report);
        apply_node_id(map, source);
        apply_overrides(map, &source.overrides);
    }
}
