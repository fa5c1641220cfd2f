//! What changes on the way through, and what does not.

use super::*;

#[test]
fn a_payment_there_and_its_fulfillment_back() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 77, &payment_with("test.bob.shop", 100, 10_000, b"data", PREIMAGE.condition()));
    assert_eq!(net.account("alice").held_in, 100);
    let Seen::Prepare { id, amount, expires_in_ms, destination, data, condition } =
        net.read_one(&bob)
    else {
        panic!("no Prepare")
    };
    assert_eq!((amount, expires_in_ms, destination.as_str()), (100, 9_000, "test.bob.shop"));
    assert_eq!((data.as_slice(), condition), (&b"data"[..], PREIMAGE.condition()));
    assert!(net.read(&alice).is_empty());

    net.answer(&bob, id, &fulfill(PREIMAGE, b"thanks"));
    assert_eq!(
        net.read_one(&alice),
        Seen::Fulfill { id: RequestId(77), fulfillment: PREIMAGE, data: b"thanks".to_vec() }
    );
    assert_eq!((net.balance("alice"), net.balance("bob")), (100, -100));
    for account in ["alice", "bob"] {
        let report = net.account(account);
        assert_eq!((report.held_in, report.held_out), (0, 0));
        assert_eq!((report.in_flight_from, report.in_flight_to), (0, 0));
    }
}

#[test]
fn a_reject_passes_unchanged_and_releases_what_was_held() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for triggered_by in [Some("test.far.away"), None] {
        net.ask(&alice, 1, &payment("test.bob", 5));
        let id = net.prepare_id(&bob);
        net.answer(&bob, id, &reject(ErrorCode::F99, triggered_by, "läuft nicht", &[1, 0xff]));
        assert_eq!(
            net.read_one(&alice),
            Seen::Reject {
                id: RequestId(1),
                code: "F99".into(),
                triggered_by: triggered_by.unwrap_or("").into(),
                message: "läuft nicht".into(),
                data: vec![1, 0xff],
            }
        );
    }
    assert_eq!((net.balance("alice"), net.account("alice").held_in), (0, 0));
    assert_eq!((net.balance("bob"), net.account("bob").held_out), (0, 0));
}

#[test]
fn answers_find_their_questions_in_any_order() {
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    for id in 0..100 {
        net.ask(&alice, 1000 + id, &payment("test.bob", u64::from(id)));
    }
    let mut prepares: Vec<_> = net
        .read(&bob)
        .into_iter()
        .map(|seen| match seen {
            Seen::Prepare { id, amount, .. } => (id, amount),
            other => panic!("{other:?}"),
        })
        .collect();
    prepares.reverse();
    for (id, amount) in prepares {
        net.answer(&bob, id, &fulfill(PREIMAGE, &amount.to_be_bytes()));
    }
    for seen in net.read(&alice) {
        let Seen::Fulfill { id, data, .. } = seen else { panic!("{seen:?}") };
        assert_eq!(u64::from(id.0) - 1000, u64::from_be_bytes(data.try_into().unwrap()));
    }
    assert_eq!(net.balance("alice"), (0..100).sum::<i128>());
}

#[test]
fn bad_answers_release_and_name_the_next_hop() {
    let check = |answer: PeerAnswer<'_>, code: &str| {
        let net = alice_and_bob();
        let (alice, bob) = (net.connect("alice"), net.connect("bob"));
        net.ask(&alice, 9, &payment("test.bob", 50));
        let id = net.prepare_id(&bob);
        net.connector.start_batch(net.now).handle_answer(&bob.account, id, answer);
        let Seen::Reject { code: got, triggered_by, message, .. } = net.read_one(&alice) else {
            panic!("no Reject")
        };
        assert_eq!((got.as_str(), triggered_by.as_str()), (code, "test.node"));
        assert!(message.contains("bob"), "{message}");
        assert_eq!((net.balance("alice"), net.balance("bob")), (0, 0));
        assert_eq!((net.account("alice").held_in, net.account("bob").held_out), (0, 0));
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
    let net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 5));
    let id = net.prepare_id(&bob);
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    net.answer(&bob, RequestId(id.0.wrapping_add(1)), &fulfill(PREIMAGE, b""));
    assert_eq!(net.read(&alice).len(), 1);
    assert_eq!(net.balance("bob"), -5);
    assert_eq!(net.account("bob").stats.unexpected_answers, 2);
}

