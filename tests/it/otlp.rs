//! Spans of sampled packets at a collector of this test's own, read by OpenTelemetry's own definitions of the messages
//! (`tests/otlp/judge.py`).

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::SystemTime;

use ilp_connector::wire::Condition;
use serde_json::Value;

use crate::http::{HttpMessage, Server};
use crate::network::TestNetwork;
use crate::peer::{Peer, TIMEOUT, TestNode, http_get, prepare_to};
use crate::process::free_port;
use crate::support::{combined_output, eventually, run_successfully, skip, text};

const TOKEN: &str = "7f3ac91e5b08d264a6c3fe1d92b7504e";

/// Answers the requests of a collector with these, then with 200.
fn collect(server: Server, answers: &[&str]) -> Receiver<HttpMessage> {
    let (sender, requests) = sync_channel(64);
    let answers: Vec<String> = answers.iter().map(|answer| (*answer).to_owned()).collect();
    thread::spawn(move || {
        let mut answers = answers.into_iter();
        loop {
            let mut connection = server.accept();
            let Some(request) = connection.try_receive() else { continue };
            let answer = answers.next().unwrap_or_else(|| "200 OK".to_owned());
            let (status, body) = answer.split_once('|').unwrap_or((&answer, "{}"));
            // Before the answer: what a node has an answer to is there for the test.
            let is_wanted = sender.send(request).is_ok();
            connection.answer(status, body.as_bytes());
            if !is_wanted {
                return;
            }
        }
    });
    requests
}

/// The spans of these requests. `None`: the judge is not installed.
fn judge(requests: &[HttpMessage]) -> Option<Vec<Value>> {
    let python = |arguments: &[&str]| {
        let mut command = Command::new("python3");
        command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let mut check = python(&["-c", "import opentelemetry.proto.trace.v1.trace_pb2"]);
    if !check.output().is_ok_and(|output| output.status.success()) {
        skip("spans", "the Python package opentelemetry-proto is not installed");
        return None;
    }
    let mut child = python(&["tests/otlp/judge.py"]).spawn().unwrap();
    let lines: Vec<u8> =
        requests.iter().flat_map(|request| [&*request.body, b"\n"].concat()).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(&lines));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}", combined_output(&output));
    Some(text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// How many spans of a request there are.
fn spans_of(request: &HttpMessage) -> usize {
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().len()
}

/// What became of the spans of a node: exported, lost, refused, unsent, waiting.
fn counts(node: &TestNode) -> [u64; 5] {
    let metrics = http_get(node.health_port, "GET /metrics").1;
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {metrics}")).parse::<u64>().unwrap()
    };
    let total = |result: &str| value(&format!("ilp_otlp_spans_total{{result=\"{result}\"}}"));
    let [exported, lost, refused, unsent] = ["exported", "lost", "refused", "unsent"].map(total);
    [exported, lost, refused, unsent, value("ilp_otlp_spans_waiting")]
}

fn wait_for_counts(node: &TestNode, expected: [u64; 5]) {
    eventually("the spans are counted", TIMEOUT, || match counts(node) {
        seen if seen == expected => Ok(()),
        seen => Err(format!("{seen:?} is not {expected:?}")),
    });
}

fn node(collector: u16, more: &str) -> TestNode {
    TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\notlpUrl: http://127.0.0.1:{collector}\notlpToken: {TOKEN}\n{more}\
         peers: [{{ id: alice, authToken: t }}, {{ id: bob, authToken: u }}]\n\
         routes: [{{ prefix: test.bob, nextHop: bob }}]\n"
    ))
}

/// Sends packets that the node rejects.
fn send_rejected(alice: &mut Peer, count: u32) {
    let packet = prepare_to("test.n.nowhere");
    // All at once, so that one request has their spans.
    (0..count).for_each(|id| alice.send_prepare(id + 10, &packet));
    (0..count).for_each(|_| drop(alice.receive()));
}

