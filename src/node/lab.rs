//! Stops and starts nodes for the lab of `up --lab`. A stopped node has ended as by a command; it starts again with the
//! newest configuration that the file had for it.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::command::NodeCommand;
use super::supervise::Supervisor;
use crate::account::AccountId;
use crate::api::{Lab, LabOrder};
use crate::config::Loaded;

/// A node that cannot start, because another program has taken its port for example, is tried again after this.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The nodes of a process with a lab.
pub(super) struct LabNodes {
    pub(super) lab: Arc<Lab>,
    orders: mpsc::Receiver<LabOrder>,
    /// The newest configuration of each node.
    configs: HashMap<AccountId, Loaded>,
    /// Nodes that the lab has stopped.
    stopped: BTreeMap<AccountId, StoppedNode>,
    /// Nodes that are not done with stopping, or wait before another start.
    waits: FuturesUnordered<Wait>,
}

type Wait = Pin<Box<dyn Future<Output = AccountId> + Send>>;

#[derive(Debug, Default)]
struct StoppedNode {
    /// Its listeners are closed, and its books are saved.
    has_ended: bool,
    must_start: bool,
}

/// What the supervisor must do.
pub(super) enum LabStep {
    Order(LabOrder),
    /// The node has ended, or its pause is over.
    Ready(AccountId),
}

impl LabNodes {
    pub(super) fn new() -> Self {
        let (lab, orders) = Lab::new();
        let (configs, stopped, waits) = Default::default();
        Self { lab, orders, configs, stopped, waits }
    }

    /// Keeps the configuration that a node would start with.
    pub(super) fn note_config(&mut self, loaded: &Loaded) {
        self.configs.insert(loaded.config.settings.node_id.clone(), loaded.clone());
    }

    /// Whether the lab has stopped this node, so that a reload does not start it.
    pub(super) fn has_stopped(&self, node: &AccountId) -> bool {
        self.stopped.contains_key(node)
    }

    /// Cancel safe.
    async fn next(&mut self) -> LabStep {
        loop {
            tokio::select! {
                Some(order) = self.orders.recv() => return LabStep::Order(order),
                Some(node) = self.waits.next() => return LabStep::Ready(node),
                else => std::future::pending().await,
            }
        }
    }

    /// Waits until all nodes that the lab stops have ended.
    pub(super) async fn finish(self) {
        let Self { mut waits, .. } = self;
        while waits.next().await.is_some() {}
    }

    /// A node could not be started again: another attempt follows.
    pub(super) fn retry(&mut self, node: &AccountId) -> bool {
        if !self.configs.contains_key(node) {
            return false;
        }
        let (id, stopped) = (node.clone(), StoppedNode { has_ended: false, must_start: true });
        self.stopped.insert(node.clone(), stopped);
        self.waits.push(Box::pin(async move {
            sleep(RETRY_DELAY).await;
            id
        }));
        true
    }
}

/// The next step of the lab; never without one. Cancel safe.
pub(super) async fn next_step(lab: &mut Option<LabNodes>) -> LabStep {
    match lab {
        Some(lab) => lab.next().await,
        None => std::future::pending().await,
    }
}

impl Supervisor {
    pub(super) async fn take_lab_step(&mut self, step: LabStep) {
        match step {
            LabStep::Order(LabOrder::Stop { node, begun }) => {
                // The request is gone if its client waits no more.
                let _ = begun.send(self.stop_for_lab(node).await);
            }
            LabStep::Order(LabOrder::Start(node)) => {
                let Some(lab) = &mut self.lab else { return };
                if let Some(stopped) = lab.stopped.get_mut(&node) {
                    stopped.must_start = true;
                    self.start_if_ready(&node);
                }
            }
            LabStep::Ready(node) => {
                let Some(lab) = &mut self.lab else { return };
                if let Some(stopped) = lab.stopped.get_mut(&node) {
                    stopped.has_ended = true;
                    self.start_if_ready(&node);
                }
            }
        }
    }

    /// `false`: no such node runs.
    async fn stop_for_lab(&mut self, id: AccountId) -> bool {
        let at = self.nodes.iter().position(|node| node.handle().id == id);
        let (Some(at), Some(lab)) = (at, &mut self.lab) else { return false };
        let node = self.nodes.swap_remove(at);
        self.handles.send_modify(|handles| handles.retain(|handle| handle.id != id));
        tracing::warn!(node = %id, "the lab stops a node");
        lab.stopped.insert(id.clone(), StoppedNode::default());
        let handle = node.handle().clone();
        lab.waits.push(Box::pin(async move {
            handle.send(NodeCommand::Stop).await;
            drop(handle);
            node.stopped().await;
            id
        }));
        true
    }

    fn start_if_ready(&mut self, id: &AccountId) {
        let Some(lab) = &mut self.lab else { return };
        let is_ready = |stopped: &StoppedNode| stopped.has_ended && stopped.must_start;
        if !lab.stopped.get(id).is_some_and(is_ready) {
            return;
        }
        lab.stopped.remove(id);
        if let Some(config) = lab.configs.get(id).cloned() {
            tracing::warn!(node = %id, "the lab starts a node again");
            self.start_new(config);
        }
    }

    /// Forgets stopped nodes that the configuration no longer names.
    pub(super) fn forget_removed_in_lab(&mut self, loaded: &[Loaded]) {
        let Some(lab) = &mut self.lab else { return };
        let is_named = |id: &AccountId| loaded.iter().any(|one| one.config.settings.node_id == *id);
        lab.configs.retain(|id, _| is_named(id));
        let removed: Vec<_> = lab.stopped.keys().filter(|id| !is_named(id)).cloned().collect();
        for id in removed {
            lab.stopped.remove(&id);
            lab.lab.forget_node(&id, &self.observer);
        }
        loaded.iter().for_each(|one| lab.note_config(one));
    }
}