#[test]
fn without_an_answer_there_is_a_reject_at_the_outgoing_expiry() {
    let mut net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 5));
    let id = net.prepare_id(&bob);
    net.pass(Duration::from_millis(8_999));
    assert!(net.read(&alice).is_empty());
    net.pass(Duration::from_millis(1));
    assert_eq!(net.code(&alice), "R00");
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(net.read(&alice).is_empty());
    assert_eq!((net.balance("alice"), net.balance("bob")), (0, 0));
    assert_eq!(net.account("bob").held_out, 0);
}

#[test]
fn an_answer_at_the_deadline_is_late_even_before_the_sweep() {
    let mut net = alice_and_bob();
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 1, &payment("test.bob", 5));
    let id = net.prepare_id(&bob);
    net.now.mono = net.now.mono.after(Duration::from_secs(9));
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert_eq!(net.code(&alice), "R00");
    assert_eq!((net.balance("alice"), net.balance("bob")), (0, 0));
}

#[test]
fn the_time_of_day_decides_nothing_about_what_is_in_flight() {
    for step_ms in [3_600_000, -3_600_000, -400 * 86_400_000] {
        let mut net = alice_and_bob();
        let (alice, bob) = (net.connect("alice"), net.connect("bob"));
        net.ask(&alice, 1, &payment("test.bob", 5));
        let id = net.prepare_id(&bob);
        let wall = net.now.wall.as_millis().checked_add_signed(step_ms).unwrap();
        net.now.wall = Timestamp::from_millis(wall);
        net.pass(Duration::from_millis(8_999));
        net.answer(&bob, id, &fulfill(PREIMAGE, b""));
        assert!(matches!(net.read_one(&alice), Seen::Fulfill { .. }), "{step_ms}");
        assert_eq!((net.balance("alice"), net.balance("bob")), (5, -5));
    }
}

#[test]
fn what_has_expired_by_the_time_of_day_is_not_sent() {
    let net = alice_and_bob();
    let bob = net.connect("bob");
    for (late_ms, sent) in [(1, false), (0, false), (-1, true)] {
        let packet = payment_with("test.bob", 5, -late_ms, &[], PREIMAGE.condition());
        let Ok(Packet::Prepare(prepare)) = Packet::parse(&packet) else { panic!() };
        net.connector.originate_prepare(&"bob".parse().unwrap(), &prepare, net.now, |_| {});
        assert_eq!(net.read(&bob).len(), usize::from(sent), "{late_ms} ms late");
    }
    let held = net.account("bob").held_out;
    assert_eq!(held, 5, "nothing is held for what was not sent");
}

