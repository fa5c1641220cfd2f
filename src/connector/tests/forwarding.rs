//! What a forwarded packet changes, and what it leaves unchanged.

use super::*;

#[test]
fn a_payment_is_forwarded_and_its_fulfill_returned() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(
        &alice,
        77,
        &payment_with("test.bob.shop", 100, 10_000, b"data", PREIMAGE.condition()),
    );
    assert_eq!(node.account("alice").held_in, 100);
    let Received::Prepare { id, amount, expires_in_ms, destination, data, condition } =
        node.read_one(&bob)
    else {
        panic!("no Prepare")
    };
    assert_eq!((amount, expires_in_ms, destination.as_str()), (100, 9_000, "test.bob.shop"));
    assert_eq!((data.as_slice(), condition), (&b"data"[..], PREIMAGE.condition()));
    assert!(node.read(&alice).is_empty());

    node.answer(&bob, id, &fulfill(PREIMAGE, b"thanks"));
    assert_eq!(
        node.read_one(&alice),
        Received::Fulfill { id: RequestId(77), fulfillment: PREIMAGE, data: b"thanks".to_vec() }
    );
    assert_eq!((node.balance("alice"), node.balance("bob")), (100, -100));
    for account in ["alice", "bob"] {
        let report = node.account(account);
        assert_eq!((report.held_in, report.held_out), (0, 0));
        assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0));
    }
}

#[test]
fn a_reject_passes_unchanged_and_releases_the_holds() {
    let (node, alice, bob) = connected_alice_and_bob();
    for triggered_by in [Some("test.far.away"), None] {
        node.send(&alice, 1, &payment("test.bob", 5));
        let id = node.prepare_id(&bob);
        node.answer(&bob, id, &reject(ErrorCode::F99, triggered_by, "läuft nicht", &[1, 0xff]));
        assert_eq!(
            node.read_one(&alice),
            Received::Reject {
                id: RequestId(1),
                code: "F99".into(),
                triggered_by: triggered_by.unwrap_or("").into(),
                message: "läuft nicht".into(),
                data: vec![1, 0xff],
            }
        );
    }
    assert_eq!((node.balance("alice"), node.account("alice").held_in), (0, 0));
    assert_eq!((node.balance("bob"), node.account("bob").held_out), (0, 0));
}

#[test]
fn answers_match_their_requests_in_any_order() {
    let (node, alice, bob) = connected_alice_and_bob();
    for id in 0..100 {
        node.send(&alice, 1000 + id, &payment("test.bob", u64::from(id)));
    }
    let mut prepares: Vec<_> = node
        .read(&bob)
        .into_iter()
        .map(|seen| match seen {
            Received::Prepare { id, amount, .. } => (id, amount),
            other => panic!("{other:?}"),
        })
        .collect();
    prepares.reverse();
    for (id, amount) in prepares {
        node.answer(&bob, id, &fulfill(PREIMAGE, &amount.to_be_bytes()));
    }
    for seen in node.read(&alice) {
        let Received::Fulfill { id, data, .. } = seen else { panic!("{seen:?}") };
        assert_eq!(u64::from(id.0) - 1000, u64::from_be_bytes(data.try_into().unwrap()));
    }
    assert_eq!(node.balance("alice"), (0..100).sum::<i128>());
}

#[test]
fn bad_answers_release_the_holds_and_name_the_next_hop() {
    let check = |answer: PeerAnswer<'_>, code: &str| {
        let (node, alice, bob) = connected_alice_and_bob();
        node.send(&alice, 9, &payment("test.bob", 50));
        let id = node.prepare_id(&bob);
        node.connector.start_batch(node.now).handle_answer(&bob.account, id, answer);
        let Received::Reject { code: got, triggered_by, message, .. } = node.read_one(&alice)
        else {
            panic!("no Reject")
        };
        assert_eq!((got.as_str(), triggered_by.as_str()), (code, "test.node"));
        assert!(message.contains("bob"), "{message}");
        assert_eq!((node.balance("alice"), node.balance("bob")), (0, 0));
        assert_eq!((node.account("alice").held_in, node.account("bob").held_out), (0, 0));
    };
    check(PeerAnswer::Packet(&fulfill(Fulfillment([8; 32]), b"")), "F05");
    check(PeerAnswer::Packet(&payment("test.x", 1)), "T00");
    check(PeerAnswer::Packet(b"garbage"), "T00");
    check(PeerAnswer::Packet(b""), "T00");
    check(PeerAnswer::Empty, "T00");
    check(PeerAnswer::Error, "T00");
}

