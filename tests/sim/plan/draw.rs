//! Chooses what happens in a run, from its seed.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::{IndexedMutRandom, IndexedRandom};
use rand::{RngExt, SeedableRng};

use super::{
    Change, Fault, FaultPlan, Kept, Limits, LinkPlan, NodePlan, PaymentPlan, Plan, QUIET_START_MS,
    Reaction,
};
use crate::assets::Asset;
use crate::attack::AttackPlan;
use crate::world::engine::EngineMode;
use crate::world::network::Ending;

/// How long things go wrong, at least.
const TROUBLE_MS: u64 = 60_000;
/// Payments in this time.
const PAYMENTS: usize = 240;
/// Faults in this time, at most.
const FAULTS_MAX: usize = 24;
/// Most runs have so many nodes, at most.
const NODES_MAX: usize = 6;
/// One run in so many is a large one.
const ONE_LARGE_IN: u32 = 32;
/// Nodes of a large run, at most.
const NODES_OF_LARGE_MAX: usize = 20;

impl Plan {
    /// The run of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let rng = &mut rng;
        let is_large = rng.random_range(0..ONE_LARGE_IN) == 0;
        let nodes_max = if is_large { NODES_OF_LARGE_MAX } else { NODES_MAX };
        let count = rng.random_range(2..=nodes_max);
        let nodes = (0..count).map(|_| NodePlan {
            is_strict: rng.random(),
            store_interval_ms: *[1, 20, 20, 200].choose(rng).unwrap(),
            asset: Asset::default(),
            limits: None,
            spread_thousandths: 0,
        });
        let mut nodes: Vec<_> = nodes.collect();
        // A tree, and some more links.
        let mut links: Vec<_> = (1..count).map(|to| link(rng, to, None)).collect();
        for _ in 0..rng.random_range(0..=count / 2) {
            let (a, b) = (rng.random_range(0..count), rng.random_range(0..count));
            let is_new =
                |one: &LinkPlan| (one.from, one.to) != (a, b) && (one.to, one.from) != (a, b);
            if a != b && links.iter().all(is_new) {
                links.push(link(rng, a, Some(b)));
            }
        }
        let end_ms = QUIET_START_MS + TROUBLE_MS;
        let mut payments: Vec<_> = (0..PAYMENTS).map(|_| payment(rng, count, end_ms)).collect();
        let mut attack = AttackPlan::new(seed, count, &links).filter(|_| count <= NODES_MAX);
        payments.extend(attack.iter().flat_map(AttackPlan::sheltered_payments));
        let number = rng.random_range(0..=FAULTS_MAX);
        let mut faults: Vec<_> =
            (0..number).map(|_| fault(rng, count, links.len(), end_ms)).collect();
        let taken_away = match rng.random_range(0..3) {
            0 => engine_taken_away(rng, &links),
            _ => Vec::new(),
        };
        // These are too rare to give them up.
        let can_be_quiet = taken_away.is_empty();
        faults.extend(taken_away);
        if rng.random_range(0..3) == 0 {
            draw_assets(rng, &mut nodes, &mut links);
            let number = rng.random_range(0..=2);
            faults.extend((0..number).map(|_| dear_prices(rng, count, end_ms)));
        }
        if rng.random_range(0..4) == 0 {
            draw_limits(rng, &mut nodes, &mut links);
        }
        if rng.random_range(0..4) == 0 {
            faults.extend(operator_decides(rng, &links));
        }
        if rng.random_range(0..6) == 0 {
            let link = links.choose_mut(rng).unwrap();
            link.uncertain_hold_ms = Some(rng.random_range(1_000..=10_000));
        }
        if rng.random_range(0..5) == 0 {
            faults.push(leave(rng, count, end_ms));
        }
        if let Some(attack) = &mut attack {
            attack.is_quiet &= can_be_quiet;
        }
        match &attack {
            Some(attack) if attack.is_quiet => {
                faults.clear();
                nodes.iter_mut().for_each(|node| node.limits = None);
                links.iter_mut().for_each(|link| link.limits = [None, None]);
            }
            attack => faults.extend(attack.iter().flat_map(AttackPlan::faults)),
        }
        let plan = Self::whole(seed, nodes, links, payments, faults);
        Self { attack, ..plan }.with_all_moves()
    }

    /// The attacker makes all of its moves.
    pub fn with_all_moves(mut self) -> Self {
        let moves = self.attack.as_ref().map_or(0, |attack| attack.moves.len());
        self.kept.moves = (0..moves).collect();
        self
    }

    /// The run of these parts, all of which take part. In the end, each program pays each other one.
    pub fn whole(
        seed: u64,
        nodes: Vec<NodePlan>,
        links: Vec<LinkPlan>,
        mut payments: Vec<PaymentPlan>,
        mut faults: Vec<FaultPlan>,
    ) -> Self {
        let (count, end_ms) = (nodes.len(), QUIET_START_MS + TROUBLE_MS);
        payments.sort_by_key(|payment| payment.at_ms);
        let probes_from = payments.len();
        payments.extend((0..count * count).filter_map(|pair| probe(pair / count, pair % count)));
        faults.sort_by_key(|fault| fault.at_ms);
        let last = faults.iter().map(|fault| fault.at_ms + fault.for_ms).max().unwrap_or(0);
        let kept = Kept {
            nodes: (0..count).collect(),
            faults: (0..faults.len()).collect(),
            payments: (0..payments.len()).collect(),
            moves: BTreeSet::new(),
        };
        let trouble_ms = end_ms.max(last);
        Self { seed, nodes, links, payments, probes_from, faults, attack: None, trouble_ms, kept }
    }
}

