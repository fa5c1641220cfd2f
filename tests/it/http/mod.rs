//! ILP over HTTP (RFC 35) from outside: posts to a node, and a scripted server as its peer.

mod wire;

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use crate::peer::{Ask, Daemon, PATIENCE, PREIMAGE, Peer, ask, body_of, fulfill, preimage, reject};
use crate::running::free_port;
use crate::support::eventually;
use wire::Message;
pub(crate) use wire::{Server, Wire};

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");
const ID: &str = "42ee09c8-a6de-4ae3-8a47-4732b0cbb07b";
const LISTENS: &str = "httpServerHost: 127.0.0.1\nhttpServerPort: 0\n";

/// A node that alice posts to and bob dials by BTP; `more` is the rest of alice's entry, such as `, url: ...`.
fn node(more: &str) -> Daemon {
    Daemon::start(&yaml(more))
}

fn yaml(more: &str) -> String {
    format!(
        "nodeId: n\nilpAddress: test.n\nkeepAliveIntervalMs: 500\n{LISTENS}peers:\n  \
         - {{ id: alice, authToken: alice-token{more} }}\n  - {{ id: bob, authToken: bob-token }}\n\
         routes:\n  - {{ prefix: test.alice, nextHop: alice }}\n  - {{ prefix: test.bob, nextHop: bob }}\n"
    )
}

fn http_port(node: &Daemon) -> u64 {
    node.running.logged("HTTP server listening", "port").as_u64().unwrap()
}

fn posted(wire: &mut Wire, authorization: &str, ask: &Ask) -> Message {
    let headers = [OCTETS, ("Authorization", authorization)];
    wire.post("/accounts/alice/ilp", &headers, &ask.packet());
    wire.next()
}

/// A JWT with this header and these claims, signed with this secret.
pub(crate) fn jwt(header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Prepares that alice's server has been sent by bob, and their answers, one by one on one connection.
fn serve(server: &mut Wire, count: usize) {
    for _ in 0..count {
        let request = server.next();
        assert_eq!(body_of(&request.body), "Prepare");
        server.answer("200 OK", &fulfill(&PREIMAGE));
    }
}

#[test]
fn a_post_is_answered_in_its_response_rows_128_130() {
    let node = node("");
    let bob = node.peer("bob").fulfill_all();
    let mut alice = Wire::open(http_port(&node));
    for number in 1..=20 {
        let answer = posted(&mut alice, "Bearer alice-token", &ask("test.bob.shop"));
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(body_of(&answer.body), "Fulfill");
        assert_eq!(node.balance("alice"), [(100 * number).to_string(), "0".into(), "0".into()]);
    }
    assert_eq!(node.balance("bob"), ["-2000", "0", "0"].map(str::to_owned));
    // A Reject is an answer like any other.
    let answer = posted(&mut alice, "Bearer alice-token", &ask("test.nobody"));
    assert_eq!((answer.status(), body_of(&answer.body).as_str()), (200, "Reject F02"));
    let alice = node.account("alice");
    assert_eq!(alice["state"], "connected", "{alice}");
    assert_eq!(alice["sessions"][0]["side"], "posted", "{alice}");
    // What goes to alice has no way: she only posts.
    let mut carol = node.peer("bob");
    assert_eq!(carol.asked(1, &ask("test.alice.shop")), "RESPONSE 1 Reject T01");
    drop(carol);
    assert_eq!(bob.join().unwrap(), 20);
}

#[test]
fn what_is_not_a_packet_is_refused_with_a_problem_row_130() {
    let node = node("");
    let port = http_port(&node);
    let packet = ask("test.n").packet();
    let authorization = ("Authorization", "Bearer alice-token");
    let check = |path: &str, headers: &[(&str, &str)], body: &[u8], status: u16, detail: &str| {
        let mut wire = Wire::open(port);
        wire.post(path, headers, body);
        let answer = wire.next();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status(), status, "{path} {headers:?}: {text}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{text}");
        assert!(!text.contains("alice-token"), "{text}");
        answer
    };
    let path = "/accounts/alice/ilp";
    let no_token = check(path, &[OCTETS], &packet, 401, "bearer token");
    assert!(no_token.header("www-authenticate").unwrap().starts_with("Bearer"));
    check(path, &[OCTETS, ("Authorization", "Bearer bob-token")], &packet, 401, "bearer token");
    check("/accounts/bob/ilp", &[OCTETS, authorization], &packet, 401, "bearer token");
    check("/accounts/nobody/ilp", &[OCTETS, authorization], &packet, 401, "bearer token");
    check(path, &[authorization], &packet, 415, "application/octet-stream");
    let json = [("Content-Type", "application/json"), authorization];
    check(path, &json, &packet, 415, "application/octet-stream");
    check(path, &[OCTETS, authorization], b"garbage", 400, "not an ILP packet");
    check(path, &[OCTETS, authorization], &[0; 100_000], 413, "at most 65536 bytes");
    check("/nowhere/at/all", &[OCTETS, authorization], &packet, 404, "nothing at");

    // Both content types that are in use, and the token alone.
    for (path, kind) in [("/ilp", OCTETS.1), (path, "application/ilp+octet-stream")] {
        let mut wire = Wire::open(port);
        wire.post(path, &[("Content-Type", kind), authorization], &packet);
        assert_eq!(wire.next().status(), 200, "{path} {kind}");
    }
}

