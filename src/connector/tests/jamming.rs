//! One requester uses all capacity of a next hop, and packets of another one still pass.

use super::*;

/// alice floods, bob is honest, carl is their next hop.
fn flooded(limits: impl FnOnce(&mut crate::account::Limits)) -> (TestNode, Peer, Peer, Peer) {
    let mut carl = peer("carl");
    limits(&mut carl.limits);
    let node = node(settings(vec![peer("alice"), peer("bob"), carl], &[("test.carl", "carl")]));
    let (alice, bob, carl) = (node.connect("alice"), node.connect("bob"), node.connect("carl"));
    (node, alice, bob, carl)
}

/// A payment that does not expire in these tests.
fn payment(destination: &str, amount: u64) -> Vec<u8> {
    payment_with(destination, amount, 3_600_000, &[], PREIMAGE.condition())
}

impl TestNode {
    /// Sends `count` packets that the next hop leaves unanswered. Returns how many were forwarded.
    fn flood(&self, peer: &Peer, first: u32, count: u32, amount: u64) -> usize {
        for id in first..first + count {
            self.send(peer, id, &payment("test.carl.x", amount));
        }
        count as usize - self.read(peer).len()
    }

    /// Sends one payment, which `to` fulfills.
    fn pay(&self, peer: &Peer, id: u32, amount: u64, to: &Peer) -> bool {
        self.send(peer, id, &payment("test.carl.y", amount));
        let sent = self.read(to);
        if let Some(Received::Prepare { id, .. }) = sent.last() {
            self.answer(to, *id, &fulfill(PREIMAGE, b""));
        }
        matches!(self.read_one(peer), Received::Fulfill { .. })
    }
}

#[test]
fn a_flood_of_packets_leaves_the_shares_of_others() {
    let (mut node, alice, bob, carl) = flooded(|limits| limits.max_packets_in_flight = 1_000);
    assert!(node.pay(&bob, 1, 1, &carl));
    let forwarded = node.flood(&alice, 0, 1_000, 0);
    assert_eq!(forwarded, 1_000 - 250 - 166);
    node.read(&carl);
    for id in 2..50 {
        assert!(node.pay(&bob, id, 1, &carl), "packet {id}");
    }
    assert_eq!(node.flood(&bob, 100, 250, 1), 250, "bob has its whole share");
    node.advance(Duration::from_secs(30));
    node.read(&alice);
    node.read(&bob);
    assert_eq!(node.account("carl").in_flight_to, 0);
    assert!(node.flood(&alice, 2_000, 1_000, 0) > 500, "the packets no longer count");
}

#[test]
fn a_single_requester_may_use_all_capacity_until_none_is_left() {
    let (node, alice, bob, carl) = flooded(|limits| {
        limits.max_packets_in_flight = 100;
        limits.min_balance = Some(-1_000);
    });
    assert_eq!(node.flood(&alice, 0, 101, 10), 100);
    node.read(&carl);
    assert_eq!(node.send_rejected(&bob, &payment("test.carl", 1)), "T03");
}

#[test]
fn rejects_name_what_is_reserved() {
    let (node, alice, bob, carl) = flooded(|limits| {
        limits.max_packets_in_flight = 10;
        limits.min_balance = Some(-1_000);
    });
    assert!(node.pay(&bob, 1, 10, &carl));
    let refused = |amount| {
        node.send(&alice, 1, &payment("test.carl", amount));
        match node.read_one(&alice) {
            Received::Reject { code, message, .. } => format!("{code} {message}"),
            other => panic!("{other:?}"),
        }
    };
    let credit = "T04 next hop carl has liquidity left only for other accounts";
    assert_eq!(refused(900), credit);
    assert_eq!(refused(991), "T04 next hop carl has no liquidity left for this amount");
    while node.flood(&alice, 2, 1, 1) == 1 {}
    let in_flight = "T03 next hop carl may have more packets in flight only from other accounts";
    assert_eq!(refused(1), in_flight);
}

#[test]
fn a_requester_that_uses_up_credit_leaves_the_shares_of_others() {
    for fulfilled in [false, true] {
        let (node, alice, bob, carl) = flooded(|limits| limits.min_balance = Some(-120_000));
        assert!(node.pay(&bob, 1, 1, &carl));
        assert_eq!(node.flood(&alice, 1, 1, 119_000), 0);
        let mut forwarded = 0;
        for id in 2..200 {
            node.send(&alice, id, &payment("test.carl.x", 1_000));
            if let [Received::Prepare { id, .. }] = node.read(&carl).as_slice() {
                forwarded += 1;
                if fulfilled {
                    node.answer(&carl, *id, &fulfill(PREIMAGE, b""));
                }
            }
        }
        node.read(&alice);
        assert!((60..=70).contains(&forwarded), "{forwarded}");
        for id in 2..31 {
            assert!(node.pay(&bob, id, 1_000, &carl), "packet {id}, fulfilled: {fulfilled}");
        }
    }
}

