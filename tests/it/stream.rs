//! Receivers of payments: a scripted peer that speaks STREAM to a running node, and SPSP over HTTP. Checklist rows 122 to
//! 126; that balances stay even whatever comes is held in memory, by `connector/tests/model.rs`.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ilp_connector::internals::stream::{Iv, Keys, SharedSecret};
use ilp_connector::wire::ilp::{Packet, PacketType};
use ilp_connector::wire::stream::{CloseCode, Frames, StreamFrame, StreamId, StreamPacket};
use ilp_connector::wire::{Amount, Condition};
use serde_json::Value;

use crate::peer::{Ask, Daemon, PATIENCE, Peer, ask, describe, get, tcp, try_get, vectors};
use crate::support::eventually;

/// A receiver in a scale of its own, and where to ask for it.
const WALLET: &str =
    "httpServerHost: 127.0.0.1\nhttpServerPort: 0\nreceivers:\n  - { id: wallet }\n";

fn http_port(node: &Daemon) -> u64 {
    node.running.logged("HTTP server listening", "port").as_u64().unwrap()
}

/// A sender that has asked a node where to pay.
struct Sender {
    destination: String,
    keys: Keys,
    sequence: u64,
}

impl Sender {
    fn of(node: &Daemon, path: &str) -> Self {
        let (status, body) = get(http_port(node), &format!("GET {path}"));
        assert_eq!(status, 200, "{body}");
        let (destination, secret) = connection(&body);
        Sender { destination, keys: Keys::new(&secret), sequence: 0 }
    }

    /// A Prepare with this packet, fulfillable.
    fn ask(&mut self, amount: u64, plaintext: &[u8]) -> Ask {
        self.sequence += 1;
        let mut iv = [0; 12];
        iv[4..].copy_from_slice(&self.sequence.to_be_bytes());
        let data = self.keys.seal(Iv(iv), plaintext).unwrap();
        let condition = self.keys.fulfillment(&data).condition();
        ask(&self.destination).amount(amount).data(&data).condition(condition)
    }

    /// A Prepare of which at least so much has to arrive.
    fn request(&mut self, amount: u64, minimum: u64, frames: &[StreamFrame<'_>]) -> Ask {
        let mut plaintext = Vec::new();
        let frames = Frames::from_frames(frames);
        let (packet_type, minimum) = (PacketType::Prepare, Amount(minimum));
        let sequence = self.sequence + 1;
        let packet = StreamPacket { packet_type, sequence, amount: minimum, frames };
        packet.encode(&mut plaintext);
        self.ask(amount, &plaintext)
    }

    /// The encrypted reply in clear.
    fn reply(&self, data: &[u8]) -> Vec<u8> {
        self.keys.open(data).unwrap_or_else(|error| panic!("{}: {error}", hex::encode(data)))
    }
}

fn connection(body: &str) -> (String, SharedSecret) {
    let body: Value = serde_json::from_str(body).unwrap();
    let secret = STANDARD.decode(body["shared_secret"].as_str().unwrap()).unwrap();
    let destination = body["destination_account"].as_str().unwrap().to_owned();
    (destination, SharedSecret(secret.try_into().unwrap()))
}

/// Asks, and reads the answer: `Fulfill` or `Reject` with its code, and the answer's data.
fn asked(peer: &mut Peer, id: u32, ask: &Ask) -> (String, Vec<u8>) {
    peer.ask(id, ask);
    let got = peer.frame();
    let told = describe(&got);
    let packet = got.ilp.unwrap_or_else(|| panic!("no packet: {told}"));
    let told = told.strip_prefix(&format!("RESPONSE {id} ")).unwrap_or_else(|| panic!("{told}"));
    match Packet::parse(&packet).unwrap() {
        Packet::Fulfill(fulfill) => {
            assert_eq!(fulfill.fulfillment.condition(), ask.condition);
            (told.to_owned(), fulfill.data.to_vec())
        }
        Packet::Reject(reject) => {
            assert_eq!(reject.triggered_by.unwrap().as_str(), "test.n");
            (told.to_owned(), reject.data.to_vec())
        }
        Packet::Prepare(_) => panic!("{told}"),
    }
}

/// RFC 29 5.3.5: in every reply, so that a sender never runs out of streams.
const NO_LIMIT_OF_STREAMS: StreamFrame<'static> =
    StreamFrame::MaxStreamId { stream: StreamId(u32::MAX as u64) };

fn money() -> StreamFrame<'static> {
    StreamFrame::StreamMoney { stream: StreamId(1), shares: 1 }
}

