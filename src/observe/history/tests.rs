//! Points are differences, ids are those of the links, and memory is bounded.

use super::*;
use crate::connector::Connector;
use crate::observe::model::NodeBody;
use crate::observe::{AccountFacts, account_bodies, join_links};
use crate::routing::HashSeed;
use crate::testing::connector_settings;

fn report(id: &str, peers: &[&str]) -> ConnectorReport {
    Connector::new(connector_settings(id, peers), HashSeed::Fixed(1)).unwrap().report()
}

fn line() -> [ConnectorReport; 2] {
    [report("a", &["b", "cli"]), report("b", &["a", "z"])]
}

fn account<'r>(
    reports: &'r mut [ConnectorReport; 2],
    node: usize,
    id: &str,
) -> &'r mut AccountReport {
    let mut accounts = reports[node].accounts.iter_mut();
    accounts.find(|account| account.settings.id.as_str() == id).unwrap()
}

fn record(history: &mut History, second: u64, reports: &[ConnectorReport]) {
    history.record(second * HISTORY_STEP_MS, second.to_string(), reports);
}

#[test]
fn links_have_the_ids_that_they_have_elsewhere() {
    let mut reports = vec![
        report("b", &["a", "c", "gone"]),
        report("a", &["b", "d"]),
        report("c", &["b"]),
        report("d", &[]),
    ];
    reports.sort_by(|a, b| a.node_id.cmp(&b.node_id));
    reports[1]
        .accounts
        .iter_mut()
        .filter(|one| one.settings.id.as_str() == "gone")
        .for_each(|gone| gone.removed = true);
    let nodes = reports.iter().map(|report| NodeBody {
        id: report.node_id.clone(),
        peers: account_bodies(report, |_| false, AccountFacts::default()),
        ..NodeBody::default()
    });
    let mut nodes: Vec<_> = nodes.collect();
    let expected = join_links(&mut nodes);
    let expected: Vec<_> =
        expected.iter().map(|link| (link.id.as_str(), link.b_peer.is_some())).collect();
    let found = links_of(&reports);
    let mut found: Vec<_> = found.iter().map(|link| (link.id.as_str(), link.b.is_some())).collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(found, [("a~b", true), ("a~d", false), ("b~c", true)]);
}

#[test]
fn points_are_what_a_second_has_added() {
    let mut reports = line();
    let mut history = History::default();
    account(&mut reports, 0, "b").stats.sent.prepares = 1_000;
    record(&mut history, 1, &reports);
    assert_eq!(history.link("a~b").unwrap().points, [], "there is nothing to compare with");
    let a = account(&mut reports, 0, "b");
    (a.stats.sent.prepares, a.stats.received.fulfills, a.in_flight_to) = (1_030, 15, 7);
    (a.stats.latency[0], a.stats.latency[2], a.balance) = (9, 6, -5);
    a.stats.received.rejects[3] = 5;
    let b = account(&mut reports, 1, "a");
    (b.stats.sent.prepares, b.stats.received.prepares, b.in_flight_to) = (4, 1_030, 1);
    b.stats.latency[16] = 1;
    record(&mut history, 2, &reports);
    let link = history.link("a~b").unwrap();
    let [point] = link.points.as_slice() else { panic!("{link:?}") };
    assert_eq!((point.at.as_str(), point.ab_per_second, point.ba_per_second), ("2", 30.0, 4.0));
    assert_eq!(
        (point.fulfilled_percent, point.in_flight_ab, point.in_flight_ba),
        (Some(75.0), 7, 1)
    );
    assert_eq!(point.balance_a.as_deref(), Some("-5"));
    let latency = point.latency.unwrap();
    assert_eq!((latency.p50_us, latency.p99_us), (50, 30_000_000));
    let counts: Vec<_> = link.buckets.iter().filter(|bucket| bucket.count > 0).collect();
    assert_eq!(
        counts.iter().map(|one| (one.up_to_us, one.count)).collect::<Vec<_>>(),
        [(Some(50), 9), (Some(250), 6), (None, 1),]
    );
    let turned = history.link("b~a").unwrap();
    assert_eq!((turned.points[0].ab_per_second, turned.points[0].in_flight_ab), (4.0, 1));
    assert_eq!(turned.points[0].balance_a, None);
    let nodes = history.nodes(|id| id == "b");
    assert_eq!((nodes.len(), nodes[0].points[0].packets_per_second), (1, 1_030.0));
    assert_eq!(history.link("a~x"), None);
}

#[test]
fn a_second_that_is_missing_makes_no_point() {
    let mut reports = line();
    let mut history = History::default();
    record(&mut history, 1, &reports);
    record(&mut history, 2, &reports);
    record(&mut history, 3, &reports[1..]);
    account(&mut reports, 0, "b").stats.sent.prepares = 50;
    record(&mut history, 4, &reports);
    record(&mut history, 5, &reports);
    // A break of the recording itself.
    account(&mut reports, 0, "b").stats.sent.prepares = 90;
    record(&mut history, 60, &reports);
    record(&mut history, 61, &reports);
    let link = history.link("a~b").unwrap();
    let points: Vec<_> =
        link.points.iter().map(|point| (point.at.as_str(), point.ab_per_second)).collect();
    assert_eq!(points, [("2", 0.0), ("5", 0.0), ("61", 0.0)]);
}

#[test]
fn five_minutes_are_kept_and_links_that_are_gone_are_forgotten() {
    let mut reports = line();
    let mut history = History::default();
    for second in 1..=400 {
        let stats = &mut account(&mut reports, 0, "b").stats;
        (stats.sent.prepares, stats.latency[1]) = (second * 3, second);
        record(&mut history, second, &reports);
    }
    let link = history.link("a~b").unwrap();
    assert_eq!((link.points.len(), link.points[0].at.as_str()), (POINTS_MAX, "101"));
    let answers = link.buckets[1].count;
    assert!((290..=300).contains(&answers), "{answers}");
    for second in 401..=702 {
        record(&mut history, second, &reports[1..]);
    }
    assert!(history.link("a~b").is_some_and(|link| link.id == "a~b"), "it is b~a of b now");
    assert_eq!(history.links.len(), 2, "{:?}", history.links.keys());
    assert_eq!(history.nodes(|_| true).len(), 1);
}

#[test]
fn memory_has_a_bound() {
    assert!(size_of::<LinkPoint>() <= 52);
    let names: Vec<String> = (0..LINKS_KEPT_MAX + 5).map(|number| format!("p{number}")).collect();
    let peers: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut history = History::default();
    record(&mut history, 1, &[report("a", &peers)]);
    assert_eq!(history.links.len(), LINKS_KEPT_MAX);
}
