//! A peer that behaves like interledger-rs (`lenientBtpTypes`): it logs in with a token only, on a path that names it,
//! sends before its login is answered, puts Prepares into RESPONSE frames and answers into MESSAGE frames, and ignores
//! all of a frame but its ILP packet.

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::{PacketType, packet_type};

use crate::peer::{
    PREIMAGE, Peer, TestNode, TestPrepare, bind_listener, describe_frame, describe_packet, fulfill,
    message, prepare_to, reject, response,
};

/// A session of such a peer.
struct LenientPeer(Peer);

impl LenientPeer {
    /// Dials the node, and does not wait for the answer to the login.
    fn dial(port: u64, user: &str) -> Self {
        let mut peer = Peer::connect_at(port, &format!("/accounts/{user}/ilp/btp"));
        peer.send(&login(7, &format!("{user}-token")));
        Self(peer)
    }

    fn send_prepare(&mut self, id: u32, prepare: &TestPrepare) {
        self.0.send(&response(id, Some(&prepare.encode())));
    }

    fn answer(&mut self, id: u32, packet: &[u8]) {
        self.0.send(&message(id, &[ProtocolEntry::octets(ILP, packet)]));
    }

    /// The next packet: a request or an answer by the packet's type, whatever the frame's type.
    fn receive_packet(&mut self) -> (u32, PacketType, String) {
        loop {
            let got = self.0.receive();
            // interledger-rs cannot read an ERROR, and would wait in vain if it got one instead of a Reject.
            assert_ne!(got.kind, FrameKind::Error, "{}", describe_frame(&got));
            let Some(packet) = got.ilp else { continue };
            let kind = packet_type(&packet).unwrap_or_else(|| panic!("{packet:x?}"));
            let expected =
                if kind == PacketType::Prepare { FrameKind::Message } else { FrameKind::Response };
            assert_eq!(got.kind, expected, "the node sends every peer the frame types of RFC 23");
            return (got.id, kind, describe_packet(&packet));
        }
    }

    fn receive_described(&mut self) -> String {
        let (id, _, packet) = self.receive_packet();
        format!("{id} {packet}")
    }
}

/// The first frame of interledger-rs.
fn login(id: u32, token: &str) -> Vec<u8> {
    message(id, &[ProtocolEntry::octets("auth", b""), ProtocolEntry::text("auth_token", token)])
}

const FILE: &str = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: alice, authToken: alice-token }\n  \
      - { id: rusty, authToken: rusty-token, lenientBtpTypes: true }\n\
    routes: [{ prefix: test.alice, nextHop: alice }, { prefix: test.rusty, nextHop: rusty }]\n";

