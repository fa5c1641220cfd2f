//! The connector: the snapshot in force, the accounts, and what concerns all packets at once.

use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use super::account::Account;
use super::admission::Admission;
use super::batch::Batch;
use super::ccp::CcpState;
use super::cuts::Cuts;
use super::packet_observers::PacketObservers;
use super::peer_messages::PeerMessages;
use super::pending_echoes::PendingEchoes;
use super::received_payments::ReceivedPayments;
use super::reconcile::OwnBooks;
use super::refusal::{NextHopFailure, Refusal};
use super::registry::{Registry, RegistryError};
use super::reject_lane::RejectLane;
use super::settings::ConnectorSettings;
use super::snapshot::Snapshot;
use crate::account::AccountId;
use crate::books::SavedBooks;
use crate::link::CutNumber;
use crate::rates::SourcedRates;
use crate::routing::HashSeed;
use crate::time::{MonoTime, Now};
use crate::wire::Address;
use crate::wire::reconcile::BOOKS_ID_MAX;

/// The packet path of one node. All its sessions share it.
#[derive(Debug)]
pub struct Connector {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) configuration: Mutex<Configuration>,
    /// Routes from peers. Locked after `configuration` if both are, and never together with an account.
    pub(super) ccp: Mutex<CcpState>,
    /// `None` while neither the packet log nor the tap is on.
    pub(super) observers: ArcSwapOption<PacketObservers>,
    pub(super) rejects: RejectLane,
    pub(super) admission: Admission,
    /// No pending Prepare of any account expires before this (nanoseconds of [`MonoTime`]).
    pub(super) next_deadline: AtomicU64,
    pub(super) hash_state: RandomState,
    pub(super) pending_echoes: PendingEchoes,
    pub(super) peer_messages: PeerMessages,
    /// Present if the node has a store.
    pub(super) cuts: Option<Cuts>,
    /// Totals for receipts, if the node has no store.
    pub(super) receipted: ReceivedPayments,
    pub(super) own_books: OwnBooks,
    /// A peer has asked with books that differ from ours.
    pub(super) has_wanted_reconciliations: AtomicBool,
    pub(super) seed: HashSeed,
}

/// The settings in force, and the registry that built a snapshot of them.
#[derive(Debug)]
pub(super) struct Configuration {
    pub(super) registry: Registry,
    pub(super) settings: ConnectorSettings,
    /// The newest exchange rates of the sources.
    pub(super) sourced: Arc<SourcedRates>,
}

/// Packets that were sent to a peer and had no answer when the node stopped. The peer may still count them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnansweredTotals {
    /// The peer.
    pub account: AccountId,
    /// Number of Prepares without an answer.
    pub packets: usize,
    /// The sum of their outgoing amounts, in the account's units.
    pub amount: u128,
}

impl Connector {
    /// A connector with these settings. `seed` keys the hash tables whose keys peers choose.
    ///
    /// # Errors
    /// [`RegistryError`] if the settings contradict each other.
    pub fn new(settings: ConnectorSettings, seed: HashSeed) -> Result<Arc<Self>, RegistryError> {
        // Without a store, the books are those of the process.
        let random = seed.hash_state();
        let id = random.hash_one("books").to_be_bytes().to_vec();
        let own_books = OwnBooks { id, run: random.hash_one("run"), is_hidden: false };
        Self::build(settings, seed, Registry::default(), own_books, None)
    }

    /// A connector that answers no peer that wants to compare books: those of a program that logs in at a node end with
    /// the program.
    ///
    /// # Errors
    /// [`RegistryError`] if the settings contradict each other.
    pub fn without_books(
        settings: ConnectorSettings,
        seed: HashSeed,
    ) -> Result<Arc<Self>, RegistryError> {
        let own_books = OwnBooks { is_hidden: true, ..OwnBooks::default() };
        Self::build(settings, seed, Registry::default(), own_books, None)
    }

    /// A connector that goes on with the books of a store, and takes cuts for it.
    ///
    /// # Errors
    /// [`RegistryError`] if the settings contradict each other or the books.
    pub fn with_books(
        settings: ConnectorSettings,
        seed: HashSeed,
        mut books: SavedBooks,
    ) -> Result<Arc<Self>, RegistryError> {
        let received = ReceivedPayments::new(take(&mut books.payments));
        let (flows, settlements) = (take(&mut books.flows), take(&mut books.settlements));
        let cuts = Cuts::new(books.cut, received, flows, settlements);
        let run = seed.hash_state().hash_one("run");
        let mut id = books.books_id.clone().into_bytes();
        id.truncate(BOOKS_ID_MAX);
        let id = hex::decode(&id).unwrap_or(id);
        let registry = Registry::with_books(books, Arc::clone(&cuts.changed));
        Self::build(settings, seed, registry, OwnBooks { id, run, is_hidden: false }, Some(cuts))
    }

