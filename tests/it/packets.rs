//! ILP packets through a running node: all vectors, what stays unchanged, what the node itself answers, and forbidden
//! destinations. Checklist rows 2 to 35, 93 to 95 and 118 to 121.

use ilp_connector::wire::btp::{FrameKind, ILP, ProtocolEntry};
use ilp_connector::wire::ilp::{Packet, Prepare};
use ilp_connector::wire::{Condition, Fulfillment};

use crate::peer::{
    PREIMAGE, Peer, ReceivedFrame, TestNode, describe_frame, describe_packet, fulfill,
    fulfill_with, get_json, hex_vectors, message, prepare_to, read_vectors,
};

#[test]
fn invalid_packets_get_f01_and_the_link_stays_up_rows_3_4_7_12_13_19_22_24() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let mut alice = node.connect_peer("alice");
    let mut bob = node.connect_peer("bob");
    let memory = node.memory_kib();
    let mut bad: Vec<(String, Vec<u8>)> = hex_vectors("ilp", "packets")
        .into_iter()
        .chain(hex_vectors("ilp", "large"))
        .filter(|(_, expect, _)| expect == "reject")
        .map(|(name, _, bytes)| (name, bytes))
        .collect();
    for item in read_vectors("oer")["timestamp_fixed17"].as_array().unwrap() {
        let packet = item["in_prepare_hex"].as_str();
        if let (Some("reject"), Some(packet)) = (item["expect"].as_str(), packet) {
            let bytes = hex::decode(packet).unwrap();
            bad.push((format!("timestamp {}", item["text"]), bytes));
        }
    }
    let good = prepare_to("test.bob").encode();
    bad.extend((1..good.len()).map(|at| (format!("cut at {at}"), good[..at].to_vec())));
    // Row 22: invalid addresses.
    for item in read_vectors("addresses")["valid_and_invalid"].as_array().unwrap() {
        if item["expect"] == "reject" {
            let address = hex::decode(item["hex"].as_str().unwrap()).unwrap();
            if address.len() < 100 {
                let mut packet = good.clone();
                let rest = packet.split_off(2 + 57 + 1 + "test.bob".len());
                packet.truncate(2 + 57);
                packet.push(u8::try_from(address.len()).unwrap());
                packet.extend(&address);
                packet.extend(rest);
                let content = packet.len() - 2;
                if content < 128 {
                    packet[1] = u8::try_from(content).unwrap();
                    bad.push((format!("address {}", item["text"]), packet));
                }
            }
        }
    }
    assert!(bad.len() > 100, "the vectors are there");
    for (number, (name, packet)) in bad.iter().enumerate() {
        let id = u32::try_from(number).unwrap();
        alice.send(&message(id, &[ProtocolEntry::octets(ILP, packet)]));
        let got = alice.receive();
        // A Fulfill or Reject is no request.
        let answer = matches!(packet.first(), Some(13 | 14));
        let expected =
            if answer { format!("ERROR {id} F00") } else { format!("RESPONSE {id} Reject F01") };
        assert_eq!(describe_frame(&got), expected, "{name}: {}", hex::encode(packet));
        if let Some(Ok(Packet::Reject(reject))) = got.ilp.as_deref().map(Packet::parse) {
            assert_eq!(reject.triggered_by.unwrap().as_str(), "test.n", "rows 13 and 19: {name}");
            assert!(reject.message.len() < 300, "{name}");
        }
    }
    assert_eq!(bob.drain_frames(), [""; 0], "nothing of that was sent on");
    let grown = node.memory_kib().saturating_sub(memory);
    assert!(grown < 8 * 1024, "memory grew by {grown} KiB");
    assert_eq!(node.balance("alice"), ["0", "0", "0"]);
}

