//! Receivers of payments inside the node: accounts whose packets are answered at once.

use super::virtual_store::VirtualStore;
use super::*;
use crate::stream::{Iv, Keys, ReceiptKey, Receiver};
use crate::wire::ilp::PacketType;
use crate::wire::stream::{Frames, StreamFrame, StreamId, StreamPacket};

/// A sender with the credentials of a connection to `test.node.wallet`.
pub(super) struct TestSender {
    destination: String,
    keys: Keys,
}

pub(super) fn wallet() -> AccountSettings {
    AccountSettings::receiver("wallet".parse().unwrap(), Receiver::new(&[5; 32], "wallet"))
}

pub(super) fn sender(node: &TestNode) -> TestSender {
    sender_on(node, [1; 18])
}

/// On a connection of its own.
pub(super) fn sender_on(node: &TestNode, random: [u8; 18]) -> TestSender {
    let connection = node.connector.issue_stream_credentials(Some("wallet"), random, None).unwrap();
    let destination = connection.destination.to_string();
    TestSender { destination, keys: Keys::new(&connection.secret) }
}

/// On a connection whose money gets receipts.
pub(super) fn sender_with_receipts(
    node: &TestNode,
    random: [u8; 18],
    key: &ReceiptKey,
) -> TestSender {
    let found = node.connector.issue_stream_credentials(Some("wallet"), random, Some(key));
    let connection = found.unwrap();
    let destination = connection.destination.to_string();
    TestSender { destination, keys: Keys::new(&connection.secret) }
}

impl TestSender {
    /// The totals of the receipts in an encrypted reply.
    pub(super) fn receipt_totals(&self, data: &[u8]) -> Vec<u64> {
        let plaintext = self.keys.open(data).unwrap();
        let frames = StreamPacket::parse(&plaintext).unwrap().frames;
        let receipts = frames.iter().filter_map(|frame| match frame {
            StreamFrame::StreamReceipt { stream: StreamId(1), receipt } => Some(receipt),
            _ => None,
        });
        receipts.map(|receipt| u64::from_be_bytes(receipt[18..26].try_into().unwrap())).collect()
    }

    fn data(&self, minimum: u64) -> Vec<u8> {
        let mut plaintext = Vec::new();
        let frames = [StreamFrame::StreamMoney { stream: StreamId(1), shares: 1 }];
        let (packet_type, amount) = (PacketType::Prepare, Amount(minimum));
        let frames = Frames::from_frames(&frames);
        StreamPacket { packet_type, sequence: 3, amount, frames }.encode(&mut plaintext);
        self.keys.seal(Iv([minimum.to_be_bytes()[7]; 12]), &plaintext).unwrap()
    }

    /// A Prepare of `amount` of which at least `minimum` must arrive.
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

    /// The received amount in an encrypted reply.
    fn arrived(&self, packet_type: PacketType, data: &[u8]) -> u64 {
        let plaintext = self.keys.open(data).unwrap();
        let reply = StreamPacket::parse(&plaintext).unwrap();
        assert_eq!((reply.packet_type, reply.sequence), (packet_type, 3));
        reply.amount.0
    }

    /// Pays `amount`, of which `received` must arrive.
    fn pay(&self, node: &TestNode, from: &Peer, amount: u64, minimum: u64, received: u64) {
        node.send(from, 99, &self.payment(amount, minimum));
        self.check_fulfilled(&node.read_one(from), 99, received);
    }

    fn check_fulfilled(&self, seen: &Received, request: u32, arrived: u64) {
        let Received::Fulfill { id, data, .. } = seen else { panic!("no Fulfill but {seen:?}") };
        assert_eq!(*id, RequestId(request));
        assert_eq!(self.arrived(PacketType::Fulfill, data), arrived);
    }
}

/// A node with alice and this wallet.
fn alice_and(wallet: AccountSettings) -> (TestNode, Peer) {
    let node = node(settings(vec![peer("alice"), wallet], &[("test.alice", "alice")]));
    let alice = node.connect("alice");
    (node, alice)
}

