//! Links, and the limits that they nearly reach.

use std::collections::HashMap;

use crate::observe::{LinkBody, LinkRates, PeerBody, StateBody};

/// From this share of a limit on, it limits the link.
const NEAR_PERCENT: u128 = 90;

/// One link with its figures.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct RatedLink {
    pub(in crate::cli) link: LinkBody,
    pub(in crate::cli) rates: Option<LinkRates>,
    /// The limits that are nearly reached, by end: `a.maxBalance`.
    pub(in crate::cli) limited_by: Vec<String>,
}

/// The links of a network, in its order.
pub(super) fn rate_links(state: &StateBody, rates: Vec<LinkRates>) -> Vec<RatedLink> {
    let mut rates: HashMap<String, LinkRates> =
        rates.into_iter().map(|rates| (rates.id.clone(), rates)).collect();
    let accounts: HashMap<(&str, &str), &PeerBody> = state
        .nodes
        .iter()
        .flat_map(|node| node.peers.iter().map(|peer| ((&*node.id, &*peer.id), peer)))
        .collect();
    let links = state.links.iter().map(|link| {
        let ends = [(&link.a, Some(&link.a_peer)), (&link.b, link.b_peer.as_ref())];
        let limited_by = ends.into_iter().flat_map(|(node, account)| {
            let account = account.and_then(|account| accounts.get(&(&**node, &**account)));
            account.into_iter().flat_map(move |account| near_limits(node, account))
        });
        RatedLink {
            limited_by: limited_by.collect(),
            rates: rates.remove(&link.id),
            link: link.clone(),
        }
    });
    links.collect()
}

/// The limits of an account that are nearly reached.
fn near_limits(node: &str, account: &PeerBody) -> Vec<String> {
    let limits = &account.limits;
    let in_flight = account.packets_in_flight.sent.max(account.packets_in_flight.received);
    let balance: i128 = account.balance.parse().unwrap_or_default();
    let limit = |text: &Option<String>| text.as_ref()?.parse::<i128>().ok();
    let positive = |number: i128| u128::try_from(number).unwrap_or(0);
    let most = limit(&limits.max_balance).map(positive);
    let least = limit(&limits.min_balance).map(|least| positive(least.saturating_neg()));
    let uses = [
        ("maxPacketsInFlight", in_flight as u128, Some(limits.max_packets_in_flight as u128)),
        ("outboxBytesMax", account.outbox_bytes as u128, Some(limits.outbox_bytes_max as u128)),
        ("maxBalance", positive(balance), most),
        ("minBalance", positive(balance.saturating_neg()), least),
    ];
    let near = uses.into_iter().filter(|(_, used, limit)| {
        limit.is_some_and(|limit| limit > 0 && used.saturating_mul(100) >= limit * NEAR_PERCENT)
    });
    near.map(|(key, ..)| format!("{node}.{key}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{NodeBody, merge_nodes};

    #[test]
    fn limits_of_both_ends_are_named() {
        let peer = |id: &str, balance: &str, max: Option<&str>, min: Option<&str>| {
            let mut peer =
                PeerBody { id: id.to_owned(), kind: "peer".to_owned(), ..Default::default() };
            (peer.configured, peer.enabled) = (true, true);
            peer.balance = balance.to_owned();
            peer.limits.max_balance = max.map(str::to_owned);
            peer.limits.min_balance = min.map(str::to_owned);
            peer
        };
        let node = |id: &str, peer| NodeBody {
            id: id.to_owned(),
            peers: vec![peer],
            ..NodeBody::default()
        };
        let limited = |a: PeerBody, b: PeerBody| {
            let state = merge_nodes([node("a", a), node("b", b)]);
            let [link] = rate_links(&state, Vec::new()).try_into().unwrap();
            link.limited_by
        };
        let none =
            limited(peer("b", "89", Some("100"), None), peer("a", "-89", None, Some("-100")));
        assert_eq!(none, [""; 0]);
        let both =
            limited(peer("b", "90", Some("100"), None), peer("a", "-95", None, Some("-100")));
        assert_eq!(both, ["a.maxBalance", "b.minBalance"]);
    }
}
