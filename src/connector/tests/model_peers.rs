//! Three peers whose operations are random: what the models of the packet path and of the ledger share.

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::receivers::wallet;
use super::virtual_store::Key;
use super::*;

pub(super) const NAMES: [&str; 3] = ["alice", "bob", "carl"];
/// Stands for the receiver where an index names one of the accounts.
pub(super) const WALLET: usize = NAMES.len();

/// `Ping` goes to the node itself: a ping, or an echo whose pong goes to a peer. `which` chooses one of the Prepares
/// that the peer has read and not answered.
#[derive(Clone, Debug)]
pub(super) enum PeerOp {
    Pay { from: usize, to: usize, amount: u64, expiry_ms: u64 },
    Ping { from: usize, amount: u64, echo_to: Option<usize> },
    Originate { to: usize, amount: u64 },
    Fulfill { by: usize, which: usize },
    FulfillWrongly { by: usize, which: usize },
    Reject { by: usize, which: usize },
    Read { who: usize },
    Disconnect { who: usize, dialled: bool },
    Connect { who: usize, dialled: bool },
    Advance { ms: u64 },
}

pub(super) fn peer_op() -> impl Strategy<Value = PeerOp> {
    let who = || 0..NAMES.len();
    prop_oneof![
        8 => (who(), who(), 0..50u64, 1500..9000u64)
            .prop_map(|(from, to, amount, expiry_ms)| PeerOp::Pay { from, to, amount, expiry_ms }),
        2 => (who(), 0..50u64, prop::option::of(who()))
            .prop_map(|(from, amount, echo_to)| PeerOp::Ping { from, amount, echo_to }),
        1 => (who(), 0..50u64).prop_map(|(to, amount)| PeerOp::Originate { to, amount }),
        8 => (who(), any::<usize>()).prop_map(|(by, which)| PeerOp::Fulfill { by, which }),
        1 => (who(), any::<usize>()).prop_map(|(by, which)| PeerOp::FulfillWrongly { by, which }),
        2 => (who(), any::<usize>()).prop_map(|(by, which)| PeerOp::Reject { by, which }),
        10 => who().prop_map(|who| PeerOp::Read { who }),
        2 => (who(), any::<bool>()).prop_map(|(who, dialled)| PeerOp::Disconnect { who, dialled }),
        3 => (who(), any::<bool>()).prop_map(|(who, dialled)| PeerOp::Connect { who, dialled }),
        2 => (1..4000u64).prop_map(|ms| PeerOp::Advance { ms }),
    ]
}

/// A Prepare that a peer has read and not answered.
pub(super) struct OpenPrepare {
    pub(super) id: RequestId,
    pub(super) key: Key,
    pub(super) amount: i128,
    /// From here on, a Fulfill of the peer does not count.
    pub(super) deadline: MonoTime,
}

/// What a peer has done or learned in an operation.
pub(super) enum ModelEvent {
    Sent {
        from: usize,
        id: RequestId,
        amount: u64,
    },
    /// It has sent the right fulfillment.
    Fulfilled(OpenPrepare),
    /// It has read the answer to its Prepare.
    Answered {
        who: usize,
        id: RequestId,
        is_fulfilled: bool,
    },
}

/// A node and its peers.
pub(super) struct ModelPeers {
    pub(super) node: TestNode,
    sessions: HashMap<(usize, bool), Peer>,
    pub(super) open: Vec<Vec<OpenPrepare>>,
    next_id: u32,
    originated: u64,
    answers_to_node: Arc<AtomicU64>,
}

impl ModelPeers {
    /// All peers are connected.
    pub(super) fn new(node: TestNode) -> Self {
        let mut open = Vec::new();
        open.resize_with(NAMES.len(), Vec::new);
        let (sessions, answers_to_node) = (HashMap::new(), Arc::default());
        let mut peers = Self { node, sessions, open, next_id: 0, originated: 0, answers_to_node };
        peers.connect_all();
        peers
    }

    /// Another process goes on in place of the node. Its peers have read what they have read.
    pub(super) fn replace_node(&mut self, node: TestNode) {
        self.node = node;
        self.sessions.clear();
        self.originated = 0;
        self.answers_to_node = Arc::default();
        self.connect_all();
    }

    fn connect_all(&mut self) {
        for who in 0..NAMES.len() {
            self.connect(who, false);
        }
    }

