//! What must hold: always, and once nothing goes wrong any more.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use ilp_connector::internals::connector::{AccountReport, ConnectorReport};
use ilp_connector::internals::link::SessionKind;
use ilp_connector::wire::ilp::ErrorCode;

use crate::assets::{Asset, greatest_value, least_value, most_earned};
use crate::attack::{self, ATTACKER};
use crate::links;
use crate::plan::Limits;
use crate::run::{LOOK_INTERVAL, Summary, World};
use crate::world::disk_view::SavedAccount;
use crate::world::node::{PACKET_MAX, WorldNode, name_of, number_of};
use crate::world::program::PROGRAM;
use crate::world::tally::Outcome;
use crate::world::witness::Corrections;

/// At one look in so many, the files of a node are read.
const DISK_LOOKS: u128 = 32;
/// Answers may fill an outbox up to so many times its limit (docs/CONFIG.md).
const ANSWERS_FACTOR: usize = 16;
/// Prepares of those who have their share left may go beyond a limit by so much (docs/CONFIG.md).
const OVERSHOOT_BYTES_MAX: usize = 64 * 1024;
/// The largest frame, which may be above a limit.
const FRAME_BYTES_MAX: usize = 64 * 1024;
/// Requests of neighbours to each other beyond `maxPacketsInFlight`, each way (ADR 13).
pub const OWN_REQUESTS_MAX: usize = 16;

/// Returns an error unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($text:tt)*) => {
        if !$condition {
            return Err(format!($($text)*));
        }
    };
}

pub(crate) use ensure;

/// What holds at every moment.
pub fn check_always(world: &World) -> Result<(), String> {
    for (payment, tally) in world.tallies.all().iter().enumerate() {
        let plan = world.plan.payments[payment];
        ensure!(tally.received <= 1, "payment {payment} arrived {} times", tally.received);
        ensure!(
            tally.received == 0 || plan.amount <= PACKET_MAX,
            "payment {payment} of {} units is above the limit of {PACKET_MAX}",
            plan.amount
        );
        if tally.received > 0 {
            check_arrived(world, payment, tally.amount)?;
        }
        match tally.outcome {
            Outcome::Fulfilled => ensure!(
                tally.fulfilled == 1 && plan.reaction.is_honest(),
                "payment {payment} is fulfilled at its sender, and not at its receiver"
            ),
            Outcome::Rejected(code) => ensure!(
                code != ErrorCode::T04.0 || world.plan.has_limits() || world.plan.attack.is_some(),
                "payment {payment} gets T04, and no balance has a limit"
            ),
            _ => {}
        }
    }
    // All of them before any is judged: what one end of a link knows is compared with what the other one does.
    let reports: Vec<_> =
        world.nodes.iter().filter_map(|node| Some((node.number, node.look()?))).collect();
    for (node, report) in &reports {
        check_books(world, *node, report)?;
        links::check_always(world, *node, report)?;
    }
    check_disks(world)?;
    attack::check_always(world)
}

/// What arrives is worth what was sent, without what nodes on the way keep.
fn check_arrived(world: &World, payment: usize, amount: u64) -> Result<(), String> {
    let (plan, nodes) = (world.plan.payments[payment], &world.plan.nodes);
    let sent = nodes[plan.from].asset.value(plan.amount.into());
    let arrived = nodes[plan.to].asset.value(amount.into());
    if !world.plan.has_assets() {
        ensure!(arrived == sent, "payment {payment} of {sent} is {arrived} at its receiver");
    }
    let kept = world.nodes.iter().map(|node| world.plan.kept_thousandths(node.number));
    // While routes change, a packet may pass a node twice.
    let least = least_value(sent, 2 * nodes.len(), kept.max().unwrap_or(0));
    // Some node has changed its asset.
    let kept = nodes.iter().map(|node| i128::from(node.spread_thousandths)).min();
    let is_same = nodes[plan.from].asset == nodes[plan.to].asset;
    let most = greatest_value(sent, kept.filter(|_| !is_same).unwrap_or(0));
    ensure!(
        (least..=most).contains(&arrived),
        "payment {payment} of the value {sent} has the value {arrived} at its receiver"
    );
    Ok(())
}

/// The rule of the books on the disks, as a crash would leave them: now and then, and at each look where a disk makes the
/// node wait, because what leaves too early is seen there.
fn check_disks(world: &World) -> Result<(), String> {
    let turn = world.began.elapsed().as_millis() / LOOK_INTERVAL.as_millis();
    for node in &world.nodes {
        if !node.host.has_good_disk() || (turn + node.number as u128).is_multiple_of(DISK_LOOKS) {
            check_disk(world, node)?;
        }
    }
    Ok(())
}

