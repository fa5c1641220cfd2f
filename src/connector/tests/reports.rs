//! What operators and programs read about a node: its routes, its accounts, and their counters.

use super::*;
use crate::testing::every_refusal;

#[test]
fn routes_come_in_pages_in_the_order_of_their_prefixes() {
    let node = node(connector_settings("node", &["eve", "carl", "alice", "dave", "bob"]));
    let page = |after: Option<&str>, limit| {
        let routes = node.connector.routes(after, limit).into_iter().map(|route| route.prefix);
        routes.map(|prefix| prefix.replace("test.", "")).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(page(None, 2), "alice bob");
    assert_eq!(page(Some("test.bob"), 2), "carl dave");
    assert_eq!(page(Some("test.bob"), 3), "carl dave eve");
    assert_eq!(page(Some("test.dave"), 9), "eve");
    assert_eq!(page(Some("test.eve"), 9), "");
    let mut prefixes = node.connector.prefixes();
    prefixes.sort_unstable();
    assert_eq!(
        prefixes.join(" "),
        "test.alice test.bob test.carl test.dave test.eve",
        "all at once"
    );
    assert_eq!((node.connector.routes_total(), node.connector.report().routes), (5, 5));
}

#[test]
fn a_route_names_its_next_hops_and_those_that_can_be_used() {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.routes.push(route("test.bob", "alice", 7));
    let node = node(settings);
    let _bob = node.connect("bob");
    let routes = node.connector.routes(Some("test.alice"), 1);
    let hops = routes[0].next_hops.iter();
    let hops: Vec<_> =
        hops.map(|hop| (hop.account.as_str(), hop.priority, hop.origin, hop.usable)).collect();
    let origin = RouteOrigin::Configured;
    assert_eq!(hops, [("alice", 7, origin, false), ("bob", 0, origin, true)]);
    assert_eq!(routes[0].learned, []);
}

#[test]
fn a_node_knows_its_id_and_the_assets_of_its_accounts() {
    let mut settings = connector_settings("node", &["alice"]);
    settings.accounts.push(with_asset(peer("eve"), "EUR", 2));
    let node = node(settings);
    assert_eq!(node.connector.node_id().as_str(), "node");
    assert_eq!(node.connector.asset_of("eve"), Some(Asset::new("EUR", 2)));
    assert_eq!(node.connector.asset_of("alice"), Some(Asset::default()));
    assert_eq!(node.connector.asset_of("nobody"), None);
}

#[test]
fn an_account_that_released_more_than_it_held_is_reported() {
    let (node, alice, _bob) = connected_alice_and_bob();
    assert_eq!(node.connector.excess_releases(), []);
    alice.account.lock().ledger.release_in(Amount(1));
    alice.account.lock().ledger.release_in(Amount(1));
    assert_eq!(node.connector.excess_releases(), [("alice".parse().unwrap(), 2)]);
    assert_eq!(node.account("alice").excess_releases, 2);
}

#[test]
fn a_packet_in_flight_is_in_the_reports_of_both_accounts() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 9));
    let of = |id: &str| {
        let report = node.account(id);
        (report.in_flight_from, report.held_in, report.in_flight_to, report.held_out)
    };
    assert_eq!((of("alice"), of("bob")), ((1, 9, 0, 0), (0, 0, 1, 9)));
    let waiting = |id: &str| {
        let of_prepares = node.connector.waiting_prepare_bytes(&id.parse().unwrap());
        (node.account(id).outbox_bytes, of_prepares.unwrap())
    };
    assert_eq!(waiting("alice"), (0, 0));
    let (bytes, of_prepares) = waiting("bob");
    assert!(bytes > 0 && of_prepares == bytes, "bob has read nothing yet");
    node.fulfill_one(&bob);
    assert!(waiting("alice").0 > 0 && waiting("alice").1 == 0, "an answer waits");
    assert_eq!((of("alice"), of("bob")), ((0, 0, 0, 0), (0, 0, 0, 0)));
    assert_eq!((node.balance("alice"), node.balance("bob")), (9, -9));
}

#[test]
fn the_time_until_an_answer_is_in_the_bucket_with_the_next_bound() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    for us in [50, 51, 100, 4_999, 5_000, 5_001] {
        node.send(&alice, 1, &payment("test.bob", 1));
        let id = node.prepare_id(&bob);
        node.advance(Duration::from_micros(us));
        node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    }
    let stats = node.account("bob").stats;
    let buckets = LATENCY_BUCKETS.iter().zip(stats.latency).filter(|(_, count)| *count > 0);
    let buckets: Vec<_> = buckets.map(|(bound, count)| (*bound, count)).collect();
    assert_eq!(buckets, [(50, 1), (100, 2), (5_000, 2), (10_000, 1)]);
    assert_eq!(stats.latency_sum_us, 50 + 51 + 100 + 4_999 + 5_000 + 5_001);
}

