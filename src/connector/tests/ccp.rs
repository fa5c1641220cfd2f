//! Routes that peers advertise, and packets meanwhile.

use super::*;
use crate::account::RoutePolicy;
use crate::link::Outcome;
use crate::routing::ccp::RequestTicket;
use crate::wire::ccp::{Epochs, RouteControl, RouteControlMode, TableId, UpdateWriter};

pub(super) fn ccp_peer(id: &str, relation: Relation) -> AccountSettings {
    let routes = RoutePolicy { send: true, receive: true, ..RoutePolicy::default() };
    AccountSettings { relation, routes, ..peer(id) }
}

fn dynamic() -> ConnectorSettings {
    let accounts =
        vec![ccp_peer("alice", Relation::Peer), ccp_peer("bob", Relation::Peer), peer("carl")];
    settings(accounts, &[])
}

/// An update from `test.bob` with one epoch.
fn update(epoch: u32, routes: &[&str], withdrawn: &[&str]) -> Vec<u8> {
    update_of("test.bob", epoch, routes, withdrawn)
}

/// The same from another speaker.
pub(super) fn update_from(speaker: &str, epoch: u32, routes: &[&str]) -> Vec<u8> {
    update_of(speaker, epoch, routes, &[])
}

fn update_of(speaker: &str, epoch: u32, routes: &[&str], withdrawn: &[&str]) -> Vec<u8> {
    let mut writer = UpdateWriter::default();
    for prefix in routes {
        writer.advertise(prefix.as_bytes(), 0, [], &[0; 32], std::iter::empty());
    }
    withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
    let epochs = Epochs { current: epoch + 1, from: epoch, to: epoch + 1 };
    let speaker: Address = speaker.parse().unwrap();
    let data = writer.finish(TableId([1; 16]), epochs, 45_000, speaker.view());
    payment_with("peer.route.update", 0, 10_000, &data, Condition::PEER_PROTOCOL)
}

impl TestNode {
    pub(super) fn send_fulfilled(&self, peer: &Peer, id: u32, packet: &[u8]) {
        self.send(peer, id, packet);
        let expected =
            Received::Fulfill { id: RequestId(id), fulfillment: Fulfillment::ZERO, data: vec![] };
        assert_eq!(self.read_one(peer), expected);
    }

    /// What the node does every 50 ms.
    pub(super) fn poll_ccp(&self) {
        let connector = Arc::clone(&self.connector);
        let now = self.now;
        let answered = move |ticket: RequestTicket, answer: Outcome| {
            connector.handle_ccp_answer(ticket, &answer, now);
        };
        if self.connector.poll_ccp(self.now, &answered).learned_changed {
            self.connector.install_learned_routes();
        }
    }

    pub(super) fn next_hop(&self, destination: &str) -> Result<String, String> {
        let destination: Address = destination.parse().unwrap();
        match self.connector.explain(destination.view(), self.now) {
            Explanation::Forward { next_hop, .. } => Ok(next_hop.to_string()),
            Explanation::Reject { code, .. } => Err(code),
            Explanation::Own => Ok("own".to_owned()),
            Explanation::PeerProtocol => Ok("neighbours".to_owned()),
        }
    }
}

#[test]
fn routes_come_and_go_while_packets_are_in_flight() {
    let node = node(dynamic());
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    assert_eq!(node.next_hop("test.far.x"), Err("F02".to_owned()));
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    node.poll_ccp();
    node.send(&alice, 1, &payment("test.far.x", 5));
    let id = node.prepare_id(&bob);
    node.send_fulfilled(&bob, 2, &update(1, &[], &["test.far"]));
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far.x"), Err("F02".to_owned()));
    node.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(node.read_one(&alice), Received::Fulfill { id: RequestId(1), .. }));
    assert_eq!((node.balance("alice"), node.balance("bob")), (5, -5));
}

