//! The topology file of a run.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::plan::{Change, Plan};
use crate::world::node::{limits_of, prices_of};

/// Nodes of which each name has one digit.
const ONE_DIGIT: usize = 10;

/// For all nodes. There is no account for tools, whose links are up only while they run.
const DEFAULTS: &str = "
defaults:
  store: books/
  healthCheckHost: 127.0.0.1
  routeBroadcastIntervalMs: 2000
  routeHoldDownMs: 6000
  reconcileIntervalMs: 5000
";

/// The name of a node. All names have the same length, so that they are sorted as their numbers are.
pub fn node_name(plan: &Plan, node: usize) -> String {
    let width = if plan.nodes.len() > ONE_DIGIT { 2 } else { 1 };
    format!("n{node:0width$}")
}

/// The configurations that operators apply: at a node, the one that is applied last.
#[derive(Default)]
pub struct Reloads(Vec<(u64, u64, usize, Change)>);

impl Reloads {
    pub fn add(&mut self, from_ms: u64, to_ms: u64, node: usize, change: Change) {
        self.0.push((from_ms, to_ms, node, change));
    }

    /// The changes that are in force from each moment on.
    pub fn steps(&self) -> Vec<(u64, Vec<(usize, Change)>)> {
        let times: BTreeSet<u64> = self.0.iter().flat_map(|one| [one.0, one.1]).collect();
        let steps = times.into_iter().map(|now| {
            let in_force = self.0.iter().filter(|(from, to, ..)| *from <= now && now < *to);
            // The latest one of a node replaces the others.
            (now, in_force.rev().map(|(_, _, node, change)| (*node, *change)).collect())
        });
        steps.collect()
    }
}

/// The file, with these changes at these nodes.
pub fn network_of(plan: &Plan, again: &str, changes: &[(usize, Change)]) -> String {
    let mut yaml = format!("# The network of `{again}`.\n\nrouting: dynamic\n\nnodes:\n");
    let is_changed = |change: Change| changes.iter().any(|(_, one)| *one == change);
    for node in plan.kept.nodes.iter().copied() {
        let settings = &plan.nodes[node];
        let durability = if settings.is_strict { "strict" } else { "batched" };
        let own = changes.iter().find(|(changed, _)| *changed == node).map(|(_, change)| *change);
        let (mut interval, mut more) = (settings.store_interval_ms, prices_of(plan, node, own));
        if let Some(Change::Intervals { store_ms, routes_ms, reconcile_ms }) = own {
            interval = store_ms;
            let _ = writeln!(more, "routeBroadcastIntervalMs: {routes_ms}");
            let _ = writeln!(more, "reconcileIntervalMs: {reconcile_ms}");
        }
        let name = node_name(plan, node);
        let _ = write!(
            yaml,
            "  - id: {name}\n    durability: {durability}\n    storeIntervalMs: {interval}\n"
        );
        more.lines().for_each(|line| yaml += &format!("    {line}\n"));
        yaml += "    peers:\n";
        for (number, link) in plan.links.iter().enumerate() {
            if ![link.from, link.to].contains(&node)
                || !plan.is_linked(link)
                || is_changed(Change::WithoutLink(number))
            {
                continue;
            }
            let peer = node_name(plan, link.from + link.to - node);
            let settlement = if link.is_settled { ", settlement: manual" } else { "" };
            let is_suspended = changes.contains(&(node, Change::SuspendedLink(number)));
            let suspended = if is_suspended { ", enabled: false" } else { "" };
            let asset = link.asset.keys().join(", ");
            let limits = limits_of(link.limits[usize::from(link.to == node)]);
            let hold = link.uncertain_hold_ms.map(|ms| format!(", uncertainHoldMs: {ms}"));
            let hold = hold.unwrap_or_default();
            let _ = writeln!(
                yaml,
                "      - {{ id: {peer}, {asset}, writeOffMax: 1000000000{limits}{hold}{settlement}{suspended} }}"
            );
        }
    }
    yaml += "\nlinks:\n";
    for (number, link) in plan.links.iter().enumerate().filter(|(_, link)| plan.is_linked(link)) {
        if is_changed(Change::WithoutLink(number)) {
            continue;
        }
        let [from, to] = [link.from, link.to].map(|node| node_name(plan, node));
        let transport = if link.is_http { ", transport: http" } else { "" };
        let _ = writeln!(
            yaml,
            "  - {{ from: {from}, to: {to}, secret: a-secret-of-link-{number}{transport} }}"
        );
    }
    yaml + DEFAULTS
}
