//! What must hold whatever an attacker does.

use ilp_connector::internals::connector::{AccountReport, Connector, ConnectorReport};

use super::plan::{
    ATTACKER, AttackPlace, OUTBOX_BYTES_MAX, ROUTES_MAX, SHARED_IN_FLIGHT_MAX, SHARED_MIN_BALANCE,
    address_of,
};
use crate::checks::{OWN_REQUESTS_MAX, ensure, find_account};
use crate::plan::{Fault, PaymentPlan, Plan, Reaction};
use crate::run::World;
use crate::world::node::{PACKET_MAX, WorldNode, name_of};
use crate::world::tally::Outcome;

/// A packet of honest programs may be open for so long if its receiver answers at once.
const OPEN_MS_MAX: u64 = 3_000;
/// Each hop takes a second of what is left; with so much, no packet comes too late.
const EXPIRES_IN_MS_MIN: u64 = 12_000;
/// With several assets, something is left of such an amount at its receiver.
const AMOUNT_MIN: u64 = 30;
/// A unit of a dear asset is less than so many units of a cheap one.
const UNITS_FOR_ONE: u64 = 2;

/// What holds at every moment.
pub fn check_always(world: &World) -> Result<(), String> {
    for (number, place) in world.plan.attack_places() {
        let node = world.nodes.iter().find(|node| node.number == place.node);
        let Some((node, report)) = node.and_then(|node| Some((node, node.report()?))) else {
            continue;
        };
        let Some(attacker) = find_account(&report, ATTACKER) else { continue };
        check_money(world, (number, &place), node, attacker)?;
        check_bounds(&place, attacker)?;
        check_routes(world, (number, &place), node)?;
        check_shared_hop(world, place.node, &report)?;
    }
    Ok(())
}

/// The balance of the attacker is what it fulfilled and paid, and what it got by lies is bounded.
fn check_money(
    world: &World,
    (number, place): (usize, &AttackPlace),
    node: &WorldNode,
    attacker: &AccountReport,
) -> Result<(), String> {
    let (totals, at, tally) = (attacker.totals, place.node, world.attack.at(number));
    ensure!(
        totals.fulfilled_out <= tally.fulfilled,
        "node {at} counts {} that the attacker fulfilled, and it fulfilled {}",
        totals.fulfilled_out,
        tally.fulfilled
    );
    let paid_max = world.attack.paid_max(number);
    ensure!(
        totals.fulfilled_in <= paid_max,
        "node {at} counts {} that the attacker paid, and {paid_max} of it were fulfilled",
        totals.fulfilled_in
    );
    ensure!(
        totals.fulfilled_in >= tally.proven || !world.plan.nodes[at].is_strict,
        "node {at}: the attacker has proof of {} units, and the node knows of {}",
        tally.proven,
        totals.fulfilled_in
    );
    // Each change of the day is another day of `writeOffMax`, and the world begins at midnight.
    let jumps = world
        .plan
        .faults
        .iter()
        .filter(|one| matches!(one.fault, Fault::Jump { node, .. } if node == at));
    let days = 1 + 2 * jumps.count() as i128;
    let allowed = node.uncertain_so_far(ATTACKER) + days * i128::from(place.write_off_max);
    ensure!(
        -totals.adjusted <= allowed,
        "node {at} has conceded {} to the attacker, and {allowed} are allowed",
        -totals.adjusted
    );
    Ok(())
}

/// The attacker has the limits that the plan gives it, and owes no more than it may.
fn check_bounds(place: &AttackPlace, attacker: &AccountReport) -> Result<(), String> {
    let (node, limits) = (place.node, &attacker.settings.limits);
    let found = (limits.max_packets_in_flight, limits.max_sessions, limits.outbox_bytes_max);
    let planned = (place.in_flight_max, place.sessions_max, OUTBOX_BYTES_MAX);
    ensure!(found == planned, "node {node}: the attacker has the limits {found:?}");
    if let Some(max) = place.max_balance {
        let reached = attacker.balance + attacker.held_in;
        ensure!(reached <= max.into(), "node {node}: the attacker owes {reached} of {max}");
    }
    Ok(())
}