#[test]
fn a_second_answer_changes_nothing() {
    let (node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    node.answer(&bob, RequestId(id.0.wrapping_add(1)), &fulfill(PREIMAGE, b""));
    assert_eq!(node.read(&alice).len(), 1);
    assert_eq!(node.balance("bob"), -5);
    assert_eq!(node.account("bob").stats.unexpected_answers, 2);
}

#[test]
fn a_prepare_without_an_answer_is_rejected_at_its_outgoing_expiry() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.advance(Duration::from_millis(8_999));
    assert!(node.read(&alice).is_empty());
    node.advance(Duration::from_millis(1));
    assert_eq!(node.reject_code(&alice), "R00");
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(node.read(&alice).is_empty());
    assert_eq!((node.balance("alice"), node.balance("bob")), (0, 0));
    assert_eq!(node.account("bob").held_out, 0);
}

#[test]
fn an_answer_at_the_deadline_is_late_even_before_the_sweep() {
    let (mut node, alice, bob) = connected_alice_and_bob();
    node.send(&alice, 1, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.now.mono = node.now.mono.after(Duration::from_secs(9));
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(node.reject_code(&alice), "R00");
    assert_eq!((node.balance("alice"), node.balance("bob")), (0, 0));
}

#[test]
fn a_step_of_the_wall_clock_affects_no_packet_in_flight() {
    for step_ms in [3_600_000, -3_600_000, -400 * 86_400_000] {
        let (mut node, alice, bob) = connected_alice_and_bob();
        node.send(&alice, 1, &payment("test.bob", 5));
        let id = node.prepare_id(&bob);
        let wall = node.now.wall.as_millis().checked_add_signed(step_ms).unwrap();
        node.now.wall = Timestamp::from_millis(wall);
        node.advance(Duration::from_millis(8_999));
        node.answer(&bob, id, &fulfill(PREIMAGE, b""));
        assert!(matches!(node.read_one(&alice), Received::Fulfill { .. }), "{step_ms}");
        assert_eq!((node.balance("alice"), node.balance("bob")), (5, -5));
    }
}

#[test]
fn an_expired_prepare_is_not_sent() {
    let node = alice_and_bob();
    let bob = node.connect("bob");
    for (late_ms, sent) in [(1, false), (0, false), (-1, true)] {
        let packet = payment_with("test.bob", 5, -late_ms, &[], PREIMAGE.condition());
        node.originate("bob", &packet, |_| {});
        assert_eq!(node.read(&bob).len(), usize::from(sent), "{late_ms} ms late");
    }
    let held = node.account("bob").held_out;
    assert_eq!(held, 5, "only the sent packet is held");
}

#[test]
fn the_expiry_vectors_of_forwarding_json() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors/forwarding.json")).unwrap();
    for case in vectors["expiry"].as_array().unwrap() {
        let (node, alice, bob) = connected_alice_and_bob();
        let expires = case["source_expires_in_ms"].as_i64().unwrap();
        let condition = PREIMAGE.condition();
        node.send(&alice, 1, &payment_with("test.bob", 1, expires, &[], condition));
        match case["result"].as_str().unwrap() {
            "forward" => {
                let Received::Prepare { expires_in_ms, .. } = node.read_one(&bob) else { panic!() };
                assert_eq!(Some(expires_in_ms), case["outgoing_expires_in_ms"].as_i64(), "{case}");
            }
            code => {
                assert_eq!(node.reject_code(&alice), code, "{case}");
                assert!(node.read(&bob).is_empty());
            }
        }
    }
}

