//! What the simulator has found in the program, so that it finds it again.
//!
//! Each failure has the plan that was left of the run that found it, by hand or by `--shrink`: a seed alone means
//! another run as soon as plans are made in another way. What the plan does not say, such as delays of the network, is
//! still drawn from a seed. So some seeds run it: with the mistake planted back, one of them must fail, and without it
//! none.

use ilp_connector::internals::planted::Fault as Planted;

use crate::attack::{Answers, AttackPlace, AttackPlan, Move, MovePlan, Target};
use crate::plan::Fault::{Cut, Engines, Kill, Leave, Reload, Slow};
use crate::plan::{Change, Fault, FaultPlan, LinkPlan, NodePlan, PaymentPlan, Plan};
use crate::world::engine::EngineMode;

/// With a mistake, one of so many seeds fails.
pub const SEEDS_TO_FIND: u64 = 10;

/// A failure of the program.
#[derive(Clone, Copy)]
pub struct PastFailure {
    /// The same mistake, to be planted.
    pub mistake: Planted,
    /// What went wrong.
    pub text: &'static str,
    /// What was left of the run that found it. The argument is the seed of all that is not in it.
    pub plan: fn(u64) -> Plan,
}

/// All of them, the newest last.
pub const ALL: &[PastFailure] = &[
    PastFailure {
        mistake: Planted::HeldUpSettlementSpins,
        text: "operators take an engine away while a settlement is under way, and the node is killed; at its next \
               start, it looks at the settlement again and again, and does nothing else",
        plan: engine_taken_away,
    },
    PastFailure {
        mistake: Planted::FirstUpdateNotAwaited,
        text: "over HTTP, a peer accepts a request for its routes, and is killed before its first update; it is never \
               asked again",
        plan: killed_before_first_update,
    },
    PastFailure {
        mistake: Planted::NeighbourCutOff,
        text: "an attacker fills the packets in flight between two nodes, whose own requests are rejected then, and \
               their routes expire",
        plan: jammed_neighbour,
    },
    PastFailure {
        mistake: Planted::TableKept,
        text: "over a slow link, a peer drops all routes, and asks for them while an update is on its way to it; \
               routes of that update that are withdrawn meanwhile stay at the peer for ever",
        plan: asked_again_over_slow_link,
    },
];

fn engine_taken_away(seed: u64) -> Plan {
    let link = LinkPlan { from: 0, to: 1, is_settled: true, ..LinkPlan::default() };
    // Together, more than what node 0 may owe before it settles.
    let payments = (0..5).map(|number| pays(10_000 + number * 100, 0, 1, 900)).collect();
    let faults = vec![
        fault(10_000, 30_000, Engines { link: 0, mode: EngineMode::Fails }),
        fault(15_000, 20_000, Reload { node: 0, change: Change::ManualSettlement(0) }),
        fault(20_000, 1_000, Kill { node: 0 }),
    ];
    Plan::whole(seed, vec![strict(), strict()], vec![link], payments, faults)
}

fn killed_before_first_update(seed: u64) -> Plan {
    let link = LinkPlan { from: 1, to: 0, is_http: true, ..LinkPlan::default() };
    // When the link is there again, both connect at once. The last crash waits for a cut in which the payment is, and so
    // comes just after node 0 has accepted a request.
    let faults = vec![
        fault(12_585, 10_000, Cut { link: 0 }),
        fault(12_685, 500, Kill { node: 1 }),
        fault(14_832, 590, Kill { node: 0 }),
        fault(22_595, 582, Kill { node: 0 }),
    ];
    Plan::whole(
        seed,
        vec![NodePlan { is_strict: false, ..strict() }, strict()],
        vec![link],
        vec![pays(22_823, 0, 1, 410)],
        faults,
    )
}

fn jammed_neighbour(seed: u64) -> Plan {
    let link = LinkPlan { from: 0, to: 1, ..LinkPlan::default() };
    let place = |node| AttackPlace {
        node,
        is_child: false,
        is_fenced: true,
        write_off_max: 0,
        in_flight_max: 300,
        sessions_max: 1,
        max_balance: None,
        is_http: false,
    };
    let makes = |at_ms, place, what| MovePlan { at_ms, place, what, seed };
    let jam = Move::Jam {
        packets: 137,
        amount: 18,
        bytes: 0,
        expires_in_ms: 20_000,
        to: Target::Accomplice,
    };
    let moves = vec![makes(12_000, 0, Move::Answers(Answers::LastMoment)), makes(15_000, 1, jam)];
    let attack = AttackPlan { places: vec![place(0), place(1)], moves, is_quiet: true };
    let payments = vec![pays(27_000, 0, 1, 30)];
    let plan = Plan::whole(seed, vec![strict(), strict()], vec![link], payments, Vec::new());
    Plan { attack: Some(attack), ..plan }.with_all_moves()
}

fn asked_again_over_slow_link(seed: u64) -> Plan {
    // Updates reach node 1 so late that it drops all routes, asks node 0 for them, and asks again. The others leave one
    // after the other, so that one does between an update and the arrival of the second request.
    let leaving = 2..7;
    let links = (1..7).map(|from| LinkPlan { from, to: 0, ..LinkPlan::default() }).collect();
    let mut faults = vec![fault(15_000, 45_000, Slow { link: 0, ms: 14_000 })];
    let times = (49_000..).step_by(2_000);
    let leaves = |(node, at_ms)| fault(at_ms, 0, Leave { node, is_clean: true });
    faults.extend(leaving.zip(times).map(leaves));
    Plan::whole(seed, vec![strict(); 7], links, Vec::new(), faults)
}

fn strict() -> NodePlan {
    NodePlan { is_strict: true, store_interval_ms: 20, ..NodePlan::default() }
}

fn pays(at_ms: u64, from: usize, to: usize, amount: u64) -> PaymentPlan {
    PaymentPlan { at_ms, from, to, amount, expires_in_ms: 30_000, ..PaymentPlan::default() }
}

fn fault(at_ms: u64, for_ms: u64, fault: Fault) -> FaultPlan {
    FaultPlan { at_ms, for_ms, fault }
}
