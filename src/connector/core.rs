//! The connector itself: the snapshot in force, the accounts, and what concerns all packets at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use parking_lot::Mutex;

use super::account::Account;
use super::ccp::CcpState;
use super::packet_log::PacketLog;
use super::pending_echoes::PendingEchoes;
use super::refusal::Refusal;
use super::registry::{Registry, RegistryError};
use super::settings::ConnectorSettings;
use super::snapshot::Snapshot;
use crate::account::{AccountId, AccountSettings};
use crate::link::Pending;
use crate::routing::HashSeed;
use crate::time::{MonoTime, Now};
use crate::wire::Address;

/// The packet path of one node. Shared by all its sessions.
#[derive(Debug)]
pub struct Connector {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) registry: Mutex<(Registry, ConnectorSettings)>,
    /// What peers told of routes. Taken after `registry` where both are, and never with an account's lock.
    pub(super) ccp: Mutex<CcpState>,
    pub(super) packet_log: ArcSwapOption<PacketLog>,
    pub(super) stopping: AtomicBool,
    /// No pending Prepare of any account is due before this (nanoseconds).
    pub(super) next_deadline: AtomicU64,
    pub(super) hash_state: RandomState,
    pub(super) pending_echoes: PendingEchoes,
    pub(super) seed: HashSeed,
}

/// One batch: the snapshot and the clock, read once.
pub struct Batch<'a> {
    pub(super) connector: &'a Connector,
    pub(super) snapshot: Guard<Arc<Snapshot>>,
    pub(super) packet_log: Guard<Option<Arc<PacketLog>>>,
    pub(super) now: Now,
}

impl Batch<'_> {
    /// How an account is configured, as far as this batch is concerned.
    pub fn settings(&self, account: &Account) -> Option<&AccountSettings> {
        self.snapshot.entry(account.slot()).map(|entry| &entry.settings)
    }
}

/// What was sent to a peer and not answered when the node stopped: the peer may still count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnansweredTotals {
    /// The peer.
    pub account: AccountId,
    /// Prepares without an answer.
    pub packets: usize,
    /// Their outgoing amounts together, in the account's units.
    pub amount: u128,
}

impl Connector {
    /// A connector with these settings. `seed` keys the hashes over what peers choose.
    pub fn new(
        settings: ConnectorSettings,
        seed: HashSeed,
    ) -> Result<Arc<Connector>, RegistryError> {
        let mut registry = Registry::default();
        let snapshot = registry.build_snapshot(&settings, seed)?;
        let mut exchange = CcpState::new(seed);
        exchange.configure(&registry, &settings);
        Ok(Arc::new(Connector {
            snapshot: ArcSwap::from_pointee(snapshot),
            registry: Mutex::new((registry, settings)),
            ccp: Mutex::new(exchange),
            packet_log: ArcSwapOption::empty(),
            stopping: AtomicBool::new(false),
            next_deadline: AtomicU64::new(MonoTime::MAX.0),
            hash_state: seed.hash_state(),
            pending_echoes: PendingEchoes::default(),
            seed,
        }))
    }

    /// Puts new settings in force, whole: accounts known from before keep their sessions, packets and balances.
    /// An error changes nothing.
    pub fn apply_settings(&self, settings: ConnectorSettings) -> Result<(), RegistryError> {
        let mut registry = self.registry.lock();
        let mut snapshot = registry.0.build_snapshot(&settings, self.seed)?;
        let learned = self.ccp.lock().configure(&registry.0, &settings);
        if !learned.is_empty() {
            snapshot.table = registry.0.table(learned, self.seed);
        }
        registry.1 = settings;
        self.snapshot.store(Arc::new(snapshot));
        drop(registry);
        self.close_sessions_beyond_limits();
        Ok(())
    }

    /// The address that a parent gave (IL-DCP).
    pub fn set_address(&self, address: Address) -> Result<(), RegistryError> {
        let mut settings = self.registry.lock().1.clone();
        settings.scheme = address.view().scheme();
        settings.address = Some(address);
        self.apply_settings(settings)
    }

