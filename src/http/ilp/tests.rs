//! The server side over real sockets: logins, packets, and the way of answers.

mod hostile;

use std::time::{Duration, Instant};

use super::*;
use crate::http::HttpDial;
use crate::http::jwt;
use crate::http::testing::{
    RawConnection, RunningServer, attach_session, context, limits, next_packet, packet_headers,
    serve,
};
use crate::link::SessionKind;
use crate::net::{HttpAuth, HttpMode};
use crate::peers::{PeerState, Token};
use crate::testing::{self, Log, describe, fulfillment, payment, payment_within, token, until};
use crate::web::ConnectionLimits;
use crate::wire::{Address, Amount, Condition};

const OCTET_STREAM: &str = "Content-Type: application/octet-stream\r\n";
const REQUEST_ID: &str = "Request-Id: 42ee09c8-a6de-4ae3-8a47-4732b0cbb07b\r\n";

async fn node() -> RunningServer {
    serve(context("node", &["alice", "bob"]), ConnectionLimits::default(), None).await
}

/// A ping to the node itself, which it fulfills.
fn ping() -> Vec<u8> {
    ping_with(b"", Duration::from_secs(20))
}

fn ping_with(data: &[u8], within: Duration) -> Vec<u8> {
    let destination: Address = "test.node".parse().unwrap();
    let (destination, condition) = (destination.view(), Condition::PING);
    let expires_at = testing::now().saturating_add(within);
    testing::encode(&Prepare { amount: Amount(3), expires_at, condition, destination, data })
}

/// A new connection posts a ping for a peer, which must get this status.
async fn check_ping(node: &RunningServer, peer: &str, status: u16) -> RawConnection {
    let mut client = RawConnection::open(node.address).await;
    let (head, _) = client.post("/ilp", &packet_headers(peer), &ping()).await;
    assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{peer}: {head}");
    client
}

