//! What the node answers itself.

use super::*;
use crate::wire::{ccp, ping};

fn with_child() -> Net {
    let mut kid = with_asset(peer("kid"), "EUR", 4);
    kid.relation = Relation::Child;
    net(settings(vec![peer("alice"), kid], &[("test.alice", "alice")]))
}

#[test]
fn a_ping_with_the_known_condition_is_fulfilled_and_paid() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    net.ask(&alice, 5, &payment_with("test.node", 3, 10_000, b"hello", Condition::PING));
    assert_eq!(
        net.read_one(&alice),
        Seen::Fulfill { id: RequestId(5), fulfillment: Fulfillment::PING, data: b"hello".to_vec() }
    );
    assert_eq!((net.balance("alice"), net.account("alice").held_in), (3, 0));
    net.ask(&alice, 6, &payment_with("test.node.x", 3, 10_000, b"", Condition::PING));
    assert_eq!(net.code(&alice), "F02");
}

#[test]
fn an_echo_comes_back_as_a_pong() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let mut data = b"ECHOECHOECHOECHO\x00".to_vec();
    data.push(16);
    data.extend_from_slice(b"test.alice.ping1");
    net.ask(&alice, 5, &payment_with("test.node", 3, 10_000, &data, PREIMAGE.condition()));
    let Seen::Prepare { id, amount, expires_in_ms, destination, data, condition } =
        net.read_one(&alice)
    else {
        panic!("no pong")
    };
    assert_eq!((amount, expires_in_ms, destination.as_str()), (3, 9_000, "test.alice.ping1"));
    assert_eq!((data.as_slice(), condition), (&ping::ECHO_RESPONSE[..], PREIMAGE.condition()));
    assert_eq!(net.account("alice").in_flight_from, 2, "an echo counts twice");
    net.answer(&alice, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(net.read_one(&alice), Seen::Fulfill { id: RequestId(5), .. }));
    assert_eq!(net.balance("alice"), 0, "what came in went out again");
    assert_eq!(net.account("alice").in_flight_from, 0);
}