#[test]
fn an_answer_that_is_slower_than_each_bound_is_in_the_last_bucket() {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.timing.max_hold_time = Duration::from_secs(100);
    let (mut node, alice, bob) = connect_both(node(settings));
    for seconds in [30, 31] {
        let packet = payment_with("test.bob", 1, 90_000, b"", PREIMAGE.condition());
        node.send(&alice, 1, &packet);
        let id = node.prepare_id(&bob);
        node.advance(Duration::from_secs(seconds));
        node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    }
    let stats = node.account("bob").stats;
    let [.., within_30_s, slower] = stats.latency;
    assert_eq!((within_30_s, slower, stats.timeouts), (1, 1, 0));
}

#[test]
fn rejects_are_counted_under_the_labels_of_their_codes() {
    let (node, alice, bob) = connected_alice_and_bob();
    let codes = [ErrorCode::T00, ErrorCode::F99, ErrorCode::F99, ErrorCode(*b"X77")];
    for code in codes {
        node.send(&alice, 1, &payment("test.bob", 1));
        let id = node.prepare_id(&bob);
        node.answer(&bob, id, &reject(code, None, "", b""));
    }
    let traffic = node.account("bob").stats.received;
    assert_eq!(code_labels().count(), traffic.rejects.len());
    let counted = code_labels().zip(traffic.rejects).filter(|(_, count)| *count > 0);
    let mut counted: Vec<_> = counted.collect();
    counted.sort_unstable();
    let expected = [("F99", 2), ("T00", 1), ("other", 1)];
    assert_eq!(counted, expected.map(|(code, count)| (code.to_owned(), count)));
    assert_eq!(traffic.count_rejects(ErrorCode::F99), 2);
}

#[test]
fn packets_to_a_receiver_are_counted_as_those_to_a_peer() {
    let node = node(settings(vec![peer("alice"), receivers::wallet()], &[]));
    let alice = node.connect("alice");
    let sender = receivers::sender(&node);
    for id in 1..=3 {
        node.send(&alice, id, &sender.payment_until(5, 0, id != 3, 10_000));
    }
    let stats = node.account("wallet").stats;
    assert_eq!((stats.sent.prepares, stats.received.fulfills), (3, 2));
    assert_eq!(stats.received.rejects.iter().sum::<u64>(), 1);
    assert_eq!((stats.latency[0], stats.latency_sum_us), (3, 0));
}

/// Each limit is that of an operator, who reads its value; other nodes do not.
#[test]
fn figures_of_a_refusal_are_for_the_operator_only() {
    for refusal in every_refusal() {
        let figures = match refusal.kind() {
            "overMaxBalance" | "nextHopUnderMinBalance" => "1200",
            "tooManyInFlight" | "nextHopTooManyInFlight" => "16384 packets",
            "rateLimited" => "100 packets per second",
            _ => {
                assert_eq!(refusal.figures(), None, "{refusal}");
                continue;
            }
        };
        let shown = refusal.figures().unwrap();
        assert!(shown.replace(',', "").contains(figures), "{shown}");
        assert!(!refusal.to_string().contains(&shown), "{refusal}");
    }
}

#[test]
fn each_refusal_has_a_name_and_an_advice_and_some_have_a_key() {
    let from = "alice".parse().unwrap();
    let key = |refusal: &Refusal| refusal.key(Some(&from));
    let refusals = every_refusal();
    let names: std::collections::HashSet<_> = refusals.iter().map(Refusal::kind).collect();
    assert_eq!(names.len(), refusals.len());
    assert!(refusals.iter().all(|one| one.advice().ends_with('.') && one.advice().contains(' ')));
    for (name, expected) in [
        ("stopping", None),
        ("noRoute", Some("routes")),
        ("rateLimited", Some("peers.alice.packetsPerSecond")),
        ("nextHopUnderMinBalance", Some("peers.bob.minBalance")),
        ("receiverFull", Some("receivers.shop.minBalance")),
        ("receiverAmountTooLarge", Some("receivers.shop.maxPacketAmount")),
    ] {
        let refusal = refusals.iter().find(|one| one.kind() == name).unwrap();
        assert_eq!(key(refusal).as_deref(), expected, "{name}");
    }
    let limited = Refusal::RateLimited { per_second: 100 };
    assert_eq!(limited.key(None), None, "the peer is not known");
}
