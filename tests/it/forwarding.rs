//! What becomes of a good Prepare: times, amounts, limits and balances, and that each gets one answer. Checklist rows
//! 37 to 62 and 76; expiries are in `expiry`.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use ilp_connector::wire::Fulfillment;
use ilp_connector::wire::btp::{ILP, ProtocolEntry};
use ilp_connector::wire::ilp::{AmountTooLarge, Packet, Prepare};

use crate::peer::{
    Ask, Daemon, PREIMAGE, Peer, ask, describe, fulfill, message, now, preimage, reject, vectors,
};

#[test]
fn amounts_across_scales_and_rates_rows_48_to_51_53() {
    let node = Daemon::start(
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
        let (mut sender, mut receiver) = (node.peer(from), node.peer(to));
        sender.ask(1, &ask(&format!("test.{to}")).amount(amount));
        match out {
            Err(code) => {
                assert_eq!(sender.next(), format!("RESPONSE 1 Reject {code}"), "{amount}");
                assert_eq!(receiver.fence(), [""; 0]);
            }
            Ok(expected) => {
                let (id, packet) = receiver.prepare();
                assert_eq!(Prepare::parse(&packet).unwrap().amount.0, expected, "{amount}");
                // Row 53: its data is not scaled on the way back.
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
                assert_eq!(sender.frame().ilp.unwrap(), bytes);
            }
        }
    };
    for case in vectors("forwarding")["amount"].as_array().unwrap() {
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
fn limits_of_an_account_rows_52_54_55_60() {
    let node = Daemon::start(
        "nodeId: n\nilpAddress: test.n\npeers:\n\
           - { id: small, maxPacketAmount: 1000, authToken: small-token }\n\
           - { id: poor, maxBalance: 20, authToken: poor-token }\n\
           - { id: slow, packetsPerSecond: 20, authToken: slow-token }\n\
           - { id: few, maxPacketsInFlight: 4, authToken: few-token }\n\
           - { id: bob, authToken: bob-token }\n- { id: lender, minBalance: -20, authToken: lender-token }\n\
         routes: [{ prefix: test.bob, nextHop: bob }, { prefix: test.few, nextHop: few }, { prefix: test.lender, nextHop: lender }]\n",
    );
    let mut bob = node.peer("bob");
    let pass = |peer: &mut Peer, bob: &mut Peer, amount: u64| {
        peer.ask(1, &ask("test.bob").amount(amount));
        let (id, _) = bob.prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(peer.next(), "RESPONSE 1 Fulfill", "{amount}");
    };
    // Row 52.
    let mut small = node.peer("small");
    pass(&mut small, &mut bob, 1000);
    small.ask(2, &ask("test.bob").amount(1001));
    let got = small.frame();
    let Packet::Reject(refused) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap() else {
        panic!("{}", describe(&got))
    };
    assert_eq!(refused.code.to_string(), "F08");
    assert_eq!(hex::encode(refused.data), "00000000000003e900000000000003e8");
    // Row 60, the example of RFC 32.
    let mut poor = node.peer("poor");
    pass(&mut poor, &mut bob, 12);
    assert_eq!(poor.asked(2, &ask("test.bob").amount(9)), "RESPONSE 2 Reject T04");
    pass(&mut poor, &mut bob, 7);
    assert_eq!(node.balance("poor"), ["19", "0", "0"]);
    // What is held counts, and comes back.
    poor.ask(3, &ask("test.bob").amount(1));
    let (id, _) = bob.prepare();
    assert_eq!(poor.asked(4, &ask("test.bob").amount(1)), "RESPONSE 4 Reject T04");
    assert_eq!(node.balance("poor"), ["19", "1", "0"]);
    bob.answer(id, &reject(b"F99"));
    assert_eq!(poor.next(), "RESPONSE 3 Reject F99");
    pass(&mut poor, &mut bob, 1);
    assert_eq!(poor.asked(4, &ask("test.bob").amount(u64::MAX)), "RESPONSE 4 Reject F08");
    pass(&mut poor, &mut bob, 0);
    // The other direction: what we would owe.
    let mut lender = node.peer("lender");
    small.ask(5, &ask("test.lender").amount(20));
    let (id, _) = lender.prepare();
    assert_eq!(small.asked(6, &ask("test.lender").amount(1)), "RESPONSE 6 Reject T04");
    lender.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(small.next(), "RESPONSE 5 Fulfill");
    assert_eq!(node.balance("lender"), ["-20", "0", "0"]);
    // Row 54.
    let mut slow = node.peer("slow");
    let mut refused = 0;
    for _ in 0..60 {
        match slow.asked(7, &ask("test.nobody")).as_str() {
            "RESPONSE 7 Reject F02" => {}
            "RESPONSE 7 Reject T05" => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert!((10..=40).contains(&refused), "{refused} of 60 were refused");
    let recovered = Instant::now() + Duration::from_secs(3);
    while slow.asked(8, &ask("test.nobody")) != "RESPONSE 8 Reject F02" {
        assert!(Instant::now() < recovered, "the rate limit recovers");
    }
    // What cannot be read has cost a look, too.
    let mut refused = 0;
    for _ in 0..60 {
        slow.send(&message(7, &[ProtocolEntry::octets(ILP, b"\x0c\x01\x00")]));
        refused += u32::from(slow.next() == "RESPONSE 7 Reject T05");
    }
    assert!(refused >= 10, "{refused} of 60 were refused");
    // Row 55: from the account, and towards it.
    let mut few = node.peer("few");
    let held: Vec<_> = (0..4)
        .map(|id| {
            few.ask(id, &ask("test.bob"));
            bob.prepare().0
        })
        .collect();
    assert_eq!(few.asked(9, &ask("test.bob")), "RESPONSE 9 Reject T03");
    let towards: Vec<_> = (0..4)
        .map(|id| {
            bob.ask(id, &ask("test.few"));
            few.prepare().0
        })
        .collect();
    assert_eq!(bob.asked(9, &ask("test.few")), "RESPONSE 9 Reject T03");
    held.iter().for_each(|id| bob.answer(*id, &fulfill(&PREIMAGE)));
    towards.iter().for_each(|id| few.answer(*id, &fulfill(&PREIMAGE)));
    for _ in 0..4 {
        assert!(few.next().ends_with("Fulfill"));
        assert!(bob.next().ends_with("Fulfill"));
    }
    pass(&mut few, &mut bob, 1);
}

#[test]
fn answers_are_checked_and_late_ones_do_not_count_rows_40_to_42_59_62() {
    let node = Daemon::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    // Row 40.
    for wrong in [Fulfillment([8; 32]), Fulfillment::ZERO, Fulfillment::PING] {
        alice.ask(1, &ask("test.bob"));
        let (id, _) = bob.prepare();
        assert_eq!(node.balance("alice"), ["0", "100", "0"], "row 59");
        assert_eq!(node.balance("bob"), ["0", "0", "100"], "row 59");
        bob.answer(id, &fulfill(&wrong));
        assert_eq!(alice.next(), "RESPONSE 1 Reject F05");
    }
    assert_eq!(node.counter("bob", "wrongFulfillments"), 3);
    // Rows 41 and 42: R00 between the outgoing and the incoming expiry, also where a late Fulfill comes.
    let asked = ask("test.bob").within(2400);
    alice.ask(2, &asked);
    let (id, packet) = bob.prepare();
    let outgoing = Prepare::parse(&packet).unwrap().expires_at;
    assert_eq!(alice.next(), "RESPONSE 2 Reject R00");
    let at = now();
    assert!(at >= outgoing && at < asked.expires_at, "{outgoing} <= {at} < {}", asked.expires_at);
    bob.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(bob.fence(), [""; 0]);
    assert_eq!(alice.fence(), [""; 0], "row 41");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
    assert_eq!(node.balance("bob"), ["0", "0", "0"], "row 62");
    assert_eq!(node.counter("bob", "timeouts"), 1);
    assert_eq!(node.counter("bob", "unexpectedAnswers"), 1);
}

#[test]
fn many_packets_of_two_peers_are_answered_out_of_order_rows_38_39() {
    let node = Daemon::with_peers(&["alice", "carol", "bob"], "");
    let (mut alice, mut carol) = (node.peer("alice"), node.peer("carol"));
    let mut bob = node.peer("bob");
    let question = |number: u32| ask("test.bob").condition(preimage(number).condition());
    for number in 0..100 {
        alice.ask(number, &question(number).data(&number.to_be_bytes()));
        carol.ask(number, &question(1000 + number).data(&(1000 + number).to_be_bytes()));
    }
    let mut asked: Vec<_> = (0..200).map(|_| bob.prepare()).collect();
    asked.reverse();
    for (id, packet) in asked {
        let data = Prepare::parse(&packet).unwrap().data.first_chunk().copied().unwrap();
        bob.answer(id, &fulfill(&preimage(u32::from_be_bytes(data))));
    }
    for (peer, first) in [(&mut alice, 0), (&mut carol, 1000)] {
        let mut left: HashSet<u32> = (0..100).collect();
        for _ in 0..100 {
            let got = peer.frame();
            let Packet::Fulfill(answer) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap()
            else {
                panic!("{}", describe(&got))
            };
            assert_eq!(answer.fulfillment, preimage(first + got.id), "answers never cross");
            assert!(left.remove(&got.id), "twice: {}", got.id);
        }
        assert_eq!(peer.fence(), [""; 0]);
    }
}

#[test]
fn ten_thousand_held_packets_row_76() {
    const COUNT: u32 = 10_000;
    let node = Daemon::with_peers(&["alice", "bob"], "");
    let Peer { mut writer, mut reader, .. } = node.peer("alice");
    let mut bob = node.peer("bob");
    let asking = std::thread::spawn(move || {
        let question = ask("test.bob").within(30_000);
        for number in 0..COUNT {
            let number_ask = Ask { condition: preimage(number).condition(), ..question.clone() };
            let packet = number_ask.data(&number.to_be_bytes()).packet();
            let entries = [ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet)];
            writer.send(&crate::peer::message(number, &entries));
        }
        writer
    });
    let mut held: Vec<(u32, u32)> = (0..COUNT)
        .map(|_| {
            let (id, packet) = bob.prepare();
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
        let Some(crate::peer::Seen::Binary(raw)) = reader.next(deadline) else {
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
fn next_hop_away_and_back_row_47() {
    let node = Daemon::with_peers(&["alice", "bob"], "");
    let mut alice = node.peer("alice");
    for _ in 0..3 {
        let asked = Instant::now();
        assert_eq!(alice.asked(1, &ask("test.bob")), "RESPONSE 1 Reject T01");
        assert!(asked.elapsed() < Duration::from_secs(1), "at once");
        let mut bob = node.peer("bob");
        alice.ask(2, &ask("test.bob"));
        let (id, _) = bob.prepare();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.next(), "RESPONSE 2 Fulfill");
        bob.cut();
        node.until("bob is gone", "bob", |bob| bob["state"] == "disconnected");
    }
}

#[test]
fn fulfills_are_not_kept_waiting_by_a_flood_row_56() {
    let node = Daemon::with_peers(&["alice", "bob", "flood"], "");
    let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
    let Peer { mut writer, mut reader, .. } = node.peer("flood");
    let flooding = std::thread::spawn(move || {
        let packet = ask("test.nobody").within(60_000).packet();
        let entries = [ilp_connector::wire::btp::ProtocolEntry::octets("ilp", &packet)];
        let frame = writer.framed(&crate::peer::message(1, &entries));
        let many = frame.repeat(200);
        while writer.raw(&many).is_ok() {}
    });
    let reading = std::thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut count = 0_usize;
        while let Some(crate::peer::Seen::Binary(_)) = reader.next(deadline) {
            count += 1;
        }
        count
    });
    let (mut relayed, mut health) = (Vec::new(), Vec::new());
    for _ in 0..20 {
        alice.ask(1, &ask("test.bob"));
        let (id, _) = bob.prepare();
        let answered = Instant::now();
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.next(), "RESPONSE 1 Fulfill");
        relayed.push(answered.elapsed());
        let asked = Instant::now();
        assert_eq!(crate::peer::get(node.health, "GET /health").0, 200);
        health.push(asked.elapsed());
    }
    let received = node.account("flood")["packets"]["received"]["prepares"].as_u64();
    drop(node);
    flooding.join().unwrap();
    reading.join().unwrap();
    assert!(received > Some(1000), "there was a flood: {received:?}");
    // The message window is 1000 ms. Not the slowest decides: a busy machine lets any process wait for so long.
    for (what, mut times) in [("a Fulfill", relayed), ("/health", health)] {
        times.sort();
        assert!(times[10] < Duration::from_millis(800), "{what} took {times:?}");
    }
}
