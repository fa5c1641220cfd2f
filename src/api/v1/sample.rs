//! The state of a node at one moment, as the API shows it.

use std::sync::Arc;

use super::lab::Lab;
use crate::api::peers::is_required;
use crate::api::status::NodeStatus;
use crate::connector::ConnectorReport;
use crate::observe::{
    AccountFacts, NodeBody, NodeStats, StateBody, account_bodies, format_time, join_links,
};

/// The status of a node that the lab has stopped.
const STOPPED: &str = "stopped";

/// The state of one node, and the report that it was made of.
#[derive(Debug)]
pub(super) struct NodeSample {
    pub(super) body: NodeBody,
    pub(super) report: ConnectorReport,
}

impl NodeSample {
    /// Locks one account of the node at a time.
    pub(super) fn take(node: &NodeStatus, lab: Option<&Arc<Lab>>) -> Self {
        let (report, snapshots) =
            (node.context().connector.report(), node.context().peers.snapshot());
        let roles = node.roles();
        let health = node.health(&node.peers());
        let stop = lab.and_then(|lab| lab.stop_of(&node.context().connector.node_id()));
        let (status, reasons) = match stop {
            Some(why) => (STOPPED, vec![why]),
            None => (health.status.as_str(), health.reasons),
        };
        let settlements = node.context().account_settlements();
        let facts = AccountFacts {
            snapshots: &snapshots,
            settlements: Some(&settlements),
            now: node.context().clock.now().wall,
        };
        let peers = account_bodies(&report, |id| is_required(&roles, id), facts);
        let mut stats = NodeStats { routes: report.routes, ..NodeStats::default() };
        for account in report.accounts.iter().filter(|account| !account.settings.is_receiver()) {
            stats.prepares += account.stats.received.prepares;
            stats.fulfills += account.stats.sent.fulfills;
            stats.rejects += account.stats.sent.rejects.iter().sum::<u64>();
            stats.in_flight += account.in_flight_from;
            stats.connected += usize::from(!account.sessions.is_empty());
        }
        let addresses = node.addresses();
        let uptime = node.uptime();
        let body = NodeBody {
            id: report.node_id.clone(),
            status: status.to_owned(),
            reasons,
            address: report.address.as_ref().map(ToString::to_string),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: uptime.as_secs(),
            started_at: format_time(node.started_at()),
            btp: addresses.map(|addresses| addresses.btp.to_string()),
            api: addresses.map(|addresses| addresses.api.to_string()),
            stats,
            seen_at: None,
            peers,
        };
        Self { body, report }
    }
}

/// The state of these nodes and of the links between them, and the reports that it was made of.
pub(super) fn sample_all(
    nodes: &[Arc<NodeStatus>],
    lab: Option<&Arc<Lab>>,
) -> (StateBody, Vec<ConnectorReport>) {
    let samples = nodes.iter().map(|node| NodeSample::take(node, lab));
    let (mut bodies, reports): (Vec<_>, Vec<_>) =
        samples.map(|sample| (sample.body, sample.report)).unzip();
    let links = join_links(&mut bodies);
    let overrides = nodes.iter().flat_map(|node| node.overrides()).collect();
    (StateBody { nodes: bodies, links, overrides, ..StateBody::default() }, reports)
}
