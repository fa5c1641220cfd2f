//! One node with scripted peers: which routes it learns, chooses and advertises.

use super::*;
use crate::wire::vectors;

fn two_peers() -> CcpSettings {
    settings("test.me", (0..2).map(|n| ccp_peer(n, &format!("p{n}"), Relation::Peer)).collect())
}

fn node_with_two_peers() -> TestNode {
    TestNode::new(two_peers())
}

impl TestNode {
    /// A peer's first update, which has one route.
    fn advertise(&mut self, peer: u32, prefix: &str, path: &[&str]) {
        let fields = UpdateFields { routes: &[(prefix, path)], ..FIRST };
        self.send_update(peer, &fields).unwrap();
    }
}

#[test]
fn routes_come_and_go() {
    let mut node = node_with_two_peers();
    node.advertise(0, "test.a", &["test.p0"]);
    assert_eq!(node.learned(), [("test.a".to_owned(), 0)]);
    assert!(node.ccp.take_learned_routes().is_some());
    assert!(node.ccp.take_learned_routes().is_none());
    let gone = UpdateFields { epochs: (2, 1, 2), withdrawn: &["test.a"], ..FIRST };
    node.send_update(0, &gone).unwrap();
    assert_eq!(node.learned(), []);
    assert!(node.ccp.take_learned_routes().is_some());
}

#[test]
fn a_gap_is_refused_and_its_updates_are_requested() {
    let mut node = node_with_two_peers();
    node.advertise(0, "test.a", &["test.p0"]);
    let late = UpdateFields { epochs: (9, 3, 9), routes: &[("test.b", &[])], ..FIRST };
    assert_eq!(node.send_update(0, &late), Err(RouteRequestError::Gap { from: 3, known: 1 }));
    assert_eq!(node.learned(), [("test.a".to_owned(), 0)]);
    assert_eq!(node.advance(200), [("p0".to_owned(), Sent::Control([1; 16], 1))]);
    // The first update of a new table does not begin at epoch 0.
    let other = UpdateFields { table: 2, ..late };
    assert_eq!(node.send_update(0, &other), Err(RouteRequestError::Gap { from: 3, known: 0 }));
    assert_eq!(node.advance(200), [("p0".to_owned(), Sent::Control([2; 16], 0))]);
}

#[test]
fn old_epochs_are_ignored_and_known_ones_may_be_repeated() {
    let mut node = node_with_two_peers();
    let first = UpdateFields { epochs: (3, 0, 3), routes: &[("test.a", &[])], ..FIRST };
    node.send_update(0, &first).unwrap();
    let gone = UpdateFields { epochs: (3, 3, 3), withdrawn: &["test.a"], ..FIRST };
    node.send_update(0, &gone).unwrap();
    node.send_update(0, &UpdateFields { epochs: (3, 0, 2), ..first.clone() }).unwrap();
    assert_eq!(node.learned(), []);
    node.send_update(0, &first).unwrap();
    assert_eq!(node.learned().len(), 1);
}

#[test]
fn a_new_table_replaces_the_old_one_when_it_is_complete() {
    let mut node = node_with_two_peers();
    let routes: &[(&str, &[&str])] = &[("test.a", &[]), ("test.b", &[])];
    node.send_update(0, &UpdateFields { epochs: (2, 0, 2), routes, ..FIRST }).unwrap();
    let half = UpdateFields { table: 2, epochs: (2, 0, 1), routes: &[("test.c", &[])], ..FIRST };
    node.send_update(0, &half).unwrap();
    assert_eq!(node.learned().len(), 3);
    let rest = UpdateFields { table: 2, epochs: (2, 1, 2), routes: &[("test.b", &[])], ..FIRST };
    node.send_update(0, &rest).unwrap();
    assert_eq!(node.learned(), [("test.b".to_owned(), 0), ("test.c".to_owned(), 0)]);
    // A table that is never completed: old routes are dropped after one interval.
    node.send_update(0, &UpdateFields { table: 3, epochs: (2, 0, 1), ..half }).unwrap();
    node.advance(29_000);
    assert_eq!(node.learned().len(), 2);
    node.advance(1_100);
    assert_eq!(node.learned(), [("test.c".to_owned(), 0)]);
}