#[test]
fn the_longest_prefix_of_whole_segments_wins_rows_23_25_to_27() {
    for item in read_vectors("routing")["lookups"].as_array().unwrap() {
        let table = item["table"].as_object().unwrap();
        let name = item["name"].as_str().unwrap();
        let lookups = item["lookups"].as_object().unwrap();
        let live = lookups.keys().any(|address| address.starts_with("g."));
        let own = if live { "g.zz.own" } else { "test.zz.own" };
        let mut hops: Vec<String> =
            table.values().map(|hop| format!("p{}", hop.as_str().unwrap())).collect();
        hops.sort();
        hops.dedup();
        let mut yaml = format!("nodeId: n\nilpAddress: {own}\npeers:\n");
        for hop in hops.iter().chain([&"sender".to_owned()]) {
            yaml += &format!("  - {{ id: {hop}, authToken: {hop}-token }}\n");
        }
        yaml += "routes:\n";
        for (prefix, hop) in table {
            yaml += &format!("  - {{ prefix: '{prefix}', nextHop: p{} }}\n", hop.as_str().unwrap());
        }
        let node = TestNode::start(&yaml);
        let mut peers: Vec<_> = hops.iter().map(|hop| (hop, node.connect_peer(hop))).collect();
        let mut sender = node.connect_peer("sender");
        let mut id = 0;
        for (address, expected) in lookups {
            if address.starts_with("peer.") {
                continue; // Local; see `peer_addresses_stay_here`.
            }
            id += 1;
            sender.send_prepare(id, &prepare_to(address));
            let Some(expected) = expected.as_str() else {
                assert_eq!(
                    sender.receive_described(),
                    format!("RESPONSE {id} Reject F02"),
                    "{name}: {address}"
                );
                continue;
            };
            let hop = format!("p{expected}");
            let (_, peer) = peers.iter_mut().find(|(id, _)| **id == hop).unwrap();
            let (theirs, packet) = peer.receive_prepare();
            assert_eq!(Prepare::parse(&packet).unwrap().destination.as_str(), address, "{name}");
            peer.answer(theirs, &fulfill(&PREIMAGE));
            assert_eq!(
                sender.receive_described(),
                format!("RESPONSE {id} Fulfill"),
                "{name}: {address}"
            );
        }
        for (hop, peer) in &mut peers {
            assert_eq!(peer.drain_frames(), [""; 0], "{name}: {hop} got no others");
        }
    }
}

#[test]
fn forbidden_destinations_are_rejected_rows_19_28_to_32_34_35() {
    for (own, ours, foreign) in [("test.n", "test", "g"), ("g.n", "g", "test")] {
        let node = TestNode::start(&format!(
            "nodeId: n\nilpAddress: {own}\npeers:\n  - {{ id: alice, authToken: alice-token }}\n  \
               - {{ id: up, authToken: up-token }}\n  - {{ id: away, authToken: away-token }}\n\
             routes:\n  - {{ prefix: '', nextHop: up }}\n  - {{ prefix: {ours}.away, nextHop: away }}\n"
        ));
        let (mut alice, mut up) = (node.connect_peer("alice"), node.connect_peer("up"));
        let check = |peer: &mut Peer, destination: &str, expected: &str| {
            peer.send_prepare(1, &prepare_to(destination));
            let got = peer.receive();
            assert_eq!(
                describe_frame(&got),
                format!("RESPONSE 1 Reject {expected}"),
                "{destination}"
            );
            let Packet::Reject(reject) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap() else {
                panic!("{got:?}")
            };
            assert_eq!(reject.triggered_by.unwrap().as_str(), own, "row 19: {destination}");
            assert!(!reject.message.is_empty(), "{destination}");
        };
        check(&mut alice, "peer.unknown", "F01");
        check(&mut alice, "peer.settle", "F00");
        check(&mut alice, "peer.up.x", "F01");
        check(&mut alice, &format!("{foreign}.anybody"), "F02");
        if own == "g.n" {
            for scheme in ["test1", "test2", "test3"] {
                check(&mut alice, &format!("{scheme}.anybody"), "F02");
            }
        }
        check(&mut alice, "example.anybody", "F02");
        check(&mut alice, &format!("{own}.nobody"), "F02");
        check(&mut alice, own, "F06");
        check(&mut alice, &format!("{ours}.away.x"), "T01");
        // Row 35: the default route leads back to the sender.
        check(&mut up, &format!("{ours}.unknown"), "F02");
        assert_eq!(up.drain_frames(), [""; 0], "nothing was sent on");
        // The route itself works.
        alice.send_prepare(2, &prepare_to(&format!("{ours}.somebody")));
        let (id, _) = up.receive_prepare();
        up.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
    }
}