#[test]
fn a_payment_is_fulfilled_and_answered_in_secret_row_122() {
    let node = Daemon::with_peers(&["a"], WALLET);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    // The pattern of the vector, with a secret of this node's.
    let vector = &vectors("stream-extra")["crypto"];
    let whole = |entry: &&Value| entry["name"] == "own: whole exchange";
    let vector = vector.as_array().unwrap().iter().find(whole).unwrap();
    let bytes = |key: &str| hex::decode(vector[key].as_str().unwrap()).unwrap();
    let ask = sender.ask(100, &bytes("prepare_stream_packet_hex"));
    let (told, data) = asked(&mut peer, 1, &ask);
    assert_eq!(told, "Fulfill");
    let plaintext = sender.reply(&data);
    let reply = StreamPacket::parse(&plaintext).unwrap();
    let expected = bytes("reply_stream_packet_hex");
    let expected = StreamPacket::parse(&expected).unwrap();
    assert_eq!(StreamPacket { frames: Frames::NONE, ..reply }, expected);
    // What a sender of JavaScript or Rust may want to know besides.
    let no_limit = StreamFrame::StreamMaxMoney {
        stream: StreamId(1),
        receive_max: Amount::MAX,
        total_received: Amount::ZERO,
    };
    assert_eq!(reply.frames, Frames::from_frames(&[NO_LIMIT_OF_STREAMS, no_limit]));
    assert_eq!(node.balance("a"), ["100", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["-100", "0", "0"]);
    // Nothing that the receiver is told is remembered: the packet once more is its money once more.
    assert_eq!(asked(&mut peer, 2, &ask).0, "Fulfill");
    assert_eq!(node.balance("a"), ["200", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["-200", "0", "0"]);
    let wallet = node.account("wallet");
    assert_eq!((&wallet["kind"], &wallet["state"]), (&"receiver".into(), &"receiving".into()));
    assert_eq!(wallet["packets"]["received"]["fulfills"], 2);
}

#[test]
fn frames_that_senders_ask_answers_for_row_122() {
    let more = WALLET.replace("{ id: wallet }", "{ id: wallet, assetScale: 6 }");
    let node = Daemon::with_peers(&["a"], &more);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/.well-known/pay");
    let address = StreamFrame::NewAddress { source: b"test.n.a" };
    let close = StreamFrame::ConnectionClose { code: CloseCode::NO_ERROR, message: b"" };
    let data = StreamFrame::StreamData { stream: StreamId(1), offset: 0, data: b"hello" };
    let ask = sender.request(1_999, 1, &[address, money(), data, close]);
    let (told, data) = asked(&mut peer, 1, &ask);
    assert_eq!(told, "Fulfill");
    let plaintext = sender.reply(&data);
    let reply = StreamPacket::parse(&plaintext).unwrap();
    assert_eq!(reply.amount, Amount(1), "in the receiver's units, rounded down");
    let told: Vec<String> = reply.frames.iter().map(|frame| format!("{frame:?}")).collect();
    assert_eq!(told.len(), 7, "{told:?}");
    assert_eq!(reply.frames.iter().next(), Some(NO_LIMIT_OF_STREAMS));
    // Bytes of streams are read by nobody, and the sender learns it.
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
    let node = Daemon::with_peers(&["a"], WALLET);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    // RFC 29: a client's streams are odd. Each is closed with the first packet of the next.
    let streams = (1..200).step_by(2);
    for (id, stream) in (1..).zip(streams.clone()) {
        let money = StreamFrame::StreamMoney { stream: StreamId(stream), shares: 1 };
        let before = StreamId(stream - 2 * u64::from(stream > 1));
        let close =
            StreamFrame::StreamClose { stream: before, code: CloseCode::NO_ERROR, message: b"" };
        let frames = [close, money];
        let ask = sender.request(100, 100, &frames[usize::from(stream == 1)..]);
        let (told, data) = asked(&mut peer, id, &ask);
        assert_eq!(told, "Fulfill");
        let plaintext = sender.reply(&data);
        let reply = StreamPacket::parse(&plaintext).unwrap();
        // JS senders keep the number that they heard last, so it may never become lower.
        let limits = reply.frames.iter().filter(|f| matches!(f, StreamFrame::MaxStreamId { .. }));
        assert_eq!(limits.collect::<Vec<_>>(), [NO_LIMIT_OF_STREAMS], "stream {stream}");
    }
    assert_eq!(
        node.balance("wallet"),
        [format!("-{}", 100 * streams.count()), "0".into(), "0".into()]
    );
}

#[test]
fn what_cannot_be_decrypted_is_f06_row_123() {
    let node = Daemon::with_peers(&["a"], WALLET);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    let good = sender.request(5, 5, &[]);
    let with = |change: &dyn Fn(&mut Ask)| {
        let mut ask = good.clone();
        change(&mut ask);
        ask
    };
    let elsewhere = Sender::of(&node, "/wallet").destination;
    let cases = [
        with(&|ask| ask.data.clear()),
        with(&|ask| ask.data = vec![0x5a; 200]),
        with(&|ask| ask.data = vec![0; 32_767]),
        with(&|ask| ask.data[30] ^= 1),
        with(&|ask| ask.data.truncate(28)),
        with(&|ask| ask.destination.push('x')),
        with(&|ask| ask.destination = elsewhere.clone()),
        with(&|ask| ask.destination = "test.n.wallet".to_owned()),
        with(&|ask| ask.destination = "test.n.wallet.no-token-of-ours".to_owned()),
        with(&|ask| ask.destination += ".below"),
    ];
    for (id, ask) in (1..).zip(&cases) {
        assert_eq!(asked(&mut peer, id, ask), ("Reject F06".to_owned(), Vec::new()), "{ask:?}");
    }
    assert_eq!(node.balance("a"), ["0", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["0", "0", "0"]);
    // An answer that somebody on the way sends back as a request: the sender made neither.
    let mut answer = Vec::new();
    let frames = Frames::NONE;
    let (packet_type, amount) = (PacketType::Fulfill, Amount(0));
    StreamPacket { packet_type, sequence: 1, amount, frames }.encode(&mut answer);
    let ask = sender.ask(5, &answer);
    assert_eq!(asked(&mut peer, 100, &ask), ("Reject F00".to_owned(), Vec::new()));
    assert_eq!(asked(&mut peer, 101, &good).0, "Fulfill");
}

#[test]
fn what_is_not_to_be_fulfilled_gets_a_secret_reply_row_124() {
    let node = Daemon::with_peers(&["a"], WALLET);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    let below = sender.request(100, 200, &[money()]);
    let random = sender.request(100, 0, &[money()]).condition(Condition([9; 32]));
    let most = sender.request(u64::MAX - 1, u64::MAX, &[]);
    let nothing = sender.request(0, 1, &[]);
    for (id, ask) in (1..).zip([&below, &random, &most, &nothing]) {
        let (told, data) = asked(&mut peer, id, ask);
        assert_eq!(told, "Reject F99");
        let plaintext = sender.reply(&data);
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.packet_type, reply.sequence), (PacketType::Reject, u64::from(id)));
        assert_eq!(reply.amount, Amount(ask.amount), "what arrived: the sender's rate");
    }
    assert_eq!(node.balance("a"), ["0", "0", "0"]);
    assert_eq!(node.balance("wallet"), ["0", "0", "0"]);
    // Nothing at all, but wanted: senders that close a stream wait for its Fulfill.
    let zero = sender.request(0, 0, &[]);
    assert_eq!(asked(&mut peer, 9, &zero).0, "Fulfill");
}

#[test]
fn what_is_unknown_in_a_request_is_ignored_row_125() {
    let node = Daemon::with_peers(&["a"], WALLET);
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    let packets = &vectors("stream-extra")["packets"];
    let mut seen = 0;
    for (id, entry) in (1..).zip(packets.as_array().unwrap()) {
        let plaintext = hex::decode(entry["hex"].as_str().unwrap()).unwrap();
        let ask = sender.ask(1000, &plaintext);
        let (told, _) = asked(&mut peer, id, &ask);
        let is_request = plaintext[1] == 12;
        let expected = match entry["expect"].as_str().unwrap() {
            "accept" if is_request => "Fulfill",
            _ => "Reject F00",
        };
        assert_eq!(told, expected, "{entry}");
        seen += usize::from(told == "Fulfill");
    }
    assert_eq!(seen, 3, "all-frame-types, unknown-frame, receive-max-over-u64");
    assert_eq!(node.balance("wallet"), ["-3000", "0", "0"]);
}

/// One request; status, headers in lower case, body.
fn http(port: u64, method: &str, path: &str) -> (u16, String, String) {
    let mut stream = tcp(port);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
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
fn spsp_answers_as_rfc_9_has_them_row_126() {
    let more = WALLET.replace("  - { id: wallet }", "  - { id: shop }\n  - { id: wallet }");
    let node = Daemon::with_peers(&["a"], &more);
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
        let (destination, SharedSecret(secret)) = connection(&body);
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
    // No secret of a connection is written down.
    let log = node.log();
    for secret in secrets {
        assert!(!log.contains(&STANDARD.encode(secret)) && !log.contains(&hex::encode(secret)));
    }
}

#[test]
fn who_has_no_address_yet_says_so() {
    // Nobody is there to give it one.
    let parent = "nodeId: n\npeers:\n  - { id: p, relation: parent, url: 'ws://127.0.0.1:1', authToken: t }\n";
    let node = Daemon::start(&format!("{parent}{WALLET}"));
    let (status, body) = get(http_port(&node), "GET /wallet");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("this node has no address of its own yet"), "{body}");
}

/// The file of a node whose receivers outlive it.
const LASTING: &str = "receiverSecret: 'a secret of more than thirty-two characters'\n";

#[test]
fn connections_outlive_a_restart_where_the_secret_does() {
    for (more, expected) in [(LASTING, "Fulfill"), ("", "Reject F06")] {
        let more = format!("{WALLET}{more}");
        let node = Daemon::with_peers(&["a"], &more);
        let mut sender = Sender::of(&node, "/wallet");
        let (_, log) = node.stop("TERM");
        assert!(!log.contains("thirty-two"), "{log}");
        let node = Daemon::with_peers(&["a"], &more);
        let ask = sender.request(5, 5, &[]);
        assert_eq!(asked(&mut node.peer("a"), 1, &ask).0, expected);
    }
}

#[test]
fn receivers_come_and_go_with_the_file() {
    let yaml = |more: &str| crate::peer::yaml_of(&["a"], &format!("{WALLET}{more}"));
    let node = Daemon::start(&yaml(LASTING));
    let mut peer = node.peer("a");
    let mut sender = Sender::of(&node, "/wallet");
    assert_eq!(asked(&mut peer, 1, &sender.request(7, 0, &[])).0, "Fulfill");
    // Another one, and a limit for the first.
    node.rewrite(&yaml(LASTING).replace(
        "{ id: wallet }",
        "{ id: wallet, minBalance: -10, maxPacketAmount: 8 }\n  - { id: shop }",
    ));
    let port = http_port(&node);
    eventually("a second receiver", PATIENCE, || match try_get(port, "GET /shop")? {
        (200, _) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(asked(&mut peer, 2, &sender.request(9, 0, &[])).0, "Reject F08");
    assert_eq!(asked(&mut peer, 3, &sender.request(4, 0, &[])).0, "Reject T04");
    assert_eq!(asked(&mut peer, 4, &sender.request(3, 0, &[])).0, "Fulfill");
    assert_eq!(node.balance("wallet"), ["-10", "0", "0"]);
    // Gone: its balance stays.
    node.rewrite(&yaml(LASTING).replace("{ id: wallet }", "{ id: shop }"));
    node.until("removed", "wallet", |wallet| wallet["state"] == "removed");
    assert_eq!(asked(&mut peer, 5, &sender.request(1, 0, &[])).0, "Reject F02");
    assert_eq!(get(port, "GET /wallet").0, 404);
    assert_eq!(node.balance("wallet"), ["-10", "0", "0"]);
    assert_eq!(node.balance("a"), ["10", "0", "0"]);
    // A receiver cannot become a peer while its balance is known.
    node.rewrite(&crate::peer::yaml_of(&["a", "wallet"], ""));
    eventually("the refusal", PATIENCE, || {
        let log = node.log();
        if log.contains("wallet cannot become a peer") { Ok(()) } else { Err(log) }
    });
    assert_eq!(asked(&mut peer, 6, &sender.request(1, 0, &[])).0, "Reject F02");
}

#[test]
fn balances_add_up_at_every_node_of_the_way() {
    let far = Daemon::start(&format!(
        "nodeId: far\nilpAddress: test.far\npeers:\n  - {{ id: n, authToken: s, assetScale: 6 }}\n{WALLET}"
    ));
    let near = Daemon::start(&format!(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - {{ id: a, authToken: a-token }}\n  \
           - {{ id: far, url: 'ws://127.0.0.1:{}', authToken: s, assetScale: 6 }}\n\
         routes:\n  - {{ prefix: test.far, nextHop: far }}\n",
        far.port
    ));
    near.until_connected("far");
    let mut peer = near.peer("a");
    let mut sender = Sender::of(&far, "/wallet");
    let mut sent = 0;
    for (id, amount) in (1..).zip([1_000, 1_999, 2_000, 123_456_789]) {
        let (told, data) = {
            let ask = sender.request(amount, 0, &[money()]);
            peer.ask(id, &ask);
            let got = peer.frame();
            let Packet::Fulfill(fulfill) = Packet::parse(got.ilp.as_ref().unwrap()).unwrap() else {
                panic!("{}", describe(&got))
            };
            (describe(&got), fulfill.data.to_vec())
        };
        assert_eq!(told, format!("RESPONSE {id} Fulfill"));
        let plaintext = sender.reply(&data);
        // To scale 6 on the way, and back to 9 at the receiver.
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
