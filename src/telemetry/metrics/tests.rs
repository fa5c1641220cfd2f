//! The text as a strict reader sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use super::*;
use crate::account::{AccountSettings, Asset, Relation, SettlementMode, Totals};
use crate::connector::{AccountReport, ConnectorReport, Stats};
use crate::net::{Clock, ClockReport};
use crate::peers::{
    BtpCounts, EngineAccount, EngineState, HttpCounts, OtlpCounts, PeerCounts, PeerSnapshot,
    PeerState, StoreMeter, StoreReport, WebhookMeter,
};
use crate::rates::SourceState;
use crate::routing::ccp::PeerRoutesReport;
use crate::wire::Timestamp;

/// A collector of a made-up snapshot.
#[derive(Debug)]
struct Fixed(MetricsSnapshot);

impl Collector for Fixed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        families::encode(&self.0, FamilyEncoder(&mut encoder))
    }
}

fn text_of(snapshot: MetricsSnapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Fixed(snapshot)));
    let mut out = String::new();
    text::encode(&mut out, &registry).unwrap();
    out
}

fn account(id: &str, stats: Stats) -> AccountReport {
    let mut settings = AccountSettings::new(id.parse().unwrap(), Relation::Peer);
    settings.asset = Asset::new("X\"\\\nY", 2);
    settings.limits.max_balance = (id == "alice").then_some(100);
    settings.limits.min_balance = (id == "bob").then_some(-7);
    if id == "bob" {
        settings.settlement.mode = SettlementMode::Engine;
    }
    AccountReport {
        settings,
        removed: false,
        sessions: Vec::new(),
        in_flight_from: 3,
        in_flight_to: 4,
        outbox_bytes: 500,
        balance: -12,
        totals: Totals { settled_in: 21, settled_out: 22, ..Totals::default() },
        held_in: 7,
        held_out: i128::from(u64::MAX) * 4,
        uncertain: 11,
        comparison: crate::books::ReconcileState::default(),
        settlement_pending: 23,
        last_refusal: None,
        excess_releases: 0,
        stats,
    }
}

fn peer(id: &str, state: PeerState) -> PeerSnapshot {
    PeerSnapshot {
        last_attempt_failure: None,
        id: id.parse().unwrap(),
        state,
        since: SystemTime::UNIX_EPOCH,
        last_error: None,
        last_refused_login: None,
        sessions: 0,
        counts: PeerCounts { reconnects: 9, ..PeerCounts::default() },
    }
}

fn store_report() -> StoreReport {
    let meter = StoreMeter::default();
    meter.note_saved(Duration::from_micros(400), 3);
    meter.note_change(MonoTime(1_000_000));
    meter.note_failure();
    meter.report(MonoTime(2_501_000_000))
}

fn rate_source() -> SourceState {
    SourceState {
        name: "/var/lib/rates \"a\".json".into(),
        base: Some("USD".into()),
        age: Some(Duration::from_millis(2_500)),
        max_age: Duration::from_secs(300),
        is_fresh: true,
        quotes: 3,
        unusable: 0,
        jumped: Vec::new(),
        error: None,
    }
}

fn engine_account() -> EngineAccount {
    EngineAccount { state: EngineState::Ready, failures: 4, ..EngineAccount::default() }
}

fn webhook() -> WebhookMeter {
    WebhookMeter {
        delivered: 4,
        failed: 5,
        oldest_pending: Some(Timestamp::from_millis(1_795_780_800_000)),
        ..WebhookMeter::default()
    }
}

