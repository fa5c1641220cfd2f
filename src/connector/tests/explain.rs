//! An explanation says what then happens to the packet.

use super::*;
use crate::account::{AccountId, Limits, Relation, SettlementMode};
use crate::wire::Scheme;
use crate::wire::ccp::{RouteControl, RouteControlMode, TableId};

/// Explains a packet of alice, sends it, and compares.
fn check(node: &TestNode, alice: &Peer, bob: &Peer, destination: &str, amount: u64) {
    check_data(node, alice, bob, destination, amount, b"");
}

fn check_data(
    node: &TestNode,
    alice: &Peer,
    bob: &Peer,
    destination: &str,
    amount: u64,
    data: &[u8],
) {
    let address: Address = destination.parse().unwrap();
    let from: AccountId = "alice".parse().unwrap();
    let explain = || {
        let amount = Some(Amount(amount));
        node.connector.explain_packet(address.view(), Some(&from), amount, node.now)
    };
    let (explanation, before) = (explain(), node.account("alice"));
    assert_eq!(explain(), explanation);
    let after = node.account("alice");
    assert_eq!((after.held_in, after.stats), (before.held_in, before.stats), "it changes nothing");
    let rejected = node.connector.rejects().last_number();
    let condition = match address.scheme() {
        Scheme::Peer => Condition::PEER_PROTOCOL,
        _ => Condition::PING,
    };
    node.send(alice, 7, &payment_with(destination, amount, 10_000, data, condition));
    let kept = node.connector.rejects().kept_after(rejected);
    let refusal = kept.first().map(|kept| match &kept.packet.record.event {
        PacketEvent::Rejected { reason, .. } => reason.clone().unwrap(),
        other => panic!("{other:?}"),
    });
    match explanation.decision {
        PacketDecision::Refuse(expected) => assert_eq!(refusal, Some(expected), "{destination}"),
        PacketDecision::PeerProtocol if destination == "peer.settle" => {
            assert_eq!((refusal, node.read(alice)), (None, vec![]), "it waits for the engine");
        }
        PacketDecision::Own | PacketDecision::PeerProtocol => {
            assert_eq!(refusal, None, "{destination}");
            assert!(matches!(node.read_one(alice), Received::Fulfill { .. }), "{destination}");
        }
        PacketDecision::Forward { next_hop, amount: expected } => {
            assert_eq!((refusal, next_hop.as_str()), (None, "bob"), "{destination}");
            let Received::Prepare { id, amount, .. } = node.read_one(bob) else { panic!() };
            assert_eq!(Some(Amount(amount)), expected);
            node.answer(bob, id, &reject(ErrorCode::F00, None, "no", b""));
            assert!(explanation.route.is_some());
        }
        PacketDecision::Receiver { .. } => panic!("this node has no receiver"),
    }
    node.read(alice);
}

fn check_with(change: impl FnOnce(&mut ConnectorSettings), packets: &[(&str, u64)]) {
    let mut settings = connector_settings("node", &["alice", "bob", "carol"]);
    settings.routes.push(route("test.back", "alice", 0));
    change(&mut settings);
    let (node, alice, bob) = connect_both(node(settings));
    for (destination, amount) in packets {
        check(&node, &alice, &bob, destination, *amount);
    }
}

#[test]
fn an_explanation_is_what_happens() {
    check_with(
        |_| {},
        &[
            ("test.bob.shop", 10),
            ("test.node", 10),
            ("test.carol", 10),
            ("test.back", 10),
            ("test.nowhere", 10),
            ("test.node.nowhere", 10),
            ("g.bob", 10),
            ("peer.unknown", 10),
        ],
    );
    let limits = |limits: Limits| {
        move |settings: &mut ConnectorSettings| {
            settings.accounts[0].limits = limits;
        }
    };
    let amount = Limits { max_packet_amount: Some(Amount(100)), ..Limits::default() };
    check_with(limits(amount), &[("test.bob", 100), ("test.bob", 101), ("test.nowhere", 101)]);
    let balance = Limits { max_balance: Some(100), ..Limits::default() };
    check_with(limits(balance), &[("test.bob", 100), ("test.bob", 101)]);
    check_with(
        |settings| {
            settings.accounts[1].limits = Limits { min_balance: Some(-50), ..Limits::default() };
        },
        &[("test.bob", 50), ("test.bob", 51)],
    );
    check_with(
        |settings| settings.accounts[0].enabled = false,
        &[("test.bob", 1), ("test.nowhere", 1)],
    );
    check_with(|settings| settings.address = None, &[("test.bob", 1)]);
    check_with(
        |settings| settings.accounts[1].asset = Asset::new("USD", 2),
        &[("test.bob", 70_000_000), ("test.bob", 1), ("test.carol", 1)],
    );
    check_with(|settings| settings.accounts[1].asset = Asset::new("EUR", 9), &[("test.bob", 1)]);
}

/// Each request between neighbours that a node knows, to nodes that answer it and to others.
#[test]
fn requests_between_neighbours_are_answered_or_refused_as_explained() {
    let mut control = Vec::new();
    RouteControl::new(RouteControlMode::Idle, TableId::NONE, 0).encode(&mut control);
    let changes: [fn(&mut ConnectorSettings); 6] = [
        |_| {},
        |settings| settings.accounts[0].relation = Relation::Child,
        |settings| {
            settings.accounts[0].relation = Relation::Child;
            settings.address = None;
        },
        |settings| settings.accounts[0].routes.send = true,
        |settings| settings.accounts[0].settlement.mode = SettlementMode::Engine,
        |settings| settings.accounts[0].enabled = false,
    ];
    for change in changes {
        for (destination, data) in [
            ("peer.config", &b""[..]),
            ("peer.route.control", &control),
            ("peer.settle", b"hello"),
            ("peer.settle.x", b""),
            ("peer.route", b""),
        ] {
            for amount in [0, 1] {
                let mut settings = connector_settings("node", &["alice", "bob"]);
                change(&mut settings);
                let (node, alice, bob) = connect_both(node(settings));
                check_data(&node, &alice, &bob, destination, amount, data);
            }
        }
    }
}

#[test]
fn without_a_sender_only_the_route_matters() {
    let (node, _alice, _bob) = connected_alice_and_bob();
    let address: Address = "test.alice.x".parse().unwrap();
    let explanation = node.connector.explain_packet(address.view(), None, None, node.now);
    let PacketDecision::Forward { next_hop, amount: None } = explanation.decision else {
        panic!("{explanation:?}");
    };
    assert_eq!(next_hop.as_str(), "alice");
    let amount = Some(Amount(7));
    let explanation = node.connector.explain_packet(address.view(), None, amount, node.now);
    let PacketDecision::Forward { amount, .. } = explanation.decision else {
        panic!("{explanation:?}");
    };
    assert_eq!(amount, Some(Amount(7)), "in the units of alice");
}

#[test]
fn without_a_price_no_amount_arrives() {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[1].asset = Asset::new("EUR", 9);
    let (node, ..) = connect_both(node(settings));
    let (address, from): (Address, AccountId) =
        ("test.bob.x".parse().unwrap(), "alice".parse().unwrap());
    for amount in [None, Some(Amount::ZERO), Some(Amount(9))] {
        let explanation =
            node.connector.explain_packet(address.view(), Some(&from), amount, node.now);
        let PacketDecision::Refuse(refusal) = explanation.decision else {
            panic!("{explanation:?}");
        };
        assert!(refusal.to_string().starts_with("no exchange rate"), "{refusal}");
    }
}