#[test]
fn routes_of_a_silent_peer_expire_after_one_more_request() {
    let mut node = TestNode::new(settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]));
    node.advertise(0, "test.a", &[]);
    assert_eq!(node.advance(45_000), []);
    // After the hold-down: one request, and one interval of grace.
    assert_eq!(node.advance(29_000), [("p0".to_owned(), Sent::Control([1; 16], 1))]);
    assert_eq!(node.learned().len(), 1);
    assert_eq!(node.advance(2_000), [("p0".to_owned(), Sent::Control([0; 16], 0))]);
    assert_eq!(node.learned(), []);
    // A heartbeat in time keeps all routes.
    node.send_update(0, &UpdateFields { table: 2, routes: &[("test.a", &[])], ..FIRST }).unwrap();
    node.advance(60_000);
    node.send_update(0, &UpdateFields { table: 2, epochs: (1, 1, 1), ..FIRST }).unwrap();
    node.advance(60_000);
    assert_eq!(node.learned().len(), 1);
}

/// As one does that restarts before its first update: over HTTP, no session ends with it.
#[test]
fn a_peer_that_accepts_a_control_and_forgets_it_is_asked_again() {
    let mut node = TestNode::new(settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]));
    let control = [("p0".to_owned(), Sent::Control([0; 16], 0))];
    assert_eq!(node.advance(29_900), []);
    // Once in each interval, as long as nothing comes.
    assert_eq!(node.advance(200), control);
    assert_eq!(node.advance(29_800), []);
    assert_eq!(node.advance(400), control);
    node.advertise(0, "test.a", &[]);
    assert_eq!(node.advance(44_000), []);
    // Also after its routes have expired: one more request, the one after that, and again.
    assert_eq!(node.advance(32_000).len(), 2);
    assert_eq!(node.learned(), []);
    assert_eq!(node.advance(30_000), control);
}

/// Its hold-down may be longer than our interval.
#[test]
fn a_peer_that_has_sent_an_update_is_given_its_hold_down() {
    let mut node = TestNode::new(settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]));
    node.advertise(0, "test.a", &[]);
    let gap = UpdateFields { epochs: (9, 8, 9), ..FIRST };
    assert!(matches!(node.send_update(0, &gap), Err(RouteRequestError::Gap { .. })));
    assert_eq!(node.advance(200), [("p0".to_owned(), Sent::Control([1; 16], 1))]);
    assert_eq!(node.advance(44_000), []);
}

#[test]
fn a_refused_advertisement_withdraws_the_route() {
    let mut node = node_with_two_peers();
    node.advertise(0, "test.a", &["test.p0"]);
    let path: &[&str] = &["test.p0", "test.me"];
    node.send_update(0, &UpdateFields { epochs: (2, 1, 2), routes: &[("test.a", path)], ..FIRST })
        .unwrap();
    assert_eq!(node.learned(), []);
    let refused = node.ccp.report().remove(0).refused;
    assert_eq!(refused.iter().find(|(_, n)| *n > 0), Some((RouteRefusal::Loop, 1)));
}

#[test]
fn child_then_peer_then_parent_then_shorter_path_then_lower_id() {
    let relations = [Relation::Parent, Relation::Peer, Relation::Peer, Relation::Child];
    let peers = (0..).zip(relations).map(|(slot, relation)| {
        // The lower id has the higher slot.
        ccp_peer(slot, &format!("p{}", 9 - slot), relation)
    });
    let mut node = TestNode::new(settings("test.me", peers.collect()));
    let best_after = |node: &mut TestNode, peer: u32, table: u8, routes| {
        node.send_update(peer, &UpdateFields { table, routes, ..FIRST }).unwrap();
        node.learned().first().map(|(_, slot)| *slot)
    };
    let short: &[(&str, &[&str])] = &[("test.a", &["test.x"])];
    let long: &[(&str, &[&str])] = &[("test.a", &["test.x", "test.y"])];
    assert_eq!(best_after(&mut node, 0, 1, short), Some(0));
    assert_eq!(best_after(&mut node, 1, 1, long), Some(1));
    assert_eq!(best_after(&mut node, 2, 1, long), Some(2));
    assert_eq!(best_after(&mut node, 1, 2, short), Some(1));
    assert_eq!(best_after(&mut node, 3, 1, long), Some(3));
    let why: Vec<_> = node
        .ccp
        .explain(&"test.a".parse().unwrap())
        .iter()
        .map(|route| (route.from.to_string(), route.chosen, route.why))
        .collect();
    let expected = [
        ("p6", true, "nearer relation"),
        ("p8", false, "another relation is nearer"),
        ("p7", false, "another relation is nearer"),
        ("p9", false, "another relation is nearer"),
    ];
    assert_eq!(why, expected.map(|(from, chosen, why)| (from.to_owned(), chosen, why)));
    node.ccp.set_connected(Slot(3), false, ms(node.now));
    assert_eq!(node.learned(), [("test.a".to_owned(), 1)]);
}