fn check_disk(world: &World, node: &WorldNode) -> Result<(), String> {
    let saved = node.saved_accounts();
    links::check_saved(world, node.number, &saved)?;
    let mut earned = 0;
    for SavedAccount { name, balance, totals, .. } in saved {
        let rule = totals.balance();
        ensure!(balance == rule, "node {}, {name}: {balance} is saved of {rule}", node.number);
        let asset = asset_and_limits(world, node.number, &name).0;
        earned += asset.value(totals.fulfilled_in - totals.fulfilled_out);
    }
    ensure!(
        earned == 0 || (earned > 0 && world.plan.has_assets()),
        "node {} has saved what others owe it for packets without what it owes: {earned}",
        node.number
    );
    Ok(())
}

/// The asset of an account of a node, and the limits of its balance.
pub fn asset_and_limits(world: &World, node: usize, account: &str) -> (Asset, Option<Limits>) {
    let (plan, peer) = (&world.plan, number_of(account));
    for link in &plan.links {
        let ends = [(link.from, link.to), (link.to, link.from)];
        for ((here, there), limits) in ends.into_iter().zip(link.limits) {
            if here == node && Some(there) == peer {
                return (link.asset, limits);
            }
        }
    }
    let limits = plan.nodes[node].limits.filter(|_| account != ATTACKER);
    (plan.nodes[node].asset, limits)
}

/// Packets never exceed a limit. Corrections may, and packets use the room that others of them give.
fn check_limits(
    node: usize,
    account: &AccountReport,
    limits: Limits,
    corrections: Corrections,
) -> Result<(), String> {
    let id = &account.settings.id;
    let highest = account.balance + account.held_in;
    let lowest = account.balance - account.held_out - account.uncertain;
    let (max, min) = (i128::from(limits.max_balance), i128::from(limits.min_balance));
    ensure!(
        highest <= max + corrections.up && lowest >= min - corrections.down,
        "node {node}, account {id}: the balance may go from {lowest} to {highest} by packets, and {limits:?}"
    );
    Ok(())
}

/// Nothing that a node keeps for a peer is beyond its limit. Of the bytes that wait, so many are of Prepares.
fn check_queues(node: usize, account: &AccountReport, prepare_bytes: usize) -> Result<(), String> {
    let (id, limits) = (&account.settings.id, &account.settings.limits);
    let accepted = account.sessions.iter().filter(|(_, kind)| *kind == SessionKind::Accepted);
    let (sessions, most) = (accepted.count(), limits.max_sessions);
    ensure!(sessions <= most, "node {node}: {id} has {sessions} sessions of {most}");
    let (from, to) = (account.in_flight_from, account.in_flight_to);
    let most = limits.max_packets_in_flight;
    // Honest programs send no requests for the node itself.
    let own = if id.as_str() == PROGRAM { 0 } else { OWN_REQUESTS_MAX };
    ensure!(
        from <= most + own && to <= most + OWN_REQUESTS_MAX,
        "node {node}: {from} packets from {id} and {to} to it are in flight, of {most}"
    );
    let of_session = ANSWERS_FACTOR * limits.outbox_bytes_max + FRAME_BYTES_MAX;
    let (bytes, most) = (account.outbox_bytes, account.sessions.len() * of_session);
    ensure!(bytes <= most, "node {node}: {bytes} bytes wait for {id}, of {most}");
    let of_session = limits.outbox_bytes_max + OVERSHOOT_BYTES_MAX + FRAME_BYTES_MAX;
    let (bytes, most) = (prepare_bytes, account.sessions.len() * of_session);
    ensure!(bytes <= most, "node {node}: {bytes} bytes of Prepares wait for {id}, of {most}");
    Ok(())
}

