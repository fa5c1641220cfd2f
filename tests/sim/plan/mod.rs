//! What happens in a run, chosen by its seed before it begins: so a part of it can be left out, and the rest stays.

mod draw;

use std::collections::BTreeSet;

use crate::assets::Asset;
use crate::attack::AttackPlan;
use crate::world::engine::EngineMode;
use crate::world::network::Ending;

/// Faults begin after this time, when the nodes know their routes.
pub const QUIET_START_MS: u64 = 10_000;

/// A whole run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub nodes: Vec<NodePlan>,
    pub links: Vec<LinkPlan>,
    /// In the order of their times. The last ones, after [`Self::probes_from`], begin when there is peace.
    pub payments: Vec<PaymentPlan>,
    /// From this payment on, each program pays each other one, and must succeed.
    pub probes_from: usize,
    /// In the order of their times.
    pub faults: Vec<FaultPlan>,
    pub attack: Option<AttackPlan>,
    /// When the last payment is sent, and the last fault ends that takes no longer than its time.
    pub trouble_ms: u64,
    /// What of all this takes part.
    pub kept: Kept,
}

/// The parts of a plan that take part, by their numbers. So a failure can be told with few of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub nodes: BTreeSet<usize>,
    pub faults: BTreeSet<usize>,
    pub payments: BTreeSet<usize>,
    /// Of the attacker.
    pub moves: BTreeSet<usize>,
}

/// A node, and the program that pays and is paid there.
#[derive(Clone, Debug, Default)]
pub struct NodePlan {
    pub is_strict: bool,
    pub store_interval_ms: u64,
    /// Of its program's account.
    pub asset: Asset,
    /// Of its program's account.
    pub limits: Option<Limits>,
    /// What it keeps of amounts that change their asset.
    pub spread_thousandths: u32,
}

/// The limits of a balance.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_balance: i64,
    pub min_balance: i64,
}

/// A link between two nodes, by their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LinkPlan {
    /// The one that dials. With HTTP, both post to each other.
    pub from: usize,
    pub to: usize,
    pub is_http: bool,
    /// Debts are settled, by an engine at each end.
    pub is_settled: bool,
    pub asset: Asset,
    /// At each end: of the one that dials, and of the other one.
    pub limits: [Option<Limits>; 2],
    /// What is uncertain is released after this time, at both ends.
    pub uncertain_hold_ms: Option<u64>,
}

/// What a receiver does with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reaction {
    #[default]
    Fulfills,
    Rejects,
    FulfillsWrongly,
    /// It fulfills, and sends the same answer again.
    FulfillsTwice,
    /// It answers another request, which it may not have got.
    AnswersAnother,
    /// Its answer is no packet.
    AnswersGarbage,
    DoesNotAnswer,
}

impl Reaction {
    /// Whether the right fulfillment is sent.
    pub fn is_honest(self) -> bool {
        matches!(self, Self::Fulfills | Self::FulfillsTwice)
    }
}

/// One packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct PaymentPlan {
    pub at_ms: u64,
    pub from: usize,
    pub to: usize,
    pub amount: u64,
    pub expires_in_ms: u64,
    pub reaction: Reaction,
    pub reacts_after_ms: u64,
}

/// Something goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct FaultPlan {
    pub at_ms: u64,
    pub for_ms: u64,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// `kill -9`.
    Kill {
        node: usize,
    },
    PowerLoss {
        node: usize,
    },
    /// It ends so many times while it starts, this long after each start or while its files are being written.
    CrashesAtStart {
        node: usize,
        ending: Ending,
        times: u32,
        after_us: u64,
    },
    /// A clean stop.
    Stop {
        node: usize,
    },
    /// It stops, in order or not, and never runs again.
    Leave {
        node: usize,
        is_clean: bool,
    },
    /// SIGSTOP, or the machine sleeps.
    Suspend {
        node: usize,
    },
    Cut {
        link: usize,
    },
    Slow {
        link: usize,
        ms: u64,
    },
    /// The connections break at any byte.
    Break {
        link: usize,
    },
    /// The connections stay open, and carry nothing.
    Silence {
        link: usize,
    },
    /// The connection of a node and its program breaks.
    BreakProgram {
        node: usize,
    },
    Jump {
        node: usize,
        seconds: i32,
    },
    Drift {
        node: usize,
        millionths: i32,
    },
    DiskSlow {
        node: usize,
        ms: u64,
    },
    DiskFails {
        node: usize,
        of_thousand: u32,
    },
    DiskFailsAfterwards {
        node: usize,
        of_thousand: u32,
    },
    /// The engines of a link, if it is settled.
    Engines {
        link: usize,
        mode: EngineMode,
    },
    /// The operators of both ends let no settlement begin or go on.
    PauseSettlements {
        link: usize,
    },
    /// The operator of a node decides what became of packets that are uncertain with the other end, right or wrong.
    Resolve {
        node: usize,
        link: usize,
        conceded_percent: u32,
    },
    /// Another configuration is applied, and later the first one again.
    Reload {
        node: usize,
        change: Change,
    },
}

