//! Rates of sources and spreads, on the packet path.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::connector::exchange_rates::RateInForce;
use crate::rates::{SourceTable, SourcedRates};

/// Peers in three assets; `vip` and `fee` have spreads of their own.
fn accounts() -> Vec<AccountSettings> {
    let with_spread = |mut account: AccountSettings, spread: &str| {
        account.spread = Some(spread.parse().unwrap());
        account
    };
    vec![
        peer("alice"),
        with_asset(peer("eve"), "EUR", 9),
        with_asset(peer("xena"), "XRP", 9),
        with_spread(peer("vip"), "0"),
        with_spread(peer("fee"), "0.01"),
    ]
}

fn traders(spread: &str, rates: Vec<PairRate>) -> ConnectorSettings {
    let routes =
        [("test.alice", "alice"), ("test.eve", "eve"), ("test.xena", "xena"), ("test.vip", "vip")];
    let spread = spread.parse().unwrap();
    ConnectorSettings { rates, spread, ..settings(accounts(), &routes) }
}

/// One source, whose quotes are for one USD; one without a rate has jumped.
fn quotes(quotes: &[(&str, Option<&str>)], is_stale: bool) -> Arc<SourcedRates> {
    let quote = |(code, rate): &(&str, Option<&str>)| {
        (Arc::from(*code), rate.map(|rate| rate.parse().unwrap()))
    };
    let mut quotes: BTreeMap<_, _> = quotes.iter().map(quote).collect();
    quotes.insert("USD".into(), Some("1".parse().unwrap()));
    let table = SourceTable {
        name: "rates.json".into(),
        as_of: Timestamp::from_millis(START_MS - 400_000),
        max_age: Duration::from_secs(300),
        is_stale,
        quotes,
    };
    Arc::new(SourcedRates { sources: vec![table] })
}

fn install(node: &TestNode, sourced: Arc<SourcedRates>) {
    let prepared = node.connector.prepare_rates(sourced);
    assert!(node.connector.install_rates(prepared));
}