#[test]
fn neither_a_reload_nor_an_update_loses_the_routes_of_the_other() {
    let node = node(dynamic());
    let bob = node.connect("bob");
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    // Learned, but not installed yet when the reload comes.
    let mut more = dynamic();
    more.routes.push(route("test.carl", "carl", 0));
    node.apply(more.clone());
    assert_eq!(node.next_hop("test.far"), Ok("bob".to_owned()));
    node.poll_ccp();
    let _carl = node.connect("carl");
    assert_eq!(node.next_hop("test.far"), Ok("bob".to_owned()));
    assert_eq!(node.next_hop("test.carl"), Ok("carl".to_owned()));
    // A configured route wins while its next hop is connected.
    more.routes.push(route("test.far", "carl", -5));
    node.apply(more);
    assert_eq!(node.next_hop("test.far"), Ok("carl".to_owned()));
    node.apply(settings(vec![peer("bob"), peer("carl")], &[]));
    assert_eq!(node.next_hop("test.far"), Err("F02".to_owned()));
}

#[test]
fn static_routes_stay_when_ccp_is_switched_off() {
    let mut all = dynamic();
    all.routes.push(route("test.carl", "carl", 0));
    let node = node(all.clone());
    let (bob, _carl) = (node.connect("bob"), node.connect("carl"));
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far"), Ok("bob".to_owned()));
    all.accounts.iter_mut().for_each(|account| account.routes = RoutePolicy::default());
    node.apply(all);
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far"), Err("F02".to_owned()));
    assert_eq!(node.next_hop("test.carl"), Ok("carl".to_owned()));
}

#[test]
fn a_learned_route_precedes_the_default_route_to_the_parent() {
    let mut all = dynamic();
    all.accounts.push(AccountSettings { relation: Relation::Parent, ..peer("parent") });
    let node = node(all);
    let (bob, _parent) = (node.connect("bob"), node.connect("parent"));
    assert_eq!(node.next_hop("test.far"), Ok("parent".to_owned()));
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far"), Ok("bob".to_owned()));
    node.disconnect(&bob);
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far"), Ok("parent".to_owned()));
}

#[test]
fn controls_and_updates_are_sent_when_polled() {
    let mut node = node(dynamic());
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.poll_ccp();
    assert_eq!(node.read(&bob), []);
    node.advance(Duration::from_millis(100));
    node.poll_ccp();
    let Received::Prepare { id, amount: 0, expires_in_ms: 60_000, destination, data, condition } =
        node.read_one(&bob)
    else {
        panic!()
    };
    assert_eq!((destination.as_str(), condition), ("peer.route.control", Condition::PEER_PROTOCOL));
    let request = RouteControl::parse(&data).unwrap();
    assert_eq!(request, RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0));
    node.answer(&bob, id, &fulfill(Fulfillment::ZERO, b""));
    node.read(&alice);
    let control = payment_with("peer.route.control", 0, 10_000, &data, Condition::PEER_PROTOCOL);
    node.send_fulfilled(&alice, 7, &control);
    node.poll_ccp();
    let Received::Prepare { destination, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!(destination, "peer.route.update");
}

#[test]
fn a_refused_control_is_sent_again_and_an_accepted_one_is_not() {
    let mut node = node(dynamic());
    let bob = node.connect("bob");
    let controls_within = |node: &mut TestNode, seconds: u32| {
        let sent = (0..seconds * 10).flat_map(|_| {
            node.advance(Duration::from_millis(100));
            node.poll_ccp();
            node.prepare_ids(&bob)
        });
        sent.collect::<Vec<_>>()
    };
    let [refused] = controls_within(&mut node, 1).try_into().unwrap();
    node.answer(&bob, refused, &reject(ErrorCode::T00, None, "", b""));
    let [accepted] = controls_within(&mut node, 1).try_into().unwrap();
    node.answer(&bob, accepted, &fulfill(Fulfillment::ZERO, b""));
    assert_eq!(controls_within(&mut node, 20), []);
}

#[test]
fn forbidden_and_malformed_route_requests_are_rejected() {
    let node = node(dynamic());
    let (bob, carl) = (node.connect("bob"), node.connect("carl"));
    let check = |peer: &Peer, packet: &[u8], code: &str| {
        node.send(peer, 1, packet);
        assert_eq!(node.reject_code(peer), code);
    };
    let mut control = Vec::new();
    RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0).encode(&mut control);
    let to = |destination, amount, data: &[u8], condition| {
        payment_with(destination, amount, 10_000, data, condition)
    };
    check(&carl, &update(0, &[], &[]), "F00");
    check(&carl, &to("peer.route.control", 0, &control, Condition::PEER_PROTOCOL), "F00");
    check(&bob, &update(3, &[], &[]), "F00");
    check(&bob, &to("peer.route.control", 0, &control, Condition::PING), "F01");
    check(&bob, &to("peer.route.control", 1, &control, Condition::PEER_PROTOCOL), "F01");
    check(&bob, &to("peer.route.update", 0, &control, Condition::PEER_PROTOCOL), "F01");
    check(&bob, &to("peer.route.other", 0, &control, Condition::PEER_PROTOCOL), "F01");
    assert_eq!((node.balance("bob"), node.account("bob").in_flight_from), (0, 0));
}

