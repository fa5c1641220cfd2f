//! The token of a peer at a node at work: what it shows, and that no name of another peer is among it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::peer::{
    PREIMAGE, Peer, TIMEOUT, TestNode, bind_listener, fulfill, prepare_to, reject, response,
};
use crate::process::free_port;
use crate::support::eventually;

/// In the names of all other peers, and of a receiver.
const CANARY: &str = "zebra";

fn node_file(east: u16) -> String {
    format!(
        "nodeId: n\nilpAddress: test.n\napiToken: the-operators-token\n\
         apiTokens:\n  - {{ id: alice, token: the-token-of-alice, scopes: [read, packets], peer: alice }}\n\
         receivers: [{{ id: zebra-wallet }}]\n\
         peers:\n  \
           - {{ id: alice, relation: child, authToken: a, maxPacketAmount: 5000 }}\n  \
           - {{ id: zebra-carol, relation: child, authToken: c }}\n  \
           - {{ id: zebra-east, authToken: e, url: 'ws://127.0.0.1:{east}' }}\n  \
           - {{ id: zebra-north, authToken: o, url: 'ws://127.0.0.1:{}' }}\n\
         routes:\n  - {{ prefix: test.east, nextHop: zebra-east }}\n  \
           - {{ prefix: test.north, nextHop: zebra-north }}\n",
        free_port(),
    )
}

fn open(port: u64, path: &str, token: &str) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let head = format!("GET {path} HTTP/1.0\r\nHost: n\r\nAuthorization: Bearer {token}\r\n\r\n");
    socket.write_all(head.as_bytes()).unwrap();
    socket
}

/// The status and the body of an answer.
fn read(port: u64, path: &str, token: &str) -> (u16, String) {
    let mut text = String::new();
    open(port, path, token).read_to_string(&mut text).unwrap();
    assert!(token != "the-token-of-alice" || !text.contains(CANARY), "{path}: {text}");
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), body.to_owned())
}

