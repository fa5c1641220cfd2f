//! nginx and haproxy in front of a node, with the files of `examples/proxies`, and as proxies that pass on bytes.
//! Clients have addresses of their own.

mod client;
mod front;

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use self::client::Machine;
use self::front::{API_TOKEN, BTP_NAME, Front, HTTP_NAME, Kind, PAGE_NAME, STREAM_MODULE};
use crate::peer::{PREIMAGE, Peer, TIMEOUT, TestNode, connect_tcp, fulfill, prepare_to};
use crate::process::path_text;
use crate::support::{eventually, skip};

/// Limits that a test can reach.
const LIMITS: &str = "maxUnauthenticatedPerAddress: 3\nhttpStrangerRequestsPerSecond: 20\n";
const FORGED: &str = "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=203.0.113.9\r\n";

#[test]
fn a_node_behind_a_proxy() {
    Kind::ALL.into_iter().for_each(check);
}

#[test]
fn a_node_with_tls_behind_a_proxy_that_passes_on_bytes() {
    Kind::ALL.into_iter().for_each(check_pass_through);
}

fn check_pass_through(kind: Kind) {
    let what = format!("a node with TLS behind {kind:?}");
    if let Some(why) = kind.missing() {
        return skip(&what, &why);
    }
    if kind == Kind::Nginx && !Path::new(STREAM_MODULE).exists() {
        return skip(&what, "nginx has no module stream (Debian's libnginx-mod-stream)");
    }
    let front = Front::pass_through(kind, LIMITS);
    let (mut alice, mut bob) = check_clients(&front);
    a_client_beside_the_proxy_is_refused(&front);
    check_packet(&mut alice, &mut bob, 2);
}

/// TLS to the node itself does not begin with the header.
fn a_client_beside_the_proxy_is_refused(front: &Front) {
    let message = "does not begin with a header of the PROXY protocol";
    let refused = || -> BTreeSet<&str> {
        let lines = front.node.as_ref().unwrap().output_lines();
        let refused: Vec<_> = lines.iter().filter(|line| line.contains(message)).collect();
        ["btp", "web"]
            .into_iter()
            .filter(|room| refused.iter().any(|line| is_of(line, room)))
            .collect()
    };
    assert_eq!(refused(), BTreeSet::new());
    for port in front.node_ports() {
        let mut stream = connect_tcp(port.into());
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        // The beginning of a TLS record.
        stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 0, 0, 0, 0]).unwrap();
        match stream.read(&mut [0; 16]) {
            Ok(0) => {}
            // A reset is an end as well.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("port {port} is not closed: {other:?}"),
        }
    }
    eventually("both listeners report it", TIMEOUT, || match refused() {
        found if found == BTreeSet::from(["btp", "web"]) => Ok(()),
        found => Err(format!("{found:?}")),
    });
}

fn is_of(line: &str, room: &str) -> bool {
    line.contains(&format!("\"target\":\"{room}::"))
}

fn check(kind: Kind) {
    if let Some(why) = kind.missing() {
        return skip(&format!("a node behind {kind:?}"), &why);
    }
    let mut front = Front::start(kind, LIMITS);
    let (mut alice, bob) = check_clients(&front);
    only_the_page_and_the_api_are_there(&front);
    let mut bob = the_stream_is_passed_on_as_it_comes(&front, bob);

    front.reload_proxy();
    let machine = front.machine(12, HTTP_NAME);
    eventually("the proxy is there after its reload", TIMEOUT, || {
        match machine.get(HTTP_NAME, "/shop", "") {
            (200, _) => Ok(()),
            (_, answer) => Err(answer),
        }
    });
    check_packet(&mut alice, &mut bob, 2);
    drop(front.open_btp(&front.machine(13, BTP_NAME), ""));

    front.node.take().unwrap().signal("KILL");
    front.start_node();
    let (mut alice, mut bob) = peers_log_in_from_their_own_addresses(&front);
    check_packet(&mut alice, &mut bob, 3);
    drop((alice, bob));
    a_node_dials_through_the_proxy(&front);
}

/// What holds for clients of each proxy. Returns alice and bob, who are logged in.
fn check_clients(front: &Front) -> (Peer, Peer) {
    let (mut alice, mut bob) = peers_log_in_from_their_own_addresses(front);
    check_packet(&mut alice, &mut bob, 1);
    a_forged_address_is_not_believed(front);
    one_client_closes_only_its_own_sockets(front);
    packets_over_http(front, &mut bob);
    one_client_uses_up_only_its_own_requests(front);
    (alice, bob)
}

