//! The tables of `top`: plain data in, lines out.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::super::args::{TopSort, TopTable};
use super::super::edges;
use super::super::network_view::ViewState;
use super::super::observed::{NodeFigures, RatedLink};
use crate::console::{Cell, Table, group_digits, shorten_name};
use crate::observe::{NodeBody, PeerBody};

/// Columns of a name on a terminal.
const NAME_WIDTH_MAX: usize = 20;

/// What all tables are made of.
#[derive(Debug, Default)]
pub(super) struct TopFigures {
    pub(super) nodes: Vec<NodeFigures>,
    pub(super) reasons: Vec<ReasonRow>,
}

/// How often a node rejected packets for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReasonRow {
    node: String,
    /// `None`: the next hop rejected them.
    kind: Option<String>,
    code: String,
    from: Option<String>,
    to: Option<String>,
    count: u64,
    last_at: String,
    text: String,
    /// The configuration key that would change it.
    key: Option<String>,
}

impl TopFigures {
    /// The headings, then the rows.
    pub(super) fn lines(&self, table: TopTable, sort: TopSort, columns: usize) -> Vec<String> {
        match table {
            TopTable::Nodes => self.nodes_table(sort, columns),
            TopTable::Links => self.links_table(sort, columns),
            TopTable::Peers => self.peers_table(sort, columns),
            TopTable::Reasons => self.reasons_table(columns),
        }
    }

    fn nodes(&self) -> Vec<&NodeBody> {
        let states = self.nodes.iter().filter_map(|node| node.state.as_ref());
        states.flat_map(|state| &state.nodes).collect()
    }

    fn nodes_table(&self, sort: TopSort, columns: usize) -> Vec<String> {
        let rates = self.nodes.iter().filter_map(|node| node.rates.as_ref());
        let rates: Vec<_> = rates.flat_map(|rates| &rates.nodes).collect();
        let rate_of = |node: &NodeBody| rates.iter().find(|rates| rates.id == node.id);
        let mut nodes = self.nodes();
        nodes.sort_by_key(|node| {
            let rate = rate_of(node).map_or(0.0, |rates| rates.packets_per_second);
            match sort {
                TopSort::Problems => (0, Reverse(0)),
                TopSort::Rejects => (0, Reverse(node.stats.rejects)),
                TopSort::InFlight => (0, Reverse(node.stats.in_flight as u64)),
                TopSort::Rate | TopSort::P99 => (0, Reverse(whole(rate))),
            }
        });
        // Problems first, whatever the order of the others.
        nodes.sort_by_key(|node| ViewState::of_node(&node.status).rank());
        let headings =
            ["NODE", "STATE", "PACKETS/S", "IN FLIGHT", "PREPARES", "FULFILLS", "REJECTS", "PEERS"];
        let mut table = Table::new(&headings);
        for node in nodes {
            let rate = rate_of(node).map(|rates| group_digits(whole(rates.packets_per_second)));
            table.add_row([
                Cell::left(name(&node.id, columns)),
                ViewState::of_node(&node.status).cell(),
                Cell::right(rate.unwrap_or_else(|| "-".to_owned())),
                Cell::right(group_digits(node.stats.in_flight)),
                Cell::right(group_digits(node.stats.prepares)),
                Cell::right(group_digits(node.stats.fulfills)),
                Cell::right(group_digits(node.stats.rejects)),
                Cell::right(group_digits(node.stats.connected)),
            ]);
        }
        table.lines(columns)
    }

    fn links_table(&self, sort: TopSort, columns: usize) -> Vec<String> {
        let mut links = NodeFigures::links(&self.nodes);
        links.sort_by_key(|one| Reverse(link_figure(one, sort)));
        edges::lines(&links, false, columns)
    }

