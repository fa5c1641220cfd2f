//! Receivers of payments: STREAM packets from a scripted peer to a running node, and SPSP over HTTP. Checklist rows 122
//! to 126; `connector/tests/model.rs` tests that balances always add up.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ilp_connector::internals::stream::{Iv, Keys, SharedSecret};
use ilp_connector::wire::ilp::{Packet, PacketType};
use ilp_connector::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use ilp_connector::wire::{Amount, Condition};
use serde_json::Value;

use crate::peer::{
    Peer, TIMEOUT, TestNode, TestPrepare, connect_tcp, describe_frame, http_get, prepare_to,
    read_vectors, try_http_get,
};
use crate::support::eventually;

/// A receiver, and an HTTP server for SPSP.
const WALLET: &str =
    "httpServerHost: 127.0.0.1\nhttpServerPort: 0\nreceivers:\n  - { id: wallet }\n";

fn http_port(node: &TestNode) -> u64 {
    node.process.wait_for_log("HTTP server listening", "port").as_u64().unwrap()
}

/// A sender with a connection that a node gave it by SPSP.
struct StreamSender {
    destination: String,
    keys: Keys,
    sequence: u64,
}

impl StreamSender {
    fn connect(node: &TestNode, path: &str) -> Self {
        let (status, body) = http_get(http_port(node), &format!("GET {path}"));
        assert_eq!(status, 200, "{body}");
        let (destination, secret) = parse_spsp(&body);
        Self { destination, keys: Keys::new(&secret), sequence: 0 }
    }

    /// A Prepare with this STREAM packet and a condition that the receiver can fulfill.
    fn prepare(&mut self, amount: u64, plaintext: &[u8]) -> TestPrepare {
        self.sequence += 1;
        let mut iv = [0; 12];
        iv[4..].copy_from_slice(&self.sequence.to_be_bytes());
        let data = self.keys.seal(Iv(iv), plaintext).unwrap();
        let condition = self.keys.fulfillment(&data).condition();
        prepare_to(&self.destination).amount(amount).data(&data).condition(condition)
    }

    /// A Prepare that must deliver at least `minimum`.
    fn paying_prepare(
        &mut self,
        amount: u64,
        minimum: u64,
        frames: &[StreamFrame<'_>],
    ) -> TestPrepare {
        let mut plaintext = Vec::new();
        let frames = Frames::from_frames(frames);
        let (packet_type, minimum) = (PacketType::Prepare, Amount(minimum));
        let sequence = self.sequence + 1;
        let packet = StreamPacket { packet_type, sequence, amount: minimum, frames };
        packet.encode(&mut plaintext);
        self.prepare(amount, &plaintext)
    }

    /// Decrypts the data of a reply.
    fn decrypt(&self, data: &[u8]) -> Vec<u8> {
        self.keys.open(data).unwrap_or_else(|error| panic!("{}: {error}", hex::encode(data)))
    }
}

fn parse_spsp(body: &str) -> (String, SharedSecret) {
    let body: Value = serde_json::from_str(body).unwrap();
    let secret = STANDARD.decode(body["shared_secret"].as_str().unwrap()).unwrap();
    let destination = body["destination_account"].as_str().unwrap().to_owned();
    (destination, SharedSecret(secret.try_into().unwrap()))
}

/// Sends a Prepare; returns `Fulfill`, or `Reject` with its code, and the answer's data.
fn request(peer: &mut Peer, id: u32, prepare: &TestPrepare) -> (String, Vec<u8>) {
    peer.send_prepare(id, prepare);
    let got = peer.receive();
    let answer = describe_frame(&got);
    let packet = got.ilp.unwrap_or_else(|| panic!("no packet: {answer}"));
    let answer =
        answer.strip_prefix(&format!("RESPONSE {id} ")).unwrap_or_else(|| panic!("{answer}"));
    match Packet::parse(&packet).unwrap() {
        Packet::Fulfill(fulfill) => {
            assert_eq!(fulfill.fulfillment.condition(), prepare.condition);
            (answer.to_owned(), fulfill.data.to_vec())
        }
        Packet::Reject(reject) => {
            assert_eq!(reject.triggered_by.unwrap().as_str(), "test.n");
            (answer.to_owned(), reject.data.to_vec())
        }
        Packet::Prepare(_) => panic!("{answer}"),
    }
}

/// RFC 29 5.3.5: every reply has it, so that a sender never runs out of streams.
const NO_LIMIT_OF_STREAMS: StreamFrame<'static> =
    StreamFrame::MaxStreamId { stream: StreamId(u32::MAX as u64) };

fn money() -> StreamFrame<'static> {
    StreamFrame::StreamMoney { stream: StreamId(1), shares: 1 }
}