    /// The own address, if there is one.
    pub fn address(&self) -> Option<Address> {
        self.snapshot.load().address.clone()
    }

    /// The longest that an answer is waited for.
    pub fn max_hold(&self) -> Duration {
        Duration::from_millis(self.snapshot.load().max_hold_ms)
    }

    /// What is kept of a packet's time for the way back of its answer.
    pub fn message_window(&self) -> Duration {
        Duration::from_millis(self.snapshot.load().message_window_ms)
    }

    /// An account by name, also one that a reload has removed.
    pub fn account(&self, id: &str) -> Option<Arc<Account>> {
        self.registry.lock().0.account(id)
    }

    /// Where packets are to be logged; `None` = nowhere.
    pub fn set_packet_log(&self, log: Option<Arc<PacketLog>>) {
        self.packet_log.store(log);
    }

    /// Begins a batch. Cheap; make one per readable turn, not one per packet.
    pub fn start_batch(&self, now: Now) -> Batch<'_> {
        Batch {
            connector: self,
            snapshot: self.snapshot.load(),
            packet_log: self.packet_log.load(),
            now,
        }
    }

    /// Rejects (R00) every Prepare whose outgoing expiry has passed. To be called often, such as every 50 ms; costs
    /// one comparison while nothing is due.
    pub fn sweep_deadlines(&self, now: Now) {
        if now.mono.0 < self.next_deadline.load(Ordering::Relaxed) {
            return;
        }
        // Inserts lower it again; what the tables still hold is added below.
        self.next_deadline.store(MonoTime::MAX.0, Ordering::Relaxed);
        let turn = self.start_batch(now);
        for entry in &turn.snapshot.entries {
            let due = {
                let mut state = entry.account.lock();
                let due = state.pending.take_due(now.mono);
                for pending in &due {
                    state.release_out(pending);
                    state.stats.timeouts += 1;
                    state.late_answers_due += 1;
                }
                self.next_deadline.fetch_min(state.pending.next_deadline().0, Ordering::Relaxed);
                due
            };
            for pending in due {
                let refusal = Refusal::TimedOut(entry.account.id().clone());
                turn.reject_origin(pending, &entry.account, &refusal);
            }
        }
    }

    /// A Prepare is due then. Usually others are due earlier, and reading that is all it costs.
    pub(super) fn lower_next_deadline(&self, deadline: MonoTime) {
        if deadline.0 < self.next_deadline.load(Ordering::Relaxed) {
            self.next_deadline.fetch_min(deadline.0, Ordering::Relaxed);
        }
    }

    /// From now on every new Prepare gets T03; what is in flight goes on.
    pub fn stop_admitting(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Prepares in flight, over all accounts, but for what the node itself asks of its neighbours.
    pub fn in_flight(&self) -> usize {
        let snapshot = self.snapshot.load();
        snapshot.entries.iter().map(|entry| entry.account.lock().pending.count_payments()).sum()
    }

    /// The end of a shutdown: rejects all that is in flight (T00) and says what peers may still count.
    pub fn reject_pending(&self, now: Now) -> Vec<UnansweredTotals> {
        let turn = self.start_batch(now);
        let mut exposures = Vec::new();
        for entry in &turn.snapshot.entries {
            let (packets, pending): (usize, Vec<Pending>) = {
                let mut state = entry.account.lock();
                let packets = state.pending.count_payments();
                let pending = state.pending.take_all();
                for one in &pending {
                    state.release_out(one);
                }
                (packets, pending)
            };
            if packets > 0 {
                exposures.push(UnansweredTotals {
                    account: entry.account.id().clone(),
                    packets,
                    amount: pending.iter().map(|one| u128::from(one.outgoing_amount.0)).sum(),
                });
            }
            for one in pending {
                turn.reject_origin(one, &entry.account, &Refusal::Stopped);
            }
        }
        exposures
    }
}
