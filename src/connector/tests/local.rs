//! Packets that the node itself answers.

use super::*;
use crate::wire::ccp;

fn with_child() -> TestNode {
    let mut kid = with_asset(peer("kid"), "EUR", 4);
    kid.relation = Relation::Child;
    node(settings(vec![peer("alice"), kid], &[("test.alice", "alice")]))
}

#[test]
fn a_ping_with_the_known_condition_is_fulfilled_and_paid() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    node.send(&alice, 5, &payment_with("test.node", 3, 10_000, b"hello", Condition::PING));
    assert_eq!(
        node.read_one(&alice),
        Received::Fulfill {
            id: RequestId(5),
            fulfillment: Fulfillment::PING,
            data: b"hello".to_vec()
        }
    );
    assert_eq!((node.balance("alice"), node.account("alice").held_in), (3, 0));
    assert_eq!(
        node.send_rejected(&alice, &payment_with("test.node.x", 3, 10_000, b"", Condition::PING)),
        "F02"
    );
}

#[test]
fn an_echo_comes_back_as_a_pong() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    node.send(&alice, 5, &echo("test.alice.ping1", 3, 10_000));
    let Received::Prepare { id, amount, expires_in_ms, destination, data, condition } =
        node.read_one(&alice)
    else {
        panic!("no pong")
    };
    assert_eq!((amount, expires_in_ms, destination.as_str()), (3, 9_000, "test.alice.ping1"));
    assert_eq!((data.as_slice(), condition), (&ECHO_RESPONSE[..], PREIMAGE.condition()));
    assert_eq!(node.account("alice").in_flight_from, 2, "an echo counts twice");
    node.answer(&alice, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(node.read_one(&alice), Received::Fulfill { id: RequestId(5), .. }));
    assert_eq!(node.balance("alice"), 0, "the pong paid the same amount back");
    assert_eq!(node.account("alice").in_flight_from, 0);
}

#[test]
fn an_echo_counts_twice_in_the_rate_and_passes_even_the_lowest() {
    let check = |per_second, answers: &[&str]| {
        let rate = std::num::NonZeroU32::new(per_second);
        let node = alice_and_bob_with(|alice| alice.limits.packets_per_second = rate);
        let alice = node.connect("alice");
        for (id, expected) in (0..).zip(answers) {
            node.send(&alice, id, &echo("test.alice.p", 0, 10_000));
            let seen = match node.read_one(&alice) {
                Received::Prepare { .. } => "pong".to_owned(),
                Received::Reject { code, .. } => code,
                other => panic!("{other:?}"),
            };
            assert_eq!(seen, *expected, "echo {id} at {per_second} a second");
        }
    };
    check(1, &["pong", "T05"]);
    check(2, &["pong", "T05"]);
    check(3, &["pong", "T05"]);
    check(4, &["pong", "pong", "T05"]);
}

/// No next hop needs time, so a millisecond until the expiry is enough.
#[test]
fn expired_packets_to_the_node_itself_are_rejected() {
    let mut kid = peer("kid");
    kid.relation = Relation::Child;
    kid.routes = crate::account::RoutePolicy { send: true, receive: true, ..Default::default() };
    let node = node(settings(vec![kid], &[("test.node.kid", "kid")]));
    let kid = node.connect("kid");
    let mut control = Vec::new();
    ccp::RouteControl::new(ccp::RouteControlMode::Sync, ccp::TableId::NONE, 0).encode(&mut control);
    for (destination, amount, data, condition) in [
        ("test.node", 5, &b""[..], Condition::PING),
        ("peer.config", 0, b"", Condition::PEER_PROTOCOL),
        ("peer.route.control", 0, &control, Condition::PEER_PROTOCOL),
    ] {
        let send = |id, expires_in_ms| {
            let packet = payment_with(destination, amount, expires_in_ms, data, condition);
            node.send(&kid, id, &packet);
        };
        for late in [0, -1, -60_000] {
            send(1, late);
            assert_eq!(node.reject_code(&kid), "R02", "{destination} {late}");
        }
        assert_eq!(node.account("kid").in_flight_from, 0, "{destination}");
        send(2, 1);
        assert!(matches!(node.read_one(&kid), Received::Fulfill { .. }), "{destination}");
    }
    assert_eq!(node.balance("kid"), 5);
    // A pong needs time like any forwarded packet.
    for late in [-1, 0, 1_999] {
        let echo = echo("test.node.kid.x", 5, late);
        assert_eq!(node.send_rejected(&kid, &echo), "R02", "an echo with {late} ms");
    }
    // An expected pong that arrives too late.
    assert!(node.connector.expect_pong(PREIMAGE));
    assert_eq!(node.send_rejected(&kid, &pong(PREIMAGE, 5, 0)), "R02");
    node.send(&kid, 5, &pong(PREIMAGE, 5, 1));
    assert!(matches!(node.read_one(&kid), Received::Fulfill { .. }), "it is still expected");
}