/// Sends more packets than there is room for their spans while the collector does not answer. Returns their number.
fn send_too_many(node: &TestNode, alice: &mut Peer) -> u64 {
    let before = counts(node)[4];
    let count = 4_000;
    for id in 0..count {
        alice.send_prepare(id + 100, &prepare_to("test.n.nowhere"));
    }
    for _ in 0..count {
        alice.receive();
    }
    let all = u64::from(count) + before;
    eventually("all spans are counted", TIMEOUT, || match counts(node) {
        [0, lost, 0, 0, waiting] if lost > 0 && lost + waiting == all => Ok(()),
        seen => Err(format!("{seen:?}, of {all}")),
    });
    u64::from(count)
}

fn time_of_day_ns() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(since_epoch.as_nanos()).unwrap()
}

#[test]
fn the_spans_of_a_packet_at_three_nodes_form_one_trace() {
    let began = time_of_day_ns();
    let server = Server::start();
    let port = server.port();
    let network = TestNetwork::from_text(&format!(
        "nodes:\n  - id: a\n  - id: b\n  - id: c\nlinks:\n  - {{ from: a, to: b, secret: s-a-b }}\n  \
           - {{ from: b, to: c, secret: s-b-c }}\ndefaults:\n  otlpUrl: http://127.0.0.1:{port}/otlp\n  \
           otlpToken: {TOKEN}\n  otlpOneIn: 1\n  receivers: [{{ id: wallet }}]\n  \
           peers:\n    - {{ id: cli, relation: child, authToken: demo-cli-token }}\n"
    ));
    let requests = collect(server, &[]);
    let _running = network.start_all();
    network.wait_reachable("a", "test.c");
    let via = format!("btp+ws://cli:demo-cli-token@127.0.0.1:{}", network.ports("a").0);
    let program = || {
        let mut command = Command::new(crate::support::PROGRAM);
        command.env_clear();
        command
    };
    let condition = "ab".repeat(32);
    let arguments = ["--data", "x", "--condition", &condition, "--via", &via];
    let sent = program().args(["send", "test.c.nowhere"]).args(arguments).output().unwrap();
    assert!(combined_output(&sent).contains("F02"), "{}", combined_output(&sent));
    let wallet = format!("http://127.0.0.1:{}/wallet", network.http_port("c"));
    let pay = ["pay", &wallet, "10", "--via", &via, "--allow-http"];
    run_successfully(program().args(pay));
    // Their data differ, and their condition is that of all pings. No other packet has this amount.
    let ping = ["ping", "test.c", "--amount", "71", "--count", "2", "--interval", "0.1"];
    run_successfully(program().args(ping).args(["--via", &via]));

    let mut received = Vec::new();
    let spans = loop {
        received.push(requests.recv_timeout(TIMEOUT).expect("the spans come"));
        let request = received.last().unwrap();
        assert!(request.head.starts_with("POST /otlp/v1/traces HTTP/1.1\r\n"), "{}", request.head);
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
        assert!(!text(&request.body).contains(TOKEN));
        let Some(spans) = judge(&received) else { return };
        let is_paid = |span: &&Value| span["attributes"]["ilp.outcome"] == "received";
        let of_rejected = spans.iter().filter(|span| span["traceId"] == condition[..32]);
        let of_paid = spans.iter().find(is_paid).map(|paid| &paid["traceId"]);
        let of_paid = spans.iter().filter(|span| Some(&span["traceId"]) == of_paid);
        let of_pings = spans.iter().filter(|span| span["attributes"]["ilp.amount"] == "71");
        if of_rejected.count() == 3 && of_paid.count() == 3 && of_pings.count() == 6 {
            break spans;
        }
    };
    let ended = time_of_day_ns();
    let ids: BTreeSet<String> = spans.iter().map(|span| span["spanId"].to_string()).collect();
    assert_eq!(ids.len(), spans.len(), "each has an id of its own");
    let trace = |id: &Value| {
        let mut spans: Vec<&Value> = spans.iter().filter(|span| span["traceId"] == *id).collect();
        spans.sort_by_key(|span| span["resource"]["service.instance.id"].to_string());
        // The times of different nodes are not compared: each reads its clock before it reads what has arrived.
        for span in &spans {
            let times = ["start", "end"].map(|key| span[key].as_u64().unwrap());
            assert!(began <= times[0] && times[0] <= times[1] && times[1] <= ended, "{span:#}");
        }
        spans
    };
    let nodes = |spans: &[&Value]| {
        let node =
            |span: &&Value| span["resource"]["service.instance.id"].as_str().unwrap().to_owned();
        spans.iter().map(node).collect::<Vec<_>>().join(" ")
    };
    let rejected = trace(&condition[..32].into());
    assert_eq!(nodes(&rejected), "a b c");
    for span in &rejected {
        assert_eq!(
            (&span["status"], &span["kind"]),
            (&"STATUS_CODE_ERROR".into(), &"SPAN_KIND_SERVER".into())
        );
        assert_eq!(span["parentSpanId"], "");
        assert!(span["message"].as_str().unwrap().starts_with("F02 "), "{span}");
        let attributes = &span["attributes"];
        assert_eq!(attributes["ilp.destination"], "test.c.nowhere", "{span}");
        assert_eq!(
            (&attributes["ilp.code"], &attributes["ilp.asset"]),
            (&"F02".into(), &"USD/9".into())
        );
        assert_eq!(span["resource"]["service.name"], "ilp-connector");
    }
    assert_eq!(rejected[1]["attributes"]["ilp.from"], "a");
    assert_eq!(rejected[1]["attributes"]["ilp.to"], "c");
    assert!(rejected[2]["attributes"]["ilp.reason"].is_string(), "{}", rejected[2]);
    let paid = spans.iter().find(|span| span["attributes"]["ilp.outcome"] == "received").unwrap();
    let paid = trace(&paid["traceId"]);
    assert_eq!(nodes(&paid), "a b c");
    for span in paid {
        assert_eq!(span["status"], "STATUS_CODE_OK", "{span}");
        // The rest of the address is the token of the connection.
        assert_eq!(span["attributes"]["ilp.destination"], "test.c.wallet.***", "{span}");
    }
    // A ping has a condition that all pings have, and a trace of its own nevertheless.
    let pinged = spans.iter().filter(|span| span["attributes"]["ilp.amount"] == "71");
    let traces: BTreeSet<&str> = pinged.map(|span| span["traceId"].as_str().unwrap()).collect();
    assert_eq!(traces.len(), 2, "{spans:#?}");
    for id in traces {
        let spans = trace(&id.into());
        assert_eq!(nodes(&spans), "a b c");
        let ping = hex::encode(Condition::PING.0);
        assert!(spans.iter().all(|span| span["attributes"]["ilp.condition"] == ping), "{spans:#?}");
    }
}

