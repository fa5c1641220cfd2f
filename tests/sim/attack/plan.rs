//! What an attacker does in a run: where it has accounts, and its moves in the order of their times.

use std::net::IpAddr;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};

use crate::plan::{Fault, FaultPlan, LinkPlan, PaymentPlan, Plan, QUIET_START_MS, Reaction};
use crate::world::node::HTTP_PORT;

/// The account of the attacker at each node.
pub const ATTACKER: &str = "attacker";
/// Its token.
pub(super) const TOKEN: &str = "token-of-the-attacker";

/// One run in so many has an attacker.
const ONE_ATTACKED_IN: u32 = 3;
/// One place in so many is reached over HTTP.
const ONE_OVER_HTTP_IN: u32 = 3;
/// Mixed into the seed, so that the rest of a plan stays as it is without an attacker.
const SALT: u64 = 0x00a7_7ac4;
/// The first move, after the payments that make an honest program known to its next hop.
const FIRST_MOVE_MS: u64 = 12_000;
/// The last one.
const LAST_MOVE_MS: u64 = 66_000;
/// Between two payments that nothing but an attacker can stop.
const SHELTERED_EVERY_MS: u64 = 1_500;

/// Limits of the next hop that an attacker and honest programs share.
pub(super) const SHARED_IN_FLIGHT_MAX: usize = 64;
pub(super) const SHARED_MIN_BALANCE: i128 = -400_000;
/// The smallest that is allowed.
pub(super) const OUTBOX_BYTES_MAX: usize = 65_536;
/// Routes that a node keeps of the attacker.
pub(super) const ROUTES_MAX: usize = 50;

#[derive(Clone, Debug)]
pub struct AttackPlan {
    /// One or two. Between the nodes of two, there is a link of BTP.
    pub places: Vec<AttackPlace>,
    /// In the order of their times.
    pub moves: Vec<MovePlan>,
    /// Nothing else goes wrong, so that honest payments have no other reason to fail.
    pub is_quiet: bool,
}

/// An account of the attacker.
#[derive(Clone, Copy, Debug)]
pub struct AttackPlace {
    pub node: usize,
    /// A child exchanges no routes.
    pub is_child: bool,
    /// The node accepts no routes from it but those to its own address (`acceptPrefixes`).
    pub is_fenced: bool,
    pub write_off_max: u64,
    pub in_flight_max: usize,
    pub sessions_max: usize,
    pub max_balance: Option<u64>,
    /// It is reached over HTTP.
    pub is_http: bool,
}

/// Something that the attacker does.
#[derive(Clone, Copy, Debug)]
pub struct MovePlan {
    pub at_ms: u64,
    /// The number of the place.
    pub place: usize,
    pub what: Move,
    /// Of what is random in it.
    pub seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Move {
    /// Many packets at once.
    Jam {
        packets: usize,
        amount: u64,
        bytes: usize,
        expires_in_ms: u64,
        to: Target,
    },
    /// From now on it answers packets so.
    Answers(Answers),
    /// From now on it says this about its books.
    Says(Lie),
    /// It asks the node for its books, and shows its own.
    AsksForBooks,
    Routes(RouteGame),
    Noise(Noise),
    /// It reads nothing for so long.
    StopsReading {
        ms: u64,
    },
    /// It drops its connection, and connects again.
    Leaves,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Its own account at the other node.
    Accomplice,
    /// An honest program, which rejects what it does not know.
    Program(usize),
    /// No node has this address.
    Nobody,
}

/// What the attacker does with packets that come to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    Fulfill,
    Reject,
    Never,
    /// It fulfills just before the packet expires.
    LastMoment,
    TooLate,
    Wrongly,
    Twice,
    /// It has the right fulfillment, and gives it as the answer to another request.
    ToAnother,
    Garbage,
    /// It sends again what it has answered before.
    Old,
}