/// What an operator changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Packets of the program above this amount are refused.
    SmallPackets(u64),
    /// The peer at the other end of this link is not configured.
    WithoutLink(usize),
    /// The operators settle with the peer at the other end of this link.
    ManualSettlement(usize),
    /// The peer at the other end of this link is suspended.
    SuspendedLink(usize),
    /// It keeps this part of each price.
    KeptPercent(u64),
    /// Intervals of cuts, routes and comparisons.
    Intervals { store_ms: u64, routes_ms: u64, reconcile_ms: u64 },
}

impl Plan {
    /// Whether a payment is made: its ends take part too.
    pub fn is_paid(&self, payment: usize) -> bool {
        let PaymentPlan { from, to, .. } = self.payments[payment];
        let nodes = &self.kept.nodes;
        self.kept.payments.contains(&payment) && nodes.contains(&from) && nodes.contains(&to)
    }

    /// Whether a link is there: its ends take part.
    pub fn is_linked(&self, link: &LinkPlan) -> bool {
        self.kept.nodes.contains(&link.from) && self.kept.nodes.contains(&link.to)
    }

    /// Whether the nodes that take part are linked with each other.
    pub fn is_connected(&self) -> bool {
        let nodes = &self.kept.nodes;
        nodes.first().is_none_or(|first| self.reached_from(*first, nodes) == *nodes)
    }

    /// Whether amounts change their asset anywhere.
    pub fn has_assets(&self) -> bool {
        let assets = self.links.iter().map(|link| link.asset);
        assets.chain(self.nodes.iter().map(|node| node.asset)).any(|one| one != Asset::default())
    }

    /// Whether any balance has limits.
    pub fn has_limits(&self) -> bool {
        let of_links = self.links.iter().flat_map(|link| link.limits);
        of_links.chain(self.nodes.iter().map(|node| node.limits)).any(|limits| limits.is_some())
    }

    /// What a node keeps of amounts that change their asset, at most, in thousandths.
    pub fn kept_thousandths(&self, node: usize) -> i128 {
        let percent = self.faults.iter().map(|one| match one.fault {
            Fault::Reload { node: at, change: Change::KeptPercent(kept) } if at == node => kept,
            _ => 0,
        });
        let spread = self.nodes[node].spread_thousandths;
        i128::from(percent.max().unwrap_or(0) * 10) + i128::from(spread)
    }

    /// The nodes that do not leave, and are linked with each other. This one is among them, if it stays.
    pub fn island_of(&self, node: usize) -> BTreeSet<usize> {
        let left = self.faults_kept().into_iter().filter_map(|one| match one.fault {
            Fault::Leave { node, .. } => Some(node),
            _ => None,
        });
        let left: BTreeSet<usize> = left.collect();
        let staying: BTreeSet<usize> = self.kept.nodes.difference(&left).copied().collect();
        self.reached_from(node, &staying)
    }

    /// The nodes among these that links lead to.
    fn reached_from(&self, node: usize, among: &BTreeSet<usize>) -> BTreeSet<usize> {
        let mut reached: BTreeSet<usize> = among.get(&node).copied().into_iter().collect();
        loop {
            let before = reached.len();
            for LinkPlan { from, to, .. } in &self.links {
                let is_there = among.contains(from) && among.contains(to);
                if is_there && (reached.contains(from) || reached.contains(to)) {
                    reached.extend([from, to]);
                }
            }
            if reached.len() == before {
                return reached;
            }
        }
    }

    /// The faults that happen: their places take part too.
    pub fn faults_kept(&self) -> Vec<FaultPlan> {
        let kept = self.kept.faults.iter().map(|number| self.faults[*number]);
        kept.filter(|one| match one.fault.place() {
            Place::Node(node) => self.kept.nodes.contains(&node),
            Place::Link(link) => self.is_linked(&self.links[link]),
        })
        .collect()
    }
}

enum Place {
    Node(usize),
    Link(usize),
}

impl Fault {
    fn place(&self) -> Place {
        match *self {
            Self::Kill { node }
            | Self::PowerLoss { node }
            | Self::CrashesAtStart { node, .. }
            | Self::Stop { node }
            | Self::Leave { node, .. }
            | Self::Suspend { node }
            | Self::BreakProgram { node }
            | Self::Jump { node, .. }
            | Self::Drift { node, .. }
            | Self::DiskSlow { node, .. }
            | Self::DiskFails { node, .. }
            | Self::DiskFailsAfterwards { node, .. }
            | Self::Reload { node, .. } => Place::Node(node),
            Self::Cut { link }
            | Self::Slow { link, .. }
            | Self::Break { link }
            | Self::Silence { link }
            | Self::PauseSettlements { link }
            | Self::Resolve { link, .. }
            | Self::Engines { link, .. } => Place::Link(link),
        }
    }
}