fn peers_log_in_from_their_own_addresses(front: &Front) -> (Peer, Peer) {
    let log_in = |peer: &str, address: u8| {
        let machine = front.machine(address, BTP_NAME);
        let session = front.log_in(&machine, peer);
        let from = format!("127.0.0.{address}");
        eventually("the log names the client", TIMEOUT, || {
            let found = front.connected_from(peer);
            if found.last() == Some(&from) { Ok(()) } else { Err(format!("{found:?}")) }
        });
        session
    };
    (log_in("alice", 7), log_in("bob", 8))
}

fn check_packet(alice: &mut Peer, bob: &mut Peer, id: u32) {
    alice.send_prepare(id, &prepare_to("g.example.node.bob.x"));
    let (asked, _) = bob.receive_prepare();
    bob.answer(asked, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), format!("RESPONSE {id} Fulfill"));
}

/// The proxy overwrites what a client says about itself; the node does not read what passes through as bytes.
fn a_forged_address_is_not_believed(front: &Front) {
    let machine = front.machine(9, BTP_NAME);
    let mut session = front.open_btp(&machine, FORGED);
    session.send(&crate::peer::auth_frame(1, Some("alice"), "wrong"));
    session.wait_closed();
    eventually("the refused login is recorded", TIMEOUT, || match front.refused_from("alice") {
        found if found == "127.0.0.9" => Ok(()),
        found => Err(found),
    });
    let machine = front.machine(10, HTTP_NAME);
    let (status, answer) = post_packet(&machine, "wrong", FORGED);
    assert_eq!(status, 401, "{answer}");
    assert_eq!(front.refused_from("alice"), "127.0.0.10");
}

fn one_client_closes_only_its_own_sockets(front: &Front) {
    let (one, other) = (front.machine(21, BTP_NAME), front.machine(22, BTP_NAME));
    let mut others = front.open_btp(&other, "");
    let mut own: Vec<_> = (0..4).map(|_| front.open_btp(&one, "")).collect();
    let mut oldest = own.remove(0);
    oldest.wait_closed();
    // It is older than all of them, and still open.
    others.authenticate("bob", "bob-token");
    own.pop().unwrap().authenticate("bob", "bob-token");
}

fn post_packet(machine: &Machine, token: &str, headers: &str) -> (u16, String) {
    let head = format!(
        "POST /accounts/alice/ilp HTTP/1.1\r\nHost: {HTTP_NAME}\r\n{headers}\
         Authorization: Bearer {token}\r\nContent-Type: application/octet-stream\r\n"
    );
    machine.ask(&head, &prepare_to("g.example.node.bob.x").encode())
}

fn packets_over_http(front: &Front, bob: &mut Peer) {
    let machine = front.machine(11, HTTP_NAME);
    let posting = std::thread::scope(|scope| {
        let posted = scope.spawn(|| post_packet(&machine, "alice-token", ""));
        let (asked, _) = bob.receive_prepare();
        bob.answer(asked, &fulfill(&PREIMAGE));
        posted.join().unwrap()
    });
    assert_eq!(posting.0, 200, "{}", posting.1);
    let (status, answer) = machine.get(HTTP_NAME, "/shop", "Accept: application/spsp4+json\r\n");
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("\"destination_account\":\"g.example.node."), "{answer}");
}

fn one_client_uses_up_only_its_own_requests(front: &Front) {
    let (one, other) = (front.machine(31, HTTP_NAME), front.machine(32, HTTP_NAME));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                ask_without_pause(&one, &is_over);
            }
        });
        let _end = EndFlood(&is_over);
        // Neither another connection nor what it says about itself helps.
        eventually("the client of the flood is refused", TIMEOUT, || {
            match one.get(HTTP_NAME, "/shop", FORGED) {
                (503, _) => Ok(()),
                (_, answer) => Err(answer),
            }
        });
        assert_eq!(other.get(HTTP_NAME, "/shop", "").0, 200, "another client");
    });
}

/// Ends a flood also if the test fails, which would wait for it.
struct EndFlood<'a>(&'a AtomicBool);

