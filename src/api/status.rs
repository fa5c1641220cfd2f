//! What `node` tells about itself, kept where requests can read it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::bearer_auth::ApiAuth;
use super::health::{Health, HealthInput, HealthStatus, PeerStanding, judge, not_ready};
use super::heartbeat::Heartbeat;
use super::hosts::Hosts;
use crate::account::AccountId;
use crate::peers::{NoRandomness, PeerSnapshot, PeerState, TransportContext};
use crate::time::MonoTime;

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
    /// Names besides those of this machine under which `/peers` and `/routes` answer without a token.
    pub api_hosts: Vec<String>,
}

/// What became of the configuration when it was read last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastReload {
    /// When that was.
    pub at: SystemTime,
    /// When it was put in force last.
    pub succeeded_at: SystemTime,
    /// Why it was not this time: the first mistake, without secrets.
    pub error: Option<String>,
}

/// A node's standing. Made when the BTP server listens.
#[derive(Debug)]
pub struct NodeStatus {
    context: Arc<TransportContext>,
    started: MonoTime,
    configured: ArcSwap<Configured>,
    stopping: AtomicBool,
    unlisted: AtomicBool,
    ever_ready: AtomicBool,
    heartbeat: Heartbeat,
    last_reload: Mutex<LastReload>,
    pub(super) gate: ApiAuth,
    pub(super) hosts: Hosts,
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
        let now = SystemTime::now();
        Ok(Arc::new(NodeStatus {
            heartbeat: Heartbeat::default(),
            last_reload: Mutex::new(LastReload { at: now, succeeded_at: now, error: None }),
            hosts: Hosts::default(),
            started: context.clock.mono(),
            context,
            configured: ArcSwap::default(),
            stopping: AtomicBool::new(false),
            unlisted: AtomicBool::new(false),
            ever_ready: AtomicBool::new(false),
            gate: ApiAuth::new()?,
        }))
    }

    /// What is configured, from now on; again at every reload.
    pub fn configure(&self, settings: StatusSettings<'_>) {
        let StatusSettings { mut peers, start_timeout, api_token, api_hosts } = settings;
        peers.sort_by(|a, b| a.id.cmp(&b.id));
        self.gate.set(api_token);
        self.hosts.set(&api_hosts);
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

    /// The threads that move packets run. To be called more often than every five seconds.
    pub fn beat(&self) {
        self.heartbeat.beat();
    }

    pub(super) fn look_at_heartbeat(&self, since_last: Duration) {
        self.heartbeat.record_tick(since_last);
    }

    /// How long the threads that move packets have not run, if that is too long.
    pub(super) fn hung_for(&self) -> Option<Duration> {
        self.heartbeat.hung_for()
    }

    /// The configuration was read again and is in force.
    pub fn reload_succeeded(&self) {
        let now = SystemTime::now();
        *self.last_reload.lock() = LastReload { at: now, succeeded_at: now, error: None };
    }

    /// The configuration was read again at this time and refused, for this reason; it names no secret.
    pub fn reload_refused(&self, at: SystemTime, error: &str) {
        let mut last = self.last_reload.lock();
        (last.at, last.error) = (at, Some(error.to_owned()));
    }

    /// What became of the configuration last.
    pub fn last_reload(&self) -> LastReload {
        self.last_reload.lock().clone()
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

    /// The peers without which the node is not healthy.
    pub(super) fn required(&self) -> Vec<AccountId> {
        let configured = self.configured.load();
        configured.peers.iter().filter(|role| role.required).map(|role| role.id.clone()).collect()
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

    /// What keeps the node from taking packets, whatever its peers do.
    pub(super) fn not_ready(&self) -> Vec<String> {
        not_ready(&self.input(&[]))
    }

    pub(super) fn judge(&self, peers: &[(PeerRole, Option<PeerSnapshot>)]) -> Health {
        let health = judge(&self.input(peers));
        if health.status == HealthStatus::Healthy {
            self.ever_ready.store(true, Ordering::Relaxed);
        }
        health
    }

    fn input(&self, peers: &[(PeerRole, Option<PeerSnapshot>)]) -> HealthInput {
        let peers = peers.iter().map(|(role, snapshot)| PeerStanding {
            id: role.id.clone(),
            required: role.required,
            connected: snapshot.as_ref().is_some_and(|peer| peer.state == PeerState::Connected),
        });
        let now = self.context.clock.mono();
        let jump = self.context.clock_watch.report().last_jump;
        HealthInput {
            stopping: self.stopping.load(Ordering::Relaxed),
            hung_for: self.hung_for(),
            listed: !self.unlisted.load(Ordering::Relaxed),
            has_address: self.context.connector.address().is_some(),
            ever_ready: self.ever_ready.load(Ordering::Relaxed),
            uptime: self.uptime(),
            start_timeout: self.configured.load().start_timeout,
            peers: peers.collect(),
            clock_jump: jump.map(|jump| (jump, now.since(jump.at))),
        }
    }
}
