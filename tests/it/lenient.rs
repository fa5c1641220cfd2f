//! A peer that behaves like interledger-rs (`lenientBtpTypes`): it logs in with a token only, on a path that names it,
//! talks before its login is answered, sends Prepares in RESPONSE frames and answers in MESSAGE frames, and looks at
//! nothing but the ILP packet of what it receives.

use std::time::Duration;

use ilp_connector::wire::btp::{BtpFrame, FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::{PacketType, packet_type};

use crate::peer::{
    Ask, Daemon, PATIENCE, PREIMAGE, Peer, ask, body_of, describe, fulfill, listener, message,
    reject, respond,
};
use crate::support::eventually;

/// A session of a peer with its habits.
struct Swapped(Peer);

impl Swapped {
    /// Dials the node as it does, and does not wait for the answer to its login.
    fn dial(port: u64, user: &str) -> Self {
        let mut peer = Peer::open_at(port, &format!("/accounts/{user}/ilp/btp"));
        peer.send(&login(7, &format!("{user}-token")));
        Swapped(peer)
    }

    fn ask(&mut self, id: u32, ask: &Ask) {
        self.0.send(&respond(id, Some(&ask.packet())));
    }

    fn answer(&mut self, id: u32, packet: &[u8]) {
        self.0.send(&message(id, &[ProtocolEntry::octets(ILP, packet)]));
    }

    /// The next packet as it understands it: request or answer by the packet's type, whatever the frame's.
    fn packet(&mut self) -> (u32, PacketType, String) {
        loop {
            let got = self.0.frame();
            // It cannot read an ERROR, and waits in vain where one is sent instead of a Reject.
            assert_ne!(got.kind, FrameKind::Error, "{}", describe(&got));
            let Some(packet) = got.ilp else { continue };
            let kind = packet_type(&packet).unwrap_or_else(|| panic!("{packet:x?}"));
            let expected =
                if kind == PacketType::Prepare { FrameKind::Message } else { FrameKind::Response };
            assert_eq!(got.kind, expected, "what we send is RFC 23 to everybody");
            return (got.id, kind, body_of(&packet));
        }
    }

    fn next(&mut self) -> String {
        let (id, _, packet) = self.packet();
        format!("{id} {packet}")
    }
}

/// Its first frame.
fn login(id: u32, token: &str) -> Vec<u8> {
    message(id, &[ProtocolEntry::octets("auth", b""), ProtocolEntry::text("auth_token", token)])
}

const FILE: &str = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: alice, authToken: alice-token }\n  \
      - { id: rusty, authToken: rusty-token, lenientBtpTypes: true }\n\
    routes: [{ prefix: test.alice, nextHop: alice }, { prefix: test.rusty, nextHop: rusty }]\n";

