//! The connector under random operations: each Prepare gets exactly one answer (or the answer is counted as dropped),
//! nothing stays held, and after each operation the balances of each asset add up to zero, including the node's own
//! accounts and its receiver.

use std::collections::HashMap;

use proptest::prelude::*;

use super::receivers::{TestSender, sender, wallet};
use super::*;

const NAMES: [&str; 3] = ["alice", "bob", "carl"];

/// Some payments to the receiver are below the sender's minimum, and some cannot be fulfilled. `Ping` goes to the node
/// itself: a ping, or an echo whose pong goes to a peer. A reload is without one of the peers, or without the receiver.
#[derive(Clone, Debug)]
enum Op {
    Pay { from: usize, to: usize, amount: u64, expiry_ms: u64 },
    PayReceiver { from: usize, amount: u64, minimum: u64, fulfillable: bool, expiry_ms: u64 },
    Ping { from: usize, amount: u64, echo_to: Option<usize> },
    Originate { to: usize, amount: u64 },
    Fulfill { by: usize, which: usize },
    FulfillWrongly { by: usize, which: usize },
    Reject { by: usize, which: usize },
    AnswerTwice { by: usize, which: usize },
    Read { who: usize },
    Disconnect { who: usize, dialled: bool },
    Connect { who: usize, dialled: bool },
    Advance { ms: u64 },
    Reload { without: Option<usize> },
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..NAMES.len();
    prop_oneof![
        8 => (who.clone(), who.clone(), 0..50u64, 1500..9000u64)
            .prop_map(|(from, to, amount, expiry_ms)| Op::Pay { from, to, amount, expiry_ms }),
        4 => (who.clone(), 0..50u64, 0..40u64, any::<bool>(), 0..9000u64).prop_map(
            |(from, amount, minimum, fulfillable, expiry_ms)| {
                Op::PayReceiver { from, amount, minimum, fulfillable, expiry_ms }
            }
        ),
        3 => (who.clone(), 0..50u64, prop::option::of(who.clone()))
            .prop_map(|(from, amount, echo_to)| Op::Ping { from, amount, echo_to }),
        1 => (who.clone(), 0..50u64).prop_map(|(to, amount)| Op::Originate { to, amount }),
        6 => (who.clone(), any::<usize>()).prop_map(|(by, which)| Op::Fulfill { by, which }),
        1 => (who.clone(), any::<usize>()).prop_map(|(by, which)| Op::FulfillWrongly { by, which }),
        2 => (who.clone(), any::<usize>()).prop_map(|(by, which)| Op::Reject { by, which }),
        1 => (who.clone(), any::<usize>()).prop_map(|(by, which)| Op::AnswerTwice { by, which }),
        6 => who.clone().prop_map(|who| Op::Read { who }),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, dialled)| Op::Disconnect { who, dialled }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, dialled)| Op::Connect { who, dialled }),
        2 => (1..4000u64).prop_map(|ms| Op::Advance { ms }),
        1 => prop::option::of(0..=NAMES.len()).prop_map(|without| Op::Reload { without }),
    ]
}

struct World {
    node: TestNode,
    sessions: HashMap<(usize, bool), Peer>,
    /// Prepares that a peer has read and not answered.
    open: Vec<Vec<RequestId>>,
    sent: HashMap<usize, u64>,
    answered: HashMap<usize, u64>,
    next_id: u32,
    sender: TestSender,
    /// The sum that the receiver has fulfilled.
    received: i128,
}

impl World {
    fn new() -> Self {
        let node = node(Self::settings(None));
        let mut world = Self {
            sender: sender(&node),
            received: 0,
            node,
            sessions: HashMap::new(),
            open: vec![Vec::new(); NAMES.len()],
            sent: HashMap::new(),
            answered: HashMap::new(),
            next_id: 0,
        };
        for who in 0..NAMES.len() {
            world.run(Op::Connect { who, dialled: false });
        }
        world
    }

