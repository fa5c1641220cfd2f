//! One peer takes whatever a next hop has; the packets of another one to that hop go on all the same.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ilp_connector::wire::btp::BtpFrame;
use ilp_connector::wire::ilp::Packet;
use serde_json::Value;

use crate::peer::{Ask, Daemon, PATIENCE, PREIMAGE, Peer, Seen, ask, fulfill, respond};
use crate::support::eventually;

/// Of so many packets of the honest peer at least 95 % must be fulfilled.
const HONEST: u32 = 100;
const LEAST: usize = 95;

/// A next hop that fulfills what is for `test.carl.good`, what is for `test.carl.paid` too, and leaves the rest alone.
fn next_hop(mut carl: Peer) -> JoinHandle<()> {
    thread::spawn(move || {
        let fulfill = fulfill(&PREIMAGE);
        let deadline = Instant::now() + Duration::from_secs(120);
        while let Some(seen) = carl.reader.next(deadline) {
            match seen {
                Seen::Binary(raw) => {
                    let Ok(frame) = BtpFrame::parse(&raw) else { break };
                    let packet = frame.ilp().map(Packet::parse);
                    let Some(Ok(Packet::Prepare(prepare))) = packet else { continue };
                    if prepare.destination.as_str() != "test.carl.evil"
                        && carl
                            .writer
                            .try_send(&respond(frame.request_id.0, Some(&fulfill)))
                            .is_err()
                    {
                        break;
                    }
                }
                Seen::Ping(payload) => carl.writer.control(0x8a, &payload),
                Seen::Close(..) | Seen::Gone => break,
                _ => {}
            }
        }
    })
}

/// How many of the honest peer's packets are fulfilled, one after the other.
fn fulfilled(bob: &mut Peer, packet: &Ask) -> usize {
    let outcomes = (0..HONEST).map(|id| bob.asked(id, packet));
    outcomes.filter(|outcome| outcome.ends_with("Fulfill")).count()
}

fn in_flight_to_carl(node: &Daemon) -> u64 {
    node.account("carl")["packetsInFlight"]["sent"].as_u64().unwrap()
}

/// Sends, reads and throws away on threads of its own until the connection ends.
fn read_on(alice: Peer) -> (crate::peer::Writer, JoinHandle<()>) {
    let Peer { mut reader, writer, .. } = alice;
    let deadline = Instant::now() + Duration::from_secs(120);
    let thread = thread::spawn(move || {
        while !matches!(reader.next(deadline), None | Some(Seen::Close(..) | Seen::Gone)) {}
    });
    (writer, thread)
}

fn message(id: u32, packet: &Ask) -> Vec<u8> {
    use ilp_connector::wire::btp::{ILP, ProtocolEntry};
    crate::peer::message(id, &[ProtocolEntry::octets(ILP, &packet.packet())])
}

#[test]
fn a_peer_that_takes_every_place_of_a_next_hop_leaves_those_of_the_others() {
    let node = Daemon::with_peers(&["alice", "bob", "carl"], "");
    let mut bob = node.peer("bob");
    let hop = next_hop(node.peer("carl"));
    let good = ask("test.carl.good");
    assert_eq!(fulfilled(&mut bob, &good), HONEST as usize);
    let (mut alice, reading) = read_on(node.peer("alice"));
    // As many as may be in flight to a peer; nobody answers them.
    let evil = ask("test.carl.evil").amount(0).within(60_000);
    for id in 0..16_384 {
        alice.send(&message(id, &evil));
    }
    eventually("alice has what she can get", PATIENCE, || match in_flight_to_carl(&node) {
        count if count > 8_000 => Ok(()),
        count => Err(count.to_string()),
    });
    let good = ask("test.carl.good");
    let count = fulfilled(&mut bob, &good);
    assert!(count >= LEAST, "{count} of {HONEST}");
    // She has her share, and more than that, but not all.
    let taken = in_flight_to_carl(&node);
    assert!((8_000..12_288).contains(&taken), "{taken}");
    drop(node.stop("TERM"));
    reading.join().unwrap();
    hop.join().unwrap();
}

#[test]
fn a_peer_that_takes_the_credit_of_a_next_hop_leaves_that_of_the_others() {
    let yaml = "nodeId: n\nilpAddress: test.n\npeers:\n  - { id: alice, authToken: alice-token }\n  \
        - { id: bob, authToken: bob-token }\n  - { id: carl, authToken: carl-token, minBalance: -1000000 }\n\
        routes:\n  - { prefix: test.carl, nextHop: carl }\n";
    // What she takes is held until it expires, or really spent.
    for to in ["test.carl.evil", "test.carl.paid"] {
        let node = Daemon::start(yaml);
        let (mut alice, mut bob) = (node.peer("alice"), node.peer("bob"));
        let hop = next_hop(node.peer("carl"));
        let good = ask("test.carl.good").amount(100);
        assert_eq!(fulfilled(&mut bob, &good), HONEST as usize, "{to}");
        assert_eq!(
            alice.asked(0, &ask(to).amount(980_000).within(60_000)),
            "RESPONSE 0 Reject T04",
            "{to}"
        );
        for id in 1..1_000 {
            alice.ask(id, &ask(to).amount(1_000).within(60_000));
        }
        let taken = |account: &Value| {
            let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
            number(&account["held"]["sent"]) - number(&account["balance"])
        };
        node.until("alice has what she can get", "carl", |carl| taken(carl) > 500_000);
        let count = fulfilled(&mut bob, &ask("test.carl.good").amount(1_000));
        assert!(count >= LEAST, "{to}: {count} of {HONEST}");
        drop(node.stop("TERM"));
        hop.join().unwrap();
    }
}

#[test]
fn a_peer_that_fills_the_queue_of_a_slow_next_hop_leaves_room_for_the_others() {
    let node = Daemon::with_peers(&["alice", "bob", "carl"], "");
    let mut bob = node.peer("bob");
    let mut carl = node.peer("carl");
    bob.ask(1, &ask("test.carl.good"));
    let (id, _) = carl.prepare();
    carl.answer(id, &fulfill(&PREIMAGE));
    assert_eq!(bob.next(), "RESPONSE 1 Fulfill");
    // carl reads nothing meanwhile.
    let (mut alice, reading) = read_on(node.peer("alice"));
    let evil = ask("test.carl.evil").amount(0).within(60_000).data(&[b'.'; 30_000]);
    let rejected = || node.account("alice")["packets"]["sent"]["rejects"]["T03"].as_u64();
    let mut id = 0;
    eventually("the queue is full for alice", Duration::from_secs(60), || {
        for _ in 0..50 {
            id += 1;
            alice.send(&message(id, &evil));
        }
        rejected().ok_or_else(|| node.account("carl").to_string())
    });
    for id in 0..HONEST {
        bob.ask(id, &ask("test.carl.good").within(60_000));
    }
    assert_eq!(bob.fence(), [""; 0], "none is refused");
    let hop = next_hop(carl);
    let fulfilled = (0..HONEST).filter(|_| bob.next().ends_with("Fulfill")).count();
    assert!(fulfilled >= LEAST, "{fulfilled} of {HONEST}");
    drop(node.stop("TERM"));
    reading.join().unwrap();
    hop.join().unwrap();
}