#[test]
fn a_payment_is_fulfilled_with_an_encrypted_reply_row_122() {
    let node = TestNode::with_peers(&["a"], WALLET);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    // The packets of the vector, with a secret of this node.
    let vector = &read_vectors("stream-extra")["crypto"];
    let whole = |entry: &&Value| entry["name"] == "own: whole exchange";
    let vector = vector.as_array().unwrap().iter().find(whole).unwrap();
    let bytes = |key: &str| hex::decode(vector[key].as_str().unwrap()).unwrap();
    let prepare = sender.prepare(100, &bytes("prepare_stream_packet_hex"));
    let (answer, data) = request(&mut peer, 1, &prepare);
    assert_eq!(answer, "Fulfill");
    let plaintext = sender.decrypt(&data);
    let reply = StreamPacket::parse(&plaintext).unwrap();
    let expected = bytes("reply_stream_packet_hex");
    let expected = StreamPacket::parse(&expected).unwrap();
    assert_eq!(StreamPacket { frames: Frames::NONE, ..reply }, expected);
    // What senders in JavaScript and Rust read besides.
    let no_limit = StreamFrame::StreamMaxMoney {
        stream: StreamId(1),
        receive_max: Amount::MAX,
        total_received: Amount::ZERO,
    };
    assert_eq!(reply.frames, Frames::from_frames(&[NO_LIMIT_OF_STREAMS, no_limit]));
    assert_eq!(node.balance("a"), ["100", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["-100", "0", "0"]);
    // The receiver is stateless: the same packet pays again.
    assert_eq!(request(&mut peer, 2, &prepare).0, "Fulfill");
    assert_eq!(node.balance("a"), ["200", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["-200", "0", "0"]);
    let wallet = node.account("wallet");
    assert_eq!((&wallet["kind"], &wallet["state"]), (&"receiver".into(), &"receiving".into()));
    assert_eq!(wallet["packets"]["received"]["fulfills"], 2);
}

#[test]
fn frames_that_require_an_answer_get_one_row_122() {
    let more = WALLET.replace("{ id: wallet }", "{ id: wallet, assetScale: 6 }");
    let node = TestNode::with_peers(&["a"], &more);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/.well-known/pay");
    let address = StreamFrame::NewAddress { source: b"test.n.a" };
    let close = StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" };
    let data = StreamFrame::StreamData { stream: StreamId(1), offset: 0, data: b"hello" };
    let prepare = sender.paying_prepare(1_999, 1, &[address, money(), data, close]);
    let (answer, data) = request(&mut peer, 1, &prepare);
    assert_eq!(answer, "Fulfill");
    let plaintext = sender.decrypt(&data);
    let reply = StreamPacket::parse(&plaintext).unwrap();
    assert_eq!(reply.amount, Amount(1), "in the receiver's units, rounded down");
    let frames: Vec<String> = reply.frames.iter().map(|frame| format!("{frame:?}")).collect();
    assert_eq!(frames.len(), 7, "{frames:?}");
    assert_eq!(reply.frames.iter().next(), Some(NO_LIMIT_OF_STREAMS));
    // The receiver reads no stream data, and closes the stream.
    let closed = StreamFrame::StreamClose {
        stream: StreamId(1),
        code: CloseCode::APPLICATION_ERROR,
        message: b"",
    };
    assert!(reply.frames.iter().any(|f| f == closed));
    assert!(reply.frames.iter().any(|f| f == StreamFrame::AssetDetails { code: b"USD", scale: 6 }));
    assert!(reply.frames.iter().any(|f| f == close));
    assert_eq!(node.balance("a"), ["1999", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["-1", "0", "0"]);
}

#[test]
fn a_connection_has_as_many_streams_as_its_sender_opens() {
    let node = TestNode::with_peers(&["a"], WALLET);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    // RFC 29: a client's streams have odd ids. The first packet of each stream closes the one before.
    let streams = (1..200).step_by(2);
    for (id, stream) in (1..).zip(streams.clone()) {
        let money = StreamFrame::StreamMoney { stream: StreamId(stream), shares: 1 };
        let before = StreamId(stream - 2 * u64::from(stream > 1));
        let close =
            StreamFrame::StreamClose { stream: before, code: CloseCode::NO_ERROR, message: b"" };
        let frames = [close, money];
        let prepare = sender.paying_prepare(100, 100, &frames[usize::from(stream == 1)..]);
        let (answer, data) = request(&mut peer, id, &prepare);
        assert_eq!(answer, "Fulfill");
        let plaintext = sender.decrypt(&data);
        let reply = StreamPacket::parse(&plaintext).unwrap();
        // JavaScript senders use the last number that they received, so it must never fall.
        let limits = reply.frames.iter().filter(|f| matches!(f, StreamFrame::MaxStreamId { .. }));
        assert_eq!(limits.collect::<Vec<_>>(), [NO_LIMIT_OF_STREAMS], "stream {stream}");
    }
    assert_eq!(
        node.balance("wallet"),
        [format!("-{}", 100 * streams.count()), "0".into(), "0".into()]
    );
}

#[test]
fn undecryptable_packets_get_f06_row_123() {
    let node = TestNode::with_peers(&["a"], WALLET);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    let good = sender.paying_prepare(5, 5, &[]);
    let with = |change: &dyn Fn(&mut TestPrepare)| {
        let mut prepare = good.clone();
        change(&mut prepare);
        prepare
    };
    let elsewhere = StreamSender::connect(&node, "/wallet").destination;
    let cases = [
        with(&|prepare| prepare.data.clear()),
        with(&|prepare| prepare.data = vec![0x5a; 200]),
        with(&|prepare| prepare.data = vec![0; 32_767]),
        with(&|prepare| prepare.data[30] ^= 1),
        with(&|prepare| prepare.data.truncate(28)),
        with(&|prepare| prepare.destination.push('x')),
        with(&|prepare| prepare.destination = elsewhere.clone()),
        with(&|prepare| prepare.destination = "test.n.wallet".to_owned()),
        with(&|prepare| prepare.destination = "test.n.wallet.no-token-of-ours".to_owned()),
        with(&|prepare| prepare.destination += ".below"),
    ];
    for (id, prepare) in (1..).zip(&cases) {
        assert_eq!(
            request(&mut peer, id, prepare),
            ("Reject F06".to_owned(), Vec::new()),
            "{prepare:?}"
        );
    }
    assert_eq!(node.balance("a"), ["0", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["0", "0", "0"]);
    // A receiver's reply that a node on the path sends back as a request.
    let mut answer = Vec::new();
    let frames = Frames::NONE;
    let (packet_type, amount) = (PacketType::Fulfill, Amount(0));
    StreamPacket { packet_type, sequence: 1, amount, frames }.encode(&mut answer);
    let prepare = sender.prepare(5, &answer);
    assert_eq!(request(&mut peer, 100, &prepare), ("Reject F00".to_owned(), Vec::new()));
    assert_eq!(request(&mut peer, 101, &good).0, "Fulfill");
}

#[test]
fn rejected_payments_get_an_encrypted_reply_row_124() {
    let node = TestNode::with_peers(&["a"], WALLET);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    let below = sender.paying_prepare(100, 200, &[money()]);
    let random = sender.paying_prepare(100, 0, &[money()]).condition(Condition([9; 32]));
    let most = sender.paying_prepare(u64::MAX - 1, u64::MAX, &[]);
    let nothing = sender.paying_prepare(0, 1, &[]);
    for (id, prepare) in (1..).zip([&below, &random, &most, &nothing]) {
        let (answer, data) = request(&mut peer, id, prepare);
        assert_eq!(answer, "Reject F99");
        let plaintext = sender.decrypt(&data);
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.packet_type, reply.sequence), (PacketType::Reject, u64::from(id)));
        assert_eq!(reply.amount, Amount(prepare.amount), "what arrived: the sender's rate");
    }
    assert_eq!(node.balance("a"), ["0", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["0", "0", "0"]);
    // An amount of zero: senders that close a stream wait for its Fulfill.
    let zero = sender.paying_prepare(0, 0, &[]);
    assert_eq!(request(&mut peer, 9, &zero).0, "Fulfill");
}

#[test]
fn unknown_frames_of_a_request_are_ignored_row_125() {
    let node = TestNode::with_peers(&["a"], WALLET);
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    let packets = &read_vectors("stream-extra")["packets"];
    let mut seen = 0;
    for (id, entry) in (1..).zip(packets.as_array().unwrap()) {
        let plaintext = hex::decode(entry["hex"].as_str().unwrap()).unwrap();
        let prepare = sender.prepare(1000, &plaintext);
        let (answer, _) = request(&mut peer, id, &prepare);
        let is_request = plaintext[1] == 12;
        let expected = match entry["expect"].as_str().unwrap() {
            "accept" if is_request => "Fulfill",
            _ => "Reject F00",
        };
        assert_eq!(answer, expected, "{entry}");
        seen += usize::from(answer == "Fulfill");
    }
    assert_eq!(seen, 3, "all-frame-types, unknown-frame, receive-max-over-u64");
    assert_eq!(node.balance("wallet"), ["-3000", "0", "0"]);
}

/// Sends one request; returns status, headers in lower case, and body.
fn http(port: u64, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = connect_tcp(port);
    stream.set_read_timeout(Some(TIMEOUT)).unwrap();
    let accept = "application/spsp4+json, application/spsp+json";
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: node\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

#[test]
fn spsp_answers_as_rfc_9_requires_row_126() {
    let more = WALLET.replace("  - { id: wallet }", "  - { id: shop }\n  - { id: wallet }");
    let node = TestNode::with_peers(&["a"], &more);
    let port = http_port(&node);
    let has = |head: &str, line: &str| {
        assert!(head.lines().any(|header| header == line), "no {line} in {head}");
    };
    let cors =
        ["access-control-allow-origin: *", "access-control-allow-headers: web-monetization-id"];
    let mut secrets = Vec::new();
    for (path, id) in [("/wallet", "wallet"), ("/wallet", "wallet"), ("/.well-known/pay", "shop")] {
        let (status, head, body) = http(port, "GET", path);
        assert_eq!(status, 200, "{path}: {body}");
        has(&head, "content-type: application/spsp4+json");
        has(&head, "cache-control: no-cache");
        cors.iter().for_each(|line| has(&head, line));
        let (destination, SharedSecret(secret)) = parse_spsp(&body);
        assert!(destination.starts_with(&format!("test.n.{id}.")), "{destination}");
        assert!(!secrets.contains(&secret), "the same secret twice");
        secrets.push(secret);
        let (status, head, body) = http(port, "HEAD", path);
        assert_eq!((status, body.as_str()), (200, ""));
        has(&head, "content-type: application/spsp4+json");
        let (status, head, _) = http(port, "OPTIONS", path);
        assert_eq!(status, 204);
        cors.iter().for_each(|line| has(&head, line));
        assert_eq!(http(port, "POST", path).0, 405);
    }
    // A peer is no receiver.
    for path in ["/nobody", "/a"] {
        let (status, head, body) = http(port, "GET", path);
        assert_eq!(status, 404);
        has(&head, "content-type: application/spsp4+json");
        let body: Value = serde_json::from_str(&body).unwrap();
        let expected = serde_json::json!({
            "id": "InvalidReceiverError", "message": "Invalid receiver ID"
        });
        assert_eq!(body, expected);
    }
    // No secret of a connection is logged.
    let log = node.log();
    for secret in secrets {
        assert!(!log.contains(&STANDARD.encode(secret)) && !log.contains(&hex::encode(secret)));
    }
}

#[test]
fn spsp_answers_503_while_the_node_has_no_address() {
    // The parent never answers.
    let parent = "nodeId: n\npeers:\n  - { id: p, relation: parent, url: 'ws://127.0.0.1:1', authToken: t }\n";
    let node = TestNode::start(&format!("{parent}{WALLET}"));
    let (status, body) = http_get(http_port(&node), "GET /wallet");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("this node has no address of its own yet"), "{body}");
}

/// With it, connections outlive the process.
const FIXED_SECRET: &str = "receiverSecret: 'a secret of more than thirty-two characters'\n";

#[test]
fn connections_outlive_a_restart_with_a_configured_secret() {
    for (more, expected) in [(FIXED_SECRET, "Fulfill"), ("", "Reject F06")] {
        let more = format!("{WALLET}{more}");
        let node = TestNode::with_peers(&["a"], &more);
        let mut sender = StreamSender::connect(&node, "/wallet");
        let (_, log) = node.stop("TERM");
        assert!(!log.contains("thirty-two"), "{log}");
        let node = TestNode::with_peers(&["a"], &more);
        let prepare = sender.paying_prepare(5, 5, &[]);
        assert_eq!(request(&mut node.connect_peer("a"), 1, &prepare).0, expected);
    }
}

#[test]
fn a_reload_adds_and_removes_receivers() {
    let yaml = |more: &str| crate::peer::config_of(&["a"], &format!("{WALLET}{more}"));
    let node = TestNode::start(&yaml(FIXED_SECRET));
    let mut peer = node.connect_peer("a");
    let mut sender = StreamSender::connect(&node, "/wallet");
    assert_eq!(request(&mut peer, 1, &sender.paying_prepare(7, 0, &[])).0, "Fulfill");
    // A second receiver, and a limit for the first.
    node.rewrite_config(&yaml(FIXED_SECRET).replace(
        "{ id: wallet }",
        "{ id: wallet, minBalance: -10, maxPacketAmount: 8 }\n  - { id: shop }",
    ));
    let port = http_port(&node);
    eventually("a second receiver", TIMEOUT, || match try_http_get(port, "GET /shop")? {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(request(&mut peer, 2, &sender.paying_prepare(9, 0, &[])).0, "Reject F08");
    assert_eq!(request(&mut peer, 3, &sender.paying_prepare(4, 0, &[])).0, "Reject T04");
    assert_eq!(request(&mut peer, 4, &sender.paying_prepare(3, 0, &[])).0, "Fulfill");
    assert_eq!(node.balance("wallet"), ["-10", "0", "0"]);
    // A removed receiver keeps its balance.
    node.rewrite_config(&yaml(FIXED_SECRET).replace("{ id: wallet }", "{ id: shop }"));
    node.wait_for_account("removed", "wallet", |wallet| wallet["state"] == "removed");
    assert_eq!(request(&mut peer, 5, &sender.paying_prepare(1, 0, &[])).0, "Reject F02");
    assert_eq!(http_get(port, "GET /wallet").0, 404);
    assert_eq!(node.balance("wallet"), ["-10", "0", "0"]);
    assert_eq!(node.balance("a"), ["10", "0", "0"]);
    // A receiver's id cannot become a peer's while its balance is kept.
    node.rewrite_config(&crate::peer::config_of(&["a", "wallet"], ""));
    eventually("the refusal", TIMEOUT, || {
        let log = node.log();
        if log.contains("wallet cannot become a peer") { Ok(()) } else { Err(log) }
    });
    assert_eq!(request(&mut peer, 6, &sender.paying_prepare(1, 0, &[])).0, "Reject F02");
}

#[test]
fn balances_add_up_at_every_node_of_the_path() {
    let far = TestNode::start(&format!(
        "nodeId: far\nilpAddress: test.far\npeers:\n  - {{ id: n, authToken: s, assetScale: 6 }}\n{WALLET}"
    ));
    let near = TestNode::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: a, authToken: a-token }}\n  \
           - {{ id: far, url: 'ws://127.0.0.1:{}', authToken: s, assetScale: 6 }}\n\
         routes:\n  - {{ prefix: test.far, nextHop: far }}\n",
        far.port
    ));
    near.wait_connected("far");
    let mut peer = near.connect_peer("a");
    let mut sender = StreamSender::connect(&far, "/wallet");
    let mut sent = 0;
    for (id, amount) in (1..).zip([1_000, 1_999, 2_000, 123_456_789]) {
        let (answer, data) = {
            let prepare = sender.paying_prepare(amount, 0, &[money()]);
            peer.send_prepare(id, &prepare);
            let got = peer.receive();
            let Packet::Fulfill(fulfill) = Packet::parse(got.ilp.as_ref().unwrap()).unwrap() else {
                panic!("{}", describe_frame(&got))
            };
            (describe_frame(&got), fulfill.data.to_vec())
        };
        assert_eq!(answer, format!("RESPONSE {id} Fulfill"));
        let plaintext = sender.decrypt(&data);
        // Converted to scale 6 on the path, and back to 9 at the receiver.
        assert_eq!(StreamPacket::parse(&plaintext).unwrap().amount, Amount(amount / 1_000 * 1_000));
        sent += amount;
    }
    let arrived = (1_000 + 1_000 + 2_000 + 123_456_000).to_string();
    let on_the_way = (1 + 1 + 2 + 123_456).to_string();
    assert_eq!(near.balance("a"), [sent.to_string(), "0".into(), "0".into()]);
    assert_eq!(near.balance("far"), [format!("-{on_the_way}"), "0".into(), "0".into()]);
    assert_eq!(far.balance("n"), [on_the_way, "0".into(), "0".into()]);
    assert_eq!(far.balance("wallet"), [format!("-{arrived}"), "0".into(), "0".into()]);
}
