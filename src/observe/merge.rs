//! Several views, of which each may know only its own end of a link, as one network.

use std::collections::{BTreeMap, HashMap};

use super::links::join_links;
use super::model::{LatencyBody, LinkBody, LinkRates, NodeBody, RatesBody, StateBody};
use super::rates::LINKS_RATED_MAX;

/// The nodes of all views, each once, and the links between them.
pub fn merge_nodes(nodes: impl IntoIterator<Item = NodeBody>) -> StateBody {
    let mut by_id: BTreeMap<String, NodeBody> = BTreeMap::new();
    for mut node in nodes {
        // Of the view that it came from.
        node.peers.iter_mut().for_each(|peer| peer.link = None);
        by_id.entry(node.id.clone()).or_insert(node);
    }
    let mut nodes: Vec<_> = by_id.into_values().collect();
    let links = join_links(&mut nodes);
    StateBody { nodes, links, ..StateBody::default() }
}

/// The figures of these links, from those of all views.
pub fn merge_rates(links: &[LinkBody], views: &[&RatesBody]) -> Vec<LinkRates> {
    let known = views.iter().flat_map(|view| &view.links);
    let known: HashMap<&str, &LinkRates> = known.map(|rates| (rates.id.as_str(), rates)).collect();
    let of = |id: &str| known.get(id).copied();
    let merged = links.iter().filter_map(|link| {
        let (a, b) = (of(&link.id), of(&format!("{}~{}", link.b, link.a)));
        // The other end has the names the other way round. Outside peers are not asked.
        let b = b.filter(|_| link.b_peer.is_some());
        let rates = match (a, b) {
            (Some(a), Some(b)) => both_ends(a, b),
            (Some(a), None) => a.clone(),
            (None, Some(b)) => turn_round(b),
            (None, None) => return None,
        };
        Some(LinkRates { id: link.id.clone(), ..rates })
    });
    let mut merged: Vec<LinkRates> = merged.collect();
    if merged.len() > LINKS_RATED_MAX {
        let busy = |rates: &LinkRates| rates.ab_per_second + rates.ba_per_second;
        merged.sort_by(|a, b| busy(b).total_cmp(&busy(a)));
        merged.truncate(LINKS_RATED_MAX);
        merged.sort_by(|a, b| a.id.cmp(&b.id));
    }
    merged
}

/// Each end tells what it sends.
fn both_ends(a: &LinkRates, b: &LinkRates) -> LinkRates {
    LinkRates {
        id: String::new(),
        ab: a.ab.clone(),
        ba: b.ab.clone(),
        ab_per_second: a.ab_per_second,
        ba_per_second: b.ab_per_second,
        fulfilled_percent: a.fulfilled_percent.or(b.fulfilled_percent),
        in_flight_ab: a.in_flight_ab,
        in_flight_ba: b.in_flight_ab,
        outbox_a: a.outbox_a,
        outbox_b: b.outbox_a,
        balance_a: a.balance_a.clone(),
        balance_b: b.balance_a.clone(),
        latency: slower(a.latency, b.latency),
    }
}

/// Both histograms are at other places, so that only bounds of both are known.
fn slower(a: Option<LatencyBody>, b: Option<LatencyBody>) -> Option<LatencyBody> {
    match (a, b) {
        (Some(a), Some(b)) => {
            Some(LatencyBody { p50_us: a.p50_us.max(b.p50_us), p99_us: a.p99_us.max(b.p99_us) })
        }
        (a, b) => a.or(b),
    }
}