/// Payments both ways while each side's ids collide with the other's.
fn both_ways(node: &Daemon, rusty: &mut Swapped) {
    let mut alice = node.peer("alice");
    // Theirs.
    rusty.ask(1, &ask("test.alice"));
    let (id, _) = alice.prepare();
    alice.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(rusty.next(), "1 Fulfill");
    // Ours.
    alice.ask(2, &ask("test.rusty"));
    let (ours, _, packet) = rusty.packet();
    assert_eq!(packet, "Prepare");
    // While ours waits under an id, theirs comes under the same one. In a RESPONSE, it could be taken for the answer.
    rusty.ask(ours, &ask("test.alice").amount(5));
    let (id, _) = alice.prepare();
    assert_eq!(node.account("rusty")["packetsInFlight"]["sent"], 1, "ours still waits");
    // And ours is answered under the id that theirs waits under. In a MESSAGE, it could be taken for a request.
    rusty.answer(ours, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
    assert_eq!(node.account("rusty")["packetsInFlight"]["received"], 1, "theirs still waits");
    alice.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(rusty.next(), format!("{ours} Fulfill"));
    // Rejects.
    alice.ask(3, &ask("test.rusty"));
    let (id, ..) = rusty.packet();
    rusty.answer(id, &reject(b"F99"));
    assert_eq!(alice.next(), "RESPONSE 3 Reject F99");
    rusty.ask(4, &ask("test.nobody"));
    assert_eq!(rusty.next(), "4 Reject F02");
    // A second answer is none, and gets none; neither does an answer to nothing.
    rusty.answer(id, &fulfill(&PREIMAGE));
    rusty.answer(0x7777, &reject(b"F99"));
    // What cannot be read is what its first byte says: a request gets a Reject, an answer nothing.
    rusty.0.send(&respond(5, Some(&[12, 1, 0])));
    assert_eq!(rusty.next(), "5 Reject F01");
    rusty.0.send(&message(6, &[ProtocolEntry::octets(ILP, &[13, 1, 0])]));
    assert_eq!(rusty.0.fence(), [""; 0]);
    // The types that RFC 23 has are still understood.
    rusty.0.ask(8, &ask("test.nobody"));
    assert_eq!(rusty.next(), "8 Reject F02");
    alice.ask(9, &ask("test.rusty"));
    let (id, ..) = rusty.packet();
    rusty.0.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 9 Fulfill");
    assert_eq!(alice.fence(), [""; 0]);
    assert_eq!(node.counter("rusty", "refusedFrames"), 0);
    assert_eq!(node.balance("alice"), ["95", "0", "0"]);
    assert_eq!(node.balance("rusty"), ["-95", "0", "0"]);
}

#[test]
fn it_dials_us() {
    let node = Daemon::start(FILE);
    let mut rusty = Swapped::dial(node.port, "rusty");
    // Before the answer to the login, which it does not look at.
    rusty.ask(9, &ask("test.nobody"));
    let answer = rusty.0.frame();
    assert_eq!(describe(&answer), "RESPONSE 7", "the login");
    assert_eq!(rusty.next(), "9 Reject F02");
    both_ways(&node, &mut rusty);
}

#[test]
fn we_dial_it() {
    let (listener, port) = listener();
    let url = format!("btp+ws://:rusty-token@127.0.0.1:{port}/accounts/n/ilp/btp");
    let node =
        Daemon::start(&FILE.replace("{ id: rusty,", &format!("{{ id: rusty, url: '{url}',")));
    // A login that it does not like, it closes without a word; we come back.
    let mut first = Peer::accept_silently(&listener);
    assert_eq!(first.request_line, "GET /accounts/n/ilp/btp HTTP/1.1");
    first.frame();
    first.cut();
    let mut rusty = Swapped(Peer::accept_silently(&listener));
    let login = rusty.0.frame();
    let frame = BtpFrame::parse(&login.raw).unwrap();
    assert_eq!(frame.protocol_data.get("auth_token").unwrap().data, b"rusty-token");
    rusty.0.send(&respond(login.id, None));
    node.until_connected("rusty");
    both_ways(&node, &mut rusty);
}

#[test]
fn without_the_key_types_count_and_a_reload_changes_it_while_the_session_is_up() {
    let strict = FILE.replace(", lenientBtpTypes: true", "");
    let node = Daemon::start(&strict);
    let mut rusty = Swapped::dial(node.port, "rusty");
    assert_eq!(rusty.0.next(), "RESPONSE 7");
    let mut alice = node.peer("alice");
    let refused = |alice: &mut Peer, rusty: &mut Swapped| {
        // A Prepare in a RESPONSE is an answer to nothing; an answer in a MESSAGE is a request that nobody can serve.
        rusty.ask(1, &ask("test.alice"));
        alice.ask(2, &ask("test.rusty").within(60_000));
        let (id, ..) = rusty.packet();
        rusty.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(rusty.0.next(), format!("ERROR {id} F00"));
        assert_eq!(alice.fence(), [""; 0], "nothing came, and the answer did not count");
        id
    };
    let waiting = refused(&mut alice, &mut rusty);
    node.rewrite(FILE);
    eventually("the reload is in force", PATIENCE, || {
        rusty.ask(3, &ask("test.nobody"));
        let got = rusty.0.frame_within(Duration::from_millis(200));
        got.map_or(Err("no answer".to_owned()), |got| {
            assert_eq!(describe(&got), "RESPONSE 3 Reject F02");
            Ok(())
        })
    });
    // The same session, and the Prepare that it could not answer before.
    rusty.answer(waiting, &fulfill(&PREIMAGE));
    assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
    node.rewrite(&strict);
    eventually("the old file is in force", PATIENCE, || {
        rusty.ask(3, &ask("test.nobody"));
        let got = rusty.0.frame_within(Duration::from_millis(500));
        got.map_or(Ok(()), |got| Err(describe(&got)))
    });
    refused(&mut alice, &mut rusty);
    assert_eq!(node.counter("rusty", "sessions"), 1);
}
