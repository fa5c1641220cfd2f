//! The connector under random operations: each Prepare gets exactly one answer (or the answer is counted as dropped),
//! nothing stays held, and after each operation the balances of each asset add up to zero, including the node's own
//! accounts and its receiver.

use proptest::prelude::*;

use super::model_peers::{ModelEvent, ModelPeers, NAMES, PeerOp, WALLET, model_settings, peer_op};
use super::receivers::{TestSender, sender};
use super::*;

/// Some payments to the receiver are below the sender's minimum, and some cannot be fulfilled. A reload is without one
/// of the peers, or without the receiver.
#[derive(Clone, Debug)]
enum Op {
    Peer(PeerOp),
    PayReceiver { from: usize, amount: u64, minimum: u64, fulfillable: bool, expiry_ms: u64 },
    AnswerTwice { by: usize, which: usize },
    Reload { without: Option<usize> },
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..NAMES.len();
    prop_oneof![
        36 => peer_op().prop_map(Op::Peer),
        4 => (who.clone(), 0..50u64, 0..40u64, any::<bool>(), 0..9000u64).prop_map(
            |(from, amount, minimum, fulfillable, expiry_ms)| {
                Op::PayReceiver { from, amount, minimum, fulfillable, expiry_ms }
            }
        ),
        1 => (who, any::<usize>()).prop_map(|(by, which)| Op::AnswerTwice { by, which }),
        1 => prop::option::of(0..=WALLET).prop_map(|without| Op::Reload { without }),
    ]
}

struct World {
    peers: ModelPeers,
    sent: HashMap<usize, u64>,
    answered: HashMap<usize, u64>,
    sender: TestSender,
    /// The sum that the receiver has fulfilled.
    received: i128,
}

impl World {
    fn new() -> Self {
        let node = node(Self::settings(None));
        Self {
            sender: sender(&node),
            peers: ModelPeers::new(node),
            sent: HashMap::new(),
            answered: HashMap::new(),
            received: 0,
        }
    }

    fn settings(without: Option<usize>) -> ConnectorSettings {
        model_settings(without, |account| {
            if account.is_receiver() {
                account.limits.min_balance = Some(-300);
                account.limits.max_packet_amount = Some(Amount(45));
            } else {
                account.limits.outbox_bytes_max = 1000;
            }
        })
    }

    fn run(&mut self, op: Op) {
        let events = match op {
            Op::Peer(op) => self.peers.run(op),
            Op::PayReceiver { from, amount, minimum, fulfillable, expiry_ms } => {
                let before = self.peers.node.balance("wallet");
                let expiry = self.peers.expiry(expiry_ms);
                let packet = self.sender.payment_until(amount, minimum, fulfillable, expiry);
                let events = self.peers.send(from, amount, &packet);
                let received = before - self.peers.node.balance("wallet");
                let arrived = if NAMES[from] == "carl" { amount / 2 } else { amount };
                assert!(received == 0 || received == i128::from(arrived), "{received} of {amount}");
                assert!(received == 0 || fulfillable && arrived >= minimum && arrived <= 45);
                self.received += received;
                events
            }
            Op::AnswerTwice { by, which } => {
                self.peers.answer_early(by, which, &fulfill(PREIMAGE, b""));
                self.peers.run(PeerOp::Reject { by, which })
            }
            Op::Reload { without } => {
                self.peers.node.apply(Self::settings(without));
                Vec::new()
            }
        };
        self.count(events);
    }

    fn count(&mut self, events: Vec<ModelEvent>) {
        for event in events {
            match event {
                ModelEvent::Sent { from, .. } => *self.sent.entry(from).or_default() += 1,
                ModelEvent::Answered { who, .. } => *self.answered.entry(who).or_default() += 1,
                ModelEvent::Fulfilled(_) => {}
            }
        }
    }

    fn check_at_rest(mut self) {
        self.peers.node.advance(Duration::from_secs(60));
        for (who, name) in NAMES.iter().enumerate() {
            let events = self.peers.read(who);
            self.count(events);
            let report = self.peers.node.account(name);
            assert!((-200..=200).contains(&report.balance), "{name}: {}", report.balance);
            let sent = self.sent.get(&who).copied().unwrap_or(0);
            let answered = self.answered.get(&who).copied().unwrap_or(0);
            let lost = sent - answered;
            assert_eq!(lost, report.stats.dropped_answers, "{name}: Prepares without an answer");
        }
        self.peers.check_idle();
        let wallet = self.peers.node.account("wallet");
        assert_eq!((wallet.held_in, wallet.held_out), (0, 0));
        assert!((-300..=0).contains(&wallet.balance), "wallet: {}", wallet.balance);
        assert_eq!(wallet.balance, -self.received, "the receiver counts only fulfilled packets");
        self.peers.node.assert_balanced();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_sequence_of_operations_conserves_money(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
            world.peers.node.assert_balanced();
        }
        world.check_at_rest();
    }
}
