//! What an operator does to a running node: stop it, change its file, look at it, give it certificates. No packet of
//! anybody else is lost, and no secret is told. Checklist rows 37, 92, 138, 139 and 141.

use std::collections::HashSet;
use std::net::{Ipv6Addr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::BtpFrame;

use crate::peer::{
    Daemon, PATIENCE, PREIMAGE, Peer, Seen, ask, auth, body_of, fulfill, get, json, try_get,
    yaml_of,
};
use crate::running::{Running, folder, free_port, path, write};
use crate::support::{PROGRAM, both, eventually, run};

#[test]
fn a_graceful_stop_answers_what_is_in_flight_row_92_d18() {
    for signal in ["TERM", "INT"] {
        let node = Daemon::with_peers(&["alice", "bob"], "shutdownGraceMs: 5000\n");
        let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
        alice.ask(1, &ask("test.bob"));
        let (held, _) = bob.prepare();
        node.running.signal(signal);
        eventually("/health says that it stops", PATIENCE, || {
            match try_get(node.health, "GET /health") {
                Ok((503, body)) if body.contains("\"status\":\"stopping\"") => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        assert_eq!(get(node.health, "GET /health/live").0, 200);
        assert_eq!(alice.asked(2, &ask("test.bob")), "RESPONSE 2 Reject T03");
        assert_eq!(bob.fence(), [""; 0], "a new one is not sent on");
        bob.answer(held, &fulfill(&PREIMAGE));
        assert_eq!(alice.next(), "RESPONSE 1 Fulfill");
        assert_eq!(alice.closed(), (1001, "stopping".to_owned()));
        assert_eq!(bob.closed(), (1001, "stopping".to_owned()));
        drop((alice, bob));
        let (status, lines) = node.running.ended();
        assert_eq!(status.code(), Some(0), "{lines:#?}");
    }
}

#[test]
fn a_stop_that_nobody_answers_ends_with_rejects_and_the_exposure_d18() {
    let node = Daemon::with_peers(&["alice", "bob"], "shutdownGraceMs: 500\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    for id in 0..3 {
        alice.ask(id, &ask("test.bob").amount(7));
        bob.prepare();
    }
    let began = Instant::now();
    node.running.signal("TERM");
    let mut codes: Vec<_> = (0..3).map(|_| alice.next()).collect();
    codes.sort();
    let expected: Vec<_> = (0..3).map(|id| format!("RESPONSE {id} Reject T00")).collect();
    assert_eq!(codes, expected);
    assert_eq!(alice.closed().0, 1001);
    let (status, lines) = node.running.ended();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(status.code(), Some(0));
    let log = lines.join("\n");
    let exposure = lines.iter().find(|line| line.contains("in flight; the peer may"));
    let exposure = exposure.unwrap_or_else(|| panic!("{log}"));
    assert!(
        exposure.contains("\"packets\":3")
            && exposure.contains("\"21\"")
            && exposure.contains("bob"),
        "{exposure}"
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let node = Daemon::with_peers(&["alice", "bob"], "shutdownGraceMs: 60000\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    alice.ask(1, &ask("test.bob").within(60_000));
    bob.prepare();
    node.running.signal("TERM");
    node.running.logged("stopping", "in_flight");
    let began = Instant::now();
    node.running.signal("TERM");
    let (status, _) = node.running.ended();
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(!status.success(), "not gracefully: {status}");
}

/// One packet after another until told; each must be fulfilled.
fn steady(mut alice: Peer, mut bob: Peer, until: Instant) -> thread::JoinHandle<u32> {
    thread::spawn(move || {
        let mut count = 0;
        while Instant::now() < until {
            for id in 0..8 {
                alice.ask(id, &ask("test.bob"));
            }
            for _ in 0..8 {
                let (id, _) = bob.prepare();
                bob.answer(id, &fulfill(&PREIMAGE));
            }
            let mut left: HashSet<String> =
                (0..8).map(|id| format!("RESPONSE {id} Fulfill")).collect();
            for _ in 0..8 {
                let next = alice.next();
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
    let node = Daemon::with_peers(&all, "");
    let load =
        steady(node.peer("alice"), node.peer("bob"), Instant::now() + Duration::from_secs(5));
    let (mut carol, mut dave) = (node.peer("carol"), node.peer("dave"));
    let reloads = || node.log().matches("\"configuration reloaded\"").count();
    let mut seen = 0;
    let mut reload = |yaml: &str, hang_up: bool| {
        node.rewrite(yaml);
        if hang_up {
            node.running.signal("HUP");
        }
        seen += 1;
        eventually("the file is applied", PATIENCE, || {
            if reloads() >= seen { Ok(()) } else { Err(format!("{} of {seen}", reloads())) }
        });
        seen = reloads();
    };
    // Row 37: the route goes while a Prepare waits; its Fulfill still returns.
    carol.ask(1, &ask("test.dave"));
    let (held, _) = dave.prepare();
    let without_route = yaml_of(&all, "").replace("  - { prefix: test.dave, nextHop: dave }\n", "");
    reload(&without_route, true);
    assert_eq!(carol.asked(2, &ask("test.dave")), "RESPONSE 2 Reject F02");
    dave.answer(held, &fulfill(&PREIMAGE));
    assert_eq!(carol.next(), "RESPONSE 1 Fulfill");
    // A broken file changes nothing.
    node.rewrite("nodeId: [");
    node.running.signal("HUP");
    node.running
        .line("the mistake is told", |line| line.contains("nothing was changed").then_some(()));
    assert_eq!(carol.asked(3, &ask("test.dave")), "RESPONSE 3 Reject F02");
    // Row 141: one account is switched off, by the file alone, with a packet of it in flight.
    reload(&yaml_of(&all, ""), true);
    carol.ask(4, &ask("test.dave"));
    let (held, _) = dave.prepare();
    let off = yaml_of(&all, "").replace("{ id: carol,", "{ id: carol, enabled: false,");
    reload(&off, false);
    assert_eq!(carol.closed(), (1008, "reconfigured".to_owned()));
    let mut refused = Peer::open(node.port);
    refused.send(&auth(1, Some("carol"), "carol-token"));
    assert_eq!(refused.next(), "ERROR 1 F00");
    assert_eq!(dave.asked(5, &ask("test.carol")), "RESPONSE 5 Reject T01");
    dave.answer(held, &fulfill(&PREIMAGE));
    assert_eq!(dave.fence(), [""; 0]);
    assert_eq!(node.account("carol")["state"], "suspended");
    // On again; its money is still counted.
    reload(&yaml_of(&all, ""), true);
    let mut carol = node.peer("carol");
    carol.ask(6, &ask("test.dave"));
    let (id, _) = dave.prepare();
    dave.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(carol.next(), "RESPONSE 6 Fulfill");
    assert_eq!(node.balance("carol"), ["300", "0", "0"]);
    // A peer is removed while its packet is in flight: it gets its answer, then it is shown out.
    carol.ask(7, &ask("test.dave"));
    let (id, _) = dave.prepare();
    reload(&yaml_of(&["alice", "bob", "dave"], ""), true);
    assert_eq!(carol.asked(8, &ask("test.dave")), "RESPONSE 8 Reject F00");
    dave.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(carol.next(), "RESPONSE 7 Fulfill");
    assert_eq!(carol.closed(), (1001, "removed".to_owned()));
    assert_eq!(dave.asked(9, &ask("test.carol")), "RESPONSE 9 Reject F02");
    // Another token: the session of the old one ends, the new one opens.
    reload(&yaml_of(&["alice", "bob", "dave"], "").replace("dave-token", "other-token"), true);
    assert_eq!(dave.closed(), (1008, "reconfigured".to_owned()));
    let mut old = Peer::open(node.port);
    old.send(&auth(1, Some("dave"), "dave-token"));
    assert_eq!(old.next(), "ERROR 1 F00");
    assert_eq!(Peer::login(node.port, "dave", "other-token").fence(), [""; 0]);
    let count = load.join().unwrap();
    assert!(count > 200, "{count} packets of others, all fulfilled");
    let log = node.log();
    for token in ["alice-token", "bob-token", "carol-token", "dave-token", "other-token"] {
        assert!(!log.contains(token), "{token}: {log}");
    }
}

#[test]
fn secrets_are_nowhere_row_139() {
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
    let node = Daemon::start(&yaml);
    let mut alice = Peer::login(node.port, "alice", "s3cret-of-alice");
    let mut told = String::new();
    // Wrong places for a token: the name, the path, the Authorization header.
    for (user, token) in [("s3cret-of-alice", "x"), ("alice", "s3cret-of-bob")] {
        let mut peer = Peer::open(node.port);
        peer.send(&auth(1, Some(user), token));
        let answer = peer.frame();
        if user == "alice" {
            told += &String::from_utf8_lossy(&answer.raw);
        }
    }
    alice.send(&auth(2, Some("alice"), "s3cret-of-alice"));
    told += &String::from_utf8_lossy(&alice.frame().raw);
    alice.ask(3, &ask("test.bob"));
    told += &String::from_utf8_lossy(&alice.frame().raw);
    // A connection to a receiver: its secret is for who asked, and for nobody else.
    let http = node.running.logged("HTTP server listening", "port").as_u64().unwrap();
    let connection = json(http, "/wallet");
    let shared = connection["shared_secret"].as_str().unwrap();
    let destination = connection["destination_account"].as_str().unwrap();
    assert_eq!(alice.asked(4, &ask(destination).data(&[7; 100])), "RESPONSE 4 Reject F06");
    for page in ["/health", "/health/live", "/metrics", "/peers", "/routes", "/nowhere"] {
        let (status, body) = get(node.health, page);
        let open = page.starts_with("/health") || page == "/nowhere";
        assert_eq!(status == 401, !open, "{page}: {status}");
        told += &body;
        let token = format!("GET {page} HTTP/1.1\r\nAuthorization: Bearer s3cret-api\r\nX:");
        let (status, body) = get(node.health, &token);
        assert_eq!(status == 200, page != "/nowhere" && page != "/health", "{page}: {status}");
        told += &body;
    }
    let output = |arguments: &[&str]| both(&run(Command::new(PROGRAM).args(arguments).env_clear()));
    let file = path(&node.file);
    told += &output(&["check", file]);
    told += &output(&["check", "--print", file]);
    told += &output(&["healthcheck", "--config", file]);
    told += &output(&["ping", "test.n", "--config", file]);
    told += &output(&["ping", "test.n", "--via", "btp+ws://alice:s3cret-of-url@127.0.0.1:1"]);
    let wrong = format!("btp+ws://alice:s3cret-of-url@127.0.0.1:{}", node.port);
    told += &output(&["ping", "test.n", "-c", "1", "--via", &wrong]);
    // Mistakes around a secret.
    let folder = folder();
    for broken in [
        yaml.replace("authToken: s3cret-of-alice", "authToken: [s3cret-of-alice]"),
        yaml.replace("authToken: s3cret-of-alice", "authtoken: s3cret-of-alice"),
        yaml.replace("btp+ws://", "btp+xs://"),
        yaml.replace("@127.0.0.1", "@127.0.0.1:x:y"),
        yaml.replace("apiToken: ", "apiToken: {a: "),
        yaml.replace("'btp+ws", "btp+ws: 'x"),
    ] {
        let file = write(&folder, "broken.yaml", &broken);
        told += &output(&["check", path(&file)]);
        let run = &["run", "--config", path(&file), "--btp-port", "0", "--health-port", "0"];
        let (status, lines) = Running::start(run, []).ended();
        assert_eq!(status.code(), Some(64), "{broken}: {lines:#?}");
        told += &lines.join("\n");
    }
    // Nor in what the system shows of the process.
    let pid = node.running.pid();
    told += &std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let (_, log) = node.stop("TERM");
    assert!(log.lines().count() > 20, "it was at trace: {log}");
    // The one line of a login that gave the token as its name cannot know.
    let log: Vec<_> =
        log.lines().filter(|line| !line.contains("\"user\":\"s3cret-of-alice\"")).collect();
    told += &log.join("\n");
    for secret in secrets.into_iter().chain([shared]) {
        let at = told.find(secret);
        assert_eq!(at, None, "{secret}: {}", &told[at.unwrap_or(0).saturating_sub(300)..]);
    }
}

#[test]
fn health_follows_required_peers_row_138() {
    let port = free_port();
    let a = Daemon::start(&format!(
        "nodeId: a\nilpAddress: test.a\nstartTimeoutMs: 1000\npeers:\n  - {{ id: b, url: 'ws://127.0.0.1:{port}', authToken: ab }}\n  \
           - {{ id: optional, url: 'ws://127.0.0.1:{}', required: false, authToken: x1 }}\n",
        free_port()
    ));
    assert_eq!(get(a.health, "GET /health").0, 503);
    assert_eq!(json(a.health, "/health")["status"], "starting");
    let becomes = |status: u16, word: &str| {
        eventually(word, PATIENCE, || match get(a.health, "GET /health") {
            (code, body) if code == status && body.contains(&format!("\"status\":\"{word}\"")) => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        });
    };
    becomes(503, "unhealthy");
    let yaml = "nodeId: b\nilpAddress: test.b\npeers:\n  - { id: a, authToken: ab }\n";
    let b = Daemon::start_on(yaml, port);
    becomes(200, "healthy");
    b.running.signal("KILL");
    becomes(503, "unhealthy");
    drop(b);
    let _b = Daemon::start_on(yaml, port);
    becomes(200, "healthy");
    let health = json(a.health, "/health");
    assert_eq!(health["peersConnected"], 1);
    assert_eq!(health["totalPeers"], 2);
    for key in ["uptime", "timestamp", "nodeId", "version", "peers"] {
        assert!(!health[key].is_null(), "{key}: {health}");
    }
}

/// A certificate authority, and what it signed for 127.0.0.1, as PEM: authority, certificate, key.
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
fn tls_with_an_authority_of_ones_own() {
    let folder = folder();
    let [authority, certificate, key] = certificates();
    let file = |name: &str, text: &str| path(&write(&folder, name, text)).to_owned();
    let (authority, certificate, key) =
        (file("ca.pem", &authority), file("cert.pem", &certificate), file("key.pem", &key));
    let b = Daemon::start(&format!(
        "nodeId: b\nilpAddress: test.b\ntls: {{ certificate: '{certificate}', key: '{key}' }}\npeers:\n  \
           - {{ id: a, authToken: ab }}\n  - {{ id: stranger, authToken: st }}\n"
    ));
    let dial = |id: &str, host: &str, more: &str| {
        Daemon::start(&format!(
            "nodeId: {id}\nilpAddress: test.{id}\npeers:\n  - {{ id: b, url: 'btp+wss://{host}:{}', authToken: {} }}\n  \
               - {{ id: asker, authToken: asker-token }}\nroutes: [{{ prefix: test.b, nextHop: b }}]\n{more}",
            b.port,
            if id == "a" { "ab" } else { "st" },
        ))
    };
    let trusting = format!("caFile: '{authority}'\n");
    let a = dial("a", "127.0.0.1", &trusting);
    a.until_connected("b");
    let mut asker = a.peer("asker");
    for length in [0, 1000, 32_767] {
        let question = ask("test.b").data(&vec![1; length]);
        let ping = question.condition(ilp_connector::wire::Condition::PING);
        assert_eq!(asker.asked(1, &ping), "RESPONSE 1 Fulfill");
    }
    // Without the authority, and by plain ws: an error that says so, and no session.
    let stranger = dial("stranger", "localhost", "");
    stranger.until("it does not trust", "b", |b| {
        b["lastError"].as_str().is_some_and(|error| error.contains("TLS"))
    });
    assert_ne!(stranger.account("b")["state"], "connected");
    let mut plain = crate::peer::tcp(b.port);
    std::io::Write::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n").unwrap();
    plain.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    a.until_connected("b");
}

#[test]
fn ipv6_loopback() {
    if let Err(error) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        return crate::support::skip("IPv6", &error.to_string());
    }
    let folder = folder();
    let file = write(
        &folder,
        "six.yaml",
        "nodeId: six\nilpAddress: test.six\nbtpServerHost: '::1'\nbtpServerPort: 0\nhealthCheckHost: '::1'\nhealthCheckPort: 0\n\
         peers: [{ id: a, authToken: ab }]\n",
    );
    let six = Running::start(&["run", "--config", path(&file)], []);
    let port = six.logged("BTP server listening", "port");
    let a = Daemon::start(&format!(
        "nodeId: a\nilpAddress: test.a\npeers:\n  - {{ id: six, url: 'ws://[::1]:{port}', authToken: ab }}\n"
    ));
    a.until_connected("six");
}

#[test]
fn a_stopping_node_refuses_connections() {
    let node = Daemon::with_peers(&["alice", "bob"], "shutdownGraceMs: 2000\n");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    alice.ask(1, &ask("test.bob"));
    bob.prepare();
    node.running.signal("TERM");
    node.running.logged("stopping", "in_flight");
    // New connections are refused at once instead of waiting for nothing, so that peers try elsewhere or later.
    eventually("nobody listens any more", Duration::from_secs(1), || {
        let port = u16::try_from(node.port).unwrap();
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
    let deadline = Instant::now() + Duration::from_secs(6);
    let answer = loop {
        match alice.reader.next(deadline) {
            Some(Seen::Binary(raw)) => break raw,
            Some(_) => {}
            None => panic!("no answer"),
        }
    };
    assert_eq!(body_of(BtpFrame::parse(&answer).unwrap().ilp().unwrap()), "Reject T00");
    let (status, _) = node.running.ended();
    assert_eq!(status.code(), Some(0));
}