#[test]
fn an_echo_counts_twice_in_the_rate_and_passes_even_the_lowest() {
    let check = |per_second, answers: &[&str]| {
        let mut alice = peer("alice");
        alice.limits.packets_per_second = std::num::NonZeroU32::new(per_second);
        let net = net(settings(vec![alice], &[("test.alice", "alice")]));
        let alice = net.connect("alice");
        let data = [&b"ECHOECHOECHOECHO\x00\x0c"[..], b"test.alice.p"].concat();
        for (id, expected) in (0..).zip(answers) {
            let echo = payment_with("test.node", 0, 10_000, &data, PREIMAGE.condition());
            net.ask(&alice, id, &echo);
            let seen = match net.read_one(&alice) {
                Seen::Prepare { .. } => "pong".to_owned(),
                Seen::Reject { code, .. } => code,
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

/// The expiry counts alike for all that the node answers itself. Nobody further on needs time: a millisecond is enough.
#[test]
fn what_has_expired_is_refused_by_the_node_itself_too() {
    let mut kid = peer("kid");
    kid.relation = Relation::Child;
    kid.routes = crate::account::RoutePolicy { send: true, receive: true, ..Default::default() };
    let net = net(settings(vec![kid], &[("test.node.kid", "kid")]));
    let kid = net.connect("kid");
    let mut control = Vec::new();
    ccp::RouteControl::new(ccp::RouteControlMode::Sync, ccp::TableId::NONE, 0).encode(&mut control);
    for (destination, amount, data, condition) in [
        ("test.node", 5, &b""[..], Condition::PING),
        ("peer.config", 0, b"", Condition::PEER_PROTOCOL),
        ("peer.route.control", 0, &control, Condition::PEER_PROTOCOL),
    ] {
        let asked = |id, expires_in_ms| {
            let packet = payment_with(destination, amount, expires_in_ms, data, condition);
            net.ask(&kid, id, &packet);
        };
        for late in [0, -1, -60_000] {
            asked(1, late);
            assert_eq!(net.code(&kid), "R02", "{destination} {late}");
        }
        assert_eq!(net.account("kid").in_flight_from, 0, "{destination}");
        asked(2, 1);
        assert!(matches!(net.read_one(&kid), Seen::Fulfill { .. }), "{destination}");
    }
    assert_eq!(net.balance("kid"), 5);
    // A pong takes its time like any packet that is sent on.
    let echo = [&b"ECHOECHOECHOECHO\x00\x0f"[..], b"test.node.kid.x"].concat();
    let echo = |ms| payment_with("test.node", 5, ms, &echo, PREIMAGE.condition());
    for late in [-1, 0, 1_999] {
        net.ask(&kid, 3, &echo(late));
        assert_eq!(net.code(&kid), "R02", "an echo with {late} ms");
    }
    // A pong that was asked for, and comes too late.
    assert!(net.connector.expect_pong(PREIMAGE));
    let pong = |ms| payment_with("test.node", 5, ms, ping::ECHO_RESPONSE, PREIMAGE.condition());
    net.ask(&kid, 4, &pong(0));
    assert_eq!(net.code(&kid), "R02");
    net.ask(&kid, 5, &pong(1));
    assert!(matches!(net.read_one(&kid), Seen::Fulfill { .. }), "it may come once more");
}

#[test]
fn what_is_no_echo_and_no_ping_is_refused() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let echo = |rest: &[u8]| [&b"ECHOECHOECHOECHO"[..], rest].concat();
    let check = |data: &[u8], code: &str| {
        net.ask(&alice, 5, &payment_with("test.node", 3, 10_000, data, PREIMAGE.condition()));
        assert_eq!(net.code(&alice), code, "{data:?}");
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
    let report = net.account("alice");
    assert_eq!((report.in_flight_from, report.held_in, report.balance), (0, 0, 0));
}

#[test]
fn a_child_learns_its_address_and_others_do_not() {
    let net = with_child();
    let (alice, kid) = (net.connect("alice"), net.connect("kid"));
    let request = |amount, condition| payment_with("peer.config", amount, 10_000, &[], condition);
    net.ask(&kid, 1, &request(0, Condition::PEER_PROTOCOL));
    let Seen::Fulfill { fulfillment, data, .. } = net.read_one(&kid) else { panic!() };
    assert_eq!(fulfillment, Fulfillment::ZERO);
    let mut expected = vec![13];
    expected.extend_from_slice(b"test.node.kid\x04\x03EUR");
    assert_eq!(data, expected);
    net.ask(&kid, 2, &request(0, PREIMAGE.condition()));
    assert_eq!(net.code(&kid), "F01");
    net.ask(&kid, 3, &request(1, Condition::PEER_PROTOCOL));
    assert_eq!(net.code(&kid), "F01");
    net.ask(&alice, 4, &request(0, Condition::PEER_PROTOCOL));
    assert_eq!(net.code(&alice), "F00");
}

#[test]
fn without_an_address_children_wait_and_rejects_are_signed_all_the_same() {
    let mut kid = peer("kid");
    kid.relation = Relation::Child;
    let mut nameless = settings(vec![kid], &[]);
    nameless.address = None;
    let net = net(nameless);
    let kid = net.connect("kid");
    net.ask(&kid, 1, &payment_with("peer.config", 0, 10_000, &[], Condition::PEER_PROTOCOL));
    assert_eq!(net.code(&kid), "T00");
    net.ask(&kid, 9, &payment("test.anywhere", 1));
    assert_eq!(net.code(&kid), "T00");
    net.connector.set_address("test.parent.node".parse().unwrap()).unwrap();
    net.ask(&kid, 2, &payment_with("peer.config", 0, 10_000, &[], Condition::PEER_PROTOCOL));
    assert!(matches!(net.read_one(&kid), Seen::Fulfill { .. }));
    assert!(matches!(
        net.connector.explain("test.parent.node.kid.x".parse::<Address>().unwrap().view(), net.now),
        Explanation::Forward { .. }
    ));
}

#[test]
fn a_pong_that_was_asked_for_is_fulfilled_once() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    let pong = payment_with("test.node", 0, 10_000, ping::ECHO_RESPONSE, PREIMAGE.condition());
    net.ask(&alice, 1, &pong);
    assert_eq!(net.code(&alice), "F01");
    assert!(net.connector.expect_pong(PREIMAGE));
    net.ask(&alice, 2, &pong);
    assert!(matches!(net.read_one(&alice), Seen::Fulfill { fulfillment: PREIMAGE, .. }));
    net.ask(&alice, 3, &pong);
    assert_eq!(net.code(&alice), "F01");
}