fn link(rng: &mut StdRng, a: usize, b: Option<usize>) -> LinkPlan {
    let b = b.unwrap_or_else(|| rng.random_range(0..a));
    let (from, to) = if rng.random() { (a, b) } else { (b, a) };
    LinkPlan {
        from,
        to,
        is_http: rng.random_range(0..4) == 0,
        is_settled: rng.random_range(0..3) == 0,
        asset: Asset::default(),
        limits: [None, None],
        uncertain_hold_ms: None,
    }
}

fn draw_assets(rng: &mut StdRng, nodes: &mut [NodePlan], links: &mut [LinkPlan]) {
    for node in nodes {
        node.asset = *Asset::ALL.choose(rng).unwrap();
        node.spread_thousandths = *[0, 1, 10].choose(rng).unwrap();
    }
    links.iter_mut().for_each(|link| link.asset = *Asset::ALL.choose(rng).unwrap());
}

/// Some balances have limits. Settlements would move them by more than packets.
fn draw_limits(rng: &mut StdRng, nodes: &mut [NodePlan], links: &mut [LinkPlan]) {
    let mut limits = || {
        let max_balance = rng.random_range(1_000..=20_000);
        let min_balance = -rng.random_range(1_000..=20_000);
        rng.random::<bool>().then_some(Limits { max_balance, min_balance })
    };
    nodes.iter_mut().for_each(|node| node.limits = limits());
    for link in links.iter_mut().filter(|link| !link.is_settled) {
        link.limits = [limits(), limits()];
    }
}

fn payment(rng: &mut StdRng, nodes: usize, end_ms: u64) -> PaymentPlan {
    let reaction = match rng.random_range(0..40) {
        0..3 => Reaction::Rejects,
        3 => Reaction::FulfillsWrongly,
        4 => Reaction::DoesNotAnswer,
        5 | 6 => Reaction::FulfillsTwice,
        7 => Reaction::AnswersAnother,
        8 => Reaction::AnswersGarbage,
        _ => Reaction::Fulfills,
    };
    let is_slow = rng.random_range(0..5) == 0;
    let from = rng.random_range(0..nodes);
    PaymentPlan {
        at_ms: rng.random_range(QUIET_START_MS..end_ms),
        from,
        to: (from + rng.random_range(1..nodes)) % nodes,
        amount: rng.random_range(1..=1000),
        expires_in_ms: rng.random_range(3_000..=30_000),
        reaction,
        reacts_after_ms: if is_slow { rng.random_range(0..=15_000) } else { 0 },
    }
}

fn change(rng: &mut StdRng, link: usize) -> Change {
    match rng.random_range(0..5) {
        0 => Change::SmallPackets(rng.random_range(0..=900)),
        1 => Change::WithoutLink(link),
        2 => Change::SuspendedLink(link),
        3 => Change::ManualSettlement(link),
        _ => Change::Intervals {
            store_ms: rng.random_range(1..=500),
            routes_ms: rng.random_range(100..=5_000),
            reconcile_ms: rng.random_range(1_000..=10_000),
        },
    }
}

