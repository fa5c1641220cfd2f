//! An operator stops a node, changes its file, reads its pages and gives it certificates. No other peer loses a packet,
//! and no secret is shown. Checklist rows 37, 92, 138, 139 and 141.

use std::collections::HashSet;
use std::net::{Ipv6Addr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::BtpFrame;

use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, TestNode, auth_frame, config_of, describe_packet,
    fulfill, get_json, http_get, prepare_to, try_http_get,
};
use crate::process::{Process, free_port, path_text, temp_folder, write_file};
use crate::support::{PROGRAM, combined_output, eventually, run};

#[test]
fn a_graceful_stop_answers_packets_in_flight_row_92_d18() {
    for signal in ["TERM", "INT"] {
        let node = TestNode::with_peers(&["alice", "bob"], "shutdownGraceMs: 5000\n");
        let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
        alice.send_prepare(1, &prepare_to("test.bob"));
        let (held, _) = bob.receive_prepare();
        node.process.signal(signal);
        eventually("/health says that it stops", TIMEOUT, || {
            match try_http_get(node.health_port, "GET /health") {
                Ok((503, body)) if body.contains("\"status\":\"stopping\"") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        assert_eq!(http_get(node.health_port, "GET /health/live").0, 200);
        assert_eq!(alice.request(2, &prepare_to("test.bob")), "RESPONSE 2 Reject T03");
        assert_eq!(bob.drain_frames(), [""; 0], "a new one is not sent on");
        bob.answer(held, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
        assert_eq!(alice.wait_closed(), (1001, "stopping".to_owned()));
        assert_eq!(bob.wait_closed(), (1001, "stopping".to_owned()));
        drop((alice, bob));
        let (status, lines) = node.process.wait_exit();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
    }
}

#[test]
fn a_stop_rejects_unanswered_packets_and_logs_their_totals_d18() {
    let node = TestNode::with_peers(&["alice", "bob"], "shutdownGraceMs: 500\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    for id in 0..3 {
        alice.send_prepare(id, &prepare_to("test.bob").amount(7));
        bob.receive_prepare();
    }
    let began = Instant::now();
    node.process.signal("TERM");
    let mut codes: Vec<_> = (0..3).map(|_| alice.receive_described()).collect();
    codes.sort();
    let expected: Vec<_> = (0..3).map(|id| format!("RESPONSE {id} Reject T00")).collect();
    assert_eq!(codes, expected);
    assert_eq!(alice.wait_closed().0, 1001);
    let (status, lines) = node.process.wait_exit();
    // The default of the grace period is 8 s.
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
    let log = lines.join("\n");
    let totals = lines.iter().find(|line| line.contains("in flight; the peer may"));
    let totals = totals.unwrap_or_else(|| panic!("{log}"));
    assert!(
        totals.contains("\"packets\":3") && totals.contains("\"21\"") && totals.contains("bob"),
        "{totals}"
    );
}

#[test]
fn a_second_signal_stops_the_node_at_once() {
    let node = TestNode::with_peers(&["alice", "bob"], "shutdownGraceMs: 60000\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob").expires_in_ms(60_000));
    bob.receive_prepare();
    node.process.signal("TERM");
    node.process.wait_for_log("stopping", "in_flight");
    node.process.signal("TERM");
    let (status, _) = node.process.wait_exit();
    assert!(!status.success(), "not gracefully: {status}");
}

/// Sends packets until the given time; each must be fulfilled.
fn keep_paying(mut alice: Peer, mut bob: Peer, until: Instant) -> thread::JoinHandle<u32> {
    thread::spawn(move || {
        let mut count = 0;
        while Instant::now() < until {
            for id in 0..8 {
                alice.send_prepare(id, &prepare_to("test.bob"));
            }
            for _ in 0..8 {
                let (id, _) = bob.receive_prepare();
                bob.answer(id, &fulfill(&PREIMAGE));
            }
            let mut left: HashSet<String> =
                (0..8).map(|id| format!("RESPONSE {id} Fulfill")).collect();
            for _ in 0..8 {
                let next = alice.receive_described();
                assert!(left.remove(&next), "{next} after {count} good ones");
                count += 1;
            }
        }
        count
    })
}

#[test]
fn reloads_under_load_lose_no_packet_of_others_rows_37_141_d17() {
    let all = ["alice", "bob", "carol", "dave"];
    let node = TestNode::with_peers(&all, "");
    let load = keep_paying(
        node.connect_peer("alice"),
        node.connect_peer("bob"),
        Instant::now() + Duration::from_secs(5),
    );
    let (mut carol, mut dave) = (node.connect_peer("carol"), node.connect_peer("dave"));
    let mut seen = 0;
    let mut reload = |yaml: &str, hang_up: bool| {
        node.rewrite_config(yaml);
        if hang_up {
            node.process.signal("HUP");
        }
        seen += 1;
        node.wait_reloads(seen);
        seen = node.reloads();
    };
    // Row 37: the route is removed while a Prepare is pending; its Fulfill still returns.
    carol.send_prepare(1, &prepare_to("test.dave"));
    let (held, _) = dave.receive_prepare();
    let without_route =
        config_of(&all, "").replace("  - { prefix: test.dave, nextHop: dave }\n", "");
    reload(&without_route, true);
    assert_eq!(carol.request(2, &prepare_to("test.dave")), "RESPONSE 2 Reject F02");
    dave.answer(held, &fulfill(&PREIMAGE));
    assert_eq!(carol.receive_described(), "RESPONSE 1 Fulfill");
    // A broken file changes nothing.
    node.rewrite_config("nodeId: [");
    node.process.signal("HUP");
    node.process.wait_for_line("the mistake is logged", |line| {
        line.contains("nothing was changed").then_some(())
    });
    assert_eq!(carol.request(3, &prepare_to("test.dave")), "RESPONSE 3 Reject F02");
    // Row 141: one account is switched off in the file while its packet is in flight.
    reload(&config_of(&all, ""), true);
    carol.send_prepare(4, &prepare_to("test.dave"));
    let (held, _) = dave.receive_prepare();
    let off = config_of(&all, "").replace("{ id: carol,", "{ id: carol, enabled: false,");
    reload(&off, false);
    assert_eq!(carol.wait_closed(), (1008, "reconfigured".to_owned()));
    let mut refused = Peer::connect(node.port);
    refused.send(&auth_frame(1, Some("carol"), "carol-token"));
    assert_eq!(refused.receive_described(), "ERROR 1 F00");
    assert_eq!(dave.request(5, &prepare_to("test.carol")), "RESPONSE 5 Reject T01");
    dave.answer(held, &fulfill(&PREIMAGE));
    assert_eq!(dave.drain_frames(), [""; 0]);
    assert_eq!(node.account("carol")["state"], "suspended");
    // Switched on again, the account has kept its balance.
    reload(&config_of(&all, ""), true);
    let mut carol = node.connect_peer("carol");
    carol.send_prepare(6, &prepare_to("test.dave"));
    let (id, _) = dave.receive_prepare();
    dave.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(carol.receive_described(), "RESPONSE 6 Fulfill");
    assert_eq!(node.balance("carol"), ["300", "0", "0"]);
    // A peer that is removed while its packet is in flight gets the answer; then its session is closed.
    carol.send_prepare(7, &prepare_to("test.dave"));
    let (id, _) = dave.receive_prepare();
    reload(&config_of(&["alice", "bob", "dave"], ""), true);
    assert_eq!(carol.request(8, &prepare_to("test.dave")), "RESPONSE 8 Reject F00");
    dave.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(carol.receive_described(), "RESPONSE 7 Fulfill");
    assert_eq!(carol.wait_closed(), (1001, "removed".to_owned()));
    assert_eq!(dave.request(9, &prepare_to("test.carol")), "RESPONSE 9 Reject F02");
    // A changed token closes the session that used the old one; the new token is accepted.
    reload(&config_of(&["alice", "bob", "dave"], "").replace("dave-token", "other-token"), true);
    assert_eq!(dave.wait_closed(), (1008, "reconfigured".to_owned()));
    let mut old = Peer::connect(node.port);
    old.send(&auth_frame(1, Some("dave"), "dave-token"));
    assert_eq!(old.receive_described(), "ERROR 1 F00");
    assert_eq!(Peer::log_in(node.port, "dave", "other-token").drain_frames(), [""; 0]);
    let count = load.join().unwrap();
    assert!(count > 200, "{count} packets of others, all fulfilled");
    let log = node.log();
    for token in ["alice-token", "bob-token", "carol-token", "dave-token", "other-token"] {
        assert!(!log.contains(token), "{token}: {log}");
    }
}

#[test]
fn no_log_or_page_shows_a_secret_row_139() {
    let secrets =
        ["s3cret-of-alice", "s3cret-of-url", "s3cret-of-bob", "s3cret-api", "s3cret-of-receivers"];
    let yaml = format!(
        "nodeId: n\nilpAddress: test.n\napiToken: s3cret-api\nlogLevel: trace\npacketLog: true\n\
         httpServerHost: 127.0.0.1\nhttpServerPort: 0\nreceivers: [{{ id: wallet }}]\n\
         receiverSecret: s3cret-of-receivers-and-of-no-others\npeers:\n  \
           - {{ id: alice, authToken: s3cret-of-alice }}\n  \
           - {{ id: bob, url: 'btp+ws://n:s3cret-of-url@127.0.0.1:{}', authToken: s3cret-of-bob }}\n",
        free_port()
    );
    let node = TestNode::start(&yaml);
    let mut alice = Peer::log_in(node.port, "alice", "s3cret-of-alice");
    let mut output_text = String::new();
    // A token in the wrong places: as the name, in the path, in the Authorization header.
    for (user, token) in [("s3cret-of-alice", "x"), ("alice", "s3cret-of-bob")] {
        let mut peer = Peer::connect(node.port);
        peer.send(&auth_frame(1, Some(user), token));
        let answer = peer.receive();
        if user == "alice" {
            output_text += &String::from_utf8_lossy(&answer.raw);
        }
    }
    alice.send(&auth_frame(2, Some("alice"), "s3cret-of-alice"));
    output_text += &String::from_utf8_lossy(&alice.receive().raw);
    alice.send_prepare(3, &prepare_to("test.bob"));
    output_text += &String::from_utf8_lossy(&alice.receive().raw);
    // The secret of a connection to a receiver is sent only to the sender that requested it.
    let http = node.process.wait_for_log("HTTP server listening", "port").as_u64().unwrap();
    let connection = get_json(http, "/wallet");
    let shared = connection["shared_secret"].as_str().unwrap();
    let destination = connection["destination_account"].as_str().unwrap();
    assert_eq!(alice.request(4, &prepare_to(destination).data(&[7; 100])), "RESPONSE 4 Reject F06");
    for page in ["/health", "/health/live", "/metrics", "/peers", "/routes", "/nowhere"] {
        let (status, body) = http_get(node.health_port, page);
        let open = page.starts_with("/health") || page == "/nowhere";
        assert_eq!(status == 401, !open, "{page}: {status}");
        output_text += &body;
        let token = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer s3cret-api\r\nX:");
        let (status, body) = http_get(node.health_port, &token);
        assert_eq!(status == 200, page != "/nowhere" && page != "/health", "{page}: {status}");
        output_text += &body;
    }
    let output = |arguments: &[&str]| {
        combined_output(&run(Command::new(PROGRAM).args(arguments).env_clear()))
    };
    let file = path_text(&node.file);
    output_text += &output(&["check", file]);
    output_text += &output(&["check", "--print", file]);
    output_text += &output(&["healthcheck", "--config", file]);
    output_text += &output(&["ping", "test.n", "--config", file]);
    output_text +=
        &output(&["ping", "test.n", "--via", "btp+ws://alice:s3cret-of-url@127.0.0.1:1"]);
    let wrong = format!("btp+ws://alice:s3cret-of-url@127.0.0.1:{}", node.port);
    output_text += &output(&["ping", "test.n", "-c", "1", "--via", &wrong]);
    // Mistakes around a secret.
    let folder = temp_folder();
    for broken in [
        yaml.replace("authToken: s3cret-of-alice", "authToken: [s3cret-of-alice]"),
        yaml.replace("authToken: s3cret-of-alice", "authtoken: s3cret-of-alice"),
        yaml.replace("btp+ws://", "btp+xs://"),
        yaml.replace("@127.0.0.1", "@127.0.0.1:x:y"),
        yaml.replace("apiToken: ", "apiToken: {a: "),
        yaml.replace("'btp+ws", "btp+ws: 'x"),
    ] {
        let file = write_file(&folder, "broken.yaml", &broken);
        output_text += &output(&["check", path_text(&file)]);
        let run = &["run", "--config", path_text(&file), "--btp-port", "0", "--health-port", "0"];
        let (status, lines) = Process::start(run, []).wait_exit();
        assert_eq!(status.code(), Some(64), "{broken}: {lines:#?}");
        output_text += &lines.join("\n");
    }
    // The process list does not show it either.
    let pid = node.process.pid();
    output_text += &std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let (_, log) = node.stop("TERM");
    assert!(log.lines().count() > 20, "it was at trace: {log}");
    // The line about a login whose name was an unknown token cannot hide it.
    let log: Vec<_> =
        log.lines().filter(|line| !line.contains("\"user\":\"s3cret-of-alice\"")).collect();
    output_text += &log.join("\n");
    for secret in secrets.into_iter().chain([shared]) {
        let at = output_text.find(secret);
        assert_eq!(at, None, "{secret}: {}", &output_text[at.unwrap_or(0).saturating_sub(300)..]);
    }
}

#[test]
fn health_follows_required_peers_row_138() {
    let port = free_port();
    let yaml = |start_timeout_ms: u32| {
        format!(
            "nodeId: a\nilpAddress: test.a\nstartTimeoutMs: {start_timeout_ms}\npeers:\n  \
               - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: ab }}\n  \
               - {{ id: optional, url: 'ws://127.0.0.1:{}', required: false, authToken: x1 }}\n",
            free_port()
        )
    };
    let a = TestNode::start(&yaml(600_000));
    assert_eq!(http_get(a.health_port, "GET /health").0, 503);
    assert_eq!(get_json(a.health_port, "/health")["status"], "starting");
    drop(a);
    let a = TestNode::start(&yaml(1));
    let becomes = |status: u16, word: &str| {
        eventually(word, TIMEOUT, || match http_get(a.health_port, "GET /health") {
            (code, body) if code == status && body.contains(&format!("\"status\":\"{word}\"")) => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        });
    };
    becomes(503, "unhealthy");
    let yaml = "nodeId: b\nilpAddress: test.b\npeers:\n  - { id: a, authToken: ab }\n";
    let b = TestNode::start_on(yaml, port);
    becomes(200, "healthy");
    b.process.signal("KILL");
    becomes(503, "unhealthy");
    drop(b);
    let _b = TestNode::start_on(yaml, port);
    becomes(200, "healthy");
    let health = get_json(a.health_port, "/health");
    assert_eq!(health["peersConnected"], 1);
    assert_eq!(health["totalPeers"], 2);
    for key in ["uptime", "timestamp", "nodeId", "version", "peers"] {
        assert!(!health[key].is_null(), "{key}: {health}");
    }
}

/// A certificate authority, and a certificate that it signed for 127.0.0.1, with its key, as PEM.
fn certificates() -> [String; 3] {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority_key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = params.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(params, authority_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    [authority.pem(), certificate.pem(), key.serialize_pem()]
}

#[test]
fn tls_works_with_a_private_certificate_authority() {
    let folder = temp_folder();
    let [authority, certificate, key] = certificates();
    let file = |name: &str, text: &str| path_text(&write_file(&folder, name, text)).to_owned();
    let (authority, certificate, key) =
        (file("ca.pem", &authority), file("cert.pem", &certificate), file("key.pem", &key));
    let b = TestNode::start(&format!(
        "nodeId: b\nilpAddress: test.b\ntls: {{ certificate: '{certificate}', key: '{key}' }}\npeers:\n  \
           - {{ id: a, authToken: ab }}\n  - {{ id: stranger, authToken: st }}\n"
    ));
    let dial = |id: &str, host: &str, more: &str| {
        TestNode::start(&format!(
            "nodeId: {id}\nilpAddress: test.{id}\npeers:\n  - {{ id: b, url: 'btp+wss://{host}:{}', authToken: {} }}\n  \
               - {{ id: asker, authToken: asker-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n{more}",
            b.port,
            if id == "a" { "ab" } else { "st" },
        ))
    };
    let trusting = format!("caFile: '{authority}'\n");
    let a = dial("a", "127.0.0.1", &trusting);
    a.wait_connected("b");
    let mut asker = a.connect_peer("asker");
    for length in [0, 1000, 32_767] {
        let prepare = prepare_to("test.b").data(&vec![1; length]);
        let ping = prepare.condition(ilp_connector::wire::Condition::PING);
        assert_eq!(asker.request(1, &ping), "RESPONSE 1 Fulfill");
    }
    // Without the authority, or with plain ws, there is no session and the error says why.
    let stranger = dial("stranger", "localhost", "");
    stranger.wait_for_account("it does not trust", "b", |b| {
        b["lastError"].as_str().is_some_and(|error| error.contains("TLS"))
    });
    assert_ne!(stranger.account("b")["state"], "connected");
    let mut plain = crate::peer::connect_tcp(b.port);
    std::io::Write::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    a.wait_connected("b");
}

#[test]
fn a_node_listens_on_ipv6_loopback() {
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        return crate::support::skip("IPv6", &error.to_string());
    }
    let folder = temp_folder();
    let file = write_file(
        &folder,
        "six.yaml",
        "nodeId: six\nilpAddress: test.six\nbtpServerHost: '::1'\nbtpServerPort: 0\nhealthCheckHost: '::1'\nhealthCheckPort: 0\n\
         peers: [{ id: a, authToken: ab }]\n",
    );
    let six = Process::start(&["run", "--config", path_text(&file)], []);
    let port = six.wait_for_log("BTP server listening", "port");
    let a = TestNode::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: six, url: 'ws://[::1]:{port}', authToken: ab }}\n"
    ));
    a.wait_connected("six");
}

#[test]
fn a_stopping_node_refuses_connections() {
    let node = TestNode::with_peers(&["alice", "bob"], "shutdownGraceMs: 2000\n");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    alice.send_prepare(1, &prepare_to("test.bob"));
    bob.receive_prepare();
    node.process.signal("TERM");
    node.process.wait_for_log("stopping", "in_flight");
    // New connections are refused at once, so that peers try again elsewhere or later.
    eventually("the port is closed", TIMEOUT, || {
        let port = u16::try_from(node.port).unwrap();
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let deadline = Instant::now() + TIMEOUT;
    let answer = loop {
        match alice.reader.next_event(deadline) {
            Some(SocketEvent::Binary(raw)) => break raw,
            Some(_) => {}
            None => panic!("no answer"),
        }
    };
    assert_eq!(describe_packet(BtpFrame::parse(&answer).unwrap().ilp().unwrap()), "Reject T00");
    let (status, _) = node.process.wait_exit();
    assert_eq!(status.code(), Some(0));
}
