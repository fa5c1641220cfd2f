//! An explanation says what then happens to the packet.

use super::*;
use crate::account::{AccountId, Limits, Relation, RoutePolicy, SettlementMode};
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
    let books = reconcile::encoded(&reconcile::books(1, 0));
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
            ("peer.reconcile", &books),
            ("peer.reconcile.x", &books),
            ("peer.route", b""),
        ] {
            for amount in [0, 1] {
                let mut settings = connector_settings("node", &["alice", "bob"]);
                change(&mut settings);
                for new in [Connector::new, Connector::without_books] {
                    let connector = new(settings.clone(), HashSeed::Fixed(1)).unwrap();
                    let (node, alice, bob) = connect_both(node_of(connector));
                    check_data(&node, &alice, &bob, destination, amount, data);
                }
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

#[test]
fn packets_in_flight_count_as_explained() {
    let limits = Limits { max_packets_in_flight: 2, ..Limits::default() };
    for limited in [0, 1] {
        let mut settings = connector_settings("node", &["alice", "bob"]);
        settings.accounts[limited].limits = limits.clone();
        let (node, alice, bob) = connect_both(node(settings));
        for in_flight in 0..3 {
            check(&node, &alice, &bob, "test.bob", 1);
            node.send(&alice, in_flight, &payment("test.bob", 1));
            node.read(&bob);
            node.read(&alice);
        }
        assert_eq!(node.account("bob").in_flight_to, 2);
    }
}

#[test]
fn what_a_peer_owes_already_counts_as_explained() {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts[0].limits.max_balance = Some(100);
    let (node, alice, bob) = connect_both(node(settings));
    node.send(&alice, 1, &payment("test.bob", 60));
    node.fulfill_one(&bob);
    node.read(&alice);
    for amount in [40, 41, 100, 101] {
        check(&node, &alice, &bob, "test.bob", amount);
    }
    for amount in [101, 100, 41, 40] {
        check(&node, &alice, &bob, "test.node", amount);
    }
    assert_eq!(node.balance("alice"), 100);
}

#[test]
fn receivers_get_packets_as_explained() {
    let mut wallet = receivers::wallet();
    wallet.limits.max_packet_amount = Some(Amount(100));
    let node = node(settings(vec![peer("alice"), wallet], &[]));
    let alice = node.connect("alice");
    let sender = receivers::sender(&node);
    let mut decisions = Vec::new();
    for amount in [100, 101] {
        let packet = sender.payment_until(amount, 0, true, 10_000);
        let destination = Prepare::parse(&packet).unwrap().destination;
        let (from, amount) = ("alice".parse().unwrap(), Amount(amount));
        let explanation =
            node.connector.explain_packet(destination, Some(&from), Some(amount), node.now);
        node.send(&alice, 1, &packet);
        let is_fulfilled = matches!(node.read_one(&alice), Received::Fulfill { .. });
        assert_eq!(is_fulfilled, matches!(explanation.decision, PacketDecision::Receiver { .. }));
        decisions.push(explanation.decision);
    }
    let account = || "wallet".parse().unwrap();
    let (received, maximum) = (Amount(101), Amount(100));
    let too_large =
        Refusal::AmountTooLarge { received, maximum, limit: AmountLimit::Receiver(account()) };
    let received = PacketDecision::Receiver { account: account(), amount: Some(maximum) };
    assert_eq!(decisions, [received, PacketDecision::Refuse(too_large)]);
}

#[test]
fn requests_for_routes_need_the_key_of_their_direction() {
    for (send, receive) in [(true, false), (false, true)] {
        let mut settings = connector_settings("node", &["alice", "bob"]);
        settings.accounts[0].routes = RoutePolicy { send, receive, ..RoutePolicy::default() };
        let (node, ..) = connect_both(node(settings));
        let refusal = |destination: &str| {
            let (address, from): (Address, AccountId) =
                (destination.parse().unwrap(), "alice".parse().unwrap());
            let amount = Some(Amount::ZERO);
            let explained =
                node.connector.explain_packet(address.view(), Some(&from), amount, node.now);
            match explained.decision {
                PacketDecision::Refuse(refusal) => refusal.kind(),
                PacketDecision::PeerProtocol => "none",
                other => panic!("{other:?}"),
            }
        };
        let expected =
            if send { ["none", "routesReceivingOff"] } else { ["routesSendingOff", "none"] };
        assert_eq!([refusal("peer.route.control"), refusal("peer.route.update")], expected);
    }
}

#[test]
fn an_address_of_the_node_or_of_its_neighbours_protocols_has_no_next_hop() {
    let (node, ..) = connected_alice_and_bob();
    let found = |destination| node.next_hop(destination);
    assert_eq!(found("test.node"), Ok("own".to_owned()));
    assert_eq!(found("peer.config"), Ok("neighbours".to_owned()));
    assert_eq!(found("peer.unknown"), Err("F01".to_owned()));
    assert_eq!(found("test.bob.x"), Ok("bob".to_owned()));
    assert_eq!(found("test.nowhere"), Err("F02".to_owned()));
}