#[test]
fn sizes_and_amounts_pass_unchanged_rows_2_6_8_to_10_14_15_18_24() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let mut check = |packet: &[u8]| {
        alice.send(&message(3, &[ProtocolEntry::octets(ILP, packet)]));
        let (id, forwarded) = bob.receive_prepare();
        let (sent, got) = (Prepare::parse(packet).unwrap(), Prepare::parse(&forwarded).unwrap());
        // Bytes after the known fields are not forwarded.
        let mut canonical = Vec::new();
        sent.encode(&mut canonical);
        assert_eq!(forwarded.len(), canonical.len());
        let content = canonical.len() - 1 - header(&canonical);
        let at = canonical.len() - content;
        assert_eq!(forwarded[..at], canonical[..at]);
        assert_eq!(forwarded[at..at + 8], canonical[at..at + 8], "row 6: one to one");
        assert_eq!(forwarded[at + 25..], canonical[at + 25..], "row 18");
        assert!(got.expires_at < sent.expires_at, "row 43");
        bob.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 3 Fulfill");
    };
    for length in [0, 1, 126, 127, 128, 129, 255, 256, 257, 16_383, 32_766, 32_767] {
        let data: Vec<u8> =
            (0..length).map(|at: usize| u8::try_from(at * 31 % 251).unwrap()).collect();
        check(&prepare_to("test.bob").data(&data).encode());
    }
    for amount in [0, 1, (1 << 53) + 1, u64::MAX - 1, u64::MAX] {
        check(&prepare_to("test.bob").amount(amount).encode());
    }
    let longest = format!("test.bob.{}", "x".repeat(1023 - 9));
    check(&prepare_to(&longest).encode());
    check(&prepare_to(&longest).data(&[1; 32_767]).encode());
    // Row 8: the latest expiry.
    let mut far = prepare_to("test.bob").encode();
    far[2 + 8..2 + 25].copy_from_slice(b"99991224161432279");
    check(&far);
    // Row 9: bytes that a later version may add, after the packet and in it.
    let good = prepare_to("test.bob").encode();
    let mut outer = good.clone();
    outer.extend([1, 2, 3]);
    check(&outer);
    let mut inner = good.clone();
    inner.extend([1, 2, 3]);
    inner[1] += 3;
    check(&inner);
    assert_eq!(node.balance("alice")[0], (u128::from(u64::MAX) * 2 + (1 << 53) + 1701).to_string());
}

/// The size of the length determinant at offset 1.
fn header(packet: &[u8]) -> usize {
    if packet[1] < 128 { 1 } else { 1 + usize::from(packet[1] & 0x7f) }
}

#[test]
fn answers_pass_unchanged_rows_11_16_17_20_53() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let mut answers: Vec<(String, Vec<u8>)> = hex_vectors("ilp", "packets")
        .into_iter()
        .chain(hex_vectors("ilp", "large"))
        .filter(|(name, expect, bytes)| {
            expect != "reject" && bytes.first() == Some(&14) && !name.starts_with("rs-fuzz")
        })
        .map(|(name, _, bytes)| (name, bytes))
        .collect();
    assert!(answers.iter().any(|(name, _)| name == "reject-max"), "the vectors are there");
    for length in [0, 1, 127, 128, 255, 256, 32_767] {
        let data: Vec<u8> =
            (0..length).map(|at: usize| u8::try_from(at * 7 % 253).unwrap()).collect();
        answers.push((format!("fulfill {length}"), fulfill_with(&PREIMAGE, &data)));
    }
    for (name, answer) in answers {
        alice.send_prepare(4, &prepare_to("test.bob"));
        let (id, _) = bob.receive_prepare();
        bob.answer(id, &answer);
        let ReceivedFrame { kind, ilp, .. } = alice.receive();
        assert_eq!(kind, FrameKind::Response, "row 80: {name}");
        assert_eq!(hex::encode(ilp.unwrap()), hex::encode(&answer), "{name}");
    }
}