#[test]
fn a_received_payment_changes_both_balances() {
    let (node, alice) = alice_and(with_asset(wallet(), "USD", 6));
    let sender = sender(&node);
    sender.pay(&node, &alice, 5_999, 5, 5);
    assert_eq!((node.balance("alice"), node.balance("wallet")), (5_999, -5));
    let report = node.account("wallet");
    assert_eq!((report.held_in, report.held_out, report.in_flight_to), (0, 0, 0));
    assert_eq!((report.stats.sent.prepares, report.stats.received.fulfills), (1, 1));
    assert_eq!(report.stats.latency.iter().sum::<u64>(), 1);
    let report = node.account("alice");
    assert_eq!((report.held_in, report.in_flight_from), (0, 0));
    // The same packet pays again: the receiver stores nothing.
    sender.pay(&node, &alice, 5_999, 5, 5);
    assert_eq!((node.balance("alice"), node.balance("wallet")), (11_998, -10));
}

#[test]
fn a_declined_payment_changes_no_balance() {
    let (node, alice) = alice_and(wallet());
    let sender = sender(&node);
    node.send(&alice, 1, &sender.payment(99, 100));
    let Received::Reject { code, triggered_by, data, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!((code.as_str(), triggered_by.as_str()), ("F99", "test.node"));
    assert_eq!(sender.arrived(PacketType::Reject, &data), 99);
    let random = payment_with(&sender.destination, 99, 10_000, &sender.data(1), Condition([3; 32]));
    node.send(&alice, 2, &random);
    let Received::Reject { code, data, .. } = node.read_one(&alice) else { panic!() };
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
        node.send(&alice, request, &payment_with(destination, 99, 10_000, &data, condition));
        assert_eq!(node.reject_code(&alice), code, "{destination}");
    }
    assert_eq!((node.balance("alice"), node.balance("wallet")), (0, 0));
    let (alice, wallet) = (node.account("alice"), node.account("wallet"));
    assert_eq!((alice.held_in, alice.in_flight_from, wallet.held_out), (0, 0, 0));
    assert_eq!(wallet.stats.received.rejects.iter().sum::<u64>(), 5);
}

#[test]
fn limits_hold_on_both_sides() {
    let mut limited = wallet();
    limited.limits.max_packet_amount = Some(Amount(100));
    limited.limits.min_balance = Some(-150);
    let (node, alice) = alice_and(limited);
    let sender = sender(&node);
    node.send(&alice, 1, &sender.payment(101, 0));
    let Received::Reject { code, data, .. } = node.read_one(&alice) else { panic!() };
    assert_eq!(code, "F08");
    assert_eq!(data, [0, 0, 0, 0, 0, 0, 0, 101, 0, 0, 0, 0, 0, 0, 0, 100]);
    sender.pay(&node, &alice, 100, 0, 100);
    assert_eq!(node.send_rejected(&alice, &sender.payment(51, 0)), "T04");
    sender.pay(&node, &alice, 50, 0, 50);
    // An amount of zero passes every limit.
    sender.pay(&node, &alice, 0, 0, 0);
    assert_eq!((node.balance("alice"), node.balance("wallet")), (150, -150));

    let mut poor = peer("alice");
    poor.limits.max_balance = Some(10);
    let node = super::node(settings(vec![poor, wallet()], &[]));
    let alice = node.connect("alice");
    let sender = self::sender(&node);
    assert_eq!(node.send_rejected(&alice, &sender.payment(11, 0)), "F08");
    assert_eq!((node.balance("alice"), node.balance("wallet")), (0, 0));
    sender.pay(&node, &alice, 6, 0, 6);
    assert_eq!(node.send_rejected(&alice, &sender.payment(5, 0)), "T04");
    assert_eq!((node.balance("alice"), node.balance("wallet")), (6, -6));
}

