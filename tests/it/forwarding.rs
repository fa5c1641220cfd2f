//! Valid Prepares: amounts, limits, balances, and exactly one answer for each. Checklist rows 37 to 62 and 76; expiries
//! are in `expiry`.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ilp_connector::wire::Fulfillment;
use ilp_connector::wire::btp::{ILP, ProtocolEntry};
use ilp_connector::wire::ilp::{AmountTooLarge, Packet, Prepare};

use crate::peer::{
    PREIMAGE, Peer, TestNode, TestPrepare, describe_frame, fulfill, message, now, preimage,
    prepare_to, read_vectors, reject,
};

#[test]
fn amounts_are_converted_across_scales_and_rates_rows_48_to_51_53() {
    let node = TestNode::start(
        "nodeId: n\nilpAddress: test.n\nassetCode: USD\npeers:\n\
           - { id: s0, assetScale: 0, authToken: s0-token }\n\
           - { id: s2, assetScale: 2, authToken: s2-token }\n\
           - { id: s3, assetScale: 3, authToken: s3-token }\n\
           - { id: s6, assetScale: 6, authToken: s6-token }\n\
           - { id: s9, assetScale: 9, authToken: s9-token }\n\
           - { id: t0, assetScale: 0, authToken: t0-token }\n\
           - { id: t2, assetScale: 2, authToken: t2-token }\n\
           - { id: euro, assetCode: EUR, assetScale: 2, authToken: euro-token }\n\
         rates:\n  - { from: USD, to: EUR, rate: '0.995' }\n  - { from: EUR, to: USD, rate: '1.005' }\n\
         routes:\n  - { prefix: test.s2, nextHop: s2 }\n  - { prefix: test.s3, nextHop: s3 }\n  \
           - { prefix: test.s6, nextHop: s6 }\n  - { prefix: test.s9, nextHop: s9 }\n  \
           - { prefix: test.t0, nextHop: t0 }\n  - { prefix: test.t2, nextHop: t2 }\n  - { prefix: test.euro, nextHop: euro }\n",
    );
    let check = |from: &str, to: &str, amount: u64, out: Result<u64, &str>| {
        let (mut sender, mut receiver) = (node.connect_peer(from), node.connect_peer(to));
        sender.send_prepare(1, &prepare_to(&format!("test.{to}")).amount(amount));
        match out {
            Err(code) => {
                assert_eq!(
                    sender.receive_described(),
                    format!("RESPONSE 1 Reject {code}"),
                    "{amount}"
                );
                assert_eq!(receiver.drain_frames(), [""; 0]);
            }
            Ok(expected) => {
                let (id, packet) = receiver.receive_prepare();
                assert_eq!(Prepare::parse(&packet).unwrap().amount.0, expected, "{amount}");
                // Row 53: amounts in the answer's data are not converted.
                let data = AmountTooLarge {
                    received: ilp_connector::wire::Amount(expected),
                    maximum: ilp_connector::wire::Amount(1),
                };
                let f08 = Packet::Reject(ilp_connector::wire::ilp::Reject {
                    code: ilp_connector::wire::ilp::ErrorCode::F08,
                    triggered_by: None,
                    message: b"",
                    data: &data.to_bytes(),
                });
                let mut bytes = Vec::new();
                f08.encode(&mut bytes);
                receiver.answer(id, &bytes);
                assert_eq!(sender.receive().ilp.unwrap(), bytes);
            }
        }
    };
    for case in read_vectors("forwarding")["amount"].as_array().unwrap() {
        let amount: u64 = case["amount"].as_str().unwrap().parse().unwrap();
        let out = case["out"].as_str().map(|out| out.parse::<u64>().unwrap());
        let (from, to) = match (&case["from_scale"], &case["to_scale"], case["rate"].as_str()) {
            (_, _, Some("0.995")) => ("s2".to_owned(), "euro".to_owned()),
            (from, to, _) if from == to => (format!("s{from}"), format!("t{to}")),
            (from, to, _) => (format!("s{from}"), format!("s{to}")),
        };
        check(
            &from,
            &to,
            amount,
            match out {
                None => Err("F08"),
                Some(0) if amount > 0 => Err("R01"),
                Some(out) => Ok(out),
            },
        );
    }
    check("s9", "s2", 100_000_000_000, Ok(10_000));
    check("s2", "s3", u64::MAX / 10, Ok(u64::MAX / 10 * 10));
    check("s2", "s3", u64::MAX / 10 + 1, Err("F08"));
    for id in ["s0", "s2", "s3", "s6", "s9", "t0", "t2", "euro"] {
        assert_eq!(node.balance(id), ["0", "0", "0"], "row 62: {id}");
    }
}