/// What it says about its books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// No lie.
    Truth,
    /// It says that it fulfilled more than it did; perhaps also that it knows newer books of the node.
    More {
        amount: u64,
        knows_newer: bool,
    },
    /// It accepts less of what the node fulfilled.
    Less {
        amount: u64,
    },
    Nonsense,
    OtherAsset,
    /// Each time the books of another process, which is recovering.
    OtherRun,
    Garbage,
    Silence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteGame {
    /// Routes to the addresses of honest nodes.
    Honest,
    /// Routes to addresses below those.
    BelowHonest,
    /// A route to its own address again, in a new table.
    Own,
    Withdraws,
    /// It withdraws its route, and then sends the first update of its table again.
    WithdrawsAndReplays,
    Replays,
    SkipsEpochs,
    /// More routes than the node keeps.
    Huge,
    /// Paths with itself and with the node in them.
    Loops,
    /// The node's own address, the whole network, and no addresses at all.
    Forbidden,
    Garbage,
    /// It asks for the routes of the node, again and again.
    Asks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Answers to requests that were never made.
    Unasked(u32),
    /// Frames that are no BTP, and requests that BTP does not know.
    BadFrames(u32),
    /// The first bytes of a frame, and the end of the connection.
    HalfFrame,
    Pings(u32),
    /// Further sessions of the same account.
    Sessions(u32),
    WrongTokens(u32),
    /// The last frames again, the newest first.
    Again,
}

impl AttackPlan {
    /// The attack in the run of a seed, if there is one.
    pub fn new(seed: u64, nodes: usize, links: &[LinkPlan]) -> Option<Self> {
        let mut rng = StdRng::seed_from_u64(seed ^ SALT);
        let rng = &mut rng;
        if rng.random_range(0..ONE_ATTACKED_IN) != 0 {
            return None;
        }
        let is_quiet = rng.random();
        let plain: Vec<&LinkPlan> = links.iter().filter(|link| !link.is_http).collect();
        let nodes_of = match plain.choose(rng) {
            Some(link) if rng.random_range(0..4) > 0 => match rng.random() {
                true => vec![link.from, link.to],
                false => vec![link.to, link.from],
            },
            _ => vec![rng.random_range(0..nodes)],
        };
        let mut places: Vec<_> =
            nodes_of.into_iter().map(|node| place(rng, node, is_quiet)).collect();
        let mut of_carriers = StdRng::seed_from_u64(!seed ^ SALT);
        for place in &mut places {
            place.is_http = of_carriers.random_range(0..ONE_OVER_HTTP_IN) == 0;
        }
        let mut moves = Vec::new();
        for number in 0..places.len() {
            let add = |rng: &mut StdRng, at_ms, what| MovePlan {
                at_ms,
                place: number,
                what,
                seed: rng.random(),
            };
            if number > 0 {
                let how = answers(rng);
                moves.push(add(rng, FIRST_MOVE_MS - 500, Move::Answers(how)));
                let how =
                    [Answers::Never, Answers::LastMoment, Answers::ToAnother, Answers::Fulfill];
                let how = *how.choose(rng).unwrap();
                moves.push(add(rng, FIRST_MOVE_MS + 8_000, Move::Answers(how)));
            } else if places.len() > 1 {
                for _ in 0..rng.random_range(2..=4) {
                    let at_ms = rng.random_range(FIRST_MOVE_MS..LAST_MOVE_MS);
                    let what = jam(rng, Target::Accomplice);
                    moves.push(add(rng, at_ms, what));
                    if matches!(what, Move::Jam { bytes: 1.., .. }) {
                        // They wait for the accomplice.
                        let deaf = add(rng, at_ms - 100, Move::StopsReading { ms: 10_000 });
                        moves.push(MovePlan { place: 1, ..deaf });
                    }
                }
            }
            for _ in 0..rng.random_range(4..=12) {
                let at_ms = rng.random_range(FIRST_MOVE_MS..LAST_MOVE_MS);
                let what = any_move(rng, nodes, places.len());
                moves.push(add(rng, at_ms, what));
            }
        }
        moves.sort_by_key(|one| one.at_ms);
        Some(Self { places, moves, is_quiet })
    }

