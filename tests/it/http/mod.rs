//! ILP over HTTP (RFC 35): posts to a running node, and a scripted server as its peer. Checklist rows 128 to 130.

mod connection;

use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
pub(crate) use connection::{HttpConnection, HttpMessage, Server};
use ring::hmac;

use crate::peer::{
    PREIMAGE, Peer, TIMEOUT, TestNode, TestPrepare, describe_packet, fulfill, preimage, prepare_to,
    reject,
};
use crate::process::free_port;
use crate::support::eventually;

const OCTETS: (&str, &str) = ("Content-Type", "application/octet-stream");
const AUTHORIZATION: (&str, &str) = ("Authorization", "Bearer alice-token");
const ID: &str = "42ee09c8-a6de-4ae3-8a47-4732b0cbb07b";
const LISTENS: &str = "httpServerHost: 127.0.0.1\nhttpServerPort: 0\n";

/// A node that alice posts to and bob dials by BTP; `more` is the rest of alice's entry, such as `, url: ...`.
fn node(more: &str) -> TestNode {
    TestNode::start(&yaml(more))
}

fn yaml(more: &str) -> String {
    format!(
        "nodeId: n\nilpAddress: test.n\nkeepAliveIntervalMs: 500\n{LISTENS}peers:\n  \
         - {{ id: alice, authToken: alice-token{more} }}\n  - {{ id: bob, authToken: bob-token }}\n\
         routes:\n  - {{ prefix: test.alice, nextHop: alice }}\n  - {{ prefix: test.bob, nextHop: bob }}\n"
    )
}

fn http_port(node: &TestNode) -> u64 {
    node.process.wait_for_log("HTTP server listening", "port").as_u64().unwrap()
}

fn post_packet(
    connection: &mut HttpConnection,
    authorization: &str,
    prepare: &TestPrepare,
) -> HttpMessage {
    let headers = [OCTETS, ("Authorization", authorization)];
    connection.post("/accounts/alice/ilp", &headers, &prepare.encode());
    connection.receive()
}