/// The books of a node.
fn check_books(world: &World, node: usize, report: &ConnectorReport) -> Result<(), String> {
    let (mut earned, mut value) = (0, 0);
    let handle = world.node(node).handle();
    for account in &report.accounts {
        let (id, totals) = (&account.settings.id, account.totals);
        ensure!(account.excess_releases == 0, "node {node}, account {id}: too much was released");
        ensure!(account.balance == totals.balance(), "node {node}, account {id}: {totals:?}");
        ensure!(account.held_in >= 0 && account.held_out >= 0, "node {node}, account {id}: holds");
        let (asset, limits) = asset_and_limits(world, node, id.as_str());
        earned += asset.value(totals.fulfilled_in - totals.fulfilled_out);
        value += asset.value(totals.fulfilled_in);
        if let Some(limits) = limits {
            let history = world.node(node).witness.history(id.as_str());
            check_limits(node, account, limits, history.corrections)?;
        }
        let bytes = handle.as_ref().map(|handle| &handle.context.connector);
        let bytes = bytes.and_then(|connector| connector.waiting_prepare_bytes(id));
        check_queues(node, account, bytes.unwrap_or(0))?;
    }
    for link in world.plan.links.iter().filter(|link| link.is_settled) {
        let peer = match (link.from == node, link.to == node) {
            (true, _) => link.to,
            (_, true) => link.from,
            _ => continue,
        };
        let Some(account) = find_account(report, &name_of(peer)) else { continue };
        let (paid, credited) = (world.ledger.sums(node, peer).0, account.totals.settled_in);
        let (debited, received) = (account.totals.settled_out, world.ledger.sums(peer, node).0);
        ensure!(paid <= debited, "node {node} paid {paid} to {peer}, and debited {debited}");
        ensure!(
            credited <= received,
            "node {node} got {received} of {peer}, and credited {credited}"
        );
    }
    // Those of peers that are not configured now are in the store alone.
    let peers = world.plan.links.iter().filter(|link| link.from == node || link.to == node);
    let peers = peers.filter(|link| world.plan.is_linked(link));
    let are_all_here = peers
        .map(|link| link.from + link.to - node)
        .all(|peer| find_account(report, &name_of(peer)).is_some());
    let most = match world.plan.has_assets() {
        true => {
            let packets = world.plan.payments.len() + world.attack.packets();
            most_earned(value, packets, world.plan.kept_thousandths(node))
        }
        false => 0,
    };
    ensure!(
        (0..=most).contains(&earned) || !are_all_here,
        "node {node} earned the value {earned} of packets, and may earn {most}"
    );
    let Some(program) = find_account(report, PROGRAM) else { return Ok(()) };
    let (paid, received) = sums(world, node);
    let booked = world.node(node).witness.history(PROGRAM).booked.from_it;
    ensure!(booked >= paid, "node {node}: its program has proof of {paid} units, of {booked}");
    if world.plan.nodes[node].is_strict {
        ensure!(
            program.totals.fulfilled_in >= paid,
            "node {node}: its program has proof of {paid} units, and the node knows of {}",
            program.totals.fulfilled_in
        );
    }
    ensure!(
        program.totals.fulfilled_out <= received,
        "node {node}: its program fulfilled {received} units, and the node counts {}",
        program.totals.fulfilled_out
    );
    Ok(())
}

/// What the program of a node has paid with proof, and what it has fulfilled.
fn sums(world: &World, node: usize) -> (i128, i128) {
    let (mut paid, mut received) = (0, 0);
    for (plan, tally) in world.plan.payments.iter().zip(world.tallies.all()) {
        let amount = i128::from(plan.amount);
        if plan.from == node && tally.outcome == Outcome::Fulfilled {
            paid += amount;
        }
        if plan.to == node {
            received += i128::from(tally.amount) * i128::from(tally.fulfilled);
        }
    }
    (paid, received)
}

/// The account of a node, if it is configured there now.
pub fn find_account<'a>(report: &'a ConnectorReport, account: &str) -> Option<&'a AccountReport> {
    report.accounts.iter().find(|one| one.settings.id.as_str() == account)
}

/// What holds some time after the last fault.
pub fn check_peace(world: &World) -> Result<(), String> {
    ensure!(
        !world.network.has_silent_links(),
        "a connection carries nothing, and still seems open"
    );
    let mut reports = BTreeMap::new();
    for node in world.nodes.iter().filter(|node| !node.has_left()) {
        let Some(report) = node.report() else {
            return Err(format!("node {} is down", node.number));
        };
        if let Some(failure) = node.store_failure() {
            return Err(format!("node {}: its store fails: {failure}", node.number));
        }
        ensure!(node.host.has_good_disk(), "node {}: its disk has still to answer", node.number);
        check_routes(world, node)?;
        reports.insert(node.number, report);
    }
    for (payment, tally) in world.tallies.all().iter().enumerate() {
        ensure!(tally.outcome != Outcome::Open, "payment {payment} has no answer");
    }
    for (node, report) in &reports {
        for account in &report.accounts {
            check_account_in_peace(world, *node, account)?;
        }
    }
    for link in world.plan.links.iter().filter(|link| world.plan.is_linked(link)) {
        if let (Some(from), Some(to)) = (reports.get(&link.from), reports.get(&link.to)) {
            links::check_peace(world, link, from, to)?;
        }
    }
    attack::check_peace(world)
}

/// A node has a route to each node that it is linked with and to its own accounts, and no other routes.
fn check_routes(world: &World, node: &WorldNode) -> Result<(), String> {
    let (number, prefixes) = (node.number, node.prefixes());
    let island = world.plan.island_of(number);
    let others = island.into_iter().filter(|to| *to != number);
    let wanted: BTreeSet<String> = others.map(|to| format!("test.{}", name_of(to))).collect();
    let own = format!("test.{}", name_of(number));
    for prefix in &wanted {
        ensure!(prefixes.contains(prefix), "node {number} has no route to {prefix}");
    }
    for prefix in prefixes {
        let below = prefix.strip_prefix(&own);
        let is_own = below.is_some_and(|below| below.is_empty() || below.starts_with('.'));
        ensure!(is_own || wanted.contains(&prefix), "node {number} has a route to {prefix}");
    }
    Ok(())
}