/// Payments in both directions while the request ids of the two sides collide.
fn check_both_directions(node: &TestNode, rusty: &mut LenientPeer) {
    let mut alice = node.connect_peer("alice");
    rusty.send_prepare(1, &prepare_to("test.alice"));
    let (id, _) = alice.receive_prepare();
    alice.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(rusty.receive_described(), "1 Fulfill");
    alice.send_prepare(2, &prepare_to("test.rusty"));
    let (ours, _, packet) = rusty.receive_packet();
    assert_eq!(packet, "Prepare");
    // A Prepare with the id of the node's pending Prepare. As a RESPONSE, it could be mistaken for the answer.
    rusty.send_prepare(ours, &prepare_to("test.alice").amount(5));
    let (id, _) = alice.receive_prepare();
    assert_eq!(
        node.account("rusty")["packetsInFlight"]["sent"],
        1,
        "the node's Prepare is still pending"
    );
    // The answer has the id of the peer's pending Prepare. As a MESSAGE, it could be mistaken for a request.
    rusty.answer(ours, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
    assert_eq!(
        node.account("rusty")["packetsInFlight"]["received"],
        1,
        "the peer's Prepare is still pending"
    );
    alice.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(rusty.receive_described(), format!("{ours} Fulfill"));
    alice.send_prepare(3, &prepare_to("test.rusty"));
    let (id, ..) = rusty.receive_packet();
    rusty.answer(id, &reject(b"F99"));
    assert_eq!(alice.receive_described(), "RESPONSE 3 Reject F99");
    rusty.send_prepare(4, &prepare_to("test.nobody"));
    assert_eq!(rusty.receive_described(), "4 Reject F02");
    // A second answer and an answer without a request are ignored and not answered.
    rusty.answer(id, &fulfill(&PREIMAGE));
    rusty.answer(0x7777, &reject(b"F99"));
    // The first byte decides about an unreadable packet: a request gets a Reject, an answer is ignored.
    rusty.0.send(&response(5, Some(&[12, 1, 0])));
    assert_eq!(rusty.receive_described(), "5 Reject F01");
    rusty.0.send(&message(6, &[ProtocolEntry::octets(ILP, &[13, 1, 0])]));
    assert_eq!(rusty.0.drain_frames(), [""; 0]);
    // The frame types of RFC 23 are still understood.
    rusty.0.send_prepare(8, &prepare_to("test.nobody"));
    assert_eq!(rusty.receive_described(), "8 Reject F02");
    alice.send_prepare(9, &prepare_to("test.rusty"));
    let (id, ..) = rusty.receive_packet();
    rusty.0.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 9 Fulfill");
    assert_eq!(alice.drain_frames(), [""; 0]);
    assert_eq!(node.counter("rusty", "refusedFrames"), 0);
    assert_eq!(node.balance("alice"), ["95", "0", "0"]);
    assert_eq!(node.balance("rusty"), ["-95", "0", "0"]);
}

#[test]
fn a_lenient_peer_that_dials_pays_and_is_paid() {
    let node = TestNode::start(FILE);
    let mut rusty = LenientPeer::dial(node.port, "rusty");
    // Sent before the answer to the login.
    rusty.send_prepare(9, &prepare_to("test.nobody"));
    let answer = rusty.0.receive();
    assert_eq!(describe_frame(&answer), "RESPONSE 7", "the login");
    assert_eq!(rusty.receive_described(), "9 Reject F02");
    check_both_directions(&node, &mut rusty);
}

#[test]
fn a_lenient_peer_that_is_dialled_pays_and_is_paid() {
    let (listener, port) = bind_listener();
    let url = format!("btp+ws://:rusty-token@127.0.0.1:{port}/accounts/n/ilp/btp");
    let node =
        TestNode::start(&FILE.replace("{ id: rusty,", &format!("{{ id: rusty, url: '{url}',")));
    // interledger-rs closes a refused login without an answer; the node dials again.
    let mut first = Peer::accept(&listener);
    assert_eq!(first.request_line, "GET /accounts/n/ilp/btp HTTP/1.1");
    first.receive();
    first.disconnect();
    let mut rusty = LenientPeer(Peer::accept(&listener));
    let login = rusty.0.receive();
    let frame = BtpFrame::parse(&login.raw).unwrap();
    assert_eq!(frame.protocol_data.get("auth_token").unwrap().data, b"rusty-token");
    rusty.0.send(&response(login.id, None));
    node.wait_connected("rusty");
    check_both_directions(&node, &mut rusty);
}

#[test]
fn without_the_key_frame_types_matter_and_a_reload_changes_that_in_an_open_session() {
    let strict = FILE.replace(", lenientBtpTypes: true", "");
    let node = TestNode::start(&strict);
    let mut rusty = LenientPeer::dial(node.port, "rusty");
    assert_eq!(rusty.0.receive_described(), "RESPONSE 7");
    let mut alice = node.connect_peer("alice");
    let refused = |alice: &mut Peer, rusty: &mut LenientPeer| {
        // A Prepare in a RESPONSE is an answer without a request; an answer in a MESSAGE is a request that gets an
        // ERROR.
        rusty.send_prepare(1, &prepare_to("test.alice"));
        alice.send_prepare(2, &prepare_to("test.rusty").expires_in_ms(60_000));
        let (id, ..) = rusty.receive_packet();
        rusty.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(rusty.0.receive_described(), format!("ERROR {id} F00"));
        assert_eq!(alice.drain_frames(), [""; 0], "neither was accepted");
        id
    };
    let waiting = refused(&mut alice, &mut rusty);
    node.rewrite_config(FILE);
    node.wait_reloads(1);
    rusty.send_prepare(3, &prepare_to("test.nobody"));
    assert_eq!(rusty.0.receive_described(), "RESPONSE 3 Reject F02");
    // On the same session, the peer can now answer the earlier Prepare.
    rusty.answer(waiting, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
    node.rewrite_config(&strict);
    node.wait_reloads(2);
    refused(&mut alice, &mut rusty);
    assert_eq!(node.counter("rusty", "sessions"), 1);
}
