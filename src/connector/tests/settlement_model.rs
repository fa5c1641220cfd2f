//! Settlements under random operations: a store that loses every cut that was not acknowledged, engines that lose
//! requests and answers, and a process that may die between any two steps. At every step no engine has a settlement
//! that the store lacks; at rest, what engines paid was debited, and what engines reported was credited, to the unit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

use super::virtual_store::VirtualStore;
use super::*;
use crate::account::{AccountId, SettlementMode, SettlementRules};
use crate::books::{
    BalanceChange, ChangeRequest, Cut, Quantity, Settlement, SettlementDirection, SettlementKey,
    SettlementState,
};
use crate::connector::{SettlementNote, Settler, SettlerAction, SettlerInput};
use crate::link::CutNumber;
use crate::testing::change_request;

const NAMES: [&str; 2] = ["c", "d"];
const THRESHOLD: i128 = -100;
const TARGET: i128 = -10;
const MAX_PER_HOUR: u128 = 400;
/// Enough for what a run can owe, at two rounds an hour.
const ROUNDS_MAX: usize = 1_000;
/// The scale of all accounts is 9; engines use any of these.
const SCALES: [u8; 4] = [6, 9, 11, 18];

/// What becomes of a request to an engine.
#[derive(Clone, Copy, Debug)]
enum Engine {
    /// It pays and says so.
    Accepts,
    /// It pays, and its answer is an error, or is lost.
    AcceptsInSilence,
    /// It does nothing and answers with an error.
    Refuses,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Crash,
    Stop,
}

#[derive(Clone, Debug)]
enum Op {
    /// The peer fulfills packets of ours.
    Owe {
        who: usize,
        amount: i128,
    },
    Look,
    Advance {
        secs: u64,
    },
    Answer {
        who: usize,
        engine: Engine,
    },
    /// The engine of the peer reports a settlement.
    Report {
        who: usize,
        amount: u64,
        scale: usize,
    },
    /// It repeats a report that has no answer, or even one that has.
    Repeat {
        which: usize,
    },
    Cut,
    Acknowledge,
    Fail {
        was_written: bool,
    },
    Restart(End),
    Pause {
        who: usize,
        is_paused: bool,
    },
    Retry {
        who: usize,
    },
    StoreFails(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let who = || 0..NAMES.len();
    let engine =
        prop_oneof![Just(Engine::Accepts), Just(Engine::AcceptsInSilence), Just(Engine::Refuses)];
    prop_oneof![
        6 => (who(), 1..80_i128).prop_map(|(who, amount)| Op::Owe { who, amount }),
        8 => Just(Op::Look),
        3 => (1..2_000_u64).prop_map(|secs| Op::Advance { secs }),
        6 => (who(), engine).prop_map(|(who, engine)| Op::Answer { who, engine }),
        4 => (who(), 0..5_000_u64, 0..SCALES.len())
            .prop_map(|(who, amount, scale)| Op::Report { who, amount, scale }),
        3 => any::<usize>().prop_map(|which| Op::Repeat { which }),
        8 => Just(Op::Cut),
        8 => Just(Op::Acknowledge),
        2 => any::<bool>().prop_map(|was_written| Op::Fail { was_written }),
        3 => prop_oneof![3 => Just(End::Crash), 1 => Just(End::Stop)].prop_map(Op::Restart),
        1 => (who(), any::<bool>()).prop_map(|(who, is_paused)| Op::Pause { who, is_paused }),
        1 => who().prop_map(|who| Op::Retry { who }),
        1 => any::<bool>().prop_map(Op::StoreFails),
    ]
}

/// A settlement that the peer's engine reports until it is confirmed.
#[derive(Clone, Debug)]
struct Report {
    who: usize,
    key: SettlementKey,
    quantity: Quantity,
    /// The exact amount in units of scale 18.
    exact: u128,
    is_confirmed: bool,
}

struct World {
    node: TestNode,
    settler: Settler,
    store: VirtualStore,
    on_their_way: VecDeque<Cut>,
    /// Requests that an engine has, by account.
    asked: BTreeMap<String, Settlement>,
    /// What the engines have paid, by account and key.
    paid: BTreeMap<(String, SettlementKey), u128>,
    reports: Vec<Report>,
    /// Reports that are credited, and confirmed when this cut is durable.
    credited: Vec<(CutNumber, usize)>,
    paused: BTreeSet<AccountId>,
    is_failing: bool,
    random: u128,
}

fn settings() -> ConnectorSettings {
    let mut settings = connector_settings("node", &NAMES);
    for account in &mut settings.accounts {
        account.settlement = SettlementRules {
            mode: SettlementMode::Engine,
            threshold: Some(THRESHOLD),
            target: TARGET,
            interval: Some(Duration::from_secs(1_800)),
            max_per_hour: Some(MAX_PER_HOUR),
            on_t04: false,
        };
    }
    settings
}

impl World {
    fn new() -> Self {
        let store = VirtualStore::default();
        Self {
            node: node_with_books(settings(), store.books(true)),
            settler: Settler::default(),
            store,
            on_their_way: VecDeque::new(),
            asked: BTreeMap::new(),
            paid: BTreeMap::new(),
            reports: Vec::new(),
            credited: Vec::new(),
            paused: BTreeSet::new(),
            is_failing: false,
            random: 0,
        }
    }

