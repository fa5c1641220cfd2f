//! Routes that peers tell, and what becomes of packets meanwhile.

use super::*;
use crate::account::RoutePolicy;
use crate::link::Outcome;
use crate::routing::ccp::RequestTicket;
use crate::wire::ccp::{Epochs, RouteControl, RouteControlMode, TableId, UpdateWriter};

pub(super) fn telling(id: &str, relation: Relation) -> AccountSettings {
    let routes = RoutePolicy { send: true, receive: true, ..RoutePolicy::default() };
    AccountSettings { relation, routes, ..peer(id) }
}

fn dynamic() -> ConnectorSettings {
    let accounts =
        vec![telling("alice", Relation::Peer), telling("bob", Relation::Peer), peer("carl")];
    settings(accounts, &[])
}

/// An update of the log's one entry.
fn update(epoch: u32, routes: &[&str], withdrawn: &[&str]) -> Vec<u8> {
    update_of("test.bob", epoch, routes, withdrawn)
}

/// The same of another speaker.
pub(super) fn update_from(speaker: &str, epoch: u32, routes: &[&str]) -> Vec<u8> {
    update_of(speaker, epoch, routes, &[])
}

fn update_of(speaker: &str, epoch: u32, routes: &[&str], withdrawn: &[&str]) -> Vec<u8> {
    let mut writer = UpdateWriter::default();
    for prefix in routes {
        writer.announce(prefix.as_bytes(), 0, [], &[0; 32], std::iter::empty());
    }
    withdrawn.iter().for_each(|prefix| writer.withdraw(prefix.as_bytes()));
    let epochs = Epochs { current: epoch + 1, from: epoch, to: epoch + 1 };
    let speaker: Address = speaker.parse().unwrap();
    let data = writer.finish(TableId([1; 16]), epochs, 45_000, speaker.view());
    payment_with("peer.route.update", 0, 10_000, &data, Condition::PEER_PROTOCOL)
}

impl Net {
    pub(super) fn tells(&self, peer: &Peer, id: u32, packet: &[u8]) {
        self.ask(peer, id, packet);
        let expected =
            Seen::Fulfill { id: RequestId(id), fulfillment: Fulfillment::ZERO, data: vec![] };
        assert_eq!(self.read_one(peer), expected);
    }

    /// What the node does by itself from time to time.
    pub(super) fn tick(&self) {
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
        }
    }
}

#[test]
fn routes_become_usable_and_go_while_packets_are_in_flight() {
    let net = net(dynamic());
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    assert_eq!(net.next_hop("test.far.x"), Err("F02".to_owned()));
    net.tells(&bob, 1, &update(0, &["test.far"], &[]));
    net.tick();
    net.ask(&alice, 1, &payment("test.far.x", 5));
    let id = net.prepare_id(&bob);
    net.tells(&bob, 2, &update(1, &[], &["test.far"]));
    net.tick();
    assert_eq!(net.next_hop("test.far.x"), Err("F02".to_owned()));
    net.answer(&bob, id, &fulfill(PREIMAGE, b""));
    assert!(matches!(net.read_one(&alice), Seen::Fulfill { id: RequestId(1), .. }));
    assert_eq!((net.balance("alice"), net.balance("bob")), (5, -5));
}

#[test]
fn a_reload_and_learned_routes_do_not_lose_each_other() {
    let net = net(dynamic());
    let bob = net.connect("bob");
    net.tells(&bob, 1, &update(0, &["test.far"], &[]));
    // Learned, and not installed yet when the reload comes.
    let mut more = dynamic();
    more.routes.push(route("test.carl", "carl", 0));
    net.connector.apply_settings(more.clone()).unwrap();
    assert_eq!(net.next_hop("test.far"), Ok("bob".to_owned()));
    net.tick();
    let _carl = net.connect("carl");
    assert_eq!(net.next_hop("test.far"), Ok("bob".to_owned()));
    assert_eq!(net.next_hop("test.carl"), Ok("carl".to_owned()));
    // A configured route wins, and gives way while its next hop is not connected.
    more.routes.push(route("test.far", "carl", -5));
    net.connector.apply_settings(more).unwrap();
    assert_eq!(net.next_hop("test.far"), Ok("carl".to_owned()));
    net.connector.apply_settings(settings(vec![peer("bob"), peer("carl")], &[])).unwrap();
    assert_eq!(net.next_hop("test.far"), Err("F02".to_owned()));
}

#[test]
fn routes_that_are_not_learned_stay_when_nobody_exchanges_any_more() {
    let mut all = dynamic();
    all.routes.push(route("test.carl", "carl", 0));
    let net = net(all.clone());
    let (bob, _carl) = (net.connect("bob"), net.connect("carl"));
    net.tells(&bob, 1, &update(0, &["test.far"], &[]));
    net.tick();
    assert_eq!(net.next_hop("test.far"), Ok("bob".to_owned()));
    all.accounts.iter_mut().for_each(|account| account.routes = RoutePolicy::default());
    net.connector.apply_settings(all).unwrap();
    net.tick();
    assert_eq!(net.next_hop("test.far"), Err("F02".to_owned()));
    assert_eq!(net.next_hop("test.carl"), Ok("carl".to_owned()));
}

#[test]
fn a_learned_route_comes_before_the_parent() {
    let mut all = dynamic();
    all.accounts.push(AccountSettings { relation: Relation::Parent, ..peer("parent") });
    let net = net(all);
    let (bob, _parent) = (net.connect("bob"), net.connect("parent"));
    assert_eq!(net.next_hop("test.far"), Ok("parent".to_owned()));
    net.tells(&bob, 1, &update(0, &["test.far"], &[]));
    net.tick();
    assert_eq!(net.next_hop("test.far"), Ok("bob".to_owned()));
    net.lose(&bob);
    net.tick();
    assert_eq!(net.next_hop("test.far"), Ok("parent".to_owned()));
}

#[test]
fn it_asks_and_tells_by_itself() {
    let mut net = net(dynamic());
    let (alice, bob) = (net.connect("alice"), net.connect("bob"));
    net.tick();
    assert_eq!(net.read(&bob), []);
    net.pass(Duration::from_millis(100));
    net.tick();
    let Seen::Prepare { id, amount: 0, expires_in_ms: 60_000, destination, data, condition } =
        net.read_one(&bob)
    else {
        panic!()
    };
    assert_eq!((destination.as_str(), condition), ("peer.route.control", Condition::PEER_PROTOCOL));
    let asked = RouteControl::parse(&data).unwrap();
    assert_eq!(asked, RouteControl::new(RouteControlMode::Sync, TableId::NONE, 0));
    net.answer(&bob, id, &fulfill(Fulfillment::ZERO, b""));
    net.read(&alice);
    let control = payment_with("peer.route.control", 0, 10_000, &data, Condition::PEER_PROTOCOL);
    net.tells(&alice, 7, &control);
    net.tick();
    let Seen::Prepare { destination, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!(destination, "peer.route.update");
}

#[test]
fn who_may_not_and_what_cannot_be_read_are_refused() {
    let net = net(dynamic());
    let (bob, carl) = (net.connect("bob"), net.connect("carl"));
    let check = |peer: &Peer, packet: &[u8], code: &str| {
        net.ask(peer, 1, packet);
        assert_eq!(net.code(peer), code);
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
    assert_eq!((net.balance("bob"), net.account("bob").in_flight_from), (0, 0));
}
