//! One exchange and what its peers say: what is learned, what is chosen, what is told to whom.

use super::*;
use crate::wire::vectors;

fn two(first: Relation, second: Relation) -> One {
    One::new(settings("test.me", vec![member(0, "p0", first), member(1, "p1", second)]))
}

fn peers() -> One {
    two(Relation::Peer, Relation::Peer)
}

#[test]
fn routes_come_and_go() {
    let mut one = peers();
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    assert_eq!(one.best(), [("test.a".to_owned(), 0)]);
    assert!(one.exchange.take_learned_routes().is_some());
    assert!(one.exchange.take_learned_routes().is_none());
    let gone = Said { epochs: (2, 1, 2), withdrawn: &["test.a"], ..Said::default() };
    one.says(0, &gone).unwrap();
    assert_eq!(one.best(), []);
    assert!(one.exchange.take_learned_routes().is_some());
}

#[test]
fn a_gap_is_refused_and_asked_for() {
    let mut one = peers();
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    let late = Said { epochs: (9, 3, 9), routes: &[("test.b", &[])], ..Said::default() };
    assert_eq!(one.says(0, &late), Err(RouteRequestError::Gap { from: 3, known: 1 }));
    assert_eq!(one.best(), [("test.a".to_owned(), 0)]);
    assert_eq!(one.pass(200), [("p0".to_owned(), Sent::Control([1; 16], 1))]);
    // A new table that does not begin at its beginning.
    let other = Said { table: 2, ..late };
    assert_eq!(one.says(0, &other), Err(RouteRequestError::Gap { from: 3, known: 0 }));
    assert_eq!(one.pass(200), [("p0".to_owned(), Sent::Control([2; 16], 0))]);
}

#[test]
fn old_news_are_none_and_what_is_known_may_be_repeated() {
    let mut one = peers();
    let first = Said { epochs: (3, 0, 3), routes: &[("test.a", &[])], ..Said::default() };
    one.says(0, &first).unwrap();
    let gone = Said { epochs: (3, 3, 3), withdrawn: &["test.a"], ..Said::default() };
    one.says(0, &gone).unwrap();
    one.says(0, &Said { epochs: (3, 0, 2), ..first.clone() }).unwrap();
    assert_eq!(one.best(), []);
    one.says(0, &first).unwrap();
    assert_eq!(one.best().len(), 1);
}

#[test]
fn a_new_table_replaces_the_old_one_when_it_is_whole() {
    let mut one = peers();
    let routes: &[(&str, &[&str])] = &[("test.a", &[]), ("test.b", &[])];
    one.says(0, &Said { epochs: (2, 0, 2), routes, ..Said::default() }).unwrap();
    let half = Said { table: 2, epochs: (2, 0, 1), routes: &[("test.c", &[])], ..Said::default() };
    one.says(0, &half).unwrap();
    assert_eq!(one.best().len(), 3);
    let rest = Said { table: 2, epochs: (2, 1, 2), routes: &[("test.b", &[])], ..Said::default() };
    one.says(0, &rest).unwrap();
    assert_eq!(one.best(), [("test.b".to_owned(), 0), ("test.c".to_owned(), 0)]);
    // One that never becomes whole: what is left of the old one goes after an interval.
    one.says(0, &Said { table: 3, epochs: (2, 0, 1), ..half }).unwrap();
    one.pass(29_000);
    assert_eq!(one.best().len(), 2);
    one.pass(1_100);
    assert_eq!(one.best(), [("test.c".to_owned(), 0)]);
}