    fn connector(&self) -> &Connector {
        &self.node.connector
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Owe { who, amount } => self.owe(who, amount),
            Op::Look => self.look(),
            Op::Advance { secs } => self.node.advance(Duration::from_secs(secs)),
            Op::Answer { who, engine } => self.answer(who, engine),
            Op::Report { who, amount, scale } => {
                let scale = SCALES[scale];
                // Few units at each scale: what peers pay in advance is paid back, and not all in one hour.
                let amount =
                    if scale == 6 { amount % 2 } else { amount.min(300 * u64::from(scale)) };
                self.random += 1;
                self.reports.push(Report {
                    who,
                    key: SettlementKey::from_random(self.random),
                    quantity: Quantity::new(&amount.to_string(), scale).unwrap(),
                    exact: u128::from(amount) * 10_u128.pow(u32::from(18 - scale)),
                    is_confirmed: false,
                });
                self.credit(self.reports.len() - 1);
            }
            Op::Repeat { which } if !self.reports.is_empty() => {
                self.credit(which % self.reports.len());
            }
            Op::Repeat { .. } => {}
            Op::Cut => self.cut(),
            Op::Acknowledge => self.acknowledge(),
            Op::Fail { was_written } => {
                for cut in std::mem::take(&mut self.on_their_way) {
                    if was_written {
                        self.store.write(&cut);
                    }
                }
                self.connector().note_all_accounts();
            }
            Op::Restart(end) => self.restart(end),
            Op::Pause { who, is_paused } => {
                let account: AccountId = NAMES[who].parse().unwrap();
                match is_paused {
                    true => self.paused.insert(account),
                    false => self.paused.remove(&account),
                };
            }
            Op::Retry { who } => self.settler.retry(&NAMES[who].parse().unwrap()),
            Op::StoreFails(fails) => self.is_failing = fails,
        }
        self.check();
    }

    /// An adjustment stands for packets, which other models have.
    fn owe(&mut self, who: usize, amount: i128) {
        self.random += 1;
        let id = format!("{:x}", self.random).parse().unwrap();
        let request = change_request(NAMES[who], BalanceChange::Adjust(-amount));
        let request = ChangeRequest { id, ..request };
        self.connector().change_balance(&request, self.node.now.wall).unwrap();
    }

    fn look(&mut self) {
        let Self { node, settler, paused, random, is_failing, .. } = self;
        let mut next = || {
            *random += 1;
            *random
        };
        let mut input = SettlerInput {
            now: node.now,
            durable: node.connector.durable_cut(),
            may_begin: !*is_failing,
            paused,
            random: &mut next,
        };
        for action in settler.look_at_all(&node.connector, &mut input) {
            match action {
                SettlerAction::Ask(settlement) => {
                    let saved =
                        self.store.settlements.iter().find(|one| one.id() == settlement.id());
                    let saved = saved.expect("the debit is durable before the request");
                    assert_eq!(saved.units, settlement.units);
                    assert!(!self.paused.iter().any(|id| id.as_str() == &*settlement.account));
                    let before = self.asked.insert(settlement.account.to_string(), settlement);
                    assert!(before.is_none(), "one request of an account at a time");
                }
                SettlerAction::Begun(settlement) => {
                    assert!(settlement.units > 0 && !self.is_failing);
                }
                SettlerAction::Due { .. } => {}
            }
        }
    }

    fn answer(&mut self, who: usize, engine: Engine) {
        let Some(asked) = self.asked.remove(NAMES[who]) else { return };
        if !matches!(engine, Engine::Refuses) {
            let id = (asked.account.to_string(), asked.key.clone());
            let paid = *self.paid.entry(id).or_insert(asked.units);
            assert_eq!(paid, asked.units, "a key is one amount");
        }
        let answer = match engine {
            Engine::Accepts => Ok(()),
            Engine::AcceptsInSilence | Engine::Refuses => Err("no answer".to_owned()),
        };
        self.random += 1;
        let (now, random) = (self.node.now, self.random);
        self.settler.note_answer(&asked, &answer, &self.node.connector, now, random).unwrap();
    }

    /// As `node/credits.rs`: what is not saved yet, then the store, then the books.
    fn credit(&mut self, which: usize) {
        let Report { who, key, quantity, .. } = self.reports[which].clone();
        let account: AccountId = NAMES[who].parse().unwrap();
        let connector = &self.node.connector;
        let direction = SettlementDirection::Incoming;
        if let Some((cut, _)) = connector.find_unsaved_settlement(direction, &account, &key) {
            self.credited.push((cut, which));
            return;
        }
        let id = (direction, NAMES[who], &key);
        if self.store.settlements.iter().any(|saved| saved.id() == id) {
            self.reports[which].is_confirmed = true;
            return;
        }
        let note = SettlementNote { reference: String::new(), by: "engine".to_owned() };
        let now = self.node.now.wall;
        let (cut, _) = connector.credit_settlement(&account, &key, &quantity, note, now).unwrap();
        self.credited.push((cut, which));
    }