#[test]
fn the_vectors_of_preference() {
    let file = vectors::load("routing");
    for case in vectors::list(&file, "preference") {
        let candidates = case["candidates"].as_array().unwrap();
        let mut settings = settings("test.me", Vec::new());
        for (slot, candidate) in (0..).zip(candidates) {
            let relation = candidate["relation"].as_str().unwrap();
            let id = candidate["peer"].as_str().unwrap();
            let mut relations = [Relation::Parent, Relation::Child].into_iter();
            let found = relations.find(|known| known.as_str() == relation);
            settings.peers.push(ccp_peer(slot, id, found.unwrap_or(Relation::Peer)));
            if relation == "configured" {
                let local = LocalRoute { prefix: "test.x".parse().unwrap(), next_hop: Slot(slot) };
                settings.local_routes.push(local);
            }
        }
        let peers = settings.peers.clone();
        let mut node = TestNode::new(settings);
        for (slot, candidate) in (0..).zip(candidates) {
            let hops = usize::try_from(candidate["path"].as_u64().unwrap()).unwrap();
            let path = vec!["test.hop"; hops];
            if candidate["relation"] != "configured" {
                node.advertise(slot, "test.x", &path);
            }
        }
        let best = match node.learned().as_slice() {
            [(_, slot)] => peers[*slot as usize].id.to_string(),
            none => {
                assert_eq!(none, []);
                "cfg".to_owned()
            }
        };
        assert_eq!(case["best"], best, "{case}");
    }
}

#[test]
fn own_and_configured_routes_win_over_learned_ones_while_connected() {
    let mut settings = two_peers();
    settings.local_routes =
        vec![LocalRoute { prefix: "test.a".parse().unwrap(), next_hop: Slot(1) }];
    let mut node = TestNode::new(settings);
    node.advertise(0, "test.a", &[]);
    assert_eq!(node.learned(), []);
    let why = node.ccp.explain(&"test.a".parse().unwrap()).remove(0).why;
    assert_eq!(why, "this node has a route of its own");
    node.ccp.set_connected(Slot(1), false, ms(1_000));
    assert_eq!(node.learned(), [("test.a".to_owned(), 0)]);
    node.ccp.set_connected(Slot(1), true, ms(2_000));
    assert_eq!(node.learned(), []);
}

