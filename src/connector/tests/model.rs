//! The money state machine, driven by random operations: whatever happens in whatever order, every Prepare gets exactly
//! one answer (or the answer is counted as dropped), nothing stays held, and after every operation the balances of each
//! asset add up to zero, those of the node's own accounts and of its receiver included.

use std::collections::HashMap;

use proptest::prelude::*;

use super::receivers::{TestSender, sender, wallet};
use super::*;
use crate::wire::ping::EchoRequest;

const NAMES: [&str; 3] = ["alice", "bob", "carl"];

#[derive(Clone, Debug)]
enum Op {
    Pay {
        from: usize,
        to: usize,
        amount: u64,
        expires_in_ms: u64,
    },
    /// To the receiver: some below their minimum, some that cannot be fulfilled.
    PayReceiver {
        from: usize,
        amount: u64,
        minimum: u64,
        fulfillable: bool,
        expires_in_ms: u64,
    },
    /// To the node itself: a ping, or an echo whose pong goes to a peer.
    Ping {
        from: usize,
        amount: u64,
        echo_to: Option<usize>,
    },
    /// A packet of the node's own.
    Originate {
        to: usize,
        amount: u64,
    },
    Fulfill {
        by: usize,
        which: usize,
    },
    FulfillWrongly {
        by: usize,
        which: usize,
    },
    Reject {
        by: usize,
        which: usize,
    },
    AnswerTwice {
        by: usize,
        which: usize,
    },
    Read {
        who: usize,
    },
    Lose {
        who: usize,
        dialled: bool,
    },
    Connect {
        who: usize,
        dialled: bool,
    },
    Pass {
        ms: u64,
    },
    /// Without one of the peers, or without the receiver.
    Reload {
        without: Option<usize>,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let who = 0..NAMES.len();
    prop_oneof![
        8 => (who.clone(), who.clone(), 0..50u64, 1500..9000u64)
            .prop_map(|(from, to, amount, expires_in_ms)| Op::Pay { from, to, amount, expires_in_ms }),
        4 => (who.clone(), 0..50u64, 0..40u64, any::<bool>(), 0..9000u64).prop_map(
            |(from, amount, minimum, fulfillable, expires_in_ms)| {
                Op::PayReceiver { from, amount, minimum, fulfillable, expires_in_ms }
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
        1 => (who.clone(), any::<bool>()).prop_map(|(who, dialled)| Op::Lose { who, dialled }),
        2 => (who.clone(), any::<bool>()).prop_map(|(who, dialled)| Op::Connect { who, dialled }),
        2 => (1..4000u64).prop_map(|ms| Op::Pass { ms }),
        1 => prop::option::of(0..=NAMES.len()).prop_map(|without| Op::Reload { without }),
    ]
}

struct World {
    net: Net,
    sessions: HashMap<(usize, bool), Peer>,
    /// Prepares that a peer has read and not answered.
    open: Vec<Vec<RequestId>>,
    asked: HashMap<usize, u64>,
    answered: HashMap<usize, u64>,
    next_id: u32,
    sender: TestSender,
    /// What the receiver must have: what it fulfilled, as its senders saw it.
    received: i128,
}

impl World {
    fn new() -> Self {
        let net = net(Self::settings(None));
        let mut world = World {
            sender: sender(&net),
            received: 0,
            net,
            sessions: HashMap::new(),
            open: vec![Vec::new(); NAMES.len()],
            asked: HashMap::new(),
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
            Op::Pay { from, to, amount, expires_in_ms } => {
                let session =
                    self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
                let Some(session) = session else { return };
                self.next_id += 1;
                let expires =
                    i64::try_from(self.net.now.wall.as_millis() - START_MS + expires_in_ms)
                        .unwrap();
                let packet = payment_with(
                    &format!("test.{}", NAMES[to]),
                    amount,
                    expires,
                    &[],
                    PREIMAGE.condition(),
                );
                self.net.ask(session, self.next_id, &packet);
                *self.asked.entry(from).or_default() += 1;
            }
            Op::PayReceiver { from, amount, minimum, fulfillable, expires_in_ms } => {
                let session =
                    self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
                let Some(session) = session else { return };
                self.next_id += 1;
                let before = self.net.balance("wallet");
                let expires =
                    i64::try_from(self.net.now.wall.as_millis() - START_MS + expires_in_ms)
                        .unwrap();
                let packet = self.sender.payment_until(amount, minimum, fulfillable, expires);
                self.net.ask(session, self.next_id, &packet);
                *self.asked.entry(from).or_default() += 1;
                let taken = before - self.net.balance("wallet");
                let arrived = if NAMES[from] == "carl" { amount / 2 } else { amount };
                assert!(taken == 0 || taken == i128::from(arrived), "{taken} of {amount}");
                assert!(taken == 0 || fulfillable && arrived >= minimum && arrived <= 45);
                self.received += taken;
            }
            Op::Ping { from, amount, echo_to } => {
                let session =
                    self.sessions.get(&(from, true)).or(self.sessions.get(&(from, false)));
                let Some(session) = session else { return };
                self.next_id += 1;
                let in_5_s = self.net.now.wall.as_millis() - START_MS + 5_000;
                let expires = i64::try_from(in_5_s).unwrap();
                let (mut data, mut condition) = (Vec::new(), Condition::PING);
                if let Some(to) = echo_to {
                    let address: Address = format!("test.{}", NAMES[to]).parse().unwrap();
                    EchoRequest { return_address: address.view() }.encode(&mut data);
                    condition = PREIMAGE.condition();
                }
                let packet = payment_with("test.node", amount, expires, &data, condition);
                self.net.ask(session, self.next_id, &packet);
                *self.asked.entry(from).or_default() += 1;
            }
            Op::Originate { to, amount } => {
                let in_5_s = self.net.now.wall.as_millis() - START_MS + 5_000;
                let expires = i64::try_from(in_5_s).unwrap();
                let condition = PREIMAGE.condition();
                let packet = payment_with("test.far", amount, expires, &[], condition);
                let prepare = Prepare::parse(&packet).unwrap();
                let to = NAMES[to].parse().unwrap();
                self.net.connector.originate_prepare(&to, &prepare, self.net.now, |_| {});
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
            Op::Lose { who, dialled } => {
                if let Some(peer) = self.sessions.remove(&(who, dialled)) {
                    self.net.lose(&peer);
                }
            }
            Op::Connect { who, dialled } => {
                let side = if dialled { SessionKind::Dialled } else { SessionKind::Accepted };
                let peer = self.net.connect_as(NAMES[who], side);
                if let Some(old) = self.sessions.insert((who, dialled), peer) {
                    self.net.lose(&old);
                }
            }
            Op::Pass { ms } => self.net.pass(Duration::from_millis(ms)),
            Op::Reload { without } => {
                self.net.connector.apply_settings(Self::settings(without)).unwrap();
            }
        }
    }

    fn answer(&mut self, by: usize, which: usize, last: bool, packet: &[u8]) {
        let open = &mut self.open[by];
        if open.is_empty() {
            return;
        }
        let index = which % open.len();
        let id = if last { open.swap_remove(index) } else { open[index] };
        // From any session, even one that is gone: the account is what counts.
        let account = self.net.connector.account(NAMES[by]).unwrap();
        self.net.connector.start_batch(self.net.now).handle_answer(
            &account,
            id,
            PeerAnswer::Packet(packet),
        );
    }

    fn read(&mut self, who: usize) {
        for dialled in [false, true] {
            let Some(peer) = self.sessions.get(&(who, dialled)) else { continue };
            for seen in self.net.read(peer) {
                match seen {
                    Seen::Prepare { id, .. } => self.open[who].push(id),
                    _ => *self.answered.entry(who).or_default() += 1,
                }
            }
        }
    }

    fn check_at_rest(mut self) {
        self.net.pass(Duration::from_secs(60));
        for (who, name) in NAMES.iter().enumerate() {
            self.read(who);
            let report = self.net.account(name);
            assert_eq!((report.held_in, report.held_out), (0, 0), "{name}");
            assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0), "{name}");
            assert!((-200..=200).contains(&report.balance), "{name}: {}", report.balance);
            let asked = self.asked.get(&who).copied().unwrap_or(0);
            let answered = self.answered.get(&who).copied().unwrap_or(0);
            let lost = asked - answered;
            assert_eq!(lost, report.stats.dropped_answers, "{name}: Prepares without an answer");
        }
        let wallet = self.net.account("wallet");
        assert_eq!((wallet.held_in, wallet.held_out), (0, 0));
        assert!((-300..=0).contains(&wallet.balance), "wallet: {}", wallet.balance);
        assert_eq!(wallet.balance, -self.received, "the receiver counted what it did not fulfill");
        self.net.adds_up();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_nothing_is_lost(ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
            world.net.adds_up();
        }
        world.check_at_rest();
    }
}