#[test]
fn amounts_are_converted_between_scales_and_by_rates() {
    let accounts = || {
        vec![
            with_asset(peer("alice"), "USD", 9),
            with_asset(peer("bob"), "USD", 6),
            with_asset(peer("carl"), "EUR", 2),
            with_asset(peer("dora"), "XAU", 2),
            with_asset(peer("emil"), "USD", 11),
        ]
    };
    let mut with_rates = settings(
        accounts(),
        &[("test.bob", "bob"), ("test.carl", "carl"), ("test.dora", "dora"), ("test.emil", "emil")],
    );
    with_rates.rates = vec![pair_rate("USD", "EUR", "0.5")];
    let node = node(with_rates);
    let alice = node.connect("alice");
    let peers = ["bob", "carl", "dora", "emil"].map(|id| node.connect(id));
    let [bob, carl, _, emil] = &peers;
    let amount = |seen: Received| match seen {
        Received::Prepare { amount, .. } => amount,
        other => panic!("{other:?}"),
    };
    node.send(&alice, 1, &payment("test.bob", 1_999));
    assert_eq!(amount(node.read_one(bob)), 1);
    node.send(&alice, 2, &payment("test.carl", 3_000_000_000));
    assert_eq!(amount(node.read_one(carl)), 150);
    assert_eq!(node.send_rejected(&alice, &payment("test.bob", 999)), "R01");
    node.send(&alice, 4, &payment("test.bob", 0));
    assert_eq!(amount(node.read_one(bob)), 0);
    assert_eq!(node.send_rejected(&alice, &payment("test.dora", 1)), "T00");
    node.send(&alice, 6, &payment("test.emil", u64::MAX));
    let Received::Reject { code, data, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!(code, "F08");
    assert_eq!(data, [u64::MAX.to_be_bytes(), (u64::MAX / 100).to_be_bytes()].concat());
    node.send(&alice, 7, &payment("test.emil", u64::MAX / 100));
    assert_eq!(amount(node.read_one(emil)), u64::MAX / 100 * 100);
}

#[test]
fn packets_are_routed_or_rejected() {
    let mut child = peer("kid");
    child.relation = Relation::Child;
    let node = node(settings(
        vec![peer("alice"), peer("bob"), peer("carl"), peer("upper"), child],
        &[
            ("test.bob", "bob"),
            ("test.bob.deep", "carl"),
            ("", "upper"),
            ("private.lan", "bob"),
            ("test.alice", "alice"),
        ],
    ));
    let alice = node.connect("alice");
    let _peers = ["bob", "upper", "kid"].map(|id| node.connect(id));
    let sent_to = |id: &str| node.account(id).stats.sent.prepares;
    let mut request = 0;
    let mut check = |destination: &str, expected: &str| {
        request += 1;
        let before = ["bob", "upper", "kid"].map(sent_to);
        node.send(&alice, request, &payment(destination, 1));
        if expected.len() == 3 && expected.as_bytes()[1].is_ascii_digit() {
            assert_eq!(node.reject_code(&alice), expected, "{destination}");
            assert_eq!(["bob", "upper", "kid"].map(sent_to), before, "{destination}");
        } else {
            assert!(node.read(&alice).is_empty(), "{destination}");
            let after = ["bob", "upper", "kid"].map(sent_to);
            let index = ["bob", "upper", "kid"].iter().position(|id| *id == expected).unwrap();
            assert_eq!(after[index], before[index] + 1, "{destination}");
        }
    };
    check("test.bob", "bob");
    check("test.bob.x.y", "bob");
    check("test.bobby", "upper");
    check("test.bob.deep.x", "T01");
    check("test.node.kid.a", "kid");
    check("test.node.kidder", "F02");
    check("test.node.nobody", "F02");
    check("test.alice.x", "F02");
    check("g.somewhere", "F02");
    check("test2.x", "F02");
    check("private.lan.x", "bob");
    check("private.wan.x", "F02");
    check("example.x", "F02");
    check("peer.unknown", "F01");
    check("peer.route.control", "F01");
}

#[test]
fn the_highest_priority_that_is_connected_wins() {
    let mut two_ways = settings(vec![peer("alice"), peer("near"), peer("far")], &[]);
    two_ways.routes = vec![route("test.x", "near", 10), route("test.x", "far", 1)];
    let node = node(two_ways);
    let (alice, near) = (node.connect("alice"), node.connect("near"));
    node.send(&alice, 1, &payment("test.x", 1));
    node.prepare_id(&near);
    let far = node.connect("far");
    node.send(&alice, 2, &payment("test.x", 1));
    node.prepare_id(&near);
    node.disconnect(&near);
    node.send(&alice, 3, &payment("test.x", 1));
    node.prepare_id(&far);
    node.disconnect(&far);
    assert_eq!(node.send_rejected(&alice, &payment("test.x", 1)), "T01");
    let near = node.connect("near");
    assert_eq!(
        node.send_rejected(&near, &payment("test.x", 1)),
        "T01",
        "the only other next hop is disconnected"
    );
}

#[test]
fn unreadable_packets_get_f01_and_nothing_is_held() {
    let node = alice_and_bob();
    let alice = node.connect("alice");
    for bytes in [&b""[..], b"x", &[12], &[12, 0], &fulfill(PREIMAGE, b"")] {
        assert_eq!(node.send_rejected(&alice, bytes), "F01");
    }
    assert_eq!(node.account("alice").in_flight_from, 0);
}

#[test]
fn the_packet_log_records_each_step_of_a_packet() {
    let node = alice_and_bob();
    let log = node.log_packets();
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.send(&alice, 7, &payment("test.bob", 5));
    let id = node.prepare_id(&bob);
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    node.send(&alice, 8, &payment("test.nowhere", 5));
    let records: Vec<_> = std::iter::from_fn(|| log.pop()).collect();
    let name = |id: &Option<crate::account::AccountId>| id.as_ref().map(ToString::to_string);
    let events: Vec<_> = records
        .iter()
        .map(|(node, record)| {
            assert_eq!(*node, NodeNumber(3));
            assert_eq!(record.condition, PREIMAGE.condition());
            let event = match &record.event {
                PacketEvent::Forwarded { outgoing_request_id, .. } => {
                    assert_eq!(*outgoing_request_id, id);
                    "forwarded"
                }
                PacketEvent::Received { .. } => "received",
                PacketEvent::Fulfilled { incoming_amount, outgoing_amount, .. } => {
                    assert_eq!((*incoming_amount, *outgoing_amount), (Amount(5), Some(Amount(5))));
                    "fulfilled"
                }
                PacketEvent::Rejected { .. } => "rejected",
            };
            (event, name(&record.from), name(&record.to), record.request_id.map(|id| id.0))
        })
        .collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        events,
        [
            ("forwarded", some("alice"), some("bob"), Some(7)),
            ("fulfilled", some("alice"), some("bob"), Some(7)),
            ("rejected", some("alice"), None, Some(8)),
        ]
    );
}