    fn build(
        settings: ConnectorSettings,
        seed: HashSeed,
        mut registry: Registry,
        own_books: OwnBooks,
        cuts: Option<Cuts>,
    ) -> Result<Arc<Self>, RegistryError> {
        let sourced = Arc::<SourcedRates>::default();
        let snapshot = registry.build_snapshot(&settings, &sourced, seed)?;
        let mut ccp = CcpState::new(seed);
        ccp.configure(&registry, &settings);
        Ok(Arc::new(Self {
            snapshot: ArcSwap::from_pointee(snapshot),
            configuration: Mutex::new(Configuration { registry, settings, sourced }),
            ccp: Mutex::new(ccp),
            observers: ArcSwapOption::empty(),
            rejects: RejectLane::new(seed.hash_state()),
            admission: Admission::default(),
            next_deadline: AtomicU64::new(MonoTime::MAX.0),
            hash_state: seed.hash_state(),
            pending_echoes: PendingEchoes::default(),
            peer_messages: PeerMessages::default(),
            cuts,
            receipted: ReceivedPayments::in_memory(),
            own_books,
            has_wanted_reconciliations: AtomicBool::new(false),
            seed,
        }))
    }

    /// Replaces all settings. Accounts that stay keep their sessions, packets and balances. Never call it twice at
    /// once: the second call would serve an account whose asset changes while the first one waits for old batches.
    ///
    /// # Errors
    /// [`RegistryError`]; nothing has changed then.
    pub fn apply_settings(&self, settings: ConnectorSettings) -> Result<(), RegistryError> {
        // A cut has an account that changes its asset either before or after.
        let no_turn = self.cuts.as_ref().map(Cuts::stop_turns);
        let mut configuration = self.configuration.lock();
        let sourced = Arc::clone(&configuration.sourced);
        let registry = &mut configuration.registry;
        if let Some(cuts) = &self.cuts {
            // What was paid so far was paid in the assets of the old settings.
            let old = self.snapshot.load();
            cuts.collect_flows(&old, old.entries.iter(), registry);
            cuts.changed.take_paid();
        }
        let mut snapshot = registry.build_snapshot(&settings, &sourced, self.seed)?;
        let learned = self.ccp.lock().configure(registry, &settings);
        if !learned.is_empty() {
            snapshot.table = Arc::new(registry.build_table(learned, self.seed));
        }
        configuration.settings = settings;
        let before = self.snapshot.swap(Arc::new(snapshot));
        let must_open = configuration.registry.has_closed_accounts();
        drop(configuration);
        drop(no_turn);
        if must_open {
            wait_for_users(&before);
            self.configuration.lock().registry.open_accounts();
        }
        self.close_sessions_beyond_limits();
        Ok(())
    }

    /// Sets the address that a parent assigned (IL-DCP).
    ///
    /// # Errors
    /// As [`Connector::apply_settings`].
    pub fn set_address(&self, address: Address) -> Result<(), RegistryError> {
        let mut settings = self.configuration.lock().settings.clone();
        settings.scheme = address.view().scheme();
        settings.address = Some(address);
        self.apply_settings(settings)
    }

    /// The node's own address, if it has one.
    pub fn address(&self) -> Option<Address> {
        self.snapshot.load().address.clone()
    }

    /// The longest time that a packet may wait for its answer.
    pub fn max_hold_time(&self) -> Duration {
        Duration::from_millis(self.snapshot.load().max_hold_time_ms)
    }

    /// The time that each packet leaves for its answer's way back.
    pub fn message_window(&self) -> Duration {
        Duration::from_millis(self.snapshot.load().message_window_ms)
    }

    /// An account by its id. Accounts that a reload removed are found too.
    pub fn account(&self, id: &str) -> Option<Arc<Account>> {
        self.snapshot.load().accounts_by_id.get(id).cloned()
    }

