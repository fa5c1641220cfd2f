//! One peer uses as much of a next hop as it can get; another peer's packets to that hop are still fulfilled.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::BtpFrame;
use ilp_connector::wire::ilp::Packet;
use serde_json::Value;

use crate::peer::{
    PREIMAGE, Peer, SocketEvent, TIMEOUT, TestNode, TestPrepare, fulfill, prepare_to, response,
};
use crate::support::eventually;

/// The packets of the honest peer, and how many of them must be fulfilled.
const HONEST_PACKETS: u32 = 100;
const FULFILLED_MIN: usize = 95;

/// A next hop that fulfills all packets but those to `test.carl.evil`, which it does not answer.
fn next_hop(mut carl: Peer) -> JoinHandle<()> {
    thread::spawn(move || {
        let fulfill = fulfill(&PREIMAGE);
        let deadline = Instant::now() + Duration::from_secs(120);
        while let Some(seen) = carl.reader.next_event(deadline) {
            match seen {
                SocketEvent::Binary(raw) => {
                    let Ok(frame) = BtpFrame::parse(&raw) else { break };
                    let packet = frame.ilp().map(Packet::parse);
                    let Some(Ok(Packet::Prepare(prepare))) = packet else { continue };
                    if prepare.destination.as_str() != "test.carl.evil"
                        && carl
                            .writer
                            .try_send(&response(frame.request_id.0, Some(&fulfill)))
                            .is_err()
                    {
                        break;
                    }
                }
                SocketEvent::Ping(payload) => carl.writer.send_control(0x8a, &payload),
                SocketEvent::Close(..) | SocketEvent::Closed => break,
                _ => {}
            }
        }
    })
}

/// Sends the honest peer's packets one by one; returns how many are fulfilled.
fn count_fulfilled(bob: &mut Peer, packet: &TestPrepare) -> usize {
    // None expires while the others wait.
    let packet = &packet.clone().expires_in_ms(60_000);
    let outcomes = (0..HONEST_PACKETS).map(|id| bob.request(id, packet));
    outcomes.filter(|outcome| outcome.ends_with("Fulfill")).count()
}

fn in_flight_to_carl(node: &TestNode) -> u64 {
    node.account("carl")["packetsInFlight"]["sent"].as_u64().unwrap()
}

/// Reads and discards on a thread until the connection ends; returns the writing half.
fn discard_answers(alice: Peer) -> (crate::peer::FrameWriter, JoinHandle<()>) {
    let Peer { mut reader, writer, .. } = alice;
    let deadline = Instant::now() + Duration::from_secs(120);
    let thread = thread::spawn(move || {
        while !matches!(
            reader.next_event(deadline),
            None | Some(SocketEvent::Close(..) | SocketEvent::Closed)
        ) {}
    });
    (writer, thread)
}

fn message(id: u32, packet: &TestPrepare) -> Vec<u8> {
    use ilp_connector::wire::btp::{ILP, ProtocolEntry};
    crate::peer::message(id, &[ProtocolEntry::octets(ILP, &packet.encode())])
}

#[test]
fn no_peer_can_take_all_packets_in_flight_of_a_next_hop() {
    let node = TestNode::with_peers(&["alice", "bob", "carl"], "");
    let mut bob = node.connect_peer("bob");
    let hop = next_hop(node.connect_peer("carl"));
    let good = prepare_to("test.carl.good");
    assert_eq!(count_fulfilled(&mut bob, &good), HONEST_PACKETS as usize);
    let (mut alice, reading) = discard_answers(node.connect_peer("alice"));
    // As many as may be in flight to a peer; none is answered.
    let evil = prepare_to("test.carl.evil").amount(0).expires_in_ms(60_000);
    for id in 0..16_384 {
        alice.send(&message(id, &evil));
    }
    eventually("alice has taken her part", TIMEOUT, || match in_flight_to_carl(&node) {
        count if count > 8_000 => Ok(()),
        count => Err(count.to_string()),
    });
    let good = prepare_to("test.carl.good");
    let count = count_fulfilled(&mut bob, &good);
    assert!(count >= FULFILLED_MIN, "{count} of {HONEST_PACKETS}");
    // Alice has more than half, but not all.
    let taken = in_flight_to_carl(&node);
    assert!((8_000..12_288).contains(&taken), "{taken}");
    drop(node.stop("TERM"));
    reading.join().unwrap();
    hop.join().unwrap();
}