#[test]
fn the_expiry_vectors_of_forwarding_json() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/vectors/forwarding.json")).unwrap();
    for case in vectors["expiry"].as_array().unwrap() {
        let net = alice_and_bob();
        let (alice, bob) = (net.connect("alice"), net.connect("bob"));
        let expires = case["source_expires_in_ms"].as_i64().unwrap();
        let condition = PREIMAGE.condition();
        net.ask(&alice, 1, &payment_with("test.bob", 1, expires, &[], condition));
        match case["result"].as_str().unwrap() {
            "forward" => {
                let Seen::Prepare { expires_in_ms, .. } = net.read_one(&bob) else { panic!() };
                assert_eq!(Some(expires_in_ms), case["outgoing_expires_in_ms"].as_i64(), "{case}");
            }
            code => {
                assert_eq!(net.code(&alice), code, "{case}");
                assert!(net.read(&bob).is_empty());
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
    with_rates.rates = vec![("USD".into(), "EUR".into(), "0.5".parse().unwrap())];
    let net = net(with_rates);
    let alice = net.connect("alice");
    let peers = ["bob", "carl", "dora", "emil"].map(|id| net.connect(id));
    let [bob, carl, _, emil] = &peers;
    let amount = |seen: Seen| match seen {
        Seen::Prepare { amount, .. } => amount,
        other => panic!("{other:?}"),
    };
    net.ask(&alice, 1, &payment("test.bob", 1_999));
    assert_eq!(amount(net.read_one(bob)), 1);
    net.ask(&alice, 2, &payment("test.carl", 3_000_000_000));
    assert_eq!(amount(net.read_one(carl)), 150);
    net.ask(&alice, 3, &payment("test.bob", 999));
    assert_eq!(net.code(&alice), "R01");
    net.ask(&alice, 4, &payment("test.bob", 0));
    assert_eq!(amount(net.read_one(bob)), 0);
    net.ask(&alice, 5, &payment("test.dora", 1));
    assert_eq!(net.code(&alice), "T00");
    net.ask(&alice, 6, &payment("test.emil", u64::MAX));
    let Seen::Reject { code, data, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!(code, "F08");
    assert_eq!(data, [u64::MAX.to_be_bytes(), (u64::MAX / 100).to_be_bytes()].concat());
    net.ask(&alice, 7, &payment("test.emil", u64::MAX / 100));
    assert_eq!(amount(net.read_one(emil)), u64::MAX / 100 * 100);
}

#[test]
fn where_packets_go_and_where_they_do_not() {
    let mut child = peer("kid");
    child.relation = Relation::Child;
    let net = net(settings(
        vec![peer("alice"), peer("bob"), peer("carl"), peer("upper"), child],
        &[
            ("test.bob", "bob"),
            ("test.bob.deep", "carl"),
            ("", "upper"),
            ("private.lan", "bob"),
            ("test.alice", "alice"),
        ],
    ));
    let alice = net.connect("alice");
    let _peers = ["bob", "upper", "kid"].map(|id| net.connect(id));
    let sent_to = |id: &str| net.account(id).stats.sent.prepares;
    let mut request = 0;
    let mut check = |destination: &str, expected: &str| {
        request += 1;
        let before = ["bob", "upper", "kid"].map(sent_to);
        net.ask(&alice, request, &payment(destination, 1));
        if expected.len() == 3 && expected.as_bytes()[1].is_ascii_digit() {
            assert_eq!(net.code(&alice), expected, "{destination}");
            assert_eq!(["bob", "upper", "kid"].map(sent_to), before, "{destination}");
        } else {
            assert!(net.read(&alice).is_empty(), "{destination}");
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
fn among_priorities_the_highest_that_is_connected_wins() {
    let mut two_ways = settings(vec![peer("alice"), peer("near"), peer("far")], &[]);
    two_ways.routes = vec![route("test.x", "near", 10), route("test.x", "far", 1)];
    let net = net(two_ways);
    let (alice, near) = (net.connect("alice"), net.connect("near"));
    net.ask(&alice, 1, &payment("test.x", 1));
    net.prepare_id(&near);
    let far = net.connect("far");
    net.ask(&alice, 2, &payment("test.x", 1));
    net.prepare_id(&near);
    net.lose(&near);
    net.ask(&alice, 3, &payment("test.x", 1));
    net.prepare_id(&far);
    net.lose(&far);
    net.ask(&alice, 4, &payment("test.x", 1));
    assert_eq!(net.code(&alice), "T01");
    let near = net.connect("near");
    net.ask(&near, 5, &payment("test.x", 1));
    assert_eq!(net.code(&near), "T01", "the way that does not lead back is the disconnected one");
}

#[test]
fn unreadable_packets_get_f01_and_nothing_is_held() {
    let net = alice_and_bob();
    let alice = net.connect("alice");
    for bytes in [&b""[..], b"x", &[12], &[12, 0], &fulfill(PREIMAGE, b"")] {
        net.ask(&alice, 3, bytes);
        assert_eq!(net.code(&alice), "F01");
    }
    assert_eq!(net.account("alice").in_flight_from, 0);
}

#[test]
fn the_packet_log_tells_the_whole_way_by_the_condition() {
    let net = alice_and_bob();
    let log = PacketRing::new(16);
    let way = PacketLog::new(log.clone(), NodeNumber(3));
    net.connector.set_packet_log(Some(Arc::new(way)));
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.ask(&alice, 7, &payment("test.bob", 5));
    let id = net.prepare_id(&bob);
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    net.ask(&alice, 8, &payment("test.nowhere", 5));
    let records: Vec<_> = std::iter::from_fn(|| log.pop()).collect();
    let name = |id: &Option<crate::account::AccountId>| id.as_ref().map(ToString::to_string);
    let told: Vec<_> = records
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
        told,
        [
            ("forwarded", some("alice"), some("bob"), Some(7)),
            ("fulfilled", some("alice"), some("bob"), Some(7)),
            ("rejected", some("alice"), None, Some(8)),
        ]
    );
}
