//! What `node` tells about itself, kept where requests can read it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

use super::gate::Gate;
use super::health::{Health, HealthInput, HealthStatus, PeerStanding, judge};
use crate::account::AccountId;
use crate::time::Mono;
use crate::transport::{NoRandomness, PeerSnapshot, PeerState, TransportContext};

/// A configured peer, as far as health is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerRole {
    /// Who.
    pub id: AccountId,
    /// The node is not ready without it. A suspended peer is not required.
    pub required: bool,
}

/// What of a configuration concerns this room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSettings<'a> {
    /// All configured peers.
    pub peers: Vec<PeerRole>,
    /// A node that was never ready is called `starting` for this long at most (D6: 30 s).
    pub start_timeout: Duration,
    /// Guards all but `/health`; `None`: nothing is guarded (D22).
    pub api_token: Option<&'a str>,
}

/// A node's standing. Made when the BTP server listens.
#[derive(Debug)]
pub struct NodeStatus {
    context: Arc<TransportContext>,
    started: Mono,
    configured: ArcSwap<Configured>,
    stopping: AtomicBool,
    unlisted: AtomicBool,
    ever_ready: AtomicBool,
    pub(super) gate: Gate,
}

#[derive(Debug, Default)]
struct Configured {
    /// In the order of their names.
    peers: Vec<PeerRole>,
    start_timeout: Duration,
}

impl NodeStatus {
    /// A node that starts now. Until it is [configured](NodeStatus::configure) it has no peers and is open to all.
    ///
    /// # Errors
    /// The operating system gave no random numbers.
    pub fn new(context: Arc<TransportContext>) -> Result<Arc<Self>, NoRandomness> {
        Ok(Arc::new(NodeStatus {
            started: context.clock.mono(),
            context,
            configured: ArcSwap::default(),
            stopping: AtomicBool::new(false),
            unlisted: AtomicBool::new(false),
            ever_ready: AtomicBool::new(false),
            gate: Gate::new()?,
        }))
    }

    /// What is configured, from now on; again at every reload.
    pub fn configure(&self, settings: StatusSettings<'_>) {
        let StatusSettings { mut peers, start_timeout, api_token } = settings;
        peers.sort_by(|a, b| a.id.cmp(&b.id));
        self.gate.set(api_token);
        self.configured.store(Arc::new(Configured { peers, start_timeout }));
    }

    /// The configuration does (not) name this node any more (D17).
    pub fn set_listed(&self, listed: bool) {
        self.unlisted.store(!listed, Ordering::Relaxed);
    }

    /// The node stops.
    pub fn stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// How the node stands. Remembers that it was ready: to be called whenever a peer connects, or a first ready
    /// between two requests goes unseen, and the node is called `starting` again.
    pub fn observe(&self) -> HealthStatus {
        self.judge(&self.peers()).status
    }

    pub(super) fn context(&self) -> &Arc<TransportContext> {
        &self.context
    }

    pub(super) fn uptime(&self) -> Duration {
        self.context.clock.mono().since(self.started)
    }

    /// What is configured, in the order of names.
    pub(super) fn roles(&self) -> Vec<PeerRole> {
        self.configured.load().peers.clone()
    }

    /// Every configured peer and what is known of its connection: nothing, before it was first dialled or dialled us.
    pub(super) fn peers(&self) -> Vec<(PeerRole, Option<PeerSnapshot>)> {
        let snapshots = self.context.peers.snapshot();
        let mut known: HashMap<_, _> =
            snapshots.into_iter().map(|snapshot| (snapshot.id.clone(), snapshot)).collect();
        let configured = self.configured.load();
        configured.peers.iter().map(|role| (role.clone(), known.remove(&role.id))).collect()
    }

    pub(super) fn judge(&self, peers: &[(PeerRole, Option<PeerSnapshot>)]) -> Health {
        let peers = peers.iter().map(|(role, snapshot)| PeerStanding {
            id: role.id.clone(),
            required: role.required,
            connected: snapshot.as_ref().is_some_and(|peer| peer.state == PeerState::Connected),
        });
        let now = self.context.clock.mono();
        let jump = self.context.clock_watch.report().last_jump;
        let health = judge(&HealthInput {
            stopping: self.stopping.load(Ordering::Relaxed),
            listed: !self.unlisted.load(Ordering::Relaxed),
            has_address: self.context.connector.address().is_some(),
            ever_ready: self.ever_ready.load(Ordering::Relaxed),
            uptime: self.uptime(),
            start_timeout: self.configured.load().start_timeout,
            peers: peers.collect(),
            clock_jump: jump.map(|jump| (jump, now.since(jump.at))),
        });
        if health.status == HealthStatus::Healthy {
            self.ever_ready.store(true, Ordering::Relaxed);
        }
        health
    }
}