#[test]
fn silence_is_asked_about_and_then_believed() {
    let mut one = peers();
    one.says(0, &Said { routes: &[("test.a", &[])], ..Said::default() }).unwrap();
    assert_eq!(one.pass(45_000), []);
    // The hold-down is over: one question, and one interval of grace.
    assert_eq!(one.pass(29_000), [("p0".to_owned(), Sent::Control([1; 16], 1))]);
    assert_eq!(one.best().len(), 1);
    assert_eq!(one.pass(2_000), [("p0".to_owned(), Sent::Control([0; 16], 0))]);
    assert_eq!(one.best(), []);
    // A heartbeat in time keeps everything.
    one.says(0, &Said { table: 2, routes: &[("test.a", &[])], ..Said::default() }).unwrap();
    one.pass(60_000);
    one.says(0, &Said { table: 2, epochs: (1, 1, 1), ..Said::default() }).unwrap();
    one.pass(60_000);
    assert_eq!(one.best().len(), 1);
}

#[test]
fn a_route_that_becomes_unacceptable_is_gone() {
    let mut one = peers();
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    let path: &[&str] = &["test.p0", "test.me"];
    one.says(0, &Said { epochs: (2, 1, 2), routes: &[("test.a", path)], ..Said::default() })
        .unwrap();
    assert_eq!(one.best(), []);
    let refused = one.exchange.report().remove(0).refused;
    assert_eq!(refused.iter().find(|(_, n)| *n > 0), Some((RouteRefusal::Loop, 1)));
}

#[test]
fn child_before_peer_before_parent_then_short_then_first() {
    let relations = [Relation::Parent, Relation::Peer, Relation::Peer, Relation::Child];
    let members = (0..).zip(relations).map(|(slot, relation)| {
        // The lesser id has the greater slot.
        member(slot, &format!("p{}", 9 - slot), relation)
    });
    let mut one = One::new(settings("test.me", members.collect()));
    let says = |one: &mut One, who: u32, table: u8, routes| {
        one.says(who, &Said { table, routes, ..Said::default() }).unwrap();
        one.best().first().map(|(_, slot)| *slot)
    };
    let short: &[(&str, &[&str])] = &[("test.a", &["test.x"])];
    let long: &[(&str, &[&str])] = &[("test.a", &["test.x", "test.y"])];
    assert_eq!(says(&mut one, 0, 1, short), Some(0));
    assert_eq!(says(&mut one, 1, 1, long), Some(1));
    assert_eq!(says(&mut one, 2, 1, long), Some(2));
    assert_eq!(says(&mut one, 1, 2, short), Some(1));
    assert_eq!(says(&mut one, 3, 1, long), Some(3));
    let why: Vec<_> = one
        .exchange
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
    one.exchange.set_connected(Slot(3), false, ms(one.now));
    assert_eq!(one.best(), [("test.a".to_owned(), 1)]);
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
            settings.peers.push(member(slot, id, relation.parse().unwrap_or(Relation::Peer)));
            if relation == "configured" {
                let local = LocalRoute { prefix: "test.x".parse().unwrap(), next_hop: Slot(slot) };
                settings.local_routes.push(local);
            }
        }
        let members = settings.peers.clone();
        let mut one = One::new(settings);
        for (slot, candidate) in (0..).zip(candidates) {
            let hops = usize::try_from(candidate["path"].as_u64().unwrap()).unwrap();
            let path = vec!["test.hop"; hops];
            if candidate["relation"] != "configured" {
                one.says(slot, &Said { routes: &[("test.x", &path)], ..Said::default() }).unwrap();
            }
        }
        let best = match one.best().as_slice() {
            [(_, slot)] => members[*slot as usize].id.to_string(),
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
    let mut settings =
        settings("test.me", vec![member(0, "p0", Relation::Peer), member(1, "p1", Relation::Peer)]);
    settings.local_routes =
        vec![LocalRoute { prefix: "test.a".parse().unwrap(), next_hop: Slot(1) }];
    let mut one = One::new(settings);
    one.says(0, &Said { routes: &[("test.a", &[])], ..Said::default() }).unwrap();
    assert_eq!(one.best(), []);
    let why = one.exchange.explain(&"test.a".parse().unwrap()).remove(0).why;
    assert_eq!(why, "this node has a route of its own");
    one.exchange.set_connected(Slot(1), false, ms(1_000));
    assert_eq!(one.best(), [("test.a".to_owned(), 0)]);
    one.exchange.set_connected(Slot(1), true, ms(2_000));
    assert_eq!(one.best(), []);
}