#[test]
fn pings_and_echoes_are_answered_rows_118_to_121() {
    let node = TestNode::with_peers(&["alice", "bob"], "");
    let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
    let file = read_vectors("ping");
    let own = |data: &[u8]| prepare_to("test.n").data(data);
    for case in file["cases"].as_array().unwrap() {
        let data = hex::decode(case["data_hex"].as_str().unwrap()).unwrap();
        let expected = match case["name"].as_str().unwrap() {
            // The return address is in another network.
            "echo-request-data" => "Reject F02",
            "not-echo" => "Reject F06",
            "unidirectional-ping" => "Reject F06",
            _ => "Reject F01",
        };
        assert_eq!(
            alice.request(1, &own(&data)),
            format!("RESPONSE 1 {expected}"),
            "{}",
            case["name"]
        );
    }
    let echo = |to: &str| {
        let mut data = b"ECHOECHOECHOECHO\0".to_vec();
        data.push(u8::try_from(to.len()).unwrap());
        data.extend(to.as_bytes());
        data
    };
    // Row 118: to the sender itself, and to another peer.
    for to in ["test.alice.ping", "test.bob.ping"] {
        alice.send_prepare(2, &own(&echo(to)).amount(5));
        let receiver = if to.contains("bob") { &mut bob } else { &mut alice };
        let (id, pong) = receiver.receive_prepare();
        let pong = Prepare::parse(&pong).unwrap();
        assert_eq!(pong.destination.as_str(), to);
        assert_eq!(pong.data, b"ECHOECHOECHOECHO\x01");
        assert_eq!(pong.condition, PREIMAGE.condition());
        assert_eq!(pong.amount.0, 5);
        receiver.answer(id, &fulfill(&PREIMAGE));
        assert_eq!(alice.receive_described(), "RESPONSE 2 Fulfill");
    }
    // D16: no echo to the protocols of neighbours, to the node itself, or below its address.
    for to in ["peer.config", "peer.x", "test.n"] {
        assert_eq!(alice.request(3, &own(&echo(to))), "RESPONSE 3 Reject F01", "{to}");
    }
    assert_eq!(
        alice.request(4, &prepare_to("test.n.x").data(&echo("test.alice"))),
        "RESPONSE 4 Reject F02",
        "row 119"
    );
    // Row 121.
    let ping = own(b"hello").condition(Condition::PING);
    alice.send_prepare(5, &ping);
    let got = alice.receive();
    let Packet::Fulfill(fulfilled) = Packet::parse(got.ilp.as_deref().unwrap()).unwrap() else {
        panic!("{}", describe_frame(&got))
    };
    assert_eq!(&fulfilled.fulfillment.0, b"pingpingpingpingpingpingpingping");
    assert_eq!(alice.request(6, &ping.clone().expires_in_ms(-1)), "RESPONSE 6 Reject R02");
}

#[test]
fn a_parent_assigns_addresses_to_its_children_rows_93_to_95() {
    let node = TestNode::start(
        "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: alice, authToken: alice-token }\n  \
           - { id: kid, relation: child, authToken: kid-token, assetScale: 2 }\n",
    );
    let config = || prepare_to("peer.config").amount(0).condition(Condition([0; 32]));
    let right = Fulfillment::ZERO.condition();
    let mut kid = node.connect_peer("kid");
    kid.send_prepare(1, &config().condition(right));
    let got = kid.receive();
    let expected = [&[0; 32][..], &[16, 10], b"test.n.kid", &[2, 3], b"USD"].concat();
    let packet = got.ilp.unwrap();
    assert_eq!(hex::encode(&packet[2..]), hex::encode(expected), "{}", describe_packet(&packet));
    assert_eq!(kid.request(2, &config()), "RESPONSE 2 Reject F01", "row 95: the wrong condition");
    let expired = config().condition(right).expires_in_ms(-5);
    assert_eq!(kid.request(3, &expired), "RESPONSE 3 Reject R02", "row 95: expired");
    let mut alice = node.connect_peer("alice");
    let request = config().condition(right);
    assert_eq!(alice.request(4, &request), "RESPONSE 4 Reject F00", "row 94: no child");
    // The child is reachable at its address.
    alice.send_prepare(5, &prepare_to("test.n.kid.shop").amount(12_345_678_901));
    let (id, packet) = kid.receive_prepare();
    assert_eq!(Prepare::parse(&packet).unwrap().amount.0, 1234, "of scale 9 into scale 2");
    kid.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(alice.receive_described(), "RESPONSE 5 Fulfill");
    assert_eq!(get_json(node.health_port, "/health")["status"], "healthy");
}