/// An engine fails; operators take it away while a payment may be pending, and the node crashes before they give it back.
fn engine_taken_away(rng: &mut StdRng, links: &[LinkPlan]) -> Vec<FaultPlan> {
    let settled: Vec<usize> = (0..links.len()).filter(|link| links[*link].is_settled).collect();
    let Some(&link) = settled.choose(rng) else { return Vec::new() };
    let LinkPlan { from, to, .. } = links[link];
    let node = if rng.random() { from } else { to };
    let began = rng.random_range(QUIET_START_MS..QUIET_START_MS + TROUBLE_MS / 2);
    let change = Change::ManualSettlement(link);
    let fault = |after_ms, for_ms, fault| FaultPlan { at_ms: began + after_ms, for_ms, fault };
    vec![
        fault(0, 30_000, Fault::Engines { link, mode: EngineMode::Fails }),
        fault(15_000, 20_000, Fault::Reload { node, change }),
        fault(20_000, 1_000, Fault::Kill { node }),
    ]
}

fn dear_prices(rng: &mut StdRng, nodes: usize, end_ms: u64) -> FaultPlan {
    let change = Change::KeptPercent(rng.random_range(1..=20));
    FaultPlan {
        at_ms: rng.random_range(QUIET_START_MS..end_ms),
        for_ms: rng.random_range(1_000..=20_000),
        fault: Fault::Reload { node: rng.random_range(0..nodes), change },
    }
}

fn leave(rng: &mut StdRng, nodes: usize, end_ms: u64) -> FaultPlan {
    let at_ms = rng.random_range(QUIET_START_MS..end_ms);
    let node = rng.random_range(0..nodes);
    FaultPlan { at_ms, for_ms: 0, fault: Fault::Leave { node, is_clean: rng.random() } }
}

/// A node crashes while it cannot reach a neighbour, and its operator decides what became of the packets in flight.
fn operator_decides(rng: &mut StdRng, links: &[LinkPlan]) -> Vec<FaultPlan> {
    let link = rng.random_range(0..links.len());
    let LinkPlan { from, to, .. } = links[link];
    let node = if rng.random() { from } else { to };
    let began = rng.random_range(QUIET_START_MS..QUIET_START_MS + TROUBLE_MS / 2);
    let conceded_percent = *[0, 50, 100].choose(rng).unwrap();
    let fault = |after_ms, for_ms, fault| FaultPlan { at_ms: began + after_ms, for_ms, fault };
    vec![
        fault(0, 10_000, Fault::Cut { link }),
        fault(100, 500, Fault::Kill { node }),
        fault(5_000, 0, Fault::Resolve { node, link, conceded_percent }),
    ]
}

fn probe(from: usize, to: usize) -> Option<PaymentPlan> {
    let probe = PaymentPlan {
        at_ms: u64::MAX,
        from,
        to,
        // Enough to be something in each asset.
        amount: 10,
        expires_in_ms: 30_000,
        reaction: Reaction::Fulfills,
        reacts_after_ms: 0,
    };
    (from != to).then_some(probe)
}

fn fault(rng: &mut StdRng, nodes: usize, links: usize, end_ms: u64) -> FaultPlan {
    let (node, link) = (rng.random_range(0..nodes), rng.random_range(0..links));
    let fault = match rng.random_range(0..21) {
        0 => Fault::Kill { node },
        1 => Fault::PowerLoss { node },
        2 => Fault::Stop { node },
        3 => Fault::Suspend { node },
        4 => Fault::Cut { link },
        5 => Fault::Slow { link, ms: rng.random_range(10..=5_000) },
        6 => Fault::Break { link },
        7 => Fault::Silence { link },
        8 => Fault::BreakProgram { node },
        9 => Fault::Jump { node, seconds: rng.random_range(-100..=100) },
        10 => Fault::Drift { node, millionths: rng.random_range(-10_000..=10_000) },
        11 => Fault::DiskSlow { node, ms: rng.random_range(1..=2_000) },
        12 => Fault::DiskFails { node, of_thousand: rng.random_range(1..=1000) },
        13 => Fault::DiskFailsAfterwards { node, of_thousand: rng.random_range(1..=1000) },
        14 | 15 => {
            let modes = [EngineMode::Fails, EngineMode::FailsAfterwards, EngineMode::Hangs];
            Fault::Engines { link, mode: *modes.choose(rng).unwrap() }
        }
        16 | 17 => Fault::PauseSettlements { link },
        18 => Fault::CrashesAtStart {
            node,
            ending: if rng.random() { Ending::Killed } else { Ending::PowerLoss },
            times: rng.random_range(1..=3),
            after_us: rng.random_range(0..=4_000),
        },
        _ => Fault::Reload { node, change: change(rng, link) },
    };
    FaultPlan {
        at_ms: rng.random_range(QUIET_START_MS..end_ms),
        for_ms: if rng.random() {
            rng.random_range(1..=1_000)
        } else {
            rng.random_range(1_000..=20_000)
        },
        fault,
    }
}