    fn settings(without: Option<usize>) -> ConnectorSettings {
        let accounts =
            NAMES.iter().enumerate().filter(|(n, _)| Some(*n) != without).map(|(_, name)| {
                let mut account = peer(name);
                account.limits.max_packets_in_flight = 6;
                account.limits.max_balance = Some(200);
                account.limits.min_balance = Some(-200);
                account.limits.outbox_bytes_max = 1000;
                if *name == "carl" {
                    account.asset = Asset::new("EUR", 9);
                }
                account
            });
        let routes = NAMES.iter().enumerate().filter(|(n, _)| Some(*n) != without);
        let routes: Vec<_> = routes.map(|(_, name)| (format!("test.{name}"), *name)).collect();
        let routes: Vec<_> = routes.iter().map(|(prefix, hop)| (prefix.as_str(), *hop)).collect();
        let mut accounts: Vec<_> = accounts.collect();
        if without != Some(NAMES.len()) {
            let mut wallet = wallet();
            wallet.limits.min_balance = Some(-300);
            wallet.limits.max_packet_amount = Some(Amount(45));
            accounts.push(wallet);
        }
        let mut settings = settings(accounts, &routes);
        let rate =
            |from: &str, to: &str, rate: &str| (from.into(), to.into(), rate.parse().unwrap());
        settings.rates = vec![rate("USD", "EUR", "2"), rate("EUR", "USD", "0.5")];
        settings
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Pay { from, to, amount, expiry_ms } => {
                let (destination, expiry) = (format!("test.{}", NAMES[to]), self.expiry(expiry_ms));
                let packet = payment_with(&destination, amount, expiry, &[], PREIMAGE.condition());
                self.send(from, &packet);
            }
            Op::PayReceiver { from, amount, minimum, fulfillable, expiry_ms } => {
                let before = self.node.balance("wallet");
                let expiry = self.expiry(expiry_ms);
                let packet = self.sender.payment_until(amount, minimum, fulfillable, expiry);
                self.send(from, &packet);
                let received = before - self.node.balance("wallet");
                let arrived = if NAMES[from] == "carl" { amount / 2 } else { amount };
                assert!(received == 0 || received == i128::from(arrived), "{received} of {amount}");
                assert!(received == 0 || fulfillable && arrived >= minimum && arrived <= 45);
                self.received += received;
            }
            Op::Ping { from, amount, echo_to } => {
                let expiry = self.expiry(5_000);
                let packet = match echo_to {
                    Some(to) => echo(&format!("test.{}", NAMES[to]), amount, expiry),
                    None => payment_with("test.node", amount, expiry, b"", Condition::PING),
                };
                self.send(from, &packet);
            }
            Op::Originate { to, amount } => {
                let expiry = self.expiry(5_000);
                let packet = payment_with("test.far", amount, expiry, &[], PREIMAGE.condition());
                self.node.originate(NAMES[to], &packet, |_| {});
            }
            Op::Fulfill { by, which } => self.answer(by, which, true, &fulfill(PREIMAGE, b"")),
            Op::FulfillWrongly { by, which } => {
                self.answer(by, which, true, &fulfill(Fulfillment([1; 32]), b""));
            }
            Op::Reject { by, which } => {
                self.answer(by, which, true, &reject(ErrorCode::F99, None, "", b""));
            }
            Op::AnswerTwice { by, which } => {
                self.answer(by, which, false, &fulfill(PREIMAGE, b""));
                self.answer(by, which, true, &reject(ErrorCode::T00, None, "", b""));
            }
            Op::Read { who } => self.read(who),
            Op::Disconnect { who, dialled } => {
                if let Some(peer) = self.sessions.remove(&(who, dialled)) {
                    self.node.disconnect(&peer);
                }
            }
            Op::Connect { who, dialled } => {
                let kind = if dialled { SessionKind::Dialled } else { SessionKind::Accepted };
                let peer = self.node.connect_as(NAMES[who], kind);
                if let Some(old) = self.sessions.insert((who, dialled), peer) {
                    self.node.disconnect(&old);
                }
            }
            Op::Advance { ms } => self.node.advance(Duration::from_millis(ms)),
            Op::Reload { without } => {
                self.node.apply(Self::settings(without));
            }
        }
    }

    /// Milliseconds from the start of the test until `ms` from now.
    fn expiry(&self, ms: u64) -> i64 {
        i64::try_from(self.node.now.wall.as_millis() - START_MS + ms).unwrap()
    }

    /// Sends a Prepare, if the peer has a session.
    fn send(&mut self, from: usize, packet: &[u8]) {
        let session = self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
        let Some(session) = session else { return };
        self.next_id += 1;
        self.node.send(session, self.next_id, packet);
        *self.sent.entry(from).or_default() += 1;
    }

    fn answer(&mut self, by: usize, which: usize, last: bool, packet: &[u8]) {
        let open = &mut self.open[by];
        if open.is_empty() {
            return;
        }
        let index = which % open.len();
        let id = if last { open.swap_remove(index) } else { open[index] };
        // Answers count from any session of the account, even a lost one.
        let account = self.node.connector.account(NAMES[by]).unwrap();
        self.node.connector.start_batch(self.node.now).handle_answer(
            &account,
            id,
            PeerAnswer::Packet(packet),
        );
    }

    fn read(&mut self, who: usize) {
        for dialled in [false, true] {
            let Some(peer) = self.sessions.get(&(who, dialled)) else { continue };
            for seen in self.node.read(peer) {
                match seen {
                    Received::Prepare { id, .. } => self.open[who].push(id),
                    _ => *self.answered.entry(who).or_default() += 1,
                }
            }
        }
    }

    fn check_at_rest(mut self) {
        self.node.advance(Duration::from_secs(60));
        for (who, name) in NAMES.iter().enumerate() {
            self.read(who);
            let report = self.node.account(name);
            assert_eq!((report.held_in, report.held_out), (0, 0), "{name}");
            assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0), "{name}");
            assert!((-200..=200).contains(&report.balance), "{name}: {}", report.balance);
            let sent = self.sent.get(&who).copied().unwrap_or(0);
            let answered = self.answered.get(&who).copied().unwrap_or(0);
            let lost = sent - answered;
            assert_eq!(lost, report.stats.dropped_answers, "{name}: Prepares without an answer");
        }
        let wallet = self.node.account("wallet");
        assert_eq!((wallet.held_in, wallet.held_out), (0, 0));
        assert!((-300..=0).contains(&wallet.balance), "wallet: {}", wallet.balance);
        assert_eq!(wallet.balance, -self.received, "the receiver counts only fulfilled packets");
        self.node.assert_balanced();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_operations_conserves_money(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
            world.node.assert_balanced();
        }
        world.check_at_rest();
    }
}