#[test]
fn a_json_web_token_lets_in_while_it_is_good() {
    let node = node("");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let claims = |sub: &str, exp: u64| format!(r#"{{"sub":"{sub}","exp":{exp}}}"#);
    let hs256 = r#"{"alg":"HS256","typ":"JWT"}"#;
    let none = r#"{"alg":"none"}"#;
    let good = claims("alice", now + 300);
    let unsigned = jwt(none, &good, "").rsplit_once('.').unwrap().0.to_owned() + ".";
    for (token, status) in [
        (jwt(hs256, &good, "alice-token"), 200),
        (jwt(hs256, &claims("alice", now - 1), "alice-token"), 401),
        (jwt(hs256, r#"{"sub":"alice"}"#, "alice-token"), 401),
        // The path says who is calling, as with ilp-plugin-http.
        (jwt(hs256, &format!(r#"{{"exp":{}}}"#, now + 300), "alice-token"), 200),
        (jwt(hs256, &format!(r#"{{"exp":{}}}"#, now - 1), "alice-token"), 401),
        (jwt(hs256, &claims("bob", now + 300), "bob-token"), 401),
        (jwt(hs256, &good, "bob-token"), 401),
        (jwt(hs256, &good, ""), 401),
        (jwt(none, &good, "alice-token"), 401),
        (unsigned, 401),
        (jwt(r#"{"alg":"RS256"}"#, &good, "alice-token"), 401),
    ] {
        // A connection each: one is closed after a few wrong tokens.
        let mut alice = Wire::open(http_port(&node));
        let answer = posted(&mut alice, &format!("Bearer {token}"), &ask("test.nobody"));
        assert_eq!(answer.status(), status, "{token}");
    }
    let (_, log) = node.stop("TERM");
    assert!(!log.contains("alice-token") && !log.contains("eyJ"), "{log}");
}

#[test]
fn an_asynchronous_post_is_taken_and_answered_at_the_callback_row_128() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/ilp", server.port());
    let node = node(&format!(", url: \"{url}\""));
    let _bob = node.peer("bob").fulfill_all();
    node.until_connected("alice");
    let mut alice = Wire::open(http_port(&node));
    let callback = format!("http://127.0.0.1:{}/back", server.port());
    let authorization = ("Authorization", "Bearer alice-token");
    let mut headers = vec![OCTETS, authorization, ("Request-Id", ID), ("Callback-Url", &callback)];
    alice.post("/accounts/alice/ilp", &headers, &ask("test.bob.shop").packet());
    let answer = alice.next();
    assert_eq!((answer.status(), answer.body.len()), (202, 0), "{}", answer.head);
    // The link's own connection says nothing; the reply comes on another one.
    let _link = server.accept();
    let mut replies = server.accept();
    let reply = replies.next();
    assert!(reply.head.starts_with("POST /back HTTP/1.1"), "{}", reply.head);
    assert_eq!(reply.header("request-id"), Some(ID));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.header("authorization"), Some("Bearer alice-token"));
    assert_eq!(body_of(&reply.body), "Fulfill");
    // Not taken: it comes again, on the same connection.
    replies.answer("500 Not now", b"");
    assert_eq!(body_of(&replies.next().body), "Fulfill");
    replies.answer("200 OK", b"");
    assert_eq!(node.balance("alice")[0], "100");

    // Elsewhere is nowhere: a token is no right to have the node post to others.
    let elsewhere = format!("http://127.0.0.1:{}/back", node.health);
    headers[3] = ("Callback-Url", &elsewhere);
    alice.post("/accounts/alice/ilp", &headers, &ask("test.bob.shop").packet());
    let answer = alice.next();
    assert_eq!(answer.status(), 400);
    assert_eq!(node.balance("alice")[0], "100");
}

#[test]
fn an_answer_to_nothing_is_refused_row_129() {
    let node = node("");
    let mut alice = Wire::open(http_port(&node));
    let headers = [OCTETS, ("Authorization", "Bearer alice-token"), ("Request-Id", ID)];
    for packet in [fulfill(&PREIMAGE), reject(b"F02")] {
        alice.post("/accounts/alice/ilp", &headers, &packet);
        let answer = alice.next();
        assert_eq!(answer.status(), 400);
        assert!(String::from_utf8_lossy(&answer.body).contains("no packet waits"));
    }
}

#[test]
fn an_asynchronous_peer_answers_when_it_likes_rows_128_129() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/ilp", server.port());
    let node = node(&format!(", url: \"{url}\", httpMode: async"));
    node.until_connected("alice");
    let mut bob = node.peer("bob");
    let requests = server.take_all();
    let ids: Vec<String> = (0..3)
        .map(|number| {
            bob.ask(number, &ask("test.alice.shop"));
            let request = requests.recv_timeout(PATIENCE).unwrap();
            assert_eq!(body_of(&request.body), "Prepare");
            assert_eq!(request.header("accept"), Some("application/octet-stream"));
            assert_eq!(request.header("callback-url"), None, "by agreement");
            request.header("request-id").unwrap().to_owned()
        })
        .collect();
    let mut back = Wire::open(http_port(&node));
    let authorization = ("Authorization", "Bearer alice-token");
    for id in ids.iter().rev() {
        let headers = [OCTETS, authorization, ("Request-Id", id)];
        for status in [200, 400] {
            back.post("/ilp", &headers, &fulfill(&PREIMAGE));
            assert_eq!(back.next().status(), status, "the first answer counts, and no other");
        }
    }
    let mut answers: Vec<String> = (0..3).map(|_| bob.next()).collect();
    answers.sort();
    assert_eq!(answers, [0, 1, 2].map(|id| format!("RESPONSE {id} Fulfill")));
    assert_eq!(node.balance("alice")[0], "-300");
}

#[test]
fn a_peers_server_is_asked_and_asked_again_rows_128_130() {
    let server = Server::start();
    let port = server.port();
    let url = format!("http://n:other-token@127.0.0.1:{port}/accounts/n/ilp");
    let node = node(&format!(", url: \"{url}\""));
    let mut bob = node.peer("bob");
    let mut alice = server.accept();
    node.until_connected("alice");
    assert_eq!(node.account("alice")["sessions"][0]["side"], "dialled");
    bob.ask(1, &ask("test.alice.shop"));
    let request = alice.next();
    assert!(request.head.starts_with("POST /accounts/n/ilp HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    assert_eq!(request.header("accept"), Some("application/octet-stream"));
    assert_eq!(request.header("authorization"), Some("Bearer other-token"));
    assert_eq!(request.header("request-id"), None);
    alice.answer("200 OK", &fulfill(&PREIMAGE));
    assert_eq!(bob.next(), "RESPONSE 1 Fulfill");
    for (id, status, packet, expected) in [
        (2, "200 OK", reject(b"F99"), "Reject F99"),
        (3, "200 OK", fulfill(&preimage(7)), "Reject F05"),
        (4, "200 OK", b"?".to_vec(), "Reject T00"),
        (5, "500 Oh", Vec::new(), "Reject T00"),
        (6, "400 Bad", Vec::new(), "Reject F00"),
        (7, "429 Slow", Vec::new(), "Reject T03"),
        (8, "404 What", Vec::new(), "Reject T01"),
        (9, "200 OK", fulfill(&PREIMAGE), "Fulfill"),
    ] {
        bob.ask(id, &ask("test.alice.shop"));
        alice.next();
        alice.answer(status, &packet);
        assert_eq!(bob.next(), format!("RESPONSE {id} {expected}"), "{status}");
    }
    // Killed: at once T01, and the peer is not connected.
    drop(server);
    drop(alice);
    node.until("disconnected", "alice", |peer| peer["state"] != "connected");
    assert_eq!(bob.asked(20, &ask("test.alice.shop")), "RESPONSE 20 Reject T01");
    // And back.
    let server = Server::on(port);
    let mut alice = server.accept();
    node.until_connected("alice");
    bob.ask(21, &ask("test.alice.shop"));
    serve(&mut alice, 1);
    assert_eq!(bob.next(), "RESPONSE 21 Fulfill");
    assert_eq!(node.balance("alice"), ["-300", "0", "0"].map(str::to_owned));
    let (_, log) = node.stop("TERM");
    assert!(!log.contains("other-token") && !log.contains("bob-token"), "{log}");
}

#[test]
fn a_reload_changes_where_a_peer_is_asked() {
    let [first, second] = [Server::start(), Server::start()];
    let url = |server: &Server| format!(", url: \"http://127.0.0.1:{}/ilp\"", server.port());
    let node = node(&url(&first));
    let mut bob = node.peer("bob");
    let mut alice = first.accept();
    node.until_connected("alice");
    bob.ask(1, &ask("test.alice.shop"));
    let _under_way = alice.next();
    node.rewrite(&yaml(&url(&second)));
    let mut moved = second.accept();
    // It is told when the session to the new place is there; the first one was connected before.
    let sessions = |account: &serde_json::Value| account["counters"]["sessions"].as_u64();
    node.until("a session to the new place", "alice", |alice| {
        alice["state"] == "connected" && sessions(alice).is_some_and(|count| count >= 2)
    });
    bob.ask(2, &ask("test.alice.shop"));
    serve(&mut moved, 1);
    assert_eq!(bob.next(), "RESPONSE 2 Fulfill");
    // What was under way is answered by who was asked.
    alice.answer("200 OK", &fulfill(&PREIMAGE));
    assert_eq!(bob.next(), "RESPONSE 1 Fulfill");
    assert_eq!(node.balance("alice"), ["-200", "0", "0"].map(str::to_owned));
}

/// alice -- BTP -- left ~~ HTTP ~~ right -- BTP -- bob
fn chain(keys: &str) {
    let [left_port, right_port] = [free_port(), free_port()];
    let yaml = |own: &str, port: u16, other: &str, other_port: u16, peer: &str| {
        let there = if other == "left" { "alice" } else { "bob" };
        format!(
            "nodeId: {own}\nilpAddress: test.{own}\nkeepAliveIntervalMs: 500\nhttpServerHost: 127.0.0.1\nhttpServerPort: {port}\n\
             httpPublicUrl: http://127.0.0.1:{port}\npeers:\n  - {{ id: {peer}, authToken: {peer}-token }}\n  \
             - {{ id: {other}, authToken: s, url: \"http://127.0.0.1:{other_port}/accounts/{own}/ilp\"{keys} }}\n\
             routes:\n  - {{ prefix: test.{peer}, nextHop: {peer} }}\n  \
             - {{ prefix: test.{there}, nextHop: {other} }}\n"
        )
    };
    let left = Daemon::start(&yaml("left", left_port, "right", right_port, "alice"));
    let right = Daemon::start(&yaml("right", right_port, "left", left_port, "bob"));
    left.until_connected("right");
    right.until_connected("left");
    let bob = right.peer("bob").fulfill_all();
    let mut alice = left.peer("alice");
    const COUNT: u32 = 300;
    for id in 0..COUNT {
        let condition = if id % 3 == 0 { preimage(id).condition() } else { PREIMAGE.condition() };
        alice.ask(id, &ask("test.bob.shop").amount(10).condition(condition));
    }
    let mut answers: Vec<String> = (0..COUNT).map(|_| alice.next()).collect();
    assert_eq!(alice.fence(), Vec::<String>::new(), "exactly one answer for each");
    answers.sort();
    let mut expected: Vec<String> = (0..COUNT)
        .map(|id| format!("RESPONSE {id} {}", if id % 3 == 0 { "Reject F05" } else { "Fulfill" }))
        .collect();
    expected.sort();
    assert_eq!(answers, expected);
    let balance = |node: &Daemon, peer: &str| node.balance(peer);
    assert_eq!(balance(&left, "alice"), ["2000", "0", "0"]);
    assert_eq!(balance(&left, "right"), ["-2000", "0", "0"]);
    assert_eq!(balance(&right, "left"), ["2000", "0", "0"]);
    assert_eq!(balance(&right, "bob"), ["-2000", "0", "0"]);
    drop(right);
    assert_eq!(bob.join().unwrap(), COUNT as usize);
    left.until("disconnected", "right", |peer| peer["state"] != "connected");
    assert_eq!(alice.asked(COUNT, &ask("test.bob.shop")), format!("RESPONSE {COUNT} Reject T01"));
}

#[test]
fn a_chain_over_both_transports_adds_up_rows_128_130() {
    chain("");
}

#[test]
fn a_chain_with_asynchronous_answers_adds_up_rows_128_129_130() {
    chain(", httpMode: async, httpAuth: jwt");
}

#[test]
fn half_a_request_does_not_stay_and_others_are_served_meanwhile() {
    let node = node("");
    let port = http_port(&node);
    let mut slow: Vec<Wire> = (0..20).map(|_| Wire::open(port)).collect();
    for wire in &mut slow {
        wire.say(b"POST /ilp HTTP/1.1\r\nHost: n\r\nX: ");
    }
    let mut alice = Wire::open(port);
    assert_eq!(posted(&mut alice, "Bearer alice-token", &ask("test.nobody")).status(), 200);
    for wire in &mut slow {
        assert!(wire.message().is_none(), "closed without an answer");
    }
    assert_eq!(posted(&mut alice, "Bearer alice-token", &ask("test.nobody")).status(), 200);
}

#[test]
fn a_stop_answers_what_waits_over_http_d18() {
    let node = Daemon::start(&format!("shutdownGraceMs: 500\n{}", yaml("")));
    let mut bob = node.peer("bob");
    let mut alice = Wire::open(http_port(&node));
    let headers = [OCTETS, ("Authorization", "Bearer alice-token")];
    alice.post("/ilp", &headers, &ask("test.bob.shop").packet());
    bob.prepare();
    let stopping = thread::spawn(move || node.stop("TERM"));
    let answer = alice.next();
    assert_eq!((answer.status(), body_of(&answer.body).as_str()), (200, "Reject T00"));
    assert!(alice.message().is_none(), "and then the connection ends");
    let (status, log) = stopping.join().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn http_2_carries_many_packets_on_one_connection_row_128() {
    let node = node("");
    let bob = node.peer("bob").fulfill_all();
    let port = http_port(&node);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let statuses = local.block_on(&runtime, async move {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap()));
        let io = hyper_util::rt::TokioIo::new(stream.await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(Local, io);
        let (sender, connection) = handshake.await.unwrap();
        tokio::task::spawn_local(connection);
        let asking = (0..200).map(|_| {
            let request =
                axum::http::Request::post(format!("http://node:{port}/accounts/alice/ilp"))
                    .header(OCTETS.0, OCTETS.1)
                    .header("Authorization", "Bearer alice-token")
                    .body(axum::body::Body::from(ask("test.bob.shop").packet()));
            sender.clone().send_request(request.unwrap())
        });
        let answers = futures_util::future::join_all(asking).await;
        answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [200; 200]);
    assert_eq!(node.balance("alice")[0], "20000");
    drop(node);
    assert_eq!(bob.join().unwrap(), 200);
}

/// Runs what HTTP/2 wants to run, on this thread.
#[derive(Clone)]
struct Local;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for Local {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

#[test]
fn a_server_that_never_answers_costs_a_packet_its_time_and_nothing_more() {
    let server = Server::start();
    let node = node(&format!(", url: \"http://127.0.0.1:{}/ilp\"", server.port()));
    let mut bob: Peer = node.peer("bob");
    let mut silent = server.accept();
    node.until_connected("alice");
    bob.ask(1, &ask("test.alice.shop").within(3_000));
    silent.next();
    assert_eq!(bob.next(), "RESPONSE 1 Reject R00");
    assert!(silent.message().is_none(), "the connection is given up with the packet");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
    bob.ask(2, &ask("test.alice.shop"));
    let mut alice = server.accept();
    serve(&mut alice, 1);
    assert_eq!(bob.next(), "RESPONSE 2 Fulfill");
    eventually("nothing is held", Duration::from_secs(5), || match node.balance("alice") {
        [_, received, sent] if received == "0" && sent == "0" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