#[test]
fn packets_that_are_neither_echo_nor_ping_are_rejected() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let echo = |rest: &[u8]| [&b"ECHOECHOECHOECHO"[..], rest].concat();
    let check = |data: &[u8], code: &str| {
        let packet = payment_with("test.node", 3, 10_000, data, PREIMAGE.condition());
        assert_eq!(node.send_rejected(&alice, &packet), code, "{data:?}");
    };
    check(b"", "F06");
    check(b"hello", "F06");
    check(&echo(b""), "F01");
    check(&echo(&[1]), "F01");
    check(&echo(&[2]), "F01");
    check(&echo(b"\x00\x09not valid"), "F01");
    check(&echo(b"\x00\x20abc"), "F01");
    check(&echo(b"\x00\x0bpeer.config"), "F01");
    check(&echo(b"\x00\x09test.node"), "F01");
    check(&echo(b"\x00\x0ctest.unknown"), "F02");
    let report = node.account("alice");
    assert_eq!((report.in_flight_from, report.held_in, report.balance), (0, 0, 0));
}

#[test]
fn a_child_learns_its_address_and_others_do_not() {
    let node = with_child();
    let (alice, kid) = (node.connect("alice"), node.connect("kid"));
    let request = |amount, condition| payment_with("peer.config", amount, 10_000, &[], condition);
    node.send(&kid, 1, &request(0, Condition::PEER_PROTOCOL));
    let Received::Fulfill { fulfillment, data, .. } = node.read_one(&kid) else { panic!() };
    assert_eq!(fulfillment, Fulfillment::ZERO);
    let mut expected = vec![13];
    expected.extend_from_slice(b"test.node.kid\x04\x03EUR");
    assert_eq!(data, expected);
    assert_eq!(node.send_rejected(&kid, &request(0, PREIMAGE.condition())), "F01");
    assert_eq!(node.send_rejected(&kid, &request(1, Condition::PEER_PROTOCOL)), "F01");
    assert_eq!(node.send_rejected(&alice, &request(0, Condition::PEER_PROTOCOL)), "F00");
}

#[test]
fn a_node_without_an_address_rejects_with_t00() {
    let mut kid = peer("kid");
    kid.relation = Relation::Child;
    let mut nameless = settings(vec![kid], &[]);
    nameless.address = None;
    let node = node(nameless);
    let kid = node.connect("kid");
    let request = payment_with("peer.config", 0, 10_000, &[], Condition::PEER_PROTOCOL);
    assert_eq!(node.send_rejected(&kid, &request), "T00");
    assert_eq!(node.send_rejected(&kid, &payment("test.anywhere", 1)), "T00");
    assert_eq!(node.connector.address(), None);
    let address: Address = "test.parent.node".parse().unwrap();
    node.connector.set_address(address.clone()).unwrap();
    assert_eq!(node.connector.address(), Some(address));
    node.send(&kid, 2, &request);
    assert!(matches!(node.read_one(&kid), Received::Fulfill { .. }));
    assert_eq!(node.next_hop("test.parent.node.kid.x"), Ok("kid".to_owned()));
}

#[test]
fn an_expected_pong_is_fulfilled_once() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    let pong = pong(PREIMAGE, 0, 10_000);
    assert_eq!(node.send_rejected(&alice, &pong), "F01");
    assert!(node.connector.expect_pong(PREIMAGE));
    node.send(&alice, 2, &pong);
    assert!(matches!(node.read_one(&alice), Received::Fulfill { fulfillment: PREIMAGE, .. }));
    assert_eq!(node.send_rejected(&alice, &pong), "F01");
}

#[test]
fn a_pong_that_no_tool_waits_for_any_more_is_rejected() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    assert!(node.connector.expect_pong(PREIMAGE));
    node.connector.forget_pong(&PREIMAGE.condition());
    assert_eq!(node.send_rejected(&alice, &pong(PREIMAGE, 0, 10_000)), "F01");
}

#[test]
fn the_pongs_that_are_expected_at_once_are_bounded() {
    let connector = alice_and_bob().connector;
    let preimage = |number: u32| {
        let mut preimage = [7; 32];
        preimage[..4].copy_from_slice(&number.to_be_bytes());
        Fulfillment(preimage)
    };
    let expected = (0..).take_while(|number| connector.expect_pong(preimage(*number))).count();
    assert_eq!(expected, 65_536);
    connector.forget_pong(&preimage(0).condition());
    assert!(connector.expect_pong(PREIMAGE));
}