#[test]
fn advertised_paths_begin_with_the_own_address() {
    let mut node = node_with_two_peers();
    node.send_update(1, &FIRST).unwrap();
    node.send_control(1, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let table = node.ccp.log.table();
    let own = Sent::Update((1, 0, 1), vec!["test.me: test.me".to_owned()], vec![]);
    assert_eq!(node.advance(0), [("p1".to_owned(), own)]);
    node.advertise(0, "test.a", &["test.p0"]);
    let learned = Sent::Update((2, 1, 2), vec!["test.a: test.me test.p0".to_owned()], vec![]);
    assert_eq!(node.advance(160), [("p1".to_owned(), learned)]);
    node.ccp.set_connected(Slot(0), false, ms(node.now));
    let gone = Sent::Update((3, 2, 3), vec![], vec!["test.a".to_owned()]);
    assert_eq!(node.advance(160), [("p1".to_owned(), gone)]);
    // Heartbeats, until the peer wants no updates.
    let heartbeat = Sent::Update((3, 3, 3), vec![], vec![]);
    assert_eq!(node.advance(30_000), [("p1".to_owned(), heartbeat)]);
    node.send_control(1, RouteControlMode::Idle, table, 3).unwrap();
    node.advertise(1, "test.b", &["test.p1"]);
    assert_eq!(node.advance(40_000), []);
}

#[test]
fn a_route_is_not_advertised_to_its_next_hop() {
    let mut node = node_with_two_peers();
    for peer in [0, 1] {
        node.send_control(peer, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    }
    node.advance(200);
    node.advertise(0, "test.a", &["test.p0"]);
    let to_p0 = Sent::Update((2, 1, 2), vec![], vec!["test.a".to_owned()]);
    let to_p1 = Sent::Update((2, 1, 2), vec!["test.a: test.me test.p0".to_owned()], vec![]);
    assert_eq!(node.advance(50), [("p0".to_owned(), to_p0), ("p1".to_owned(), to_p1)]);
}

#[test]
fn a_parent_gets_routes_of_children_only() {
    let peers = vec![
        ccp_peer(0, "p0", Relation::Parent),
        ccp_peer(1, "p1", Relation::Peer),
        ccp_peer(2, "p2", Relation::Child),
    ];
    let mut node = TestNode::new(settings("test.me", peers));
    node.advertise(0, "test.a", &["test.p0"]);
    node.advertise(1, "test.b", &["test.p1"]);
    node.advertise(2, "test.c", &["test.p2"]);
    for peer in [0, 1, 2] {
        node.send_control(peer, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    }
    let updates = node.advance(10).into_iter().map(|(to, sent)| match sent {
        Sent::Update(_, routes, _) => (to, routes.join(", ")),
        Sent::Control(..) => panic!("a control to {to}"),
    });
    let updates: Vec<_> = updates.collect();
    let expected = [
        ("p0", "test.me: test.me, test.c: test.me test.p2"),
        ("p1", "test.me: test.me, test.a: test.me test.p0, test.c: test.me test.p2"),
        ("p2", "test.me: test.me, test.a: test.me test.p0, test.b: test.me test.p1"),
    ];
    assert_eq!(updates, expected.map(|(to, routes)| (to.to_owned(), routes.to_owned())));
}

#[test]
fn local_routes_are_advertised_while_their_next_hop_is_connected() {
    let mut settings = two_peers();
    let local = |prefix: &str| LocalRoute { prefix: prefix.parse().unwrap(), next_hop: Slot(1) };
    // Below the own address, a whole network, another network: not advertised.
    settings.local_routes = ["test.a", "test.me.child", "test", "g.x", ""].map(local).into();
    let mut node = TestNode::new(settings);
    node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let routes = vec!["test.me: test.me".to_owned(), "test.a: test.me".to_owned()];
    assert_eq!(node.advance(0), [("p0".to_owned(), Sent::Update((2, 0, 2), routes, vec![]))]);
    node.ccp.set_connected(Slot(1), false, ms(node.now));
    let gone = Sent::Update((3, 2, 3), vec![], vec!["test.a".to_owned()]);
    assert_eq!(node.advance(200), [("p0".to_owned(), gone)]);
}

#[test]
fn a_large_table_is_split_into_updates() {
    let mut settings = two_peers();
    let prefix = |n: u32| format!("test.{}.{n}", "x".repeat(80)).parse().unwrap();
    settings.local_routes =
        (0..1_000).map(|n| LocalRoute { prefix: prefix(n), next_hop: Slot(1) }).collect();
    let mut node = TestNode::new(settings);
    node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let mut next = 0;
    let mut updates = 0;
    // One poll per update, at the same time.
    while next < node.ccp.log.epoch() {
        let mut polled = node.ccp.poll(ms(node.now));
        let update = polled.to_send.remove(0);
        assert!(update.payload.len() < 32_767, "{}", update.payload.len());
        let Sent::Update((_, from, to), routes, withdrawn) = read(&update) else { panic!() };
        assert_eq!((from, routes.len(), withdrawn.len()), (next, (to - from) as usize, 0));
        node.ccp.record_answer(update.ticket, true, ms(node.now));
        (next, updates) = (to, updates + 1);
    }
    assert_eq!(next, 1_001);
    assert!((4..8).contains(&updates), "{updates}");
}

#[test]
fn peers_without_permission_are_refused() {
    let mut none = settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]);
    none.peers[0].policy = RoutePolicy::default();
    let mut node = TestNode::new(none.clone());
    assert_eq!(node.send_update(0, &FIRST), Err(RouteRequestError::ReceivingOff));
    assert_eq!(
        node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0),
        Err(RouteRequestError::SendingOff)
    );
    assert_eq!(node.send_update(7, &FIRST), Err(RouteRequestError::ReceivingOff));
    none.peers[0].policy = ccp_peer(0, "p0", Relation::Peer).policy;
    none.own_address = None;
    let mut node = TestNode::new(none);
    assert_eq!(node.send_update(0, &FIRST), Err(RouteRequestError::NoAddressYet));
    assert_eq!(
        node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0),
        Err(RouteRequestError::NoAddressYet)
    );
    assert_eq!(node.advance(1_000), []);
}

