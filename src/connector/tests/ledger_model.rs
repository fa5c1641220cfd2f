//! The ledger under random operations, with a store that loses every cut that was not acknowledged. After each
//! operation the saved rows add up to zero for each asset; with strict durability no peer has a proof that they lack,
//! and none can claim more than they say; and each packet gets one answer.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

use proptest::prelude::*;

use super::receivers::{sender, wallet};
use super::virtual_store::{Key, VirtualStore};
use super::*;
use crate::account::Totals;
use crate::books::{AccountKind, BalanceChange, Cut, SavedBooks};

const NAMES: [&str; 3] = ["alice", "bob", "carl"];
/// `without` in [`Config`]: the receiver.
const WALLET: usize = NAMES.len();

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
    Pay { from: usize, to: usize, amount: u64, expiry_ms: u64 },
    PayReceiver { from: usize, amount: u64 },
    Ping { from: usize, amount: u64, echo_to: Option<usize> },
    Originate { to: usize, amount: u64 },
    Fulfill { by: usize, which: usize },
    FulfillWrongly { by: usize, which: usize },
    Reject { by: usize, which: usize },
    Read { who: usize },
    Disconnect { who: usize, dialled: bool },
    Connect { who: usize, dialled: bool },
    Advance { ms: u64 },
    Cut,
    Acknowledge { count: usize },
    Fail { was_written: bool },
    Reload(Config),
    Restart { end: End, config: Config, resolve: bool },
    SetStrict(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..NAMES.len();
    let config = || {
        (prop::option::of(0..=WALLET), any::<bool>())
            .prop_map(|(without, bob_in_other_scale)| Config { without, bob_in_other_scale })
    };
    prop_oneof![
        8 => (who(), who(), 0..50u64, 1500..9000u64)
            .prop_map(|(from, to, amount, expiry_ms)| Op::Pay { from, to, amount, expiry_ms }),
        2 => (who(), 0..50u64).prop_map(|(from, amount)| Op::PayReceiver { from, amount }),
        2 => (who(), 0..50u64, prop::option::of(who()))
            .prop_map(|(from, amount, echo_to)| Op::Ping { from, amount, echo_to }),
        1 => (who(), 0..50u64).prop_map(|(to, amount)| Op::Originate { to, amount }),
        8 => (who(), any::<usize>()).prop_map(|(by, which)| Op::Fulfill { by, which }),
        1 => (who(), any::<usize>()).prop_map(|(by, which)| Op::FulfillWrongly { by, which }),
        2 => (who(), any::<usize>()).prop_map(|(by, which)| Op::Reject { by, which }),
        10 => who().prop_map(|who| Op::Read { who }),
        2 => (who(), any::<bool>()).prop_map(|(who, dialled)| Op::Disconnect { who, dialled }),
        3 => (who(), any::<bool>()).prop_map(|(who, dialled)| Op::Connect { who, dialled }),
        2 => (1..4000u64).prop_map(|ms| Op::Advance { ms }),
        8 => Just(Op::Cut),
        8 => (1..4usize).prop_map(|count| Op::Acknowledge { count }),
        2 => any::<bool>().prop_map(|was_written| Op::Fail { was_written }),
        2 => config().prop_map(Op::Reload),
        2 => (prop_oneof![Just(End::Crash), Just(End::Stop)], config(), any::<bool>())
            .prop_map(|(end, config, resolve)| Op::Restart { end, config, resolve }),
        1 => any::<bool>().prop_map(Op::SetStrict),
    ]
}

/// A Prepare that a peer has read and not answered.
struct Open {
    id: RequestId,
    key: Key,
    amount: i128,
    /// From here on, a Fulfill of the peer does not count.
    deadline: MonoTime,
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
    node: TestNode,
    config: Config,
    store: VirtualStore,
    /// Cuts that are not acknowledged.
    on_their_way: VecDeque<Cut>,
    is_strict: bool,
    /// The node was not strict at some time since its memory and the store were last equal.
    may_lose: bool,
    sessions: HashMap<(usize, bool), Peer>,
    open: Vec<Vec<Open>>,
    tallies: HashMap<Key, Tally>,
    /// The Prepares of peers without an answer, and their amounts.
    waiting: HashMap<(usize, u32), (Key, i128)>,
    next_id: u32,
    /// How often the node was started. Each time it counts its request ids from another one.
    starts: u64,
    originated: u64,
    answers_to_node: Arc<AtomicU64>,
}