    /// Payments over the link between both places, in the direction in which the attacker jams it.
    pub fn sheltered_payments(&self) -> Vec<PaymentPlan> {
        let [from, to] = &*self.places else { return Vec::new() };
        let times = (0..).map(|number| QUIET_START_MS + 200 + number * SHELTERED_EVERY_MS);
        let payment = |at_ms| PaymentPlan {
            at_ms,
            from: from.node,
            to: to.node,
            amount: 30 + at_ms % 20,
            expires_in_ms: 20_000,
            reaction: Reaction::Fulfills,
            reacts_after_ms: 0,
        };
        times.take_while(|at_ms| *at_ms < LAST_MOVE_MS).map(payment).collect()
    }

    /// Now and then the first of its nodes crashes during the attack.
    pub fn faults(&self) -> Vec<FaultPlan> {
        let Some(first) = self.moves.first().filter(|one| one.seed % 2 == 0) else {
            return Vec::new();
        };
        let at_ms = 30_000 + first.seed % 20_000;
        vec![FaultPlan { at_ms, for_ms: 500, fault: Fault::Kill { node: self.places[0].node } }]
    }
}

impl Plan {
    /// The places of the attacker that take part.
    pub fn attack_places(&self) -> Vec<(usize, AttackPlace)> {
        let places = self.attack.iter().flat_map(|attack| attack.places.iter().enumerate());
        let kept = places.filter(|(_, place)| self.kept.nodes.contains(&place.node));
        kept.map(|(number, place)| (number, *place)).collect()
    }

    /// The moves at a place that are made, the last one first.
    pub fn moves_at(&self, place: usize) -> Vec<MovePlan> {
        let moves = self.attack.iter().flat_map(|attack| attack.moves.iter().enumerate());
        let kept = moves.filter(|(at, one)| one.place == place && self.kept.moves.contains(at));
        let mut kept: Vec<MovePlan> = kept.map(|(_, one)| *one).collect();
        kept.reverse();
        kept
    }

    /// The node whose next hop the attacker shares with others, and that next hop.
    pub fn shared_hop(&self) -> Option<(usize, usize)> {
        let [from, to] = &*self.attack.as_ref()?.places else { return None };
        Some((from.node, to.node))
    }
}

fn place(rng: &mut StdRng, node: usize, is_quiet: bool) -> AttackPlace {
    AttackPlace {
        node,
        is_child: rng.random_range(0..3) == 0,
        is_fenced: is_quiet || rng.random_range(0..3) > 0,
        write_off_max: *[0, 0, 500, 5_000].choose(rng).unwrap(),
        in_flight_max: *[30, 100, 16_384].choose(rng).unwrap(),
        sessions_max: *[1, 1, 3].choose(rng).unwrap(),
        max_balance: *[None, Some(1_000_000), Some(5_000)].choose(rng).unwrap(),
        is_http: false,
    }
}

fn jam(rng: &mut StdRng, to: Target) -> Move {
    let expires_in_ms = *[5_000, 20_000, 60_000].choose(rng).unwrap();
    let (packets, amount, bytes) = match rng.random_range(0..4) {
        0 | 1 => (rng.random_range(100..=250), rng.random_range(0..=100), 0),
        2 => (rng.random_range(5..=20), rng.random_range(20_000..=90_000), 0),
        _ => (rng.random_range(10..=40), 1, rng.random_range(10_000..=30_000)),
    };
    Move::Jam { packets, amount, bytes, expires_in_ms, to }
}

fn answers(rng: &mut StdRng) -> Answers {
    let all = [
        Answers::Fulfill,
        Answers::Reject,
        Answers::Never,
        Answers::Never,
        Answers::LastMoment,
        Answers::TooLate,
        Answers::Wrongly,
        Answers::Twice,
        Answers::ToAnother,
        Answers::ToAnother,
        Answers::ToAnother,
        Answers::ToAnother,
        Answers::Garbage,
        Answers::Old,
    ];
    *all.choose(rng).unwrap()
}

fn lie(rng: &mut StdRng) -> Lie {
    let amount = *[100, 4_000, 1_000_000].choose(rng).unwrap();
    match rng.random_range(0..10) {
        0 => Lie::Truth,
        1..5 => Lie::More { amount, knows_newer: rng.random() },
        5 => Lie::Less { amount },
        6 => Lie::Nonsense,
        7 => Lie::OtherAsset,
        8 => Lie::OtherRun,
        _ => *[Lie::Garbage, Lie::Silence].choose(rng).unwrap(),
    }
}