#[test]
fn what_is_told_has_the_own_address_in_front() {
    let mut one = peers();
    one.asks(1, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let table = one.exchange.log.table();
    let own = Sent::Update((1, 0, 1), vec!["test.me: test.me".to_owned()], vec![]);
    assert_eq!(one.pass(0), [("p1".to_owned(), own)]);
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    let learned = Sent::Update((2, 1, 2), vec!["test.a: test.me test.p0".to_owned()], vec![]);
    assert_eq!(one.pass(160), [("p1".to_owned(), learned)]);
    one.exchange.set_connected(Slot(0), false, ms(one.now));
    let gone = Sent::Update((3, 2, 3), vec![], vec!["test.a".to_owned()]);
    assert_eq!(one.pass(160), [("p1".to_owned(), gone)]);
    // Heartbeats, and none when the peer wants none.
    let heartbeat = Sent::Update((3, 3, 3), vec![], vec![]);
    assert_eq!(one.pass(30_000), [("p1".to_owned(), heartbeat)]);
    one.asks(1, RouteControlMode::Idle, table, 3).unwrap();
    one.says(1, &Said { routes: &[("test.b", &["test.p1"])], ..Said::default() }).unwrap();
    assert_eq!(one.pass(40_000), []);
}

#[test]
fn nobody_is_told_what_leads_back_to_them() {
    let mut one = peers();
    for peer in [0, 1] {
        one.asks(peer, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    }
    one.pass(200);
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    let to_p0 = Sent::Update((2, 1, 2), vec![], vec!["test.a".to_owned()]);
    let to_p1 = Sent::Update((2, 1, 2), vec!["test.a: test.me test.p0".to_owned()], vec![]);
    assert_eq!(one.pass(50), [("p0".to_owned(), to_p0), ("p1".to_owned(), to_p1)]);
}

#[test]
fn a_parent_hears_of_children_only() {
    let members = vec![
        member(0, "p0", Relation::Parent),
        member(1, "p1", Relation::Peer),
        member(2, "p2", Relation::Child),
    ];
    let mut one = One::new(settings("test.me", members));
    one.says(0, &Said { routes: &[("test.a", &["test.p0"])], ..Said::default() }).unwrap();
    one.says(1, &Said { routes: &[("test.b", &["test.p1"])], ..Said::default() }).unwrap();
    one.says(2, &Said { routes: &[("test.c", &["test.p2"])], ..Said::default() }).unwrap();
    for peer in [0, 1, 2] {
        one.asks(peer, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    }
    let told = one.pass(10).into_iter().map(|(to, sent)| match sent {
        Sent::Update(_, routes, _) => (to, routes.join(", ")),
        Sent::Control(..) => panic!("a control to {to}"),
    });
    let told: Vec<_> = told.collect();
    let expected = [
        ("p0", "test.me: test.me, test.c: test.me test.p2"),
        ("p1", "test.me: test.me, test.a: test.me test.p0, test.c: test.me test.p2"),
        ("p2", "test.me: test.me, test.a: test.me test.p0, test.b: test.me test.p1"),
    ];
    assert_eq!(told, expected.map(|(to, routes)| (to.to_owned(), routes.to_owned())));
}

#[test]
fn local_routes_are_told_while_their_next_hop_is_connected() {
    let mut settings =
        settings("test.me", vec![member(0, "p0", Relation::Peer), member(1, "p1", Relation::Peer)]);
    let local = |prefix: &str| LocalRoute { prefix: prefix.parse().unwrap(), next_hop: Slot(1) };
    // Below the own address, a whole network, another network: nobody is told.
    settings.local_routes = ["test.a", "test.me.child", "test", "g.x", ""].map(local).into();
    let mut one = One::new(settings);
    one.asks(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let routes = vec!["test.me: test.me".to_owned(), "test.a: test.me".to_owned()];
    assert_eq!(one.pass(0), [("p0".to_owned(), Sent::Update((2, 0, 2), routes, vec![]))]);
    one.exchange.set_connected(Slot(1), false, ms(one.now));
    let gone = Sent::Update((3, 2, 3), vec![], vec!["test.a".to_owned()]);
    assert_eq!(one.pass(200), [("p0".to_owned(), gone)]);
}

#[test]
fn a_large_table_is_told_in_as_many_updates_as_it_takes() {
    let mut settings =
        settings("test.me", vec![member(0, "p0", Relation::Peer), member(1, "p1", Relation::Peer)]);
    let prefix = |n: u32| format!("test.{}.{n}", "x".repeat(80)).parse().unwrap();
    settings.local_routes =
        (0..1_000).map(|n| LocalRoute { prefix: prefix(n), next_hop: Slot(1) }).collect();
    let mut one = One::new(settings);
    one.asks(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    let mut next = 0;
    let mut updates = 0;
    // One look per update, no time passes between them.
    while next < one.exchange.log.epoch() {
        let mut polled = one.exchange.poll(ms(one.now));
        let update = polled.to_send.remove(0);
        assert!(update.payload.len() < 32_767, "{}", update.payload.len());
        let Sent::Update((_, from, to), routes, withdrawn) = read(&update) else { panic!() };
        assert_eq!((from, routes.len(), withdrawn.len()), (next, (to - from) as usize, 0));
        one.exchange.record_answer(update.ticket, true, ms(one.now));
        (next, updates) = (to, updates + 1);
    }
    assert_eq!(next, 1_001);
    assert!((4..8).contains(&updates), "{updates}");
}

#[test]
fn who_is_not_to_exchange_is_refused() {
    let mut none = settings("test.me", vec![member(0, "p0", Relation::Peer)]);
    none.peers[0].policy = RoutePolicy::default();
    let mut one = One::new(none.clone());
    assert_eq!(one.says(0, &Said::default()), Err(RouteRequestError::ReceivingOff));
    assert_eq!(
        one.asks(0, RouteControlMode::Sync, TableId::NONE, 0),
        Err(RouteRequestError::SendingOff)
    );
    assert_eq!(one.says(7, &Said::default()), Err(RouteRequestError::ReceivingOff));
    none.peers[0].policy = member(0, "p0", Relation::Peer).policy;
    none.own_address = None;
    let mut one = One::new(none);
    assert_eq!(one.says(0, &Said::default()), Err(RouteRequestError::NoAddressYet));
    assert_eq!(
        one.asks(0, RouteControlMode::Sync, TableId::NONE, 0),
        Err(RouteRequestError::NoAddressYet)
    );
    assert_eq!(one.pass(1_000), []);
}

#[test]
fn a_reload_disturbs_nobody_whom_it_does_not_concern() {
    let mut settings =
        settings("test.me", vec![member(0, "p0", Relation::Peer), member(1, "p1", Relation::Peer)]);
    let mut one = One::new(settings.clone());
    for peer in [0, 1] {
        let prefix: &[(&str, &[&str])] =
            if peer == 0 { &[("test.a", &[])] } else { &[("test.b", &[])] };
        one.says(peer, &Said { routes: prefix, ..Said::default() }).unwrap();
    }
    one.asks(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    one.pass(500);
    one.exchange.apply_settings(settings.clone(), ms(one.now));
    assert_eq!(one.best().len(), 2);
    assert_eq!(one.pass(500), []);
    // Other filters for the second: it is asked again, the first hears what is gone.
    settings.peers[1].policy.accept = Some(vec!["test.c".parse().unwrap()]);
    one.exchange.apply_settings(settings.clone(), ms(one.now));
    assert_eq!(one.best(), [("test.a".to_owned(), 0)]);
    let sent = one.pass(500);
    assert!(sent.contains(&("p1".to_owned(), Sent::Control([0; 16], 0))), "{sent:?}");
    let routes = vec!["test.me: test.me".to_owned()];
    let withdrawn = vec!["test.a".to_owned(), "test.b".to_owned()];
    assert!(
        sent.contains(&("p0".to_owned(), Sent::Update((6, 3, 6), routes, withdrawn))),
        "{sent:?}"
    );
    // Less is announced to the first.
    settings.peers[0].policy.announce = Some(vec![]);
    one.exchange.apply_settings(settings.clone(), ms(one.now));
    let sent = one.pass(500);
    let Some((_, Sent::Update(_, routes, withdrawn))) = sent.first() else { panic!("{sent:?}") };
    assert_eq!((routes.len(), withdrawn.contains(&"test.me".to_owned())), (0, true));
    // The first is gone.
    settings.peers.remove(0);
    one.exchange.apply_settings(settings, ms(one.now));
    assert_eq!(one.best(), []);
}

#[test]
fn another_address_begins_everything_anew() {
    let before = settings("test.me", vec![member(0, "p0", Relation::Peer)]);
    let mut one = One::new(before.clone());
    one.says(0, &Said { routes: &[("test.a", &[])], ..Said::default() }).unwrap();
    one.asks(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
    one.pass(500);
    let table = one.exchange.log.table();
    one.exchange.apply_settings(settings("test.you", before.peers), ms(one.now));
    assert_eq!(one.best(), []);
    assert_ne!(one.exchange.log.table(), table);
    let own = Sent::Update((1, 0, 1), vec!["test.you: test.you".to_owned()], vec![]);
    let expected = [("p0".to_owned(), own), ("p0".to_owned(), Sent::Control([0; 16], 0))];
    assert_eq!(one.pass(500), expected);
}

#[test]
fn too_many_routes_are_told_once() {
    let mut settings = settings("test.me", vec![member(0, "p0", Relation::Peer)]);
    settings.peers[0].policy.routes_max = 1;
    let mut one = One::new(settings);
    let routes: &[(&str, &[&str])] = &[("test.a", &[]), ("test.b", &[])];
    one.says(0, &Said { routes, ..Said::default() }).unwrap();
    let notice = CcpNotice::TooManyRoutes { peer: "p0".parse().unwrap(), routes: 1 };
    assert_eq!(one.exchange.poll(ms(one.now)).notices, [notice]);
    one.says(0, &Said { routes, ..Said::default() }).unwrap();
    assert_eq!(one.exchange.poll(ms(one.now)).notices, []);
    assert_eq!(one.best(), [("test.a".to_owned(), 0)]);
}

#[test]
fn peers_that_ask_each_other_come_to_an_end() {
    let mut one = peers();
    let mut controls = 0;
    // A peer that answers every control with one of its own.
    for _ in 0..200 {
        one.asks(0, RouteControlMode::Sync, TableId::NONE, 0).unwrap();
        let sent = one.pass(100);
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
fn what_cannot_be_reached_tells_nothing() {
    let mut one = peers();
    let said = Said { routes: &[("test.far", &["test.p0"])], ..Said::default() };
    // It posts over HTTP while we cannot post to it, say.
    one.exchange.set_connected(Slot(0), false, ms(one.now));
    assert_eq!(one.says(0, &said), Err(RouteRequestError::NotConnected));
    assert_eq!(one.exchange.learned_routes(), []);
    one.exchange.set_connected(Slot(0), true, ms(one.now));
    assert_eq!(one.says(0, &said), Ok(()));
    assert_eq!(one.exchange.learned_routes().len(), 1);
}
