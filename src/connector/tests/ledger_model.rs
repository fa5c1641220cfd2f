//! The ledger under random operations, with a store that loses every cut that was not acknowledged. After each
//! operation the saved rows add up to zero for each asset; with strict durability no peer has a proof that they lack,
//! and none can claim more than they say; and each packet gets one answer.

use std::collections::VecDeque;
use std::task::{Context, Waker};

use proptest::prelude::*;

use super::model_peers::{
    ModelEvent, ModelPeers, NAMES, OpenPrepare, PeerOp, WALLET, model_settings, peer_op,
};
use super::receivers::sender;
use super::virtual_store::{Key, VirtualStore};
use super::*;
use crate::account::Totals;
use crate::books::{AccountKind, BalanceChange, Cut, SavedBooks};

/// What a reload or a restart may change: a peer or the receiver is missing, or bob counts in USD of scale 8.
#[derive(Clone, Copy, Debug, Default)]
struct Config {
    without: Option<usize>,
    bob_in_other_scale: bool,
}

/// How the process ends. After a stop in order, all accounts are saved.
#[derive(Clone, Copy, Debug)]
enum End {
    Crash,
    Stop,
}

/// `Fail`: the store reports an error for all cuts on their way, although it may have written them.
#[derive(Clone, Debug)]
enum Op {
    Peer(PeerOp),
    PayReceiver { from: usize, amount: u64 },
    Cut,
    Acknowledge { count: usize },
    Fail { was_written: bool },
    Reload(Config),
    Restart { end: End, config: Config, resolve: bool },
    SetStrict(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let config = || {
        (prop::option::of(0..=WALLET), any::<bool>())
            .prop_map(|(without, bob_in_other_scale)| Config { without, bob_in_other_scale })
    };
    prop_oneof![
        39 => peer_op().prop_map(Op::Peer),
        2 => (0..NAMES.len(), 0..50u64)
            .prop_map(|(from, amount)| Op::PayReceiver { from, amount }),
        8 => Just(Op::Cut),
        8 => (1..4usize).prop_map(|count| Op::Acknowledge { count }),
        2 => any::<bool>().prop_map(|was_written| Op::Fail { was_written }),
        2 => config().prop_map(Op::Reload),
        2 => (prop_oneof![Just(End::Crash), Just(End::Stop)], config(), any::<bool>())
            .prop_map(|(end, config, resolve)| Op::Restart { end, config, resolve }),
        1 => any::<bool>().prop_map(Op::SetStrict),
    ]
}

/// What a peer knows of its account.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// The sum of the Prepares that it has fulfilled in time.
    claimed: i128,
    /// The sum of its own Prepares whose fulfillment it has.
    proofs: i128,
}

struct World {
    peers: ModelPeers,
    config: Config,
    store: VirtualStore,
    /// Cuts that are not acknowledged.
    on_their_way: VecDeque<Cut>,
    is_strict: bool,
    /// The node was not strict at some time since its memory and the store were last equal.
    may_lose: bool,
    tallies: HashMap<Key, Tally>,
    /// The Prepares of peers without an answer, and their amounts.
    waiting: HashMap<(usize, RequestId), (Key, i128)>,
    /// How often the node was started. Each time it counts its request ids from another one.
    starts: u64,
}

impl World {
    fn new() -> Self {
        let config = Config::default();
        let node = start(config, SavedBooks::default(), 0, alice_and_bob().now).unwrap();
        let world = Self {
            peers: ModelPeers::new(node),
            config,
            store: VirtualStore::default(),
            on_their_way: VecDeque::new(),
            is_strict: true,
            may_lose: false,
            tallies: HashMap::new(),
            waiting: HashMap::new(),
            starts: 0,
        };
        world.connector().set_strict(true);
        world
    }

