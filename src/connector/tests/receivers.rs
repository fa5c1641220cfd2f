//! Receivers of payments inside the node: accounts like any other, but answered at once.

use super::*;
use crate::stream::{Iv, Keys, Receiver};
use crate::wire::ilp::PacketType;
use crate::wire::stream::{Frames, StreamFrame, StreamId, StreamPacket};

/// A sender that has asked for a connection to `test.node.wallet`.
pub(super) struct TestSender {
    destination: String,
    keys: Keys,
}

pub(super) fn wallet() -> AccountSettings {
    AccountSettings::receiver("wallet".parse().unwrap(), Receiver::new(&[5; 32], "wallet"))
}

pub(super) fn sender(net: &Net) -> TestSender {
    let connection = net.connector.issue_stream_credentials(Some("wallet"), [1; 18]).unwrap();
    let destination = connection.destination.to_string();
    TestSender { destination, keys: Keys::new(&connection.secret) }
}

impl TestSender {
    fn data(&self, minimum: u64) -> Vec<u8> {
        let mut plaintext = Vec::new();
        let frames = [StreamFrame::StreamMoney { stream: StreamId(1), shares: 1 }];
        let (packet_type, amount) = (PacketType::Prepare, Amount(minimum));
        let frames = Frames::from_frames(&frames);
        StreamPacket { packet_type, sequence: 3, amount, frames }.encode(&mut plaintext);
        self.keys.seal(Iv([minimum.to_be_bytes()[7]; 12]), &plaintext).unwrap()
    }

    /// A Prepare of `amount` of which at least `minimum` is to arrive.
    fn payment(&self, amount: u64, minimum: u64) -> Vec<u8> {
        self.payment_until(amount, minimum, true, 10_000)
    }

    pub(super) fn payment_until(
        &self,
        amount: u64,
        minimum: u64,
        fulfillable: bool,
        expires_in_ms: i64,
    ) -> Vec<u8> {
        let data = self.data(minimum);
        let right = self.keys.fulfillment(&data).condition();
        let condition = if fulfillable { right } else { PREIMAGE.condition() };
        payment_with(&self.destination, amount, expires_in_ms, &data, condition)
    }

    /// What an encrypted reply says has arrived.
    fn arrived(&self, packet_type: PacketType, data: &[u8]) -> u64 {
        let plaintext = self.keys.open(data).unwrap();
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.packet_type, reply.sequence), (packet_type, 3));
        reply.amount.0
    }

    fn check_fulfilled(&self, seen: &Seen, request: u32, arrived: u64) {
        let Seen::Fulfill { id, data, .. } = seen else { panic!("no Fulfill but {seen:?}") };
        assert_eq!(*id, RequestId(request));
        assert_eq!(self.arrived(PacketType::Fulfill, data), arrived);
    }
}

/// alice in USD/9, the wallet in `asset`.
fn alice_and(wallet: AccountSettings) -> (Net, Peer) {
    let net = net(settings(vec![peer("alice"), wallet], &[("test.alice", "alice")]));
    let alice = net.connect("alice");
    (net, alice)
}

#[test]
fn both_accounts_change_when_money_arrives() {
    let (net, alice) = alice_and(with_asset(wallet(), "USD", 6));
    let sender = sender(&net);
    net.ask(&alice, 7, &sender.payment(5_999, 5));
    sender.check_fulfilled(&net.read_one(&alice), 7, 5);
    assert_eq!((net.balance("alice"), net.balance("wallet")), (5_999, -5));
    let report = net.account("wallet");
    assert_eq!((report.held_in, report.held_out, report.in_flight_to), (0, 0, 0));
    assert_eq!((report.stats.sent.prepares, report.stats.received.fulfills), (1, 1));
    assert_eq!(report.stats.latency.iter().sum::<u64>(), 1);
    let report = net.account("alice");
    assert_eq!((report.held_in, report.in_flight_from), (0, 0));
    // The same packet again is money again, whatever the receiver thinks of it.
    net.ask(&alice, 8, &sender.payment(5_999, 5));
    sender.check_fulfilled(&net.read_one(&alice), 8, 5);
    assert_eq!((net.balance("alice"), net.balance("wallet")), (11_998, -10));
}