fn any_move(rng: &mut StdRng, nodes: usize, places: usize) -> Move {
    let games = [
        RouteGame::Honest,
        RouteGame::BelowHonest,
        RouteGame::Own,
        RouteGame::Withdraws,
        RouteGame::WithdrawsAndReplays,
        RouteGame::WithdrawsAndReplays,
        RouteGame::Replays,
        RouteGame::SkipsEpochs,
        RouteGame::Huge,
        RouteGame::Loops,
        RouteGame::Forbidden,
        RouteGame::Garbage,
        RouteGame::Asks,
    ];
    match rng.random_range(0..16) {
        0 | 1 => {
            let to = match rng.random_range(0..4) {
                0 if places > 1 => Target::Accomplice,
                1 => Target::Nobody,
                _ => Target::Program(rng.random_range(0..nodes)),
            };
            jam(rng, to)
        }
        2 => Move::Answers(answers(rng)),
        3 | 4 => Move::Says(lie(rng)),
        5 => Move::AsksForBooks,
        6..11 => Move::Routes(*games.choose(rng).unwrap()),
        11 => Move::StopsReading { ms: rng.random_range(1_000..=20_000) },
        12 => Move::Leaves,
        _ => Move::Noise(match rng.random_range(0..7) {
            0 => Noise::Unasked(rng.random_range(1..=50)),
            1 => Noise::BadFrames(rng.random_range(1..=30)),
            2 => Noise::HalfFrame,
            3 => Noise::Pings(rng.random_range(10..=200)),
            4 => Noise::Sessions(rng.random_range(1..=8)),
            5 => Noise::WrongTokens(rng.random_range(1..=8)),
            _ => Noise::Again,
        }),
    }
}

/// The address of the attacker's machine at a node.
pub(super) fn ip_of_attacker(node: usize) -> IpAddr {
    IpAddr::from([10, 2, u8::try_from(node).unwrap(), 1])
}

/// The own address of the attacker at a place.
pub(super) fn address_of(number: usize, place: &AttackPlace) -> String {
    match place.is_child {
        true => format!("test.n{}.{ATTACKER}", place.node),
        false => format!("test.{ATTACKER}{number}"),
    }
}

/// The peers of a node that are the attacker, in its configuration.
pub fn yaml_of_attacker(plan: &Plan, node: usize) -> String {
    let here = plan.attack_places().into_iter().filter(|(_, place)| place.node == node);
    let peers = here.map(|(number, place)| {
        let relation = if place.is_child { "child" } else { "peer" };
        let fence = match place.is_fenced {
            true => format!(", acceptPrefixes: [{}]", address_of(number, &place)),
            false => String::new(),
        };
        let limit = place.max_balance.map(|max| format!(", maxBalance: {max}")).unwrap_or_default();
        let http = match place.is_http {
            true => {
                format!(", url: \"http://{}:{HTTP_PORT}/accounts/n{node}/ilp\"", ip_of_attacker(node))
            }
            false => String::new(),
        };
        let AttackPlace { write_off_max, in_flight_max, sessions_max, .. } = place;
        format!(
            "  - {{id: {ATTACKER}, relation: {relation}, authToken: {TOKEN}, maxRoutes: {ROUTES_MAX}, \
             outboxBytesMax: {OUTBOX_BYTES_MAX}, maxPacketsInFlight: {in_flight_max}, maxSessions: {sessions_max}, \
             writeOffMax: {write_off_max}{fence}{limit}{http}}}\n"
        )
    });
    peers.collect()
}

/// The limits of a peer that an attacker would like to use up.
pub fn yaml_of_limits(plan: &Plan, node: usize, peer: usize) -> String {
    if plan.shared_hop() != Some((node, peer)) {
        return String::new();
    }
    let balance = match plan.has_limits() {
        // The link may have one of its own.
        true => String::new(),
        false => format!(", minBalance: {SHARED_MIN_BALANCE}"),
    };
    format!(
        ", maxPacketsInFlight: {SHARED_IN_FLIGHT_MAX}, outboxBytesMax: {OUTBOX_BYTES_MAX}{balance}"
    )
}