/// What arrives of a million, or the code and the message of the Reject.
fn pay(node: &TestNode, from: &str, to: &str) -> Result<u64, String> {
    let (from, receiver) = (node.connect(from), node.connect(to));
    node.send(&from, 1, &payment(&format!("test.{to}"), 1_000_000));
    match node.read(&receiver).pop() {
        Some(Received::Prepare { amount, .. }) => Ok(amount),
        None => match node.read_one(&from) {
            Received::Reject { code, message, .. } => Err(format!("{code} {message}")),
            other => panic!("{other:?}"),
        },
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn the_spread_is_that_of_the_peer_or_the_pair_or_the_node() {
    let pair = |from, to, rate, spread: Option<&str>| PairRate {
        spread: spread.map(|spread| spread.parse().unwrap()),
        ..pair_rate(from, to, rate)
    };
    let rates = vec![pair("USD", "EUR", "0.9", None), pair("USD", "XRP", "2", Some("0.1"))];
    let node = node(traders("0.02", rates));
    assert_eq!(pay(&node, "alice", "eve"), Ok(882_000), "of the node");
    assert_eq!(pay(&node, "alice", "xena"), Ok(1_800_000), "of the pair");
    assert_eq!(pay(&node, "alice", "vip"), Ok(1_000_000), "none in one asset");
    assert_eq!(pay(&node, "vip", "eve"), Ok(900_000), "of the peer: none");
    assert_eq!(pay(&node, "vip", "alice"), Ok(1_000_000));
    assert_eq!(pay(&node, "fee", "xena"), Ok(1_980_000), "of the peer");
    assert_eq!(pay(&node, "fee", "alice"), Ok(990_000), "of the peer, in one asset too");
    assert_eq!(pay(&node, "eve", "alice"), Err("T00 no exchange rate from EUR/9 to USD/9".into()));
}

#[test]
fn what_a_spread_keeps_is_in_the_books() {
    let node = node(traders("0", Vec::new()));
    let (fee, alice) = (node.connect("fee"), node.connect("alice"));
    node.send(&fee, 1, &payment("test.alice", 1_000));
    node.fulfill_one(&alice);
    assert_eq!((node.balance("fee"), node.balance("alice")), (1_000, -990));
    let own = node.connector.report().own_accounts;
    assert_eq!(own.iter().map(|own| own.balance).collect::<Vec<_>>(), [-10]);
    node.assert_balanced();
}

#[test]
fn new_rates_are_in_force_from_the_next_packet_on_and_written_ones_win() {
    let node = node(traders("0.5", vec![pair_rate("USD", "XRP", "3")]));
    assert_eq!(pay(&node, "vip", "eve"), Err("T00 no exchange rate from USD/9 to EUR/9".into()));
    install(&node, quotes(&[("EUR", Some("0.8")), ("XRP", Some("2"))], false));
    assert_eq!(pay(&node, "vip", "eve"), Ok(800_000));
    assert_eq!(pay(&node, "alice", "eve"), Ok(400_000), "less the spread of the node");
    assert_eq!(pay(&node, "vip", "xena"), Ok(3_000_000), "written");
    assert_eq!(pay(&node, "eve", "xena"), Ok(1_250_000), "crossed");
    assert_eq!(pay(&node, "xena", "vip"), Ok(250_000), "only one direction is written");
    install(&node, quotes(&[("EUR", Some("0.7"))], false));
    assert_eq!(pay(&node, "vip", "eve"), Ok(700_000));
}

#[test]
fn a_rate_that_cannot_be_used_stops_its_pairs_alone() {
    let node = node(traders("0", vec![pair_rate("USD", "XRP", "3")]));
    install(&node, quotes(&[("EUR", Some("0.8"))], true));
    let stale = "T00 the exchange rate from USD/9 to EUR/9 is 6 min 40 s old, and one of more than 5 min is not used";
    assert_eq!(pay(&node, "vip", "eve"), Err(stale.to_owned()));
    assert_eq!(pay(&node, "vip", "xena"), Ok(3_000_000));
    assert_eq!(pay(&node, "vip", "alice"), Ok(1_000_000));
    install(&node, quotes(&[("EUR", None), ("XRP", Some("2"))], false));
    let jumped = pay(&node, "vip", "eve").unwrap_err();
    assert!(jumped.contains("the quote of EUR has jumped"), "{jumped}");
    assert!(jumped.contains("6 min 40 s"), "{jumped}");
    assert_eq!(pay(&node, "xena", "alice"), Ok(500_000));
}

#[test]
fn rates_and_a_reload_at_the_same_time_lose_nothing_of_each_other() {
    let node = node(traders("0", Vec::new()));
    let prepared = node.connector.prepare_rates(quotes(&[("EUR", Some("0.8"))], false));
    let mut after = traders("0.5", Vec::new());
    after.address = node.connector.address();
    node.apply(after.clone());
    assert!(!node.connector.install_rates(prepared), "they follow from the old settings");
    install(&node, quotes(&[("EUR", Some("0.8"))], false));
    assert_eq!(pay(&node, "alice", "eve"), Ok(400_000), "the spread of the reload");
    after.spread = "0.25".parse().unwrap();
    node.apply(after);
    assert_eq!(pay(&node, "alice", "eve"), Ok(600_000), "the rates of the source stay");
}

#[test]
fn the_report_names_the_rate_of_each_pair_and_its_source() {
    let node = node(traders("0.002", vec![pair_rate("USD", "XRP", "3")]));
    install(&node, quotes(&[("EUR", Some("0.8"))], false));
    let shown = |report: &RateReport| {
        let pair = format!("{}-{}", report.from, report.to);
        match &report.rate {
            Ok(Some(RateInForce { rate, spread, source })) => {
                format!("{pair} {rate} {spread} {}", source.as_deref().unwrap_or("written"))
            }
            Ok(None) => format!("{pair} none"),
            Err(gap) => format!("{pair} {gap:?}"),
        }
    };
    let reports: Vec<_> = node.connector.rate_reports().iter().map(shown).collect();
    assert_eq!(
        reports,
        [
            "EUR-USD 1.25 0.002 rates.json",
            "EUR-XRP none",
            "USD-EUR 0.8 0.002 rates.json",
            "USD-XRP 3 0.002 written",
            "XRP-EUR none",
            "XRP-USD none",
        ]
    );
}

#[test]
fn flows_have_the_value_of_their_packets_at_the_rate_of_their_time() {
    let mut node = node_with_books(traders("0.01", Vec::new()), SavedBooks::default());
    let (alice, eve) = (node.connect("alice"), node.connect("eve"));
    let pay = |node: &TestNode, from: &Peer, amount| {
        node.send(from, 1, &payment("test.eve", amount));
        node.fulfill_one(&eve);
        node.read(from);
    };
    install(&node, quotes(&[("EUR", Some("0.8"))], false));
    pay(&node, &alice, 1_001);
    // Before the next cut, which would value all packets at one rate.
    install(&node, quotes(&[("EUR", Some("0.4"))], false));
    pay(&node, &alice, 1_000);
    let sums = |node: &TestNode| {
        let cut = node.connector.take_cut(node.now.wall).unwrap();
        let sums = cut.flows.iter().map(|flow| flow.sums);
        let shown = sums.map(|sums| {
            (sums.amount_in, sums.amount_out, sums.amount_at_mid, sums.spread, sums.rounding())
        });
        shown.collect::<Vec<_>>()
    };
    // 1001 * 0.8 = 800.8 and 1000 * 0.4 = 400; less a hundredth: 792.7 and 396.
    assert_eq!(sums(&node), [(2_001, 1_188, 1_200, 12, 0)]);
    node.advance(Duration::from_secs(1));
    let fee = node.connect("fee");
    node.send(&fee, 1, &payment("test.alice", 1_050));
    node.fulfill_one(&alice);
    assert_eq!(sums(&node), [(1_050, 1_039, 1_050, 11, 0)], "of a peer, in one asset");
    node.assert_balanced();
}