#[test]
fn receivers_reject_expired_packets_and_packets_during_a_stop() {
    let (node, alice) = alice_and(wallet());
    let sender = sender(&node);
    let data = sender.data(0);
    let condition = sender.keys.fulfillment(&data).condition();
    assert_eq!(
        node.send_rejected(&alice, &payment_with(&sender.destination, 5, 0, &data, condition)),
        "R02"
    );
    // No next hop needs time, so a millisecond is enough.
    node.send(&alice, 2, &payment_with(&sender.destination, 5, 1, &data, condition));
    sender.check_fulfilled(&node.read_one(&alice), 2, 5);
    node.connector.stop_admitting();
    assert_eq!(node.send_rejected(&alice, &sender.payment(5, 0)), "T03");
    assert_eq!((node.balance("alice"), node.balance("wallet")), (5, -5));
}

#[test]
fn a_payment_without_a_rate_is_rejected() {
    let (node, alice) = alice_and(with_asset(wallet(), "EUR", 9));
    let sender = sender(&node);
    assert_eq!(node.send_rejected(&alice, &sender.payment(5, 0)), "T00");
}

#[test]
fn receivers_become_reachable_when_the_node_gets_its_address() {
    let mut waiting = settings(vec![peer("alice"), wallet()], &[]);
    waiting.address = None;
    let node = node(waiting);
    let alice = node.connect("alice");
    let ask =
        |receiver| node.connector.issue_stream_credentials(receiver, [0; 18], None).unwrap_err();
    assert_eq!(ask(Some("wallet")), StreamCredentialsError::NoAddressYet);
    assert_eq!(ask(None), StreamCredentialsError::NoAddressYet);
    assert_eq!(ask(Some("alice")), StreamCredentialsError::UnknownReceiver);
    assert_eq!(ask(Some("nobody")), StreamCredentialsError::UnknownReceiver);
    node.connector.set_address("test.parent.node".parse().unwrap()).unwrap();
    let sender = sender(&node);
    assert!(sender.destination.starts_with("test.parent.node.wallet."), "{}", sender.destination);
    sender.pay(&node, &alice, 5, 5, 5);
}

#[test]
fn a_reload_keeps_connections_and_balances() {
    let (node, alice) = alice_and(wallet());
    let sender = sender(&node);
    sender.pay(&node, &alice, 5, 0, 5);
    // Another receiver before it, and a limit.
    let other = AccountSettings::receiver("other".parse().unwrap(), Receiver::new(&[5; 32], "o"));
    let mut same = wallet();
    same.limits.max_packet_amount = Some(Amount(10));
    let routes = [("test.alice", "alice")];
    let apply = |accounts| node.connector.apply_settings(settings(accounts, &routes));
    apply(vec![other, peer("alice"), same]).unwrap();
    sender.pay(&node, &alice, 5, 0, 5);
    assert_eq!(node.balance("wallet"), -10);
    let first = node.connector.issue_stream_credentials(None, [9; 18], None).unwrap();
    assert!(first.destination.as_str().starts_with("test.node.other."));
    // Without the receiver there is no route and no new connection, but its balance stays.
    apply(vec![peer("alice")]).unwrap();
    assert_eq!(node.send_rejected(&alice, &sender.payment(5, 0)), "F02");
    let gone = node.connector.issue_stream_credentials(Some("wallet"), [1; 18], None);
    assert_eq!(gone, Err(StreamCredentialsError::UnknownReceiver));
    assert_eq!(
        node.connector.issue_stream_credentials(None, [1; 18], None),
        Err(StreamCredentialsError::UnknownReceiver)
    );
    assert_eq!(node.balance("wallet"), -10);
    apply(vec![peer("alice"), wallet()]).unwrap();
    sender.pay(&node, &alice, 5, 0, 5);
    // With another secret, the sender's packets cannot be decrypted.
    let other_secret =
        AccountSettings::receiver("wallet".parse().unwrap(), Receiver::new(&[6; 32], "wallet"));
    apply(vec![peer("alice"), other_secret]).unwrap();
    assert_eq!(node.send_rejected(&alice, &sender.payment(5, 0)), "F06");
    assert_eq!((node.balance("alice"), node.balance("wallet")), (15, -15));
}