fn json(port: u64, path: &str, token: &str) -> Value {
    let (status, body) = read(port, path, token);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[test]
fn the_token_of_a_peer_shows_its_own_packets_and_names_no_other_peer() {
    let (east, east_port) = bind_listener();
    let node = TestNode::start(&node_file(east_port));
    let port = node.health_port;
    let mut east = Peer::accept(&east);
    let login = east.receive();
    east.send(&response(login.id, None));
    eventually("the peer is connected", TIMEOUT, || {
        let node = json(port, "/api/v1/nodes/n", "the-operators-token");
        if node["stats"]["connected"] == 1 { Ok(()) } else { Err(node.to_string()) }
    });
    let mut alice = Peer::log_in(node.port, "alice", "a");
    let mut carol = Peer::log_in(node.port, "zebra-carol", "c");

    let mut stream = BufReader::new(open(port, "/api/v1/stream", "the-token-of-alice"));
    let deadline = Instant::now() + TIMEOUT;
    let mut next = |what: &str, wanted: &dyn Fn(&Value) -> bool| loop {
        assert!(Instant::now() < deadline, "the stream has no {what}");
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream has ended");
        assert!(!line.contains(CANARY), "{line}");
        let object: Value = serde_json::from_str(&line).unwrap_or_default();
        if wanted(&object) {
            return object;
        }
    };
    let hello = next("hello", &|object| object["type"] == "hello");
    assert_eq!((&hello["peer"], &hello["seed"]), (&"alice".into(), &"0000000000000000".into()));
    assert_eq!(hello["scopes"], serde_json::json!(["read", "packets"]));

    // Packets of all fates, of alice and of another peer, and one to alice.
    let amount = |to: &str, amount| prepare_to(to).amount(amount);
    for (id, to, sum) in [
        (1, "test.nowhere", 10),
        (2, "test.north.x", 10),
        (3, "test.east.x", 9_000),
        (4, "test.n.zebra-wallet.x", 10),
        (5, "test.n.alice", 10),
    ] {
        // Only alice has a limit; this packet of the other peer would be forwarded.
        if to != "test.east.x" {
            carol.send_prepare(id, &amount(to, sum));
            if to == "test.n.alice" {
                let (id, _) = alice.receive_prepare();
                alice.answer(id, &fulfill(&PREIMAGE));
            }
            carol.receive();
        }
        if to != "test.n.alice" && !to.contains(CANARY) {
            alice.send_prepare(id, &amount(to, sum));
            alice.receive();
        }
    }
    for (id, answer) in [(11, fulfill(&PREIMAGE)), (12, reject(b"F99"))] {
        for peer in [&mut carol, &mut alice] {
            peer.send_prepare(id, &amount("test.east.x", 77));
            let (outgoing, _) = east.receive_prepare();
            east.answer(outgoing, &answer);
            peer.receive();
        }
    }

    for (id, phase) in [(11, "fulfilled"), (12, "rejected")] {
        let packet = next(phase, &|object| object["requestId"] == id && object["phase"] == phase);
        assert_eq!((&packet["from"], &packet["to"]), (&"alice".into(), &Value::Null), "{packet}");
        assert_eq!(packet["amount"], "77", "{packet}");
        assert_eq!(packet["outgoingAmount"], Value::Null, "{packet}");
    }
    drop(alice);
    let event = next("event", &|object| object["kind"] == "peer.disconnected");
    assert_eq!(event["peer"], "alice");

    let get = |path: &str| json(port, path, "the-token-of-alice");
    let packets = get("/api/v1/packets?limit=1000");
    let packets = packets["packets"].as_array().unwrap();
    let codes: Vec<_> = packets.iter().filter_map(|packet| packet["code"].as_str()).collect();
    for code in ["F02", "T01", "F08", "F99"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    assert!(packets.iter().all(|packet| packet["from"] == "alice"));
    let all = json(port, "/api/v1/packets?limit=1000", "the-operators-token");
    assert!(all.to_string().contains(CANARY));
    assert!(all["packets"].as_array().unwrap().len() > packets.len());
    // A filter answers no question about what is masked.
    let filtered = get("/api/v1/packets?filter=to%5E%3Dz");
    assert_eq!(filtered["packets"], serde_json::json!([]));
    for packet in packets {
        get(&format!("/api/v1/packets/{}", packet["id"].as_str().unwrap()));
    }
    for packet in all["packets"].as_array().unwrap() {
        let path = format!("/api/v1/packets/{}", packet["id"].as_str().unwrap());
        let expected = if packet["from"] == "alice" { 200 } else { 404 };
        assert_eq!(read(port, &path, "the-token-of-alice").0, expected, "{packet}");
    }

    let reasons = get("/api/v1/reasons");
    assert!(reasons["reasons"].as_array().unwrap().iter().all(|row| row["from"] == "alice"));
    let money = get("/api/v1/money");
    assert_eq!(money["peers"].as_array().unwrap().len(), 1);
    assert_eq!(money["peers"][0]["peer"], "alice");
    let events = get("/api/v1/events");
    assert!(events["events"].as_array().unwrap().iter().all(|event| event["peer"] == "alice"));
    assert_eq!(get("/api/v1/links")["links"].as_array().unwrap().len(), 1);
    assert_eq!(get("/api/v1/nodes")["nodes"][0], get("/api/v1/nodes/n"));
    assert_eq!(get("/api/v1")["peer"], "alice");
    for (query, decision) in
        [("test.east.x", "forward"), ("test.north.x", "refuse"), ("test.n", "local")]
    {
        let explained = get(&format!("/api/v1/explain?destination={query}&amount=10"));
        let step = &explained["steps"][0];
        assert_eq!((&step["decision"], &step["from"]), (&decision.into(), &"alice".into()));
        assert_eq!(step["to"], Value::Null);
    }

    for path in [
        "/peers",
        "/routes",
        "/metrics",
        "/api/v1/nodes/n/routes",
        "/api/v1/explain?destination=test.east.x&from=zebra-carol",
    ] {
        assert_eq!(read(port, path, "the-token-of-alice").0, 403, "{path}");
    }
    assert_eq!(read(port, "/api/v1/nodes/x", "the-token-of-alice").0, 404);
}