fn snapshot() -> MetricsSnapshot {
    let mut busy = Stats { timeouts: 6, latency_sum_us: 1_500_000, ..Stats::default() };
    busy.received.prepares = 100;
    busy.received.rejects[0] = 1;
    busy.sent.rejects[22] = 2;
    busy.latency[0] = 5;
    busy.latency[1] = 2;
    busy.latency[16] = 1;
    MetricsSnapshot {
        report: ConnectorReport {
            node_id: "hub".to_owned(),
            address: Some("test.hub".parse().unwrap()),
            routes: 10_000,
            accounts: vec![account("alice", busy), account("bob", Stats::default())],
            own_accounts: Vec::new(),
        },
        guests: GuestMetrics::default(),
        ccp: vec![PeerRoutesReport {
            peer: "alice".parse().unwrap(),
            routes: 10_000,
            received_table: String::new(),
            is_subscribed: true,
            acknowledged_epoch: 5,
            updates_sent: 7,
            updates_received: 8,
            refused: Default::default(),
        }],
        peers: vec![peer("alice", PeerState::Connected), peer("bob", PeerState::Down)],
        server: BtpCounts { refused_logins: 8, ..BtpCounts::default() },
        http: HttpCounts { requests: 9, ..HttpCounts::default() },
        uptime: Duration::from_millis(1500),
        certificate_expiry: Some(1_900_000_000),
        clock: ClockReport {
            jumps: 2,
            suspended: Duration::from_millis(12_500),
            ..ClockReport::default()
        },
        store: Some(store_report()),
        engines: EngineMetrics {
            accounts: [("bob".parse().unwrap(), engine_account())].into(),
            refused_requests: 10,
        },
        rates: vec![rate_source()],
        webhooks: BTreeMap::from([("ops".to_owned(), webhook())]),
        otlp: Some(OtlpCounts { exported: 1, lost: 2, refused: 3, unsent: 4, waiting: 5 }),
        now: Timestamp::from_millis(1_795_780_900_500),
        packet_lines: 11,
        packet_lines_dropped: 12,
        log_lines_lost: 13,
        status: StatusMetrics {
            ready: true,
            standby: false,
            reload_successful: false,
            reload_succeeded_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_790_000_000_500),
            required: vec!["bob".parse().unwrap()],
        },
    }
}

/// Reads an exposition and refuses anything that the specification does not allow. Series -> value.
fn read(text: &str, exposition: Exposition) -> BTreeMap<String, f64> {
    let open_metrics = exposition == Exposition::OpenMetrics;
    let mut families = BTreeSet::new();
    let mut series = BTreeMap::new();
    let mut family: Option<(&str, &str)> = None;
    let mut help = None;
    let body = if open_metrics { text.strip_suffix("# EOF\n").expect("an end mark") } else { text };
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a help text");
            assert!(!words.trim().is_empty(), "{line}");
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(help.take(), Some(name), "help comes before type");
            assert!(families.insert(name), "{name} is described once");
            assert!(is_name(name), "{name}");
            assert!(["counter", "gauge", "histogram", "info"].contains(&kind), "{line}");
            assert_eq!(
                open_metrics && kind == "counter",
                kind == "counter" && !name.ends_with("_total")
            );
            family = Some((name, kind));
        } else if let Some(rest) = line.strip_prefix("# UNIT ") {
            let (name, unit) = rest.split_once(' ').expect("a unit");
            assert!(open_metrics && name.ends_with(&format!("_{unit}")), "{line}");
        } else {
            let (name, labels, value) = sample(line);
            let (described, kind) = family.expect("a type before its samples");
            let suffix = name.strip_prefix(described).expect("samples follow their type");
            let suffixes: &[&str] = match kind {
                "counter" if open_metrics => &["_total"],
                "info" => &["_info"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            assert!(suffixes.contains(&suffix), "{line}");
            assert!(kind == "gauge" || value >= 0.0, "{line}");
            let labels: Vec<_> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let key = format!("{name}{{{}}}", labels.join(","));
            assert!(series.insert(key, value).is_none(), "twice: {line}");
        }
    }
    series
}

/// Name, labels, value of `name{label="value",...} 1.5`.
fn sample(line: &str) -> (&str, Vec<(String, String)>, f64) {
    let end = line.find(['{', ' ']).expect("a name");
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(mut inside) = rest.strip_prefix('{') {
        while !inside.starts_with('}') {
            let (label, after) = inside.split_once("=\"").expect("a quoted value");
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next().expect("a closing quote") {
                    (_, '\\') => match characters.next().expect("an escape").1 {
                        'n' => value.push('\n'),
                        escaped @ ('"' | '\\') => value.push(escaped),
                        other => panic!("\\{other} in {line}"),
                    },
                    (end, '"') => break end,
                    (_, other) => value.push(other),
                }
            };
            assert!(!labels.iter().any(|(known, _)| known == label), "{line}");
            labels.push((label.to_owned(), value));
            inside = &after[end + 1..];
            inside = inside.strip_prefix(',').unwrap_or(inside);
        }
        rest = &inside[1..];
    }
    let value = rest.strip_prefix(' ').expect("a blank before the value");
    (name, labels, value.parse().expect("a number"))
}

fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_values(series: &BTreeMap<String, f64>) {
    let asset = "asset=X\"\\\nY,scale=2";
    for (key, value) in [
        ("ilp_build_info{node=hub,address=test.hub,version=0.1.0}", 1.0),
        ("ilp_ready{}", 1.0),
        ("ilp_uptime_seconds{}", 1.5),
        ("ilp_routes{}", 10_000.0),
        ("ilp_clock_jumps_total{}", 2.0),
        ("ilp_tls_certificate_expiry_timestamp_seconds{}", 1_900_000_000.0),
        ("ilp_suspended_seconds_total{}", 12.5),
        ("ilp_packet_log_records_total{}", 11.0),
        ("ilp_packet_log_records_dropped_total{}", 12.0),
        ("ilp_log_lines_lost_total{}", 13.0),
        ("ilp_config_last_reload_successful{}", 0.0),
        ("ilp_config_last_reload_success_timestamp_seconds{}", 1_790_000_000.5),
        ("ilp_account_max_balance_units{peer=alice}", 100.0),
        ("ilp_account_min_balance_units{peer=bob}", -7.0),
        ("ilp_max_packets_in_flight{peer=alice}", 16_384.0),
        ("ilp_peer_required{peer=bob}", 1.0),
        ("ilp_packets_total{peer=bob,direction=sent,type=reject,code=T04}", 0.0),
        ("ilp_packets_total{peer=bob,direction=received,type=reject,code=R00}", 0.0),
        ("ilp_packets_total{peer=alice,direction=received,type=prepare,code=}", 100.0),
        ("ilp_packets_total{peer=alice,direction=received,type=fulfill,code=}", 0.0),
        ("ilp_packets_total{peer=alice,direction=received,type=reject,code=F00}", 1.0),
        ("ilp_packets_total{peer=alice,direction=sent,type=reject,code=other}", 2.0),
        ("ilp_packets_in_flight{peer=bob,direction=received}", 3.0),
        ("ilp_packets_in_flight{peer=bob,direction=sent}", 4.0),
        ("ilp_answer_latency_seconds_sum{peer=alice}", 1.5),
        ("ilp_answer_latency_seconds_count{peer=alice}", 8.0),
        ("ilp_timeouts_total{peer=alice}", 6.0),
        (&format!("ilp_account_balance_units{{peer=alice,{asset}}}"), -12.0),
        ("ilp_account_held_units{peer=alice,direction=received}", 7.0),
        ("ilp_account_held_units{peer=alice,direction=sent}", 4.0 * 2.0_f64.powi(64)),
        ("ilp_account_uncertain_units{peer=alice}", 11.0),
        ("ilp_account_settled_units{peer=alice,direction=received}", 21.0),
        ("ilp_account_settled_units{peer=bob,direction=sent}", 22.0),
        ("ilp_settlement_pending_units{peer=bob}", 23.0),
        ("ilp_settlement_engine_ready{peer=bob}", 1.0),
        ("ilp_settlement_engine_failures_total{peer=bob}", 4.0),
        ("ilp_settlement_refused_requests_total{}", 10.0),
        ("ilp_store_cut_seconds_bucket{le=0.00025}", 0.0),
        ("ilp_store_cut_seconds_bucket{le=0.0005}", 1.0),
        ("ilp_store_cut_seconds_sum{}", 0.0004),
        ("ilp_store_cut_rows_sum{}", 3.0),
        ("ilp_store_unsaved_seconds{}", 2.5),
        ("ilp_store_failing{}", 1.0),
        ("ilp_store_failures_total{}", 1.0),
        ("ilp_outbox_bytes{peer=alice}", 500.0),
        ("ilp_peer_connected{peer=alice}", 1.0),
        ("ilp_peer_connected{peer=bob}", 0.0),
        ("ilp_peer_state{peer=bob,state=down}", 1.0),
        ("ilp_reconnects_total{peer=bob}", 9.0),
        ("ilp_server_refused_logins_total{}", 8.0),
        ("ilp_http_requests_total{}", 9.0),
    ] {
        assert_eq!(series.get(key), Some(&value), "{key}");
    }
    let rejects = series.keys().filter(|key| key.contains("type=reject")).count();
    assert_eq!(rejects, 2 * 2 * 13 + 1, "unusual codes that never came are left out");
    assert!(!series.keys().any(|key| key.contains("max_balance") && key.contains("bob")));
    assert!(!series.contains_key("ilp_peer_required{peer=alice}"));
    assert!(!series.keys().any(|key| key.contains("latency") && key.contains("bob")));
}