/// The attacker has the routes that it may have, and gets no packets of others that it may not get.
fn check_routes(
    world: &World,
    (number, place): (usize, &AttackPlace),
    node: &WorldNode,
) -> Result<(), String> {
    let (at, tally) = (place.node, world.attack.at(number));
    if let Some(stolen) = &tally.stolen
        && (place.is_fenced || place.is_child)
    {
        return Err(format!("node {at} sends the attacker a packet to {stolen}"));
    }
    let Some(handle) = node.handle() else { return Ok(()) };
    let connector = &handle.context.connector;
    let count = count_routes(connector);
    ensure!(count <= ROUTES_MAX, "node {at} keeps {count} routes of the attacker");
    ensure!(count == 0 || !place.is_child, "node {at} keeps {count} routes of a child");
    let own = address_of(number, place).parse().unwrap();
    let is_there =
        || connector.learned_routes(&own).iter().any(|one| one.from.as_str() == ATTACKER);
    ensure!(
        !tally.is_withdrawn || !is_there(),
        "node {at} has a route to the attacker that was withdrawn"
    );
    Ok(())
}

/// How many routes a node keeps of the attacker.
fn count_routes(connector: &Connector) -> usize {
    let report = connector.ccp_report();
    report.iter().filter(|one| one.peer.as_str() == ATTACKER).map(|one| one.routes).sum()
}

/// The limits of the next hop that the attacker shares with others.
fn check_shared_hop(world: &World, at: usize, report: &ConnectorReport) -> Result<(), String> {
    let Some((_, to)) = world.plan.shared_hop().filter(|(from, _)| *from == at) else {
        return Ok(());
    };
    let Some(hop) = find_account(report, &name_of(to)) else { return Ok(()) };
    ensure!(
        hop.in_flight_to <= SHARED_IN_FLIGHT_MAX + OWN_REQUESTS_MAX,
        "node {at}: {} packets are in flight to {to}",
        hop.in_flight_to
    );
    let link = world
        .plan
        .links
        .iter()
        .find(|link| (link.from, link.to) == (at, to) || (link.from, link.to) == (to, at));
    let corrections = world.node(at).witness.history(&name_of(to)).corrections;
    let only_packets = link.is_some_and(|link| !link.is_settled)
        && corrections.down == 0
        && !world.plan.has_limits();
    let lowest = hop.balance - hop.held_out - hop.uncertain;
    ensure!(
        lowest >= SHARED_MIN_BALANCE || !only_packets,
        "node {at}: its balance with {to} may fall to {lowest}"
    );
    Ok(())
}

/// Whether the shared next hop gives no credit for such an amount any more, because the attacker has paid with it. What
/// it paid, it owes: a node that wants no peer to owe that much has a `maxBalance` for it.
pub fn has_used_up_credit(world: &World, amount: u64) -> bool {
    let Some((at, to)) = world.plan.shared_hop() else { return false };
    let handle = world.nodes.iter().find(|node| node.number == at).and_then(|node| node.handle());
    let Some(report) = handle.map(|handle| handle.context.connector.report()) else { return false };
    find_account(&report, &name_of(to)).is_some_and(|hop| {
        let left = hop.balance - hop.held_out - hop.uncertain - SHARED_MIN_BALANCE;
        // In any asset of the simulated world, an amount is less than twice what it is in another.
        left < 2 * i128::from(amount)
    })
}

/// Once the attacker has left, nothing is left of what it said of routes. Where they lead is checked at each node.
pub fn check_peace(world: &World) -> Result<(), String> {
    for (_, place) in world.plan.attack_places() {
        let node = world.nodes.iter().find(|node| node.number == place.node);
        let Some(handle) = node.and_then(|node| node.handle()) else { continue };
        let count = count_routes(&handle.context.connector);
        ensure!(count == 0, "node {} still has {count} routes of the attacker", place.node);
    }
    Ok(())
}

