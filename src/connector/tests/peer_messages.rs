//! Messages between settlement engines: `peer.settle`.

use std::task::{Context, Waker};

use super::settlements::Wakes;
use super::*;
use crate::account::SettlementMode;
use crate::wire::ilp::MAX_DATA_EMITTED;

/// SHA-256 of nothing, which RFC 38 prints.
const MISPRINT: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

fn message(data: &[u8], condition: Condition) -> Vec<u8> {
    payment_with("peer.settle", 0, 10_000, data, condition)
}

fn with_engine() -> (TestNode, Peer, Peer) {
    connect_both(alice_and_bob_with(|alice| alice.settlement.mode = SettlementMode::Engine))
}

fn take(node: &TestNode) -> Option<PeerMessage> {
    match node.connector.poll_message(&Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => Some(message),
        Poll::Pending => None,
    }
}

#[test]
fn the_engine_of_the_sender_gets_the_bytes_and_zeros_fulfill_every_condition_rows_136_137() {
    let (node, alice, bob) = with_engine();
    for condition in [Condition::PEER_PROTOCOL, Condition(MISPRINT), Condition([0; 32])] {
        node.send(&alice, 7, &message(b"\x00hello", condition));
        let taken = take(&node).unwrap();
        assert_eq!((taken.account.as_str(), &*taken.data), ("alice", &b"\x00hello"[..]));
        assert_eq!(taken.deadline, node.now.mono.after(Duration::from_secs(10)));
        assert_eq!(node.read(&alice), []);
        let batch = node.connector.start_batch(node.now);
        batch.answer_message(taken.number, MessageAnswer::Reply(b"\xffhi"));
        // A second answer does not exist.
        batch.answer_message(taken.number, MessageAnswer::Reply(b"again"));
        let reply = Received::Fulfill {
            id: RequestId(7),
            fulfillment: Fulfillment::ZERO,
            data: b"\xffhi".to_vec(),
        };
        assert_eq!(node.read(&alice), [reply]);
    }
    assert_eq!((take(&node), node.read(&bob)), (None, vec![]), "nothing is forwarded");
    assert_eq!(node.account("alice").balance, 0);
    assert!(alice.account.is_idle());
}