#[test]
fn a_strict_reader_finds_every_value() {
    let open_metrics = text_of(snapshot());
    check_values(&read(&open_metrics, Exposition::OpenMetrics));
    check_values(&read(&exposition::to_prometheus(&open_metrics), Exposition::Prometheus));
}

#[test]
fn buckets_are_cumulative() {
    let text = text_of(snapshot());
    let buckets: Vec<(f64, f64)> = text
        .lines()
        .filter(|line| line.starts_with("ilp_answer_latency_seconds_bucket"))
        .map(|line| {
            let (_, labels, value) = sample(line);
            let (_, bound) = labels.iter().find(|(label, _)| label == "le").unwrap();
            (bound.parse().unwrap(), value)
        })
        .collect();
    assert_eq!(buckets.len(), 17);
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
    assert_eq!(buckets[..2], [(0.000_05, 5.0), (0.000_1, 7.0)]);
    assert_eq!(buckets[16], (f64::INFINITY, 8.0));
}

#[test]
fn the_accept_header_chooses_the_format() {
    for (accept, expected) in [
        ("", Exposition::Prometheus),
        ("*/*", Exposition::Prometheus),
        ("text/plain;version=0.0.4", Exposition::Prometheus),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
            Exposition::OpenMetrics,
        ),
        ("text/plain, application/openmetrics-text;q=0", Exposition::Prometheus),
        ("application/openmetrics-text;q=0, */*;q=0.1", Exposition::Prometheus),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.8", Exposition::Prometheus),
        ("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", Exposition::Prometheus),
        ("application/openmetrics-text-like", Exposition::Prometheus),
        ("Application/OpenMetrics-Text, text/plain", Exposition::OpenMetrics),
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            Exposition::OpenMetrics,
        ),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            Exposition::OpenMetrics,
        ),
    ] {
        assert_eq!(Exposition::accepted(accept), expected, "{accept}");
    }
}

/// Every family, with its type, is a row of the table in docs/REFERENCE.md, and the reverse. (Only Linux has the
/// families of the process.)
#[test]
#[cfg(target_os = "linux")]
fn every_metric_is_documented() {
    let text = exposition::to_prometheus(&text_of(snapshot()));
    let encoded: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let manual = include_str!("../../../docs/REFERENCE.md");
    let described: BTreeSet<(String, String)> = manual
        .lines()
        .filter(|line| line.starts_with("| `ilp_") || line.starts_with("| `process_"))
        .map(|line| {
            let mut cells = line.split('|').skip(1).map(|cell| cell.trim().trim_matches('`'));
            (cells.next().unwrap().to_owned(), cells.next().unwrap().to_owned())
        })
        .collect();
    assert_eq!(encoded, described);
}

#[test]
fn a_node_has_metrics_before_it_has_peers() {
    let mut settings = crate::testing::connector_settings("hub", &[]);
    settings.address = None;
    let context = crate::testing::node_context(settings, Clock::start(), Default::default());
    let metrics = Metrics::new(context, Arc::default(), Arc::default());
    for (ready, value) in [(true, 1.0), (false, 0.0)] {
        metrics.set_status(StatusMetrics {
            ready,
            standby: false,
            reload_successful: true,
            reload_succeeded_at: SystemTime::now(),
            required: Vec::new(),
        });
        for exposition in [Exposition::OpenMetrics, Exposition::Prometheus] {
            let series = read(&metrics.text(exposition).unwrap(), exposition);
            assert_eq!(series["ilp_ready{}"], value);
            assert_eq!(series["ilp_build_info{node=hub,address=,version=0.1.0}"], 1.0);
        }
    }
}