/// If nothing else goes wrong, an attacker stops no payment that has a share of its own (ADR 13), and others only by
/// using up what has a limit.
pub fn check_fairness(world: &World) -> Result<(), String> {
    if world.plan.attack.as_ref().is_none_or(|attack| !attack.is_quiet) {
        return Ok(());
    }
    let shares = Shares::new(&world.plan);
    for (payment, tally) in world.tallies.all().iter().enumerate().take(world.plan.probes_from) {
        let plan = &world.plan.payments[payment];
        if !world.plan.is_paid(payment)
            || !is_answered_at_once(plan)
            || is_too_small(&world.plan, plan)
            || is_answered_for_another(&world.plan, plan)
        {
            continue;
        }
        let is_limited = matches!(tally.outcome, Outcome::Rejected([b'T', b'0', b'3' | b'4']));
        ensure!(
            tally.outcome == Outcome::Fulfilled || is_limited,
            "only an attacker acts, and payment {payment} is {:?}",
            tally.outcome
        );
        ensure!(
            tally.outcome == Outcome::Fulfilled || !shares.guarantee(&world.plan, plan),
            "payment {payment} is within the share of its sender, and is {:?}",
            tally.outcome
        );
    }
    Ok(())
}

fn is_answered_at_once(payment: &PaymentPlan) -> bool {
    let fulfills = matches!(payment.reaction, Reaction::Fulfills | Reaction::FulfillsTwice);
    let has_time = payment.expires_in_ms >= EXPIRES_IN_MS_MIN;
    fulfills && has_time && payment.reacts_after_ms == 0 && payment.amount <= PACKET_MAX
}

/// Whether nothing may be left of it in another asset.
fn is_too_small(plan: &Plan, payment: &PaymentPlan) -> bool {
    plan.has_assets() && payment.amount < AMOUNT_MIN
}

/// Whether its receiver may give it the answer to another payment.
fn is_answered_for_another(plan: &Plan, payment: &PaymentPlan) -> bool {
    plan.payments.iter().any(|other| {
        let is_there = other.to == payment.to && other.reaction == Reaction::AnswersAnother;
        let answered_ms = other.at_ms.saturating_add(other.reacts_after_ms);
        is_there && answered_ms.abs_diff(payment.at_ms) <= OPEN_MS_MAX
    })
}

/// What the program at the first node of the attacker may have of the next hop that both use, whatever others do.
struct Shares {
    hop: Option<(usize, usize)>,
    in_flight: usize,
    credit: u64,
}

impl Shares {
    fn new(plan: &Plan) -> Self {
        let hop = plan.shared_hop().filter(|(_, to)| plan.kept.nodes.contains(to));
        let Some((from, _)) = hop else { return Self { hop, in_flight: 0, credit: 0 } };
        let is_here = |link: &&crate::plan::LinkPlan| link.from == from || link.to == from;
        let peers = plan.links.iter().filter(|link| plan.is_linked(link)).filter(is_here).count();
        // Its program, the attacker, and all peers but the next hop.
        let requesters = peers + 1;
        let credit = u64::try_from(-SHARED_MIN_BALANCE).unwrap();
        Self {
            hop,
            in_flight: SHARED_IN_FLIGHT_MAX / (2 * requesters),
            credit: credit / (2 * requesters as u64),
        }
    }

    /// Whether a payment is within the share of its sender, with all that the sender may have in flight then, and all
    /// that it may have spent.
    fn guarantee(&self, plan: &Plan, payment: &PaymentPlan) -> bool {
        if self.hop != Some((payment.from, payment.to)) {
            return false;
        }
        let before = plan.payments.iter().enumerate().filter(|(number, one)| {
            plan.is_paid(*number) && one.from == payment.from && one.at_ms <= payment.at_ms
        });
        let (mut in_flight, mut spent) = (0, 0);
        for (_, one) in before {
            let open_ms = match one.reaction {
                _ if one.reacts_after_ms > 0 => one.expires_in_ms,
                Reaction::Fulfills | Reaction::FulfillsTwice | Reaction::Rejects => OPEN_MS_MAX,
                _ => one.expires_in_ms,
            };
            in_flight += usize::from(one.at_ms + open_ms >= payment.at_ms);
            spent += one.amount * UNITS_FOR_ONE;
        }
        in_flight <= self.in_flight && spent <= self.credit
    }
}