    fn peers_table(&self, sort: TopSort, columns: usize) -> Vec<String> {
        let nodes = self.nodes();
        let peers = nodes.iter().flat_map(|node| node.peers.iter().map(|peer| (*node, peer)));
        let mut peers: Vec<(&NodeBody, &PeerBody)> =
            peers.filter(|(_, peer)| peer.kind == "peer").collect();
        let rejects = |peer: &PeerBody| peer.packets.sent.rejects.values().sum::<u64>();
        peers.sort_by_key(|(_, peer)| match sort {
            TopSort::Problems => Reverse(0),
            TopSort::Rejects => Reverse(rejects(peer)),
            TopSort::InFlight => Reverse(in_flight(peer) as u64),
            TopSort::Rate | TopSort::P99 => Reverse(prepares(peer)),
        });
        peers.sort_by_key(|(_, peer)| u8::from(ViewState::of_peer(&peer.state).rank() > 0));
        let headings = [
            "NODE",
            "PEER",
            "STATE",
            "PREPARES",
            "REJECTED",
            "IN FLIGHT",
            "BALANCE",
            "ASSET",
            "LAST ERROR",
        ];
        let mut table = Table::new(&headings).ending_with_text();
        for (node, peer) in peers {
            table.add_row([
                Cell::left(name(&node.id, columns)),
                Cell::left(name(&peer.id, columns)),
                ViewState::of_peer(&peer.state).cell(),
                Cell::right(group_digits(prepares(peer))),
                Cell::right(group_digits(rejects(peer))),
                Cell::right(group_digits(in_flight(peer))),
                Cell::right(group_digits(&peer.balance)),
                Cell::left(format!("{}/{}", peer.asset_code, peer.asset_scale)),
                Cell::left(peer.last_error.as_deref().unwrap_or("-")),
            ]);
        }
        table.lines(columns)
    }

    /// The most frequent ones first.
    fn reasons_table(&self, columns: usize) -> Vec<String> {
        let mut rows: Vec<&ReasonRow> = self.reasons.iter().collect();
        rows.sort_by_key(|row| Reverse(row.count));
        let headings = ["NODE", "COUNT", "CODE", "FROM", "TO", "LAST", "KEY", "WHY"];
        let mut table = Table::new(&headings).ending_with_text();
        for row in rows {
            let end = |id: &Option<String>| name(id.as_deref().unwrap_or("-"), columns);
            table.add_row([
                Cell::left(name(&row.node, columns)),
                Cell::right(group_digits(row.count)),
                Cell::left(&row.code),
                Cell::left(end(&row.from)),
                Cell::left(end(&row.to)),
                Cell::left(row.last_at.get(11..19).unwrap_or(&row.last_at)),
                Cell::left(row.key.as_deref().unwrap_or("-")),
                Cell::left(&row.text),
            ]);
        }
        table.lines(columns)
    }
}

fn name(name: &str, columns: usize) -> String {
    if columns == usize::MAX { name.to_owned() } else { shorten_name(name, NAME_WIDTH_MAX) }
}

fn in_flight(peer: &PeerBody) -> usize {
    peer.packets_in_flight.received + peer.packets_in_flight.sent
}

fn prepares(peer: &PeerBody) -> u64 {
    peer.packets.received.prepares + peer.packets.sent.prepares
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate is at least zero"
)]
fn whole(rate: f64) -> u64 {
    rate.max(0.0).round() as u64
}

fn link_figure(one: &RatedLink, sort: TopSort) -> u64 {
    let Some(rates) = &one.rates else { return 0 };
    let rejects = [&rates.ab, &rates.ba].iter().flat_map(|traffic| traffic.rejects.values()).sum();
    match sort {
        TopSort::Problems => 0,
        TopSort::Rate => whole(rates.ab_per_second + rates.ba_per_second),
        TopSort::P99 => rates.latency.map_or(0, |latency| latency.p99_us),
        TopSort::Rejects => rejects,
        TopSort::InFlight => (rates.in_flight_ab + rates.in_flight_ba) as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::apply_colours;

    #[test]
    fn reasons_by_their_number() {
        let row = |count: u64, key: Option<&str>| ReasonRow {
            node: "b".to_owned(),
            kind: None,
            code: "T04".to_owned(),
            from: Some("a".to_owned()),
            to: None,
            count,
            last_at: "2026-03-01T12:00:01.104Z".to_owned(),
            text: "the limit of the balance is reached".to_owned(),
            key: key.map(str::to_owned),
        };
        let reasons = vec![row(3, None), row(1_200, Some("peers.a.maxBalance"))];
        let figures = TopFigures { nodes: Vec::new(), reasons };
        let lines = figures.lines(TopTable::Reasons, TopSort::Problems, usize::MAX);
        let lines: Vec<String> = lines.iter().map(|line| apply_colours(line, false)).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        NODE  COUNT  CODE  FROM  TO  LAST      KEY                 WHY
        b     1,200  T04   a     -   12:00:01  peers.a.maxBalance  the limit of the balance is reached
        b         3  T04   a     -   12:00:01  -                   the limit of the balance is reached
        ");
        let lines = figures.lines(TopTable::Reasons, TopSort::Problems, 72);
        assert!(lines[0].ends_with("WHY"), "{lines:?}");
    }
}