#[test]
fn routes_are_exchanged_with_a_peer_that_sends_or_receives_them() {
    let exchanges = |send, receive| {
        let routes = RoutePolicy { send, receive, ..RoutePolicy::default() };
        let alice = AccountSettings { routes, ..peer("alice") };
        node(settings(vec![alice, peer("bob")], &[])).connector.exchanges_routes()
    };
    assert!(!exchanges(false, false));
    assert!(exchanges(true, false) && exchanges(false, true) && exchanges(true, true));
}

#[test]
fn learned_routes_are_reported_with_the_peer_and_the_chosen_one() {
    let node = node(dynamic());
    let (alice, bob) = (node.connect("alice"), node.connect("bob"));
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    node.send_fulfilled(&alice, 1, &update_from("test.alice", 0, &["test.far"]));
    node.poll_ccp();
    let learned = node.connector.learned_routes(&"test.far".parse().unwrap());
    let shown: Vec<_> = learned.iter().map(|one| (one.from.as_str(), one.chosen)).collect();
    assert_eq!(shown, [("alice", true), ("bob", false)]);
    assert_eq!(node.connector.learned_routes(&"test.near".parse().unwrap()), []);
    let [route] = node.connector.routes(None, 9).try_into().unwrap();
    assert_eq!((route.prefix.as_str(), route.learned), ("test.far", learned));
}

#[test]
fn a_learned_route_is_reported_once_it_is_among_the_next_hops() {
    let mut configured = dynamic();
    configured.routes.push(route("test.far", "carl", 0));
    let node = node(configured);
    let bob = node.connect("bob");
    let reported = || {
        let [route] = node.connector.routes(None, 9).try_into().unwrap();
        let hops = route.next_hops.iter().map(|hop| hop.account.to_string());
        let learned = route.learned.iter().map(|learned| learned.from.to_string());
        (hops.collect::<Vec<_>>().join(" "), learned.collect::<Vec<_>>().join(" "))
    };
    node.send_fulfilled(&bob, 1, &update(0, &["test.far"], &[]));
    assert_eq!(reported(), ("carl".to_owned(), String::new()));
    node.poll_ccp();
    assert_eq!(reported(), ("carl bob".to_owned(), "bob".to_owned()));
}

#[test]
fn a_route_of_a_guest_is_sent_to_no_neighbour() {
    let with = |ids: &[&str]| {
        let children =
            ids.iter().map(|id| AccountSettings::new(id.parse().unwrap(), Relation::Child));
        let accounts = [ccp_peer("alice", Relation::Peer)].into_iter().chain(children);
        let address = Some("test.node".parse().unwrap());
        ConnectorSettings { address, ..settings(accounts.collect(), &[]) }
    };
    let node = node(with(&["guest~1", "carl"]));
    let locals = || {
        let configuration = node.connector.configuration.lock();
        let sent =
            super::super::ccp::ccp_settings(&configuration.registry, &configuration.settings);
        sent.local_routes.iter().map(|route| route.prefix.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(locals(), ["test.node.carl"]);
    node.apply(with(&["guest~1", "guest~2", "carl"]));
    assert_eq!(locals(), ["test.node.carl"]);
}

#[test]
fn routes_are_learned_from_a_peer_that_gets_none_and_configured_ones_stay() {
    let receive = RoutePolicy { receive: true, ..RoutePolicy::default() };
    let accounts = vec![AccountSettings { routes: receive, ..peer("alice") }, peer("carl")];
    let node = node(settings(accounts, &[("test.carl", "carl")]));
    let (alice, _carl) = (node.connect("alice"), node.connect("carl"));
    node.send_fulfilled(&alice, 1, &update_from("test.alice", 0, &["test.far"]));
    node.poll_ccp();
    assert_eq!(node.next_hop("test.far.x"), Ok("alice".to_owned()));
    assert_eq!(node.next_hop("test.carl.x"), Ok("carl".to_owned()));
}