fn check_account_in_peace(
    world: &World,
    node: usize,
    account: &AccountReport,
) -> Result<(), String> {
    let id = &account.settings.id;
    let in_flight = account.in_flight_from + account.in_flight_to;
    ensure!(in_flight == 0, "node {node}: {in_flight} packets are in flight with {id}");
    let held = account.held_in + account.held_out;
    ensure!(held == 0, "node {node}: {held} units are held for {id}");
    if id.as_str() == ATTACKER {
        return Ok(());
    }
    if world.nodes.iter().any(|one| one.has_left() && name_of(one.number) == id.as_str()) {
        return Ok(());
    }
    ensure!(!account.sessions.is_empty(), "node {node} has no session with {id}");
    if id.as_str() != PROGRAM {
        let uncertain = account.uncertain;
        ensure!(uncertain == 0, "node {node}: {uncertain} units are uncertain with {id}");
    }
    Ok(())
}

/// In peace, each program can pay each other one, as far as links and limits allow.
pub fn check_probes(world: &World) -> Result<(), String> {
    let first = world.plan.probes_from;
    for (payment, tally) in world.tallies.all().iter().enumerate().skip(first) {
        let (plan, outcome) = (world.plan.payments[payment], tally.outcome);
        let island = world.plan.island_of(plan.from);
        if !world.plan.is_paid(payment) || island.is_empty() {
            continue;
        }
        let is_expected = match outcome {
            Outcome::Fulfilled => island.contains(&plan.to),
            Outcome::Rejected(code) if code == ErrorCode::T04.0 => {
                world.plan.has_limits() || attack::has_used_up_credit(world, plan.amount)
            }
            Outcome::Rejected(_) => !island.contains(&plan.to),
            _ => false,
        };
        ensure!(
            is_expected,
            "in peace, program {} cannot pay program {}: {outcome:?}",
            plan.from,
            plan.to
        );
    }
    Ok(())
}

/// If nothing goes wrong, or only an attacker acts, each node and its program know the same of each packet, and no node
/// has lost anything.
pub fn check_faultless(world: &World) -> Result<(), String> {
    if !world.plan.faults_kept().is_empty() {
        return Ok(());
    }
    for node in &world.nodes {
        let (number, Some(report)) = (node.number, node.report()) else { continue };
        for account in report.accounts.iter().filter(|one| one.settings.id.as_str() != ATTACKER) {
            let (id, adjusted) = (&account.settings.id, account.totals.adjusted);
            ensure!(adjusted == 0, "node {number}: {adjusted} is corrected for {id}");
        }
        let payments = world.plan.payments.iter().zip(world.tallies.all());
        let fulfilled = payments.filter(|(_, tally)| tally.outcome == Outcome::Fulfilled);
        let (mut from, mut to) = (0, 0);
        for (plan, tally) in fulfilled {
            ensure!(
                tally.answered_at <= tally.expires_at,
                "a payment that expires at {} is fulfilled at {}",
                tally.expires_at,
                tally.answered_at
            );
            from += if plan.from == number { i128::from(plan.amount) } else { 0 };
            to += if plan.to == number { i128::from(tally.amount) } else { 0 };
        }
        let totals = find_account(&report, PROGRAM).map(|account| account.totals);
        let booked = totals.map(|totals| (totals.fulfilled_in, totals.fulfilled_out));
        ensure!(
            booked == Some((from, to)),
            "node {number} has booked {booked:?} with its program, and it is {:?}",
            (from, to)
        );
    }
    Ok(())
}

/// What the run was like.
pub fn summary(world: &World) -> Summary {
    let mut hasher = DefaultHasher::new();
    let tallies = world.tallies.all();
    for tally in &tallies {
        (tally.outcome, tally.received, tally.fulfilled).hash(&mut hasher);
    }
    for node in &world.nodes {
        for account in node.report().into_iter().flat_map(|report| report.accounts) {
            let totals = account.totals;
            (totals.fulfilled_in, totals.fulfilled_out, totals.adjusted).hash(&mut hasher);
        }
    }
    let bytes = world.network.bytes();
    bytes.hash(&mut hasher);
    let count = |is: fn(&Outcome) -> bool| tallies.iter().filter(|one| is(&one.outcome)).count();
    let fulfilled = count(|one| *one == Outcome::Fulfilled);
    let rejected = count(|one| matches!(one, Outcome::Rejected(_)));
    Summary {
        virtual_ms: world.began.elapsed().as_millis(),
        bytes,
        fulfilled,
        rejected,
        other: tallies.len() - fulfilled - rejected,
        digest: hasher.finish(),
    }
}
