//! One asker takes all that a next hop has, and another one's packets go on all the same.

use super::*;
use crate::wire::ping;

/// alice floods, bob is honest, carl is their next hop.
fn carl(limits: impl FnOnce(&mut crate::account::Limits)) -> (Net, Peer, Peer, Peer) {
    let mut carl = peer("carl");
    limits(&mut carl.limits);
    let net = net(settings(vec![peer("alice"), peer("bob"), carl], &[("test.carl", "carl")]));
    let (alice, bob, carl) = (net.connect("alice"), net.connect("bob"), net.connect("carl"));
    (net, alice, bob, carl)
}

/// A payment that expires long after all that happens here.
fn payment(destination: &str, amount: u64) -> Vec<u8> {
    payment_with(destination, amount, 3_600_000, &[], PREIMAGE.condition())
}

impl Net {
    /// Asks with so many packets, and says how many went on. What the next hop gets, it leaves unanswered.
    fn flood(&self, peer: &Peer, first: u32, count: u32, amount: u64) -> usize {
        for id in first..first + count {
            self.ask(peer, id, &payment("test.carl.x", amount));
        }
        count as usize - self.read(peer).len()
    }

    /// One payment by `peer` that `to` fulfills.
    fn pays(&self, peer: &Peer, id: u32, amount: u64, to: &Peer) -> bool {
        self.ask(peer, id, &payment("test.carl.y", amount));
        let sent = self.read(to);
        if let Some(Seen::Prepare { id, .. }) = sent.last() {
            self.answer(to, *id, &fulfill(PREIMAGE, b""));
        }
        matches!(self.read_one(peer), Seen::Fulfill { .. })
    }
}

#[test]
fn an_asker_that_takes_every_place_leaves_those_of_the_others() {
    let (mut net, alice, bob, carl) = carl(|limits| limits.max_packets_in_flight = 1_000);
    assert!(net.pays(&bob, 1, 1, &carl));
    let went_on = net.flood(&alice, 0, 1_000, 0);
    assert_eq!(went_on, 1_000 - 250 - 166);
    net.read(&carl);
    for id in 2..50 {
        assert!(net.pays(&bob, id, 1, &carl), "packet {id}");
    }
    assert_eq!(net.flood(&bob, 100, 250, 1), 250, "bob's share is whole");
    net.pass(Duration::from_secs(30));
    net.read(&alice);
    net.read(&bob);
    assert_eq!(net.account("carl").in_flight_to, 0);
    assert!(net.flood(&alice, 2_000, 1_000, 0) > 500, "nothing stays taken");
}

#[test]
fn an_asker_alone_has_every_place_and_all_credit_and_is_told_so_when_they_are_gone() {
    let (net, alice, bob, carl) = carl(|limits| {
        limits.max_packets_in_flight = 100;
        limits.min_balance = Some(-1_000);
    });
    assert_eq!(net.flood(&alice, 0, 101, 10), 100);
    net.read(&carl);
    net.ask(&bob, 1, &payment("test.carl", 1));
    assert_eq!(net.code(&bob), "T03");
}

#[test]
fn rejects_name_what_is_reserved() {
    let (net, alice, bob, carl) = carl(|limits| {
        limits.max_packets_in_flight = 10;
        limits.min_balance = Some(-1_000);
    });
    assert!(net.pays(&bob, 1, 10, &carl));
    let refused = |amount| {
        net.ask(&alice, 1, &payment("test.carl", amount));
        match net.read_one(&alice) {
            Seen::Reject { code, message, .. } => format!("{code} {message}"),
            other => panic!("{other:?}"),
        }
    };
    let credit = "T04 next hop carl has liquidity left only for other accounts";
    assert_eq!(refused(900), credit);
    assert_eq!(refused(991), "T04 next hop carl has no liquidity left for this amount");
    while net.flood(&alice, 2, 1, 1) == 1 {}
    let places = "T03 next hop carl may have more packets in flight only from other accounts";
    assert_eq!(refused(1), places);
}

#[test]
fn an_asker_that_takes_the_credit_leaves_that_of_the_others() {
    for fulfilled in [false, true] {
        let (net, alice, bob, carl) = carl(|limits| limits.min_balance = Some(-120_000));
        assert!(net.pays(&bob, 1, 1, &carl));
        assert_eq!(net.flood(&alice, 1, 1, 119_000), 0);
        let mut taken = 0;
        for id in 2..200 {
            net.ask(&alice, id, &payment("test.carl.x", 1_000));
            if let [Seen::Prepare { id, .. }] = net.read(&carl).as_slice() {
                taken += 1;
                if fulfilled {
                    net.answer(&carl, *id, &fulfill(PREIMAGE, b""));
                }
            }
        }
        net.read(&alice);
        assert!((60..=70).contains(&taken), "{taken}");
        for id in 2..31 {
            assert!(net.pays(&bob, id, 1_000, &carl), "packet {id}, fulfilled: {fulfilled}");
        }
    }
}

#[test]
fn an_asker_that_fills_the_queue_of_a_slow_peer_leaves_room_for_the_others() {
    let (net, alice, bob, carl) = carl(|limits| limits.outbox_bytes_max = 100_000);
    assert!(net.pays(&bob, 1, 1, &carl));
    let large = payment_with("test.carl", 0, 10_000, &[b'.'; 1_000], PREIMAGE.condition());
    for id in 0..200 {
        net.ask(&alice, id, &large);
    }
    assert!(
        net.read(&alice).iter().all(|seen| matches!(seen,
        Seen::Reject { code, message, .. } if code == "T03" && message.contains("only for other")))
    );
    // carl reads nothing meanwhile.
    for id in 2..20 {
        net.ask(&bob, id, &large);
    }
    assert_eq!(net.read(&bob), []);
    assert!(net.account("carl").outbox_bytes < 100_000);
    assert!(net.read(&carl).len() > 50);
}