impl Drop for EndFlood<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends requests on one connection, until it ends or the flood is over.
fn ask_without_pause(machine: &Machine, is_over: &AtomicBool) {
    let mut stream = machine.open();
    let request = format!("GET /shop HTTP/1.1\r\nHost: {HTTP_NAME}\r\n\r\n");
    let mut answer = [0; 4096];
    while !is_over.load(Ordering::Relaxed) {
        let asked = stream.write_all(request.as_bytes()).and_then(|()| stream.read(&mut answer));
        if !matches!(asked, Ok(1..)) {
            return;
        }
    }
}

fn only_the_page_and_the_api_are_there(front: &Front) {
    let machine = front.machine(41, PAGE_NAME);
    let bearer = format!("Authorization: Bearer {API_TOKEN}\r\n");
    let (status, page) = machine.get(PAGE_NAME, "/ui/", "");
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<html") || page.contains("<!doctype html"), "{page}");
    assert_eq!(machine.get(PAGE_NAME, "/", "").0, 302);
    assert_eq!(machine.get(PAGE_NAME, "/api/v1/nodes", "").0, 401);
    let (status, nodes) = machine.get(PAGE_NAME, "/api/v1/nodes", &bearer);
    assert_eq!(status, 200, "{nodes}");
    for hidden in ["/metrics", "/peers", "/health", "/routes", "/ledger/changes"] {
        assert_eq!(machine.get(PAGE_NAME, hidden, &bearer).0, 404, "{hidden}");
    }
    // The limit on wrong tokens and the log are by the client's address.
    let wrong = format!("{FORGED}Authorization: Bearer wrong\r\n");
    assert_eq!(machine.get(PAGE_NAME, "/api/v1/nodes", &wrong).0, 401);
    eventually("the log names the client", TIMEOUT, || {
        let lines = front.node.as_ref().unwrap().output_lines();
        let mut wrong = lines.iter().filter(|line| line.contains("with a wrong apiToken"));
        match wrong.next() {
            Some(line) if line.contains("\"127.0.0.41\"") => Ok(()),
            line => Err(format!("{line:?}")),
        }
    });
}

/// bob leaves and returns, which are two events.
fn the_stream_is_passed_on_as_it_comes(front: &Front, bob: Peer) -> Peer {
    let mut stream = front.machine(42, PAGE_NAME).open();
    let request = format!(
        "GET /api/v1/stream?topics=events HTTP/1.1\r\nHost: {PAGE_NAME}\r\n\
         Accept: text/event-stream\r\nAuthorization: Bearer {API_TOKEN}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut received = String::new();
    let mut read_until = |what: &str| {
        let deadline = Instant::now() + TIMEOUT;
        let mut buffer = [0; 4096];
        while !received.contains(what) {
            // A line that keeps the stream alive is no event.
            assert!(Instant::now() < deadline, "no {what:?} within {TIMEOUT:?}: {received}");
            let count = stream.read(&mut buffer).unwrap_or_else(|error| {
                panic!("no {what:?} in the stream within {TIMEOUT:?} ({error}): {received}")
            });
            assert!(count > 0, "the stream ended: {received}");
            received += &String::from_utf8_lossy(&buffer[..count]);
        }
        received.clear();
    };
    read_until("\r\n\r\n");
    // A few bytes, which a proxy with a buffer would keep.
    bob.disconnect();
    read_until("peer.disconnected");
    let bob = front.log_in(&front.machine(8, BTP_NAME), "bob");
    read_until("peer.connected");
    bob
}

fn a_node_dials_through_the_proxy(front: &Front) {
    eventually("bob has left", TIMEOUT, || match front.peer("bob") {
        peer if peer["state"] != "connected" => Ok(()),
        peer => Err(peer.to_string()),
    });
    let yaml = format!(
        "nodeId: bob\ncaFile: {}\npeers:\n  - {{ id: node, relation: parent, url: \"{}\", authToken: bob-token }}\n",
        path_text(&front.certificate_file),
        front.btp_url(),
    );
    let node = TestNode::start(&yaml);
    node.wait_connected("node");
    eventually("the log names the node", TIMEOUT, || match front.connected_from("bob") {
        found if found.last().is_some_and(|from| from == "127.0.0.1") => Ok(()),
        found => Err(format!("{found:?}")),
    });
}