#[test]
fn limits_of_an_account_are_enforced_rows_52_54_55_60() {
    let node = TestNode::start(
        "nodeId: n\nilpAddress: test.n\npeers:\n\
           - { id: small, maxPacketAmount: 1000, authToken: small-token }\n\
           - { id: poor, maxBalance: 20, authToken: poor-token }\n\
           - { id: slow, packetsPerSecond: 2, authToken: slow-token }\n\
           - { id: few, maxPacketsInFlight: 4, authToken: few-token }\n\
           - { id: bob, authToken: bob-token }\n- { id: lender, minBalance: -20, authToken: lender-token }\n\
         routes: [{ prefix: test.bob, nextHop: bob }, { prefix: test.few, nextHop: few }, { prefix: test.lender, nextHop: lender }]\n",
    );
    let mut bob = node.connect_peer("bob");
    let pass = |peer: &mut Peer, bob: &mut Peer, amount: u64| {
        peer.send_prepare(1, &prepare_to("test.bob").amount(amount));
        let (id, _) = bob.receive_prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(peer.receive_described(), "RESPONSE 1 Fulfill", "{amount}");
    };
    // Row 52.
    let mut small = node.connect_peer("small");
    pass(&mut small, &mut bob, 1000);
    small.send_prepare(2, &prepare_to("test.bob").amount(1001));
    let got = small.receive();
    let Packet::Reject(refused) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap() else {
        panic!("{}", describe_frame(&got))
    };
    assert_eq!(refused.code.to_string(), "F08");
    assert_eq!(hex::encode(refused.data), "00000000000003e900000000000003e8");
    // Row 60, the example of RFC 32.
    let mut poor = node.connect_peer("poor");
    pass(&mut poor, &mut bob, 12);
    assert_eq!(poor.request(2, &prepare_to("test.bob").amount(9)), "RESPONSE 2 Reject T04");
    pass(&mut poor, &mut bob, 7);
    assert_eq!(node.balance("poor"), ["19", "0", "0"]);
    // Holds count against the limit until they are released.
    poor.send_prepare(3, &prepare_to("test.bob").amount(1));
    let (id, _) = bob.receive_prepare();
    assert_eq!(poor.request(4, &prepare_to("test.bob").amount(1)), "RESPONSE 4 Reject T04");
    assert_eq!(node.balance("poor"), ["19", "1", "0"]);
    bob.answer(id, &reject(b"F99"));
    assert_eq!(poor.receive_described(), "RESPONSE 3 Reject F99");
    pass(&mut poor, &mut bob, 1);
    assert_eq!(poor.request(4, &prepare_to("test.bob").amount(u64::MAX)), "RESPONSE 4 Reject F08");
    pass(&mut poor, &mut bob, 0);
    // The other direction: what the node would owe.
    let mut lender = node.connect_peer("lender");
    small.send_prepare(5, &prepare_to("test.lender").amount(20));
    let (id, _) = lender.receive_prepare();
    assert_eq!(small.request(6, &prepare_to("test.lender").amount(1)), "RESPONSE 6 Reject T04");
    lender.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(small.receive_described(), "RESPONSE 5 Fulfill");
    assert_eq!(node.balance("lender"), ["-20", "0", "0"]);
    // Row 54. The rate is low, so that a slow machine exceeds it too.
    let mut slow = node.connect_peer("slow");
    let mut refused = 0;
    for _ in 0..12 {
        match slow.request(7, &prepare_to("test.nobody")).as_str() {
            "RESPONSE 7 Reject F02" => {}
            "RESPONSE 7 Reject T05" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!((1..=10).contains(&refused), "{refused} of 12 were refused");
    let recovered = Instant::now() + crate::peer::TIMEOUT;
    while slow.request(8, &prepare_to("test.nobody")) != "RESPONSE 8 Reject F02" {
        assert!(Instant::now() < recovered, "the rate limit recovers");
    }
    // Unreadable packets count against the rate as well.
    let mut refused = 0;
    for _ in 0..12 {
        slow.send(&message(7, &[ProtocolEntry::octets(ILP, b"\x0c\x01\x00")]));
        refused += u32::from(slow.receive_described() == "RESPONSE 7 Reject T05");
    }
    assert!(refused >= 1, "{refused} of 12 were refused");
    // Row 55: received from the account, and sent to it.
    let mut few = node.connect_peer("few");
    let held: Vec<_> = (0..4)
        .map(|id| {
            few.send_prepare(id, &prepare_to("test.bob"));
            bob.receive_prepare().0
        })
        .collect();
    assert_eq!(few.request(9, &prepare_to("test.bob")), "RESPONSE 9 Reject T03");
    let towards: Vec<_> = (0..4)
        .map(|id| {
            bob.send_prepare(id, &prepare_to("test.few"));
            few.receive_prepare().0
        })
        .collect();
    assert_eq!(bob.request(9, &prepare_to("test.few")), "RESPONSE 9 Reject T03");
    held.iter().for_each(|id| bob.answer(*id, &fulfill(&PREIMAGE)));
    towards.iter().for_each(|id| few.answer(*id, &fulfill(&PREIMAGE)));
    for _ in 0..4 {
        assert!(few.receive_described().ends_with("Fulfill"));
        assert!(bob.receive_described().ends_with("Fulfill"));
    }
    pass(&mut few, &mut bob, 1);
}

#[test]
fn answers_are_checked_and_late_ones_ignored_rows_40_to_42_59_62() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    // Row 40.
    for wrong in [Fulfillment([8; 32]), Fulfillment::ZERO, Fulfillment::PING] {
        alice.send_prepare(1, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        assert_eq!(node.balance("alice"), ["0", "100", "0"], "row 59");
        assert_eq!(node.balance("bob"), ["0", "0", "100"], "row 59");
        bob.answer(id, &fulfill(&wrong));
        assert_eq!(alice.receive_described(), "RESPONSE 1 Reject F05");
    }
    assert_eq!(node.counter("bob", "wrongFulfillments"), 3);
    // Rows 41 and 42: R00 between the outgoing and the incoming expiry, even if a late Fulfill arrives.
    let asked = prepare_to("test.bob").expires_in_ms(4000);
    alice.send_prepare(2, &asked);
    let (id, packet) = bob.receive_prepare();
    let outgoing = Prepare::parse(&packet).unwrap().expires_at;
    assert_eq!(alice.receive_described(), "RESPONSE 2 Reject R00");
    let at = now();
    assert!(at >= outgoing && at < asked.expires_at, "{outgoing} <= {at} < {}", asked.expires_at);
    bob.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(bob.drain_frames(), [""; 0]);
    assert_eq!(alice.drain_frames(), [""; 0], "row 41");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
    assert_eq!(node.balance("bob"), ["0", "0", "0"], "row 62");
    assert_eq!(node.counter("bob", "timeouts"), 1);
    assert_eq!(node.counter("bob", "unexpectedAnswers"), 1);
}

#[test]
fn many_packets_of_two_peers_are_answered_out_of_order_rows_38_39() {
    let node = TestNode::with_peers(&["alice", "carol", "bob"], "");
    let (mut alice, mut carol) = (node.connect_peer("alice"), node.connect_peer("carol"));
    let mut bob = node.connect_peer("bob");
    let prepare_number =
        |number: u32| prepare_to("test.bob").condition(preimage(number).condition());
    for number in 0..100 {
        alice.send_prepare(number, &prepare_number(number).data(&number.to_be_bytes()));
        carol.send_prepare(
            number,
            &prepare_number(1000 + number).data(&(1000 + number).to_be_bytes()),
        );
    }
    let mut asked: Vec<_> = (0..200).map(|_| bob.receive_prepare()).collect();
    asked.reverse();
    for (id, packet) in asked {
        let data = Prepare::parse(&packet).unwrap().data.first_chunk().copied().unwrap();
        bob.answer(id, &fulfill(&preimage(u32::from_be_bytes(data))));
    }
    for (peer, first) in [(&mut alice, 0), (&mut carol, 1000)] {
        let mut left: HashSet<u32> = (0..100).collect();
        for _ in 0..100 {
            let got = peer.receive();
            let Packet::Fulfill(answer) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap()
            else {
                panic!("{}", describe_frame(&got))
            };
            assert_eq!(answer.fulfillment, preimage(first + got.id), "answers never cross");
            assert!(left.remove(&got.id), "twice: {}", got.id);
        }
        assert_eq!(peer.drain_frames(), [""; 0]);
    }
}

#[test]
fn ten_thousand_packets_may_be_in_flight_row_76() {
    const COUNT: u32 = 10_000;
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let Peer { mut writer, mut reader, .. } = node.connect_peer("alice");
    let mut bob = node.connect_peer("bob");
    let asking = std::thread::spawn(move || {
        let template = prepare_to("test.bob").expires_in_ms(30_000);
        for number in 0..COUNT {
            let number_ask =
                TestPrepare { condition: preimage(number).condition(), ..template.clone() };
            let packet = number_ask.data(&number.to_be_bytes()).encode();
            let entries = [ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet)];
            writer.send(&crate::peer::message(number, &entries));
        }
        writer
    });
    let mut held: Vec<(u32, u32)> = (0..COUNT)
        .map(|_| {
            let (id, packet) = bob.receive_prepare();
            let data = Prepare::parse(&packet).unwrap().data.first_chunk().copied().unwrap();
            (id, u32::from_be_bytes(data))
        })
        .collect();
    let _writer = asking.join().unwrap();
    let ids: HashSet<u32> = held.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), held.len(), "ids are distinct");
    assert_eq!(node.account("bob")["packetsInFlight"]["sent"], COUNT);
    held.reverse();
    let answering = std::thread::spawn(move || {
        for (id, number) in held {
            bob.answer(id, &fulfill(&preimage(number)));
        }
        bob
    });
    let mut left: HashSet<u32> = (0..COUNT).collect();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !left.is_empty() {
        let Some(crate::peer::SocketEvent::Binary(raw)) = reader.next_event(deadline) else {
            panic!("{} are unanswered", left.len())
        };
        let frame = ilp_connector::wire::btp::BtpFrame::parse(&raw).unwrap();
        let Packet::Fulfill(answer) = Packet::parse(frame.ilp().unwrap()).unwrap() else {
            panic!("{frame:?}")
        };
        let number = frame.request_id.0;
        assert_eq!(answer.fulfillment, preimage(number));
        assert!(left.remove(&number), "twice: {number}");
    }
    answering.join().unwrap();
    assert_eq!(node.balance("alice"), [(COUNT * 100).to_string().as_str(), "0", "0"]);
    assert_eq!(node.balance("bob"), [(-1_000_000).to_string().as_str(), "0", "0"]);
}