/// The beginning of a post from a peer whose body has `length` bytes.
fn post_head(peer: &str, length: usize) -> String {
    let headers = packet_headers(peer);
    format!("POST /ilp HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn valid_and_invalid_logins() {
    let node = node().await;
    let now = node.context.clock.now().wall;
    let jwt = |subject: &str, token: &str, at| {
        let token = jwt::sign(subject, &Token::from(token), at).0;
        format!("{OCTET_STREAM}Authorization: Bearer {token}\r\n")
    };
    let (alice, path) = (token("alice"), "/accounts/alice/ilp");
    for (path, headers, expected) in [
        (path, packet_headers("alice"), "200"),
        ("/accounts/%61lice/ilp", packet_headers("alice"), "200"),
        ("/ilp", packet_headers("alice"), "200"),
        (path, packet_headers("alice").replace("octet-stream", "ilp+octet-stream"), "200"),
        (path, packet_headers("alice").replace("octet-stream", "octet-stream; charset=x"), "200"),
        (path, packet_headers("alice").replace("application/octet", "Application/OCTET"), "200"),
        (path, jwt("alice", &alice, now), "200"),
        ("/ilp", jwt("alice", &alice, now), "200"),
        (path, packet_headers("bob"), "401"),
        (path, OCTET_STREAM.to_owned(), "401"),
        ("/accounts/unknown/ilp", packet_headers("alice"), "401"),
        ("/accounts//ilp", packet_headers("alice"), "401"),
        ("/accounts/%ff/ilp", packet_headers("alice"), "400"),
        (path, jwt("bob", &token("bob"), now), "401"),
        (path, jwt("alice", &alice, now.saturating_sub_millis(600_000)), "401"),
        (path, packet_headers("alice").replace("Bearer", "Basic"), "401"),
        (
            path,
            packet_headers("alice").replace("application/octet-stream", "application/json"),
            "415",
        ),
        (path, packet_headers("alice").replace(OCTET_STREAM, ""), "415"),
    ] {
        let mut client = RawConnection::open(node.address).await;
        let (head, body) = client.post(path, &headers, &ping()).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {expected} ")), "{path} {headers}: {head}");
        match expected {
            "200" => {
                assert!(head.contains("content-type: application/octet-stream"), "{head}");
                assert_eq!(describe(&body), "Fulfill", "{path} {headers}");
            }
            _ => {
                assert!(head.contains("content-type: application/problem+json"), "{head}");
                assert_eq!(head.contains("www-authenticate: Bearer"), expected == "401", "{head}");
                assert!(!String::from_utf8_lossy(&body).contains("secret"), "{body:?}");
            }
        }
    }
    assert_eq!(node.context.http_counts().refused_logins, 7);
    let status = node.context.peers.status(&"alice".parse().unwrap()).snapshot();
    assert_eq!((status.state, status.sessions), (PeerState::Connected, 1));
}

#[tokio::test]
async fn a_refused_login_counts_for_its_account_and_logs_no_secret() {
    let log = Log::of_this_thread();
    let node = node().await;
    let now = node.context.clock.now().wall;
    let (guess, alice) = ("a wrong guess", token("alice"));
    let percent = |name: &str| name.replace(' ', "%20");
    let jwt = |token: &str| jwt::sign("bob", &Token::from(token), now).0;
    for (name, token) in [
        (format!("/accounts/{}/ilp", percent(&alice)), guess.to_owned()),
        (format!("/accounts/user:{}/ilp", percent(&alice)), guess.to_owned()),
        (format!("/accounts/{}/ilp", percent(guess)), guess.to_owned()),
        ("/accounts/alice/ilp".to_owned(), guess.to_owned()),
        ("/ilp".to_owned(), jwt(guess)),
    ] {
        let mut client = RawConnection::open(node.address).await;
        let headers = format!("{OCTET_STREAM}Authorization: Bearer {token}\r\n");
        let (head, _) = client.post(&name, &headers, &ping()).await;
        assert!(head.starts_with("HTTP/1.1 401 "), "{name}: {head}");
    }
    let refused = |peer: &str| {
        let status = node.context.peers.status(&peer.parse().unwrap());
        status.snapshot().counts.refused_logins
    };
    assert_eq!((refused("alice"), refused("bob")), (1, 1));
    let log = log.text();
    for (reason, times) in [("wrong token", 2), ("no peer has this name as its id", 3)] {
        assert_eq!(log.matches(&format!("reason=\"{reason}\"")).count(), times, "{reason}: {log}");
    }
    for (user, times) in [("***", 3), ("alice", 1), ("bob", 1)] {
        assert_eq!(log.matches(&format!("user=\"{user}\"")).count(), times, "{user}: {log}");
    }
    assert!(!log.contains(&alice) && !log.contains(guess), "{log}");
}

/// Otherwise a peer would count as connected although no packet can reach it.
#[tokio::test]
async fn posts_do_not_connect_a_peer_that_the_node_dials() {
    let node = node().await;
    let status = node.context.peers.status(&"alice".parse().unwrap());
    status.set_dialled(true);
    check_ping(&node, "alice", 200).await;
    assert_eq!((status.snapshot().state, status.snapshot().sessions), (PeerState::Waiting, 0));
}

#[tokio::test]
async fn invalid_packets_get_a_problem() {
    let node = node().await;
    let mut client = RawConnection::open(node.address).await;
    let (path, headers) = ("/accounts/alice/ilp", packet_headers("alice"));
    let named = format!("{headers}{REQUEST_ID}");
    let unnamed = format!("{headers}Callback-Url: https://alice.example/\r\n");
    for (headers, body, status, detail) in [
        (&headers, &b""[..], "400", "not an ILP packet"),
        (&headers, b"\x0c\x00", "400", "not an ILP packet"),
        (&headers, &fulfillment()[..], "400", "needs the Request-Id"),
        (&named, &fulfillment()[..], "400", "no packet waits"),
        (&named.replace("42ee", "xxee"), &fulfillment()[..], "400", "no packet waits"),
        (&unnamed, &ping()[..], "200", ""),
        (
            &format!("{named}Callback-Url: https://alice.example/\r\n"),
            &ping()[..],
            "400",
            "no http url",
        ),
        (&named, &ping()[..], "200", ""),
    ] {
        let (head, body) = client.post(path, headers, body).await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{detail}: {head}");
        assert!(String::from_utf8_lossy(&body).contains(detail), "{detail}: {body:?}");
    }
    let (head, _) = client.get("/accounts/alice/ilp").await;
    assert!(head.starts_with("HTTP/1.1 405 ") && head.contains("allow: POST"), "{head}");
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let limits =
        ConnectionLimits { body_time: Duration::from_secs(1), ..ConnectionLimits::default() };
    let node = serve(context("node", &["alice"]), limits, None).await;
    let post =
        |rest: &str| format!("POST /ilp HTTP/1.1\r\nHost: h\r\n{}{rest}", packet_headers("alice"));
    let max = node.context.settings.message_bytes_max;

    let mut announced = RawConnection::open(node.address).await;
    announced.write(&post(&format!("Content-Length: {}\r\n\r\n", max + 1))).await;
    let (head, body) = announced.read_text().await;
    assert!(head.starts_with("HTTP/1.1 413 "), "{head}");
    assert!(body.contains("at most 65536 bytes"), "{body}");

    let mut chunked = RawConnection::open(node.address).await;
    let chunk = format!("{max:x}\r\n{}\r\n", "x".repeat(max));
    chunked.write(&post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunk}2\r\nxx\r\n"))).await;
    assert!(chunked.read_text().await.0.starts_with("HTTP/1.1 413 "));

    let mut slow = RawConnection::open(node.address).await;
    slow.write(&post("Content-Length: 100\r\n\r\nabc")).await;
    assert!(slow.read_text().await.0.starts_with("HTTP/1.1 408 "));
    assert_eq!(slow.read_to_end().await, "", "and the connection ends");
}

#[tokio::test]
async fn a_peer_at_its_limit_loses_an_idle_connection_or_gets_429() {
    let limits = limits(|limits| limits.of_one_peer_max = 2);
    let node = serve(context("node", &["alice", "bob"]), limits, None).await;
    let mut clients = Vec::new();
    for peer in ["alice", "alice", "bob", "alice"] {
        clients.push(check_ping(&node, peer, 200).await);
    }
    assert_eq!(clients[0].read_to_end().await, "", "it was idle for longest");
    // Both connections of alice now wait for a body.
    for at in [1, 3] {
        clients[at].write(&(post_head("alice", 9) + "x")).await;
    }
    until("both requests", || node.context.http_counts().requests == 6).await;
    let mut client = RawConnection::open(node.address).await;
    let (head, body) = client.post("/ilp", &packet_headers("alice"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("connection: close"), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("2 at most"), "{body:?}");
    let (head, _) = clients[2].post("/ilp", &packet_headers("bob"), &ping()).await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// RFC 9110 8.3, 9.3.2, 10.1.1: usual behaviour of clients and proxies.
#[tokio::test]
async fn usual_http_features_work() {
    let node = node().await;
    let packet = ping();
    let mut client = RawConnection::open(node.address).await;
    for (request, status, header) in [
        ("HEAD /ilp", "405", "allow: post"),
        ("GET /ilp", "405", "allow: post"),
        ("PUT /accounts/alice/ilp", "405", "allow: post"),
        ("OPTIONS /accounts/alice/ilp", "405", "allow: post"),
        ("HEAD /nothing/here", "404", "content-type: application/problem+json"),
    ] {
        client.write(&format!("{request} HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, x-y\r\nTE: trailers, deflate;q=0.5\r\n\r\n")).await;
        let head = client.read_head().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {head}");
        assert!(head.to_ascii_lowercase().contains(header), "{request}: {head}");
        if !request.starts_with("HEAD") {
            client.read_body(&head).await;
        }
    }
    // `Prefer: respond-async` without a callback URL gets a synchronous answer.
    for extra in [
        "Expect: 100-continue\r\n",
        "Prefer: respond-async, wait=10\r\n",
        "Accept: text/html;q=0.1, */*;q=0.2\r\n",
    ] {
        let headers = format!("{}{extra}", packet_headers("alice"));
        let length = packet.len();
        client
            .write(&format!(
                "POST /ilp HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {length}\r\n\r\n"
            ))
            .await;
        if extra.starts_with("Expect") {
            let head = client.read_head().await;
            assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
        }
        client.write(&packet).await;
        let (head, body) = client.read_message().await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{extra}: {head}");
        assert_eq!(describe(&body), "Fulfill", "{extra}");
    }
}

#[tokio::test]
async fn a_prepare_waits_for_its_answer_or_its_expiry() {
    let node = node().await;
    let mut client = RawConnection::open(node.address).await;
    let headers = packet_headers("alice");
    let (_, body) = client.post("/ilp", &headers, &payment("test.bob.shop")).await;
    assert_eq!(describe(&body), "Reject T01", "bob is not connected");
    let (_, body) = client.post("/ilp", &headers, &payment("test.alice.shop")).await;
    assert_eq!(describe(&body), "Reject F02", "never back to the sender");

    // Now bob has a session, which the test answers.
    let bob = node.context.connector.account("bob").unwrap();
    let (_, outbox) = attach_session(&node.context, "bob", SessionKind::Dialled);
    let answering = async {
        let id = next_packet(&outbox).await.id;
        let batch = node.context.connector.start_batch(node.context.clock.now());
        assert!(batch.handle_answer(&bob, id, PeerAnswer::Packet(&fulfillment())).was_pending());
    };
    let packet = payment("test.bob.shop");
    let ((_, body), ()) = tokio::join!(client.post("/ilp", &headers, &packet), answering);
    assert_eq!(describe(&body), "Fulfill");
    let short = payment_within("test.bob.shop", 1, Duration::from_secs(4));
    let (_, body) = client.post("/ilp", &headers, &short).await;
    assert_eq!(describe(&body), "Reject R00");
    let balances: Vec<i128> =
        node.context.connector.report().accounts.iter().map(|account| account.balance).collect();
    assert_eq!(balances, [1, -1]);
}

#[tokio::test]
async fn a_client_that_disconnects_loses_only_its_answer() {
    let node = node().await;
    let bob = node.context.connector.account("bob").unwrap();
    let (_, outbox) = attach_session(&node.context, "bob", SessionKind::Dialled);
    let mut client = RawConnection::open(node.address).await;
    let packet = payment("test.bob.shop");
    client.write(&post_head("alice", packet.len())).await;
    client.write(&packet).await;
    let id = next_packet(&outbox).await.id;
    drop(client);
    until("the end of the connection", || node.server.limiter().connections() == 0).await;
    let batch = node.context.connector.start_batch(node.context.clock.now());
    assert!(batch.handle_answer(&bob, id, PeerAnswer::Packet(&fulfillment())).was_pending());
    let alice = node.context.connector.account("alice").unwrap();
    assert!(alice.is_idle());
    let mut client = RawConnection::open(node.address).await;
    let (_, body) = client.post("/ilp", &packet_headers("alice"), &ping()).await;
    assert_eq!(describe(&body), "Fulfill", "the session goes on");
}

/// Alice's server: gives these answers, and returns the requests.
async fn alices_server(
    listener: &tokio::net::TcpListener,
    answers: &[&str],
) -> Vec<(String, Vec<u8>)> {
    let mut requests = Vec::new();
    let (stream, _) = listener.accept().await.unwrap();
    let mut alice = RawConnection(stream);
    for answer in answers {
        requests.push(alice.read_message().await);
        alice.write(answer).await;
    }
    requests
}

#[tokio::test]
async fn an_asynchronous_prepare_is_answered_at_the_peers_server() {
    let http = context("node", &["alice", "bob"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/back", listener.local_addr().unwrap());
    let token = Token::from("token-for-alice");
    let dial = HttpDial::new("alice".parse().unwrap(), url.parse().unwrap(), "node", Some(&token));
    http.http_peers.replace_all([dial.with_mode(HttpMode::Sync, HttpAuth::Simple)]);
    let node = serve(http, ConnectionLimits::default(), None).await;
    let headers =
        format!("{}{REQUEST_ID}Callback-Url: {url}/here?x=1\r\n", packet_headers("alice"));
    let mut client = RawConnection::open(node.address).await;
    let packet = ping();
    let posting = client.post("/ilp", &headers, &packet);
    // The server accepts the third attempt.
    let answers = [
        "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 500 Oh\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    ];
    let ((head, body), requests) = tokio::join!(posting, alices_server(&listener, &answers));
    assert!(head.starts_with("HTTP/1.1 202 Accepted"), "{head}");
    assert!(body.is_empty());
    for (head, body) in requests {
        assert!(head.starts_with("POST /back/here?x=1 HTTP/1.1\r\n"), "{head}");
        for header in [
            "request-id: 42ee09c8-a6de-4ae3-8a47-4732b0cbb07b",
            "content-type: application/octet-stream",
            "authorization: Bearer token-for-alice",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert_eq!(describe(&body), "Fulfill");
    }
    // A packet that will be rejected is also accepted first.
    let (head, _) = client.post("/ilp", &headers, &payment("test.unknown")).await;
    assert!(head.starts_with("HTTP/1.1 202 Accepted"), "{head}");

    let elsewhere = headers.replace("Callback-Url: http://", "Callback-Url: http://evil.example/");
    let (head, _) = client.post("/ilp", &elsewhere, &ping()).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    let no_uuid = headers.replace("42ee09c8", "42");
    let (head, body) = client.post("/ilp", &no_uuid, &ping()).await;
    assert!(head.starts_with("HTTP/1.1 400 "), "{head}");
    assert!(String::from_utf8_lossy(&body).contains("not a UUID"), "{body:?}");
}
