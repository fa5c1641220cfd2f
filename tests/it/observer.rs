//! The observer of a real node and of a real network: its page, its API, and its stream.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use serde_json::Value;

use crate::network::TestNetwork;
use crate::peer::{Peer, TIMEOUT, TestNode, bind_listener, get_json, prepare_to};
use crate::process::Process;
use crate::support::{PROGRAM, combined_output, eventually, run};

const FILE: &str = "nodeId: n\nilpAddress: test.n\npeers:\n  \
                    - { id: alice, relation: child, authToken: t }\n  \
                    - { id: bob, relation: child, authToken: u }\n";

/// An open stream of JSON lines.
pub(crate) struct Reader(BufReader<TcpStream>);

impl Reader {
    pub(crate) fn open(port: u64, query: &str) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap())).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        // Without chunks, so that the lines are the objects.
        let request = format!("GET /api/v1/stream?{query} HTTP/1.0\r\nHost: localhost\r\n\r\n");
        socket.write_all(request.as_bytes()).unwrap();
        let mut reader = BufReader::new(socket);
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        Self(reader)
    }

    /// The next object of this type for which `wanted` holds.
    pub(crate) fn find(&mut self, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        // Figures come all the time, so that the timeout of the socket is not enough.
        let deadline = Instant::now() + 3 * TIMEOUT;
        loop {
            assert!(Instant::now() < deadline, "no {kind} that is wanted");
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "the stream ended before {kind}");
            if line == "\n" {
                continue;
            }
            let object: Value = serde_json::from_str(&line).unwrap();
            if object["type"] == kind && wanted(&object) {
                return object;
            }
        }
    }
}

/// Starts a network with its page on a port that the system chooses.
pub(crate) fn start_network(network: &TestNetwork, more: &[&str]) -> (Process, u64) {
    let arguments = [&["up", network.file(), "--plain", "--ui-port", "0"], more].concat();
    let process = Process::start(&arguments, []);
    let url = process.wait_for_log("the page of the network is served", "url");
    let port = url.as_str().unwrap().trim_end_matches('/').rsplit_once(':').unwrap().1;
    let port = port.parse().unwrap();
    for node in network.nodes() {
        network.wait_health(&node, 200);
    }
    (process, port)
}

#[test]
fn a_network_shows_the_whole_path_of_a_packet() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_process, port) = start_network(&network, &[]);
    assert_eq!(get_json(port, "GET /api/v1")["nodes"], serde_json::json!(["a", "b", "c"]));
    let links = get_json(port, "GET /api/v1/links");
    let links = links["links"].as_array().unwrap();
    for id in ["a~b", "b~c"] {
        let link = links.iter().find(|link| link["id"] == id).unwrap();
        assert_eq!((&link["kind"], &link["state"]), (&"peer".into(), &"up".into()), "{link}");
    }

    let mut reader = Reader::open(port, "topics=packets,rates");
    reader.find("hello", |_| true);
    network.wait_reachable("a", "test.c");
    // In any order: the nodes are read one after the other, while packets pass.
    let seen = RefCell::new(Vec::new());
    let of_node =
        |node: &str| seen.borrow().iter().find(|one: &&Value| one["node"] == node).cloned();
    reader.find("packet", |packet| {
        seen.borrow_mut().push(packet.clone());
        of_node("a").is_some() && of_node("c").is_some()
    });
    let (first, last) = (of_node("a").unwrap(), of_node("c").unwrap());
    assert_eq!((&first["phase"], &first["to"]), (&"forwarded".into(), &"b".into()));
    assert_eq!(last["condition"], first["condition"]);
    let rates = reader.find("rates", |rates| {
        rates["links"].as_array().unwrap().iter().any(|link| link["ab"]["fulfills"] != 0)
    });
    assert_eq!(rates["sampled"]["lost"], 0);
    let path = format!("GET /api/v1/packets/{}", last["id"].as_str().unwrap());
    let path = eventually("the path is whole", TIMEOUT, || {
        let path = get_json(port, &path);
        let hops = path["hops"].as_array().unwrap();
        let nodes: Vec<_> = hops.iter().map(|hop| hop["node"].as_str().unwrap()).collect();
        let is_answered = hops.iter().all(|hop| hop["answer"].is_object());
        if nodes == ["a", "b", "c"] && is_answered { Ok(path) } else { Err(path.to_string()) }
    });
    assert_eq!(path.0["destination"], "test.c");

    let walk = get_json(port, "GET /api/v1/explain?node=a&destination=test.c&from=cli&amount=10");
    let steps = walk["steps"].as_array().unwrap();
    let nodes: Vec<_> = steps.iter().map(|step| step["node"].as_str().unwrap()).collect();
    assert_eq!((nodes.as_slice(), &walk["ends"]), (&["a", "b", "c"][..], &"delivered".into()));
    assert_eq!((&steps[1]["from"], &steps[1]["to"]), (&"a".into(), &"c".into()));
    let walk = get_json(port, "GET /api/v1/explain?node=a&destination=test.c.nowhere");
    assert_eq!((&walk["ends"], &walk["steps"][2]["code"]), (&"refused".into(), &"F02".into()));
    assert_eq!(walk["steps"][2]["reason"]["kind"], "noRoute");

    // A node's own page shows this node only.
    let own = u64::from(network.ports("b").1);
    assert_eq!(get_json(own, "GET /api/v1")["nodes"], serde_json::json!(["b"]));
    let links = get_json(own, "GET /api/v1/links");
    let kinds = links["links"].as_array().unwrap().iter().filter(|link| link["kind"] == "outside");
    assert_eq!(kinds.count(), 2, "{links}");
    let walk = get_json(own, "GET /api/v1/explain?destination=test.c");
    assert_eq!((&walk["ends"], &walk["steps"][0]["to"]), (&"leavesView".into(), &"c".into()));
}