#[test]
fn nothing_changes_when_it_is_declined() {
    let (net, alice) = alice_and(wallet());
    let sender = sender(&net);
    net.ask(&alice, 1, &sender.payment(99, 100));
    let Seen::Reject { code, triggered_by, data, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!((code.as_str(), triggered_by.as_str()), ("F99", "test.node"));
    assert_eq!(sender.arrived(PacketType::Reject, &data), 99);
    let random = payment_with(&sender.destination, 99, 10_000, &sender.data(1), Condition([3; 32]));
    net.ask(&alice, 2, &random);
    let Seen::Reject { code, data, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!((code.as_str(), sender.arrived(PacketType::Reject, &data)), ("F99", 99));
    for (request, (destination, code)) in (3..).zip([
        ("test.node.wallet", "F06"),
        ("test.node.wallet.made-up", "F06"),
        ("test.node.wallet.a.b", "F06"),
        ("test.node.walle", "F02"),
        ("test.node.wallets", "F02"),
        ("test.node.Wallet.x", "F02"),
    ]) {
        let data = sender.data(1);
        let condition = sender.keys.fulfillment(&data).condition();
        net.ask(&alice, request, &payment_with(destination, 99, 10_000, &data, condition));
        assert_eq!(net.code(&alice), code, "{destination}");
    }
    assert_eq!((net.balance("alice"), net.balance("wallet")), (0, 0));
    let (alice, wallet) = (net.account("alice"), net.account("wallet"));
    assert_eq!((alice.held_in, alice.in_flight_from, wallet.held_out), (0, 0, 0));
    assert_eq!(wallet.stats.received.rejects.iter().sum::<u64>(), 5);
}

#[test]
fn limits_hold_on_both_sides() {
    let mut limited = wallet();
    limited.limits.max_packet_amount = Some(Amount(100));
    limited.limits.min_balance = Some(-150);
    let (net, alice) = alice_and(limited);
    let sender = sender(&net);
    net.ask(&alice, 1, &sender.payment(101, 0));
    let Seen::Reject { code, data, .. } = net.read_one(&alice) else { panic!() };
    assert_eq!(code, "F08");
    assert_eq!(data, [0, 0, 0, 0, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 100]);
    net.ask(&alice, 2, &sender.payment(100, 0));
    sender.check_fulfilled(&net.read_one(&alice), 2, 100);
    net.ask(&alice, 3, &sender.payment(51, 0));
    assert_eq!(net.code(&alice), "T04");
    net.ask(&alice, 4, &sender.payment(50, 0));
    sender.check_fulfilled(&net.read_one(&alice), 4, 50);
    // Zero moves no money: no limit forbids it.
    net.ask(&alice, 5, &sender.payment(0, 0));
    sender.check_fulfilled(&net.read_one(&alice), 5, 0);
    assert_eq!((net.balance("alice"), net.balance("wallet")), (150, -150));

    let mut poor = peer("alice");
    poor.limits.max_balance = Some(10);
    let net = super::net(settings(vec![poor, wallet()], &[]));
    let alice = net.connect("alice");
    let sender = self::sender(&net);
    net.ask(&alice, 1, &sender.payment(11, 0));
    assert_eq!(net.code(&alice), "F08");
    assert_eq!((net.balance("alice"), net.balance("wallet")), (0, 0));
    net.ask(&alice, 2, &sender.payment(6, 0));
    sender.check_fulfilled(&net.read_one(&alice), 2, 6);
    net.ask(&alice, 3, &sender.payment(5, 0));
    assert_eq!(net.code(&alice), "T04");
    assert_eq!((net.balance("alice"), net.balance("wallet")), (6, -6));
}

#[test]
fn expired_or_stopping_nothing_is_received() {
    let (net, alice) = alice_and(wallet());
    let sender = sender(&net);
    let data = sender.data(0);
    let condition = sender.keys.fulfillment(&data).condition();
    net.ask(&alice, 1, &payment_with(&sender.destination, 5, 0, &data, condition));
    assert_eq!(net.code(&alice), "R02");
    // Nobody further on needs time: a millisecond is enough.
    net.ask(&alice, 2, &payment_with(&sender.destination, 5, 1, &data, condition));
    sender.check_fulfilled(&net.read_one(&alice), 2, 5);
    net.connector.stop_admitting();
    net.ask(&alice, 3, &sender.payment(5, 0));
    assert_eq!(net.code(&alice), "T03");
    assert_eq!((net.balance("alice"), net.balance("wallet")), (5, -5));
}

#[test]
fn without_a_rate_nothing_arrives() {
    let (net, alice) = alice_and(with_asset(wallet(), "EUR", 9));
    let sender = sender(&net);
    net.ask(&alice, 1, &sender.payment(5, 0));
    assert_eq!(net.code(&alice), "T00");
}

#[test]
fn an_address_that_comes_late_makes_receivers_reachable() {
    let mut waiting = settings(vec![peer("alice"), wallet()], &[]);
    waiting.address = None;
    let net = net(waiting);
    let alice = net.connect("alice");
    let ask = |receiver| net.connector.issue_stream_credentials(receiver, [0; 18]).unwrap_err();
    assert_eq!(ask(Some("wallet")), StreamCredentialsError::NoAddressYet);
    assert_eq!(ask(None), StreamCredentialsError::NoAddressYet);
    assert_eq!(ask(Some("alice")), StreamCredentialsError::UnknownReceiver);
    assert_eq!(ask(Some("nobody")), StreamCredentialsError::UnknownReceiver);
    net.connector.set_address("test.parent.node".parse().unwrap()).unwrap();
    let sender = sender(&net);
    assert!(sender.destination.starts_with("test.parent.node.wallet."), "{}", sender.destination);
    net.ask(&alice, 1, &sender.payment(5, 5));
    sender.check_fulfilled(&net.read_one(&alice), 1, 5);
}

#[test]
fn a_reload_keeps_connections_and_balances() {
    let (net, alice) = alice_and(wallet());
    let sender = sender(&net);
    net.ask(&alice, 1, &sender.payment(5, 0));
    sender.check_fulfilled(&net.read_one(&alice), 1, 5);
    // Another receiver before it, and a limit.
    let other = AccountSettings::receiver("other".parse().unwrap(), Receiver::new(&[5; 32], "o"));
    let mut same = wallet();
    same.limits.max_packet_amount = Some(Amount(10));
    let routes = [("test.alice", "alice")];
    let apply = |accounts| net.connector.apply_settings(settings(accounts, &routes));
    apply(vec![other, peer("alice"), same]).unwrap();
    net.ask(&alice, 2, &sender.payment(5, 0));
    sender.check_fulfilled(&net.read_one(&alice), 2, 5);
    assert_eq!(net.balance("wallet"), -10);
    let first = net.connector.issue_stream_credentials(None, [9; 18]).unwrap();
    assert!(first.destination.as_str().starts_with("test.node.other."));
    // Gone: no route, no new connections, but the balance stays; and back again.
    apply(vec![peer("alice")]).unwrap();
    net.ask(&alice, 3, &sender.payment(5, 0));
    assert_eq!(net.code(&alice), "F02");
    let gone = net.connector.issue_stream_credentials(Some("wallet"), [1; 18]);
    assert_eq!(gone, Err(StreamCredentialsError::UnknownReceiver));
    assert_eq!(
        net.connector.issue_stream_credentials(None, [1; 18]),
        Err(StreamCredentialsError::UnknownReceiver)
    );
    assert_eq!(net.balance("wallet"), -10);
    apply(vec![peer("alice"), wallet()]).unwrap();
    net.ask(&alice, 4, &sender.payment(5, 0));
    sender.check_fulfilled(&net.read_one(&alice), 4, 5);
    // Another secret: the sender's packets are not understood any more.
    let anew =
        AccountSettings::receiver("wallet".parse().unwrap(), Receiver::new(&[6; 32], "wallet"));
    apply(vec![peer("alice"), anew]).unwrap();
    net.ask(&alice, 5, &sender.payment(5, 0));
    assert_eq!(net.code(&alice), "F06");
    assert_eq!((net.balance("alice"), net.balance("wallet")), (15, -15));
}

#[test]
fn peers_and_receivers_do_not_become_each_other() {
    let (net, _alice) = alice_and(wallet());
    let apply = |accounts| net.connector.apply_settings(settings(accounts, &[]));
    let changed = |id: &str| Err(RegistryError::KindChanged(id.parse().unwrap()));
    assert_eq!(apply(vec![peer("alice"), peer("wallet")]), changed("wallet"));
    let alice =
        AccountSettings::receiver("alice".parse().unwrap(), Receiver::new(&[5; 32], "alice"));
    assert_eq!(apply(vec![alice, wallet()]), changed("alice"));
    assert_eq!(
        apply(vec![peer("wallet"), wallet()]),
        Err(RegistryError::DuplicateAccount("wallet".parse().unwrap()))
    );
}

#[test]
fn routes_and_packets_are_told() {
    let (net, alice) = alice_and(wallet());
    let log = PacketRing::new(16);
    let way = PacketLog::new(log.clone(), NodeNumber(3));
    net.connector.set_packet_log(Some(Arc::new(way)));
    let sender = sender(&net);
    let destination: Address = sender.destination.parse().unwrap();
    match net.connector.explain(destination.view(), net.now) {
        Explanation::Forward { next_hop, route } => {
            assert_eq!(next_hop.as_str(), "wallet");
            assert_eq!(route.prefix, "test.node.wallet");
            let [hop] = route.next_hops.as_slice() else { panic!("{route:?}") };
            assert!(hop.usable && hop.origin == RouteOrigin::Receiver);
        }
        other => panic!("{other:?}"),
    }
    net.ask(&alice, 1, &sender.payment(5, 0));
    net.ask(&alice, 2, &sender.payment(5, 6));
    net.read(&alice);
    let (_, record) = log.pop().unwrap();
    assert_eq!(record.to.unwrap().as_str(), "wallet");
    match record.event {
        PacketEvent::Received { destination: told, incoming_amount, received_amount } => {
            assert_eq!(&*told, destination.as_str());
            assert_eq!((incoming_amount, received_amount), (Amount(5), Amount(5)));
        }
        other => panic!("{other:?}"),
    }
    match log.pop().unwrap().1.event {
        PacketEvent::Rejected { code, reason, .. } => {
            assert_eq!(code, ErrorCode::F99);
            assert_eq!(reason.as_deref(), Some("less arrived than the sender asks for"));
        }
        other => panic!("{other:?}"),
    }
    assert!(log.pop().is_none());
}