#[test]
fn a_route_that_leads_back_to_the_sender_is_no_missing_route() {
    let (node, alice, _bob) = connected_alice_and_bob();
    for (destination, text) in [
        ("test.alice", "the route to the destination leads back to the sender"),
        ("test.nobody", "no route to the destination"),
    ] {
        node.send(&alice, 1, &payment(destination, 1));
        let Received::Reject { code, message, .. } = node.read_one(&alice) else { panic!() };
        assert_eq!((code.as_str(), message.as_str()), ("F02", text));
    }
}

#[test]
fn the_times_of_the_settings_are_those_of_the_connector() {
    let (min_message_window, max_hold_time) = (Duration::from_secs(2), Duration::from_secs(20));
    let timing = Timing { min_message_window, max_hold_time };
    let node = node(ConnectorSettings { timing, ..connector_settings("node", &["alice"]) });
    let times = (node.connector.message_window(), node.connector.max_hold_time());
    assert_eq!(times, (min_message_window, max_hold_time));
}

#[test]
fn a_packet_needs_the_message_window_twice_here_and_on_its_way() {
    let (node, alice, bob) = connected_alice_and_bob();
    let expiring_in = |ms| payment_with("test.bob", 5, ms, b"", PREIMAGE.condition());
    assert_eq!(node.send_rejected(&alice, &expiring_in(1_999)), "R02");
    node.send(&alice, 1, &expiring_in(2_000));
    assert!(matches!(node.read_one(&bob), Received::Prepare { expires_in_ms: 1_000, .. }));
}