    fn connector(&self) -> &Connector {
        &self.peers.node.connector
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Peer(op) => {
                let events = self.peers.run(op);
                self.count(events);
            }
            Op::PayReceiver { from, amount } => {
                if self.config.without != Some(WALLET) {
                    let (sender, expiry) = (sender(&self.peers.node), self.peers.expiry(5_000));
                    let packet = sender.payment_until(amount, 0, true, expiry);
                    let events = self.peers.send(from, amount, &packet);
                    self.count(events);
                }
            }
            Op::Cut => self.cut(),
            Op::Acknowledge { count } => self.acknowledge(count),
            Op::Fail { was_written } => {
                for cut in std::mem::take(&mut self.on_their_way) {
                    if was_written {
                        self.store.write(&cut);
                    }
                }
                self.connector().note_all_accounts();
            }
            Op::Reload(config) => {
                // The asset of an account in use cannot change.
                if self.connector().apply_settings(settings_of(config)).is_ok() {
                    self.config = config;
                }
            }
            Op::Restart { end, config, resolve } => self.restart(end, config, resolve),
            Op::SetStrict(is_strict) => {
                self.is_strict = is_strict;
                self.may_lose |= !is_strict;
                self.connector().set_strict(is_strict);
            }
        }
        self.may_lose &= !(self.is_strict && self.is_saved());
    }

    fn count(&mut self, events: Vec<ModelEvent>) {
        for event in events {
            match event {
                ModelEvent::Sent { from, id, amount } => {
                    self.waiting.insert((from, id), (self.peers.key(from), amount.into()));
                }
                ModelEvent::Fulfilled(open) => {
                    if self.peers.node.now.mono < open.deadline {
                        self.tallies.entry(open.key).or_default().claimed += open.amount;
                    }
                }
                ModelEvent::Answered { who, id, is_fulfilled } => {
                    let answered = self.waiting.remove(&(who, id));
                    let (key, amount) = answered.expect("one answer to each Prepare");
                    if is_fulfilled {
                        self.tallies.entry(key).or_default().proofs += amount;
                    }
                }
            }
        }
    }

    fn cut(&mut self) {
        let cut = self.connector().take_cut(self.peers.node.now.wall);
        self.on_their_way.push_back(cut.unwrap());
    }

    fn acknowledge(&mut self, count: usize) {
        let count = count.min(self.on_their_way.len());
        let written: Vec<Cut> = self.on_their_way.drain(..count).collect();
        written.iter().for_each(|cut| self.store.write(cut));
        if let Some(newest) = written.last() {
            self.connector().publish_durable(newest.number);
        }
    }

    fn has_changed(&self) -> bool {
        self.connector().poll_changed(&Context::from_waker(Waker::noop())).is_ready()
    }

    /// Whether the store has all that the node has.
    fn is_saved(&self) -> bool {
        self.on_their_way.is_empty() && !self.has_changed()
    }

    fn restart(&mut self, end: End, config: Config, resolve: bool) {
        let was_clean = matches!(end, End::Stop);
        self.on_their_way.clear();
        if was_clean {
            self.connector().reject_all_pending(self.peers.node.now);
            self.connector().note_all_accounts();
            self.cut();
            self.acknowledge(1);
        } else if self.may_lose {
            self.forget_what_is_lost();
        }
        self.may_lose = !self.is_strict;
        let mut accounts = self.store.recover();
        for account in accounts.iter_mut().filter(|account| resolve && account.row.uncertain != 0) {
            assert_eq!(account.row.kind, AccountKind::Peer);
            let key = (account.row.name.clone(), account.row.asset.clone());
            let who = NAMES.iter().position(|name| **name == *key.0).unwrap();
            self.peers.open[who].retain(|open| open.key != key);
            let totals = account.row.totals;
            let claimed = self.tallies.get(&key).copied().unwrap_or_default().claimed;
            let conceded = claimed - totals.fulfilled_out + totals.adjusted;
            let mut ledger = account.ledger();
            BalanceChange::Resolve { conceded }.apply(&mut ledger).unwrap();
            (account.row.totals, account.row.uncertain) = (ledger.totals(), ledger.uncertain());
        }
        if resolve {
            // The command saves all accounts, as after a clean stop.
            let accounts = accounts.iter().map(|account| account.row.clone()).collect();
            let (number, at) = (self.store.newest.next(), self.peers.node.now.wall);
            self.store.write(&Cut { number, at, accounts, ..Cut::default() });
            assert!(self.store.rows.values().all(|row| row.held_out == 0));
        }
        let books = || self.store.books(was_clean);
        let other = Config { bob_in_other_scale: !config.bob_in_other_scale, ..config };
        self.starts += 1;
        let start = |config| start(config, books(), self.starts, self.peers.node.now);
        // A node does not start with a balance in another asset.
        let (node, config) = match start(config) {
            Ok(node) => (node, config),
            Err(_) => (start(other).unwrap(), other),
        };
        node.connector.set_strict(self.is_strict);
        self.config = config;
        self.waiting.clear();
        self.peers.replace_node(node);
    }

    /// Without strict durability, peers may know more than the books after a crash; the model goes on with the books.
    fn forget_what_is_lost(&mut self) {
        self.peers.open.iter_mut().for_each(Vec::clear);
        for (key, tally) in &mut self.tallies {
            let (totals, _) = self.store.state(key);
            tally.claimed = totals.fulfilled_out - totals.adjusted;
            tally.proofs = tally.proofs.min(totals.fulfilled_in);
        }
    }

    fn check(&self) {
        self.connector().snapshot.load().entries.iter().for_each(|entry| {
            if entry.settings.is_receiver() {
                return;
            }
            let ledger = &entry.account.lock().ledger;
            let key = (entry.account.id().into(), entry.settings.asset.clone());
            let unsure = ledger.held_out() + ledger.uncertain();
            self.check_tally(&key, (ledger.totals(), unsure), "memory");
            assert_eq!(ledger.excess_releases(), 0);
        });
        if !self.may_lose {
            self.tallies.keys().for_each(|key| {
                self.check_tally(key, self.store.state(key), "store");
            });
        }
    }

    /// `unsure`: what is in flight to the peer, and what is uncertain.
    fn check_tally(&self, key: &Key, (totals, unsure): (Totals, i128), place: &str) {
        let tally = self.tallies.get(key).copied().unwrap_or_default();
        let in_time =
            |open: &&OpenPrepare| open.key == *key && open.deadline > self.peers.node.now.mono;
        let open: i128 =
            self.peers.open.iter().flatten().filter(in_time).map(|open| open.amount).sum();
        let text =
            || format!("{key:?} in the {place}: {tally:?}, {open} open; {totals:?}, {unsure}");
        let known = totals.fulfilled_out - totals.adjusted;
        assert!(tally.proofs <= totals.fulfilled_in, "proofs of {}", text());
        assert!(tally.claimed + open <= known + unsure, "claims of {}", text());
        assert!(place == "store" || known <= tally.claimed, "no claim of {}", text());
    }

    fn check_at_rest(mut self) {
        self.peers.node.advance(Duration::from_secs(60));
        while !self.is_saved() {
            self.cut();
            self.acknowledge(usize::MAX);
        }
        for (who, name) in NAMES.iter().enumerate() {
            let events = self.peers.read(who);
            self.count(events);
            let Some(account) = self.connector().account(name) else { continue };
            let report = self.peers.node.account(account.id().as_str());
            let unanswered = self.waiting.keys().filter(|(from, _)| *from == who).count();
            assert_eq!(u64::try_from(unanswered).unwrap(), report.stats.dropped_answers, "{name}");
        }
        self.peers.check_idle();
        self.check();
        self.restart(End::Crash, self.config, false);
        self.check();
    }
}

fn start(
    config: Config,
    books: SavedBooks,
    seed: u64,
    now: Now,
) -> Result<TestNode, RegistryError> {
    let connector = Connector::with_books(settings_of(config), HashSeed::Fixed(seed), books)?;
    Ok(TestNode { connector, now })
}

fn settings_of(config: Config) -> ConnectorSettings {
    model_settings(config.without, |account| {
        if account.id.as_str() == "bob" && config.bob_in_other_scale {
            account.asset = Asset::new("USD", 8);
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn what_is_saved_covers_what_peers_know(ops in prop::collection::vec(op(), 1..150)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
            world.check();
        }
        world.check_at_rest();
    }
}