#[test]
fn packets_get_t01_while_the_next_hop_is_disconnected_row_47() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let mut alice = node.connect_peer("alice");
    for _ in 0..3 {
        assert_eq!(alice.request(1, &prepare_to("test.bob")), "RESPONSE 1 Reject T01");
        let mut bob = node.connect_peer("bob");
        alice.send_prepare(2, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
        bob.disconnect();
        node.wait_for_account("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    }
}

#[test]
fn a_flood_does_not_delay_fulfills_row_56() {
    let node = TestNode::with_peers(&["alice", "bob", "flood"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let Peer { mut writer, mut reader, .. } = node.connect_peer("flood");
    let flooding = std::thread::spawn(move || {
        let packet = prepare_to("test.nobody").expires_in_ms(60_000).encode();
        let entries = [ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet)];
        let frame = writer.encode(&crate::peer::message(1, &entries));
        let many = frame.repeat(200);
        while writer.send_raw(&many).is_ok() {}
    });
    let reading = std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut count = 0_usize;
        while let Some(crate::peer::SocketEvent::Binary(_)) = reader.next_event(deadline) {
            count += 1;
        }
        count
    });
    let (mut relayed, mut health) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        alice.send_prepare(1, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        let answered = Instant::now();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 1 Fulfill");
        relayed.push(answered.elapsed());
        let sent_at = Instant::now();
        assert_eq!(crate::peer::http_get(node.health_port, "GET /health").0, 200);
        health.push(sent_at.elapsed());
    }
    let received = node.account("flood")["packets"]["received"]["prepares"].as_u64();
    drop(node);
    flooding.join().unwrap();
    reading.join().unwrap();
    assert!(received > Some(1000), "there was a flood: {received:?}");
    // The message window is 1000 ms. The slowest packet is not decisive, because a busy machine may delay any process.
    for (what, mut times) in [("a Fulfill", relayed), ("/health", health)] {
        times.sort();
        assert!(times[10] < Duration::from_millis(800), "{what} took {times:?}");
    }
}