    fn cut(&mut self) {
        if self.on_their_way.is_empty() {
            let cut = self.connector().take_cut(self.node.now.wall);
            self.on_their_way.push_back(cut.unwrap());
        }
    }

    fn acknowledge(&mut self) {
        let Some(cut) = self.on_their_way.pop_front() else { return };
        self.store.write(&cut);
        self.connector().publish_durable(cut.number);
        for (first, which) in std::mem::take(&mut self.credited) {
            match first <= cut.number {
                true => self.reports[which].is_confirmed = true,
                false => self.credited.push((first, which)),
            }
        }
    }

    fn restart(&mut self, end: End) {
        if matches!(end, End::Stop) {
            self.on_their_way.clear();
            self.connector().note_all_accounts();
            self.cut();
            self.acknowledge();
        }
        self.on_their_way.clear();
        self.asked.clear();
        self.credited.clear();
        self.is_failing = false;
        let books = self.store.books(matches!(end, End::Stop));
        self.node.connector = Connector::with_books(settings(), HashSeed::Fixed(1), books).unwrap();
        self.settler = Settler::default();
    }

    fn outgoing(&self, name: &str) -> impl Iterator<Item = &Settlement> {
        let outgoing = |one: &&Settlement| one.direction == SettlementDirection::Outgoing;
        self.store.settlements.iter().filter(outgoing).filter(move |one| &*one.account == name)
    }

    fn check(&self) {
        for name in NAMES {
            let pending = self.outgoing(name).filter(|one| one.state == SettlementState::Pending);
            assert!(pending.count() <= 1, "one at a time");
            for settlement in self.outgoing(name) {
                let began = settlement.created_at;
                let in_hour = self.outgoing(name).filter(|one| {
                    one.created_at >= began && one.created_at.millis_since(began) < 3_600_000
                });
                assert!(in_hour.map(|one| one.units).sum::<u128>() <= MAX_PER_HOUR);
            }
        }
        for ((account, key), units) in &self.paid {
            let debited = self.outgoing(account).find(|one| one.key == *key);
            assert_eq!(debited.map(|one| one.units), Some(*units), "paid is debited");
        }
        for report in self.reports.iter().filter(|report| report.is_confirmed) {
            let id = (SettlementDirection::Incoming, NAMES[report.who], &report.key);
            assert!(self.store.settlements.iter().any(|saved| saved.id() == id));
        }
    }

    /// The engines answer, and all is saved.
    fn check_at_rest(mut self) {
        self.paused.clear();
        self.is_failing = false;
        for _ in 0..ROUNDS_MAX {
            for which in 0..self.reports.len() {
                if !self.reports[which].is_confirmed {
                    self.credit(which);
                }
            }
            self.look();
            self.on_their_way.clear();
            self.connector().note_all_accounts();
            self.cut();
            self.acknowledge();
            self.look();
            (0..NAMES.len()).for_each(|who| self.answer(who, Engine::Accepts));
            self.check();
            self.node.advance(Duration::from_secs(1_800));
            let is_settled = |name: &&str| {
                let account = name.parse().unwrap();
                let view = self.connector().settlement_view(&account).unwrap();
                let pending = self.connector().settlement_under_way(&account);
                view.balance >= TARGET && pending.is_none()
            };
            if NAMES.iter().all(is_settled) && self.reports.iter().all(|one| one.is_confirmed) {
                break;
            }
        }
        self.connector().note_all_accounts();
        self.cut();
        self.acknowledge();
        self.restart(End::Crash);
        for (who, name) in NAMES.iter().enumerate() {
            let view = self.connector().settlement_view(&name.parse().unwrap()).unwrap();
            assert!(view.balance >= TARGET, "{view:?}");
            assert!(self.outgoing(name).all(|one| one.state == SettlementState::Done));
            let debited: u128 = self.outgoing(name).map(|one| one.units).sum();
            let paid = self.paid.iter().filter(|((account, _), _)| account == name);
            assert_eq!(debited, paid.map(|(_, units)| units).sum::<u128>(), "paid = debited");
            let incoming = || {
                let all = self.store.settlements.iter().filter(|one| &*one.account == *name);
                all.filter(|one| one.direction == SettlementDirection::Incoming)
            };
            let credited: u128 = incoming().map(|one| one.units).sum();
            let left = incoming().next_back().map(|one| one.leftover.to_string());
            let left = left.filter(|left| left != "0").map_or(0, |left| {
                let digits = format!("{:0<9}", left.strip_prefix("0.").unwrap());
                digits.parse::<u128>().unwrap()
            });
            let reported = self.reports.iter().filter(|report| report.who == who);
            let reported: u128 = reported.map(|report| report.exact).sum();
            assert_eq!(credited * 1_000_000_000 + left, reported, "credited = received");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]
    #[test]
    fn what_is_paid_is_debited_and_what_is_received_is_credited_rows_132_135(
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut world = World::new();
        for op in ops {
            world.run(op);
        }
        world.check_at_rest();
    }
}