/// A JWT with this header and these claims, signed with this secret.
pub(crate) fn jwt(header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Fulfills this many Prepares on a connection to alice's server, one by one.
fn serve(server: &mut HttpConnection, count: usize) {
    for _ in 0..count {
        let request = server.receive();
        assert_eq!(describe_packet(&request.body), "Prepare");
        server.answer("200 OK", &fulfill(&PREIMAGE));
    }
}

#[test]
fn a_post_is_answered_in_its_response_rows_128_130() {
    let node = node("");
    let bob = node.connect_peer("bob").fulfill_all();
    let mut alice = HttpConnection::connect(http_port(&node));
    for number in 1..=20 {
        let answer = post_packet(&mut alice, AUTHORIZATION.1, &prepare_to("test.bob.shop"));
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert_eq!(describe_packet(&answer.body), "Fulfill");
        assert_eq!(node.balance("alice"), [(100 * number).to_string(), "0".into(), "0".into()]);
    }
    assert_eq!(node.balance("bob"), ["-2000", "0", "0"].map(str::to_owned));
    // A Reject is an answer like any other.
    let answer = post_packet(&mut alice, AUTHORIZATION.1, &prepare_to("test.nobody"));
    assert_eq!((answer.status(), describe_packet(&answer.body).as_str()), (200, "Reject F02"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let alice = node.account("alice");
    assert_eq!(alice["state"], "connected", "{alice}");
    assert_eq!(alice["sessions"][0]["side"], "posted", "{alice}");
    // Packets cannot be sent to alice, who only posts.
    let mut carol = node.connect_peer("bob");
    assert_eq!(carol.request(1, &prepare_to("test.alice.shop")), "RESPONSE 1 Reject T01");
    drop(carol);
    assert_eq!(bob.join().unwrap(), 20);
}

#[test]
fn a_body_that_is_no_packet_gets_a_problem_document_row_130() {
    let node = node("");
    let port = http_port(&node);
    let mut bob = node.connect_peer("bob");
    let packet = prepare_to("test.bob.shop").encode();
    let check = |path: &str, headers: &[(&str, &str)], body: &[u8], status: u16, detail: &str| {
        let mut connection = HttpConnection::connect(port);
        connection.post(path, headers, body);
        let answer = connection.receive();
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
    check("/accounts/bob/ilp", &[OCTETS, AUTHORIZATION], &packet, 401, "bearer token");
    check("/accounts/nobody/ilp", &[OCTETS, AUTHORIZATION], &packet, 401, "bearer token");
    check(path, &[AUTHORIZATION], &packet, 415, "application/octet-stream");
    let json = [("Content-Type", "application/json"), AUTHORIZATION];
    check(path, &json, &packet, 415, "application/octet-stream");
    check(path, &[OCTETS, AUTHORIZATION], b"garbage", 400, "not an ILP packet");
    check(path, &[OCTETS, AUTHORIZATION], &[0; 100_000], 413, "at most 65536 bytes");
    check("/nowhere/at/all", &[OCTETS, AUTHORIZATION], &packet, 404, "nothing at");

    assert_eq!(bob.drain_frames(), [""; 0], "no refused packet is forwarded");

    // Both content types in use, and the path without a name.
    let packet = prepare_to("test.n").encode();
    for (path, kind) in [("/ilp", OCTETS.1), (path, "application/ilp+octet-stream")] {
        let mut connection = HttpConnection::connect(port);
        connection.post(path, &[("Content-Type", kind), AUTHORIZATION], &packet);
        assert_eq!(connection.receive().status(), 200, "{path} {kind}");
    }
}

#[test]
fn a_json_web_token_authenticates_until_it_expires() {
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
        // The path has the name, as with ilp-plugin-http.
        (jwt(hs256, &format!(r#"{{"exp":{}}}"#, now + 300), "alice-token"), 200),
        (jwt(hs256, &format!(r#"{{"exp":{}}}"#, now - 1), "alice-token"), 401),
        (jwt(hs256, &claims("bob", now + 300), "bob-token"), 401),
        (jwt(hs256, &good, "bob-token"), 401),
        (jwt(hs256, &good, ""), 401),
        (jwt(none, &good, "alice-token"), 401),
        (unsigned, 401),
        (jwt(r#"{"alg":"RS256"}"#, &good, "alice-token"), 401),
    ] {
        // One connection each, because a connection is closed after a few wrong tokens.
        let mut alice = HttpConnection::connect(http_port(&node));
        let answer =
            post_packet(&mut alice, &format!("Bearer {token}"), &prepare_to("test.nobody"));
        assert_eq!(answer.status(), status, "{token}");
    }
    let (_, log) = node.stop("TERM");
    assert!(!log.contains("alice-token") && !log.contains("eyJ"), "{log}");
}

#[test]
fn an_asynchronous_post_is_accepted_and_answered_at_its_callback_row_128() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/ilp", server.port());
    let node = node(&format!(", url: \"{url}\""));
    let _bob = node.connect_peer("bob").fulfill_all();
    node.wait_connected("alice");
    let mut alice = HttpConnection::connect(http_port(&node));
    let callback = format!("http://127.0.0.1:{}/back", server.port());
    let mut headers = vec![OCTETS, AUTHORIZATION, ("Request-Id", ID), ("Callback-Url", &callback)];
    alice.post("/accounts/alice/ilp", &headers, &prepare_to("test.bob.shop").encode());
    let answer = alice.receive();
    assert_eq!((answer.status(), answer.body.len()), (202, 0), "{}", answer.head);
    // The link's own connection stays silent; the reply comes on another one.
    let _link = server.accept();
    let mut replies = server.accept();
    let reply = replies.receive();
    assert!(reply.head.starts_with("POST /back HTTP/1.1"), "{}", reply.head);
    assert_eq!(reply.header("request-id"), Some(ID));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(reply.header("authorization"), Some("Bearer alice-token"));
    assert_eq!(describe_packet(&reply.body), "Fulfill");
    // After a 500, the reply is sent again on the same connection.
    replies.answer("500 Not now", b"");
    assert_eq!(describe_packet(&replies.receive().body), "Fulfill");
    replies.answer("200 OK", b"");
    assert_eq!(node.balance("alice")[0], "100");

    // A callback to another origin is refused: a token is no right to make the node post elsewhere.
    let elsewhere = format!("http://127.0.0.1:{}/back", node.health_port);
    headers[3] = ("Callback-Url", &elsewhere);
    alice.post("/accounts/alice/ilp", &headers, &prepare_to("test.bob.shop").encode());
    let answer = alice.receive();
    assert_eq!(answer.status(), 400);
    assert_eq!(node.balance("alice")[0], "100");
}

#[test]
fn an_answer_without_a_pending_request_is_refused_row_129() {
    let node = node("");
    let mut alice = HttpConnection::connect(http_port(&node));
    let mut post = |id: Option<&str>, packet: &[u8]| {
        let mut headers = vec![OCTETS, AUTHORIZATION];
        headers.extend(id.map(|id| ("Request-Id", id)));
        alice.post("/accounts/alice/ilp", &headers, packet);
        let answer = alice.receive();
        assert_eq!(answer.status(), 400, "{headers:?}");
        String::from_utf8_lossy(&answer.body).into_owned()
    };
    for packet in [fulfill(&PREIMAGE), reject(b"F02")] {
        assert!(post(Some(ID), &packet).contains("no packet waits"));
    }
    post(None, &fulfill(&PREIMAGE));
    post(Some("7"), &fulfill(&PREIMAGE));
    post(None, b"\x0c\x01\x00");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
}

#[test]
fn an_asynchronous_peer_may_answer_in_any_order_rows_128_129() {
    let server = Server::start();
    let url = format!("http://127.0.0.1:{}/ilp", server.port());
    let node = node(&format!(", url: \"{url}\", httpMode: async"));
    node.wait_connected("alice");
    let mut bob = node.connect_peer("bob");
    let requests = server.accept_all();
    let ids: Vec<String> = (0..3)
        .map(|number| {
            bob.send_prepare(number, &prepare_to("test.alice.shop"));
            let request = requests.recv_timeout(TIMEOUT).unwrap();
            assert_eq!(describe_packet(&request.body), "Prepare");
            assert_eq!(request.header("accept"), Some("application/octet-stream"));
            assert_eq!(request.header("callback-url"), None, "by agreement");
            request.header("request-id").unwrap().to_owned()
        })
        .collect();
    let mut back = HttpConnection::connect(http_port(&node));
    for id in ids.iter().rev() {
        let headers = [OCTETS, AUTHORIZATION, ("Request-Id", id)];
        for status in [200, 400] {
            back.post("/ilp", &headers, &fulfill(&PREIMAGE));
            assert_eq!(back.receive().status(), status, "the first answer counts, and no other");
        }
    }
    let mut answers: Vec<String> = (0..3).map(|_| bob.receive_described()).collect();
    answers.sort();
    assert_eq!(answers, [0, 1, 2].map(|id| format!("RESPONSE {id} Fulfill")));
    assert_eq!(node.balance("alice")[0], "-300");
}

#[test]
fn packets_are_posted_to_a_peers_server_and_again_after_a_restart_rows_128_130() {
    // Below the ports of connections, one of which might take it during the restart.
    let port = free_port();
    let server = Server::bind(port);
    let url = format!("http://n:other-token@127.0.0.1:{port}/accounts/n/ilp");
    let node = node(&format!(", url: \"{url}\""));
    let mut bob = node.connect_peer("bob");
    let mut alice = server.accept();
    node.wait_connected("alice");
    assert_eq!(node.account("alice")["sessions"][0]["side"], "dialled");
    bob.send_prepare(1, &prepare_to("test.alice.shop"));
    let request = alice.receive();
    assert!(request.head.starts_with("POST /accounts/n/ilp HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    assert_eq!(request.header("accept"), Some("application/octet-stream"));
    assert_eq!(request.header("authorization"), Some("Bearer other-token"));
    assert_eq!(request.header("request-id"), None);
    alice.answer("200 OK", &fulfill(&PREIMAGE));
    assert_eq!(bob.receive_described(), "RESPONSE 1 Fulfill");
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
        bob.send_prepare(id, &prepare_to("test.alice.shop"));
        alice.receive();
        alice.answer(status, &packet);
        assert_eq!(bob.receive_described(), format!("RESPONSE {id} {expected}"), "{status}");
    }
    // When the server is gone, packets get T01 at once, and the peer is disconnected.
    drop(server);
    drop(alice);
    node.wait_for_account("disconnected", "alice", |peer| peer["state"] != "connected");
    assert_eq!(bob.request(20, &prepare_to("test.alice.shop")), "RESPONSE 20 Reject T01");
    let server = Server::bind(port);
    let mut alice = server.accept();
    node.wait_connected("alice");
    bob.send_prepare(21, &prepare_to("test.alice.shop"));
    serve(&mut alice, 1);
    assert_eq!(bob.receive_described(), "RESPONSE 21 Fulfill");
    assert_eq!(node.balance("alice"), ["-300", "0", "0"].map(str::to_owned));
    let (_, log) = node.stop("TERM");
    assert!(!log.contains("other-token") && !log.contains("bob-token"), "{log}");
}

#[test]
fn a_reload_changes_the_url_that_packets_are_posted_to() {
    let [first, second] = [Server::start(), Server::start()];
    let url = |server: &Server| format!(", url: \"http://127.0.0.1:{}/ilp\"", server.port());
    let node = node(&url(&first));
    let mut bob = node.connect_peer("bob");
    let mut alice = first.accept();
    node.wait_connected("alice");
    bob.send_prepare(1, &prepare_to("test.alice.shop"));
    let _under_way = alice.receive();
    node.rewrite_config(&yaml(&url(&second)));
    let mut moved = second.accept();
    // The first session was connected before, so wait for the second one.
    let sessions = |account: &serde_json::Value| account["counters"]["sessions"].as_u64();
    node.wait_for_account("a session to the new place", "alice", |alice| {
        alice["state"] == "connected" && sessions(alice).is_some_and(|count| count >= 2)
    });
    bob.send_prepare(2, &prepare_to("test.alice.shop"));
    serve(&mut moved, 1);
    assert_eq!(bob.receive_described(), "RESPONSE 2 Fulfill");
    // The earlier request is answered by the server that received it.
    alice.answer("200 OK", &fulfill(&PREIMAGE));
    assert_eq!(bob.receive_described(), "RESPONSE 1 Fulfill");
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
    let left = TestNode::start(&yaml("left", left_port, "right", right_port, "alice"));
    let right = TestNode::start(&yaml("right", right_port, "left", left_port, "bob"));
    left.wait_connected("right");
    right.wait_connected("left");
    let bob = right.connect_peer("bob").fulfill_all();
    let mut alice = left.connect_peer("alice");
    const COUNT: u32 = 300;
    for id in 0..COUNT {
        let condition = if id % 3 == 0 { preimage(id).condition() } else { PREIMAGE.condition() };
        alice.send_prepare(id, &prepare_to("test.bob.shop").amount(10).condition(condition));
    }
    let mut answers: Vec<String> = (0..COUNT).map(|_| alice.receive_described()).collect();
    assert_eq!(alice.drain_frames(), Vec::<String>::new(), "exactly one answer for each");
    answers.sort();
    let mut expected: Vec<String> = (0..COUNT)
        .map(|id| format!("RESPONSE {id} {}", if id % 3 == 0 { "Reject F05" } else { "Fulfill" }))
        .collect();
    expected.sort();
    assert_eq!(answers, expected);
    let balance = |node: &TestNode, peer: &str| node.balance(peer);
    assert_eq!(balance(&left, "alice"), ["2000", "0", "0"]);
    assert_eq!(balance(&left, "right"), ["-2000", "0", "0"]);
    assert_eq!(balance(&right, "left"), ["2000", "0", "0"]);
    assert_eq!(balance(&right, "bob"), ["-2000", "0", "0"]);
    drop(right);
    assert_eq!(bob.join().unwrap(), COUNT as usize);
    left.wait_for_account("disconnected", "right", |peer| peer["state"] != "connected");
    assert_eq!(
        alice.request(COUNT, &prepare_to("test.bob.shop")),
        format!("RESPONSE {COUNT} Reject T01")
    );
}

#[test]
fn balances_of_a_chain_over_both_transports_add_up_rows_128_130() {
    chain("");
}

#[test]
fn balances_of_a_chain_with_asynchronous_answers_add_up_rows_128_129_130() {
    chain(", httpMode: async, httpAuth: jwt");
}

#[test]
fn an_incomplete_request_is_closed_and_delays_no_other() {
    let node = node("");
    let port = http_port(&node);
    let mut slow: Vec<HttpConnection> = (0..20).map(|_| HttpConnection::connect(port)).collect();
    for connection in &mut slow {
        connection.send(b"POST /ilp HTTP/1.1\r\nHost: n\r\nX: ");
    }
    let mut alice = HttpConnection::connect(port);
    assert_eq!(post_packet(&mut alice, AUTHORIZATION.1, &prepare_to("test.nobody")).status(), 200);
    for connection in &mut slow {
        assert!(connection.try_receive().is_none(), "closed without an answer");
    }
    assert_eq!(post_packet(&mut alice, AUTHORIZATION.1, &prepare_to("test.nobody")).status(), 200);
}

#[test]
fn a_stop_answers_packets_in_flight_over_http_d18() {
    let node = TestNode::start(&format!("shutdownGraceMs: 500\n{}", yaml("")));
    let mut bob = node.connect_peer("bob");
    let mut alice = HttpConnection::connect(http_port(&node));
    let headers = [OCTETS, AUTHORIZATION];
    alice.post("/ilp", &headers, &prepare_to("test.bob.shop").encode());
    bob.receive_prepare();
    let stopping = thread::spawn(move || node.stop("TERM"));
    let answer = alice.receive();
    assert_eq!((answer.status(), describe_packet(&answer.body).as_str()), (200, "Reject T00"));
    assert!(alice.try_receive().is_none(), "and then the connection ends");
    let (status, log) = stopping.join().unwrap();
    assert!(status.success(), "{log}");
}

#[test]
fn http_2_carries_many_packets_on_one_connection_row_128() {
    let node = node("");
    let bob = node.connect_peer("bob").fulfill_all();
    let port = http_port(&node);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let statuses = local.block_on(&runtime, async move {
        let stream = tokio::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap()));
        let io = hyper_util::rt::TokioIo::new(stream.await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(LocalExecutor, io);
        let (sender, connection) = handshake.await.unwrap();
        tokio::task::spawn_local(connection);
        let requests = (0..200).map(|_| {
            let request =
                axum::http::Request::post(format!("http://node:{port}/accounts/alice/ilp"))
                    .header(OCTETS.0, OCTETS.1)
                    .header(AUTHORIZATION.0, AUTHORIZATION.1)
                    .body(axum::body::Body::from(prepare_to("test.bob.shop").encode()));
            sender.clone().send_request(request.unwrap())
        });
        let answers = futures_util::future::join_all(requests).await;
        answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect::<Vec<_>>()
    });
    assert_eq!(statuses, [200; 200]);
    assert_eq!(node.balance("alice")[0], "20000");
    drop(node);
    assert_eq!(bob.join().unwrap(), 200);
}

/// Runs the tasks of hyper's HTTP/2 on this thread.
#[derive(Clone)]
struct LocalExecutor;

impl<F: Future<Output: 'static> + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

#[test]
fn a_server_that_never_answers_lets_its_packet_expire_and_holds_nothing() {
    let server = Server::start();
    let node = node(&format!(", url: \"http://127.0.0.1:{}/ilp\"", server.port()));
    let mut bob: Peer = node.connect_peer("bob");
    let mut silent = server.accept();
    node.wait_connected("alice");
    bob.send_prepare(1, &prepare_to("test.alice.shop").expires_in_ms(6_000));
    silent.receive();
    assert_eq!(bob.receive_described(), "RESPONSE 1 Reject R00");
    assert!(silent.try_receive().is_none(), "the connection is closed with the packet");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
    bob.send_prepare(2, &prepare_to("test.alice.shop"));
    let mut alice = server.accept();
    serve(&mut alice, 1);
    assert_eq!(bob.receive_described(), "RESPONSE 2 Fulfill");
    eventually("nothing is held", Duration::from_secs(5), || match node.balance("alice") {
        [_, received, sent] if received == "0" && sent == "0" => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