/// Whatever others used up, and the node itself.
#[test]
fn packets_without_money_need_no_credit() {
    let mut carl = peer("carl");
    carl.limits.min_balance = Some(-1_000);
    let names = ["alice", "bob", "dave"];
    let accounts = names.map(peer).into_iter().chain([carl]).collect();
    let node = node(settings(accounts, &[("test.carl", "carl")]));
    let [alice, bob, dave] = names.map(|name| node.connect(name));
    let carl = node.connect("carl");
    // The shares of those who come later are covered only as alice's packets end.
    assert_eq!((node.flood(&alice, 0, 1, 700), node.flood(&alice, 1, 1, 200)), (1, 1));
    assert_eq!(node.flood(&bob, 1, 1, 0), 1);
    let second = node.prepare_ids(&carl)[1];
    node.answer(&carl, second, &reject(ErrorCode::F99, None, "", b""));
    assert_eq!(node.flood(&dave, 1, 1, 0), 1);
    node.originate("carl", &payment("test.carl", 250), drop);
    assert_eq!(node.account("carl").held_out, 950);
    for peer in [&alice, &bob, &dave] {
        node.read(peer);
        assert_eq!(node.flood(peer, 2, 1, 0), 1);
        assert_eq!(node.send_rejected(peer, &payment("test.carl", 51)), "T04");
    }
}

#[test]
fn a_requester_that_fills_the_outbox_of_a_slow_peer_leaves_space_for_others() {
    let (node, alice, bob, carl) = flooded(|limits| limits.outbox_bytes_max = 100_000);
    assert!(node.pay(&bob, 1, 1, &carl));
    let large = payment_with("test.carl", 0, 10_000, &[b'.'; 1_000], PREIMAGE.condition());
    for id in 0..200 {
        node.send(&alice, id, &large);
    }
    assert!(
        node.read(&alice).iter().all(|seen| matches!(seen,
        Received::Reject { code, message, .. } if code == "T03" && message.contains("only for other")))
    );
    // carl reads nothing meanwhile.
    for id in 2..20 {
        node.send(&bob, id, &large);
    }
    assert_eq!(node.read(&bob), []);
    assert!(node.account("carl").outbox_bytes < 100_000);
    assert!(node.read(&carl).len() > 50);
}

#[test]
fn the_nodes_own_requests_are_sent_during_a_flood() {
    let (node, alice, _, carl) = flooded(|limits| limits.max_packets_in_flight = 100);
    assert_eq!(node.flood(&alice, 0, 100, 0), 100);
    node.read(&carl);
    (0..50).for_each(|_| node.originate("carl", &payment("test.carl", 0), |_| ()));
    assert_eq!(node.read(&carl).len(), 16, "with a bound");
}

/// What fills the limit may come from accounts behind the neighbour.
#[test]
fn a_neighbours_own_requests_are_answered_during_a_flood() {
    let mut alice = peer("alice");
    alice.relation = Relation::Child;
    alice.limits.max_packets_in_flight = 100;
    let node = node(settings(vec![alice, peer("carl")], &[("test.carl", "carl")]));
    let (alice, _carl) = (node.connect("alice"), node.connect("carl"));
    assert_eq!(node.flood(&alice, 0, 150, 0), 100);
    for id in 150..200 {
        let request = payment_with("peer.config", 0, 10_000, &[], Condition::PEER_PROTOCOL);
        node.send(&alice, id, &request);
        assert!(matches!(node.read_one(&alice), Received::Fulfill { .. }), "request {id}");
    }
    node.send(&alice, 200, &payment("test.carl.x", 0));
    assert!(matches!(node.read_one(&alice), Received::Reject { code, .. } if code == "T03"));
}

/// An account is closed while its asset changes. Nothing is accepted from it then.
#[test]
fn a_neighbours_own_requests_are_rejected_while_its_account_is_closed() {
    let mut alice = peer("alice");
    alice.relation = Relation::Child;
    alice.limits.max_packets_in_flight = 0;
    let node = node(settings(vec![alice], &[]));
    let alice = node.connect("alice");
    let request = payment_with("peer.config", 0, 10_000, &[], Condition::PEER_PROTOCOL);
    node.send(&alice, 1, &request);
    assert!(matches!(node.read_one(&alice), Received::Reject { code, .. } if code == "T03"));
}