#[test]
fn a_collector_that_is_busy_gets_the_same_request_again_and_one_that_refuses_does_not() {
    let server = Server::start();
    let node = node(server.port(), "otlpOneIn: 1\n");
    let partial = r#"200 OK|{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#;
    let words = format!(r#"400 Bad Request|{{"message":"no {TOKEN}"}}"#);
    let answers = [
        "503 Busy\r\nRetry-After: 0",
        "429 Slow Down\r\nRetry-After: 0",
        "200 OK",
        &words,
        partial,
    ];
    let requests = collect(server, &answers);
    let mut alice = Peer::log_in(node.port, "alice", "t");
    let next = || requests.recv_timeout(TIMEOUT).expect("a request");
    send_rejected(&mut alice, 3);
    let first = next();
    for _ in 0..2 {
        assert_eq!(next().body, first.body, "the same request again");
    }
    assert_eq!(spans_of(&first), 3);
    wait_for_counts(&node, [3, 0, 0, 0, 0]);
    node.process.wait_for_line("the end of the failures", |line| {
        line.contains("spans are exported again").then_some(())
    });
    // Refused, and not sent again.
    send_rejected(&mut alice, 4);
    assert_eq!(spans_of(&next()), 4);
    wait_for_counts(&node, [3, 0, 4, 0, 0]);
    send_rejected(&mut alice, 5);
    assert_eq!(spans_of(&next()), 5);
    wait_for_counts(&node, [6, 0, 6, 0, 0]);
    send_rejected(&mut alice, 1);
    assert_eq!(spans_of(&next()), 1);
    wait_for_counts(&node, [7, 0, 6, 0, 0]);
    let (_, log) = node.stop("TERM");
    assert!(!log.contains(TOKEN) && log.contains("no ***"), "{log}");
    // Busy twice, and said once.
    assert_eq!(log.matches("the collector does not take spans").count(), 2, "{log}");
}

#[test]
fn a_collector_that_is_away_or_hangs_delays_nothing_and_no_span_is_lost_silently() {
    let port = free_port();
    let node = node(port, "otlpOneIn: 1\n");
    let mut alice = Peer::log_in(node.port, "alice", "t");
    send_rejected(&mut alice, 2);
    node.process.wait_for_line("a failure", |line| {
        line.contains("the collector does not take spans").then_some(())
    });
    wait_for_counts(&node, [0, 0, 0, 0, 2]);
    // It comes, takes a request, and does not answer: packets go on, until there is no room for their spans.
    let server = Server::bind(port);
    let mut hanging = server.accept();
    let request = hanging.try_receive().unwrap();
    assert_eq!(spans_of(&request), 2);
    let all = send_too_many(&node, &mut alice) + 2;
    hanging.answer("200 OK", b"{}");
    let requests = collect(server, &[]);
    let exported = eventually("what waited is exported", TIMEOUT, || match counts(&node) {
        [exported, lost, 0, 0, 0] if exported + lost == all => Ok(exported),
        seen => Err(format!("{seen:?}, of {all}")),
    });
    let received: usize = requests.try_iter().map(|request| spans_of(&request)).sum();
    assert_eq!(received as u64 + 2, exported.0);
    let (_, log) = node.stop("TERM");
    assert_eq!(log.matches("spans lost").count(), 1, "{log}");
    assert_eq!(log.matches("spans are exported again").count(), 1, "{log}");
}

/// Spans of packets that were answered just before the stop.
#[test]
fn a_stop_sends_what_waits_and_says_what_is_left() {
    let stopped = |port: u16| {
        let node = node(port, "otlpOneIn: 1\n");
        let mut alice = Peer::log_in(node.port, "alice", "t");
        send_rejected(&mut alice, 3);
        let (status, log) = node.stop("TERM");
        assert!(status.success(), "{log}");
        log
    };
    let left = "stopped with spans that the collector has not taken";
    let server = Server::start();
    let port = server.port();
    let requests = collect(server, &[]);
    let log = stopped(port);
    assert!(!log.contains(left), "{log}");
    assert_eq!(requests.try_iter().map(|request| spans_of(&request)).sum::<usize>(), 3, "{log}");
    // A collector that is away, and one that hangs: neither keeps the node.
    let hanging = Server::start();
    for port in [free_port(), hanging.port()] {
        let log = stopped(port);
        let line = log.lines().find(|line| line.contains(left)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.contains("\"unsent\":3"), "{line}");
    }
}

/// Spans that wait beside a request that failed.
#[test]
fn a_stop_waits_for_no_further_attempt_and_sends_the_other_spans() {
    let server = Server::start();
    let node = node(server.port(), "otlpOneIn: 1\n");
    let requests = collect(server, &["503 Busy\r\nRetry-After: 60"]);
    let mut alice = Peer::log_in(node.port, "alice", "t");
    send_rejected(&mut alice, 3);
    node.process.wait_for_line("a failure", |line| {
        line.contains("the collector does not take spans").then_some(())
    });
    send_rejected(&mut alice, 4);
    let (status, log) = node.stop("TERM");
    assert!(status.success(), "{log}");
    let spans: Vec<usize> = requests.try_iter().map(|request| spans_of(&request)).collect();
    assert_eq!(spans, [3, 4], "{log}");
    let left = "stopped with spans that the collector has not taken";
    let line = log.lines().find(|line| line.contains(left)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("\"unsent\":3"), "{line}");
}

#[test]
fn spans_that_are_lost_while_each_request_succeeds_are_no_failure_that_ends() {
    let server = Server::start();
    let node = node(server.port(), "otlpOneIn: 1\n");
    let mut alice = Peer::log_in(node.port, "alice", "t");
    send_rejected(&mut alice, 1);
    let mut slow = server.accept();
    assert_eq!(spans_of(&slow.try_receive().unwrap()), 1);
    let all = send_too_many(&node, &mut alice) + 1;
    slow.answer("200 OK", b"{}");
    let _requests = collect(server, &[]);
    eventually("what waited is exported", TIMEOUT, || match counts(&node) {
        [exported, lost, 0, 0, 0] if exported + lost == all => Ok(()),
        seen => Err(format!("{seen:?}, of {all}")),
    });
    let (_, log) = node.stop("TERM");
    assert_eq!(log.matches("spans lost").count(), 1, "{log}");
    assert!(!log.contains("does not take spans") && !log.contains("exported again"), "{log}");
}

#[test]
fn what_a_collector_says_of_spans_that_it_takes_is_logged_once_a_minute_and_does_not_end() {
    let server = Server::start();
    let node = node(server.port(), "otlpOneIn: 1\n");
    let warning = r#"200 OK|{"partialSuccess":{"rejectedSpans":"0","errorMessage":"old format"}}"#;
    let refusal = r#"200 OK|{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    let requests = collect(server, &[warning, "200 OK", warning, refusal, "200 OK", refusal]);
    let mut alice = Peer::log_in(node.port, "alice", "t");
    for expected in [[2, 0], [4, 0], [6, 0], [7, 1], [9, 1], [10, 2]] {
        send_rejected(&mut alice, 2);
        assert_eq!(spans_of(&requests.recv_timeout(TIMEOUT).expect("a request")), 2);
        wait_for_counts(&node, [expected[0], 0, expected[1], 0, 0]);
    }
    let (_, log) = node.stop("TERM");
    let lines = |words: &str| log.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let [warned] = lines("the collector has taken spans, and warns")[..] else { panic!("{log}") };
    assert!(warned.contains("old format"), "{warned}");
    let [refused] = lines("the collector has refused spans")[..] else { panic!("{log}") };
    assert!(refused.contains("too old"), "{refused}");
    assert!(!log.contains("exported again"), "{log}");
}

#[test]
fn a_reload_switches_the_export_on_and_off() {
    let server = Server::start();
    let yaml = "nodeId: n\nilpAddress: test.n\npeers: [{ id: alice, authToken: t }]\n";
    let node = TestNode::start(yaml);
    let mut alice = Peer::log_in(node.port, "alice", "t");
    send_rejected(&mut alice, 2);
    assert!(!http_get(node.health_port, "GET /metrics").1.contains("ilp_otlp"));
    let reload = |yaml: &str, reloads: usize| {
        node.rewrite_config(yaml);
        node.process.signal("HUP");
        node.wait_reloads(reloads);
    };
    let on = format!("otlpUrl: http://127.0.0.1:{}\notlpOneIn: 1\n", server.port());
    reload(&format!("{yaml}{on}"), 1);
    let requests = collect(server, &[]);
    send_rejected(&mut alice, 3);
    let request = requests.recv_timeout(TIMEOUT).expect("a request");
    assert_eq!(spans_of(&request), 3);
    assert_eq!(request.header("authorization"), None);
    wait_for_counts(&node, [3, 0, 0, 0, 0]);
    reload(yaml, 2);
    send_rejected(&mut alice, 4);
    // One in a billion: none of these.
    reload(&format!("{yaml}{}", on.replace("OneIn: 1", "OneIn: 1000000000")), 3);
    send_rejected(&mut alice, 4);
    wait_for_counts(&node, [3, 0, 0, 0, 0]);
    // The next span is that of the next packet.
    reload(&format!("{yaml}{on}"), 4);
    send_rejected(&mut alice, 1);
    assert_eq!(spans_of(&requests.recv_timeout(TIMEOUT).expect("a request")), 1);
    wait_for_counts(&node, [4, 0, 0, 0, 0]);
    assert_eq!(requests.try_iter().count(), 0);
}