    /// Starts a batch. Start one for all that a socket has to read, not one for each packet.
    pub fn start_batch(&self, now: Now) -> Batch<'_> {
        let (turn, after) = match &self.cuts {
            Some(cuts) => {
                let (turn, after) = cuts.begin_turn();
                (Some(turn), after)
            }
            None => (None, CutNumber::NONE),
        };
        Batch {
            connector: self,
            snapshot: self.snapshot.load(),
            observers: self.observers.load(),
            now,
            after,
            _turn: turn,
        }
    }

    /// Rejects each Prepare whose outgoing expiry has passed. Call it every 50 ms or so; it costs one comparison while
    /// nothing has expired.
    ///
    /// RFC 34 "ILP Prepare", RFC 27 "ILP Packet Lifecycle": a packet without an answer is rejected with R00 at its
    /// outgoing expiry, and its amounts are released. [rows 42, 59]
    pub fn sweep_deadlines(&self, now: Now) {
        if now.mono.0 < self.next_deadline.load(Ordering::Relaxed) {
            return;
        }
        // Packets that are inserted concurrently lower it again, and so does the loop below.
        self.next_deadline.store(MonoTime::MAX.0, Ordering::Relaxed);
        let batch = self.start_batch(now);
        for entry in batch.snapshot.entries.iter() {
            let due = {
                let mut state = entry.account.lock();
                let due = state.pending.take_due(now.mono);
                for (_, pending) in &due {
                    state.release_unanswered(pending);
                    state.stats.timeouts += 1;
                    state.late_answers_due += 1;
                }
                self.next_deadline.fetch_min(state.pending.next_deadline().0, Ordering::Relaxed);
                due
            };
            for (request_id, pending) in due {
                if planted!(NoAnswerAtDeadline) {
                    continue;
                }
                let refusal = NextHopFailure::TimedOut.refusal_at(entry.account.id());
                batch.reject_pending(request_id, pending, &entry.account, &refusal);
            }
        }
    }

    /// Notes the deadline of a Prepare. It usually is not the earliest, and then this only reads.
    pub(super) fn lower_next_deadline(&self, deadline: MonoTime) {
        if deadline.0 < self.next_deadline.load(Ordering::Relaxed) {
            self.next_deadline.fetch_min(deadline.0, Ordering::Relaxed);
        }
    }

    /// From now on every new Prepare is rejected with T03. Packets in flight continue.
    pub fn stop_admitting(&self) {
        self.admission.stop();
    }

    /// As long as the store cannot be written, every new Prepare that moves money is rejected with T03. Packets in
    /// flight continue.
    pub fn set_store_failing(&self, is_failing: bool) {
        self.admission.set_store_failing(is_failing);
    }

    /// Number of Prepares in flight over all accounts, without the node's own requests to its neighbours.
    pub fn in_flight(&self) -> usize {
        let snapshot = self.snapshot.load();
        snapshot.entries.iter().map(|entry| entry.account.lock().pending.count_payments()).sum()
    }

    /// Rejects everything in flight (T00) at the end of a shutdown. With a store, the amounts become uncertain. Returns
    /// what peers may still count.
    pub fn reject_all_pending(&self, now: Now) -> Vec<UnansweredTotals> {
        let batch = self.start_batch(now);
        batch.reject_messages();
        let mut unanswered = Vec::new();
        for entry in batch.snapshot.entries.iter() {
            let (packets, all_pending) = {
                let mut state = entry.account.lock();
                let packets = state.pending.count_payments();
                let all_pending = state.pending.take_all();
                for (_, pending) in &all_pending {
                    match self.cuts {
                        Some(_) => state.make_uncertain(pending),
                        None => state.release_out(pending),
                    }
                }
                (packets, all_pending)
            };
            if packets > 0 {
                let amounts =
                    all_pending.iter().map(|(_, pending)| u128::from(pending.outgoing_amount.0));
                let (account, amount) = (entry.account.id().clone(), amounts.sum());
                unanswered.push(UnansweredTotals { account, packets, amount });
            }
            for (request_id, pending) in all_pending {
                batch.reject_pending(request_id, pending, &entry.account, &Refusal::Stopped);
            }
        }
        unanswered
    }
}

/// Waits until no batch or report uses this snapshot, which is not in force any more. That takes as long as one of
/// them. They may wait for the configuration meanwhile, so the caller holds no lock.
pub(super) fn wait_for_users(snapshot: &Arc<Snapshot>) {
    while Arc::strong_count(snapshot) > 1 {
        std::hint::spin_loop();
    }
}