fn turn_round(b: &LinkRates) -> LinkRates {
    let b = b.clone();
    LinkRates {
        id: b.id,
        ab: b.ba,
        ba: b.ab,
        ab_per_second: b.ba_per_second,
        ba_per_second: b.ab_per_second,
        fulfilled_percent: b.fulfilled_percent,
        in_flight_ab: b.in_flight_ba,
        in_flight_ba: b.in_flight_ab,
        outbox_a: b.outbox_b,
        outbox_b: b.outbox_a,
        balance_a: b.balance_b,
        balance_b: b.balance_a,
        latency: b.latency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{LinkKind, LinkState, PeerBody};

    fn node(id: &str, peers: &[(&str, &str)]) -> NodeBody {
        let peers = peers.iter().map(|(peer, state)| PeerBody {
            id: (*peer).to_owned(),
            kind: "peer".to_owned(),
            configured: true,
            enabled: true,
            state: (*state).to_owned(),
            link: Some("of its view".to_owned()),
            ..PeerBody::default()
        });
        NodeBody { id: id.to_owned(), peers: peers.collect(), ..NodeBody::default() }
    }

    fn rates(id: &str, ab: f64, ba: f64, balance: &str, p99_us: u64) -> RatesBody {
        let link = serde_json::json!({
            "id": id,
            "ab": { "prepares": 1, "fulfills": 1, "rejects": {} },
            "ba": { "prepares": 2, "fulfills": 2, "rejects": {} },
            "abPerSecond": ab, "baPerSecond": ba, "fulfilledPercent": 100.0,
            "inFlightAb": 1, "inFlightBa": 2, "outboxA": 3, "outboxB": 0,
            "balanceA": balance, "balanceB": null, "latency": { "p50Us": 50, "p99Us": p99_us },
        });
        let links = vec![serde_json::from_value(link).unwrap()];
        RatesBody { at: String::new(), sampled: Default::default(), links, nodes: Vec::new() }
    }

    #[test]
    fn views_of_single_nodes_are_one_network() {
        let state = merge_nodes([
            node("b", &[("a", "connected"), ("c", "connected")]),
            node("a", &[("b", "connected"), ("cli", "disconnected")]),
            node("c", &[("b", "down"), ("x", "connected")]),
            node("a", &[]),
        ]);
        let ids: Vec<_> = state.nodes.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        let shown: Vec<_> =
            state.links.iter().map(|link| (link.id.as_str(), link.state, link.kind)).collect();
        assert_eq!(
            shown,
            [
                ("a~b", LinkState::Up, LinkKind::Peer),
                ("a~cli", LinkState::Down, LinkKind::Tool),
                ("b~c", LinkState::Partly, LinkKind::Peer),
                ("c~x", LinkState::Up, LinkKind::Outside),
            ]
        );
        assert_eq!(state.nodes[1].peers[0].link.as_deref(), Some("a~b"));
    }

    #[test]
    fn each_end_tells_what_it_sends() {
        let peers = |a, b| merge_nodes([node("a", &[("b", a)]), node("b", &[("a", b)])]).links;
        let links = peers("connected", "connected");
        let (a, b) = (rates("a~b", 10.0, 99.0, "-5", 100), rates("b~a", 20.0, 98.0, "5", 400));
        let merged = merge_rates(&links, &[&a, &b]);
        let [link] = merged.as_slice() else { panic!("{merged:?}") };
        assert_eq!((link.id.as_str(), link.ab_per_second, link.ba_per_second), ("a~b", 10.0, 20.0));
        assert_eq!((link.ab.prepares, link.ba.prepares), (1, 1));
        assert_eq!((link.outbox_a, link.outbox_b), (3, 3));
        assert_eq!(link.balance_a.as_deref(), Some("-5"));
        assert_eq!(link.balance_b.as_deref(), Some("5"));
        assert_eq!(link.latency.unwrap().p99_us, 400);
        // Only the second end answers.
        let merged = merge_rates(&links, &[&b]);
        assert_eq!((merged[0].ab_per_second, merged[0].ba_per_second), (98.0, 20.0));
        assert_eq!((&merged[0].balance_a, merged[0].balance_b.as_deref()), (&None, Some("5")));
        assert_eq!(merge_rates(&links, &[]), []);
    }
}