#[test]
fn the_page_follows_nodes_that_a_reload_adds() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_process, port) = start_network(&network, &[]);
    let mut reader = Reader::open(port, "topics=state");
    reader.find("state", |state| state["nodes"].as_array().unwrap().len() == 3);
    network.edit(|text| {
        let text = text.replacen("  - id: c\n", "  - id: c\n  - id: d\n", 1);
        text.replacen("links:\n", "links:\n  - { from: c, to: d, secret: demo-secret-c-d }\n", 1)
    });
    let state = reader.find("state", |state| state["nodes"].as_array().unwrap().len() == 4);
    assert_eq!(state["nodes"][3]["id"], "d");
}

#[test]
fn a_port_for_the_page_that_is_taken_is_an_error_only_if_it_was_given() {
    let network = TestNetwork::from_example("examples/linear-3.yaml");
    let (_taken, port) = bind_listener();
    let port = port.to_string();
    let up = ["up", network.file(), "--plain", "--for", "0.1", "--ui-port", &port];
    let output = run(Command::new(PROGRAM).args(up).env_clear());
    assert_eq!(output.status.code(), Some(1));
    let printed = combined_output(&output);
    assert!(printed.contains(&format!("port {port} on 127.0.0.1 is already in use")), "{printed}");
    let without = ["up", network.file(), "--plain", "--for", "0.1", "--no-ui"];
    let output = run(Command::new(PROGRAM).args(without).env_clear());
    assert!(output.status.success());
    assert!(!combined_output(&output).contains("the page of the network is served"));
}

/// While no client watches, Rejects are kept, so that the reason can be found afterwards.
#[test]
fn a_node_keeps_why_it_rejected_packets() {
    let node = TestNode::start(FILE);
    let mut alice = Peer::log_in(node.port, "alice", "t");
    for (id, to) in [(1, "test.n.nowhere"), (2, "test.n.bob.x")] {
        alice.send_prepare(id, &prepare_to(to));
        alice.receive();
    }
    let port = node.health_port;
    let packets = get_json(port, "GET /api/v1/packets?filter=lane%3Dreject");
    let packets = packets["packets"].as_array().unwrap();
    let [offline, unknown] = packets.as_slice() else { panic!("{packets:?}") };
    assert_eq!((&unknown["code"], &unknown["decidedHere"]), (&"F02".into(), &true.into()));
    assert_eq!((&unknown["reason"]["kind"], &unknown["requestId"]), (&"noRoute".into(), &1.into()));
    assert_eq!((&offline["code"], &offline["reason"]["peer"]), (&"T01".into(), &"bob".into()));
    let found = get_json(port, "GET /api/v1/packets?filter=code%3DT01");
    assert_eq!(found["packets"].as_array().unwrap().len(), 1);
    let reasons = get_json(port, "GET /api/v1/reasons");
    let reasons = reasons["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 2);
    assert!(reasons.iter().all(|row| row["count"] == 1 && row["from"] == "alice"), "{reasons:?}");

    // A stream that begins now does not repeat them; one that resumes gets what it has missed.
    let last = offline["id"].as_str().unwrap();
    let mut fresh = Reader::open(port, "topics=packets");
    let mut resumed = Reader::open(port, &format!("topics=packets&after={last}"));
    fresh.find("hello", |_| true);
    resumed.find("hello", |_| true);
    alice.send_prepare(3, &prepare_to("test.n.nowhere"));
    for reader in [&mut fresh, &mut resumed] {
        let packet = reader.find("packet", |_| true);
        assert_eq!(packet["requestId"], 3, "{packet}");
    }
    let first = unknown["id"].as_str().unwrap();
    let mut missed = Reader::open(port, &format!("topics=packets&after={first}"));
    for expected in [2, 3] {
        assert_eq!(missed.find("packet", |_| true)["requestId"], expected);
    }
}

#[test]
fn events_name_peers_that_come_and_go() {
    let node = TestNode::start(FILE);
    let mut reader = Reader::open(node.health_port, "topics=events");
    reader.find("hello", |_| true);
    let alice = Peer::log_in(node.port, "alice", "t");
    let event = reader.find("event", |event| event["peer"] == "alice");
    assert_eq!((&event["kind"], &event["node"]), (&"peer.connected".into(), &"n".into()));
    drop(alice);
    let event = reader.find("event", |event| event["kind"] == "peer.disconnected");
    assert_eq!(event["level"], "warn");
    node.rewrite_config("nodeId: [");
    node.process.signal("HUP");
    let event = reader.find("event", |event| event["kind"] == "config.refused");
    assert_eq!(event["level"], "error");
}
