//! The links of several nodes, of which each knows its own end, as the links of one network.

use std::collections::BTreeMap;

use crate::observe::{LinkBody, LinkKind, LinkRates, LinkState, PeerBody};

/// From this share of a limit on, it limits the link.
const NEAR_PERCENT: u128 = 90;

/// One link, once.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct MergedLink {
    pub(in crate::cli) link: LinkBody,
    pub(in crate::cli) rates: Option<LinkRates>,
    /// The limits that are nearly reached, by end: `a.maxBalance`.
    pub(in crate::cli) limited_by: Vec<String>,
}

/// The links of one view, with the accounts at their ends.
#[derive(Debug, Default)]
pub(in crate::cli) struct NodeLinks {
    pub(in crate::cli) links: Vec<LinkBody>,
    pub(in crate::cli) rates: Vec<LinkRates>,
    /// By node and account.
    pub(in crate::cli) accounts: BTreeMap<(String, String), PeerBody>,
}

/// Joins the two ends of each link. Sorted by id.
pub(in crate::cli) fn merge_links(views: Vec<NodeLinks>) -> Vec<MergedLink> {
    let mut merged: BTreeMap<String, MergedLink> = BTreeMap::new();
    for view in views {
        for link in view.links {
            let rates = view.rates.iter().find(|rates| rates.id == link.id).cloned();
            let ends = [(Some(&link.a_peer), &link.a), (link.b_peer.as_ref(), &link.b)];
            let limited_by = ends.into_iter().flat_map(|(account, node)| {
                let key = account.map(|account| (node.clone(), account.clone()));
                let account = key.and_then(|key| view.accounts.get(&key));
                account.into_iter().flat_map(move |account| near_limits(node, account))
            });
            let new = MergedLink { limited_by: limited_by.collect(), rates, link };
            // The other end has the names the other way round.
            let other = format!("{}~{}", new.link.b, new.link.a);
            match merged.get_mut(&other) {
                Some(first) if first.link.kind == LinkKind::Outside => first.add_end(new),
                _ => {
                    merged.insert(new.link.id.clone(), new);
                }
            }
        }
    }
    merged.into_values().collect()
}

impl MergedLink {
    /// Adds what the node at the other end says.
    fn add_end(&mut self, other: Self) {
        let Self { link, rates, limited_by } = self;
        link.kind = LinkKind::Peer;
        link.b_peer = Some(other.link.a_peer);
        link.b_state = other.link.a_state;
        link.state = match (link.state, other.link.state) {
            (LinkState::Suspended, _) | (_, LinkState::Suspended) => LinkState::Suspended,
            (LinkState::Up, LinkState::Up) => LinkState::Up,
            (LinkState::Down, LinkState::Down) => LinkState::Down,
            _ => LinkState::Partly,
        };
        link.last_error = link.last_error.take().or(other.link.last_error);
        if let (Some(rates), Some(other)) = (rates, other.rates) {
            rates.balance_b = other.balance_a;
            rates.outbox_b = other.outbox_a;
        }
        limited_by.extend(other.limited_by);
    }
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

    fn link(a: &str, b: &str, kind: LinkKind, state: LinkState) -> LinkBody {
        LinkBody {
            id: format!("{a}~{b}"),
            a: a.to_owned(),
            b: b.to_owned(),
            a_peer: b.to_owned(),
            b_peer: None,
            a_state: Some("connected".to_owned()),
            b_state: None,
            state,
            since: None,
            last_error: None,
            kind,
            transport: None,
            asset: "USD/9".to_owned(),
        }
    }

    fn view(links: Vec<LinkBody>) -> NodeLinks {
        NodeLinks { links, ..NodeLinks::default() }
    }

    #[test]
    fn both_ends_of_a_link_are_one() {
        use LinkKind::{Outside, Tool};
        use LinkState::{Down, Up};
        let views = vec![
            view(vec![link("a", "b", Outside, Up), link("a", "cli", Tool, Up)]),
            view(vec![link("b", "a", Outside, Up), link("b", "c", Outside, Up)]),
            view(vec![link("c", "b", Outside, Down), link("c", "x", Outside, Up)]),
        ];
        let merged = merge_links(views);
        let shown: Vec<_> = merged
            .iter()
            .map(|one| (one.link.id.as_str(), one.link.state, one.link.kind))
            .collect();
        assert_eq!(
            shown,
            [
                ("a~b", Up, LinkKind::Peer),
                ("a~cli", Up, Tool),
                ("b~c", LinkState::Partly, LinkKind::Peer),
                ("c~x", Up, Outside),
            ]
        );
    }

    #[test]
    fn limits_that_are_nearly_reached() {
        let mut account = PeerBody { balance: "-90".to_owned(), ..PeerBody::default() };
        account.limits.min_balance = Some("-100".to_owned());
        account.limits.max_balance = Some("0".to_owned());
        account.limits.max_packets_in_flight = 10;
        assert_eq!(near_limits("a", &account), ["a.minBalance"]);
        account.packets_in_flight.sent = 9;
        assert_eq!(near_limits("a", &account), ["a.maxPacketsInFlight", "a.minBalance"]);
        account.balance = "-89".to_owned();
        account.packets_in_flight.sent = 8;
        assert!(near_limits("a", &account).is_empty());
    }
}