/// A pong counts as a packet of the account that sent the echo request.
#[test]
fn pongs_count_towards_the_share_of_their_requester() {
    let (node, alice, bob, carl) = flooded(|limits| limits.max_packets_in_flight = 1_000);
    assert!(node.pay(&bob, 1, 1, &carl));
    for id in 0..1_000 {
        node.send(&alice, id, &echo("test.carl.x", 0, 3_600_000));
    }
    assert_eq!(node.read(&carl).len(), 1_000 - 250 - 166);
    node.read(&alice);
    for id in 2..50 {
        assert!(node.pay(&bob, id, 1, &carl), "packet {id}");
    }
}

/// A pong that the node does not expect leaves the expected ones.
#[test]
fn unexpected_pongs_use_up_nothing() {
    let (node, alice, bob, _) = flooded(|_| ());
    assert!(node.connector.expect_pong(PREIMAGE));
    for id in 0..2_000 {
        node.send(&alice, id, &pong(Fulfillment([9; 32]), 0, 3_600_000));
        assert_eq!(node.reject_code(&alice), "F01");
    }
    node.send(&bob, 1, &pong(PREIMAGE, 0, 3_600_000));
    assert!(matches!(node.read_one(&bob), Received::Fulfill { .. }));
}

/// `maxRoutes` applies to each peer.
#[test]
fn a_flood_of_routes_leaves_those_of_other_peers() {
    use super::ccp::{ccp_peer, update_from};
    let mut alice = ccp_peer("alice", Relation::Peer);
    alice.routes.routes_max = 100;
    let node = node(settings(vec![alice, ccp_peer("bob", Relation::Peer), peer("carl")], &[]));
    let (alice, bob, carl) = (node.connect("alice"), node.connect("bob"), node.connect("carl"));
    for round in 0..50 {
        let prefixes: Vec<String> = (0..100).map(|i| format!("test.r{round}.n{i}")).collect();
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        node.send_fulfilled(&alice, round, &update_from("test.alice", round, &prefixes));
    }
    node.send_fulfilled(
        &bob,
        1,
        &update_from("test.bob", 0, &["test.far", "test.r1.n1", "test.r0.n0"]),
    );
    node.poll_ccp();
    let routes = |peer: &str| {
        let reports = node.connector.ccp_report();
        let report = reports.into_iter().find(|one| one.peer.as_str() == peer).unwrap();
        (report.routes, report.refused.iter().map(|(_, count)| count).sum::<u64>())
    };
    assert_eq!(routes("alice"), (100, 4_900));
    assert_eq!(routes("bob"), (3, 0));
    assert_eq!(node.next_hop("test.far.x"), Ok("bob".to_owned()));
    assert_eq!(node.next_hop("test.r1.n1.x"), Ok("bob".to_owned()));
    node.send(&carl, 1, &payment("test.far.x", 1));
    node.fulfill_one(&bob);
    assert!(matches!(node.read_one(&carl), Received::Fulfill { .. }));
}

/// Forwarding a packet takes no lock of CCP.
#[test]
fn packets_do_not_wait_for_ccp() {
    let (node, _, bob, carl) = flooded(|_| ());
    let connector = Arc::clone(&node.connector);
    let ccp = connector.ccp.lock();
    let (sender, answers) = std::sync::mpsc::sync_channel(1);
    // On another thread, so that waiting for the lock fails the test instead of blocking it.
    std::thread::spawn(move || {
        node.send(&bob, 1, &payment("test.carl.y", 1));
        node.fulfill_one(&carl);
        sender.send(node.read_one(&bob)).unwrap();
    });
    let answer = answers.recv_timeout(Duration::from_secs(20));
    assert!(
        matches!(answer, Ok(Received::Fulfill { .. })),
        "a packet waits for the lock: {answer:?}"
    );
    drop(ccp);
}

#[test]
fn packets_of_lost_sessions_stop_counting() {
    let (mut node, alice, bob, carl) = flooded(|limits| limits.max_packets_in_flight = 100);
    assert!(node.pay(&bob, 1, 1, &carl));
    for round in 0..5 {
        assert!(node.flood(&alice, 0, 100, 1) > 50, "round {round}");
        let carl = if round % 2 == 0 {
            node.disconnect(&carl);
            node.connect("carl")
        } else {
            node.advance(Duration::from_secs(30));
            node.connect("carl")
        };
        node.read(&carl);
        node.read(&alice);
        assert_eq!(node.account("carl").in_flight_to, 0);
        node.disconnect(&carl);
        node.connect("carl");
    }
}
