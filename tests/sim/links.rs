//! What holds between the two nodes of a link: what each has booked of the packets between them, and what of that the
//! other one knows.

use ilp_connector::internals::connector::ConnectorReport;

use crate::checks::{asset_and_limits, ensure, find_account};
use crate::plan::{Fault, FaultPlan, LinkPlan};
use crate::run::World;
use crate::world::disk_view::SavedAccount;
use crate::world::node::name_of;
use crate::world::witness::AccountHistory;

/// What holds at every moment of a node and its neighbours.
pub fn check_always(world: &World, node: usize, report: &ConnectorReport) -> Result<(), String> {
    for peer in neighbours(world, node) {
        let seen = history(world, peer, node).booked.to_it;
        let given = history(world, node, peer).booked.from_it;
        ensure!(
            seen <= given,
            "node {peer} has proof of {seen} from node {node}, which gave {given}"
        );
        let Some(account) = find_account(report, &name_of(peer)) else { continue };
        let known = account.totals.fulfilled_in;
        ensure!(
            known >= seen || !world.plan.nodes[node].is_strict,
            "node {peer} has proof of {seen} from node {node}, which is strict and knows of {known}"
        );
    }
    Ok(())
}

/// What holds of the books of a node on its disk: with `durability: strict`, they have each proof that has left.
pub fn check_saved(world: &World, node: usize, saved: &[SavedAccount]) -> Result<(), String> {
    for peer in neighbours(world, node).filter(|_| world.plan.nodes[node].is_strict) {
        let seen = history(world, peer, node).booked.to_it;
        let account = saved.iter().find(|one| one.name == name_of(peer));
        let has = account.map_or(0, |account| account.totals.fulfilled_in);
        ensure!(has >= seen, "node {peer} has proof of {seen} from node {node}, which saved {has}");
    }
    Ok(())
}

fn neighbours(world: &World, node: usize) -> impl Iterator<Item = usize> + '_ {
    let links = world.plan.links.iter().filter(|link| world.plan.is_linked(link));
    links.filter_map(move |link| match (link.from == node, link.to == node) {
        (true, _) => Some(link.to),
        (_, true) => Some(link.from),
        _ => None,
    })
}

/// What a node has ever booked with a peer.
fn history(world: &World, node: usize, peer: usize) -> AccountHistory {
    world.node(node).witness.history(&name_of(peer))
}

/// Both ends of a link have the same books.
pub fn check_peace(
    world: &World,
    link: &LinkPlan,
    from: &ConnectorReport,
    to: &ConnectorReport,
) -> Result<(), String> {
    let (from, to) = ((link.from, from), (link.to, to));
    let account = |(node, report): (usize, &ConnectorReport), peer: usize| {
        let found = find_account(report, &name_of(peer));
        let found = found.map(|account| (account.balance, account.totals));
        found.ok_or_else(|| format!("node {node} has no account of node {peer}"))
    };
    let ((there, totals_there), (here, totals_here)) = (account(from, to.0)?, account(to, from.0)?);
    let settled = [
        (from.0, to.0, totals_there.settled_out, totals_here.settled_in),
        (to.0, from.0, totals_here.settled_out, totals_there.settled_in),
    ];
    for (payer, payee, out, into) in settled {
        let (paid, _) = world.ledger.sums(payer, payee);
        ensure!(
            out == paid && into == paid,
            "node {payer} settled {out} with {payee}, {paid} were paid, and {into} credited"
        );
    }
    let decides = |node, peer| !percents_conceded(world, node, peer).is_empty();
    // What an operator concedes too much stays at that end, if the other one's balance would pass its limit.
    let missing = -(there + here);
    let stays = |conceding: usize, other: usize, balance_of_other: i128| {
        let is_conceded =
            percents_conceded(world, conceding, other).iter().any(|percent| *percent > 0);
        let limits = asset_and_limits(world, other, &name_of(conceding)).1;
        let max = limits.map(|limits| i128::from(limits.max_balance));
        is_conceded && max.is_some_and(|max| balance_of_other + missing > max)
    };
    ensure!(
        missing == 0 || (missing > 0 && (stays(from.0, to.0, here) || stays(to.0, from.0, there))),
        "the link of {} and {}: {there} here and {here} there",
        from.0,
        to.0
    );
    if decides(from.0, to.0) || decides(to.0, from.0) {
        return Ok(());
    }
    // Nobody gets more than its packets are worth, and only what both ends have forgotten is lost.
    let (owed, owes) =
        (owed_for_packets(world, from.0, to.0), owed_for_packets(world, to.0, from.0));
    let (least, most) = (owed.0 - owes.1, owed.1 - owes.0);
    let of_packets = there - totals_there.settled();
    ensure!(
        (least..=most).contains(&of_packets),
        "node {} and node {} agree on {of_packets} for packets, and it is {least} to {most}",
        from.0,
        to.0
    );
    Ok(())
}

/// What a peer owes a node for the peer's packets in the end, at least and at most: all that the peer has had proof of,
/// but for what crashes took from both, and no more than the node has fulfilled.
fn owed_for_packets(world: &World, node: usize, peer: usize) -> (i128, i128) {
    let (ours, theirs) = (history(world, node, peer), history(world, peer, node));
    let forgotten = ours.lost.from_it.min(theirs.lost.to_it);
    (theirs.booked.to_it - forgotten, ours.booked.from_it)
}

/// How much of what was uncertain with a peer the operator of a node concedes, in percent, each time.
fn percents_conceded(world: &World, node: usize, peer: usize) -> Vec<u32> {
    let percent = |one: FaultPlan| match one.fault {
        Fault::Resolve { node: at, link, conceded_percent } => {
            let LinkPlan { from, to, .. } = world.plan.links[link];
            ((at, from + to - at) == (node, peer)).then_some(conceded_percent)
        }
        _ => None,
    };
    world.plan.faults_kept().into_iter().filter_map(percent).collect()
}