#[test]
fn a_reload_keeps_the_state_of_unchanged_peers() {
    let mut settings = two_peers();
    let mut node = TestNode::new(settings.clone());
    for peer in [0, 1] {
        let prefix: &[(&str, &[&str])] =
            if peer == 0 { &[("test.a", &[])] } else { &[("test.b", &[])] };
        node.send_update(peer, &UpdateFields { routes: prefix, ..FIRST }).unwrap();
    }
    node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    node.advance(500);
    node.ccp.apply_settings(settings.clone(), ms(node.now));
    assert_eq!(node.learned().len(), 2);
    assert_eq!(node.advance(500), []);
    // Another filter for p1: it gets a control, and p0 gets withdrawals.
    settings.peers[1].policy.accept = Some(vec!["test.c".parse().unwrap()]);
    node.ccp.apply_settings(settings.clone(), ms(node.now));
    assert_eq!(node.learned(), [("test.a".to_owned(), 0)]);
    let sent = node.advance(500);
    assert!(sent.contains(&("p1".to_owned(), Sent::Control([0; 16], 0))), "{sent:?}");
    let routes = vec!["test.me: test.me".to_owned()];
    let withdrawn = vec!["test.a".to_owned(), "test.b".to_owned()];
    assert!(
        sent.contains(&("p0".to_owned(), Sent::Update((6, 3, 6), routes, withdrawn))),
        "{sent:?}"
    );
    // Nothing is advertised to p0 any longer.
    settings.peers[0].policy.advertise = Some(vec![]);
    node.ccp.apply_settings(settings.clone(), ms(node.now));
    let sent = node.advance(500);
    let Some((_, Sent::Update(_, routes, withdrawn))) = sent.first() else { panic!("{sent:?}") };
    assert_eq!((routes.len(), withdrawn.contains(&"test.me".to_owned())), (0, true));
    // p0 is removed.
    settings.peers.remove(0);
    node.ccp.apply_settings(settings, ms(node.now));
    assert_eq!(node.learned(), []);
}

#[test]
fn a_new_own_address_restarts_the_exchange() {
    let before = settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]);
    let mut node = TestNode::new(before.clone());
    node.advertise(0, "test.a", &[]);
    node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    node.advance(500);
    let table = node.ccp.log.table();
    node.ccp.apply_settings(settings("test.you", before.peers), ms(node.now));
    assert_eq!(node.learned(), []);
    assert_ne!(node.ccp.log.table(), table);
    let own = Sent::Update((1, 0, 1), vec!["test.you: test.you".to_owned()], vec![]);
    let expected = [("p0".to_owned(), own), ("p0".to_owned(), Sent::Control([0; 16], 0))];
    assert_eq!(node.advance(500), expected);
}

#[test]
fn too_many_routes_are_reported_once() {
    let mut settings = settings("test.me", vec![ccp_peer(0, "p0", Relation::Peer)]);
    settings.peers[0].policy.routes_max = 1;
    let mut node = TestNode::new(settings);
    let routes: &[(&str, &[&str])] = &[("test.a", &[]), ("test.b", &[])];
    node.send_update(0, &UpdateFields { routes, ..FIRST }).unwrap();
    let notice = CcpNotice::TooManyRoutes { peer: "p0".parse().unwrap(), routes: 1 };
    assert_eq!(node.ccp.poll(ms(node.now)).notices, [notice]);
    node.send_update(0, &UpdateFields { routes, ..FIRST }).unwrap();
    assert_eq!(node.ccp.poll(ms(node.now)).notices, []);
    assert_eq!(node.learned(), [("test.a".to_owned(), 0)]);
}

#[test]
fn controls_do_not_answer_each_other_endlessly() {
    let mut node = node_with_two_peers();
    let mut controls = 0;
    // The peer answers each control with one of its own.
    for _ in 0..200 {
        node.send_control(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
        let sent = node.advance(100);
        controls += sent.iter().filter(|(_, sent)| matches!(sent, Sent::Control(..))).count();
    }
    assert!(controls <= 1, "{controls} controls in 20 s");
}

#[test]
fn ids_of_tables_are_uuids_and_differ() {
    let ids: std::collections::BTreeSet<String> =
        (0..100).map(|n| table_id(&hash(1), n).to_string()).collect();
    assert_eq!(ids.len(), 100);
    for id in ids {
        assert!(
            id.as_bytes()[14] == b'4' && matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
            "{id}"
        );
    }
}

#[test]
fn routes_of_a_peer_without_a_session_are_refused() {
    let mut node = node_with_two_peers();
    let fields = UpdateFields { routes: &[("test.far", &["test.p0"])], ..FIRST };
    // For example, it posts over HTTP while we cannot post to it.
    node.ccp.set_connected(Slot(0), false, ms(node.now));
    assert_eq!(node.send_update(0, &fields), Err(RouteRequestError::NotConnected));
    assert_eq!(node.ccp.learned_routes(), []);
    node.ccp.set_connected(Slot(0), true, ms(node.now));
    assert_eq!(node.send_update(0, &fields), Ok(()));
    assert_eq!(node.ccp.learned_routes().len(), 1);
}