#[test]
fn a_reload_cannot_turn_a_peer_into_a_receiver_or_back() {
    let (node, _alice) = alice_and(wallet());
    let apply = |accounts| node.connector.apply_settings(settings(accounts, &[]));
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
fn a_restart_cannot_turn_a_peer_into_a_receiver_or_back() {
    let start =
        |accounts, books| Connector::with_books(settings(accounts, &[]), HashSeed::Fixed(1), books);
    let connector = start(vec![peer("alice"), wallet()], SavedBooks::default()).unwrap();
    let node = node_of(connector);
    let alice = node.connect("alice");
    sender(&node).pay(&node, &alice, 5, 0, 5);
    let mut store = VirtualStore::default();
    store.write(&node.connector.take_cut(node.now.wall).unwrap());
    let refused = |id: &str, accounts| {
        let RegistryError::SavedKind { id: found, unsettled } =
            start(accounts, store.books(true)).unwrap_err()
        else {
            panic!("another error")
        };
        assert_eq!(found.as_str(), id);
        unsettled.to_string()
    };
    assert_eq!(refused("wallet", vec![peer("alice"), peer("wallet")]), "a balance of -5");
    let receiver = Receiver::new(&[5; 32], "alice");
    let alice = AccountSettings::receiver("alice".parse().unwrap(), receiver);
    assert_eq!(refused("alice", vec![alice, wallet()]), "a balance of 5");
    // After a crash, the books of peers are compared. A receiver has none.
    let connector = start(vec![peer("alice"), wallet()], store.books(false)).unwrap();
    let cut = connector.take_cut(node.now.wall).unwrap();
    let rows = cut.records().reconciliations.iter().map(|row| &*row.account);
    assert_eq!(rows.collect::<Vec<_>>(), ["alice"]);
}

#[test]
fn only_receivers_that_are_served_are_known_as_receivers() {
    let with = |enabled| {
        let mut wallet = wallet();
        wallet.enabled = enabled;
        settings(vec![peer("alice"), wallet], &[("test.alice", "alice")])
    };
    let node = node(with(true));
    let known = || ["wallet", "alice", "nobody"].map(|id| node.connector.has_receiver(id));
    assert_eq!(known(), [true, false, false]);
    node.apply(with(false));
    assert_eq!(known(), [false; 3]);
}

#[test]
fn receivers_appear_in_routes_and_in_the_packet_log() {
    let (node, alice) = alice_and(wallet());
    let log = node.log_packets();
    let sender = sender(&node);
    let destination: Address = sender.destination.parse().unwrap();
    match node.connector.explain(destination.view(), node.now) {
        Explanation::Forward { next_hop, route } => {
            assert_eq!(next_hop.as_str(), "wallet");
            assert_eq!(route.prefix, "test.node.wallet");
            let [hop] = route.next_hops.as_slice() else { panic!("{route:?}") };
            assert!(hop.usable && hop.origin == RouteOrigin::Receiver);
        }
        other => panic!("{other:?}"),
    }
    node.send(&alice, 1, &sender.payment(5, 0));
    node.send(&alice, 2, &sender.payment(5, 6));
    node.read(&alice);
    let (_, record) = log.pop().unwrap();
    assert_eq!(record.to.unwrap().as_str(), "wallet");
    match record.event {
        PacketEvent::Received { destination: logged, incoming_amount, received_amount } => {
            assert_eq!(&*logged, destination.as_str());
            assert_eq!((incoming_amount, received_amount), (Amount(5), Amount(5)));
        }
        other => panic!("{other:?}"),
    }
    match log.pop().unwrap().1.event {
        PacketEvent::Rejected { code, reason, .. } => {
            assert_eq!(code, ErrorCode::F99);
            assert_eq!(reason.unwrap().to_string(), "less arrived than the sender asks for");
        }
        other => panic!("{other:?}"),
    }
    assert!(log.pop().is_none());
}