    pub(super) fn run(&mut self, op: PeerOp) -> Vec<ModelEvent> {
        match op {
            PeerOp::Pay { from, to, amount, expiry_ms } => {
                let (destination, expiry) = (format!("test.{}", NAMES[to]), self.expiry(expiry_ms));
                let packet = payment_with(&destination, amount, expiry, &[], PREIMAGE.condition());
                return self.send(from, amount, &packet);
            }
            PeerOp::Ping { from, amount, echo_to } => {
                let expiry = self.expiry(5_000);
                let packet = match echo_to {
                    Some(to) => echo(&format!("test.{}", NAMES[to]), amount, expiry),
                    None => payment_with("test.node", amount, expiry, b"", Condition::PING),
                };
                return self.send(from, amount, &packet);
            }
            PeerOp::Originate { to, amount } => {
                let expiry = self.expiry(5_000);
                let packet = payment_with("test.far", amount, expiry, &[], PREIMAGE.condition());
                let answers = Arc::clone(&self.answers_to_node);
                self.originated += 1;
                self.node.originate(NAMES[to], &packet, move |_| {
                    answers.fetch_add(1, Ordering::Relaxed);
                });
            }
            PeerOp::Fulfill { by, which } => {
                let open = self.answer(by, which, &fulfill(PREIMAGE, b""));
                return open.into_iter().map(ModelEvent::Fulfilled).collect();
            }
            PeerOp::FulfillWrongly { by, which } => {
                self.answer(by, which, &fulfill(Fulfillment([1; 32]), b""));
            }
            PeerOp::Reject { by, which } => {
                self.answer(by, which, &reject(ErrorCode::F99, None, "", b""));
            }
            PeerOp::Read { who } => return self.read(who),
            PeerOp::Disconnect { who, dialled } => {
                if let Some(peer) = self.sessions.remove(&(who, dialled)) {
                    self.node.disconnect(&peer);
                }
            }
            PeerOp::Connect { who, dialled } => self.connect(who, dialled),
            PeerOp::Advance { ms } => self.node.advance(Duration::from_millis(ms)),
        }
        Vec::new()
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

    /// A peer that was removed keeps its asset, whatever its settings would be.
    pub(super) fn key(&self, who: usize) -> Key {
        (NAMES[who].into(), self.node.account(NAMES[who]).settings.asset)
    }

    /// Milliseconds from the start of the test until `ms` from now.
    pub(super) fn expiry(&self, ms: u64) -> i64 {
        i64::try_from(self.node.now.wall.as_millis() - START_MS + ms).unwrap()
    }

    /// Sends a Prepare, if the peer has a session.
    pub(super) fn send(&mut self, from: usize, amount: u64, packet: &[u8]) -> Vec<ModelEvent> {
        let session = self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
        let Some(session) = session else { return Vec::new() };
        self.next_id += 1;
        self.node.send(session, self.next_id, packet);
        vec![ModelEvent::Sent { from, id: RequestId(self.next_id), amount }]
    }

    /// Answers an open Prepare, on any session of the account, even a lost one.
    fn answer(&mut self, by: usize, which: usize, packet: &[u8]) -> Option<OpenPrepare> {
        self.answer_early(by, which, packet);
        let open = &mut self.open[by];
        let index = which.checked_rem(open.len())?;
        Some(open.swap_remove(index))
    }

    /// The same, but the peer regards the Prepare as open.
    pub(super) fn answer_early(&self, by: usize, which: usize, packet: &[u8]) {
        let open = &self.open[by];
        // A peer that is not configured any more may have fulfilled it all the same.
        if let (Some(index), Some(account)) =
            (which.checked_rem(open.len()), self.node.connector.account(NAMES[by]))
        {
            let batch = self.node.connector.start_batch(self.node.now);
            batch.handle_answer(&account, open[index].id, PeerAnswer::Packet(packet));
        }
    }

    pub(super) fn read(&mut self, who: usize) -> Vec<ModelEvent> {
        let mut events = Vec::new();
        for dialled in [false, true] {
            let Some(peer) = self.sessions.get(&(who, dialled)) else { continue };
            for seen in self.node.read(peer) {
                let (id, is_fulfilled) = match seen {
                    Received::Prepare { id, amount, expires_in_ms, .. } => {
                        let (key, amount) = (self.key(who), amount.into());
                        let left = u64::try_from(expires_in_ms).unwrap_or(0);
                        let deadline = self.node.now.mono.after_ms(left);
                        self.open[who].push(OpenPrepare { id, key, amount, deadline });
                        continue;
                    }
                    Received::Fulfill { id, .. } => (id, true),
                    Received::Reject { id, .. } => (id, false),
                };
                events.push(ModelEvent::Answered { who, id, is_fulfilled });
            }
        }
        events
    }

    /// Once everything has expired, nothing is held or in flight, and the node has an answer to each of its Prepares.
    pub(super) fn check_idle(&self) {
        for name in NAMES {
            if self.node.connector.account(name).is_none() {
                continue;
            }
            let report = self.node.account(name);
            assert_eq!((report.held_in, report.held_out), (0, 0), "{name}");
            assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0), "{name}");
            assert_eq!(report.outbox_bytes, 0, "{name}: packets that never leave");
        }
        assert_eq!(self.answers_to_node.load(Ordering::Relaxed), self.originated);
    }
}

/// The node of a model, without one of its accounts. Carl counts in euros; `change` may change any account.
pub(super) fn model_settings(
    without: Option<usize>,
    change: impl Fn(&mut AccountSettings),
) -> ConnectorSettings {
    let mut accounts: Vec<_> = NAMES.iter().map(|name| peer(name)).collect();
    for account in &mut accounts {
        account.limits.max_packets_in_flight = 6;
        account.limits.max_balance = Some(200);
        account.limits.min_balance = Some(-200);
    }
    accounts[2].asset = Asset::new("EUR", 9);
    accounts.push(wallet());
    accounts.iter_mut().for_each(change);
    let mut routes: Vec<_> =
        NAMES.iter().map(|name| route(&format!("test.{name}"), name, 0)).collect();
    if let Some(without) = without {
        accounts.remove(without);
        routes.retain(|route| Some(&route.next_hop.as_str()) != NAMES.get(without));
    }
    let rates = vec![pair_rate("USD", "EUR", "2"), pair_rate("EUR", "USD", "0.5")];
    ConnectorSettings { routes, rates, ..settings(accounts, &[]) }
}