#[test]
fn requests_of_the_node_itself_find_a_place_beside_a_flood() {
    let (net, alice, _, carl) = carl(|limits| limits.max_packets_in_flight = 100);
    assert_eq!(net.flood(&alice, 0, 100, 0), 100);
    net.read(&carl);
    let payload = payment("test.carl", 0);
    let Ok(Packet::Prepare(prepare)) = Packet::parse(&payload) else { panic!() };
    for _ in 0..50 {
        net.connector.originate_prepare(carl.account.id(), &prepare, net.now, |_| ());
    }
    assert_eq!(net.read(&carl).len(), 16, "not without end");
}

/// Pongs are packets of their asker: with echoes it takes no more of a next hop than with payments.
#[test]
fn pongs_count_as_their_askers_towards_the_next_hop() {
    let (net, alice, bob, carl) = carl(|limits| limits.max_packets_in_flight = 1_000);
    assert!(net.pays(&bob, 1, 1, &carl));
    let mut data = Vec::new();
    let return_address: Address = "test.carl.x".parse().unwrap();
    ping::EchoRequest { return_address: return_address.view() }.encode(&mut data);
    for id in 0..1_000 {
        let echo = payment_with("test.node", 0, 3_600_000, &data, PREIMAGE.condition());
        net.ask(&alice, id, &echo);
    }
    assert_eq!(net.read(&carl).len(), 1_000 - 250 - 166);
    net.read(&alice);
    for id in 2..50 {
        assert!(net.pays(&bob, id, 1, &carl), "packet {id}");
    }
}

/// Nothing that a peer sends as a pong takes a place among the pongs that the node waits for.
#[test]
fn pongs_that_were_not_asked_for_take_nothing_away() {
    let (net, alice, bob, _) = carl(|_| ());
    assert!(net.connector.expect_pong(PREIMAGE));
    let pong = |preimage: Fulfillment| {
        payment_with("test.node", 0, 3_600_000, ping::ECHO_RESPONSE, preimage.condition())
    };
    for id in 0..2_000 {
        net.ask(&alice, id, &pong(Fulfillment([9; 32])));
        assert_eq!(net.code(&alice), "F01");
    }
    net.ask(&bob, 1, &pong(PREIMAGE));
    assert!(matches!(net.read_one(&bob), Seen::Fulfill { .. }));
}

/// `maxRoutes` is each peer's own, and the lock of the exchange is not one that packets wait for.
#[test]
fn a_peer_that_floods_with_routes_leaves_those_of_the_others() {
    use super::ccp::{telling, update_from};
    let mut alice = telling("alice", Relation::Peer);
    alice.routes.routes_max = 100;
    let net = net(settings(vec![alice, telling("bob", Relation::Peer), peer("carl")], &[]));
    let (alice, bob, carl) = (net.connect("alice"), net.connect("bob"), net.connect("carl"));
    for round in 0..50 {
        let prefixes: Vec<String> = (0..100).map(|i| format!("test.r{round}.n{i}")).collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        net.tells(&alice, round, &update_from("test.alice", round, &prefixes));
    }
    net.tells(&bob, 1, &update_from("test.bob", 0, &["test.far", "test.r1.n1", "test.r0.n0"]));
    net.tick();
    let routes = |peer: &str| {
        let reports = net.connector.ccp_report();
        let report = reports.into_iter().find(|one| one.peer.as_str() == peer).unwrap();
        (report.routes, report.refused.iter().map(|(_, count)| count).sum::<u64>())
    };
    assert_eq!(routes("alice"), (100, 4_900));
    assert_eq!(routes("bob"), (3, 0));
    assert_eq!(net.next_hop("test.far.x"), Ok("bob".to_owned()));
    assert_eq!(net.next_hop("test.r1.n1.x"), Ok("bob".to_owned()));
    net.ask(&carl, 1, &payment("test.far.x", 1));
    let id = net.prepare_id(&bob);
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(net.read_one(&carl), Seen::Fulfill { .. }));
}

/// While one peer's routes are at work, packets of others do not wait for them.
#[test]
fn packets_do_not_wait_for_the_exchange_of_routes() {
    let (net, _, bob, carl) = carl(|_| ());
    let connector = Arc::clone(&net.connector);
    let exchange = connector.ccp.lock();
    let (sender, answers) = std::sync::mpsc::sync_channel(1);
    // On a thread of its own: one that waits for the lock fails the test instead of holding it up.
    std::thread::spawn(move || {
        net.ask(&bob, 1, &payment("test.carl.y", 1));
        let id = net.prepare_id(&carl);
        net.answer(&carl, id, &fulfill(PREIMAGE, b""));
        sender.send(net.read_one(&bob)).unwrap();
    });
    let answer = answers.recv_timeout(Duration::from_secs(20));
    assert!(matches!(answer, Ok(Seen::Fulfill { .. })), "a packet waits for the lock: {answer:?}");
    drop(exchange);
}

#[test]
fn the_places_of_echoes_and_of_lost_sessions_come_back() {
    let (mut net, alice, bob, carl) = carl(|limits| limits.max_packets_in_flight = 100);
    assert!(net.pays(&bob, 1, 1, &carl));
    for round in 0..5 {
        assert!(net.flood(&alice, 0, 100, 1) > 50, "round {round}");
        let carl = if round % 2 == 0 {
            net.lose(&carl);
            net.connect("carl")
        } else {
            net.pass(Duration::from_secs(30));
            net.connect("carl")
        };
        net.read(&carl);
        net.read(&alice);
        assert_eq!(net.account("carl").in_flight_to, 0);
        net.lose(&carl);
        net.connect("carl");
    }
}