impl World {
    fn new() -> Self {
        let config = Config::default();
        let mut world = Self {
            node: start(config, SavedBooks::default(), 0, alice_and_bob().now).unwrap(),
            config,
            store: VirtualStore::default(),
            on_their_way: VecDeque::new(),
            is_strict: true,
            may_lose: false,
            sessions: HashMap::new(),
            open: Vec::new(),
            tallies: HashMap::new(),
            waiting: HashMap::new(),
            next_id: 0,
            starts: 0,
            originated: 0,
            answers_to_node: Arc::default(),
        };
        world.open.resize_with(NAMES.len(), Vec::new);
        world.begin();
        world
    }

    /// After each start of the node.
    fn begin(&mut self) {
        self.node.connector.set_strict(self.is_strict);
        for who in 0..NAMES.len() {
            self.connect(who, false);
        }
    }

    /// A peer that was removed keeps its asset, whatever its settings would be.
    fn key(&self, who: usize) -> Key {
        (NAMES[who].into(), self.node.account(NAMES[who]).settings.asset)
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Pay { from, to, amount, expiry_ms } => {
                let (destination, expiry) = (format!("test.{}", NAMES[to]), self.expiry(expiry_ms));
                let packet = payment_with(&destination, amount, expiry, &[], PREIMAGE.condition());
                self.send(from, amount, &packet);
            }
            Op::PayReceiver { from, amount } => {
                if self.config.without != Some(WALLET) {
                    let (sender, expiry) = (sender(&self.node), self.expiry(5_000));
                    self.send(from, amount, &sender.payment_until(amount, 0, true, expiry));
                }
            }
            Op::Ping { from, amount, echo_to } => {
                let expiry = self.expiry(5_000);
                let packet = match echo_to {
                    Some(to) => echo(&format!("test.{}", NAMES[to]), amount, expiry),
                    None => payment_with("test.node", amount, expiry, b"", Condition::PING),
                };
                self.send(from, amount, &packet);
            }
            Op::Originate { to, amount } => {
                let expiry = self.expiry(5_000);
                let packet = payment_with("test.far", amount, expiry, &[], PREIMAGE.condition());
                let answers = Arc::clone(&self.answers_to_node);
                self.originated += 1;
                self.node.originate(NAMES[to], &packet, move |_| {
                    answers.fetch_add(1, Ordering::Relaxed);
                });
            }
            Op::Fulfill { by, which } => {
                if let Some(open) = self.answer(by, which, &fulfill(PREIMAGE, b""))
                    && self.node.now.mono < open.deadline
                {
                    self.tallies.entry(open.key).or_default().claimed += open.amount;
                }
            }
            Op::FulfillWrongly { by, which } => {
                self.answer(by, which, &fulfill(Fulfillment([1; 32]), b""));
            }
            Op::Reject { by, which } => {
                self.answer(by, which, &reject(ErrorCode::F99, None, "", b""));
            }
            Op::Read { who } => self.read(who),
            Op::Disconnect { who, dialled } => {
                if let Some(peer) = self.sessions.remove(&(who, dialled)) {
                    self.node.disconnect(&peer);
                }
            }
            Op::Connect { who, dialled } => self.connect(who, dialled),
            Op::Advance { ms } => self.node.advance(Duration::from_millis(ms)),
            Op::Cut => self.cut(),
            Op::Acknowledge { count } => self.acknowledge(count),
            Op::Fail { was_written } => {
                for cut in std::mem::take(&mut self.on_their_way) {
                    if was_written {
                        self.store.write(&cut);
                    }
                }
                self.node.connector.note_all_accounts();
            }
            Op::Reload(config) => {
                // The asset of an account in use cannot change.
                if self.node.connector.apply_settings(settings_of(config)).is_ok() {
                    self.config = config;
                }
            }
            Op::Restart { end, config, resolve } => self.restart(end, config, resolve),
            Op::SetStrict(is_strict) => {
                self.is_strict = is_strict;
                self.may_lose |= !is_strict;
                self.node.connector.set_strict(is_strict);
            }
        }
        self.may_lose &= !(self.is_strict && self.is_saved());
    }

    fn connect(&mut self, who: usize, dialled: bool) {
        if self.node.connector.account(NAMES[who]).is_none() {
            return;
        }
        let kind = if dialled { SessionKind::Dialled } else { SessionKind::Accepted };
        let peer = self.node.connect_as(NAMES[who], kind);
        if let Some(old) = self.sessions.insert((who, dialled), peer) {
            self.node.disconnect(&old);
        }
    }

    /// Milliseconds from the start of the test until `ms` from now.
    fn expiry(&self, ms: u64) -> i64 {
        i64::try_from(self.node.now.wall.as_millis() - START_MS + ms).unwrap()
    }

    /// Sends a Prepare, if the peer has a session.
    fn send(&mut self, from: usize, amount: u64, packet: &[u8]) {
        let session = self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
        let Some(session) = session else { return };
        self.next_id += 1;
        self.waiting.insert((from, self.next_id), (self.key(from), amount.into()));
        self.node.send(session, self.next_id, packet);
    }

    /// Answers an open Prepare, on any session of the account.
    fn answer(&mut self, by: usize, which: usize, packet: &[u8]) -> Option<Open> {
        let open = &mut self.open[by];
        let index = which.checked_rem(open.len())?;
        let open = open.swap_remove(index);
        // A peer that is not configured any more may have fulfilled it all the same.
        if let Some(account) = self.node.connector.account(NAMES[by]) {
            let batch = self.node.connector.start_batch(self.node.now);
            batch.handle_answer(&account, open.id, PeerAnswer::Packet(packet));
        }
        Some(open)
    }

    fn read(&mut self, who: usize) {
        for dialled in [false, true] {
            let Some(peer) = self.sessions.get(&(who, dialled)) else { continue };
            for seen in self.node.read(peer) {
                match seen {
                    Received::Prepare { id, amount, expires_in_ms, .. } => {
                        let (key, amount) = (self.key(who), amount.into());
                        let left = u64::try_from(expires_in_ms).unwrap_or(0);
                        let deadline = self.node.now.mono.after_ms(left);
                        self.open[who].push(Open { id, key, amount, deadline });
                    }
                    Received::Fulfill { id, .. } => {
                        let (key, amount) = self.take_waiting(who, id);
                        self.tallies.entry(key).or_default().proofs += amount;
                    }
                    Received::Reject { id, .. } => drop(self.take_waiting(who, id)),
                }
            }
        }
    }

    fn take_waiting(&mut self, who: usize, id: RequestId) -> (Key, i128) {
        self.waiting.remove(&(who, id.0)).expect("one answer to each Prepare")
    }

    fn cut(&mut self) {
        self.on_their_way.push_back(self.node.connector.take_cut(self.node.now.wall).unwrap());
    }

    fn acknowledge(&mut self, count: usize) {
        let count = count.min(self.on_their_way.len());
        let written: Vec<Cut> = self.on_their_way.drain(..count).collect();
        written.iter().for_each(|cut| self.store.write(cut));
        if let Some(newest) = written.last() {
            self.node.connector.publish_durable(newest.number);
        }
    }

    fn has_changed(&self) -> bool {
        self.node.connector.poll_changed(&Context::from_waker(Waker::noop())).is_ready()
    }

    /// Whether the store has all that the node has.
    fn is_saved(&self) -> bool {
        self.on_their_way.is_empty() && !self.has_changed()
    }

    fn restart(&mut self, end: End, config: Config, resolve: bool) {
        let was_clean = matches!(end, End::Stop);
        self.on_their_way.clear();
        if was_clean {
            self.node.connector.reject_all_pending(self.node.now);
            self.node.connector.note_all_accounts();
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
            self.open[who].retain(|open| open.key != key);
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
            let (number, at) = (self.store.newest.next(), self.node.now.wall);
            self.store.write(&Cut { number, at, accounts, adjustments: Vec::new() });
            assert!(self.store.rows.values().all(|row| row.held_out == 0));
        }
        let books = || {
            let accounts = self.store.recover();
            SavedBooks { books_id: String::new(), cut: self.store.newest, was_clean, accounts }
        };
        let other = Config { bob_in_other_scale: !config.bob_in_other_scale, ..config };
        self.starts += 1;
        let start = |config| start(config, books(), self.starts, self.node.now);
        // A node does not start with a balance in another asset.
        (self.node, self.config) = match start(config) {
            Ok(node) => (node, config),
            Err(_) => (start(other).unwrap(), other),
        };
        self.sessions.clear();
        self.waiting.clear();
        self.originated = 0;
        self.answers_to_node = Arc::default();
        self.begin();
    }

    /// Without strict durability, peers may know more than the books after a crash; the model goes on with the books.
    fn forget_what_is_lost(&mut self) {
        self.open.iter_mut().for_each(Vec::clear);
        for (key, tally) in &mut self.tallies {
            let (totals, _) = self.store.state(key);
            tally.claimed = totals.fulfilled_out - totals.adjusted;
            tally.proofs = tally.proofs.min(totals.fulfilled_in);
        }
    }

    fn check(&self) {
        self.node.connector.snapshot.load().entries.iter().for_each(|entry| {
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
        let in_time = |open: &&Open| open.key == *key && open.deadline > self.node.now.mono;
        let open: i128 = self.open.iter().flatten().filter(in_time).map(|open| open.amount).sum();
        let text =
            || format!("{key:?} in the {place}: {tally:?}, {open} open; {totals:?}, {unsure}");
        let known = totals.fulfilled_out - totals.adjusted;
        assert!(tally.proofs <= totals.fulfilled_in, "proofs of {}", text());
        assert!(tally.claimed + open <= known + unsure, "claims of {}", text());
        assert!(place == "store" || known <= tally.claimed, "no claim of {}", text());
    }

    fn check_at_rest(mut self) {
        self.node.advance(Duration::from_secs(60));
        while !self.is_saved() {
            self.cut();
            self.acknowledge(usize::MAX);
        }
        for (who, name) in NAMES.iter().enumerate() {
            self.read(who);
            let Some(account) = self.node.connector.account(name) else { continue };
            let report = self.node.account(account.id().as_str());
            assert_eq!((report.held_in, report.held_out), (0, 0), "{name}");
            assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0), "{name}");
            assert_eq!(report.outbox_bytes, 0, "{name}: packets that never leave");
            let unanswered = self.waiting.keys().filter(|(from, _)| *from == who).count();
            assert_eq!(u64::try_from(unanswered).unwrap(), report.stats.dropped_answers, "{name}");
        }
        assert_eq!(self.answers_to_node.load(Ordering::Relaxed), self.originated);
        self.check();
        self.restart(End::Crash, self.config, false);
        self.check();
    }
}

fn asset(who: usize, config: Config) -> Asset {
    match NAMES[who] {
        "carl" => Asset::new("EUR", 9),
        "bob" if config.bob_in_other_scale => Asset::new("USD", 8),
        _ => Asset::default(),
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
    let present = |who: &usize| Some(*who) != config.without;
    let mut accounts = Vec::new();
    let mut routes = Vec::new();
    for who in (0..NAMES.len()).filter(present) {
        let mut account = peer(NAMES[who]);
        account.limits.max_packets_in_flight = 6;
        account.limits.max_balance = Some(200);
        account.limits.min_balance = Some(-200);
        account.asset = asset(who, config);
        accounts.push(account);
        routes.push(route(&format!("test.{}", NAMES[who]), NAMES[who], 0));
    }
    if present(&WALLET) {
        accounts.push(wallet());
    }
    let rate = |from: &str, to: &str, rate: &str| (from.into(), to.into(), rate.parse().unwrap());
    let rates = vec![rate("USD", "EUR", "2"), rate("EUR", "USD", "0.5")];
    ConnectorSettings { routes, rates, ..settings(accounts, &[]) }
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