#[test]
fn the_code_says_what_the_engine_says_and_its_words_are_passed_on() {
    let (node, alice, _) = with_engine();
    let answers = [
        (MessageAnswer::Refused(MessageRefusal::ByEngine, b"no"), "F00", &b"no"[..]),
        (MessageAnswer::Refused(MessageRefusal::EngineFailed, b""), "T00", b""),
        (MessageAnswer::Reply(&[0; 40_000]), "F00", b""),
    ];
    for (answer, expected, said) in answers {
        node.send(&alice, 1, &message(b"", Condition::PEER_PROTOCOL));
        let number = take(&node).unwrap().number;
        node.connector.start_batch(node.now).answer_message(number, answer);
        match node.read_one(&alice) {
            Received::Reject { code, data, triggered_by, .. } => {
                assert_eq!((&*code, &*data, &*triggered_by), (expected, said, "test.node"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_message_without_an_engine_or_with_money_is_final() {
    let (node, alice, bob) = with_engine();
    let zeros = Condition::PEER_PROTOCOL;
    assert_eq!(node.send_rejected(&bob, &message(b"", zeros)), "F00");
    let paid = payment_with("peer.settle", 1, 10_000, b"", zeros);
    assert_eq!(node.send_rejected(&alice, &paid), "F00");
    assert_eq!(
        node.send_rejected(&alice, &payment_with("peer.settle.x", 0, 10_000, b"", zeros)),
        "F01"
    );
    assert_eq!(take(&node), None);
    node.assert_balanced();
}

#[test]
fn a_peer_whose_engine_hangs_fills_only_its_own_share() {
    let mut settings = connector_settings("node", &["alice", "bob"]);
    settings.accounts.iter_mut().for_each(|one| one.settlement.mode = SettlementMode::Engine);
    let (node, alice, bob) = connect_both(node(settings));
    let ask = message(b"", Condition::PEER_PROTOCOL);
    for id in 0..16 {
        node.send(&alice, id, &ask);
    }
    assert_eq!(node.read(&alice), []);
    assert_eq!(node.send_rejected(&alice, &ask), "T03");
    node.send(&bob, 1, &ask);
    assert_eq!(node.read(&bob), []);
    let taken: Vec<_> = std::iter::from_fn(|| take(&node)).collect();
    assert_eq!(taken.len(), 17);
    assert_eq!(node.send_rejected(&alice, &ask), "T03", "they wait although they are taken");
    let batch = node.connector.start_batch(node.now);
    batch.answer_message(taken[0].number, MessageAnswer::Reply(b""));
    drop(batch);
    node.read_one(&alice);
    node.send(&alice, 99, &ask);
    assert_eq!(node.read(&alice), []);
    // The end of the node answers all that wait, once.
    node.connector.reject_all_pending(node.now);
    assert_eq!((node.read(&alice).len(), node.read(&bob).len()), (16, 1));
    assert!(alice.account.is_idle() && bob.account.is_idle());
    node.connector.start_batch(node.now).answer_message(taken[1].number, MessageAnswer::Reply(b""));
    assert_eq!(node.read(&alice), []);
}

/// Each peer has 16 at most.
#[test]
fn the_messages_that_wait_for_engines_are_bounded_in_all() {
    let names: Vec<String> = (0..17).map(|number| format!("peer{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut settings = connector_settings("node", &names);
    settings.accounts.iter_mut().for_each(|one| one.settlement.mode = SettlementMode::Engine);
    let node = node(settings);
    let peers: Vec<Peer> = names.iter().map(|name| node.connect(name)).collect();
    let ask = message(b"", Condition::PEER_PROTOCOL);
    let refused = |peer: &Peer| {
        (0..16).for_each(|id| node.send(peer, id, &ask));
        node.read(peer).len()
    };
    let refused: Vec<_> = peers.iter().map(refused).collect();
    assert_eq!((refused[..16].iter().sum::<usize>(), refused[16]), (0, 16));
    let first = take(&node).unwrap().number;
    node.connector.start_batch(node.now).answer_message(first, MessageAnswer::Reply(b""));
    node.send(&peers[16], 16, &ask);
    assert_eq!(node.read(&peers[16]), []);
}

#[test]
fn a_new_message_wakes_the_task_that_waits_for_one() {
    let (node, alice, _) = with_engine();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    assert!(node.connector.poll_message(&Context::from_waker(&waker)).is_pending());
    node.send(&alice, 1, &message(b"", Condition::PEER_PROTOCOL));
    assert_eq!(wakes.count(), 1);
    assert_eq!(take(&node).unwrap().number, 0);
}

/// What an engine says is passed on as long as other implementations read it.
#[test]
fn words_of_an_engine_are_passed_on_up_to_the_largest_packet() {
    let (node, alice, _) = with_engine();
    let words = vec![b'x'; MAX_DATA_EMITTED + 1];
    let answered = |answer: MessageAnswer<'_>| {
        node.send(&alice, 1, &message(b"", Condition::PEER_PROTOCOL));
        let number = take(&node).unwrap().number;
        node.connector.start_batch(node.now).answer_message(number, answer);
        match node.read_one(&alice) {
            Received::Fulfill { data, .. } => ("fulfilled".to_owned(), data.len()),
            Received::Reject { code, data, .. } => (code, data.len()),
            other => panic!("{other:?}"),
        }
    };
    let largest = &words[..MAX_DATA_EMITTED];
    let reply = |data| answered(MessageAnswer::Reply(data));
    assert_eq!(reply(largest), ("fulfilled".to_owned(), MAX_DATA_EMITTED));
    assert_eq!(reply(&words), ("F00".to_owned(), 0));
    let refuse = |data| answered(MessageAnswer::Refused(MessageRefusal::ByEngine, data));
    assert_eq!(refuse(largest), ("F00".to_owned(), MAX_DATA_EMITTED));
    assert_eq!(refuse(&words), ("F00".to_owned(), 0));
}