#[test]
fn no_peer_can_take_all_credit_of_a_next_hop() {
    let yaml = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: alice, authToken: alice-token }\n  \
        - { id: bob, authToken: bob-token }\n  - { id: carl, authToken: carl-token, minBalance: -1000000 }\n\
        routes:\n  - { prefix: test.carl, nextHop: carl }\n";
    // What alice takes is either held until it expires, or spent.
    for to in ["test.carl.evil", "test.carl.paid"] {
        let node = TestNode::start(yaml);
        let (mut alice, mut bob) = (node.connect_peer("alice"), node.connect_peer("bob"));
        let hop = next_hop(node.connect_peer("carl"));
        let good = prepare_to("test.carl.good").amount(100);
        assert_eq!(count_fulfilled(&mut bob, &good), HONEST_PACKETS as usize, "{to}");
        assert_eq!(
            alice.request(0, &prepare_to(to).amount(980_000).expires_in_ms(60_000)),
            "RESPONSE 0 Reject T04",
            "{to}"
        );
        for id in 1..1_000 {
            alice.send_prepare(id, &prepare_to(to).amount(1_000).expires_in_ms(60_000));
        }
        let taken = |account: &Value| {
            let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
            number(&account["held"]["sent"]) - number(&account["balance"])
        };
        node.wait_for_account("alice has taken her part", "carl", |carl| taken(carl) > 500_000);
        let count = count_fulfilled(&mut bob, &prepare_to("test.carl.good").amount(1_000));
        assert!(count >= FULFILLED_MIN, "{to}: {count} of {HONEST_PACKETS}");
        drop(node.stop("TERM"));
        hop.join().unwrap();
    }
}

#[test]
fn no_peer_can_fill_the_whole_queue_of_a_slow_next_hop() {
    let node = TestNode::with_peers(&["alice", "bob", "carl"], "");
    let mut bob = node.connect_peer("bob");
    let mut carl = node.connect_peer("carl");
    bob.send_prepare(1, &prepare_to("test.carl.good"));
    let (id, _) = carl.receive_prepare();
    carl.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(bob.receive_described(), "RESPONSE 1 Fulfill");
    // Until later, carl reads nothing.
    let (mut alice, reading) = discard_answers(node.connect_peer("alice"));
    let evil = prepare_to("test.carl.evil").amount(0).expires_in_ms(60_000).data(&[b'.'; 30_000]);
    let rejected = || node.account("alice")["packets"]["sent"]["rejects"]["T03"].as_u64();
    let mut id = 0;
    eventually("the queue is full for alice", Duration::from_secs(60), || {
        for _ in 0..50 {
            id += 1;
            alice.send(&message(id, &evil));
        }
        rejected().ok_or_else(|| node.account("carl").to_string())
    });
    for id in 0..HONEST_PACKETS {
        bob.send_prepare(id, &prepare_to("test.carl.good").expires_in_ms(60_000));
    }
    assert_eq!(bob.drain_frames(), [""; 0], "none is refused");
    let hop = next_hop(carl);
    let fulfilled =
        (0..HONEST_PACKETS).filter(|_| bob.receive_described().ends_with("Fulfill")).count();
    assert!(fulfilled >= FULFILLED_MIN, "{fulfilled} of {HONEST_PACKETS}");
    drop(node.stop("TERM"));
    reading.join().unwrap();
    hop.join().unwrap();
}
