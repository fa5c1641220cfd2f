//! One asker takes all that a next hop has, and another one's packets go on all the same.

use super::*;

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
fn refusals_say_what_is_kept() {
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
    let credit = "T04 the liquidity that is left towards next hop carl is kept for other accounts";
    assert_eq!(refused(900), credit);
    assert_eq!(refused(991), "T04 no liquidity towards next hop carl");
    while net.flood(&alice, 2, 1, 1) == 1 {}
    let places = "T03 the places that are left to next hop carl are kept for other accounts";
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
        Seen::Reject { code, message, .. } if code == "T03" && message.contains("kept for other")))
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
        net.connector.originate(carl.account.id(), &prepare, net.now, |_| ());
    }
    assert_eq!(net.read(&carl).len(), 16, "not without end");
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
